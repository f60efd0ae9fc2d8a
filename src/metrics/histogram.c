/* SPDX-License-Identifier: MIT */
/* Latency histograms. */
#include "metrics/metrics.h"

void vs__histogram_init(struct vs__histogram *h, uint32_t bits, _Atomic uint32_t *bucket)
{
    h->bits = bits;
    h->bucket = bucket;
    atomic_store_explicit(&h->count, 0, memory_order_relaxed);
    atomic_store_explicit(&h->max_ns, 0, memory_order_relaxed);
    for (size_t i = 0; i < VS__HISTOGRAM_BUCKETS(bits); i++)
        atomic_store_explicit(&bucket[i], 0, memory_order_relaxed);
}

static size_t count_buckets(const struct vs__histogram *h)
{
    return h->bucket ? VS__HISTOGRAM_BUCKETS(h->bits) : 0;
}

/* Index of the bucket of `ns`: the position of the highest bit and the `bits` bits below it. */
static size_t find_bucket(uint32_t bits, uint64_t ns)
{
    const uint64_t linear = 1u << bits;

    if (ns < linear)
        return (size_t)ns;
    uint32_t octave = 63 - (uint32_t)__builtin_clzll(ns) - bits;
    size_t bucket = ((size_t)(octave + 1) << bits) | (size_t)((ns >> octave) & (linear - 1));
    return VS__MIN(bucket, VS__HISTOGRAM_BUCKETS(bits) - 1);
}

/* Largest value that falls into `bucket`. */
static int64_t upper_bound(uint32_t bits, size_t bucket)
{
    const size_t linear = (size_t)1 << bits;

    if (bucket < linear)
        return (int64_t)bucket;
    uint32_t octave = (uint32_t)(bucket >> bits) - 1;
    uint64_t low = (uint64_t)(linear | (bucket & (linear - 1))) << octave;
    return (int64_t)(low + (1ull << octave) - 1);
}

void vs__histogram_add(struct vs__histogram *h, int64_t ns)
{
    uint64_t value = ns < 0 ? 0 : (uint64_t)ns;
    _Atomic uint32_t *b = &h->bucket[find_bucket(h->bits, value)];

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
    size_t next = 0, buckets = count_buckets(h);

    for (size_t i = 0; i < buckets; i++)
        total += atomic_load_explicit(&h->bucket[i], memory_order_relaxed);
    out.count = total;
    out.max_ns = atomic_load_explicit(&h->max_ns, memory_order_relaxed);
    for (size_t i = 0; i < buckets && next < VS__COUNT(quantiles) && total; i++) {
        sum += atomic_load_explicit(&h->bucket[i], memory_order_relaxed);
        while (next < VS__COUNT(quantiles) && (double)sum >= quantiles[next] * (double)total)
            *values[next++] = VS__MIN(upper_bound(h->bits, i), out.max_ns);
    }
    for (; next < VS__COUNT(quantiles) && total; next++)
        *values[next] = out.max_ns;
    *ret = out;
}
