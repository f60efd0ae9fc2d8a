/* SPDX-License-Identifier: MIT */
#include "explore.h"

#include <stdio.h>
#include <string.h>
#include <ucontext.h>

#define LOCATIONS 8
#define STORES    64
#define CELLS     64
#define DEPTH     4096 /* choices of one execution */
#define LONGEST   400  /* operations of one execution */
#define STACK     65536

/* what C11 remembers -------------------------------------------------------------------------- */

/* What a thread knows: of each location the newest store, by number, and of each thread how far. */
struct knowledge {
    uint8_t store[LOCATIONS];
    uint32_t clock[EXPLORE_THREADS];
};

struct store {
    uint64_t value;
    struct knowledge told; /* to whom acquires it */
    bool added_to;         /* a read-modify-write follows directly */
};

struct location {
    const void *address;
    size_t bytes;
    const char *name;
    struct store store[STORES];
    uint8_t order[STORES], place[STORES]; /* modification order; a store's place in it */
    unsigned count;
    uint8_t strict; /* place of the newest sequentially consistent store */
};

struct cell {
    uint8_t writer;
    uint32_t written, read[EXPLORE_THREADS];
};

enum operation { LOAD = 'l', STORE = 's', ADD = 'a', SLEEP = 'z', WAKE = 'w', NONE = 0 };

struct thread {
    ucontext_t context;
    unsigned char *stack;
    struct knowledge knows;
    enum operation next;
    unsigned location;
    bool over, asleep;
};

/* A choice of the execution under way: which thread, or which of some values. */
struct choice {
    uint8_t taken, options;  /* values */
    uint8_t enabled, asleep; /* threads: sets; `asleep` repeats what was visited */
    bool is_thread;
};

static struct {
    const struct explore_scenario *scenario;
    const struct explore_mutant *mutant;
    struct explore_result *result;
    struct location location[LOCATIONS];
    struct thread thread[EXPLORE_THREADS];
    struct cell cell[CELLS];
    const unsigned char *plain;
    size_t plain_bytes, granule;
    unsigned plain_times, locations, threads, current;
    struct choice choice[DEPTH];
    unsigned depth, at, steps;
    uint64_t random; /* 0 = every execution in turn */
    ucontext_t scheduler;
    bool failed, alone; /* alone: setup or check, which know everything */
} x;

static unsigned char stacks[EXPLORE_THREADS][STACK];

void explore_fail(const char *what)
{
    if (!x.failed)
        snprintf(x.result->failure, sizeof(x.result->failure), "%s", what);
    x.failed = true;
    if (!x.alone)
        swapcontext(&x.thread[x.current].context, &x.scheduler);
}

static uint32_t draw(void)
{
    x.random ^= x.random << 13;
    x.random ^= x.random >> 7;
    x.random ^= x.random << 17;
    return (uint32_t)(x.random >> 32);
}

/* One of `options` values, the first of an execution that was not there yet. */
static unsigned choose(unsigned options)
{
    if (options < 2 || x.failed)
        return 0;
    if (x.random)
        return draw() % options;
    if (x.at == DEPTH) {
        explore_fail("too many choices");
        return 0;
    }
    struct choice *c = &x.choice[x.at++];
    if (x.at > x.depth) {
        *c = (struct choice){.options = (uint8_t)options};
        x.depth = x.at;
    }
    return c->taken;
}

static void learn(struct knowledge *knows, const struct knowledge *told)
{
    for (unsigned i = 0; i < x.locations; i++) {
        const uint8_t *place = x.location[i].place;
        if (place[told->store[i]] > place[knows->store[i]])
            knows->store[i] = told->store[i];
    }
    for (unsigned i = 0; i < x.threads; i++)
        if (told->clock[i] > knows->clock[i])
            knows->clock[i] = told->clock[i];
}

static struct thread *self(void)
{
    return &x.thread[x.current];
}

static unsigned find(const void *address)
{
    for (unsigned i = 0; i < x.locations; i++)
        if (x.location[i].address == address)
            return i;
    explore_fail("an atomic that the scenario does not name");
    return 0;
}

/* Stop before an operation, until the scheduler chooses this thread. */
static struct location *step(const void *address, enum operation operation)
{
    struct thread *t = self();

