/* SPDX-License-Identifier: MIT */
/* From the power of each bin to its gain, in vectors, without branches. Compiled once per level with
   VS__LEVEL naming the function.

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

#if VS__WIDTH == 1 /* plain C: vectors of the compiler's own */
#undef VS__WIDTH
#define VS__WIDTH 4
#define VS__SAME
#endif
#include "dsp/vec.h"

#define CONCAT(a, b) a##b
#define NAMED(level) CONCAT(vs__suppress_, level)

#define CHANNELS VS__SUPPRESS_CHANNELS
#define RATIOS   VS__SUPPRESS_RATIOS
#define BANDS    VS__SUPPRESS_BANDS
#define HIDDEN   VS__SUPPRESS_HIDDEN
#define SHAPES   VS__SUPPRESS_SHAPES
#define LANES    8 /* a band is a whole number of them */
#define TILE     5 /* so many vectors divide the channels at each width */
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

/* Whole numbers beside a vector. */
typedef int32_t whole __attribute__((vector_size(4 * VS__WIDTH)));

/* 2^x within 1e-4 of it for -126 <= x <= 126, clamped outside. */
INLINE vec exp2_near(vec x)
{
    x = smaller(larger(x, splat(-126)), splat(126));
    vec even = (x + splat(0x1.8p23f)) - splat(0x1.8p23f), f = x - even;
    vec p = add_product(splat(0.24261100f), f, splat(0.05517122f));
    p = add_product(splat(0.99992808f), f, add_product(splat(0.69326103f), f, p));
    whole bits = (__builtin_convertvector(even, whole) + 127) << 23;
    return p * (vec)bits;
}

/* log2 within 2e-4 for positive normal x. */
INLINE vec log2_near(vec x)
{
    whole bits = (whole)x, exponent = (bits - 0x3f3504f3) >> 23;
    vec z = (vec)(bits - (exponent << 23)) - splat(1);
    vec p = add_product(splat(0.51751349f), z, splat(-0.32963580f));
    p = add_product(splat(1.44176047f), z, add_product(splat(-0.72490415f), z, p));
    return add_product(__builtin_convertvector(exponent, vec), z, p);
}

INLINE vec log_ratio(vec x)
{
    return log2_near(smaller(larger(x, splat(LEAST_RATIO)), splat(MOST_RATIO)));
}

static float lower(float a, float b)
{
    return a < b ? a : b;
}

