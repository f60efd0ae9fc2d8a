/* SPDX-License-Identifier: MIT */
/* checkdsp --bench: nanoseconds for 160 samples, every kernel at every level that runs here, and
   the stages made of them. The best of several rounds, as others use the machine too. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "checkdsp.h"

enum {
    SAMPLES = 160, /* 10 ms at 16 kHz */
    ROUNDS = 15,
    BUFFERS = 3,
};

void time_s16_to_f32(const struct vs__dsp *d, float *const *memory, size_t n)
{
    d->s16_to_f32(memory[0], (const int16_t *)(const void *)memory[1], n);
}

void time_s24_to_f32(const struct vs__dsp *d, float *const *memory, size_t n)
{
    d->s24_to_f32(memory[0], (const uint8_t *)(const void *)memory[1], n);
}

void time_s32_to_f32(const struct vs__dsp *d, float *const *memory, size_t n)
{
    d->s32_to_f32(memory[0], (const int32_t *)(const void *)memory[1], n);
}

void time_f32_to_s16(const struct vs__dsp *d, float *const *memory, size_t n)
{
    d->f32_to_s16((int16_t *)(void *)memory[0], memory[1], n);
}

void time_sanitize(const struct vs__dsp *d, float *const *memory, size_t n)
{
    d->sanitize(memory[1], n);
}

void time_downmix(const struct vs__dsp *d, float *const *memory, size_t n)
{
    d->downmix(memory[0], memory[1], n, 2);
}

void time_pick(const struct vs__dsp *d, float *const *memory, size_t n)
{
    d->pick(memory[0], memory[1], n, 2, 1);
}

/* A sum must be used, or the call could be left out. */
static volatile float keep;

void time_dot(const struct vs__dsp *d, float *const *memory, size_t n)
{
    keep = d->dot(memory[1], memory[2], n);
}

void time_rows(const struct vs__dsp *d, float *const *memory, size_t n)
{
    d->rows(memory[0], memory[1], n / 8, memory[2], n / 8, 8);
}

void time_polyphase(const struct vs__dsp *d, float *const *memory, size_t n)
{
    const struct vs__walk walk = {0, 1, 3, 0};
    d->polyphase(memory[0], memory[1], memory[2], n / 128 * 16, 8, &walk);
}

void time_energy(const struct vs__dsp *d, float *const *memory, size_t n)
{
    keep = d->energy(memory[1], n);
}

void time_peak(const struct vs__dsp *d, float *const *memory, size_t n)
{
    keep = d->peak(memory[1], n);
}

void time_multiply(const struct vs__dsp *d, float *const *memory, size_t n)
{
    d->multiply(memory[0], memory[1], memory[2], n);
}

void time_power(const struct vs__dsp *d, float *const *memory, size_t n)
{
    d->power(memory[0], memory[1], n);
}

void time_f32_to_s24(const struct vs__dsp *d, float *const *memory, size_t n)
{
    d->f32_to_s24((uint8_t *)memory[0], memory[1], n);
}

void time_f32_to_s32(const struct vs__dsp *d, float *const *memory, size_t n)
{
    d->f32_to_s32((int32_t *)(void *)memory[0], memory[1], n);
}

void time_deinterleave(const struct vs__dsp *d, float *const *memory, size_t n)
{
    d->deinterleave(memory[0], n, memory[1], n, 2);
}

void time_fir(const struct vs__dsp *d, float *const *memory, size_t n)
{
    d->fir(memory[0], memory[1], n, memory[2], 64);
}

void time_measure(const struct vs__dsp *d, float *const *memory, size_t n)
{
    float peak;
    keep = d->measure(memory[1], n, &peak) + peak;
}

void time_multiply_add(const struct vs__dsp *d, float *const *memory, size_t n)
{
    d->multiply_add(memory[0], memory[1], memory[2], memory[1] + 1024, n);
}

void time_mix(const struct vs__dsp *d, float *const *memory, size_t n)
{
    d->mix(memory[0], memory[2], n, 1e-6f);
}

void time_gain(const struct vs__dsp *d, float *const *memory, size_t n)
{
    d->gain(memory[0], n, 1.0f, 0.0f);
}

