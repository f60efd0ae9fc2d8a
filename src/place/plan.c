/* SPDX-License-Identifier: MIT */
/* From processors and a policy to sets of processors. */
#include <errno.h>
#include <string.h>

#include "base/base.h"
#include "place/cpus.h"

static const char *const kind_names[] = {"performance", "efficient", "low-power"};
static const char *const role_names[] = {"capture", "worker", "background"};
_Static_assert(VS__COUNT(kind_names) == VS_CORE_KIND_COUNT, "a name for each");
_Static_assert(VS__COUNT(role_names) == VS_ROLE_COUNT, "a name for each");

const char *vs_core_kind_name(int kind)
{
    return kind >= 0 && kind < VS_CORE_KIND_COUNT ? kind_names[kind] : "unknown";
}

const char *vs_role_name(int role)
{
    return role >= 0 && role < VS_ROLE_COUNT ? role_names[role] : "unknown";
}

/* May a thread of a real-time role be alone there: the first usable one of its physical core. */
static bool leads_core(const struct vs_topology *t, uint32_t index)
{
    for (uint32_t i = 0; i < index; i++)
        if (t->cpus[i].usable && t->cpus[i].core == t->cpus[index].core)
            return false;
    return t->cpus[index].usable;
}

static uint32_t count_kind(const struct vs_topology *t, int kind)
{
    uint32_t cores = 0;

    for (uint32_t i = 0; i < t->count; i++)
        cores += t->cpus[i].kind == kind && leads_core(t, i);
    return cores;
}

static bool has_nodes(const struct vs_topology *t)
{
    for (uint32_t i = 1; i < t->count; i++)
        if (t->cpus[i].node != t->cpus[0].node)
            return true;
    return false;
}

/* The fastest kind that may be used. */
static int find_fastest(const struct vs_topology *t)
{
    int kind = VS_CORE_PERFORMANCE;

    while (kind + 1 < VS_CORE_KIND_COUNT && count_kind(t, kind) == 0)
        kind++;
    return kind;
}

/* The efficient kind that may be used, or -1. */
static int find_efficient(const struct vs_topology *t)
{
    if (count_kind(t, VS_CORE_EFFICIENT) > 0)
        return VS_CORE_EFFICIENT;
    return count_kind(t, VS_CORE_LOW_POWER) > 0 ? VS_CORE_LOW_POWER : -1;
}

static void add_kind(const struct vs_topology *t, int kind, uint64_t *ret)
{
    for (uint32_t i = 0; i < t->count; i++)
        if (t->cpus[i].usable && t->cpus[i].kind == kind)
            vs__cpus_add(ret, t->cpus[i].id);
}

/* The node whose cores of `kind` are the most; the lower one of equals. */
static uint32_t find_node(const struct vs_topology *t, int kind)
{
    uint32_t best = t->cpus[0].node, most = 0;

    for (uint32_t i = 0; i < t->count; i++) {
        uint32_t cores = 0;
        for (uint32_t k = 0; k < t->count; k++)
            cores +=
                t->cpus[k].node == t->cpus[i].node && t->cpus[k].kind == kind && leads_core(t, k);
        if (cores > most) {
            most = cores;
            best = t->cpus[i].node;
        }
    }
    return best;
}

/* Capture and worker: the leading processors of the fastest cores of one node. */
static void plan_auto(const struct vs_topology *t, struct vs_placement *p)
{
    int fastest = find_fastest(t), efficient = find_efficient(t);
    bool kinds = efficient >= 0 && efficient != fastest, nodes = has_nodes(t);
    uint32_t node = find_node(t, fastest);

    if (nodes)
        p->node = (int)node;
    for (uint32_t i = 0; (kinds || nodes) && i < t->count; i++) {
        if (t->cpus[i].kind != fastest || (nodes && t->cpus[i].node != node) || !leads_core(t, i))
            continue;
        vs__cpus_add(p->cpus[VS_ROLE_CAPTURE], t->cpus[i].id);
        vs__cpus_add(p->cpus[VS_ROLE_WORKER], t->cpus[i].id);
    }
    if (kinds)
        add_kind(t, efficient, p->cpus[VS_ROLE_BACKGROUND]);
}

/* A pair of cores of the fastest kind that share a cache and a node, away from the first core of
   the machine, which serves most interrupts, where that is possible. @return whether there is one. */
