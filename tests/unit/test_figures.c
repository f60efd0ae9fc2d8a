/* SPDX-License-Identifier: MIT */
/* Spoken numbers as figures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "text/figures.h"

static const char *const units[] = {"",        "one",     "two",       "three",    "four",
                                    "five",    "six",     "seven",     "eight",    "nine",
                                    "ten",     "eleven",  "twelve",    "thirteen", "fourteen",
                                    "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"};
static const char *const tens[] = {"",      "",      "twenty",  "thirty", "forty",
                                   "fifty", "sixty", "seventy", "eighty", "ninety"};

static void assert_figures(const char *heard, const char *wanted)
{
    char *text = figures_write(heard);

    assert_non_null(text);
    assert_string_equal(text, wanted);
    free(text);
}

static void says(long n, char *ret)
{
    if (n >= 1000) {
        says(n / 1000, ret);
        strcat(ret, " thousand");
        n %= 1000;
    }
    if (n >= 100) {
        sprintf(ret + strlen(ret), "%s%s hundred", *ret ? " " : "", units[n / 100]);
        n %= 100;
        if (n > 0)
            strcat(ret, " and");
    }
    if (n >= 20) {
        sprintf(ret + strlen(ret), "%s%s", *ret ? " " : "", tens[n / 10]);
        n %= 10;
    }
    if (n > 0)
        sprintf(ret + strlen(ret), "%s%s", *ret ? " " : "", units[n]);
}

static void every_number_comes_back(void **state)
{
    (void)state;
    for (long n = 10; n < 1000000; n += n < 3000 ? 1 : 977) {
        char said[200] = "", wanted[40];

        says(n, said);
        strcat(said, " boxes");
        snprintf(wanted, sizeof(wanted), "%ld boxes", n);
        assert_figures(said, wanted);
    }
}

static void small_numbers_and_other_words_stay(void **state)
{
    static const char *const same[] = {
        "",           "one two three",  "a hundred",           "first things first", "hundred",
        "point five", "two and a half", "literal twenty five", "someone tends to",   "and",
        "five"};

    (void)state;
    for (size_t i = 0; i < sizeof(same) / sizeof(same[0]); i++)
        assert_figures(same[i], same[i]);
}

static void units_ordinals_and_years_are_written(void **state)
{
    (void)state;
    assert_figures("the twenty first of may", "the 21st of may");
    assert_figures("the thirteenth", "the 13th");
    assert_figures("one hundred and first", "101st");
    assert_figures("the twelfth and the twenty second", "the 12th and the 22nd");
    assert_figures("two point five percent", "2.5%");
    assert_figures("zero point zero five", "0.05");
    assert_figures("five percent", "5%");
    assert_figures("nineteen ninety nine", "1999");
    assert_figures("twenty twenty six", "2026");
    assert_figures("two thousand and six", "2006");
    assert_figures("fifteen hundred", "1500");
    assert_figures("Twenty Five  apples", "25 apples");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_number_comes_back),
        cmocka_unit_test(small_numbers_and_other_words_stay),
        cmocka_unit_test(units_ordinals_and_years_are_written),
    };

    return cmocka_run_group_tests_name("figures", tests, NULL, NULL);
}
