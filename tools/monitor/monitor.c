/* SPDX-License-Identifier: MIT */
/* The faces of a view. */
#include "monitor/monitor.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/common.h"
#include "monitor/screen.h"
#include "monitor/server.h"

#define LINE_NS 1000000000

static struct monitor {
    bool open;
    enum monitor_face face;
    struct view view;
    struct metrics_server *server;
    struct view_look look;
    int64_t next_ns;    /* when the next line is due */
    uint64_t hops_told; /* in lines */
} monitor;

int monitor_open(const struct settings *s, const struct vs_env *env, enum monitor_face face)
{
    int status;

    if (view_init(&monitor.view, env) < 0)
        return EXIT_STATUS_INTERNAL;
    monitor.open = true;
    if (s->metrics != NULL) {
        status = metrics_server_open(s->metrics, env, &monitor.view, &monitor.server);
        if (status != 0)
            return status;
        if (!s->quiet && strncmp(s->metrics, "unix:", 5) != 0)
            say("figures at http://127.0.0.1:%s/, for Prometheus at /metrics", s->metrics);
    }
    monitor.face = face;
    if (face == MONITOR_SCREEN)
        screen_enter();
    return 0;
}

void monitor_attach(vs_pipeline *p)
{
    if (monitor.open)
        view_attach(&monitor.view, p);
    monitor.next_ns = now_ns() + LINE_NS;
}

void monitor_event(const struct vs_event *e)
{
    if (monitor.open)
        view_event(&monitor.view, e);
}

static bool tell_line(void)
{
    if (now_ns() < monitor.next_ns)
        return true;
    monitor.next_ns += LINE_NS;
    view_take(&monitor.view, &monitor.look);
    view_json(stdout, &monitor.look, monitor.hops_told);
    monitor.hops_told = monitor.look.hops_seen;
    fputc('\n', stdout);
    return fflush(stdout) == 0;
}

bool monitor_tick(void)
{
    switch (monitor.face) {
    case MONITOR_SCREEN:
        view_take(&monitor.view, &monitor.look);
        screen_draw(&monitor.look);
        return !screen_wants_end();
    case MONITOR_LINES:
        return tell_line();
    default:
        return true;
    }
}

void monitor_leave_screen(void)
{
    if (monitor.face == MONITOR_SCREEN)
        screen_leave();
}

void monitor_close(void)
{
    if (!monitor.open)
        return;
    monitor_leave_screen();
    monitor.face = MONITOR_NONE;
    metrics_server_close(monitor.server);
    view_fini(&monitor.view);
    monitor.open = false;
}
