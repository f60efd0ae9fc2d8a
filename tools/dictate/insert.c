/* SPDX-License-Identifier: MIT */
#include "dictate/insert.h"

#include <dlfcn.h>
#include <errno.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/folders.h"
#include "common/part.h"
#include "dictate/remote.h"
#include "dictate/run.h"
#include "dictate/utf8.h"
#include "dictate/wayland.h"
#include "dictate/x11.h"

/* A program that types may need a while for a long text; one that answers does not. */
enum { ANSWER_MS = 1000, COPY_MS = 2000, TYPE_MS = 10000, TYPE_MS_EACH = 20, PIECE_BYTES = 16000 };

static const char *const names[] = {"wayland", "wtype",   "x11",   "xdotool",
                                    "portal",  "ydotool", "paste", "clipboard"};

const char *insert_name(enum insert_way way)
{
    return names[way];
}

enum insert_way insert_find(const char *name, size_t length)
{
    for (int way = 0; way < WAY_COUNT; way++)
        if (strlen(names[way]) == length && memcmp(names[way], name, length) == 0)
            return (enum insert_way)way;
    return WAY_COUNT;
}

size_t insert_check(const char *ways, const char **ret_bad)
{
    while (ways != NULL && *ways != '\0') {
        size_t length = strcspn(ways, ",");

        *ret_bad = ways;
        if (insert_find(ways, length) == WAY_COUNT)
            return length > 0 ? length : 1;
        ways += length + (ways[length] == ',');
    }
    return 0;
}

static bool is_set(const char *variable)
{
    const char *value = getenv(variable);

    return value != NULL && value[0] != '\0';
}

static bool is_wayland(void)
{
    return is_set("WAYLAND_DISPLAY") || is_set("WAYLAND_SOCKET");
}

/* programs ------------------------------------------------------------------------------------- */

static int run_with(const char *const *arguments, const char *input, size_t count)
{
    struct run_job job = {.arguments = arguments,
                          .input = input,
                          .input_bytes = input != NULL ? strlen(input) : 0,
                          .timeout_ms = TYPE_MS + (int)count * TYPE_MS_EACH};

    return run_program(&job);
}

static int say_program(struct insert_done *ret, const char *program, int status)
{
    const char *what = status == -ENOENT      ? "is not installed"
                       : status == -ETIMEDOUT ? "did not end and was killed"
                       : status == -EPROTO    ? "failed"
                                              : strerror(-status);

    snprintf(ret->why, sizeof(ret->why), "%s %s", program, what);
    return status;
}

/* A piece of `text` that ends between characters. */
static size_t piece_of(const char *text, char *ret)
{
    size_t length = strlen(text);

    if (length >= PIECE_BYTES)
        for (length = PIECE_BYTES - 1; length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80;)
            length--;
    memcpy(ret, text, length);
    ret[length] = '\0';
    return length;
}

/* Its first key may be lost while the compositor still reads the keymap: it waits before it. */
static int type_wtype(const char *text, struct insert_done *ret)
{
    char piece[PIECE_BYTES];
    const char *const arguments[] = {"wtype", "-s", "30", "--", piece, NULL};

    while (*text != '\0') {
        text += piece_of(text, piece);
        size_t count = utf8_count(piece);
        int status = run_with(arguments, NULL, count);

        if (status == 0 || status == -ETIMEDOUT) /* killed: some of it stands there */
            ret->typed += count;
        if (status < 0)
            return say_program(ret, "wtype", status);
    }
    return 0;
}

static int type_xdotool(const char *text, struct insert_done *ret)
{
    static const char *const arguments[] = {
        "xdotool", "type", "--clearmodifiers", "--delay", "4", "--file", "-", NULL};
    size_t count = utf8_count(text);
    int status = run_with(arguments, text, count);

    if (status == 0 || status == -ETIMEDOUT)
        ret->typed = count;
    return status < 0 ? say_program(ret, "xdotool", status) : 0;
}

/* It types scan codes, so that the layout decides what comes of them. What it may be given is what
   stands on the same keys nearly everywhere, but on the user's word alone: see insert_text(). */
