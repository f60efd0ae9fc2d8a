/* SPDX-License-Identifier: MIT */
/* Sensors in trees of files, when power is saved, and a pipeline that saves it. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <voicestand/voicestand.h>

#include "base/base.h"
#include "fake.h"
#include "pipeline/live.h"
#include "place/thrift.h"
#include "tree.h"

#define SECOND INT64_C(1000000000)

static struct vs_power look(vs_power_meter *m)
{
    struct vs_power p = {.size = sizeof(p)};
    vs_power_read(m, &p);
    return p;
}

static vs_power_meter *open_tree(void)
{
    struct vs_env env = {.system_root = tree_root};
    vs_power_meter *m;
    assert_int_equal(vs_power_create(&env, &m), 0);
    return m;
}

static void put_battery(const char *status, const char *online)
{
    tree_put("Battery", "sys/class/power_supply/BAT1/type");
    tree_put(status, "sys/class/power_supply/BAT1/status");
    tree_put("Mains", "sys/class/power_supply/ADP0/type");
    tree_put(online, "sys/class/power_supply/ADP0/online");
}

/* sensors ------------------------------------------------------------------------------------- */

static void a_machine_without_sensors_says_so(void **state)
{
    (void)state;
    vs_power_meter *m = open_tree();
    struct vs_power p = look(m);
    assert_int_equal(p.temperature_status, -ENOENT);
    assert_int_equal(p.throttle_status, -ENOENT);
    assert_int_equal(p.energy_status, -ENOENT);
    assert_int_equal(p.battery_status, -ENOENT);
    vs_power_destroy(m);
    vs_power_destroy(NULL);
}

static void zones_are_found_by_type_not_by_number(void **state)
{
    static const char *const types[] = {"acpitz", "INT3400 Thermal", "iwlwifi_1", "x86_pkg_temp"};

    (void)state;
    for (int i = 0; i < 4; i++) {
        char milli[16];
        tree_put(types[i], "sys/class/thermal/thermal_zone%d/type", i);
        snprintf(milli, sizeof(milli), "%d", 40000 + 1500 * i);
        tree_put(milli, "sys/class/thermal/thermal_zone%d/temp", i);
    }
    vs_power_meter *m = open_tree();
    struct vs_power p = look(m);
    assert_int_equal(p.temperature_status, 0);
    assert_string_equal(p.sensor, "x86_pkg_temp");
    assert_true(fabsf(p.temperature_c - 44.5f) < 0.01f);
    vs_power_destroy(m);
}

static void energy_goes_on_where_its_counter_wraps(void **state)
{
    (void)state;
    tree_put("package-0", "sys/class/powercap/intel-rapl:0/name");
    tree_put("1000000", "sys/class/powercap/intel-rapl:0/max_energy_range_uj");
    tree_put("900000", "sys/class/powercap/intel-rapl:0/energy_uj");
    tree_put("core", "sys/class/powercap/intel-rapl:0:0/name"); /* a part of the package */
    tree_put("5000000", "sys/class/powercap/intel-rapl:0:0/energy_uj");
    vs_power_meter *m = open_tree();
    assert_true(fabs(look(m).energy_j) < 1e-9);
    tree_put("950000", "sys/class/powercap/intel-rapl:0/energy_uj");
    assert_true(fabs(look(m).energy_j - 0.05) < 1e-9);
    tree_put("150000", "sys/class/powercap/intel-rapl:0/energy_uj");
    struct vs_power p = look(m);
    assert_int_equal(p.energy_status, 0);
    assert_true(fabs(p.energy_j - 0.25) < 1e-9);
    /* what cannot be read is said, and nothing is added */
    tree_put("x", "sys/class/powercap/intel-rapl:0/energy_uj");
    p = look(m);
    assert_int_equal(p.energy_status, -ENODATA);
    assert_true(fabs(p.energy_j - 0.25) < 1e-9);
    vs_power_destroy(m);
}

static void a_sensor_that_may_not_be_read_is_not_zero(void **state)
{
    char path[200];

    (void)state;
    tree_put("package-0", "sys/class/powercap/intel-rapl:0/name");
    tree_put("900000", "sys/class/powercap/intel-rapl:0/energy_uj");
    snprintf(path, sizeof(path), "%s/sys/class/powercap/intel-rapl:0/energy_uj", tree_root);
    assert_int_equal(chmod(path, 0), 0);
    assert_int_equal(chmod(tree_root, 0755), 0);
    if (geteuid() == 0)
        assert_int_equal(seteuid(65534), 0); /* root may read everything */
    vs_power_meter *m = open_tree();
    assert_int_equal(look(m).energy_status, -EACCES);
    vs_power_destroy(m);
    if (getuid() == 0)
        assert_int_equal(seteuid(0), 0);
}

