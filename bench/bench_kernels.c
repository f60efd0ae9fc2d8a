/* SPDX-License-Identifier: MIT */
/* Kernels beside VOLK's, plain C and what the machine allows. Buffers lie in the first cache. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#ifdef BENCH_VOLK
#include <volk/volk.h>
#endif

#include "common/bench.h"
#include "dsp/biquad.h"

#define MOST 480
#define TAPS 64

/* All buffers that a kernel could want, and its length. */
struct work {
    const struct vs__dsp *dsp;
    size_t n;
    _Alignas(64) float a[MOST + TAPS], b[MOST], out[MOST];
    _Alignas(64) int16_t s16[MOST];
    _Alignas(64) int32_t s32[MOST];
    _Alignas(64) uint8_t s24[3 * MOST];
    struct vs__biquad section;
    struct vs__biquads biquads;
    double z1, z2; /* of the same, sample by sample */
    float step;
};

/* A high-pass, as the path has one. */
static const struct vs__biquad_numbers high_pass = {0.978, -1.956, 0.978, -1.9555, 0.9565};

static struct work best[2], plain[2];
static struct vs__dsp plain_c;

static void fill(struct work *w, const struct vs__dsp *dsp, size_t n)
{
    w->dsp = dsp;
    w->n = n;
    w->step = 1e-7f;
    vs__biquad_init(&w->section, &high_pass);
    vs__biquads_init(&w->biquads, &w->section, 1);
    for (size_t i = 0; i < MOST + TAPS; i++)
        w->a[i] = sinf((float)i * 0.1f) * 0.9f;
    for (size_t i = 0; i < MOST; i++) {
        w->out[i] = w->a[i];
        w->b[i] = cosf((float)i * 0.37f) * 0.5f;
        w->s16[i] = (int16_t)(w->a[i] * 30000);
        w->s32[i] = w->s16[i] * 65536;
        w->s24[3 * i + 2] = (uint8_t)(w->s16[i] >> 8);
    }
}

/* What a filter is without blocks, and what it would be with VOLK: a scalar product for each output. */
static void filter_by_samples(struct work *w)
{
    const struct vs__biquad_numbers *n = &high_pass;

    for (size_t i = 0; i < w->n; i++) {
        double x = (double)w->a[i], y = n->b0 * x + w->z1;
        w->z1 = n->b1 * x - n->a1 * y + w->z2;
        w->z2 = n->b2 * x - n->a2 * y;
        w->out[i] = (float)y;
    }
}

static void filter_by_blocks(struct work *w)
{
    memcpy(w->out, w->a, w->n * sizeof(float));
    w->dsp->biquads(&w->biquads, w->out, w->n);
}

#ifdef BENCH_VOLK
static void filter_by_products(struct work *w)
{
    for (size_t i = 0; i < w->n; i++)
        volk_32f_x2_dot_prod_32f(w->out + i, w->a + i, w->b, TAPS);
}

/* The largest without its sign, which is less than the largest of sizes. */
static float measure_with_volk(struct work *w)
{
    uint32_t largest;
    float sum;

    volk_32f_x2_dot_prod_32f(&sum, w->a, w->a, (unsigned)w->n);
    volk_32f_index_max_32u(&largest, w->a, (unsigned)w->n);
    return sum;
}
#endif

/* There and back, so that the samples stay. */
static void ramp(struct work *w)
{
    w->dsp->gain(w->out, w->n, 1, w->step);
    w->step = -w->step;
}

static float measure(struct work *w)
{
    float peak;

    return w->dsp->measure(w->a, w->n, &peak);
}

static double sum_f32(const float *x, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += fabs((double)x[i]);
    return sum;
}

/* Nothing before is moved past this, and nothing is taken for known. */
#define KEEP(memory) __asm__ volatile("" : : "r"(memory) : "memory")

/* One line makes the loop of a contender: what is done to `w`, and a figure of the result. */
#define CONTENDER(name, work_once, figure)                                                         \
    static double name(void *state, size_t times)                                                  \
    {                                                                                              \
        struct work *w = state;                                                                    \
        float got = 0;                                                                             \
        for (size_t i = 0; i < times; i++) {                                                       \
            KEEP(w);                                                                               \
            work_once;                                                                             \
            KEEP(w);                                                                               \
        }                                                                                          \
        (void)got;                                                                                 \
        return figure;                                                                             \
    }

#define MADE_F32 sum_f32(w->out, w->n)
#define MADE_S16 ((double)w->s16[1] + (double)w->s16[w->n - 1])
#define MADE_S24 ((double)w->s24[5] + (double)w->s24[3 * w->n - 1])
#define MADE_S32 ((double)w->s32[1] / 65536 + (double)w->s32[w->n - 1] / 65536)

