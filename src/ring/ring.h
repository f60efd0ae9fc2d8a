/* SPDX-License-Identifier: MIT */
/* A lock-free ring of bytes between one producer thread and one consumer thread.
   The memory is mapped twice in a row, so that every span is contiguous and both sides work in
   place. Indices count bytes since the start in 64 bits, and only their differences are looked at;
   the whole capacity can be filled. Each side keeps a copy of the other's index and looks at the
   real one only when the copy does not do, so that the cache lines seldom travel.
   Memory order: commit releases, begin acquires; nothing else is needed. tests/explore shows it on
   this source, tests/model on a model of it. */
#ifndef VS_SRC_RING_RING_H
#define VS_SRC_RING_RING_H

#include <assert.h>
#include <string.h>

#include "base/base.h"

/* What one side publishes lies alone on its line: the other side fetches it, and nothing that its
   owner writes more often may take it away again. */
struct vs__ring {
    /* constant after create */
    unsigned char *memory; /**< 2 * bytes of addresses over `bytes` of memory */
    size_t bytes;          /**< power of two, whole pages */
    void *allocation;

    /* the producer's alone */
    _Alignas(VS__APART) uint64_t head_own; /**< written so far */
    uint64_t tail_seen;                    /**< its copy of tail */
    /* published by the producer */
    _Alignas(VS__APART) _Atomic uint64_t head;

    /* the consumer's alone */
    _Alignas(VS__APART) uint64_t tail_own; /**< read so far */
    uint64_t head_seen;                    /**< its copy of head */
    /* published by the consumer */
    _Alignas(VS__APART) _Atomic uint64_t tail;
};

/** A ring of at least `min_bytes`, touched, kept out of core dumps. @return 0, -ENOMEM or
    -errno */
int vs__ring_create(size_t min_bytes, struct vs__ring **ret);
void vs__ring_destroy(struct vs__ring *r);

/** Producer: room for up to `want` bytes, in one piece; less if there is less. */
static inline void *vs__ring_write_begin(struct vs__ring *r, size_t want, size_t *ret_bytes)
{
    size_t room = r->bytes - (size_t)(r->head_own - r->tail_seen);

    if (room < want) {
        /* Acquire: the consumer has done with the bytes before it moved its index. */
        r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
        room = r->bytes - (size_t)(r->head_own - r->tail_seen);
    }
    *ret_bytes = VS__MIN(room, want);
    return r->memory + (r->head_own & (r->bytes - 1));
}

/** Producer: the first `bytes` of the room are written. */
static inline void vs__ring_write_commit(struct vs__ring *r, size_t bytes)
{
    assert(r->head_own + bytes - r->tail_seen <= r->bytes);
    r->head_own += bytes;
    /* Release: the bytes are there before the index says so. */
    atomic_store_explicit(&r->head, r->head_own, memory_order_release);
}

/** Consumer: what is there, in one piece, up to `want` bytes. */
static inline const void *vs__ring_read_begin(struct vs__ring *r, size_t want, size_t *ret_bytes)
{
    size_t there = (size_t)(r->head_seen - r->tail_own);

    if (there < want) {
        r->head_seen = atomic_load_explicit(&r->head, memory_order_acquire);
        there = (size_t)(r->head_seen - r->tail_own);
    }
    *ret_bytes = VS__MIN(there, want);
    return r->memory + (r->tail_own & (r->bytes - 1));
}

/** Consumer: the first `bytes` of it can be written over. */
static inline void vs__ring_read_commit(struct vs__ring *r, size_t bytes)
{
    assert(bytes <= r->head_seen - r->tail_own); /* also where the indices wrap */
    r->tail_own += bytes;
    atomic_store_explicit(&r->tail, r->tail_own, memory_order_release);
}

/** Consumer: bytes that it knows of, without a look at what the producer writes; there may be more. */
static inline size_t vs__ring_seen(const struct vs__ring *r)
{
    return (size_t)(r->head_seen - r->tail_own);
}

/** All or nothing: one item of `bytes`. @return false when full, or empty. */
static inline bool vs__ring_put(struct vs__ring *r, const void *item, size_t bytes)
{
    size_t room;
    void *to = vs__ring_write_begin(r, bytes, &room);

    if (room < bytes)
        return false;
    memcpy(to, item, bytes);
    vs__ring_write_commit(r, bytes);
    return true;
}

static inline bool vs__ring_get(struct vs__ring *r, void *item, size_t bytes)
{
    size_t there;
    const void *from = vs__ring_read_begin(r, bytes, &there);

    if (there < bytes)
        return false;
    memcpy(item, from, bytes);
    vs__ring_read_commit(r, bytes);
    return true;
}

/** Bytes inside, as seen from any thread. */
size_t vs__ring_fill(const struct vs__ring *r);

#endif
