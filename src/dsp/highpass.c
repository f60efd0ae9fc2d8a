/* SPDX-License-Identifier: MIT */
/* High-pass: the analogue Butterworth prototype 1 / (s^2 + sqrt(2) s + 1), low and high exchanged,
   by the bilinear transform with the cutoff prewarped. */
#include <math.h>

#include "dsp/dsp.h"

void vs__highpass_init(struct vs__highpass *h, double rate_hz, double cutoff_hz)
{
    const double pi = 3.14159265358979323846, root2 = 1.41421356237309504880;
    double k = tan(pi * cutoff_hz / rate_hz);
    double scale = 1 / (1 + root2 * k + k * k);
    h->b0 = scale;
    h->b1 = -2 * scale;
    h->b2 = scale;
    h->a1 = 2 * (k * k - 1) * scale;
    h->a2 = (1 - root2 * k + k * k) * scale;
    vs__highpass_reset(h);
}

void vs__highpass_reset(struct vs__highpass *h)
{
    h->z1 = h->z2 = 0;
}

void vs__highpass_process(struct vs__highpass *h, float *x, size_t n)
{
    double z1 = h->z1, z2 = h->z2;
    const double b0 = h->b0, b1 = h->b1, b2 = h->b2, a1 = h->a1, a2 = h->a2;
    for (size_t i = 0; i < n; i++) {
        double in = (double)x[i];
        double out = b0 * in + z1;
        z1 = (b1 * in + z2) - a1 * out;
        z2 = b2 * in - a2 * out;
        x[i] = (float)out;
    }
    h->z1 = z1;
    h->z2 = z2;
}
