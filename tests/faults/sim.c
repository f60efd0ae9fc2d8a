/* SPDX-License-Identifier: MIT */
#include "sim.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/common_interface_defs.h>
#define SWITCH_BEGIN(save, t)                                                                      \
    __sanitizer_start_switch_fiber(save, (t)->stack_bottom, (t)->stack_bytes)
#define SWITCH_END(save, t)                                                                        \
    __sanitizer_finish_switch_fiber(save, &(t)->stack_bottom, &(t)->stack_bytes)
#else
#define SWITCH_BEGIN(save, t) ((void)(save))
#define SWITCH_END(save, t)   ((void)(save))
#endif

/* memory: the shipped file, with its calls counted --------------------------------------------- */

static int64_t blocks_held;

void *mem_alloc(size_t bytes);
void mem_free(void *memory);
char *mem_strdup(const char *text);
#define vs__alloc  mem_alloc
#define vs__free   mem_free
#define vs__strdup mem_strdup
#include "base/mem.c"
#undef vs__alloc
#undef vs__free
#undef vs__strdup

static void *count_one(void *memory)
{
    blocks_held += memory != NULL;
    return memory;
}

void *vs__alloc(size_t bytes)
{
    return count_one(mem_alloc(bytes));
}

char *vs__strdup(const char *text)
{
    return count_one(mem_strdup(text));
}

void vs__free(void *memory)
{
    blocks_held -= memory != NULL;
    mem_free(memory);
}

/* threads --------------------------------------------------------------------------------------- */

#define TASKS       12
#define STACK       (256u << 10)
#define MOST_TURNS  20000000u
#define MOST_TIME   INT64_C(40000000000000)
#define LEAST_CLOCK 40 /* ns that looking at the clock takes */

enum state { FREE, READY, WAITING, OVER };

struct task {
    ucontext_t context;
    unsigned char *stack;
    const void *stack_bottom; /* for the address sanitizer */
    size_t stack_bytes;
    void *fake;
    struct vs__thread *thread;
    enum state state;
    bool left;
    const struct vs__signal *signal; /* WAITING for it to be raised since `seen` */
    uint32_t seen;
    const struct task *joins;
    const _Atomic int *flag;
    int64_t until; /* WAITING for this time at the longest; < 0 = for ever */
};

const char *sim_program = "faults";

static struct {
    uint64_t seed, random;
    int64_t now;
    struct task task[TASKS];
    struct task *current;
    uint32_t turns, thread_fail, lazy; /* lazy: switch once in so many times */
} sim;

void sim_fail(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    printf("# ");
    vprintf(format, arguments);
    va_end(arguments);
    printf("\n# to repeat it: %s --seed %llu\n", sim_program, (unsigned long long)sim.seed);
    fflush(stdout);
    _Exit(1);
}

