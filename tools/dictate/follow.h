/* SPDX-License-Identifier: MIT */
/* Who watches the service: status bars, by a line of JSON for each change, and people, on a terminal. */
#ifndef VS_TOOLS_DICTATE_FOLLOW_H
#define VS_TOOLS_DICTATE_FOLLOW_H

#include "common/common.h"

/** `dictate status --follow`: goes on while the service comes and goes, until nobody reads.
    @return the exit status */
int run_follow(const struct settings *s, const char *path);

/** `dictate ui`: state, level, what is heard and what was written; keys that ask the service. Until the user
    ends it. @return the exit status, after one line where it cannot be shown */
int run_screen(const char *path);

/** A level as one of nine characters, " " to "█". */
const char *level_bar(double level_db);

#endif
