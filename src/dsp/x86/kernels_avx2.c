/* SPDX-License-Identifier: MIT */
/* Kernels for AVX2 with FMA. Loads and stores need no alignment. What is left over after whole
   vectors goes through the plain C kernel, so that a rule is written once. */
#include <immintrin.h>
#include <stdbool.h>
#include <string.h>

#include "dsp/kernels.h"

/* Even elements of 16 consecutive floats. */
static __m256 pick_even(__m256 low, __m256 high)
{
    __m256d mixed = _mm256_castps_pd(_mm256_shuffle_ps(low, high, 0x88));
    return _mm256_castpd_ps(_mm256_permute4x64_pd(mixed, 0xd8));
}

static float add_all(__m256 v)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

/* Ten vectors a turn: 10 ms at 8, 16, 32 or 48 kHz are whole turns, with few jumps. What is left over
   is made by a function of its own, which then costs nothing where there is none. */
enum { TURN = 80 };
#define EACH_TURN(n, on, step, work)                                                               \
    for (; n >= TURN; n -= TURN, on)                                                               \
        for (size_t j = 0; j < TURN; j += step)                                                    \
            work;
#define REST static __attribute__((noinline)) void

/* From 256 to 258 a step of the last place is 2^-15: a sample that is added to 257 as a whole number
   needs no conversion. */
static inline void widen_s16(float *dst, const int16_t *src, __m256 middle)
{
    __m256i v = _mm256_cvtepi16_epi32(_mm_loadu_si128((const __m128i *)(const void *)src));
    v = _mm256_add_epi32(v, _mm256_castps_si256(middle));
    _mm256_storeu_ps(dst, _mm256_sub_ps(_mm256_castsi256_ps(v), middle));
}

/* One constant, where compilers would make two, one of them by way of an integer. */
static inline __m256 load_middle(void)
{
    __m256 middle = _mm256_set1_ps(257);
    __asm__("" : "+x"(middle));
    return middle;
}

REST widen_rest_s16(float *dst, const int16_t *src, size_t n)
{
    const __m256 middle = load_middle();
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        widen_s16(dst + i, src + i, middle);
    vs__s16_to_f32_c(dst + i, src + i, n - i);
}

void vs__s16_to_f32_avx2(float *dst, const int16_t *src, size_t n)
{
    const __m256 middle = load_middle();
    EACH_TURN(n, (dst += TURN, src += TURN), 8, widen_s16(dst + j, src + j, middle))
    if (n)
        widen_rest_s16(dst, src, n);
}

/* Eight samples, three bytes each at the top of an element, wherever `spread` finds them. */
static inline void widen_s24(float *dst, __m256i bytes, __m256i spread)
{
    __m256 x = _mm256_cvtepi32_ps(_mm256_shuffle_epi8(bytes, spread));
    _mm256_storeu_ps(dst, _mm256_mul_ps(x, _mm256_set1_ps(0x1p-31f)));
}

/* The same of 24 bytes of which none around may be touched: the halves of the vector are loaded apart. */
static inline void widen_s24_alone(float *dst, const uint8_t *src)
{
    const __m256i spread =
        _mm256_setr_epi8(-1, 0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11, -1, 4, 5, 6, -1, 7,
                         8, 9, -1, 10, 11, 12, -1, 13, 14, 15);
    __m128i low = _mm_loadu_si128((const __m128i *)(const void *)src);
    __m128i high = _mm_loadu_si128((const __m128i *)(const void *)(src + 8));
    widen_s24(dst, _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1), spread);
}

REST widen_rest_s24(float *dst, const uint8_t *src, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        widen_s24_alone(dst + i, src + 3 * i);
    vs__s24_to_f32_c(dst + i, src + 3 * i, n - i);
}

void vs__s24_to_f32_avx2(float *dst, const uint8_t *src, size_t n)
{
    /* Loaded from four bytes before, so that each half of the vector has four whole samples. */
    const __m256i spread =
        _mm256_setr_epi8(-1, 4, 5, 6, -1, 7, 8, 9, -1, 10, 11, 12, -1, 13, 14, 15, -1, 0, 1, 2, -1,
                         3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11);
    for (; n >= TURN; n -= TURN, dst += TURN, src += 3 * TURN) {
        widen_s24_alone(dst, src);
        for (size_t j = 8; j < TURN - 8; j += 8)
            widen_s24(dst + j, _mm256_loadu_si256((const __m256i *)(const void *)(src + 3 * j - 4)),
                      spread);
        widen_s24_alone(dst + TURN - 8, src + 3 * (TURN - 8));
    }
    if (n)
        widen_rest_s24(dst, src, n);
}