CONTENDER(copy_f32, memcpy(w->out, w->a, w->n * sizeof(float)), MADE_F32)
CONTENDER(ours_s16_to_f32, w->dsp->s16_to_f32(w->out, w->s16, w->n), MADE_F32)
CONTENDER(ours_f32_to_s16, w->dsp->f32_to_s16(w->s16, w->a, w->n), MADE_S16)
CONTENDER(ours_s24_to_f32, w->dsp->s24_to_f32(w->out, w->s24, w->n), MADE_F32)
CONTENDER(ours_f32_to_s24, w->dsp->f32_to_s24(w->s24, w->a, w->n), MADE_S24)
CONTENDER(ours_s32_to_f32, w->dsp->s32_to_f32(w->out, w->s32, w->n), MADE_F32)
CONTENDER(ours_f32_to_s32, w->dsp->f32_to_s32(w->s32, w->a, w->n), MADE_S32)
CONTENDER(ours_gain, w->dsp->gain(w->out, w->n, 1, 0), 1)
CONTENDER(ours_ramp, ramp(w), 1)
CONTENDER(ours_mix, w->dsp->mix(w->out, w->b, w->n, 1e-9f), 1)
CONTENDER(ours_measure, got = measure(w), (double)got)
CONTENDER(ours_fir, w->dsp->fir(w->out, w->a, w->n, w->b, TAPS), MADE_F32)
CONTENDER(ours_biquads, filter_by_blocks(w), fabs((double)w->out[w->n - 1]) + 1)
CONTENDER(scalar_biquads, filter_by_samples(w), fabs((double)w->out[w->n - 1]) + 1)
CONTENDER(copy_one, memcpy(w->out, w->a, w->n * sizeof(float)), 1)
CONTENDER(ours_multiply, w->dsp->multiply(w->out, w->a, w->b, w->n), MADE_F32)
CONTENDER(ours_dot, got = w->dsp->dot(w->a, w->b, w->n), (double)got)
CONTENDER(ours_energy, got = w->dsp->energy(w->a, w->n), (double)got)

#ifdef BENCH_VOLK
CONTENDER(volk_s16_to_f32, volk_16i_s32f_convert_32f(w->out, w->s16, 32768, (unsigned)w->n),
          MADE_F32)
CONTENDER(volk_f32_to_s16, volk_32f_s32f_convert_16i(w->s16, w->a, 32768, (unsigned)w->n), MADE_S16)
CONTENDER(volk_s32_to_f32, volk_32i_s32f_convert_32f(w->out, w->s32, 2147483648.0f, (unsigned)w->n),
          MADE_F32)
CONTENDER(volk_f32_to_s32, volk_32f_s32f_convert_32i(w->s32, w->a, 2147483648.0f, (unsigned)w->n),
          MADE_S32)
CONTENDER(volk_fir, filter_by_products(w), MADE_F32)
CONTENDER(volk_measure, got = measure_with_volk(w), (double)got)
CONTENDER(volk_multiply, volk_32f_x2_multiply_32f(w->out, w->a, w->b, (unsigned)w->n), MADE_F32)
CONTENDER(volk_dot, volk_32f_x2_dot_prod_32f(&got, w->a, w->b, (unsigned)w->n), (double)got)
CONTENDER(volk_energy, volk_32f_x2_dot_prod_32f(&got, w->a, w->a, (unsigned)w->n), (double)got)
#endif

/* A row of the table: ours, and who does the same. */
struct kernel {
    const char *name, *what;
    double (*ours)(void *, size_t);
    double (*volk)(void *, size_t);
    double tolerance;
    double of_copy; /* most that it may take of a copy of as many floats; 0 = no bar */
    double of_volk;
    double (*scalar)(void *, size_t); /* sample by sample; NULL = plain C is that */
    double of_scalar;
    double (*copy)(void *, size_t); /* NULL = copy_f32 */
};

#ifdef BENCH_VOLK
#define VOLK(name) volk_##name
#else
#define VOLK(name) NULL
#endif

