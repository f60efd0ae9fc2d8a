/* SPDX-License-Identifier: MIT */
/* Processors read from trees of files that stand for machines, and what the policies make of them.
   The trees are written here: which files a kernel has for such a machine, and what is in them. */
#include <dlfcn.h>
#include <errno.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <voicestand/backend.h>

#include "foreign.h"
#include "place/cpus.h"
#include "place/place.h"
#include "place/topology.h"
#include "tree.h"

/* machines ------------------------------------------------------------------------------------ */

/* A list of processors below 32 as the masks that the kernel writes beside it. */
__attribute__((format(printf, 2, 3))) static void put_mask(const char *list, const char *format,
                                                           ...)
{
    uint64_t cpus[VS_CPU_WORDS];
    char mask[16], path[200];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(path, sizeof(path), format, arguments);
    va_end(arguments);
    assert_int_equal(vs__cpus_parse(list, NULL, cpus), 0);
    snprintf(mask, sizeof(mask), "%08x", (unsigned)cpus[0]);
    tree_put(mask, "%s", path);
}

/* A run of processors: their siblings are `threads` in a row, their last cache has `level`. */
static void put_cpus(int first, int last, int threads, const char *package, int level,
                     const char *sharing)
{
    for (int id = first; id <= last; id++) {
        int core = first + (id - first) / threads * threads;
        char list[32], number[8];
        snprintf(list, sizeof(list), threads > 1 ? "%d-%d" : "%d", core, core + threads - 1);
        tree_put(list, "sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", id);
        put_mask(list, "sys/devices/system/cpu/cpu%d/topology/thread_siblings", id);
        put_mask(package, "sys/devices/system/cpu/cpu%d/topology/core_siblings", id);
        snprintf(number, sizeof(number), "%d", core);
        tree_put(number, "sys/devices/system/cpu/cpu%d/topology/core_id", id);
        tree_put(package[0] == '0' ? "0" : "1",
                 "sys/devices/system/cpu/cpu%d/topology/physical_package_id", id);
        for (int index = 0; index < level; index++) {
            snprintf(number, sizeof(number), "%d", index + 1);
            tree_put(number, "sys/devices/system/cpu/cpu%d/cache/index%d/level", id, index);
            tree_put(index + 1 == level ? sharing : list,
                     "sys/devices/system/cpu/cpu%d/cache/index%d/shared_cpu_list", id, index);
            put_mask(index + 1 == level ? sharing : list,
                     "sys/devices/system/cpu/cpu%d/cache/index%d/shared_cpu_map", id, index);
            tree_put("Unified", "sys/devices/system/cpu/cpu%d/cache/index%d/type", id, index);
        }
    }
}

static void put_node(int node, const char *list)
{
    tree_put(list, "sys/devices/system/node/node%d/cpulist", node);
    put_mask(list, "sys/devices/system/node/node%d/cpumap", node);
}

static void put_online(const char *list)
{
    tree_put(list, "sys/devices/system/cpu/online");
    tree_put("0", "sys/devices/system/node/online");
    put_node(0, list);
}

/* Core Ultra of 2023: 6 performance cores with two threads, 8 efficient, 2 low-power ones apart. */
static void put_meteor_lake(void)
{
    put_online("0-21");
    put_cpus(0, 11, 2, "0-21", 3, "0-19");
    put_cpus(12, 19, 1, "0-21", 3, "0-19");
    put_cpus(20, 21, 1, "0-21", 2, "20-21");
    for (int id = 0; id < 22; id++)
        tree_put(id < 12   ? "1400000"
                 : id < 20 ? "900000"
                           : "700000",
                 "sys/devices/system/cpu/cpu%d/cpufreq/base_frequency", id);
    tree_put("0-11", "sys/devices/cpu_core/cpus");
    tree_put("12-21", "sys/devices/cpu_atom/cpus");
}

