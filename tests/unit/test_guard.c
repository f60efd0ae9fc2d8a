/* SPDX-License-Identifier: MIT */
/* The guard around a device that follows a script: it is not there, refuses, fails, hangs, gives
   nonsense, flaps. Whatever it does, each hop is decided once, after the same delay, and as the
   fallback alone would have. */
#include <errno.h>
#include <math.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/base.h"
#include "vad/guard.h"

/* a detector with memory -------------------------------------------------------------------- */

/* What the device does from a call on, counted over all of its lives. */
enum act { WORK, FAIL, HANG, NONSENSE };
struct step {
    uint64_t from; /* call of infer() */
    enum act act;
};

static struct script {
    const struct step *steps;
    size_t count;
    int refusals;   /* of open(), first to come */
    int refusal;    /* its status */
    uint32_t block; /* frames */
    _Atomic uint64_t calls;
    _Atomic int opens, closes, hanging;
    struct vs__signal release; /* of those that hang */
} script;

/* Both detectors keep a mean of all that they hear, so that a lost or doubled block shows in all that
   follows. The device's answers are told apart by `mark`. */
struct mean {
    double mean;
    uint64_t blocks;
    float mark;
};

static float tell(struct mean *m, const float *block, uint32_t frames)
{
    for (uint32_t i = 0; i < frames; i++)
        m->mean += 0.0005 * ((double)block[i] - m->mean);
    m->blocks++;
    return (float)(0.4 + 0.4 * m->mean) + m->mark;
}

static int open_fallback(void *state, const struct vs_vad_params *params, struct vs_vad_shape *ret)
{
    ret->block_frames = VS_HOP_FRAMES;
    ret->device = "cpu";
    ret->kin = "mean";
    return 0;
}

static int infer_fallback(void *state, const float *block, float *ret)
{
    *ret = tell(state, block, VS_HOP_FRAMES);
    return 0;
}

static void reset_mean(void *state)
{
    struct mean *m = state;

    m->mean = 0.0;
    m->blocks = 0;
}

static void save_mean(const void *state, void *memory)
{
    const struct mean *m = state;

    memcpy(memory, &m->mean, sizeof(m->mean));
}

static int restore_mean(void *state, const void *memory)
{
    struct mean *m = state;

    memcpy(&m->mean, memory, sizeof(m->mean));
    return 0;
}

static void close_fallback(void *state)
{
}

static int open_device(void *state, const struct vs_vad_params *params, struct vs_vad_shape *ret)
{
    struct mean *m = state;

    atomic_fetch_add(&script.opens, 1);
    if (script.refusals > 0) {
        script.refusals--;
        vs__log(&params->env->log, VS_LOG_ERROR, "vad", "the device is not there");
        return script.refusal;
    }
    m->mark = 0.125f;
    ret->block_frames = script.block;
    ret->device = "fake";
    ret->kin = "mean";
    ret->flags = VS_VAD_BLOCKS;
    return 0;
}

static enum act act_of(uint64_t call)
{
    enum act act = WORK;

    for (size_t i = 0; i < script.count && script.steps[i].from <= call; i++)
        act = script.steps[i].act;
    return act;
}

static int infer_device(void *state, const float *block, float *ret)
{
    enum act act = act_of(atomic_fetch_add(&script.calls, 1));

    if (act == HANG) {
        uint32_t seen = vs__signal_seen(&script.release);

        atomic_fetch_add(&script.hanging, 1);
        (void)vs__signal_wait(&script.release, seen, -1);
        atomic_fetch_sub(&script.hanging, 1);
    }
    *ret = act == NONSENSE ? NAN : tell(state, block, script.block);
    return act == FAIL ? -EIO : 0;
}

static void close_device(void *state)
{
    atomic_fetch_add(&script.closes, 1);
}

#define DETECTOR(which)                                                                            \
    .abi = VS_BACKEND_ABI, .name = #which, .description = "a running mean",                        \
    .state_size = sizeof(struct mean), .open = open_##which, .infer = infer_##which,               \
    .reset = reset_mean, .close = close_##which

