/* SPDX-License-Identifier: MIT */
/* Characters of UTF-8, one at a time. */
#ifndef VS_TOOLS_DICTATE_UTF8_H
#define VS_TOOLS_DICTATE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/** The character at `*at`, which moves behind it; U+FFFD for bytes that are none; 0 at the end. */
uint32_t utf8_next(const char **at);
/** @return bytes written to `ret`, which has room for 4 */
size_t utf8_put(uint32_t c, char *ret);
/** Characters in `text`. */
size_t utf8_count(const char *text);

/** What X and desktops' portals call the key that gives the character. */
uint32_t utf8_keysym(uint32_t c);

/** What may be typed: `text` without control characters but newlines and tabs, "\r\n" as one newline,
    without what is not UTF-8 and code points that are no characters. To be freed; NULL: no memory. */
char *utf8_typeable(const char *text, size_t bytes);

#endif
