/* SPDX-License-Identifier: MIT */
/* What libsndfile would be if a file had taken it over: stands in its place in sound-host. The file says
   what to try, in one word and a number. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <voicestand/base.h>

#include "capture/sound.h"

static char word[32];
static unsigned long number, given;
static volatile char *volatile nowhere;

static int try_exec(void)
{
    char *arguments[] = {(char[]){"true"}, NULL};

    return execv("/bin/true", arguments);
}

static int try_fork(void)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    return pid;
}

static int try_code(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
                0) == MAP_FAILED
               ? -1
               : 0;
}

static int try_memory(void)
{
    void *volatile memory = malloc((size_t)1 << 30); /* a compiler may leave out what nobody uses */

    return memory != NULL ? 0 : -1;
}

/* Descriptors beside the standard streams, the file and the channel. */
static int try_others(void)
{
    int count = 0;

    for (int fd = 3; fd < 1024; fd++)
        count += lseek(fd, 0, SEEK_CUR) >= 0 || errno != EBADF;
    errno = EBADF;
    return count > 2 ? 0 : -1;
}

static int try_attack(void)
{
    struct stat about;

    if (strcmp(word, "open") == 0)
        return open("/etc/passwd", O_RDONLY);
    if (strcmp(word, "create") == 0)
        return open("/tmp/voicestand-planted", O_WRONLY | O_CREAT, 0600);
    if (strcmp(word, "stat") == 0)
        return stat("/etc/passwd", &about);
    if (strcmp(word, "exec") == 0)
        return try_exec();
    if (strcmp(word, "socket") == 0)
        return socket(AF_INET, SOCK_STREAM, 0);
    if (strcmp(word, "unix") == 0)
        return socket(AF_UNIX, SOCK_STREAM, 0);
    if (strcmp(word, "ptrace") == 0)
        return (int)ptrace(PTRACE_ATTACH, getppid(), NULL, NULL);
    if (strcmp(word, "kill") == 0)
        return kill(getppid(), SIGTERM);
    if (strcmp(word, "fork") == 0)
        return try_fork();
    if (strcmp(word, "code") == 0)
        return try_code();
    if (strcmp(word, "memory") == 0)
        return try_memory();
    if (strcmp(word, "others") == 0)
        return try_others();
    return -2;
}

void vs__sound_open(struct vs__sound *s, int fd, const struct vs__sound_ask *ask,
                    struct vs__sound_head *ret)
{
    char text[64] = "";

    (void)ask;
    if (pread(fd, text, sizeof(text) - 1, 0) < 0)
        abort();
    (void)sscanf(text, "%31s %lu", word, &number);
    s->format = VS_FORMAT_S16;
    ret->format = strcmp(word, "format") == 0 ? 77 : VS_FORMAT_S16;
    ret->rate_hz = strcmp(word, "rate") == 0 ? 7 : 16000;
    ret->channels = strcmp(word, "channels") == 0 ? 33 : 1;
    if (strcmp(word, "spin") == 0)
        for (volatile int on = 1; on;)
            ;
    int status = try_attack();
    if (status == -2)
        return;
    ret->status = -EBADMSG;
    if (status < 0)
        snprintf(ret->why, sizeof(ret->why), "refused: %s", strerror(errno));
    else
        snprintf(ret->why, sizeof(ret->why), "got through\n\033[2J");
}

int64_t vs__sound_read(struct vs__sound *s, void *pcm, size_t frames)
{
    (void)s;
    if (given == number && strcmp(word, "crash") == 0)
        *nowhere = 1;
    if (given == number && strcmp(word, "abort") == 0)
        abort();
    while (given == number && strcmp(word, "hang") == 0)
        ;
    if (frames > number - given)
        frames = number - given;
    for (size_t i = 0; i < frames; i++)
        ((int16_t *)pcm)[i] = (int16_t)(given + i + number);
    given += frames;
    return (int64_t)frames;
}

void vs__sound_end(const struct vs__sound *s, struct vs__sound_head *ret)
{
    (void)s;
    if (strcmp(word, "damaged") == 0) {
        ret->status = -EBADMSG;
        ret->first = UINT64_MAX; /* more than there were */
        memset(ret->why, 1, sizeof(ret->why));
    }
    if (strcmp(word, "odd") == 0)
        ret->word = VS__SOUND_PCM + 40;
}

void vs__sound_close(struct vs__sound *s)
{
    (void)s;
}
