/* SPDX-License-Identifier: MIT */
#include "place/cpus.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

uint32_t vs__cpus_count(const uint64_t *cpus)
{
    uint32_t count = 0;

    for (size_t i = 0; i < VS_CPU_WORDS; i++)
        count += (uint32_t)__builtin_popcountll(cpus[i]);
    return count;
}

uint32_t vs__cpus_first(const uint64_t *cpus)
{
    uint32_t id = 0;

    while (id < VS_CPUS_MAX && !vs__cpus_has(cpus, id))
        id++;
    return id;
}

/* A number of at most six digits, so that it cannot overflow. @return whether there was one. */
static bool read_number(const char **at, const char *end, uint32_t *ret)
{
    uint32_t value = 0, digits = 0;

    for (; *at < end && isdigit((unsigned char)**at) && digits < 6; digits++)
        value = value * 10 + (uint32_t)(*(*at)++ - '0');
    *ret = value;
    return digits > 0;
}

int vs__cpus_parse(const char *list, const char *end, uint64_t *ret)
{
    uint64_t cpus[VS_CPU_WORDS] = {0};
    const char *at = list;

    if (end == NULL)
        end = list + strlen(list);
    while (end > list && isspace((unsigned char)end[-1]))
        end--;
    while (at < end) {
        uint32_t first, last;
        if (!read_number(&at, end, &first))
            return -EINVAL;
        last = first;
        if (at < end && *at == '-') {
            at++;
            if (!read_number(&at, end, &last) || last < first)
                return -EINVAL;
        }
        for (uint32_t id = first; id <= last && id < VS_CPUS_MAX; id++)
            vs__cpus_add(cpus, id);
        if (at < end && (*at++ != ',' || at == end))
            return -EINVAL;
    }
    memcpy(ret, cpus, sizeof(cpus));
    return 0;
}

int vs_cpu_list(const uint64_t *cpus, char *ret, size_t bytes)
{
    size_t used = 0;

    if (bytes > 0)
        ret[0] = 0;
    for (uint32_t id = 0; id < VS_CPUS_MAX; id++) {
        uint32_t last = id;
        if (!vs__cpus_has(cpus, id))
            continue;
        while (vs__cpus_has(cpus, last + 1))
            last++;
        int n = snprintf(ret + used, bytes - used, last > id ? "%s%u-%u" : "%s%u", used ? "," : "",
                         id, last);
        if ((size_t)n >= bytes - used)
            return -ENOSPC;
        used += (size_t)n;
        id = last;
    }
    return used < bytes ? 0 : -ENOSPC;
}