void time_biquads(const struct vs__dsp *d, float *const *memory, size_t n)
{
    static struct vs__biquad section;
    static struct vs__biquads f;
    if (!f.count) {
        vs__biquad_init(&section, biquad_numbers);
        vs__biquads_init(&f, &section, 1);
    }
    memcpy(memory[0], memory[1], n * sizeof(float));
    d->biquads(&f, memory[0], n);
}

void time_complex_multiply(const struct vs__dsp *d, float *const *memory, size_t n)
{
    d->complex_multiply(memory[0], memory[1], memory[2], n);
}

void time_complex_gain(const struct vs__dsp *d, float *const *memory, size_t n)
{
    static float ones[4096];
    for (size_t i = 0; ones[0] == 0 && i < 4096; i++)
        ones[4095 - i] = 1;
    d->complex_gain(memory[1], ones, n);
}

void time_log2_near(const struct vs__dsp *d, float *const *memory, size_t n)
{
    d->log2_near(memory[0], memory[1], n);
}

void time_exp2_near(const struct vs__dsp *d, float *const *memory, size_t n)
{
    d->exp2_near(memory[0], memory[1], n);
}

void time_square_root(const struct vs__dsp *d, float *const *memory, size_t n)
{
    d->square_root(memory[0], memory[1], n);
}

void time_f32_to_u7(const struct vs__dsp *d, float *const *memory, size_t n)
{
    d->f32_to_u7((uint8_t *)memory[0], memory[1], n, 64.0f, 64.0f);
}

void time_add_u7(const struct vs__dsp *d, float *const *memory, size_t n)
{
    d->add_u7((uint8_t *)memory[0], (const int32_t *)(const void *)memory[1], memory[2],
              memory[1] + 1024, n);
}

void time_rows_s8(const struct vs__dsp *d, float *const *memory, size_t n)
{
    const uint8_t *b = (const uint8_t *)memory[2];
    d->rows_s8((int32_t *)(void *)memory[0], (const int8_t *)memory[1], b, n / 16 / 4 * 4, 16);
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

typedef void timed(const struct vs__dsp *d, float *const *memory, size_t n);

/* Nanoseconds of one call. */
static double time_call(timed *call, const struct vs__dsp *d, float *const *memory, size_t n)
{
    const int calls = 2000;
    double best = HUGE_VAL;
    for (int round = 0; round < ROUNDS; round++) {
        double start = now_ns();
        for (int i = 0; i < calls; i++)
            call(d, memory, n);
        best = fmin(best, (now_ns() - start) / calls);
    }
    return best;
}

/* The next level after `*index` - 1 that runs here, and its flags; NULL past the last. */
static const char *next_level(unsigned *index, unsigned *ret_flags)
{
    const char *name;
    while ((name = vs__dsp_level((*index)++)))
        if (!vs_cpu_parse(name, ret_flags))
            return name;
    return NULL;
}

static void print_levels(void)
{
    const char *level;
    unsigned flags;
    for (unsigned k = 0; (level = next_level(&k, &flags));)
        printf("%18s", level);
    printf("\n");
}

static void time_copy(const struct vs__dsp *d, float *const *memory, size_t n)
{
    memcpy(memory[0], memory[1], n * sizeof(float));
}

/* One kernel at each level, and at the best as a multiple of a copy in the same moment. */
static void print_kernel(const char *name, timed *call, float *const *memory)
{
    timed *volatile unknown = time_copy; /* so that the length is none that the compiler knows */
    double plain = 0, ns = 0;
    unsigned flags;
    struct vs__dsp d;

    printf("%-18s", name);
    for (unsigned k = 0; next_level(&k, &flags);) {
        vs__dsp_init(&d, flags);
        ns = time_call(call, &d, memory, SAMPLES);
        plain = flags ? plain : ns;
        printf("%9.1f (%5.1fx)", ns, plain / ns);
    }
    double copy = time_call(unknown, &d, memory, SAMPLES);
    printf("%9.2f\n", ns / copy);
}

static void print_kernels(float *const *memory)
{
    static const struct {
        const char *name;
        timed *call;
    } entries[] = {{"(copy)", time_copy},
#define X(type, name, arguments) {#name, time_##name},
                   VS__KERNELS(X)
#undef X
    };
    printf("ns for %d samples (times as fast as plain C); the best as a multiple of a copy\n%-18s",
           SAMPLES, "kernel");
    print_levels();
    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++)
        print_kernel(entries[i].name, entries[i].call, memory);
}

