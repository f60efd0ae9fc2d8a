/* SPDX-License-Identifier: MIT */
/* Fixed pools. */
#include "base/pool.h"

#include <assert.h>
#include <errno.h>
#include <sys/mman.h>

int vs__pool_init(struct vs__pool *p, uint32_t block_bytes, uint32_t count)
{
    assert((block_bytes & (block_bytes - 1)) == 0);
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
    *p = (struct vs__pool){.memory = memory,
                           .free_list = free_list,
                           .shift = (uint32_t)__builtin_ctz(block_bytes),
                           .count = count,
                           .free = count};
    return 0;
}

void vs__pool_fini(struct vs__pool *p)
{
    if (p->memory)
        (void)munlock(p->memory, (size_t)p->count << p->shift);
    vs__free(p->memory);
    vs__free(p->free_list);
    *p = (struct vs__pool){0};
}
