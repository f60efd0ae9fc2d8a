/* SPDX-License-Identifier: MIT */
#include "dictate/x11.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <xcb/res.h>
#include <xcb/xcb.h>
#include <xcb/xtest.h>

#include "dictate/asleep.h"
#include "dictate/utf8.h"

/* Between one use of a borrowed key and another one with a different character, who reads the first has
   to have read it. Programs that answer pings say when; others of this machine are looked at until they
   have slept for QUIET_MS, for BUSY_MS at most; what is left gets SETTLE_MS. */
enum { SETTLE_MS = 250, PING_MS = 5000, QUIET_MS = 30, BUSY_MS = 3000 };
enum { KEYCODES = 256, LOCK_MASK = 2 };

enum keysym {
    KEY_BACKSPACE = 0xff08,
    KEY_INSERT = 0xff63,
    KEY_SHIFT = 0xffe1,
    KEY_CONTROL = 0xffe3,
    KEY_CAPS_LOCK = 0xffe5,
    KEY_VOID = 0xffffff,
};

struct x11 {
    xcb_connection_t *c;
    xcb_window_t root;
    uint8_t first, last;           /* keycodes that the server knows */
    uint32_t symbols[KEYCODES][4]; /* of two groups, plain and with Shift */
    bool is_spare[KEYCODES];       /* has no symbol, or one that we gave it */
    bool is_modifier[KEYCODES];
    bool used[KEYCODES]; /* a borrowed key that was pressed since the last wait */
    bool changed[KEYCODES];
    uint8_t shift;
    uint32_t pings;
    unsigned group; /* of the layout, 0 or 1; more: only borrowed keys */
    bool caps;
    bool knows_processes; /* the server tells whose a window is */
};

/* A key that no keyboard has and that we gave a character, alike on all levels but one: its mark. */
static bool is_borrowed(const uint32_t *s)
{
    return s[0] != 0 && s[0] == s[1] && s[0] == s[2] && s[3] == KEY_VOID;
}

static void give(struct x11 *x, uint8_t key, uint32_t symbol)
{
    uint32_t *s = x->symbols[key];

    s[0] = s[1] = s[2] = symbol;
    s[3] = KEY_VOID;
    x->changed[key] = true;
}

static int read_symbols(struct x11 *x)
{
    uint8_t count = (uint8_t)(x->last - x->first + 1);
    xcb_get_keyboard_mapping_reply_t *r =
        xcb_get_keyboard_mapping_reply(x->c, xcb_get_keyboard_mapping(x->c, x->first, count), NULL);

    if (r == NULL)
        return -EIO;
    const xcb_keysym_t *all = xcb_get_keyboard_mapping_keysyms(r);
    int each = r->keysyms_per_keycode;
    for (int key = x->first; key <= x->last; key++) {
        bool none = true;
        for (int i = 0; i < each; i++)
            none = none && all[(key - x->first) * each + i] == 0;
        for (int i = 0; i < 4; i++)
            x->symbols[key][i] = i < each ? all[(key - x->first) * each + i] : 0;
        x->is_spare[key] = none || is_borrowed(x->symbols[key]);
        x->used[key] = !none; /* perhaps just now, by who typed before us */
    }
    free(r);
    return 0;
}

static int read_modifiers(struct x11 *x)
{
    xcb_get_modifier_mapping_reply_t *r =
        xcb_get_modifier_mapping_reply(x->c, xcb_get_modifier_mapping(x->c), NULL);

    if (r == NULL)
        return -EIO;
    const xcb_keycode_t *keys = xcb_get_modifier_mapping_keycodes(r);
    for (int i = 0; i < 8 * r->keycodes_per_modifier; i++)
        x->is_modifier[keys[i]] = keys[i] != 0;
    free(r);
    return 0;
}

static int read_state(struct x11 *x)
{
    xcb_query_pointer_reply_t *r =
        xcb_query_pointer_reply(x->c, xcb_query_pointer(x->c, x->root), NULL);

    if (r == NULL)
        return -EIO;
    x->group = r->mask >> 13 & 3;
    x->caps = (r->mask & LOCK_MASK) != 0;
    free(r);
    return 0;
}

