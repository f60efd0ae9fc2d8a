/* SPDX-License-Identifier: MIT */
/* A key among what keyboards say, in the kernel's form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "keys/evdev.h"

/* A script: "k+" the key goes down, "k-" up, "k=" repeats; c, s: left Ctrl, right Shift; x: another key;
   "2" before it: on the second keyboard; "!" that keyboard goes away. Behind ":" what is told: + and -. */
static void play(const char *script, unsigned modifiers)
{
    struct evdev_keys e = {.key = {.code = KEY_F13, .modifiers = modifiers}};
    char told[64];
    size_t count = 0;
    const char *at = script;
    unsigned keyboard = 0;

    for (; *at != ':'; at++) {
        struct input_event event = {.type = EV_KEY};
        enum evdev_told what = EVDEV_NOTHING;
        if (*at == ' ')
            keyboard = 0;
        else if (*at == '2')
            keyboard = 1;
        else if (*at == '!')
            what = evdev_forget(&e, keyboard);
        else {
            event.code = *at == 'k'   ? KEY_F13
                         : *at == 'c' ? KEY_LEFTCTRL
                         : *at == 's' ? KEY_RIGHTSHIFT
                                      : KEY_X;
            at++;
            event.value = *at == '+' ? 1 : *at == '=' ? 2 : 0;
            what = evdev_feed(&e, keyboard, &event);
        }
        if (what != EVDEV_NOTHING)
            told[count++] = what == EVDEV_PRESS ? '+' : '-';
    }
    told[count] = '\0';
    if (strcmp(told, at + 1) != 0)
        fail_msg("%s: told %s", script, told);
}

static void a_key_is_told_once(void **state)
{
    (void)state;
    play("k+ k-:+-", 0);
    play("k+ k= k= k= k-:+-", 0);
    play("x+ k+ x- x+ k- x-:+-", 0);
    play("k-:", 0); /* held when we came */
    play("k= k= k-:", 0);
    play("k+ k+ k- k-:+-", 0);
}

static void modifiers_must_be_those(void **state)
{
    (void)state;
    play("c+ k+ k- c-:", 0);
    play("k+ k- c+ k+ c- k-:+-", MOD_CTRL);
    play("c+ s+ k+ k-:", MOD_CTRL);
    play("c+ s+ k+ k-:+-", MOD_CTRL | MOD_SHIFT);
    play("k+ c+ k= k-:", MOD_CTRL); /* the key came first */
    play("k+ c+ c- k-:+-", 0);      /* what comes later does not matter */
}

static void keyboards_are_one(void **state)
{
    (void)state;
    play("2c+ k+ k- 2c-:+-", MOD_CTRL);
    play("k+ 2k+ k- 2k-:+-", 0);
    play("2k+ 2! k+ k-:+-+-", 0);
    play("2c+ 2! k+ k-:", MOD_CTRL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_told_once),
        cmocka_unit_test(modifiers_must_be_those),
        cmocka_unit_test(keyboards_are_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
