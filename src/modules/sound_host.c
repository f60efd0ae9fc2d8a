/* SPDX-License-Identifier: MIT */
/* Decodes audio files for the sndfile module, each in a process of its own that can do nothing else.
   This process never reads a byte of a file: it holds libsndfile, loaded, gives up its rights, and
   forks for each descriptor that it is sent. It ends when nobody can ask it any more.

   sound-host            with a socket as descriptor 3: serve
   sound-host --check    say which layers of protection this system gives */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <voicestand/base.h>

#include "capture/sound.h"
#include "modules/sandbox.h"

#ifndef SYS_pidfd_open
#define SYS_pidfd_open 434
#endif

enum {
    MOST_DECODERS = 256,
    OPEN_LIMIT_S = 20, /* of processor time, for what a file says about itself */
    MEMORY_BYTES = 1 << 29,
};

static struct decoder {
    pid_t pid; /* 0 = free */
    int channel;
} decoders[MOST_DECODERS];

/* @return false: nobody listens any more */
static bool tell(int to, const struct vs__sound_head *head, const void *pcm, size_t bytes, int fd)
{
    char space[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec parts[2];
    struct msghdr m = {.msg_iov = parts, .msg_iovlen = bytes > 0 ? 2 : 1};

    memcpy(&parts[0].iov_base, &head, sizeof(head));
    parts[0].iov_len = sizeof(*head);
    memcpy(&parts[1].iov_base, &pcm, sizeof(pcm));
    parts[1].iov_len = bytes;
    if (fd >= 0) {
        m.msg_control = space;
        m.msg_controllen = sizeof(space);
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int));
        memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    }
    return sendmsg(to, &m, MSG_NOSIGNAL) >= 0;
}

/* the decoder --------------------------------------------------------------------------------------- */

static void limit_time(int seconds)
{
    struct itimerval limit = {.it_value = {.tv_sec = seconds}};

    (void)setitimer(ITIMER_PROF, &limit, NULL);
}

static size_t frame_bytes(const struct vs__sound_head *h)
{
    size_t sample = h->format == VS_FORMAT_S16 ? 2 : 4;

    return h->channels > 0 && h->channels <= VS__SOUND_FRAME_BYTES / 4 ? sample * h->channels : 0;
}

static void decode(struct vs__sound *s, int channel, size_t bytes)
{
    static unsigned char pcm[VS__SOUND_PCM_BYTES];
    struct vs__sound_head head = {.word = VS__SOUND_PCM};
    int64_t got;

    while ((got = vs__sound_read(s, pcm, sizeof(pcm) / bytes)) > 0) {
        head.frames = (uint32_t)got;
        if (!tell(channel, &head, pcm, (size_t)got * bytes, -1))
            return;
    }
    head = (struct vs__sound_head){.word = VS__SOUND_END};
    vs__sound_end(s, &head);
    (void)tell(channel, &head, NULL, 0, -1);
}

/* Never returns. What it has: the file, its end of the channel, and /dev/null. */
__attribute__((noreturn)) static void run_decoder(int file, int channel,
                                                  const struct vs__sound_ask *ask)
{
    struct vs__sound_head hello = {.word = VS__SOUND_HELLO}, opened = {.word = VS__SOUND_OPENED};
    struct vs__sound sound = {0};
    sigset_t own;
    size_t bytes;

    sigemptyset(&own);
    sigaddset(&own, SIGPROF); /* of limit_time() */
    sigaddset(&own, SIGABRT);
    sigprocmask(SIG_UNBLOCK, &own, NULL);
    close(VS__SOUND_CONTROL_FD);
    for (size_t i = 0; i < MOST_DECODERS; i++)
        if (decoders[i].pid > 0)
            close(decoders[i].channel);
    int self = (int)syscall(SYS_pidfd_open, getpid(), 0);
    (void)tell(channel, &hello, NULL, 0, self);
    if (self >= 0)
        close(self);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    (void)vs__sandbox_filter(VS__SANDBOX_DECODER);
    limit_time(OPEN_LIMIT_S);
    vs__sound_open(&sound, file, ask, &opened);
    limit_time(0);
    bytes = frame_bytes(&opened);
    if (tell(channel, &opened, NULL, 0, -1) && opened.status == 0 && bytes > 0)
        decode(&sound, channel, bytes);
    _exit(0);
}