static bool find_pair(const struct vs_topology *t, int kind, bool spare_first, uint32_t *ret_a,
                      uint32_t *ret_b)
{
    for (uint32_t a = 0; a < t->count; a++) {
        if (t->cpus[a].kind != kind || !leads_core(t, a) || (spare_first && t->cpus[a].core == 0))
            continue;
        for (uint32_t b = a + 1; b < t->count; b++) {
            if (t->cpus[b].kind == kind && leads_core(t, b) && t->cpus[b].node == t->cpus[a].node &&
                t->cpus[b].cache == t->cpus[a].cache) {
                *ret_a = a;
                *ret_b = b;
                return true;
            }
        }
    }
    return false;
}

static void plan_latency(const struct vs_topology *t, struct vs_placement *p)
{
    int fastest = find_fastest(t);
    uint32_t a, b;

    if (!find_pair(t, fastest, true, &a, &b) && !find_pair(t, fastest, false, &a, &b)) {
        plan_auto(t, p);
        return;
    }
    vs__cpus_add(p->cpus[VS_ROLE_CAPTURE], t->cpus[a].id);
    vs__cpus_add(p->cpus[VS_ROLE_WORKER], t->cpus[b].id);
    p->node = has_nodes(t) ? (int)t->cpus[b].node : -1;
    int efficient = find_efficient(t);
    if (efficient >= 0 && efficient != fastest) {
        add_kind(t, efficient, p->cpus[VS_ROLE_BACKGROUND]);
        return;
    }
    for (uint32_t i = 0; i < t->count; i++)
        if (t->cpus[i].usable && t->cpus[i].core != t->cpus[a].core &&
            t->cpus[i].core != t->cpus[b].core)
            vs__cpus_add(p->cpus[VS_ROLE_BACKGROUND], t->cpus[i].id);
}

static void plan_efficiency(const struct vs_topology *t, struct vs_placement *p)
{
    int efficient = find_efficient(t);

    for (int role = 0; efficient >= 0 && role < VS_ROLE_COUNT; role++)
        add_kind(t, efficient, p->cpus[role]);
}

static bool may_use(const struct vs_topology *t, uint32_t id)
{
    for (uint32_t i = 0; i < t->count; i++)
        if (t->cpus[i].id == id)
            return t->cpus[i].usable;
    return false;
}

static int find_role(const char *name, size_t length)
{
    for (int role = 0; role < VS_ROLE_COUNT; role++)
        if (strlen(role_names[role]) == length && memcmp(role_names[role], name, length) == 0)
            return role;
    return -EINVAL;
}

/* "role=list:role=list" */
static int plan_lists(const struct vs_topology *t, const char *policy, struct vs_placement *p)
{
    for (const char *at = policy; *at; at += *at == ':') {
        size_t name = strcspn(at, "=:");
        int role = find_role(at, name);
        if (role < 0 || at[name] != '=' || vs__cpus_count(p->cpus[role]) > 0)
            return -EINVAL;
        const char *list = at + name + 1;
        at = list + strcspn(list, ":");
        if (at == list || vs__cpus_parse(list, at, p->cpus[role]) < 0)
            return -EINVAL;
        if (vs__cpus_count(p->cpus[role]) == 0)
            return -ENODEV;
        for (uint32_t id = 0; id < VS_CPUS_MAX; id++)
            if (vs__cpus_has(p->cpus[role], id) && !may_use(t, id))
                return -ENODEV;
        if (*at == ':' && !at[1])
            return -EINVAL;
    }
    return 0;
}

/* Physical performance cores, without the one that the worker keeps busy where there are more, and
   within what the control group allows. */
static uint32_t count_text_threads(const struct vs_topology *t)
{
    uint32_t cores = count_kind(t, find_fastest(t));

    cores -= cores > 1;
    if (t->limit_percent)
        cores = VS__MIN(cores, VS__MAX(t->limit_percent / 100, 1u));
    return VS__MAX(cores, 1u);
}

int vs_placement_plan(const struct vs_topology *topology, const char *policy,
                      struct vs_placement *ret)
{
    static const struct {
        const char *name;
        void (*plan)(const struct vs_topology *t, struct vs_placement *p);
    } policies[] = {{"auto", plan_auto},
                    {"none", NULL},
                    {"latency", plan_latency},
                    {"efficiency", plan_efficiency}};
    struct vs_placement p = {.size = sizeof(p), .node = -1};
    size_t i = 0;
    int status = 0;

    while (policy && i < VS__COUNT(policies) && strcmp(policy, policies[i].name) != 0)
        i++;
    if (i == VS__COUNT(policies))
        status = *policy ? plan_lists(topology, policy, &p) : -EINVAL;
    else if (policies[i].plan)
        policies[i].plan(topology, &p);
    if (status < 0)
        return status;
    p.text_threads = count_text_threads(topology);
    vs__write_sized(ret, &p, sizeof(p));
    return 0;
}
