/* SPDX-License-Identifier: MIT */
/* Kernels for AVX-512 with VNNI: sums of 8-bit products. */
#include <immintrin.h>

#include "dsp/kernels.h"

/* To `sum` the products of 64 bytes, by fours. */
static __m512i add_products(__m512i sum, __m512i b, const int8_t *a)
{
    return _mm512_dpbusd_epi32(sum, b, _mm512_loadu_si512(a));
}

#include "dsp/x86/rows_avx512.h"

void vs__rows_s8_avx512_vnni(int32_t *dst, const int8_t *a, const uint8_t *b, size_t n,
                             size_t count)
{
    rows_s8(dst, a, b, n, count);
}