/* its parent ---------------------------------------------------------------------------------------- */

static void on_child(int signal)
{
    (void)signal; /* ppoll() comes back */
}

/* Who was killed could not say so. */
static void bury(void)
{
    struct vs__sound_head died = {.word = VS__SOUND_DIED};
    int status;
    pid_t pid;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0)
        for (size_t i = 0; i < MOST_DECODERS; i++) {
            if (decoders[i].pid != pid)
                continue;
            died.status = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
            if (WIFSIGNALED(status) || WEXITSTATUS(status) != 0)
                (void)tell(decoders[i].channel, &died, NULL, 0, -1);
            close(decoders[i].channel);
            decoders[i].pid = 0;
        }
}

static struct decoder *find_free(void)
{
    for (size_t i = 0; i < MOST_DECODERS; i++)
        if (decoders[i].pid == 0)
            return &decoders[i];
    return NULL;
}

static void start_decoder(int file, int channel, const struct vs__sound_ask *ask)
{
    struct vs__sound_head failed = {.word = VS__SOUND_OPENED, .status = -EAGAIN};
    struct decoder *d = find_free();
    pid_t pid = d != NULL ? fork() : -1;

    if (pid == 0)
        run_decoder(file, channel, ask);
    close(file);
    if (pid > 0) {
        *d = (struct decoder){pid, channel};
        return;
    }
    snprintf(failed.why, sizeof(failed.why), "no process could be started to decode it");
    (void)tell(channel, &failed, NULL, 0, -1);
    close(channel);
}

/* @return false: nobody can ask any more */
static bool take_ask(void)
{
    char space[CMSG_SPACE(2 * sizeof(int))] = {0};
    struct vs__sound_ask ask;
    struct iovec part = {.iov_base = &ask, .iov_len = sizeof(ask)};
    struct msghdr m = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof(space)};
    ssize_t n = recvmsg(VS__SOUND_CONTROL_FD, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    const struct cmsghdr *c = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;
    int fds[2];

    if (n == 0)
        return false;
    if (c == NULL || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof(fds)))
        return n > 0 || errno == EAGAIN || errno == EINTR;
    memcpy(fds, CMSG_DATA(c), sizeof(fds));
    start_decoder(fds[0], fds[1], &ask);
    return true;
}

static unsigned give_up_rights(void)
{
    unsigned layers = vs__sandbox_enter(NULL);

    return layers | vs__sandbox_filter(VS__SANDBOX_PARENT);
}

static int serve(void)
{
    struct vs__sound_head layers = {.word = VS__SOUND_LAYERS};
    struct sigaction reaping = {.sa_handler = on_child};
    struct pollfd asked = {.fd = VS__SOUND_CONTROL_FD, .events = POLLIN};
    sigset_t all;

    /* Nobody's child, so that no program that waits for its children waits for this. */
    if (fork() != 0)
        _exit(0);
    sigfillset(&all);
    sigaction(SIGCHLD, &reaping, NULL);
    sigprocmask(SIG_BLOCK, &all, NULL);
    sigdelset(&all, SIGCHLD); /* signals to a group are for who asks: this ends when nobody does */
    (void)prctl(PR_SET_NAME, "vs-sound");
    vs__sandbox_limit(MEMORY_BYTES);
    layers.status = (int32_t)give_up_rights();
    if (!tell(VS__SOUND_CONTROL_FD, &layers, NULL, 0, -1))
        return 0;
    for (;;) {
        bury();
        if (ppoll(&asked, 1, NULL, &all) > 0 && !take_ask())
            return 0;
    }
}

static int check(void)
{
    static char line[BUFSIZ];

    (void)setvbuf(stdout, line, _IOFBF, sizeof(line)); /* the C library would look at what it is */
    unsigned layers = give_up_rights();

    printf("%s%s%s\n", layers & VS__SANDBOX_PRIVILEGES ? "no-new-privileges" : "",
           layers & VS__SANDBOX_LANDLOCK ? " landlock" : "",
           layers & VS__SANDBOX_SECCOMP ? " seccomp" : "");
    return 0;
}

int main(int count, char **arguments)
{
    if (count == 2 && strcmp(arguments[1], "--check") == 0)
        return check();
    if (count == 1)
        return serve();
    fprintf(stderr, "sound-host is started by voicestand\n");
    return 2;
}
