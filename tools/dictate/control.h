/* SPDX-License-Identifier: MIT */
/* How the service is spoken to: a Unix socket of the user's alone. One word a connection, answered by
   one line of JSON; who follows gets a line for each change until one side leaves. */
#ifndef VS_TOOLS_DICTATE_CONTROL_H
#define VS_TOOLS_DICTATE_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct control;

enum control_level {
    CONTROL_NONE,  /* not followed */
    CONTROL_STATE, /* changes of the state alone */
    CONTROL_ALL,   /* texts, partial texts, levels too */
};

/** Where the service answers: `asked`, or voicestand/dictate in XDG_RUNTIME_DIR, whose folder is made.
    @return 0, -ENOENT there is no XDG_RUNTIME_DIR, -ENAMETOOLONG, or -errno */
int control_path(const char *asked, char *ret, size_t bytes);

/** Listen, or take the socket that systemd hands over. @return 0, -EADDRINUSE somebody answers there, or -errno */
int control_open(const char *path, struct control **ret);
/** Hang up on all, and answer nobody from then on. */
void control_stop(struct control *c);
/** The same, and remove the socket. NULL is fine. */
void control_close(struct control *c);

/** Answer whoever asks, for up to `timeout_ms` (negative = for ever), or until control_wake(). `ask`
    writes the answer to `verb` and says whether, and to what, the asker listens from then on. */
void control_serve(struct control *c, int timeout_ms,
                   enum control_level (*ask)(void *user, const char *verb, FILE *answer),
                   void *user);
/** Any thread. */
void control_wake(struct control *c);
/** A line, without its end, to all who follow at this level. A follower that does not read is left
    behind. Any thread; does not block. */
void control_tell(struct control *c, enum control_level level, const char *line);
/** Does anybody follow at this level? Any thread. */
bool control_followed(struct control *c, enum control_level level);

/** Follow the service at the level of all, as one does who waits for other things too.
    @return a file that gives lines, not blocking; or -errno */
int control_follow(const char *path);

/** Ask the service: send `verb`, give each line of the answer to `line`, until the end or it returns
    false. @return 0, -ECONNREFUSED or -ENOENT nobody answers, -ECONNRESET it ended without an answer,
    or -errno */
int control_ask(const char *path, const char *verb, bool (*line)(void *user, char *text),
                void *user);

#endif
