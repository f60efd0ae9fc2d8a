/* SPDX-License-Identifier: MIT */
/* Kernels whose loops any compiler makes vectors of: one source, compiled once per level with
   VS__LEVEL naming the functions. Nothing is reassociated or contracted, so all levels give the
   same bits. */
#include <math.h>
#include <string.h>
#ifdef __AVX__
#include <immintrin.h>
#endif

#include "dsp/approx.h"
#include "dsp/kernels.h"

#define CONCAT(a, b, c) a##b##_##c
#define EXPAND(a, b, c) CONCAT(a, b, c)
#define NAMED(name)     EXPAND(vs__, name, VS__LEVEL)

void NAMED(multiply_add)(float *restrict dst, const float *restrict a, const float *restrict b,
                         const float *restrict c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = a[i] * b[i] + c[i];
}

void NAMED(log2_near)(float *restrict dst, const float *restrict src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = vs__log2_near(src[i] > 0x1p-126f ? src[i] : 0x1p-126f);
}

void NAMED(exp2_near)(float *restrict dst, const float *restrict src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = vs__exp2_near(src[i]);
}

void NAMED(square_root)(float *restrict dst, const float *restrict src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = sqrtf(src[i]);
}

/* biquads ---------------------------------------------------------------------------------- */

/* Doubles with the operators of C, as many as a register of the level holds, up to four. */
typedef double two __attribute__((vector_size(16)));
#ifdef __AVX__
enum { LANES = 4 };
typedef double lanes __attribute__((vector_size(32)));

static inline lanes spread(const double *x)
{
    return (lanes)_mm256_broadcast_sd(x);
}

static inline lanes spread_first(two v)
{
    return (lanes){v[0], v[0], v[0], v[0]};
}

static inline void widen(double *dst, const float *src)
{
    _mm256_storeu_pd(dst, _mm256_cvtps_pd(_mm_loadu_ps(src)));
    _mm256_storeu_pd(dst + 4, _mm256_cvtps_pd(_mm_loadu_ps(src + 4)));
}

static inline void narrow(float *dst, const double *src)
{
    _mm_storeu_ps(dst, _mm256_cvtpd_ps(_mm256_loadu_pd(src)));
    _mm_storeu_ps(dst + 4, _mm256_cvtpd_ps(_mm256_loadu_pd(src + 4)));
}

static inline two first_two(lanes v)
{
    return (two)_mm256_castpd256_pd128((__m256d)v);
}
#else
enum { LANES = 2 };
typedef two lanes;

static inline lanes spread(const double *x)
{
    return (lanes){*x, *x};
}

static inline lanes spread_first(two v)
{
    return v;
}

static inline void widen(double *dst, const float *src)
{
    for (int i = 0; i < VS__BIQUAD_BLOCK; i++)
        dst[i] = (double)src[i];
}

static inline void narrow(float *dst, const double *src)
{
    for (int i = 0; i < VS__BIQUAD_BLOCK; i++)
        dst[i] = (float)src[i];
}

static inline two first_two(lanes v)
{
    return v;
}
#endif
enum { BLOCK = VS__BIQUAD_BLOCK, VECTORS = BLOCK / LANES, CHUNK_BLOCKS = 20 };

static inline lanes load(const double *from)
{
    lanes v;
    memcpy(&v, from, sizeof(v));
    return v;
}

static inline two load_two(const double *from)
{
    two v;
    memcpy(&v, from, sizeof(v));
    return v;
}

/* Blocks of one section, in place, from its numbers `z` on. Even and odd inputs have sums of their
   own, so that additions need not wait. Their sum gets +0, so that zeros which stand for inputs to
   come, of whatever sign, change nothing. */
static inline void run_blocks(const struct vs__biquad *s, double *x, size_t blocks, double *z)
{
    const lanes zero = {0};
    const two zero2 = {0};
    two now = load_two(z);

    for (; blocks; blocks--, x += BLOCK) {
        lanes even[VECTORS], odd[VECTORS], a = spread(x), b = spread(x + 1);
        two even_next = load_two(s->input_next[0]) * first_two(a);
        two odd_next = load_two(s->input_next[1]) * first_two(b);

        for (int j = 0; j < VECTORS; j++) {
            even[j] = load(s->input[0] + j * LANES) * a;
            odd[j] = load(s->input[1] + j * LANES) * b;
        }
        for (int k = 2; k < BLOCK; k += 2) {
            a = spread(x + k);
            b = spread(x + k + 1);
            for (int j = k / LANES; j < VECTORS; j++) { /* inputs do not reach earlier outputs */
                even[j] += load(s->input[k] + j * LANES) * a;
                odd[j] += load(s->input[k + 1] + j * LANES) * b;
            }
            even_next += load_two(s->input_next[k]) * first_two(a);
            odd_next += load_two(s->input_next[k + 1]) * first_two(b);
        }
        two first = {now[0], now[0]}, second = {now[1], now[1]};
        a = spread_first(first);
        b = spread_first(second);
        for (int j = 0; j < VECTORS; j++) {
            lanes sum = (even[j] + odd[j]) + zero;
            sum += load(s->state[0] + j * LANES) * a;
            sum += load(s->state[1] + j * LANES) * b;
            memcpy(x + j * LANES, &sum, sizeof(sum));
        }
        now = (even_next + odd_next) + zero2;
        now += load_two(s->state_next[0]) * first;
        now += load_two(s->state_next[1]) * second;
    }
    memcpy(z, &now, sizeof(now));
}

/* A block that is not full, or becomes so: computed from its start. */
static size_t run_part(struct vs__biquads *f, float *x, size_t n)
{
    double y[BLOCK], z[VS__BIQUAD_SECTIONS][2];
    size_t from = f->filled, take = n < BLOCK - from ? n : BLOCK - from;

    for (size_t i = 0; i < take; i++)
        f->part[from + i] = (double)x[i];
    memcpy(y, f->part, sizeof(y));
    for (uint32_t s = 0; s < f->count; s++) {
        memcpy(z[s], f->z[s], sizeof(z[s]));
        run_blocks(&f->section[s], y, 1, z[s]);
    }
    for (size_t i = 0; i < take; i++)
        x[i] = (float)y[from + i];
    f->filled += (uint32_t)take;
    if (f->filled == BLOCK) {
        for (uint32_t s = 0; s < f->count; s++)
            memcpy(f->z[s], z[s], sizeof(z[s]));
        memset(f->part, 0, sizeof(f->part));
        f->filled = 0;
    }
    return take;
}

void NAMED(biquads)(struct vs__biquads *f, float *x, size_t n)
{
    size_t done = f->filled ? run_part(f, x, n) : 0;

    while (n - done >= BLOCK) { /* then nothing is left of a part */
        double y[CHUNK_BLOCKS * BLOCK];
        size_t blocks = (n - done) / BLOCK < CHUNK_BLOCKS ? (n - done) / BLOCK : CHUNK_BLOCKS;

        for (size_t i = 0; i < blocks * BLOCK; i += BLOCK)
            widen(y + i, x + done + i);
        for (uint32_t s = 0; s < f->count; s++)
            run_blocks(&f->section[s], y, blocks, f->z[s]);
        for (size_t i = 0; i < blocks * BLOCK; i += BLOCK)
            narrow(x + done + i, y + i);
        done += blocks * BLOCK;
    }
    if (done < n)
        run_part(f, x + done, n - done);
}
