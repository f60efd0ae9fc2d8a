/* SPDX-License-Identifier: MIT */
/* Powers and logarithms of base 2 that compilers make vectors of; checkdsp tests the errors. */
#ifndef VS_SRC_DSP_APPROX_H
#define VS_SRC_DSP_APPROX_H

#include <stdint.h>
#include <string.h>

/* 2^x within 4e-6 of it for -126 <= x <= 126, clamped outside; not a number counts as -126. */
static inline float vs__exp2_near(float x)
{
    x = x > -126.0f ? x : -126.0f;
    x = x < 126.0f ? x : 126.0f;
    float whole = (x + 0x1.8p23f) - 0x1.8p23f, f = x - whole;
    float p = 0.00961813f + f * 0.00133336f;
    p = 0.24022651f + f * (0.05550411f + f * p);
    p = 1.0f + f * (0.69314718f + f * p);
    int32_t bits = ((int32_t)whole + 127) * (1 << 23);
    float scale;
    memcpy(&scale, &bits, sizeof(scale));
    return p * scale;
}

/* log2 within 2e-6 and a step of the last place for positive normal x. */
static inline float vs__log2_near(float x)
{
    int32_t bits;
    memcpy(&bits, &x, sizeof(bits));
    int32_t exponent = (bits - 0x3f3504f3) >> 23;
    bits -= exponent * (1 << 23);
    float m;
    memcpy(&m, &bits, sizeof(m));
    float z = (m - 1.0f) / (m + 1.0f), q = z * z;
    return (float)exponent +
           z * (2.88539008f + q * (0.96179669f + q * (0.57707801f + q * 0.41219858f)));
}

#endif
