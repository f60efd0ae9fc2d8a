/* SPDX-License-Identifier: MIT */
/* The work of the naive frame path (bench/baseline) as this project does such work: frames in place in
   the ring, one pass and a half over them instead of a dozen, running sums instead of histories that
   move, events from a pool by a ring. It finds the same figures, in plain C and with AVX2. */
#ifndef VS_BENCH_SIDES_FUSED_H
#define VS_BENCH_SIDES_FUSED_H

#include "base/base.h"
#include "base/pool.h"
#include "ring/ring.h"

/** What the passes over one frame leave. */
struct fused_frame {
    float before, after, peak; /**< RMS as it came, RMS and peak as it went */
    float crossing;            /**< changes of sign for each sample */
};

/** The last values of one kind: their sum and sum of squares. */
struct fused_history {
    float *values;
    double sum, squares;
    size_t most, used, next;
};

struct fused_path {
    void (*pass)(float *frame, size_t n, struct fused_frame *ret);
    struct fused_history energies, crossings, scores;
    struct vs__pool pool;
    struct vs__ring *events;
    unsigned long speech, told;
    double sum; /**< of all that the events told */
};

/** @return 0 or -ENOMEM. `simd`: with AVX2 and FMA, which the machine must have. */
int fused_path_create(struct fused_path *p, size_t frames_of_history, bool simd);
void fused_path_destroy(struct fused_path *p);
/** One frame, a multiple of 8 samples, changed in place. @return whether it is taken for speech */
bool fused_path_process(struct fused_path *p, float *frame, size_t n);

#endif
