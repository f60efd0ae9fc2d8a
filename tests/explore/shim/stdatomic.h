/* SPDX-License-Identifier: MIT */
/* Takes the place of the compiler's <stdatomic.h> where shipped sources are explored: each operation
   goes to tests/explore/explore.c, with its order as it stands in the source. Only what those sources
   use is here, so that anything else does not compile. */
#ifndef VS_TESTS_EXPLORE_STDATOMIC_H
#define VS_TESTS_EXPLORE_STDATOMIC_H

#include <stdint.h>

typedef enum {
    memory_order_relaxed,
    memory_order_acquire,
    memory_order_release,
    memory_order_acq_rel,
    memory_order_seq_cst
} memory_order;

uint64_t explore_load(const void *location, memory_order order);
void explore_store(void *location, uint64_t value, memory_order order);
uint64_t explore_add(void *location, uint64_t value, memory_order order);

#define atomic_load_explicit(location, order)                                                      \
    ((__typeof__(*(location)))explore_load((const void *)(uintptr_t)(location), order))
#define atomic_store_explicit(location, value, order)                                              \
    explore_store((void *)(uintptr_t)(location), (uint64_t)(value), order)
#define atomic_fetch_add_explicit(location, value, order)                                          \
    explore_add((void *)(uintptr_t)(location), (uint64_t)(value), order)

#endif
