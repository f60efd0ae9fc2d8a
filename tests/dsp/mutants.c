/* SPDX-License-Identifier: MIT */
/* Kernels with one fault each, of the kinds that fast code tends to have. Before checkdsp is
   believed it must find every one. */
#include <math.h>
#include <string.h>

#include "checkdsp.h"

static const struct vs__dsp *c(void)
{
    static struct vs__dsp table;
    vs__dsp_init(&table, 0);
    return &table;
}

static size_t whole(size_t n)
{
    return n - n % 8;
}

static void s16_tail(float *dst, const int16_t *src, size_t n)
{
    c()->s16_to_f32(dst, src, n % 8 == 7 ? n - 1 : n);
}

static void s16_reads_on(float *dst, const int16_t *src, size_t n)
{
    volatile int16_t beyond = src[n];
    (void)beyond;
    c()->s16_to_f32(dst, src, n);
}

static void s24_unsigned(float *dst, const uint8_t *src, size_t n)
{
    c()->s24_to_f32(dst, src, n);
    for (size_t i = 0; i < n; i++)
        dst[i] = dst[i] < 0 ? dst[i] + 2 : dst[i];
}

static void s32_scale(float *dst, const int32_t *src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = (float)(src[i] / 2147483647.0);
}

static void s32_truncates(float *dst, const int32_t *src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = (float)(src[i] / 256) / 8388608.0f;
}

static void s16_from(int16_t *dst, const float *src, size_t n, double (*rounding)(double))
{
    for (size_t i = 0; i < n; i++) {
        double x = isnan(src[i]) ? 0 : rounding((double)src[i] * 32768);
        dst[i] = (int16_t)fmin(fmax(x, -32768), 32767);
    }
}

static void f32_truncates(int16_t *dst, const float *src, size_t n)
{
    s16_from(dst, src, n, trunc);
}

static void f32_ties_away(int16_t *dst, const float *src, size_t n)
{
    s16_from(dst, src, n, round);
}

static void f32_wraps(int16_t *dst, const float *src, size_t n)
{
    c()->f32_to_s16(dst, src, n);
    for (size_t i = 0; i < n; i++)
        if (src[i] >= 1.0f && src[i] < 1.01f)
            dst[i] = INT16_MIN;
}

static void f32_nan(int16_t *dst, const float *src, size_t n)
{
    c()->f32_to_s16(dst, src, n);
    for (size_t i = 0; i < n; i++)
        if (isnan(src[i]))
            dst[i] = INT16_MIN;
}

static size_t sanitize_nan(float *x, size_t n)
{
    size_t bad = 0;
    for (size_t i = 0; i < n; i++)
        if (!isnan(x[i]))
            bad += c()->sanitize(x + i, 1);
    return bad;
}

static size_t sanitize_denormal(float *x, size_t n)
{
    size_t bad = 0;
    for (size_t i = 0; i < n; i++)
        if (fpclassify(x[i]) != FP_SUBNORMAL)
            bad += c()->sanitize(x + i, 1);
    return bad;
}

static size_t sanitize_count(float *x, size_t n)
{
    size_t bad = c()->sanitize(x, n);
    return bad > 3 ? bad - 1 : bad;
}

static void downmix_last(float *dst, const float *src, size_t n, size_t channels)
{
    c()->downmix(dst, src, n, channels);
    for (size_t i = 0; channels == 3 && i < n; i++)
        dst[i] -= src[3 * i + 2] / 3;
}

static void downmix_order(float *dst, const float *src, size_t n, size_t channels)
{
    c()->downmix(dst, src, n, channels);
    for (size_t i = 0; channels == 4 && i < n; i++)
        dst[i] = ((src[4 * i] + src[4 * i + 1]) + (src[4 * i + 2] + src[4 * i + 3])) / 4;
}

static void pick_first(float *dst, const float *src, size_t n, size_t channels, size_t channel)
{
    c()->pick(dst, src, n, channels, channels == 2 ? 0 : channel);
}

static float dot_tail(const float *a, const float *b, size_t n)
{
    return c()->dot(a, b, whole(n));
}

static float dot_reads_before(const float *a, const float *b, size_t n)
{
    volatile float before = b[-1];
    (void)before;
    return c()->dot(a, b, n);
}

static float dot_half(const float *a, const float *b, size_t n)
{
    float sum = 0;
    for (size_t i = 0; i < n; i++) { /* products in 16 bits, as bad precision would be */
        float product = a[i] * b[i];
        uint32_t bits;
        memcpy(&bits, &product, sizeof(bits));
        bits &= 0xffff0000;
        memcpy(&product, &bits, sizeof(bits));
        sum += product;
    }
    return sum;
}

