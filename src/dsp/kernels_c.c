/* SPDX-License-Identifier: MIT */
/* Plain C kernels: the truth that every faster version is compared with. They are written so that
   the compiler can vectorise them, without reassociating anything itself. */
#include <math.h>
#include <string.h>

#include "dsp/kernels.h"

/* Sums are kept in this many parts, so that additions need not wait for each other. */
#define LANES 8

/* Adding and taking away 1.5 * 2^23 rounds to nearest even without a call. */
#define ROUNDER 0x1.8p23f

void vs__s16_to_f32_c(float *dst, const int16_t *src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = (float)src[i] * 0x1p-15f;
}

void vs__s24_to_f32_c(float *dst, const uint8_t *src, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const uint8_t *b = src + 3 * i;
        uint32_t high = (uint32_t)b[0] << 8 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 24;
        dst[i] = (float)(int32_t)high * 0x1p-31f;
    }
}

void vs__s32_to_f32_c(float *dst, const int32_t *src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = (float)src[i] * 0x1p-31f;
}

void vs__f32_to_s16_c(int16_t *dst, const float *src, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float x = src[i] * 32768.0f;
        x = x > -32768.0f ? x : (x == x ? -32768.0f : 0.0f);
        x = x < 32767.0f ? x : 32767.0f;
        x = (x + ROUNDER) - ROUNDER;
        dst[i] = (int16_t)(int32_t)x;
    }
}

/* `x` times `scale`, at least -scale; what is not a number gives 0. */
static inline float scale_up(float x, float scale)
{
    x *= scale;
    return x > -scale ? x : (x == x ? -scale : 0.0f);
}

void vs__f32_to_s24_c(uint8_t *dst, const float *src, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float x = scale_up(src[i], 0x1p23f);
        x = x < 0x1.fffffcp22f ? x : 0x1.fffffcp22f;
        uint32_t v = (uint32_t)(int32_t)lrintf(x);
        dst[3 * i] = (uint8_t)v;
        dst[3 * i + 1] = (uint8_t)(v >> 8);
        dst[3 * i + 2] = (uint8_t)(v >> 16);
    }
}

void vs__f32_to_s32_c(int32_t *dst, const float *src, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float x = scale_up(src[i], 0x1p31f);
        dst[i] = x < 0x1p31f ? (int32_t)lrintf(x) : INT32_MAX;
    }
}

void vs__f32_to_u7_c(uint8_t *dst, const float *src, size_t n, float scale, float zero)
{
    for (size_t i = 0; i < n; i++) {
        float x = src[i] * scale + zero;
        x = x > 0.0f ? x : 0.0f; /* also what is not a number */
        x = x < 127.0f ? x : 127.0f;
        dst[i] = (uint8_t)(int32_t)((x + ROUNDER) - ROUNDER);
    }
}

void vs__add_u7_c(uint8_t *x, const int32_t *src, const float *scale, const float *bias, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float found = (float)src[i] * scale[i] + bias[i];
        found = found > 0.0f ? found : 0.0f;
        found = (float)x[i] + found;
        found = found < 127.0f ? found : 127.0f;
        x[i] = (uint8_t)(int32_t)((found + ROUNDER) - ROUNDER);
    }
}

size_t vs__sanitize_c(float *x, size_t n)
{
    size_t bad = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, x + i, sizeof(bits));
        uint32_t exponent = bits >> 23 & 0xff;
        uint32_t nonsense = exponent >= VS__NONSENSE_EXPONENT;
        bad += nonsense;
        bits = (nonsense | (exponent == 0)) ? 0 : bits;
        memcpy(x + i, &bits, sizeof(bits));
    }
    return bad;
}

void vs__downmix_c(float *dst, const float *src, size_t n, size_t channels)
{
    if (channels == 2) {
        for (size_t i = 0; i < n; i++)
            dst[i] = (src[2 * i] + src[2 * i + 1]) * 0.5f;
        return;
    }
    float scale = 1.0f / (float)channels;
    for (size_t i = 0; i < n; i++) {
        const float *frame = src + i * channels;
        float sum = frame[0];
        for (size_t c = 1; c < channels; c++)
            sum += frame[c];
        dst[i] = sum * scale;
    }
}

void vs__pick_c(float *dst, const float *src, size_t n, size_t channels, size_t channel)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = src[i * channels + channel];
}

