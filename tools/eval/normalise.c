/* SPDX-License-Identifier: MIT */
/* From a text to words that can be compared. */
#include <errno.h>
#include <locale.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>
#include <wctype.h>

#include "eval/words.h"

/* Letters of all languages, whatever the locale of the user; without it, those of ASCII. */
static locale_t letters;

static void open_letters(void)
{
    letters = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

/* One character of UTF-8; a wrong byte counts as one that separates. @return its bytes */
static size_t decode(const char *text, wint_t *ret)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *s = (const unsigned char *)text;
    size_t length = s[0] < 0x80 ? 1 : s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    uint32_t value = length < 2 ? s[0] : s[0] & (0x7fu >> length);

    for (size_t i = 1; i < length; i++) {
        if ((s[i] & 0xc0) != 0x80)
            length = 0;
        value = value << 6 | (s[i] & 0x3fu);
    }
    if (length == 0 || s[0] > 0xf4 || (length > 1 && value < least[length])) {
        *ret = L' ';
        return 1;
    }
    *ret = value == 0x2019 || value == 0x02bc ? L'\'' : (wint_t)value;
    return length;
}

static size_t encode(wint_t c, char *ret)
{
    uint32_t value = (uint32_t)c;

    if (value < 0x80) {
        ret[0] = (char)value;
        return 1;
    }
    size_t length = value < 0x800 ? 2 : value < 0x10000 ? 3 : 4;
    for (size_t i = length; i-- > 1; value >>= 6)
        ret[i] = (char)(0x80 | (value & 0x3f));
    ret[0] = (char)(0xf00 >> length | value);
    return length;
}