static float energy_magnitude(const float *x, size_t n)
{
    float sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += fabsf(x[i]);
    return sum;
}

static float peak_positive(const float *x, size_t n)
{
    float most = 0;
    for (size_t i = 0; i < n; i++)
        most = x[i] > most ? x[i] : most;
    return most;
}

static float peak_nan(const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (isnan(x[i]))
            return x[i];
    return c()->peak(x, n);
}

static void multiply_writes_on(float *dst, const float *a, const float *b, size_t n)
{
    c()->multiply(dst, a, b, n);
    dst[n] = 0;
}

static void multiply_fused(float *dst, const float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = a[i] * b[i] + 0.0f;
}

static void power_tail(float *dst, const float *src, size_t n)
{
    c()->power(dst, src, whole(n));
}

static void power_coarse(float *dst, const float *src, size_t n)
{
    c()->power(dst, src, n);
    for (size_t i = 0; i < n; i++)
        dst[i] *= 1.000001f;
}

static void rows_last(float *dst, const float *a, size_t stride, const float *b, size_t n,
                      size_t count)
{
    c()->rows(dst, a, stride, b, n, count / 4 * 4);
    for (size_t r = count / 4 * 4; r < count; r++)
        dst[r] = 0;
}

static void rows_first(float *dst, const float *a, size_t stride, const float *b, size_t n,
                       size_t count)
{
    for (size_t r = 0; r < count; r++)
        dst[r] = c()->dot(a, b, n);
}

static void rows_tail(float *dst, const float *a, size_t stride, const float *b, size_t n,
                      size_t count)
{
    for (size_t r = 0; r < count; r++)
        dst[r] = c()->dot(a + r * stride, b, whole(n));
}

static void rows_dense(float *dst, const float *a, size_t stride, const float *b, size_t n,
                       size_t count)
{
    for (size_t r = 0; r < count; r++)
        dst[r] = c()->dot(a + r * n, b, n);
}

static void u7_half_up(uint8_t *dst, const float *src, size_t n, float scale, float zero)
{
    for (size_t i = 0; i < n; i++) {
        double x = isnan(src[i]) ? 0 : floor((double)(src[i] * scale + zero) + 0.5);
        dst[i] = (uint8_t)fmin(fmax(x, 0), 127);
    }
}

static void u7_eight_bits(uint8_t *dst, const float *src, size_t n, float scale, float zero)
{
    for (size_t i = 0; i < n; i++) {
        double x = isnan(src[i]) ? 0 : nearbyint((double)(src[i] * scale + zero));
        dst[i] = (uint8_t)fmin(fmax(x, 0), 255);
    }
}

static void add_u7_signed(uint8_t *x, const int32_t *src, const float *scale, const float *bias,
                          size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float sum = (float)x[i] + ((float)src[i] * scale[i] + bias[i]);
        x[i] = (uint8_t)fmin(fmax(nearbyint((double)sum), 0), 127);
    }
}

static void add_u7_fused(uint8_t *x, const int32_t *src, const float *scale, const float *bias,
                         size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float found = fmaxf(fmaf((float)src[i], scale[i], bias[i]), 0);
        x[i] = (uint8_t)fmin(nearbyint((double)((float)x[i] + found)), 127);
    }
}

static void add_u7_eight_bits(uint8_t *x, const int32_t *src, const float *scale, const float *bias,
                              size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float found = fmaxf((float)src[i] * scale[i] + bias[i], 0);
        x[i] = (uint8_t)fmin(nearbyint((double)((float)x[i] + found)), 255);
    }
}

static void polyphase_one_filter(float *dst, const float *x, const float *filters, size_t n,
                                 size_t count, const struct vs__walk *walk)
{
    struct vs__walk still = *walk;
    still.whole += walk->rest * 2 / walk->phases;
    still.rest = 0;
    c()->polyphase(dst, x, filters, n, count, &still);
}

static void polyphase_last(float *dst, const float *x, const float *filters, size_t n, size_t count,
                           const struct vs__walk *walk)
{
    c()->polyphase(dst, x, filters, n, count, walk);
    for (size_t k = count / 4 * 4 + 1; k < count; k++)
        dst[k] = dst[k - 1];
}

/* What made dot() and rows() no kernels for this: the last ones are added up in another order. */
static void polyphase_order(float *dst, const float *x, const float *filters, size_t n,
                            size_t count, const struct vs__walk *walk)
{
    c()->polyphase(dst, x, filters, n, count, walk);
    for (size_t k = 0; k < count / 4 * 4; k++) {
        size_t at = walk->phase + k * (walk->whole * (size_t)walk->phases + walk->rest);
        const float *a = x + at / walk->phases, *b = filters + at % walk->phases * n;
        dst[k] = c()->dot(a, b, n / 2) + c()->dot(a + n / 2, b + n / 2, n / 2);
    }
}