static const struct vs_vad_ops fallback = {DETECTOR(fallback), .memory_size = sizeof(double),
                                           .save = save_mean, .restore = restore_mean};
static const struct vs_vad_ops device = {DETECTOR(device), .memory_size = sizeof(double),
                                         .save = save_mean, .restore = restore_mean};
static const struct vs_vad_ops stranger = {DETECTOR(device)};

/* running ----------------------------------------------------------------------------------- */

struct run {
    void *state;
    struct vs_vad_shape shape;
    struct mean alone; /* the fallback by itself */
    float want[16];    /* its last answers, by hop */
    uint64_t hop;
    uint64_t device_hops, native_hops;
    uint64_t at[6]; /* hop of the last news of each kind, plus 1 */
    int news;       /* how many */
    bool live;
    bool exact; /* hops must be as the fallback alone has them */
};

static void count_log(void *user, int level, const char *topic, const char *message)
{
    int *logs = user;

    *logs += level <= VS_LOG_WARNING;
}

static int logs;

static int start_with(struct run *r, const struct vs_vad_ops *ops, bool live)
{
    const struct vs_env env = {.log = {count_log, &logs}};
    struct vs__guard_config config = {.env = &env,
                                      .device = ops,
                                      .argument = "X@model",
                                      .fallback = &fallback,
                                      .block_frames = script.block};
    int rc;

    *r = (struct run){.live = live, .exact = true, .shape = {.size = sizeof(r->shape)}};
    logs = 0;
    r->state = vs__alloc(vs__vad_guard.state_size);
    assert_non_null(r->state);
    rc = vs__guard_open(r->state, &config, &r->shape);
    if (rc == 0 && live)
        vs__guard_hurry(r->state);
    return rc;
}

static void start(struct run *r, const struct vs_vad_ops *ops, bool live, uint32_t block,
                  const struct step *steps, size_t count)
{
    memset(&script, 0, sizeof(script));
    script.block = block;
    script.steps = steps;
    script.count = count;
    assert_int_equal(start_with(r, ops, live), 0);
}

static struct vs_device_stats stats_of(const struct run *r)
{
    struct vs_device_stats stats = {0};

    vs__vad_guard.stats(r->state, &stats);
    return stats;
}

/* Live: the device has its hop of 10 ms, unless it hangs, without a clock that a loaded machine would
   upset. */
static void let_device_work(const struct run *r)
{
    int64_t until = vs__mono_ns() + 5000000000;

    while (r->live && vs__guard_pending(r->state) > 0 && atomic_load(&script.hanging) == 0 &&
           vs__mono_ns() < until)
        continue;
    assert_true(vs__mono_ns() < until);
}

static void take_news(struct run *r)
{
    int status = 0;
    const char *text = vs__vad_guard.news(r->state, &status);
    static const char *const words[] = {"", "opened", "fails", "answer", "probability", "decides"};

    for (size_t i = 1; text && i < VS__COUNT(words); i++)
        if (strstr(text, words[i]) && (i == 5) == (status == 0)) {
            assert_non_null(strstr(text, "device:X "));
            r->at[i] = r->hop;
            r->news++;
            return;
        }
    assert_null(text);
}

/* One hop in, one decision out: that of the hop `latency` before, by one of the two. */
static void hear(struct run *r)
{
    uint32_t delay = r->shape.latency_frames / VS_HOP_FRAMES;
    float block[VS_HOP_FRAMES], p = -1.0f, want;

    for (uint32_t i = 0; i < VS_HOP_FRAMES; i++)
        block[i] = (float)((r->hop * 7919 + i * 31) % 1000) / 1000.0f;
    r->want[r->hop % 16] = tell(&r->alone, block, VS_HOP_FRAMES);
    assert_int_equal(vs__vad_guard.infer(r->state, block, &p), 0);
    r->hop++;
    take_news(r);
    let_device_work(r);
    if (r->hop <= delay) {
        assert_float_equal(p, 0.0f, 0.0f);
        return;
    }
    want = r->want[(r->hop - 1 - delay) % 16];
    if (r->exact && fabsf(p - want) > 1e-6f)
        assert_float_equal(p, want + 0.125f, 1e-6f);
    if (fabsf(p - want) > 0.0625f)
        r->device_hops++;
    else
        r->native_hops++;
}