static void put_laptop(void)
{
    put_online("0-7");
    put_cpus(0, 7, 2, "0-7", 3, "0-7");
}

static void put_two_sockets(void)
{
    tree_put("0-31", "sys/devices/system/cpu/online");
    put_cpus(0, 15, 2, "0-15", 3, "0-15");
    put_cpus(16, 31, 2, "16-31", 3, "16-31");
    tree_put("0-1", "sys/devices/system/node/online");
    put_node(0, "0-15");
    put_node(1, "16-31");
}

static void put_big_little(void)
{
    put_online("0-7");
    put_cpus(0, 7, 1, "0-7", 2, "0-7");
    for (int id = 0; id < 8; id++)
        tree_put(id < 4 ? "406" : "1024", "sys/devices/system/cpu/cpu%d/cpu_capacity", id);
}

static void put_small_machine(void)
{
    put_online("0-1");
    put_cpus(0, 1, 1, "0-1", 3, "0-1");
}

static struct vs_topology *read_tree(void)
{
    static struct vs_topology t;
    t = (struct vs_topology){.size = sizeof(t)};
    assert_int_equal(vs__topology_read(tree_root, &t), 0);
    return &t;
}

static const char *list_kind(const struct vs_topology *t, int kind)
{
    static char list[256];
    uint64_t cpus[VS_CPU_WORDS] = {0};
    for (uint32_t i = 0; i < t->count; i++)
        if (t->cpus[i].kind == kind)
            vs__cpus_add(cpus, t->cpus[i].id);
    assert_int_equal(vs_cpu_list(cpus, list, sizeof(list)), 0);
    return list;
}

/* Plan by `policy` and compare the three sets. */
static struct vs_placement expect_plan(const struct vs_topology *t, const char *policy,
                                       const char *capture, const char *worker,
                                       const char *background)
{
    const char *want[VS_ROLE_COUNT] = {capture, worker, background};
    struct vs_placement p = {.size = sizeof(p)};
    assert_int_equal(vs_placement_plan(t, policy, &p), 0);
    for (int role = 0; role < VS_ROLE_COUNT; role++) {
        char list[256];
        assert_int_equal(vs_cpu_list(p.cpus[role], list, sizeof(list)), 0);
        assert_string_equal(list, want[role]);
    }
    return p;
}

/* tests --------------------------------------------------------------------------------------- */

static void lists_are_read_and_written(void **state)
{
    static const char *const good[] = {"0", "0-3", "0,2,4-6", "63-64,127", "1023"};
    static const char *const bad[] = {"x", "1-", "-1", "3-1", "1,,2", "1,", ",1", "1 2", "9999999"};
    uint64_t cpus[VS_CPU_WORDS];
    char text[64], tight[4];

    (void)state;
    for (size_t i = 0; i < VS__COUNT(good); i++) {
        assert_int_equal(vs__cpus_parse(good[i], NULL, cpus), 0);
        assert_int_equal(vs_cpu_list(cpus, text, sizeof(text)), 0);
        assert_string_equal(text, good[i]);
    }
    for (size_t i = 0; i < VS__COUNT(bad); i++)
        assert_int_equal(vs__cpus_parse(bad[i], NULL, cpus), -EINVAL);
    assert_int_equal(vs__cpus_parse("1020-1030\n", NULL, cpus), 0);
    assert_int_equal(vs__cpus_count(cpus), 4);
    assert_int_equal(vs__cpus_parse("10,12", NULL, cpus), 0);
    assert_int_equal(vs_cpu_list(cpus, tight, sizeof(tight)), -ENOSPC);
    assert_int_equal(vs_cpu_list(cpus, tight, 0), -ENOSPC);
}

