/* SPDX-License-Identifier: MIT */
/* Keys by an X server: the key is grabbed, so that no window gets it. In a module, so that only who
   listens there loads X's library. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include <xcb/xcb.h>

#include "keys/keys.h"

/* A server whose clock is farther away than this has another one than we. */
enum { LATE_MS = 2000 };

struct x11_key {
    struct key_spec key;
    struct key_host host;
    xcb_connection_t *c;
    xcb_window_t root;
    pthread_t thread;
    int waker;
    bool threaded;
    xcb_keycode_t code; /* 0 = the keyboard has no such key now */
    bool down;
};

static int64_t clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* X's time of an event is in ms of CLOCK_MONOTONIC, cut to 32 bits, where server and we share a machine. */
static int64_t to_ns(xcb_timestamp_t time)
{
    int64_t now_ns = clock_ns();
    int32_t ago_ms = (int32_t)((uint32_t)(now_ns / 1000000) - time);

    return ago_ms > 0 && ago_ms < LATE_MS ? now_ns - (int64_t)ago_ms * 1000000 : now_ns;
}

/* @return the key code that gives `symbol` without modifiers, 0 = none */
static xcb_keycode_t find_code(struct x11_key *x, uint32_t symbol)
{
    const xcb_setup_t *setup = xcb_get_setup(x->c);
    unsigned first = setup->min_keycode, last = setup->max_keycode;
    xcb_get_keyboard_mapping_reply_t *r = xcb_get_keyboard_mapping_reply(
        x->c, xcb_get_keyboard_mapping(x->c, (uint8_t)first, (uint8_t)(last - first + 1)), NULL);
    xcb_keycode_t found = 0;

    if (r == NULL)
        return 0;
    const xcb_keysym_t *all = xcb_get_keyboard_mapping_keysyms(r);
    int each = r->keysyms_per_keycode;
    for (int level = 0; level < each && found == 0; level++)
        for (unsigned code = first; code <= last && found == 0; code++)
            if (all[(int)(code - first) * each + level] == symbol)
                found = (xcb_keycode_t)code;
    free(r);
    return found;
}

static uint16_t mask_of(unsigned modifiers)
{
    return (uint16_t)((modifiers & MOD_SHIFT ? XCB_MOD_MASK_SHIFT : 0) |
                      (modifiers & MOD_CTRL ? XCB_MOD_MASK_CONTROL : 0) |
                      (modifiers & MOD_ALT ? XCB_MOD_MASK_1 : 0) |
                      (modifiers & MOD_SUPER ? XCB_MOD_MASK_4 : 0));
}

/* Locks do not count: the key is the same with Caps Lock and Num Lock. */
static int grab(struct x11_key *x)
{
    static const uint16_t locks[] = {0, XCB_MOD_MASK_LOCK, XCB_MOD_MASK_2,
                                     XCB_MOD_MASK_LOCK | XCB_MOD_MASK_2};
    int status = 0;

    for (size_t i = 0; i < sizeof(locks) / sizeof(locks[0]); i++) {
        xcb_void_cookie_t cookie =
            xcb_grab_key_checked(x->c, 0, x->root, (uint16_t)(mask_of(x->key.modifiers) | locks[i]),
                                 x->code, XCB_GRAB_MODE_ASYNC, XCB_GRAB_MODE_ASYNC);
        xcb_generic_error_t *error = xcb_request_check(x->c, cookie);
        if (error != NULL)
            status = error->error_code == XCB_ACCESS ? -EBUSY : -EIO;
        free(error);
    }
    return status;
}

/* The layout changed: the key may lie elsewhere. */
static void look_again(struct x11_key *x)
{
    xcb_keycode_t code = find_code(x, x->key.symbol);

    if (code == x->code)
        return;
    if (x->code != 0)
        xcb_ungrab_key(x->c, x->code, x->root, XCB_MOD_MASK_ANY);
    x->code = code;
    if (code == 0 || grab(x) < 0)
        x->host.lost(x->host.user, "this layout has no such key, or another program has it");
}

