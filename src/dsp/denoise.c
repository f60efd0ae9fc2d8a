/* SPDX-License-Identifier: MIT */
/* The frame of the suppressor: windows, transform, slots of the minimum, overlap. The analysis
   window is long before and short behind (32 ms for resolution, its last 10 ms falling), the
   synthesis window covers its last 20 ms so that both together are a Hann window: hops add up to
   the input exactly, one hop late. */
#include "dsp/denoise.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/base.h"
#include "dsp/suppress.h"

#define HOP    VS_HOP_FRAMES
#define WINDOW 512
#define BINS   VS__SUPPRESS_BINS
#define PADDED VS__SUPPRESS_PADDED
/* The minimum is that of SLOTS slots of SLOT_HOPS and the current one: 2.4 to 2.7 s. */
#define SLOTS     8
#define SLOT_HOPS 30
/* The first hops are taken for noise; the window is full from the fourth on. */
#define FIRST_HOPS 12
#define FULL_HOPS  4

_Static_assert(VS__DENOISE_DELAY == HOP, "the synthesis window is two hops long");
_Static_assert(BINS == WINDOW / 2 + 1, "the bins are those of the transform");

/* What of it is cleared by a reset. */
struct past {
    float audio[WINDOW];
    float tail[HOP];
    struct vs__suppress bins;
    float slots[SLOTS][PADDED];
    uint32_t first, in_slot, slot;
};

struct vs__denoise {
    struct vs__dsp dsp;
    struct vs__rfft *fft;
    void (*suppress)(struct vs__suppress *s, const float *power, float *gain);
    struct past past;
    float analysis[WINDOW];
    float synthesis[2 * HOP];
    float frame[WINDOW];
    float spectrum[2 * PADDED];
    float power[PADDED];
    float gain[PADDED];
};

static void set_windows(struct vs__denoise *d)
{
    const double pi = 3.14159265358979323846;
    const size_t rise = WINDOW - HOP;

    for (size_t i = 0; i < rise; i++)
        d->analysis[i] = (float)sin(pi * ((double)i + 0.5) / (double)(2 * rise));
    for (size_t i = 0; i < HOP; i++)
        d->analysis[rise + i] = (float)cos(pi * ((double)i + 0.5) / (2 * HOP));
    for (size_t i = 0; i < 2 * HOP; i++) {
        double root = sin(pi * ((double)i + 0.5) / (2 * HOP));
        double scale = 2.0 / WINDOW; /* of the transform there and back */
        d->synthesis[i] = (float)(root * root * scale / (double)d->analysis[WINDOW - 2 * HOP + i]);
    }
}

/* While the first hops come: their mean is the noise and the minimum. */
static void begin_noise(struct past *p, const float *power)
{
    struct vs__suppress *b = &p->bins;
    float weight = p->first < FULL_HOPS ? 1.0f : 1.0f / (float)(p->first - FULL_HOPS + 2);

    for (size_t k = 0; k < PADDED; k++) {
        float n = b->noise[k] + weight * (power[k] + 1e-12f - b->noise[k]);
        b->noise[k] = b->smooth[k] = b->low[k] = b->lowest[k] = n;
    }
    for (size_t s = 0; s < SLOTS; s++)
        memcpy(p->slots[s], b->noise, sizeof(b->noise));
    p->first++;
}

/* A slot is over: the oldest is forgotten. */
static void turn_slot(struct past *p)
{
    struct vs__suppress *b = &p->bins;

    p->in_slot = 0;
    memcpy(p->slots[p->slot], b->low, sizeof(b->low));
    p->slot = (p->slot + 1) % SLOTS;
    memcpy(b->lowest, p->slots[0], sizeof(b->lowest));
    for (size_t s = 1; s < SLOTS; s++)
        for (size_t k = 0; k < PADDED; k++)
            b->lowest[k] = p->slots[s][k] < b->lowest[k] ? p->slots[s][k] : b->lowest[k];
    memcpy(b->low, b->smooth, sizeof(b->low));
}

void vs__denoise_hop(struct vs__denoise *d, const float *in, float *out)
{
    struct past *p = &d->past;

    memmove(p->audio, p->audio + HOP, (WINDOW - HOP) * sizeof(float));
    memcpy(p->audio + WINDOW - HOP, in, HOP * sizeof(float));
    d->dsp.multiply(d->frame, p->audio, d->analysis, WINDOW);
    vs__rfft_forward(d->fft, d->frame, d->spectrum);
    d->dsp.power(d->power, d->spectrum, BINS);
    if (p->first < FIRST_HOPS)
        begin_noise(p, d->power);
    d->suppress(&p->bins, d->power, d->gain);
    if (++p->in_slot == SLOT_HOPS)
        turn_slot(p);
    for (size_t k = 0; k < BINS; k++) {
        d->spectrum[2 * k] *= d->gain[k];
        d->spectrum[2 * k + 1] *= d->gain[k];
    }
    vs__rfft_inverse(d->fft, d->spectrum, d->frame);
    const float *made = d->frame + WINDOW - 2 * HOP;
    for (size_t i = 0; i < HOP; i++) {
        out[i] = p->tail[i] + made[i] * d->synthesis[i];
        p->tail[i] = made[HOP + i] * d->synthesis[HOP + i];
    }
}

float vs__denoise_share(const struct vs__denoise *d, float from_hz, float to_hz)
{
    const float bin_hz = (float)VS_RATE_HZ / WINDOW;
    size_t first = (size_t)(from_hz / bin_hz), last = (size_t)(to_hz / bin_hz);
    float all = 1e-20f, kept = 1e-20f;

    for (size_t k = first; k <= last && k < BINS; k++) {
        all += d->power[k];
        kept += d->power[k] * d->gain[k] * d->gain[k];
    }
    return sqrtf(VS__MIN(kept / all, 1.0f));
}

void vs__denoise_reset(struct vs__denoise *d)
{
    memset(&d->past, 0, sizeof(d->past));
}

int vs__denoise_create(const struct vs__dsp *dsp, struct vs__denoise **ret)
{
    struct vs__denoise *d = vs__alloc(sizeof(*d));

    if (!d)
        return -ENOMEM;
    d->dsp = *dsp;
    d->suppress = vs__suppress_c;
#ifdef VS__HAVE_AVX2
    if (dsp->flags & VS_CPU_AVX2)
        d->suppress = vs__suppress_avx2;
#endif
#ifdef VS__HAVE_AVX512
    if (dsp->flags & VS_CPU_AVX512)
        d->suppress = vs__suppress_avx512;
#endif
#ifdef VS__HAVE_NEON
    if (dsp->flags & VS_CPU_NEON)
        d->suppress = vs__suppress_neon;
#endif
    int rc = vs__rfft_create(dsp, WINDOW, &d->fft);
    if (rc < 0) {
        vs__free(d);
        return rc;
    }
    set_windows(d);
    vs__denoise_reset(d);
    *ret = d;
    return 0;
}

void vs__denoise_destroy(struct vs__denoise *d)
{
    if (!d)
        return;
    vs__rfft_destroy(d->fft);
    vs__free(d);
}
