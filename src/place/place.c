/* SPDX-License-Identifier: MIT */
/* What a thread asks of the system: real-time scheduling, processors, a node for its memory. */
#include "place/place.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "place/cpus.h"

int vs__place_realtime(int priority)
{
    struct rlimit limit;
    struct sched_param param = {.sched_priority = priority};

    if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &param) == 0)
        return priority;
    if (getrlimit(RLIMIT_RTPRIO, &limit) < 0 || limit.rlim_cur < 1)
        return 0;
    param.sched_priority = (int)VS__MIN((rlim_t)priority, limit.rlim_cur);
    if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &param) == 0)
        return param.sched_priority;
    return 0;
}

int vs__place_cpus(const struct vs__thread *thread, const uint64_t *cpus)
{
    static const size_t bytes = CPU_ALLOC_SIZE(VS_CPUS_MAX);

    if (vs__cpus_count(cpus) == 0)
        return 0;
    cpu_set_t *set = CPU_ALLOC(VS_CPUS_MAX);
    if (!set)
        return -ENOMEM;
    CPU_ZERO_S(bytes, set);
    for (uint32_t id = 0; id < VS_CPUS_MAX; id++)
        if (vs__cpus_has(cpus, id))
            CPU_SET_S(id, bytes, set);
    int rc =
        pthread_setaffinity_np(thread ? (pthread_t)thread->handle : pthread_self(), bytes, set);
    CPU_FREE(set);
    return -rc;
}

void vs__place_timer_slack(uint64_t ns)
{
    (void)prctl(PR_SET_TIMERSLACK, (unsigned long)ns, 0, 0, 0);
}

/* The kernel's struct sched_attr, which the C library of many systems does not have. */
struct attributes {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
    uint32_t util_min, util_max;
};

#define KEEP_POLICY   UINT64_C(0x08)
#define KEEP_PARAMS   UINT64_C(0x10)
#define CLAMP_LEAST   UINT64_C(0x20)
#define CLAMP_DEFAULT UINT32_MAX /* as it was */

void vs__place_speed(uint32_t least)
{
    struct attributes a = {.size = sizeof(a),
                           .flags = KEEP_POLICY | KEEP_PARAMS | CLAMP_LEAST,
                           .util_min = least,
                           .util_max = CLAMP_DEFAULT};

    (void)syscall(SYS_sched_setattr, 0, &a, 0);
}

/* The C library has no names for these two calls; that of libnuma is not worth a library. */
void vs__place_memory_begin(struct vs__memory_policy *old, int node)
{
    uint64_t nodes[VS__COUNT(old->nodes)] = {0};
    const unsigned long bits = sizeof(nodes) * 8;

    old->changed = false;
    if (node < 0 || (unsigned long)node >= bits ||
        syscall(SYS_get_mempolicy, &old->mode, old->nodes, bits, NULL, 0) < 0)
        return;
    nodes[node / 64] = (uint64_t)1 << node % 64;
    old->changed = syscall(SYS_set_mempolicy, MPOL_PREFERRED, nodes, bits) == 0;
}

void vs__place_memory_end(const struct vs__memory_policy *old)
{
    if (old->changed)
        (void)syscall(SYS_set_mempolicy, old->mode, old->nodes, sizeof(old->nodes) * 8);
}
