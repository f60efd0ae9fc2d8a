/* SPDX-License-Identifier: MIT */
/* From what was heard to what is meant. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <unistd.h>

#include "dictate/words.h"

static struct words *open_words(const char *language, bool plain, const char *phrases)
{
    struct words_config config = {.language = language, .plain = plain, .phrases = phrases};
    struct words *w = NULL;
    unsigned line;

    assert_int_equal(words_open(&config, &w, &line), 0);
    return w;
}

/* `heard` with nothing known before it. */
static void assert_makes(const struct words *w, const char *heard, const char *wanted)
{
    struct words_before before = {0};
    struct words_made made;

    assert_int_equal(words_make(w, heard, &before, &made), 0);
    assert_string_equal(made.text, wanted);
    free(made.text);
}

static void punctuation_is_said(void **state)
{
    struct words *w = open_words("en", false, NULL);

    (void)state;
    assert_makes(w, "hello comma world period how are you question mark",
                 "hello, world. How are you?");
    assert_makes(w, "one new line two new paragraph three", "one\nTwo\n\nThree");
    assert_makes(w, "he said open quote hello close quote", "he said \"hello\"");
    assert_makes(w, "see open paren figure two close paren full stop", "see (figure two).");
    assert_makes(w, "well hyphen known and slash or", "well-known and/or");
    assert_makes(w, "me at sign example", "me@example");
    assert_makes(w, "semi colon", ";");
    assert_makes(w, "cap paris is all caps nice", "Paris is NICE");
    assert_makes(w, "foo no space bar", "foobar");
    assert_makes(w, "the literal period of rest", "the period of rest");
    assert_makes(w, "the periodic comma", "the periodic,");
    assert_makes(w, "", "");
    assert_makes(w, "  spread \n over   lines ", "spread over lines");
    words_close(w);
}

/* An engine that sets marks and capitals by itself is not spoilt. */
static void marks_of_the_engine_stay(void **state)
{
    struct words *w = open_words("en", false, NULL);

    (void)state;
    assert_makes(w, "Hello, World. It's 5 o'clock!", "Hello, World. It's 5 o'clock!");
    assert_makes(w, "First. New line. Second.", "First.\nSecond.");
    words_close(w);
}

static void words_as_they_are(void **state)
{
    struct words *w = open_words("en", true, NULL);
    struct words_before before = {.last = 'x'};
    struct words_made made;

    (void)state;
    assert_makes(w, "hello comma scratch that", "hello comma scratch that");
    assert_int_equal(words_make(w, "more", &before, &made), 0);
    assert_string_equal(made.text, " more");
    free(made.text);
    words_close(w);
}

/* One utterance after another: blanks and capitals between them. */
static void utterances_join(void **state)
{
    static const struct {
        const char *heard, *wanted;
    } steps[] = {{"hello", "hello"},   {"world", " world"}, {"period", "."},
                 {"next", " Next"},    {"new line", "\n"},  {"third", "Third"},
                 {"open paren", " ("}, {"inner", "inner"},  {"close paren", ")"}};
    struct words *w = open_words("en", false, NULL);
    struct words_before before = {0};

    (void)state;
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        struct words_made made;
        assert_int_equal(words_make(w, steps[i].heard, &before, &made), 0);
        assert_string_equal(made.text, steps[i].wanted);
        assert_int_equal(made.taken, 0);
        before = made.after;
        free(made.text);
    }
    words_close(w);
}

