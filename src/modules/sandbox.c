/* SPDX-License-Identifier: MIT */
#include "modules/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Landlock: headers of the system are older than kernels, so what is used of it is told here. ------- */

#define LANDLOCK_CREATE_RULESET 444 /* the same numbers on all architectures */
#define LANDLOCK_ADD_RULE       445
#define LANDLOCK_RESTRICT_SELF  446

enum { LANDLOCK_VERSION = 1, LANDLOCK_PATH_BENEATH = 1, READ_FILE = 1 << 2, READ_DIR = 1 << 3 };

struct landlock_rights {
    uint64_t files, network, scopes;
};

struct landlock_path {
    uint64_t rights;
    int32_t folder;
} __attribute__((packed));

int vs__sandbox_landlock_abi(void)
{
    long abi = syscall(LANDLOCK_CREATE_RULESET, NULL, 0, LANDLOCK_VERSION);

    return abi > 0 ? (int)abi : 0;
}

/* All rights that this version knows: each is refused unless a rule gives it. */
static struct landlock_rights all_rights(int abi)
{
    static const uint8_t of_files[] = {13, 13, 14, 15, 15, 16}; /* how many, by version */
    int last = (int)sizeof(of_files) - 1;

    return (struct landlock_rights){
        .files = (UINT64_C(1) << of_files[abi < last ? abi : last]) - 1,
        .network = abi >= 4 ? 3 : 0, /* bind and connect by TCP */
        .scopes = abi >= 6 ? 3 : 0,  /* abstract sockets and signals of others */
    };
}

static void allow_reading(int rules, const char *path)
{
    struct landlock_path rule = {.folder = open(path, O_PATH | O_CLOEXEC)};
    struct stat about;

    if (rule.folder < 0)
        return;
    rule.rights = READ_FILE;
    if (fstat(rule.folder, &about) == 0 && S_ISDIR(about.st_mode))
        rule.rights |= READ_DIR;
    (void)syscall(LANDLOCK_ADD_RULE, rules, LANDLOCK_PATH_BENEATH, &rule, 0);
    close(rule.folder);
}

static bool enter_landlock(const char *const *readable)
{
    int abi = vs__sandbox_landlock_abi();
    struct landlock_rights rights = all_rights(abi);
    size_t bytes = abi >= 6   ? sizeof(rights)
                   : abi >= 4 ? offsetof(struct landlock_rights, scopes)
                              : offsetof(struct landlock_rights, network);
    int rules = abi > 0 ? (int)syscall(LANDLOCK_CREATE_RULESET, &rights, bytes, 0) : -1;

    if (rules < 0)
        return false;
    for (; readable != NULL && *readable != NULL; readable++)
        allow_reading(rules, *readable);
    bool is_in = syscall(LANDLOCK_RESTRICT_SELF, rules, 0) == 0;
    close(rules);
    return is_in;
}

unsigned vs__sandbox_enter(const char *const *readable)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return 0;
    return VS__SANDBOX_PRIVILEGES | (enter_landlock(readable) ? VS__SANDBOX_LANDLOCK : 0);
}

unsigned vs__sandbox_engine(const char *const *models)
{
    static const char *const machine[] = {"/proc", "/sys/devices/system", "/dev/null",
                                          "/dev/urandom", NULL};
    const char *readable[32];
    size_t count = 0;

    for (; *models != NULL && count < 24; models++)
        if (**models != '\0')
            readable[count++] = *models;
    for (size_t i = 0; machine[i] != NULL; i++)
        readable[count++] = machine[i];
    readable[count] = NULL;
    vs__sandbox_limit(SIZE_MAX);
    unsigned layers = vs__sandbox_enter(readable);
    return layers | vs__sandbox_filter(VS__SANDBOX_ENGINE);
}

void vs__sandbox_limit(size_t address_bytes)
{
    struct rlimit none = {0, 0}, space = {address_bytes, address_bytes};

    (void)setrlimit(RLIMIT_CORE, &none);
    (void)setrlimit(RLIMIT_FSIZE, &none);
    (void)setrlimit(RLIMIT_AS, &space);
}

