/* SPDX-License-Identifier: MIT */
/* From the power of each bin to its gain, in loops without branches, which the compiler makes
   vectors of. Compiled once per level with VS__LEVEL naming the function.

   Noise: a recursive mean that each hop enters as far as the channel does not look like speech
   (fixed ratio of the two hypotheses), kept between multiples of the lowest smoothed power of the
   last seconds, so that long vowels do not become noise and a rise is followed.
   Gain: a function of the log-spectral ratios to that noise, of the channel and its surroundings in
   time and frequency, fitted to mixtures of speech and noise (training/fit_gains.py): a weighted sum
   of rectified sums, then the logistic curve. Bands of the whole hop shift it. Gains that stand alone
   are closed, which is what keeps noise from singing. */
#include "dsp/suppress.h"

#include <string.h>

#include "dsp/gains.h"

#define CONCAT(a, b) a##b
#define NAMED(level) CONCAT(vs__suppress_, level)

#define CHANNELS VS__SUPPRESS_CHANNELS
#define RATIOS   VS__SUPPRESS_RATIOS
#define BANDS    VS__SUPPRESS_BANDS
#define HIDDEN   VS__SUPPRESS_HIDDEN
#define SHAPES   VS__SUPPRESS_SHAPES
#define LANES    8 /* a band is a whole number of them */
#define MARGIN   16

/* The first hops are taken for noise; the window is full from the fourth on. */
#define FIRST_HOPS  12
#define FULL_HOPS   4
#define SMOOTH      0.8f  /* of the power whose minimum is followed */
#define FOLLOW      0.98f /* of the noise: half a second */
#define SPEECH_SNR  10.0f /* ratio that speech has where it is */
#define OVER_LOWEST 8.0f  /* most of the noise over the lowest power */
#define STUCK       0.99f /* presence above this may be a rise of the noise: let a little in */
#define DIRECTED    0.98f /* weight of the hop before in the a-priori ratio */
#define PRIOR_FLOOR 0.003f
#define GAIN_FLOOR  0.0630957f /* -24 dB */
#define SILENCE     1e-7f      /* added to every power: below what 16 bits can say */
#define LEAST_RATIO 1e-3f
#define MOST_RATIO  16384.0f /* more says nothing more: 42 dB */
#define LONE_CLOSED 0.08f    /* mean gain around: nobody speaks there; somebody does */
#define LONE_OPEN   0.16f
#define LOG2_E      1.44269504f

#ifdef __FP_FAST_FMAF
#define MULTIPLY_ADD(a, b, c) __builtin_fmaf(a, b, c)
#else
#define MULTIPLY_ADD(a, b, c) ((a) * (b) + (c))
#endif

/* 2^x within 1e-4 of it for -126 <= x <= 126, clamped outside. */
static inline float exp2_near(float x)
{
    x = x > -126.0f ? x : -126.0f;
    x = x < 126.0f ? x : 126.0f;
    float whole = (x + 0x1.8p23f) - 0x1.8p23f, f = x - whole;
    float p = MULTIPLY_ADD(f, 0.05517122f, 0.24261100f);
    p = MULTIPLY_ADD(f, MULTIPLY_ADD(f, p, 0.69326103f), 0.99992808f);
    int32_t bits = ((int32_t)whole + 127) * (1 << 23);
    float scale;
    memcpy(&scale, &bits, sizeof(scale));
    return p * scale;
}

/* log2 within 2e-4 for positive normal x. */
static inline float log2_near(float x)
{
    int32_t bits;
    memcpy(&bits, &x, sizeof(bits));
    int32_t exponent = (bits - 0x3f3504f3) >> 23;
    bits -= exponent * (1 << 23);
    float m;
    memcpy(&m, &bits, sizeof(m));
    float z = m - 1.0f;
    float p = MULTIPLY_ADD(z, -0.32963580f, 0.51751349f);
    p = MULTIPLY_ADD(z, MULTIPLY_ADD(z, p, -0.72490415f), 1.44176047f);
    return MULTIPLY_ADD(z, p, (float)exponent);
}

