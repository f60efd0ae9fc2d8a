/* SPDX-License-Identifier: MIT */
/* Loudness of speech brought to a target, and a limiter behind it. */
#ifndef VS_SRC_DSP_LEVEL_H
#define VS_SRC_DSP_LEVEL_H

#include <stdbool.h>

#include "dsp/biquad.h"
#include "dsp/dsp.h"

/** Two second-order sections: the ear's weighting of ITU-R BS.1770. */
struct vs__weighting {
    double b[2][3], a[2][2]; /**< a without the leading 1 */
    double z[2][2];
};

void vs__weighting_init(struct vs__weighting *w, double rate_hz);
/** Sum of the squares of `n` samples, `stride` apart, once weighted. What is not finite, or nonsense
    as of sanitize(), counts as 0. */
double vs__weighting_energy(struct vs__weighting *w, const float *x, size_t n, size_t stride);

/** Loudness in LUFS of one channel with this mean square after weighting. */
double vs__loudness_of(double mean_square);

#define VS__LEVEL_TARGET_LUFS -23.0
/** Largest sample that leaves the limiter: -1 dB of full scale. */
#define VS__LEVEL_CEILING 0.89125094f

/** Hops in a block of the measure: 400 ms. */
#define VS__LEVEL_BLOCK 40

/** Finds the gain that brings speech to the target; for one channel or several together. */
struct vs__level {
    double block[VS__LEVEL_BLOCK]; /**< weighted sums of squares of the last hops, a ring */
    uint32_t at, filled;
    double mean;   /**< mean square of the blocks that end in speech, slowly forgetting */
    double weight; /**< blocks in it, up to what it remembers */
    double smooth; /**< mean square of the last hops */
    double floor;  /**< the lowest that it was lately */
    bool began;    /**< both are known */
    float gain_db; /**< at the end of the last hop */
    float gain;    /**< the same as a factor */
};

void vs__level_init(struct vs__level *l);
/** The gain at the end of a hop. It moves in speech; in pauses it stays, or falls where they would
    be too loud by it. Real-time safe. @param energy sum of the weighted squares of the hop, of all
    channels. @param probability that it is speech */
float vs__level_gain(struct vs__level *l, double energy, float probability);

/** Keeps samples under the ceiling; one gain for all channels. */
struct vs__limiter {
    float gain;            /**< at the end of the last block, 0..1 */
    float attack, release; /**< most that it moves per frame */
    uint32_t hold, held;   /**< frames that it stays low, and those that are left */
};

/** Most frames of a block together with those ahead. */
#define VS__LIMITER_MOST 1024

void vs__limiter_init(struct vs__limiter *l, uint32_t rate_hz);
/** Frames ahead with which no gain falls faster than `attack`. */
uint32_t vs__limiter_ahead(uint32_t rate_hz);
/** `frames` interleaved frames in place. `ahead` frames lie behind them that are only looked at;
    they come again. With fewer than vs__limiter_ahead() a peak at the end is met late.
    @return the lowest gain */
float vs__limiter_block(struct vs__limiter *l, float *x, size_t channels, size_t frames,
                        size_t ahead);

/** Level and limiter of one channel at VS_RATE_HZ, without delay. Not to be moved. */
struct vs__leveller {
    const struct vs__dsp *dsp;
    struct vs__biquad section[2]; /**< the weighting, by blocks: all samples are finite here */
    struct vs__biquads weighting;
    struct vs__level level;
    struct vs__limiter limiter;
};

/** @param dsp stays the caller's, and there */
void vs__leveller_init(struct vs__leveller *l, const struct vs__dsp *dsp);
/** As after init. */
void vs__leveller_reset(struct vs__leveller *l);
/** A hop of VS_HOP_FRAMES, in place, of finite samples. Real-time safe. @param probability that it is
    speech */
void vs__leveller_hop(struct vs__leveller *l, float *pcm, float probability);

#endif
