/* SPDX-License-Identifier: MIT */
/* Each rule of the segmenter by a hand-made sequence, then all of them by random ones. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base.h"
#include "segment/segment.h"

#define MOST 64

struct trace {
    struct vs__segmenter s;
    struct vs__segment_step steps[MOST];
    uint64_t at[MOST]; /* hops pushed when it was decided */
    size_t count;
};

static struct vs__segment_rules resolve(const struct vs_segment_config *config)
{
    struct vs__segment_rules rules;
    const char *member = NULL;

    assert_int_equal(vs__segment_rules(config, &rules, &member), 0);
    assert_null(member);
    return rules;
}

static void begin(struct trace *t, struct vs_segment_config config)
{
    struct vs__segment_rules rules;

    config.size = sizeof(config);
    rules = resolve(&config);
    memset(t, 0, sizeof(*t));
    vs__segmenter_init(&t->s, &rules);
}

/* Times in hops without padding, so that positions are easy to read. */
static struct vs_segment_config bare(void)
{
    return (struct vs_segment_config){.onset_ms = 30,
                                      .min_speech_ms = VS_NONE,
                                      .hangover_ms = 100,
                                      .merge_ms = VS_NONE,
                                      .pre_roll_ms = VS_NONE,
                                      .pad_ms = VS_NONE,
                                      .max_ms = VS_NONE};
}

static void take(struct trace *t, const struct vs__segment_step *steps, int count)
{
    for (int i = 0; i < count; i++) {
        assert_true(t->count < MOST);
        t->steps[t->count] = steps[i];
        t->at[t->count++] = t->s.hop;
    }
}

static void push(struct trace *t, float p, unsigned hops)
{
    struct vs__segment_step steps[2];

    while (hops-- > 0)
        take(t, steps, vs__segmenter_push(&t->s, p, steps));
}

static void flush(struct trace *t)
{
    struct vs__segment_step steps[2];

    take(t, steps, vs__segmenter_flush(&t->s, steps));
}

static void check_start(const struct trace *t, size_t i, uint64_t number, uint64_t hop, bool split)
{
    assert_true(i < t->count);
    assert_int_equal(t->steps[i].kind, VS__SEGMENT_START);
    assert_int_equal(t->steps[i].segment, number);
    assert_int_equal(t->steps[i].start_hop, hop);
    assert_int_equal(t->steps[i].split, split);
}

static void check_end(const struct trace *t, size_t i, uint64_t start, uint64_t end, bool split)
{
    assert_true(i < t->count);
    assert_int_equal(t->steps[i].kind, VS__SEGMENT_END);
    assert_int_equal(t->steps[i].start_hop, start);
    assert_int_equal(t->steps[i].end_hop, end);
    assert_int_equal(t->steps[i].split, split);
}

/* rules ------------------------------------------------------------------------------------- */

static void test_defaults(void **state)
{
    struct vs__segment_rules r = resolve(NULL);

    assert_float_equal(r.threshold, 0.5f, 1e-6f);
    assert_float_equal(r.threshold_off, 0.35f, 1e-6f);
    assert_int_equal(r.onset, 5);
    assert_int_equal(r.min_speech, 10);
    assert_int_equal(r.hangover, 50);
    assert_int_equal(r.pre_roll, 6);
    assert_int_equal(r.pad, 4);
    assert_int_equal(r.merge, 20);
    assert_int_equal(r.max, 3000);
}

static void test_none_and_rounding(void **state)
{
    struct vs_segment_config c = {.size = sizeof(c),
                                  .onset_ms = VS_NONE,
                                  .hangover_ms = 129,
                                  .pad_ms = VS_NONE,
                                  .max_ms = VS_NONE};
    struct vs__segment_rules r = resolve(&c);

    assert_int_equal(r.onset, 0);
    assert_int_equal(r.hangover, 12);
    assert_int_equal(r.pad, 0);
    assert_int_equal(r.max, 0);
    assert_int_equal(r.min_speech, 10);
}

