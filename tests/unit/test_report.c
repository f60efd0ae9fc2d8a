/* SPDX-License-Identifier: MIT */
/* What is made of a segment before the user is told: which texts are too thin for their time, in any script, and
   which full-rate audio can be made of a source. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pipeline/report.h"

/* A text is thin with less than 0.65 words a second: so many words are counted as make it thin, and no more. */
static void has_words(const char *text, unsigned words)
{
    if (!vs_text_is_thin(text, (words + 0.5) / 0.65 + 1e-9) ||
        vs_text_is_thin(text, words / 0.65 - 1e-9))
        fail_msg("'%s' has not %u words", text, words);
}

static void words_of_any_script(void **state)
{
    static const struct {
        const char *text;
        unsigned words;
    } texts[] = {
        {"two words", 2},
        {"  two\twords \n", 2},
        {"zwölf Überläufe", 2},
        {"слова и слова", 3},
        {"かな", 2},               /* kana */
        {"漢字です", 4},           /* ideographs */
        {"𠀀𠀁", 2},               /* and of the second plane */
        {"กขค", 3},                /* Thai */
        {"ကခ", 2},                 /* Burmese */
        {"កខ", 2},                 /* Khmer */
        {"한국어 말", 2},          /* written with blanks, as what lies between those: */
        {"ㄱㄴ ㄷ", 2},            /* jamo */
        {"བོད ཡིག", 2},              /* Tibetan */
        {"ქართ ული", 2},           /* Georgian */
        {"ᠮᠣᠩ ᠭᠣᠯ", 2},            /* Mongolian */
        {"😀😀 😀", 2},               /* pictures */
        {"\xf3\xb0\x80\x80 x", 2}, /* U+F0000, beyond all ideographs */
        {"word漢word", 3},
        {"\xe6\xbc word", 2}, /* a torn character */
    };

    (void)state;
    for (size_t i = 0; i < VS__COUNT(texts); i++)
        has_words(texts[i].text, texts[i].words);
    assert_false(vs_text_is_thin("", 1.49));
    assert_true(vs_text_is_thin("", 1.5));
    assert_true(
        vs_text_is_thin("\xf0\x9f", 2.0)); /* torn at its end: one word, none read behind it */
    assert_false(vs_text_is_thin("\xf0\x9f", 1.5));
    assert_false(vs_text_is_thin(NULL, 9));
}

static void thin_texts_are_kept_unless_asked(void **state)
{
    struct vs_event end = {.size = sizeof(end), .start_s = 1, .end_s = 5, .sure = 0.5f};

    (void)state;
    assert_string_equal(vs__text_keep("one", &end, 0), "one");
    assert_string_equal(vs__text_keep("one", &end, 0.4f), "");
    assert_string_equal(vs__text_keep("one two three", &end, 0.4f), "one two three");
    assert_true(vs__text_is_wanted(&end, 0));
    assert_true(vs__text_is_wanted(&end, 0.5f));
    assert_false(vs__text_is_wanted(&end, 0.6f));
}

static void keep_sentence(void *user, int level, const char *topic, const char *message)
{
    assert_int_equal(level, VS_LOG_ERROR);
    assert_string_equal(topic, "dsp");
    snprintf(user, 200, "%s", message);
}

static void audio_that_cannot_be_made_is_refused(void **state)
{
    static const struct {
        uint32_t source_hz, channels, channel, rate_hz, wanted, hz, made; /* made 0: refused */
        const char *said;
    } rows[] = {
        {44100, 2, 0, 0, 0, 44100, 2, ""},
        {44100, 2, 1, 0, 0, 44100, 1, ""},
        {44100, 2, 0, 8000, 1, 8000, 1, ""},
        {44100, 2, 0, 192000, 2, 192000, 2, ""},
        {44100, 2, 0, 7999, 0, 0, 0, "7999 Hz"},
        {44100, 2, 0, 192001, 0, 0, 0, "192001 Hz"},
        {44100, 3, 0, 0, 2, 0, 0, "2 channels cannot be made of 3"},
        {44100, 2, 1, 0, 2, 0, 0, "one channel alone makes no 2"},
    };

    (void)state;
    for (size_t i = 0; i < VS__COUNT(rows); i++) {
        char said[200] = "";
        const struct vs_log log = {keep_sentence, said};
        struct vs__chain_config c = {
            .rate_hz = rows[i].source_hz, .channels = rows[i].channels, .channel = rows[i].channel};
        int status =
            vs__wide_config_fill(&log, VS_AUDIO_WIDE, 0, rows[i].rate_hz, rows[i].wanted, &c);
        assert_int_equal(status, rows[i].made ? 0 : -EINVAL);
        assert_non_null(strstr(said, rows[i].said));
        if (status == 0) {
            assert_true(c.audio_wide);
            assert_int_equal(c.wide_hz, rows[i].hz);
            assert_int_equal(c.wide_channels, rows[i].made);
        }
    }
    struct vs__chain_config none = {0};
    assert_int_equal(vs__wide_config_fill(NULL, VS_AUDIO_NONE, 0, 1, 9, &none), 0);
    assert_false(none.audio_wide);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_of_any_script),
        cmocka_unit_test(thin_texts_are_kept_unless_asked),
        cmocka_unit_test(audio_that_cannot_be_made_is_refused),
    };

    return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
