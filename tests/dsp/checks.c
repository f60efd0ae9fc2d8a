/* SPDX-License-Identifier: MIT */
/* The definition of each kernel and the check of it in one case. Classes: exact (every bit, except
   which not-a-number), ULP (steps of the last place from the reference), sum (against the sum in
   double, within what rounding each addition allows). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkdsp.h"

static const uint8_t guard = 0xa5;
enum { BAND = 512 }; /* guard bytes either side of what is given out, where there is room */

/* memory ----------------------------------------------------------------------------------- */

/* Guard bytes before and after what was given out. */
static size_t before(const struct arena *a)
{
    size_t room = (size_t)(a->used - a->base);
    return room < BAND ? room : BAND;
}

static size_t after(const struct arena *a)
{
    size_t room = a->bytes - (size_t)(a->used - a->base) - a->used_bytes;
    return room < BAND ? room : BAND;
}

static void *place(struct rig *g, struct arena *a, size_t count, size_t element)
{
    static const size_t after_start[] = {0, 0, 1, 3, 5};
    size_t bytes = count * element;
    a->used =
        g->placement ? a->base + after_start[g->placement] * element : a->base + a->bytes - bytes;
    a->used_bytes = bytes;
    uint8_t *low = a->used - before(a);
    memset(low, guard, (size_t)(a->used + bytes + after(a) - low));
    return a->used;
}

static bool is_intact(const struct arena *a)
{
    size_t low = before(a), high = after(a);
    for (size_t i = 1; i <= low; i++)
        if (a->used[-(ptrdiff_t)i] != guard)
            return false;
    for (size_t i = 0; i < high; i++)
        if (a->used[a->used_bytes + i] != guard)
            return false;
    return true;
}

static float draw_float(struct rig *g)
{
    static const float specials[] = {NAN,       INFINITY,     -INFINITY, 0x1p-140f, -0x1p-127f,
                                     -0.0f,     0.0f,         1e30f,     -1e30f,    0x1.fffffep127f,
                                     0x1p-126f, 0x1.fp39f,    0x1p40f,   1.0f,      -1.0f,
                                     65536.0f,  -0x1.8p-126f, -70000.0f};
    uint32_t bits = draw(g);
    float uniform = (float)(int32_t)bits * 0x1p-31f;
    if (g->fill == FILL_SPECIAL && bits % 4)
        return specials[draw(g) % (sizeof(specials) / sizeof(specials[0]))];
    if (g->fill == FILL_HALVES) {
        int32_t step = (int32_t)(draw(g) % 66000) - 33000;
        return ((float)step + 0.5f) / 32768.0f;
    }
    return uniform;
}

static float *place_floats(struct rig *g, struct arena *a, size_t count)
{
    float *x = place(g, a, count, sizeof(float));
    for (size_t i = 0; i < count; i++)
        x[i] = draw_float(g);
    return x;
}

static void *place_bytes(struct rig *g, struct arena *a, size_t count, size_t element)
{
    uint8_t *x = place(g, a, count, element);
    for (size_t i = 0; i < count * element; i++) {
        uint32_t bits = draw(g);
        x[i] = (uint8_t)(bits >> 8 & 1 ? bits >> 24 : bits >> 9 & 1 ? 0xff : 0x80);
    }
    return x;
}

/* comparison ------------------------------------------------------------------------------- */

static bool fail(struct rig *g, size_t i, double got, double want)
{
    snprintf(g->reason, sizeof(g->reason), "n %zu, placement %d, fill %d: [%zu] is %.9g, not %.9g",
             g->n, g->placement, (int)g->fill, i, got, want);
    return false;
}

/* Floats as whole numbers in the order of their values, so that neighbours differ by one. */
static int64_t order(float x)
{
    int32_t bits;
    memcpy(&bits, &x, sizeof(bits));
    return bits < 0 ? (int64_t)INT32_MIN - bits - 1 : bits;
}

static bool agree(struct rig *g, const float *got, const float *want, size_t n, int64_t ulp)
{
    for (size_t i = 0; i < n; i++) {
        if (isnan(got[i]) && isnan(want[i]))
            continue;
        if (llabs(order(got[i]) - order(want[i])) > ulp)
            return fail(g, i, (double)got[i], (double)want[i]);
    }
    return true;
}

