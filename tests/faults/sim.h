/* SPDX-License-Identifier: MIT */
/* Threads, waking, clocks and memory of src/base, simulated: this file's functions take the place of
   thread.c, clock.c and mem.c, so that the shipped pipeline runs on one thread of the system. Which of
   its threads goes on is drawn from a seed wherever they meet; time stands still while anybody can run
   and leaps when all wait. So a run is a function of its seed, and takes no longer than its work. */
#ifndef VS_TESTS_FAULTS_SIM_H
#define VS_TESTS_FAULTS_SIM_H

#include "base/base.h"

/** Begin anew from a seed: time 0, no threads but the caller's. */
void sim_begin(uint64_t seed);
/** Check that no thread runs and no memory of vs__alloc() is left. */
void sim_end(void);

/** A number below `n`, 0 for 0. */
uint32_t sim_draw(uint32_t n);
/** True once in `n` times. */
bool sim_once_in(uint32_t n);

/** Let others go on, perhaps. */
void sim_yield(void);
/** Wait in simulated time. */
void sim_sleep(int64_t ns);
/** Wait until `*flag` is set. */
void sim_await(const _Atomic int *flag);

/** The n-th start of a thread from now on fails, once; 0 = none. */
void sim_thread_fail_after(uint32_t n);

/** A broken rule: print the sentence and the seed, and end the program with status 1. */
__attribute__((format(printf, 1, 2), noreturn)) void sim_fail(const char *format, ...);
#define SIM_CHECK(x) ((x) ? (void)0 : sim_fail("%s:%d: %s", __FILE__, __LINE__, #x))

/** What sim_fail() prints to repeat the run. */
extern const char *sim_program;

#endif
