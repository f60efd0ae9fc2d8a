/* SPDX-License-Identifier: MIT */
/* The last seconds of the microphone, in memory alone: what an utterance may still need. Never written
   anywhere; overwritten by what follows; wiped when the microphone is closed. One thread at a time. */
#ifndef VS_TOOLS_DICTATE_RECENT_H
#define VS_TOOLS_DICTATE_RECENT_H

#include <stddef.h>
#include <stdint.h>

struct recent {
    float *pcm;
    size_t size;   /* frames kept */
    uint64_t end;  /* position behind the newest frame */
    uint64_t held; /* frames behind `end` that are there, at most `size` */
};

/** @return 0 or -ENOMEM */
int recent_init(struct recent *r, size_t frames);
void recent_fini(struct recent *r);

/** Frames from `position` on. What is missing before them is silence; what was there before a longer
    gap than all that is kept, or comes from before, is forgotten. */
void recent_push(struct recent *r, uint64_t position, const float *pcm, size_t frames);
/** Frames from..to-1 to `ret`; what is no longer there, or not yet, is silence.
    @return frames that were there */
size_t recent_copy(const struct recent *r, uint64_t from, uint64_t to, float *ret);
/** Forget and overwrite all. */
void recent_wipe(struct recent *r);

#endif
