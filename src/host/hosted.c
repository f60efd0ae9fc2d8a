/* SPDX-License-Identifier: MIT */
/* A text engine in a process of its own, seen from the module that owns it: starts it, talks to it, ends
   it, and starts another where it crashed or hangs. */
#include "host/hosted.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "stt/child.h"

#define LOAD_TIMEOUT_S 300 /* a model of gigabytes from a slow disk */

extern char **environ;

/* the process ------------------------------------------------------------------------------- */

/* The last line that it printed: sherpa-onnx says there why it ended. */
static void read_last_line(const struct vs__hosted *h, char *ret, size_t bytes)
{
    char all[8192], line[3 * 200 + 1];
    size_t used = 0;
    ssize_t n;

    while ((n = read(h->errors, all + used, sizeof(all) - 1 - used)) > 0) {
        used += (size_t)n;
        if (used == sizeof(all) - 1) { /* the end counts */
            memmove(all, all + used / 2, used - used / 2);
            used -= used / 2;
        }
    }
    while (used > 0 && (all[used - 1] == '\n' || all[used - 1] == ' ')) {
        used--;
    }
    all[used] = '\0';
    const char *start = strrchr(all, '\n');
    start = start ? start + 1 : all;
    vs__words_clean(start, VS__MIN(strlen(start), (size_t)200), line);
    snprintf(ret, bytes, "%.*s", (int)(bytes - 1), line);
}

/* Wait until it is gone. @return true, or false if it is still there after `ms` */
static bool await_end(const struct vs__hosted *h, int ms)
{
    struct pollfd gone = {.fd = (int)syscall(SYS_pidfd_open, h->pid, 0), .events = POLLIN};
    bool is_gone = gone.fd >= 0 && poll(&gone, 1, ms) == 1;

    if (gone.fd >= 0) {
        close(gone.fd);
    }
    return is_gone;
}

/* End it, if it did not end by itself.
    @param ret how it ended, "status 255" or "signal 6"; "" if it had to be ended */
static void end_process(struct vs__hosted *h, char *ret, size_t bytes)
{
    int status = 0;

    ret[0] = '\0';
    if (h->pid <= 0) {
        return;
    }
    close(h->control);
    if (waitpid(h->pid, &status, WNOHANG) != h->pid) {
        kill(h->pid, SIGKILL);
        (void)waitpid(h->pid, &status, 0);
    } else if (WIFSIGNALED(status)) {
        snprintf(ret, bytes, "signal %d", WTERMSIG(status));
    } else {
        snprintf(ret, bytes, "status %d", WEXITSTATUS(status));
    }
    close(h->errors);
    h->pid = 0;
}

static int start_process(struct vs__hosted *h)
{
    int pair[2], errors[2];
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) {
        return -errno;
    }
    if (pipe2(errors, O_CLOEXEC | O_NONBLOCK) != 0) {
        close(pair[0]);
        close(pair[1]);
        return -errno;
    }
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, errors[1], 2);
    posix_spawn_file_actions_adddup2(&actions, pair[1], 3);
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 34)
    /* descriptors that the user of the library left inheritable */
    posix_spawn_file_actions_addclosefrom_np(&actions, 4);
#endif
    /* Ctrl-C is for the command, which still wants the last texts. */
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    int failed = posix_spawn(&h->pid, h->program, &actions, &attributes,
                             (char *const *)(uintptr_t)h->arguments, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    close(pair[1]);
    close(errors[1]);
    if (failed != 0) {
        close(pair[0]);
        close(errors[0]);
        h->pid = 0;
        return -failed;
    }
    h->control = pair[0];
    h->errors = errors[0];
    return 0;
}

/* Behind a second line of "ready" stand the layers of protection that the kernel does not give. */
static void warn_once(struct vs__hosted *h, char *kind)
{
    char *lack = strchr(kind, '\n');

    if (!lack) {
        return;
    }
    *lack++ = '\0';
    if (!h->warned) {
        vs__log(
            h->client.log, VS_LOG_WARNING, "stt",
            "%s: the model is parsed with less protection than there could be: this kernel gives "
            "no %s; take models from people you trust",
            h->place, lack);
    }
    h->warned = true;
}

/* Its first message: "ready KIND", or why not. */
static int await_ready(struct vs__hosted *h, char *why, size_t bytes)
{
    static const struct {
        const char *word;
        int status;
    } answers[] = {{"ready", 0},
                   {"missing", -ENOTSUP},
                   {"usage", -EINVAL},
                   {"files", -ENOENT},
                   {"damaged", -EBADMSG}};
    struct pollfd polled[2] = {{.fd = h->control, .events = POLLIN},
                               {.fd = h->client.cancel_fd, .events = POLLIN}};
    char message[512], line[600], end[40];

    (void)poll(polled, 2, LOAD_TIMEOUT_S * 1000);
    if (!polled[0].revents) {
        bool is_late = !polled[1].revents;
        end_process(h, end, sizeof(end));
        snprintf(why, bytes, "its model was not loaded in %d s", LOAD_TIMEOUT_S);
        return is_late ? -ETIMEDOUT : -ECANCELED;
    }
    ssize_t n = recv(h->control, message, sizeof(message) - 1, 0);
    message[n > 0 ? n : 0] = '\0';
    for (size_t i = 0; n > 0 && i < VS__COUNT(answers); i++) {
        size_t length = strlen(answers[i].word);
        if (strncmp(message, answers[i].word, length) == 0 && message[length] == ' ') {
            snprintf(why, bytes, "%s", message + length + 1);
            if (answers[i].status != 0) {
                end_process(h, end, sizeof(end));
            } else {
                warn_once(h, why);
            }
            return answers[i].status;
        }
    }
    (void)await_end(h, 1000); /* its sockets close a little before */
    read_last_line(h, line, sizeof(line));
    end_process(h, end, sizeof(end));
    snprintf(why, bytes, "%s: %s cannot use this model, it ended with %s: %s", h->place,
             h->client.peer, end, line[0] ? line : "it says nothing");
    return -EBADMSG;
}

