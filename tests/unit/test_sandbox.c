/* SPDX-License-Identifier: MIT */
/* What a text engine may still do once it is about to read a model, and what it may not. Each try is made
   in a process of its own, once with its rights, where it must get through, and once without. */
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "modules/sandbox.h"

static char folder[] = "/tmp/voicestand-sandbox-XXXXXX", inside[64], outside[64];

static int opens(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);

    return fd < 0 ? -errno : 0;
}

static int read_model(void)
{
    return opens(inside, O_RDONLY);
}

static int read_machine(void)
{
    return opens("/proc/cpuinfo", O_RDONLY);
}

static void *idle(void *user)
{
    return user;
}

static int use_thread(void)
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, idle, NULL);

    return error ? -error : -pthread_join(thread, NULL);
}

static int use_memory(void)
{
    char *memory = malloc(1 << 24);

    if (!memory)
        return -ENOMEM;
    memset(memory, 1, 1 << 24);
    free(memory);
    return 0;
}

static int read_others(void)
{
    return opens(outside, O_RDONLY);
}

static int write_model(void)
{
    return opens(inside, O_WRONLY);
}

static int create_file(void)
{
    char path[80];

    snprintf(path, sizeof(path), "%s/new", folder);
    int status = opens(path, O_WRONLY | O_CREAT);
    unlink(path);
    return status;
}

static int dial(void)
{
    return socket(AF_INET, SOCK_STREAM, 0) < 0 ? -errno : 0;
}

static int talk(void)
{
    return socket(AF_UNIX, SOCK_STREAM, 0) < 0 ? -errno : 0;
}

static int start_program(void)
{
    execl("/bin/true", "true", (char *)NULL);
    return -errno;
}

static int start_process(void)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    return pid < 0 ? -errno : waitpid(pid, NULL, 0) == pid ? 0 : -errno;
}

static int trace_itself(void)
{
    return ptrace(PTRACE_TRACEME, 0, NULL, NULL) < 0 ? -errno : 0;
}

static int signal_parent(void)
{
    return kill(getppid(), 0) < 0 ? -errno : 0;
}

static struct trial {
    const char *name;
    int (*act)(void);
    int is_allowed;
    unsigned layer; /* that stops it */
} trials[] = {
    {"read a model", read_model, 1, 0},
    {"read what tells of the machine", read_machine, 1, 0},
    {"have threads", use_thread, 1, 0},
    {"have memory", use_memory, 1, 0},
    {"read another file", read_others, 0, VS__SANDBOX_LANDLOCK},
    {"write a model", write_model, 0, VS__SANDBOX_LANDLOCK},
    {"create a file", create_file, 0, VS__SANDBOX_LANDLOCK},
    {"dial", dial, 0, VS__SANDBOX_SECCOMP},
    {"talk to others", talk, 0, VS__SANDBOX_SECCOMP},
    {"start a program", start_program, 0, VS__SANDBOX_SECCOMP},
    {"start a process", start_process, 0, VS__SANDBOX_SECCOMP},
    {"be traced", trace_itself, 0, VS__SANDBOX_SECCOMP},
    {"signal others", signal_parent, 0, VS__SANDBOX_SECCOMP},
};
enum { TRIALS = sizeof(trials) / sizeof(trials[0]) };

enum outcome { THROUGH, REFUSED, KILLED, LACKS_LAYER, LACKS_CALL, OTHER };

static enum outcome try_it(const struct trial *t, int with_rights)
{
    const char *const models[] = {folder, "", NULL};
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        unsigned layers = with_rights ? VS__SANDBOX_ALL : vs__sandbox_engine(models);
        int tried = (layers & t->layer) == t->layer ? t->act() : 1;
        _exit(tried > 0          ? LACKS_LAYER
              : tried == 0       ? THROUGH
              : tried == -ENOSYS ? LACKS_CALL
                                 : REFUSED);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status)                                   ? (enum outcome)WEXITSTATUS(status)
           : WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS ? KILLED
                                                               : OTHER;
}

/* What the kernel itself says to the least that a layer needs: 0 or -errno. */
static int probe(unsigned layer)
{
    struct sock_filter allow = {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW};
    struct sock_fprog all = {1, &allow};
    int status;

    if (layer == VS__SANDBOX_LANDLOCK)
        return vs__sandbox_landlock_abi() > 0 ? 0 : -ENOSYS;
    pid_t pid = fork();
    if (pid == 0) {
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
            prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &all, 0, 0) == 0)
            _exit(0);
        _exit(errno);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFEXITED(status) ? -WEXITSTATUS(status) : -EIO;
}

/* Why a trial can say nothing here, or NULL. */
static const char *why_not(const struct trial *t, enum outcome got)
{
    if (got == LACKS_CALL)
        return "this kernel lacks the call that is tried";
    if (got != LACKS_LAYER)
        return NULL;
    if (probe(t->layer) < 0)
        return t->layer == VS__SANDBOX_SECCOMP ? "this kernel refuses any seccomp filter"
                                               : "this kernel has no Landlock";
#if defined(__x86_64__) || defined(__aarch64__)
    return NULL;
#else
    return t->layer == VS__SANDBOX_SECCOMP ? "there is no filter for this processor" : NULL;
#endif
}

static void an_engine_reads_its_models_and_nothing_else(void **state)
{
    const struct trial *t = *state;
    enum outcome can = try_it(t, 1), got = can == THROUGH ? try_it(t, 0) : can;
    const char *reason = why_not(t, got);

    if (reason) {
        print_message("# %s\n", reason);
        skip();
    }
    if (can != THROUGH)
        fail_msg("cannot be done with all rights: %d", can);
    assert_int_equal(got, t->is_allowed                     ? THROUGH
                          : t->layer == VS__SANDBOX_SECCOMP ? KILLED
                                                            : REFUSED);
}

static void what_lacks_is_told(void **state)
{
    (void)state;
    assert_string_equal(vs__sandbox_lack(VS__SANDBOX_ALL), "");
    assert_string_equal(vs__sandbox_lack(VS__SANDBOX_PRIVILEGES), "Landlock and seccomp");
    assert_string_equal(vs__sandbox_lack(VS__SANDBOX_LANDLOCK), "seccomp");
    assert_string_equal(vs__sandbox_lack(VS__SANDBOX_SECCOMP), "Landlock");
}

int main(void)
{
    struct CMUnitTest tests[TRIALS + 1] = {cmocka_unit_test(what_lacks_is_told)};
    char names[TRIALS][64];

    cmocka_set_message_output(CM_OUTPUT_TAP);
    if (!mkdtemp(folder))
        return 1;
    snprintf(inside, sizeof(inside), "%s/model", folder);
    snprintf(outside, sizeof(outside), "%s.other", folder);
    if (opens(inside, O_WRONLY | O_CREAT) < 0 || opens(outside, O_WRONLY | O_CREAT) < 0)
        return 1;
    for (size_t i = 0; i < TRIALS;
         i++) { /* a trial is a case, so that one that is left out is named */
        snprintf(names[i], sizeof(names[i]), "an engine %s %s",
                 trials[i].is_allowed ? "may" : "may not", trials[i].name);
        tests[i + 1] = (struct CMUnitTest){.name = names[i],
                                           .test_func = an_engine_reads_its_models_and_nothing_else,
                                           .initial_state = &trials[i]};
    }
    int failed = cmocka_run_group_tests_name("sandbox", tests, NULL, NULL);
    unlink(inside);
    unlink(outside);
    rmdir(folder);
    return failed;
}
