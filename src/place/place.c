/* SPDX-License-Identifier: MIT */
/* Real-time scheduling. */
#include "place/place.h"

#include <sched.h>
#include <sys/resource.h>

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
