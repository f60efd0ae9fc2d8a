/* SPDX-License-Identifier: MIT */
/* The shipped ring and the shipped signal, src/ring and src/base/thread.c, compiled with an
   instrumented <stdatomic.h> and run through every execution of small scenarios.

   explore_ring              quick: the small scenarios and every mutant, as TAP
   explore_ring --long       all scenarios whole, then large ones at random; a table
   The indices begin near 2^64, so that they wrap in each run. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "explore.h"

/* Copies between the ring's memory and elsewhere are accesses to look at. */
static void *copy_watched(void *to, const void *from, size_t bytes);
static long wait_or_wake(void *address, int operation, uint32_t value, const void *limit);
#define memcpy copy_watched
#define syscall(number, address, operation, value, limit, ...)                                     \
    wait_or_wake(address, operation, value, limit)
#include "ring/ring.h"

#include "base/thread.c"
#include "ring/ring.c"
#undef memcpy

/* what the sources need and is not looked at ----------------------------------------------------- */

void *vs__alloc(size_t bytes)
{
    return calloc(1, bytes);
}

void vs__free(void *memory)
{
    free(memory);
}

int64_t vs__mono_ns(void)
{
    return 0;
}

unsigned vs__rt_suspend(void)
{
    return 0;
}

void vs__rt_resume(unsigned depth)
{
    (void)depth;
}

static long wait_or_wake(void *address, int operation, uint32_t value, const void *limit)
{
    if (limit)
        explore_fail("a wait with a limit"); /* time stands still here */
    if (operation == FUTEX_WAIT_PRIVATE)
        return explore_sleep(address, value);
    explore_wake(address);
    return 0;
}

/* scenarios --------------------------------------------------------------------------------------- */

#define RING_BYTES 4096u /* a page: the smallest */
/* What is larger than this is not searched to its end. */
#define MOST_EXECUTIONS 1000000

/* What the threads do, set before a scenario is explored. */
static struct {
    unsigned slots; /* items that the ring holds */
    unsigned puts, gets;
    unsigned span;      /* most items of one span */
    unsigned dies;      /* gets after which the middle stage ends; 0 = never */
    bool publish_first; /* mutants of the user's: publish before the bytes are there */
    bool free_first;    /* give back before the bytes were read */
    bool raise_first;   /* wake before there is anything */
    bool look_first;    /* look before remembering */
} plan;

static struct vs__ring *ring, *second;
static struct vs__signal signal_;
static unsigned put_count, dropped, got_count, passed, passed_dropped, producers_done;

static size_t item_bytes(void)
{
    return RING_BYTES / plan.slots;
}

static bool inside(const struct vs__ring *r, const void *p)
{
    const unsigned char *at = p;

    return at >= r->memory && at < r->memory + 2 * r->bytes;
}

static void *copy_watched(void *to, const void *from, size_t bytes)
{
    if (ring && inside(ring, to))
        explore_write(to, bytes);
    if (ring && inside(ring, from))
        explore_read(from, bytes);
    return memmove(to, from, bytes);
}

static void begin_ring(struct vs__ring *r, const char *head, const char *tail)
{
    const uint64_t first = 0 - 2 * (uint64_t)item_bytes(); /* wraps with the third item */

    r->head_own = r->tail_own = r->head_seen = r->tail_seen = first;
    explore_location(&r->head, sizeof(r->head), head, first);
    explore_location(&r->tail, sizeof(r->tail), tail, first);
}

static void setup(void)
{
    put_count = dropped = got_count = passed = passed_dropped = producers_done = 0;
    begin_ring(ring, "head", "tail");
    begin_ring(second, "second head", "second tail");
    explore_location(&signal_.ticks, 4, "ticks", 0);
    explore_location(&signal_.asleep, 4, "asleep", 0);
    explore_plain(ring->memory, RING_BYTES, 2, RING_BYTES / 16);
}

static void fill_item(unsigned char *item, unsigned number)
{
    memset(item, 'a' + (int)number, item_bytes());
}

static void check_item(const unsigned char *item, unsigned number)
{
    if (item[0] != 'a' + number || item[item_bytes() - 1] != 'a' + number)
        explore_fail("an item is torn, lost or another");
}

/* whole items by copy */
static void put_items(void)
{
    static unsigned char item[RING_BYTES];

    for (unsigned i = 0; i < plan.puts; i++) {
        fill_item(item, put_count);
        if (vs__ring_put(ring, item, item_bytes()))
            put_count++;
        else
            dropped++;
    }
}

