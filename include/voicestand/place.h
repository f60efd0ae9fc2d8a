/* SPDX-License-Identifier: MIT */
/* Processors and the threads of a pipeline: what the machine has, and which thread runs where. */
#ifndef VOICESTAND_PLACE_H
#define VOICESTAND_PLACE_H

#include <voicestand/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Most processors that are looked at; those beyond are left to the system. */
#define VS_CPUS_MAX 1024
/** Words of a set of processors: processor i is bit i % 64 of word i / 64. */
#define VS_CPU_WORDS (VS_CPUS_MAX / 64)

/** Kinds of cores, the fastest first. A machine with one kind has performance cores. */
enum vs_core_kind {
    VS_CORE_PERFORMANCE,
    VS_CORE_EFFICIENT,
    VS_CORE_LOW_POWER, /**< efficient, and apart from the others' cache */
    VS_CORE_KIND_COUNT
};

/** One logical processor. */
struct vs_cpu {
    uint32_t id;    /**< as the system numbers it */
    uint32_t core;  /**< lowest id of its physical core: equal for siblings */
    uint32_t cache; /**< lowest id that shares its last-level cache */
    uint32_t node;  /**< of memory (NUMA) */
    int kind;       /**< enum vs_core_kind */
    int usable;     /**< nonzero: this process may run there */
};

/** The processors that are online, by rising id. */
struct vs_topology {
    size_t size;
    uint32_t count;
    uint32_t limit_percent; /**< processor time that the control group allows: 150 = one and a
                               half processors; 0 = no limit */
    const char *reader;     /**< who read it: "hwloc" or "sysfs"; static string */
    struct vs_cpu cpus[VS_CPUS_MAX];
};

/** Read the processors: by hwloc where its module is installed, else from sysfs.
    Blocks: reads some files a processor. `env` may be NULL; its `system_root`, if set, is read from
    the files alone.
    @return 0; -ENOENT there is no such information; -ENOMEM. Set `ret->size` first. */
VS_API VS_NODISCARD int vs_topology_read(const struct vs_env *env, struct vs_topology *ret);

/** Try whether a thread would get real-time priority here, on one made for it, in the order in which
    a pipeline asks: the process' own right (RLIMIT_RTPRIO), the desktop's portal, RealtimeKit. The
    latter two need, and so leave behind, a limit on the time that a real-time thread of this
    process may run without a pause (RLIMIT_RTTIME). Blocks for a second at most.
    @param priority 1..99. @param ret_way "limit", "portal", "rtkit" or "none"; static string.
    @return the priority granted, 0 = none, or -errno when no thread could be made. */
VS_API VS_NODISCARD int vs_realtime_try(const struct vs_env *env, int priority,
                                        const char **ret_way);

/** Which threads are told apart. */
enum vs_role {
    VS_ROLE_CAPTURE,
    VS_ROLE_WORKER,
    VS_ROLE_BACKGROUND, /**< text and output */
    VS_ROLE_COUNT
};

/** Where threads shall run. */
struct vs_placement {
    size_t size;
    uint64_t cpus[VS_ROLE_COUNT][VS_CPU_WORDS]; /**< none = wherever the system likes */
    int node;              /**< that the worker's memory shall be on, -1 = any */
    uint32_t text_threads; /**< that a text engine should use, 1 or more: one for each physical
                              performance core that is left to it; an engine whose threads wait
                              for each other runs at the speed of its slowest core */
};

/** Choose processors by a policy. Pure: the same topology and policy give the same placement.
    - "auto" or NULL: where there are kinds of cores, capture and worker on performance cores (one
      thread a core), the rest on efficient ones; where there are nodes of memory, capture and
      worker on one; else nothing.
    - "none": nothing.
    - "latency": capture and worker each on a performance core of its own, sharing a cache; the
      rest elsewhere. It knows of no other pipeline: two with it, of whatever process, share
      these cores; give lists to all but one.
    - "efficiency": all on efficient cores, where there are some.
    - lists, "capture=0,2:worker=4-5:background=8-11": those; roles may be left out.
    @return 0; -EINVAL the policy is none of these; -ENODEV a list names a processor that is not
    there or may not be used. `ret` is untouched on failure. Any thread, never blocks. */
VS_API VS_NODISCARD int vs_placement_plan(const struct vs_topology *topology, const char *policy,
                                          struct vs_placement *ret);

/** Write a set of processors as the system does, "0-5,8", "" for none.
    @return 0, or -ENOSPC where it does not fit. Any thread, never blocks. */
VS_API VS_NODISCARD int vs_cpu_list(const uint64_t *cpus, char *ret, size_t bytes);

/** "performance", "efficient", "low-power"; "unknown" outside the enum. Static string. */
VS_API const char *vs_core_kind_name(int kind);

/** "capture", "worker", "background"; "unknown" outside the enum. Static string. */
VS_API const char *vs_role_name(int role);

#ifdef __cplusplus
}
#endif
#endif