/* The server's extension for that, from 1.2 on. */
static bool tells_processes(struct x11 *x)
{
    const xcb_query_extension_reply_t *is = xcb_get_extension_data(x->c, &xcb_res_id);
    xcb_res_query_version_reply_t *r =
        is != NULL && is->present
            ? xcb_res_query_version_reply(x->c, xcb_res_query_version(x->c, 1, 2), NULL)
            : NULL;
    bool tells =
        r != NULL && (r->server_major > 1 || (r->server_major == 1 && r->server_minor >= 2));

    free(r);
    return tells;
}

static void x11_close(void *state)
{
    struct x11 *x = state;

    if (x == NULL)
        return;
    xcb_disconnect(x->c);
    free(x);
}

static int x11_open(void **ret)
{
    struct x11 *x = calloc(1, sizeof(*x));
    int screen, status = 0;

    if (x == NULL)
        return -ENOMEM;
    x->c = xcb_connect(NULL, &screen);
    if (xcb_connection_has_error(x->c)) {
        x11_close(x);
        return -ECONNREFUSED;
    }
    const xcb_setup_t *setup = xcb_get_setup(x->c);
    xcb_screen_iterator_t at = xcb_setup_roots_iterator(setup);
    while (screen-- > 0)
        xcb_screen_next(&at);
    x->root = at.data->root;
    x->first = setup->min_keycode;
    x->last = setup->max_keycode;
    const xcb_query_extension_reply_t *test = xcb_get_extension_data(x->c, &xcb_test_id);
    if (test == NULL || !test->present)
        status = -ENOTSUP;
    x->knows_processes = tells_processes(x);
    if (status == 0)
        status = read_symbols(x);
    if (status == 0)
        status = read_modifiers(x);
    if (status < 0) {
        x11_close(x);
        return status;
    }
    *ret = x;
    return 0;
}

static int x11_focus(void *state, uint32_t *ret)
{
    struct x11 *x = state;
    xcb_get_input_focus_reply_t *r =
        xcb_get_input_focus_reply(x->c, xcb_get_input_focus(x->c), NULL);

    if (r == NULL)
        return -EIO;
    *ret = r->focus > 1 ? r->focus : 0; /* 1 = wherever the pointer is */
    free(r);
    return 0;
}

static void fake(struct x11 *x, uint8_t type, uint8_t key)
{
    xcb_test_fake_input(x->c, type, key, 0, x->root, 0, 0, 0);
}

static void tap(struct x11 *x, uint8_t key, bool shift)
{
    if (shift)
        fake(x, XCB_KEY_PRESS, x->shift);
    fake(x, XCB_KEY_PRESS, key);
    fake(x, XCB_KEY_RELEASE, key);
    if (shift)
        fake(x, XCB_KEY_RELEASE, x->shift);
}

/* Everything sent so far has been taken by the server. @return 0 or -errno */
static int settle(struct x11 *x)
{
    xcb_get_input_focus_reply_t *r =
        xcb_get_input_focus_reply(x->c, xcb_get_input_focus(x->c), NULL);

    free(r);
    return r != NULL && !xcb_connection_has_error(x->c) ? 0 : -EIO;
}

/* Modifiers that somebody still holds would turn letters into commands. */
static int release_modifiers(struct x11 *x)
{
    xcb_query_keymap_reply_t *r = xcb_query_keymap_reply(x->c, xcb_query_keymap(x->c), NULL);

    if (r == NULL)
        return -EIO;
    for (int key = x->first; key <= x->last; key++)
        if (x->is_modifier[key] && (r->keys[key / 8] & 1 << key % 8))
            fake(x, XCB_KEY_RELEASE, (uint8_t)key);
    free(r);
    return 0;
}