static uint64_t next_random(void)
{
    uint64_t z = sim.random += 0x9e3779b97f4a7c15u;

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

uint32_t sim_draw(uint32_t n)
{
    return n ? (uint32_t)((next_random() >> 32) * n >> 32) : 0;
}

bool sim_once_in(uint32_t n)
{
    return n && sim_draw(n) == 0;
}

void sim_begin(uint64_t seed)
{
    for (size_t i = 0; i < TASKS; i++) {
        unsigned char *stack = sim.task[i].stack;
        sim.task[i] = (struct task){.stack = stack};
    }
    sim.seed = sim.random = seed;
    sim.now = 1000000000;
    sim.turns = sim.thread_fail = 0;
    sim.current = &sim.task[0];
    sim.current->state = READY;
    sim.lazy = 1u << sim_draw(6);
    blocks_held = 0;
    vs__alloc_fail_after(0);
}

static bool may_run(struct task *t)
{
    if (t->state == READY)
        return true;
    if (t->state != WAITING)
        return false;
    return (t->signal && atomic_load(&t->signal->ticks) != t->seen) ||
           (t->joins && t->joins->state == OVER) || (t->flag && atomic_load(t->flag)) ||
           (t->until >= 0 && t->until <= sim.now);
}

/* Nobody can run: to the first time that somebody waits for. */
static void leap(void)
{
    int64_t first = INT64_MAX;

    for (size_t i = 0; i < TASKS; i++)
        if (sim.task[i].state == WAITING && sim.task[i].until >= 0)
            first = VS__MIN(first, sim.task[i].until);
    if (first == INT64_MAX)
        sim_fail("all threads wait for ever");
    sim.now = VS__MAX(sim.now, first);
    if (sim.now > MOST_TIME)
        sim_fail("it takes hours");
}

static struct task *choose(void)
{
    struct task *able[TASKS];
    uint32_t n = 0;

    if (++sim.turns > MOST_TURNS)
        sim_fail("it runs for ever");
    while (n == 0) {
        for (size_t i = 0; i < TASKS; i++)
            if (may_run(&sim.task[i]))
                able[n++] = &sim.task[i];
        if (n == 0)
            leap();
    }
    return able[sim_draw(n)];
}

static void switch_to(struct task *next)
{
    struct task *self = sim.current;

    if (next == self)
        return;
    sim.current = next;
    SWITCH_BEGIN(self->state == OVER ? NULL : &self->fake, next);
    swapcontext(&self->context, &next->context);
    SWITCH_END(self->fake, sim.current == self ? next : self);
}

/* Wait for what is set in the task, or until then. */
static void wait_for(const struct vs__signal *signal, uint32_t seen, const struct task *joins,
                     const _Atomic int *flag, int64_t until)
{
    struct task *self = sim.current;

    self->signal = signal;
    self->seen = seen;
    self->joins = joins;
    self->flag = flag;
    self->until = until;
    self->state = WAITING;
    switch_to(choose());
    self->state = READY;
}

void sim_yield(void)
{
    if (sim_once_in(sim.lazy))
        switch_to(choose());
}

void sim_sleep(int64_t ns)
{
    wait_for(NULL, 0, NULL, NULL, sim.now + VS__MAX(ns, (int64_t)0));
}

void sim_await(const _Atomic int *flag)
{
    wait_for(NULL, 0, NULL, flag, -1);
}

void sim_thread_fail_after(uint32_t n)
{
    sim.thread_fail = n;
}

static void body(void)
{
    struct task *self = sim.current;

    SWITCH_END(NULL, self);
    (void)self->thread->body(self->thread->argument);
    if (!self->left)
        self->thread->running = true; /* until it is joined */
    self->state = OVER;
    switch_to(choose());
}

/* what src/base/thread.c has -------------------------------------------------------------------- */

int vs__thread_start(struct vs__thread *t, const char *name, void *(*run)(void *), void *argument)
{
    struct task *task = NULL;

    if (sim.thread_fail && --sim.thread_fail == 0)
        return -EAGAIN;
    for (size_t i = 1; i < TASKS && !task; i++)
        if (sim.task[i].state == FREE)
            task = &sim.task[i];
    if (!task)
        sim_fail("more threads than there should be");
    t->body = run;
    t->argument = argument;
    snprintf(t->name, sizeof(t->name), "%s", name);
    t->handle = (unsigned long)(task - sim.task);
    t->running = true;
    task->thread = t;
    task->state = READY;
    task->left = false;
    task->until = -1;
    if (!task->stack)
        task->stack = malloc(STACK);
    task->stack_bottom = task->stack;
    task->stack_bytes = STACK;
    getcontext(&task->context);
    task->context.uc_stack.ss_sp = task->stack;
    task->context.uc_stack.ss_size = STACK;
    makecontext(&task->context, body, 0);
    sim_yield();
    return 0;
}

void vs__thread_join(struct vs__thread *t)
{
    struct task *task = &sim.task[t->handle];

    if (!t->running)
        return;
    if (task == sim.current)
        sim_fail("%s joins itself", t->name);
    while (task->state != OVER)
        wait_for(NULL, 0, task, NULL, -1);
    task->state = FREE;
    t->running = false;
}

void vs__thread_leave(struct vs__thread *t)
{
    if (t->running)
        sim.task[t->handle].left = true;
    t->running = false;
}

void vs__signal_raise(struct vs__signal *s)
{
    sim_yield();
    atomic_fetch_add(&s->ticks, 1);
    sim_yield();
}

uint32_t vs__signal_seen(struct vs__signal *s)
{
    uint32_t seen = atomic_load(&s->ticks);

    sim_yield();
    return seen;
}

bool vs__signal_wait(struct vs__signal *s, uint32_t seen, int64_t timeout_ns)
{
    sim_yield();
    if (atomic_load(&s->ticks) == seen)
        wait_for(s, seen, NULL, NULL, timeout_ns < 0 ? -1 : sim.now + timeout_ns);
    return atomic_load(&s->ticks) != seen;
}

void vs__global_lock(void)
{
}

void vs__global_unlock(void)
{
}

unsigned vs__fp_fast(void)
{
    return 0;
}

void vs__fp_restore(unsigned mode)
{
    (void)mode;
}

/* what src/base/clock.c has --------------------------------------------------------------------- */

int64_t vs__mono_ns(void)
{
    sim_yield();
    return sim.now += LEAST_CLOCK;
}

int64_t vs__wall_ns(void)
{
    return INT64_C(1700000000000000000) + sim.now;
}

int64_t vs__thread_cpu_ns(void)
{
    return sim.now;
}

void sim_end(void)
{
    for (size_t i = 1; i < TASKS; i++) {
        struct task *t = &sim.task[i];
        if (t->left)
            while (t->state != OVER)
                wait_for(NULL, 0, t, NULL, -1);
        else if (t->state != FREE)
            sim_fail("thread %s was not joined", t->thread->name);
    }
    if (blocks_held != 0)
        sim_fail("%lld blocks of memory are left", (long long)blocks_held);
}
