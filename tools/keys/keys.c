/* SPDX-License-Identifier: MIT */
/* Which way to hear of keys this session has. */
#include "keys/keys.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <voicestand/voicestand.h>

#include "common/part.h"

struct keys {
    enum key_way way;
    void *module, *state;
    const struct key_ops *ops;
};

static const struct {
    const char *name, *module, *entry, *fix;
} ways[] = {
    {"x11", "x11", KEY_ENTRY_X11,
     "apt install libxcb-res0-dev libxcb-xtest0-dev, then build again"},
    {"portal", "bus", KEY_ENTRY_PORTAL, "apt install libsystemd-dev, then build again"},
    {"evdev", NULL, NULL, NULL},
};

const char *key_way_name(enum key_way way)
{
    return ways[way].name;
}

static bool is_set(const char *variable)
{
    const char *value = getenv(variable);

    return value != NULL && value[0] != '\0';
}

/* X's keys are heard only while one of X's own windows has the focus, in a session of Wayland. */
static bool fits(enum key_way way)
{
    bool wayland = is_set("WAYLAND_DISPLAY");

    return way == KEYS_X11 ? is_set("DISPLAY") && !wayland : way == KEYS_PORTAL ? wayland : true;
}

static int load(const struct vs_env *env, struct keys *k, char *why, const char **ret_fix)
{
    if (k->way == KEYS_EVDEV) {
        k->ops = &key_evdev;
        return 0;
    }
    /* it stays: what it says to do about a failure is its own text */
    k->ops =
        part_load(env, ways[k->way].module, ways[k->way].entry, KEY_ABI, RTLD_NODELETE, &k->module);
    if (k->ops != NULL)
        return 0;
    snprintf(why, KEY_WHY, "the module '%s' is not installed", ways[k->way].module);
    *ret_fix = ways[k->way].fix;
    return -ENOTSUP;
}

static int try_way(const struct vs_env *env, const struct key_ask *ask, struct keys *k, char *why,
                   const char **ret_fix)
{
    int status = load(env, k, why, ret_fix);

    if (status == 0)
        status = k->ops->start(ask, &k->state, why, ret_fix);
    if (status < 0 && k->module != NULL)
        dlclose(k->module);
    if (status < 0)
        k->module = NULL;
    return status;
}

int keys_open(const struct vs_env *env, enum key_way way, const struct key_ask *ask,
              struct keys **ret, char *why, const char **ret_fix)
{
    struct keys *k = calloc(1, sizeof(*k));
    int status = -ENOTSUP;

    *ret_fix = NULL;
    if (k == NULL)
        return -ENOMEM;
    for (int each = 0; each < KEYS_WAYS && status < 0; each++) {
        k->way = (enum key_way)each;
        if (way == KEYS_WAYS ? fits(k->way) : way == k->way)
            status = try_way(env, ask, k, why, ret_fix);
    }
    if (status < 0) {
        free(k);
        return status;
    }
    *ret = k;
    return 0;
}

enum key_way keys_way(const struct keys *k)
{
    return k->way;
}

void keys_close(struct keys *k)
{
    if (k == NULL)
        return;
    k->ops->stop(k->state);
    if (k->module != NULL)
        dlclose(k->module);
    free(k);
}

static void ignore_key(void *user, bool down, int64_t ns)
{
    (void)user, (void)down, (void)ns;
}

static void ignore_loss(void *user, const char *why)
{
    (void)user, (void)why;
}

int keys_probe(const struct vs_env *env, enum key_way way, const char *devices, char *why,
               const char **ret_fix)
{
    struct key_ask ask = {.devices = devices, .host = {NULL, ignore_key, ignore_loss}};
    struct keys k = {.way = way};
    const char *near;

    *ret_fix = NULL;
    if (!fits(way)) {
        snprintf(why, KEY_WHY,
                 is_set("WAYLAND_DISPLAY") ? "is for X sessions" : "no such session here");
        return 1;
    }
    /* a combination that nobody has; the portal is only asked whether it is there */
    (void)key_parse("ctrl+alt+shift+super+f24", &ask.key, &near);
    ask.probe = true;
    int status = try_way(env, &ask, &k, why, ret_fix);
    if (status < 0)
        return status;
    k.ops->stop(k.state);
    if (k.module != NULL)
        dlclose(k.module);
    return 0;
}
