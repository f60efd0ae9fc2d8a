/* SPDX-License-Identifier: MIT */
/* Kernels for AVX-VNNI: sums of 8-bit products on 256 bits, as processors without AVX-512 have. */
#include <immintrin.h>

#include "dsp/kernels.h"

/* To `sum` the products of 32 bytes, by fours. */
static __m256i add_products(__m256i sum, __m256i b, const int8_t *a)
{
    __m256i row = _mm256_loadu_si256((const __m256i *)(const void *)a);
    return _mm256_dpbusd_avx_epi32(sum, b, row);
}

void vs__rows_s8_avx2_vnni(int32_t *dst, const int8_t *a, size_t stride, const uint8_t *b, size_t n,
                           size_t count)
{
    size_t r = 0;
    for (; r + 4 <= count; r += 4, a += 4 * stride) {
        __m256i s0 = _mm256_setzero_si256(), s1 = s0, s2 = s0, s3 = s0;
        size_t i = 0;
        for (; i + 32 <= n; i += 32) {
            __m256i x = _mm256_loadu_si256((const __m256i *)(const void *)(b + i));
            s0 = add_products(s0, x, a + i);
            s1 = add_products(s1, x, a + stride + i);
            s2 = add_products(s2, x, a + 2 * stride + i);
            s3 = add_products(s3, x, a + 3 * stride + i);
        }
        s0 = _mm256_hadd_epi32(_mm256_hadd_epi32(s0, s1), _mm256_hadd_epi32(s2, s3));
        __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(s0), _mm256_extracti128_si256(s0, 1));
        int32_t rest[4] = {0};
        if (i < n)
            vs__rows_s8_c(rest, a + i, stride, b + i, n - i, 4);
        sum = _mm_add_epi32(sum, _mm_loadu_si128((const __m128i *)(const void *)rest));
        _mm_storeu_si128((__m128i *)(void *)(dst + r), sum);
    }
    vs__rows_s8_c(dst + r, a, stride, b, n, count - r);
}
