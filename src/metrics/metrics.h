/* SPDX-License-Identifier: MIT */
/* Counters and latency histograms: one writer each, any reader, no locks. */
#ifndef VS_SRC_METRICS_METRICS_H
#define VS_SRC_METRICS_METRICS_H

#include <voicestand/stats.h>

#include "base/base.h"

/** Log-linear buckets: 2^bits a factor of two from 2^bits ns up to 34 s and more, so a bucket is at most
    2^-bits of its value wide: 3.2 % if fine, 6.3 % if coarse. Shorter values have a bucket each; longer
    ones share the last. */
#define VS__HISTOGRAM_FINE          5
#define VS__HISTOGRAM_COARSE        4
#define VS__HISTOGRAM_OCTAVES       32
#define VS__HISTOGRAM_BUCKETS(bits) ((size_t)VS__HISTOGRAM_OCTAVES << (bits))

struct vs__histogram {
    _Atomic uint32_t *bucket; /**< the owner's; NULL = nothing is ever added */
    uint32_t bits;
    _Atomic uint64_t count;
    _Atomic int64_t max_ns;
};

/** @param bucket VS__HISTOGRAM_BUCKETS(bits) of them, which are cleared */
void vs__histogram_init(struct vs__histogram *h, uint32_t bits, _Atomic uint32_t *bucket);
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
