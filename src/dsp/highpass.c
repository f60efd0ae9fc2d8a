/* SPDX-License-Identifier: MIT */
/* High-pass: the analogue Butterworth prototype 1 / (s^2 + sqrt(2) s + 1), low and high exchanged,
   by the bilinear transform with the cutoff prewarped. */
#include <math.h>

#include "dsp/dsp.h"

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
    vs__biquads_init(&h->filter, &section, 1);
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
