/* SPDX-License-Identifier: MIT */
/* Finding a source by its name, built in or in a module of the build folder; samples to float. */
#ifndef VS_TESTS_CAPTURE_HOST_H
#define VS_TESTS_CAPTURE_HOST_H

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <voicestand/backend.h>

#include "capture/capture.h"

static inline const struct vs_module *host_module(const char *file)
{
    const char *folder = getenv("VOICESTAND_TEST_MODULES");
    char path[4096];
    void *handle;
    if (!folder)
        return NULL;
    snprintf(path, sizeof(path), "%s/%s.so", folder, file);
    handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        fprintf(stderr, "# %s\n", dlerror());
        return NULL;
    }
    return (const struct vs_module *)dlsym(handle, VS_MODULE_ENTRY);
}

/** @return the operations, or NULL where the module was not built. */
static inline const struct vs_capture_ops *host_capture(const char *name)
{
    const struct vs_module *module;
    if (strcmp(name, "null") == 0)
        return &vs__capture_null;
    if (strcmp(name, "pipe") == 0)
        return &vs__capture_pipe;
    module = host_module(strcmp(name, "file") == 0 ? "sndfile" : name);
    return module ? module->capture : NULL;
}

static inline float host_sample(const void *pcm, int format, size_t index)
{
    const uint8_t *p = pcm;
    int32_t s32;
    int16_t s16;
    float f32;
    switch (format) {
    case VS_FORMAT_S16:
        memcpy(&s16, p + 2 * index, sizeof(s16));
        return (float)s16 / 32768.0f;
    case VS_FORMAT_S24:
        p += 3 * index;
        s32 = (int32_t)((uint32_t)p[0] << 8 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 24);
        return (float)s32 / 2147483648.0f;
    case VS_FORMAT_S32:
        memcpy(&s32, p + 4 * index, sizeof(s32));
        return (float)s32 / 2147483648.0f;
    default:
        memcpy(&f32, p + 4 * index, sizeof(f32));
        return f32;
    }
}

#endif