static bool within(struct rig *g)
{
    if (is_intact(&g->a) && is_intact(&g->b) && is_intact(&g->dst))
        return true;
    snprintf(g->reason, sizeof(g->reason), "n %zu, placement %d: wrote outside", g->n,
             g->placement);
    return false;
}

static float *want_floats(void)
{
    static float memory[N_MAX];
    return memory;
}

/* the definitions -------------------------------------------------------------------------- */

static void truth_s16_to_f32(float *dst, const int16_t *src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = (float)(src[i] / 32768.0);
}

static void truth_s24_to_f32(float *dst, const uint8_t *src, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int32_t v = src[3 * i] + 256 * src[3 * i + 1] + 65536 * src[3 * i + 2];
        dst[i] = (float)((v >= 1 << 23 ? v - (1 << 24) : v) / 8388608.0);
    }
}

static void truth_s32_to_f32(float *dst, const int32_t *src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = (float)(src[i] / 2147483648.0);
}

static void truth_f32_to_s16(int16_t *dst, const float *src, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double x = isnan(src[i]) ? 0 : nearbyint((double)src[i] * 32768);
        dst[i] = (int16_t)fmin(fmax(x, -32768), 32767);
    }
}

static size_t truth_sanitize(float *x, size_t n)
{
    size_t bad = 0;
    for (size_t i = 0; i < n; i++) {
        bool nonsense = !isfinite(x[i]) || fabs((double)x[i]) >= 0x1p40;
        bad += nonsense;
        if (nonsense || !isnormal(x[i]))
            x[i] = 0;
    }
    return bad;
}

static void truth_downmix(float *dst, const float *src, size_t n, size_t channels)
{
    for (size_t i = 0; i < n; i++) {
        float sum = src[i * channels];
        for (size_t c = 1; c < channels; c++)
            sum += src[i * channels + c];
        dst[i] = sum * (1.0f / (float)channels);
    }
}

static void truth_pick(float *dst, const float *src, size_t n, size_t channels, size_t channel)
{
    for (size_t i = 0; i < n; i++)
        memcpy(dst + i, src + i * channels + channel, sizeof(float));
}

static float truth_dot(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return (float)sum;
}

static void truth_rows(float *dst, const float *a, size_t stride, const float *b, size_t n,
                       size_t count)
{
    for (size_t r = 0; r < count; r++)
        dst[r] = truth_dot(a + r * stride, b, n);
}

static float truth_energy(const float *x, size_t n)
{
    return truth_dot(x, x, n);
}

static float truth_peak(const float *x, size_t n)
{
    float most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmaxf(most, fabsf(x[i]));
    return most;
}

static void truth_multiply(float *dst, const float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = (float)((double)a[i] * (double)b[i]);
}

static void truth_power(float *dst, const float *src, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double re = (double)src[2 * i], im = (double)src[2 * i + 1];
        dst[i] = (float)(re * re + im * im);
    }
}

void truth_init(struct vs__dsp *d)
{
    d->flags = 0;
#define X(type, name, arguments) d->name = truth_##name;
    VS__KERNELS(X)
#undef X
}

/* the checks ------------------------------------------------------------------------------- */

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

/* Is `got` the sum of a[i] * b[i] but for the rounding of single precision? */
static bool is_sum(struct rig *g, float got, const float *a, const float *b)
{
    double sum = 0, size = 0;
    for (size_t i = 0; i < g->n; i++) {
        double product = (double)a[i] * (double)b[i];
        sum += product;
        size += fabs(product);
    }
    if (fabs((double)got - sum) <= size * 0x1p-24 * ((double)g->n / 4 + 4))
        return true;
    return fail(g, g->n, (double)got, sum);
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

bool check_multiply(const struct vs__dsp *d, struct rig *g)
{
    float *a = place_floats(g, &g->a, g->n), *b = place_floats(g, &g->b, g->n);
    float *dst = place(g, &g->dst, g->n, sizeof(float));
    d->multiply(dst, a, b, g->n);
    g->want->multiply(want_floats(), a, b, g->n);
    return agree(g, dst, want_floats(), g->n, 0) && within(g);
}

bool check_power(const struct vs__dsp *d, struct rig *g)
{
    float *src = place_floats(g, &g->a, 2 * g->n);
    float *dst = place(g, &g->dst, g->n, sizeof(float));
    d->power(dst, src, g->n);
    g->want->power(want_floats(), src, g->n);
    return agree(g, dst, want_floats(), g->n, 2) && within(g);
}
