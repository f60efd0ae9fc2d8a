/* SPDX-License-Identifier: MIT */
/* Whether a program waits for something to do, as the kernel tells of any of the user's processes. */
#ifndef VS_TOOLS_DICTATE_ASLEEP_H
#define VS_TOOLS_DICTATE_ASLEEP_H

#include <stdint.h>

/** How often all threads of a process together have gone to sleep or been put aside. The same number twice:
    it slept in between and did nothing.
    @return -EAGAIN: one of its threads does not sleep; -ENOENT and the like: there is no such process, or it
    is not shown */
long long asleep_naps(uint32_t process);

#endif
