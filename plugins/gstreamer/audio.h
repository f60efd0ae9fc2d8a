/* SPDX-License-Identifier: MIT */
/* What the GStreamer elements share: interleaved audio in buffers with timestamps. */
#ifndef VS_PLUGINS_GSTREAMER_AUDIO_H
#define VS_PLUGINS_GSTREAMER_AUDIO_H

#include <gst/base/gstbasetransform.h>
#include <gst/gst.h>

/** GStreamer's word for a native sample, such as AUDIO_FORMAT("F32"). */
#if G_BYTE_ORDER == G_LITTLE_ENDIAN
#define AUDIO_FORMAT(name) name "LE"
#else
#define AUDIO_FORMAT(name) name "BE"
#endif

/** What the library takes. @param formats, channels as in caps */
#define AUDIO_CAPS(formats, channels)                                                              \
    "audio/x-raw, format = (string) " formats ", rate = (int) [8000, 192000], "                    \
    "channels = (int) " channels ", layout = (string) interleaved"

/** Audio without a jump in its timestamps; one thread. */
struct audio {
    int format; /**< enum vs_format */
    guint32 rate_hz, channels;
    gsize frame_bytes;
    GstClockTime begin; /**< timestamp of frame 0; GST_CLOCK_TIME_NONE before it came */
    guint64 frames;     /**< that came since */
};

/** Of a class: a pad on each side, with these caps. */
void audio_add_pads(GstElementClass *class, const gchar *caps);

/** @return FALSE where caps are none of AUDIO_CAPS, `ret` is untouched then */
gboolean audio_read_caps(const GstCaps *caps, struct audio *ret);

/** Timestamp of a frame, counted since `begin`. */
GstClockTime audio_time(const struct audio *a, guint64 frame);

/** Frames that are missing before a buffer with this timestamp; negative: it goes back. 0 within
    40 ms, which is what GStreamer's sinks take for none, and for the first buffer, whose timestamp becomes `begin`. */
gint64 audio_arrive(struct audio *a, GstClockTime time);

/** Elements; their types are registered by GStreamer's macros. */
GST_ELEMENT_REGISTER_DECLARE(voicestandvad)
GST_ELEMENT_REGISTER_DECLARE(voicestandenhance)

#endif