/* A key that repeats is released and pressed in the events, but not on the keyboard. */
static bool is_down(struct x11_key *x)
{
    xcb_query_keymap_reply_t *r = xcb_query_keymap_reply(x->c, xcb_query_keymap(x->c), NULL);
    bool down = r != NULL && (r->keys[x->code / 8] >> x->code % 8 & 1) != 0;

    free(r);
    return down;
}

static void move(struct x11_key *x, bool down, int64_t ns)
{
    if (down == x->down)
        return;
    x->down = down;
    x->host.moved(x->host.user, down, ns);
}

static void take(struct x11_key *x, const xcb_generic_event_t *event)
{
    const xcb_key_press_event_t *key = (const xcb_key_press_event_t *)event;

    switch (event->response_type & 0x7f) {
    case XCB_KEY_PRESS:
        move(x, true, to_ns(key->time));
        break;
    case XCB_KEY_RELEASE:
        if (key->detail == x->code && !is_down(x))
            move(x, false, to_ns(key->time));
        break;
    case XCB_MAPPING_NOTIFY:
        look_again(x);
        break;
    default:
        break;
    }
}

static void *body(void *argument)
{
    struct x11_key *x = argument;

    for (;;) {
        xcb_generic_event_t *event;
        struct pollfd fds[] = {{.fd = xcb_get_file_descriptor(x->c), .events = POLLIN},
                               {.fd = x->waker, .events = POLLIN}};

        while ((event = xcb_poll_for_event(x->c)) != NULL) {
            take(x, event);
            free(event);
        }
        if (xcb_connection_has_error(x->c)) {
            move(x, false, clock_ns());
            x->host.lost(x->host.user, "the X server went away");
            return NULL;
        }
        xcb_flush(x->c);
        (void)poll(fds, 2, -1);
        if (fds[1].revents != 0)
            return NULL;
    }
}

static int fail(struct x11_key *x, int status, char *why)
{
    if (x->c != NULL)
        xcb_disconnect(x->c);
    if (x->waker >= 0)
        close(x->waker);
    if (status == -ENOTSUP)
        snprintf(why, KEY_WHY, "no X server answers");
    else if (status == -ENODEV)
        snprintf(why, KEY_WHY, "the layout has no key '%s'", x->key.name);
    else if (status == -EBUSY)
        snprintf(why, KEY_WHY, "another program has the key '%s'", x->key.name);
    else
        snprintf(why, KEY_WHY, "%s", strerror(-status));
    free(x);
    return status;
}

static int x11_key_start(const struct key_ask *ask, void **ret, char *why, const char **ret_fix)
{
    struct x11_key *x = calloc(1, sizeof(*x));
    int screen;

    *ret_fix = NULL;
    if (x == NULL)
        return -ENOMEM;
    x->key = ask->key;
    x->host = ask->host;
    x->waker = eventfd(0, EFD_CLOEXEC);
    x->c = xcb_connect(NULL, &screen);
    if (x->waker < 0 || xcb_connection_has_error(x->c)) {
        *ret_fix = "look at DISPLAY and XAUTHORITY";
        return fail(x, -ENOTSUP, why);
    }
    xcb_screen_iterator_t at = xcb_setup_roots_iterator(xcb_get_setup(x->c));
    while (screen-- > 0)
        xcb_screen_next(&at);
    x->root = at.data->root;
    if (ask->probe) {
        *ret = x;
        return 0;
    }
    x->code = find_code(x, x->key.symbol);
    int status = x->code != 0 ? grab(x) : -ENODEV;
    if (status == 0)
        status = -pthread_create(&x->thread, NULL, body, x);
    x->threaded = status == 0;
    if (status < 0) {
        *ret_fix = status == -EBUSY || status == -ENODEV ? "choose another one with --key" : NULL;
        return fail(x, status, why);
    }
    *ret = x;
    return 0;
}

static void x11_key_stop(void *state)
{
    struct x11_key *x = state;
    uint64_t one = 1;

    if (x->threaded) {
        (void)!write(x->waker, &one, sizeof(one));
        pthread_join(x->thread, NULL);
    }
    xcb_disconnect(x->c);
    close(x->waker);
    free(x);
}

extern const struct key_ops voicestand_key_x11;
__attribute__((visibility("default"))) const struct key_ops voicestand_key_x11 = {
    .abi = KEY_ABI, .start = x11_key_start, .stop = x11_key_stop};