static void pool(const float *restrict power, float *restrict ret)
{
    for (size_t k = 0; k < VS__SUPPRESS_SINGLE; k += WIDTH)
        store(ret + k, load(power + k) + splat(SILENCE));
    for (size_t k = VS__SUPPRESS_SINGLE, b = k; k < CHANNELS; k += WIDTH, b += 2 * WIDTH) {
        vec even, odd;
        load_pairs(power + b, &even, &odd);
        store(ret + k, splat(0.5f) * (even + odd) + splat(SILENCE));
    }
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

/* To each smoothed value, weight `w` of the new one. */
INLINE vec smooth(float *x, float w, vec now)
{
    vec v = splat(1 - w) * load(x) + splat(w) * now;
    store(x, v);
    return v;
}

/* Follows the noise of the channels from `k` on. @return it */
INLINE vec follow(struct vs__suppress *s, vec x, size_t k)
{
    vec n = load(s->noise + k), even = smooth(s->smooth + k, 1 - SMOOTH, x);
    vec least = smaller(load(s->lowest + k), even);
    store(s->low + k, smaller(load(s->low + k), even));
    store(s->lowest + k, least);

    vec odds = exp2_near(splat(-SPEECH_SNR / (1 + SPEECH_SNR) * LOG2_E) * (x / n));
    vec speech = splat(1) / (splat(1) + splat(1 + SPEECH_SNR) * odds);
    vec slow = smooth(s->present + k, 0.1f, speech);
    whole stuck = slow > splat(STUCK);
    vec most = (vec)((stuck & (whole)splat(STUCK)) | (~stuck & (whole)splat(1)));
    n += splat(1 - FOLLOW) * (splat(1) - smaller(speech, most)) * (x - n);
    n = larger(smaller(n, splat(OVER_LOWEST) * least), least);
    store(s->noise + k, n);
    return n;
}

/* Gives each channel's ratio to the noise, and the ratios that need the channel alone. */
static void track(struct vs__suppress *s, const float *restrict power, float *restrict now)
{
    float(*ratio)[CHANNELS] = s->ratio;

    for (size_t k = 0; k < CHANNELS; k += WIDTH) {
        const vec one = splat(1), least = splat(PRIOR_FLOOR);
        vec x = load(power + k), inverse = one / follow(s, x, k), post = x * inverse;

        /* the a-priori ratio in two steps: from the hop before, then from what that makes of this */
        vec prior = splat(DIRECTED) * load(s->clean + k) * inverse +
                    splat(1 - DIRECTED) * larger(post - one, splat(0));
        prior = larger(prior, least);
        vec first = prior / (one + prior);
        prior = larger(first * first * post, least);
        vec wiener = prior / (one + prior);
        store(s->clean + k, wiener * wiener * x);

        store(now + k, post);
        store(ratio[VS__RATIO_NOW] + k, log_ratio(post));
        store(ratio[VS__RATIO_SHORT] + k, log_ratio(smooth(s->over[0] + k, 0.4f, post)));
        store(ratio[VS__RATIO_MIDDLE] + k, log_ratio(smooth(s->over[1] + k, 0.2f, post)));
        store(ratio[VS__RATIO_PRIOR] + k, log_ratio(prior));
    }
}

/* The mean of each channel and those `step` below and above; both rows have margins. */
static void widen(float *restrict ret, float *restrict x, size_t step)
{
    for (size_t i = 1; i <= step; i++) {
        x[-(ptrdiff_t)i] = x[0];
        x[CHANNELS - 1 + i] = x[CHANNELS - 1];
    }
    for (size_t k = 0; k < CHANNELS; k += WIDTH)
        store(ret + k, (load(x + k - step) + load(x + k) + load(x + k + step)) * splat(1.0f / 3));
}

/* The ratio of the hop before becomes that, and the new one comes in. */
INLINE void renew(float *before, float *now, const float *by)
{
    store(before, load(now));
    store(now, log_ratio(load(by)));
}

/* The ratios of a channel and its neighbours. */
static void surround(struct vs__suppress *s, float *restrict now)
{
    float rows[3][MARGIN + CHANNELS + MARGIN];
    float *by_3 = rows[0] + MARGIN, *by_9 = rows[1] + MARGIN, *by_27 = rows[2] + MARGIN;
    float(*ratio)[CHANNELS] = s->ratio;

    widen(by_3, now, 1);
    widen(by_9, by_3, 3);
    widen(by_27, by_9, 9);
    for (size_t k = 0; k < CHANNELS; k += WIDTH) {
        store(ratio[VS__RATIO_EARLIER_3] + k, load(ratio[VS__RATIO_BEFORE_3] + k));
        renew(ratio[VS__RATIO_BEFORE_3] + k, ratio[VS__RATIO_WIDE_3] + k, by_3 + k);
        renew(ratio[VS__RATIO_BEFORE_9] + k, ratio[VS__RATIO_WIDE_9] + k, by_9 + k);
        renew(ratio[VS__RATIO_BEFORE_27] + k, ratio[VS__RATIO_WIDE_27] + k, by_27 + k);
        store(ratio[VS__RATIO_LONG] + k, log_ratio(smooth(s->over[2] + k, 0.05f, load(by_9 + k))));
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
    vec shape[SHAPES / WIDTH], sum[HIDDEN / WIDTH];
    float shapes[SHAPES];

    for (size_t r = 0; r < SHAPES / WIDTH; r++)
        shape[r] = load(gains_shape_bias + r * WIDTH);
    for (size_t i = 0; i < 4 * BANDS; i++)
        for (size_t r = 0; r < SHAPES / WIDTH; r++)
            shape[r] = add_product(shape[r], splat(in[i]), load(gains_shape[i] + r * WIDTH));
    for (size_t r = 0; r < SHAPES / WIDTH; r++)
        store(shapes + r * WIDTH, larger(shape[r], splat(0)));
    for (size_t h = 0; h < HIDDEN / WIDTH; h++)
        sum[h] = splat(0);
    for (size_t r = 0; r < SHAPES; r++)
        for (size_t h = 0; h < HIDDEN / WIDTH; h++)
            sum[h] = add_product(sum[h], splat(shapes[r]), load(gains_shift[r] + h * WIDTH));
    for (size_t h = 0; h < HIDDEN / WIDTH; h++)
        store(ret + h * WIDTH, sum[h]);
}

/* Weighted ratios of TILE vectors of channels to two sets of sums. What is loaded serves ten products, which
   do not wait for each other. */
INLINE void weigh(const float (*ratio)[CHANNELS], size_t k, const float *w, const float *v, vec *a,
                  vec *b)
{
    for (size_t i = 0; i < RATIOS; i++) {
        vec first = splat(w[i]), second = splat(v[i]);
        for (size_t j = 0; j < TILE; j++) {
            vec x = load_once(ratio[i] + k + j * WIDTH);
            a[j] = add_product(a[j], first, x);
            b[j] = add_product(b[j], second, x);
        }
    }
}

static void weigh_ratios(const struct vs__suppress *s, float *restrict ret)
{
    float shift[HIDDEN];

    weigh_bands(s, shift);
    for (size_t k = 0; k < CHANNELS; k += TILE * WIDTH) {
        vec sum[TILE];
        for (size_t j = 0; j < TILE; j++)
            sum[j] = load(gains_base + k + j * WIDTH);
        for (size_t i = 0; i < RATIOS; i++)
            for (size_t j = 0; j < TILE; j++)
                sum[j] =
                    add_product(sum[j], splat(gains_direct[i]), load(s->ratio[i] + k + j * WIDTH));
        for (size_t j = 0; j < TILE; j++)
            store(ret + k + j * WIDTH, sum[j]);
        for (size_t h = 0; h < HIDDEN; h += 2) {
            vec a[TILE], b[TILE];
            for (size_t j = 0; j < TILE; j++) {
                a[j] = load(gains_at[h] + k + j * WIDTH) + splat(shift[h]);
                b[j] = load(gains_at[h + 1] + k + j * WIDTH) + splat(shift[h + 1]);
            }
            weigh(s->ratio, k, gains_hidden[h], gains_hidden[h + 1], a, b);
            for (size_t j = 0; j < TILE; j++) {
                float *to = ret + k + j * WIDTH;
                vec both = add_product(load(to), splat(gains_out[h]), larger(a[j], splat(0)));
                store(to, add_product(both, splat(gains_out[h + 1]), larger(b[j], splat(0))));
            }
        }
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
    for (size_t k = 0; k < CHANNELS; k += WIDTH) {
        vec open = (load(by_27 + k) - splat(LONE_CLOSED)) * splat(1 / (LONE_OPEN - LONE_CLOSED));
        open = smaller(larger(open, splat(0)), splat(1));
        store(gain + k, splat(GAIN_FLOOR) + open * (load(own + k) - splat(GAIN_FLOOR)));
    }
}

void NAMED(VS__LEVEL)(struct vs__suppress *s, const float *power, float *gain)
{
    float sum[CHANNELS];

    measure(s, power);
    weigh_ratios(s, sum);
    for (size_t k = 0; k < CHANNELS; k += WIDTH) {
        vec odds = exp2_near(splat(-LOG2_E) * load(sum + k));
        store(sum + k, larger(splat(1) / (splat(1) + odds), splat(GAIN_FLOOR)));
    }
    close_lone(sum);
    memcpy(gain, sum, VS__SUPPRESS_SINGLE * sizeof(float));
    for (size_t k = VS__SUPPRESS_SINGLE, b = k; k < CHANNELS; k += WIDTH, b += 2 * WIDTH)
        store_pairs(gain + b, load(sum + k), load(sum + k));
    gain[VS__SUPPRESS_BINS - 1] = sum[CHANNELS - 1];
}
