/* SPDX-License-Identifier: MIT */
#include "dictate/wayland.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>
#include <wayland-client.h>

#include "dictate/utf8.h"

/* Keys of one keyboard: XKB counts from 8, X's programs know none beyond 255. */
enum { FIRST = 9, MOST = 240, LEAD = 8 };
/* A seat that had no keyboard is given one: its programs hear of that and ask for it before they get keys.
   On a seat that had one they have long done so. */
enum { FIRST_KEYBOARD_MS = 300 };
/* What a program does not read is kept for it by the compositor, but not without end. */
enum { AT_ONCE = 64 };
enum { KEY_BACKSPACE = 0xff08, KEY_INSERT = 0xff63 };
enum { SHIFT_MASK = 1, CONTROL_MASK = 4 };
enum { KEYMAP_BYTES = 32 * 1024 };

/* the protocol ------------------------------------------------------------------------------- */

/* virtual-keyboard-unstable-v1, in the form that the library reads: s is text, u a number, h a file, o an
   object, n a new one. */
static const struct wl_interface keyboard_interface;
static const struct wl_interface *no_types[4] = {NULL, NULL, NULL, NULL};
static const struct wl_interface *create_types[2] = {&wl_seat_interface, &keyboard_interface};

enum { CREATE_KEYBOARD = 0 };
static const struct wl_message manager_requests[] = {
    {"create_virtual_keyboard", "on", create_types}};
static const struct wl_interface manager_interface = {
    "zwp_virtual_keyboard_manager_v1", 1, 1, manager_requests, 0, NULL};

enum { KEYMAP = 0, KEY = 1, MODIFIERS = 2, DESTROY = 3 };
static const struct wl_message keyboard_requests[] = {{"keymap", "uhu", no_types},
                                                      {"key", "uuu", no_types},
                                                      {"modifiers", "uuuu", no_types},
                                                      {"destroy", "", no_types}};
static const struct wl_interface keyboard_interface = {"zwp_virtual_keyboard_v1", 1, 4,
                                                       keyboard_requests,         0, NULL};

/* ---------------------------------------------------------------------------------------------- */

struct wayland {
    struct wl_display *display;
    struct wl_registry *registry;
    struct wl_seat *seat;
    struct wl_proxy *manager, *keyboard;
    bool has_keyboard; /* the seat, without ours */
    bool is_known;     /* to the seat's programs is ours */
    uint32_t symbols[MOST];
    unsigned count;
};

static void take_capabilities(void *user, struct wl_seat *seat, uint32_t capabilities)
{
    struct wayland *w = user;

    (void)seat;
    if (w->keyboard == NULL)
        w->has_keyboard = (capabilities & WL_SEAT_CAPABILITY_KEYBOARD) != 0;
}

static void take_name(void *user, struct wl_seat *seat, const char *name)
{
    (void)user;
    (void)seat;
    (void)name;
}

static void take_global(void *user, struct wl_registry *registry, uint32_t id,
                        const char *interface, uint32_t version)
{
    static const struct wl_seat_listener listener = {take_capabilities, take_name};
    struct wayland *w = user;

    (void)version;
    if (w->seat == NULL && strcmp(interface, wl_seat_interface.name) == 0) {
        w->seat = wl_registry_bind(registry, id, &wl_seat_interface, 1);
        if (w->seat != NULL)
            (void)wl_seat_add_listener(w->seat, &listener, w);
    } else if (w->manager == NULL && strcmp(interface, manager_interface.name) == 0) {
        w->manager = wl_registry_bind(registry, id, &manager_interface, 1);
    }
}

static void forget_global(void *user, struct wl_registry *registry, uint32_t id)
{
    (void)user;
    (void)registry;
    (void)id;
}

static void wayland_close(void *state)
{
    struct wayland *w = state;

    if (w == NULL)
        return;
    if (w->keyboard != NULL) {
        wl_proxy_marshal(w->keyboard, DESTROY);
        wl_proxy_destroy(w->keyboard);
    }
    if (w->manager != NULL)
        wl_proxy_destroy(w->manager);
    if (w->seat != NULL)
        wl_seat_destroy(w->seat);
    if (w->registry != NULL)
        wl_registry_destroy(w->registry);
    if (w->display != NULL) {
        (void)wl_display_roundtrip(w->display);
        wl_display_disconnect(w->display);
    }
    free(w);
}

