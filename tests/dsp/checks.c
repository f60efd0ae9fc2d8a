/* SPDX-License-Identifier: MIT */
/* The check of each kernel in one case. Classes: exact (every bit, except which not-a-number), ULP
   (steps of the last place from the reference), sum (against the sum in double, within what
   rounding each addition allows). */
#include <math.h>
#include <string.h>

#include "checkdsp.h"

bool check_s16_to_f32(const struct vs__dsp *d, struct rig *g)
{
    int16_t *src = place_bytes(g, &g->a, g->n, sizeof(*src));
    float *dst = place(g, &g->dst, g->n, sizeof(float));
    d->s16_to_f32(dst, src, g->n);
    g->want->s16_to_f32(want_floats(), src, g->n);
    return agree(g, dst, want_floats(), g->n, 0) && within(g);
}

bool check_s24_to_f32(const struct vs__dsp *d, struct rig *g)
{
    uint8_t *src = place_bytes(g, &g->a, g->n, 3);
    float *dst = place(g, &g->dst, g->n, sizeof(float));
    d->s24_to_f32(dst, src, g->n);
    g->want->s24_to_f32(want_floats(), src, g->n);
    return agree(g, dst, want_floats(), g->n, 0) && within(g);
}

bool check_s32_to_f32(const struct vs__dsp *d, struct rig *g)
{
    int32_t *src = place_bytes(g, &g->a, g->n, sizeof(*src));
    float *dst = place(g, &g->dst, g->n, sizeof(float));
    d->s32_to_f32(dst, src, g->n);
    g->want->s32_to_f32(want_floats(), src, g->n);
    return agree(g, dst, want_floats(), g->n, 0) && within(g);
}

/* Floats, of which a case has halves of `step` and, here and there alone, full scale give or take one
   step or the last place. */
static float *place_steps(struct rig *g, float step)
{
    float *x = place_floats(g, &g->a, g->n);
    for (size_t i = 0; i < g->n && g->fill == FILL_HALVES; i++) {
        uint32_t bits = draw(g);
        if (bits & 1)
            x[i] = ((float)(int32_t)(bits >> 8 & 0xffff) - 32768.0f + 0.5f) * step;
        else if (bits >> 8 & 0x3f)
            continue;
        else if (bits & 2)
            x[i] = (bits & 4 ? 1.0f : -1.0f) + ((float)(bits >> 14 & 3) - 1.0f) * step;
        else
            x[i] = bits & 4 ? 0x1.fffffep-1f : -0x1.fffffep-1f;
    }
    return x;
}

bool check_f32_to_s24(const struct vs__dsp *d, struct rig *g)
{
    static uint8_t want[3 * N_MAX];
    float *src = place_steps(g, 0x1p-23f);
    uint8_t *dst = place(g, &g->dst, g->n, 3);
    d->f32_to_s24(dst, src, g->n);
    g->want->f32_to_s24(want, src, g->n);
    for (size_t i = 0; i < 3 * g->n; i++)
        if (dst[i] != want[i])
            return fail(g, i, dst[i], want[i]);
    return within(g);
}

bool check_f32_to_s32(const struct vs__dsp *d, struct rig *g)
{
    static int32_t want[N_MAX];
    float *src = place_steps(g, 0x1p-31f);
    int32_t *dst = place(g, &g->dst, g->n, sizeof(*dst));
    d->f32_to_s32(dst, src, g->n);
    g->want->f32_to_s32(want, src, g->n);
    for (size_t i = 0; i < g->n; i++)
        if (dst[i] != want[i])
            return fail(g, i, dst[i], want[i]);
    return within(g);
}

bool check_f32_to_s16(const struct vs__dsp *d, struct rig *g)
{
    static int16_t want[N_MAX];
    float *src = place_floats(g, &g->a, g->n);
    int16_t *dst = place(g, &g->dst, g->n, sizeof(*dst));
    d->f32_to_s16(dst, src, g->n);
    g->want->f32_to_s16(want, src, g->n);
    for (size_t i = 0; i < g->n; i++)
        if (dst[i] != want[i])
            return fail(g, i, dst[i], want[i]);
    return within(g);
}

