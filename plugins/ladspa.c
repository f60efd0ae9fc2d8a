/* SPDX-License-Identifier: MIT */
/* The plugins for LADSPA hosts. */
#include <ladspa.h>

#include "ports.h"
#include "voice.h"

struct kind {
    LADSPA_Descriptor descriptor;
    uint32_t channels;
    bool level;
};

static LADSPA_Handle instantiate(const LADSPA_Descriptor *descriptor, unsigned long rate_hz)
{
    const struct kind *kind = (const struct kind *)descriptor;

    return rate_hz <= UINT32_MAX ? voice_create((uint32_t)rate_hz, kind->channels, kind->level)
                                 : NULL;
}

static void connect_port(LADSPA_Handle handle, unsigned long port, LADSPA_Data *data)
{
    voice_connect(handle, port, data);
}

static void activate(LADSPA_Handle handle)
{
    voice_reset(handle);
}

static void run(LADSPA_Handle handle, unsigned long frames)
{
    voice_run(handle, frames);
}

static void cleanup(LADSPA_Handle handle)
{
    voice_destroy(handle);
}

#define X(symbol, name, in, least, most, value, hint) CONTROL_##symbol,
enum { VOICE_CONTROLS(X) CONTROL_COUNT };
#undef X

static const LADSPA_PortDescriptor mono_ports[] = {LADSPA_PORT_AUDIO | LADSPA_PORT_INPUT,
                                                   LADSPA_PORT_AUDIO | LADSPA_PORT_OUTPUT,
#define X(symbol, name, in, least, most, value, hint)                                              \
    LADSPA_PORT_CONTROL | (in ? LADSPA_PORT_INPUT : LADSPA_PORT_OUTPUT),
                                                   VOICE_CONTROLS(X)
#undef X
};
static const LADSPA_PortDescriptor stereo_ports[] = {
    LADSPA_PORT_AUDIO | LADSPA_PORT_INPUT, LADSPA_PORT_AUDIO | LADSPA_PORT_INPUT,
    LADSPA_PORT_AUDIO | LADSPA_PORT_OUTPUT, LADSPA_PORT_AUDIO | LADSPA_PORT_OUTPUT,
#define X(symbol, name, in, least, most, value, hint)                                              \
    LADSPA_PORT_CONTROL | (in ? LADSPA_PORT_INPUT : LADSPA_PORT_OUTPUT),
    VOICE_CONTROLS(X)
#undef X
};

#define X(symbol, name, in, least, most, value, hint) name,
static const char *const mono_names[] = {"Input", "Output", VOICE_CONTROLS(X)};
static const char *const stereo_names[] = {"Input Left", "Input Right", "Output Left",
                                           "Output Right", VOICE_CONTROLS(X)};
#undef X

#define X(symbol, name, in, least, most, value, hint) {hint, least, most},
static const LADSPA_PortRangeHint mono_hints[] = {{0, 0, 0}, {0, 0, 0}, VOICE_CONTROLS(X)};
static const LADSPA_PortRangeHint stereo_hints[] = {
    {0, 0, 0}, {0, 0, 0}, {0, 0, 0}, {0, 0, 0}, VOICE_CONTROLS(X)};
#undef X

#define X(title, levelled, count, label, unique, uri)                                              \
    {                                                                                              \
        .channels = (count),                                                                       \
        .level = (levelled) != 0,                                                                  \
        .descriptor = {.UniqueID = (unique),                                                       \
                       .Label = "voicestand_" label,                                               \
                       .Properties = LADSPA_PROPERTY_HARD_RT_CAPABLE,                              \
                       .Name = (title),                                                            \
                       .Maker = "VoiceStand",                                                      \
                       .Copyright = "MIT",                                                         \
                       .PortCount = 2 * (count) + CONTROL_COUNT,                                   \
                       .PortDescriptors = (count) == 1 ? mono_ports : stereo_ports,                \
                       .PortNames = (count) == 1 ? mono_names : stereo_names,                      \
                       .PortRangeHints = (count) == 1 ? mono_hints : stereo_hints,                 \
                       .instantiate = instantiate,                                                 \
                       .connect_port = connect_port,                                               \
                       .activate = activate,                                                       \
                       .run = run,                                                                 \
                       .cleanup = cleanup},                                                        \
    },
static const struct kind kinds[] = {VOICE_PLUGINS(X)};
#undef X

__attribute__((visibility("default"))) const LADSPA_Descriptor *ladspa_descriptor(
    unsigned long index)
{
    return index < sizeof(kinds) / sizeof(kinds[0]) ? &kinds[index].descriptor : NULL;
}
