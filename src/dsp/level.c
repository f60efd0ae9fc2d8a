/* SPDX-License-Identifier: MIT */
/* The target is that of EBU R 128: any meter shows it, it lies 3 dB over the mean level of speech
   in telephony, and it leaves 22 dB for peaks, so that the limiter rests in ordinary speech.

   The first words of a speaker find the gain far from where it belongs: it moves fast while little
   has been heard, so that a quiet voice is there within a second, and slowly from then on. Noise
   that a detector takes for a quiet voice must not be lifted to the level of speech: the gain is
   held where the lowest level of the last seconds, which is that of pauses, would pass FLOOR_LUFS.

   The limiter sees what comes before it gives it, as far as its caller can show it: the gain is low
   before a peak comes, and climbs slowly behind it. */
#include "dsp/level.h"

#include <math.h>
#include <string.h>

#include "base/base.h"

#define SPEECH      0.9f /* surer than for a segment: noise that is taken for speech would be lifted */
#define MEMORY_HOPS 300  /* of speech */
#define SETTLE_HOPS 20   /* of speech before the gain first moves */
#define FAST_HOPS   150  /* of speech in which it moves fast */
#define GATE        0.1  /* hops of less than this share of the mean are pauses in words */
#define SILENCE     1e-7 /* -70 LUFS: the absolute gate of R 128 */
#define MOST_DB     30.0f
#define LEAST_DB    (-24.0f)
#define FAST_DB     0.4f  /* per hop, either way */
#define RISE_DB     0.06f /* per hop */
#define FALL_DB     0.15f
#define FLOOR_LUFS  (-40.0)
#define FLOOR_RISE  1.0139  /* of the lowest level per hop: 6 dB/s */
#define FLOOR_HOPS  0.2     /* weight of a hop in what it is the lowest of */
#define NONSENSE    0x1p40f /* as sanitize() has it */
#define FULL_S      0.002   /* in which the limiter's gain can fall from 1 to 0 before a peak */
#define HOLD_S      0.01    /* that it stays behind it: longer than between two of a low voice */
#define RELEASE_S   0.2     /* in which it climbs again from 0 to 1 */

/* Both filters of the weighting, as the recommendation has them at 48 kHz, by their analogue parameters. */
static void find_numbers(double rate_hz, struct vs__biquad_numbers *ret)
{
    const double pi = 3.14159265358979323846;
    const double shelf_hz = 1681.974450955533, shelf_q = 0.7071752369554196;
    const double high = pow(10, 3.999843853973347 / 20), middle = pow(high, 0.4996667741545416);
    const double pass_hz = 38.13547087602444, pass_q = 0.5003270373238773;
    double k = tan(pi * shelf_hz / rate_hz), scale = 1 / (1 + k / shelf_q + k * k);

    ret[0] = (struct vs__biquad_numbers){.b0 = (high + middle * k / shelf_q + k * k) * scale,
                                         .b1 = 2 * (k * k - high) * scale,
                                         .b2 = (high - middle * k / shelf_q + k * k) * scale,
                                         .a1 = 2 * (k * k - 1) * scale,
                                         .a2 = (1 - k / shelf_q + k * k) * scale};
    k = tan(pi * pass_hz / rate_hz);
    scale = 1 / (1 + k / pass_q + k * k);
    ret[1] = (struct vs__biquad_numbers){.b0 = 1,
                                         .b1 = -2,
                                         .b2 = 1,
                                         .a1 = 2 * (k * k - 1) * scale,
                                         .a2 = (1 - k / pass_q + k * k) * scale};
}

void vs__weighting_init(struct vs__weighting *w, double rate_hz)
{
    struct vs__biquad_numbers n[2];

    memset(w, 0, sizeof(*w));
    find_numbers(rate_hz, n);
    for (int s = 0; s < 2; s++) {
        w->b[s][0] = n[s].b0;
        w->b[s][1] = n[s].b1;
        w->b[s][2] = n[s].b2;
        w->a[s][0] = n[s].a1;
        w->a[s][1] = n[s].a2;
    }
}