static int type_ydotool(const char *text, struct insert_done *ret)
{
    const char *const arguments[] = {"ydotool", "type", "--", text, NULL};

    for (const char *at = text; *at != '\0'; at++)
        if ((unsigned char)*at >= 0x7f) {
            snprintf(ret->why, sizeof(ret->why), "ydotool knows ASCII alone");
            return -ENOTSUP;
        }
    int status = run_with(arguments, NULL, strlen(text));
    if (status < 0)
        return say_program(ret, "ydotool", status);
    ret->typed = strlen(text);
    return 0;
}

/* Both of X's selections, so that any of the usual keys pastes it. */
static int copy(const char *text, struct insert_done *ret)
{
    static const char *const wayland[][4] = {{"wl-copy", NULL}, {"wl-copy", "--primary", NULL}};
    static const char *const x11[][5] = {{"xclip", "-selection", "clipboard", "-in", NULL},
                                         {"xclip", "-selection", "primary", "-in", NULL}};
    int status = 0;

    for (int i = 0; i < 2; i++) {
        struct run_job job = {.arguments = is_wayland() ? wayland[i] : x11[i],
                              .input = text,
                              .input_bytes = strlen(text),
                              .silent = true,
                              .timeout_ms = COPY_MS};
        int each = run_program(&job);
        if (each < 0 && i == 0) /* not all compositors have a primary selection */
            status = each;
    }
    return status < 0 ? say_program(ret, is_wayland() ? "wl-copy" : "xclip", status) : 0;
}

/* Wayland ------------------------------------------------------------------------------------- */

struct wayland {
    void *module, *state;
    const struct wayland_ops *ops;
};

static void close_wayland(struct wayland *w)
{
    if (w->state != NULL)
        w->ops->close(w->state);
    if (w->module != NULL)
        dlclose(w->module);
}

/* @return as its open(); -ENOENT: there is no such module */
static int open_wayland(const struct insert_ask *ask, struct wayland *w, struct insert_done *ret)
{
    *w = (struct wayland){0};
    w->ops = part_load(ask->env, "wayland", WAYLAND_ENTRY, WAYLAND_ABI, 0, &w->module);
    if (w->ops == NULL) {
        snprintf(ret->why, sizeof(ret->why), "the wayland module is not installed");
        return -ENOENT;
    }
    int status = w->ops->open(&w->state);
    if (status < 0)
        snprintf(ret->why, sizeof(ret->why),
                 status == -ENOTSUP ? "this compositor gives no virtual keyboard (GNOME, KDE)"
                                    : "no compositor answers");
    return status;
}

static int type_wayland(const struct insert_ask *ask, const char *text, struct insert_done *ret)
{
    struct wayland w;
    int status = open_wayland(ask, &w, ret);

    if (status == 0) {
        status = w.ops->type(w.state, text, &ret->typed);
        if (status < 0)
            snprintf(ret->why, sizeof(ret->why), "the compositor went away");
    }
    close_wayland(&w);
    return status;
}

static int erase_wayland(const struct insert_ask *ask, size_t count, struct insert_done *ret)
{
    struct wayland w;
    int status = open_wayland(ask, &w, ret);

    if (status == 0)
        status = w.ops->erase(w.state, (uint32_t)count);
    close_wayland(&w);
    return status;
}

static int press_by_wtype(const char *keys, struct insert_done *ret)
{
    bool insert = strcmp(keys, "shift+Insert") == 0, shift = strstr(keys, "shift") != NULL;
    const char *const by_insert[] = {"wtype", "-M", "shift", "-k", "Insert", "-m", "shift", NULL};
    const char *const by_v[] = {"wtype", "-M", "ctrl", "v", "-m", "ctrl", NULL};
    const char *const by_shift_v[] = {"wtype", "-M",    "ctrl", "-M",   "shift", "v",
                                      "-m",    "shift", "-m",   "ctrl", NULL};
    int status = run_with(insert ? by_insert : shift ? by_shift_v : by_v, NULL, 0);

    return status < 0 ? say_program(ret, "wtype", status) : 0;
}