static void throttles_of_all_processors_are_added(void **state)
{
    (void)state;
    for (int id = 0; id < 3; id++) {
        tree_put("2", "sys/devices/system/cpu/cpu%d/thermal_throttle/core_throttle_count", id);
        tree_put("1", "sys/devices/system/cpu/cpu%d/thermal_throttle/package_throttle_count", id);
    }
    vs_power_meter *m = open_tree();
    struct vs_power p = look(m);
    assert_int_equal(p.throttle_status, 0);
    assert_int_equal(p.throttles, 9);
    vs_power_destroy(m);
}

static void a_battery_counts_where_it_feeds_the_machine(void **state)
{
    (void)state;
    tree_put("Battery", "sys/class/power_supply/hidpp_battery_0/type");
    tree_put("Discharging", "sys/class/power_supply/hidpp_battery_0/status");
    tree_put("Device", "sys/class/power_supply/hidpp_battery_0/scope");
    vs_power_meter *m = open_tree();
    assert_int_equal(look(m).battery_status, -ENOENT); /* that of a mouse */
    put_battery("Charging", "1");
    struct vs_power p = look(m);
    assert_int_equal(p.battery_status, 0);
    assert_false(p.on_battery);
    put_battery("Discharging", "0");
    assert_true(look(m).on_battery);
    put_battery("Discharging", "1"); /* the mains are too weak, but there */
    assert_false(look(m).on_battery);
    vs_power_destroy(m);
}

/* when power is saved ------------------------------------------------------------------------- */

static void saving_begins_at_once_and_ends_late(void **state)
{
    struct vs__thrift t = {0};
    struct vs_power p = {.throttle_status = 0, .throttles = 7};
    int64_t now = 100 * SECOND;

    (void)state;
    assert_false(vs__thrift_step(&t, &p, now)); /* what was before does not count */
    p.on_battery = 1;
    assert_true(vs__thrift_step(&t, &p, now += SECOND));
    assert_int_equal(t.reason, VS__THRIFT_BATTERY);
    /* a shaky plug */
    for (int i = 0; i < 20; i++) {
        p.on_battery = i % 2;
        assert_false(vs__thrift_step(&t, &p, now += 2 * SECOND));
    }
    p.on_battery = 0;
    assert_false(vs__thrift_step(&t, &p, now + 4 * SECOND));
    assert_true(vs__thrift_step(&t, &p, now += 5 * SECOND));
    assert_int_equal(t.reason, VS__THRIFT_NONE);
    /* heat lasts longer, each throttling anew */
    p.throttles = 8;
    assert_true(vs__thrift_step(&t, &p, now += SECOND));
    assert_int_equal(t.reason, VS__THRIFT_HEAT);
    p.throttles = 9;
    assert_false(vs__thrift_step(&t, &p, now += 50 * SECOND));
    assert_false(vs__thrift_step(&t, &p, now + 59 * SECOND));
    assert_true(vs__thrift_step(&t, &p, now += 60 * SECOND));
    /* from one cause into the other */
    p.throttles = 10;
    assert_true(vs__thrift_step(&t, &p, now += SECOND));
    p.on_battery = 1;
    assert_false(vs__thrift_step(&t, &p, now += 30 * SECOND));
    assert_true(vs__thrift_step(&t, &p, now += 60 * SECOND));
    assert_int_equal(t.reason, VS__THRIFT_BATTERY);
}

/* a pipeline that saves it -------------------------------------------------------------------- */

/* A live source of silence, ten times as fast as life, until it is cancelled. */
static _Atomic bool cancelled;

static int open_paced(void *state, const struct vs_capture_params *params,
                      struct vs_capture_format *ret)
{
    (void)state;
    (void)params;
    ret->rate_hz = VS_RATE_HZ;
    ret->channels = 1;
    ret->live = 1;
    atomic_store(&cancelled, false);
    return 0;
}

static int64_t read_paced(void *state, void *pcm, size_t frames, struct vs_capture_stamp *ret)
{
    uint64_t *position = state;
    struct timespec pause = {.tv_nsec = 1000000};

    if (atomic_load(&cancelled))
        return 0;
    nanosleep(&pause, NULL);
    memset(pcm, 0, frames * sizeof(float));
    ret->position = *position;
    ret->time_ns = vs__mono_ns();
    *position += frames;
    return (int64_t)frames;
}

static void cancel_paced(void *state)
{
    (void)state;
    atomic_store(&cancelled, true);
}

static void close_paced(void *state)
{
    (void)state;
}

static const struct vs_capture_ops paced = {.abi = VS_BACKEND_ABI,
                                            .name = "paced",
                                            .state_size = sizeof(uint64_t),
                                            .open = open_paced,
                                            .read = read_paced,
                                            .cancel = cancel_paced,
                                            .close = close_paced};

static struct {
    pthread_mutex_t lock;
    char all[1000]; /* sentences since the last one that was waited for */
} told = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void hear(void *user, const struct vs_event *e)
{
    (void)user;
    if (e->type != VS_EVENT_STATE)
        return;
    pthread_mutex_lock(&told.lock);
    size_t used = strlen(told.all);
    snprintf(told.all + used, sizeof(told.all) - used, "%s\n", e->text);
    pthread_mutex_unlock(&told.lock);
}

