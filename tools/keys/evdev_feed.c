/* SPDX-License-Identifier: MIT */
#include "keys/evdev.h"

enum { LEFT = 4 }; /* shift of the left one of two modifiers */

static unsigned modifier_of(uint16_t code)
{
    switch (code) {
    case KEY_LEFTCTRL:
        return MOD_CTRL << LEFT;
    case KEY_RIGHTCTRL:
        return MOD_CTRL;
    case KEY_LEFTALT:
        return MOD_ALT << LEFT;
    case KEY_RIGHTALT:
        return MOD_ALT;
    case KEY_LEFTSHIFT:
        return MOD_SHIFT << LEFT;
    case KEY_RIGHTSHIFT:
        return MOD_SHIFT;
    case KEY_LEFTMETA:
        return MOD_SUPER << LEFT;
    case KEY_RIGHTMETA:
        return MOD_SUPER;
    default:
        return 0;
    }
}

static unsigned modifiers_held(const struct evdev_keys *e)
{
    unsigned held = 0;

    for (int i = 0; i < EVDEV_MOST; i++)
        held |= e->keyboards[i].modifiers;
    return (held | held >> LEFT) & (MOD_CTRL | MOD_ALT | MOD_SHIFT | MOD_SUPER);
}

/* @return what changed for who listens */
static enum evdev_told look(struct evdev_keys *e)
{
    bool held = false;

    for (int i = 0; i < EVDEV_MOST; i++)
        held = held || e->keyboards[i].down;
    if (held == e->held)
        return EVDEV_NOTHING;
    e->held = held;
    return held ? EVDEV_PRESS : EVDEV_RELEASE;
}

enum evdev_told evdev_feed(struct evdev_keys *e, unsigned keyboard, const struct input_event *event)
{
    struct evdev_keyboard *k = &e->keyboards[keyboard];
    unsigned modifier = modifier_of(event->code);

    if (event->type != EV_KEY || event->value > 1)
        return EVDEV_NOTHING;
    if (event->code == e->key.code) {
        if (event->value == 0)
            k->down = false;
        else if (modifiers_held(e) == e->key.modifiers)
            k->down = true;
    } else if (modifier != 0) {
        k->modifiers = event->value ? k->modifiers | modifier : k->modifiers & ~modifier;
    }
    return look(e);
}

enum evdev_told evdev_forget(struct evdev_keys *e, unsigned keyboard)
{
    e->keyboards[keyboard] = (struct evdev_keyboard){0};
    return look(e);
}
