/* SPDX-License-Identifier: MIT */
/* Real-time priority by those who may give it to programs that may not take it: the desktop's portal,
   then RealtimeKit. Both are asked over D-Bus in the same words, and grant a thread of a process that
   has put a limit on its own real-time running. */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#include <voicestand/backend.h>

#include "base/base.h"

/* A bus that does not answer must not keep audio waiting for long. */
#define PATIENCE_US 300000

static const struct service {
    const char *way;
    int (*open)(sd_bus **ret);
    const char *name, *path, *interface;
} services[] = {
    {"portal", sd_bus_open_user, "org.freedesktop.portal.Desktop",
     "/org/freedesktop/portal/desktop", "org.freedesktop.portal.Realtime"},
    {"rtkit", sd_bus_open_system, "org.freedesktop.RealtimeKit1", "/org/freedesktop/RealtimeKit1",
     "org.freedesktop.RealtimeKit1"},
};

static int read_property(sd_bus *bus, const struct service *s, const char *name, char type,
                         void *ret)
{
    return sd_bus_get_property_trivial(bus, s->name, s->path, s->interface, name, NULL, type, ret);
}

/* Nobody is granted real time without a bound on how long it may run without a pause. */
static int bound_running(int64_t most_us)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_RTTIME, &limit) < 0)
        return -errno;
    if (most_us > 0 && limit.rlim_max > (rlim_t)most_us)
        limit.rlim_max = (rlim_t)most_us;
    limit.rlim_cur = VS__MIN(limit.rlim_cur, limit.rlim_max);
    return setrlimit(RLIMIT_RTTIME, &limit) < 0 ? -errno : 0;
}

/* @return the priority in force, or -errno. */
static int ask_over(sd_bus *bus, const struct service *s, int priority)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    struct sched_param none = {0};
    int32_t highest = 0;
    int64_t most_us = 0;

    int rc = read_property(bus, s, "MaxRealtimePriority", 'i', &highest);
    if (rc >= 0)
        rc = read_property(bus, s, "RTTimeUSecMax", 'x', &most_us);
    if (rc >= 0)
        rc = bound_running(most_us);
    if (rc < 0)
        return rc;
    if (highest > 0)
        priority = VS__MIN(priority, (int)highest);
    /* children must not inherit what is granted */
    (void)sched_setscheduler(0, SCHED_OTHER | SCHED_RESET_ON_FORK, &none);
    rc = sd_bus_call_method(bus, s->name, s->path, s->interface, "MakeThreadRealtimeWithPID",
                            &error, NULL, "ttu", (uint64_t)getpid(), (uint64_t)syscall(SYS_gettid),
                            (uint32_t)priority);
    sd_bus_error_free(&error);
    if (rc < 0)
        return rc;
    int policy = sched_getscheduler(0) & ~SCHED_RESET_ON_FORK;
    return policy == SCHED_RR || policy == SCHED_FIFO ? priority : -EPERM;
}

static int ask(int priority, const char **ret_way)
{
    int rc = -ENOENT;

    for (size_t i = 0; i < VS__COUNT(services); i++) {
        sd_bus *bus = NULL;
        int status = services[i].open(&bus);
        if (status >= 0)
            status = sd_bus_set_method_call_timeout(bus, PATIENCE_US);
        if (status >= 0)
            status = ask_over(bus, &services[i], priority);
        sd_bus_close_unref(bus);
        if (status > 0) {
            *ret_way = services[i].way;
            return status;
        }
        rc = status;
    }
    return rc;
}

static const struct vs_realtime_ops ops = {
    .abi = VS_BACKEND_ABI,
    .name = "rtkit",
    .description = "real-time priority by the desktop's portal or RealtimeKit",
    .ask = ask,
};

VS_API const struct vs_module vs_module_entry = {.abi = VS_BACKEND_ABI, .realtime = &ops};
