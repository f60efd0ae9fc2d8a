/* SPDX-License-Identifier: MIT */
/* sherpa-onnx as a text engine: Whisper, Moonshine, Zipformer, Paraformer and others, on this machine.
   It runs in a process of its own (sherpa_host.c), because its library ends its process where
   a model does not please it: a crash or a hang costs one try, and the audio is kept. The process
   and its model stay from segment to segment. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <voicestand/backend.h>

#include "base/base.h"
#include "modules/wyoming_client.h"
#include "stt/address.h"
#include "stt/child.h"

#define HOST             "sherpa-host"
#define LOAD_TIMEOUT_S   300 /* a model of gigabytes from a slow disk */
#define DEFAULT_TIMEOUT  60
#define DEFAULT_TRIES    2
#define MOST_OWN_THREADS 4 /* more help little, and cost others */

enum { KIND, LANGUAGE, HOTWORDS, THREADS, LIBRARY, TIMEOUT_S, TRIES, SETTINGS };

struct sherpa {
    struct vs__wyoming_client client;
    char *folder;
    char host[600];
    struct vs__setting settings[SETTINGS];
    long threads;
    pid_t pid;   /* 0 = none runs */
    int control; /* connections go to it this way */
    int errors;  /* what it prints */
};

extern char **environ;

/* the process ------------------------------------------------------------------------------- */

