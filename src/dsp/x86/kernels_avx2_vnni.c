/* SPDX-License-Identifier: MIT */
/* Kernels for AVX-VNNI: sums of 8-bit products on 256 bits, as processors without AVX-512 have. */
#include <immintrin.h>
#include <string.h>

#include "dsp/kernels.h"

/* Sums of 8 * vectors rows that lie `step` bytes apart. */
static inline __attribute__((always_inline)) void sum_rows(int32_t *dst, const int8_t *a,
                                                           size_t step, const uint8_t *b, size_t n,
                                                           size_t vectors)
{
    __m256i sum[6];
    for (size_t v = 0; v < vectors; v++)
        sum[v] = _mm256_setzero_si256();
    for (size_t i = 0; i < n; i += 4, a += step) {
        int32_t four;
        memcpy(&four, b + i, sizeof(four));
        __m256i x = _mm256_set1_epi32(four);
        for (size_t v = 0; v < vectors; v++) {
            const __m256i *row = (const __m256i *)(const void *)(a + 32 * v);
            sum[v] = _mm256_dpbusd_avx_epi32(sum[v], x, _mm256_loadu_si256(row));
        }
    }
    for (size_t v = 0; v < vectors; v++)
        _mm256_storeu_si256((__m256i *)(void *)(dst + 8 * v), sum[v]);
}

void vs__rows_s8_avx2_vnni(int32_t *dst, const int8_t *a, const uint8_t *b, size_t n, size_t count)
{
    size_t r = 0;
    for (; r + 48 <= count; r += 48)
        sum_rows(dst + r, a + 4 * r, 4 * count, b, n, 6);
    for (; r < count; r += 16)
        sum_rows(dst + r, a + 4 * r, 4 * count, b, n, 2);
}
