/* SPDX-License-Identifier: MIT */
/* From the power of each bin to its gain, in one loop without branches, which the compiler makes
   vectors of. Compiled once per level with VS__LEVEL naming the function; since nothing is
   reassociated or contracted, all levels give the same bits.

   Noise: a recursive mean that each hop enters as far as the bin does not look like speech (fixed
   ratio of the two hypotheses), kept between multiples of the lowest smoothed power of the last
   seconds, so that long vowels do not become noise and a rise is followed.
   Gain: the log-spectral amplitude rule on an a-priori ratio that is found in two steps (from the
   hop before, then from what that makes of this hop), weighed by the probability of speech. */
#include "dsp/suppress.h"

#include <stdint.h>
#include <string.h>

#define CONCAT(a, b) a##b
#define NAMED(level) CONCAT(vs__suppress_, level)

#define SMOOTH      0.8f  /* of the power whose minimum is followed */
#define FOLLOW      0.98f /* of the noise: half a second */
#define SPEECH_SNR  10.0f /* ratio that speech has where it is */
#define OVER_LOWEST 8.0f  /* most and least of the noise over the lowest power */
#define AT_LOWEST   1.25f
#define STUCK       0.99f /* presence above this may be a rise of the noise: let a little in */
#define DIRECTED    0.98f /* weight of the hop before in the a-priori ratio */
#define PRIOR_FLOOR 0.003f
#define GAIN_FLOOR  -4.0f  /* log2: -24 dB */
#define SILENCE     1e-12f /* power below which nothing is told apart */
#define LOG2_E      1.44269504f

/* 2^x within 2e-6 for -126 <= x <= 126, clamped outside. */
static inline float exp2_near(float x)
{
    x = x > -126.0f ? x : -126.0f;
    x = x < 126.0f ? x : 126.0f;
    float whole = (x + 0x1.8p23f) - 0x1.8p23f, f = x - whole;
    float p = 0.00961813f + f * 0.00133336f;
    p = 0.24022651f + f * (0.05550411f + f * p);
    p = 1.0f + f * (0.69314718f + f * p);
    int32_t bits = ((int32_t)whole + 127) * (1 << 23);
    float scale;
    memcpy(&scale, &bits, sizeof(scale));
    return p * scale;
}

/* log2 within 2e-6 for positive normal x. */
static inline float log2_near(float x)
{
    int32_t bits;
    memcpy(&bits, &x, sizeof(bits));
    int32_t exponent = (bits - 0x3f3504f3) >> 23;
    bits -= exponent * (1 << 23);
    float m;
    memcpy(&m, &bits, sizeof(m));
    float z = (m - 1.0f) / (m + 1.0f), q = z * z;
    return (float)exponent +
           z * (2.88539008f + q * (0.96179669f + q * (0.57707801f + q * 0.41219858f)));
}

static inline float higher(float a, float b)
{
    return a > b ? a : b;
}

static inline float lower(float a, float b)
{
    return a < b ? a : b;
}

void NAMED(VS__LEVEL)(struct vs__suppress *s, const float *restrict power, float *restrict gain)
{
    float *restrict noise = s->noise, *restrict present = s->present, *restrict clean = s->clean;
    float *restrict smooth = s->smooth, *restrict low = s->low, *restrict lowest = s->lowest;

    for (int k = 0; k < VS__SUPPRESS_PADDED; k++) {
        float x = power[k], n = noise[k];
        float even = SMOOTH * smooth[k] + (1 - SMOOTH) * x;
        float least = lower(lowest[k], even);
        smooth[k] = even;
        low[k] = lower(low[k], even);
        lowest[k] = least;

        /* the noise */
        float ratio = exp2_near(-SPEECH_SNR / (1 + SPEECH_SNR) * LOG2_E * (x / n));
        float speech = 1.0f / (1.0f + (1 + SPEECH_SNR) * ratio);
        float slow = 0.9f * present[k] + 0.1f * speech;
        present[k] = slow;
        speech = lower(speech, slow > STUCK ? STUCK : 1.0f);
        n += (1 - FOLLOW) * (1 - speech) * (x - n);
        n = higher(lower(n, OVER_LOWEST * least), AT_LOWEST * least);
        n = higher(n, SILENCE);
        noise[k] = n;

        /* the a-priori ratio */
        float inverse = 1.0f / n, post = x * inverse;
        float prior = DIRECTED * clean[k] * inverse + (1 - DIRECTED) * higher(post - 1.0f, 0.0f);
        prior = higher(prior, PRIOR_FLOOR);
        float first = prior / (1.0f + prior);
        prior = higher(first * first * post, PRIOR_FLOOR);
        float wiener = prior / (1.0f + prior);

        /* the gain: wiener * exp(E1(v) / 2), with E1(v) as exp(-v) log(1 + c / v), c from
           exp(-Euler's constant) at 0 to 1: within 3 % of the gain */
        float v = higher(post * wiener, 1e-3f);
        float c = (0.5615f + 0.6f * v) / (1.0f + 0.6f * v);
        float decay = exp2_near(-LOG2_E * v);
        float g = log2_near(wiener) + 0.5f * decay * log2_near(1.0f + c / v);
        float there = 1.0f / (1.0f + (1.0f + prior) * decay);
        clean[k] = lower(exp2_near(2.0f * g), 1.0f) * x;
        g = there * g + (1.0f - there) * GAIN_FLOOR;
        gain[k] = exp2_near(lower(higher(g, GAIN_FLOOR), 0.0f));
    }
}
