/* SPDX-License-Identifier: MIT */
/* The pipeline with scripted parts: threads and inline give the same; every frame is accounted for
   whatever source, detector, engine and user do. */
#include <errno.h>
#include <linux/capability.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <voicestand/voicestand.h>

#include "base/base.h"
#include "fake.h"
#include "runs.h"

static const struct fake_step even[] = {{0, 480, 0, 0}};
static const struct fake_step uneven[] = {{0, 1, 0, 0}, {0, 977, 0, 0}, {0, 4000, 0, 0}};

static void threads_and_inline_give_the_same(void **state)
{
    struct record *a = new_record(), *b = new_record(), *c = new_record();

    (void)state;
    set_script(even, 1, 1000, 48000, 0); /* 10 s */
    struct vs_pipeline_config config = config_for(a, &fake_pull);
    config.audio = VS_AUDIO_SEGMENTS;
    assert_int_equal(run_inline(&config), 0);
    config.user = b;
    assert_int_equal(run_threads(&config, NULL), 0);
    set_script(uneven, 3, 480000 / 4978, 48000, 0);
    config.user = c;
    assert_int_equal(run_threads(&config, NULL), 0);
    assert_balanced(a);
    assert_balanced(b);
    assert_balanced(c);
    assert_int_equal(record_count(a, VS_EVENT_SEGMENT), 5);
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        assert_int_equal(a->events[i].type, b->events[i].type);
        assert_int_equal(a->events[i].start, b->events[i].start);
        assert_int_equal(a->events[i].end, b->events[i].end);
    }
    assert_int_equal(a->audio_frames, b->audio_frames);
    assert_true(a->audio_sum == b->audio_sum);
    assert_true(a->probability_sum == b->probability_sum);
    assert_int_equal(a->events[record_find(a, VS_EVENT_SEGMENT, 3)].start,
                     c->events[record_find(c, VS_EVENT_SEGMENT, 3)].start);
    free(a);
    free(b);
    free(c);
}

static void gaps_of_the_source_are_told_with_their_cause(void **state)
{
    static const struct fake_step steps[] = {{0, 4800, 0, 0},
                                             {100, 4800, 0, 0},
                                             {48000, 4800, VS_CAPTURE_ESTIMATED, 0},
                                             {0, 4800, 0, 0}};
    static const struct vs_capture_ops *const sources[] = {&fake_pull, &fake_push};

    (void)state;
    for (size_t k = 0; k < 2; k++) {
        struct record *r = new_record();
        set_script(steps, 4, 10, 48000, 1);
        struct vs_pipeline_config config = config_for(r, sources[k]);
        config.ring_ms = 10000; /* nothing drops for want of room */
        assert_int_equal(run_threads(&config, NULL), 0);
        assert_balanced(r);
        assert_int_equal(r->ledger.captured, 10 * (4 * 4800 + 48100));
        assert_int_equal(r->ledger.dropped[VS_DROP_GAP_EXACT], 1000);
        assert_int_equal(r->ledger.dropped[VS_DROP_GAP_ESTIMATED], 480000);
        assert_int_equal(record_count(r, VS_EVENT_GAP), 20);
        int i = record_find(r, VS_EVENT_GAP, 1);
        assert_int_equal(r->events[i].cause, VS_DROP_GAP_ESTIMATED);
        assert_int_equal(r->events[i].start, 9700);
        assert_int_equal(r->events[i].end, 57700);
        free(r);
    }
}

static void a_slow_worker_drops_and_counts(void **state)
{
    static const struct vs_capture_ops *const sources[] = {&fake_pull, &fake_push};

    (void)state;
    for (size_t k = 0; k < 2; k++) {
        struct record *r = new_record();
        uint64_t told = 0;
        set_script(even, 1, 2000, 48000, 1);
        fake_vad_delay_us = 200;
        struct vs_pipeline_config config = config_for(r, sources[k]);
        config.ring_ms = 50;
        assert_int_equal(run_threads(&config, NULL), 0);
        assert_balanced(r);
        assert_int_equal(r->ledger.captured, 960000);
        assert_true(r->ledger.dropped[VS_DROP_RING_FULL] > 0);
        for (size_t i = 0; i < r->count; i++)
            if (r->events[i].type == VS_EVENT_GAP)
                told += r->events[i].end - r->events[i].start;
        if (r->ledger.events_dropped == 0)
            assert_int_equal(told, r->ledger.dropped[VS_DROP_RING_FULL]);
        free(r);
    }
}

