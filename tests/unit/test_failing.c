/* SPDX-License-Identifier: MIT */
/* The pipeline when a part fails or memory ends: the run ends with that error, and every frame that was
   captured is accounted for. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <voicestand/voicestand.h>

#include "base/base.h"
#include "fake.h"
#include "runs.h"

static const struct fake_step even[] = {{0, 480, 0, 0}};

static void a_source_that_fails_ends_the_run_with_its_error(void **state)
{
    static const struct fake_step steps[] = {{0, 48000, 0, 0}, {0, 4321, 0, 0}, {0, 0, 0, -ENODEV}};

    (void)state;
    for (int threads = 0; threads < 2; threads++) {
        struct record *r = new_record();
        set_script(steps, 3, 1, 48000, 0);
        struct vs_pipeline_config config = config_for(r, &fake_pull);
        assert_int_equal(threads ? run_threads(&config, NULL) : run_inline(&config), -ENODEV);
        assert_balanced(r);
        assert_true(r->ledger.captured > 4321);
        assert_int_equal(r->ledger.captured, r->ledger.delivered);
        free(r);
    }
}

static void a_detector_that_fails_ends_the_run_with_its_error(void **state)
{
    static const struct vs_capture_ops *const sources[] = {&fake_pull, &fake_push};

    (void)state;
    for (size_t k = 0; k < 2; k++)
        for (int threads = 0; threads < 2; threads++) {
            if (k == 1 && !threads)
                continue; /* what pushes cannot run inline */
            struct record *r = new_record();
            set_script(even, 1, 1000, 48000, 0);
            fake_vad_fail_after = 100;
            struct vs_pipeline_config config = config_for(r, sources[k]);
            config.ring_ms = 12000;
            assert_int_equal(threads ? run_threads(&config, NULL) : run_inline(&config), -EIO);
            assert_balanced(r);
            free(r);
        }
}

/* What a detector was given when it failed is accounted for, however long the pieces are, also behind
   a gap; what had begun ends. */
static void a_detector_that_fails_in_a_long_piece_loses_nothing(void **state)
{
    static const struct fake_step steps[] = {{0, 1000, 0, 0}, {700, 4000, 0, 0}, {0, 4000, 0, 0}};

    (void)state;
    for (int threads = 0; threads < 2; threads++)
        for (uint32_t hops = 100; hops < 160; hops++) {
            struct record *r = new_record();
            set_script(steps, 3, 100, 48000, 0);
            fake_vad_fail_after = hops;
            struct vs_pipeline_config config = config_for(r, &fake_pull);
            assert_int_equal(threads ? run_threads(&config, NULL) : run_inline(&config), -EIO);
            assert_balanced(r);
            assert_true(r->ledger.delivered > 0);
            assert_int_equal(record_count(r, VS_EVENT_START), record_count(r, VS_EVENT_END));
            free(r);
        }
}

/* Memory ends before the source was started: it is not stopped either, and nobody is told anything.
   Behind threads that had to end again there is no second start. */
static void a_source_that_was_not_started_is_not_stopped(void **state)
{
    struct record *r = new_record();
    uint32_t refused = 0;

    (void)state;
    set_script(even, 1, 100, 48000, 1);
    fake_stopped_early = 0;
    struct vs_pipeline_config config = config_for(r, &fake_push);
    for (uint32_t n = 1; n < 60; n++) {
        vs_pipeline *p = NULL;
        assert_int_equal(vs_pipeline_create(&config, &p), 0);
        vs__alloc_fail_after(n);
        int rc = vs_pipeline_start(p);
        vs__alloc_fail_after(0);
        if (rc < 0) {
            assert_int_equal(rc, -ENOMEM);
            assert_int_equal(r->count, 0);
            assert_int_equal(vs_pipeline_start(p), 0); /* there is memory again */
            refused++;
        }
        vs_pipeline_destroy(p);
        assert_balanced(r);
        memset(r, 0, sizeof(*r));
    }
    assert_true(refused > 10);
    assert_int_equal(fake_stopped_early, 0);
    free(r);
}

static int refuse_start(void *state, const struct vs_capture_sink *sink)
{
    (void)state;
    sink->state(sink->user, "the device is opened");
    return -ENODEV;
}

static void a_failed_start_is_the_last(void **state)
{
    struct record *r = new_record();
    struct vs_capture_ops ops = fake_push;
    vs_pipeline *p = NULL;

    (void)state;
    ops.start = refuse_start;
    set_script(even, 1, 100, 48000, 1);
    fake_stopped_early = 0;
    struct vs_pipeline_config config = config_for(r, &ops);
    assert_int_equal(vs_pipeline_create(&config, &p), 0);
    assert_int_equal(vs_pipeline_start(p), -ENODEV);
    size_t told = r->count; /* nothing comes behind it */
    assert_int_equal(vs_pipeline_start(p), -EALREADY);
    vs_pipeline_abort(p);
    vs_pipeline_stop(p);
    vs_pipeline_destroy(p);
    assert_int_equal(r->count, told);
    assert_int_equal(r->ledgers, 0);
    assert_int_equal(fake_stopped_early, 0);
    free(r);
}

