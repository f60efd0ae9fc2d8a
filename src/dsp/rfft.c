/* SPDX-License-Identifier: MIT */
/* Real FFT of n points and its inverse: a complex FFT of n / 2 points over even and odd samples, then the two
   halves are told apart by symmetry. The complex FFT is Stockham's self-sorting form in radix 4
   (a last radix-2 pass where needed) on split real and imaginary arrays, so that the inner loops
   run over neighbours. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/base.h"
#include "dsp/dsp.h"

struct vs__rfft {
    size_t n;
    float *re, *im;   /* n / 2 points */
    float *re2, *im2; /* the other side of each pass */
    float *turn;      /* per radix-4 pass: for each p the factors w, w^2, w^3 as re, im */
    float *split;     /* exp(-2 pi i k / n), k <= n / 4, interleaved */
};

static void set_unit(float *dst, size_t k, size_t n)
{
    const double pi = 3.14159265358979323846;
    dst[0] = (float)cos(2 * pi * (double)k / (double)n);
    dst[1] = (float)-sin(2 * pi * (double)k / (double)n);
}

/* Floats of the factors of all radix-4 passes over `half` points. */
static size_t count_turns(size_t half)
{
    size_t count = 0;
    for (size_t left = half; left >= 4; left /= 4)
        count += left / 4 * 6;
    return count;
}

int vs__rfft_create(const struct vs__dsp *dsp, size_t n, struct vs__rfft **ret)
{
    (void)dsp;
    if (n < 32 || n > 4096 || (n & (n - 1)))
        return -EINVAL;
    size_t half = n / 2, head = (sizeof(struct vs__rfft) + 63) / 64 * 64;
    size_t turns = (count_turns(half) + 15) / 16 * 16;
    struct vs__rfft *f = vs__alloc(head + (4 * half + turns + half + 2) * sizeof(float));
    if (!f)
        return -ENOMEM;
    f->n = n;
    f->re = (float *)(void *)((char *)f + head);
    f->im = f->re + half;
    f->re2 = f->im + half;
    f->im2 = f->re2 + half;
    f->turn = f->im2 + half;
    f->split = f->turn + turns;
    float *turn = f->turn;
    for (size_t left = half; left >= 4; left /= 4)
        for (size_t p = 0; p < left / 4; p++)
            for (size_t power = 1; power <= 3; power++, turn += 2)
                set_unit(turn, p * power, left);
    for (size_t k = 0; k <= n / 4; k++)
        set_unit(f->split + 2 * k, k, n);
    *ret = f;
    return 0;
}

struct points {
    float *re, *im;
};

/* One group of radix-4 butterflies: inputs `quarter` apart, outputs `stride` apart. */
static void butterflies4(const float *restrict re, const float *restrict im, float *restrict re2,
                         float *restrict im2, const float *w, size_t quarter, size_t stride)
{
    for (size_t q = 0; q < stride; q++) {
        float ar = re[q], ai = im[q];
        float br = re[q + quarter], bi = im[q + quarter];
        float cr = re[q + 2 * quarter], ci = im[q + 2 * quarter];
        float dr = re[q + 3 * quarter], di = im[q + 3 * quarter];
        float sr = ar + cr, si = ai + ci, tr = ar - cr, ti = ai - ci;
        float ur = br + dr, ui = bi + di, vr = bi - di, vi = dr - br; /* v = -i (b - d) */
        float xr = tr + vr, xi = ti + vi, yr = sr - ur, yi = si - ui;
        float zr = tr - vr, zi = ti - vi;
        re2[q] = sr + ur;
        im2[q] = si + ui;
        re2[q + stride] = xr * w[0] - xi * w[1];
        im2[q + stride] = xr * w[1] + xi * w[0];
        re2[q + 2 * stride] = yr * w[2] - yi * w[3];
        im2[q + 2 * stride] = yr * w[3] + yi * w[2];
        re2[q + 3 * stride] = zr * w[4] - zi * w[5];
        im2[q + 3 * stride] = zr * w[5] + zi * w[4];
    }
}

static void butterflies2(const float *restrict re, const float *restrict im, float *restrict re2,
                         float *restrict im2, size_t half)
{
    for (size_t q = 0; q < half; q++) {
        re2[q] = re[q] + re[q + half];
        im2[q] = im[q] + im[q + half];
        re2[q + half] = re[q] - re[q + half];
        im2[q + half] = im[q] - im[q + half];
    }
}

static struct points transform(const struct vs__rfft *f)
{
    size_t half = f->n / 2, stride = 1, left = half;
    const float *turn = f->turn;
    struct points from = {f->re, f->im}, to = {f->re2, f->im2};
    for (; left >= 4; left /= 4, stride *= 4) {
        for (size_t p = 0; p < left / 4; p++, turn += 6)
            butterflies4(from.re + p * stride, from.im + p * stride, to.re + 4 * p * stride,
                         to.im + 4 * p * stride, turn, half / 4, stride);
        struct points other = from;
        from = to;
        to = other;
    }
    if (left == 2) {
        butterflies2(from.re, from.im, to.re, to.im, half / 2);
        from = to;
    }
    return from;
}

void vs__rfft_forward(struct vs__rfft *f, const float *in, float *out)
{
    size_t half = f->n / 2;
    for (size_t i = 0; i < half; i++) {
        f->re[i] = in[2 * i];
        f->im[i] = in[2 * i + 1];
    }
    struct points z = transform(f);
    out[0] = z.re[0] + z.im[0];
    out[2 * half] = z.re[0] - z.im[0];
    out[1] = out[2 * half + 1] = 0;
    for (size_t k = 1; k <= half / 2; k++) {
        size_t m = half - k;
        /* even and odd samples' spectra at k */
        float er = 0.5f * (z.re[k] + z.re[m]), ei = 0.5f * (z.im[k] - z.im[m]);
        float dr = 0.5f * (z.im[k] + z.im[m]), di = 0.5f * (z.re[m] - z.re[k]);
        float wr = f->split[2 * k], wi = f->split[2 * k + 1];
        float tr = dr * wr - di * wi, ti = dr * wi + di * wr;
        out[2 * k] = er + tr;
        out[2 * k + 1] = ei + ti;
        out[2 * m] = er - tr;
        out[2 * m + 1] = ti - ei;
    }
}

/* The inverse of a complex transform is the forward one with real and imaginary parts exchanged. */
void vs__rfft_inverse(struct vs__rfft *f, const float *in, float *out)
{
    size_t half = f->n / 2;
    f->im[0] = 0.5f * (in[0] + in[2 * half]);
    f->re[0] = 0.5f * (in[0] - in[2 * half]);
    for (size_t k = 1; k <= half / 2; k++) {
        size_t m = half - k;
        float er = 0.5f * (in[2 * k] + in[2 * m]), ei = 0.5f * (in[2 * k + 1] - in[2 * m + 1]);
        float tr = 0.5f * (in[2 * k] - in[2 * m]), ti = 0.5f * (in[2 * k + 1] + in[2 * m + 1]);
        float wr = f->split[2 * k], wi = -f->split[2 * k + 1];
        float dr = tr * wr - ti * wi, di = tr * wi + ti * wr;
        f->im[k] = er - di;
        f->re[k] = ei + dr;
        f->im[m] = er + di;
        f->re[m] = dr - ei;
    }
    struct points z = transform(f);
    for (size_t i = 0; i < half; i++) {
        out[2 * i] = z.im[i];
        out[2 * i + 1] = z.re[i];
    }
}

void vs__rfft_destroy(struct vs__rfft *f)
{
    vs__free(f);
}
