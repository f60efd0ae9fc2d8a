/* SPDX-License-Identifier: MIT */
#include "place/thrift.h"

#define CALM_AFTER_BATTERY_NS INT64_C(5000000000)
#define CALM_AFTER_HEAT_NS    INT64_C(60000000000)

static int find_cause(struct vs__thrift *t, const struct vs_power *p)
{
    bool hot = p->throttle_status == 0 && t->looked && p->throttles > t->throttles;

    if (p->throttle_status == 0) {
        t->throttles = p->throttles;
        t->looked = true;
    }
    if (hot)
        return VS__THRIFT_HEAT;
    return p->battery_status == 0 && p->on_battery ? VS__THRIFT_BATTERY : VS__THRIFT_NONE;
}

bool vs__thrift_step(struct vs__thrift *t, const struct vs_power *p, int64_t now_ns)
{
    int cause = find_cause(t, p), before = t->reason;
    int64_t calm = t->reason == VS__THRIFT_HEAT ? CALM_AFTER_HEAT_NS : CALM_AFTER_BATTERY_NS;

    if (cause == VS__THRIFT_HEAT || cause == t->reason)
        t->calm_ns = now_ns;
    if (cause == VS__THRIFT_HEAT || t->reason == VS__THRIFT_NONE)
        t->reason = cause;
    else if (now_ns - t->calm_ns >= calm)
        t->reason = cause;
    if (t->reason != before)
        t->calm_ns = now_ns;
    return t->reason != before;
}
