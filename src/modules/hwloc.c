/* SPDX-License-Identifier: MIT */
/* Processors by hwloc, which knows more kinds of machines than sysfs' files tell of. */
#include <errno.h>
#include <hwloc.h>
#include <string.h>

#include <voicestand/backend.h>

#include "base/base.h"

/* Lowest processor, as the system numbers it, below an object. */
static uint32_t find_first(hwloc_obj_t object, uint32_t otherwise)
{
    int first = object ? hwloc_bitmap_first(object->cpuset) : -1;
    return first < 0 ? otherwise : (uint32_t)first;
}

/* The cache of the highest level above a processor. */
static hwloc_obj_t find_last_cache(hwloc_obj_t pu)
{
    hwloc_obj_t last = NULL;

    for (hwloc_obj_t o = pu->parent; o; o = o->parent)
        if (hwloc_obj_type_is_dcache(o->type))
            last = o;
    return last;
}

static hwloc_obj_t find_core(hwloc_obj_t pu)
{
    hwloc_obj_t o = pu->parent;

    while (o && o->type != HWLOC_OBJ_CORE)
        o = o->parent;
    return o;
}

/* By the maker's name where there is one, else by rank: hwloc's rank rises with speed. */
static int find_kind(hwloc_topology_t topology, hwloc_obj_t pu, int kinds)
{
    static const char *const names[] = {"IntelCore", "IntelAtom", "IntelLowPower"};
    unsigned count = 0;
    struct hwloc_info_s *infos = NULL;
    int efficiency = -1;

    int kind = kinds > 1 ? hwloc_cpukinds_get_by_cpuset(topology, pu->cpuset, 0) : -1;
    if (kind < 0 ||
        hwloc_cpukinds_get_info(topology, (unsigned)kind, NULL, &efficiency, &count, &infos, 0) < 0)
        return VS_CORE_PERFORMANCE;
    for (unsigned i = 0; i < count; i++)
        for (int name = 0; name < (int)VS__COUNT(names); name++)
            if (!strcmp(infos[i].name, "CoreType") && !strcmp(infos[i].value, names[name]))
                return name;
    return efficiency >= 0 && efficiency < kinds - 1 ? VS_CORE_EFFICIENT : VS_CORE_PERFORMANCE;
}

static void read_cpu(hwloc_topology_t topology, hwloc_obj_t pu, int kinds, struct vs_cpu *ret)
{
    int node = hwloc_bitmap_first(pu->nodeset);

    ret->id = pu->os_index;
    ret->core = find_first(find_core(pu), pu->os_index);
    ret->cache = find_first(find_last_cache(pu), 0);
    ret->node = node < 0 ? 0 : (uint32_t)node;
    ret->kind = find_kind(topology, pu, kinds);
}

static int read_all(struct vs_topology *ret)
{
    hwloc_topology_t topology;
    hwloc_obj_t pu = NULL;

    if (hwloc_topology_init(&topology) < 0)
        return -ENOMEM;
    /* Those that this process may not use are told apart by the caller, not left out. */
    if (hwloc_topology_set_flags(topology, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED) < 0 ||
        hwloc_topology_load(topology) < 0) {
        hwloc_topology_destroy(topology);
        return -ENOENT;
    }
    int kinds = hwloc_cpukinds_get_nr(topology, 0);
    ret->count = 0;
    ret->reader = "hwloc";
    while ((pu = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_PU, pu))) {
        if (pu->os_index >= VS_CPUS_MAX || ret->count == VS_CPUS_MAX)
            continue;
        /* hwloc's order is that of the machine; ours is by number */
        uint32_t at = ret->count++;
        for (; at > 0 && ret->cpus[at - 1].id > pu->os_index; at--)
            ret->cpus[at] = ret->cpus[at - 1];
        ret->cpus[at] = (struct vs_cpu){0};
        read_cpu(topology, pu, kinds, &ret->cpus[at]);
    }
    hwloc_topology_destroy(topology);
    return ret->count ? 0 : -ENOENT;
}

static const struct vs_topology_ops ops = {
    .abi = VS_BACKEND_ABI,
    .name = "hwloc",
    .description = "processors as hwloc sees them",
    .read = read_all,
};

VS_API const struct vs_module vs_module_entry = {.abi = VS_BACKEND_ABI, .topology = &ops};