    t->location = find(address);
    t->next = operation;
    swapcontext(&t->context, &x.scheduler);
    x.result->steps++;
    if (++x.steps > LONGEST)
        explore_fail("an execution without end");
    return &x.location[t->location];
}

static memory_order weaken(const struct location *l, enum operation operation, memory_order order)
{
    const struct explore_mutant *m = x.mutant;
    return m && m->operation == (char)operation && strcmp(m->location, l->name) == 0
               ? memory_order_relaxed
               : order;
}

static bool acquires(memory_order order)
{
    return order == memory_order_acquire || order >= memory_order_acq_rel;
}

static bool releases(memory_order order)
{
    return order >= memory_order_release;
}

/* Put a store at `place` of the modification order, behind those that come first. */
static void insert(struct location *l, unsigned place, uint64_t value, memory_order order,
                   const struct knowledge *passed_on)
{
    struct thread *t = self();
    unsigned number = l->count, index = (unsigned)(l - x.location);

    if (number == STORES) {
        explore_fail("too many stores");
        return;
    }
    memmove(&l->order[place + 1], &l->order[place], l->count - place);
    l->order[place] = (uint8_t)number;
    l->count++;
    for (unsigned i = place; i < l->count; i++)
        l->place[l->order[i]] = (uint8_t)i;
    if (l->strict >= place && l->count > 1)
        l->strict++;
    if (order == memory_order_seq_cst)
        l->strict = (uint8_t)place;
    t->knows.store[index] = (uint8_t)number;
    struct store *s = &l->store[number];
    *s = (struct store){.value = value};
    if (passed_on)
        s->told = *passed_on;
    if (releases(order))
        learn(&s->told, &t->knows);
    else if (l->place[s->told.store[index]] < place)
        s->told.store[index] = (uint8_t)number;
    t->knows.clock[x.current]++;
}

uint64_t explore_load(const void *address, memory_order order)
{
    if (x.alone) {
        struct location *l = &x.location[find(address)];
        return l->store[l->order[l->count - 1]].value;
    }
    struct location *l = step(address, LOAD);
    struct thread *t = self();
    unsigned index = (unsigned)(l - x.location);
    order = weaken(l, LOAD, order);
    unsigned oldest = l->place[t->knows.store[index]];
    if (order == memory_order_seq_cst && l->strict > oldest)
        oldest = l->strict;
    unsigned place = l->count - 1 - choose(l->count - oldest);
    const struct store *s = &l->store[l->order[place]];
    t->knows.store[index] = l->order[place];
    if (acquires(order))
        learn(&t->knows, &s->told);
    return s->value;
}

void explore_store(void *address, uint64_t value, memory_order order)
{
    struct location *l = step(address, STORE);
    struct thread *t = self();
    order = weaken(l, STORE, order);
    unsigned first = l->place[t->knows.store[l - x.location]] + 1u, options = 0;
    uint8_t free_places[STORES];

    if (order == memory_order_seq_cst && l->strict + 1u > first)
        first = l->strict + 1u;
    for (unsigned place = l->count; place >= first; place--)
        if (!l->store[l->order[place - 1]].added_to)
            free_places[options++] = (uint8_t)place;
    insert(l, free_places[choose(options)], value, order, NULL);
}

uint64_t explore_add(void *address, uint64_t value, memory_order order)
{
    struct location *l = step(address, ADD);
    struct thread *t = self();
    order = weaken(l, ADD, order);
    unsigned first = l->place[t->knows.store[l - x.location]], options = 0;
    uint8_t free_places[STORES];

    if (order == memory_order_seq_cst && l->strict > first)
        first = l->strict;
    for (unsigned place = l->count; place > first; place--)
        if (!l->store[l->order[place - 1]].added_to)
            free_places[options++] = (uint8_t)(place - 1);
    unsigned place = free_places[choose(options)];
    struct store *s = &l->store[l->order[place]];
    uint64_t old = s->value, mask = l->bytes == 8 ? UINT64_MAX : (1ull << (8 * l->bytes)) - 1;
    s->added_to = true;
    if (acquires(order))
        learn(&t->knows, &s->told);
    insert(l, place + 1, (old + value) & mask, order, &s->told);
    return old;
}