/* system calls ------------------------------------------------------------------------------------ */

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
#endif

#ifdef ARCHITECTURE

#define MOST_STEPS 400

struct program {
    struct sock_filter steps[MOST_STEPS];
    unsigned short count;
};

static void add(struct program *p, uint16_t code, uint32_t value, uint8_t if_true, uint8_t if_false)
{
    p->steps[p->count++] = (struct sock_filter){code, if_true, if_false, value};
}

static void load(struct program *p, size_t offset)
{
    add(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset, 0, 0);
}

static void end(struct program *p, uint32_t action)
{
    add(p, BPF_RET | BPF_K, action, 0, 0);
}

/* The lower half of an argument, and the number again. Both architectures store it first. */
#define ARGUMENT(n) (offsetof(struct seccomp_data, args) + 8 * (n))
#define NUMBER      offsetof(struct seccomp_data, nr)

static void decide(struct program *p, long number, uint32_t action)
{
    add(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 1);
    end(p, action);
}

/* Memory that may be run is asked for by no parser. */
static void allow_without_code(struct program *p, long number)
{
    add(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)number, 0, 4);
    load(p, ARGUMENT(2));
    add(p, BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1);
    end(p, SECCOMP_RET_KILL_PROCESS);
    end(p, SECCOMP_RET_ALLOW);
}

/* Of fstat() alone: of names, nothing is told. */
static void allow_fstat(struct program *p)
{
#ifdef SYS_fstat
    decide(p, SYS_fstat, SECCOMP_RET_ALLOW);
#endif
    add(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)SYS_newfstatat, 0, 4);
    load(p, ARGUMENT(3));
    add(p, BPF_JMP | BPF_JEQ | BPF_K, AT_EMPTY_PATH, 1, 0);
    end(p, SECCOMP_RET_ERRNO | EPERM);
    end(p, SECCOMP_RET_ALLOW);
}

static const long decoder_calls[] = {
    SYS_read,          SYS_pread64,      SYS_readv,          SYS_lseek,           SYS_sendto,
    SYS_write,         SYS_writev,       SYS_sendmsg,        SYS_close,           SYS_munmap,
    SYS_mremap,        SYS_brk,          SYS_madvise,        SYS_futex,           SYS_exit,
    SYS_exit_group,    SYS_rt_sigreturn, SYS_rt_sigprocmask, SYS_restart_syscall, SYS_getrandom,
    SYS_clock_gettime, SYS_gettimeofday, SYS_sched_yield,    SYS_setitimer,       SYS_getpid,
    SYS_gettid,        SYS_sysinfo};

static const long parent_calls[] = {
    SYS_clone,        SYS_tgkill, SYS_set_robust_list,
    SYS_wait4,        SYS_waitid, SYS_recvmsg,
    SYS_ppoll,        SYS_prctl,  SYS_seccomp,
    SYS_fcntl,        SYS_dup3,   SYS_getppid,
    SYS_rt_sigaction, SYS_rseq,   434 /* pidfd_open, the same number everywhere */};

/* What takes hold of other programs, files by other ways, the network or the kernel: whoever calls one
   of these was taken over. An engine that reads its models and has threads needs none of them. */
static const long attacks[] = {
    SYS_socket,
    SYS_socketpair,
    SYS_connect,
    SYS_bind,
    SYS_listen,
    SYS_accept,
    SYS_accept4,
    SYS_execve,
    SYS_execveat,
    SYS_ptrace,
    SYS_process_vm_readv,
    SYS_process_vm_writev,
    SYS_bpf,
    SYS_perf_event_open,
    SYS_userfaultfd,
    SYS_keyctl,
    SYS_add_key,
    SYS_request_key,
    SYS_unshare,
    SYS_setns,
    SYS_mount,
    SYS_umount2,
    SYS_chroot,
    SYS_pivot_root,
    SYS_open_by_handle_at,
    SYS_name_to_handle_at,
    SYS_kexec_load,
    SYS_init_module,
    SYS_finit_module,
    SYS_delete_module,
    SYS_kill,
    SYS_tkill,
    425 /* io_uring_setup */,
    438 /* pidfd_getfd */,
    424 /* pidfd_send_signal */,
#ifdef SYS_fork
    SYS_fork,
    SYS_vfork,
#endif
};