static int settle(struct wayland *w)
{
    return wl_display_roundtrip(w->display) < 0 ? -EIO : 0;
}

/* @return 0; -ENOTSUP also where a compositor knows the protocol and refuses it */
static int find_keyboard(struct wayland *w)
{
    static const struct wl_registry_listener listener = {take_global, forget_global};

    w->registry = wl_display_get_registry(w->display);
    if (w->registry == NULL)
        return -ENOMEM;
    (void)wl_registry_add_listener(w->registry, &listener, w);
    if (settle(w) < 0 || settle(w) < 0) /* what there is; then what the seat has */
        return -ECONNREFUSED;
    if (w->seat == NULL || w->manager == NULL)
        return -ENOTSUP;
    w->keyboard = wl_proxy_marshal_constructor(w->manager, CREATE_KEYBOARD, &keyboard_interface,
                                               w->seat, NULL);
    if (w->keyboard == NULL)
        return -ENOMEM;
    return settle(w) < 0 ? -ENOTSUP : 0;
}

static int wayland_open(void **ret)
{
    struct wayland *w = calloc(1, sizeof(*w));

    if (w == NULL)
        return -ENOMEM;
    w->display = wl_display_connect(NULL);
    int status = w->display == NULL ? -ECONNREFUSED : find_keyboard(w);
    if (status < 0) {
        wayland_close(w);
        return status;
    }
    *ret = w;
    return 0;
}

/* the keymap ------------------------------------------------------------------------------------- */

/* What XKB calls a symbol. */
static int name_symbol(uint32_t symbol, char *ret, size_t bytes)
{
    static const struct {
        uint32_t symbol;
        const char *name;
    } names[] = {
        {0xff09, "Tab"}, {0xff0d, "Return"}, {KEY_BACKSPACE, "BackSpace"}, {KEY_INSERT, "Insert"}};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (names[i].symbol == symbol)
            return snprintf(ret, bytes, "%s", names[i].name);
    return snprintf(ret, bytes, "U%04X", symbol & 0xffffffu);
}

/* Keys that do not repeat: a machine that is busy may let time pass between press and release. */
static size_t write_keymap(const struct wayland *w, char *ret, size_t bytes)
{
    char symbol[16];
    size_t at = (size_t)snprintf(ret, bytes,
                                 "xkb_keymap {\nxkb_keycodes \"text\" {\nminimum = %d;\n"
                                 "maximum = 255;\n",
                                 LEAD);

    for (unsigned i = 0; i < w->count; i++)
        at += (size_t)snprintf(ret + at, bytes - at, "<K%u> = %u;\n", i, FIRST + i);
    at += (size_t)snprintf(ret + at, bytes - at,
                           "};\nxkb_types \"text\" { include \"complete\" };\n"
                           "xkb_compatibility \"text\" { include \"complete\" };\n"
                           "xkb_symbols \"text\" {\n");
    for (unsigned i = 0; i < w->count; i++) {
        (void)name_symbol(w->symbols[i], symbol, sizeof(symbol));
        at += (size_t)snprintf(ret + at, bytes - at, "key <K%u> { repeat = No, [ %s ] };\n", i,
                               symbol);
    }
    at += (size_t)snprintf(ret + at, bytes - at, "};\n};\n");
    return at + 1; /* with its end */
}

/* Make the keyboard have w->symbols. */
static int send_keymap(struct wayland *w)
{
    struct pollfd nothing = {.fd = -1};
    char *text = malloc(KEYMAP_BYTES);
    size_t bytes = text != NULL ? write_keymap(w, text, KEYMAP_BYTES) : 0;
    int fd = memfd_create("keymap", MFD_CLOEXEC);
    int status = text == NULL || fd < 0 ? -ENOMEM : 0;

    if (status == 0 && write(fd, text, bytes) != (ssize_t)bytes)
        status = -EIO;
    if (status == 0) {
        wl_proxy_marshal(w->keyboard, KEYMAP, WL_KEYBOARD_KEYMAP_FORMAT_XKB_V1, fd,
                         (uint32_t)bytes);
        status = settle(w);
    }
    if (fd >= 0)
        (void)close(fd);
    free(text);
    if (status == 0 && !w->has_keyboard && !w->is_known)
        (void)poll(&nothing, 1, FIRST_KEYBOARD_MS);
    w->is_known = true;
    return status;
}

