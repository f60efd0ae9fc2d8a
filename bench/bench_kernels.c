/* SPDX-License-Identifier: MIT */
/* Kernels beside VOLK's, plain C and what the machine allows. Buffers lie in the first cache. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#ifdef BENCH_VOLK
#include <volk/volk.h>
#endif

#include "common/bench.h"

#define MOST 480

/* All buffers that a kernel could want, and its length. */
struct work {
    const struct vs__dsp *dsp;
    size_t n;
    _Alignas(64) float a[MOST], b[MOST], out[MOST];
    _Alignas(64) int16_t s16[MOST];
};

static struct work best[2], plain[2];
static struct vs__dsp plain_c;

static void fill(struct work *w, const struct vs__dsp *dsp, size_t n)
{
    w->dsp = dsp;
    w->n = n;
    for (size_t i = 0; i < MOST; i++) {
        w->a[i] = sinf((float)i * 0.1f) * 0.9f;
        w->b[i] = cosf((float)i * 0.37f) * 0.5f;
        w->s16[i] = (int16_t)(w->a[i] * 30000);
    }
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

CONTENDER(copy_f32, memcpy(w->out, w->a, w->n * sizeof(float)), MADE_F32)
CONTENDER(ours_s16_to_f32, w->dsp->s16_to_f32(w->out, w->s16, w->n), MADE_F32)
CONTENDER(ours_f32_to_s16, w->dsp->f32_to_s16(w->s16, w->a, w->n), MADE_S16)
CONTENDER(ours_multiply, w->dsp->multiply(w->out, w->a, w->b, w->n), MADE_F32)
CONTENDER(ours_dot, got = w->dsp->dot(w->a, w->b, w->n), (double)got)
CONTENDER(ours_energy, got = w->dsp->energy(w->a, w->n), (double)got)

#ifdef BENCH_VOLK
CONTENDER(volk_s16_to_f32, volk_16i_s32f_convert_32f(w->out, w->s16, 32768, (unsigned)w->n),
          MADE_F32)
CONTENDER(volk_f32_to_s16, volk_32f_s32f_convert_16i(w->s16, w->a, 32768, (unsigned)w->n), MADE_S16)
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
};

#ifdef BENCH_VOLK
#define VOLK(name) volk_##name
#else
#define VOLK(name) NULL
#endif

static const struct kernel kernels[] = {
    {"s16 to f32", "samples of 16 bits to float", ours_s16_to_f32, VOLK(s16_to_f32), 1e-5, 1.2,
     1.5},
    {"f32 to s16", "float to samples of 16 bits, rounded, clamped", ours_f32_to_s16,
     VOLK(f32_to_s16), 1e-3, 1.2, 1.5},
    {"multiply", "two vectors, value by value", ours_multiply, VOLK(multiply), 1e-5, 0, 0},
    {"dot", "scalar product of two vectors", ours_dot, VOLK(dot), 1e-4, 0, 1.5},
    {"energy", "sum of squares", ours_energy, VOLK(energy), 1e-4, 0, 0},
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
    if (k->of_copy > 0) {
        bench_add(b, "copy", BENCH_LIMIT, copy_f32, &best[length]);
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