static inline void widen_s32(float *dst, const int32_t *src)
{
    __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)src);
    _mm256_storeu_ps(dst, _mm256_mul_ps(_mm256_cvtepi32_ps(v), _mm256_set1_ps(0x1p-31f)));
}

REST widen_rest_s32(float *dst, const int32_t *src, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        widen_s32(dst + i, src + i);
    vs__s32_to_f32_c(dst + i, src + i, n - i);
}

void vs__s32_to_f32_avx2(float *dst, const int32_t *src, size_t n)
{
    EACH_TURN(n, (dst += TURN, src += TURN), 8, widen_s32(dst + j, src + j))
    if (n)
        widen_rest_s32(dst, src, n);
}

/* To whole numbers of `scale` steps. What is too large or not a number gives INT32_MIN: turns are
   made this way, without a look at each sample, and all of it once more with care where that came
   up. */
static inline __m256i round_steps(const float *src, float scale)
{
    return _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(src), _mm256_set1_ps(scale)));
}

/* The same from -scale to `most`; not a number gives 0. */
static inline __m256i round_clamp(const float *src, float scale, float most)
{
    __m256 x = _mm256_mul_ps(_mm256_loadu_ps(src), _mm256_set1_ps(scale));
    x = _mm256_and_ps(x, _mm256_cmp_ps(x, x, _CMP_ORD_Q));
    x = _mm256_max_ps(x, _mm256_set1_ps(-scale));
    return _mm256_cvtps_epi32(_mm256_min_ps(x, _mm256_set1_ps(most)));
}

/* @return them out of order */
static inline __m256i pack_s16(int16_t *dst, __m256i low, __m256i high)
{
    __m256i v = _mm256_packs_epi32(low, high);
    _mm256_storeu_si256((__m256i *)(void *)dst, _mm256_permute4x64_epi64(v, 0xd8));
    return v;
}

REST narrow_s16(int16_t *dst, const float *src, size_t n)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16)
        pack_s16(dst + i, round_clamp(src + i, 0x1p15f, 32767),
                 round_clamp(src + i + 8, 0x1p15f, 32767));
    vs__f32_to_s16_c(dst + i, src + i, n - i);
}

void vs__f32_to_s16_avx2(int16_t *dst, const float *src, size_t n)
{
    __m256i least = _mm256_setzero_si256();
    const size_t all = n;
    EACH_TURN(n, (dst += TURN, src += TURN), 16,
              least = _mm256_min_epi16(least, pack_s16(dst + j, round_steps(src + j, 0x1p15f),
                                                       round_steps(src + j + 8, 0x1p15f))))
    if (_mm256_movemask_epi8(_mm256_cmpeq_epi16(least, _mm256_set1_epi16(INT16_MIN))))
        narrow_s16(dst - (all - n), src - (all - n), all); /* or it was no more than full scale */
    else if (n)
        narrow_s16(dst, src, n);
}

/* The lower three bytes of each element, together in each half of the vector. */
static inline __m256i gather_s24(__m256i v)
{
    return _mm256_shuffle_epi8(v, _mm256_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1,
                                                   -1, -1, 0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14,
                                                   -1, -1, -1, -1));
}

/* Eight samples, and none of the bytes after them. */
static inline void pack_s24_alone(uint8_t *dst, __m256i v)
{
    __m256i bytes = gather_s24(v);
    __m128i high = _mm256_extracti128_si256(bytes, 1);
    int32_t last = _mm_extract_epi32(high, 2);
    _mm_storeu_si128((__m128i *)(void *)dst, _mm256_castsi256_si128(bytes));
    _mm_storel_epi64((__m128i *)(void *)(dst + 12), high);
    memcpy(dst + 20, &last, sizeof(last));
}

/* Eight samples, and four bytes after them. */
static inline void pack_s24(uint8_t *dst, __m256i v)
{
    __m256i bytes = gather_s24(v);
    _mm_storeu_si128((__m128i *)(void *)dst, _mm256_castsi256_si128(bytes));
    _mm_storeu_si128((__m128i *)(void *)(dst + 12), _mm256_extracti128_si256(bytes, 1));
}

REST narrow_s24(uint8_t *dst, const float *src, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        pack_s24_alone(dst + 3 * i, round_clamp(src + i, 0x1p23f, 0x1.fffffcp22f));
    vs__f32_to_s24_c(dst + 3 * i, src + i, n - i);
}