/* What rings on in silence must not become a denormal, which some processors are slow with. */
static double settle(double z)
{
    return fabs(z) < 1e-100 ? 0 : z;
}

double vs__weighting_energy(struct vs__weighting *w, const float *x, size_t n, size_t stride)
{
    double sum = 0, z00 = w->z[0][0], z01 = w->z[0][1], z10 = w->z[1][0], z11 = w->z[1][1];

    for (size_t i = 0; i < n; i++) {
        float sample = x[i * stride];
        double in = fabsf(sample) < NONSENSE ? (double)sample : 0;
        double y = w->b[0][0] * in + z00;
        z00 = w->b[0][1] * in - w->a[0][0] * y + z01;
        z01 = w->b[0][2] * in - w->a[0][1] * y;
        double out = y + z10;
        z10 = w->b[1][1] * y - w->a[1][0] * out + z11;
        z11 = y - w->a[1][1] * out;
        sum += out * out;
    }
    w->z[0][0] = settle(z00);
    w->z[0][1] = settle(z01);
    w->z[1][0] = settle(z10);
    w->z[1][1] = settle(z11);
    return sum;
}

double vs__loudness_of(double mean_square)
{
    return 10 * log10(mean_square + 1e-20) - 0.691;
}

void vs__level_init(struct vs__level *l)
{
    memset(l, 0, sizeof(*l));
    l->gain = 1;
}

/* Most that the gain may be, dB, for what pauses hold not to pass FLOOR_LUFS. */
static float find_most(struct vs__level *l, double energy)
{
    double now = energy / VS_HOP_FRAMES;

    l->smooth = !l->began ? now : l->smooth + FLOOR_HOPS * (now - l->smooth);
    l->floor = !l->began ? now : VS__MIN(l->smooth, VS__MAX(l->floor, SILENCE) * FLOOR_RISE);
    l->began = true;
    double room = FLOOR_LUFS - vs__loudness_of(VS__MAX(l->floor, SILENCE));
    return (float)VS__MAX(VS__MIN(room, (double)MOST_DB), 0.0);
}

/* Where the gain shall be at the end of this hop, dB. */
static float find_gain(struct vs__level *l, double energy, float probability)
{
    float most = find_most(l, energy),
          fall = VS__MAX(VS__MIN(l->gain_db, most), l->gain_db - FALL_DB);
    double now = 0;

    /* The sum is made anew each time: a running one would drift, and depend on the past. */
    l->block[l->at] = energy;
    l->at = (l->at + 1) % VS__LEVEL_BLOCK;
    l->filled = VS__MIN(l->filled + 1, (uint32_t)VS__LEVEL_BLOCK);
    for (size_t i = 0; i < VS__LEVEL_BLOCK; i++)
        now += l->block[i];
    now /= (double)l->filled * VS_HOP_FRAMES;
    if (probability < SPEECH || now < SILENCE || now < GATE * l->mean)
        return fall;
    l->weight = VS__MIN(l->weight + 1, MEMORY_HOPS);
    l->mean += (now - l->mean) / l->weight;
    if (l->weight < SETTLE_HOPS)
        return fall;
    bool fast = l->weight < FAST_HOPS;
    float want = (float)(VS__LEVEL_TARGET_LUFS - vs__loudness_of(l->mean));
    want = VS__MAX(VS__MIN(want, most), LEAST_DB);
    return VS__MAX(VS__MIN(want, l->gain_db + (fast ? FAST_DB : RISE_DB)),
                   l->gain_db - (fast ? FAST_DB : FALL_DB));
}

float vs__level_gain(struct vs__level *l, double energy, float probability)
{
    float db = find_gain(l, energy, probability);

    if (db != l->gain_db) {
        l->gain_db = db;
        l->gain = powf(10, db / 20);
    }
    return l->gain;
}

