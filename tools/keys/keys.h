/* SPDX-License-Identifier: MIT */
/* Push-to-talk: one key, anywhere on the desktop, whose press and release are told. Three ways to hear of
   it; each is told the same key and tells the same. */
#ifndef VS_TOOLS_KEYS_KEYS_H
#define VS_TOOLS_KEYS_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum key_modifier { MOD_CTRL = 1, MOD_ALT = 2, MOD_SHIFT = 4, MOD_SUPER = 8 };

/** A key with the modifiers that must be held with it. */
struct key_spec {
    const char *name;        /* as in the list of names: "pause", "f13", "a" */
    uint16_t code;           /* the kernel's, which is that of a place on the keyboard */
    uint32_t symbol;         /* X's */
    const char *symbol_name; /* as xkbcommon writes it: "Pause" */
    unsigned modifiers;      /* enum key_modifier */
};

/** "pause", "ctrl+alt+space", in any case. @return false: `*ret_near` is the name that comes nearest */
bool key_parse(const char *text, struct key_spec *ret, const char **ret_near);

/** Who is told. All may be called on any thread, until stop() returned. */
struct key_host {
    void *user;
    /** The key moved, when by CLOCK_MONOTONIC. Presses and releases alternate, a press comes first; a
        keyboard that repeats is not told. */
    void (*moved)(void *user, bool down, int64_t ns);
    /** The key cannot be heard any more: why, and what to do. A held key was released before. */
    void (*lost)(void *user, const char *why);
};

struct key_ask {
    struct key_spec key;
    const char *devices; /* folder of evdev's devices, "/dev/input" */
    struct key_host host;
    bool probe; /* only whether it would work: no user is asked for his consent */
};

enum { KEY_WHY = 300 };

/** One way to hear of keys. */
struct key_ops {
    uint32_t abi;
    /** @return 0; -ENOTSUP this way does not exist here; or -errno; in both cases `why`, KEY_WHY bytes,
        is a sentence for the user and `*ret_fix` what he can do, or NULL */
    int (*start)(const struct key_ask *ask, void **ret, char *why, const char **ret_fix);
    /** Tells nobody any more from then on. */
    void (*stop)(void *state);
};

#define KEY_ABI          1u
#define KEY_ENTRY_X11    "voicestand_key_x11"
#define KEY_ENTRY_PORTAL "voicestand_key_portal"

enum key_way { KEYS_X11, KEYS_PORTAL, KEYS_EVDEV, KEYS_WAYS };

const char *key_way_name(enum key_way way);
extern const struct key_ops key_evdev;

struct keys;
struct vs_env;
/** Hear of the key by `way`, or, with KEYS_WAYS, by the first that works in this session. Blocks for the
    answer of a server, not of the user. @return as start(); the sentence of the last way tried */
int keys_open(const struct vs_env *env, enum key_way way, const struct key_ask *ask,
              struct keys **ret, char *why, const char **ret_fix);
/** The one that is used. */
enum key_way keys_way(const struct keys *k);
/** NULL is fine. */
void keys_close(struct keys *k);

/** Whether a way would work, without listening: a sentence in `why`. @return as start(), or 1: it does not
    fit this session */
int keys_probe(const struct vs_env *env, enum key_way way, const char *devices, char *why,
               const char **ret_fix);

#endif