int vs__hosted_start(struct vs__hosted *h, char *why, size_t bytes)
{
    int status = start_process(h);

    if (status != 0) {
        snprintf(why, bytes, "%.200s: %s", h->program, strerror(-status));
        return status;
    }
    return await_ready(h, why, bytes);
}

/* connections ------------------------------------------------------------------------------- */

static int send_end(int control, int fd)
{
    char byte = 0, space[CMSG_SPACE(sizeof(int))] = {0};
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    struct msghdr m = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof(space)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);

    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(c), &fd, sizeof(fd));
    return sendmsg(control, &m, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int dial(void *user, bool other, bool *ret_connecting)
{
    struct vs__hosted *h = user;
    int pair[2];

    (void)other; /* nothing refuses */
    *ret_connecting = false;
    if (h->pid <= 0) {
        int status = vs__hosted_start(h, h->client.why, sizeof(h->client.why));
        if (status != 0) {
            return status;
        }
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        return -errno;
    }
    int status = fcntl(pair[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : send_end(h->control, pair[1]);
    close(pair[1]);
    if (status != 0) {
        close(pair[0]);
        return status;
    }
    return pair[0];
}

/* A try failed: the process is gone or of no use. The next try starts another. */
static void failed(void *user, int status, char *why, size_t bytes)
{
    struct vs__hosted *h = user;
    char line[600] = "", end[40];

    if (h->pid <= 0 || status == -EREMOTEIO) {
        return;
    }
    if (status != -ETIMEDOUT) {
        (void)await_end(h, 1000); /* its sockets close a little before */
        read_last_line(h, line, sizeof(line));
    }
    end_process(h, end, sizeof(end));
    if (status == -ETIMEDOUT) {
        snprintf(why, bytes, "did not answer in %ld s and was ended; timeout=… gives it longer",
                 h->client.timeout_s);
    } else {
        snprintf(why, bytes, "ended with %s: %s", end[0] ? end : "a hang",
                 line[0] ? line : "it says nothing");
    }
}

/* life --------------------------------------------------------------------------------------- */

/* The program lies beside the module that carries this code. */
static int find_program(struct vs__hosted *h, const char *name)
{
    Dl_info info;
    const char *slash = NULL;

    if (dladdr(__extension__(void *) dial, &info) && info.dli_fname) {
        slash = strrchr(info.dli_fname, '/');
    }
    if (!slash) {
        return -ENOENT;
    }
    int bytes = snprintf(h->program, sizeof(h->program), "%.*s/%s", (int)(slash - info.dli_fname),
                         info.dli_fname, name);
    return bytes < 0 || (size_t)bytes >= sizeof(h->program) ? -ENAMETOOLONG : 0;
}

int vs__hosted_init(struct vs__hosted *h, const struct vs_log *log, const char *engine,
                    const char *program)
{
    h->client.log = log;
    h->client.fd = h->client.cancel_fd = -1;
    h->client.peer = engine;
    h->client.user = h;
    h->client.dial = dial;
    h->client.failed = failed;
    int status = find_program(h, program);
    return status == 0 ? vs__wyoming_init(&h->client) : status;
}

void vs__hosted_fini(struct vs__hosted *h)
{
    char end[40];

    end_process(h, end, sizeof(end));
    vs__wyoming_fini(&h->client);
}

/* what tables of engines take ------------------------------------------------------------------ */

int vs__hosted_begin(void *state, uint64_t segment)
{
    struct vs__hosted *h = state;

    vs__wyoming_begin(&h->client, segment);
    return 0;
}

int vs__hosted_feed(void *state, const float *audio, size_t frames)
{
    struct vs__hosted *h = state;

    return vs__wyoming_feed(&h->client, audio, frames);
}

int vs__hosted_partial(void *state, const char **ret)
{
    const struct vs__hosted *h = state;

    *ret = h->client.text;
    return 0;
}

int vs__hosted_finish(void *state, const char **ret)
{
    struct vs__hosted *h = state;

    return vs__wyoming_finish(&h->client, ret);
}

int vs__hosted_words(void *state, const struct vs_word **ret)
{
    const struct vs__hosted *h = state;

    *ret = h->client.words;
    return (int)h->client.word_count;
}

void vs__hosted_cancel(void *state)
{
    struct vs__hosted *h = state;

    vs__wyoming_cancel(&h->client);
}