static int press_wayland(const struct insert_ask *ask, const char *keys, struct insert_done *ret)
{
    struct wayland w;
    int status = open_wayland(ask, &w, ret);

    if (status == 0)
        status = w.ops->chord(w.state, keys);
    close_wayland(&w);
    return status == -ENOENT ? press_by_wtype(keys, ret) : status;
}

/* X ------------------------------------------------------------------------------------------- */

struct x11 {
    void *module, *state;
    const struct x11_ops *ops;
};

static void close_x11(struct x11 *x)
{
    if (x->state != NULL)
        x->ops->close(x->state);
    if (x->module != NULL)
        dlclose(x->module);
}

static int open_x11(const struct insert_ask *ask, struct x11 *x, struct insert_done *ret)
{
    *x = (struct x11){0};
    x->ops = part_load(ask->env, "x11", X11_ENTRY, X11_ABI, 0, &x->module);
    if (x->ops == NULL) {
        snprintf(ret->why, sizeof(ret->why), "the x11 module is not installed");
        return -ENOENT;
    }
    int status = x->ops->open(&x->state);
    if (status < 0)
        snprintf(ret->why, sizeof(ret->why),
                 status == -ENOTSUP ? "the X server has no XTEST" : "no X server answers");
    return status;
}

static int type_x11(const struct insert_ask *ask, const char *text, struct insert_done *ret)
{
    struct x11 x;
    int status = open_x11(ask, &x, ret);

    if (status == 0) {
        unsigned window = 0;
        if (ask->target != NULL)
            (void)sscanf(ask->target, "x11:%u", &window);
        status = x.ops->type(x.state, text, window, &ret->typed);
        if (status < 0)
            snprintf(ret->why, sizeof(ret->why), "the X server went away");
    }
    close_x11(&x);
    return status;
}

static int press_keys(const struct insert_ask *ask, const char *keys, struct insert_done *ret)
{
    struct x11 x;
    int status;

    if (is_wayland())
        return press_wayland(ask, keys, ret);
    status = open_x11(ask, &x, ret);
    if (status == 0)
        status = x.ops->chord(x.state, keys);
    close_x11(&x);
    return status;
}

/* the desktop's portal -------------------------------------------------------------------------- */

static int open_remote(const struct insert_ask *ask, void **ret_module,
                       const struct remote_ops **ret, struct insert_done *done)
{
    *ret = part_load(ask->env, "bus", REMOTE_ENTRY, REMOTE_ABI, 0, ret_module);
    if (*ret != NULL)
        return 0;
    snprintf(done->why, sizeof(done->why), "the bus module is not installed");
    return -ENOENT;
}

static int type_portal(const struct insert_ask *ask, const char *text, size_t erase,
                       struct insert_done *ret)
{
    const struct remote_ops *ops;
    const char *folder = folder_state();
    char token[4200] = "";
    void *module;
    int status = open_remote(ask, &module, &ops, ret);

    if (status < 0)
        return status;
    if (folder != NULL)
        snprintf(token, sizeof(token), "%s/portal-token", folder);
    status = ops->type(token[0] != '\0' ? token : NULL, text, (uint32_t)erase, &ret->typed);
    dlclose(module);
    if (status < 0)
        snprintf(ret->why, sizeof(ret->why), "%s",
                 status == -ECANCELED   ? "the desktop did not allow to type"
                 : status == -ETIMEDOUT ? "nobody answered the desktop's question"
                 : status == -ENOTSUP   ? "the desktop has no portal for typing"
                                        : "the desktop's portal failed");
    return status;
}

/* where the focus is ---------------------------------------------------------------------------- */

static json_int_t find_focused(const json_t *node)
{
    static const char *const lists[] = {"nodes", "floating_nodes"};
    json_int_t found = 0;

    if (json_is_true(json_object_get(node, "focused")))
        return json_integer_value(json_object_get(node, "id"));
    for (int i = 0; i < 2 && found == 0; i++) {
        const json_t *list = json_object_get(node, lists[i]);
        for (size_t n = 0; n < json_array_size(list) && found == 0; n++)
            found = find_focused(json_array_get(list, n));
    }
    return found;
}

