/* SPDX-License-Identifier: MIT */
/* Shows a view to others: a socket of this machine, and the module that answers on it. */
#ifndef VS_TOOLS_MONITOR_SERVER_H
#define VS_TOOLS_MONITOR_SERVER_H

#include "monitor/view.h"

struct metrics_server;

/** Open `address`, "unix:PATH" or a port of the loopback interface, and answer from `v`.
    @return 0, or the exit status after one line. */
int metrics_server_open(const char *address, const struct vs_env *env, struct view *v,
                        struct metrics_server **ret);
/** NULL is fine. */
void metrics_server_close(struct metrics_server *s);

#endif
