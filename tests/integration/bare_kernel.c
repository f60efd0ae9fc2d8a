/* SPDX-License-Identifier: MIT */
/* bare_kernel PROGRAM ARGUMENT...: run it, and all that it starts, as on a kernel that has neither Landlock nor filters
   of system calls and limits no files. What parses then runs without its sandbox, which it says, and a program that
   counts what it takes (scripts/coverage) can write that down. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "filtered.h"

#define LANDLOCK_CREATE_RULESET 444

#define NUMBER      offsetof(struct seccomp_data, nr)
#define ARGUMENT(n) (offsetof(struct seccomp_data, args) + 8 * (n))
#define LOAD(at)    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (at))
/* Skip so many steps unless the loaded number is this one. */
#define UNLESS(number, steps) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (number), 0, (steps))
#define ANSWER(error)         BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (error))

int main(int count, char **arguments)
{
    struct sock_filter steps[] = {
        LOAD(NUMBER),
        UNLESS(LANDLOCK_CREATE_RULESET, 1),
        ANSWER(ENOSYS),
        UNLESS(SYS_prctl, 3),
        LOAD(ARGUMENT(0)),
        UNLESS(PR_SET_SECCOMP, 6),
        ANSWER(EINVAL),
        UNLESS(SYS_prlimit64, 4),
        LOAD(ARGUMENT(1)),
        UNLESS(RLIMIT_FSIZE, 2),
        ANSWER(0), /* done, it says */
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };

    return run_filtered(steps, sizeof(steps) / sizeof(steps[0]), count, arguments);
}
