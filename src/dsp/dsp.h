/* SPDX-License-Identifier: MIT */
/* The kernel table and the stages made of it. A kernel is one line of VS__KERNELS in list.h: the
   table, the prototypes of each level, doctor's names and checkdsp all come from that list. */
#ifndef VS_SRC_DSP_DSP_H
#define VS_SRC_DSP_DSP_H

#include <stddef.h>
#include <stdint.h>

#include <voicestand/dsp.h>

#include "dsp/biquad.h"
#include "dsp/list.h"

/** Where the outputs of polyphase() find their windows and filters: the next window begins `whole`
    inputs on, its filter is `rest` filters on, and `phases` filters are one input more. */
struct vs__walk {
    uint32_t phase; /**< filter of the first output, whose window begins at 0 */
    uint32_t phases, whole, rest;
};

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
/** One such table, constant, for all who ask, so that many streams touch one. Takes a lock. */
const struct vs__dsp *vs__dsp_share(unsigned flags);

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
    void (*run)(struct vs__biquads *f, float *x, size_t n);
    struct vs__biquads filter;
    struct vs__biquad own; /**< used where another cutoff was asked for first */
};

/** Takes a lock. @param h stays where it is. @param cutoff_hz 0 < cutoff < rate / 2 */
void vs__highpass_init(struct vs__highpass *h, const struct vs__dsp *dsp, double rate_hz,
                       double cutoff_hz);
void vs__highpass_reset(struct vs__highpass *h);
/** In place; any split of the input and any level give the same output, bit by bit. */
void vs__highpass_process(struct vs__highpass *h, float *x, size_t n);

/* resampler ---------------------------------------------------------------------------------- */

/** vs_resampler_process() of what is sanitized already, which it would do once more. */
size_t vs__resampler_process_clean(vs_resampler *r, const float *in, size_t frames, float *out);

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
/** The same, but with numbers that are the same, bit by bit, on every level and every machine, so
    without fused products: for what a decision hangs on. n is a multiple of 128. */
int vs__rfft_create_same(size_t n, struct vs__rfft **ret);
/** n real in, n / 2 + 1 interleaved complex out, no scaling. */
void vs__rfft_forward(struct vs__rfft *f, const float *in, float *out);
/** The same for threads that share `f`, which vs__rfft_create_same() made or which is of a level that
    `dsp` has: each brings room for 2 n floats of its own. */
void vs__rfft_forward_apart(const struct vs__dsp *dsp, const struct vs__rfft *f, float *scratch,
                            const float *in, float *out);
/** n / 2 + 1 interleaved complex in, n real out, times n / 2: the way back of vs__rfft_forward()
    but for that factor. The imaginary parts at both ends are passed over. */
void vs__rfft_inverse(struct vs__rfft *f, const float *in, float *out);
void vs__rfft_destroy(struct vs__rfft *f);

#endif
