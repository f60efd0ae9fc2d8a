/* SPDX-License-Identifier: MIT */
#include "text/figures.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MOST_WORDS = 4096, NOT_A_NUMBER = -1 };

enum kind { UNIT, TEEN, TENS, HUNDRED, SCALE };

static const struct {
    const char *cardinal, *ordinal;
    long value;
    enum kind kind;
} numbers[] = {
    {"zero", "zeroth", 0, UNIT},
    {"one", "first", 1, UNIT},
    {"two", "second", 2, UNIT},
    {"three", "third", 3, UNIT},
    {"four", "fourth", 4, UNIT},
    {"five", "fifth", 5, UNIT},
    {"six", "sixth", 6, UNIT},
    {"seven", "seventh", 7, UNIT},
    {"eight", "eighth", 8, UNIT},
    {"nine", "ninth", 9, UNIT},
    {"ten", "tenth", 10, TEEN},
    {"eleven", "eleventh", 11, TEEN},
    {"twelve", "twelfth", 12, TEEN},
    {"thirteen", "thirteenth", 13, TEEN},
    {"fourteen", "fourteenth", 14, TEEN},
    {"fifteen", "fifteenth", 15, TEEN},
    {"sixteen", "sixteenth", 16, TEEN},
    {"seventeen", "seventeenth", 17, TEEN},
    {"eighteen", "eighteenth", 18, TEEN},
    {"nineteen", "nineteenth", 19, TEEN},
    {"twenty", "twentieth", 20, TENS},
    {"thirty", "thirtieth", 30, TENS},
    {"forty", "fortieth", 40, TENS},
    {"fifty", "fiftieth", 50, TENS},
    {"sixty", "sixtieth", 60, TENS},
    {"seventy", "seventieth", 70, TENS},
    {"eighty", "eightieth", 80, TENS},
    {"ninety", "ninetieth", 90, TENS},
    {"hundred", "hundredth", 100, HUNDRED},
    {"thousand", "thousandth", 1000, SCALE},
    {"million", "millionth", 1000000, SCALE},
    {"billion", "billionth", 1000000000, SCALE},
};

struct word {
    const char *text;
    int bytes;
};

/* A number that is being read. */
struct reading {
    long value; /* of what is complete: thousands, millions */
    long group; /* below a thousand, so far */
    long scale; /* of the last "thousand"; 0 = none */
    int kind;   /* of the last word; -1 = none */
    int words;
    bool ordinal;
};

static int find(const struct word *w, bool *ret_ordinal)
{
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        const char *forms[] = {numbers[i].cardinal, numbers[i].ordinal};

        for (int k = 0; k < 2; k++)
            if ((int)strlen(forms[k]) == w->bytes &&
                strncasecmp(forms[k], w->text, (size_t)w->bytes) == 0) {
                *ret_ordinal = k == 1;
                return (int)i;
            }
    }
    return NOT_A_NUMBER;
}

static bool is(const struct word *w, const char *text)
{
    return (int)strlen(text) == w->bytes && strncasecmp(text, w->text, (size_t)w->bytes) == 0;
}

/* Does a word of this kind go on with the number? "twenty five", "two hundred", "five thousand", but not
   "five six" nor "twenty thirty". */
static bool goes_on(const struct reading *r, int kind, long value)
{
    if (r->ordinal)
        return false;
    switch (kind) {
    case UNIT:
        return r->kind < 0 ||
               ((r->kind == TENS || r->kind == HUNDRED || r->kind == SCALE) && value > 0);
    case TEEN:
    case TENS:
        return r->kind < 0 || r->kind == HUNDRED || r->kind == SCALE;
    case HUNDRED:
        return r->kind == UNIT || (r->kind == TEEN && r->scale == 0);
    default:
        return r->kind >= 0 && r->kind != SCALE && (r->scale == 0 || value < r->scale) &&
               r->group > 0;
    }
}

static void take(struct reading *r, int kind, long value)
{
    if (kind == HUNDRED) {
        r->group *= 100;
    } else if (kind == SCALE) {
        r->value += r->group * value;
        r->group = 0;
        r->scale = value;
    } else {
        r->group += value;
    }
    r->kind = kind;
    r->words++;
}

/* The number that begins here. @return its words, 0 = none begins here */
static int read_number(const struct word *w, int count, struct reading *ret)
{
    struct reading r = {.kind = -1};
    int at = 0;

    while (at < count) {
        bool ordinal = false;
        /* "two hundred and five" */
        int skip = r.kind >= HUNDRED && at + 1 < count && is(&w[at], "and") ? 1 : 0;
        int i = find(&w[at + skip], &ordinal);

        if (i < 0 || (skip > 0 && numbers[i].kind > TENS) ||
            !goes_on(&r, numbers[i].kind, numbers[i].value))
            break;
        take(&r, numbers[i].kind, numbers[i].value);
        r.ordinal = ordinal;
        at += 1 + skip;
    }
    *ret = r;
    return r.kind < 0 ? 0 : at;
}

