/* SPDX-License-Identifier: MIT */
/* The plugins for LV2 hosts. */
#include <lv2/core/lv2.h>

#include "ports.h"
#include "voice.h"

struct kind {
    LV2_Descriptor descriptor;
    uint32_t channels;
    bool level;
};

static LV2_Handle instantiate(const LV2_Descriptor *descriptor, double rate_hz, const char *bundle,
                              const LV2_Feature *const *features)
{
    const struct kind *kind = (const struct kind *)descriptor;
    bool whole = rate_hz >= 1 && rate_hz <= UINT32_MAX && rate_hz == (double)(uint32_t)rate_hz;

    return whole ? voice_create((uint32_t)rate_hz, kind->channels, kind->level) : NULL;
}

static void connect_port(LV2_Handle handle, uint32_t port, void *data)
{
    voice_connect(handle, port, data);
}

static void activate(LV2_Handle handle)
{
    voice_reset(handle);
}

static void run(LV2_Handle handle, uint32_t frames)
{
    voice_run(handle, frames);
}

static void cleanup(LV2_Handle handle)
{
    voice_destroy(handle);
}

#define X(title, levelled, count, label, unique, uri)                                              \
    {                                                                                              \
        .channels = (count),                                                                       \
        .level = (levelled) != 0,                                                                  \
        .descriptor = {.URI = (uri),                                                               \
                       .instantiate = instantiate,                                                 \
                       .connect_port = connect_port,                                               \
                       .activate = activate,                                                       \
                       .run = run,                                                                 \
                       .cleanup = cleanup},                                                        \
    },
static const struct kind kinds[] = {VOICE_PLUGINS(X)};
#undef X

LV2_SYMBOL_EXPORT const LV2_Descriptor *lv2_descriptor(uint32_t index)
{
    return index < sizeof(kinds) / sizeof(kinds[0]) ? &kinds[index].descriptor : NULL;
}