/* The last line that it printed: sherpa-onnx says there why it ended. */
static void read_last_line(const struct sherpa *s, char *ret, size_t bytes)
{
    char all[8192], line[3 * 200 + 1];
    size_t used = 0;
    ssize_t n;

    while ((n = read(s->errors, all + used, sizeof(all) - 1 - used)) > 0) {
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
static bool await_end(const struct sherpa *s, int ms)
{
    struct pollfd gone = {.fd = (int)syscall(SYS_pidfd_open, s->pid, 0), .events = POLLIN};
    bool is_gone = gone.fd >= 0 && poll(&gone, 1, ms) == 1;

    if (gone.fd >= 0) {
        close(gone.fd);
    }
    return is_gone;
}

/* End it, if it did not end by itself.
    @param ret how it ended, "status 255" or "signal 6"; "" if it had to be ended */
static void end_process(struct sherpa *s, char *ret, size_t bytes)
{
    int status = 0;

    ret[0] = '\0';
    if (s->pid <= 0) {
        return;
    }
    close(s->control);
    if (waitpid(s->pid, &status, WNOHANG) != s->pid) {
        kill(s->pid, SIGKILL);
        (void)waitpid(s->pid, &status, 0);
    } else if (WIFSIGNALED(status)) {
        snprintf(ret, bytes, "signal %d", WTERMSIG(status));
    } else {
        snprintf(ret, bytes, "status %d", WEXITSTATUS(status));
    }
    close(s->errors);
    s->pid = 0;
}

static int start_process(struct sherpa *s)
{
    char threads[16];
    const char *v[SETTINGS];
    int pair[2], errors[2];
    posix_spawn_file_actions_t actions;

    for (size_t i = 0; i < SETTINGS; i++) {
        v[i] = s->settings[i].value ? s->settings[i].value : "";
    }
    snprintf(threads, sizeof(threads), "%ld", s->threads);
    const char *const arguments[] = {HOST,    v[LIBRARY],  s->folder,   threads,
                                     v[KIND], v[LANGUAGE], v[HOTWORDS], NULL};
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
    int failed =
        posix_spawn(&s->pid, s->host, &actions, NULL, (char *const *)(uintptr_t)arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(pair[1]);
    close(errors[1]);
    if (failed != 0) {
        close(pair[0]);
        close(errors[0]);
        s->pid = 0;
        return -failed;
    }
    s->control = pair[0];
    s->errors = errors[0];
    return 0;
}

/* Its first message: "ready KIND", or why not. */
static int await_ready(struct sherpa *s, char *why, size_t bytes)
{
    static const struct {
        const char *word;
        int status;
    } answers[] = {{"ready", 0},
                   {"missing", -ENOTSUP},
                   {"usage", -EINVAL},
                   {"files", -ENOENT},
                   {"damaged", -EBADMSG}};
    struct pollfd polled[2] = {{.fd = s->control, .events = POLLIN},
                               {.fd = s->client.cancel_fd, .events = POLLIN}};
    char message[512], line[600], end[40];

    (void)poll(polled, 2, LOAD_TIMEOUT_S * 1000);
    if (!polled[0].revents) {
        bool is_late = !polled[1].revents;
        end_process(s, end, sizeof(end));
        snprintf(why, bytes, "its model was not loaded in %d s", LOAD_TIMEOUT_S);
        return is_late ? -ETIMEDOUT : -ECANCELED;
    }
    ssize_t n = recv(s->control, message, sizeof(message) - 1, 0);
    message[n > 0 ? n : 0] = '\0';
    for (size_t i = 0; n > 0 && i < VS__COUNT(answers); i++) {
        size_t length = strlen(answers[i].word);
        if (strncmp(message, answers[i].word, length) == 0 && message[length] == ' ') {
            snprintf(why, bytes, "%s", message + length + 1);
            if (answers[i].status != 0) {
                end_process(s, end, sizeof(end));
            }
            return answers[i].status;
        }
    }
    (void)await_end(s, 1000); /* its sockets close a little before */
    read_last_line(s, line, sizeof(line));
    end_process(s, end, sizeof(end));
    snprintf(why, bytes, "%s: sherpa-onnx cannot use this model, it ended with %s: %s", s->folder,
             end, line[0] ? line : "it says nothing");
    return -EBADMSG;
}

static int start(struct sherpa *s, char *why, size_t bytes)
{
    int status = start_process(s);

    if (status != 0) {
        snprintf(why, bytes, "%s: %s", s->host, strerror(-status));
        return status;
    }
    return await_ready(s, why, bytes);
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

static int dial_sherpa(void *user, bool other, bool *ret_connecting)
{
    struct sherpa *s = user;
    int pair[2];

    (void)other; /* nothing refuses */
    *ret_connecting = false;
    if (s->pid <= 0) {
        int status = start(s, s->client.why, sizeof(s->client.why));
        if (status != 0) {
            return status;
        }
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) {
        return -errno;
    }
    int status = fcntl(pair[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : send_end(s->control, pair[1]);
    close(pair[1]);
    if (status != 0) {
        close(pair[0]);
        return status;
    }
    return pair[0];
}

/* A try failed: the process is gone or of no use. The next try starts another. */
static void failed_sherpa(void *user, int status, char *why, size_t bytes)
{
    struct sherpa *s = user;
    char line[600] = "", end[40];

    if (s->pid <= 0 || status == -EREMOTEIO) {
        return;
    }
    if (status != -ETIMEDOUT) {
        (void)await_end(s, 1000); /* its sockets close a little before */
        read_last_line(s, line, sizeof(line));
    }
    end_process(s, end, sizeof(end));
    if (status == -ETIMEDOUT) {
        snprintf(why, bytes, "did not answer in %ld s and was ended; timeout=… gives it longer",
                 s->client.timeout_s);
    } else {
        snprintf(why, bytes, "ended with %s: %s", end[0] ? end : "a hang",
                 line[0] ? line : "it says nothing");
    }
}

/* opening ----------------------------------------------------------------------------------- */

/* The program lies beside this module. */
static int find_host(struct sherpa *s)
{
    Dl_info info;
    const char *slash = NULL;

    if (dladdr(__extension__(void *) dial_sherpa, &info) && info.dli_fname) {
        slash = strrchr(info.dli_fname, '/');
    }
    if (!slash || (size_t)(slash - info.dli_fname) >= sizeof(s->host) - sizeof(HOST) - 1) {
        return -ENAMETOOLONG;
    }
    snprintf(s->host, sizeof(s->host), "%.*s/" HOST, (int)(slash - info.dli_fname), info.dli_fname);
    return 0;
}

static int read_settings(struct sherpa *s, const char *argument)
{
    static const char *const names[SETTINGS] = {"kind",    "language", "hotwords", "threads",
                                                "library", "timeout",  "tries"};
    const struct vs_log *log = s->client.log;

    for (size_t i = 0; i < SETTINGS; i++) {
        s->settings[i].name = names[i];
    }
    int status = vs__settings_read(log, "sherpa", argument, s->settings, SETTINGS, &s->folder);
    if (status == 0) {
        status = vs__setting_number(log, "sherpa", &s->settings[THREADS], 1, 256, 0, &s->threads);
    }
    if (status == 0) {
        status = vs__setting_number(log, "sherpa", &s->settings[TIMEOUT_S], 1, 3600,
                                    DEFAULT_TIMEOUT, &s->client.timeout_s);
    }
    if (status == 0) {
        status = vs__setting_number(log, "sherpa", &s->settings[TRIES], 1, 10, DEFAULT_TRIES,
                                    &s->client.tries);
    }
    if (status == 0 && !s->folder[0]) {
        vs__log(log, VS_LOG_ERROR, "stt",
                "sherpa needs the folder of a model, as in sherpa:/opt/models/zipformer");
        status = -EINVAL;
    }
    return status;
}

static int open_sherpa(void *state, const struct vs_stt_params *params)
{
    struct sherpa *s = state;
    char why[700];

    s->client.log = &params->env->log;
    s->client.fd = s->client.cancel_fd = -1;
    int status = read_settings(s, params->argument);
    if (status == 0) {
        status = find_host(s);
    }
    if (status != 0) {
        return status;
    }
    if (s->threads == 0) {
        long wanted = params->threads > 0 ? (long)params->threads : sysconf(_SC_NPROCESSORS_ONLN);
        s->threads = wanted < 1 ? 1 : VS__MIN(wanted, (long)MOST_OWN_THREADS);
    }
    s->client.peer = "sherpa-onnx";
    s->client.user = s;
    s->client.dial = dial_sherpa;
    s->client.failed = failed_sherpa;
    status = vs__wyoming_init(&s->client);
    if (status != 0) {
        return status;
    }
    status = start(s, why, sizeof(why));
    if (status != 0) {
        vs__log(s->client.log, VS_LOG_ERROR, "stt", "%s", why);
    } else {
        vs__log(s->client.log, VS_LOG_INFO, "stt",
                "sherpa-onnx runs a model of the kind %s on %ld %s", why, s->threads,
                s->threads == 1 ? "thread" : "threads");
    }
    return status;
}

/* the table --------------------------------------------------------------------------------- */

static int begin_sherpa(void *state, uint64_t segment)
{
    struct sherpa *s = state;

    vs__wyoming_begin(&s->client, segment);
    return 0;
}

static int feed_sherpa(void *state, const float *audio, size_t frames)
{
    struct sherpa *s = state;

    return vs__wyoming_feed(&s->client, audio, frames);
}

static int partial_sherpa(void *state, const char **ret)
{
    const struct sherpa *s = state;

    *ret = s->client.text;
    return 0;
}

static int finish_sherpa(void *state, const char **ret)
{
    struct sherpa *s = state;

    return vs__wyoming_finish(&s->client, ret);
}

static void cancel_sherpa(void *state)
{
    struct sherpa *s = state;

    vs__wyoming_cancel(&s->client);
}

static void close_sherpa(void *state)
{
    struct sherpa *s = state;
    char end[40];

    end_process(s, end, sizeof(end));
    vs__wyoming_fini(&s->client);
    vs__settings_free(s->settings, SETTINGS);
    vs__free(s->folder);
}

static const struct vs_stt_ops SHERPA = {
    .abi = VS_BACKEND_ABI,
    .name = "sherpa",
    .description = "sherpa-onnx: Whisper, Moonshine, Zipformer and others, on the processor",
    .state_size = sizeof(struct sherpa),
    .open = open_sherpa,
    .begin = begin_sherpa,
    .feed = feed_sherpa,
    .partial = partial_sherpa,
    .finish = finish_sherpa,
    .cancel = cancel_sherpa,
    .close = close_sherpa,
};

extern const struct vs_module vs_module_entry;
VS_API const struct vs_module vs_module_entry = {.abi = VS_BACKEND_ABI, .stt = &SHERPA};
