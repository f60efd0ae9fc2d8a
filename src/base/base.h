/* SPDX-License-Identifier: MIT */
/* The only place with operating-system calls for memory, time, threads and words. Every folder
   may include it; it includes nothing but the public base. */
#ifndef VS_SRC_BASE_BASE_H
#define VS_SRC_BASE_BASE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <voicestand/base.h>

#define VS__COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define VS__MIN(a, b)    ((a) < (b) ? (a) : (b))
#define VS__MAX(a, b)    ((a) > (b) ? (a) : (b))

/** Bytes between data of different threads: two 64-byte lines, as the prefetcher fetches pairs. */
#define VS__APART 128

/* structs that may grow --------------------------------------------------------------------- */

/** Fill a struct of ours, `bytes` long and with all defaults set, from a caller's that begins with
    its `size` and may be shorter or longer. */
void vs__read_sized(void *ret, const void *from, size_t bytes);
/** Copy a struct of ours to a caller's that begins with its `size`, which stays. */
void vs__write_sized(void *ret, const void *from, size_t bytes);

/* words ------------------------------------------------------------------------------------- */

/** One sentence to the user's log, cut at 511 bytes. Not for real-time threads. `log` may be
    NULL. */
__attribute__((format(printf, 4, 5))) void vs__log(const struct vs_log *log, int level,
                                                   const char *topic, const char *format, ...);

/* memory ------------------------------------------------------------------------------------ */

/** Zeroed memory aligned to 64 bytes and kept out of core dumps, or NULL. Freed by vs__free() alone, which
    wipes it. */
void *vs__alloc(size_t bytes);
void vs__free(void *memory);
/** Copy of a string, to be freed with vs__free(); NULL for NULL or without memory. */
char *vs__strdup(const char *text);
/** For tests: the n-th vs__alloc() from now (1 = the next) fails, once; 0 = never. */
void vs__alloc_fail_after(uint32_t n);

/* time -------------------------------------------------------------------------------------- */

int64_t vs__mono_ns(void);       /**< CLOCK_MONOTONIC */
int64_t vs__wall_ns(void);       /**< CLOCK_REALTIME */
int64_t vs__thread_cpu_ns(void); /**< CPU time of the calling thread */

/* waking ------------------------------------------------------------------------------------ */

/** A wake-up for one waiter that no order of calls can lose. Zero-initialised. */
struct vs__signal {
    _Atomic uint32_t ticks;  /**< counts raises; release/acquire orders what was written before */
    _Atomic uint32_t asleep; /**< 1 while the waiter may be in the kernel */
};

/** Any thread or signal handler, also real-time; one system call if the waiter sleeps, else
    none. */
void vs__signal_raise(struct vs__signal *s);
/** What the waiter remembers before it looks at the state that it waits for. */
uint32_t vs__signal_seen(struct vs__signal *s);
/** Sleep until raised since `seen`, or `timeout_ns` passed (negative = for ever).
    @return true if raised. */
bool vs__signal_wait(struct vs__signal *s, uint32_t seen, int64_t timeout_ns);

/* threads ----------------------------------------------------------------------------------- */

struct vs__thread {
    unsigned long handle; /**< pthread_t */
    bool running;
    void *(*body)(void *);
    void *argument;
    char name[16];
};

/** Start a thread with all signals blocked. `t` must outlive it. @return 0 or -errno. */
int vs__thread_start(struct vs__thread *t, const char *name, void *(*body)(void *), void *argument);
/** Wait for it; nothing if it does not run. */
void vs__thread_join(struct vs__thread *t);
/** Never wait for it: it may run on until the process ends. */
void vs__thread_leave(struct vs__thread *t);
/** The one lock for what a process has once, at create and destroy. Held for as long as it takes to
    make some tables; nothing that is called under it takes it again. */
void vs__global_lock(void);
void vs__global_unlock(void);
/** Flush denormals to zero on the calling thread; returns the old mode for vs__fp_restore(). */
unsigned vs__fp_fast(void);
void vs__fp_restore(unsigned mode);

/* the real-time rule ------------------------------------------------------------------------ */

/** Between these, in a build with -Drt_check=true, an allocation, a lock or a blocking system
    call on the calling thread aborts the program with the name of the function. Otherwise they
    cost nothing. They nest. */
void vs__rt_enter(void);
void vs__rt_leave(void);
/** For a call that is known to be right although it looks blocking: the wait for work. */
unsigned vs__rt_suspend(void);
void vs__rt_resume(unsigned depth);

#endif
