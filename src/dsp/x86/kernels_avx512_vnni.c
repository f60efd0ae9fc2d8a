/* SPDX-License-Identifier: MIT */
/* Kernels for AVX-512 with VNNI: sums of 8-bit products. */
#include <immintrin.h>

#include "dsp/kernels.h"

static __mmask64 mask_bytes(size_t rest)
{
    return rest >= 64 ? ~0ull : (1ull << rest) - 1;
}

/* To `sum` the products of 64 bytes, by fours. */
static __m512i add_products(__m512i sum, __m512i b, __m512i a)
{
    return _mm512_dpbusd_epi32(sum, b, a);
}

/* Four rows at a time, so that each part of `b` is loaded once for them. */
void vs__rows_s8_avx512_vnni(int32_t *dst, const int8_t *a, size_t stride, const uint8_t *b,
                             size_t n, size_t count)
{
    size_t r = 0;
    for (; r + 4 <= count; r += 4, a += 4 * stride) {
        __m512i s0 = _mm512_setzero_si512(), s1 = s0, s2 = s0, s3 = s0;
        for (size_t i = 0; i < n; i += 64) {
            __mmask64 mask = mask_bytes(n - i);
            __m512i x = _mm512_maskz_loadu_epi8(mask, b + i);
            const int8_t *from = a + i;
            s0 = add_products(s0, x, _mm512_maskz_loadu_epi8(mask, from));
            s1 = add_products(s1, x, _mm512_maskz_loadu_epi8(mask, from + stride));
            s2 = add_products(s2, x, _mm512_maskz_loadu_epi8(mask, from + 2 * stride));
            s3 = add_products(s3, x, _mm512_maskz_loadu_epi8(mask, from + 3 * stride));
        }
        dst[r] = _mm512_reduce_add_epi32(s0);
        dst[r + 1] = _mm512_reduce_add_epi32(s1);
        dst[r + 2] = _mm512_reduce_add_epi32(s2);
        dst[r + 3] = _mm512_reduce_add_epi32(s3);
    }
    for (; r < count; r++, a += stride) {
        __m512i sum = _mm512_setzero_si512();
        for (size_t i = 0; i < n; i += 64) {
            __mmask64 mask = mask_bytes(n - i);
            sum = add_products(sum, _mm512_maskz_loadu_epi8(mask, b + i),
                               _mm512_maskz_loadu_epi8(mask, a + i));
        }
        dst[r] = _mm512_reduce_add_epi32(sum);
    }
}
