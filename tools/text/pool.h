/* SPDX-License-Identifier: MIT */
/* Text engines side by side: segments go in, whichever engine is free takes the next. */
#ifndef VS_TOOLS_TEXT_POOL_H
#define VS_TOOLS_TEXT_POOL_H

#include <stddef.h>

#include "common/common.h"

struct pool;

/** A segment. The owner fills in the first part; the rest is set when done() is called. */
struct pool_task {
    float *audio; /* mono, VS_RATE_HZ; freed once it was heard */
    size_t frames;
    void (*done)(void *user, struct pool_task *task); /* on an engine's thread; frees the task */
    void *user;

    int status; /* 0, or why there is no text */
    struct vs_stt_result result;
    struct pool_task *next; /* the pool's */
};

/** @param engines how many at the most, from 1. @return NULL without memory */
struct pool *pool_create(const struct settings *s, unsigned engines);
/** How many engines of this name do well on so many cores: some use several threads each. */
unsigned pool_engines(const char *stt, unsigned cores);
/** Open the first engine unless it is; the others open when there is work for them. Blocks.
    @param words gets the sentence where it fails. @return 0 or why there is no engine */
int pool_ready(struct pool *p, struct sentences *words);
/** Take a segment. Blocks while more wait than the engines will soon take.
    @return 0, or -ECANCELED: the task is still the caller's */
int pool_put(struct pool *p, struct pool_task *task);
/** What is under way or waits is done with -ECANCELED soon, and nothing is taken any more. */
void pool_cancel(struct pool *p);
/** All tasks must be done, or cancelled. NULL is fine. */
void pool_destroy(struct pool *p);

#endif
