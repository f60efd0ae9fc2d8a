/* SPDX-License-Identifier: MIT */
/* The list of kernels. All arrays may lie anywhere, of any length, 0 included; outputs overlap no
   input but where it is said. In brackets how the levels agree, which checkdsp holds them to:
   exact = every bit; ULP = steps of the last place; sum = the rounding of a sum in any order. */
#ifndef VS_SRC_DSP_LIST_H
#define VS_SRC_DSP_LIST_H

/* X(return, name, (arguments)) */

/* Those that instructions for sums of 8-bit products are for: levels with them have no others. */
#define VS__KERNELS_DOT8(X)                                                                           \
    /* dst[r] = sum of A[r][i] * b[i], i < n, r < count: for any A and for b of 0..127, so that no  \
       step can saturate; n a multiple of 4 up to 2^16, count one of 16. A row is what meets one    \
       output. Rows lie side by side, four numbers of each in turn: A[r][i] is                      \
       a[i / 4 * 4 * count + 4 * r + i % 4]. An input with a sign is stored plus 64: 64 times the   \
       sum of the row is then taken from its output. [exact] */ \
    X(void, rows_s8, (int32_t * dst, const int8_t *a, const uint8_t *b, size_t n, size_t count))

#define VS__KERNELS(X)                                                                             \
    VS__KERNELS_SAMPLES(X) VS__KERNELS_SUMS(X) VS__KERNELS_EACH(X) VS__KERNELS_DOT8(X)

/* Formats and channels. */
#define VS__KERNELS_SAMPLES(X)                                                                          \
    /* dst[i] = src[i] / 2^15 [exact] */                                                                \
    X(void, s16_to_f32, (float *dst, const int16_t *src, size_t n))                                     \
    /* packed 3-byte little endian; dst[i] = src[i] / 2^23 [exact] */                                   \
    X(void, s24_to_f32, (float *dst, const uint8_t *src, size_t n))                                     \
    /* dst[i] = src[i] / 2^31, rounded to nearest [exact] */                                            \
    X(void, s32_to_f32, (float *dst, const int32_t *src, size_t n))                                     \
    /* to the nearest step, halves to even, clamped to full scale; NaN gives 0 [exact] */               \
    X(void, f32_to_s16, (int16_t * dst, const float *src, size_t n))                                    \
    X(void, f32_to_s24, (uint8_t * dst, const float *src, size_t n))                                    \
    X(void, f32_to_s32, (int32_t * dst, const float *src, size_t n))                                    \
    /* src[i] * scale + zero to the nearest of 0..127, halves to even; NaN gives 0: for rows_s8     \
       [exact] */   \
    X(void, f32_to_u7, (uint8_t * dst, const float *src, size_t n, float scale, float zero))            \
    /* x[i] of 0..127 plus what of src[i] * scale[i] + bias[i] is above 0, to the nearest of 0..127,  \
       halves to even: what rows_s8 found, as the next rows_s8 takes it [exact] */ \
    X(void, add_u7,                                                                                     \
      (uint8_t * x, const int32_t *src, const float *scale, const float *bias, size_t n))               \
    /* NaN, infinities and magnitudes from 2^40 on (nonsense that would overflow in a sum) become 0 \
       and are counted in the return value; denormals become 0 uncounted [exact] */   \
    X(size_t, sanitize, (float *x, size_t n))                                                           \
    /* mean of `channels` interleaved channels, `n` frames [exact] */                                   \
    X(void, downmix, (float *dst, const float *src, size_t n, size_t channels))                         \
    /* one channel of interleaved audio [exact] */                                                      \
    X(void, pick, (float *dst, const float *src, size_t n, size_t channels, size_t channel))            \
    /* all channels of interleaved audio: channel c to dst + c * stride [exact] */                      \
    X(void, deinterleave, (float *dst, size_t stride, const float *src, size_t n, size_t channels))

/* Sums, and the largest of many. Inputs finite but for peak and measure's peak. */
#define VS__KERNELS_SUMS(X)                                                                            \
    /* sum of a[i] * b[i] [sum] */                                                                     \
    X(float, dot, (const float *a, const float *b, size_t n))                                          \
    /* dst[r] = sum of a[r * stride + i] * b[i], i < n: `count` rows [sum] */                          \
    X(void, rows,                                                                                      \
      (float *dst, const float *a, size_t stride, const float *b, size_t n, size_t count))             \
    /* dst[k] = sum of x[i] * filter[i], i < n, a multiple of 16, in each window of a walk; an       \
       output has the same bits wherever it stands among how many [sum] */ \
    X(void, polyphase,                                                                                 \
      (float *dst, const float *x, const float *filters, size_t n, size_t count,                       \
       const struct vs__walk *walk))                                                                   \
    /* dst[i] = sum of taps[k] * src[i + k], k < count: reads n + count - 1 of src [sum] */            \
    X(void, fir, (float *dst, const float *src, size_t n, const float *taps, size_t count))            \
    /* sum of x[i]^2 [sum] */                                                                          \
    X(float, energy, (const float *x, size_t n))                                                       \
    /* largest |x[i]|; NaN is passed over [exact] */                                                   \
    X(float, peak, (const float *x, size_t n))                                                         \
    /* both of these in one pass: returns the sum of squares */                                        \
    X(float, measure, (const float *x, size_t n, float *ret_peak))

/* One by one. Nothing is fused, so that all levels agree in every bit. */
#define VS__KERNELS_EACH(X)                                                                                                \
    /* dst[i] = a[i] * b[i]; dst may be a or b [exact] */                                                                  \
    X(void, multiply, (float *dst, const float *a, const float *b, size_t n))                                              \
    /* dst[i] = a[i] * b[i] + c[i] [exact] */                                                                              \
    X(void, multiply_add, (float *dst, const float *a, const float *b, const float *c, size_t n))                          \
    /* dst[i] += src[i] * gain [exact] */                                                                                  \
    X(void, mix, (float *dst, const float *src, size_t n, float gain))                                                     \
    /* x[i] *= from + step * (i + 1): a ramp from `from` to from + step * n; n up to 2^24 [exact] */                       \
    X(void, gain, (float *x, size_t n, float from, float step))                                                            \
    /* sections of the second order in series, in place; any split gives the same; see biquad.h     \
       [exact] */                      \
    X(void, biquads, (struct vs__biquads * f, float *x, size_t n))                                                         \
    /* power of interleaved complex: dst[i] = re^2 + im^2, n complex [2 ULP] */                                            \
    X(void, power, (float *dst, const float *src, size_t n))                                                               \
    /* interleaved complex dst[i] = a[i] * b[i], n complex [exact] */                                                      \
    X(void, complex_multiply, (float *dst, const float *a, const float *b, size_t n))                                      \
    /* interleaved complex x[i] *= gain[i], n complex [exact] */                                                           \
    X(void, complex_gain, (float *x, const float *gain, size_t n))                                                         \
    /* base 2, within 2e-6 and a step of the last place; what is below 2^-126, negative or NaN counts as 2^-126 [exact] */ \
    X(void, log2_near, (float *dst, const float *src, size_t n))                                                           \
    /* 2^src[i], within 4e-6 of it; src is clamped to -126..126, NaN counts as -126 [exact] */                             \
    X(void, exp2_near, (float *dst, const float *src, size_t n))                                                           \
    /* correctly rounded square root; negative gives NaN [exact] */                                                        \
    X(void, square_root, (float *dst, const float *src, size_t n))

#endif
