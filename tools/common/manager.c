/* SPDX-License-Identifier: MIT */
#include "common/manager.h"

#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { HANDED_FD = 3, LINE_BYTES = 1500 };

#define JOURNAL "/run/systemd/journal/socket"

/* One datagram. @return whether it arrived */
static bool send_to(const char *path, const char *words, size_t bytes)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(path);

    if ((path[0] != '/' && path[0] != '@') || length >= sizeof(address.sun_path))
        return false;
    strcpy(address.sun_path, path);
    if (path[0] == '@')
        address.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    bool sent = sendto(fd, words, bytes, MSG_NOSIGNAL, (const struct sockaddr *)&address,
                       (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) >= 0;
    close(fd);
    return sent;
}

void manager_tell(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");

    if (path != NULL)
        (void)send_to(path, state, strlen(state));
}

static bool is_ours(const char *name)
{
    const char *pid = getenv(name);

    return pid != NULL && strtol(pid, NULL, 10) == getpid();
}

int manager_watchdog_ms(void)
{
    const char *period_us = getenv("WATCHDOG_USEC");

    if (period_us == NULL || (getenv("WATCHDOG_PID") != NULL && !is_ours("WATCHDOG_PID")))
        return 0;
    long long ms = strtoll(period_us, NULL, 10) / 3000;
    return ms < 1 ? 0 : ms > 60000 ? 60000 : (int)ms;
}

int manager_socket(void)
{
    const char *count = getenv("LISTEN_FDS");
    int listens = 0;
    socklen_t bytes = sizeof(listens);

    if (count == NULL || strcmp(count, "1") != 0 || !is_ours("LISTEN_PID") ||
        getsockopt(HANDED_FD, SOL_SOCKET, SO_ACCEPTCONN, &listens, &bytes) < 0 || !listens)
        return -ENOENT;
    (void)fcntl(HANDED_FD, F_SETFD, FD_CLOEXEC);
    return HANDED_FD;
}

/* systemd says which file its journal is; standard error may have been sent elsewhere since. */
static bool is_journal(int fd)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long device, inode;
    struct stat about;

    return stream != NULL && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
           fstat(fd, &about) == 0 && about.st_dev == device && about.st_ino == inode;
}

bool manager_log(int priority, const char *topic, const char *sentence)
{
    const char *path = getenv("VOICESTAND_JOURNAL");
    char words[LINE_BYTES];

    if (!is_journal(STDERR_FILENO))
        return false;
    int bytes =
        snprintf(words, sizeof(words),
                 "PRIORITY=%d\nSYSLOG_IDENTIFIER=voicestand\nVOICESTAND_TOPIC=%s\nMESSAGE=%s\n",
                 priority, topic, sentence);
    return bytes > 0 && bytes < LINE_BYTES &&
           send_to(path != NULL ? path : JOURNAL, words, (size_t)bytes);
}
