/* SPDX-License-Identifier: MIT */
/* A fixed pool of blocks of one size. One thread takes and gives back; other threads hand blocks
   to that thread by a ring. The list of free blocks lies beside the blocks, not inside them, so
   that a stray write into a block cannot break the pool. */
#ifndef VS_SRC_BASE_POOL_H
#define VS_SRC_BASE_POOL_H

#include "base/base.h"

#define VS__POOL_SMALL  (1u << 10) /**< messages */
#define VS__POOL_MEDIUM (1u << 14) /**< live audio */
#define VS__POOL_LARGE  (1u << 18) /**< bulk reads */

struct vs__pool {
    unsigned char *memory;
    uint32_t *free_list;
    uint32_t block_bytes, count, free;
};

/** Make `count` blocks, touched, and locked into memory as far as the system allows.
    @return 0, -ENOMEM */
int vs__pool_init(struct vs__pool *p, uint32_t block_bytes, uint32_t count);
void vs__pool_fini(struct vs__pool *p);
/** A block, or NULL when all are taken. Its bytes are what the last user left. */
void *vs__pool_take(struct vs__pool *p);
void vs__pool_give(struct vs__pool *p, void *block);
/** Number of a block, 0..count-1. */
uint32_t vs__pool_index(const struct vs__pool *p, const void *block);

#endif
