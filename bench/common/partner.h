/* SPDX-License-Identifier: MIT */
/* A second thread for contenders that need two: on a processor of its own from the contender's
   `begin` to its `end`. Spinning is right here, where nothing is to be measured but the hand-over. */
#ifndef VS_BENCH_COMMON_PARTNER_H
#define VS_BENCH_COMMON_PARTNER_H

#include "common/bench.h"
#include "common/spin.h"

struct bench_partner {
    const struct bench *bench;
    struct vs__thread thread;
    void (*work)(void *state);
    void *state;
    int runs;                     /**< by __atomic */
    _Alignas(VS__APART) int stop; /**< by __atomic, as C++ looks at it too */
    _Alignas(VS__APART) char end;
};

/** Puts the calling thread on processor 0 and `work(state)` on processor 1, and returns once it runs: how long
    a thread takes to start is in no figure. `p->bench` is set. */
void bench_partner_start(struct bench_partner *p, void (*work)(void *state), void *state);
/** Tell it to stop, wait until it has. */
void bench_partner_stop(struct bench_partner *p);

static inline bool bench_partner_is_to_stop(const struct bench_partner *p)
{
    return __atomic_load_n(&p->stop, __ATOMIC_ACQUIRE);
}

#endif
