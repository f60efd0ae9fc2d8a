/* SPDX-License-Identifier: MIT */
/* A view on a terminal: the whole screen, left as it was found. */
#ifndef VS_TOOLS_MONITOR_SCREEN_H
#define VS_TOOLS_MONITOR_SCREEN_H

#include "monitor/view.h"

void screen_enter(void);
/** Once or more; writes and restores without anything that a dying process must not do. */
void screen_leave(void);
void screen_draw(const struct view_look *l);
/** Whether q, Escape or Ctrl-C was typed. */
bool screen_wants_end(void);
/** The lines of a look for a terminal of that size; apart for tests. */
void screen_format(FILE *to, const struct view_look *l, size_t columns, size_t lines);

#endif
