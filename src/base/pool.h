/* SPDX-License-Identifier: MIT */
/* A fixed pool of blocks of one size. One thread takes and gives back; other threads hand blocks
   to that thread by a ring. The list of free blocks lies beside the blocks, not inside them, so
   that a stray write into a block cannot break the pool. */
#ifndef VS_SRC_BASE_POOL_H
#define VS_SRC_BASE_POOL_H

#include <assert.h>

#include "base/base.h"

#define VS__POOL_SMALL  (1u << 10) /**< messages */
#define VS__POOL_MEDIUM (1u << 14) /**< live audio */
#define VS__POOL_LARGE  (1u << 18) /**< bulk reads */

struct vs__pool {
    unsigned char *memory;
    void *last;           /**< given back last, and the first to be taken; or NULL */
    uint32_t *free_list;  /**< numbers of the blocks given back before it, the first of all first */
    uint32_t shift;       /**< a block has 2^shift bytes */
    uint32_t count, free; /**< of all; of those in the list */
};

/** Make `count` blocks of one of the sizes above, touched, and locked into memory as far as the
    system allows. @return 0, -ENOMEM */
int vs__pool_init(struct vs__pool *p, uint32_t block_bytes, uint32_t count);
void vs__pool_fini(struct vs__pool *p);

/** Number of a block, 0..count-1. */
static inline uint32_t vs__pool_index(const struct vs__pool *p, const void *block)
{
    size_t offset = (size_t)((const unsigned char *)block - p->memory);
    size_t index = offset >> p->shift;

    assert(index << p->shift == offset && index < p->count);
    return (uint32_t)index;
}

/** A block, or NULL when all are taken. Its bytes are what the last user left. Who takes what was just
    given back, which is what comes most, waits for one store to come back, not for two and a number. */
static inline void *vs__pool_take(struct vs__pool *p)
{
    void *block = p->last;

    if (block) {
        p->last = NULL;
        return block;
    }
    if (p->free == 0)
        return NULL;
    return p->memory + ((size_t)p->free_list[--p->free] << p->shift);
}

static inline void vs__pool_give(struct vs__pool *p, void *block)
{
    void *before = p->last;

    (void)vs__pool_index(p, block); /* one of these blocks */
    assert(block != before && p->free + (before != NULL) < p->count);
    p->last = block;
    if (before)
        p->free_list[p->free++] = vs__pool_index(p, before);
}

#endif
