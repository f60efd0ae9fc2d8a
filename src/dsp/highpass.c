/* SPDX-License-Identifier: MIT */
/* High-pass: the analogue Butterworth prototype 1 / (s^2 + sqrt(2) s + 1), low and high exchanged,
   by the bilinear transform with the cutoff prewarped. */
#include <math.h>

#include "base/base.h"
#include "dsp/dsp.h"

/* The responses of the cutoff that was asked for first, which is mostly the only one: a hop of many streams
   then touches one copy of them. Under the global lock until it is made, then constant. */
static struct {
    double rate_hz, cutoff_hz; /* 0 = not made */
    struct vs__biquad section;
} usual;

static const struct vs__biquad *share(struct vs__highpass *h,
                                      const struct vs__biquad_numbers *numbers, double rate_hz,
                                      double cutoff_hz)
{
    vs__global_lock();
    if (usual.rate_hz == 0) {
        vs__biquad_init(&usual.section, numbers);
        usual.rate_hz = rate_hz;
        usual.cutoff_hz = cutoff_hz;
    }
    bool same = usual.rate_hz == rate_hz && usual.cutoff_hz == cutoff_hz;
    vs__global_unlock();
    if (same)
        return &usual.section;
    vs__biquad_init(&h->own, numbers);
    return &h->own;
}

void vs__highpass_init(struct vs__highpass *h, const struct vs__dsp *dsp, double rate_hz,
                       double cutoff_hz)
{
    const double pi = 3.14159265358979323846, root2 = 1.41421356237309504880;
    double k = tan(pi * cutoff_hz / rate_hz);
    double scale = 1 / (1 + root2 * k + k * k);
    const struct vs__biquad_numbers section = {
        .b0 = scale,
        .b1 = -2 * scale,
        .b2 = scale,
        .a1 = 2 * (k * k - 1) * scale,
        .a2 = (1 - root2 * k + k * k) * scale,
    };
    vs__biquads_init(&h->filter, share(h, &section, rate_hz, cutoff_hz), 1);
    h->run = dsp->biquads;
}

void vs__highpass_reset(struct vs__highpass *h)
{
    vs__biquads_reset(&h->filter);
}

void vs__highpass_process(struct vs__highpass *h, float *x, size_t n)
{
    h->run(&h->filter, x, n);
}
