/* SPDX-License-Identifier: MIT */
/* Included before each source of the build of scripts/coverage: a process that ends at once writes down first what
   it took, where no sandbox would kill it for that, and one that would be killed because nobody needs it any more gets
   a moment to end by itself. */
#ifndef VS_TESTS_COVERAGE_H
#define VS_TESTS_COVERAGE_H

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

void __gcov_dump(void);

/* A process that may write nothing would say so, where a test wants it to be quiet. */
__attribute__((constructor)) static void say_nothing(void)
{
    setenv("GCOV_ERROR_FILE", "/dev/null", 0);
}

__attribute__((noreturn)) static inline void exit_written(int status)
{
    if (getenv("VOICESTAND_COVERAGE_BARE"))
        __gcov_dump();
    _exit(status);
}

/* Looks for 0.3 s whether the child ends, and leaves it to be waited for. */
static inline int kill_late(pid_t pid, int number)
{
    siginfo_t ended = {.si_pid = 0};

    for (int i = 0; number == SIGKILL && i < 30 && ended.si_pid == 0; i++) {
        if (waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOHANG | WNOWAIT) != 0)
            break;
        if (ended.si_pid == 0)
            (void)nanosleep(&(struct timespec){0, 10000000}, NULL);
    }
    return kill(pid, number);
}

#define _exit(status)     exit_written(status)
#define kill(pid, number) kill_late(pid, number)

#endif
