/* SPDX-License-Identifier: MIT */
/* The progress line on a terminal: the last line of standard error, out of the way of others. */
#ifndef VS_TOOLS_COMMON_PROGRESS_H
#define VS_TOOLS_COMMON_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

struct progress {
    size_t done, total;     /* files */
    double fraction;        /* of all work, 0..1 */
    double audio_s, wall_s; /* done so far; since the start */
};

/** Show a line from now on, if standard error is a terminal. */
void progress_start(void);
/** New figures; drawn at once. */
void progress_update(const struct progress *p);
/** Take the line away and hold it, so that the caller may write to the terminal; pairs with
    progress_show(), which lets it come back. Any thread. */
void progress_hide(void);
void progress_show(void);
/** Take the line away for good. */
void progress_end(void);
/** One line of `size` at most for the figures; apart for tests. */
void progress_format(const struct progress *p, size_t columns, char *ret, size_t size);

#endif