/* As the instruction does for inputs of eight bits: sums of two in 16 bits. */
static void rows_s8_saturates(int32_t *dst, const int8_t *a, const uint8_t *b, size_t n,
                              size_t count)
{
    c()->rows_s8(dst, a, b, n, count);
    for (size_t i = 0; i < n; i += 2)
        for (size_t r = 0; r < count; r++) {
            const int8_t *two = a + i / 4 * 4 * count + 4 * r + i % 4;
            int sum = two[0] * b[i] + two[1] * b[i + 1];
            dst[r] -= sum > 32000 ? sum - 32000 : 0;
        }
}

/* What summing products in 16 bits comes to: right until there are many. */
static void rows_s8_wraps(int32_t *dst, const int8_t *a, const uint8_t *b, size_t n, size_t count)
{
    c()->rows_s8(dst, a, b, n, count);
    for (size_t r = 0; r < count && n > 512; r++)
        dst[r] = (int16_t)(dst[r] >> 8) * 256 + (dst[r] & 255);
}

static void rows_s8_tail(int32_t *dst, const int8_t *a, const uint8_t *b, size_t n, size_t count)
{
    c()->rows_s8(dst, a, b, n / 8 * 8, count);
}

static void rows_s8_unsigned(int32_t *dst, const int8_t *a, const uint8_t *b, size_t n,
                             size_t count)
{
    c()->rows_s8(dst, a, b, n, count);
    for (size_t i = 0; i < n * count; i++)
        dst[i / 4 % count] += a[i] < 0 ? 256 * b[i / 4 / count * 4 + i % 4] : 0;
}

/* Takes the rows for one behind the other. */
static void rows_s8_dense(int32_t *dst, const int8_t *a, const uint8_t *b, size_t n, size_t count)
{
    for (size_t r = 0; r < count; r++) {
        dst[r] = 0;
        for (size_t i = 0; i < n; i++)
            dst[r] += a[r * n + i] * b[i];
    }
}

static void s24_high_byte(uint8_t *dst, const float *src, size_t n)
{
    c()->f32_to_s24(dst, src, n);
    for (size_t i = 0; i < n; i++)
        dst[3 * i + 2] &= 0x7f;
}

static void s24_writes_four(uint8_t *dst, const float *src, size_t n)
{
    c()->f32_to_s24(dst, src, n);
    if (n)
        dst[3 * n] = 0;
}

/* What rounds to full scale is not below it. */
static void s24_rounds_over(uint8_t *dst, const float *src, size_t n)
{
    c()->f32_to_s24(dst, src, n);
    for (size_t i = 0; i < n; i++)
        if (src[i] == 0x1.fffffep-1f)
            dst[3 * i] = dst[3 * i + 1] = 0, dst[3 * i + 2] = 0x80;
}

static void s32_wraps(int32_t *dst, const float *src, size_t n)
{
    c()->f32_to_s32(dst, src, n);
    for (size_t i = 0; i < n; i++)
        dst[i] = src[i] >= 1.0f ? INT32_MIN : dst[i];
}

static void s32_nan(int32_t *dst, const float *src, size_t n)
{
    c()->f32_to_s32(dst, src, n);
    for (size_t i = 0; i < n; i++)
        dst[i] = isnan(src[i]) ? INT32_MIN : dst[i];
}

static void deinterleave_dense(float *dst, size_t stride, const float *src, size_t n,
                               size_t channels)
{
    c()->deinterleave(dst, n, src, n, channels);
}

static void deinterleave_last(float *dst, size_t stride, const float *src, size_t n,
                              size_t channels)
{
    c()->deinterleave(dst, stride, src, n, channels);
    if (channels == 3 && n)
        dst[2 * stride] += 1;
}

static void fir_turned(float *dst, const float *src, size_t n, const float *taps, size_t count)
{
    for (size_t i = 0; i < n; i++) {
        dst[i] = 0;
        for (size_t k = 0; k < count; k++)
            dst[i] += taps[count - 1 - k] * src[i + k];
    }
}

static void fir_reads_on(float *dst, const float *src, size_t n, const float *taps, size_t count)
{
    volatile float beyond = src[n ? n + count - 1 : 0];
    (void)beyond;
    c()->fir(dst, src, n, taps, count);
}

