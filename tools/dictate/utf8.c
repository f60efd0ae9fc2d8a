/* SPDX-License-Identifier: MIT */
#include "dictate/utf8.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

uint32_t utf8_next(const char **at)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    const unsigned char *s = (const unsigned char *)*at;
    int more = s[0] < 0x80 ? 0 : s[0] >= 0xc2 && s[0] < 0xe0 ? 1 : (s[0] & 0xf0) == 0xe0 ? 2 : 3;
    uint32_t c = more == 0 ? s[0] : s[0] & (0x3fu >> more);

    if (s[0] == 0)
        return 0;
    if (more == 3 && (s[0] < 0xf0 || s[0] > 0xf4))
        more = -1;
    for (int i = 1; i <= more; i++) {
        if ((s[i] & 0xc0) != 0x80) {
            more = -1;
            break;
        }
        c = c << 6 | (s[i] & 0x3f);
    }
    if (more < 0 || c < least[more] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) {
        *at += 1;
        return 0xfffd;
    }
    *at += 1 + more;
    return c;
}

size_t utf8_put(uint32_t c, char *ret)
{
    if (c < 0x80) {
        ret[0] = (char)c;
        return 1;
    }
    size_t more = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const uint32_t first[] = {0, 0xc0, 0xe0, 0xf0};

    ret[0] = (char)(first[more] | c >> (6 * more));
    for (size_t i = 1; i <= more; i++)
        ret[i] = (char)(0x80 | (c >> (6 * (more - i)) & 0x3f));
    return more + 1;
}

size_t utf8_count(const char *text)
{
    size_t count = 0;

    while (utf8_next(&text) != 0)
        count++;
    return count;
}

static bool may_be_typed(uint32_t c)
{
    if (c == '\n' || c == '\t')
        return true;
    if (c < 0x20 || (c >= 0x7f && c < 0xa0))
        return false; /* control characters */
    if (c == 0xfffd || c == 0xfeff || (c >= 0xfdd0 && c < 0xfdf0) || (c & 0xfffe) == 0xfffe)
        return false; /* no characters */
    return c != 0x2028 && c != 0x2029;
}

uint32_t utf8_keysym(uint32_t c)
{
    enum { KEY_TAB = 0xff09, KEY_RETURN = 0xff0d };

    if (c == '\n')
        return KEY_RETURN;
    if (c == '\t')
        return KEY_TAB;
    return (c >= 0x20 && c < 0x7f) || (c >= 0xa0 && c < 0x100) ? c : 0x1000000 | c;
}

char *utf8_typeable(const char *text, size_t bytes)
{
    char *own = malloc(bytes + 1), *ret = malloc(bytes + 1);
    size_t length = 0;

    if (own == NULL || ret == NULL) {
        free(own);
        free(ret);
        return NULL;
    }
    for (size_t i = 0; i < bytes; i++) /* a NUL is a control character like others */
        own[i] = text[i] != '\0' ? text[i] : '\1';
    own[bytes] = '\0';
    for (const char *at = own; *at != '\0';) {
        uint32_t c = utf8_next(&at);
        if (c == '\r' && *at != '\n')
            c = '\n';
        if (may_be_typed(c))
            length += utf8_put(c, ret + length);
    }
    ret[length] = '\0';
    free(own);
    return ret;
}
