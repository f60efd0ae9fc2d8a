/* SPDX-License-Identifier: MIT */
/* What tests need of the kernel, each tried in the fewest calls: a line "NAME: yes", or with what came
   instead. scripts/cross runs it here and under an emulator, so that a test that is skipped there is seen to
   be so because of the emulator. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BYTES = 65536, PRODUCTS = 1 << 20, ROUNDS = 5, LANDLOCK_CREATE_RULESET = 444, NO = 255 };

static int try_landlock(void)
{
    return syscall(LANDLOCK_CREATE_RULESET, NULL, 0, 1 /* which version? */) > 0 ? 0 : errno;
}

static int try_trace(void)
{
    return ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0 ? 0 : errno;
}

static int try_seccomp(void)
{
    struct sock_filter allow = {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW};
    struct sock_fprog all = {1, &allow};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
                   prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &all, 0, 0) == 0
               ? 0
               : errno;
}

/* The flag of what is kept out of core dumps, in smaps. */
static int try_dump_flag(void)
{
    char *kept = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    FILE *maps = fopen("/proc/self/smaps", "r");
    unsigned long begin, end;
    char line[512];
    int is_it = 0;

    if (kept == MAP_FAILED || !maps || madvise(kept, BYTES, MADV_DONTDUMP) < 0)
        return errno;
    while (fgets(line, sizeof(line), maps)) {
        if (sscanf(line, "%lx-%lx ", &begin, &end) == 2)
            is_it = begin <= (unsigned long)kept && (unsigned long)kept < end;
        if (is_it && strncmp(line, "VmFlags:", 8) == 0 && strstr(line, " dd"))
            return 0;
    }
    return NO;
}

/* smaps is of this program. */
static int try_maps(void)
{
    char *ours = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    FILE *maps = fopen("/proc/self/smaps", "r");
    unsigned long begin, end;
    char line[512];

    if (ours == MAP_FAILED || !maps)
        return errno;
    while (fgets(line, sizeof(line), maps))
        if (sscanf(line, "%lx-%lx ", &begin, &end) == 2 && begin == (unsigned long)ours)
            return 0;
    return NO;
}

/* A process without threads has one. */
static int try_tasks(void)
{
    DIR *tasks = opendir("/proc/self/task");
    int count = 0;

    if (!tasks)
        return errno;
    for (struct dirent *e; (e = readdir(tasks)) != NULL;)
        count += e->d_name[0] != '.';
    return count == 1 ? 0 : NO;
}

static double multiply(float value)
{
    volatile float times = 3, and_back = 1.0f / 3, sink;
    float product = value, up = times, down = and_back;
    struct timespec from, to;

    clock_gettime(CLOCK_MONOTONIC, &from);
    for (int i = 0; i < PRODUCTS; i++)
        product = product * up * down;
    clock_gettime(CLOCK_MONOTONIC, &to);
    sink = product;
    (void)sink;
    return (double)(to.tv_sec - from.tv_sec) + 1e-9 * (double)(to.tv_nsec - from.tv_nsec);
}

/* How many times as long a product takes with a value that is not a number: once, in any processor. */
static double nan_times(void)
{
    double sound = 1e9, nan = 1e9;

    for (int i = 0; i < ROUNDS; i++) {
        double one = multiply(0.25f), other = multiply(__builtin_nanf(""));
        sound = one < sound ? one : sound;
        nan = other < nan ? other : nan;
    }
    return nan / sound;
}

int main(void)
{
    static const struct {
        const char *name;
        int (*try)(void);
    } wanted[] = {{"seccomp filters", try_seccomp},
                  {"Landlock", try_landlock},
                  {"ptrace", try_trace},
                  {"flag dd in smaps", try_dump_flag},
                  {"smaps of its own memory", try_maps},
                  {"no thread but its own", try_tasks}};

    for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
        pid_t pid = fork();
        int status = 0;

        if (pid == 0)
            _exit(wanted[i].try());
        if (pid < 0 || waitpid(pid, &status, 0) != pid)
            return 1;
        int error = WEXITSTATUS(status);
        printf("%s: %s\n", wanted[i].name,
               error == 0    ? "yes"
               : error == NO ? "no"
                             : strerror(error));
    }
    printf("time of a product with what is not a number: %.1f times a sound one's\n", nan_times());
    return 0;
}