static void a_source_that_waits_loses_nothing(void **state)
{
    struct record *r = new_record();

    (void)state;
    set_script(even, 1, 500, 48000, 0);
    fake_vad_delay_us = 100;
    struct vs_pipeline_config config = config_for(r, &fake_pull);
    config.ring_ms = 20;
    config.audio = VS_AUDIO_ALL;
    config.stt_ops = &fake_stt;
    assert_int_equal(run_threads(&config, NULL), 0);
    assert_balanced(r);
    assert_int_equal(r->ledger.delivered, 240000);
    assert_int_equal(r->ledger.events_dropped, 0);
    assert_int_equal(r->ledger.text_dropped, 0);
    assert_int_equal(r->audio_frames, 80000);
    assert_int_equal(r->hops, 500);
    free(r);
}

static void text_is_of_the_segment_and_after_it(void **state)
{
    struct record *a = new_record(), *b = new_record();

    (void)state;
    set_script(even, 1, 1000, 48000, 0);
    struct vs_pipeline_config config = config_for(a, &fake_pull);
    config.stt_ops = &fake_stt;
    assert_int_equal(run_inline(&config), 0);
    config.user = b;
    assert_int_equal(run_threads(&config, NULL), 0);
    for (size_t k = 0; k < 2; k++) {
        struct record *r = k ? b : a;
        uint64_t total = 0;
        assert_balanced(r);
        assert_int_equal(record_count(r, VS_EVENT_SEGMENT), 5);
        for (size_t n = 0; n < 5; n++) {
            char want[64];
            int segment = record_find(r, VS_EVENT_SEGMENT, n),
                end = record_find(r, VS_EVENT_END, n);
            uint64_t frames = (r->events[segment].end - r->events[segment].start) / 3;
            total += frames;
            snprintf(want, sizeof(want), "%llu frames", (unsigned long long)frames);
            assert_string_equal(r->events[segment].text, want);
            assert_true(end < segment);
            assert_int_equal(r->events[segment].segment, n + 1);
            /* words are where the segment is, and are the user's own copies */
            int final = segment - 1; /* events of the detector may be told between the two */
            while (final > end && r->events[final].type != VS_EVENT_TEXT)
                final--;
            assert_int_equal(r->events[final].type, VS_EVENT_TEXT);
            assert_int_equal(r->events[final].segment, n + 1);
            assert_true(r->events[final].flags & VS_EVENT_FINAL);
            assert_int_equal(r->events[final].words, 2);
            assert_string_equal(r->events[final].word, want);
            double start_s = (double)r->events[segment].start / 48000;
            double end_s = start_s + (double)frames / 16000;
            assert_true(fabs(r->events[final].first_s - start_s) < 1e-9);
            assert_true(fabs(r->events[final].last_s - end_s) < 1e-9);
        }
        assert_int_equal(r->ledger.text_frames, total);
    }
    free(a);
    free(b);
}

static void an_engine_serves_one_pipeline_after_another(void **state)
{
    struct record *a = new_record(), *b = new_record();
    struct vs_stt_config engine = {.size = sizeof(engine), .ops = &fake_stt};
    vs_pipeline *p = NULL, *q = NULL;
    vs_stt *s = NULL;

    (void)state;
    set_script(even, 1, 1000, 48000, 0);
    assert_int_equal(vs_stt_create(&(struct vs_stt_config){.size = sizeof(engine)}, &s), -EINVAL);
    assert_int_equal(vs_stt_create(&engine, &s), 0);
    struct vs_pipeline_config config = config_for(a, &fake_pull);
    config.engine = s;
    assert_int_equal(vs_pipeline_create(&config, &p), 0);
    assert_int_equal(vs_pipeline_create(&config, &q), -EBUSY);
    assert_null(q);
    assert_int_equal(vs_pipeline_run(p), 0);
    vs_pipeline_destroy(p);
    config.user = b;
    assert_int_equal(run_threads(&config, NULL), 0);
    vs_stt_destroy(s);
    assert_int_equal(record_count(a, VS_EVENT_TEXT), record_count(b, VS_EVENT_TEXT));
    assert_int_equal(a->ledger.text_frames, b->ledger.text_frames);
    assert_true(a->ledger.text_frames > 0);
    free(a);
    free(b);
}

