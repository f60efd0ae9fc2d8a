/* SPDX-License-Identifier: MIT */
/* A text engine without a pipeline, and segments that are worth no text. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <voicestand/voicestand.h>

#include "base/base.h"
#include "fake.h"

static void an_engine_hears_without_a_pipeline(void **state)
{
    struct vs_stt_config engine = {.size = sizeof(engine), .ops = &fake_stt};
    struct vs_stt_result result = {.size = sizeof(result)};
    float audio[4000] = {0};
    vs_pipeline *p = NULL;
    vs_stt *s = NULL;

    (void)state;
    assert_int_equal(vs_stt_create(&engine, &s), 0);
    assert_int_equal(vs_stt_hear(NULL, audio, 1, &result), -EINVAL);
    assert_int_equal(vs_stt_hear(s, NULL, 1, &result), -EINVAL);
    assert_int_equal(vs_stt_hear(s, audio, 1, &(struct vs_stt_result){0}), -EINVAL);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(vs_stt_hear(s, audio, VS__COUNT(audio), &result), 0);
        assert_non_null(strstr(result.text, "4000"));
    }
    struct vs_pipeline_config config = {
        .size = sizeof(config), .capture = "null:1", .vad = "energy", .engine = s};
    assert_int_equal(vs_pipeline_create(&config, &p), 0);
    assert_int_equal(vs_stt_hear(s, audio, 1, &result), -EBUSY);
    vs_pipeline_destroy(p);
    vs_stt_cancel(s);
    result.text = "untouched";
    assert_int_equal(vs_stt_hear(s, audio, VS__COUNT(audio), &result), -ECANCELED);
    assert_string_equal(result.text, "untouched");
    vs_stt_destroy(s);
}

static int open_sure(void *state, const struct vs_vad_params *params, struct vs_vad_shape *ret)
{
    ret->sure = 0.95f; /* which its 0.9 does not reach */
    return fake_vad.open(state, params, ret);
}

/* 10 s of the script, by vs_pipeline_run() or with threads. @return texts that are not empty */
static size_t hear_script(struct record *r, const struct vs_vad_ops *vad, float text_sure,
                          bool threads)
{
    static const struct fake_step even[] = {{0, 480, 0, 0}};
    struct vs_pipeline_config config = {.size = sizeof(config),
                                        .capture_ops = &fake_pull,
                                        .vad_ops = vad,
                                        .stt_ops = &fake_stt,
                                        .text_sure = text_sure,
                                        .on_event = record_event,
                                        .user = r};
    vs_pipeline *p;
    size_t texts = 0;

    fake_script = (struct fake_script){.steps = even, .count = 1, .repeat = 1000, .rate_hz = 48000};
    memset(r, 0, sizeof(*r));
    assert_int_equal(vs_pipeline_create(&config, &p), 0);
    if (threads) {
        assert_int_equal(vs_pipeline_start(p), 0);
        assert_int_equal(vs_pipeline_wait(p, 20000), 0);
    } else {
        assert_int_equal(vs_pipeline_run(p), 0);
    }
    vs_pipeline_destroy(p);
    assert_int_equal(record_count(r, VS_EVENT_SEGMENT), 5);
    assert_int_equal(record_count(r, VS_EVENT_ERROR), 0);
    for (size_t i = 0; i < r->count; i++) {
        bool is_final = r->events[i].type == VS_EVENT_TEXT && r->events[i].flags & VS_EVENT_FINAL;
        texts += is_final && r->events[i].text[0];
        assert_true(!is_final || (r->events[i].words > 0) == (r->events[i].text[0] != '\0'));
    }
    return texts;
}

static void only_sure_segments_have_a_text(void **state)
{
    struct record *r = calloc(1, sizeof(*r));
    struct vs_vad_ops sure = fake_vad;

    (void)state;
    assert_non_null(r);
    sure.open = open_sure;
    for (int threads = 0; threads < 2; threads++) {
        assert_int_equal(hear_script(r, &fake_vad, 0, threads), 5); /* it recommends nothing */
        assert_int_equal(hear_script(r, &fake_vad, 0.85f, threads), 5);
        assert_int_equal(hear_script(r, &fake_vad, 0.95f, threads), 0);
        assert_int_equal(hear_script(r, &sure, 0, threads), 0);
        assert_int_equal(hear_script(r, &sure, 0.85f, threads), 5);
        assert_int_equal(hear_script(r, &sure, -1, threads), 5);
    }
    free(r);
}

static void thin_texts_are_known(void **state)
{
    (void)state;
    assert_false(vs_text_is_thin("two", 1.4)); /* too short to tell */
    assert_true(vs_text_is_thin("two", 1.6));
    assert_false(vs_text_is_thin("and he", 3.0));
    assert_true(vs_text_is_thin("and he", 3.2));
    assert_true(vs_text_is_thin("", 2));
    assert_false(vs_text_is_thin("", 1));
    assert_false(vs_text_is_thin(NULL, 100));
    assert_false(vs_text_is_thin("  \xc3\xbc"
                                 "ber  \xc3\xa4rger ",
                                 3.0)); /* 2 words */
    assert_true(vs_text_is_thin("  \xc3\xbc"
                                "ber  \xc3\xa4rger ",
                                3.2));
    assert_false(vs_text_is_thin("\xe4\xbd\xa0\xe5\xa5\xbd", 3.0)); /* 2 ideographs */
    assert_true(vs_text_is_thin("\xe4\xbd\xa0\xe5\xa5\xbd", 3.2));
    assert_true(vs_text_is_thin("\xe4\xbd", 3.2)); /* broken off */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_engine_hears_without_a_pipeline),
        cmocka_unit_test(only_sure_segments_have_a_text),
        cmocka_unit_test(thin_texts_are_known),
    };

    return cmocka_run_group_tests_name("stt", tests, NULL, NULL);
}
