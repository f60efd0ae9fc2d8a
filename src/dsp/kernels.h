/* SPDX-License-Identifier: MIT */
/* Prototypes of every kernel at every level, made from VS__KERNELS. */
#ifndef VS_SRC_DSP_KERNELS_H
#define VS_SRC_DSP_KERNELS_H

#include "dsp/dsp.h"

/* Magnitudes from here on (2^40, +240 dB) are nonsense that would overflow further on. */
#define VS__NONSENSE_EXPONENT (127 + 40)

/* The window after `x` and its phase. */
static inline const float *vs__walk_on(const struct vs__walk *walk, const float *x, size_t *phase)
{
    *phase += walk->rest;
    if (*phase < walk->phases)
        return x + walk->whole;
    *phase -= walk->phases;
    return x + walk->whole + 1;
}

#define X(type, name, arguments) type vs__##name##_c arguments;
VS__KERNELS(X)
#undef X

#ifdef VS__HAVE_AVX2
#define X(type, name, arguments) type vs__##name##_avx2 arguments;
VS__KERNELS(X)
#undef X
#endif

#ifdef VS__HAVE_AVX512
#define X(type, name, arguments) type vs__##name##_avx512 arguments;
VS__KERNELS(X)
#undef X
#endif

#ifdef VS__HAVE_NEON
#define X(type, name, arguments) type vs__##name##_neon arguments;
VS__KERNELS(X)
#undef X
#endif

#ifdef VS__HAVE_AVX2_VNNI
#define X(type, name, arguments) type vs__##name##_avx2_vnni arguments;
VS__KERNELS_DOT8(X)
#undef X
#endif

#ifdef VS__HAVE_AVX512_VNNI
#define X(type, name, arguments) type vs__##name##_avx512_vnni arguments;
VS__KERNELS_DOT8(X)
#undef X
#endif

#ifdef VS__HAVE_NEON_DOT
#define X(type, name, arguments) type vs__##name##_neon_dot arguments;
VS__KERNELS_DOT8(X)
#undef X
#endif

#endif