static void test_short_config(void **state)
{
    struct vs_segment_config c = {.threshold = 0.7f, .onset_ms = 990};
    struct vs__segment_rules r;

    c.size = offsetof(struct vs_segment_config, onset_ms);
    r = resolve(&c);
    assert_float_equal(r.threshold, 0.7f, 1e-6f);
    assert_int_equal(r.onset, 5); /* behind what the caller knows of */
}

static void test_wrong_members(void **state)
{
    const struct {
        struct vs_segment_config config;
        const char *member;
    } cases[] = {
        {{.threshold = 1.1f}, "threshold"},
        {{.threshold = -0.1f}, "threshold"},
        {{.threshold = NAN}, "threshold"},
        {{.threshold = 0.4f, .threshold_off = 0.5f}, "threshold_off"},
        {{.threshold_off = NAN}, "threshold_off"},
        {{.onset_ms = 3600001}, "onset_ms"},
        {{.min_speech_ms = 3600001}, "min_speech_ms"},
        {{.hangover_ms = 3600001}, "hangover_ms"},
        {{.merge_ms = 3600001}, "merge_ms"},
        {{.pre_roll_ms = 3600001}, "pre_roll_ms"},
        {{.pad_ms = 3600001}, "pad_ms"},
        {{.max_ms = 86400001}, "max_ms"},
        {{.max_ms = 250}, "max_ms"},
        {{.min_speech_ms = 20000}, "max_ms"},
    };
    struct vs_segment_config empty = {0};
    struct vs__segment_rules r;
    const char *member = NULL;

    for (size_t i = 0; i < VS__COUNT(cases); i++) {
        struct vs_segment_config c = cases[i].config;

        c.size = sizeof(c);
        memset(&r, 0x55, sizeof(r));
        assert_int_equal(vs__segment_rules(&c, &r, &member), -EINVAL);
        assert_string_equal(member, cases[i].member);
        assert_int_equal(r.onset, 0x55555555); /* untouched */
    }
    assert_int_equal(vs__segment_rules(&empty, &r, &member), -EINVAL);
    assert_string_equal(member, "size");
}

/* opening and closing ----------------------------------------------------------------------- */

/* A preset fills in what was not said, and nothing else. */
static void test_presets(void **state)
{
    static const char *const names[] = {"dictation", "agent", "archive"};
    struct vs_segment_config none = {.hangover_ms = 7};
    const char *name;
    unsigned count = 0;

    for (; (name = vs_segment_preset_name(count)) != NULL; count++) {
        struct vs_segment_config all = {.size = sizeof(all)};
        struct vs_segment_config own = {.size = sizeof(own),
                                        .threshold = 0.9f,
                                        .hangover_ms = 120,
                                        .merge_ms = VS_NONE,
                                        .pad_ms = 10};
        struct vs__segment_rules a, b;

        assert_string_equal(name, names[count]);
        assert_int_equal(vs_segment_preset(name, &all), 0);
        a = resolve(&all);
        assert_memory_not_equal(&a, &(struct vs__segment_rules){0}, sizeof(a));
        assert_int_equal(vs_segment_preset(name, &own), 0);
        b = resolve(&own);
        assert_float_equal(b.threshold, 0.9f, 0);
        assert_true(b.hangover == 12 && b.merge == 0 && b.pad == 1);
        assert_true(b.pre_roll == a.pre_roll && b.onset == a.onset && b.max == a.max);
        assert_true(a.hangover != 50 && a.pre_roll != 6); /* not the defaults */
    }
    assert_int_equal(count, VS__COUNT(names));
    assert_int_equal(vs_segment_preset("nobody", &none), -EINVAL);
    assert_int_equal(vs_segment_preset(NULL, &none), -EINVAL);
    assert_int_equal(vs_segment_preset("agent", NULL), -EINVAL);
    assert_true(none.hangover_ms == 7 && none.pad_ms == 0);
}

/* Thresholds belong together: one that was said is not crossed by the preset's other. */
static void test_preset_thresholds(void **state)
{
    struct vs_segment_config low = {.size = sizeof(low), .threshold = 0.1f};
    struct vs_segment_config off = {.size = sizeof(off), .threshold_off = 0.55f};
    struct vs_segment_config lower = {.size = sizeof(lower), .threshold_off = 0.02f};

    assert_int_equal(vs_segment_preset("archive", &low), 0);
    assert_true(resolve(&low).threshold_off <= 0.1f);
    assert_int_equal(vs_segment_preset("archive", &off), 0);
    assert_float_equal(resolve(&off).threshold_off, resolve(&off).threshold, 0);
    assert_int_equal(vs_segment_preset("archive", &lower), 0);
    assert_float_equal(resolve(&lower).threshold_off, 0.02f, 0);
}

