/* SPDX-License-Identifier: MIT */
/* Latency histograms. */
#include "metrics/metrics.h"

/* Index of the bucket of `ns`: the position of the highest bit and the five bits below it. */
static uint32_t find_bucket(uint64_t ns)
{
    const uint64_t linear = 1u << VS__HISTOGRAM_BITS;

    if (ns < linear)
        return (uint32_t)ns;
    uint32_t high = 63 - (uint32_t)__builtin_clzll(ns);
    uint32_t octave = high - VS__HISTOGRAM_BITS;
    uint32_t bucket =
        ((octave + 1) << VS__HISTOGRAM_BITS) | (uint32_t)((ns >> octave) & (linear - 1));
    return VS__MIN(bucket, (uint32_t)VS__HISTOGRAM_BUCKETS - 1);
}

/* Largest value that falls into `bucket`. */
static int64_t upper_bound(uint32_t bucket)
{
    const uint32_t linear = 1u << VS__HISTOGRAM_BITS;

    if (bucket < linear)
        return bucket;
    uint32_t octave = (bucket >> VS__HISTOGRAM_BITS) - 1;
    uint64_t low = (uint64_t)(linear | (bucket & (linear - 1))) << octave;
    return (int64_t)(low + (1ull << octave) - 1);
}

void vs__histogram_add(struct vs__histogram *h, int64_t ns)
{
    uint64_t value = ns < 0 ? 0 : (uint64_t)ns;
    _Atomic uint32_t *b = &h->bucket[find_bucket(value)];

    atomic_store_explicit(b, atomic_load_explicit(b, memory_order_relaxed) + 1,
                          memory_order_relaxed);
    vs__count(&h->count, 1);
    if ((int64_t)value > atomic_load_explicit(&h->max_ns, memory_order_relaxed))
        atomic_store_explicit(&h->max_ns, (int64_t)value, memory_order_relaxed);
}

void vs__histogram_read(const struct vs__histogram *h, struct vs_latency *ret)
{
    static const double quantiles[] = {0.5, 0.9, 0.99, 0.999};
    struct vs_latency out = {0};
    int64_t *values[] = {&out.p50_ns, &out.p90_ns, &out.p99_ns, &out.p999_ns};
    uint64_t total = 0, sum = 0;
    size_t next = 0;

    for (uint32_t i = 0; i < VS__HISTOGRAM_BUCKETS; i++)
        total += atomic_load_explicit(&h->bucket[i], memory_order_relaxed);
    out.count = total;
    out.max_ns = atomic_load_explicit(&h->max_ns, memory_order_relaxed);
    for (uint32_t i = 0; i < VS__HISTOGRAM_BUCKETS && next < VS__COUNT(quantiles) && total; i++) {
        sum += atomic_load_explicit(&h->bucket[i], memory_order_relaxed);
        while (next < VS__COUNT(quantiles) && (double)sum >= quantiles[next] * (double)total)
            *values[next++] = VS__MIN(upper_bound(i), out.max_ns);
    }
    for (; next < VS__COUNT(quantiles) && total; next++)
        *values[next] = out.max_ns;
    *ret = out;
}