static void hybrid_cores_are_told_apart(void **state)
{
    (void)state;
    put_meteor_lake();
    struct vs_topology *t = read_tree();
    assert_int_equal(t->count, 22);
    assert_string_equal(list_kind(t, VS_CORE_PERFORMANCE), "0-11");
    assert_string_equal(list_kind(t, VS_CORE_EFFICIENT), "12-19");
    assert_string_equal(list_kind(t, VS_CORE_LOW_POWER), "20-21");
    assert_int_equal(t->cpus[3].core, 2);
    assert_int_equal(t->cpus[15].core, 15);
    assert_int_equal(t->cpus[15].cache, 0);
    assert_int_equal(t->cpus[21].cache, 20);

    struct vs_placement p = expect_plan(t, NULL, "0,2,4,6,8,10", "0,2,4,6,8,10", "12-19");
    assert_int_equal(p.text_threads, 5);
    assert_int_equal(p.node, -1);
    expect_plan(t, "auto", "0,2,4,6,8,10", "0,2,4,6,8,10", "12-19");
    expect_plan(t, "latency", "2", "4", "12-19");
    expect_plan(t, "efficiency", "12-19", "12-19", "12-19");
    expect_plan(t, "none", "", "", "");
    expect_plan(t, "capture=3:background=20-21", "3", "", "20-21");
}

static void the_kernels_own_name_for_low_power_cores_counts(void **state)
{
    (void)state;
    put_meteor_lake();
    tree_put("18-21", "sys/devices/cpu_lowpower/cpus");
    struct vs_topology *t = read_tree();
    assert_string_equal(list_kind(t, VS_CORE_EFFICIENT), "12-17");
    assert_string_equal(list_kind(t, VS_CORE_LOW_POWER), "18-21");
}

static void a_plain_laptop_is_left_to_the_system(void **state)
{
    (void)state;
    put_laptop();
    struct vs_topology *t = read_tree();
    assert_string_equal(list_kind(t, VS_CORE_PERFORMANCE), "0-7");
    struct vs_placement p = expect_plan(t, NULL, "", "", "");
    assert_int_equal(p.text_threads, 3);
    expect_plan(t, "efficiency", "", "", "");
    expect_plan(t, "latency", "2", "4", "0-1,6-7");
}

static void a_server_keeps_to_one_node(void **state)
{
    (void)state;
    put_two_sockets();
    struct vs_topology *t = read_tree();
    assert_int_equal(t->cpus[20].node, 1);
    struct vs_placement p = expect_plan(t, NULL, "0,2,4,6,8,10,12,14", "0,2,4,6,8,10,12,14", "");
    assert_int_equal(p.node, 0);
    tree_put("Name: x\nCpus_allowed_list:\t14-31", "proc/self/status");
    t = read_tree();
    p = expect_plan(t, NULL, "16,18,20,22,24,26,28,30", "16,18,20,22,24,26,28,30", "");
    assert_int_equal(p.node, 1);
    p = expect_plan(t, "latency", "16", "18", "14-15,20-31");
    assert_int_equal(p.node, 1);
}

static void capacities_tell_big_from_little(void **state)
{
    (void)state;
    put_big_little();
    struct vs_topology *t = read_tree();
    assert_string_equal(list_kind(t, VS_CORE_EFFICIENT), "0-3");
    struct vs_placement p = expect_plan(t, NULL, "4-7", "4-7", "0-3");
    assert_int_equal(p.text_threads, 3);
    expect_plan(t, "efficiency", "0-3", "0-3", "0-3");
}

static void two_cores_are_enough(void **state)
{
    (void)state;
    put_small_machine();
    struct vs_topology *t = read_tree();
    struct vs_placement p = expect_plan(t, NULL, "", "", "");
    assert_int_equal(p.text_threads, 1);
    expect_plan(t, "latency", "0", "1", "");
}