static void get_items(void)
{
    static unsigned char item[RING_BYTES];

    for (unsigned i = 0; i < plan.gets; i++)
        if (vs__ring_get(ring, item, item_bytes()))
            check_item(item, got_count++);
}

/* spans in place */
static void write_spans(void)
{
    for (unsigned i = 0; i < plan.puts; i++) {
        size_t want = (1 + i % plan.span) * item_bytes(), room;
        unsigned char *to = vs__ring_write_begin(ring, want, &room);
        room -= room % item_bytes();
        if (plan.publish_first)
            vs__ring_write_commit(ring, room);
        explore_write(to, room);
        for (size_t at = 0; at < room; at += item_bytes())
            fill_item(to + at, put_count++);
        if (!plan.publish_first && room)
            vs__ring_write_commit(ring, room);
        dropped += (unsigned)((want - room) / item_bytes());
    }
}

static void read_spans(void)
{
    for (unsigned i = 0; i < plan.gets; i++) {
        size_t want = plan.span * item_bytes(), there;
        const unsigned char *from = vs__ring_read_begin(ring, want, &there);
        if (plan.free_first)
            vs__ring_read_commit(ring, there);
        explore_read(from, there);
        for (size_t at = 0; at < there; at += item_bytes())
            check_item(from + at, got_count++);
        if (!plan.free_first && there)
            vs__ring_read_commit(ring, there);
    }
}

static void ask_fill(void)
{
    for (unsigned i = 0; i < 2; i++) {
        uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_acquire);
        uint64_t head = atomic_load_explicit(&ring->head, memory_order_acquire);
        if (head - tail > UINT64_MAX / 2)
            explore_fail("a negative fill");
        if (vs__ring_fill(ring) > ring->bytes)
            explore_fail("more than the ring holds");
    }
}

/* What the shipped function cannot tell from a full ring: its difference before it is cut. */
static void ask_fill_shipped(void)
{
    size_t fill = vs__ring_fill(ring);

    if (fill > plan.puts * item_bytes())
        explore_fail("more than was ever put");
}

/* The account: what was put was got or is there, in order. */
static void check_ring(void)
{
    size_t fill = (size_t)(explore_load(&ring->head, memory_order_relaxed) -
                           explore_load(&ring->tail, memory_order_relaxed));

    if (got_count + fill / item_bytes() != put_count)
        explore_fail("items were lost");
    for (unsigned i = got_count; i < put_count; i++)
        check_item(ring->memory +
                       ((ring->tail_own + (i - got_count) * item_bytes()) & (ring->bytes - 1)),
                   i);
}

/* in series: a middle stage that may die takes from one and puts into the next; what finds no room
   there it drops and counts */
static void pass_items(void)
{
    static unsigned char item[RING_BYTES];
    uint32_t number;

    for (unsigned i = 0; i < plan.gets && (!plan.dies || i < plan.dies); i++) {
        if (!vs__ring_get(ring, item, item_bytes()))
            continue;
        number = got_count;
        check_item(item, got_count++);
        if (!vs__ring_put(second, &number, item_bytes() / 2 > 4 ? item_bytes() : 4))
            passed_dropped++;
    }
}

static void take_passed(void)
{
    static uint32_t item[RING_BYTES / 4];
    uint32_t last = 0;

    for (unsigned i = 0; i < plan.gets; i++)
        if (vs__ring_get(second, item, item_bytes())) {
            if (passed && item[0] <= last)
                explore_fail("out of order behind the middle stage");
            last = item[0];
            passed++;
        }
}

static void check_series(void)
{
    size_t fill = (size_t)(explore_load(&second->head, memory_order_relaxed) -
                           explore_load(&second->tail, memory_order_relaxed));

    check_ring();
    if (passed + passed_dropped + fill / item_bytes() != got_count)
        explore_fail("the middle stage lost some");
}

/* waking: the consumer sleeps until something comes, and has all at the end */
static void put_and_raise(void)
{
    static unsigned char item[RING_BYTES];

    for (unsigned i = 0; i < plan.puts; i++) {
        fill_item(item, put_count);
        if (plan.raise_first)
            vs__signal_raise(&signal_);
        if (vs__ring_put(ring, item, item_bytes()))
            put_count++;
        if (!plan.raise_first)
            vs__signal_raise(&signal_);
    }
}