static void a_hanging_engine_drops_text_not_audio(void **state)
{
    struct record *r = new_record();
    struct timespec t = {0, 20000000};
    vs_pipeline *p;

    (void)state;
    set_script(even, 1, 3000, 48000, 1); /* 30 s: 15 bursts */
    fake_stt_block = 1;
    struct vs_pipeline_config config = config_for(r, &fake_push);
    config.stt_ops = &fake_stt;
    config.ring_ms = 40000;
    config.backlog_ms = 1000;
    assert_int_equal(vs_pipeline_create(&config, &p), 0);
    assert_int_equal(vs_pipeline_start(p), 0);
    struct vs_stats stats = {.size = sizeof(stats)};
    do {
        nanosleep(&t, NULL);
        vs_pipeline_stats(p, &stats);
    } while (stats.ledger.delivered < 1440000);
    vs_pipeline_abort(p); /* cancels the engine */
    assert_int_not_equal(vs_pipeline_wait(p, 5000), 1);
    vs_pipeline_destroy(p);
    assert_balanced(r);
    assert_int_equal(r->ledger.delivered, 1440000);
    assert_true(r->ledger.text_dropped > 0);
    assert_int_equal(record_count(r, VS_EVENT_END), 15);
    free(r);
}

/* Saving power gathers more than a short ring holds: the worker has to be woken before that. Where others
   take the processors for 20 ms, a run may lose some for once; one that is not woken loses each time. */
static void a_short_ring_is_emptied_while_power_is_saved(void **state)
{
    static const struct vs_capture_ops *const sources[] = {&fake_pull, &fake_push};

    (void)state;
    for (size_t k = 0, tries = 0; k < 2; k++, tries++) {
        struct record *r = new_record();
        set_script(even, 1, 50, 192000, 1);
        fake_script.step_us = 2500;
        struct vs_pipeline_config config = config_for(r, sources[k]);
        config.ring_ms = 20;
        config.save_power = 1;
        assert_int_equal(run_threads(&config, NULL), 0);
        assert_balanced(r);
        if (r->ledger.delivered != 50 * 480 && tries < 8)
            k--; /* once more */
        else
            assert_int_equal(r->ledger.delivered, 50 * 480);
        free(r);
    }
}

/* Cut at a random instant: what was captured is delivered or counted. */
static void an_abort_at_any_time_keeps_the_account(void **state)
{
    static const struct vs_capture_ops *const sources[] = {&fake_pull, &fake_push};
    unsigned seed = 11;

    (void)state;
    for (int round = 0; round < 40; round++) {
        struct record *r = new_record();
        struct timespec t = {0, (long)(rand_r(&seed) % 4000) * 1000};
        vs_pipeline *p;
        set_script(uneven, 3, 100000, 48000, round & 1);
        struct vs_pipeline_config config = config_for(r, sources[round / 2 % 2]);
        config.stt_ops = round % 3 ? &fake_stt : NULL;
        assert_int_equal(vs_pipeline_create(&config, &p), 0);
        assert_int_equal(vs_pipeline_start(p), 0);
        nanosleep(&t, NULL);
        if (round % 5 == 0) {
            vs_pipeline_stop(p);
            assert_int_equal(vs_pipeline_wait(p, 0), 0);
        } else {
            vs_pipeline_abort(p);
            assert_int_equal(vs_pipeline_wait(p, 5000), -ECANCELED);
        }
        vs_pipeline_destroy(p);
        assert_balanced(r);
        free(r);
    }
}

