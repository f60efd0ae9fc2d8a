/* SPDX-License-Identifier: MIT */
/* Where threads run and with what right. */
#ifndef VS_SRC_PLACE_PLACE_H
#define VS_SRC_PLACE_PLACE_H

#include "base/base.h"

/** Ask for SCHED_FIFO on the calling thread, at most `priority` or what RLIMIT_RTPRIO allows; a
    child of the process does not inherit it. @return the priority in force, or 0 for none. */
int vs__place_realtime(int priority);

#endif
