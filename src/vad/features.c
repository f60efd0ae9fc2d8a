/* SPDX-License-Identifier: MIT */
/* Band levels over tracked floors, spectral shape, voicing and modulation of a hop. */
#include <math.h>
#include <string.h>

#include "base/base.h"
#include "vad/features.h"

#define BAND_LOW_HZ  80.0
#define BAND_HIGH_HZ 7600.0
#define LEVEL_EPS    1e-10f /* -100 dB: added to each band */
#define SILENT_POWER 1e-9f  /* mean square of what counts as digital silence, -90 dB */
#define SLOT_HOPS    25u
#define LAG_MIN      40u  /* 400 Hz */
#define LAG_MAX      228u /* 70 Hz */
#define VOICE_BINS   129u /* up to 4 kHz */

static const double pi = 3.14159265358979323846;

/* set up ------------------------------------------------------------------------------------ */

static double hz_to_mel(double hz)
{
    return 2595.0 * log10(1.0 + hz / 700.0);
}

/** Triangular bands, equally wide in mel, whose feet are their neighbours' tips. */
static void set_bands(struct vs__vad_features *f)
{
    double low = hz_to_mel(BAND_LOW_HZ);
    double step = (hz_to_mel(BAND_HIGH_HZ) - low) / (VS__VAD_BANDS + 1);

    for (size_t k = 0; k < VS__VAD_BINS; k++) {
        double x = (hz_to_mel((double)k * VS_RATE_HZ / VS__VAD_FFT) - low) / step;

        if (x < 0.0 || x >= VS__VAD_BANDS + 1)
            continue;
        f->band[k] = (uint8_t)(1 + (int)x);
        f->weight[k] = (float)(x - floor(x));
    }
}

/** Hann window, scaled so that a full-scale sine has a power of about 1 in its band. */
static void set_window(struct vs__vad_features *f)
{
    double zero = 0.0;

    for (size_t i = 0; i < VS__VAD_WINDOW; i++) {
        double w = 0.5 - 0.5 * cos(2.0 * pi * ((double)i + 0.5) / VS__VAD_WINDOW);

        f->window[i] = (float)(w * 4.0 / VS__VAD_WINDOW);
    }
    for (size_t lag = 0; lag < VS__COUNT(f->window_lag); lag++) {
        double sum = 0.0;

        for (size_t i = 0; i + lag < VS__VAD_WINDOW; i++)
            sum += (double)f->window[i] * (double)f->window[i + lag];
        if (lag == 0)
            zero = sum;
        f->window_lag[lag] = (float)(sum / zero);
    }
}

int vs__vad_features_init(struct vs__vad_features *f, unsigned cpu)
{
    vs__dsp_init(&f->dsp, cpu);
    set_bands(f);
    set_window(f);
    return vs__rfft_create(&f->dsp, VS__VAD_FFT, &f->fft);
}

void vs__vad_features_reset(struct vs__vad_features *f)
{
    memset(&f->past, 0, sizeof(f->past));
}

void vs__vad_features_fini(struct vs__vad_features *f)
{
    vs__rfft_destroy(f->fft);
    f->fft = NULL;
}

/* one hop ----------------------------------------------------------------------------------- */

static float clamp(float x, float low, float high)
{
    return x > low ? VS__MIN(x, high) : low; /* a NaN becomes `low` */
}

static void transform(struct vs__vad_features *f)
{
    f->dsp.multiply(f->in, f->past.audio, f->window, VS__VAD_WINDOW);
    memset(f->in + VS__VAD_WINDOW, 0, (VS__VAD_FFT - VS__VAD_WINDOW) * sizeof(f->in[0]));
    vs__rfft_forward(f->fft, f->in, f->spectrum);
    f->dsp.power(f->power, f->spectrum, VS__VAD_BINS);
}

/** Level of each band; @return that of all together. */
static float measure_bands(const struct vs__vad_features *f, float level[VS__VAD_BANDS])
{
    float sum[VS__VAD_BANDS + 2] = {0};
    float total = 0.0f;

    for (size_t k = 0; k < VS__VAD_BINS; k++) {
        uint8_t band = f->band[k];

        if (band == 0)
            continue;
        sum[band] += f->weight[k] * f->power[k];
        sum[band - 1] += (1.0f - f->weight[k]) * f->power[k];
    }
    for (size_t b = 0; b < VS__VAD_BANDS; b++) {
        level[b] = clamp(log10f(sum[b + 1] + LEVEL_EPS), -10.0f, 6.0f);
        total += sum[b + 1];
    }
    return clamp(log10f(total + LEVEL_EPS), -10.0f, 6.0f);
}

/** The lowest smoothed levels of the last two seconds. */
static void track_floors(struct vs__vad_past *p, const float level[VS__VAD_BANDS])
{
    if (p->hops == SLOT_HOPS) {
        p->slot = (p->slot + 1) % VS__VAD_SLOTS;
        p->hops = 0;
    }
    for (size_t b = 0; b < VS__VAD_BANDS; b++) {
        float lowest;

        p->smooth[b] = p->started ? p->smooth[b] + 0.3f * (level[b] - p->smooth[b]) : level[b];
        if (!p->started)
            for (size_t i = 0; i < VS__VAD_SLOTS; i++)
                p->lowest[i][b] = level[b];
        if (p->hops == 0 || p->smooth[b] < p->lowest[p->slot][b])
            p->lowest[p->slot][b] = p->smooth[b];
        lowest = p->lowest[0][b];
        for (size_t i = 1; i < VS__VAD_SLOTS; i++)
            lowest = VS__MIN(lowest, p->lowest[i][b]);
        p->floor[b] = lowest;
    }
    p->hops++;
}