static void test_onset(void **state)
{
    struct trace t;

    begin(&t, bare());
    push(&t, 0.1f, 20);
    push(&t, 0.9f, 2); /* too short */
    push(&t, 0.1f, 20);
    assert_int_equal(t.count, 0);
    push(&t, 0.5f, 3); /* at the threshold counts */
    assert_int_equal(t.count, 1);
    check_start(&t, 0, 1, 42, false);
    assert_int_equal(t.at[0], 45); /* at once */
}

static void test_min_speech_waits(void **state)
{
    struct vs_segment_config c = bare();
    struct trace t;

    c.min_speech_ms = 80;
    begin(&t, c);
    push(&t, 0.9f, 7);
    push(&t, 0.1f, 30);
    assert_int_equal(t.count, 0);
    push(&t, 0.9f, 8);
    check_start(&t, 0, 1, 37, false);
}

static void test_gap_in_candidate(void **state)
{
    struct vs_segment_config c = bare();
    struct trace t;

    c.min_speech_ms = 200;
    begin(&t, c);
    push(&t, 0.9f, 10);
    push(&t, 0.1f, 8); /* the longest that is allowed */
    push(&t, 0.9f, 9);
    assert_int_equal(t.count, 0); /* silence does not count as speech */
    push(&t, 0.9f, 1);
    check_start(&t, 0, 1, 0, false);

    begin(&t, c);
    push(&t, 0.9f, 10);
    push(&t, 0.1f, 9);
    push(&t, 0.9f, 20);
    check_start(&t, 0, 1, 19, false);
}

static void test_sparse_candidate(void **state)
{
    struct vs_segment_config c = bare();
    struct trace t;

    c.min_speech_ms = 100;
    begin(&t, c);
    for (int i = 0; i < 50; i++) { /* clicks: never as dense as speech */
        push(&t, 0.9f, 1);
        push(&t, 0.1f, 4);
    }
    assert_int_equal(t.count, 0);
}

static void test_hangover(void **state)
{
    struct trace t;

    begin(&t, bare());
    push(&t, 0.9f, 10);
    push(&t, 0.1f, 9); /* shorter than the hangover */
    push(&t, 0.9f, 5);
    push(&t, 0.1f, 9);
    assert_int_equal(t.count, 1);
    push(&t, 0.1f, 1);
    assert_int_equal(t.count, 2);
    check_end(&t, 1, 0, 24, false);
    assert_int_equal(t.at[1], 34);
}

static void test_hysteresis(void **state)
{
    struct trace t;

    begin(&t, bare());
    push(&t, 0.4f, 20); /* not enough to open */
    assert_int_equal(t.count, 0);
    push(&t, 0.9f, 3);
    push(&t, 0.4f, 20); /* enough to stay open */
    assert_int_equal(t.count, 1);
    push(&t, 0.3f, 10);
    check_end(&t, 1, 20, 43, false);
}

static void test_nan_is_silence(void **state)
{
    struct trace t;

    begin(&t, bare());
    push(&t, NAN, 10);
    push(&t, 0.9f, 5);
    push(&t, NAN, 10);
    assert_int_equal(t.count, 2);
    check_end(&t, 1, 10, 15, false);
    assert_float_equal(t.steps[1].probability, 0.9f, 1e-5f);
}

static void test_pre_roll_and_pad(void **state)
{
    struct vs_segment_config c = bare();
    struct trace t;

    c.pre_roll_ms = 60;
    c.pad_ms = 50;
    begin(&t, c);
    push(&t, 0.9f, 3); /* there is nothing before */
    push(&t, 0.1f, 10);
    check_start(&t, 0, 1, 0, false);
    check_end(&t, 1, 0, 8, false);
    push(&t, 0.9f, 4); /* hop 13: the pre-roll would reach into the one before */
    check_start(&t, 2, 2, 8, false);
    push(&t, 0.1f, 30);
    push(&t, 0.9f, 4); /* hop 47 */
    check_end(&t, 3, 8, 22, false);
    check_start(&t, 4, 3, 41, false);
}

