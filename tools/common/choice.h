/* SPDX-License-Identifier: MIT */
/* Which detector `--vad auto` is: what doctor measured of each device, and what follows from it. */
#ifndef VS_TOOLS_COMMON_CHOICE_H
#define VS_TOOLS_COMMON_CHOICE_H

#include "common/common.h"

/** What was measured of a device, on the same audio as native. */
struct measured {
    char device[32];       /* "NPU" */
    double p50_ms, p99_ms; /* from a hop's audio to its decision being known */
    double difference;     /* largest, of a probability from native's */
    double moved_ms; /* largest, of a segment's bound from native's; negative = other segments */
    uint64_t missed; /* hops that native had to decide */
};

enum { MOST_MEASURED = 8 };

/** Is it good enough for `auto`? @return NULL, or why not: the end of a sentence, in `words` of
    `size` bytes or static */
const char *choice_refuse(const struct measured *m, char *words, size_t size);
/** Remember. @return 0 or -errno */
int choice_write(const struct measured *m, size_t count);
/** @return how many, or -errno; -ENOENT: nothing was measured by this version */
int choice_read(struct measured *ret, size_t most);

/** "auto" becomes "native" or "auto:DEVICE" in `s->vad`; says which and why, unless quiet. */
void choice_make(struct settings *s);

#endif
