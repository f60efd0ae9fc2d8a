/* SPDX-License-Identifier: MIT */
/* The check of each kernel of VS__KERNELS_EACH in one case. */
#include <math.h>
#include <string.h>

#include "checkdsp.h"

bool check_multiply(const struct vs__dsp *d, struct rig *g)
{
    float *a = place_floats(g, &g->a, g->n), *b = place_floats(g, &g->b, g->n);
    float *dst = place(g, &g->dst, g->n, sizeof(float));
    d->multiply(dst, a, b, g->n);
    g->want->multiply(want_floats(), a, b, g->n);
    return agree(g, dst, want_floats(), g->n, 0) && within(g);
}

bool check_multiply_add(const struct vs__dsp *d, struct rig *g)
{
    float *a = place_floats(g, &g->a, 2 * g->n), *b = place_floats(g, &g->b, g->n);
    float *c = a + g->n, *dst = place(g, &g->dst, g->n, sizeof(float));
    d->multiply_add(dst, a, b, c, g->n);
    g->want->multiply_add(want_floats(), a, b, c, g->n);
    return agree(g, dst, want_floats(), g->n, 0) && within(g);
}

/* A copy of `n` floats to where the wanted ones are made in place. */
static float *copy_wanted(const float *x, size_t n)
{
    return n ? memcpy(want_floats(), x, n * sizeof(float)) : want_floats();
}

bool check_mix(const struct vs__dsp *d, struct rig *g)
{
    float *src = place_floats(g, &g->a, g->n), *dst = place_floats(g, &g->dst, g->n);
    float gain = 0.7f;
    g->want->mix(copy_wanted(dst, g->n), src, g->n, gain);
    d->mix(dst, src, g->n, gain);
    return agree(g, dst, want_floats(), g->n, 0) && within(g);
}

bool check_gain(const struct vs__dsp *d, struct rig *g)
{
    static const float steps[] = {0.0f, 1.1e-3f, -0.7e-4f};
    for (size_t k = 0; k < 3; k++) {
        float *x = place_floats(g, &g->dst, g->n);
        g->want->gain(copy_wanted(x, g->n), g->n, 0.9f, steps[k]);
        d->gain(x, g->n, 0.9f, steps[k]);
        if (!agree(g, x, want_floats(), g->n, 0) || !within(g))
            return false;
    }
    return true;
}

bool check_power(const struct vs__dsp *d, struct rig *g)
{
    float *src = place_floats(g, &g->a, 2 * g->n);
    float *dst = place(g, &g->dst, g->n, sizeof(float));
    d->power(dst, src, g->n);
    g->want->power(want_floats(), src, g->n);
    return agree(g, dst, want_floats(), g->n, 2) && within(g);
}

bool check_complex_multiply(const struct vs__dsp *d, struct rig *g)
{
    float *a = place_floats(g, &g->a, 2 * g->n), *b = place_floats(g, &g->b, 2 * g->n);
    float *dst = place(g, &g->dst, 2 * g->n, sizeof(float));
    d->complex_multiply(dst, a, b, g->n);
    g->want->complex_multiply(want_floats(), a, b, g->n);
    return agree(g, dst, want_floats(), 2 * g->n, 0) && within(g);
}

bool check_complex_gain(const struct vs__dsp *d, struct rig *g)
{
    float *x = place_floats(g, &g->dst, 2 * g->n), *gain = place_floats(g, &g->a, g->n);
    g->want->complex_gain(copy_wanted(x, 2 * g->n), gain, g->n);
    d->complex_gain(x, gain, g->n);
    return agree(g, x, want_floats(), 2 * g->n, 0) && within(g);
}

/* In every bit what plain C gives, which is near the definition. */
static bool is_near(struct rig *g, const float *got, const float *plain, const float *want,
                    double absolute, double relative)
{
    for (size_t i = 0; i < g->n; i++) {
        double off = fabs((double)got[i] - (double)want[i]);
        if (!(got[i] == want[i] || off <= absolute + relative * fabs((double)want[i])))
            return fail(g, i, (double)got[i], (double)want[i]);
    }
    return g->want->flags == TRUTH || agree(g, got, plain, g->n, 0);
}

