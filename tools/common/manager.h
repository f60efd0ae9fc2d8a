/* SPDX-License-Identifier: MIT */
/* Who started us, if that is systemd: what it is told, what it hands over, and its journal. Without it
   all of these do nothing. */
#ifndef VS_TOOLS_COMMON_MANAGER_H
#define VS_TOOLS_COMMON_MANAGER_H

#include <stdbool.h>

/** Tell it a state, "READY=1". Any thread. */
void manager_tell(const char *state);
/** How often it wants to hear "WATCHDOG=1", with a margin. 0 = never. */
int manager_watchdog_ms(void);
/** The one socket that it listens on for us; closed in programs that we start.
    @return a descriptor or -ENOENT */
int manager_socket(void);
/** Write a sentence to the journal with its priority and topic as fields, if the journal is where our
    standard error goes. Any thread. @return whether it took it */
bool manager_log(int priority, const char *topic, const char *sentence);

#endif
