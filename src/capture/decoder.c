/* SPDX-License-Identifier: MIT */
#include "capture/decoder.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "capture/check.h"
#include "modules/sandbox.h"

#ifndef SYS_pidfd_send_signal
#define SYS_pidfd_send_signal 424
#endif

extern char **environ;

/* The program, one for all files of this process: started for the first, and again if it is gone. */
static struct program {
    pthread_mutex_t lock;
    int control; /* -1 = none */
    bool warned;
} program = {.lock = PTHREAD_MUTEX_INITIALIZER, .control = -1};

/* the program --------------------------------------------------------------------------------------- */

/* It lies beside this module. */
static int find_host(char *ret, size_t bytes)
{
    Dl_info info;
    const char *slash = NULL;

    if (dladdr(__extension__(void *) find_host, &info) && info.dli_fname)
        slash = strrchr(info.dli_fname, '/');
    int n = slash ? snprintf(ret, bytes, "%.*s/" VS__SOUND_HOST, (int)(slash - info.dli_fname),
                             info.dli_fname)
                  : 0;
    return n > 0 && (size_t)n < bytes ? 0 : -ENAMETOOLONG;
}

/* In a session of its own: what a terminal says to ours is not for it. */
static int spawn(const char *path, int control)
{
    char *arguments[] = {(char[]){VS__SOUND_HOST}, NULL};
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    pid_t pid;
    int error = posix_spawn_file_actions_init(&files);

    if (error)
        return -error;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
    for (int fd = 0; fd <= STDERR_FILENO; fd++)
        error =
            error ? error : posix_spawn_file_actions_addopen(&files, fd, "/dev/null", O_RDWR, 0);
    error = error ? error : posix_spawn_file_actions_adddup2(&files, control, VS__SOUND_CONTROL_FD);
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 34)
    /* descriptors that the user of the library left inheritable */
    error =
        error ? error : posix_spawn_file_actions_addclosefrom_np(&files, VS__SOUND_CONTROL_FD + 1);
#endif
    error = error ? error : posix_spawn(&pid, path, &files, &attributes, arguments, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    while (!error && waitpid(pid, NULL, 0) < 0 && errno == EINTR) /* it leaves its child behind */
        ;
    return -error;
}

static int refuse(const struct vs__decoder *d, int status, const char *why)
{
    vs__log(&d->env->log, VS_LOG_ERROR, "capture", "%s: %s", d->name, why);
    return status;
}

static void warn_once(const struct vs_env *env, unsigned layers)
{
    const char *lack = vs__sandbox_lack(layers);

    if (*lack == '\0' || program.warned)
        return;
    program.warned = true;
    vs__log(
        &env->log, VS_LOG_WARNING, "capture",
        "audio files are decoded with less protection than there could be: this kernel gives no "
        "%s; take files from people you trust",
        lack);
}

/* A socket for packets, neither end of which is a standard stream or what a program is given. */
static int open_pair(int ret[2])
{
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ret) < 0)
        return -errno;
    for (int i = 0; i < 2; i++) {
        if (ret[i] > VS__SOUND_CONTROL_FD)
            continue;
        int moved = fcntl(ret[i], F_DUPFD_CLOEXEC, VS__SOUND_CONTROL_FD + 1), cause = errno;
        if (moved < 0) {
            close(ret[0]);
            close(ret[1]);
            return -cause;
        }
        close(ret[i]);
        ret[i] = moved;
    }
    return 0;
}

/* With the lock. */
static int start_program(const struct vs__decoder *d)
{
    struct vs__sound_head layers;
    char path[4200];
    int pair[2], status = find_host(path, sizeof(path));

    if (status == 0 && access(path, X_OK) < 0) {
        vs__log(&d->env->log, VS_LOG_ERROR, "capture",
                "%s cannot be run: install it beside the sndfile module", path);
        return -ENOTSUP;
    }
    status = status ? status : open_pair(pair);
    if (status < 0)
        return refuse(d, status, strerror(-status));
    status = spawn(path, pair[1]);
    close(pair[1]);
    if (status == 0 && (recv(pair[0], &layers, sizeof(layers), 0) != sizeof(layers) ||
                        layers.word != VS__SOUND_LAYERS))
        status = -ENOTSUP;
    if (status < 0) {
        close(pair[0]);
        vs__log(&d->env->log, VS_LOG_ERROR, "capture", "%s does not start: %s", path,
                strerror(-status));
        return status;
    }
    warn_once(d->env, (unsigned)layers.status);
    program.control = pair[0];
    return 0;
}

