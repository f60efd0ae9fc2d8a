/* SPDX-License-Identifier: MIT */
/* Kernels for NEON on arm64. What is left over after whole vectors goes through the plain C
   kernel, so that a rule is written once. */
#include <arm_neon.h>
#include <string.h>

#include "dsp/kernels.h"

void vs__s16_to_f32_neon(float *dst, const int16_t *src, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        int16x8_t v = vld1q_s16(src + i);
        vst1q_f32(dst + i, vcvtq_n_f32_s32(vmovl_s16(vget_low_s16(v)), 15));
        vst1q_f32(dst + i + 4, vcvtq_n_f32_s32(vmovl_high_s16(v), 15));
    }
    vs__s16_to_f32_c(dst + i, src + i, n - i);
}

void vs__s24_to_f32_neon(float *dst, const uint8_t *src, size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint8x8x3_t b = vld3_u8(src + 3 * i);
        uint16x8_t low = vmovl_u8(b.val[0]);
        /* the upper two bytes as one number that has the sign */
        uint16x8_t both = vorrq_u16(vmovl_u8(b.val[1]), vshll_n_u8(b.val[2], 8));
        int16x8_t high = vreinterpretq_s16_u16(both);
        int32x4_t x = vorrq_s32(vshll_n_s16(vget_low_s16(high), 8),
                                vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(low))));
        int32x4_t y = vorrq_s32(vshll_n_s16(vget_high_s16(high), 8),
                                vreinterpretq_s32_u32(vmovl_high_u16(low)));
        vst1q_f32(dst + i, vcvtq_n_f32_s32(x, 23));
        vst1q_f32(dst + i + 4, vcvtq_n_f32_s32(y, 23));
    }
    vs__s24_to_f32_c(dst + i, src + 3 * i, n - i);
}

void vs__s32_to_f32_neon(float *dst, const int32_t *src, size_t n)
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        vst1q_f32(dst + i, vcvtq_n_f32_s32(vld1q_s32(src + i), 31));
    vs__s32_to_f32_c(dst + i, src + i, n - i);
}

void vs__f32_to_s16_neon(int16_t *dst, const float *src, size_t n)
{
    size_t i = 0;
    /* The conversion saturates and makes 0 of what is not a number; narrowing saturates again. */
    for (; i + 8 <= n; i += 8) {
        int32x4_t low = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(src + i), 32768.0f));
        int32x4_t high = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(src + i + 4), 32768.0f));
        vst1q_s16(dst + i, vqmovn_high_s32(vqmovn_s32(low), high));
    }
    vs__f32_to_s16_c(dst + i, src + i, n - i);
}

void vs__f32_to_s24_neon(uint8_t *dst, const float *src, size_t n)
{
    const int32x4_t least = vdupq_n_s32(-(1 << 23)), most = vdupq_n_s32((1 << 23) - 1);
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        int32x4_t low = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(src + i), 0x1p23f));
        int32x4_t high = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(src + i + 4), 0x1p23f));
        uint32x4_t a = vreinterpretq_u32_s32(vmaxq_s32(vminq_s32(low, most), least));
        uint32x4_t b = vreinterpretq_u32_s32(vmaxq_s32(vminq_s32(high, most), least));
        uint16x8_t lower = vcombine_u16(vmovn_u32(a), vmovn_u32(b));
        uint16x8_t upper = vcombine_u16(vshrn_n_u32(a, 16), vshrn_n_u32(b, 16));
        uint8x8x3_t bytes = {{vmovn_u16(lower), vshrn_n_u16(lower, 8), vmovn_u16(upper)}};
        vst3_u8(dst + 3 * i, bytes);
    }
    vs__f32_to_s24_c(dst + 3 * i, src + i, n - i);
}

void vs__f32_to_s32_neon(int32_t *dst, const float *src, size_t n)
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        vst1q_s32(dst + i, vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(src + i), 0x1p31f)));
    vs__f32_to_s32_c(dst + i, src + i, n - i);
}

static int32x4_t scale_round(const float *src, float scale, float zero)
{
    return vcvtnq_s32_f32(vaddq_f32(vmulq_n_f32(vld1q_f32(src), scale), vdupq_n_f32(zero)));
}

