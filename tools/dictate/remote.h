/* SPDX-License-Identifier: MIT */
/* Typing by the desktop's portal, org.freedesktop.portal.RemoteDesktop: GNOME and KDE have it where they give no
   virtual keyboard. The user is asked once; a token keeps the consent. In the module of D-Bus. */
#ifndef VS_TOOLS_DICTATE_REMOTE_H
#define VS_TOOLS_DICTATE_REMOTE_H

#include <stddef.h>
#include <stdint.h>

#define REMOTE_ABI   1u
#define REMOTE_ENTRY "voicestand_remote"

struct remote_ops {
    uint32_t abi;
    /** Whether there is such a portal; the user is not asked. @return 0, -ENOTSUP, or there is no bus */
    int (*probe)(void);
    /** Type `text`, valid UTF-8, and before it `erase` BackSpaces. `token` is the file of the consent, which is
        read and written; NULL = ask each time. Blocks, for the user too. `*ret_typed`: keys that were
        taken. @return 0; -ENOTSUP; -ECANCELED the user said no; -ETIMEDOUT; or -errno */
    int (*type)(const char *token, const char *text, uint32_t erase, size_t *ret_typed);
};

#endif
