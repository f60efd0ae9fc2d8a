/* SPDX-License-Identifier: MIT */
/* Kernels for NEON with sums of 8-bit products. */
#include <arm_neon.h>
#include <string.h>

#include "dsp/kernels.h"

/* Sixteen rows at a time, four in a vector. */
void vs__rows_s8_neon_dot(int32_t *dst, const int8_t *a, const uint8_t *b, size_t n, size_t count)
{
    for (size_t r = 0; r < count; r += 16) {
        const int8_t *from = a + 4 * r;
        int32x4_t sum[4];
        for (size_t v = 0; v < 4; v++)
            sum[v] = vdupq_n_s32(0);
        for (size_t i = 0; i < n; i += 4, from += 4 * count) {
            uint32_t four;
            memcpy(&four, b + i, sizeof(four));
            /* 0..127 is the same with a sign */
            int8x16_t x = vreinterpretq_s8_u32(vdupq_n_u32(four));
            for (size_t v = 0; v < 4; v++)
                sum[v] = vdotq_s32(sum[v], x, vld1q_s8(from + 16 * v));
        }
        for (size_t v = 0; v < 4; v++)
            vst1q_s32(dst + r + 4 * v, sum[v]);
    }
}
