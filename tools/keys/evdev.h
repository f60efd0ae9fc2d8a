/* SPDX-License-Identifier: MIT */
/* What a keyboard's events say of one key; no device, clock or thread. */
#ifndef VS_TOOLS_KEYS_EVDEV_H
#define VS_TOOLS_KEYS_EVDEV_H

#include <linux/input.h>

#include "keys/keys.h"

enum { EVDEV_MOST = 32 }; /* keyboards */

/** One keyboard: what is held on it. */
struct evdev_keyboard {
    unsigned modifiers; /* of enum key_modifier, left << 4 */
    bool down;          /* the key, in time for it to count */
};

struct evdev_keys {
    struct key_spec key;
    struct evdev_keyboard keyboards[EVDEV_MOST];
    bool held; /* was told */
};

enum evdev_told { EVDEV_NOTHING, EVDEV_PRESS, EVDEV_RELEASE };

/** The key with exactly its modifiers, on any keyboards together, is a press; the key up, or its keyboard
    gone, a release. Repeats are nothing. */
enum evdev_told evdev_feed(struct evdev_keys *e, unsigned keyboard,
                           const struct input_event *event);
/** Keyboard `keyboard` went away, or forgot what is held. */
enum evdev_told evdev_forget(struct evdev_keys *e, unsigned keyboard);

#endif
