/* SPDX-License-Identifier: MIT */
/* malloc() and free() as pools of the library, for code that was written for those: blocks of 1 KiB and
   16 KiB, one thread. What is longer is had once, and malloc()'s. */
#ifndef VS_BENCH_SIDES_POOLED_H
#define VS_BENCH_SIDES_POOLED_H

#include <stddef.h>

void *pooled_malloc(size_t bytes);
void *pooled_calloc(size_t count, size_t bytes);
void pooled_free(void *memory);

#endif