/* Of a decoder also: other files and processes. To open is refused alone: libsndfile tries it for formats
   that have a second file. */
static const long decoder_attacks[] = {
    SYS_unlinkat, SYS_renameat,      SYS_linkat,       SYS_symlinkat,
    SYS_mkdirat,  437 /* openat2 */, 435 /* clone3 */,
#ifdef SYS_unlink
    SYS_unlink,   SYS_rename,        SYS_creat,
#endif
};

/* Signals to itself, which abort() needs. */
static void allow_own_signals(struct program *p)
{
    add(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)SYS_tgkill, 0, 4);
    load(p, ARGUMENT(0));
    add(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)getpid(), 1, 0);
    end(p, SECCOMP_RET_KILL_PROCESS);
    end(p, SECCOMP_RET_ALLOW);
}

static void decide_all(struct program *p, const long *calls, size_t bytes, uint32_t action)
{
    for (size_t i = 0; i < bytes / sizeof(*calls); i++)
        decide(p, calls[i], action);
}

/* What is neither needed nor an attack is refused, so that another C library may ask for what this
   one does not. */
static void write_decoder(struct program *p, bool is_parent)
{
    decide_all(p, decoder_calls, sizeof(decoder_calls), SECCOMP_RET_ALLOW);
    if (is_parent)
        decide_all(p, parent_calls, sizeof(parent_calls), SECCOMP_RET_ALLOW);
    else
        allow_own_signals(p);
    allow_fstat(p);
    allow_without_code(p, SYS_mmap);
    allow_without_code(p, SYS_mprotect);
    decide_all(p, attacks, sizeof(attacks), SECCOMP_RET_KILL_PROCESS);
    decide_all(p, decoder_attacks, sizeof(decoder_attacks), SECCOMP_RET_KILL_PROCESS);
    decide(p, SYS_clone, SECCOMP_RET_KILL_PROCESS);
    end(p, SECCOMP_RET_ERRNO | EPERM);
}

static void write_engine(struct program *p)
{
    decide_all(p, attacks, sizeof(attacks), SECCOMP_RET_KILL_PROCESS);
    /* Its flags lie in memory, where a filter cannot look: the C library falls back on clone(). */
    decide(p, 435 /* clone3 */, SECCOMP_RET_ERRNO | ENOSYS);
    add(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)SYS_clone, 0, 3);
    load(p, ARGUMENT(0));
    add(p, BPF_JMP | BPF_JSET | BPF_K, 0x00010000 /* CLONE_THREAD */, 1, 0);
    end(p, SECCOMP_RET_KILL_PROCESS);
    end(p, SECCOMP_RET_ALLOW);
}

unsigned vs__sandbox_filter(enum vs__sandbox_filter filter)
{
    struct program p = {.count = 0};

    load(&p, offsetof(struct seccomp_data, arch));
    add(&p, BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0);
    end(&p, SECCOMP_RET_KILL_PROCESS);
    load(&p, NUMBER);
#ifdef __x86_64__
    add(&p, BPF_JMP | BPF_JGE | BPF_K, 0x40000000, 0,
        1); /* the same calls by other numbers (x32) */
    end(&p, SECCOMP_RET_KILL_PROCESS);
#endif
    if (filter == VS__SANDBOX_ENGINE)
        write_engine(&p);
    else
        write_decoder(&p, filter == VS__SANDBOX_PARENT);
    struct sock_fprog program = {.len = p.count, .filter = p.steps};
    return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0 ? VS__SANDBOX_SECCOMP
                                                                           : 0;
}

#else

unsigned vs__sandbox_filter(enum vs__sandbox_filter filter)
{
    (void)filter;
    return 0;
}

#endif
