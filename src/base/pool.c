/* SPDX-License-Identifier: MIT */
/* Fixed pools. */
#include "base/pool.h"

#include <assert.h>
#include <errno.h>
#include <sys/mman.h>

int vs__pool_init(struct vs__pool *p, uint32_t block_bytes, uint32_t count)
{
    unsigned char *memory = vs__alloc((size_t)block_bytes * count);
    uint32_t *free_list = vs__alloc(sizeof(*free_list) * count);

    if (!memory || !free_list) {
        vs__free(memory);
        vs__free(free_list);
        return -ENOMEM;
    }
    /* A wish: without the right to lock, the pages are there all the same, as they were zeroed. */
    (void)mlock(memory, (size_t)block_bytes * count);
    for (uint32_t i = 0; i < count; i++)
        free_list[i] = count - 1 - i;
    *p = (struct vs__pool){memory, free_list, block_bytes, count, count};
    return 0;
}

void vs__pool_fini(struct vs__pool *p)
{
    if (p->memory)
        (void)munlock(p->memory, (size_t)p->block_bytes * p->count);
    vs__free(p->memory);
    vs__free(p->free_list);
    *p = (struct vs__pool){0};
}

void *vs__pool_take(struct vs__pool *p)
{
    if (p->free == 0)
        return NULL;
    return p->memory + (size_t)p->free_list[--p->free] * p->block_bytes;
}

void vs__pool_give(struct vs__pool *p, void *block)
{
    assert(p->free < p->count);
    p->free_list[p->free++] = vs__pool_index(p, block);
}

uint32_t vs__pool_index(const struct vs__pool *p, const void *block)
{
    size_t offset = (size_t)((const unsigned char *)block - p->memory);

    assert(offset % p->block_bytes == 0 && offset / p->block_bytes < p->count);
    return (uint32_t)(offset / p->block_bytes);
}