static float add_lanes(const float *sum)
{
    return ((sum[0] + sum[4]) + (sum[1] + sum[5])) + ((sum[2] + sum[6]) + (sum[3] + sum[7]));
}

float vs__dot_c(const float *a, const float *b, size_t n)
{
    float sum[LANES] = {0};
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t k = 0; k < LANES; k++)
            sum[k] += a[i + k] * b[i + k];
    for (size_t k = 0; i + k < n; k++)
        sum[k] += a[i + k] * b[i + k];
    return add_lanes(sum);
}

void vs__rows_c(float *dst, const float *a, size_t stride, const float *b, size_t n, size_t count)
{
    for (size_t r = 0; r < count; r++)
        dst[r] = vs__dot_c(a + r * stride, b, n);
}

void vs__polyphase_c(float *dst, const float *x, const float *filters, size_t n, size_t count,
                     const struct vs__walk *walk)
{
    size_t phase = walk->phase;
    for (size_t k = 0; k < count; k++) {
        dst[k] = vs__dot_c(x, filters + phase * n, n);
        x = vs__walk_on(walk, x, &phase);
    }
}

float vs__energy_c(const float *x, size_t n)
{
    return vs__dot_c(x, x, n);
}

static float larger(float a, float b)
{
    return a > b ? a : b;
}

float vs__peak_c(const float *x, size_t n)
{
    float most[LANES] = {0};
    size_t i = 0;
    /* Comparing with what is not a number is false, so that it never becomes the largest. */
    for (; i + LANES <= n; i += LANES)
        for (size_t k = 0; k < LANES; k++)
            most[k] = larger(fabsf(x[i + k]), most[k]);
    for (; i < n; i++)
        most[0] = larger(fabsf(x[i]), most[0]);
    for (size_t k = 1; k < LANES; k++)
        most[0] = larger(most[k], most[0]);
    return most[0];
}

void vs__fir_c(float *dst, const float *src, size_t n, const float *taps, size_t count)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = vs__dot_c(src + i, taps, count);
}

float vs__measure_c(const float *x, size_t n, float *ret_peak)
{
    *ret_peak = vs__peak_c(x, n);
    return vs__dot_c(x, x, n);
}

void vs__multiply_c(float *dst, const float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = a[i] * b[i];
}

void vs__power_c(float *dst, const float *src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = src[2 * i] * src[2 * i] + src[2 * i + 1] * src[2 * i + 1];
}

void vs__deinterleave_c(float *restrict dst, size_t stride, const float *restrict src, size_t n,
                        size_t channels)
{
    if (channels == 2) {
        float *restrict right = dst + stride;
        for (size_t i = 0; i < n; i++) {
            dst[i] = src[2 * i];
            right[i] = src[2 * i + 1];
        }
        return;
    }
    for (size_t c = 0; c < channels; c++)
        for (size_t i = 0; i < n; i++)
            dst[c * stride + i] = src[i * channels + c];
}

void vs__complex_multiply_c(float *restrict dst, const float *restrict a, const float *restrict b,
                            size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float re = a[2 * i] * b[2 * i] - a[2 * i + 1] * b[2 * i + 1];
        float im = a[2 * i] * b[2 * i + 1] + a[2 * i + 1] * b[2 * i];
        dst[2 * i] = re;
        dst[2 * i + 1] = im;
    }
}

void vs__complex_gain_c(float *restrict x, const float *restrict gain, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        x[2 * i] *= gain[i];
        x[2 * i + 1] *= gain[i];
    }
}

void vs__mix_c(float *restrict dst, const float *restrict src, size_t n, float gain)
{
    for (size_t i = 0; i < n; i++)
        dst[i] += src[i] * gain;
}

void vs__gain_c(float *x, size_t n, float from, float step)
{
    for (int32_t i = 0; i < (int32_t)n; i++)
        x[i] *= from + step * (float)(i + 1);
}

void vs__rows_s8_c(int32_t *dst, const int8_t *a, const uint8_t *b, size_t n, size_t count)
{
    for (size_t r = 0; r < count; r++)
        dst[r] = 0;
    for (size_t i = 0; i < n; i += 4, a += 4 * count)
        for (size_t r = 0; r < count; r++)
            for (size_t k = 0; k < 4; k++)
                dst[r] += a[4 * r + k] * b[i + k];
}
