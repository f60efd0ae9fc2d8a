/* SPDX-License-Identifier: MIT */
/* The pool beside the C library's allocator: take and give back on one thread, and blocks that another
   thread is done with, which come home by a ring. */
#include <stdio.h>
#include <stdlib.h>

#include "base/pool.h"
#include "common/bench.h"
#include "common/partner.h"
#include "ring/ring.h"

#define BLOCKS 64 /* in flight, between threads */

/* How blocks are had and given up. */
struct source {
    struct vs__pool *pool; /* NULL: malloc() and free() */
    size_t bytes;
};

struct flight {
    struct bench_partner partner; /* first: the partner's work gets it */
    struct source source;
    struct vs__ring *there, *back;
};

static struct vs__pool pools[3];
static const size_t sizes[] = {VS__POOL_SMALL, VS__POOL_MEDIUM, VS__POOL_LARGE};

static inline unsigned char *take(const struct source *s)
{
    unsigned char *block = s->pool ? vs__pool_take(s->pool) : malloc(s->bytes);

    if (!block)
        bench_die("no block");
    return block;
}

static inline void give(const struct source *s, void *block)
{
    if (s->pool)
        vs__pool_give(s->pool, block);
    else
        free(block);
}

/* The first line of each block is written, as by any user. */
static double take_and_give(void *state, size_t times)
{
    const struct flight *f = state;

    for (size_t i = 0; i < times; i++) {
        unsigned char *block = take(&f->source);
        *(volatile unsigned char *)block = (unsigned char)i;
        give(&f->source, block);
    }
    return 1;
}

/* across threads ------------------------------------------------------------------------------ */

/* The other thread is done with a block: malloc's is freed there, the pool's goes home. */
static void return_blocks(void *state)
{
    struct flight *f = state;
    unsigned tries = 0;
    unsigned char *block;

    while (!bench_partner_is_to_stop(&f->partner)) {
        if (!vs__ring_get(f->there, &block, sizeof(block))) {
            bench_spin(&tries);
            continue;
        }
        ++*block;
        if (!f->source.pool)
            free(block);
        while (!vs__ring_put(f->back, &block, sizeof(block)))
            bench_spin(&tries);
    }
}

/* Both send their blocks there and hear back, so that both have BLOCKS in flight. */
static double send_blocks(void *state, size_t times)
{
    struct flight *f = state;
    size_t out = 0, in = 0;
    unsigned tries = 0;
    unsigned char *block;

    while (in < times) {
        if (out < times && out - in < BLOCKS) {
            block = take(&f->source);
            *(volatile unsigned char *)block = (unsigned char)out;
            if (!vs__ring_put(f->there, &block, sizeof(block)))
                bench_die("the ring is full");
            out++;
        }
        if (vs__ring_get(f->back, &block, sizeof(block))) {
            if (f->source.pool)
                give(&f->source, block);
            in++;
        } else if (out - in == BLOCKS || out == times) {
            bench_spin(&tries);
        }
    }
    return 1;
}

static void open_flight(void *state)
{
    struct flight *f = state;

    if (vs__ring_create(BLOCKS * sizeof(void *), &f->there) < 0 ||
        vs__ring_create(BLOCKS * sizeof(void *), &f->back) < 0)
        bench_die("no ring");
    bench_partner_start(&f->partner, return_blocks, f);
}

static void close_flight(void *state)
{
    struct flight *f = state;

    bench_partner_stop(&f->partner);
    vs__ring_destroy(f->there);
    vs__ring_destroy(f->back);
}

int main(int argc, char **argv)
{
    struct bench *b =
        bench_start(argc, argv, "pool",
                    "Blocks of fixed sizes, whose first line is written, from a pool and from "
                    "malloc(). Across threads both hand over by the same rings.");
    static struct flight ours[VS__COUNT(sizes)], theirs[VS__COUNT(sizes)];
    static char names[2 * VS__COUNT(sizes)][64];

    for (size_t i = 0; i < VS__COUNT(sizes); i++)
        if (vs__pool_init(&pools[i], (uint32_t)sizes[i], 2 * BLOCKS) < 0)
            bench_die("no memory");
    for (size_t k = 0; k < 2 * VS__COUNT(sizes); k++) {
        bool across = k >= VS__COUNT(sizes);
        size_t i = k % VS__COUNT(sizes);
        snprintf(names[k], sizeof(names[k]), "%zu KiB, %s", sizes[i] / 1024,
                 across ? "across threads" : "one thread");
        ours[i] = (struct flight){.partner.bench = b, .source = {&pools[i], sizes[i]}};
        theirs[i] = (struct flight){.partner.bench = b, .source = {NULL, sizes[i]}};
        bench_group(
            b, &(struct bench_group){
                   .name = names[k],
                   .what = across ? "a block taken, sent to another thread, written there, given "
                                    "back; 64 in flight"
                                  : "a block taken and given back",
                   .times = !across             ? 0
                            : bench_is_quick(b) ? 5000
                                                : 50000,
                   .count_times = across ? 0 : 1000});
        bench_run_fn *run = across ? send_blocks : take_and_give;
        bench_add(b, "pool", BENCH_OURS, run, &ours[i]);
        if (across)
            bench_around(b, open_flight, close_flight);
        bench_add(b, "malloc", BENCH_PEER, run, &theirs[i]);
        if (across)
            bench_around(b, open_flight, close_flight);
        bench_within_ns(b, "pool", across ? 115 : 4);
        if (across)
            bench_at_least(b, "pool", "malloc", 5);
    }
    int status = bench_finish(b);
    for (size_t i = 0; i < VS__COUNT(sizes); i++)
        vs__pool_fini(&pools[i]);
    return status;
}
