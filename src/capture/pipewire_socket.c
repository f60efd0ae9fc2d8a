/* SPDX-License-Identifier: MIT */
/* Sees the socket of a PipeWire server appear, so that a server that comes back is met at once. */
#include "capture/pipewire_server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/base.h"

/* Where libpipewire looks for the socket. @return its path in `path`, or false where there is not one path:
   a list of names, or a server inside the process. */
static bool find_socket(char *path, size_t bytes)
{
    static const char *const folders[] = {"PIPEWIRE_RUNTIME_DIR", "XDG_RUNTIME_DIR", "USERPROFILE"};
    const char *remote = getenv("PIPEWIRE_REMOTE"), *folder = NULL;
    int length;
    if (!remote || !*remote)
        remote = "pipewire-0";
    if (strpbrk(remote, "[{ ") || strncmp(remote, "internal", 8) == 0)
        return false;
    for (size_t i = 0; i < VS__COUNT(folders) && !folder; i++)
        folder = getenv(folders[i]);
    if (*remote == '/')
        length = snprintf(path, bytes, "%s", remote);
    else
        length = snprintf(path, bytes, "%s/%s", folder ? folder : "/run/pipewire", remote);
    return length > 0 && (size_t)length < bytes;
}

static void on_files(void *data, int fd, uint32_t mask)
{
    struct vs__pw_server *s = data;
    _Alignas(struct inotify_event) char events[4096];
    bool is_there = false;
    ssize_t bytes;
    while ((bytes = read(fd, events, sizeof(events))) > 0) {
        for (const char *at = events; at < events + bytes;) {
            const struct inotify_event *event = (const void *)at;
            is_there |= event->len > 0 && strcmp(event->name, s->socket_name) == 0;
            at += sizeof(*event) + event->len;
        }
    }
    if (is_there)
        s->on_socket(s->user);
}

void vs__pw_watch(struct vs__pw_server *s)
{
    char path[512], *slash;
    int fd;
    if (s->watch || !find_socket(path, sizeof(path)))
        return;
    slash = strrchr(path, '/');
    if (strlen(slash + 1) >= sizeof(s->socket_name))
        return;
    strcpy(s->socket_name, slash + 1);
    slash[1] = '\0';
    fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd < 0)
        return;
    if (inotify_add_watch(fd, path, IN_CREATE | IN_MOVED_TO | IN_ONLYDIR) >= 0)
        s->watch =
            pw_loop_add_io(pw_thread_loop_get_loop(s->loop), fd, SPA_IO_IN, true, on_files, s);
    if (!s->watch)
        (void)close(fd);
}

void vs__pw_unwatch(struct vs__pw_server *s)
{
    if (s->watch)
        pw_loop_destroy_source(pw_thread_loop_get_loop(s->loop), s->watch);
    s->watch = NULL;
}