static void wait_and_get(void)
{
    static unsigned char item[RING_BYTES];

    while (got_count < plan.puts) {
        bool there = plan.look_first && vs__ring_get(ring, item, item_bytes());
        uint32_t seen = vs__signal_seen(&signal_);
        if (there || (!plan.look_first && vs__ring_get(ring, item, item_bytes())))
            check_item(item, got_count++);
        else
            (void)vs__signal_wait(&signal_, seen, -1);
    }
}

static void raise_only(void)
{
    vs__signal_raise(&signal_);
}

/* which scenarios -------------------------------------------------------------------------------- */

static const struct explore_scenario
    whole = {"items", setup, {put_items, get_items}, check_ring},
    spans = {"spans", setup, {write_spans, read_spans}, check_ring},
    asked = {"items, fill asked", setup, {put_items, get_items, ask_fill_shipped}, check_ring},
    asked_twice = {"items, fill asked twice", setup, {put_items, get_items, ask_fill}, check_ring},
    series = {"in series", setup, {put_items, pass_items, take_passed}, check_series},
    waking = {"waking", setup, {put_and_raise, wait_and_get}, NULL},
    disturbed = {"waking, another raises", setup, {put_and_raise, wait_and_get, raise_only}, NULL};

struct experiment {
    const struct explore_scenario *scenario;
    unsigned slots, puts, gets, span, dies;
    bool quick;
    uint64_t at_random; /* too large to explore whole: so many executions */
};

static const struct experiment experiments[] = {
    {&whole, 1, 3, 3, 1, 0, true, 0},         {&whole, 2, 3, 3, 1, 0, true, 0},
    {&whole, 2, 4, 4, 1, 0, true, 0},         {&whole, 4, 5, 4, 1, 0, true, 0},
    {&spans, 2, 3, 3, 2, 0, true, 0},         {&spans, 4, 3, 3, 3, 0, true, 0},
    {&asked, 1, 2, 2, 1, 0, true, 0},         {&asked, 2, 2, 2, 1, 0, true, 0},
    {&asked_twice, 1, 1, 1, 1, 0, true, 0},   {&series, 1, 2, 2, 1, 0, true, 0},
    {&series, 2, 2, 2, 1, 1, true, 0},        {&waking, 2, 1, 0, 1, 0, true, 0},
    {&waking, 2, 2, 0, 1, 0, true, 0},        {&disturbed, 2, 1, 0, 1, 0, true, 0},
    {&whole, 1, 6, 6, 1, 0, false, 0},        {&whole, 2, 6, 6, 1, 0, false, 0},
    {&whole, 4, 7, 6, 1, 0, false, 0},        {&spans, 4, 5, 5, 3, 0, false, 0},
    {&asked, 2, 3, 3, 1, 0, false, 0},        {&asked_twice, 2, 2, 2, 1, 0, false, 0},
    {&series, 1, 3, 3, 1, 0, false, 0},       {&series, 2, 3, 3, 1, 2, false, 0},
    {&waking, 4, 3, 0, 1, 0, false, 0},       {&disturbed, 2, 2, 0, 1, 0, false, 0},
    {&whole, 4, 12, 14, 1, 0, false, 200000}, {&spans, 8, 8, 10, 4, 0, false, 200000},
    {&series, 2, 8, 8, 1, 5, false, 200000},  {&disturbed, 4, 4, 0, 1, 0, false, 200000},
};

static void set_plan(const struct experiment *e)
{
    memset(&plan, 0, sizeof(plan));
    plan.slots = e->slots;
    plan.puts = e->puts;
    plan.gets = e->gets;
    plan.span = e->span;
    plan.dies = e->dies;
}

struct mutant {
    struct explore_mutant order;
    const struct experiment *experiment;
    bool *step; /* a step of the user's that is exchanged */
    const char *what;
};

