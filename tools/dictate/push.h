/* SPDX-License-Identifier: MIT */
/* Push-to-talk for the service: the key's moves, from whatever thread hears of them to the one that serves. */
#ifndef VS_TOOLS_DICTATE_PUSH_H
#define VS_TOOLS_DICTATE_PUSH_H

#include "common/common.h"
#include "dictate/control.h"
#include "dictate/notice.h"

struct push;

/** Listen to the key that the settings name; without one there is nothing to do, and `*ret` is NULL. The
    control is woken at each move. Blocks for the answer of a server.
    @return 0, or the exit status after one line */
int push_open(const struct settings *s, const struct vs_env *env, struct control *control,
              struct notice *notice, struct push **ret);
/** @return the way by which the key is heard, "x11", or NULL with no key */
const char *push_way(const struct push *p);
/** The oldest move that was not taken. `p` may be NULL. @return whether there was one */
bool push_take(struct push *p, bool *ret_down, int64_t *ret_ns);
/** NULL is fine. */
void push_close(struct push *p);

#endif
