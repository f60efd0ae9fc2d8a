/* SPDX-License-Identifier: MIT */
/* What is done with a text: the journal first, then what the user meant by it, then to where the cursor
   is; and back again. */
#ifndef VS_TOOLS_DICTATE_DELIVER_H
#define VS_TOOLS_DICTATE_DELIVER_H

#include "common/common.h"
#include "dictate/hear.h"
#include "dictate/notice.h"

struct deliver_config {
    const struct settings *settings;
    const char *state_dir;                      /* of the journal; NULL = there is none */
    const char *phrases;                        /* the user's replacements; NULL = none */
    struct notice *notice;                      /* may be NULL */
    void (*tell)(void *user, const char *line); /* a line of JSON; any thread */
    void *user;
};

struct deliver;

/** @return 0, or the exit status after one line */
int deliver_open(const struct deliver_config *config, struct deliver **ret);
void deliver_close(struct deliver *d);

/** Blocks for as long as the hook and the insertion take. The target is the window that is meant, "" for
    whichever has the focus; `release_ns` when the user was done, 0 = hands-free. The engine's thread. */
void deliver_text(struct deliver *d, const struct heard *h);

/** While `held`, texts are taken as always, but wait before they are typed. Any thread; `d` may be NULL. */
void deliver_hold(struct deliver *d, bool held);

/** Take back the last insertion. Any thread; blocks.
    @return 0; -ENOENT there is none; -EXDEV another window has the focus; -ENOTSUP it cannot be taken
    back; or -errno */
int deliver_undo(struct deliver *d);

#endif