void vs__f32_to_s24_avx2(uint8_t *dst, const float *src, size_t n)
{
    const __m256i half = _mm256_set1_epi32(1 << 23);
    __m256i over = _mm256_setzero_si256(); /* samples moved to 0..2^24 - 1, where they are that */
    const size_t all = n;
    for (; n >= TURN; n -= TURN, dst += 3 * TURN, src += TURN)
        for (size_t j = 0; j < TURN; j += 8) {
            __m256i v = round_steps(src + j, 0x1p23f);
            over = _mm256_or_si256(over, _mm256_add_epi32(v, half));
            if (j < TURN - 8)
                pack_s24(dst + 3 * j, v);
            else
                pack_s24_alone(dst + 3 * j, v);
        }
    if (!_mm256_testz_si256(over, _mm256_set1_epi32((int)0xff000000)))
        narrow_s24(dst - 3 * (all - n), src - (all - n), all);
    else if (n)
        narrow_s24(dst, src, n);
}

REST narrow_s32(int32_t *dst, const float *src, size_t n)
{
    const __m256 scale = _mm256_set1_ps(0x1p31f);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 x = _mm256_mul_ps(_mm256_loadu_ps(src + i), scale);
        x = _mm256_and_ps(x, _mm256_cmp_ps(x, x, _CMP_ORD_Q));
        /* what is too large converts to the least number, whose opposite bits are the largest */
        __m256i over = _mm256_castps_si256(_mm256_cmp_ps(x, scale, _CMP_GE_OQ));
        __m256i v = _mm256_xor_si256(_mm256_cvtps_epi32(x), over);
        _mm256_storeu_si256((__m256i *)(void *)(dst + i), v);
    }
    vs__f32_to_s32_c(dst + i, src + i, n - i);
}

/* @return the lesser of `least` and what was stored */
static inline __m256i store_s32(int32_t *dst, __m256i v, __m256i least)
{
    _mm256_storeu_si256((__m256i *)(void *)dst, v);
    return _mm256_min_epi32(least, v);
}

void vs__f32_to_s32_avx2(int32_t *dst, const float *src, size_t n)
{
    __m256i least = _mm256_setzero_si256();
    const size_t all = n;
    EACH_TURN(n, (dst += TURN, src += TURN), 8,
              least = store_s32(dst + j, round_steps(src + j, 0x1p31f), least))
    if (_mm256_movemask_epi8(_mm256_cmpeq_epi32(least, _mm256_set1_epi32(INT32_MIN))))
        narrow_s32(dst - (all - n), src - (all - n), all); /* or it was no more than full scale */
    else if (n)
        narrow_s32(dst, src, n);
}

/* Multiplication and addition stay apart, as in plain C. */
static __m256i scale_clamp(const float *src, __m256 scale, __m256 zero)
{
    __m256 x = _mm256_add_ps(_mm256_mul_ps(_mm256_loadu_ps(src), scale), zero);
    x = _mm256_max_ps(x, _mm256_setzero_ps()); /* of what is not a number: the second */
    return _mm256_cvtps_epi32(_mm256_min_ps(x, _mm256_set1_ps(127.0f)));
}

void vs__f32_to_u7_avx2(uint8_t *dst, const float *src, size_t n, float scale, float zero)
{
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    __m256 times = _mm256_set1_ps(scale), plus = _mm256_set1_ps(zero);
    size_t i = 0;
    for (; i + 32 <= n; i += 32) {
        __m256i low = _mm256_packs_epi32(scale_clamp(src + i, times, plus),
                                         scale_clamp(src + i + 8, times, plus));
        __m256i high = _mm256_packs_epi32(scale_clamp(src + i + 16, times, plus),
                                          scale_clamp(src + i + 24, times, plus));
        __m256i v = _mm256_permutevar8x32_epi32(_mm256_packus_epi16(low, high), order);
        _mm256_storeu_si256((__m256i *)(void *)(dst + i), v);
    }
    for (; i + 8 <= n; i += 8) {
        __m256i v = scale_clamp(src + i, times, plus);
        __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
        _mm_storel_epi64((__m128i *)(void *)(dst + i), _mm_packus_epi16(words, words));
    }
    vs__f32_to_u7_c(dst + i, src + i, n - i, scale, zero);
}

static __m256i add_found(const uint8_t *x, const int32_t *src, const float *scale,
                         const float *bias)
{
    __m256 old =
        _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)x)));
    __m256 found = _mm256_cvtepi32_ps(_mm256_loadu_si256((const __m256i *)(const void *)src));
    found = _mm256_add_ps(_mm256_mul_ps(found, _mm256_loadu_ps(scale)), _mm256_loadu_ps(bias));
    found = _mm256_add_ps(old, _mm256_max_ps(found, _mm256_setzero_ps()));
    return _mm256_cvtps_epi32(_mm256_min_ps(found, _mm256_set1_ps(127.0f)));
}

