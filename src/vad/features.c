/* SPDX-License-Identifier: MIT */
/* Band levels under the slow peak and over their floors. */
#include "vad/features.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/base.h"

#define BAND_LOW_HZ  60.0
#define BAND_HIGH_HZ 7600.0
#define LEVEL_EPS    1e-12f /* added to each band, so that there is a logarithm */
#define SILENT_POWER 3e-10f /* of all bands; a mean square of -100 dB: digital silence */
/* Both trackers move by a share of the way a hop: towards what is beyond them fast, else slowly, so
   that they hold over the length of turns (15 s and 5 s). */
#define PEAK_RISE  0.1f
#define PEAK_FALL  (1.0f / 1500.0f)
#define FLOOR_FALL 0.1f
#define FLOOR_RISE (1.0f / 500.0f)
/* Steps of a number: 12 nepers (52 dB) under the peak to 2 over it; 10 over the floor. */
#define PEAK_RANGE 12.0f
#define PEAK_STEP  9.0f
#define FLOOR_STEP 12.7f
#define LN_2       0.69314718f

/* What never changes: one of it serves all detectors of the process, whose own memory then stays so
   small that many of them fit into a cache. */
struct vs__vad_tables {
    struct vs__rfft *fft;
    float window[VS__VAD_WINDOW];
    float weight[VS__VAD_BINS]; /* the part of a bin that goes to the upper of its two bands */
    uint16_t first[VS__VAD_BANDS + 2]; /* bin from which on a band is the upper one */
};

static struct vs__vad_tables *shared; /* under the global lock; NULL while nobody uses it */
static unsigned users;

/* set up -------------------------------------------------------------------------------------- */

static double hz_to_mel(double hz)
{
    return 2595.0 * log10(1.0 + hz / 700.0);
}

/* Triangular bands, equally wide in mel, whose feet are their neighbours' tips. */
static void set_bands(struct vs__vad_tables *t)
{
    double low = hz_to_mel(BAND_LOW_HZ);
    double step = (hz_to_mel(BAND_HIGH_HZ) - low) / (VS__VAD_BANDS + 1);

    size_t band = 0;
    for (size_t k = 0; k < VS__VAD_BINS; k++) {
        double x = (hz_to_mel((double)k * VS_RATE_HZ / VS__VAD_WINDOW) - low) / step;

        t->weight[k] = (float)(x - floor(x));
        while (band < VS__COUNT(t->first) && x >= (double)band)
            t->first[band++] = (uint16_t)k;
    }
}

/* Hann, scaled so that a full-scale sine has a power of about 1 in its bin. */
static void set_window(struct vs__vad_tables *t)
{
    const double pi = 3.14159265358979323846;

    for (size_t i = 0; i < VS__VAD_WINDOW; i++) {
        double w = 0.5 - 0.5 * cos(2.0 * pi * ((double)i + 0.5) / VS__VAD_WINDOW);

        t->window[i] = (float)(w * 4.0 / VS__VAD_WINDOW);
    }
}

static int create_tables(struct vs__vad_tables **ret)
{
    struct vs__vad_tables *t = vs__alloc(sizeof(*t));

    if (!t)
        return -ENOMEM;
    int rc = vs__rfft_create_same(VS__VAD_WINDOW, &t->fft);
    if (rc < 0) {
        vs__free(t);
        return rc;
    }
    set_bands(t);
    set_window(t);
    *ret = t;
    return 0;
}

int vs__vad_features_init(struct vs__vad_features *f, unsigned cpu)
{
    int rc = 0;

    f->dsp = vs__dsp_share(cpu);
    vs__global_lock();
    if (!shared)
        rc = create_tables(&shared);
    if (rc == 0) {
        users++;
        f->tables = shared;
    }
    vs__global_unlock();
    return rc;
}

void vs__vad_features_reset(struct vs__vad_features *f)
{
    memset(&f->past, 0, sizeof(f->past));
}

void vs__vad_features_fini(struct vs__vad_features *f)
{
    if (!f->tables)
        return;
    f->tables = NULL;
    vs__global_lock();
    if (--users == 0) {
        vs__rfft_destroy(shared->fft);
        vs__free(shared);
        shared = NULL;
    }
    vs__global_unlock();
}

/* a hop --------------------------------------------------------------------------------------- */