void vs__f32_to_u7_neon(uint8_t *dst, const float *src, size_t n, float scale, float zero)
{
    size_t i = 0;
    /* The conversion saturates and makes 0 of what is not a number; narrowing saturates again. */
    for (; i + 8 <= n; i += 8) {
        uint16x4_t low = vqmovun_s32(scale_round(src + i, scale, zero));
        uint16x4_t high = vqmovun_s32(scale_round(src + i + 4, scale, zero));
        uint8x8_t v = vqmovn_u16(vcombine_u16(low, high));
        vst1_u8(dst + i, vmin_u8(v, vdup_n_u8(127)));
    }
    vs__f32_to_u7_c(dst + i, src + i, n - i, scale, zero);
}

static uint16x4_t add_found(uint16x4_t x, const int32_t *src, const float *scale, const float *bias)
{
    float32x4_t found = vmulq_f32(vcvtq_f32_s32(vld1q_s32(src)), vld1q_f32(scale));
    found = vmaxq_f32(vaddq_f32(found, vld1q_f32(bias)), vdupq_n_f32(0.0f));
    return vqmovun_s32(vcvtnq_s32_f32(vaddq_f32(vcvtq_f32_u32(vmovl_u16(x)), found)));
}

void vs__add_u7_neon(uint8_t *x, const int32_t *src, const float *scale, const float *bias,
                     size_t n)
{
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        uint16x8_t old = vmovl_u8(vld1_u8(x + i));
        uint16x4_t low = add_found(vget_low_u16(old), src + i, scale + i, bias + i);
        uint16x4_t high = add_found(vget_high_u16(old), src + i + 4, scale + i + 4, bias + i + 4);
        vst1_u8(x + i, vmin_u8(vqmovn_u16(vcombine_u16(low, high)), vdup_n_u8(127)));
    }
    vs__add_u7_c(x + i, src + i, scale + i, bias + i, n - i);
}

size_t vs__sanitize_neon(float *x, size_t n)
{
    const uint32x4_t exponent = vdupq_n_u32(0xffu << 23);
    const uint32x4_t nonsense_from = vdupq_n_u32((uint32_t)VS__NONSENSE_EXPONENT << 23);
    uint32x4_t count = vdupq_n_u32(0);
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        uint32x4_t v = vreinterpretq_u32_f32(vld1q_f32(x + i));
        uint32x4_t e = vandq_u32(v, exponent);
        uint32x4_t nonsense = vcgeq_u32(e, nonsense_from);
        v = vbicq_u32(v, vorrq_u32(nonsense, vceqzq_u32(e)));
        vst1q_f32(x + i, vreinterpretq_f32_u32(v));
        count = vsubq_u32(count, nonsense);
    }
    return vaddlvq_u32(count) + vs__sanitize_c(x + i, n - i);
}

void vs__downmix_neon(float *dst, const float *src, size_t n, size_t channels)
{
    size_t i = 0;
    for (; channels == 2 && i + 4 <= n; i += 4) {
        float32x4x2_t v = vld2q_f32(src + 2 * i);
        vst1q_f32(dst + i, vmulq_n_f32(vaddq_f32(v.val[0], v.val[1]), 0.5f));
    }
    vs__downmix_c(dst + i, src + i * channels, n - i, channels);
}

void vs__pick_neon(float *dst, const float *src, size_t n, size_t channels, size_t channel)
{
    size_t i = 0;
    for (; channels == 2 && i + 4 <= n; i += 4) {
        float32x4x2_t v = vld2q_f32(src + 2 * i);
        vst1q_f32(dst + i, channel ? v.val[1] : v.val[0]);
    }
    vs__pick_c(dst + i, src + i * channels, n - i, channels, channel);
}

void vs__deinterleave_neon(float *dst, size_t stride, const float *src, size_t n, size_t channels)
{
    size_t i = 0;
    for (; channels == 2 && i + 4 <= n; i += 4) {
        float32x4x2_t v = vld2q_f32(src + 2 * i);
        vst1q_f32(dst + i, v.val[0]);
        vst1q_f32(dst + stride + i, v.val[1]);
    }
    vs__deinterleave_c(dst + i, stride, src + i * channels, n - i, channels);
}

float vs__dot_neon(const float *a, const float *b, size_t n)
{
    float32x4_t s0 = vdupq_n_f32(0), s1 = s0, s2 = s0, s3 = s0;
    size_t i = 0;
    for (; i + 16 <= n; i += 16) {
        s0 = vfmaq_f32(s0, vld1q_f32(a + i), vld1q_f32(b + i));
        s1 = vfmaq_f32(s1, vld1q_f32(a + i + 4), vld1q_f32(b + i + 4));
        s2 = vfmaq_f32(s2, vld1q_f32(a + i + 8), vld1q_f32(b + i + 8));
        s3 = vfmaq_f32(s3, vld1q_f32(a + i + 12), vld1q_f32(b + i + 12));
    }
    for (; i + 4 <= n; i += 4)
        s0 = vfmaq_f32(s0, vld1q_f32(a + i), vld1q_f32(b + i));
    float sum = vaddvq_f32(vaddq_f32(vaddq_f32(s0, s1), vaddq_f32(s2, s3)));
    return i < n ? sum + vs__dot_c(a + i, b + i, n - i) : sum;
}

