/* SPDX-License-Identifier: MIT */
/* Memory, with a hook that lets tests see every failure path. Any of it may hold someone's voice or
   words, so all of it is wiped when it is freed, and kept out of core dumps. */
#include "base/base.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define HUGE_BYTES ((size_t)1 << 21) /* a huge page of x86-64, and of arm64 with pages of 4 KiB */

static _Atomic uint32_t fail_after;

/* 1 when the countdown of vs__alloc_fail_after() ends with this call. */
static bool must_fail(void)
{
    uint32_t left = atomic_load_explicit(&fail_after, memory_order_relaxed);
    while (left > 0) {
        if (atomic_compare_exchange_weak_explicit(&fail_after, &left, left - 1,
                                                  memory_order_relaxed, memory_order_relaxed))
            return left == 1;
    }
    return false;
}

void vs__alloc_fail_after(uint32_t n)
{
    atomic_store_explicit(&fail_after, n, memory_order_relaxed);
}

static size_t page_bytes(void)
{
    return (size_t)sysconf(_SC_PAGESIZE);
}

/* All pages that it touches, with what the C library keeps before it: pieces of memory that lie side by
   side are then one mapping for the kernel, which has not many. What lies between them is kept out too,
   and stays so when they are freed. */
static void keep_out_of_dumps(void *memory, size_t bytes)
{
    uintptr_t page = page_bytes();
    uintptr_t from = ((uintptr_t)memory - 2 * sizeof(size_t)) / page * page;
    uintptr_t to = ((uintptr_t)memory + bytes + page - 1) / page * page;

    (void)madvise((void *)from, to - from, MADV_DONTDUMP);
}

void *vs__alloc(size_t bytes)
{
    if (must_fail() || bytes > PTRDIFF_MAX - HUGE_BYTES)
        return NULL;
    size_t whole = bytes ? (bytes + 63) / 64 * 64 : 64;
    size_t huge = whole / HUGE_BYTES * HUGE_BYTES;
    void *memory = NULL;
    if (posix_memalign(&memory, huge ? HUGE_BYTES : 64, whole) != 0)
        return NULL;
    /* What fills huge pages gets them where the system gives them on request: fewer misses of the
       translation buffer. */
    if (huge)
        (void)madvise(memory, huge, MADV_HUGEPAGE);
    keep_out_of_dumps(memory, whole);
    memset(memory, 0, whole);
    return memory;
}

void vs__free(void *memory)
{
    if (memory)
        explicit_bzero(memory, malloc_usable_size(memory));
    free(memory);
}

char *vs__strdup(const char *text)
{
    if (!text)
        return NULL;
    size_t bytes = strlen(text) + 1;
    char *copy = vs__alloc(bytes);
    if (copy)
        memcpy(copy, text, bytes);
    return copy;
}

void vs__read_sized(void *ret, const void *from, size_t bytes)
{
    size_t size;

    memcpy(&size, from, sizeof(size));
    memcpy(ret, from, VS__MIN(size, bytes));
    memcpy(ret, &bytes, sizeof(bytes));
}

void vs__write_sized(void *ret, const void *from, size_t bytes)
{
    size_t size;

    memcpy(&size, ret, sizeof(size));
    if (size < sizeof(size))
        return;
    memcpy(ret, from, VS__MIN(size, bytes));
    memcpy(ret, &size, sizeof(size));
}
