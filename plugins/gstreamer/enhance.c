/* SPDX-License-Identifier: MIT */
/* voicestandenhance: the plugins' enhancement. The delay is taken out of the timestamps and told as
   latency, so that sound and picture stay together. */
#include "audio.h"
#include "ports.h"
#include "voice.h"

#define X(symbol, name, in, least, most, value, hint) CONTROL_##symbol,
enum { VOICE_CONTROLS(X) CONTROL_COUNT, PROP_LEVEL = CONTROL_COUNT + 1 };
#undef X
enum { CHUNK = 1024 }; /* frames that go through at a time */

G_DECLARE_FINAL_TYPE(VoicestandEnhance, voicestand_enhance, VOICESTAND, ENHANCE, GstBaseTransform)
struct _VoicestandEnhance {
    GstBaseTransform parent;
    struct voice *voice;
    struct audio audio;
    guint64 late; /* frames by which the voice is */
    gfloat planes[VOICE_CHANNELS_MAX][CHUNK];
    gfloat controls[CONTROL_COUNT]; /* of the voice; the streaming thread's */
    gfloat values[CONTROL_COUNT];   /* of the properties */
    gboolean level;
};
G_DEFINE_TYPE(VoicestandEnhance, voicestand_enhance, GST_TYPE_BASE_TRANSFORM)
GST_ELEMENT_REGISTER_DEFINE(voicestandenhance, "voicestandenhance", GST_RANK_NONE,
                            voicestand_enhance_get_type())

#define CAPS AUDIO_CAPS(AUDIO_FORMAT("F32"), "[1, 2]")

/* the sound ----------------------------------------------------------------------------------- */

/* Interleaved frames in place, any number. */
static void run(VoicestandEnhance *self, gfloat *data, gsize frames)
{
    guint32 channels = self->audio.channels;

    for (gsize done = 0; done < frames;) {
        gsize n = MIN(frames - done, CHUNK);
        gfloat *at = data + done * channels;
        for (gsize i = 0; i < n * channels; i++)
            self->planes[i % channels][i / channels] = at[i];
        voice_run(self->voice, n);
        for (gsize i = 0; i < n * channels; i++)
            at[i] = self->planes[i % channels][i / channels];
        done += n;
    }
}

/* As properties say now, but for what changes the delay: that holds while audio goes on. */
static void take_controls(VoicestandEnhance *self, gboolean begins)
{
    gfloat retroactive = self->controls[CONTROL_retroactive];
    gfloat voice = self->controls[CONTROL_voice], late = self->controls[CONTROL_latency];

    GST_OBJECT_LOCK(self);
    self->values[CONTROL_voice] = voice;
    self->values[CONTROL_latency] = late;
    memcpy(self->controls, self->values, sizeof(self->controls));
    GST_OBJECT_UNLOCK(self);
    if (!begins)
        self->controls[CONTROL_retroactive] = retroactive;
}

/* As if nothing had come. */
static void reset(VoicestandEnhance *self)
{
    self->audio.begin = GST_CLOCK_TIME_NONE;
    self->audio.frames = 0;
    if (self->voice)
        voice_reset(self->voice);
}

/* Enhances a writable buffer: it gets the time of what came out, without what is from before the
   first frame. @return frames that are left of it, or -1 */
static gssize enhance(VoicestandEnhance *self, GstBuffer *buffer)
{
    GstMapInfo map;

    if (!self->voice || !gst_buffer_map(buffer, &map, GST_MAP_READWRITE))
        return -1;
    gsize bytes = self->audio.frame_bytes, frames = map.size / bytes;
    run(self, (gfloat *)(void *)map.data, frames);
    gst_buffer_unmap(buffer, &map);
    guint64 at = self->audio.frames;
    gsize skip = at < self->late ? (gsize)MIN(self->late - at, frames) : 0;
    self->audio.frames += frames;
    if (skip < frames) {
        GstClockTime begin = audio_time(&self->audio, at + skip - self->late);
        gst_buffer_resize(buffer, (gssize)(skip * bytes), (gssize)((frames - skip) * bytes));
        GST_BUFFER_PTS(buffer) = begin;
        GST_BUFFER_DURATION(buffer) = audio_time(&self->audio, at + frames - self->late) - begin;
        GST_BUFFER_OFFSET(buffer) = GST_BUFFER_OFFSET_END(buffer) = GST_BUFFER_OFFSET_NONE;
    }
    return (gssize)(frames - skip);
}