/* Four rows at a time, so that each part of `b` is loaded once for them. */
void vs__rows_neon(float *dst, const float *a, size_t stride, const float *b, size_t n,
                   size_t count)
{
    size_t r = 0;
    for (; r + 4 <= count; r += 4, a += 4 * stride) {
        float32x4_t s0 = vdupq_n_f32(0), s1 = s0, s2 = s0, s3 = s0;
        size_t i = 0;
        for (; i + 4 <= n; i += 4) {
            const float *from = a + i;
            float32x4_t x = vld1q_f32(b + i);
            s0 = vfmaq_f32(s0, vld1q_f32(from), x);
            s1 = vfmaq_f32(s1, vld1q_f32(from + stride), x);
            s2 = vfmaq_f32(s2, vld1q_f32(from + 2 * stride), x);
            s3 = vfmaq_f32(s3, vld1q_f32(from + 3 * stride), x);
        }
        float sum[4] = {vaddvq_f32(s0), vaddvq_f32(s1), vaddvq_f32(s2), vaddvq_f32(s3)};
        for (size_t k = 0; k < 4; k++)
            dst[r + k] = i < n ? sum[k] + vs__dot_c(a + k * stride + i, b + i, n - i) : sum[k];
    }
    for (; r < count; r++, a += stride)
        dst[r] = vs__dot_neon(a, b, n);
}

/* Four outputs at a time, each by the same additions wherever it stands; where fewer are left, the
   last one is made again and dropped. */
void vs__polyphase_neon(float *dst, const float *x, const float *filters, size_t n, size_t count,
                        const struct vs__walk *walk)
{
    size_t phase = walk->phase;
    for (size_t done = 0; done < count; done += 4) {
        const size_t now = count - done < 4 ? count - done : 4;
        const float *from[4], *h[4];
        for (size_t k = 0; k < 4; k++) {
            from[k] = x;
            h[k] = filters + phase * n;
            if (k + 1 < now || now == 4)
                x = vs__walk_on(walk, x, &phase);
        }
        float32x4_t s[4], t[4];
        for (size_t k = 0; k < 4; k++)
            s[k] = t[k] = vdupq_n_f32(0);
        for (size_t i = 0; i < n; i += 8)
            for (size_t k = 0; k < 4; k++) {
                s[k] = vfmaq_f32(s[k], vld1q_f32(from[k] + i), vld1q_f32(h[k] + i));
                t[k] = vfmaq_f32(t[k], vld1q_f32(from[k] + i + 4), vld1q_f32(h[k] + i + 4));
            }
        for (size_t k = 0; k < now; k++)
            dst[done + k] = vaddvq_f32(vaddq_f32(s[k], t[k]));
    }
}

float vs__energy_neon(const float *x, size_t n)
{
    return vs__dot_neon(x, x, n);
}

void vs__fir_neon(float *dst, const float *src, size_t n, const float *taps, size_t count)
{
    size_t i = 0;
    for (; i + 32 <= n; i += 32) {
        float32x4_t sum[8];
        for (size_t j = 0; j < 8; j++)
            sum[j] = vdupq_n_f32(0);
        for (size_t k = 0; k < count; k++)
            for (size_t j = 0; j < 8; j++)
                sum[j] = vfmaq_n_f32(sum[j], vld1q_f32(src + i + k + 4 * j), taps[k]);
        for (size_t j = 0; j < 8; j++)
            vst1q_f32(dst + i + 4 * j, sum[j]);
    }
    for (; i < n; i++)
        dst[i] = vs__dot_neon(src + i, taps, count);
}

float vs__measure_neon(const float *x, size_t n, float *ret_peak)
{
    float32x4_t s0 = vdupq_n_f32(0), s1 = s0, most = s0;
    size_t i = 0;
    for (; i + 8 <= n; i += 8) {
        float32x4_t v = vld1q_f32(x + i), w = vld1q_f32(x + i + 4);
        s0 = vfmaq_f32(s0, v, v);
        s1 = vfmaq_f32(s1, w, w);
        most = vmaxnmq_f32(vmaxnmq_f32(most, vabsq_f32(v)), vabsq_f32(w));
    }
    float rest = 0, peak = vmaxnmvq_f32(most), sum = vaddvq_f32(vaddq_f32(s0, s1));
    if (i < n)
        sum += vs__measure_c(x + i, n - i, &rest);
    *ret_peak = rest > peak ? rest : peak;
    return sum;
}

