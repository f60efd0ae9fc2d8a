/* SPDX-License-Identifier: MIT */
/* Runs small scenarios of threads through every execution that C11's release and acquire allow.

   Threads are coroutines that stop at each atomic operation. A location keeps all its stores in
   modification order; a load may return each that its thread does not know to be old, a store may be
   put anywhere behind the newest that its thread knows. By release a store carries what its thread
   knows, by acquire a load learns it; what read-modify-writes read, they pass on. A sequentially
   consistent operation moreover sees all such stores to its location. Plain accesses are checked for
   races with vector clocks. Executions that differ only in the order of independent operations are
   visited once (sleep sets).

   Not covered: a load that returns a store which is made only later (load buffering); fences; consume. */
#ifndef VS_TESTS_EXPLORE_EXPLORE_H
#define VS_TESTS_EXPLORE_EXPLORE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define EXPLORE_THREADS 4

struct explore_scenario {
    const char *name;
    void (*setup)(void); /**< before each execution: sets memory, names locations */
    void (*thread[EXPLORE_THREADS])(void);
    void (*check)(void); /**< behind the end of all threads, which it knows; may be NULL */
};

/** An operation on a named location whose order is relaxed; all NULL and 0 = none. */
struct explore_mutant {
    const char *location;
    char operation; /**< 'l'oad, 's'tore, 'a'dd */
};

struct explore_result {
    uint64_t executions; /**< that came to their end, each another one */
    uint64_t cut;        /**< given up because they repeat others */
    uint64_t steps;      /**< atomic operations of all */
    bool complete;       /**< there is no other execution */
    char failure[160];   /**< "" = none; else the search stopped there */
};

/** Every execution, or the first `most`. */
void explore_all(const struct explore_scenario *s, const struct explore_mutant *mutant,
                 uint64_t most, struct explore_result *ret);
/** `count` executions at random, which may repeat. */
void explore_random(const struct explore_scenario *s, const struct explore_mutant *mutant,
                    uint64_t seed, uint64_t count, struct explore_result *ret);

/* from setup */
void explore_location(void *location, size_t bytes, const char *name, uint64_t value);
/** Plain memory, mapped `times` times in a row, checked in granules. */
void explore_plain(const void *memory, size_t bytes, unsigned times, size_t granule);

/* from threads and checks */
void explore_read(const void *at, size_t bytes);
void explore_write(const void *at, size_t bytes);
void explore_fail(const char *what);
/** The kernel's part of waiting: compare, sleep; wake one. @return 0, or -1 when it did not sleep */
long explore_sleep(void *location, uint64_t expected);
void explore_wake(void *location);

#endif
