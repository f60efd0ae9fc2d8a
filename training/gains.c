/* SPDX-License-Identifier: MIT */
/* Lets the fit compute what the suppressor's gain is made of with the suppressor's own code. */
#include <stdlib.h>
#include <string.h>

#define VS__LEVEL fit
#include "dsp/suppress.c" /* its static functions are what is wanted */

#include "voicestand/base.h"

VS_API int measure_hops(const float *power, size_t hops, float *ratios, float *bands);

/** `power` of hops by PADDED in; RATIOS by CHANNELS and 4 by BANDS floats a hop out.
    @return 0, -1 without memory */
int measure_hops(const float *power, size_t hops, float *ratios, float *bands)
{
    struct vs__suppress *s = calloc(1, sizeof(*s));

    if (!s)
        return -1;
    for (size_t t = 0; t < hops; t++) {
        measure(s, power + t * VS__SUPPRESS_PADDED);
        memcpy(ratios + t * sizeof(s->ratio) / sizeof(float), s->ratio, sizeof(s->ratio));
        memcpy(bands + t * sizeof(s->band) / sizeof(float), s->band, sizeof(s->band));
    }
    free(s);
    return 0;
}