void vs__add_u7_avx2(uint8_t *x, const int32_t *src, const float *scale, const float *bias,
                     size_t n)
{
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        __m256i v =
            _mm256_packs_epi32(add_found(x + i, src + i, scale + i, bias + i),
                               add_found(x + i + 8, src + i + 8, scale + i + 8, bias + i + 8));
        v = _mm256_permute4x64_epi64(v, 0xd8);
        _mm_storeu_si128(
            (__m128i *)(void *)(x + i),
            _mm_packus_epi16(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1)));
    }
    vs__add_u7_c(x + i, src + i, scale + i, bias + i, n - i);
}

size_t vs__sanitize_avx2(float *x, size_t n)
{
    const __m256i exponent = _mm256_set1_epi32(0xff << 23);
    const __m256i largest = _mm256_set1_epi32((VS__NONSENSE_EXPONENT - 1) << 23);
    __m256i count = _mm256_setzero_si256();
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)(x + i));
        __m256i e = _mm256_and_si256(v, exponent);
        __m256i nonsense = _mm256_cmpgt_epi32(e, largest);
        __m256i tiny = _mm256_cmpeq_epi32(e, _mm256_setzero_si256());
        v = _mm256_andnot_si256(_mm256_or_si256(nonsense, tiny), v);
        _mm256_storeu_si256((__m256i *)(void *)(x + i), v);
        count = _mm256_sub_epi32(count, nonsense);
    }
    uint32_t part[8];
    size_t bad = vs__sanitize_c(x + i, n - i);
    _mm256_storeu_si256((__m256i *)(void *)part, count);
    for (size_t k = 0; k < 8; k++)
        bad += part[k];
    return bad;
}

void vs__downmix_avx2(float *dst, const float *src, size_t n, size_t channels)
{
    size_t i = 0;
    for (; channels == 2 && i + 8 <= n; i += 8) {
        __m256 low = _mm256_loadu_ps(src + 2 * i), high = _mm256_loadu_ps(src + 2 * i + 8);
        __m256d sum = _mm256_castps_pd(
            _mm256_add_ps(_mm256_shuffle_ps(low, high, 0x88), _mm256_shuffle_ps(low, high, 0xdd)));
        __m256 x = _mm256_castpd_ps(_mm256_permute4x64_pd(sum, 0xd8));
        _mm256_storeu_ps(dst + i, _mm256_mul_ps(x, _mm256_set1_ps(0.5f)));
    }
    vs__downmix_c(dst + i, src + i * channels, n - i, channels);
}

void vs__pick_avx2(float *dst, const float *src, size_t n, size_t channels, size_t channel)
{
    size_t i = 0;
    /* The second load of channel 1 ends one float into the next frame: there must be one. */
    for (; channels == 2 && i + 8 + channel <= n; i += 8) {
        const float *from = src + 2 * i + channel;
        _mm256_storeu_ps(dst + i, pick_even(_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)));
    }
    vs__pick_c(dst + i, src + i * channels, n - i, channels, channel);
}

void vs__deinterleave_avx2(float *dst, size_t stride, const float *src, size_t n, size_t channels)
{
    size_t i = 0;
    for (; channels == 2 && i + 8 <= n; i += 8) {
        __m256 low = _mm256_loadu_ps(src + 2 * i), high = _mm256_loadu_ps(src + 2 * i + 8);
        __m256d right = _mm256_castps_pd(_mm256_shuffle_ps(low, high, 0xdd));
        _mm256_storeu_ps(dst + i, pick_even(low, high));
        _mm256_storeu_ps(dst + stride + i, _mm256_castpd_ps(_mm256_permute4x64_pd(right, 0xd8)));
    }
    vs__deinterleave_c(dst + i, stride, src + i * channels, n - i, channels);
}

float vs__dot_avx2(const float *a, const float *b, size_t n)
{
    __m256 s0 = _mm256_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
    size_t i = 0;
    for (; i + 32 <= n; i += 32) {
        s0 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), s0);
        s1 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 8), _mm256_loadu_ps(b + i + 8), s1);
        s2 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 16), _mm256_loadu_ps(b + i + 16), s2);
        s3 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 24), _mm256_loadu_ps(b + i + 24), s3);
    }
    for (; i + 8 <= n; i += 8)
        s0 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i), s0);
    float sum = add_all(_mm256_add_ps(_mm256_add_ps(s0, s1), _mm256_add_ps(s2, s3)));
    return i < n ? sum + vs__dot_c(a + i, b + i, n - i) : sum;
}

