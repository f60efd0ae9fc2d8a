/* SPDX-License-Identifier: MIT */
/* Loudness of speech brought to a target, and a limiter behind it. No delay. */
#ifndef VS_SRC_DSP_LEVEL_H
#define VS_SRC_DSP_LEVEL_H

#include "dsp/dsp.h"

/** Two second-order sections: the ear's weighting of ITU-R BS.1770. */
struct vs__weighting {
    double b[2][3], a[2][2]; /**< a without the leading 1 */
    double z[2][2];
};

void vs__weighting_init(struct vs__weighting *w, double rate_hz);
/** Sum of the squares of `n` frames once weighted. */
double vs__weighting_energy(struct vs__weighting *w, const float *x, size_t n);

/** Loudness in LUFS of one channel with this mean square after weighting. */
double vs__loudness_of(double mean_square);

#define VS__LEVEL_TARGET_LUFS -23.0
/** Largest sample that leaves the limiter: -1 dB of full scale. */
#define VS__LEVEL_CEILING 0.89125094f

/** Hops in a block of the measure: 400 ms. */
#define VS__LEVEL_BLOCK 40

struct vs__level {
    struct vs__weighting weighting;
    double block[VS__LEVEL_BLOCK]; /**< weighted sums of squares of the last hops, a ring */
    uint32_t at, filled;
    double mean;   /**< mean square of the blocks that end in speech, slowly forgetting */
    double weight; /**< blocks in it, up to what it remembers */
    float gain_db; /**< at the end of the last hop */
    float gain;    /**< the same as a factor */
    float limit;   /**< of the limiter at the end of the last hop, 0..1 */
};

void vs__level_init(struct vs__level *l);
/** A hop of VS_HOP_FRAMES at VS_RATE_HZ, in place. Real-time safe. The gain moves in speech only:
    pauses keep that of the speech before. @param probability that it is speech */
void vs__level_hop(struct vs__level *l, float *pcm, float probability);

#endif