/* The key that gives a symbol now, 0 = none, with Shift or without. */
static uint8_t find_key(const struct x11 *x, uint32_t symbol, bool *ret_shift)
{
    uint8_t shifted = 0;

    *ret_shift = false;
    for (int key = x->first; key <= x->last && symbol != 0; key++) {
        const uint32_t *s = x->symbols[key];
        int at = !x->is_spare[key] && x->group == 1 && (s[2] != 0 || s[3] != 0) ? 2 : 0;

        if (!x->is_spare[key] && x->group > 1)
            continue;
        if (s[at] == symbol)
            return (uint8_t)key;
        if (s[at + 1] == symbol && shifted == 0 && x->shift != 0)
            shifted = (uint8_t)key;
    }
    *ret_shift = shifted != 0;
    return shifted;
}

/* A spare key that nobody may still be reading, 0 = none; one that is free rather than one that bears
   another symbol, which may come again. */
static uint8_t find_spare(const struct x11 *x)
{
    uint8_t other = 0;

    for (int key = x->last; key >= x->first; key--) {
        if (!x->is_spare[key] || x->used[key] || x->changed[key])
            continue;
        if (x->symbols[key][0] == 0)
            return (uint8_t)key;
        other = (uint8_t)key;
    }
    return other;
}

/* Spare keys get the symbols that `text` needs, as many as there are keys. @return where the text has
   to wait for the next turn: at its end, or at the first character that found no key */
static const char *borrow(struct x11 *x, const char *text)
{
    bool shift;

    for (const char *at = text, *before = text;; before = at) {
        uint32_t c = utf8_next(&at);
        if (c == 0)
            return before;
        uint8_t key = find_key(x, utf8_keysym(c), &shift);
        if (key == 0) {
            key = find_spare(x);
            if (key == 0)
                return before;
            give(x, key, utf8_keysym(c));
        }
        if (x->is_spare[key])
            x->used[key] = true;
    }
}

/* Tell the server of the changed keys, as few times as there are runs of them.
   @return whether there were any */
static bool send_symbols(struct x11 *x)
{
    bool any = false;

    for (int key = x->first; key <= x->last; key++) {
        int end = key;

        while (end <= x->last && x->changed[end])
            x->changed[end++] = false;
        if (end > key)
            xcb_change_keyboard_mapping(x->c, (uint8_t)(end - key), (uint8_t)key, 4,
                                        x->symbols[key]);
        any = any || end > key;
        key = end;
    }
    return any;
}

static xcb_atom_t find_atom(struct x11 *x, const char *name)
{
    xcb_intern_atom_reply_t *r =
        xcb_intern_atom_reply(x->c, xcb_intern_atom(x->c, 0, (uint16_t)strlen(name), name), NULL);
    xcb_atom_t atom = r != NULL ? r->atom : 0;

    free(r);
    return atom;
}

static bool answers_pings(struct x11 *x, xcb_window_t window, xcb_atom_t protocols, xcb_atom_t ping)
{
    xcb_get_property_reply_t *r = xcb_get_property_reply(
        x->c, xcb_get_property(x->c, 0, window, protocols, XCB_ATOM_ATOM, 0, 64), NULL);
    bool found = false;

    if (r == NULL)
        return false;
    const xcb_atom_t *atoms = xcb_get_property_value(r);
    for (int i = 0; i < xcb_get_property_value_length(r) / (int)sizeof(*atoms); i++)
        found = found || atoms[i] == ping;
    free(r);
    return found;
}

static xcb_window_t parent_of(struct x11 *x, xcb_window_t window)
{
    xcb_query_tree_reply_t *r = xcb_query_tree_reply(x->c, xcb_query_tree(x->c, window), NULL);
    xcb_window_t parent = r != NULL ? r->parent : 0;

    free(r);
    return parent;
}

/* The window that gets our keys; where the focus follows the pointer, the one below it. */
static xcb_window_t find_reader(struct x11 *x)
{
    uint32_t window = 0;

    if (x11_focus(x, &window) < 0 || window != 0)
        return window;
    xcb_query_pointer_reply_t *r =
        xcb_query_pointer_reply(x->c, xcb_query_pointer(x->c, x->root), NULL);
    window = r != NULL ? r->child : 0;
    free(r);
    return window;
}

/* Wait for an event for a while. @return NULL: there was none */
static xcb_generic_event_t *wait_event(struct x11 *x, int timeout_ms)
{
    struct pollfd fd = {.fd = xcb_get_file_descriptor(x->c), .events = POLLIN};
    xcb_generic_event_t *e = xcb_poll_for_event(x->c);

    if (e == NULL && poll(&fd, 1, timeout_ms) > 0)
        e = xcb_poll_for_event(x->c);
    return e;
}