static void test_pad_longer_than_hangover(void **state)
{
    struct vs_segment_config c = bare();
    struct trace t;

    c.pad_ms = 200;
    begin(&t, c);
    push(&t, 0.9f, 5);
    push(&t, 0.1f, 19);
    assert_int_equal(t.count, 1);
    push(&t, 0.1f, 1);
    check_end(&t, 1, 0, 25, false);
}

static void test_merge(void **state)
{
    struct vs_segment_config c = bare();
    struct trace t;

    c.pre_roll_ms = 20;
    c.pad_ms = 30;
    c.merge_ms = 150; /* 15 + 2 + 3 hops of silence are apart, 19 are not */
    begin(&t, c);
    push(&t, 0.9f, 5);
    push(&t, 0.1f, 19);
    push(&t, 0.9f, 5);
    assert_int_equal(t.count, 1);
    push(&t, 0.1f, 20);
    check_end(&t, 1, 0, 32, false);
    push(&t, 0.9f, 5);
    check_start(&t, 2, 2, 47, false);
    assert_int_equal(t.steps[2].start_hop - t.steps[1].end_hop, 15);
}

static void test_probability(void **state)
{
    struct trace t;

    begin(&t, bare());
    push(&t, 0.6f, 4);
    push(&t, 0.0f, 2);
    push(&t, 1.0f, 2);
    push(&t, 0.0f, 10);
    assert_float_equal(t.steps[1].probability, (4 * 0.6f + 2 * 1.0f) / 8, 1e-5f);
}

/* The mean of the 20 highest, whatever their order; over cuts; anew in each segment. */
static void test_sure(void **state)
{
    struct vs_segment_config c = bare();
    struct trace t;

    begin(&t, c);
    push(&t, 0.6f, 30);
    push(&t, 1.0f, 10);
    push(&t, 0.7f, 3);
    push(&t, 0.0f, 10);
    assert_float_equal(t.steps[1].sure, (10 * 1.0f + 3 * 0.7f + 7 * 0.6f) / 20, 1e-5f);
    push(&t, 0.8f, 5);
    push(&t, 0.0f, 10);
    assert_float_equal(t.steps[3].sure, 5 * 0.8f / 15, 1e-5f); /* with the silence that ended it */
    c.max_ms = 300;
    begin(&t, c);
    push(&t, 1.0f, 20);
    push(&t, 0.6f, 20);
    push(&t, 0.0f, 10);
    assert_true(t.steps[1].split);
    assert_float_equal(t.steps[1].sure, 1.0f, 1e-5f);
    assert_float_equal(t.steps[3].sure, 1.0f, 1e-5f);
}

static void test_flush(void **state)
{
    struct vs_segment_config c = bare();
    struct trace t;

    c.pad_ms = 50;
    begin(&t, c);
    flush(&t);
    assert_int_equal(t.count, 0);
    push(&t, 0.9f, 5);
    push(&t, 0.1f, 2);
    flush(&t);
    check_end(&t, 1, 0, 7, false); /* never past the current hop */
    push(&t, 0.9f, 2);
    flush(&t); /* a candidate is dropped */
    push(&t, 0.9f, 2);
    assert_int_equal(t.count, 2);
}

static void test_jump(void **state)
{
    struct vs_segment_config c = bare();
    struct trace t;

    c.pre_roll_ms = 60;
    begin(&t, c);
    push(&t, 0.9f, 5);
    flush(&t);
    vs__segmenter_jump(&t.s, 100);
    push(&t, 0.1f, 2);
    push(&t, 0.9f, 3);
    check_start(&t, 2, 2, 100, false); /* the pre-roll stops at the jump */
    assert_int_equal(vs__segmenter_needed(&t.s), 105);
}

/* the maximum ------------------------------------------------------------------------------- */