static void an_inline_run_can_be_aborted_by_an_event(void **state)
{
    struct record *r = new_record();
    vs_pipeline *p;

    (void)state;
    set_script(even, 1, 100000, 48000, 0);
    struct vs_pipeline_config config = config_for(r, &fake_pull);
    assert_int_equal(vs_pipeline_create(&config, &p), 0);
    vs_pipeline_abort(p);
    assert_int_equal(vs_pipeline_run(p), -ECANCELED);
    vs_pipeline_destroy(p);
    assert_balanced(r);
    free(r);
}

static void slow_user(void *user, const struct vs_event *e)
{
    struct timespec t = {0, 3000000};

    if (e->type == VS_EVENT_PROBABILITY)
        nanosleep(&t, NULL);
    record_event(user, e);
}

static void a_slow_user_loses_lesser_events_first(void **state)
{
    struct record *r = new_record();

    (void)state;
    set_script(even, 1, 1000, 48000, 1);
    struct vs_pipeline_config config = config_for(r, &fake_push);
    config.on_event = slow_user;
    config.ring_ms = 12000;
    assert_int_equal(run_threads(&config, NULL), 0);
    assert_balanced(r);
    assert_true(r->ledger.events_dropped > 0);
    assert_true(r->hops < 1000);
    assert_int_equal(record_count(r, VS_EVENT_START), 5);
    assert_int_equal(record_count(r, VS_EVENT_SEGMENT), 5);
    free(r);
}

static void stats_are_measured(void **state)
{
    struct record *r = new_record();
    struct vs_stats stats;

    (void)state;
    set_script(even, 1, 200, 48000, 1);
    struct vs_pipeline_config config = config_for(r, &fake_push);
    config.ring_ms = 5000;
    assert_int_equal(run_threads(&config, &stats), 0);
    assert_int_equal(stats.hops, 200);
    assert_int_equal(stats.segments, 1);
    assert_int_equal(stats.speech_hops, record_count(r, VS_EVENT_SEGMENT) ? stats.speech_hops : 0);
    assert_true(stats.speech_hops > 50);
    assert_int_equal(stats.stage[VS_STAGE_DSP].count, 200);
    assert_int_equal(stats.stage[VS_STAGE_VAD].count, 200);
    assert_int_equal(stats.stage[VS_STAGE_QUEUE].count, 200);
    assert_true(stats.stage[VS_STAGE_TOTAL].count >= 195);
    assert_true(stats.stage[VS_STAGE_TOTAL].p50_ns > 0);
    assert_true(stats.elapsed_ns > 0);
    assert_true(stats.ring_frames >= 48000 * 5);
    assert_true(stats.ring_peak_frames > 0);
    free(r);
}

static void *run_it(void *pipeline)
{
    return (void *)(intptr_t)vs_pipeline_run(pipeline);
}

static void stats_can_be_read_while_it_runs(void **state)
{
    struct record *r = new_record();
    struct vs__thread runner = {0};
    struct vs_stats stats = {.size = sizeof(stats)};
    uint64_t last = 0;
    vs_pipeline *p;

    (void)state;
    set_script(even, 1, 2000, 48000, 0);
    fake_vad_delay_us = 20;
    struct vs_pipeline_config config = config_for(r, &fake_pull);
    config.stt_ops = &fake_stt;
    assert_int_equal(vs_pipeline_create(&config, &p), 0);
    vs_pipeline_stats(p, &stats);
    assert_int_equal(stats.hops, 0);
    assert_int_equal(vs__thread_start(&runner, "runner", run_it, p), 0);
    while (stats.hops < 2000) {
        vs_pipeline_stats(p, &stats);
        assert_true(stats.hops >= last);
        last = stats.hops;
    }
    vs__thread_join(&runner);
    vs_pipeline_stats(p, &stats);
    assert_int_equal(stats.ledger.residual, 0);
    assert_int_equal(stats.ledger.text_frames, r->ledger.text_frames);
    vs_pipeline_destroy(p);
    free(r);
}

/* Effective capabilities of the calling thread, which those that it starts inherit. */
static void set_capability(bool held)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2];

    assert_int_equal(syscall(SYS_capget, &header, data), 0);
    data[0].effective &= ~(1u << CAP_SYS_NICE);
    if (held)
        data[0].effective |= data[0].permitted & 1u << CAP_SYS_NICE;
    assert_int_equal(syscall(SYS_capset, &header, data), 0);
}

