/* SPDX-License-Identifier: MIT */
/* Threads, their floating-point mode, and waking one that waits. */
#include "base/base.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

/* Signal. The waiter sets `asleep`, then looks at `ticks` a last time inside the futex call; the
   raiser adds to `ticks`, then looks at `asleep`. Both are read-modify-write or sequentially
   consistent, so one of the two sees the other: no wake-up is lost. */

/* Where time_t is wider than long, SYS_futex would read another struct timespec. */
static void call_futex(struct vs__signal *s, int operation, uint32_t value,
                       const struct timespec *limit)
{
#ifdef SYS_futex_time64
    if (sizeof(limit->tv_sec) > sizeof(long)) {
        syscall(SYS_futex_time64, &s->ticks, operation, value, limit, NULL, 0);
        return;
    }
#endif
    syscall(SYS_futex, &s->ticks, operation, value, limit, NULL, 0);
}

void vs__signal_raise(struct vs__signal *s)
{
    atomic_fetch_add_explicit(&s->ticks, 1, memory_order_seq_cst);
    if (atomic_load_explicit(&s->asleep, memory_order_seq_cst))
        call_futex(s, FUTEX_WAKE_PRIVATE, 1, NULL);
}

uint32_t vs__signal_seen(struct vs__signal *s)
{
    return atomic_load_explicit(&s->ticks, memory_order_acquire);
}

bool vs__signal_wait(struct vs__signal *s, uint32_t seen, int64_t timeout_ns)
{
    int64_t until = timeout_ns < 0 ? 0 : vs__mono_ns() + timeout_ns;
    unsigned depth = vs__rt_suspend();

    atomic_store_explicit(&s->asleep, 1, memory_order_seq_cst);
    while (atomic_load_explicit(&s->ticks, memory_order_seq_cst) == seen) {
        struct timespec t, *limit = NULL;
        if (timeout_ns >= 0) {
            int64_t left = until - vs__mono_ns();
            if (left <= 0)
                break;
            t.tv_sec = left / 1000000000;
            t.tv_nsec = left % 1000000000;
            limit = &t;
        }
        call_futex(s, FUTEX_WAIT_PRIVATE, seen, limit);
    }
    atomic_store_explicit(&s->asleep, 0, memory_order_relaxed);
    vs__rt_resume(depth);
    return atomic_load_explicit(&s->ticks, memory_order_acquire) != seen;
}

static void *begin_thread(void *argument)
{
    struct vs__thread *t = argument;

    pthread_setname_np(pthread_self(), t->name);
    return t->body(t->argument);
}

int vs__thread_start(struct vs__thread *t, const char *name, void *(*body)(void *), void *argument)
{
    sigset_t all, old;
    pthread_t handle;

    t->body = body;
    t->argument = argument;
    snprintf(t->name, sizeof(t->name), "%s", name);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(&handle, NULL, begin_thread, t);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc)
        return -rc;
    t->handle = (unsigned long)handle;
    t->running = true;
    return 0;
}

void vs__thread_join(struct vs__thread *t)
{
    if (!t->running)
        return;
    pthread_join((pthread_t)t->handle, NULL);
    t->running = false;
}

void vs__thread_leave(struct vs__thread *t)
{
    if (t->running)
        pthread_detach((pthread_t)t->handle);
    t->running = false;
}

static pthread_mutex_t global_lock = PTHREAD_MUTEX_INITIALIZER;

void vs__global_lock(void)
{
    pthread_mutex_lock(&global_lock);
}

void vs__global_unlock(void)
{
    pthread_mutex_unlock(&global_lock);
}

#if defined(__x86_64__)
unsigned vs__fp_fast(void)
{
    unsigned old = _mm_getcsr();
    _mm_setcsr(old | 0x8040u); /* FTZ and DAZ */
    return old;
}

void vs__fp_restore(unsigned mode)
{
    _mm_setcsr(mode);
}
#elif defined(__aarch64__)
unsigned vs__fp_fast(void)
{
    uint64_t old;
    __asm__ volatile("mrs %0, fpcr" : "=r"(old));
    __asm__ volatile("msr fpcr, %0" : : "r"(old | (1u << 24))); /* FZ */
    return (unsigned)old;
}

void vs__fp_restore(unsigned mode)
{
    __asm__ volatile("msr fpcr, %0" : : "r"((uint64_t)mode));
}
#else
unsigned vs__fp_fast(void)
{
    return 0;
}

void vs__fp_restore(unsigned mode)
{
    (void)mode;
}
#endif