static void scratch_that_takes_back(void **state)
{
    struct words *w = open_words("en", false, NULL);
    struct words_before before = {.last = '.', .capital = true};
    struct words_made made;

    (void)state;
    assert_int_equal(words_make(w, "scratch that", &before, &made), 0);
    assert_string_equal(made.text, "");
    assert_int_equal(made.taken, 1);
    free(made.text);
    assert_int_equal(words_make(w, "Scratch that. Scratch that.", &before, &made), 0);
    assert_int_equal(made.taken, 2);
    free(made.text);
    /* what this utterance said before it was not inserted yet */
    assert_int_equal(words_make(w, "wrong words scratch that right words", &before, &made), 0);
    assert_string_equal(made.text, " Right words");
    assert_int_equal(made.taken, 0);
    free(made.text);
    assert_int_equal(words_make(w, "wrong scratch that scratch that right", &before, &made), 0);
    assert_string_equal(made.text, "right");
    assert_int_equal(made.taken, 1);
    free(made.text);
    words_close(w);
}

static void languages_have_their_rules(void **state)
{
    struct words *de = open_words("de", false, NULL), *fr = open_words("fr", false, NULL),
                 *none = NULL;
    struct words_config config = {.language = "xx"};
    unsigned line;

    (void)state;
    assert_makes(de, "guten tag komma welt punkt über uns fragezeichen",
                 "guten tag, welt. Über uns?");
    assert_makes(de, "er sagte anführungszeichen auf ja anführungszeichen zu", "er sagte „ja“");
    assert_makes(de, "GROSS Anfang Neue Zeile ende", "GROSS Anfang\nEnde");
    assert_makes(fr, "ça va point d’interrogation oui point", "ça va\u202f? Oui.");
    assert_makes(fr, "ouvrez les guillemets oui fermez les guillemets", "«\u00a0oui\u00a0»");
    assert_makes(fr, "un point virgule deux", "un\u202f; deux");
    assert_int_equal(words_open(&config, &none, &line), -ENOTSUP);
    words_close(de);
    words_close(fr);
}

static void write_phrases(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void own_phrases_come_first(void **state)
{
    char path[] = "/tmp/voicestand-test-XXXXXX";
    int fd = mkstemp(path);
    struct words_config config = {.language = "en", .phrases = path};
    struct words *w = NULL;
    unsigned line = 0;

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    write_phrases(path, "# mine\n\nvoice stand = VoiceStand\nmy address = 1 Main St\\nTown\n"
                        "um =\nComma = [comma]\nvoice = V\n");
    w = open_words("en", false, path);
    assert_makes(w, "use Voice Stand, um, now", "use VoiceStand now");
    assert_makes(w, "voice voice stand", "V VoiceStand");
    assert_makes(w, "my address", "1 Main St\nTown");
    assert_makes(w, "a comma b", "a [comma] b");
    words_close(w);
    write_phrases(path, "a = b\nno sign\n");
    assert_int_equal(words_open(&config, &w, &line), -EINVAL);
    assert_int_equal(line, 2);
    write_phrases(path, " = b\n");
    assert_int_equal(words_open(&config, &w, &line), -EINVAL);
    unlink(path);
    assert_int_equal(words_open(&config, &w, &line), -ENOENT);
}

/* Whatever an engine says, the text is made. */
static void any_bytes_are_taken(void **state)
{
    struct words *w = open_words("en", false, NULL);
    uint32_t seed = 1;

    (void)state;
    for (int i = 0; i < 3000; i++) {
        char heard[40];
        struct words_before before = {0};
        struct words_made made;
        for (size_t at = 0; at < sizeof(heard) - 1; at++) {
            seed = seed * 1664525 + 1013904223;
            heard[at] = (char)(seed >> 24) != '\0' ? (char)(seed >> 24) : ' ';
        }
        heard[sizeof(heard) - 1] = '\0';
        assert_int_equal(words_make(w, heard, &before, &made), 0);
        free(made.text);
    }
    words_close(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(punctuation_is_said),     cmocka_unit_test(marks_of_the_engine_stay),
        cmocka_unit_test(words_as_they_are),       cmocka_unit_test(utterances_join),
        cmocka_unit_test(scratch_that_takes_back), cmocka_unit_test(languages_have_their_rules),
        cmocka_unit_test(own_phrases_come_first),  cmocka_unit_test(any_bytes_are_taken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
