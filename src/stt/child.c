/* SPDX-License-Identifier: MIT */
/* Runs one program with pipes on its three standard streams, and never hangs on it. */
#include "stt/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/base.h"

/* How long a program has to clean up after SIGTERM before SIGKILL. */
#define GRACE_NS INT64_C(500000000)
/* How often an ended program is looked for where the kernel has no pidfd. */
#define TICK_MS 20
/* Reads that empty a full pipe once its program ended; who inherited it may go on writing. */
#define PIPE_ROUNDS 128

extern char **environ;

struct child {
    const struct vs__child_job *job;
    struct vs__child_result result;
    pid_t pid;
    int pidfd;        /* -1: this kernel has none */
    int in, out, err; /* our ends, -1 once closed */
    size_t written;
    char line[sizeof(((struct vs__child_result *)0)->last_line)];
    size_t line_bytes;
};

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

/* A pipe whose ends are above the standard streams, so that giving them to the program as 0, 1
   and 2 cannot overwrite one another. `ours` of the two ends does not block. */
static int open_pipe(int ends[2], int ours)
{
    int raw[2];

    if (pipe2(raw, O_CLOEXEC) != 0) {
        return -errno;
    }
    for (int i = 0; i < 2; i++) {
        ends[i] = raw[i];
        if (raw[i] <= STDERR_FILENO) {
            ends[i] = fcntl(raw[i], F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
            int error = errno;
            close(raw[i]);
            if (ends[i] < 0) {
                close(i == 0 ? raw[1] : ends[0]);
                ends[0] = ends[1] = -1;
                return -error;
            }
        }
    }
    fcntl(ends[ours], F_SETFL, O_NONBLOCK);
    return 0;
}

/* A process group of its own, so that all of it can be ended; every signal as in a new shell. */
static int spawn_shell(const char *command, int in, int out, int err, pid_t *ret)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigset_t all;
    char *arguments[] = {(char[]){"sh"}, (char[]){"-c"}, NULL, NULL};
    int error = posix_spawn_file_actions_init(&files);

    if (error) {
        return -error;
    }
    error = posix_spawnattr_init(&attributes);
    if (error) {
        posix_spawn_file_actions_destroy(&files);
        return -error;
    }
    memcpy(&arguments[2], &command, sizeof(command)); /* posix_spawn() only reads it */
    sigemptyset(&none);
    sigfillset(&all);
    error = posix_spawn_file_actions_adddup2(&files, in, STDIN_FILENO);
    error = error ? error : posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
    error = error ? error : posix_spawn_file_actions_adddup2(&files, err, STDERR_FILENO);
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 34)
    /* descriptors that the user of the library left inheritable */
    error = error ? error : posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
#endif
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                              POSIX_SPAWN_SETSIGDEF);
    error = error ? error : posix_spawn(ret, "/bin/sh", &files, &attributes, arguments, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return -error;
}

static int start_child(struct child *c)
{
    int in[2] = {-1, -1};
    int out[2] = {-1, -1};
    int err[2] = {-1, -1};
    int status = open_pipe(in, 1);

    status = status ? status : open_pipe(out, 0);
    status = status ? status : open_pipe(err, 0);
    status = status ? status : spawn_shell(c->job->command, in[0], out[1], err[1], &c->pid);
    close_fd(&in[0]);
    close_fd(&out[1]);
    close_fd(&err[1]);
    c->in = in[1];
    c->out = out[0];
    c->err = err[0];
    if (status != 0) {
        return status;
    }
#ifdef SYS_pidfd_open
    c->pidfd = (int)syscall(SYS_pidfd_open, c->pid, 0);
#endif
    return 0;
}

/* The program reads when it likes; when it reads no more, that is its right. */
static void write_input(struct child *c)
{
    const char *input = c->job->input;

    while (c->written < c->job->input_bytes) {
        ssize_t done = write(c->in, input + c->written, c->job->input_bytes - c->written);
        if (done < 0) {
            if (errno == EINTR) {
                continue;
            }
            if (errno == EAGAIN) {
                return;
            }
            break;
        }
        c->written += (size_t)done;
    }
    close_fd(&c->in);
}

static void read_output(struct child *c)
{
    char spare[4096];

    for (;;) {
        size_t room = c->job->output_room - c->result.output_bytes;
        ssize_t got = room ? read(c->out, c->job->output + c->result.output_bytes, room)
                           : read(c->out, spare, sizeof(spare));
        if (got > 0 && room) {
            c->result.output_bytes += (size_t)got;
        } else if (got > 0) {
            c->result.cut = true;
            return; /* back to poll(): a program that prints without end meets its time-out */
        } else if (got == 0) {
            close_fd(&c->out);
            return;
        } else if (errno != EINTR) {
            return;
        }
    }
}