static inline float higher(float a, float b)
{
    return a > b ? a : b;
}

static inline float lower(float a, float b)
{
    return a < b ? a : b;
}

static inline float log_ratio(float x)
{
    return log2_near(lower(higher(x, LEAST_RATIO), MOST_RATIO));
}

static void pool(const float *restrict power, float *restrict ret)
{
    for (int k = 0; k < VS__SUPPRESS_SINGLE; k++)
        ret[k] = power[k] + SILENCE;
    for (int k = VS__SUPPRESS_SINGLE, b = k; k < CHANNELS; k++, b += 2)
        ret[k] = 0.5f * (power[b] + power[b + 1]) + SILENCE;
}

/* While the first hops come: their mean is the noise and the minimum. */
static void begin_noise(struct vs__suppress *s, const float *x)
{
    float weight = s->hops < FULL_HOPS ? 1.0f : 1.0f / (float)(s->hops - FULL_HOPS + 2);

    for (int k = 0; k < CHANNELS; k++) {
        float n = s->noise[k] + weight * (x[k] - s->noise[k]);
        s->noise[k] = s->smooth[k] = s->low[k] = s->lowest[k] = n;
    }
    for (int i = 0; i < VS__SUPPRESS_SLOTS; i++)
        memcpy(s->slots[i], s->noise, sizeof(s->noise));
}

/* A slot is over: the oldest is forgotten. */
static void turn_slot(struct vs__suppress *s)
{
    s->in_slot = 0;
    memcpy(s->slots[s->slot], s->low, sizeof(s->low));
    s->slot = (s->slot + 1) % VS__SUPPRESS_SLOTS;
    for (int k = 0; k < CHANNELS; k++) {
        float least = s->slots[0][k];
        for (int i = 1; i < VS__SUPPRESS_SLOTS; i++)
            least = lower(least, s->slots[i][k]);
        s->lowest[k] = least;
    }
    memcpy(s->low, s->smooth, sizeof(s->low));
}

/* Follows the noise; gives each channel's ratio to it, and the ratios that need the channel alone. */
static void track(struct vs__suppress *s, const float *restrict power, float *restrict now)
{
    float *restrict noise = s->noise, *restrict present = s->present, *restrict clean = s->clean;
    float *restrict smooth = s->smooth, *restrict low = s->low, *restrict lowest = s->lowest;
    float *restrict brief = s->over[0], *restrict middle = s->over[1];
    float(*restrict ratio)[CHANNELS] = s->ratio;

    for (int k = 0; k < CHANNELS; k++) {
        float x = power[k], n = noise[k];
        float even = SMOOTH * smooth[k] + (1 - SMOOTH) * x;
        float least = lower(lowest[k], even);
        smooth[k] = even;
        low[k] = lower(low[k], even);
        lowest[k] = least;

        float odds = exp2_near(-SPEECH_SNR / (1 + SPEECH_SNR) * LOG2_E * (x / n));
        float speech = 1.0f / (1.0f + (1 + SPEECH_SNR) * odds);
        float slow = 0.9f * present[k] + 0.1f * speech;
        present[k] = slow;
        speech = lower(speech, slow > STUCK ? STUCK : 1.0f);
        n += (1 - FOLLOW) * (1 - speech) * (x - n);
        n = higher(lower(n, OVER_LOWEST * least), least);
        noise[k] = n;

        /* the a-priori ratio in two steps: from the hop before, then from what that makes of this */
        float inverse = 1.0f / n, post = x * inverse;
        float prior = DIRECTED * clean[k] * inverse + (1 - DIRECTED) * higher(post - 1.0f, 0.0f);
        prior = higher(prior, PRIOR_FLOOR);
        float first = prior / (1.0f + prior);
        prior = higher(first * first * post, PRIOR_FLOOR);
        float wiener = prior / (1.0f + prior);
        clean[k] = wiener * wiener * x;

        now[k] = post;
        brief[k] = 0.6f * brief[k] + 0.4f * post;
        middle[k] = 0.8f * middle[k] + 0.2f * post;
        ratio[VS__RATIO_NOW][k] = log_ratio(post);
        ratio[VS__RATIO_SHORT][k] = log_ratio(brief[k]);
        ratio[VS__RATIO_MIDDLE][k] = log_ratio(middle[k]);
        ratio[VS__RATIO_PRIOR][k] = log_ratio(prior);
    }
}

