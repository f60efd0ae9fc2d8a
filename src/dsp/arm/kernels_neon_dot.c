/* SPDX-License-Identifier: MIT */
/* Kernels for NEON with sums of 8-bit products. */
#include <arm_neon.h>

#include "dsp/kernels.h"

void vs__rows_s8_neon_dot(int32_t *dst, const int8_t *a, size_t stride, const uint8_t *b, size_t n,
                          size_t count)
{
    for (size_t r = 0; r < count; r++, a += stride) {
        int32x4_t sum = vdupq_n_s32(0);
        size_t i = 0;
        for (; i + 16 <= n; i += 16) {
            /* 0..127 is the same with a sign */
            int8x16_t x = vreinterpretq_s8_u8(vld1q_u8(b + i)), y = vld1q_s8(a + i);
            sum = vdotq_s32(sum, x, y);
        }
        int32_t rest = 0;
        for (; i < n; i++)
            rest += a[i] * b[i];
        dst[r] = vaddvq_s32(sum) + rest;
    }
}
