/* SPDX-License-Identifier: MIT */
/* Places and settings of engines. */
#include "stt/address.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

static int hex(char c)
{
    return isdigit((unsigned char)c)    ? c - '0'
           : isxdigit((unsigned char)c) ? tolower((unsigned char)c) - 'a' + 10
                                        : -1;
}

/* A copy with %XX as bytes; none may be 0. @return NULL: malformed, or no memory */
static char *unescape(const char *from, size_t bytes)
{
    char *ret = vs__alloc(bytes + 1);
    size_t used = 0;

    for (size_t i = 0; ret && i < bytes; i++) {
        char c = from[i];
        if (c == '%') {
            int high = i + 2 < bytes ? hex(from[i + 1]) : -1;
            int low = i + 2 < bytes ? hex(from[i + 2]) : -1;
            c = (char)(high * 16 + low);
            if (high < 0 || low < 0 || c == '\0') {
                vs__free(ret);
                return NULL;
            }
            i += 2;
        }
        ret[used++] = c;
    }
    return ret;
}

static int say_unknown(const struct vs_log *log, const char *engine, const char *name,
                       size_t length, const struct vs__setting *settings, size_t count)
{
    char known[200] = "";

    for (size_t i = 0; i < count; i++) {
        size_t used = strlen(known);
        snprintf(known + used, sizeof(known) - used, "%s%s", i ? ", " : "", settings[i].name);
    }
    vs__log(log, VS_LOG_ERROR, "stt", "%s has no setting '%.*s'; there are: %s", engine,
            (int)VS__MIN(length, 40u), name, known);
    return -EINVAL;
}

static int read_one(const struct vs_log *log, const char *engine, const char *from, size_t length,
                    struct vs__setting *settings, size_t count)
{
    const char *equals = memchr(from, '=', length);
    size_t name = equals ? (size_t)(equals - from) : length;

    for (size_t i = 0; i < count; i++) {
        if (strlen(settings[i].name) != name || memcmp(settings[i].name, from, name) != 0) {
            continue;
        }
        char *value = equals ? unescape(equals + 1, length - name - 1) : NULL;
        if (!value || !value[0]) {
            vs__free(value);
            vs__log(log, VS_LOG_ERROR, "stt", "the setting '%s' of %s needs a value, as in %s=…",
                    settings[i].name, engine, settings[i].name);
            return -EINVAL;
        }
        vs__free(settings[i].value);
        settings[i].value = value;
        return 0;
    }
    return say_unknown(log, engine, from, name, settings, count);
}

int vs__settings_read(const struct vs_log *log, const char *engine, const char *argument,
                      struct vs__setting *settings, size_t count, char **ret_place)
{
    const char *at = argument ? argument : "";
    size_t length = strcspn(at, "#");
    char *place = vs__alloc(length + 1);
    int status = place ? 0 : -ENOMEM;

    if (place) {
        memcpy(place, at, length);
    }
    for (at += length; status == 0 && *at; at += length) {
        at++; /* # or & */
        length = strcspn(at, "&");
        if (length > 0) {
            status = read_one(log, engine, at, length, settings, count);
        }
    }
    if (status != 0) {
        vs__free(place);
        return status;
    }
    *ret_place = place;
    return 0;
}

void vs__settings_free(struct vs__setting *settings, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        vs__free(settings[i].value);
        settings[i].value = NULL;
    }
}

int vs__setting_number(const struct vs_log *log, const char *engine, const struct vs__setting *s,
                       long low, long high, long otherwise, long *ret)
{
    char *end = NULL;
    long value = otherwise;

    if (s->value) {
        value = strtol(s->value, &end, 10);
        if (end == s->value || *end || value < low || value > high) {
            vs__log(log, VS_LOG_ERROR, "stt",
                    "the setting %s=%s of %s is no number from %ld to %ld", s->name, s->value,
                    engine, low, high);
            return -EINVAL;
        }
    }
    *ret = value;
    return 0;
}

bool vs__host_is_local(const char *host)
{
    static const char *const names[] = {"localhost", "::1", "[::1]"};

    for (size_t i = 0; i < VS__COUNT(names); i++) {
        if (strcmp(host, names[i]) == 0) {
            return true;
        }
    }
    /* 127.x.x.x, and not a name that begins so */
    return strncmp(host, "127.", 4) == 0 && host[strspn(host, "0123456789.")] == '\0';
}