static long long focus_of_sway(void)
{
    static const char *const arguments[] = {"swaymsg", "-r", "-t", "get_tree", NULL};
    enum { ROOM = 1 << 20 };
    size_t bytes = 0;
    struct run_job job = {.arguments = arguments,
                          .output = malloc(ROOM),
                          .output_room = ROOM,
                          .ret_output_bytes = &bytes,
                          .timeout_ms = ANSWER_MS};
    json_int_t id = 0;

    if (job.output != NULL && run_program(&job) == 0) {
        json_t *tree = json_loadb(job.output, bytes, 0, NULL);
        id = find_focused(tree);
        json_decref(tree);
    }
    free(job.output);
    return id;
}

void insert_target(const struct insert_ask *ask, char *ret, size_t bytes)
{
    struct insert_done unused = {.typed = 0};
    struct x11 x;
    uint32_t window = 0;

    ret[0] = '\0';
    if (is_set("SWAYSOCK")) {
        long long id = focus_of_sway();
        if (id != 0)
            snprintf(ret, bytes, "sway:%lld", id);
    } else if (is_set("DISPLAY") && !is_wayland()) {
        if (open_x11(ask, &x, &unused) == 0 && x.ops->focus(x.state, &window) == 0 && window != 0)
            snprintf(ret, bytes, "x11:%u", window);
        close_x11(&x);
    }
}

static int say_moved(struct insert_done *ret, bool copied)
{
    snprintf(ret->why, sizeof(ret->why), "another window has the focus now%s",
             copied ? "; the text is on the clipboard" : "");
    return -EXDEV;
}

static bool is_elsewhere(const struct insert_ask *ask, struct insert_done *ret)
{
    char now[64];

    if (ask->target == NULL || ask->target[0] == '\0')
        return false;
    insert_target(ask, now, sizeof(now));
    if (now[0] == '\0' || strcmp(now, ask->target) == 0)
        return false;
    (void)say_moved(ret, false);
    return true;
}

/* the chain ------------------------------------------------------------------------------------- */

/* What fits the session, before anything is tried. X's ways reach only X's own windows. */
static bool fits(enum insert_way way)
{
    switch (way) {
    case WAY_WAYLAND:
    case WAY_WTYPE:
        return is_wayland();
    case WAY_X11:
    case WAY_XDOTOOL:
        return is_set("DISPLAY") && !is_wayland();
    case WAY_PORTAL:  /* only who asks for these: it is a question to the user, */
    case WAY_YDOTOOL: /* and it cannot know the layout */
        return false;
    default:
        return is_wayland() || is_set("DISPLAY");
    }
}

static int try_way(const struct insert_ask *ask, enum insert_way way, const char *text,
                   struct insert_done *ret)
{
    int status;

    ret->way = way;
    switch (way) {
    case WAY_WAYLAND:
        return type_wayland(ask, text, ret);
    case WAY_WTYPE:
        return type_wtype(text, ret);
    case WAY_X11:
        return type_x11(ask, text, ret);
    case WAY_XDOTOOL:
        return type_xdotool(text, ret);
    case WAY_PORTAL:
        return type_portal(ask, text, 0, ret);
    case WAY_YDOTOOL:
        return type_ydotool(text, ret);
    case WAY_CLIPBOARD:
        return copy(text, ret);
    default:
        status = copy(text, ret);
        if (status == 0)
            status = press_keys(ask, ask->paste, ret);
        if (status == 0)
            ret->typed = utf8_count(text);
        return status;
    }
}

