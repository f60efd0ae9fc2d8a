/* SPDX-License-Identifier: MIT */
/* Numbers and words. Never printf() of a floating-point number: it follows the locale. */
#include "put.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <time.h>

static const uint32_t POWERS[] = {1, 10, 100, 1000, 10000, 100000, 1000000};

/* words ------------------------------------------------------------------------------------- */

/* Bytes of the character at `s`, a C string, and its number in `*ret`; minus the bytes to pass
   over where it is no UTF-8 (a NUL ends every broken sequence). */
static int decode(const unsigned char *s, uint32_t *ret)
{
    static const uint32_t SMALLEST[] = {0, 0, 0x80, 0x800, 0x10000};
    int length = s[0] < 0x80 ? 1 : s[0] < 0xc0 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
    uint32_t code = s[0];

    if (length == 0 || s[0] > 0xf4) {
        return -1;
    }
    if (length > 1) {
        code &= 0x7fu >> length;
    }
    for (int i = 1; i < length; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            return -i;
        }
        code = code << 6 | (s[i] & 0x3fu);
    }
    if (code < SMALLEST[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
        return -length;
    }
    *ret = code;
    return length;
}

/* What stands for a character that cannot stand for itself, or NULL. */
static const char *replace(enum vs__words how, const unsigned char *at)
{
    switch (how) {
    case VS__WORDS_JSON:
        return *at == '"' ? "\\\"" : *at == '\\' ? "\\\\" : NULL;
    case VS__WORDS_CSV:
    case VS__WORDS_TEXTGRID:
        return *at == '"' ? "\"\"" : NULL;
    case VS__WORDS_VTT:
        return *at == '&' ? "&amp;" : *at == '<' ? "&lt;" : *at == '>' ? "&gt;" : NULL;
    case VS__WORDS_SRT:
        /* of a row of them before '>', the last is left: "->" */
        return *at == '-' && at[1] == '-' && at[1 + strspn((const char *)at + 1, "-")] == '>'
                   ? ""
                   : NULL;
    case VS__WORDS_PLAIN:
    case VS__WORDS_ID:
        break;
    }
    return NULL;
}

static bool is_blank(uint32_t code)
{
    return code <= 0x20 || (code >= 0x7f && code <= 0xa0) || code == 0x2028 || code == 0x2029;
}

static void put_body(FILE *stream, const unsigned char *s, enum vs__words how)
{
    bool is_begun = false;
    bool blank = false;

    while (*s) {
        uint32_t code = 0xfffd;
        int length = decode(s, &code);
        if (how == VS__WORDS_JSON && length == 1 && (code < 0x20 || code == 0x7f)) {
            fprintf(stream, "\\u%04" PRIx32, code);
        } else if (how != VS__WORDS_JSON && length > 0 && is_blank(code)) {
            blank = is_begun;
        } else {
            const char *other = length < 0 ? "\xef\xbf\xbd" : replace(how, s);
            if (blank) {
                fputc(how == VS__WORDS_ID ? '_' : ' ', stream);
            }
            if (other) {
                fputs(other, stream);
            } else {
                fwrite(s, 1, (size_t)length, stream);
            }
            blank = false;
            is_begun = true;
        }
        s += length < 0 ? -length : length;
    }
}

void vs__put_words(FILE *stream, const char *text, enum vs__words how)
{
    bool is_quoted = how == VS__WORDS_CSV && strpbrk(text, ",\"\r\n") != NULL;

    if (is_quoted) {
        fputc('"', stream);
    }
    put_body(stream, (const unsigned char *)text, how);
    if (is_quoted) {
        fputc('"', stream);
    }
}

size_t vs__stem(const char *file, const char **ret)
{
    const char *slash = file ? strrchr(file, '/') : NULL;
    const char *name = !file ? "live" : slash ? slash + 1 : file;
    const char *dot = strrchr(name, '.');

    *ret = name;
    return dot && dot != name ? (size_t)(dot - name) : strlen(name);
}

/* numbers ----------------------------------------------------------------------------------- */

static void put_parts(FILE *stream, uint64_t whole, uint32_t part, int digits, bool is_short)
{
    fprintf(stream, "%" PRIu64, whole);
    if (digits == 0) {
        return;
    }
    while (is_short && digits > 1 && part % 10 == 0) {
        part /= 10;
        digits--;
    }
    fprintf(stream, ".%0*" PRIu32, digits, part);
}

void vs__put_seconds(FILE *stream, uint64_t frames, uint32_t rate_hz, int digits, bool is_short)
{
    uint64_t whole = frames / rate_hz;
    uint64_t part = (frames % rate_hz * POWERS[digits] * 2 + rate_hz) / ((uint64_t)rate_hz * 2);

    if (part == POWERS[digits]) {
        whole++;
        part = 0;
    }
    put_parts(stream, whole, (uint32_t)part, digits, is_short);
}

uint64_t vs__to_ms(uint64_t frames, uint32_t rate_hz)
{
    return frames / rate_hz * 1000 + (frames % rate_hz * 2000 + rate_hz) / ((uint64_t)rate_hz * 2);
}

void vs__put_decimal(FILE *stream, double value, int digits)
{
    uint32_t power = POWERS[digits];

    if (!isfinite(value) || fabs(value) > 1e12) {
        fputs("null", stream);
        return;
    }
    uint64_t scaled = (uint64_t)llround(fabs(value) * power);
    if (value < 0 && scaled > 0) {
        fputc('-', stream);
    }
    put_parts(stream, scaled / power, (uint32_t)(scaled % power), digits, true);
}

void vs__put_time(FILE *stream, int64_t wall_ns)
{
    time_t seconds = (time_t)(wall_ns / 1000000000);
    struct tm parts;

    if (!gmtime_r(&seconds, &parts)) {
        return;
    }
    fprintf(stream, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", parts.tm_year + 1900, parts.tm_mon + 1,
            parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
            (int)(wall_ns / 1000000 % 1000));
}
