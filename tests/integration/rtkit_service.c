/* SPDX-License-Identifier: MIT */
/* rtkit_service portal|rtkit [MODE]: stands for the one who grants real-time priority, on the bus of
   the session or the system. MODE "hang" never answers, "refuse" says no. Writes "ready" once it
   can be asked, and a line for each thread that it served. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

static const char *mode = "";
static int32_t highest = 15;
static int64_t most_us = 200000;

static int grant(sd_bus_message *m, void *user, sd_bus_error *error)
{
    struct sched_param param = {0};
    uint64_t process, thread;
    uint32_t priority;
    struct rlimit limit;

    (void)user;
    int rc = sd_bus_message_read(m, "ttu", &process, &thread, &priority);
    if (rc < 0)
        return rc;
    if (!strcmp(mode, "hang"))
        pause();
    /* the rules of the real one: a bound on running, and no more than its highest priority */
    if (!strcmp(mode, "refuse") || priority > (uint32_t)highest ||
        prlimit((pid_t)process, RLIMIT_RTTIME, NULL, &limit) < 0 ||
        limit.rlim_max > (rlim_t)most_us)
        return sd_bus_error_set_errno(error, EPERM);
    param.sched_priority = (int)priority;
    if (sched_setscheduler((pid_t)thread, SCHED_RR | SCHED_RESET_ON_FORK, &param) < 0)
        return sd_bus_error_set_errno(error, errno);
    printf("granted %u\n", priority);
    fflush(stdout);
    return sd_bus_reply_method_return(m, "");
}

static const sd_bus_vtable table[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("MakeThreadRealtimeWithPID", "ttu", "", grant, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_PROPERTY("MaxRealtimePriority", "i", NULL, 0, 0),
    SD_BUS_PROPERTY("RTTimeUSecMax", "x", NULL, 8, 0), SD_BUS_VTABLE_END};

int main(int argc, char **argv)
{
    struct {
        int32_t highest, unused;
        int64_t most_us;
    } values = {highest, 0, most_us};
    int portal = argc > 1 && !strcmp(argv[1], "portal");
    const char *name = portal ? "org.freedesktop.portal.Desktop" : "org.freedesktop.RealtimeKit1";
    const char *path = portal ? "/org/freedesktop/portal/desktop" : "/org/freedesktop/RealtimeKit1";
    const char *interface =
        portal ? "org.freedesktop.portal.Realtime" : "org.freedesktop.RealtimeKit1";
    sd_bus *bus = NULL;

    mode = argc > 2 ? argv[2] : "";
    int rc = portal ? sd_bus_open_user(&bus) : sd_bus_open_system(&bus);
    if (rc >= 0)
        rc = sd_bus_add_object_vtable(bus, NULL, path, interface, table, &values);
    if (rc >= 0)
        rc = sd_bus_request_name(bus, name, 0);
    if (rc >= 0)
        puts("ready");
    fflush(stdout);
    while (rc >= 0) {
        rc = sd_bus_process(bus, NULL);
        if (rc == 0)
            rc = sd_bus_wait(bus, UINT64_MAX);
    }
    fprintf(stderr, "rtkit_service: %s\n", strerror(-rc));
    sd_bus_unref(bus);
    return 1;
}