/* The kernel looks at the newest value, and no thread comes between that and the sleep. */
long explore_sleep(void *address, uint64_t expected)
{
    struct location *l = step(address, SLEEP);

    if (l->store[l->order[l->count - 1]].value != expected)
        return -1;
    self()->asleep = true;
    self()->next = NONE;
    swapcontext(&self()->context, &x.scheduler);
    return 0;
}

void explore_wake(void *address)
{
    struct location *l = step(address, WAKE);

    for (unsigned i = 0; i < x.threads; i++)
        if (x.thread[i].asleep && &x.location[x.thread[i].location] == l) {
            x.thread[i].asleep = false;
            return;
        }
}

/* plain memory -------------------------------------------------------------------------------- */

/* The cells of an access: first and behind the last, to be taken round the end. */
static bool cells_of(const void *at, size_t bytes, size_t *first, size_t *end)
{
    size_t offset = (size_t)((const unsigned char *)at - x.plain);

    if (x.alone)
        return false;
    if ((const unsigned char *)at < x.plain || offset + bytes > x.plain_bytes * x.plain_times) {
        explore_fail("an access outside of the memory");
        return false;
    }
    *first = offset / x.granule;
    *end = (offset + bytes + x.granule - 1) / x.granule;
    return true;
}

void explore_read(const void *at, size_t bytes)
{
    size_t first, end, cells = x.plain_bytes / x.granule;
    const uint32_t *clock = self()->knows.clock;

    if (!cells_of(at, bytes, &first, &end))
        return;
    for (size_t i = first; i < end; i++) {
        struct cell *c = &x.cell[i % cells];
        if (c->written > clock[c->writer])
            explore_fail("a race: read of what is not known to be written");
        c->read[x.current] = clock[x.current];
    }
}

void explore_write(const void *at, size_t bytes)
{
    size_t first, end, cells = x.plain_bytes / x.granule;
    const uint32_t *clock = self()->knows.clock;

    if (!cells_of(at, bytes, &first, &end))
        return;
    for (size_t i = first; i < end; i++) {
        struct cell *c = &x.cell[i % cells];
        if (c->written > clock[c->writer])
            explore_fail("a race: two writes");
        for (unsigned k = 0; k < x.threads; k++)
            if (c->read[k] > clock[k])
                explore_fail("a race: written over before it is known to be read");
        c->writer = (uint8_t)x.current;
        c->written = clock[x.current];
    }
}

/* executions ---------------------------------------------------------------------------------- */

void explore_location(void *location, size_t bytes, const char *name, uint64_t value)
{
    struct location *l = &x.location[x.locations++];

    *l = (struct location){.address = location, .bytes = bytes, .name = name, .count = 1};
    l->store[0].value = value;
}

void explore_plain(const void *memory, size_t bytes, unsigned times, size_t granule)
{
    x.plain = memory;
    x.plain_bytes = bytes;
    x.plain_times = times;
    x.granule = granule;
    memset(x.cell, 0, sizeof(x.cell));
}

static void body(void)
{
    x.scenario->thread[x.current]();
    self()->over = true;
    self()->next = NONE;
    swapcontext(&self()->context, &x.scheduler);
}

static bool changes(enum operation operation)
{
    return operation != LOAD;
}

/* Threads of `set` whose next operation does not care whether thread `t` goes first. */
static uint8_t independent(uint8_t set, unsigned t)
{
    for (unsigned i = 0; i < x.threads; i++)
        if (x.thread[i].location == x.thread[t].location &&
            (changes(x.thread[i].next) || changes(x.thread[t].next)))
            set &= (uint8_t) ~(1u << i);
    return set & (uint8_t) ~(1u << t);
}

static unsigned lowest(unsigned set)
{
    return (unsigned)__builtin_ctz(set);
}

