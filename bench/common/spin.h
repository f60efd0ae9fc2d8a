/* SPDX-License-Identifier: MIT */
/* Waiting where nothing is to be measured but a hand-over. */
#ifndef VS_BENCH_COMMON_SPIN_H
#define VS_BENCH_COMMON_SPIN_H

#include <sched.h>

/** A pause in a retry loop; gives way when it takes long, as on a machine with one processor. */
static inline void bench_spin(unsigned *tries)
{
    if (++*tries % 4096 == 0)
        sched_yield();
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

#endif