static const struct mutant mutants[] = {
    {{"head", 's'}, &experiments[1], NULL, "head is stored relaxed"},
    {{"tail", 's'}, &experiments[1], NULL, "tail is stored relaxed"},
    {{"head", 'l'}, &experiments[1], NULL, "head is loaded relaxed"},
    {{"tail", 'l'}, &experiments[1], NULL, "tail is loaded relaxed"},
    {{"head", 's'}, &experiments[4], NULL, "head is stored relaxed, spans"},
    {{"tail", 's'}, &experiments[4], NULL, "tail is stored relaxed, spans"},
    {{"tail", 'l'}, &experiments[8], NULL, "the fill loads tail relaxed"},
    {{"asleep", 's'}, &experiments[12], NULL, "asleep is stored relaxed"},
    {{"asleep", 'l'}, &experiments[12], NULL, "asleep is loaded relaxed"},
    {{"ticks", 'a'}, &experiments[12], NULL, "ticks is added to relaxed"},
    {{"ticks", 'l'}, &experiments[12], NULL, "ticks is loaded relaxed"},
    {{NULL, 0}, &experiments[4], &plan.publish_first, "published before it is written"},
    {{NULL, 0}, &experiments[4], &plan.free_first, "given back before it is read"},
    {{NULL, 0}, &experiments[12], &plan.raise_first, "waking before there is anything"},
    {{NULL, 0}, &experiments[12], &plan.look_first, "looking before remembering"},
};

static void explore(const struct experiment *e, struct explore_result *ret)
{
    set_plan(e);
    if (e->at_random)
        explore_random(e->scenario, NULL, 1, e->at_random, ret);
    else
        explore_all(e->scenario, NULL, MOST_EXECUTIONS, ret);
}

static bool tell(unsigned number, bool good, const char *words, const struct explore_result *r)
{
    printf("%sok %u - %s: %llu executions, %llu operations%s%s\n", good ? "" : "not ", number,
           words, (unsigned long long)r->executions, (unsigned long long)r->steps,
           r->failure[0] ? ": " : "", r->failure);
    return good;
}

static int run_quick(void)
{
    struct explore_result r;
    unsigned number = 0, count = VS__COUNT(mutants);
    bool good = true;
    char words[160];

    for (size_t i = 0; i < VS__COUNT(experiments); i++)
        count += experiments[i].quick;
    printf("TAP version 13\n1..%u\n", count);
    for (size_t i = 0; i < VS__COUNT(experiments); i++) {
        const struct experiment *e = &experiments[i];
        if (!e->quick)
            continue;
        explore(e, &r);
        snprintf(words, sizeof(words), "%s, %u slots, %u puts", e->scenario->name, e->slots,
                 e->puts);
        good &= tell(++number, !r.failure[0] && r.complete, words, &r);
    }
    for (size_t i = 0; i < VS__COUNT(mutants); i++) {
        const struct mutant *m = &mutants[i];
        set_plan(m->experiment);
        if (m->step)
            *m->step = true;
        explore_all(m->experiment->scenario, &m->order, UINT64_MAX, &r);
        snprintf(words, sizeof(words), "rejected: %s", m->what);
        good &= tell(++number, r.failure[0] != 0, words, &r);
    }
    return good ? 0 : 1;
}

static int run_long(void)
{
    struct explore_result r;
    uint64_t executions = 0, steps = 0;
    bool good = true;

    printf("| Scenario | Slots | Puts | Executions | Operations | Searched |\n"
           "|---|---:|---:|---:|---:|---|\n");
    for (size_t i = 0; i < VS__COUNT(experiments); i++) {
        const struct experiment *e = &experiments[i];
        explore(e, &r);
        printf("| %s | %u | %u | %llu | %llu | %s |\n", e->scenario->name, e->slots, e->puts,
               (unsigned long long)r.executions, (unsigned long long)r.steps,
               r.failure[0]   ? r.failure
               : r.complete   ? "all"
               : e->at_random ? "at random"
                              : "the first");
        fflush(stdout);
        executions += r.executions;
        steps += r.steps;
        good = good && !r.failure[0];
    }
    printf("\n%llu executions of %llu operations in all\n", (unsigned long long)executions,
           (unsigned long long)steps);
    return good ? 0 : 1;
}

int main(int argc, char **argv)
{
    bool whole_run = argc == 2 && strcmp(argv[1], "--long") == 0;

    plan.slots = 1;
    if (vs__ring_create(RING_BYTES, &ring) < 0 || vs__ring_create(RING_BYTES, &second) < 0 ||
        ring->bytes != RING_BYTES) {
        printf("1..0 # SKIP a page is not %u bytes here\n", RING_BYTES);
        return 77;
    }
    int status = whole_run ? run_long() : run_quick();
    vs__ring_destroy(ring);
    vs__ring_destroy(second);
    return status;
}
