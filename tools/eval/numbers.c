/* SPDX-License-Identifier: MIT */
/* Numbers in English words. */
#include <stdio.h>
#include <string.h>

#include "eval/words.h"

enum { GROUP = 3, MOST_DIGITS = 15 };

static const char *const small[] = {"zero",    "one",     "two",       "three",    "four",
                                    "five",    "six",     "seven",     "eight",    "nine",
                                    "ten",     "eleven",  "twelve",    "thirteen", "fourteen",
                                    "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"};
static const char *const tens[] = {"",      "",      "twenty",  "thirty", "forty",
                                   "fifty", "sixty", "seventy", "eighty", "ninety"};
static const char *const groups[] = {"", "thousand", "million", "billion", "trillion"};

static size_t put(char *ret, size_t at, const char *word)
{
    return at + (size_t)sprintf(ret + at, "%s%s", at > 0 ? " " : "", word);
}

static size_t put_group(char *ret, size_t at, unsigned value)
{
    if (value >= 100) {
        at = put(ret, at, small[value / 100]);
        at = put(ret, at, "hundred");
        value %= 100;
    }
    if (value >= 20) {
        at = put(ret, at, tens[value / 10]);
        value = value % 10;
    }
    return value > 0 ? put(ret, at, small[value]) : at;
}

/* The last word becomes an ordinal. */
static size_t make_ordinal(char *ret, size_t length)
{
    static const char *const odd[][2] = {
        {"one", "first"},    {"two", "second"}, {"three", "third"},   {"five", "fifth"},
        {"eight", "eighth"}, {"nine", "ninth"}, {"twelve", "twelfth"}};
    char *last = strrchr(ret, ' ');

    last = last != NULL ? last + 1 : ret;
    for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
        if (strcmp(last, odd[i][0]) == 0)
            return (size_t)(last - ret) + (size_t)sprintf(last, "%s", odd[i][1]);
    if (ret[length - 1] == 'y')
        return length - 1 + (size_t)sprintf(ret + length - 1, "ieth");
    return length + (size_t)sprintf(ret + length, "th");
}

size_t number_spell(const char *digits, size_t count, bool ordinal, char *ret)
{
    size_t at = 0;
    bool whole = count <= MOST_DIGITS && (digits[0] != '0' || count == 1);

    ret[0] = '\0';
    /* "007" and account numbers are read digit by digit. */
    for (size_t i = 0; !whole && i < count; i++)
        at = put(ret, at, small[digits[i] - '0']);
    for (size_t i = 0; whole && i < count;) {
        size_t left = count - i, length = left % GROUP == 0 ? GROUP : left % GROUP;
        unsigned value = 0;

        for (size_t k = 0; k < length; k++)
            value = 10 * value + (unsigned)(digits[i + k] - '0');
        i += length;
        if (value > 0) {
            at = put_group(ret, at, value);
            if (i < count)
                at = put(ret, at, groups[(count - i) / GROUP]);
        }
    }
    if (at == 0)
        at = put(ret, at, small[0]);
    return ordinal ? make_ordinal(ret, at) : at;
}
