/* SPDX-License-Identifier: MIT */
/* A text engine without a pipeline. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(an_engine_hears_without_a_pipeline)};

    return cmocka_run_group_tests_name("stt", tests, NULL, NULL);
}
