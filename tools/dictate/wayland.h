/* SPDX-License-Identifier: MIT */
/* The module that types by a compositor's virtual keyboard. It is a file of its own, so that only who types
   there loads Wayland's library. */
#ifndef VS_TOOLS_DICTATE_WAYLAND_H
#define VS_TOOLS_DICTATE_WAYLAND_H

#include <stddef.h>
#include <stdint.h>

#define WAYLAND_ABI   1u
#define WAYLAND_ENTRY "voicestand_wayland"

struct wayland_ops {
    uint32_t abi;
    /** Connect to $WAYLAND_DISPLAY. @return 0; -ECONNREFUSED no compositor answers; -ENOTSUP it gives no
        virtual keyboard, as GNOME and KDE; -ENOMEM */
    int (*open)(void **ret);
    void (*close)(void *w);
    /** Press and release a key for each character of `text`, valid UTF-8, on a keyboard that has just
        these characters, so that no layout matters. Blocks until the compositor has it all.
        `*ret_typed`: characters, also of what broke off. @return 0 or -errno */
    int (*type)(void *w, const char *text, size_t *ret_typed);
    /** BackSpace, `count` times. @return 0 or -errno */
    int (*erase)(void *w, uint32_t count);
    /** One key with modifiers, by the names "shift+Insert", "ctrl+v", "ctrl+shift+v".
        @return 0, -EINVAL, or -errno */
    int (*chord)(void *w, const char *keys);
};

#endif