int insert_text(const struct insert_ask *ask, const char *text, struct insert_done *ret)
{
    bool moved = is_elsewhere(ask, ret), asked = ask->ways != NULL;
    const char *ways = asked ? ask->ways : "wayland,wtype,x11,xdotool,paste,clipboard";

    ret->typed = 0;
    while (*ways != '\0') {
        size_t length = strcspn(ways, ",");
        enum insert_way way = insert_find(ways, length);

        ways += length + (ways[length] == ',');
        if (way == WAY_COUNT || (!asked && !fits(way)) || (moved && way != WAY_CLIPBOARD))
            continue;
        int status = try_way(ask, way, text, ret);
        if (moved)
            return say_moved(ret, status == 0);
        if (status == -EXDEV) {
            struct insert_done unused = {.typed = 0};
            return say_moved(ret, copy(text, &unused) == 0);
        }
        if (status == 0)
            return 0;
        if (ret->typed > 0)
            return -EIO; /* another way would type it twice */
    }
    if (ret->why[0] == '\0')
        snprintf(ret->why, sizeof(ret->why),
                 "neither WAYLAND_DISPLAY nor DISPLAY is set: there is no desktop to type into");
    return moved ? say_moved(ret, false) : -ENODEV;
}

static int erase_wtype(size_t count, struct insert_done *ret)
{
    enum { MOST = 500 };
    const char *arguments[2 * MOST + 4];

    while (count > 0) {
        size_t now = count < MOST ? count : MOST, n = 0;

        arguments[n++] = "wtype";
        arguments[n++] = "-s";
        arguments[n++] = "30";
        for (size_t i = 0; i < now; i++) {
            arguments[n++] = "-k";
            arguments[n++] = "BackSpace";
        }
        arguments[n] = NULL;
        int status = run_with(arguments, NULL, now);
        if (status < 0)
            return say_program(ret, "wtype", status);
        count -= now;
    }
    return 0;
}

static int erase_xdotool(size_t count, struct insert_done *ret)
{
    char repeat[24];
    const char *const arguments[] = {"xdotool",  "key",  "--clearmodifiers", "--delay", "4",
                                     "--repeat", repeat, "BackSpace",        NULL};

    snprintf(repeat, sizeof(repeat), "%zu", count);
    int status = run_with(arguments, NULL, count);
    return status < 0 ? say_program(ret, "xdotool", status) : 0;
}

static int erase_x11(const struct insert_ask *ask, size_t count, struct insert_done *ret)
{
    struct x11 x;
    int status = open_x11(ask, &x, ret);

    if (status == 0)
        status = x.ops->erase(x.state, (uint32_t)count);
    close_x11(&x);
    return status;
}

int insert_erase(const struct insert_ask *ask, enum insert_way way, size_t count,
                 struct insert_done *ret)
{
    int status;

    ret->way = way;
    if (is_elsewhere(ask, ret))
        return -EXDEV;
    if (way == WAY_WAYLAND || (way == WAY_PASTE && is_wayland()))
        status = erase_wayland(ask, count, ret);
    else if (way == WAY_WTYPE)
        status = erase_wtype(count, ret);
    else if (way == WAY_X11 || way == WAY_PASTE)
        status = erase_x11(ask, count, ret);
    else if (way == WAY_XDOTOOL)
        status = erase_xdotool(count, ret);
    else if (way == WAY_PORTAL)
        status = type_portal(ask, "", count, ret);
    else
        status = -ENOTSUP;
    if (status < 0 && ret->why[0] == '\0')
        snprintf(ret->why, sizeof(ret->why), "%s cannot take back text", insert_name(way));
    if (status == 0)
        ret->typed = count;
    return status < 0 ? -ENODEV : 0;
}

/* what works here ------------------------------------------------------------------------------ */

static int probe_wayland(const struct insert_ask *ask, char *ret, size_t bytes,
                         const char **ret_fix)
{
    struct insert_done done = {.typed = 0};
    struct wayland w;
    int status = open_wayland(ask, &w, &done);

    close_wayland(&w);
    snprintf(ret, bytes, "%s", status == 0 ? "the compositor gives a virtual keyboard" : done.why);
    if (status == -ENOENT)
        *ret_fix = "apt install libwayland-dev, then build again; or use wtype";
    else if (status == -ENOTSUP)
        *ret_fix = "--insert portal asks the desktop; without it, text is copied and you paste it";
    else if (status < 0)
        *ret_fix = "look at WAYLAND_DISPLAY and XDG_RUNTIME_DIR";
    return status;
}