static void limits_of_containers_are_kept(void **state)
{
    (void)state;
    put_meteor_lake();
    tree_put("Cpus_allowed_list:\t4-5,14", "proc/self/status");
    tree_put("0::/user.slice/box", "proc/self/cgroup");
    tree_put("max 100000", "sys/fs/cgroup/user.slice/box/cpu.max");
    tree_put("250000 100000", "sys/fs/cgroup/user.slice/cpu.max");
    struct vs_topology *t = read_tree();
    assert_int_equal(t->limit_percent, 250);
    struct vs_placement p = expect_plan(t, NULL, "4", "4", "14");
    assert_int_equal(p.text_threads, 1);
    /* one performance core: nothing to set the two apart on */
    expect_plan(t, "latency", "4", "4", "14");
    assert_int_equal(vs_placement_plan(t, "worker=6", &p), -ENODEV);
    /* only the second thread of a core may be used: it leads its core */
    tree_put("Cpus_allowed_list:\t5,7,14", "proc/self/status");
    expect_plan(read_tree(), NULL, "5,7", "5,7", "14");
    /* efficient cores alone */
    tree_put("Cpus_allowed_list:\t14-16", "proc/self/status");
    p = expect_plan(read_tree(), NULL, "", "", "");
    assert_int_equal(p.text_threads, 2);
}

static void policies_that_mean_nothing_are_refused(void **state)
{
    static const char *const bad[] = {"",
                                      "fast",
                                      "worker",
                                      "worker=",
                                      "worker=x",
                                      "worker=0:",
                                      "worker=0::",
                                      "worker=0;capture=1",
                                      "=0",
                                      "cpu=0",
                                      "worker=0:worker=1",
                                      "autos"};
    struct vs_placement p = {.size = sizeof(p)}, untouched = p;

    (void)state;
    put_laptop();
    struct vs_topology *t = read_tree();
    for (size_t i = 0; i < VS__COUNT(bad); i++) {
        assert_int_equal(vs_placement_plan(t, bad[i], &p), -EINVAL);
        assert_memory_equal(&p, &untouched, sizeof(p));
    }
    assert_int_equal(vs_placement_plan(t, "worker=8", &p), -ENODEV);
    assert_int_equal(vs_placement_plan(t, "worker=2000", &p), -ENODEV);
}

static void what_is_no_machine_is_said(void **state)
{
    static struct vs_topology t = {.size = sizeof(t)};

    (void)state;
    assert_int_equal(vs__topology_read(tree_root, &t), -ENOENT);
    tree_put("nonsense", "sys/devices/system/cpu/online");
    assert_int_equal(vs__topology_read(tree_root, &t), -ENOENT);
    tree_put("0-1", "sys/devices/system/cpu/online");
    /* the rest may be missing: all of one kind, each a core */
    assert_int_equal(vs__topology_read(tree_root, &t), 0);
    assert_int_equal(t.cpus[1].core, 1);
}

/* hwloc sees this machine as sysfs tells of it; what we made of both must be the same. */
static void both_readers_agree_here(void **state)
{
    static struct vs_topology a = {.size = sizeof(a)}, b = {.size = sizeof(b)};
    const char *modules = getenv("VOICESTAND_TEST_MODULES");
    struct vs_env env = {.module_dir = modules};

    (void)state;
    SKIP_WATCHED("hwloc");
    assert_int_equal(vs_topology_read(&env, &a), 0);
    assert_int_equal(vs__topology_read("", &b), 0);
    if (strcmp(a.reader, "hwloc") != 0) {
        fprintf(stderr, "# skipped: the hwloc module is not built here\n");
        skip();
    }
    assert_int_equal(a.count, b.count);
    for (uint32_t i = 0; i < a.count; i++)
        assert_memory_equal(&a.cpus[i], &b.cpus[i], sizeof(a.cpus[i]));
    assert_int_equal(a.limit_percent, b.limit_percent);
}

