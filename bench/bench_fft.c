/* SPDX-License-Identifier: MIT */
/* The real FFT beside FFTW, there and back, of the lengths that speech is cut into. Plans are
   measured by FFTW; both go from one buffer to another. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#ifdef BENCH_FFTW
#include <fftw3.h>
#endif

#include "common/bench.h"

#define LONGEST 2048

struct work {
    size_t n;
    struct vs__rfft *best, *plain;
    _Alignas(64) float samples[LONGEST], bins[LONGEST + 2], made[LONGEST + 2];
    _Alignas(64) float spoilt[LONGEST + 2];
#ifdef BENCH_FFTW
    fftwf_plan there, back;
#endif
};

static double sum(const struct work *w, size_t count)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += fabs((double)w->made[i]);
    return sum;
}

#define KEEP(memory) __asm__ volatile("" : : "r"(memory) : "memory")

/* One line makes the loop of a contender. */
#define CONTENDER(name, work_once, count)                                                          \
    static double name(void *state, size_t times)                                                  \
    {                                                                                              \
        struct work *w = state;                                                                    \
        for (size_t i = 0; i < times; i++) {                                                       \
            KEEP(w);                                                                               \
            work_once;                                                                             \
            KEEP(w);                                                                               \
        }                                                                                          \
        return sum(w, count);                                                                      \
    }

CONTENDER(ours_there, vs__rfft_forward(w->best, w->samples, w->made), w->n + 2)
CONTENDER(ours_back, vs__rfft_inverse(w->best, w->bins, w->made), w->n)
CONTENDER(plain_there, vs__rfft_forward(w->plain, w->samples, w->made), w->n + 2)
CONTENDER(plain_back, vs__rfft_inverse(w->plain, w->bins, w->made), w->n)

#ifdef BENCH_FFTW
CONTENDER(fftw_there, fftwf_execute(w->there), w->n + 2)

/* The way back spoils what it reads, unless that is forbidden, which makes it slower. So all but
   the last are of zeros, which stay zeros and take as long. It scales by n instead of n / 2. */
static double fftw_back(void *state, size_t times)
{
    struct work *w = state;

    memset(w->spoilt, 0, sizeof(w->spoilt));
    for (size_t i = 0; i < times; i++) {
        if (i + 1 == times)
            memcpy(w->spoilt, w->bins, (w->n + 2) * sizeof(float));
        KEEP(w);
        fftwf_execute(w->back);
        KEEP(w);
    }
    return sum(w, w->n) / 2;
}
#endif

static void open_work(struct work *w, const struct vs__dsp *dsp, size_t n, bool quick)
{
    struct vs__dsp plain;

    vs__dsp_init(&plain, 0);
    w->n = n;
    if (vs__rfft_create(dsp, n, &w->best) || vs__rfft_create(&plain, n, &w->plain))
        bench_die("no transform");
#ifdef BENCH_FFTW
    unsigned effort = quick ? FFTW_ESTIMATE : FFTW_MEASURE;
    w->there = fftwf_plan_dft_r2c_1d((int)n, w->samples, (fftwf_complex *)w->made, effort);
    w->back = fftwf_plan_dft_c2r_1d((int)n, (fftwf_complex *)w->spoilt, w->made, effort);
#endif
    for (size_t i = 0; i < n; i++)
        w->samples[i] = sinf((float)(i * i) * 0.01f);
    vs__rfft_forward(w->plain, w->samples, w->bins);
}

static void close_work(struct work *w)
{
    vs__rfft_destroy(w->best);
    vs__rfft_destroy(w->plain);
#ifdef BENCH_FFTW
    fftwf_destroy_plan(w->there);
    fftwf_destroy_plan(w->back);
#endif
}

static void add_way(struct bench *b, struct work *w, const char *name, bool back)
{
    bench_group(b, &(struct bench_group){.name = name,
                                         .what = back ? "complex bins to real samples"
                                                      : "real samples to complex bins",
                                         .tolerance = 1e-5,
                                         .count_times = 100});
    bench_add(b, "voicestand", BENCH_OURS, back ? ours_back : ours_there, w);
    bench_add(b, "plain C", BENCH_STEP, back ? plain_back : plain_there, w);
#ifdef BENCH_FFTW
    bench_add(b, "FFTW", BENCH_PEER, back ? fftw_back : fftw_there, w);
#endif
    if (w->n == 512)
        bench_at_most(b, "voicestand", "FFTW", 0.75);
}

int main(int argc, char **argv)
{
    static const size_t lengths[] = {160, 256, 320, 480, 512, 1024, 2048};
    static struct work work[VS__COUNT(lengths)];
    static char names[2 * VS__COUNT(lengths)][32];
    struct bench *b = bench_start(argc, argv, "fft", "Real transforms in the first cache.");

    bench_peers(b, BENCH_PEERS);
    for (size_t i = 0; i < VS__COUNT(lengths); i++) {
        open_work(&work[i], bench_dsp(b), lengths[i], bench_is_quick(b) || bench_is_count(b));
        for (size_t back = 0; back < 2; back++) {
            snprintf(names[2 * i + back], sizeof(names[0]), "%zu, %s", lengths[i],
                     back ? "back" : "there");
            add_way(b, &work[i], names[2 * i + back], back);
        }
    }
    int status = bench_finish(b);
    for (size_t i = 0; i < VS__COUNT(lengths); i++)
        close_work(&work[i]);
    return status;
}
