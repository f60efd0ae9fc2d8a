/* SPDX-License-Identifier: MIT */
/* The frame of the suppressor: windows, transform, overlap. The analysis window is long before and
   short behind (32 ms for resolution, its last 10 ms falling), the synthesis window covers its last
   20 ms so that both together are a Hann window: hops add up to the input exactly, one hop late. */
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

_Static_assert(VS__DENOISE_DELAY == HOP, "the synthesis window is two hops long");
_Static_assert(BINS == WINDOW / 2 + 1, "the bins are those of the transform");

/* What of it is cleared by a reset. */
struct past {
    float audio[WINDOW];
    float tail[HOP];
    struct vs__suppress known;
};

struct vs__denoise {
    struct vs__dsp dsp;
    struct vs__rfft *fft;
    vs__suppress_fn *suppress;
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

void vs__denoise_hop(struct vs__denoise *d, const float *in, float *out)
{
    struct past *p = &d->past;

    memmove(p->audio, p->audio + HOP, (WINDOW - HOP) * sizeof(float));
    memcpy(p->audio + WINDOW - HOP, in, HOP * sizeof(float));
    d->dsp.multiply(d->frame, p->audio, d->analysis, WINDOW);
    vs__rfft_forward(d->fft, d->frame, d->spectrum);
    d->dsp.power(d->power, d->spectrum, BINS);
    d->suppress(&p->known, d->power, d->gain);
    d->dsp.complex_gain(d->spectrum, d->gain, BINS);
    vs__rfft_inverse(d->fft, d->spectrum, d->frame);
    const float *made = d->frame + WINDOW - 2 * HOP;
    d->dsp.multiply_add(out, made, d->synthesis, p->tail, HOP);
    d->dsp.multiply(p->tail, made + HOP, d->synthesis + HOP, HOP);
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