/* Let the power thread look until a sentence has `word` in it, for 20 s at most. */
static bool hears(vs_pipeline *p, const char *word)
{
    struct timespec pause = {.tv_nsec = 50000000};
    bool heard = false;

    for (int i = 0; i < 400 && !heard; i++) {
        vs__signal_raise(&p->live->look);
        nanosleep(&pause, NULL);
        pthread_mutex_lock(&told.lock);
        heard = strstr(told.all, word) != NULL;
        if (heard)
            told.all[0] = 0;
        pthread_mutex_unlock(&told.lock);
    }
    return heard;
}

/* Fewest hops that the worker takes at a time, of some short whiles: a busy machine makes them
   more, never less. */
static double hops_per_wakeup(vs_pipeline *p)
{
    struct timespec pause = {.tv_nsec = 100000000};
    struct vs_stats a = {.size = sizeof(a)}, b = a;
    double least = 1e9;

    for (int i = 0; i < 10; i++) {
        vs_pipeline_stats(p, &a);
        nanosleep(&pause, NULL);
        vs_pipeline_stats(p, &b);
        if (b.wakeups > a.wakeups)
            least = fmin(least, (double)(b.hops - a.hops) / (double)(b.wakeups - a.wakeups));
    }
    return least;
}

static void a_pipeline_saves_power_on_battery(void **state)
{
    struct vs_pipeline_config config = {.size = sizeof(config),
                                        .capture = "paced",
                                        .capture_ops = &paced,
                                        .vad_ops = &fake_vad,
                                        .realtime = -1,
                                        .on_event = hear};
    struct vs_stats stats = {.size = sizeof(stats)};
    vs_pipeline *p;

    (void)state;
    put_battery("Charging", "1");
    tree_put("0-1", "sys/devices/system/cpu/online");
    config.env.system_root = tree_root;
    assert_int_equal(vs_pipeline_create(&config, &p), 0);
    assert_int_equal(vs_pipeline_start(p), 0);
    assert_true(hears(p, "audio flows"));
    assert_true(hops_per_wakeup(p) < 2);
    put_battery("Discharging", "0");
    assert_true(hears(p, "on its battery"));
    assert_true(hops_per_wakeup(p) > 2.5);
    put_battery("Charging", "1");
    assert_true(hears(p, "no longer"));
    assert_true(hops_per_wakeup(p) < 2);
    vs_pipeline_stop(p);
    vs_pipeline_stats(p, &stats);
    assert_int_equal(stats.ledger.residual, 0);
    /* what was gathered at the end is delivered too; the ring may have been full on a busy machine */
    assert_int_equal(stats.ledger.captured,
                     stats.ledger.delivered + stats.ledger.dropped[VS_DROP_RING_FULL]);
    vs_pipeline_destroy(p);
}

static void power_is_saved_or_not_as_asked(void **state)
{
    struct vs_pipeline_config config = {.size = sizeof(config),
                                        .capture = "paced",
                                        .capture_ops = &paced,
                                        .vad_ops = &fake_vad,
                                        .realtime = -1,
                                        .on_event = hear,
                                        .save_power = 1};
    vs_pipeline *p;

    (void)state;
    put_battery("Discharging", "0");
    tree_put("0-1", "sys/devices/system/cpu/online");
    config.env.system_root = tree_root;
    assert_int_equal(vs_pipeline_create(&config, &p), 0);
    assert_int_equal(vs_pipeline_start(p), 0);
    assert_true(hears(p, "as asked"));
    assert_true(hops_per_wakeup(p) > 2.5);
    assert_false(p->live->power.running);
    vs_pipeline_destroy(p);

    config.save_power = -1;
    assert_int_equal(vs_pipeline_create(&config, &p), 0);
    assert_int_equal(vs_pipeline_start(p), 0);
    assert_true(hears(p, "audio flows"));
    assert_true(hops_per_wakeup(p) < 2);
    assert_false(p->live->power.running);
    vs_pipeline_destroy(p);
}

int main(void)
{
#define TREE_TEST(f) cmocka_unit_test_setup_teardown(f, tree_begin, tree_end)
    const struct CMUnitTest tests[] = {
        TREE_TEST(a_machine_without_sensors_says_so),
        TREE_TEST(zones_are_found_by_type_not_by_number),
        TREE_TEST(energy_goes_on_where_its_counter_wraps),
        TREE_TEST(a_sensor_that_may_not_be_read_is_not_zero),
        TREE_TEST(throttles_of_all_processors_are_added),
        TREE_TEST(a_battery_counts_where_it_feeds_the_machine),
        cmocka_unit_test(saving_begins_at_once_and_ends_late),
        TREE_TEST(a_pipeline_saves_power_on_battery),
        TREE_TEST(power_is_saved_or_not_as_asked),
    };
    return cmocka_run_group_tests_name("power", tests, NULL, NULL);
}