static void hear_many(struct run *r, uint64_t hops)
{
    for (uint64_t i = 0; i < hops; i++)
        hear(r);
}

/* Until it decides again, for at most `hops`. A file runs faster than any device opens. */
static void hear_until_in(struct run *r, uint64_t hops)
{
    int64_t until = vs__mono_ns() + 5000000000;

    for (uint64_t i = 0; i < hops && !stats_of(r).in_use && vs__mono_ns() < until; i++)
        hear(r);
    assert_true(stats_of(r).in_use);
}

/* What was told by the counts is what came out. */
static void check_counts(const struct run *r)
{
    struct vs_device_stats stats = stats_of(r);

    assert_int_equal(stats.by_device, r->device_hops);
    assert_int_equal(stats.by_native, r->native_hops);
    assert_int_equal(stats.by_device + stats.by_native + r->shape.latency_frames / VS_HOP_FRAMES,
                     r->hop);
}

/* On a busy machine a device may be taken for one that hangs, and is closed a little later. */
static void stop(struct run *r)
{
    int64_t until = vs__mono_ns() + 5000000000;

    vs__signal_raise(&script.release);
    vs__vad_guard.close(r->state);
    vs__free(r->state);
    while (atomic_load(&script.opens) != atomic_load(&script.closes) && vs__mono_ns() < until)
        sched_yield();
    assert_int_equal(atomic_load(&script.opens), atomic_load(&script.closes));
}

#define START(r, ops, live, block, ...)                                                            \
    const struct step steps[] = {__VA_ARGS__};                                                     \
    start(r, ops, live, block, steps, VS__COUNT(steps))

/* tests ------------------------------------------------------------------------------------- */

static void test_good_device(void **state)
{
    for (int live = 0; live < 2; live++) {
        struct run r;

        START(&r, &device, live, VS_HOP_FRAMES, {0, WORK});
        assert_int_equal(r.shape.latency_frames, VS_HOP_FRAMES);
        assert_string_equal(r.shape.device, "fake");
        hear_many(&r, 1000);
        check_counts(&r);
        assert_int_equal(r.native_hops, 0);
        assert_int_equal(r.news, 0);
        stop(&r);
    }
}

static void test_not_there_at_start(void **state)
{
    struct run r;
    struct vs_device_stats stats;

    memset(&script, 0, sizeof(script));
    script.block = VS_HOP_FRAMES;
    script.refusals = 2;
    script.refusal = -ENODEV;
    assert_int_equal(start_with(&r, &device, true), 0);
    hear_many(&r, 10);
    stats = stats_of(&r);
    assert_false(stats.in_use);
    assert_int_equal(stats.not_open, 1);
    assert_int_equal(stats.out_ms, 1000);
    assert_true(logs > 0);
    assert_int_equal(r.at[VS__GUARD_NOT_OPEN], 1);
    hear_until_in(&r, 100000000);
    hear_many(&r, 300);
    check_counts(&r);
    stats = stats_of(&r);
    assert_int_equal(stats.not_open, 2);
    assert_true(r.at[VS__GUARD_BACK] >= 100 + 200);
    assert_true(r.device_hops >= 290);
    stop(&r);
}

static void test_wrong_request(void **state)
{
    static const int statuses[] = {-EINVAL, -ENOENT, -EBADMSG};

    for (size_t i = 0; i < VS__COUNT(statuses); i++) {
        struct run r;

        memset(&script, 0, sizeof(script));
        script.block = VS_HOP_FRAMES;
        script.refusals = 1;
        script.refusal = statuses[i];
        assert_int_equal(start_with(&r, &device, true), statuses[i]);
        stop(&r);
    }
}