void vs__limiter_init(struct vs__limiter *l, uint32_t rate_hz)
{
    l->gain = 1;
    l->held = 0;
    l->hold = (uint32_t)(HOLD_S * rate_hz);
    l->attack = (float)(1 / (FULL_S * rate_hz));
    l->release = (float)(1 / (RELEASE_S * rate_hz));
}

uint32_t vs__limiter_ahead(uint32_t rate_hz)
{
    return (uint32_t)(FULL_S * rate_hz) + 1;
}

/* Largest sample of a frame. */
static float find_size(const float *frame, size_t channels)
{
    float most = 0;

    for (size_t c = 0; c < channels; c++)
        most = VS__MAX(most, fabsf(frame[c]));
    return most;
}

/* Written so that compilers make vectors of it: most blocks are not. */
static bool is_over(const float *x, size_t n)
{
    int over = 0;

    for (size_t i = 0; i < n; i++)
        over |= !(fabsf(x[i]) <= VS__LEVEL_CEILING);
    return over;
}

/* One frame on. */
static void move_gain(struct vs__limiter *l, float allowed)
{
    if (allowed <= l->gain)
        l->held = allowed < 1 ? l->hold : 0;
    else if (l->held > 0)
        l->held--;
    else
        l->gain = VS__MIN(l->gain + l->release, 1.0f);
    l->gain = VS__MIN(l->gain, allowed);
}

float vs__limiter_block(struct vs__limiter *l, float *x, size_t channels, size_t frames,
                        size_t ahead)
{
    float allowed[VS__LIMITER_MOST], next = 1, least = 1;

    if (l->gain >= 1 && !is_over(x, (frames + ahead) * channels))
        return 1;
    for (size_t i = 0; i < frames + ahead; i++) {
        float size = find_size(x + i * channels, channels);
        allowed[i] = size > VS__LEVEL_CEILING ? VS__LEVEL_CEILING / size : 1;
    }
    for (size_t i = frames + ahead; i-- > 0;) {
        next = VS__MIN(allowed[i], next + l->attack);
        allowed[i] = next;
    }
    for (size_t i = 0; i < frames; i++) {
        move_gain(l, allowed[i]);
        least = VS__MIN(least, l->gain);
        for (size_t c = 0; c < channels; c++) {
            float y = x[i * channels + c] * l->gain; /* rounding may lift it over by one step */
            x[i * channels + c] = VS__MAX(VS__MIN(y, VS__LEVEL_CEILING), -VS__LEVEL_CEILING);
        }
    }
    return least;
}

void vs__leveller_init(struct vs__leveller *l, const struct vs__dsp *dsp)
{
    struct vs__biquad_numbers n[2];

    find_numbers(VS_RATE_HZ, n);
    for (int s = 0; s < 2; s++)
        vs__biquad_init(&l->section[s], &n[s]);
    l->dsp = dsp;
    vs__leveller_reset(l);
}

void vs__leveller_reset(struct vs__leveller *l)
{
    vs__biquads_init(&l->weighting, l->section, 2);
    vs__level_init(&l->level);
    vs__limiter_init(&l->limiter, VS_RATE_HZ);
}

/* Sum of the squares of a hop, weighted. Four sums, so that none waits, on every level the same. */
static double find_energy(struct vs__leveller *l, const float *pcm)
{
    float y[VS_HOP_FRAMES];
    double sum[4] = {0};

    memcpy(y, pcm, sizeof(y));
    l->dsp->biquads(&l->weighting, y, VS_HOP_FRAMES);
    for (size_t i = 0; i < VS_HOP_FRAMES; i += 4)
        for (size_t k = 0; k < 4; k++)
            sum[k] += (double)y[i + k] * (double)y[i + k];
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

void vs__leveller_hop(struct vs__leveller *l, float *pcm, float probability)
{
    double energy = find_energy(l, pcm);
    float from = l->level.gain, to = vs__level_gain(&l->level, energy, probability);

    l->dsp->gain(pcm, VS_HOP_FRAMES, from, (to - from) / VS_HOP_FRAMES);
    vs__limiter_block(&l->limiter, pcm, 1, VS_HOP_FRAMES, 0);
}