/* Microseconds for 10 ms of input, taken as it comes live. */
static double time_resampler(const char *level, uint32_t in_hz, int quality, float *const *memory)
{
    struct vs_resampler_config config = {sizeof(config), in_hz, 16000, quality, level, 0};
    vs_resampler *r;
    if (vs_resampler_create(&config, &r))
        return -1;
    const int blocks = 400;
    double best = HUGE_VAL;
    for (int round = 0; round < ROUNDS; round++) {
        double start = now_ns();
        for (int i = 0; i < blocks; i++)
            vs_resampler_process(r, memory[1], in_hz / 100, memory[0]);
        best = fmin(best, (now_ns() - start) / blocks / 1000);
    }
    vs_resampler_destroy(r);
    return best;
}

static void print_resamplers(float *const *memory)
{
    static const uint32_t rates[] = {8000, 11025, 44100, 48000, 96000, 192000};
    printf("\nresampler to 16000 Hz: us for 10 ms (times as fast as real time)\n%-12s", "from");
    print_levels();
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
        for (int quality = 0; quality < 2; quality++) {
            printf("%-6u q%d   ", (unsigned)rates[i], quality);
            const char *level;
            unsigned flags;
            for (unsigned k = 0; (level = next_level(&k, &flags));) {
                double us = time_resampler(level, rates[i], quality, memory);
                printf("%8.2f (%6.0fx)", us, 10000 / us);
            }
            printf("\n");
        }
}

/* The whole way from 48 kHz stereo 16-bit to filtered mono at 16 kHz, and the transform. */
static void print_stages(float *const *memory)
{
    struct vs__dsp d;
    struct vs__mono mono;
    struct vs__highpass high;
    struct vs__rfft *fft;
    vs_resampler *r;
    struct vs_resampler_config config = {sizeof(config), 48000, 16000, 0, NULL, 0};
    vs__dsp_init(&d, vs_cpu_detect());
    if (vs__mono_init(&mono, &d, VS_FORMAT_S16, 2, 0) || vs__rfft_create(&d, 512, &fft) ||
        vs_resampler_create(&config, &r))
        return;
    vs__highpass_init(&high, &d, 16000, 80);
    double path = HUGE_VAL, transform = HUGE_VAL, filter = HUGE_VAL;
    for (int round = 0; round < ROUNDS; round++) {
        double start = now_ns();
        for (int i = 0; i < 400; i++) {
            vs__mono_process(&mono, memory[2], 480, memory[0]);
            size_t n = vs_resampler_process(r, memory[0], 480, memory[1]);
            vs__highpass_process(&high, memory[1], n);
        }
        double middle = now_ns();
        path = fmin(path, (middle - start) / 400 / 1000);
        for (int i = 0; i < 400; i++)
            vs__highpass_process(&high, memory[1], 160);
        double late = now_ns();
        filter = fmin(filter, (late - middle) / 400 / 1000);
        for (int i = 0; i < 400; i++)
            vs__rfft_forward(fft, memory[2], memory[0]);
        transform = fmin(transform, (now_ns() - late) / 400 / 1000);
    }
    printf("\nat %s: 48 kHz stereo S16 to clean 16 kHz mono %.2f us for 10 ms (%.0fx real time); "
           "high-pass of 160 %.2f us; transform of 512 %.2f us\n",
           vs_cpu_name(d.flags), path, 10000 / path, filter, transform);
    vs__mono_fini(&mono);
    vs__rfft_destroy(fft);
    vs_resampler_destroy(r);
}

int bench(void)
{
    static float storage[BUFFERS][4096];
    float *memory[BUFFERS];
    for (size_t k = 0; k < BUFFERS; k++) {
        memory[k] = storage[k];
        for (size_t i = 0; i < 4096; i++)
            storage[k][i] = (float)sin((double)(i * (k + 3)));
    }
    print_kernels(memory);
    print_resamplers(memory);
    print_stages(memory);
    return 0;
}