/* @return whether the window's program answered: all keys before it have been read */
static bool ping_window(struct x11 *x, xcb_window_t window, xcb_atom_t protocols, xcb_atom_t ping)
{
    static const uint32_t notify = XCB_EVENT_MASK_SUBSTRUCTURE_NOTIFY;
    xcb_client_message_event_t message = {
        .response_type = XCB_CLIENT_MESSAGE, .format = 32, .window = window, .type = protocols};
    xcb_generic_event_t *e;
    bool answered = false;

    message.data.data32[0] = ping;
    message.data.data32[1] = ++x->pings;
    message.data.data32[2] = window;
    xcb_change_window_attributes(x->c, x->root, XCB_CW_EVENT_MASK, &notify);
    xcb_send_event(x->c, 0, window, 0, (const char *)&message);
    xcb_flush(x->c);
    while (!answered && (e = wait_event(x, PING_MS)) != NULL) {
        const xcb_client_message_event_t *m = (const void *)e;
        answered = (e->response_type & 0x7f) == XCB_CLIENT_MESSAGE && m->type == protocols &&
                   m->data.data32[0] == ping && m->data.data32[1] == x->pings;
        free(e);
    }
    return answered;
}

/* The process of this machine that made a window and reads its keys, 0 = not known. */
static uint32_t process_of(struct x11 *x, xcb_window_t window)
{
    xcb_res_client_id_spec_t spec = {window, XCB_RES_CLIENT_ID_MASK_LOCAL_CLIENT_PID};
    uint32_t process = 0;

    if (!x->knows_processes)
        return 0;
    xcb_res_query_client_ids_reply_t *r =
        xcb_res_query_client_ids_reply(x->c, xcb_res_query_client_ids(x->c, 1, &spec), NULL);
    if (r != NULL && r->num_ids > 0) {
        xcb_res_client_id_value_iterator_t at = xcb_res_query_client_ids_ids_iterator(r);
        if (xcb_res_client_id_value_value_length(at.data) > 0)
            process = xcb_res_client_id_value_value(at.data)[0];
    }
    free(r);
    return process;
}

/* Until a process that waits for the server alone has slept for a while, and so has nothing to read.
   @return whether it did */
static bool wait_until_asleep(struct x11 *x, uint32_t process)
{
    struct pollfd nothing = {.fd = -1};

    for (int waited_ms = 0; waited_ms < BUSY_MS; waited_ms += QUIET_MS) {
        /* once round for the server to take what was sent, once more for it to have passed it on */
        if (settle(x) < 0 || settle(x) < 0)
            return false;
        long long before = asleep_naps(process);
        if (before < 0 && before != -EAGAIN)
            return false;
        (void)poll(&nothing, 1, QUIET_MS);
        /* who waits for an answer of the server sleeps too: it has had time to answer */
        if (before >= 0 && settle(x) == 0 && settle(x) == 0 && asleep_naps(process) == before)
            return true;
    }
    return false;
}

/* Until whoever reads our keys has read all that was sent. @param done with the keys used so far */
static void wait_for_readers(struct x11 *x, bool done)
{
    xcb_atom_t protocols = find_atom(x, "WM_PROTOCOLS"), ping = find_atom(x, "_NET_WM_PING");
    xcb_window_t window = find_reader(x);
    struct pollfd nothing = {.fd = -1};
    uint32_t process = 0;

    if (window != 0 && window != x->root)
        process = process_of(x, window);
    while (window != 0 && window != x->root && !answers_pings(x, window, protocols, ping))
        window = parent_of(x, window);
    bool answered = window != 0 && window != x->root && ping_window(x, window, protocols, ping);
    if (!answered && (process == 0 || !wait_until_asleep(x, process)))
        (void)poll(&nothing, 1, SETTLE_MS);
    if (done)
        memset(x->used, 0, sizeof(x->used));
}