static int send_ask(int control, const struct vs__sound_ask *ask, const int fds[2])
{
    char space[CMSG_SPACE(2 * sizeof(int))] = {0};
    struct vs__sound_ask copy = *ask;
    struct iovec part = {.iov_base = &copy, .iov_len = sizeof(copy)};
    struct msghdr m = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof(space)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(2 * sizeof(int));
    memcpy(CMSG_DATA(c), fds, 2 * sizeof(int));
    return sendmsg(control, &m, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* Who asks while the program is gone starts it again, once. */
static int ask_program(const struct vs__decoder *d, const struct vs__sound_ask *ask,
                       const int fds[2])
{
    int status = -EPIPE;

    pthread_mutex_lock(&program.lock);
    if (program.control >= 0)
        status = send_ask(program.control, ask, fds);
    if (status == -EPIPE || status == -ECONNRESET) {
        if (program.control >= 0)
            close(program.control);
        program.control = -1;
        status = start_program(d);
        if (status == 0 && (status = send_ask(program.control, ask, fds)) < 0)
            refuse(d, status, strerror(-status));
    }
    pthread_mutex_unlock(&program.lock);
    return status;
}

/* packets ------------------------------------------------------------------------------------------- */

/* What it says becomes part of a sentence. */
static const char *clean(struct vs__sound_head *h)
{
    h->why[sizeof(h->why) - 1] = '\0';
    for (char *c = h->why; *c != '\0'; c++)
        if (*c < ' ' || *c > '~')
            *c = '?';
    return h->why;
}

static int say_died(struct vs__decoder *d)
{
    int signal = d->packet.head.status;

    if (signal == SIGSYS)
        return refuse(d, -EBADMSG,
                      "its decoder was stopped because it tried what no decoder does: the file is "
                      "damaged, or made to do harm");
    vs__log(&d->env->log, VS_LOG_ERROR, "capture",
            "%s: it is damaged: its decoder ended after frame %" PRIu64
            " with %s; what came before "
            "was used",
            d->name, d->position, signal > 0 ? strsignal(signal) : "an error");
    return -EBADMSG;
}

/* The next packet, and the descriptor that may come with it. @return its bytes, or -errno, which was
   said */
static ssize_t take_packet(struct vs__decoder *d, int *ret_fd)
{
    char space[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec part = {.iov_base = &d->packet, .iov_len = sizeof(d->packet)};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t n;

    if (ret_fd) {
        m.msg_control = space;
        m.msg_controllen = sizeof(space);
    }
    do
        n = recvmsg(d->channel, &m, MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    const struct cmsghdr *c = n > 0 && ret_fd ? CMSG_FIRSTHDR(&m) : NULL;
    if (c && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof(int)))
        memcpy(ret_fd, CMSG_DATA(c), sizeof(int));
    if (n >= (ssize_t)sizeof(d->packet.head) && d->packet.head.word != VS__SOUND_DIED)
        return n;
    if (atomic_load_explicit(&d->cancelled, memory_order_relaxed))
        return -ECANCELED;
    if (n < (ssize_t)sizeof(d->packet.head))
        d->packet.head.status = 0;
    return say_died(d);
}

int vs__decoder_open(struct vs__decoder *d, const struct vs_env *env, const char *name, int fd,
                     const struct vs__sound_ask *ask, struct vs__sound_head *ret)
{
    struct vs__sound_head *head = &d->packet.head;
    int pair[2], status;

    d->env = env;
    d->name = name;
    d->channel = d->process = -1;
    status = open_pair(pair);
    if (status < 0)
        return refuse(d, status, strerror(-status));
    d->channel = pair[0];
    status = ask_program(d, ask, (int[2]){fd, pair[1]});
    close(pair[1]);
    if (status < 0)
        return status;
    if (take_packet(d, &d->process) < 0)
        return -EBADMSG;
    if (head->word == VS__SOUND_HELLO && take_packet(d, NULL) < 0)
        return -EBADMSG;
    if (head->word != VS__SOUND_OPENED)
        return refuse(d, -EBADMSG, "its decoder talks nonsense: the file is made to do harm");
    if (head->status < 0)
        return refuse(d,
                      head->status == -ENOTSUP || head->status == -EAGAIN ? head->status : -EBADMSG,
                      clean(head));
    status = vs__capture_check(env, name, -EBADMSG, head->rate_hz, head->channels, head->format);
    d->position = head->first;
    d->frame_bytes = vs_format_bytes(head->format) * head->channels;
    if (status == 0)
        *ret = *head;
    return status;
}

static int64_t end(struct vs__decoder *d)
{
    struct vs__sound_head *head = &d->packet.head;

    d->is_over = 1;
    if (head->status == 0)
        return 0;
    vs__log(&d->env->log, VS_LOG_ERROR, "capture",
            "%s: it is damaged after frame %" PRIu64 ": %s; what could be read was used", d->name,
            VS__MIN(head->first, d->position), clean(head));
    return -EBADMSG;
}

int64_t vs__decoder_read(struct vs__decoder *d, void *pcm, size_t frames)
{
    if (d->left == 0) {
        ssize_t n = take_packet(d, NULL);
        if (n < 0)
            return n;
        if (d->packet.head.word == VS__SOUND_END)
            return end(d);
        d->left = (size_t)n - sizeof(d->packet.head);
        d->at = 0;
        if (d->packet.head.word != VS__SOUND_PCM || d->left == 0 || d->left % d->frame_bytes != 0) {
            d->left = 0;
            return refuse(d, -EBADMSG, "its decoder talks nonsense: the file is made to do harm");
        }
    }
    frames = VS__MIN(frames, d->left / d->frame_bytes);
    memcpy(pcm, d->packet.pcm + d->at, frames * d->frame_bytes);
    d->at += frames * d->frame_bytes;
    d->left -= frames * d->frame_bytes;
    d->position += frames;
    return (int64_t)frames;
}

void vs__decoder_cancel(struct vs__decoder *d)
{
    int cause = errno;

    atomic_store_explicit(&d->cancelled, true, memory_order_relaxed);
    if (d->channel >= 0)
        (void)shutdown(d->channel, SHUT_RDWR);
    errno = cause;
}

void vs__decoder_close(struct vs__decoder *d)
{
    if (d->process >= 0) {
        if (!d->is_over)
            (void)syscall(SYS_pidfd_send_signal, d->process, SIGKILL, NULL, 0);
        close(d->process);
    }
    if (d->channel >= 0)
        close(d->channel);
    d->channel = d->process = -1;
}