/* It does what the module does: worth a word only where that is missing. */
static int probe_wtype(char *ret, size_t bytes, const char **ret_fix)
{
    static const char *const arguments[] = {"wtype", "", NULL};
    struct run_job job = {.arguments = arguments, .timeout_ms = ANSWER_MS};
    int status = run_has("wtype") ? run_program(&job) : -ENOENT;

    if (status == 0) {
        snprintf(ret, bytes, "the compositor gives a virtual keyboard");
    } else if (status == -ENOENT) {
        snprintf(ret, bytes, "wtype is not installed; only who has no wayland module needs it");
    } else {
        snprintf(ret, bytes, "this compositor gives no virtual keyboard (GNOME, KDE)");
        *ret_fix = "--insert portal asks the desktop; without it, text is copied and you paste it";
    }
    return status;
}

static int probe_program(const char *program, const char *fix, char *ret, size_t bytes,
                         const char **ret_fix)
{
    if (run_has(program)) {
        snprintf(ret, bytes, "%s is there", program);
        return 0;
    }
    snprintf(ret, bytes, "%s is not installed", program);
    *ret_fix = fix;
    return -ENOENT;
}

static int probe_x11(const struct insert_ask *ask, char *ret, size_t bytes, const char **ret_fix)
{
    struct insert_done done = {.typed = 0};
    struct x11 x;
    int status = open_x11(ask, &x, &done);

    close_x11(&x);
    snprintf(ret, bytes, "%s", status == 0 ? "the X server takes keys" : done.why);
    if (status == -ENOENT)
        *ret_fix = "apt install libxcb-res0-dev libxcb-xtest0-dev, then build again";
    else if (status < 0)
        *ret_fix = "look at DISPLAY and XAUTHORITY";
    return status;
}

static int probe_portal(const struct insert_ask *ask, char *ret, size_t bytes)
{
    struct insert_done done = {.typed = 0};
    const struct remote_ops *ops;
    void *module;
    int status = open_remote(ask, &module, &ops, &done);

    if (status == 0) {
        status = ops->probe();
        dlclose(module);
    }
    snprintf(ret, bytes, "%s",
             status == 0 ? "is there; asks you once: only by --insert portal"
                         : "the desktop has no portal for typing");
    return status == 0 ? 0 : 1;
}

int insert_probe(const struct insert_ask *ask, enum insert_way way, char *ret, size_t bytes,
                 const char **ret_fix)
{
    *ret_fix = NULL;
    if (way != WAY_YDOTOOL && way != WAY_PORTAL && !fits(way)) {
        snprintf(ret, bytes, is_wayland() ? "is for X sessions" : "no such session here");
        return 1;
    }
    switch (way) {
    case WAY_WAYLAND:
        return probe_wayland(ask, ret, bytes, ret_fix);
    case WAY_WTYPE:
        return probe_wtype(ret, bytes, ret_fix);
    case WAY_X11:
        return probe_x11(ask, ret, bytes, ret_fix);
    case WAY_XDOTOOL:
        return probe_program("xdotool", NULL, ret, bytes, ret_fix);
    case WAY_PORTAL:
        return probe_portal(ask, ret, bytes);
    case WAY_YDOTOOL:
        if (!run_has("ydotool") || access("/dev/uinput", W_OK) < 0) {
            snprintf(ret, bytes, "needs ydotool and /dev/uinput; types ASCII of one layout alone");
            return 1;
        }
        snprintf(ret, bytes, "is there; types ASCII of one layout alone: only by --insert ydotool");
        return 0;
    default:
        return probe_program(is_wayland() ? "wl-copy" : "xclip",
                             is_wayland() ? "apt install wl-clipboard" : "apt install xclip", ret,
                             bytes, ret_fix);
    }
}