bool check_log2_near(const struct vs__dsp *d, struct rig *g)
{
    float want[N_MAX], *src = place_floats(g, &g->a, g->n);
    float *dst = place(g, &g->dst, g->n, sizeof(float));
    for (size_t i = 0; i < g->n; i++) /* over the whole range; close to 1 too */
        if (g->fill == FILL_HALVES)
            src[i] = ldexpf(1.0f + 0.5f * src[i], (int)(draw(g) % 254) - 126);
        else if (src[i] == INFINITY)
            src[i] = 1.0f + 1e-4f;
    d->log2_near(dst, src, g->n);
    g->want->log2_near(want_floats(), src, g->n);
    truth()->log2_near(want, src, g->n);
    return is_near(g, dst, want_floats(), want, 2e-6, 0x1p-23) && within(g);
}

bool check_exp2_near(const struct vs__dsp *d, struct rig *g)
{
    float want[N_MAX], *src = place_floats(g, &g->a, g->n);
    float *dst = place(g, &g->dst, g->n, sizeof(float));
    for (size_t i = 0; i < g->n && g->fill == FILL_HALVES; i++)
        src[i] = ((float)(draw(g) % 260000) - 130000.0f) * 1e-3f;
    d->exp2_near(dst, src, g->n);
    g->want->exp2_near(want_floats(), src, g->n);
    truth()->exp2_near(want, src, g->n);
    return is_near(g, dst, want_floats(), want, 0, 4e-6) && within(g);
}

bool check_square_root(const struct vs__dsp *d, struct rig *g)
{
    float *src = place_floats(g, &g->a, g->n), *dst = place(g, &g->dst, g->n, sizeof(float));
    d->square_root(dst, src, g->n);
    g->want->square_root(want_floats(), src, g->n);
    return agree(g, dst, want_floats(), g->n, 0) && within(g);
}

/* A high-pass at 80 Hz and a shelf of some dB at 16 kHz. */
const struct vs__biquad_numbers biquad_numbers[VS__BIQUAD_SECTIONS] = {
    {0.97803048, -1.95606096, 0.97803048, -1.95557824, 0.95654368},
    {1.35, -1.2, 0.45, -0.9, 0.35},
};

/* The whole at once against the reference; then in pieces against the whole, bit by bit. */
bool check_biquads(const struct vs__dsp *d, struct rig *g)
{
    if (g->fill == FILL_SPECIAL)
        g->fill = FILL_RANDOM;
    for (uint32_t count = 1; count <= VS__BIQUAD_SECTIONS; count++) {
        struct vs__biquad sections[VS__BIQUAD_SECTIONS];
        struct vs__biquads whole, pieces, reference;
        float *x = place_floats(g, &g->dst, g->n), *y = place(g, &g->a, g->n, sizeof(float));
        for (uint32_t s = 0; s < count; s++)
            vs__biquad_init(&sections[s], &biquad_numbers[s]);
        vs__biquads_init(&whole, sections, count);
        pieces = reference = whole;
        memcpy(y, x, g->n * sizeof(float));
        g->want->biquads(&reference, copy_wanted(x, g->n), g->n);
        d->biquads(&whole, x, g->n);
        for (size_t i = 0; i < g->n && g->want->flags == TRUTH; i++)
            if (fabs((double)x[i] - (double)want_floats()[i]) > 1e-6)
                return fail(g, i, (double)x[i], (double)want_floats()[i]);
        if (g->want->flags != TRUTH && !agree(g, x, want_floats(), g->n, 0))
            return false;
        for (size_t at = 0, part; at < g->n; at += part) {
            part = 1 + draw(g) % 21;
            part = part < g->n - at ? part : g->n - at;
            d->biquads(&pieces, y + at, part);
        }
        if (!agree(g, y, x, g->n, 0) || !within(g))
            return false;
    }
    return true;
}