/* keys ------------------------------------------------------------------------------------------ */

/* The key of a symbol, w->count = none. */
static unsigned find_symbol(const struct wayland *w, uint32_t symbol)
{
    unsigned i = 0;

    while (i < w->count && w->symbols[i] != symbol)
        i++;
    return i;
}

static uint32_t now_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint32_t)(t.tv_sec * 1000 + t.tv_nsec / 1000000);
}

/* Both in one message, so that no time is between them. */
static void tap(struct wayland *w, unsigned key)
{
    uint32_t time_ms = now_ms();

    wl_proxy_marshal(w->keyboard, KEY, time_ms, FIRST - LEAD + key, WL_KEYBOARD_KEY_STATE_PRESSED);
    wl_proxy_marshal(w->keyboard, KEY, time_ms, FIRST - LEAD + key, WL_KEYBOARD_KEY_STATE_RELEASED);
}

/* Give the keyboard the symbols of as much of `text` as it has keys for. @return where it ends */
static const char *choose_symbols(struct wayland *w, const char *text)
{
    w->count = 0;
    for (const char *at = text, *before = text;; before = at) {
        uint32_t c = utf8_next(&at);
        if (c == 0)
            return before;
        uint32_t symbol = utf8_keysym(c);
        if (find_symbol(w, symbol) < w->count)
            continue;
        if (w->count == MOST)
            return before;
        w->symbols[w->count++] = symbol;
    }
}

static int wayland_type(void *state, const char *text, size_t *ret_typed)
{
    struct wayland *w = state;
    int status = 0;

    *ret_typed = 0;
    while (*text != '\0' && status == 0) {
        const char *end = choose_symbols(w, text);

        status = send_keymap(w);
        while (text < end && status == 0) {
            for (int i = 0; i < AT_ONCE && text < end; i++, ++*ret_typed)
                tap(w, find_symbol(w, utf8_keysym(utf8_next(&text))));
            status = settle(w);
        }
    }
    return status;
}

static int wayland_erase(void *state, uint32_t count)
{
    struct wayland *w = state;

    w->symbols[0] = KEY_BACKSPACE;
    w->count = 1;
    int status = send_keymap(w);
    while (count > 0 && status == 0) {
        for (int i = 0; i < AT_ONCE && count > 0; i++, count--)
            tap(w, 0);
        status = settle(w);
    }
    return status;
}

static int wayland_chord(void *state, const char *keys)
{
    static const struct {
        const char *name;
        uint32_t mask, symbol;
    } names[] = {{"shift", SHIFT_MASK, 0},
                 {"ctrl", CONTROL_MASK, 0},
                 {"Insert", 0, KEY_INSERT},
                 {"v", 0, 'v'}};
    struct wayland *w = state;
    uint32_t mask = 0;

    w->count = 0;
    for (size_t length; *keys != '\0'; keys += length + (keys[length] == '+')) {
        size_t i = 0, all = sizeof(names) / sizeof(names[0]);
        length = strcspn(keys, "+");
        while (i < all &&
               (strlen(names[i].name) != length || strncasecmp(keys, names[i].name, length) != 0))
            i++;
        if (i == all)
            return -EINVAL;
        mask |= names[i].mask;
        if (names[i].symbol != 0)
            w->symbols[w->count++ % MOST] = names[i].symbol;
    }
    if (w->count != 1)
        return -EINVAL;
    int status = send_keymap(w);
    if (status < 0)
        return status;
    wl_proxy_marshal(w->keyboard, MODIFIERS, mask, 0u, 0u, 0u);
    tap(w, 0);
    wl_proxy_marshal(w->keyboard, MODIFIERS, 0u, 0u, 0u, 0u);
    return settle(w);
}

extern const struct wayland_ops voicestand_wayland;
__attribute__((visibility("default"))) const struct wayland_ops voicestand_wayland = {
    .abi = WAYLAND_ABI,
    .open = wayland_open,
    .close = wayland_close,
    .type = wayland_type,
    .erase = wayland_erase,
    .chord = wayland_chord,
};
