/* SPDX-License-Identifier: MIT */
/* Processors as the kernel describes them in sysfs, and what of them this process may use.
   Nothing is known beforehand about numbers of processors: cores are told apart by their lists of
   siblings, kinds by what the kernel calls them. */
#include "place/topology.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "place/cpus.h"
#include "place/files.h"

enum { LINE = 4096 };

/* A core of less than this share of the fastest one's capacity is an efficient one. */
#define EFFICIENT_PERCENT 70

/* Lowest processor of a list in a file of processor `id`, or `id` where there is none. */
static uint32_t read_first(const char *root, uint32_t id, const char *file)
{
    uint64_t cpus[VS_CPU_WORDS];
    char line[LINE];

    if (vs__read_line(root, line, sizeof(line), "sys/devices/system/cpu/cpu%u/%s", id, file) < 0 ||
        vs__cpus_parse(line, NULL, cpus) < 0 || vs__cpus_first(cpus) == VS_CPUS_MAX)
        return id;
    return vs__cpus_first(cpus);
}

/* The level of cache that counts as the last one, as a file of `id`; 0 = none is described. */
static int find_last_cache(const char *root, uint32_t id, char *ret, size_t bytes)
{
    char line[LINE];
    int most = 0;

    for (int i = 0; i < 16; i++) {
        if (vs__read_line(root, line, sizeof(line),
                          "sys/devices/system/cpu/cpu%u/cache/index%d/level", id, i) < 0)
            break;
        int level = atoi(line);
        if (level > most) {
            most = level;
            snprintf(ret, bytes, "cache/index%d/shared_cpu_list", i);
        }
    }
    return most;
}

static void read_nodes(const char *root, struct vs_topology *t)
{
    uint64_t nodes[VS_CPU_WORDS], cpus[VS_CPU_WORDS];
    char line[LINE];

    if (vs__read_line(root, line, sizeof(line), "sys/devices/system/node/online") < 0 ||
        vs__cpus_parse(line, NULL, nodes) < 0)
        return;
    for (uint32_t node = 0; node < VS_CPUS_MAX; node++) {
        if (!vs__cpus_has(nodes, node) ||
            vs__read_line(root, line, sizeof(line), "sys/devices/system/node/node%u/cpulist",
                          node) < 0 ||
            vs__cpus_parse(line, NULL, cpus) < 0)
            continue;
        for (uint32_t i = 0; i < t->count; i++)
            if (vs__cpus_has(cpus, t->cpus[i].id))
                t->cpus[i].node = node;
    }
}

/* kinds of cores ------------------------------------------------------------------------------ */

/* @return whether the kernel names any. */
static bool mark_kind(const char *root, struct vs_topology *t, const char *unit, int kind)
{
    uint64_t cpus[VS_CPU_WORDS];
    char line[LINE];
    bool found = false;

    if (vs__read_line(root, line, sizeof(line), "sys/devices/%s/cpus", unit) < 0 ||
        vs__cpus_parse(line, NULL, cpus) < 0)
        return false;
    for (uint32_t i = 0; i < t->count; i++) {
        if (!vs__cpus_has(cpus, t->cpus[i].id))
            continue;
        t->cpus[i].kind = kind;
        found = true;
    }
    return found;
}

/* Efficient cores that have no cache of the third level, where performance cores have one, are the
   low-power ones beside the others. */
static void find_low_power(const char *root, struct vs_topology *t)
{
    char unused[64];
    bool shared = false;

    for (uint32_t i = 0; i < t->count && !shared; i++)
        shared = t->cpus[i].kind == VS_CORE_PERFORMANCE &&
                 find_last_cache(root, t->cpus[i].id, unused, sizeof(unused)) >= 3;
    for (uint32_t i = 0; i < t->count && shared; i++) {
        int level = find_last_cache(root, t->cpus[i].id, unused, sizeof(unused));
        if (t->cpus[i].kind == VS_CORE_EFFICIENT && level > 0 && level < 3)
            t->cpus[i].kind = VS_CORE_LOW_POWER;
    }
}

static void read_capacities(const char *root, struct vs_topology *t)
{
    long capacity[VS_CPUS_MAX], most = 0;
    char line[LINE];

    for (uint32_t i = 0; i < t->count; i++) {
        if (vs__read_line(root, line, sizeof(line), "sys/devices/system/cpu/cpu%u/cpu_capacity",
                          t->cpus[i].id) < 0)
            return;
        capacity[i] = atol(line);
        most = VS__MAX(most, capacity[i]);
    }
    for (uint32_t i = 0; i < t->count; i++)
        if (capacity[i] * 100 < most * EFFICIENT_PERCENT)
            t->cpus[i].kind = VS_CORE_EFFICIENT;
}