/* The mean of each channel and those `step` below and above; both rows have margins. */
static void widen(float *restrict ret, float *restrict x, int step)
{
    for (int i = 1; i <= step; i++) {
        x[-i] = x[0];
        x[CHANNELS - 1 + i] = x[CHANNELS - 1];
    }
    for (int k = 0; k < CHANNELS; k++)
        ret[k] = (x[k - step] + x[k] + x[k + step]) * (1.0f / 3);
}

/* The ratios of a channel and its neighbours. */
static void surround(struct vs__suppress *s, float *restrict now)
{
    float rows[3][MARGIN + CHANNELS + MARGIN];
    float *by_3 = rows[0] + MARGIN, *by_9 = rows[1] + MARGIN, *by_27 = rows[2] + MARGIN;
    float(*restrict ratio)[CHANNELS] = s->ratio;
    float *restrict slow = s->over[2];

    memcpy(ratio[VS__RATIO_EARLIER_3], ratio[VS__RATIO_BEFORE_3], sizeof(ratio[0]));
    memcpy(ratio[VS__RATIO_BEFORE_3], ratio[VS__RATIO_WIDE_3], 3 * sizeof(ratio[0]));
    widen(by_3, now, 1);
    widen(by_9, by_3, 3);
    widen(by_27, by_9, 9);
    for (int k = 0; k < CHANNELS; k++) {
        ratio[VS__RATIO_WIDE_3][k] = log_ratio(by_3[k]);
        ratio[VS__RATIO_WIDE_9][k] = log_ratio(by_9[k]);
        ratio[VS__RATIO_WIDE_27][k] = log_ratio(by_27[k]);
        slow[k] = 0.95f * slow[k] + 0.05f * by_9[k];
        ratio[VS__RATIO_LONG][k] = log_ratio(slow[k]);
    }
}

static float sum_lanes(const float *x, int lanes)
{
    float sum[LANES] = {0};

    for (int k = 0; k < lanes; k += LANES)
        for (int i = 0; i < LANES; i++)
            sum[i] += x[k + i];
    return ((sum[0] + sum[4]) + (sum[1] + sum[5])) + ((sum[2] + sum[6]) + (sum[3] + sum[7]));
}

/* Means over bands of the whole hop. */
static void see_bands(struct vs__suppress *s)
{
    static const int edges[BANDS + 1] = {0, 8, 16, 32, 48, 72, 96, 128, 160};
    float(*band)[BANDS] = s->band;

    memcpy(band[1], band[0], sizeof(band[0]));
    for (int b = 0; b < BANDS; b++) {
        int width = edges[b + 1] - edges[b];
        band[0][b] = sum_lanes(s->ratio[VS__RATIO_WIDE_9] + edges[b], width) / (float)width;
    }
    for (int b = 0; b < BANDS; b++) {
        band[2][b] = 0.9f * band[2][b] + 0.1f * band[0][b];
        band[3][b] = 0.98f * band[3][b] + 0.02f * band[0][b];
    }
}

/* All that the gain is made of. */
static void measure(struct vs__suppress *s, const float *power)
{
    float rows[2][MARGIN + CHANNELS + MARGIN], *x = rows[0] + MARGIN, *now = rows[1] + MARGIN;

    pool(power, x);
    if (s->hops < FIRST_HOPS)
        begin_noise(s, x);
    s->hops += s->hops < FIRST_HOPS;
    track(s, x, now);
    surround(s, now);
    see_bands(s);
    if (++s->in_slot == VS__SUPPRESS_SLOT_HOPS)
        turn_slot(s);
}