static bool is_letter(wint_t c)
{
    if (c < 0x80 || letters == (locale_t)0)
        return (c >= L'a' && c <= L'z') || (c >= L'A' && c <= L'Z') || c >= 0x80;
    return iswalpha_l(c, letters) || (c >= 0x300 && c < 0x370); /* accents that stand alone */
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static wint_t lower(wint_t c)
{
    if (c < 0x80 || letters == (locale_t)0)
        return c >= L'A' && c <= L'Z' ? c + 32 : c;
    return towlower_l(c, letters);
}

/* The text being made; `out` has room for all that can come of `text`. */
struct maker {
    char *out;
    size_t at;
    bool spell;
};

static void separate(struct maker *m)
{
    if (m->at > 0 && m->out[m->at - 1] != ' ')
        m->out[m->at++] = ' ';
}

static void say_word(struct maker *m, const char *word)
{
    size_t length = strlen(word);

    separate(m);
    memcpy(m->out + m->at, word, length);
    m->at += length;
    separate(m);
}

static bool is_ordinal(const char *s)
{
    wint_t next;

    if (strncmp(s, "st", 2) != 0 && strncmp(s, "nd", 2) != 0 && strncmp(s, "rd", 2) != 0 &&
        strncmp(s, "th", 2) != 0)
        return false;
    (void)decode(s + 2, &next);
    return !is_letter(next) && !is_digit(s[2]);
}

/* Digits, with commas between thousands; ":00" of a time is not said. @return bytes taken */
static size_t take_number(struct maker *m, const char *s)
{
    char digits[400];
    size_t taken = 0, count = 0;

    for (;; taken++) {
        if (is_digit(s[taken]) && count < sizeof(digits))
            digits[count++] = s[taken];
        else if (s[taken] != ',' || !is_digit(s[taken + 1]) || !is_digit(s[taken + 2]) ||
                 !is_digit(s[taken + 3]) || is_digit(s[taken + 4]) || count == sizeof(digits))
            break;
    }
    bool ordinal = m->spell && is_ordinal(s + taken);
    separate(m);
    if (m->spell) {
        m->at += number_spell(digits, count, ordinal, m->out + m->at);
    } else {
        memcpy(m->out + m->at, digits, count);
        m->at += count;
    }
    taken += ordinal ? 2 : 0;
    if (m->spell && s[taken] == '.' && is_digit(s[taken + 1])) {
        say_word(m, "point");
        for (taken++; is_digit(s[taken]); taken++) { /* 3.25 is "three point two five" */
            separate(m);
            m->at += number_spell(s + taken, 1, false, m->out + m->at);
        }
    } else if (m->spell && strncmp(s + taken, ":00", 3) == 0 && !is_digit(s[taken + 3])) {
        taken += 3;
    }
    separate(m);
    return taken;
}

static const char *spoken_sign(wint_t c)
{
    switch (c) {
    case L'%':
        return "percent";
    case L'&':
        return "and";
    case L'=':
        return "equals";
    case L'+':
        return "plus";
    case 0xd7:
        return "times";
    default:
        return NULL;
    }
}

/* "<noise>" and "[laughter]" are no words. @return bytes of the tag, 0 = it is none */
static size_t skip_tag(const char *s)
{
    const char *end = s[0] == '<' ? strchr(s, '>') : s[0] == '[' ? strchr(s, ']') : NULL;

    return end != NULL ? (size_t)(end - s) + 1 : 0;
}

static size_t take_one(struct maker *m, const char *text, const char *s)
{
    wint_t c, next;
    size_t length = skip_tag(s);

    if (length > 0) {
        separate(m);
        return length;
    }
    if (is_digit(*s))
        return take_number(m, s);
    length = decode(s, &c);
    (void)decode(s + length, &next);
    const char *sign = spoken_sign(c);
    bool inside = m->at > 0 && m->out[m->at - 1] != ' ' && s > text && is_letter(next);
    if (is_letter(c) || (c == L'\'' && inside)) {
        m->at += encode(lower(c), m->out + m->at);
    } else if (sign != NULL) {
        say_word(m, sign);
    } else if (c != L'.' || !inside) { /* "p.m." is "pm" */
        separate(m);
    }
    return length;
}

static bool is_filler(const char *word)
{
    static const char *const fillers[] = {"uh", "um", "hm", "hmm", "mm", "mmm", "mhm"};

    for (size_t i = 0; i < sizeof(fillers) / sizeof(fillers[0]); i++)
        if (strcmp(word, fillers[i]) == 0)
            return true;
    return false;
}

/* "p m" and "t v" are what others write as "pm" and "tv". */
static void join_letters(struct words *w)
{
    size_t kept = 0;
    bool was_letter = false;

    for (size_t i = 0; i < w->count; i++) {
        bool is_one = w->word[i][0] >= 'a' && w->word[i][0] <= 'z' && w->word[i][1] == '\0';

        if (is_one && was_letter) {
            char *end = strchr(w->word[kept - 1], '\0');
            end[0] = w->word[i][0]; /* over the end of a word that stands before it */
            end[1] = '\0';
        } else {
            w->word[kept++] = w->word[i];
        }
        was_letter = is_one;
    }
    w->count = kept;
}

int words_split(const char *text, bool spell, struct words *ret)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    size_t bytes = strlen(text);
    struct maker m = {.spell = spell, .out = malloc(NUMBER_BYTES(bytes))};
    struct words w = {.block = m.out, .word = malloc((NUMBER_BYTES(bytes) / 2) * sizeof(*w.word))};
    char *rest = NULL;

    if (m.out == NULL || w.word == NULL) {
        words_free(&w);
        return -ENOMEM;
    }
    pthread_once(&once, open_letters);
    for (const char *s = text; *s != '\0';)
        s += take_one(&m, text, s);
    m.out[m.at] = '\0';
    for (char *word = strtok_r(m.out, " ", &rest); word != NULL; word = strtok_r(NULL, " ", &rest))
        if (!is_filler(word))
            w.word[w.count++] = word;
    join_letters(&w);
    *ret = w;
    return 0;
}

void words_free(struct words *w)
{
    free(w->word);
    free(w->block);
    *w = (struct words){0};
}
