/* SPDX-License-Identifier: MIT */
/* Counters and latency histograms: one writer each, any reader, no locks. */
#ifndef VS_SRC_METRICS_METRICS_H
#define VS_SRC_METRICS_METRICS_H

#include <voicestand/stats.h>

#include "base/base.h"

/** Log-linear buckets: 32 a factor of two from 32 ns up to 68 s, so a bucket is at most 1/32
    = 3.2 % of its value wide. Values below 32 ns have a bucket each; longer ones share the last. */
#define VS__HISTOGRAM_BITS    5
#define VS__HISTOGRAM_OCTAVES 32
#define VS__HISTOGRAM_BUCKETS (VS__HISTOGRAM_OCTAVES << VS__HISTOGRAM_BITS)

struct vs__histogram {
    _Atomic uint32_t bucket[VS__HISTOGRAM_BUCKETS];
    _Atomic uint64_t count;
    _Atomic int64_t max_ns;
};

/** One value, from the one writer. Negative counts as 0. */
void vs__histogram_add(struct vs__histogram *h, int64_t ns);
/** Summary, from any thread; buckets written meanwhile may or may not be in. Quantiles are the
    upper bounds of their buckets and never above the maximum. */
void vs__histogram_read(const struct vs__histogram *h, struct vs_latency *ret);

/** Add to a counter of which the caller is the only writer. */
static inline void vs__count(_Atomic uint64_t *counter, uint64_t n)
{
    uint64_t now = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, now + n, memory_order_relaxed);
}

static inline uint64_t vs__counted(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

#endif