/* A device that fails in call 50: hop 50 is decided by the fallback, one hop later, as any other. */
static void check_fault(enum act act, int news, bool live)
{
    struct run r;
    struct vs_device_stats stats;

    START(&r, &device, live, VS_HOP_FRAMES, {50, act}, {51, WORK});
    hear_many(&r, 50);
    assert_int_equal(r.native_hops, 0);
    hear_many(&r, 30);
    vs__signal_raise(&script.release);
    stats = stats_of(&r);
    assert_false(stats.in_use);
    assert_int_equal(stats.failed, act == FAIL);
    assert_int_equal(stats.hung, act == HANG);
    assert_int_equal(stats.nonsense, act == NONSENSE);
    assert_int_equal(r.device_hops, 50);
    assert_true(r.at[news] > 50 && r.at[news] <= (act == HANG && live ? 63 : 53));
    hear_until_in(&r, 100000000);
    hear_many(&r, 100);
    check_counts(&r);
    assert_int_equal(stats_of(&r).returns, 1);
    assert_true(r.at[VS__GUARD_BACK] >= r.at[news] + 100);
    assert_true(r.device_hops > 140);
    stop(&r);
}

static void test_failure(void **state)
{
    check_fault(FAIL, VS__GUARD_FAILED, true);
    check_fault(FAIL, VS__GUARD_FAILED, false);
}

static void test_nonsense(void **state)
{
    check_fault(NONSENSE, VS__GUARD_NONSENSE, true);
    check_fault(NONSENSE, VS__GUARD_NONSENSE, false);
}

static void test_hang(void **state)
{
    check_fault(HANG, VS__GUARD_HUNG, true);
    check_fault(HANG, VS__GUARD_HUNG, false);
}

/* While it hangs the guard never waits, live; it is asked again only when it has come back. */
static void test_long_hang(void **state)
{
    struct run r;
    struct vs_device_stats stats;

    START(&r, &device, true, VS_HOP_FRAMES, {20, HANG}, {21, WORK});
    hear_many(&r, 1000);
    stats = stats_of(&r);
    assert_int_equal(atomic_load(&script.opens), 1);
    assert_true(stats.hung >= 3); /* after 100, 200, 400 hops it still hangs */
    assert_int_equal(r.device_hops, 20);
    assert_int_equal(stats.late, 9);
    vs__signal_raise(&script.release);
    hear_until_in(&r, 100000000);
    hear_many(&r, 50);
    check_counts(&r);
    stop(&r);
}

static void test_hang_for_ever(void **state)
{
    struct run r;

    START(&r, &device, true, VS_HOP_FRAMES, {20, HANG});
    hear_many(&r, 50);
    check_counts(&r);
    vs__vad_guard.close(r.state); /* returns, and leaves behind what hangs */
    vs__free(r.state);
    assert_int_equal(atomic_load(&script.hanging), 1);
    assert_int_equal(atomic_load(&script.closes), 0);
    vs__signal_raise(&script.release);
    for (int64_t until = vs__mono_ns() + 5000000000; vs__mono_ns() < until;)
        if (atomic_load(&script.closes) == 1)
            break;
    assert_int_equal(atomic_load(&script.closes), 1);
}

/* It fails again and again: it is out for 1 s, 2 s, 4 s, … and at most 64. Every decision is that of
   the fallback alone. */
static void test_flaps(void **state)
{
    struct run r;
    struct step steps[64];
    uint64_t before = 0;

    for (size_t i = 0; i < VS__COUNT(steps); i++)
        steps[i] = (struct step){(i + 1) / 2 * 100 + i % 2 * 50, i % 2 ? FAIL : WORK};
    for (size_t i = 1; i + 1 < VS__COUNT(steps); i += 2) { /* 50 good calls, then one that fails */
        steps[i] = (struct step){50 * (i / 2 + 1) + i / 2, FAIL};
        steps[i + 1] = (struct step){50 * (i / 2 + 1) + i / 2 + 1, WORK};
    }
    start(&r, &device, true, VS_HOP_FRAMES, steps, VS__COUNT(steps) - 1);
    for (int i = 0; i < 9; i++) {
        uint32_t out_ms = i < 6 ? 1000u << i : 64000;

        while (stats_of(&r).failed == (uint64_t)i)
            hear(&r);
        before = r.hop;
        assert_int_equal(stats_of(&r).out_ms, out_ms);
        hear_until_in(&r, 100000000);
        assert_true(r.hop - before >= out_ms / 10);
    }
    check_counts(&r);
    assert_int_equal(stats_of(&r).returns, 9);
    assert_true(r.device_hops >= 9 * 49);
    stop(&r);
}

