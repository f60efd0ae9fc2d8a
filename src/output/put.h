/* SPDX-License-Identifier: MIT */
/* Numbers and words as the formats need them: exact, the same in every locale, always valid. */
#ifndef VS_SRC_OUTPUT_PUT_H
#define VS_SRC_OUTPUT_PUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/** What may not stand in a text as it is. Everywhere but in JSON, white space and control
    characters become single blanks; everywhere, bytes that are not UTF-8 become U+FFFD. */
enum vs__words {
    VS__WORDS_PLAIN,    /**< nothing more */
    VS__WORDS_JSON,     /**< inside quotes of JSON; control characters as \u00XX */
    VS__WORDS_CSV,      /**< a field of RFC 4180, quoted where it must be */
    VS__WORDS_TEXTGRID, /**< inside quotes of Praat: quotes doubled */
    VS__WORDS_SRT,      /**< no arrow */
    VS__WORDS_VTT,      /**< & < > as entities */
    VS__WORDS_ID,       /**< a field between blanks: blanks become _ */
};

void vs__put_words(FILE *stream, const char *text, enum vs__words how);

/** frames / rate_hz with `digits` (0..6) decimals, rounded half up. `is_short`: no zeros at the
    end but one decimal at least, as in 1.5 and 2.0. */
void vs__put_seconds(FILE *stream, uint64_t frames, uint32_t rate_hz, int digits, bool is_short);

/** frames / rate_hz in milliseconds, rounded half up. */
uint64_t vs__to_ms(uint64_t frames, uint32_t rate_hz);

/** `value` with `digits` (0..6) decimals; not finite: "null". */
void vs__put_decimal(FILE *stream, double value, int digits);

/** CLOCK_REALTIME as RFC 3339 in UTC with milliseconds, 2026-11-23T22:48:45.123Z. */
void vs__put_time(FILE *stream, int64_t wall_ns);

/** The name of a file without folder and end; "live" for NULL. @return its length. */
size_t vs__stem(const char *file, const char **ret);

#endif