/** Voicing: the highest peak of the autocorrelation of the spectrum's square root below 4 kHz,
    which whitens, over that of the window. @return 0..1, and log2 of the period in frames */
static float measure_voicing(struct vs__vad_features *f, float *ret_lag)
{
    float best = 0.0f, scale;
    size_t best_lag = LAG_MIN;

    memset(f->in, 0, sizeof(f->in));
    for (size_t k = 3; k < VOICE_BINS; k++)
        f->in[k] = f->in[VS__VAD_FFT - k] = sqrtf(f->power[k]);
    vs__rfft_forward(f->fft, f->in, f->spectrum);
    scale = f->spectrum[0] > 0.0f ? 1.0f / f->spectrum[0] : 0.0f;
    for (size_t lag = LAG_MIN; lag <= LAG_MAX; lag++) {
        float r = f->spectrum[2 * lag] * scale / f->window_lag[lag];

        if (r > best && f->spectrum[2 * lag] >= f->spectrum[2 * lag - 2] &&
            f->spectrum[2 * lag] >= f->spectrum[2 * lag + 2]) {
            best = r;
            best_lag = lag;
        }
    }
    *ret_lag = log2f((float)best_lag);
    return clamp(best, 0.0f, 2.0f);
}

/** 0 = all power in one bin, towards 1 = white, from 300 to 4000 Hz. */
static float measure_entropy(const struct vs__vad_features *f)
{
    float sum = 1e-20f, entropy = 0.0f;

    for (size_t k = 10; k < VOICE_BINS; k++)
        sum += f->power[k];
    for (size_t k = 10; k < VOICE_BINS; k++) {
        float share = f->power[k] / sum;

        if (share > 1e-6f)
            entropy -= share * log2f(share);
    }
    return entropy / 6.9f;
}

/** How much the level swings at the rate of syllables. */
static float track_modulation(struct vs__vad_past *p, float total)
{
    float swing;

    if (!p->started)
        p->fast = p->slow = p->peak = p->recent = total;
    p->fast += 0.25f * (total - p->fast);
    p->slow += 0.03f * (total - p->slow);
    swing = p->fast - p->slow;
    p->modulation += 0.02f * (swing * swing - p->modulation);
    p->peak = VS__MAX(p->peak - 0.003f, p->fast);
    p->recent = VS__MAX(p->recent - 0.01f, total);
    p->drop = p->recent - total;
    return sqrtf(p->modulation);
}

static void fill_scalars(struct vs__vad_features *f, const float level[VS__VAD_BANDS], float total,
                         float *ret)
{
    struct vs__vad_past *p = &f->past;
    float flux = 0.0f, floor = 0.0f, lag = 0.0f;

    for (size_t b = 0; b < VS__VAD_BANDS; b++) {
        flux += p->started ? fabsf(level[b] - p->before[b]) : 0.0f;
        floor += exp10f(p->floor[b]);
    }
    floor = log10f(floor + LEVEL_EPS);
    ret[0] = clamp(total - floor, 0.0f, 5.0f);
    ret[1] = track_modulation(p, total);
    ret[2] = clamp(p->fast - p->peak, -5.0f, 0.0f);
    ret[3] = 2.0f * measure_voicing(f, &lag);
    ret[4] = lag - 6.5f;
    ret[5] = VS__MIN(fabsf(lag - p->lag), 2.0f);
    ret[6] = 4.0f * measure_entropy(f) - 2.0f;
    ret[7] = clamp(flux / VS__VAD_BANDS * 2.0f, 0.0f, 5.0f);
    p->lag = lag;
    p->range = p->recent - floor;
}

static void fill_now(struct vs__vad_features *f, float now[VS__VAD_NOW])
{
    struct vs__vad_past *p = &f->past;
    float level[VS__VAD_BANDS];
    float total, mean = 0.0f;

    transform(f);
    total = measure_bands(f, level);
    track_floors(p, level);
    for (size_t b = 0; b < VS__VAD_BANDS; b++)
        mean += level[b] / VS__VAD_BANDS;
    for (size_t b = 0; b < VS__VAD_BANDS; b++) {
        now[b] = clamp(level[b] - p->floor[b], 0.0f, 5.0f);
        now[VS__VAD_BANDS + b] = clamp(level[b] - mean, -4.0f, 4.0f);
    }
    fill_scalars(f, level, total, now + 2 * VS__VAD_BANDS);
    memcpy(p->before, level, sizeof(level));
}

int vs__vad_features_push(struct vs__vad_features *f, const float *block, float *ret)
{
    static const float rate[VS__VAD_MEANS] = {0.25f, 0.07f, 0.018f};
    struct vs__vad_past *p = &f->past;
    float now[VS__VAD_NOW] = {0};
    bool heard;

    memmove(p->audio, p->audio + VS_HOP_FRAMES,
            (VS__VAD_WINDOW - VS_HOP_FRAMES) * sizeof(p->audio[0]));
    for (size_t i = 0; i < VS_HOP_FRAMES; i++) /* what is not finite or absurd cannot get in */
        p->audio[VS__VAD_WINDOW - VS_HOP_FRAMES + i] = fabsf(block[i]) <= 1e3f ? block[i] : 0.0f;
    heard = f->dsp.energy(p->audio, VS__VAD_WINDOW) > SILENT_POWER * VS__VAD_WINDOW;
    if (heard)
        fill_now(f, now);
    for (size_t m = 0; m < VS__VAD_MEANS; m++)
        for (size_t i = 0; i < VS__VAD_NOW; i++)
            p->means[m][i] += rate[m] * (now[i] - p->means[m][i]);
    if (heard)
        p->started = 1;
    memcpy(ret, now, sizeof(now));
    memcpy(ret + VS__VAD_NOW, p->means, sizeof(p->means));
    return heard;
}