static void test_hard_cut(void **state)
{
    struct vs_segment_config c = bare();
    struct trace t;

    c.max_ms = 1000;
    begin(&t, c);
    push(&t, 0.1f, 7);
    push(&t, 0.9f, 250);
    push(&t, 0.1f, 10);
    assert_int_equal(t.count, 6);
    check_start(&t, 0, 1, 7, false);
    check_end(&t, 1, 7, 107, true);
    check_start(&t, 2, 2, 107, true);
    check_end(&t, 3, 107, 207, true);
    check_start(&t, 4, 3, 207, true);
    check_end(&t, 5, 207, 257, false);
}

static void test_cut_in_pause(void **state)
{
    struct vs_segment_config c = bare();
    struct trace t;

    c.max_ms = 5000;
    c.pad_ms = 30;
    begin(&t, c);
    push(&t, 0.9f, 200);
    push(&t, 0.1f, 4); /* a pause, but it is early */
    push(&t, 0.9f, 136);
    push(&t, 0.1f, 4); /* hops 340..343 */
    assert_int_equal(t.count, 1);
    push(&t, 0.9f, 10);
    assert_int_equal(t.count, 3);
    check_end(&t, 1, 0, 342, true); /* its middle */
    check_start(&t, 2, 2, 342, true);
    assert_int_equal(t.at[2], 345); /* with the hop that goes on */
}

static void test_end_near_maximum(void **state)
{
    struct vs_segment_config c = bare();
    struct trace t;

    c.max_ms = 5000;
    begin(&t, c);
    push(&t, 0.9f, 400); /* no speech comes back: an end like any other */
    push(&t, 0.1f, 10);
    assert_int_equal(t.count, 2);
    check_end(&t, 1, 0, 400, false);

    c.pad_ms = 50;
    begin(&t, c);
    push(&t, 0.9f, 498); /* silence at the maximum: the end, and early */
    push(&t, 0.1f, 3);
    assert_int_equal(t.count, 2);
    check_end(&t, 1, 0, 500, false);
}

static void test_committed_and_needed(void **state)
{
    struct vs_segment_config c = bare();
    struct trace t;

    c.pre_roll_ms = 60;
    c.pad_ms = 30;
    begin(&t, c);
    push(&t, 0.1f, 50);
    assert_int_equal(vs__segmenter_needed(&t.s), 44);
    push(&t, 0.9f, 2);
    assert_int_equal(vs__segmenter_needed(&t.s), 44); /* held by the candidate */
    push(&t, 0.9f, 3);
    assert_int_equal(vs__segmenter_committed(&t.s), 55);
    assert_int_equal(vs__segmenter_needed(&t.s), 55);
    push(&t, 0.1f, 2);
    assert_int_equal(vs__segmenter_committed(&t.s), 57);
    push(&t, 0.1f, 5);
    assert_int_equal(vs__segmenter_committed(&t.s), 58); /* the pad, no more */
    push(&t, 0.1f, 3);
    check_end(&t, 1, 44, 58, false);
    assert_int_equal(vs__segmenter_committed(&t.s), 58);
    assert_int_equal(vs__segmenter_needed(&t.s), 59);
}

/* random sequences -------------------------------------------------------------------------- */

static uint64_t seed;

static uint32_t draw(uint32_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((seed >> 33) % below);
}

static uint32_t draw_ms(uint32_t most)
{
    return draw(4) == 0 ? VS_NONE : 1 + draw(most);
}

struct property {
    struct vs__segmenter s;
    uint64_t committed, needed, end, segment, lookback;
    bool open, split;
};

static void check_step(struct property *p, const struct vs__segment_step *step)
{
    const struct vs__segment_rules *r = &p->s.rules;

    if (step->kind == VS__SEGMENT_START) {
        assert_false(p->open);
        assert_int_equal(step->segment, p->segment + 1);
        assert_true(step->start_hop >= p->end);
        assert_true(step->start_hop >= p->needed);
        assert_int_equal(step->split, p->split);
        if (p->split)
            assert_int_equal(step->start_hop, p->end);
        p->open = true;
        p->segment = step->segment;
        p->committed = step->start_hop;
        return;
    }
    assert_true(p->open);
    assert_int_equal(step->segment, p->segment);
    assert_true(step->end_hop > step->start_hop);
    assert_true(step->end_hop <= p->s.hop);
    assert_true(step->end_hop >= p->committed);
    if (r->max > 0)
        assert_true(step->end_hop - step->start_hop <= r->max);
    assert_true(step->probability >= 0.0f && step->probability <= 1.0f);
    p->open = false;
    p->split = step->split;
    p->end = step->end_hop;
}

