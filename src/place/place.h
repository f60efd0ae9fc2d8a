/* SPDX-License-Identifier: MIT */
/* Where threads run and with what right. */
#ifndef VS_SRC_PLACE_PLACE_H
#define VS_SRC_PLACE_PLACE_H

#include <voicestand/place.h>

#include "base/base.h"

/** Ask for SCHED_FIFO on the calling thread, at most `priority` or what RLIMIT_RTPRIO allows; a
    child of the process does not inherit it. @return the priority in force, or 0 for none. */
int vs__place_realtime(int priority);

/** Keep a thread on a set of processors; the empty set leaves it where it is.
    @param thread a running one, NULL = the caller. @return 0, or -errno where the system refuses. */
int vs__place_cpus(const struct vs__thread *thread, const uint64_t *cpus);

/** Let the kernel end the waits of the calling thread `ns` late at most, to gather wake-ups. */
void vs__place_timer_slack(uint64_t ns);

/** Ask for a processor that is fast enough from the first hop on, not only after the governor has seen some:
    the least utilisation that the calling thread counts as, in 1024ths. A wish: kernels without
    utilisation clamping ignore it. */
void vs__place_speed(uint32_t least);

/** How the calling thread's memory is placed; kept to be restored. */
struct vs__memory_policy {
    bool changed;
    int mode;
    uint64_t nodes[16];
};

/** New pages of the calling thread come from `node` where it has room; -1 = as before. */
void vs__place_memory_begin(struct vs__memory_policy *old, int node);
void vs__place_memory_end(const struct vs__memory_policy *old);

#endif