/* What the voice still holds goes on; then as if nothing had come. */
static GstFlowReturn drain(VoicestandEnhance *self)
{
    GstFlowReturn flow = GST_FLOW_OK;

    if (self->voice && self->audio.frames > 0 && self->late > 0) {
        gsize bytes = (gsize)self->late * self->audio.frame_bytes;
        GstBuffer *rest = gst_buffer_new_allocate(NULL, bytes, NULL);
        gst_buffer_memset(rest, 0, 0, bytes);
        if (enhance(self, rest) > 0)
            flow = gst_pad_push(GST_BASE_TRANSFORM_SRC_PAD(self), rest);
        else
            gst_buffer_unref(rest);
    }
    reset(self);
    return flow;
}

/* the element --------------------------------------------------------------------------------- */

static GstFlowReturn transform(GstBaseTransform *base, GstBuffer *buffer)
{
    VoicestandEnhance *self = VOICESTAND_ENHANCE(base);

    if (audio_arrive(&self->audio, GST_BUFFER_PTS(buffer)) != 0) {
        GstFlowReturn flow = drain(self);
        if (flow != GST_FLOW_OK)
            return flow;
        audio_arrive(&self->audio, GST_BUFFER_PTS(buffer));
    }
    take_controls(self, FALSE);
    gssize left = enhance(self, buffer);
    return left < 0 ? GST_FLOW_ERROR : left == 0 ? GST_BASE_TRANSFORM_FLOW_DROPPED : GST_FLOW_OK;
}

static gboolean stop(GstBaseTransform *base)
{
    VoicestandEnhance *self = VOICESTAND_ENHANCE(base);

    voice_destroy(self->voice);
    self->voice = NULL;
    return TRUE;
}

static gboolean set_caps(GstBaseTransform *base, GstCaps *in, GstCaps *out)
{
    VoicestandEnhance *self = VOICESTAND_ENHANCE(base);

    drain(self);
    stop(base);
    if (!audio_read_caps(in, &self->audio))
        return FALSE;
    guint32 channels = self->audio.channels;
    self->voice = voice_create(self->audio.rate_hz, channels, self->level);
    if (!self->voice)
        return FALSE;
    for (guint32 c = 0; c < channels; c++) {
        voice_connect(self->voice, c, self->planes[c]);
        voice_connect(self->voice, channels + c, self->planes[c]);
    }
    for (guint i = 0; i < CONTROL_COUNT; i++)
        voice_connect(self->voice, 2 * channels + i, &self->controls[i]);
    take_controls(self, TRUE);
    voice_run(self->voice, 0); /* finds the latency */
    self->late = (guint64)self->controls[CONTROL_latency];
    reset(self);
    gst_element_post_message(GST_ELEMENT(self), gst_message_new_latency(GST_OBJECT(self)));
    return TRUE;
}

static gboolean take_event(GstBaseTransform *base, GstEvent *event)
{
    VoicestandEnhance *self = VOICESTAND_ENHANCE(base);

    if (GST_EVENT_TYPE(event) == GST_EVENT_EOS || GST_EVENT_TYPE(event) == GST_EVENT_SEGMENT)
        drain(self);
    else if (GST_EVENT_TYPE(event) == GST_EVENT_FLUSH_STOP)
        reset(self);
    return GST_BASE_TRANSFORM_CLASS(voicestand_enhance_parent_class)->sink_event(base, event);
}

