/* SPDX-License-Identifier: MIT */
/* Kernels for AVX-512 F, BW, DQ and VL. What is left over after whole vectors is one masked step:
   masked-out elements are neither read nor written. */
#include <immintrin.h>
#include <string.h>
#include <stdbool.h>

#include "dsp/kernels.h"

enum { WIDTH = 16 };

/* How many elements this step takes, and the mask for them. */
static __mmask16 mask_rest(size_t rest)
{
    return rest >= WIDTH ? (__mmask16)0xffff : (__mmask16)((1u << rest) - 1);
}

/* Mask of the first and second half of 2 * rest floats. */
static __mmask16 mask_low(size_t rest)
{
    return mask_rest(2 * rest);
}

static __mmask16 mask_high(size_t rest)
{
    return rest > WIDTH / 2 ? mask_rest(2 * rest - WIDTH) : 0;
}

/* Every second of 32 consecutive floats, from `first` = 0 or 1. */
static __m512 pick_second(__m512 low, __m512 high, int first)
{
    __m512i index = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    return _mm512_permutex2var_ps(low, _mm512_add_epi32(index, _mm512_set1_epi32(first)), high);
}

void vs__s16_to_f32_avx512(float *dst, const int16_t *src, size_t n)
{
    const __m512 scale = _mm512_set1_ps(0x1p-15f);
    for (size_t i = 0; i < n; i += WIDTH) {
        __mmask16 mask = mask_rest(n - i);
        __m512i v = _mm512_cvtepi16_epi32(_mm256_maskz_loadu_epi16(mask, src + i));
        _mm512_mask_storeu_ps(dst + i, mask, _mm512_mul_ps(_mm512_cvtepi32_ps(v), scale));
    }
}

void vs__s24_to_f32_avx512(float *dst, const uint8_t *src, size_t n)
{
    /* Four samples, 12 bytes, to each 128-bit quarter; then each to the top of its element. */
    const __m512i quarters = _mm512_setr_epi32(0, 1, 2, 0, 3, 4, 5, 0, 6, 7, 8, 0, 9, 10, 11, 0);
    const __m512i spread =
        _mm512_broadcast_i32x4(_mm_setr_epi8(-1, 0, 1, 2, -1, 3, 4, 5, -1, 6, 7, 8, -1, 9, 10, 11));
    const __m512 scale = _mm512_set1_ps(0x1p-31f);
    for (size_t i = 0; i < n; i += WIDTH) {
        size_t rest = n - i < WIDTH ? n - i : WIDTH;
        __m512i v = _mm512_maskz_loadu_epi8((1ull << 3 * rest) - 1, src + 3 * i);
        v = _mm512_shuffle_epi8(_mm512_permutexvar_epi32(quarters, v), spread);
        _mm512_mask_storeu_ps(dst + i, mask_rest(rest),
                              _mm512_mul_ps(_mm512_cvtepi32_ps(v), scale));
    }
}

void vs__s32_to_f32_avx512(float *dst, const int32_t *src, size_t n)
{
    const __m512 scale = _mm512_set1_ps(0x1p-31f);
    for (size_t i = 0; i < n; i += WIDTH) {
        __mmask16 mask = mask_rest(n - i);
        __m512 x = _mm512_cvtepi32_ps(_mm512_maskz_loadu_epi32(mask, src + i));
        _mm512_mask_storeu_ps(dst + i, mask, _mm512_mul_ps(x, scale));
    }
}

/* x times `scale` to the nearest whole number from -scale to `most`; not a number gives 0. */
static __m512i round_clamp(__m512 x, float scale, float most)
{
    x = _mm512_mul_ps(x, _mm512_set1_ps(scale));
    x = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, x, _CMP_ORD_Q), x);
    x = _mm512_max_ps(x, _mm512_set1_ps(-scale));
    return _mm512_cvtps_epi32(_mm512_min_ps(x, _mm512_set1_ps(most)));
}

void vs__f32_to_s16_avx512(int16_t *dst, const float *src, size_t n)
{
    for (size_t i = 0; i < n; i += WIDTH) {
        __mmask16 mask = mask_rest(n - i);
        __m512i v = round_clamp(_mm512_maskz_loadu_ps(mask, src + i), 32768.0f, 32767.0f);
        _mm256_mask_storeu_epi16(dst + i, mask, _mm512_cvtsepi32_epi16(v));
    }
}

