/* SPDX-License-Identifier: MIT */
/* The GStreamer plugin, and what its elements share. */
#include <gst/gst.h>

#include <voicestand/voicestand.h>

#include "audio.h"

enum { JITTER_MS = 40 };

void audio_add_pads(GstElementClass *class, const gchar *caps)
{
    GstCaps *both = gst_caps_from_string(caps);

    gst_element_class_add_pad_template(
        class, gst_pad_template_new("sink", GST_PAD_SINK, GST_PAD_ALWAYS, both));
    gst_element_class_add_pad_template(
        class, gst_pad_template_new("src", GST_PAD_SRC, GST_PAD_ALWAYS, both));
    gst_caps_unref(both);
}

gboolean audio_read_caps(const GstCaps *caps, struct audio *ret)
{
    static const struct {
        const char *name;
        int format;
    } formats[] = {{AUDIO_FORMAT("F32"), VS_FORMAT_F32},
                   {AUDIO_FORMAT("S16"), VS_FORMAT_S16},
                   {AUDIO_FORMAT("S24"), VS_FORMAT_S24},
                   {AUDIO_FORMAT("S32"), VS_FORMAT_S32}};
    const GstStructure *s = gst_caps_get_structure(caps, 0);
    const char *name = gst_structure_get_string(s, "format");
    gint rate_hz, channels;

    if (!gst_structure_get_int(s, "rate", &rate_hz) ||
        !gst_structure_get_int(s, "channels", &channels))
        return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(formats); i++) {
        if (g_strcmp0(name, formats[i].name) != 0)
            continue;
        *ret = (struct audio){.format = formats[i].format,
                              .rate_hz = (guint32)rate_hz,
                              .channels = (guint32)channels,
                              .frame_bytes = vs_format_bytes(formats[i].format) * (gsize)channels,
                              .begin = GST_CLOCK_TIME_NONE};
        return TRUE;
    }
    return FALSE;
}

GstClockTime audio_time(const struct audio *a, guint64 frame)
{
    return a->begin + gst_util_uint64_scale_round(frame, GST_SECOND, a->rate_hz);
}

gint64 audio_arrive(struct audio *a, GstClockTime time)
{
    if (!GST_CLOCK_TIME_IS_VALID(a->begin))
        a->begin = GST_CLOCK_TIME_IS_VALID(time) ? time : 0;
    if (!GST_CLOCK_TIME_IS_VALID(time))
        return 0;
    gint64 late_ns = GST_CLOCK_DIFF(audio_time(a, a->frames), time);
    guint64 frames = gst_util_uint64_scale_round((guint64)ABS(late_ns), a->rate_hz, GST_SECOND);
    if (ABS(late_ns) <= JITTER_MS * GST_MSECOND)
        return 0;
    return late_ns > 0 ? (gint64)frames : -(gint64)frames;
}

static gboolean init_plugin(GstPlugin *plugin)
{
    gboolean done = GST_ELEMENT_REGISTER(voicestandvad, plugin);

    return GST_ELEMENT_REGISTER(voicestandenhance, plugin) && done;
}

#define PACKAGE "voicestand" /* GStreamer's macro wants it */
GST_PLUGIN_DEFINE(GST_VERSION_MAJOR, GST_VERSION_MINOR, voicestand,
                  "Voice activity and enhancement of speech", init_plugin, VERSION, "MIT",
                  "VoiceStand", "urn:voicestand:gstreamer")