bool check_sanitize(const struct vs__dsp *d, struct rig *g)
{
    float *x = place_floats(g, &g->dst, g->n);
    if (g->n)
        memcpy(want_floats(), x, g->n * sizeof(float));
    size_t want = g->want->sanitize(want_floats(), g->n);
    size_t got = d->sanitize(x, g->n);
    if (got != want)
        return fail(g, g->n, (double)got, (double)want);
    return agree(g, x, want_floats(), g->n, 0) && within(g);
}

static const size_t channel_counts[] = {1, 2, 3, 4, 8, CHANNELS_MAX};

bool check_downmix(const struct vs__dsp *d, struct rig *g)
{
    for (size_t k = 0; k < sizeof(channel_counts) / sizeof(channel_counts[0]); k++) {
        size_t channels = channel_counts[k];
        float *src = place_floats(g, &g->a, g->n * channels);
        float *dst = place(g, &g->dst, g->n, sizeof(float));
        d->downmix(dst, src, g->n, channels);
        g->want->downmix(want_floats(), src, g->n, channels);
        if (!agree(g, dst, want_floats(), g->n, 0) || !within(g))
            return false;
    }
    return true;
}

bool check_pick(const struct vs__dsp *d, struct rig *g)
{
    for (size_t k = 0; k < sizeof(channel_counts) / sizeof(channel_counts[0]); k++) {
        size_t channels = channel_counts[k];
        for (size_t last = 0; last < 2; last++) {
            size_t channel = last ? channels - 1 : 0;
            float *src = place_floats(g, &g->a, g->n * channels);
            float *dst = place(g, &g->dst, g->n, sizeof(float));
            d->pick(dst, src, g->n, channels, channel);
            g->want->pick(want_floats(), src, g->n, channels, channel);
            if (!agree(g, dst, want_floats(), g->n, 0) || !within(g))
                return false;
        }
    }
    return true;
}

bool check_deinterleave(const struct vs__dsp *d, struct rig *g)
{
    for (size_t k = 0; k < 4; k++) {
        size_t channels = channel_counts[k], stride = g->n + k,
               all = (channels - 1) * stride + g->n;
        float *src = place_floats(g, &g->a, g->n * channels);
        float *dst = place_floats(g, &g->dst, all);
        d->deinterleave(dst, stride, src, g->n, channels);
        for (size_t c = 0; c < channels; c++) {
            g->want->pick(want_floats(), src, g->n, channels, c);
            if (!agree(g, dst + c * stride, want_floats(), g->n, 0))
                return false;
        }
        if (!within(g))
            return false;
    }
    return true;
}

/* Is `got` the sum of a[i] * b[i] but for the rounding of single precision? */
static bool is_sum_of(struct rig *g, float got, const float *a, const float *b, size_t n)
{
    double sum = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        double product = (double)a[i] * (double)b[i];
        sum += product;
        size += fabs(product);
    }
    if (fabs((double)got - sum) <= size * 0x1p-24 * ((double)n / 4 + 4))
        return true;
    return fail(g, n, (double)got, sum);
}

static bool is_sum(struct rig *g, float got, const float *a, const float *b)
{
    return is_sum_of(g, got, a, b, g->n);
}

bool check_dot(const struct vs__dsp *d, struct rig *g)
{
    if (g->fill == FILL_SPECIAL)
        g->fill = FILL_RANDOM;
    float *a = place_floats(g, &g->a, g->n), *b = place_floats(g, &g->b, g->n);
    return is_sum(g, d->dot(a, b, g->n), a, b) && within(g);
}

