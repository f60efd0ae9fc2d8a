/* SPDX-License-Identifier: MIT */
/* The noise suppressor: a spectral gain per 10 ms hop, with a noise estimate that follows what
   changes. Audio comes out VS__DENOISE_DELAY frames late. */
#ifndef VS_SRC_DSP_DENOISE_H
#define VS_SRC_DSP_DENOISE_H

#include "dsp/dsp.h"

/** Frames by which the output lags behind the input. */
#define VS__DENOISE_DELAY 160

struct vs__denoise;

/** @return 0, -ENOMEM */
int vs__denoise_create(const struct vs__dsp *dsp, struct vs__denoise **ret);
/** As after create: nothing heard. */
void vs__denoise_reset(struct vs__denoise *d);
/** One hop of VS_HOP_FRAMES at VS_RATE_HZ. Real-time safe; `in` and `out` may be the same.
    @param in finite, below 2^20 */
void vs__denoise_hop(struct vs__denoise *d, const float *in, float *out);
/** Share of the amplitude that the newest hop keeps between two frequencies, 0..1; its end is where
    it holds. Real-time safe. */
float vs__denoise_share(const struct vs__denoise *d, float from_hz, float to_hz);
void vs__denoise_destroy(struct vs__denoise *d);

#endif