static void fir_odd_tap(float *dst, const float *src, size_t n, const float *taps, size_t count)
{
    c()->fir(dst, src, n, taps, count > 1 ? count / 2 * 2 : count);
}

static float measure_last(const float *x, size_t n, float *ret_peak)
{
    *ret_peak = c()->peak(x, whole(n));
    return c()->energy(x, n);
}

static float measure_mean(const float *x, size_t n, float *ret_peak)
{
    return c()->measure(x, n, ret_peak) / (float)(n ? n : 1);
}

/* As one instruction does both. */
static void multiply_add_fused(float *dst, const float *a, const float *b, const float *c_,
                               size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = (float)((double)a[i] * (double)b[i] + (double)c_[i]);
}

static void mix_fused(float *dst, const float *src, size_t n, float gain)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = (float)((double)src[i] * (double)gain + (double)dst[i]);
}

static void mix_replaces(float *dst, const float *src, size_t n, float gain)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = src[i] * gain;
}

static void gain_late(float *x, size_t n, float from, float step)
{
    c()->gain(x, n, from - step, step);
}

static void gain_added(float *x, size_t n, float from, float step)
{
    for (size_t i = 0; i < n; i++) /* the rounding of each step is kept */
        x[i] *= from += step;
}

static void biquads_forgets(struct vs__biquads *f, float *x, size_t n)
{
    vs__biquads_reset(f);
    c()->biquads(f, x, n);
}

/* A cut block is taken for a whole one: right at once, wrong in pieces. */
static void biquads_pads(struct vs__biquads *f, float *x, size_t n)
{
    c()->biquads(f, x, n);
    while (f->filled) {
        float nothing = 0;
        c()->biquads(f, &nothing, 1);
    }
}

static void biquads_first(struct vs__biquads *f, float *x, size_t n)
{
    struct vs__biquads one = *f;
    one.count = 1;
    c()->biquads(&one, x, n);
    memcpy(f->z, one.z, sizeof(one.z));
    memcpy(f->part, one.part, sizeof(one.part));
    f->filled = one.filled;
}

static void complex_conjugate(float *dst, const float *a, const float *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        dst[2 * i] = a[2 * i] * b[2 * i] + a[2 * i + 1] * b[2 * i + 1];
        dst[2 * i + 1] = a[2 * i + 1] * b[2 * i] - a[2 * i] * b[2 * i + 1];
    }
}

static void complex_gain_real(float *x, const float *gain, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[2 * i] *= gain[i];
}

static void log2_exponent(float *dst, const float *src, size_t n)
{
    c()->log2_near(dst, src, n);
    for (size_t i = 0; i < n; i++)
        dst[i] = src[i] == 0 ? -INFINITY : dst[i];
}

static void log2_coarse(float *dst, const float *src, size_t n)
{
    c()->log2_near(dst, src, n);
    for (size_t i = 0; i < n; i++)
        dst[i] += 5e-6f;
}

static void exp2_coarse(float *dst, const float *src, size_t n)
{
    c()->exp2_near(dst, src, n);
    for (size_t i = 0; i < n; i++)
        dst[i] *= 1.000006f;
}

static void exp2_unclamped(float *dst, const float *src, size_t n)
{
    for (size_t i = 0; i < n; i++)
        dst[i] = exp2f(src[i]);
}

static void root_newton(float *dst, const float *src, size_t n)
{
    c()->square_root(dst, src, n);
    for (size_t i = 0; i < n; i++)
        dst[i] = nextafterf(dst[i], 0);
}

