/* SPDX-License-Identifier: MIT */
/* Dictation while it runs: the microphone, who is listened to and when, what waits for its text. */
#ifndef VS_TOOLS_DICTATE_SESSION_H
#define VS_TOOLS_DICTATE_SESSION_H

#include "common/common.h"
#include "dictate/control.h"
#include "dictate/deliver.h"
#include "dictate/notice.h"
#include "dictate/turn.h"

struct session_config {
    const struct settings *settings;
    struct sentences *words;
    const char *state_dir;
    struct control *control;
    struct notice *notice; /* may be NULL */
    struct deliver *deliver;
    /** The state changed: a line of JSON. Any thread. May be NULL. */
    void (*changed)(void *user, const char *state, const char *line);
    void *user;
};

struct session;

/** Load the engine, and open the microphone where it is always open. Blocks.
    @return 0, or the exit status after one line */
int session_open(const struct session_config *config, struct session **ret);
/** Close the microphone; with `now`, forget what has no text yet, else wait for it. */
void session_close(struct session *s, bool now);

enum session_ask { ASK_START, ASK_STOP, ASK_TOGGLE, ASK_CANCEL };

/** What the user asks for, and when he did by CLOCK_MONOTONIC; from one thread at a time, not from a
    callback. Words around that instant are kept, whether or not their audio has arrived yet.
    @return 0 or -errno: the microphone cannot be opened */
int session_ask(struct session *s, enum session_ask what, int64_t ns);
/** The window that the open utterance is meant for. */
void session_target(struct session *s, const char *target);
/** What is due: an idle microphone is closed, a lost one is tried again. The thread that asks.
    @return ms until the next call, negative = only after something happened */
int session_tick(struct session *s);
/** A line of JSON, without its end, to be freed; `ret_state`, if not NULL, is its state. Any thread. */
char *session_line(struct session *s, const char **ret_state);
/** The source is over for good and all of it was delivered: a file or a pipe ended. */
bool session_over(struct session *s);

#endif
