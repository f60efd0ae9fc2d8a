/* SPDX-License-Identifier: MIT */
/* What `voicestand monitor` and --metrics add to listening. */
#ifndef VS_TOOLS_MONITOR_MONITOR_H
#define VS_TOOLS_MONITOR_MONITOR_H

#include "common/options.h"
#include "monitor/view.h"

/** How the figures are shown on standard output. */
enum monitor_face {
    MONITOR_NONE,   /* only to those who ask at --metrics */
    MONITOR_SCREEN, /* a terminal, redrawn */
    MONITOR_LINES,  /* JSON Lines */
};

/** Before the pipeline is opened. @return 0, or the exit status after one line. */
int monitor_open(const struct settings *s, const struct vs_env *env, enum monitor_face face);
/** From here to monitor_close() it looks at `p`. */
void monitor_attach(vs_pipeline *p);
/** On the pipeline's output thread. */
void monitor_event(const struct vs_event *e);
/** Now and then, ten times a second or so: draws. @return false when the user wants the end, or
    nobody reads any more. */
bool monitor_tick(void);
/** Leave the screen as it was found; safe in a signal's thread just before _exit(). */
void monitor_leave_screen(void);
void monitor_close(void);

#endif
