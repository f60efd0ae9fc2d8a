/* SPDX-License-Identifier: MIT */
/* Word error rates: how texts are made alike, and how they are aligned. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../../tools/eval/words.h"

static char *join(const char *text, bool spell)
{
    static char line[4096];
    struct words w;

    assert_int_equal(words_split(text, spell, &w), 0);
    line[0] = '\0';
    for (size_t i = 0; i < w.count; i++) {
        assert_true(strlen(line) + strlen(w.word[i]) + 2 < sizeof(line));
        strcat(strcat(line, i > 0 ? " " : ""), w.word[i]);
    }
    words_free(&w);
    return line;
}

static void test_normalised(void **state)
{
    static const char *const pairs[][2] = {
        {"", ""},
        {"  ", ""},
        {"Ask NOT, what-your \"country\"…", "ask not what your country"},
        {"what's the dogs' 'end'", "what's the dogs end"},
        {"it\xe2\x80\x99s", "it's"},
        {"um so <VOCNOISE> yeah [laughter] uh hm", "so yeah"},
        {"2:30 p.m. on TV", "two thirty pm on tv"},
        {"two thirty p m on t v", "two thirty pm on tv"},
        {"it is a car", "it is a car"},
        {"6 \xc3\x97 10 = 60, a 12% chance", "six times ten equals sixty a twelve percent chance"},
        {"1,234.50 and 600000",
         "one thousand two hundred thirty four point five zero and six hundred thousand"},
        {"at 3:00, the 21st of 30", "at three the twenty first of thirty"},
        {"1, 2, 3", "one two three"},
        {"\xc3\x84PFEL \xd0\x9f\xd0\xa0\xd0\x98", "\xc3\xa4pfel \xd0\xbf\xd1\x80\xd0\xb8"},
        {"a\xff\xfe"
         "b \xe2\x82",
         "ab"}, /* two letters that stand alone */
        {"good\xff\xfeone", "good one"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
        assert_string_equal(join(pairs[i][0], true), pairs[i][1]);
    assert_string_equal(join("set 30 seconds, 1,000 times", false), "set 30 seconds 1000 times");
}

static void test_numbers(void **state)
{
    static const struct {
        const char *digits;
        bool ordinal;
        const char *words;
    } rows[] = {
        {"0", false, "zero"},
        {"13", false, "thirteen"},
        {"40", true, "fortieth"},
        {"105", false, "one hundred five"},
        {"112", true, "one hundred twelfth"},
        {"1000000", false, "one million"},
        {"007", false, "zero zero seven"},
        {"3", true, "third"},
        {"1234567890123456", false,
         "one two three four five six seven eight nine zero one two three four five six"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char words[NUMBER_BYTES(20)];

        size_t length =
            number_spell(rows[i].digits, strlen(rows[i].digits), rows[i].ordinal, words);
        assert_string_equal(words, rows[i].words);
        assert_int_equal(length, strlen(words));
    }
}

/* No number needs more room than is given; what is spelled never grows beyond it. */
static void test_longest_numbers(void **state)
{
    char digits[17], words[NUMBER_BYTES(16)];

    (void)state;
    for (size_t count = 1; count <= 16; count++) {
        memset(digits, '7', count);
        assert_true(number_spell(digits, count, true, words) < 12 * count + 2);
    }
}

static void check_errors(const char *reference, const char *heard, size_t substituted,
                         size_t deleted, size_t inserted)
{
    struct words a, b;
    struct errors e;

    assert_int_equal(words_split(reference, true, &a), 0);
    assert_int_equal(words_split(heard, true, &b), 0);
    assert_int_equal(words_align(&a, &b, &e), 0);
    assert_int_equal(e.words, a.count);
    assert_int_equal(e.substituted, substituted);
    assert_int_equal(e.deleted, deleted);
    assert_int_equal(e.inserted, inserted);
    words_free(&a);
    words_free(&b);
}

static void test_alignment(void **state)
{
    (void)state;
    check_errors("", "", 0, 0, 0);
    check_errors("", "some words here", 0, 0, 3);
    check_errors("some words here", "", 0, 3, 0);
    check_errors("go forward ten meters", "go forward ten meters", 0, 0, 0);
    check_errors("go forward ten meters", "go ten meters", 0, 1, 0);
    check_errors("go forward ten meters", "so go forward ten meters", 0, 0, 1);
    check_errors("go forward ten meters", "go for word ten metres", 2, 0, 1);
    check_errors("one two three four five", "two three four five six", 0, 1, 1);
    check_errors("set it to 30", "set it to thirty", 0, 0, 0);
}

/* Against the plain recursion: as many errors, never more. */
static size_t distance(const char *a, const char *b)
{
    if (*a == '\0' || *b == '\0')
        return strlen(a) + strlen(b);
    if (*a == *b)
        return distance(a + 1, b + 1);
    size_t best = distance(a + 1, b + 1), other = distance(a + 1, b);

    best = other < best ? other : best;
    other = distance(a, b + 1);
    return 1 + (other < best ? other : best);
}

static struct words spread(const char *letters, char storage[8][2], char *word[8])
{
    struct words w = {.word = word, .count = strlen(letters)};

    for (size_t i = 0; i < w.count; i++) {
        storage[i][0] = letters[i];
        storage[i][1] = '\0';
        word[i] = storage[i];
    }
    return w;
}

static void test_fewest(void **state)
{
    uint32_t seed = 1;

    (void)state;
    for (int round = 0; round < 2000; round++) {
        char text[2][8] = {{0}}, storage[2][8][2];
        char *word[2][8];
        struct errors e;

        for (int side = 0; side < 2; side++) {
            seed = seed * 1664525u + 1013904223u;
            for (uint32_t i = 0; i < (seed >> 16) % 8; i++)
                text[side][i] = (char)('a' + (seed >> (2 * i + 8)) % 3);
        }
        struct words a = spread(text[0], storage[0], word[0]);
        struct words b = spread(text[1], storage[1], word[1]);
        assert_int_equal(words_align(&a, &b, &e), 0);
        assert_int_equal(e.substituted + e.deleted + e.inserted, distance(text[0], text[1]));
        assert_int_equal(a.count - e.deleted + e.inserted, b.count);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_normalised),      cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_longest_numbers), cmocka_unit_test(test_alignment),
        cmocka_unit_test(test_fewest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