float vs__peak_neon(const float *x, size_t n)
{
    float32x4_t most = vdupq_n_f32(0);
    size_t i = 0;
    for (; i + 4 <= n; i += 4) /* the number wins over what is not one */
        most = vmaxnmq_f32(most, vabsq_f32(vld1q_f32(x + i)));
    float whole = vmaxnmvq_f32(most), rest = vs__peak_c(x + i, n - i);
    return rest > whole ? rest : whole;
}

void vs__multiply_neon(float *dst, const float *a, const float *b, size_t n)
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        vst1q_f32(dst + i, vmulq_f32(vld1q_f32(a + i), vld1q_f32(b + i)));
    vs__multiply_c(dst + i, a + i, b + i, n - i);
}

void vs__gain_neon(float *x, size_t n, float from, float step)
{
    static const float first[] = {1, 2, 3, 4};
    float32x4_t at = vld1q_f32(first);
    size_t i = 0;
    for (; i + 4 <= n; i += 4, at = vaddq_f32(at, vdupq_n_f32(4))) {
        float32x4_t gain = vaddq_f32(vdupq_n_f32(from), vmulq_n_f32(at, step));
        vst1q_f32(x + i, vmulq_f32(vld1q_f32(x + i), gain));
    }
    for (; i < n; i++)
        x[i] *= from + step * (float)(i + 1);
}

void vs__mix_neon(float *dst, const float *src, size_t n, float gain)
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4) /* not fused, as in plain C */
        vst1q_f32(dst + i, vaddq_f32(vld1q_f32(dst + i), vmulq_n_f32(vld1q_f32(src + i), gain)));
    for (; i < n; i++)
        dst[i] += src[i] * gain;
}

void vs__complex_multiply_neon(float *dst, const float *a, const float *b, size_t n)
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        float32x4x2_t x = vld2q_f32(a + 2 * i), y = vld2q_f32(b + 2 * i), z;
        z.val[0] = vsubq_f32(vmulq_f32(x.val[0], y.val[0]), vmulq_f32(x.val[1], y.val[1]));
        z.val[1] = vaddq_f32(vmulq_f32(x.val[0], y.val[1]), vmulq_f32(x.val[1], y.val[0]));
        vst2q_f32(dst + 2 * i, z);
    }
    vs__complex_multiply_c(dst + 2 * i, a + 2 * i, b + 2 * i, n - i);
}

void vs__complex_gain_neon(float *x, const float *gain, size_t n)
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        float32x4x2_t v = vld2q_f32(x + 2 * i);
        float32x4_t g = vld1q_f32(gain + i);
        v.val[0] = vmulq_f32(v.val[0], g);
        v.val[1] = vmulq_f32(v.val[1], g);
        vst2q_f32(x + 2 * i, v);
    }
    vs__complex_gain_c(x + 2 * i, gain + i, n - i);
}

void vs__power_neon(float *dst, const float *src, size_t n)
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        float32x4x2_t v = vld2q_f32(src + 2 * i);
        vst1q_f32(dst + i, vfmaq_f32(vmulq_f32(v.val[1], v.val[1]), v.val[0], v.val[0]));
    }
    vs__power_c(dst + i, src + 2 * i, n - i);
}

/* Sixteen rows at a time, two in a vector: two sums of each. */
void vs__rows_s8_neon(int32_t *dst, const int8_t *a, const uint8_t *b, size_t n, size_t count)
{
    for (size_t r = 0; r < count; r += 16) {
        const int8_t *from = a + 4 * r;
        int32x4_t sum[8];
        for (size_t v = 0; v < 8; v++)
            sum[v] = vdupq_n_s32(0);
        for (size_t i = 0; i < n; i += 4, from += 4 * count) {
            uint32_t four;
            memcpy(&four, b + i, sizeof(four));
            /* 0..127 is the same with a sign */
            int8x8_t x = vreinterpret_s8_u32(vdup_n_u32(four));
            for (size_t v = 0; v < 8; v++)
                sum[v] = vpadalq_s16(sum[v], vmull_s8(x, vld1_s8(from + 8 * v)));
        }
        for (size_t v = 0; v < 4; v++)
            vst1q_s32(dst + r + 4 * v, vpaddq_s32(sum[2 * v], sum[2 * v + 1]));
    }
}