/* M(kernel, function, fault) */
#define MUTANTS(M)                                                                                 \
    M(s16_to_f32, s16_tail, "leaves out the last of the tail")                                     \
    M(s16_to_f32, s16_reads_on, "reads past the end")                                              \
    M(s24_to_f32, s24_unsigned, "loses the sign")                                                  \
    M(s32_to_f32, s32_scale, "divides by 2^31 - 1")                                                \
    M(s32_to_f32, s32_truncates, "drops bits instead of rounding")                                 \
    M(f32_to_s16, f32_truncates, "truncates")                                                      \
    M(f32_to_s16, f32_ties_away, "rounds halves away from zero")                                   \
    M(f32_to_s16, f32_wraps, "misses the upper clamp")                                             \
    M(f32_to_s16, f32_nan, "makes full scale of what is not a number")                             \
    M(sanitize, sanitize_nan, "lets what is not a number through")                                 \
    M(sanitize, sanitize_denormal, "lets denormals through")                                       \
    M(sanitize, sanitize_count, "counts wrong")                                                    \
    M(downmix, downmix_last, "leaves out the last of three channels")                              \
    M(downmix, downmix_order, "adds in another order")                                             \
    M(pick, pick_first, "takes the other channel")                                                 \
    M(dot, dot_tail, "leaves out the tail")                                                        \
    M(dot, dot_reads_before, "reads before the start")                                             \
    M(dot, dot_half, "multiplies in half precision")                                               \
    M(rows, rows_last, "leaves out the last rows")                                                 \
    M(rows, rows_first, "takes the first row for all")                                             \
    M(rows, rows_tail, "leaves out the tail of a row")                                             \
    M(rows, rows_dense, "takes rows for neighbours")                                               \
    M(energy, energy_magnitude, "adds magnitudes")                                                 \
    M(peak, peak_positive, "misses the negative side")                                             \
    M(peak, peak_nan, "lets what is not a number through")                                         \
    M(multiply, multiply_writes_on, "writes past the end")                                         \
    M(multiply, multiply_fused, "adds zero, which changes -0")                                     \
    M(power, power_tail, "leaves out the tail")                                                    \
    M(power, power_coarse, "is some steps of the last place off")                                  \
    M(f32_to_u7, u7_half_up, "rounds halves up")                                                   \
    M(f32_to_u7, u7_eight_bits, "clamps to eight bits")                                            \
    M(add_u7, add_u7_signed, "takes away what is below 0")                                         \
    M(add_u7, add_u7_fused, "rounds once")                                                         \
    M(add_u7, add_u7_eight_bits, "clamps to eight bits")                                           \
    M(polyphase, polyphase_one_filter, "stays at one filter")                                      \
    M(polyphase, polyphase_last, "repeats outputs after whole groups")                             \
    M(polyphase, polyphase_order, "adds whole groups in another order")                            \
    M(rows_s8, rows_s8_saturates, "saturates sums of two products")                                \
    M(rows_s8, rows_s8_wraps, "wraps where there are many products")                               \
    M(rows_s8, rows_s8_tail, "leaves out the tail of a row")                                       \
    M(rows_s8, rows_s8_unsigned, "loses the sign")                                                 \
    M(rows_s8, rows_s8_dense, "takes rows for neighbours")                                         \
    M(f32_to_s24, s24_high_byte, "loses the sign")                                                 \
    M(f32_to_s24, s24_writes_four, "writes past the end")                                          \
    M(f32_to_s24, s24_rounds_over, "wraps what rounds to full scale")                              \
    M(f32_to_s32, s32_wraps, "wraps at full scale")                                                \
    M(f32_to_s32, s32_nan, "makes full scale of what is not a number")                             \
    M(deinterleave, deinterleave_dense, "takes channels for neighbours")                           \
    M(deinterleave, deinterleave_last, "spoils the third channel")                                 \
    M(fir, fir_turned, "takes the taps from their end")                                            \
    M(fir, fir_reads_on, "reads past the end")                                                     \
    M(fir, fir_odd_tap, "leaves out an odd tap")                                                   \
    M(measure, measure_last, "leaves the tail out of the peak")                                    \
    M(measure, measure_mean, "gives the mean")                                                     \
    M(multiply_add, multiply_add_fused, "rounds once")                                             \
    M(mix, mix_fused, "rounds once")                                                               \
    M(mix, mix_replaces, "forgets what was there")                                                 \
    M(gain, gain_late, "begins one step late")                                                     \
    M(gain, gain_added, "adds up its steps")                                                       \
    M(biquads, biquads_forgets, "forgets between calls")                                           \
    M(biquads, biquads_pads, "fills up cut blocks")                                                \
    M(biquads, biquads_first, "runs the first section alone")                                      \
    M(complex_multiply, complex_conjugate, "takes the conjugate")                                  \
    M(complex_gain, complex_gain_real, "leaves the imaginary parts")                               \
    M(log2_near, log2_exponent, "gives infinity for zero")                                         \
    M(log2_near, log2_coarse, "is off by more than is said")                                       \
    M(exp2_near, exp2_coarse, "is off by more than is said")                                       \
    M(exp2_near, exp2_unclamped, "overflows")                                                      \
    M(square_root, root_newton, "is a step of the last place off")

#define M(kernel, function, fault)                                                                 \
    static void plant_##function(struct vs__dsp *d)                                                \
    {                                                                                              \
        d->kernel = function;                                                                      \
    }
MUTANTS(M)
#undef M

const struct mutant mutants[] = {
#define M(kernel, function, fault) {#kernel, fault, plant_##function},
    MUTANTS(M)
#undef M
};
const size_t mutant_count = sizeof(mutants) / sizeof(mutants[0]);
