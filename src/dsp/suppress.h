/* SPDX-License-Identifier: MIT */
/* The inner loop of the noise suppressor: one source, compiled for each level. */
#ifndef VS_SRC_DSP_SUPPRESS_H
#define VS_SRC_DSP_SUPPRESS_H

#define VS__SUPPRESS_BINS   257
#define VS__SUPPRESS_PADDED 272 /* whole vectors; what is beyond the bins means nothing */

/** What is known of each bin. Powers, in the scale of the transform. */
struct vs__suppress {
    float noise[VS__SUPPRESS_PADDED];
    float present[VS__SUPPRESS_PADDED]; /**< probability of speech, slow */
    float clean[VS__SUPPRESS_PADDED];   /**< what was taken for speech in the hop before */
    float smooth[VS__SUPPRESS_PADDED];
    float low[VS__SUPPRESS_PADDED];    /**< lowest of `smooth` in this slot */
    float lowest[VS__SUPPRESS_PADDED]; /**< lowest of `smooth` in all slots and this one */
};

/** One hop: `power` in, gains out; follows the noise. Both are PADDED long. */
void vs__suppress_c(struct vs__suppress *s, const float *power, float *gain);
#ifdef VS__HAVE_AVX2
void vs__suppress_avx2(struct vs__suppress *s, const float *power, float *gain);
#endif
#ifdef VS__HAVE_AVX512
void vs__suppress_avx512(struct vs__suppress *s, const float *power, float *gain);
#endif

#ifdef VS__HAVE_NEON
void vs__suppress_neon(struct vs__suppress *s, const float *power, float *gain);
#endif

#endif