static gboolean answer(GstBaseTransform *base, GstPadDirection direction, GstQuery *query)
{
    VoicestandEnhance *self = VOICESTAND_ENHANCE(base);
    gboolean live;
    GstClockTime least, most;

    if (!GST_BASE_TRANSFORM_CLASS(voicestand_enhance_parent_class)->query(base, direction, query))
        return FALSE;
    if (direction == GST_PAD_SRC && GST_QUERY_TYPE(query) == GST_QUERY_LATENCY && self->voice) {
        GstClockTime late =
            gst_util_uint64_scale_round(self->late, GST_SECOND, self->audio.rate_hz);
        gst_query_parse_latency(query, &live, &least, &most);
        gst_query_set_latency(query, live, least + late,
                              GST_CLOCK_TIME_IS_VALID(most) ? most + late : most);
    }
    return TRUE;
}

static void set_property(GObject *object, guint id, const GValue *value, GParamSpec *spec)
{
    VoicestandEnhance *self = VOICESTAND_ENHANCE(object);

    GST_OBJECT_LOCK(self);
    if (id == PROP_LEVEL)
        self->level = g_value_get_boolean(value);
    else
        self->values[id - 1] = g_value_get_float(value);
    GST_OBJECT_UNLOCK(self);
}

static void get_property(GObject *object, guint id, GValue *value, GParamSpec *spec)
{
    VoicestandEnhance *self = VOICESTAND_ENHANCE(object);

    GST_OBJECT_LOCK(self);
    if (id == PROP_LEVEL)
        g_value_set_boolean(value, self->level);
    else
        g_value_set_float(value, self->values[id - 1]);
    GST_OBJECT_UNLOCK(self);
}

static void voicestand_enhance_init(VoicestandEnhance *self)
{
#define X(symbol, name, in, least, most, value, hint) self->values[CONTROL_##symbol] = (value);
    VOICE_CONTROLS(X)
#undef X
    self->level = TRUE;
    gst_base_transform_set_in_place(GST_BASE_TRANSFORM(self), TRUE);
}

/* Each control is a property, by its number from 1. What changes the delay is taken with the caps. */
static void add_properties(GObjectClass *object)
{
    GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS;
    GParamFlags kinds[] = {G_PARAM_READABLE | G_PARAM_STATIC_STRINGS,
                           flags | GST_PARAM_MUTABLE_PLAYING};

#define X(symbol, name, in, least, most, value, hint)                                              \
    g_object_class_install_property(                                                               \
        object, 1 + CONTROL_##symbol,                                                              \
        g_param_spec_float(#symbol, name, name ": " VOICE_WORDS_##symbol, least, most, value,      \
                           CONTROL_##symbol == CONTROL_retroactive                                 \
                               ? flags | GST_PARAM_MUTABLE_READY                                   \
                               : kinds[in]));
    VOICE_CONTROLS(X)
#undef X
    g_object_class_install_property(
        object, PROP_LEVEL,
        g_param_spec_boolean("level", "Level", "Speech is brought to one loudness and limited",
                             TRUE, flags | GST_PARAM_MUTABLE_READY));
}

static void voicestand_enhance_class_init(VoicestandEnhanceClass *class)
{
    GObjectClass *object = G_OBJECT_CLASS(class);
    GstElementClass *element = GST_ELEMENT_CLASS(class);
    GstBaseTransformClass *base = GST_BASE_TRANSFORM_CLASS(class);

    object->set_property = set_property;
    object->get_property = get_property;
    add_properties(object);
    audio_add_pads(element, CAPS);
    gst_element_class_set_static_metadata(element, "VoiceStand enhancement", "Filter/Effect/Audio",
                                          "Lowers noise and brings speech to one loudness",
                                          "VoiceStand");
    base->set_caps = set_caps;
    base->stop = stop;
    base->sink_event = take_event;
    base->query = answer;
    base->transform_ip = transform;
}
