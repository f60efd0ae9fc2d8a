/* SPDX-License-Identifier: MIT */
/* The definition of each kernel, in double: what plain C is compared with. */
#include <math.h>
#include <string.h>

#include "checkdsp.h"

static void truth_s16_to_f32(float *dst, const int16_t *src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = (float)(src[i] / 32768.0);
}

static void truth_s24_to_f32(float *dst, const uint8_t *src, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int32_t v = src[3 * i] + 256 * src[3 * i + 1] + 65536 * src[3 * i + 2];
        dst[i] = (float)((v >= 1 << 23 ? v - (1 << 24) : v) / 8388608.0);
    }
}

static void truth_s32_to_f32(float *dst, const int32_t *src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = (float)(src[i] / 2147483648.0);
}

static void truth_f32_to_s16(int16_t *dst, const float *src, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double x = isnan(src[i]) ? 0 : nearbyint((double)src[i] * 32768);
        dst[i] = (int16_t)fmin(fmax(x, -32768), 32767);
    }
}

static size_t truth_sanitize(float *x, size_t n)
{
    size_t bad = 0;
    for (size_t i = 0; i < n; i++) {
        bool nonsense = !isfinite(x[i]) || fabs((double)x[i]) >= 0x1p40;
        bad += nonsense;
        if (nonsense || !isnormal(x[i]))
            x[i] = 0;
    }
    return bad;
}

static void truth_downmix(float *dst, const float *src, size_t n, size_t channels)
{
    for (size_t i = 0; i < n; i++) {
        float sum = src[i * channels];
        for (size_t c = 1; c < channels; c++)
            sum += src[i * channels + c];
        dst[i] = sum * (1.0f / (float)channels);
    }
}

static void truth_pick(float *dst, const float *src, size_t n, size_t channels, size_t channel)
{
    for (size_t i = 0; i < n; i++)
        memcpy(dst + i, src + i * channels + channel, sizeof(float));
}

static float truth_dot(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return (float)sum;
}

static void truth_rows(float *dst, const float *a, size_t stride, const float *b, size_t n,
                       size_t count)
{
    for (size_t r = 0; r < count; r++)
        dst[r] = truth_dot(a + r * stride, b, n);
}

static void truth_polyphase(float *dst, const float *x, const float *filters, size_t n,
                            size_t count, const struct vs__walk *walk)
{
    for (size_t k = 0; k < count; k++) {
        size_t at = walk->phase + k * (walk->whole * (size_t)walk->phases + walk->rest);
        dst[k] = truth_dot(x + at / walk->phases, filters + at % walk->phases * n, n);
    }
}

static float truth_energy(const float *x, size_t n)
{
    return truth_dot(x, x, n);
}

static float truth_peak(const float *x, size_t n)
{
    float most = 0;
    for (size_t i = 0; i < n; i++)
        most = fmaxf(most, fabsf(x[i]));
    return most;
}

static void truth_multiply(float *dst, const float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = (float)((double)a[i] * (double)b[i]);
}

static void truth_power(float *dst, const float *src, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double re = (double)src[2 * i], im = (double)src[2 * i + 1];
        dst[i] = (float)(re * re + im * im);
    }
}

static void truth_f32_to_u7(uint8_t *dst, const float *src, size_t n, float scale, float zero)
{
    for (size_t i = 0; i < n; i++) {
        float x = src[i] * scale, moved = x + zero; /* rounds twice, as said */
        dst[i] = isnan(moved) ? 0 : (uint8_t)fmin(fmax(nearbyint((double)moved), 0), 127);
    }
}

static void truth_rows_s8(int32_t *dst, const int8_t *a, size_t stride, const uint8_t *b, size_t n,
                          size_t count)
{
    for (size_t r = 0; r < count; r++) {
        double sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += (double)a[r * stride + i] * b[i];
        dst[r] = (int32_t)sum;
    }
}

void truth_init(struct vs__dsp *d)
{
    d->flags = 0;
#define X(type, name, arguments) d->name = truth_##name;
    VS__KERNELS(X)
#undef X
}
