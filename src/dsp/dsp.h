/* SPDX-License-Identifier: MIT */
/* The kernel table and the stages made of it. A kernel is one line of VS__KERNELS: the table, the
   prototypes of each level, doctor's names and checkdsp all come from that list. */
#ifndef VS_SRC_DSP_DSP_H
#define VS_SRC_DSP_DSP_H

#include <stddef.h>
#include <stdint.h>

#include <voicestand/dsp.h>

/** Where the outputs of polyphase() find their windows and filters: the next window begins `whole`
    inputs on, its filter is `rest` filters on, and `phases` filters are one input more. */
struct vs__walk {
    uint32_t phase; /**< filter of the first output, whose window begins at 0 */
    uint32_t phases, whole, rest;
};

/* X(return, name, (arguments)) */

/* Those that instructions for sums of 8-bit products are for: levels with them have no others. */
#define VS__KERNELS_DOT8(X)                                                                          \
    /* dst[r] = sum of a[r * stride + i] * b[i], i < n: `count` rows. Exact on every level for any \
       a and for b of 0..127, so that no step can saturate; n up to 2^16. A row is what meets one  \
       output; rows lie `stride` >= n bytes apart, aligned or not. Fastest where n is a multiple   \
       of 32: pad with zeros. An input with a sign is stored plus 64: 64 times the sum of the row  \
       is then taken from its output. */ \
    X(void, rows_s8,                                                                                 \
      (int32_t * dst, const int8_t *a, size_t stride, const uint8_t *b, size_t n, size_t count))

#define VS__KERNELS(X)                                                                               \
    /* dst[i] = src[i] / 2^15 */                                                                     \
    X(void, s16_to_f32, (float *dst, const int16_t *src, size_t n))                                  \
    /* packed 3-byte little endian; dst[i] = src[i] / 2^23 */                                        \
    X(void, s24_to_f32, (float *dst, const uint8_t *src, size_t n))                                  \
    /* dst[i] = src[i] / 2^31 */                                                                     \
    X(void, s32_to_f32, (float *dst, const int32_t *src, size_t n))                                  \
    /* round to nearest even, clamp to full scale; NaN gives 0 */                                    \
    X(void, f32_to_s16, (int16_t * dst, const float *src, size_t n))                                 \
    /* src[i] * scale + zero to the nearest of 0..127, halves to even; NaN gives 0: for rows_s8 */   \
    X(void, f32_to_u7, (uint8_t * dst, const float *src, size_t n, float scale, float zero))         \
    /* NaN, infinities and magnitudes from 2^40 on (nonsense that would overflow in a sum)         \
       become 0 and are counted in the return value; denormals become 0 uncounted */ \
    X(size_t, sanitize, (float *x, size_t n))                                                        \
    /* mean of `channels` interleaved channels, `n` frames */                                        \
    X(void, downmix, (float *dst, const float *src, size_t n, size_t channels))                      \
    /* one channel of interleaved audio */                                                           \
    X(void, pick, (float *dst, const float *src, size_t n, size_t channels, size_t channel))         \
    /* sum of a[i] * b[i] */                                                                         \
    X(float, dot, (const float *a, const float *b, size_t n))                                        \
    /* dst[r] = sum of a[r * stride + i] * b[i], i < n: `count` rows */                              \
    X(void, rows,                                                                                    \
      (float *dst, const float *a, size_t stride, const float *b, size_t n, size_t count))           \
    /* dst[k] = sum of x[i] * filter[i], i < n, a multiple of 16, in each window of a walk; \
       an output has the same bits wherever it stands among how many */        \
    X(void, polyphase,                                                                               \
      (float *dst, const float *x, const float *filters, size_t n, size_t count,                     \
       const struct vs__walk *walk))                                                                 \
    /* sum of x[i]^2 */                                                                              \
    X(float, energy, (const float *x, size_t n))                                                     \
    /* largest |x[i]|; NaN is passed over */                                                         \
    X(float, peak, (const float *x, size_t n))                                                       \
    /* dst[i] = a[i] * b[i] */                                                                       \
    X(void, multiply, (float *dst, const float *a, const float *b, size_t n))                        \
    /* power of interleaved complex: dst[i] = re^2 + im^2, n complex */                              \
    X(void, power, (float *dst, const float *src, size_t n))                                         \
    VS__KERNELS_DOT8(X)

struct vs__dsp {
    unsigned flags; /**< enum vs_cpu_flags that were asked for */
#define X(type, name, arguments) type(*name) arguments;
    VS__KERNELS(X)
#undef X
};

/** Names of the levels from the plainest up, as vs_cpu_parse() takes them; NULL past the last. */
const char *vs__dsp_level(unsigned index);

/** Fill the table with the best kernels for `flags` (0 = plain C). Pure: same flags, same table. */
void vs__dsp_init(struct vs__dsp *d, unsigned flags);

/* source frames to mono float ---------------------------------------------------------------- */

struct vs__mono {
    const struct vs__dsp *dsp;
    int format;
    uint32_t channels;
    uint32_t channel; /**< 1.. = that one alone, 0 = the mean */
    float *scratch;   /**< one chunk of interleaved float */
};

/** @return 0, -EINVAL, -ENOMEM */
int vs__mono_init(struct vs__mono *m, const struct vs__dsp *dsp, int format, uint32_t channels,
                  uint32_t channel);
/** `frames` frames of interleaved source audio to mono; never a value that is not finite.
    @param src no alignment needed. @return samples that sanitize() counted; they are now 0. */
size_t vs__mono_process(struct vs__mono *m, const void *src, size_t frames, float *dst);
/** The same, but all channels, interleaved. */
size_t vs__mono_interleaved(struct vs__mono *m, const void *src, size_t frames, float *dst);
void vs__mono_fini(struct vs__mono *m);

/* high-pass ---------------------------------------------------------------------------------- */

/** Second-order Butterworth high-pass, bilinear transform, in double precision inside. */
struct vs__highpass {
    double b0, b1, b2, a1, a2;
    double z1, z2;
};

/** @param cutoff_hz 0 < cutoff < rate / 2 */
void vs__highpass_init(struct vs__highpass *h, double rate_hz, double cutoff_hz);
void vs__highpass_reset(struct vs__highpass *h);
/** In place; any split of the input gives the same output, bit by bit. */
void vs__highpass_process(struct vs__highpass *h, float *x, size_t n);

/* transform ---------------------------------------------------------------------------------- */

/** Real FFT of n samples and the way back; n is a multiple of 8 from 32 to 4096 without prime
    factors over 5, as 160, 320, 480 and the powers of two are. The result is that of the definition
    within 3e-8 log2(n) of its rms. A transform is for one thread at a time: it works in
    memory of its own, and neither way allocates. `in` and `out` need no alignment (16 floats help)
    and may be the same. With values that are not finite the result is not either; nothing of it
    stays. */
struct vs__rfft;
/** Takes the widest vectors of `dsp->flags` that fit. @return 0, -EINVAL (n), -ENOMEM */
int vs__rfft_create(const struct vs__dsp *dsp, size_t n, struct vs__rfft **ret);
/** n real in, n / 2 + 1 interleaved complex out, no scaling. */
void vs__rfft_forward(struct vs__rfft *f, const float *in, float *out);
/** n / 2 + 1 interleaved complex in, n real out, times n / 2: the way back of vs__rfft_forward()
    but for that factor. The imaginary parts at both ends are passed over. */
void vs__rfft_inverse(struct vs__rfft *f, const float *in, float *out);
void vs__rfft_destroy(struct vs__rfft *f);

#endif
