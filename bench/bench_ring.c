/* SPDX-License-Identifier: MIT */
/* The ring between two threads, beside other queues, queues with a lock, and a bare cache line. */
#include <string.h>

#include "common/partner.h"
#include "queues/loops.h"

/* A queue in use: the harness's thread and a partner. */
struct lane {
    struct bench_partner partner;
    const struct queue_kind *kind;
    void *there, *back;
    void (*work)(void *state); /* the partner's */
    _Alignas(VS__APART) size_t times;
    unsigned go;                        /* counts how often the partner was sent off */
    _Alignas(VS__APART) uint32_t stamp; /* of this thread alone */
    _Alignas(VS__APART) uint32_t line_there;
    _Alignas(VS__APART) uint32_t line_back;
};

#define MOST 40
static struct lane lanes[MOST];
static size_t lane_count;

/* throughput ---------------------------------------------------------------------------------- */

static void produce_when_told(void *state)
{
    struct lane *l = state;
    unsigned seen = 0, tries = 0;

    while (!bench_partner_is_to_stop(&l->partner)) {
        unsigned go = __atomic_load_n(&l->go, __ATOMIC_ACQUIRE);
        if (go != seen)
            l->kind->produce(l->there, l->times);
        else
            bench_spin(&tries);
        seen = go;
    }
}

static double move_items(void *state, size_t times)
{
    struct lane *l = state;

    l->times = times;
    __atomic_fetch_add(&l->go, 1, __ATOMIC_RELEASE);
    return 1 + (double)l->kind->consume(l->there, times);
}

/* round trip ---------------------------------------------------------------------------------- */

static void echo_items(void *state)
{
    struct lane *l = state;

    l->kind->echo(l->there, l->back, &l->partner.stop);
}

static double send_and_get_back(void *state, size_t times)
{
    struct lane *l = state;

    for (size_t i = 0; i < times; i++)
        l->kind->ping(l->there, l->back, l->stamp++ & STAMPS);
    return 1;
}

/* The bare line: no queue can be faster. */
static void echo_line(void *state)
{
    struct lane *l = state;
    uint32_t last = 0, now;
    unsigned tries = 0;

    while (!bench_partner_is_to_stop(&l->partner)) {
        now = __atomic_load_n(&l->line_there, __ATOMIC_ACQUIRE);
        if (now != last)
            __atomic_store_n(&l->line_back, now, __ATOMIC_RELEASE);
        else
            bench_spin(&tries);
        last = now;
    }
}

static double bounce_line(void *state, size_t times)
{
    struct lane *l = state;
    unsigned tries = 0;

    for (size_t i = 0; i < times; i++) {
        uint32_t next = l->line_back + 1;
        __atomic_store_n(&l->line_there, next, __ATOMIC_RELEASE);
        while (__atomic_load_n(&l->line_back, __ATOMIC_ACQUIRE) != next)
            bench_spin(&tries);
    }
    return 1;
}

/* lanes --------------------------------------------------------------------------------------- */

static void open_lane(void *state)
{
    struct lane *l = state;

    l->go = 0;
    l->line_there = l->line_back = 0;
    if (l->kind) {
        l->there = l->kind->open();
        l->back = l->kind->open();
    }
    bench_partner_start(&l->partner, l->work, l);
}

static void close_lane(void *state)
{
    struct lane *l = state;

    if (l->work == echo_items) { /* one more item, as who waits at a lock sees nothing else */
        __atomic_store_n(&l->partner.stop, 1, __ATOMIC_RELEASE);
        l->kind->produce(l->there, 1);
    }
    bench_partner_stop(&l->partner);
    if (l->kind) {
        l->kind->close(l->there);
        l->kind->close(l->back);
    }
}

static void add_lane(struct bench *b, const char *name, enum bench_kind kind, bench_run_fn *run,
                     void (*work)(void *), const struct queue_kind *queue)
{
    struct lane *l = &lanes[lane_count++];

    *l = (struct lane){.partner.bench = b, .kind = queue, .work = work};
    bench_add(b, name, kind, run, l);
    bench_around(b, open_lane, close_lane);
}

static void add_queues(struct bench *b, const struct queue_kind *q, bool round_trip)
{
    for (; q->name; q++)
        if (round_trip && q->ping)
            add_lane(b, q->name, (enum bench_kind)q->kind, send_and_get_back, echo_items, q);
        else if (!round_trip)
            add_lane(b, q->name, (enum bench_kind)q->kind, move_items, produce_when_told, q);
}

int main(int argc, char **argv)
{
    struct bench *b =
        bench_start(argc, argv, "ring",
                    "Two threads on two processors, one producer and one consumer. Every "
                    "item is numbered and looked at.");

    bench_peers(b, BENCH_PEERS);
    bench_group(b, &(struct bench_group){.name = "4-byte items",
                                         .what = "one item from one thread to the other",
                                         .times = bench_is_quick(b) ? 5000 : 200000});
    add_queues(b, item_queues, false);
    add_queues(b, item_queues_cpp, false);
    bench_at_most(b, "ring", "boost spsc_queue", 1);
    bench_at_least(b, "ring, batches of 160", "best peer", 4);
    bench_group(
        b, &(struct bench_group){.name = "640-byte frames",
                                 .what = "10 ms of float at 16 kHz from one thread to the other",
                                 .times = bench_is_quick(b) ? 500 : 5000});
    add_queues(b, frame_queues, false);
    add_queues(b, frame_queues_cpp, false);
    bench_at_most(b, "ring, in place", "best peer", 1.1);
    bench_at_least(b, "ring, in place", "naive", 7);
    bench_group(b, &(struct bench_group){.name = "round trip",
                                         .what =
                                             "a 4-byte item there and back, both threads spinning, "
                                             "each one timed",
                                         .times = 2000,
                                         .each = true});
    add_queues(b, item_queues, true);
    add_lane(b, "bare cache line", BENCH_LIMIT, bounce_line, echo_line, NULL);
    add_queues(b, item_queues_cpp, true);
    bench_at_most(b, "ring", "bare cache line", 1.2);
    bench_tail(b, "ring", "bare cache line", 0.999, false, 2);
    return bench_finish(b);
}