static void check_positions(struct property *p)
{
    uint64_t committed = vs__segmenter_committed(&p->s);
    uint64_t needed = vs__segmenter_needed(&p->s);

    assert_int_equal(p->open, p->s.open);
    assert_false(p->split && !p->open); /* what follows a cut opens with it */
    assert_true(needed >= p->needed);
    assert_true(needed <= p->s.hop);
    assert_true(p->s.hop - needed <= p->lookback);
    if (p->open) {
        assert_true(committed >= p->committed);
        assert_true(committed <= p->s.hop);
        p->committed = committed;
    }
    p->needed = needed;
}

static void run_property(void)
{
    struct vs_segment_config c = {.size = sizeof(c)};
    struct property p = {0};
    struct vs__segment_rules r;
    struct vs__segment_step steps[2];
    const char *member;
    uint32_t change = 1 + draw(30);
    float level = 0.0f;

    c.onset_ms = draw_ms(200);
    c.min_speech_ms = draw_ms(300);
    c.hangover_ms = draw_ms(600);
    c.merge_ms = draw_ms(400);
    c.pre_roll_ms = draw_ms(300);
    c.pad_ms = draw_ms(300);
    c.max_ms = draw_ms(5000);
    if (vs__segment_rules(&c, &r, &member) < 0)
        return;
    vs__segmenter_init(&p.s, &r);
    p.lookback = vs__segment_lookback(&r);
    for (int i = 0; i < 3000; i++) {
        int count;

        if (draw(change) == 0)
            level = (float)draw(100) / 100.0f;
        count = draw(500) == 0 ? vs__segmenter_flush(&p.s, steps)
                               : vs__segmenter_push(&p.s, level, steps);
        assert_true(count >= 0 && count <= 2);
        for (int k = 0; k < count; k++)
            check_step(&p, &steps[k]);
        if (!p.s.open && draw(700) == 0) {
            vs__segmenter_flush(&p.s, steps);
            vs__segmenter_jump(&p.s, p.s.hop + draw(50));
        }
        check_positions(&p);
    }
}

static void test_properties(void **state)
{
    const char *fixed = getenv("VOICESTAND_TEST_SEED");

    seed = fixed ? strtoull(fixed, NULL, 0) : (uint64_t)vs__mono_ns();
    printf("# VOICESTAND_TEST_SEED=%llu repeats this\n", (unsigned long long)seed);
    for (int i = 0; i < 600; i++)
        run_property();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_none_and_rounding),
        cmocka_unit_test(test_short_config),
        cmocka_unit_test(test_wrong_members),
        cmocka_unit_test(test_presets),
        cmocka_unit_test(test_preset_thresholds),
        cmocka_unit_test(test_onset),
        cmocka_unit_test(test_min_speech_waits),
        cmocka_unit_test(test_gap_in_candidate),
        cmocka_unit_test(test_sparse_candidate),
        cmocka_unit_test(test_hangover),
        cmocka_unit_test(test_hysteresis),
        cmocka_unit_test(test_nan_is_silence),
        cmocka_unit_test(test_pre_roll_and_pad),
        cmocka_unit_test(test_pad_longer_than_hangover),
        cmocka_unit_test(test_merge),
        cmocka_unit_test(test_probability),
        cmocka_unit_test(test_sure),
        cmocka_unit_test(test_flush),
        cmocka_unit_test(test_jump),
        cmocka_unit_test(test_hard_cut),
        cmocka_unit_test(test_cut_in_pause),
        cmocka_unit_test(test_end_near_maximum),
        cmocka_unit_test(test_committed_and_needed),
        cmocka_unit_test(test_properties),
    };

    return cmocka_run_group_tests_name("segmenter", tests, NULL, NULL);
}