void vs__f32_to_s24_avx512(uint8_t *dst, const float *src, size_t n)
{
    /* The lower three bytes of each element together, per 128-bit quarter; then the quarters. */
    const __m512i gather = _mm512_broadcast_i32x4(
        _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1));
    const __m512i quarters = _mm512_setr_epi32(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 3, 3, 3, 3);
    for (size_t i = 0; i < n; i += WIDTH) {
        size_t rest = n - i < WIDTH ? n - i : WIDTH;
        __m512i v =
            round_clamp(_mm512_maskz_loadu_ps(mask_rest(rest), src + i), 0x1p23f, 0x1.fffffcp22f);
        v = _mm512_permutexvar_epi32(quarters, _mm512_shuffle_epi8(v, gather));
        _mm512_mask_storeu_epi8(dst + 3 * i, (1ull << 3 * rest) - 1, v);
    }
}

void vs__f32_to_s32_avx512(int32_t *dst, const float *src, size_t n)
{
    const __m512 scale = _mm512_set1_ps(0x1p31f);
    for (size_t i = 0; i < n; i += WIDTH) {
        __mmask16 mask = mask_rest(n - i);
        __m512 x = _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, src + i), scale);
        x = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, x, _CMP_ORD_Q), x);
        __mmask16 over = _mm512_cmp_ps_mask(x, scale, _CMP_GE_OQ);
        __m512i v =
            _mm512_mask_mov_epi32(_mm512_cvtps_epi32(x), over, _mm512_set1_epi32(INT32_MAX));
        _mm512_mask_storeu_epi32(dst + i, mask, v);
    }
}

void vs__f32_to_u7_avx512(uint8_t *dst, const float *src, size_t n, float scale, float zero)
{
    for (size_t i = 0; i < n; i += WIDTH) {
        __mmask16 mask = mask_rest(n - i);
        __m512 x = _mm512_mul_ps(_mm512_maskz_loadu_ps(mask, src + i), _mm512_set1_ps(scale));
        x = _mm512_max_ps(_mm512_add_ps(x, _mm512_set1_ps(zero)), _mm512_setzero_ps());
        x = _mm512_min_ps(x, _mm512_set1_ps(127.0f));
        _mm_mask_storeu_epi8(dst + i, mask, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(x)));
    }
}

void vs__add_u7_avx512(uint8_t *x, const int32_t *src, const float *scale, const float *bias,
                       size_t n)
{
    for (size_t i = 0; i < n; i += WIDTH) {
        __mmask16 mask = mask_rest(n - i);
        __m512 old = _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, x + i)));
        __m512 found = _mm512_cvtepi32_ps(_mm512_maskz_loadu_epi32(mask, src + i));
        found = _mm512_mul_ps(found, _mm512_maskz_loadu_ps(mask, scale + i));
        found = _mm512_add_ps(found, _mm512_maskz_loadu_ps(mask, bias + i));
        found = _mm512_add_ps(old, _mm512_max_ps(found, _mm512_setzero_ps()));
        found = _mm512_min_ps(found, _mm512_set1_ps(127.0f));
        _mm_mask_storeu_epi8(x + i, mask, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(found)));
    }
}

size_t vs__sanitize_avx512(float *x, size_t n)
{
    const __m512i exponent = _mm512_set1_epi32(0xff << 23);
    const __m512i largest = _mm512_set1_epi32((VS__NONSENSE_EXPONENT - 1) << 23);
    size_t bad = 0;
    for (size_t i = 0; i < n; i += WIDTH) {
        __mmask16 mask = mask_rest(n - i);
        __m512i v = _mm512_maskz_loadu_epi32(mask, x + i);
        __m512i e = _mm512_and_si512(v, exponent);
        __mmask16 nonsense = _mm512_cmpgt_epi32_mask(e, largest);
        __mmask16 normal = _mm512_test_epi32_mask(e, e) & (__mmask16)~nonsense;
        _mm512_mask_storeu_epi32(x + i, mask, _mm512_maskz_mov_epi32(normal, v));
        bad += (size_t)__builtin_popcount(nonsense);
    }
    return bad;
}

void vs__downmix_avx512(float *dst, const float *src, size_t n, size_t channels)
{
    if (channels != 2) {
        vs__downmix_c(dst, src, n, channels);
        return;
    }
    for (size_t i = 0; i < n; i += WIDTH) {
        const float *from = src + 2 * i;
        __m512 low = _mm512_maskz_loadu_ps(mask_low(n - i), from);
        __m512 high = _mm512_maskz_loadu_ps(mask_high(n - i), from + WIDTH);
        __m512 sum = _mm512_add_ps(pick_second(low, high, 0), pick_second(low, high, 1));
        _mm512_mask_storeu_ps(dst + i, mask_rest(n - i), _mm512_mul_ps(sum, _mm512_set1_ps(0.5f)));
    }
}

