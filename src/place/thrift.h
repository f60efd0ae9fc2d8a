/* SPDX-License-Identifier: MIT */
/* When to save power: a state machine over what the sensors told. Pure, and with its own memory of
   time, so that it neither swings nor needs a clock. */
#ifndef VS_SRC_PLACE_THRIFT_H
#define VS_SRC_PLACE_THRIFT_H

#include <stdbool.h>

#include <voicestand/power.h>

enum vs__thrift_reason {
    VS__THRIFT_NONE,
    VS__THRIFT_BATTERY,
    VS__THRIFT_HEAT,
    VS__THRIFT_WISH, /**< the user's; no step finds it */
};

struct vs__thrift {
    int reason; /**< enum vs__thrift_reason: why power is saved now */
    bool looked;
    uint64_t throttles;
    int64_t calm_ns; /**< since when there was no cause */
};

/** Take a look into account. Saving begins at the first cause: a battery is emptied, or the
    hardware throttled since the last look. It ends after a minute without throttling, or five
    seconds after the mains came back, so that a shaky plug or a hot minute change it once.
    @return whether `reason` changed. */
bool vs__thrift_step(struct vs__thrift *t, const struct vs_power *p, int64_t now_ns);

#endif
