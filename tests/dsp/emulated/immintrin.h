/* SPDX-License-Identifier: MIT */
/* In the place of the compiler's header: what the AVX-VNNI and AVX-512 kernels use, in plain C, by SIMDe and, for
   what its release in Debian lacks, from here. So their arithmetic, masks and bounds are checked on
   machines that cannot run them. */
#ifndef VS_TESTS_DSP_EMULATED_IMMINTRIN_H
#define VS_TESTS_DSP_EMULATED_IMMINTRIN_H

#define SIMDE_ENABLE_NATIVE_ALIASES
#include <math.h>
#include <stdint.h>
#include <string.h>

#include <simde/x86/avx2.h>
#include <simde/x86/avx512.h>
#include <simde/x86/fma.h>

typedef uint16_t __mmask16;
typedef uint64_t __mmask64;

#define LOAD(name, vector, type, count, mask_type)                                                 \
    static inline vector name(mask_type mask, const void *from)                                    \
    {                                                                                              \
        type to[count] = {0};                                                                      \
        vector v;                                                                                  \
        for (int i = 0; i < count; i++)                                                            \
            if (mask >> i & 1)                                                                     \
                to[i] = ((const type *)from)[i];                                                   \
        memcpy(&v, to, sizeof(v));                                                                 \
        return v;                                                                                  \
    }
LOAD(_mm512_maskz_loadu_ps, __m512, float, 16, uint16_t)
LOAD(_mm512_maskz_loadu_epi32, __m512i, int32_t, 16, uint16_t)
LOAD(_mm512_maskz_loadu_epi8, __m512i, int8_t, 64, uint64_t)
LOAD(_mm_maskz_loadu_epi8, __m128i, int8_t, 16, uint16_t)
LOAD(_mm256_maskz_loadu_epi16, __m256i, int16_t, 16, uint16_t)

#define STORE(name, vector, type, count, mask_type)                                                \
    static inline void name(void *to, mask_type mask, vector v)                                    \
    {                                                                                              \
        type from[count];                                                                          \
        memcpy(from, &v, sizeof(from));                                                            \
        for (int i = 0; i < count; i++)                                                            \
            if (mask >> i & 1)                                                                     \
                ((type *)to)[i] = from[i];                                                         \
    }
STORE(_mm512_mask_storeu_ps, __m512, float, 16, uint16_t)
STORE(_mm512_mask_storeu_epi32, __m512i, int32_t, 16, uint16_t)
STORE(_mm512_mask_storeu_epi8, __m512i, int8_t, 64, uint64_t)
STORE(_mm256_mask_storeu_epi16, __m256i, int16_t, 16, uint16_t)
STORE(_mm_mask_storeu_epi8, __m128i, int8_t, 16, uint16_t)

/* to[i] = expression of from[i] */
#define CONVERT(name, to_vector, to_type, from_vector, from_type, expression)                      \
    static inline to_vector name(from_vector a)                                                    \
    {                                                                                              \
        from_type from[16];                                                                        \
        to_type to[16];                                                                            \
        to_vector v;                                                                               \
        memcpy(from, &a, sizeof(from));                                                            \
        for (int i = 0; i < 16; i++)                                                               \
            to[i] = (to_type)(expression);                                                         \
        memcpy(&v, to, sizeof(v));                                                                 \
        return v;                                                                                  \
    }
CONVERT(_mm512_cvtepu8_epi32, __m512i, int32_t, __m128i, uint8_t, from[i])
CONVERT(_mm512_cvtepi16_epi32, __m512i, int32_t, __m256i, int16_t, from[i])
CONVERT(_mm512_cvtepi32_epi8, __m128i, int8_t, __m512i, int32_t, from[i])
CONVERT(_mm512_cvtepi32_ps, __m512, float, __m512i, int32_t, from[i])
CONVERT(_mm512_cvtps_epi32, __m512i, int32_t, __m512, float,
        from[i] >= -0x1p31f && from[i] < 0x1p31f ? lrintf(from[i]) : INT32_MIN)

/* The upper half onto the lower until one is left. */
#define REDUCE(name, vector, type, expression)                                                     \
    static inline type name(vector v)                                                              \
    {                                                                                              \
        type x[16];                                                                                \
        memcpy(x, &v, sizeof(x));                                                                  \
        for (int half = 8; half; half /= 2)                                                        \
            for (int i = 0; i < half; i++) {                                                       \
                type a = x[i], b = x[i + half];                                                    \
                x[i] = expression;                                                                 \
            }                                                                                      \
        return x[0];                                                                               \
    }
REDUCE(_mm512_reduce_add_epi32, __m512i, int32_t, a + b)
REDUCE(_mm512_reduce_add_ps, __m512, float, a + b)
REDUCE(_mm512_reduce_max_ps, __m512, float, a > b ? a : b)

/* SIMDe's give the other operand where one is not a number; the instructions give the second. */
#define CHOOSE(name, operator)                                                                     \
    static inline __m512 name(__m512 a, __m512 b)                                                  \
    {                                                                                              \
        float x[16], y[16];                                                                        \
        memcpy(x, &a, sizeof(x));                                                                  \
        memcpy(y, &b, sizeof(y));                                                                  \
        for (int i = 0; i < 16; i++)                                                               \
            y[i] = x[i] operator y[i] ? x[i] : y[i];                                               \
        memcpy(&b, y, sizeof(b));                                                                  \
        return b;                                                                                  \
    }
#undef _mm512_max_ps
#undef _mm512_min_ps
CHOOSE(_mm512_max_ps, >)
CHOOSE(_mm512_min_ps, <)

static inline __m256i _mm256_dpbusd_avx_epi32(__m256i sum, __m256i a, __m256i b)
{
    uint8_t x[32];
    int8_t y[32];
    int32_t to[8];
    memcpy(x, &a, sizeof(x));
    memcpy(y, &b, sizeof(y));
    memcpy(to, &sum, sizeof(to));
    for (int i = 0; i < 32; i++)
        to[i / 4] += x[i] * y[i];
    memcpy(&sum, to, sizeof(sum));
    return sum;
}

#undef _mm512_madd_epi16
static inline __m512i _mm512_madd_epi16(__m512i a, __m512i b)
{
    int16_t x[32], y[32];
    int32_t sum[16];
    memcpy(x, &a, sizeof(x));
    memcpy(y, &b, sizeof(y));
    for (int i = 0; i < 16; i++)
        sum[i] = x[2 * i] * y[2 * i] + x[2 * i + 1] * y[2 * i + 1];
    memcpy(&a, sum, sizeof(a));
    return a;
}

#endif