void vs__pick_avx512(float *dst, const float *src, size_t n, size_t channels, size_t channel)
{
    if (channels != 2) {
        vs__pick_c(dst, src, n, channels, channel);
        return;
    }
    for (size_t i = 0; i < n; i += WIDTH) {
        const float *from = src + 2 * i;
        __m512 low = _mm512_maskz_loadu_ps(mask_low(n - i), from);
        __m512 high = _mm512_maskz_loadu_ps(mask_high(n - i), from + WIDTH);
        _mm512_mask_storeu_ps(dst + i, mask_rest(n - i), pick_second(low, high, (int)channel));
    }
}

float vs__dot_avx512(const float *a, const float *b, size_t n)
{
    __m512 s0 = _mm512_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
    size_t i = 0;
    for (; i + 4 * WIDTH <= n; i += 4 * WIDTH) {
        s0 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i), _mm512_loadu_ps(b + i), s0);
        s1 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 16), _mm512_loadu_ps(b + i + 16), s1);
        s2 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 32), _mm512_loadu_ps(b + i + 32), s2);
        s3 = _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 48), _mm512_loadu_ps(b + i + 48), s3);
    }
    for (; i < n; i += WIDTH) {
        __mmask16 mask = mask_rest(n - i);
        s0 = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, a + i), _mm512_maskz_loadu_ps(mask, b + i),
                             s0);
    }
    return _mm512_reduce_add_ps(_mm512_add_ps(_mm512_add_ps(s0, s1), _mm512_add_ps(s2, s3)));
}

/* Four rows at a time, so that each part of `b` is loaded once for them. */
void vs__rows_avx512(float *dst, const float *a, size_t stride, const float *b, size_t n,
                     size_t count)
{
    size_t r = 0;
    for (; r + 4 <= count; r += 4, a += 4 * stride) {
        __m512 s0 = _mm512_setzero_ps(), s1 = s0, s2 = s0, s3 = s0;
        for (size_t i = 0; i < n; i += WIDTH) {
            __mmask16 mask = mask_rest(n - i);
            const float *from = a + i;
            __m512 x = _mm512_maskz_loadu_ps(mask, b + i);
            s0 = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, from), x, s0);
            s1 = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, from + stride), x, s1);
            s2 = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, from + 2 * stride), x, s2);
            s3 = _mm512_fmadd_ps(_mm512_maskz_loadu_ps(mask, from + 3 * stride), x, s3);
        }
        dst[r] = _mm512_reduce_add_ps(s0);
        dst[r + 1] = _mm512_reduce_add_ps(s1);
        dst[r + 2] = _mm512_reduce_add_ps(s2);
        dst[r + 3] = _mm512_reduce_add_ps(s3);
    }
    for (; r < count; r++, a += stride)
        dst[r] = vs__dot_avx512(a, b, n);
}

/* Four outputs at a time, each by the same additions wherever it stands; where fewer are left, the
   last one is made again and dropped. */
void vs__polyphase_avx512(float *dst, const float *x, const float *filters, size_t n, size_t count,
                          const struct vs__walk *walk)
{
    const bool same = walk->phases == 1;
    size_t phase = walk->phase;
    for (size_t done = 0; done < count; done += 4) {
        const size_t now = count - done < 4 ? count - done : 4;
        const float *from[4], *h[4];
        for (size_t k = 0; k < 4; k++) {
            from[k] = x;
            h[k] = filters + phase * n;
            if (k + 1 < now || now == 4)
                x = vs__walk_on(walk, x, &phase);
        }
        __m512 s[4];
        for (size_t k = 0; k < 4; k++)
            s[k] = _mm512_setzero_ps();
        for (size_t i = 0; i < n && same; i += WIDTH) {
            __m512 a = _mm512_loadu_ps(h[0] + i);
            for (size_t k = 0; k < 4; k++)
                s[k] = _mm512_fmadd_ps(_mm512_loadu_ps(from[k] + i), a, s[k]);
        }
        for (size_t i = 0; i < n && !same; i += WIDTH)
            for (size_t k = 0; k < 4; k++)
                s[k] =
                    _mm512_fmadd_ps(_mm512_loadu_ps(from[k] + i), _mm512_loadu_ps(h[k] + i), s[k]);
        for (size_t k = 0; k < now; k++)
            dst[done + k] = _mm512_reduce_add_ps(s[k]);
    }
}

float vs__energy_avx512(const float *x, size_t n)
{
    return vs__dot_avx512(x, x, n);
}