/* The sums of four vectors, each in its place. */
static __m128 add_each(__m256 a, __m256 b, __m256 c, __m256 d)
{
    __m256 s = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
    return _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1));
}

/* Four rows at a time, so that each part of `b` is loaded once for them. */
void vs__rows_avx2(float *dst, const float *a, size_t stride, const float *b, size_t n,
                   size_t count)
{
    size_t r = 0;
    for (; r + 4 <= count; r += 4, a += 4 * stride) {
        __m256 s0 = _mm256_setzero_ps(), s1 = s0, s2 = s0, s3 = s0, t0 = s0, t1 = s0, t2 = s0,
               t3 = s0;
        size_t i = 0;
        for (; i + 16 <= n; i += 16) {
            const float *from = a + i;
            __m256 x = _mm256_loadu_ps(b + i), y = _mm256_loadu_ps(b + i + 8);
            s0 = _mm256_fmadd_ps(_mm256_loadu_ps(from), x, s0);
            t0 = _mm256_fmadd_ps(_mm256_loadu_ps(from + 8), y, t0);
            s1 = _mm256_fmadd_ps(_mm256_loadu_ps(from + stride), x, s1);
            t1 = _mm256_fmadd_ps(_mm256_loadu_ps(from + stride + 8), y, t1);
            s2 = _mm256_fmadd_ps(_mm256_loadu_ps(from + 2 * stride), x, s2);
            t2 = _mm256_fmadd_ps(_mm256_loadu_ps(from + 2 * stride + 8), y, t2);
            s3 = _mm256_fmadd_ps(_mm256_loadu_ps(from + 3 * stride), x, s3);
            t3 = _mm256_fmadd_ps(_mm256_loadu_ps(from + 3 * stride + 8), y, t3);
        }
        if (i + 8 <= n) {
            __m256 x = _mm256_loadu_ps(b + i);
            s0 = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), x, s0);
            s1 = _mm256_fmadd_ps(_mm256_loadu_ps(a + stride + i), x, s1);
            s2 = _mm256_fmadd_ps(_mm256_loadu_ps(a + 2 * stride + i), x, s2);
            s3 = _mm256_fmadd_ps(_mm256_loadu_ps(a + 3 * stride + i), x, s3);
            i += 8;
        }
        float sum[4];
        _mm_storeu_ps(sum, add_each(_mm256_add_ps(s0, t0), _mm256_add_ps(s1, t1),
                                    _mm256_add_ps(s2, t2), _mm256_add_ps(s3, t3)));
        for (size_t k = 0; k < 4; k++)
            dst[r + k] = i < n ? sum[k] + vs__dot_c(a + k * stride + i, b + i, n - i) : sum[k];
    }
    for (; r < count; r++, a += stride)
        dst[r] = vs__dot_avx2(a, b, n);
}

/* Sixteen outputs of one filter, whose windows begin `hop` apart. Outputs 8 apart meet the same
   vectors of input, as 8 hops are whole vectors, so that a load serves two of them and a load of the
   filter four. */
static void sixteen_outputs(float *dst, const float *x, size_t hop, const float *h, size_t n)
{
    const size_t shift = 8 * hop;
    for (size_t r = 0; r < 8; r += 4) {
        const float *from = x + r * hop;
        __m256 s[4], t[4];
        for (size_t k = 0; k < 4; k++)
            s[k] = t[k] = _mm256_setzero_ps();
        size_t i = 0;
        for (; i < shift; i += 8)
            for (size_t k = 0; k < 4; k++)
                s[k] = _mm256_fmadd_ps(_mm256_loadu_ps(from + k * hop + i), _mm256_loadu_ps(h + i),
                                       s[k]);
        for (; i < n; i += 8) {
            __m256 early = _mm256_loadu_ps(h + i), late = _mm256_loadu_ps(h + i - shift);
            for (size_t k = 0; k < 4; k++) {
                __m256 v = _mm256_loadu_ps(from + k * hop + i);
                __asm__("" : "+x"(v)); /* compilers would load it for each of the two */
                s[k] = _mm256_fmadd_ps(v, early, s[k]);
                t[k] = _mm256_fmadd_ps(v, late, t[k]);
            }
        }
        for (; i < n + shift; i += 8)
            for (size_t k = 0; k < 4; k++)
                t[k] = _mm256_fmadd_ps(_mm256_loadu_ps(from + k * hop + i),
                                       _mm256_loadu_ps(h + i - shift), t[k]);
        _mm_storeu_ps(dst + r, add_each(s[0], s[1], s[2], s[3]));
        _mm_storeu_ps(dst + r + 8, add_each(t[0], t[1], t[2], t[3]));
    }
}

