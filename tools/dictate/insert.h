/* SPDX-License-Identifier: MIT */
/* Ways to bring text to where the cursor is, tried in turn until one works; and what this session can
   do. Runs in a process of its own, 'voicestand type', so that whatever happens here ends there. */
#ifndef VS_TOOLS_DICTATE_INSERT_H
#define VS_TOOLS_DICTATE_INSERT_H

#include <stdbool.h>
#include <stddef.h>

#include <voicestand/voicestand.h>

enum insert_way {
    WAY_WAYLAND, /* Wayland's virtual keyboard, our own module */
    WAY_WTYPE,   /* the same by wtype, for who has no such module */
    WAY_X11,     /* XTEST, our own module */
    WAY_XDOTOOL, /* XTEST, by xdotool */
    WAY_PORTAL, /* the desktop's portal, which asks the user; only who asks for it: see docs/dictation.md */
    WAY_YDOTOOL,   /* uinput; only text that is the same on every layout it may think of */
    WAY_PASTE,     /* the clipboard, and the keys that paste it */
    WAY_CLIPBOARD, /* the clipboard alone: the user pastes */
    WAY_COUNT
};

struct insert_ask {
    const struct vs_env *env;
    const char *ways;   /* "wayland,x11", in this order; NULL = all that fit the session */
    const char *target; /* of insert_target() when the user began; NULL or "" = any window */
    const char *paste;  /* keys that paste, "shift+Insert" */
};

struct insert_done {
    enum insert_way way;
    size_t typed;  /* characters; 0 with WAY_CLIPBOARD */
    char why[256]; /* nothing worked: what the last way said */
};

const char *insert_name(enum insert_way way);
/** @return the way of that name, or WAY_COUNT */
enum insert_way insert_find(const char *name, size_t length);
/** @return 0, or how long the name is that `*ret_bad` begins and that is no way's */
size_t insert_check(const char *ways, const char **ret_bad);

/** The window that has the focus now, where the session tells: "x11:ID", "sway:ID", else "". */
void insert_target(const struct insert_ask *ask, char *ret, size_t bytes);

/** Insert `text`, which utf8_typeable() made. Blocks for as long as the programs take that do it, some
    seconds at most each. @return 0; -EXDEV another window has the focus, nothing was typed; -ENODEV
    nothing worked; -EIO it broke off in the middle, typed characters stand there */
int insert_text(const struct insert_ask *ask, const char *text, struct insert_done *ret);
/** Take back the last `count` characters, by the way they came. @return as insert_text() */
int insert_erase(const struct insert_ask *ask, enum insert_way way, size_t count,
                 struct insert_done *ret);

/** Whether a way works in this session, without typing: a sentence in `ret`.
    @return 0; 1 it does not fit this session; -errno it cannot, and `*ret_fix` says what to do */
int insert_probe(const struct insert_ask *ask, enum insert_way way, char *ret, size_t bytes,
                 const char **ret_fix);

#endif
