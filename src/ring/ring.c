/* SPDX-License-Identifier: MIT */
/* The single-producer, single-consumer ring. */
#include "ring/ring.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Map the same memory twice, one behind the other. @return the address or NULL with errno. */
static unsigned char *map_twice(size_t bytes)
{
    unsigned char *memory = NULL;
    int fd = memfd_create("voicestand-ring", MFD_CLOEXEC);

    if (fd < 0)
        return NULL;
    if (ftruncate(fd, (off_t)bytes) < 0)
        goto out;
    void *reserved = mmap(NULL, 2 * bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (reserved == MAP_FAILED)
        goto out;
    for (int half = 0; half < 2; half++) {
        void *want = (unsigned char *)reserved + (size_t)half * bytes;
        if (mmap(want, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) ==
            MAP_FAILED) {
            int cause = errno;
            munmap(reserved, 2 * bytes);
            errno = cause;
            goto out;
        }
    }
    memory = reserved;
    memset(memory, 0, bytes); /* touch the pages now, not on the audio path */
    (void)mlock(memory, 2 * bytes);
    (void)madvise(memory, 2 * bytes, MADV_DONTDUMP);
out:;
    int cause = errno;
    close(fd);
    errno = cause;
    return memory;
}

int vs__ring_create(size_t min_bytes, struct vs__ring **ret)
{
    size_t bytes = (size_t)sysconf(_SC_PAGESIZE);

    if (min_bytes > SIZE_MAX / 8)
        return -ENOMEM;
    while (bytes < min_bytes)
        bytes *= 2;
    struct vs__ring *r = vs__alloc(sizeof(*r) + VS__APART);
    if (!r)
        return -ENOMEM;
    /* vs__alloc() aligns to 64; the members want 128. */
    size_t skew = (uintptr_t)r % VS__APART;
    struct vs__ring *aligned = skew ? (struct vs__ring *)((unsigned char *)r + 64) : r;
    aligned->memory = map_twice(bytes);
    if (!aligned->memory) {
        int rc = errno ? -errno : -ENOMEM;
        vs__free(r);
        return rc;
    }
    aligned->bytes = bytes;
    aligned->end = skew != 0;
    *ret = aligned;
    return 0;
}

void vs__ring_destroy(struct vs__ring *r)
{
    if (!r)
        return;
    memset(r->memory, 0, r->bytes); /* it held someone's voice */
    munmap(r->memory, 2 * r->bytes);
    vs__free(r->end ? (unsigned char *)r - 64 : (unsigned char *)r);
}

void *vs__ring_write_begin(struct vs__ring *r, size_t want, size_t *ret_bytes)
{
    uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    size_t room = r->bytes - (size_t)(head - r->tail_seen);

    if (room < want) {
        /* Acquire: the consumer has done with the bytes before it moved its index. */
        r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
        room = r->bytes - (size_t)(head - r->tail_seen);
    }
    *ret_bytes = VS__MIN(room, want);
    return r->memory + (head & (r->bytes - 1));
}

void vs__ring_write_commit(struct vs__ring *r, size_t bytes)
{
    uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);

    assert(head + bytes - r->tail_seen <= r->bytes);
    /* Release: the bytes are there before the index says so. */
    atomic_store_explicit(&r->head, head + bytes, memory_order_release);
}

const void *vs__ring_read_begin(struct vs__ring *r, size_t want, size_t *ret_bytes)
{
    uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    size_t there = (size_t)(r->head_seen - tail);

    if (there < want) {
        r->head_seen = atomic_load_explicit(&r->head, memory_order_acquire);
        there = (size_t)(r->head_seen - tail);
    }
    *ret_bytes = VS__MIN(there, want);
    return r->memory + (tail & (r->bytes - 1));
}

void vs__ring_read_commit(struct vs__ring *r, size_t bytes)
{
    uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

    assert(tail + bytes <= r->head_seen);
    atomic_store_explicit(&r->tail, tail + bytes, memory_order_release);
}

bool vs__ring_put(struct vs__ring *r, const void *item, size_t bytes)
{
    size_t room;
    void *to = vs__ring_write_begin(r, bytes, &room);

    if (room < bytes)
        return false;
    memcpy(to, item, bytes);
    vs__ring_write_commit(r, bytes);
    return true;
}

bool vs__ring_get(struct vs__ring *r, void *item, size_t bytes)
{
    size_t there;
    const void *from = vs__ring_read_begin(r, bytes, &there);

    if (there < bytes)
        return false;
    memcpy(item, from, bytes);
    vs__ring_read_commit(r, bytes);
    return true;
}

size_t vs__ring_fill(const struct vs__ring *r)
{
    /* Tail first: head can only be ahead of it, so the difference is never negative. */
    uint64_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
    uint64_t head = atomic_load_explicit(&r->head, memory_order_acquire);
    uint64_t fill = head - tail;

    return (size_t)VS__MIN(fill, (uint64_t)r->bytes);
}