static int opened, closed;

static int open_device(void *state, const struct vs_vad_params *params, struct vs_vad_shape *ret)
{
    int rc = fake_vad.open(state, params, ret);

    ret->flags = VS_VAD_BLOCKS;
    opened++;
    return rc;
}

static void close_device(void *state)
{
    fake_vad.close(state);
    closed++;
}

static void a_device_is_closed_when_memory_is_short(void **state)
{
    struct record *r = new_record();
    struct vs_vad_ops ops = fake_vad;
    vs_pipeline *p = NULL;
    uint32_t n = 0;
    int rc;

    (void)state;
    ops.open = open_device;
    ops.close = close_device;
    opened = closed = 0;
    set_script(even, 1, 10, 48000, 0);
    struct vs_pipeline_config config = config_for(r, &fake_pull);
    config.vad_ops = &ops;
    do {
        vs__alloc_fail_after(++n);
        rc = vs_pipeline_create(&config, &p);
        vs__alloc_fail_after(0);
        vs_pipeline_destroy(p);
        assert_int_equal(opened, closed);
    } while (rc == -ENOMEM);
    assert_int_equal(rc, 0);
    assert_true(n > 5);
    free(r);
}

/* A run that found no memory has not been one. What it made is freed: the address sanitizer looks. */
static void a_run_without_memory_can_be_tried_again(void **state)
{
    (void)state;
    for (uint32_t n = 1; n < 40; n++) {
        struct record *r = new_record();
        vs_pipeline *p = NULL;
        set_script(even, 1, 10, 48000, 0);
        struct vs_pipeline_config config = config_for(r, &fake_pull);
        assert_int_equal(vs_pipeline_create(&config, &p), 0);
        vs__alloc_fail_after(n);
        int rc = vs_pipeline_run(p);
        vs__alloc_fail_after(0);
        assert_true(rc == 0 || rc == -ENOMEM);
        assert_int_equal(vs_pipeline_run(p), rc == 0 ? -EALREADY : 0);
        vs_pipeline_destroy(p);
        assert_balanced(r);
        free(r);
    }
}

/* A run may be over before the call that started its source is back. */
static void a_source_that_starts_slowly_is_stopped_after_that(void **state)
{
    (void)state;
    struct record *r = new_record();
    set_script(even, 1, 100000, 48000, 0);
    fake_vad_fail_after = 100;
    fake_script.start_ms = 100;
    struct vs_pipeline_config config = config_for(r, &fake_push);
    fake_stopped_early = 0;
    assert_int_equal(run_threads(&config, NULL), -EIO);
    assert_int_equal(fake_stopped_early, 0);
    assert_balanced(r);
    free(r);
}

static void every_failed_allocation_is_survived(void **state)
{
    struct record *r = new_record();
    uint32_t n = 1;

    (void)state;
    set_script(even, 1, 100, 48000, 0);
    struct vs_pipeline_config config = config_for(r, &fake_pull);
    config.stt_ops = &fake_stt;
    for (;; n++) {
        vs_pipeline *p = NULL;
        vs__alloc_fail_after(n);
        int rc = vs_pipeline_create(&config, &p);
        if (rc == 0)
            rc = vs_pipeline_start(p);
        if (rc == 0)
            rc = vs_pipeline_wait(p, 5000);
        vs__alloc_fail_after(0);
        vs_pipeline_destroy(p);
        assert_true(rc == 0 || rc == -ENOMEM);
        if (rc == 0 && r->ledgers && r->ledger.events_dropped == 0)
            break;
        memset(r, 0, sizeof(*r));
        assert_true(n < 300);
    }
    assert_true(n > 10);
    assert_balanced(r);
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_source_that_fails_ends_the_run_with_its_error),
        cmocka_unit_test(a_detector_that_fails_ends_the_run_with_its_error),
        cmocka_unit_test(a_detector_that_fails_in_a_long_piece_loses_nothing),
        cmocka_unit_test(a_source_that_was_not_started_is_not_stopped),
        cmocka_unit_test(a_failed_start_is_the_last),
        cmocka_unit_test(a_device_is_closed_when_memory_is_short),
        cmocka_unit_test(a_run_without_memory_can_be_tried_again),
        cmocka_unit_test(a_source_that_starts_slowly_is_stopped_after_that),
        cmocka_unit_test(every_failed_allocation_is_survived),
    };
    return cmocka_run_group_tests_name("failing", tests, NULL, NULL);
}
