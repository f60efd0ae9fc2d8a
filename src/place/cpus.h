/* SPDX-License-Identifier: MIT */
/* Sets of processors: the words of the public header, and lists as the system writes them. */
#ifndef VS_SRC_PLACE_CPUS_H
#define VS_SRC_PLACE_CPUS_H

#include <stdbool.h>

#include <voicestand/place.h>

static inline bool vs__cpus_has(const uint64_t *cpus, uint32_t id)
{
    return id < VS_CPUS_MAX && (cpus[id / 64] >> id % 64 & 1);
}

static inline void vs__cpus_add(uint64_t *cpus, uint32_t id)
{
    if (id < VS_CPUS_MAX)
        cpus[id / 64] |= (uint64_t)1 << id % 64;
}

/** @return how many; 0 = the empty set. */
uint32_t vs__cpus_count(const uint64_t *cpus);
/** Lowest of a set, or VS_CPUS_MAX. */
uint32_t vs__cpus_first(const uint64_t *cpus);
/** Read a list, "0-5,8", up to `end` (NULL = all of it). Numbers past VS_CPUS_MAX are passed over.
    @return 0, or -EINVAL. */
int vs__cpus_parse(const char *list, const char *end, uint64_t *ret);

#endif