/* What the bands add to each hidden sum. */
static void weigh_bands(const struct vs__suppress *s, float *restrict ret)
{
    const float *in = s->band[0];
    float shape[SHAPES];

    memcpy(shape, gains_shape_bias, sizeof(shape));
    for (int i = 0; i < 4 * BANDS; i++)
        for (int r = 0; r < SHAPES; r++)
            shape[r] = MULTIPLY_ADD(in[i], gains_shape[i][r], shape[r]);
    memset(ret, 0, HIDDEN * sizeof(float));
    for (int r = 0; r < SHAPES; r++)
        for (int h = 0; h < HIDDEN; h++)
            ret[h] = MULTIPLY_ADD(higher(shape[r], 0), gains_shift[r][h], ret[h]);
}

/* Two sums, so that neither waits for the other. */
static inline float weigh(const float (*restrict x)[CHANNELS], const float *w, float sum, int k)
{
    float other = w[RATIOS / 2] * x[RATIOS / 2][k];

    sum = MULTIPLY_ADD(w[0], x[0][k], sum);
    for (int i = 1; i < RATIOS / 2; i++) {
        sum = MULTIPLY_ADD(w[i], x[i][k], sum);
        other = MULTIPLY_ADD(w[RATIOS / 2 + i], x[RATIOS / 2 + i][k], other);
    }
    return sum + other;
}

static void weigh_ratios(const struct vs__suppress *s, float *restrict ret)
{
    float shift[HIDDEN];

    weigh_bands(s, shift);
    for (int k = 0; k < CHANNELS; k++)
        ret[k] = weigh(s->ratio, gains_direct, gains_base[k], k);
    for (int h = 0; h < HIDDEN; h++) {
        const float *at = gains_at[h], *w = gains_hidden[h];
        float out = gains_out[h], more = shift[h];
        for (int k = 0; k < CHANNELS; k++)
            ret[k] = MULTIPLY_ADD(out, higher(weigh(s->ratio, w, at[k] + more, k), 0), ret[k]);
    }
}

/* A gain that stands alone, where all around is closed, is a peak of noise and would sing: it is drawn
   to the least as far as the mean of 27 channels is there. */
static void close_lone(float *restrict gain)
{
    float rows[4][MARGIN + CHANNELS + MARGIN];
    float *own = rows[0] + MARGIN, *by_3 = rows[1] + MARGIN, *by_9 = rows[2] + MARGIN;
    float *by_27 = rows[3] + MARGIN;

    memcpy(own, gain, CHANNELS * sizeof(float));
    widen(by_3, own, 1);
    widen(by_9, by_3, 3);
    widen(by_27, by_9, 9);
    for (int k = 0; k < CHANNELS; k++) {
        float open = (by_27[k] - LONE_CLOSED) * (1 / (LONE_OPEN - LONE_CLOSED));
        open = lower(higher(open, 0), 1);
        gain[k] = GAIN_FLOOR + open * (own[k] - GAIN_FLOOR);
    }
}

void NAMED(VS__LEVEL)(struct vs__suppress *s, const float *power, float *gain)
{
    float sum[CHANNELS];

    measure(s, power);
    weigh_ratios(s, sum);
    for (int k = 0; k < CHANNELS; k++)
        sum[k] = higher(1.0f / (1.0f + exp2_near(-LOG2_E * sum[k])), GAIN_FLOOR);
    close_lone(sum);
    memcpy(gain, sum, VS__SUPPRESS_SINGLE * sizeof(float));
    for (int k = VS__SUPPRESS_SINGLE, b = k; k < CHANNELS; k++, b += 2)
        gain[b] = gain[b + 1] = sum[k];
    gain[VS__SUPPRESS_BINS - 1] = sum[CHANNELS - 1];
}
