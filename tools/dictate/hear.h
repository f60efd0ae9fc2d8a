/* SPDX-License-Identifier: MIT */
/* Utterances to text: a queue between who decides what is an utterance and the one engine, whose model
   stays loaded. The audio of an utterance is kept until its text is there; an engine that fails gets
   it once more, opened anew; if that fails too, the audio is saved to a file. */
#ifndef VS_TOOLS_DICTATE_HEAR_H
#define VS_TOOLS_DICTATE_HEAR_H

#include <stdbool.h>
#include <stdint.h>

#include "common/common.h"

/** What became of an utterance. Dies with the call. */
struct heard {
    uint64_t id;
    int status;        /* 0, or -errno: there is no text */
    const char *text;  /* UTF-8, "" = the engine found no words */
    const char *saved; /* where the audio was saved, if it was */
    double seconds;    /* of audio */
    int64_t end_ns;    /* CLOCK_MONOTONIC when the utterance was complete */
    int64_t
        engine_ns; /* of the time since then, what the engine took: for audio that it had not heard yet, and to finish */
    int64_t text_ns; /* CLOCK_MONOTONIC when the text was there */
};

struct hear_config {
    const struct settings *settings;
    struct sentences *words;
    const char *save_dir; /* for audio that found no text; NULL = nowhere */
    /** On the engine's thread, in order. The queue waits meanwhile. */
    void (*partial)(void *user, uint64_t id, const char *text);
    void (*done)(void *user, const struct heard *h);
    /** One waits less; on the engine's thread. */
    void (*served)(void *user);
    void *user;
};

struct hear;

enum {
    HEAR_MOST = 32,                     /* utterances that may wait */
    HEAR_FRAMES = 20 * 60 * VS_RATE_HZ, /* and their audio, in frames */
};

/** Load the engine and start its thread. Blocks. One at a time in a process.
    @return 0 or -errno, after the library's sentence */
int hear_open(const struct hear_config *config, struct hear **ret);
/** Finish what is queued, unless `now`, and free it. NULL is fine. */
void hear_close(struct hear *h, bool now);

/** Begin utterance `id`. @return 0; -EAGAIN too much waits already; -ENOMEM */
int hear_begin(struct hear *h, uint64_t id);
/** Audio of the newest utterance. @return as hear_begin(); the utterance then ends without it */
int hear_audio(struct hear *h, const float *pcm, size_t frames);
/** The newest is complete. */
void hear_end(struct hear *h);
/** The newest is to be forgotten; done() is not called for it. */
void hear_drop(struct hear *h);
/** All are to be forgotten, the one that the engine works on included. @return how many there were */
int hear_drop_all(struct hear *h);
/** Utterances that have no text yet. */
int hear_waiting(struct hear *h);

#endif