static const char *ending(long value)
{
    long last = value % 10, two = value % 100;

    if (two >= 11 && two <= 13)
        return "th";
    return last == 1 ? "st" : last == 2 ? "nd" : last == 3 ? "rd" : "th";
}

/* "nineteen ninety nine", "twenty twenty six": two numbers of two digits are a year. */
static int read_year(const struct word *w, int count, long *ret)
{
    struct reading a, b;
    int first = read_number(w, count < 1 ? count : 1, &a);
    int second = first > 0 ? read_number(w + first, count - first, &b) : 0;

    if (second == 0 || a.ordinal || b.ordinal || a.words != 1 || b.value > 0 || b.group < 10 ||
        b.group > 99 || (a.kind != TEEN && a.group != 20) || a.group < 13)
        return 0;
    *ret = a.group * 100 + b.group;
    return first + second;
}

/* " point five six": digits behind a number. @return words */
static int write_fraction(const struct word *w, int count, FILE *to)
{
    int at = 1;

    if (count < 2 || !is(&w[0], "point"))
        return 0;
    for (; at < count; at++) {
        bool ordinal = false;
        int i = find(&w[at], &ordinal);

        if (i < 0 || ordinal || numbers[i].kind != UNIT)
            break;
        if (at == 1)
            fputc('.', to);
        fprintf(to, "%ld", numbers[i].value);
    }
    return at > 1 ? at : 0;
}

static bool is_fraction(const struct word *w, int count)
{
    bool ordinal = false;
    int i = count >= 2 && is(&w[0], "point") ? find(&w[1], &ordinal) : NOT_A_NUMBER;

    return i >= 0 && !ordinal && numbers[i].kind == UNIT;
}

/* One number as it is written. @return words, 0 = it stays as it is */
static int write_number(const struct word *w, int count, FILE *to)
{
    struct reading r;
    long year;
    int used = read_year(w, count, &year);

    if (used > 0) {
        fprintf(to, "%ld", year);
        return used;
    }
    used = read_number(w, count, &r);
    if (used == 0)
        return 0;
    long value = r.value + r.group;
    bool unit = used < count && (is(&w[used], "percent") || is_fraction(&w[used], count - used));
    if (value < 10 && !unit)
        return 0;
    fprintf(to, "%ld%s", value, r.ordinal ? ending(value) : "");
    if (!r.ordinal)
        used += write_fraction(w + used, count - used, to);
    if (!r.ordinal && used < count && is(&w[used], "percent")) {
        fputc('%', to);
        used++;
    }
    return used;
}

static int split(const char *text, struct word *ret)
{
    int count = 0;

    while (count < MOST_WORDS) {
        text += strspn(text, " \t\n");
        int bytes = (int)strcspn(text, " \t\n");
        if (bytes == 0)
            break;
        ret[count++] = (struct word){text, bytes};
        text += bytes;
    }
    return count;
}

/* What stands alone below ten stays a word, but all digits of a row are one number each: a whole run that
   is no number is written word by word. */
static void write_words(const struct word *w, int count, FILE *to)
{
    for (int at = 0; at < count;) {
        bool literal = at > 0 && is(&w[at - 1], "literal");
        struct reading r;

        if (at > 0)
            fputc(' ', to);
        int used = literal ? 0 : write_number(w + at, count - at, to);
        if (used == 0) {
            used = literal ? read_number(w + at, count - at, &r) : 0;
            used = used > 0 ? used : 1;
            for (int i = 0; i < used; i++)
                fprintf(to, "%s%.*s", i > 0 ? " " : "", w[at + i].bytes, w[at + i].text);
        }
        at += used;
    }
}

char *figures_write(const char *heard)
{
    struct word *words = malloc(MOST_WORDS * sizeof(*words));
    char *ret = NULL;
    size_t bytes = 0;
    FILE *to = words != NULL ? open_memstream(&ret, &bytes) : NULL;

    if (to == NULL) {
        free(words);
        return NULL;
    }
    int count = split(heard, words);
    write_words(words, count, to);
    if (count == MOST_WORDS) /* nobody says so much at once: the rest stays as it is */
        fprintf(to, "%s", words[count - 1].text + words[count - 1].bytes);
    free(words);
    return fclose(to) == 0 ? ret : NULL;
}