/* Each output by the same additions wherever it stands: one sum where there is one filter, as above;
   two sums where there are many. Four at a time; where fewer are left, the last one is made again
   and dropped. */
void vs__polyphase_avx2(float *dst, const float *x, const float *filters, size_t n, size_t count,
                        const struct vs__walk *walk)
{
    const bool same = walk->phases == 1;
    size_t phase = walk->phase, done = 0;
    if (same && 8 * (size_t)walk->whole <= n)
        for (; done + 16 <= count; done += 16, x += 16 * (size_t)walk->whole)
            sixteen_outputs(dst + done, x, walk->whole, filters, n);
    for (; done < count; done += 4) {
        const size_t now = count - done < 4 ? count - done : 4;
        const float *from[4], *h[4];
        for (size_t k = 0; k < 4; k++) {
            from[k] = x;
            h[k] = filters + phase * n;
            if (k + 1 < now || now == 4)
                x = vs__walk_on(walk, x, &phase);
        }
        __m256 s[4], t[4];
        for (size_t k = 0; k < 4; k++)
            s[k] = t[k] = _mm256_setzero_ps();
        for (size_t i = 0; i < n && same; i += 8)
            for (size_t k = 0; k < 4; k++)
                s[k] =
                    _mm256_fmadd_ps(_mm256_loadu_ps(from[k] + i), _mm256_loadu_ps(h[0] + i), s[k]);
        for (size_t i = 0; i < n && !same; i += 16)
            for (size_t k = 0; k < 4; k++) {
                s[k] =
                    _mm256_fmadd_ps(_mm256_loadu_ps(from[k] + i), _mm256_loadu_ps(h[k] + i), s[k]);
                t[k] = _mm256_fmadd_ps(_mm256_loadu_ps(from[k] + i + 8),
                                       _mm256_loadu_ps(h[k] + i + 8), t[k]);
            }
        float y[4];
        _mm_storeu_ps(y, add_each(_mm256_add_ps(s[0], t[0]), _mm256_add_ps(s[1], t[1]),
                                  _mm256_add_ps(s[2], t[2]), _mm256_add_ps(s[3], t[3])));
        for (size_t k = 0; k < now; k++)
            dst[done + k] = y[k];
    }
}

float vs__energy_avx2(const float *x, size_t n)
{
    return vs__dot_avx2(x, x, n);
}

/* `vectors` times 8 outputs; even and odd taps apart, so that additions need not wait. */
static inline void run_fir(float *dst, const float *src, const float *taps, size_t count,
                           size_t vectors)
{
    __m256 even[4], odd[4];
    size_t k = 0;
    for (size_t j = 0; j < vectors; j++)
        even[j] = odd[j] = _mm256_setzero_ps();
    for (; k + 2 <= count; k += 2) {
        __m256 a = _mm256_broadcast_ss(taps + k), b = _mm256_broadcast_ss(taps + k + 1);
        for (size_t j = 0; j < vectors; j++) {
            even[j] = _mm256_fmadd_ps(a, _mm256_loadu_ps(src + k + 8 * j), even[j]);
            odd[j] = _mm256_fmadd_ps(b, _mm256_loadu_ps(src + k + 1 + 8 * j), odd[j]);
        }
    }
    for (size_t j = 0; k < count && j < vectors; j++)
        even[j] = _mm256_fmadd_ps(_mm256_broadcast_ss(taps + k), _mm256_loadu_ps(src + k + 8 * j),
                                  even[j]);
    for (size_t j = 0; j < vectors; j++)
        _mm256_storeu_ps(dst + 8 * j, _mm256_add_ps(even[j], odd[j]));
}

void vs__fir_avx2(float *dst, const float *src, size_t n, const float *taps, size_t count)
{
    size_t i = 0;
    for (; i + 32 <= n; i += 32)
        run_fir(dst + i, src + i, taps, count, 4);
    for (; i + 8 <= n; i += 8)
        run_fir(dst + i, src + i, taps, count, 1);
    for (; i < n; i++)
        dst[i] = vs__dot_avx2(src + i, taps, count);
}

static float find_largest(__m256 v)
{
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}