static bool has_kinds(const struct vs_topology *t)
{
    for (uint32_t i = 0; i < t->count; i++)
        if (t->cpus[i].kind != VS_CORE_PERFORMANCE)
            return true;
    return false;
}

/* The kernel's own names for kinds count most, then what another reader found, then what the kernel
   says of their speed. */
static void find_kinds(const char *root, struct vs_topology *t)
{
    mark_kind(root, t, "cpu_core", VS_CORE_PERFORMANCE);
    mark_kind(root, t, "cpu_atom", VS_CORE_EFFICIENT);
    if (!has_kinds(t))
        read_capacities(root, t);
    if (!mark_kind(root, t, "cpu_lowpower", VS_CORE_LOW_POWER))
        find_low_power(root, t);
}

/* what may be used ---------------------------------------------------------------------------- */

static bool read_allowed_here(uint64_t *ret)
{
    static const size_t bytes = CPU_ALLOC_SIZE(VS_CPUS_MAX);
    cpu_set_t *set = CPU_ALLOC(VS_CPUS_MAX);
    bool known = set && sched_getaffinity(0, bytes, set) == 0;

    for (uint32_t id = 0; known && id < VS_CPUS_MAX; id++)
        if (CPU_ISSET_S(id, bytes, set))
            vs__cpus_add(ret, id);
    CPU_FREE(set);
    return known;
}

static bool read_allowed_in(const char *root, uint64_t *ret)
{
    static const char key[] = "Cpus_allowed_list:";
    char path[LINE], line[LINE];
    bool known = false;

    snprintf(path, sizeof(path), "%s/proc/self/status", root);
    FILE *file = fopen(path, "re");
    while (file && !known && fgets(line, sizeof(line), file))
        if (strncmp(line, key, sizeof(key) - 1) == 0)
            known = vs__cpus_parse(line + strcspn(line, "0123456789"), NULL, ret) == 0;
    if (file)
        fclose(file);
    return known;
}

static void read_allowed(const char *root, struct vs_topology *t)
{
    uint64_t cpus[VS_CPU_WORDS] = {0};
    bool known = root[0] ? read_allowed_in(root, cpus) : read_allowed_here(cpus);

    for (uint32_t i = 0; i < t->count; i++)
        t->cpus[i].usable = !known || vs__cpus_has(cpus, t->cpus[i].id);
}

/* The least quota from the process' control group up to the root of version 2's tree. */
static uint32_t read_limit(const char *root)
{
    char line[LINE], group[LINE];
    double least = 0;

    if (vs__read_line(root, group, sizeof(group), "proc/self/cgroup") < 0 ||
        strncmp(group, "0::/", 4) != 0)
        return 0;
    group[strcspn(group, "\n")] = 0;
    for (;;) {
        double quota, period;
        if (vs__read_line(root, line, sizeof(line), "sys/fs/cgroup%s/cpu.max", group + 3) == 0 &&
            sscanf(line, "%lf %lf", &quota, &period) == 2 && quota > 0 && period > 0 &&
            (least == 0 || quota / period < least))
            least = quota / period;
        char *slash = strrchr(group + 3, '/');
        if (!slash || !group[3])
            break;
        *slash = 0;
    }
    return least > 0 ? (uint32_t)VS__MAX(1.0, VS__MIN(least * 100, 1e6)) : 0;
}

void vs__topology_complete(const char *root, struct vs_topology *t)
{
    find_kinds(root, t);
    read_allowed(root, t);
    t->limit_percent = read_limit(root);
}

int vs__topology_read(const char *root, struct vs_topology *ret)
{
    uint64_t online[VS_CPU_WORDS];
    char line[LINE], file[64] = "";

    if (vs__read_line(root, line, sizeof(line), "sys/devices/system/cpu/online") < 0 ||
        vs__cpus_parse(line, NULL, online) < 0 || vs__cpus_count(online) == 0)
        return -ENOENT;
    ret->count = 0;
    ret->reader = "sysfs";
    for (uint32_t id = 0; id < VS_CPUS_MAX; id++) {
        if (!vs__cpus_has(online, id))
            continue;
        struct vs_cpu *cpu = &ret->cpus[ret->count++];
        *cpu = (struct vs_cpu){.id = id, .kind = VS_CORE_PERFORMANCE};
        cpu->core = read_first(root, id, "topology/thread_siblings_list");
        cpu->cache = find_last_cache(root, id, file, sizeof(file)) ? read_first(root, id, file) : 0;
    }
    read_nodes(root, ret);
    vs__topology_complete(root, ret);
    return 0;
}

void vs__topology_usable(const struct vs_topology *t, uint64_t *ret)
{
    for (uint32_t i = 0; i < t->count; i++)
        if (t->cpus[i].usable)
            vs__cpus_add(ret, t->cpus[i].id);
}