/* Level of each band. @return whether there is anything to hear */
static bool measure_bands(const struct vs__vad_features *f, float level[VS__VAD_BANDS])
{
    const struct vs__vad_tables *t = f->tables;
    float frame[VS__VAD_WINDOW], spectrum[2 * VS__VAD_BINS], scratch[2 * VS__VAD_WINDOW];
    float power[VS__VAD_BINS], upper[VS__VAD_BINS];
    float rising[VS__VAD_BANDS + 1], falling[VS__VAD_BANDS + 1], all = 0.0f;

    size_t end = VS__VAD_WINDOW - f->past.oldest; /* of the ring, from there */
    f->dsp->multiply(frame, f->past.audio + f->past.oldest, t->window, end);
    f->dsp->multiply(frame + end, f->past.audio, t->window + end, f->past.oldest);
    vs__rfft_forward_apart(f->dsp, t->fft, scratch, frame, spectrum);
    /* here, since the kernel's levels may differ in the last place */
    for (size_t k = 0; k < VS__VAD_BINS; k++)
        power[k] = spectrum[2 * k] * spectrum[2 * k] + spectrum[2 * k + 1] * spectrum[2 * k + 1];
    f->dsp->multiply(upper, power, t->weight, VS__VAD_BINS);
    for (size_t b = 0; b <= VS__VAD_BANDS; b++) {
        float high = 0.0f, total = 0.0f;

        for (size_t k = t->first[b]; k < t->first[b + 1]; k++) {
            high += upper[k];
            total += power[k];
        }
        rising[b] = high;
        falling[b] = total - high;
        all += total;
    }
    for (size_t b = 0; b < VS__VAD_BANDS; b++)
        rising[b] = rising[b] + falling[b + 1] + LEVEL_EPS;
    f->dsp->log2_near(level, rising, VS__VAD_BANDS);
    for (size_t b = 0; b < VS__VAD_BANDS; b++)
        level[b] *= LN_2;
    return all >= SILENT_POWER;
}

static void track(struct vs__vad_past *p, const float level[VS__VAD_BANDS])
{
    float loudest = level[0];

    for (size_t b = 1; b < VS__VAD_BANDS; b++)
        loudest = VS__MAX(loudest, level[b]);
    if (!p->started) {
        p->peak = loudest;
        memcpy(p->floor, level, sizeof(p->floor));
        p->started = 1;
    }
    p->peak += (loudest > p->peak ? PEAK_RISE : PEAK_FALL) * (loudest - p->peak);
    for (size_t b = 0; b < VS__VAD_BANDS; b++)
        p->floor[b] +=
            (level[b] < p->floor[b] ? FLOOR_FALL : FLOOR_RISE) * (level[b] - p->floor[b]);
}

/* In place of the oldest. What is not finite or absurd cannot get in. */
static void take_hop(struct vs__vad_past *p, const float *block)
{
    for (size_t done = 0; done < VS_HOP_FRAMES;) {
        size_t n = VS__MIN(VS_HOP_FRAMES - done, VS__VAD_WINDOW - (size_t)p->oldest);
        float *to = p->audio + p->oldest;

        for (size_t i = 0; i < n; i++)
            to[i] = fabsf(block[done + i]) <= 1e3f ? block[done + i] : 0.0f;
        done += n;
        p->oldest = (p->oldest + (uint32_t)n) % VS__VAD_WINDOW;
    }
}

int vs__vad_features_push(struct vs__vad_features *f, const float *block, uint8_t *ret)
{
    struct vs__vad_past *p = &f->past;
    float level[VS__VAD_BANDS], steps[VS__VAD_FEATURES];

    take_hop(p, block);
    memset(ret, 0, VS__VAD_FEATURES);
    if (!measure_bands(f, level))
        return 0; /* the trackers wait: nothing was heard */
    track(p, level);
    for (size_t b = 0; b < VS__VAD_BANDS; b++) {
        steps[b] = (level[b] - p->peak + PEAK_RANGE) * PEAK_STEP;
        steps[VS__VAD_BANDS + b] = (level[b] - p->floor[b]) * FLOOR_STEP;
    }
    f->dsp->f32_to_u7(ret, steps, VS__VAD_FEATURES, 1.0f, 0.0f);
    return 1;
}
