/* SPDX-License-Identifier: MIT */
/* The target is that of EBU R 128: any meter shows it, it lies 3 dB over the mean level of speech
   in telephony, and it leaves 22 dB for peaks, so that the limiter rests in ordinary speech.

   The limiter sees the whole hop before it gives the first frame of it: the gain is low before a
   peak comes, as far back as the hop reaches, and climbs slowly behind it. */
#include "dsp/level.h"

#include <math.h>
#include <string.h>

#include "base/base.h"

#define SPEECH      0.5f
#define MEMORY_HOPS 300  /* of speech */
#define SETTLE_HOPS 30   /* of speech before the gain first moves */
#define GATE        0.1  /* hops of less than this share of the mean are pauses in words */
#define SILENCE     1e-7 /* -70 LUFS: the absolute gate of R 128 */
#define MOST_DB     18.0f
#define LEAST_DB    -18.0f
#define RISE_DB     0.06f /* per hop */
#define FALL_DB     0.15f
#define ATTACK      0.03125f /* of the limiter's gain per frame, before a peak */
#define RELEASE     0.0003f  /* and behind it: 0.2 s for all of it */

void vs__weighting_init(struct vs__weighting *w, double rate_hz)
{
    const double pi = 3.14159265358979323846;
    /* Both filters as the recommendation has them at 48 kHz, by their analogue parameters. */
    const double shelf_hz = 1681.974450955533, shelf_q = 0.7071752369554196;
    const double high = pow(10, 3.999843853973347 / 20), middle = pow(high, 0.4996667741545416);
    const double pass_hz = 38.13547087602444, pass_q = 0.5003270373238773;
    double k = tan(pi * shelf_hz / rate_hz), scale = 1 / (1 + k / shelf_q + k * k);

    memset(w, 0, sizeof(*w));
    w->b[0][0] = (high + middle * k / shelf_q + k * k) * scale;
    w->b[0][1] = 2 * (k * k - high) * scale;
    w->b[0][2] = (high - middle * k / shelf_q + k * k) * scale;
    w->a[0][0] = 2 * (k * k - 1) * scale;
    w->a[0][1] = (1 - k / shelf_q + k * k) * scale;
    k = tan(pi * pass_hz / rate_hz);
    scale = 1 / (1 + k / pass_q + k * k);
    w->b[1][0] = 1;
    w->b[1][1] = -2;
    w->b[1][2] = 1;
    w->a[1][0] = 2 * (k * k - 1) * scale;
    w->a[1][1] = (1 - k / pass_q + k * k) * scale;
}

double vs__weighting_energy(struct vs__weighting *w, const float *x, size_t n)
{
    double sum = 0, z00 = w->z[0][0], z01 = w->z[0][1], z10 = w->z[1][0], z11 = w->z[1][1];

    for (size_t i = 0; i < n; i++) {
        double in = (double)x[i];
        double y = w->b[0][0] * in + z00;
        z00 = w->b[0][1] * in - w->a[0][0] * y + z01;
        z01 = w->b[0][2] * in - w->a[0][1] * y;
        double out = y + z10;
        z10 = w->b[1][1] * y - w->a[1][0] * out + z11;
        z11 = y - w->a[1][1] * out;
        sum += out * out;
    }
    w->z[0][0] = z00;
    w->z[0][1] = z01;
    w->z[1][0] = z10;
    w->z[1][1] = z11;
    return sum;
}

double vs__loudness_of(double mean_square)
{
    return 10 * log10(mean_square + 1e-20) - 0.691;
}

void vs__level_init(struct vs__level *l)
{
    memset(l, 0, sizeof(*l));
    vs__weighting_init(&l->weighting, VS_RATE_HZ);
    l->gain = l->limit = 1;
}

/* Where the gain shall be at the end of this hop, dB. */
static float find_gain(struct vs__level *l, double energy, float probability)
{
    double now = 0;

    /* The sum is made anew each time: a running one would drift, and depend on the past. */
    l->block[l->at] = energy;
    l->at = (l->at + 1) % VS__LEVEL_BLOCK;
    l->filled = VS__MIN(l->filled + 1, (uint32_t)VS__LEVEL_BLOCK);
    for (size_t i = 0; i < VS__LEVEL_BLOCK; i++)
        now += l->block[i];
    now /= (double)l->filled * VS_HOP_FRAMES;
    if (probability < SPEECH || now < SILENCE || now < GATE * l->mean)
        return l->gain_db;
    l->weight = VS__MIN(l->weight + 1, MEMORY_HOPS);
    l->mean += (now - l->mean) / l->weight;
    if (l->weight < SETTLE_HOPS)
        return l->gain_db;
    float want = (float)(VS__LEVEL_TARGET_LUFS - vs__loudness_of(l->mean));
    want = VS__MAX(VS__MIN(want, MOST_DB), LEAST_DB);
    return VS__MAX(VS__MIN(want, l->gain_db + RISE_DB), l->gain_db - FALL_DB);
}

/* Keep a hop under the ceiling. */
static void limit_hop(struct vs__level *l, float *pcm)
{
    float allowed[VS_HOP_FRAMES], next = 1, gain = l->limit;
    bool quiet = gain >= 1;

    for (size_t i = 0; i < VS_HOP_FRAMES; i++) {
        float size = fabsf(pcm[i]);
        allowed[i] = size > VS__LEVEL_CEILING ? VS__LEVEL_CEILING / size : 1;
        quiet = quiet && size <= VS__LEVEL_CEILING;
    }
    if (quiet)
        return;
    for (size_t i = VS_HOP_FRAMES; i-- > 0;) {
        next = VS__MIN(allowed[i], next + ATTACK);
        allowed[i] = next;
    }
    for (size_t i = 0; i < VS_HOP_FRAMES; i++) {
        gain = VS__MIN(VS__MIN(gain + RELEASE, allowed[i]), 1.0f);
        float x = pcm[i] * gain; /* rounding may lift it over by one step */
        pcm[i] = VS__MAX(VS__MIN(x, VS__LEVEL_CEILING), -VS__LEVEL_CEILING);
    }
    l->limit = gain;
}

void vs__level_hop(struct vs__level *l, float *pcm, float probability)
{
    double energy = vs__weighting_energy(&l->weighting, pcm, VS_HOP_FRAMES);
    float db = find_gain(l, energy, probability), from = l->gain;

    if (db != l->gain_db) {
        l->gain_db = db;
        l->gain = powf(10, db / 20);
    }
    float step = (l->gain - from) / VS_HOP_FRAMES;
    for (size_t i = 0; i < VS_HOP_FRAMES; i++)
        pcm[i] *= from + step * (float)(i + 1);
    limit_hop(l, pcm);
}