/* Up to 64 outputs; masked-out ones are 0 and not written. */
static void run_fir(float *dst, const float *src, const float *taps, size_t count, size_t rest)
{
    __m512 sum[4];
    __mmask16 mask[4];
    for (size_t j = 0; j < 4; j++) {
        sum[j] = _mm512_setzero_ps();
        mask[j] = rest > j * WIDTH ? mask_rest(rest - j * WIDTH) : 0;
    }
    for (size_t k = 0; k < count; k++) {
        __m512 tap = _mm512_set1_ps(taps[k]);
        for (size_t j = 0; j < 4; j++)
            sum[j] =
                _mm512_fmadd_ps(tap, _mm512_maskz_loadu_ps(mask[j], src + k + j * WIDTH), sum[j]);
    }
    for (size_t j = 0; j < 4; j++)
        _mm512_mask_storeu_ps(dst + j * WIDTH, mask[j], sum[j]);
}

void vs__fir_avx512(float *dst, const float *src, size_t n, const float *taps, size_t count)
{
    for (size_t i = 0; i < n; i += 4 * WIDTH)
        run_fir(dst + i, src + i, taps, count, n - i);
}

float vs__measure_avx512(const float *x, size_t n, float *ret_peak)
{
    __m512 s0 = _mm512_setzero_ps(), s1 = s0, most = s0;
    size_t i = 0;
    /* Where one side is not a number, the instruction for the larger gives its second operand. */
    for (; i + 2 * WIDTH <= n; i += 2 * WIDTH) {
        __m512 v = _mm512_loadu_ps(x + i), w = _mm512_loadu_ps(x + i + WIDTH);
        s0 = _mm512_fmadd_ps(v, v, s0);
        s1 = _mm512_fmadd_ps(w, w, s1);
        most = _mm512_max_ps(_mm512_abs_ps(w), _mm512_max_ps(_mm512_abs_ps(v), most));
    }
    for (; i < n; i += WIDTH) {
        __m512 v = _mm512_maskz_loadu_ps(mask_rest(n - i), x + i);
        s0 = _mm512_fmadd_ps(v, v, s0);
        most = _mm512_max_ps(_mm512_abs_ps(v), most);
    }
    *ret_peak = _mm512_reduce_max_ps(most);
    return _mm512_reduce_add_ps(_mm512_add_ps(s0, s1));
}

float vs__peak_avx512(const float *x, size_t n)
{
    __m512 most = _mm512_setzero_ps();
    /* Where one side is not a number, the instruction gives its second operand. */
    for (size_t i = 0; i < n; i += WIDTH)
        most = _mm512_max_ps(_mm512_abs_ps(_mm512_maskz_loadu_ps(mask_rest(n - i), x + i)), most);
    return _mm512_reduce_max_ps(most);
}

void vs__multiply_avx512(float *dst, const float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i += WIDTH) {
        __mmask16 mask = mask_rest(n - i);
        __m512 x = _mm512_maskz_loadu_ps(mask, a + i);
        _mm512_mask_storeu_ps(dst + i, mask, _mm512_mul_ps(x, _mm512_maskz_loadu_ps(mask, b + i)));
    }
}

void vs__power_avx512(float *dst, const float *src, size_t n)
{
    for (size_t i = 0; i < n; i += WIDTH) {
        const float *from = src + 2 * i;
        __m512 low = _mm512_maskz_loadu_ps(mask_low(n - i), from);
        __m512 high = _mm512_maskz_loadu_ps(mask_high(n - i), from + WIDTH);
        __m512 re = pick_second(low, high, 0), im = pick_second(low, high, 1);
        _mm512_mask_storeu_ps(dst + i, mask_rest(n - i),
                              _mm512_fmadd_ps(re, re, _mm512_mul_ps(im, im)));
    }
}

/* To `sum` the products of 64 bytes, by fours. A sum of two is at most 2 * 128 * 127: it fits. */
static __m512i add_products(__m512i sum, __m512i b, const int8_t *a)
{
    __m512i pairs = _mm512_maddubs_epi16(b, _mm512_loadu_si512(a));
    return _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
}

#include "dsp/x86/rows_avx512.h"

void vs__rows_s8_avx512(int32_t *dst, const int8_t *a, const uint8_t *b, size_t n, size_t count)
{
    rows_s8(dst, a, b, n, count);
}

/* For these, wider vectors bring nothing: moving numbers within them is what takes the time. */

void vs__deinterleave_avx512(float *dst, size_t stride, const float *src, size_t n, size_t channels)
{
    vs__deinterleave_avx2(dst, stride, src, n, channels);
}

void vs__gain_avx512(float *x, size_t n, float from, float step)
{
    vs__gain_avx2(x, n, from, step);
}

void vs__mix_avx512(float *dst, const float *src, size_t n, float gain)
{
    vs__mix_avx2(dst, src, n, gain);
}

void vs__complex_multiply_avx512(float *dst, const float *a, const float *b, size_t n)
{
    vs__complex_multiply_avx2(dst, a, b, n);
}

void vs__complex_gain_avx512(float *x, const float *gain, size_t n)
{
    vs__complex_gain_avx2(x, gain, n);
}
