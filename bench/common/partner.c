/* SPDX-License-Identifier: MIT */
/* The second thread. */
#include "common/partner.h"

static void *run_partner(void *state)
{
    struct bench_partner *p = state;

    bench_place_thread(p->bench, 1);
    __atomic_store_n(&p->runs, 1, __ATOMIC_RELEASE);
    p->work(p->state);
    return NULL;
}

void bench_partner_start(struct bench_partner *p, void (*work)(void *state), void *state)
{
    unsigned tries = 0;

    bench_place_thread(p->bench, 0);
    p->work = work;
    p->state = state;
    p->stop = p->runs = 0;
    if (vs__thread_start(&p->thread, "partner", run_partner, p) < 0)
        bench_die("no thread");
    while (!__atomic_load_n(&p->runs, __ATOMIC_ACQUIRE))
        bench_spin(&tries);
}

void bench_partner_stop(struct bench_partner *p)
{
    __atomic_store_n(&p->stop, 1, __ATOMIC_RELEASE);
    vs__thread_join(&p->thread);
}
