/* SPDX-License-Identifier: MIT */
/* The real-time rule and its check. With -Drt_check=true this file takes the place of the C
   library's allocator, locks and blocking calls and aborts when a thread calls one of them
   between vs__rt_enter() and vs__rt_leave(). */
#include "base/base.h"

#if !VS__RT_CHECK

void vs__rt_enter(void)
{
}

void vs__rt_leave(void)
{
}

unsigned vs__rt_suspend(void)
{
    return 0;
}

void vs__rt_resume(unsigned depth)
{
    (void)depth;
}

#else

#include <dlfcn.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define EXPORT     __attribute__((visibility("default")))

static _Thread_local unsigned depth;

void vs__rt_enter(void)
{
    depth++;
}

void vs__rt_leave(void)
{
    depth--;
}

unsigned vs__rt_suspend(void)
{
    unsigned old = depth;
    depth = 0;
    return old;
}

void vs__rt_resume(unsigned old)
{
    depth = old;
}

/* Nothing here may allocate or lock, so the words go out by the bare system call. */
static void check(const char *name)
{
    if (depth == 0)
        return;
    static const char text[] = "voicestand: a real-time thread called ";
    depth = 0;
    syscall(SYS_write, 2, text, sizeof(text) - 1);
    syscall(SYS_write, 2, name, strlen(name));
    syscall(SYS_write, 2, "()\n", 3);
    abort();
}

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);
void __libc_free(void *);

EXPORT void *malloc(size_t bytes)
{
    check("malloc");
    return __libc_malloc(bytes);
}

EXPORT void *calloc(size_t count, size_t bytes)
{
    check("calloc");
    return __libc_calloc(count, bytes);
}

EXPORT void *realloc(void *old, size_t bytes)
{
    check("realloc");
    return __libc_realloc(old, bytes);
}

EXPORT void *aligned_alloc(size_t align, size_t bytes)
{
    check("aligned_alloc");
    return __libc_memalign(align, bytes);
}

EXPORT void free(void *memory)
{
    check("free");
    __libc_free(memory);
}

/* The real function behind one of ours; found once, before any real-time thread runs. */
#define REAL(name) static __typeof__(&name) real_##name
REAL(pthread_mutex_lock);
REAL(pthread_cond_wait);
REAL(write);
REAL(read);
REAL(poll);
REAL(clock_nanosleep);

/* ISO C has no cast from void * to a function; the bytes are the same on every Linux. */
static void find(void *ret, const char *name)
{
    void *symbol = dlsym(RTLD_NEXT, name);
    memcpy(ret, &symbol, sizeof(symbol));
}

__attribute__((constructor)) static void find_all(void)
{
    if (real_write)
        return;
    find(&real_pthread_mutex_lock, "pthread_mutex_lock");
    find(&real_pthread_cond_wait, "pthread_cond_wait");
    find(&real_read, "read");
    find(&real_poll, "poll");
    find(&real_clock_nanosleep, "clock_nanosleep");
    find(&real_write, "write");
}

EXPORT int pthread_mutex_lock(pthread_mutex_t *m)
{
    check("pthread_mutex_lock");
    find_all();
    return real_pthread_mutex_lock(m);
}

EXPORT int pthread_cond_wait(pthread_cond_t *restrict c, pthread_mutex_t *restrict m)
{
    check("pthread_cond_wait");
    find_all();
    return real_pthread_cond_wait(c, m);
}

EXPORT ssize_t write(int fd, const void *data, size_t bytes)
{
    check("write");
    find_all();
    return real_write(fd, data, bytes);
}

EXPORT ssize_t read(int fd, void *data, size_t bytes)
{
    check("read");
    find_all();
    return real_read(fd, data, bytes);
}

EXPORT int poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
    check("poll");
    find_all();
    return real_poll(fds, count, timeout_ms);
}

EXPORT int clock_nanosleep(clockid_t id, int flags, const struct timespec *time,
                           struct timespec *left)
{
    check("clock_nanosleep");
    find_all();
    return real_clock_nanosleep(id, flags, time, left);
}

#endif