/* After a minute without failure the next one is a first one again. */
static void test_forgives(void **state)
{
    struct run r;

    START(&r, &device, false, VS_HOP_FRAMES, {10, FAIL}, {11, WORK}, {30, FAIL}, {31, WORK},
          {6500, FAIL}, {6501, WORK});
    while (stats_of(&r).failed < 2)
        hear(&r);
    assert_int_equal(stats_of(&r).out_ms, 2000);
    while (stats_of(&r).failed < 3)
        hear(&r);
    assert_int_equal(stats_of(&r).out_ms, 1000);
    check_counts(&r);
    stop(&r);
}

/* Blocks that are not hops: the delay is fixed, and what the device says of a block holds for the
   hops that end in it. */
static void test_long_blocks(void **state)
{
    struct run r;
    const uint64_t hops = 1600;

    START(&r, &device, false, 512, {100, FAIL}, {101, WORK});
    assert_int_equal(r.shape.latency_frames, 4 * VS_HOP_FRAMES);
    r.exact = false;
    hear_many(&r, hops);
    hear_until_in(&r, 100000000);
    hear_many(&r, 100);
    struct vs_device_stats stats = stats_of(&r);
    assert_int_equal(stats.failed, 1);
    assert_int_equal(stats.by_device + stats.by_native + 4, r.hop);
    assert_true(stats.by_device >= 100 * 512 / 160 - 4 + 90);
    stop(&r);
}

/* A device that cannot take over the memory hears a second before it counts. */
static void test_stranger(void **state)
{
    struct run r;
    uint64_t in;

    START(&r, &stranger, true, VS_HOP_FRAMES, {50, FAIL}, {51, WORK});
    r.exact = false;
    hear_until_in(&r, 1);
    while (stats_of(&r).failed == 0)
        hear(&r);
    hear_until_in(&r, 100000000);
    in = stats_of(&r).by_device;
    hear_many(&r, 100);
    assert_int_equal(stats_of(&r).by_device, in);
    assert_int_equal(stats_of(&r).late, 0);
    hear_many(&r, 100);
    assert_true(stats_of(&r).by_device >= in + 98);
    stop(&r);
}

/* A reset is that of both, also in the middle of answers on their way. */
static void test_reset(void **state)
{
    for (int live = 0; live < 2; live++) {
        struct run r;

        START(&r, &device, live, VS_HOP_FRAMES, {0, WORK});
        for (int i = 0; i < 50; i++) {
            hear_many(&r, 7 + (uint64_t)i);
            vs__vad_guard.reset(r.state);
            r.alone = (struct mean){0};
            r.hop = 0;
        }
        hear_many(&r, 100);
        assert_true(r.device_hops > 1000);
        stop(&r);
    }
}

static void test_no_memory(void **state)
{
    for (uint32_t n = 2; n < 12; n++) {
        struct run r;
        int rc;

        memset(&script, 0, sizeof(script));
        script.block = VS_HOP_FRAMES;
        vs__alloc_fail_after(n); /* the first is the state itself */
        rc = start_with(&r, &device, true);
        vs__alloc_fail_after(0);
        assert_true(rc == 0 || rc == -ENOMEM);
        stop(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_device),   cmocka_unit_test(test_not_there_at_start),
        cmocka_unit_test(test_wrong_request), cmocka_unit_test(test_failure),
        cmocka_unit_test(test_nonsense),      cmocka_unit_test(test_hang),
        cmocka_unit_test(test_long_hang),     cmocka_unit_test(test_hang_for_ever),
        cmocka_unit_test(test_flaps),         cmocka_unit_test(test_forgives),
        cmocka_unit_test(test_long_blocks),   cmocka_unit_test(test_stranger),
        cmocka_unit_test(test_reset),         cmocka_unit_test(test_no_memory),
    };

    return cmocka_run_group_tests_name("guard", tests, NULL, NULL);
}
