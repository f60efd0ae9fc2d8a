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

/* As the instruction does for inputs of eight bits: sums of two in 16 bits. */
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

static void rows_s8_saturates(int32_t *dst, const int8_t *a, size_t stride, const uint8_t *b,
                              size_t n, size_t count)
{
    c()->rows_s8(dst, a, stride, b, n, count);
    for (size_t r = 0; r < count; r++)
        for (size_t i = 0; i + 2 <= n; i += 2) {
            int sum = a[r * stride + i] * b[i] + a[r * stride + i + 1] * b[i + 1];
            dst[r] -= sum > 32000 ? sum - 32000 : 0;
        }
}

static void rows_s8_tail(int32_t *dst, const int8_t *a, size_t stride, const uint8_t *b, size_t n,
                         size_t count)
{
    c()->rows_s8(dst, a, stride, b, whole(n), count);
}

static void rows_s8_unsigned(int32_t *dst, const int8_t *a, size_t stride, const uint8_t *b,
                             size_t n, size_t count)
{
    c()->rows_s8(dst, a, stride, b, n, count);
    for (size_t r = 0; r < count; r++)
        for (size_t i = 0; i < n; i++)
            dst[r] += a[r * stride + i] < 0 ? 256 * b[i] : 0;
}

static void rows_s8_dense(int32_t *dst, const int8_t *a, size_t stride, const uint8_t *b, size_t n,
                          size_t count)
{
    for (size_t r = 0; r < count; r++)
        c()->rows_s8(dst + r, a + r * n, n, b, n, 1);
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
    M(polyphase, polyphase_one_filter, "stays at one filter")                                      \
    M(polyphase, polyphase_last, "repeats outputs after whole groups")                             \
    M(polyphase, polyphase_order, "adds whole groups in another order")                            \
    M(rows_s8, rows_s8_saturates, "saturates sums of two products")                                \
    M(rows_s8, rows_s8_tail, "leaves out the tail of a row")                                       \
    M(rows_s8, rows_s8_unsigned, "loses the sign")                                                 \
    M(rows_s8, rows_s8_dense, "takes rows for neighbours")

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