float vs__measure_avx2(const float *x, size_t n, float *ret_peak)
{
    const __m256 size = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
    __m256 sum[4], most[2];
    size_t i = 0;
    for (size_t j = 0; j < 4; j++)
        sum[j] = most[j % 2] = _mm256_setzero_ps();
    /* Where one side is not a number, the instruction for the larger gives its second operand. */
    for (; i + 32 <= n; i += 32)
        for (size_t j = 0; j < 4; j++) {
            __m256 v = _mm256_loadu_ps(x + i + 8 * j);
            sum[j] = _mm256_fmadd_ps(v, v, sum[j]);
            most[j % 2] = _mm256_max_ps(_mm256_and_ps(v, size), most[j % 2]);
        }
    for (; i + 8 <= n; i += 8) {
        __m256 v = _mm256_loadu_ps(x + i);
        sum[0] = _mm256_fmadd_ps(v, v, sum[0]);
        most[0] = _mm256_max_ps(_mm256_and_ps(v, size), most[0]);
    }
    float rest = 0, peak = find_largest(_mm256_max_ps(most[0], most[1]));
    float all =
        add_all(_mm256_add_ps(_mm256_add_ps(sum[0], sum[1]), _mm256_add_ps(sum[2], sum[3])));
    if (i < n)
        all += vs__measure_c(x + i, n - i, &rest);
    *ret_peak = rest > peak ? rest : peak;
    return all;
}

float vs__peak_avx2(const float *x, size_t n)
{
    const __m256 size = _mm256_castsi256_ps(_mm256_set1_epi32(0x7fffffff));
    __m256 m0 = _mm256_setzero_ps(), m1 = m0;
    size_t i = 0;
    /* Where one side is not a number, the instruction gives its second operand. */
    for (; i + 16 <= n; i += 16) {
        m0 = _mm256_max_ps(_mm256_and_ps(_mm256_loadu_ps(x + i), size), m0);
        m1 = _mm256_max_ps(_mm256_and_ps(_mm256_loadu_ps(x + i + 8), size), m1);
    }
    float most = find_largest(_mm256_max_ps(m0, m1)), rest = vs__peak_c(x + i, n - i);
    return rest > most ? rest : most;
}

static inline void multiply_vector(float *dst, const float *a, const float *b)
{
    _mm256_storeu_ps(dst, _mm256_mul_ps(_mm256_loadu_ps(a), _mm256_loadu_ps(b)));
}

void vs__multiply_avx2(float *dst, const float *a, const float *b, size_t n)
{
    EACH_TURN(n, (dst += TURN, a += TURN, b += TURN), 8, multiply_vector(dst + j, a + j, b + j))
    for (; n >= 8; n -= 8, dst += 8, a += 8, b += 8)
        multiply_vector(dst, a, b);
    if (n)
        vs__multiply_c(dst, a, b, n);
}

static inline void gain_vector(float *x, __m256 gain)
{
    _mm256_storeu_ps(x, _mm256_mul_ps(_mm256_loadu_ps(x), gain));
}

REST hold_rest(float *x, size_t n, float gain)
{
    const __m256 all = _mm256_set1_ps(gain);
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        gain_vector(x + i, all);
    vs__gain_c(x + i, n - i, gain, 0);
}

/* A steady gain is what comes most. */
static void hold_gain(float *x, size_t n, float gain)
{
    const __m256 all = _mm256_set1_ps(gain);
    EACH_TURN(n, x += TURN, 8, gain_vector(x + j, all))
    if (n)
        hold_rest(x, n, gain);
}

void vs__gain_avx2(float *x, size_t n, float from, float step)
{
    const __m256 start = _mm256_set1_ps(from), each = _mm256_set1_ps(step);
    const __m256 ahead = _mm256_set1_ps(32);
    __m256 at[4]; /* numbers of four vectors of samples, so that counting on is no chain */
    size_t i = 0;
    if (step == 0) {
        hold_gain(x, n, from + step);
        return;
    }
    for (int j = 0; j < 4; j++)
        at[j] =
            _mm256_add_ps(_mm256_setr_ps(1, 2, 3, 4, 5, 6, 7, 8), _mm256_set1_ps((float)(8 * j)));
    for (; i + 32 <= n; i += 32)
        for (int j = 0; j < 4; j++) {
            gain_vector(x + i + 8 * j, _mm256_add_ps(start, _mm256_mul_ps(each, at[j])));
            at[j] = _mm256_add_ps(at[j], ahead);
        }
    for (; i < n; i++)
        x[i] *= from + step * (float)(i + 1);
}

