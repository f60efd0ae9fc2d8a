/* SPDX-License-Identifier: MIT */
/* One output that many threads write, each its own part; the parts come out in order. The part
   whose turn it is goes straight through, later ones wait in memory. */
#ifndef VS_TOOLS_COMMON_ORDERED_H
#define VS_TOOLS_COMMON_ORDERED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct ordered;

/** Parts 0 to count - 1 go to `fd`, which stays the caller's. @return NULL without memory. */
struct ordered *ordered_create(int fd, size_t count);
/** A stream for part `index`, to be closed with fclose() before ordered_finish(). */
FILE *ordered_open(struct ordered *o, size_t index);
/** Part `index` is complete, or has nothing to say. Any order, any thread.
    @return 0 or the first error of the output, -errno. */
int ordered_finish(struct ordered *o, size_t index);
/** Write complete parts that still wait for an earlier one, in order; those that are not complete
    are left out, and nothing is written from now on. Any thread. */
int ordered_flush(struct ordered *o);
/** First error of the output so far, or 0. Any thread. */
int ordered_error(struct ordered *o);
/** No thread may use its streams any more. NULL is fine. */
void ordered_destroy(struct ordered *o);

#endif
