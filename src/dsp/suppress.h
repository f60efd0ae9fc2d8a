/* SPDX-License-Identifier: MIT */
/* The inner loops of the noise suppressor: one source, compiled for each level. */
#ifndef VS_SRC_DSP_SUPPRESS_H
#define VS_SRC_DSP_SUPPRESS_H

#include <stdint.h>

#define VS__SUPPRESS_BINS   257
#define VS__SUPPRESS_PADDED 272 /* whole vectors; what is beyond the bins means nothing */
/* A channel is a bin up to 2 kHz and the mean of two above; the last bin shares the last gain. */
#define VS__SUPPRESS_CHANNELS 160
#define VS__SUPPRESS_SINGLE   64
/* The lowest power is that of SLOTS slots of SLOT_HOPS and the current one: 2.4 to 2.7 s. */
#define VS__SUPPRESS_SLOTS     8
#define VS__SUPPRESS_SLOT_HOPS 30
/* What the gain is made of: ratios of each channel, and of bands of channels. */
#define VS__SUPPRESS_RATIOS 12
#define VS__SUPPRESS_BANDS  8
#define VS__SUPPRESS_HIDDEN 16
#define VS__SUPPRESS_SHAPES 16

/** Names of the ratios, in log2 over the noise. WIDE_n: mean over n channels. */
enum vs__suppress_ratio {
    VS__RATIO_NOW,
    VS__RATIO_WIDE_3,
    VS__RATIO_WIDE_9,
    VS__RATIO_WIDE_27,
    VS__RATIO_SHORT,    /**< smoothed over about 25 ms */
    VS__RATIO_MIDDLE,   /**< over 50 ms */
    VS__RATIO_LONG,     /**< over 200 ms and 9 channels */
    VS__RATIO_PRIOR,    /**< a-priori ratio, found from the hop before */
    VS__RATIO_BEFORE_3, /**< WIDE_3 of the hop before */
    VS__RATIO_BEFORE_9,
    VS__RATIO_BEFORE_27,
    VS__RATIO_EARLIER_3, /**< WIDE_3 two hops before */
};

/** What is known of each channel; powers are in the scale of the transform. All zero: nothing. */
struct vs__suppress {
    float noise[VS__SUPPRESS_CHANNELS];
    float present[VS__SUPPRESS_CHANNELS]; /**< probability of speech, slow */
    float clean[VS__SUPPRESS_CHANNELS];   /**< what was taken for speech in the hop before */
    float smooth[VS__SUPPRESS_CHANNELS];
    float low[VS__SUPPRESS_CHANNELS];    /**< lowest of `smooth` in this slot */
    float lowest[VS__SUPPRESS_CHANNELS]; /**< lowest of `smooth` in all slots and this one */
    float slots[VS__SUPPRESS_SLOTS][VS__SUPPRESS_CHANNELS];
    float over[3][VS__SUPPRESS_CHANNELS]; /**< smoothed ratios: short, middle, long */
    float ratio[VS__SUPPRESS_RATIOS][VS__SUPPRESS_CHANNELS];
    float band[4][VS__SUPPRESS_BANDS]; /**< mean of WIDE_9: now, before, over 0.1 s, over 0.5 s */
    uint32_t hops, in_slot, slot;
};

/** One hop: `power` in, gains out, both PADDED long; follows the noise. Levels differ by rounding
    alone, gains by less than 1e-3. */
typedef void vs__suppress_fn(struct vs__suppress *s, const float *power, float *gain);
vs__suppress_fn vs__suppress_c;
#ifdef VS__HAVE_AVX2
vs__suppress_fn vs__suppress_avx2;
#endif
#ifdef VS__HAVE_AVX512
vs__suppress_fn vs__suppress_avx512;
#endif
#ifdef VS__HAVE_NEON
vs__suppress_fn vs__suppress_neon;
#endif

#endif