bool check_rows(const struct vs__dsp *d, struct rig *g)
{
    if (g->fill == FILL_SPECIAL)
        g->fill = FILL_RANDOM;
    for (size_t count = 0; count < 10; count += 1 + count / 4) {
        size_t stride = g->n + count % 3, all = count ? (count - 1) * stride + g->n : 0;
        float *a = place_floats(g, &g->a, all), *b = place_floats(g, &g->b, g->n);
        float *dst = place_floats(g, &g->dst, count);
        d->rows(dst, a, stride, b, g->n, count);
        for (size_t r = 0; r < count; r++)
            if (!is_sum(g, dst[r], a + r * stride, b))
                return false;
        if (!within(g))
            return false;
    }
    return true;
}

bool check_polyphase(const struct vs__dsp *d, struct rig *g)
{
    enum { COUNTS = 42 };
    static const struct vs__walk walks[] = {
        {0, 1, 3, 0}, {5, 7, 1, 4}, {2, 3, 0, 1}, {0, 1, 1, 0}, {0, 1, 12, 0}};
    if (g->fill == FILL_SPECIAL)
        g->fill = FILL_RANDOM;
    g->n = g->n / 64 * 16;
    for (size_t count = 0; count < COUNTS; count += 1 + count / 8) {
        const struct vs__walk *walk = &walks[count % 5];
        const float *x;
        size_t at[COUNTS], of[COUNTS], phase = walk->phase, end = 0;
        for (size_t k = 0; k < count; k++) {
            at[k] = end;
            of[k] = phase;
            phase += walk->rest;
            end += walk->whole + phase / walk->phases;
            phase %= walk->phases;
        }
        const float *filters = place_floats(g, &g->b, walk->phases * g->n);
        float *dst = place_floats(g, &g->dst, count), alone;
        x = place_floats(g, &g->a, count ? at[count - 1] + g->n : 0);
        d->polyphase(dst, x, filters, g->n, count, walk);
        for (size_t k = 0; k < count; k++) {
            struct vs__walk one = *walk;
            one.phase = (uint32_t)of[k];
            const float *filter = filters + of[k] * g->n;
            if (!is_sum(g, dst[k], x + at[k], filter))
                return false;
            d->polyphase(&alone, x + at[k], filters, g->n, 1, &one);
            if (!agree(g, dst + k, &alone, 1, 0)) /* whatever the count */
                return false;
        }
        if (!within(g))
            return false;
    }
    return true;
}

bool check_energy(const struct vs__dsp *d, struct rig *g)
{
    if (g->fill == FILL_SPECIAL)
        g->fill = FILL_RANDOM;
    float *x = place_floats(g, &g->a, g->n);
    return is_sum(g, d->energy(x, g->n), x, x) && within(g);
}

bool check_peak(const struct vs__dsp *d, struct rig *g)
{
    float *x = place_floats(g, &g->a, g->n);
    float got = d->peak(x, g->n), want = g->want->peak(x, g->n);
    return agree(g, &got, &want, 1, 0) && within(g);
}

bool check_f32_to_u7(const struct vs__dsp *d, struct rig *g)
{
    static uint8_t want[N_MAX];
    static const struct {
        float scale, zero;
    } ranges[] = {{127.0f, 0.0f}, {63.5f, 64.0f}, {32768.0f, 64.0f}};
    for (size_t k = 0; k < 3; k++) {
        float *src = place_floats(g, &g->a, g->n);
        uint8_t *dst = place(g, &g->dst, g->n, sizeof(*dst));
        for (size_t i = 0; i < g->n && g->fill == FILL_HALVES; i++)
            src[i] = ((float)(draw(g) % 160) - 16.0f + 0.5f - ranges[k].zero) / ranges[k].scale;
        d->f32_to_u7(dst, src, g->n, ranges[k].scale, ranges[k].zero);
        g->want->f32_to_u7(want, src, g->n, ranges[k].scale, ranges[k].zero);
        for (size_t i = 0; i < g->n; i++)
            if (dst[i] != want[i])
                return fail(g, i, dst[i], want[i]);
        if (!within(g))
            return false;
    }
    return true;
}