static const struct kernel kernels[] = {
    {.name = "s16 to f32",
     .what = "samples of 16 bits to float",
     .ours = ours_s16_to_f32,
     .volk = VOLK(s16_to_f32),
     .tolerance = 1e-5,
     .of_copy = 1.2,
     .of_volk = 1.5},
    {.name = "f32 to s16",
     .what = "float to samples of 16 bits, rounded, clamped",
     .ours = ours_f32_to_s16,
     .volk = VOLK(f32_to_s16),
     .tolerance = 1e-3,
     .of_copy = 1.2,
     .of_volk = 1.5},
    {.name = "s24 to f32",
     .what = "packed samples of 24 bits to float",
     .ours = ours_s24_to_f32,
     .tolerance = 1e-5,
     .of_copy = 1.2,
     .copy = copy_one},
    {.name = "f32 to s24",
     .what = "float to packed samples of 24 bits",
     .ours = ours_f32_to_s24,
     .tolerance = 1e-3,
     .of_copy = 1.2},
    {.name = "s32 to f32",
     .what = "samples of 32 bits to float",
     .ours = ours_s32_to_f32,
     .volk = VOLK(s32_to_f32),
     .tolerance = 1e-5,
     .of_copy = 1.2,
     .of_volk = 1.5},
    {.name = "f32 to s32",
     .what = "float to samples of 32 bits",
     .ours = ours_f32_to_s32,
     .volk = VOLK(f32_to_s32),
     .tolerance = 1e-3,
     .of_copy = 1.2,
     .of_volk = 1.5},
    {.name = "gain",
     .what = "a steady gain, in place",
     .ours = ours_gain,
     .tolerance = 1e-5,
     .of_copy = 1.2,
     .copy = copy_one},
    {.name = "gain, ramp",
     .what = "a gain that goes from one value to another, in place",
     .ours = ours_ramp,
     .tolerance = 1e-5,
     .of_copy = 1.2,
     .copy = copy_one},
    {.name = "mix",
     .what = "one signal added to another with a gain, in place",
     .ours = ours_mix,
     .tolerance = 1e-5,
     .of_copy = 1.2,
     .copy = copy_one},
    {.name = "RMS and peak",
     .what = "sum of squares and largest size in one pass",
     .ours = ours_measure,
     .volk = VOLK(measure),
     .tolerance = 1e-4,
     .of_volk = 1.5},
    {.name = "FIR, 64 taps",
     .what = "each output a sum of 64 products",
     .ours = ours_fir,
     .volk = VOLK(fir),
     .tolerance = 1e-4,
     .of_volk = 3},
    {.name = "biquad",
     .what = "a section of the second order, with a copy of the input",
     .ours = ours_biquads,
     .tolerance = -1,
     .scalar = scalar_biquads,
     .of_scalar = 2.5},
    {.name = "multiply",
     .what = "two vectors, value by value",
     .ours = ours_multiply,
     .volk = VOLK(multiply),
     .tolerance = 1e-5},
    {.name = "dot",
     .what = "scalar product of two vectors",
     .ours = ours_dot,
     .volk = VOLK(dot),
     .tolerance = 1e-4,
     .of_volk = 1.5},
    {.name = "energy",
     .what = "sum of squares",
     .ours = ours_energy,
     .volk = VOLK(energy),
     .tolerance = 1e-4},
};

static void add_kernel(struct bench *b, const struct kernel *k, size_t length)
{
    static char names[2 * VS__COUNT(kernels)][64];
    static size_t used;
    char *name = names[used++];

    snprintf(name, sizeof(names[0]), "%s, %zu samples", k->name, best[length].n);
    bench_group(b,
                &(struct bench_group){
                    .name = name, .what = k->what, .tolerance = k->tolerance, .count_times = 100});
    bench_add(b, "voicestand", BENCH_OURS, k->ours, &best[length]);
    bench_add(b, "plain C", BENCH_STEP, k->ours, &plain[length]);
    if (k->volk)
        bench_add(b, "VOLK", BENCH_PEER, k->volk, &best[length]);
    if (k->of_volk > 0)
        bench_at_least(b, "voicestand", "VOLK", k->of_volk);
    if (k->scalar) {
        bench_add(b, "sample by sample", BENCH_NAIVE, k->scalar, &plain[length]);
        bench_at_least(b, "voicestand", "sample by sample", k->of_scalar);
    }
    if (k->of_copy > 0) {
        bench_add(b, "copy", BENCH_LIMIT, k->copy ? k->copy : copy_f32, &best[length]);
        bench_at_most(b, "voicestand", "copy", k->of_copy);
    }
}

int main(int argc, char **argv)
{
    struct bench *b =
        bench_start(argc, argv, "kernels",
                    "Inner loops on 10 ms of audio at 16 and 48 kHz, in the first cache.");
    static const size_t lengths[] = {160, 480};

    bench_peers(b, BENCH_PEERS);
    vs__dsp_init(&plain_c, 0);
    for (size_t i = 0; i < VS__COUNT(lengths); i++) {
        fill(&best[i], bench_dsp(b), lengths[i]);
        fill(&plain[i], &plain_c, lengths[i]);
        for (size_t k = 0; k < VS__COUNT(kernels); k++)
            add_kernel(b, &kernels[k], i);
    }
    return bench_finish(b);
}