/* The thread that goes next, or -1: all that could were visited. */
static int choose_thread(uint8_t enabled, uint8_t *asleep)
{
    if (x.random) {
        unsigned nth = draw() % (unsigned)__builtin_popcount(enabled);
        while (nth--)
            enabled &= (uint8_t)(enabled - 1);
        return (int)lowest(enabled);
    }
    if (x.at == DEPTH)
        return -1;
    struct choice *c = &x.choice[x.at++];
    if (x.at > x.depth) {
        uint8_t left = enabled & (uint8_t) ~*asleep;
        *c = (struct choice){.enabled = enabled, .asleep = *asleep, .is_thread = true};
        x.depth = x.at;
        if (!left) {
            x.depth = --x.at;
            return -1;
        }
        c->taken = (uint8_t)lowest(left);
    }
    *asleep = independent(c->asleep, c->taken);
    return c->taken;
}

/* Let a thread go on to its next operation. */
static void resume(unsigned t)
{
    x.current = t;
    swapcontext(&x.scheduler, &x.thread[t].context);
}

static void begin(void)
{
    x.locations = x.at = x.steps = x.threads = 0;
    x.failed = false;
    x.alone = true;
    x.scenario->setup();
    x.alone = false;
    while (x.threads < EXPLORE_THREADS && x.scenario->thread[x.threads])
        x.threads++;
    for (unsigned i = 0; i < x.threads; i++) {
        struct thread *t = &x.thread[i];
        memset(&t->knows, 0, sizeof(t->knows));
        t->over = t->asleep = false;
        t->knows.clock[i] = 1;
        getcontext(&t->context);
        t->context.uc_stack.ss_sp = stacks[i];
        t->context.uc_stack.ss_size = STACK;
        t->context.uc_link = NULL;
        makecontext(&t->context, body, 0);
    }
    for (unsigned i = 0; i < x.threads && !x.failed; i++)
        resume(i); /* up to its first operation */
}

/* @return false when the rest of it was visited. */
static bool execute(void)
{
    uint8_t asleep = 0;

    begin();
    while (!x.failed) {
        uint8_t enabled = 0, over = 0;
        for (unsigned i = 0; i < x.threads; i++) {
            over |= (uint8_t)(x.thread[i].over << i);
            enabled |= (uint8_t)((!x.thread[i].over && !x.thread[i].asleep) << i);
        }
        if (over == (1u << x.threads) - 1)
            break;
        x.alone = true; /* no thread runs that could be left */
        if (!enabled)
            explore_fail("all threads sleep");
        x.alone = false;
        if (!enabled)
            break;
        int t = choose_thread(enabled, &asleep);
        if (t < 0)
            return false;
        resume((unsigned)t);
    }
    x.alone = true;
    if (!x.failed && x.scenario->check)
        x.scenario->check();
    return true;
}

/* Go back to the last choice that has another option. @return false when there is none. */
static bool next_execution(void)
{
    for (; x.depth; x.depth--) {
        struct choice *c = &x.choice[x.depth - 1];
        if (!c->is_thread) {
            if (++c->taken < c->options)
                return true;
            continue;
        }
        c->asleep |= (uint8_t)(1u << c->taken);
        uint8_t left = c->enabled & (uint8_t)~c->asleep;
        if (left) {
            c->taken = (uint8_t)lowest(left);
            return true;
        }
    }
    return false;
}

static void prepare(const struct explore_scenario *s, const struct explore_mutant *mutant,
                    struct explore_result *ret)
{
    memset(ret, 0, sizeof(*ret));
    x.scenario = s;
    x.mutant = mutant && mutant->location ? mutant : NULL;
    x.result = ret;
    x.failed = false;
    x.depth = 0;
}

void explore_all(const struct explore_scenario *s, const struct explore_mutant *mutant,
                 uint64_t most, struct explore_result *ret)
{
    prepare(s, mutant, ret);
    x.random = 0;
    do {
        bool whole = execute();
        ret->executions += whole;
        ret->cut += !whole;
        if (x.failed)
            return;
        ret->complete = !next_execution();
    } while (!ret->complete && ret->executions < most);
}

void explore_random(const struct explore_scenario *s, const struct explore_mutant *mutant,
                    uint64_t seed, uint64_t count, struct explore_result *ret)
{
    prepare(s, mutant, ret);
    for (x.random = seed * 2 + 1; ret->executions < count && !x.failed; ret->executions++)
        (void)execute();
}
