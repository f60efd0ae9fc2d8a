/* SPDX-License-Identifier: MIT */
/* What --stt says, made complete. */
#include "common/engine.h"

#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/folders.h"

enum { PATH_BYTES = 4096 };

#define LIBRARY "libsherpa-onnx-c-api.so"

static bool find_pattern(const char *base, const char *below, char *ret)
{
    char pattern[PATH_BYTES];
    glob_t found;
    bool is_there = false;

    if (base == NULL || base[0] == '\0' ||
        snprintf(pattern, sizeof(pattern), "%s%s/" LIBRARY, base, below) >= PATH_BYTES)
        return false;
    if (glob(pattern, 0, NULL, &found) == 0) {
        const char *newest = found.gl_pathv[found.gl_pathc - 1];

        is_there = snprintf(ret, PATH_BYTES, "%s", newest) < PATH_BYTES;
        globfree(&found);
    }
    return is_there;
}

/* The wheel sherpa-onnx-core, or a folder that the user names. */
static bool find_library(char *ret)
{
    static const char wheel[] = "/lib/python3*/*-packages/sherpa_onnx/lib";

    return find_pattern(getenv("VOICESTAND_SHERPA"), "", ret) ||
           find_pattern(getenv("VIRTUAL_ENV"), wheel, ret) ||
           find_pattern(getenv("HOME"), "/.local/lib/python3*/*-packages/sherpa_onnx/lib", ret) ||
           find_pattern("/usr/local", wheel, ret) || find_pattern("/usr", wheel, ret);
}

/* A value of a setting: what would end it is written as %XX. */
static void put_value(FILE *to, const char *value)
{
    for (const char *c = value; *c != '\0'; c++)
        fprintf(to, *c == '%' || *c == '&' || *c == '#' ? "%%%02X" : "%c", (unsigned char)*c);
}

const char *engine_complete(const char *given)
{
    const char *models, *settings;
    char library[PATH_BYTES], folder[PATH_BYTES];
    char *ret = NULL;
    size_t bytes = 0;

    if (given == NULL || strncmp(given, "sherpa:", 7) != 0)
        return given;
    const char *place = given + 7;
    models = folder_models();
    int length = (int)strcspn(place, "#");
    settings = place + length;
    FILE *to = open_memstream(&ret, &bytes);
    if (to == NULL)
        return given;
    bool is_name =
        length > 0 && memchr(place, '/', (size_t)length) == NULL && models != NULL &&
        snprintf(folder, sizeof(folder), "%s/%.*s", models, length, place) < PATH_BYTES &&
        access(folder, F_OK) == 0;
    if (is_name)
        fprintf(to, "sherpa:%s%s", folder, settings);
    else
        fprintf(to, "%s", given);
    if (strstr(settings, "library=") == NULL && find_library(library)) {
        fputs(settings[0] != '\0' ? "&library=" : "#library=", to);
        put_value(to, library);
    }
    return fclose(to) == 0 ? ret : given;
}
