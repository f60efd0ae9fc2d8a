/* SPDX-License-Identifier: MIT */
/* What the files of checkdsp share. All but the mutants is made from VS__KERNELS: a kernel without
   a check, a definition and a timing does not compile. */
#ifndef VS_TESTS_DSP_CHECKDSP_H
#define VS_TESTS_DSP_CHECKDSP_H

#include <stdbool.h>

#include "dsp/dsp.h"

enum fill {
    FILL_RANDOM,  /* full scale */
    FILL_HALVES,  /* halfway between 16-bit steps, and around full scale */
    FILL_SPECIAL, /* not finite, denormal, -0, huge */
    FILL_COUNT,
};

enum {
    N_MAX = 1031,
    CHANNELS_MAX = 32,
    PLACEMENTS = 5, /* at the end of the memory; 0, 1, 3, 5 elements after its start */
};

/** Memory with an inaccessible page before and after. */
struct arena {
    uint8_t *base;
    size_t bytes;
    uint8_t *used; /**< what place() gave out last */
    size_t used_bytes;
};

/** One case: what a check works on. */
struct rig {
    struct arena a, b, dst;
    size_t n;
    int placement;
    enum fill fill;
    uint32_t random;
    const struct vs__dsp *want; /**< the kernels to agree with */
    char reason[160];
};

/** Next of a fixed sequence of random numbers. */
uint32_t draw(struct rig *g);

/** `count` elements at the placement of this case; what lies around is watched. */
void *place(struct rig *g, struct arena *a, size_t count, size_t element);
/** The same, filled as the case says. */
float *place_floats(struct rig *g, struct arena *a, size_t count);
void *place_bytes(struct rig *g, struct arena *a, size_t count, size_t element);
/** Room for what is wanted: 2 * N_MAX floats. */
float *want_floats(void);

/** Note what went wrong. @return false */
bool fail(struct rig *g, size_t i, double got, double want);
/** Are they within `ulp` steps of the last place? */
bool agree(struct rig *g, const float *got, const float *want, size_t n, int64_t ulp);
/** Is all around what was placed as it was? */
bool within(struct rig *g);

/** The sections that check_biquads() runs. */
extern const struct vs__biquad_numbers biquad_numbers[VS__BIQUAD_SECTIONS];

/** The definitions, sample by sample in double: what plain C is compared with. */
const struct vs__dsp *truth(void);
#define TRUTH 0xffffffffu /* its flags */

#define X(type, name, arguments)                                                                   \
    bool check_##name(const struct vs__dsp *d, struct rig *g);                                     \
    void time_##name(const struct vs__dsp *d, float *const *memory, size_t n);
VS__KERNELS(X)
#undef X

/** Kernels with one fault each. */
struct mutant {
    const char *kernel, *fault;
    void (*plant)(struct vs__dsp *d);
};
extern const struct mutant mutants[];
extern const size_t mutant_count;

/** The transform at all lengths, after planted faults were found. @return count of what is wrong */
int check_rfft(const struct vs__dsp *d, const char *level, struct rig *g);

/** Print the table of times. @return exit status. */
int bench(void);

#endif
