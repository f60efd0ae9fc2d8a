/* SPDX-License-Identifier: MIT */
/* The rows of 8-bit products on 512 bits, for the file that includes it and defines before
   static __m512i add_products(__m512i sum, __m512i b, const int8_t *a)
   which adds to `sum` the products of 64 bytes, by fours. */
#ifndef VS_SRC_DSP_X86_ROWS_AVX512_H
#define VS_SRC_DSP_X86_ROWS_AVX512_H

#include <immintrin.h>
#include <string.h>

/* Sums of 16 * vectors rows that lie `step` bytes apart. */
static inline __attribute__((always_inline)) void sum_rows(int32_t *dst, const int8_t *a,
                                                           size_t step, const uint8_t *b, size_t n,
                                                           size_t vectors)
{
    __m512i sum[6];
    for (size_t v = 0; v < vectors; v++)
        sum[v] = _mm512_setzero_si512();
    for (size_t i = 0; i < n; i += 4, a += step) {
        int32_t four;
        memcpy(&four, b + i, sizeof(four));
        __m512i x = _mm512_set1_epi32(four);
        for (size_t v = 0; v < vectors; v++)
            sum[v] = add_products(sum[v], x, a + 64 * v);
    }
    for (size_t v = 0; v < vectors; v++)
        _mm512_storeu_si512(dst + 16 * v, sum[v]);
}

static inline void rows_s8(int32_t *dst, const int8_t *a, const uint8_t *b, size_t n, size_t count)
{
    size_t r = 0;
    for (; r + 96 <= count; r += 96)
        sum_rows(dst + r, a + 4 * r, 4 * count, b, n, 6);
    for (; r + 48 <= count; r += 48)
        sum_rows(dst + r, a + 4 * r, 4 * count, b, n, 3);
    for (; r < count; r += 16)
        sum_rows(dst + r, a + 4 * r, 4 * count, b, n, 1);
}

#endif
