/* SPDX-License-Identifier: MIT */
/* Runs of a pipeline of scripted parts, for the tests of the pipeline. Behind <cmocka.h>. */
#ifndef VS_TESTS_UNIT_RUNS_H
#define VS_TESTS_UNIT_RUNS_H

#include <errno.h>
#include <stdlib.h>

#include <voicestand/voicestand.h>

#include "fake.h"

static inline struct record *new_record(void)
{
    struct record *r = calloc(1, sizeof(*r));
    assert_non_null(r);
    return r;
}

static inline struct vs_pipeline_config config_for(struct record *r,
                                                   const struct vs_capture_ops *source)
{
    return (struct vs_pipeline_config){.size = sizeof(struct vs_pipeline_config),
                                       .capture = "fake",
                                       .capture_ops = source,
                                       .vad_ops = &fake_vad,
                                       .probabilities = 1,
                                       .realtime = -1,
                                       .on_event = record_event,
                                       .user = r};
}

static inline void set_script(const struct fake_step *steps, size_t count, uint32_t repeat,
                              uint32_t rate_hz, int live)
{
    fake_script = (struct fake_script){steps, count, repeat, rate_hz, live, 0, 0};
    fake_vad_fail_after = fake_vad_delay_us = 0;
    fake_stt_block = 0;
}

static inline int run_threads(const struct vs_pipeline_config *config, struct vs_stats *ret)
{
    vs_pipeline *p;

    assert_int_equal(vs_pipeline_create(config, &p), 0);
    assert_int_equal(vs_pipeline_start(p), 0);
    int rc = vs_pipeline_wait(p, 20000);
    assert_int_not_equal(rc, 1);
    vs_pipeline_stop(p);
    if (ret) {
        *ret = (struct vs_stats){.size = sizeof(*ret)};
        vs_pipeline_stats(p, ret);
    }
    vs_pipeline_destroy(p);
    return rc;
}

static inline int run_inline(const struct vs_pipeline_config *config)
{
    vs_pipeline *p;

    assert_int_equal(vs_pipeline_create(config, &p), 0);
    int rc = vs_pipeline_run(p);
    assert_int_equal(vs_pipeline_run(p), -EALREADY);
    vs_pipeline_destroy(p);
    return rc;
}

static inline void assert_balanced(const struct record *r)
{
    uint64_t dropped = 0;

    assert_int_equal(r->ledgers, 1);
    assert_int_equal(r->events[r->count - 1].type, VS_EVENT_LEDGER);
    for (int i = 0; i < VS_DROP_COUNT; i++)
        dropped += r->ledger.dropped[i];
    assert_int_equal(r->ledger.captured, r->ledger.delivered + dropped);
    assert_int_equal(r->ledger.residual, 0);
    for (size_t i = 0; i < r->count; i++)
        if (i > 0)
            assert_true(r->events[i].sequence > r->events[i - 1].sequence);
}

#endif
