/* SPDX-License-Identifier: MIT */
#include "dictate/run.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

/* How often an ended program is looked for where the kernel has no pidfd. */
enum { TICK_MS = 5 };

struct program {
    const struct run_job *job;
    pid_t pid;
    int pidfd, in, out; /* our ends; -1 = none */
    size_t written, got;
    bool cut;
};

static int64_t clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

bool run_has(const char *program)
{
    const char *path = getenv("PATH");
    char file[4096];

    if (strchr(program, '/') != NULL)
        return access(program, X_OK) == 0;
    while (path != NULL && *path != '\0') {
        int length = (int)strcspn(path, ":");
        int n = snprintf(file, sizeof(file), "%.*s/%s", length, path, program);

        if (n > 0 && (size_t)n < sizeof(file) && access(file, X_OK) == 0)
            return true;
        path += length + (path[length] == ':');
    }
    return false;
}

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Its standard streams: pipes where the job has something for them, else nothing. Standard error is
   ours, so that what it complains of is seen. */
static int add_streams(posix_spawn_file_actions_t *files, const struct run_job *job, int in,
                       int out)
{
    int error;

    if (job->input != NULL)
        error = posix_spawn_file_actions_adddup2(files, in, STDIN_FILENO);
    else
        error = posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (error == 0 && job->output != NULL)
        error = posix_spawn_file_actions_adddup2(files, out, STDOUT_FILENO);
    else if (error == 0)
        error = posix_spawn_file_actions_addopen(files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (error == 0 && job->silent)
        error = posix_spawn_file_actions_addopen(files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    return error;
}

/* A process group of its own, and every signal as in a new shell. */
static int spawn(const struct run_job *job, int in, int out, pid_t *ret)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    char **arguments;
    int error = posix_spawn_file_actions_init(&files);

    if (error != 0)
        return -error;
    posix_spawnattr_init(&attributes);
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                              POSIX_SPAWN_SETSIGDEF);
    memcpy(&arguments, &job->arguments, sizeof(arguments)); /* they are only read */
    error = add_streams(&files, job, in, out);
    if (error == 0)
        error = posix_spawnp(ret, arguments[0], &files, &attributes, arguments, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return -error;
}

static int start(struct program *p)
{
    int in[2] = {-1, -1}, out[2] = {-1, -1}, status = 0;

    if (p->job->input != NULL && pipe2(in, O_CLOEXEC) < 0)
        status = -errno;
    if (status == 0 && p->job->output != NULL && pipe2(out, O_CLOEXEC) < 0)
        status = -errno;
    if (status == 0)
        status = spawn(p->job, in[0], out[1], &p->pid);
    close_fd(&in[0]);
    close_fd(&out[1]);
    p->in = in[1];
    p->out = out[0];
    if (status < 0)
        return status;
    if (p->in >= 0)
        fcntl(p->in, F_SETFL, O_NONBLOCK);
    if (p->out >= 0)
        fcntl(p->out, F_SETFL, O_NONBLOCK);
#ifdef SYS_pidfd_open
    p->pidfd = (int)syscall(SYS_pidfd_open, p->pid, 0);
#endif
    return 0;
}

/* SIGPIPE is ignored by the command. A program that does not read all has its reasons. */
static void write_input(struct program *p)
{
    while (p->written < p->job->input_bytes) {
        ssize_t n = write(p->in, p->job->input + p->written, p->job->input_bytes - p->written);

        if (n < 0 && errno == EAGAIN)
            return;
        if (n < 0 && errno != EINTR)
            break;
        p->written += n > 0 ? (size_t)n : 0;
    }
    close_fd(&p->in);
}

static void read_output(struct program *p)
{
    char spare[512];

    for (;;) {
        size_t room = p->job->output_room - p->got;
        ssize_t n = room > 0 ? read(p->out, p->job->output + p->got, room)
                             : read(p->out, spare, sizeof(spare));

        if (n > 0 && room == 0) {
            p->cut = true;
            return; /* poll() watches the time */
        }
        if (n > 0)
            p->got += (size_t)n;
        else if (n == 0)
            close_fd(&p->out);
        if (n == 0 || (n < 0 && errno != EINTR))
            return;
    }
}

/* @return whether it ended; its status then */
static bool has_ended(const struct program *p, int *ret_status)
{
    return waitpid(p->pid, ret_status, WNOHANG) != 0;
}

/* @return 0 with its status, or -ETIMEDOUT with it killed */
static int serve(struct program *p, int *ret_status)
{
    int64_t end_ms = clock_ms() + p->job->timeout_ms;

    for (;;) {
        struct pollfd fds[] = {{.fd = p->in, .events = POLLOUT},
                               {.fd = p->out, .events = POLLIN},
                               {.fd = p->pidfd, .events = POLLIN}};
        int64_t left_ms = end_ms - clock_ms();

        if (left_ms <= 0)
            break;
        (void)poll(fds, 3, p->pidfd < 0 ? TICK_MS : (int)left_ms);
        bool ended = has_ended(p, ret_status);
        if (p->in >= 0 && fds[0].revents != 0)
            write_input(p);
        if (p->out >= 0 && (fds[1].revents != 0 || ended))
            read_output(p);
        if (ended)
            return 0;
    }
    kill(-p->pid, SIGKILL);
    (void)waitpid(p->pid, ret_status, 0);
    return -ETIMEDOUT;
}

int run_program(const struct run_job *job)
{
    struct program p = {.job = job, .pidfd = -1, .in = -1, .out = -1};
    int ended = 0, status = start(&p);

    if (status == 0)
        status = serve(&p, &ended);
    close_fd(&p.in);
    close_fd(&p.out);
    close_fd(&p.pidfd);
    if (status < 0)
        return status;
    if (job->output != NULL)
        *job->ret_output_bytes = p.got;
    if (!WIFEXITED(ended) || WEXITSTATUS(ended) != 0)
        return WIFEXITED(ended) && WEXITSTATUS(ended) == 127 ? -ENOENT : -EPROTO;
    return p.cut ? -EOVERFLOW : 0;
}
