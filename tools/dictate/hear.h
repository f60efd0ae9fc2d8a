/* SPDX-License-Identifier: MIT */
/* Utterances to text: a queue between who decides what is an utterance and the one engine, whose model
   stays loaded. The audio of an utterance is kept until its text is there, in memory, or in a file where
   the engine is minutes behind; an engine that fails gets it once more, opened anew; if that fails too,
   the audio is saved to a file of its own. */
#ifndef VS_TOOLS_DICTATE_HEAR_H
#define VS_TOOLS_DICTATE_HEAR_H

#include <stdbool.h>
#include <stdint.h>

#include "common/common.h"

/** What became of an utterance. Dies with the call. */
struct heard {
    uint64_t id;
    int status;         /* 0, or -errno: there is no text */
    const char *text;   /* UTF-8, "" = the engine found no words */
    const char *saved;  /* where the audio was saved, if it was */
    double seconds;     /* of audio */
    const char *target; /* as hear_begin() or hear_target() got it */
    int64_t release_ns; /* as hear_end() got it */
    int64_t end_ns;     /* CLOCK_MONOTONIC when the utterance was complete */
    int64_t
        engine_ns; /* of the time since then, what the engine took: for audio that it had not heard yet, and to finish */
    int64_t text_ns; /* CLOCK_MONOTONIC when the text was there */
};

struct hear_config {
    const struct settings *settings;
    struct sentences *words;
    const char *save_dir; /* for audio that found no text, or waits for long; NULL = nowhere */
    /** On the engine's thread, in order. The queue waits meanwhile. */
    void (*partial)(void *user, uint64_t id, const char *text);
    void (*done)(void *user, const struct heard *h);
    /** One waits less; on the engine's thread. */
    void (*served)(void *user);
    void *user;
};

struct hear;

enum {
    HEAR_TARGET_BYTES = 64,
    HEAR_END_S = 20,                    /* the service's unit allows 30 */
    HEAR_MEMORY = 5 * 60 * VS_RATE_HZ,  /* frames in memory from which on others wait in a file */
    HEAR_MOST = 10 * 3600 * VS_RATE_HZ, /* frames from which on no more may wait */
};

/** Load the engine and start its thread. Blocks. One at a time in a process.
    @return 0 or -errno, after the library's sentence */
int hear_open(const struct hear_config *config, struct hear **ret);
/** hear_wait() returns at once from now on: what still comes is taken, and hear_close() is next. */
void hear_hurry(struct hear *h);
/** The process shall end: no more is heard of what waits. Any thread, also where nothing is open. */
void hear_give_up(void);
/** Hear what waits for HEAR_END_S at most, or not at all if `now`; the audio of what is left is saved, as if
    its engine had failed, with the status -ESHUTDOWN. Frees it. NULL is fine. */
void hear_close(struct hear *h, bool now);

/** Begin utterance `id`, meant for the window `target`. One that finds no room ends as the others do, in
    its order, with the status -ENOBUFS. @return 0; -ENOBUFS too much waits already; -ENOMEM */
int hear_begin(struct hear *h, uint64_t id, const char *target);
/** The newest is meant for that window. */
void hear_target(struct hear *h, const char *target);
/** Audio of the newest utterance. @return 0; -ENOMEM: these frames are not part of it */
int hear_audio(struct hear *h, const float *pcm, size_t frames);
/** The newest is complete; `release_ns` as struct heard has it. */
void hear_end(struct hear *h, int64_t release_ns);
/** Wait until what comes need not wait in a file: for a source that can wait. Not for done(). */
void hear_wait(struct hear *h);
/** The newest is to be forgotten; done() is not called for it. */
void hear_drop(struct hear *h);
/** All are to be forgotten, the one that the engine works on included. @return how many there were */
int hear_drop_all(struct hear *h);
/** Utterances that have no text yet. */
int hear_waiting(struct hear *h);

#endif