static void end_line(struct child *c)
{
    char clean[3 * sizeof(c->line) + 1];
    size_t bytes = vs__words_clean(c->line, c->line_bytes, clean);

    c->line_bytes = 0;
    if (bytes > 0) {
        bytes = vs__words_whole(clean, VS__MIN(bytes, sizeof(c->result.last_line) - 1));
        memcpy(c->result.last_line, clean, bytes);
        c->result.last_line[bytes] = '\0';
        vs__log(c->job->log, VS_LOG_DEBUG, "stt", "the program says: %s", c->result.last_line);
    }
}

/* @return true if there may be more. */
static bool read_errors(struct child *c)
{
    char text[1024];
    ssize_t got = read(c->err, text, sizeof(text));

    if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN)) {
        end_line(c);
        close_fd(&c->err);
    }
    for (ssize_t i = 0; i < got; i++) {
        if (text[i] == '\n') {
            end_line(c);
        } else if (c->line_bytes < sizeof(c->line)) {
            c->line[c->line_bytes++] = text[i]; /* the rest of a longer line is dropped */
        }
    }
    return got > 0;
}

/* Has it ended? Leaves it a zombie, so that its number stays ours until reap(). */
static bool has_ended(const struct child *c)
{
    siginfo_t info;

    info.si_pid = 0;
    if (waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0) {
        return errno != EINTR; /* ECHILD: somebody else takes all children */
    }
    return info.si_pid == c->pid;
}

/* @param end kill what is left of its group. What an ended program leaves running on purpose is
   its own affair. */
static void reap(struct child *c, bool end)
{
    int status = 0;
    int64_t deadline = vs__mono_ns() + GRACE_NS;

    if (end) {
        kill(-c->pid, SIGTERM);
        while (!has_ended(c) && vs__mono_ns() < deadline) {
            struct pollfd wait = {.fd = c->pidfd, .events = POLLIN};
            poll(&wait, 1, TICK_MS);
        }
        kill(-c->pid, SIGKILL);
    }
    while (waitpid(c->pid, &status, 0) < 0) {
        if (errno != EINTR) {
            status = 0; /* taken by the user's own handler: the output is all we know */
            break;
        }
    }
    c->result.exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

/* @return 0 when the program ended, -ECANCELED, -ETIMEDOUT, or -errno of poll(). */
static int serve(struct child *c)
{
    int64_t deadline = vs__mono_ns() + c->job->timeout_ns;

    for (;;) {
        struct pollfd fds[] = {
            {.fd = c->in, .events = POLLOUT},   {.fd = c->out, .events = POLLIN},
            {.fd = c->err, .events = POLLIN},   {.fd = c->job->cancel_fd, .events = POLLIN},
            {.fd = c->pidfd, .events = POLLIN},
        };
        int64_t left_ms = (deadline - vs__mono_ns()) / 1000000;
        if (left_ms < 0) {
            return -ETIMEDOUT;
        }
        left_ms = VS__MIN(left_ms + 1, c->pidfd < 0 ? TICK_MS : 60000);
        if (poll(fds, VS__COUNT(fds), (int)left_ms) < 0 && errno != EINTR) {
            return -errno;
        }
        if (fds[3].revents) {
            return -ECANCELED;
        }
        bool ended = (c->pidfd < 0 || fds[4].revents) && has_ended(c);
        if (c->in >= 0 && fds[0].revents) {
            write_input(c);
        }
        if (c->out >= 0 && (fds[1].revents || ended)) {
            read_output(c);
        }
        int rounds = ended ? PIPE_ROUNDS : 1;
        while (rounds-- > 0 && c->err >= 0 && (fds[2].revents || ended) && read_errors(c)) {
        }
        if (ended) {
            return 0;
        }
    }
}

/* On this thread only, and undone: the application's own use of SIGPIPE is not touched. */
static void hold_sigpipe(sigset_t *ret_old, bool *ret_pending)
{
    sigset_t pipe_only;
    sigset_t pending;

    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    sigpending(&pending);
    *ret_pending = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe_only, ret_old);
}

static void release_sigpipe(const sigset_t *old, bool was_pending)
{
    const struct timespec now = {0, 0};
    sigset_t pipe_only;

    if (!was_pending) {
        sigemptyset(&pipe_only);
        sigaddset(&pipe_only, SIGPIPE);
        while (sigtimedwait(&pipe_only, NULL, &now) < 0 && errno == EINTR) {
        }
    }
    pthread_sigmask(SIG_SETMASK, old, NULL);
}

int vs__child_run(const struct vs__child_job *job, struct vs__child_result *ret)
{
    struct child c = {.job = job, .pidfd = -1, .in = -1, .out = -1, .err = -1};
    sigset_t old;
    bool pending;
    int status = start_child(&c);

    if (status == 0) {
        hold_sigpipe(&old, &pending);
        status = serve(&c);
        close_fd(&c.in);
        reap(&c, status != 0);
        if (c.err >= 0) {
            end_line(&c);
        }
        release_sigpipe(&old, pending);
    }
    close_fd(&c.in);
    close_fd(&c.out);
    close_fd(&c.err);
    close_fd(&c.pidfd);
    *ret = c.result;
    return status;
}
