/* SPDX-License-Identifier: MIT */
#include "dictate/asleep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The number behind `name` in what the kernel tells of a thread, -1 = none. */
static long long number_after(const char *status, const char *name)
{
    const char *at = strstr(status, name);
    long long number;

    return at != NULL && sscanf(at + strlen(name), "%lld", &number) == 1 ? number : -1;
}

static long long naps_of_thread(int tasks, const char *id)
{
    char path[64], status[4096];

    snprintf(path, sizeof(path), "%.20s/status", id);
    int fd = openat(tasks, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -EAGAIN; /* it has just ended */
    ssize_t bytes = read(fd, status, sizeof(status) - 1);
    (void)close(fd);
    status[bytes > 0 ? bytes : 0] = '\0';
    long long gone = number_after(status, "\nvoluntary_ctxt_switches:");
    long long put = number_after(status, "\nnonvoluntary_ctxt_switches:");
    return strstr(status, "\nState:\tS") != NULL && gone >= 0 && put >= 0 ? gone + put : -EAGAIN;
}

long long asleep_naps(uint32_t process)
{
    char path[64];
    long long all = 0, one = 0;

    snprintf(path, sizeof(path), "/proc/%u/task", process);
    DIR *tasks = opendir(path);
    if (tasks == NULL)
        return -errno;
    for (struct dirent *e; one >= 0 && (e = readdir(tasks)) != NULL; all += one)
        one = e->d_name[0] == '.' ? 0 : naps_of_thread(dirfd(tasks), e->d_name);
    (void)closedir(tasks);
    return one < 0 ? one : all;
}
