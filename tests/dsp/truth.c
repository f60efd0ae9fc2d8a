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

static void truth_add_u7(uint8_t *x, const int32_t *src, const float *scale, const float *bias,
                         size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float times = (float)src[i] * scale[i], found = times + bias[i]; /* each rounds, as said */
        float sum = (float)x[i] + fmaxf(found, 0);
        x[i] = (uint8_t)fmin(nearbyint((double)sum), 127);
    }
}

static void truth_rows_s8(int32_t *dst, const int8_t *a, const uint8_t *b, size_t n, size_t count)
{
    for (size_t r = 0; r < count; r++) {
        double sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += (double)a[i / 4 * 4 * count + 4 * r + i % 4] * b[i];
        dst[r] = (int32_t)sum;
    }
}

static void truth_f32_to_s24(uint8_t *dst, const float *src, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double x = isnan(src[i]) ? 0 : nearbyint((double)src[i] * 8388608);
        int32_t v = (int32_t)fmin(fmax(x, -8388608), 8388607);
        for (int k = 0; k < 3; k++)
            dst[3 * i + (size_t)k] = (uint8_t)((uint32_t)v >> 8 * k);
    }
}

static void truth_f32_to_s32(int32_t *dst, const float *src, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        double x = isnan(src[i]) ? 0 : nearbyint((double)src[i] * 2147483648.0);
        dst[i] = (int32_t)fmin(fmax(x, -2147483648.0), 2147483647.0);
    }
}

static void truth_deinterleave(float *dst, size_t stride, const float *src, size_t n,
                               size_t channels)
{
    for (size_t c = 0; c < channels; c++)
        truth_pick(dst + c * stride, src, n, channels, c);
}

static void truth_fir(float *dst, const float *src, size_t n, const float *taps, size_t count)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = truth_dot(src + i, taps, count);
}

static float truth_measure(const float *x, size_t n, float *ret_peak)
{
    *ret_peak = truth_peak(x, n);
    return truth_dot(x, x, n);
}

static void truth_multiply_add(float *dst, const float *a, const float *b, const float *c, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float product = a[i] * b[i];
        dst[i] = product + c[i];
    }
}

static void truth_mix(float *dst, const float *src, size_t n, float gain)
{
    for (size_t i = 0; i < n; i++) {
        float product = src[i] * gain;
        dst[i] = dst[i] + product;
    }
}

static void truth_gain(float *x, size_t n, float from, float step)
{
    for (size_t i = 0; i < n; i++) {
        float moved = (float)(double)(i + 1) * step, gain = from + moved;
        x[i] = x[i] * gain;
    }
}

/* Sample by sample, from silence: check_biquads() calls it once. */
static void truth_biquads(struct vs__biquads *f, float *x, size_t n)
{
    double z[VS__BIQUAD_SECTIONS][2] = {{0}};
    for (size_t i = 0; i < n; i++) {
        double v = (double)x[i];
        for (uint32_t s = 0; s < f->count; s++) {
            const struct vs__biquad_numbers *b = &biquad_numbers[s];
            double out = b->b0 * v + z[s][0];
            z[s][0] = b->b1 * v - b->a1 * out + z[s][1];
            z[s][1] = b->b2 * v - b->a2 * out;
            v = out;
        }
        x[i] = (float)v;
    }
}

static void truth_complex_multiply(float *dst, const float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float rr = a[2 * i] * b[2 * i], ii = a[2 * i + 1] * b[2 * i + 1];
        float ri = a[2 * i] * b[2 * i + 1], ir = a[2 * i + 1] * b[2 * i];
        dst[2 * i] = rr - ii;
        dst[2 * i + 1] = ri + ir;
    }
}

static void truth_complex_gain(float *x, const float *gain, size_t n)
{
    for (size_t i = 0; i < 2 * n; i++)
        x[i] = (float)((double)x[i] * (double)gain[i / 2]);
}

static void truth_log2_near(float *dst, const float *src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = (float)log2(fmax((double)src[i], 0x1p-126));
}

static void truth_exp2_near(float *dst, const float *src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = (float)exp2(fmin(fmax((double)src[i], -126), 126));
}

static void truth_square_root(float *dst, const float *src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = (float)sqrt((double)src[i]);
}

const struct vs__dsp *truth(void)
{
    static const struct vs__dsp table = {.flags = TRUTH,
#define X(type, name, arguments) .name = truth_##name,
                                         VS__KERNELS(X)
#undef X
    };
    return &table;
}
