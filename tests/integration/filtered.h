/* SPDX-License-Identifier: MIT */
/* Runs a command under a filter of system calls, for programs that do nothing else. */
#ifndef VS_TESTS_INTEGRATION_FILTERED_H
#define VS_TESTS_INTEGRATION_FILTERED_H

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/** `arguments` are those of main(): the command comes second. Does not come back where it can be run.
    @return an exit status: 2 no command, 77 the kernel has no such filters, 127 the command is not there. */
static inline int run_filtered(struct sock_filter *steps, size_t step_count, int count,
                               char **arguments)
{
    struct sock_fprog program = {(unsigned short)step_count, steps};

    if (count < 2)
        return 2;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) < 0) {
        fprintf(stderr, "%s: this kernel has no seccomp: %s\n", arguments[0], strerror(errno));
        return 77;
    }
    execvp(arguments[1], arguments + 1);
    return 127;
}

#endif
