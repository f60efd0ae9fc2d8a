/* SPDX-License-Identifier: MIT */
/* What the transform's plan and its passes share. The passes are one source, compiled for each
   level with that level's vectors. */
#ifndef VS_SRC_DSP_RFFT_H
#define VS_SRC_DSP_RFFT_H

#include "dsp/dsp.h"

#define VS__RFFT_MAX_PASSES 8

/** How a level goes there and back. Values per vector: what a transform of n / 2 = `half` points
    can use has half % width == 0 and half / width >= width. */
struct vs__rfft_level {
    size_t width;
    void (*forward)(const struct vs__rfft *f, const float *in, float *out);
    void (*inverse)(const struct vs__rfft *f, const float *in, float *out);
};

/** Complex points and factors lie as vectors of real and of imaginary parts in turn. */
struct vs__rfft {
    size_t n, half;
    const struct vs__rfft_level *level;
    size_t passes;
    size_t radix[VS__RFFT_MAX_PASSES]; /**< of each pass behind the first, whose is the width */
    float *a, *b;                      /**< the two sides of the passes */
    /** Factors of the first pass. For each vector of points, for each j = 1 .. width - 1. */
    float *first;
    /** Factors of the passes but the last. For each p, for each j < radix: one point,
        which whole vectors share. */
    float *turn;
    size_t turns; /**< floats of them */
    /** Half of exp(-2 pi i k / n), k < half. */
    float *split;
};

extern const struct vs__rfft_level vs__rfft_c;
extern const struct vs__rfft_level vs__rfft_same; /**< the same numbers on every machine */
#ifdef VS__HAVE_AVX2
extern const struct vs__rfft_level vs__rfft_avx2;
extern const struct vs__rfft_level
    vs__rfft_same_avx2; /**< of vs__rfft_same in other instructions */
#endif
#ifdef VS__HAVE_AVX512
extern const struct vs__rfft_level vs__rfft_avx512;
#endif
#ifdef VS__HAVE_NEON
extern const struct vs__rfft_level vs__rfft_neon;
#endif

#endif