static void count_warnings(void *user, int level, const char *topic, const char *message)
{
    _Atomic int *warnings = user;

    if (level == VS_LOG_WARNING && !strcmp(topic, "place") && strstr(message, "real-time"))
        atomic_fetch_add(warnings, 1);
}

static void a_refused_priority_is_said_once(void **state)
{
    static const struct fake_step steps[] = {{0, 160, 0, 0}};
    struct record *r = new_record();
    struct vs_pipeline_config config = config_for(r, &fake_pull);
    struct rlimit before, none = {0, 0};
    _Atomic int warnings = 0;
    struct vs_stats stats;

    (void)state;
    set_script(steps, 1, 20, VS_RATE_HZ, 1);
    config.realtime = 0;
    config.env.module_dir = "/nonexistent"; /* nobody else to ask */
    config.env.log.write = count_warnings;
    config.env.log.user = &warnings;
    assert_int_equal(getrlimit(RLIMIT_RTPRIO, &before), 0);
    none.rlim_max = before.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_RTPRIO, &none), 0);
    set_capability(false);
    assert_int_equal(run_threads(&config, &stats), 0);
    set_capability(true);
    assert_int_equal(setrlimit(RLIMIT_RTPRIO, &before), 0);
    assert_int_equal(stats.realtime, 0);
    assert_int_equal(warnings, 1);
    free(r);
}

static void bad_configs_are_refused(void **state)
{
    struct record *r = new_record();
    struct vs_pipeline_config good, bad;
    vs_pipeline *p = NULL;

    (void)state;
    set_script(even, 1, 10, 48000, 0);
    good = config_for(r, &fake_pull);
    assert_int_equal(vs_pipeline_create(NULL, &p), -EINVAL);
    bad = good, bad.capture_ops = NULL, bad.capture = "nonsense";
    assert_int_equal(vs_pipeline_create(&bad, &p), -EINVAL);
    bad = good, bad.latency_ms = 1;
    assert_int_equal(vs_pipeline_create(&bad, &p), -EINVAL);
    bad = good, bad.ring_ms = 1;
    assert_int_equal(vs_pipeline_create(&bad, &p), -EINVAL);
    bad = good, bad.channel = 2;
    assert_int_equal(vs_pipeline_create(&bad, &p), -EINVAL);
    bad = good, bad.high_pass_hz = 5000;
    assert_int_equal(vs_pipeline_create(&bad, &p), -EINVAL);
    bad = good, bad.capture_ops = NULL, bad.capture = "null:1", bad.length_s = 1;
    assert_int_equal(vs_pipeline_create(&bad, &p), -EINVAL);
    bad = good, bad.stt = "nonsense";
    assert_int_equal(vs_pipeline_create(&bad, &p), -EINVAL);
    set_script(even, 1, 10, 4000, 0);
    assert_int_equal(vs_pipeline_create(&good, &p), -EINVAL);
    assert_null(p);
    free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(threads_and_inline_give_the_same),
        cmocka_unit_test(gaps_of_the_source_are_told_with_their_cause),
        cmocka_unit_test(a_slow_worker_drops_and_counts),
        cmocka_unit_test(a_source_that_waits_loses_nothing),
        cmocka_unit_test(text_is_of_the_segment_and_after_it),
        cmocka_unit_test(an_engine_serves_one_pipeline_after_another),
        cmocka_unit_test(a_hanging_engine_drops_text_not_audio),
        cmocka_unit_test(a_short_ring_is_emptied_while_power_is_saved),
        cmocka_unit_test(an_abort_at_any_time_keeps_the_account),
        cmocka_unit_test(an_inline_run_can_be_aborted_by_an_event),
        cmocka_unit_test(a_slow_user_loses_lesser_events_first),
        cmocka_unit_test(stats_are_measured),
        cmocka_unit_test(stats_can_be_read_while_it_runs),
        cmocka_unit_test(a_refused_priority_is_said_once),
        cmocka_unit_test(bad_configs_are_refused),
    };
    return cmocka_run_group_tests_name("pipeline", tests, NULL, NULL);
}