/* hwloc, told to look at a tree, and our reader see the same machine in it. */
static void both_readers_agree_on_trees(void **state)
{
    static void (*const machines[])(void) = {put_meteor_lake, put_laptop, put_two_sockets,
                                             put_big_little, put_small_machine};
    static struct vs_topology a = {.size = sizeof(a)};
    char path[512];

    (void)state;
    SKIP_WATCHED("hwloc");
    const char *modules = getenv("VOICESTAND_TEST_MODULES");
    snprintf(path, sizeof(path), "%s/hwloc.so", modules ? modules : ".");
    void *module = dlopen(path, RTLD_NOW);
    if (!module) {
        fprintf(stderr, "# skipped: the hwloc module is not built here\n");
        skip();
    }
    const struct vs_module *entry = dlsym(module, VS_MODULE_ENTRY);
    for (size_t m = 0; m < VS__COUNT(machines); m++) {
        assert_int_equal(tree_begin(NULL), 0);
        machines[m]();
        setenv("HWLOC_FSROOT", tree_root, 1);
        setenv("HWLOC_THISSYSTEM", "0", 1);
        setenv("HWLOC_COMPONENTS", "linux,stop", 1); /* not the processor that runs the test */
        assert_int_equal(entry->topology->read(&a), 0);
        struct vs_topology *b = read_tree();
        assert_int_equal(a.count, b->count);
        for (uint32_t i = 0; i < a.count; i++) {
            struct vs_cpu got = a.cpus[i], want = b->cpus[i];
            if (want.kind == VS_CORE_LOW_POWER && got.kind == VS_CORE_EFFICIENT)
                got.kind = want.kind; /* which hwloc only knows apart by the kernel's name */
            got.usable = want.usable;
            assert_memory_equal(&got, &want, sizeof(got));
        }
        assert_int_equal(tree_end(NULL), 0);
    }
    unsetenv("HWLOC_FSROOT");
    unsetenv("HWLOC_THISSYSTEM");
    unsetenv("HWLOC_COMPONENTS");
    dlclose(module);
}

static void a_thread_stays_where_it_is_put(void **state)
{
    static struct vs_topology t = {.size = sizeof(t)};
    uint64_t cpus[VS_CPU_WORDS] = {0};
    cpu_set_t before, after;

    (void)state;
    assert_int_equal(vs__topology_read("", &t), 0);
    assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
    assert_int_equal(vs__place_cpus(NULL, cpus), 0); /* none: nothing changes */
    uint32_t id = 0;
    while (id < t.count && !t.cpus[id].usable)
        id++;
    vs__cpus_add(cpus, t.cpus[id].id);
    assert_int_equal(vs__place_cpus(NULL, cpus), 0);
    assert_int_equal(sched_getaffinity(0, sizeof(after), &after), 0);
    assert_int_equal(CPU_COUNT(&after), 1);
    assert_true(CPU_ISSET(t.cpus[id].id, &after));
    assert_int_equal(sched_getcpu(), (int)t.cpus[id].id);
    assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
    /* a processor that no machine of today has */
    memset(cpus, 0, sizeof(cpus));
    vs__cpus_add(cpus, VS_CPUS_MAX - 1);
    assert_int_equal(vs__place_cpus(NULL, cpus), -EINVAL);
}

int main(void)
{
#define TREE_TEST(f) cmocka_unit_test_setup_teardown(f, tree_begin, tree_end)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_are_read_and_written),
        TREE_TEST(hybrid_cores_are_told_apart),
        TREE_TEST(the_kernels_own_name_for_low_power_cores_counts),
        TREE_TEST(a_plain_laptop_is_left_to_the_system),
        TREE_TEST(a_server_keeps_to_one_node),
        TREE_TEST(capacities_tell_big_from_little),
        TREE_TEST(two_cores_are_enough),
        TREE_TEST(limits_of_containers_are_kept),
        TREE_TEST(policies_that_mean_nothing_are_refused),
        TREE_TEST(what_is_no_machine_is_said),
        cmocka_unit_test(both_readers_agree_here),
        cmocka_unit_test(both_readers_agree_on_trees),
        cmocka_unit_test(a_thread_stays_where_it_is_put),
    };
    return cmocka_run_group_tests_name("place", tests, NULL, NULL);
}
