/* SPDX-License-Identifier: MIT */
/* From any bytes to one line of valid UTF-8 that is safe to show on a terminal. */
#include "stt/child.h"

#include <string.h>

/* One character of well-formed UTF-8 (Unicode 15, table 3-7).
   @return its bytes, or minus the bytes of the longest start of one that is broken off or wrong. */
static int measure(const unsigned char *s, size_t room)
{
    unsigned char first = s[0];
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    int length;

    if (first < 0x80) {
        return 1;
    }
    if (first >= 0xc2 && first <= 0xdf) {
        length = 2;
    } else if (first >= 0xe0 && first <= 0xef) {
        length = 3;
        low = first == 0xe0 ? 0xa0 : low;
        high = first == 0xed ? 0x9f : high; /* no surrogates */
    } else if (first >= 0xf0 && first <= 0xf4) {
        length = 4;
        low = first == 0xf0 ? 0x90 : low;
        high = first == 0xf4 ? 0x8f : high; /* nothing above U+10FFFF */
    } else {
        return -1;
    }
    for (int i = 1; i < length; i++) {
        if ((size_t)i >= room || s[i] < low || s[i] > high) {
            return -i;
        }
        low = 0x80;
        high = 0xbf;
    }
    return length;
}

/* C0, DEL and C1 can move a terminal's cursor or worse; a text has no use for them. */
static bool is_blank(const unsigned char *s, int length)
{
    return (length == 1 && (s[0] <= 0x20 || s[0] == 0x7f)) ||
           (length == 2 && s[0] == 0xc2 && s[1] <= 0xa0);
}

size_t vs__words_clean(const char *raw, size_t bytes, char *out)
{
    const unsigned char *s = (const unsigned char *)raw;
    size_t used = 0;
    bool blank = false;

    for (size_t at = 0; at < bytes;) {
        int length = measure(s + at, bytes - at);
        if (length > 0 && is_blank(s + at, length)) {
            blank = used > 0;
            at += (size_t)length;
            continue;
        }
        if (blank) {
            out[used++] = ' ';
            blank = false;
        }
        if (length > 0) {
            memcpy(out + used, s + at, (size_t)length);
            used += (size_t)length;
            at += (size_t)length;
        } else {
            memcpy(out + used, "\xef\xbf\xbd", 3);
            used += 3;
            at += (size_t)-length;
        }
    }
    out[used] = '\0';
    return used;
}

size_t vs__words_whole(const char *raw, size_t bytes)
{
    const unsigned char *s = (const unsigned char *)raw;
    size_t back = 1;

    while (back <= 3 && back <= bytes && (s[bytes - back] & 0xc0) == 0x80) {
        back++;
    }
    if (back > bytes || back > 4 || s[bytes - back] < 0x80) {
        return bytes;
    }
    return measure(s + bytes - back, back) < 0 ? bytes - back : bytes;
}
