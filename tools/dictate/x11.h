/* SPDX-License-Identifier: MIT */
/* The module that types on an X server. It is a file of its own, so that only who types there loads
   X's library. */
#ifndef VS_TOOLS_DICTATE_X11_H
#define VS_TOOLS_DICTATE_X11_H

#include <stddef.h>
#include <stdint.h>

#define X11_ABI   2u
#define X11_ENTRY "voicestand_x11"

struct x11_ops {
    uint32_t abi;
    /** Connect to $DISPLAY. @return 0, -ECONNREFUSED, -ENOTSUP (no XTEST), -ENOMEM */
    int (*open)(void **ret);
    void (*close)(void *x);
    /** The window that has the focus, 0 = none. @return 0 or -errno */
    int (*focus)(void *x, uint32_t *ret);
    /** Press and release the keys of `text`, valid UTF-8; modifiers that are held are released first.
        Any character of any layout arrives as it is: what the layout has no plain key for gets one of
        the keys that do not exist. Those stay bound, for whoever reads them late. Only `window` gets
        them, 0 = the one that has the focus at the begin: what waits for a program looks again before
        it goes on. Blocks until the server has it all. `*ret_typed`: characters, also of what broke off.
        @return 0; -EXDEV another window has the focus; or -errno */
    int (*type)(void *x, const char *text, uint32_t window, size_t *ret_typed);
    /** BackSpace, `count` times. @return 0 or -errno */
    int (*erase)(void *x, uint32_t count);
    /** One key with modifiers, by the names "shift+Insert", "ctrl+v", "ctrl+shift+v".
        @return 0, -EINVAL, or -errno */
    int (*chord)(void *x, const char *keys);
};

#endif