static int begin(struct x11 *x)
{
    int status = read_state(x);
    bool unused;

    x->shift = find_key(x, KEY_SHIFT, &unused);
    if (status == 0)
        status = release_modifiers(x);
    return status;
}

/* `text` to `end`: all of it has keys. */
static int type_piece(struct x11 *x, const char *text, const char *end)
{
    int typed = 0;

    for (; text < end; typed++) {
        bool shift;
        uint8_t key = find_key(x, utf8_keysym(utf8_next(&text)), &shift);

        tap(x, key, shift);
    }
    return typed;
}

static bool has_focus(struct x11 *x, uint32_t window)
{
    uint32_t now = 0;

    return x11_focus(x, &now) < 0 || now == window;
}

static int x11_type(void *state, const char *text, uint32_t window, size_t *ret_typed)
{
    struct x11 *x = state;
    int status = begin(x);
    bool waited = false, none;
    uint8_t caps = x->caps ? find_key(x, KEY_CAPS_LOCK, &none) : 0;

    *ret_typed = 0;
    if (status == 0 && window == 0)
        status = x11_focus(x, &window);
    if (status < 0)
        return status;
    if (caps != 0)
        tap(x, caps, false);
    while (*text != '\0' && status == 0) {
        const char *end = borrow(x, text);
        if (end == text && waited)
            return -ENOTSUP; /* a server without a single spare key */
        waited = end == text;
        /* a program that reads keys together with news of the keyboard reads them the old way */
        if (send_symbols(x))
            wait_for_readers(x, false);
        if (!has_focus(x, window)) {
            status = -EXDEV;
            break;
        }
        *ret_typed += (size_t)type_piece(x, text, end);
        text = end;
        status = settle(x);
        if (*text != '\0' && status == 0)
            wait_for_readers(x, true);
    }
    if (caps != 0)
        tap(x, caps, false);
    int last = settle(x);
    return status < 0 ? status : last;
}

static int x11_erase(void *state, uint32_t count)
{
    struct x11 *x = state;
    int status = begin(x);
    bool shift;
    uint8_t key = find_key(x, KEY_BACKSPACE, &shift);

    if (status < 0 || key == 0)
        return status < 0 ? status : -ENOTSUP;
    while (count-- > 0)
        tap(x, key, false);
    return settle(x);
}

/* A key for a chord: by the layout's first group too, so that Ctrl+V is that in any layout. */
static uint8_t find_for_chord(struct x11 *x, uint32_t symbol)
{
    bool shift;
    uint8_t key = find_key(x, symbol, &shift);

    if (key == 0 || shift) {
        key = find_spare(x);
        if (key != 0) {
            give(x, key, symbol);
            if (send_symbols(x))
                wait_for_readers(x, false);
        }
    }
    return key;
}

static int x11_chord(void *state, const char *keys)
{
    static const struct {
        const char *name;
        uint32_t symbol;
    } names[] = {{"shift", KEY_SHIFT}, {"ctrl", KEY_CONTROL}, {"Insert", KEY_INSERT}, {"v", 'v'}};
    struct x11 *x = state;
    uint8_t held[4];
    int count = 0, status = begin(x);

    while (status == 0 && *keys != '\0') {
        size_t length = strcspn(keys, "+");
        uint8_t key = 0;
        for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
            if (strlen(names[i].name) == length && strncasecmp(keys, names[i].name, length) == 0)
                key = find_for_chord(x, names[i].symbol);
        if (key == 0 || count == 4)
            return -EINVAL;
        held[count++] = key;
        keys += length + (keys[length] == '+');
    }
    if (status < 0)
        return status;
    for (int i = 0; i < count; i++)
        fake(x, XCB_KEY_PRESS, held[i]);
    while (count-- > 0)
        fake(x, XCB_KEY_RELEASE, held[count]);
    return settle(x);
}

extern const struct x11_ops voicestand_x11;
__attribute__((visibility("default"))) const struct x11_ops voicestand_x11 = {
    .abi = X11_ABI,
    .open = x11_open,
    .close = x11_close,
    .focus = x11_focus,
    .type = x11_type,
    .erase = x11_erase,
    .chord = x11_chord,
};
