/* SPDX-License-Identifier: MIT */
/* A lock-free ring of bytes between one producer thread and one consumer thread.
   The memory is mapped twice in a row, so that every span is contiguous and both sides work in
   place. Indices count bytes since the start and never wrap in practice (64 bits); the whole
   capacity can be filled. Each side keeps a copy of the other's index and looks at the real one
   only when the copy does not do, so that the cache lines seldom travel.
   Memory order: commit releases, begin acquires; nothing else is needed. */
#ifndef VS_SRC_RING_RING_H
#define VS_SRC_RING_RING_H

#include "base/base.h"

struct vs__ring {
    /* constant after create */
    unsigned char *memory; /**< 2 * bytes of addresses over `bytes` of memory */
    size_t bytes;          /**< power of two, whole pages */

    /* the producer's */
    _Alignas(VS__APART) _Atomic uint64_t head; /**< written so far */
    uint64_t tail_seen;                        /**< the producer's copy of tail */

    /* the consumer's */
    _Alignas(VS__APART) _Atomic uint64_t tail; /**< read so far */
    uint64_t head_seen;                        /**< the consumer's copy of head */

    _Alignas(VS__APART) unsigned char end;
};

/** A ring of at least `min_bytes`, touched, kept out of core dumps. @return 0, -ENOMEM or
    -errno */
int vs__ring_create(size_t min_bytes, struct vs__ring **ret);
void vs__ring_destroy(struct vs__ring *r);

/** Producer: room for up to `want` bytes, in one piece; less if there is less. */
void *vs__ring_write_begin(struct vs__ring *r, size_t want, size_t *ret_bytes);
/** Producer: the first `bytes` of the room are written. */
void vs__ring_write_commit(struct vs__ring *r, size_t bytes);
/** Consumer: what is there, in one piece, up to `want` bytes. */
const void *vs__ring_read_begin(struct vs__ring *r, size_t want, size_t *ret_bytes);
/** Consumer: the first `bytes` of it can be written over. */
void vs__ring_read_commit(struct vs__ring *r, size_t bytes);

/** All or nothing: one item of `bytes`. @return false when full, or empty. */
bool vs__ring_put(struct vs__ring *r, const void *item, size_t bytes);
bool vs__ring_get(struct vs__ring *r, void *item, size_t bytes);

/** Bytes inside, as seen from any thread. */
size_t vs__ring_fill(const struct vs__ring *r);

#endif
