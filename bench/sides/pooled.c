/* SPDX-License-Identifier: MIT */
/* Pools that look like malloc(). */
#include "sides/pooled.h"

#include <stdlib.h>
#include <string.h>

#include "base/pool.h"

#define BLOCKS 64

static struct vs__pool pools[2];

static bool is_of(const struct vs__pool *p, const void *memory)
{
    const unsigned char *at = memory;

    return p->memory && at >= p->memory && at < p->memory + ((size_t)p->count << p->shift);
}

void *pooled_malloc(size_t bytes)
{
    if (!pools[0].memory && (vs__pool_init(&pools[0], VS__POOL_SMALL, BLOCKS) < 0 ||
                             vs__pool_init(&pools[1], VS__POOL_MEDIUM, BLOCKS) < 0))
        return NULL;
    return bytes > VS__POOL_MEDIUM ? malloc(bytes) : vs__pool_take(&pools[bytes > VS__POOL_SMALL]);
}

void *pooled_calloc(size_t count, size_t bytes)
{
    void *memory = pooled_malloc(count * bytes);

    return memory ? memset(memory, 0, count * bytes) : NULL;
}

void pooled_free(void *memory)
{
    for (size_t i = 0; i < VS__COUNT(pools); i++)
        if (is_of(&pools[i], memory)) {
            vs__pool_give(&pools[i], memory);
            return;
        }
    free(memory);
}
