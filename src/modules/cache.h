/* SPDX-License-Identifier: MIT */
/* A folder whose files are code to whoever loads them: may it be used? */
#ifndef VS_SRC_MODULES_CACHE_H
#define VS_SRC_MODULES_CACHE_H

#include <stdbool.h>
#include <stddef.h>

/** Whether nobody but this user and root can have put anything into `folder`, or can do so: it lets others in for
    nothing, what is in it are plain files of this user, and each folder above it is of this user or root and not for
    others to write, but where they may only add (sticky, as /tmp). Links on the way to it are followed.
    @return whether that is so; else `why` gets what is wrong and its fix, without a full stop */
bool vs__cache_is_own(const char *folder, char *why, size_t size);

#endif
