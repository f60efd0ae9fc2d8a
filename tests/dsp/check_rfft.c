/* SPDX-License-Identifier: MIT */
/* The real FFT of a level against the definition in double, at every length; the unit test of the
   transform looks closer, but needs a library that emulated machines lack. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "checkdsp.h"

enum { LONGEST = 4096, BINS_MAX = 40 };

typedef void transform_fn(struct vs__rfft *f, const float *in, float *out);

static double cosines[LONGEST]; /* of one turn in n steps */
static size_t length;

/* Relative rms error of some of what `there` and `back` make of random numbers, the larger one. */
static double measure_error(const struct vs__dsp *d, transform_fn *there, transform_fn *back,
                            struct rig *g)
{
    static float in[LONGEST + 2], out[LONGEST + 2];
    double error[2] = {0}, size[2] = {0};
    size_t n = length, step = n / 2 / BINS_MAX + 1;
    struct vs__rfft *f;

    if (vs__rfft_create(d, n, &f))
        return HUGE_VAL;
    for (size_t i = 0; i < n; i++)
        cosines[i] = cos(2 * 3.14159265358979323846 * (double)i / (double)n);
    for (size_t i = 0; i < n + 2; i++)
        in[i] = (float)(int32_t)draw(g) * 0x1p-31f;
    there(f, in, out);
    for (size_t k = n / 2 % step; k <= n / 2; k += step) {
        double re = 0, im = 0;
        for (size_t i = 0; i < n; i++) {
            re += (double)in[i] * cosines[i * k % n];
            im += (double)in[i] * cosines[(i * k + n / 4) % n];
        }
        error[0] += pow(re - (double)out[2 * k], 2) + pow(im - (double)out[2 * k + 1], 2);
        size[0] += re * re + im * im;
    }
    back(f, in, out);
    for (size_t i = (n - 1) % (2 * step); i < n; i += 2 * step) {
        double x = 0.5 * ((double)in[0] + (i % 2 ? -1 : 1) * (double)in[n]);
        for (size_t k = 1; k < n / 2; k++)
            x += (double)in[2 * k] * cosines[i * k % n] +
                 (double)in[2 * k + 1] * cosines[(i * k + n / 4) % n];
        error[1] += pow(x - (double)out[i], 2);
        size[1] += x * x;
    }
    vs__rfft_destroy(f);
    return sqrt(fmax(error[0] / size[0], error[1] / size[1]));
}

/* All lengths. @return the first that is wrong, or 0 */
static size_t find_wrong(const struct vs__dsp *d, transform_fn *there, transform_fn *back,
                         struct rig *g)
{
    for (length = 32; length <= LONGEST; length += 8) {
        size_t left = length;
        for (size_t factor = 2; factor <= 5; factor++)
            while (left % factor == 0)
                left /= factor;
        if (left == 1 && !(measure_error(d, there, back, g) < 3e-8 * log2((double)length)))
            return length;
    }
    return 0;
}

/* faults ------------------------------------------------------------------------------------- */

static void forget_last(struct vs__rfft *f, const float *in, float *out)
{
    float most[LONGEST];
    memcpy(most, in, length * sizeof(float));
    most[length - 1] = 0;
    vs__rfft_forward(f, most, out);
}

static void conjugate(struct vs__rfft *f, const float *in, float *out)
{
    vs__rfft_forward(f, in, out);
    for (size_t k = 0; k <= length / 2; k++)
        out[2 * k + 1] = -out[2 * k + 1];
}

static void round_roughly(struct vs__rfft *f, const float *in, float *out)
{
    vs__rfft_forward(f, in, out);
    for (size_t i = 0; i < length + 2; i++)
        out[i] += out[i] * 0x1p-20f;
}

static void take_ends(struct vs__rfft *f, const float *in, float *out)
{
    vs__rfft_inverse(f, in, out);
    for (size_t i = 0; i < length; i++)
        out[i] += in[1] * 1e-3f;
}

static void turn_by_one(struct vs__rfft *f, const float *in, float *out)
{
    vs__rfft_inverse(f, in, out);
    float first = out[0];
    memmove(out, out + 1, (length - 1) * sizeof(float));
    out[length - 1] = first;
}

int check_rfft(const struct vs__dsp *d, const char *level, struct rig *g)
{
    static const struct {
        const char *fault;
        transform_fn *there, *back;
    } wrong[] = {
        {"forgets the last sample", forget_last, vs__rfft_inverse},
        {"turns the wrong way", conjugate, vs__rfft_inverse},
        {"rounds to 20 bits", round_roughly, vs__rfft_inverse},
        {"takes imaginary parts at the ends", vs__rfft_forward, take_ends},
        {"is one sample off", vs__rfft_forward, turn_by_one},
    };
    int faults = 0;

    g->random = 2463534242u;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        if (!find_wrong(d, wrong[i].there, wrong[i].back, g)) {
            printf("NOT FOUND: a transform that %s\n", wrong[i].fault);
            faults++;
        }
    size_t n = find_wrong(d, vs__rfft_forward, vs__rfft_inverse, g);
    if (n)
        printf("FAULT %s rfft: %zu points\n", level, n);
    else
        printf("good %s rfft\n", level);
    return faults + (n != 0);
}