bool check_add_u7(const struct vs__dsp *d, struct rig *g)
{
    static uint8_t want[N_MAX];
    uint8_t *x = place(g, &g->dst, g->n, sizeof(*x));
    int32_t *src = place(g, &g->a, g->n, sizeof(*src));
    float *scale = place(g, &g->b, 2 * g->n, sizeof(*scale)), *bias = scale + g->n;

    for (size_t i = 0; i < g->n; i++) {
        want[i] = x[i] = (uint8_t)(draw(g) % 128);
        switch (draw(g) % 3) {
        case 0: /* halves */
            src[i] = (int32_t)(draw(g) % 512) - 256;
            scale[i] = 0.5f;
            bias[i] = (float)(draw(g) % 64) - 32.0f;
            break;
        case 1: /* a half, if the product is rounded, else more than that */
            want[i] = x[i] &= 126;
            src[i] = 4097;
            scale[i] = 4097 * 0x1p-20f;
            bias[i] = 0.5f - 16785408 * 0x1p-20f;
            break;
        default:
            src[i] = (int32_t)draw(g);
            scale[i] = ldexpf((float)(draw(g) % 1000), -30 - (int)(draw(g) % 12));
            bias[i] = (float)(draw(g) % 4000) / 20 - 100;
        }
    }
    d->add_u7(x, src, scale, bias, g->n);
    g->want->add_u7(want, src, scale, bias, g->n);
    for (size_t i = 0; i < g->n; i++)
        if (x[i] != want[i])
            return fail(g, i, x[i], want[i]);
    return within(g);
}

bool check_rows_s8(const struct vs__dsp *d, struct rig *g)
{
    static const size_t counts[] = {0, 16, 48, 112};
    const size_t n = g->n / 4 * 4;
    int32_t want[112];
    for (size_t k = 0; k < sizeof(counts) / sizeof(counts[0]); k++) {
        size_t count = counts[k];
        int8_t *a = place_bytes(g, &g->a, n * count, sizeof(*a));
        uint8_t *b = place_bytes(g, &g->b, n, sizeof(*b));
        int32_t *dst = place(g, &g->dst, count, sizeof(*dst));
        /* extremes side by side are what saturates */
        for (size_t i = 0; i < n; i++)
            b[i] = g->fill == FILL_SPECIAL ? 127 : b[i] & 127;
        for (size_t i = 0; i < n * count && g->fill == FILL_SPECIAL; i++)
            a[i] = k & 1 ? -128 : 127;
        d->rows_s8(dst, a, b, n, count);
        g->want->rows_s8(want, a, b, n, count);
        for (size_t r = 0; r < count; r++)
            if (dst[r] != want[r])
                return fail(g, r, dst[r], want[r]);
        if (!within(g))
            return false;
    }
    return true;
}

bool check_fir(const struct vs__dsp *d, struct rig *g)
{
    static const size_t counts[] = {1, 2, 7, 64};
    if (g->fill == FILL_SPECIAL)
        g->fill = FILL_RANDOM;
    for (size_t k = 0; k < sizeof(counts) / sizeof(counts[0]); k++) {
        size_t count = counts[k];
        float *src = place_floats(g, &g->a, g->n ? g->n + count - 1 : 0);
        float *taps = place_floats(g, &g->b, count), *dst = place_floats(g, &g->dst, g->n);
        d->fir(dst, src, g->n, taps, count);
        for (size_t i = 0; i < g->n; i++)
            if (!is_sum_of(g, dst[i], src + i, taps, count))
                return false;
        if (!within(g))
            return false;
    }
    return true;
}

bool check_measure(const struct vs__dsp *d, struct rig *g)
{
    float *x = place_floats(g, &g->a, g->n), peak = -1, want = g->want->peak(x, g->n);
    float sum = d->measure(x, g->n, &peak);
    return agree(g, &peak, &want, 1, 0) && within(g) &&
           (g->fill == FILL_SPECIAL || is_sum(g, sum, x, x));
}