/* Not fused, as in plain C. */
static inline void mix_vector(float *dst, const float *src, __m256 gain)
{
    __m256 x = _mm256_mul_ps(_mm256_loadu_ps(src), gain);
    _mm256_storeu_ps(dst, _mm256_add_ps(_mm256_loadu_ps(dst), x));
}

REST mix_rest(float *dst, const float *src, size_t n, float gain)
{
    const __m256 all = _mm256_set1_ps(gain);
    size_t i = 0;
    for (; i + 8 <= n; i += 8)
        mix_vector(dst + i, src + i, all);
    vs__mix_c(dst + i, src + i, n - i, gain);
}

void vs__mix_avx2(float *dst, const float *src, size_t n, float gain)
{
    const __m256 all = _mm256_set1_ps(gain);
    EACH_TURN(n, (dst += TURN, src += TURN), 8, mix_vector(dst + j, src + j, all))
    if (n)
        mix_rest(dst, src, n, gain);
}

void vs__complex_multiply_avx2(float *dst, const float *a, const float *b, size_t n)
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        __m256 x = _mm256_loadu_ps(a + 2 * i), y = _mm256_loadu_ps(b + 2 * i);
        __m256 straight = _mm256_mul_ps(x, _mm256_moveldup_ps(y));
        __m256 cross = _mm256_mul_ps(_mm256_permute_ps(x, 0xb1), _mm256_movehdup_ps(y));
        _mm256_storeu_ps(dst + 2 * i, _mm256_addsub_ps(straight, cross));
    }
    vs__complex_multiply_c(dst + 2 * i, a + 2 * i, b + 2 * i, n - i);
}

void vs__complex_gain_avx2(float *x, const float *gain, size_t n)
{
    const __m256i twice = _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3);
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        __m256 g = _mm256_castps128_ps256(_mm_loadu_ps(gain + i));
        g = _mm256_permutevar8x32_ps(g, twice);
        _mm256_storeu_ps(x + 2 * i, _mm256_mul_ps(_mm256_loadu_ps(x + 2 * i), g));
    }
    vs__complex_gain_c(x + 2 * i, gain + i, n - i);
}

void vs__power_avx2(float *dst, const float *src, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        __m256 low = _mm256_loadu_ps(src + 2 * i), high = _mm256_loadu_ps(src + 2 * i + 8);
        __m256 re = _mm256_shuffle_ps(low, high, 0x88), im = _mm256_shuffle_ps(low, high, 0xdd);
        __m256d x = _mm256_castps_pd(_mm256_fmadd_ps(re, re, _mm256_mul_ps(im, im)));
        _mm256_storeu_ps(dst + i, _mm256_castpd_ps(_mm256_permute4x64_pd(x, 0xd8)));
    }
    vs__power_c(dst + i, src + 2 * i, n - i);
}

/* Sums of 8 * vectors rows that lie `step` bytes apart. A product of two is at most 2 * 128 * 127: it fits into 16
   bits, and a multiplication by one adds two of them. */
static inline __attribute__((always_inline)) void sum_rows(int32_t *dst, const int8_t *a,
                                                           size_t step, const uint8_t *b, size_t n,
                                                           size_t vectors)
{
    const __m256i one = _mm256_set1_epi16(1);
    __m256i sum[12];
    for (size_t v = 0; v < vectors; v++)
        sum[v] = _mm256_setzero_si256();
#pragma GCC unroll 2
    for (size_t i = 0; i < n; i += 4, a += step) {
        int32_t four;
        memcpy(&four, b + i, sizeof(four));
        __m256i x = _mm256_set1_epi32(four);
        for (size_t v = 0; v < vectors; v++) {
            const __m256i *row = (const __m256i *)(const void *)(a + 32 * v);
            __m256i pairs = _mm256_maddubs_epi16(x, _mm256_loadu_si256(row));
            sum[v] = _mm256_add_epi32(sum[v], _mm256_madd_epi16(pairs, one));
        }
    }
    for (size_t v = 0; v < vectors; v++)
        _mm256_storeu_si256((__m256i *)(void *)(dst + 8 * v), sum[v]);
}

void vs__rows_s8_avx2(int32_t *dst, const int8_t *a, const uint8_t *b, size_t n, size_t count)
{
    size_t r = 0;
    for (; r + 96 <= count; r += 96)
        sum_rows(dst + r, a + 4 * r, 4 * count, b, n, 12);
    for (; r + 48 <= count; r += 48)
        sum_rows(dst + r, a + 4 * r, 4 * count, b, n, 6);
    for (; r < count; r += 16)
        sum_rows(dst + r, a + 4 * r, 4 * count, b, n, 2);
}
