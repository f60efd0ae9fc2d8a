/* SPDX-License-Identifier: MIT */
/* voicestandvad: lets audio through as it is, and tells on the bus where speech is. */
#include <voicestand/voicestand.h>

#include "audio.h"

/* X(member of struct vs_segment_config, property, what it is) */
#define TIMES(X)                                                                                   \
    X(onset_ms, "onset-ms", "Speech that must be gathered before a segment opens")                 \
    X(min_speech_ms, "min-speech-ms", "Segments with less speech are never opened")                \
    X(hangover_ms, "hangover-ms", "Silence that ends a segment")                                   \
    X(merge_ms, "merge-ms", "Segments closer than this are one")                                   \
    X(pre_roll_ms, "pre-roll-ms", "Kept before the first speech")                                  \
    X(pad_ms, "pad-ms", "Kept behind the last speech")                                             \
    X(max_ms, "max-ms", "Longest segment")

#define X(member, name, words) PROP_##member,
enum { PROP_NONE, PROP_DETECTOR, PROP_PRESET, PROP_THRESHOLD, PROP_PROBABILITIES, TIMES(X) };
#undef X

G_DECLARE_FINAL_TYPE(VoicestandVad, voicestand_vad, VOICESTAND, VAD, GstBaseTransform)
struct _VoicestandVad {
    GstBaseTransform parent;
    vs_stream *stream;
    struct audio audio;
    /* as properties have them; taken when audio begins */
    gchar *detector, *preset;
    gboolean probabilities;
    struct vs_segment_config segment;
};
G_DEFINE_TYPE(VoicestandVad, voicestand_vad, GST_TYPE_BASE_TRANSFORM)
GST_ELEMENT_REGISTER_DEFINE(voicestandvad, "voicestandvad", GST_RANK_NONE,
                            voicestand_vad_get_type())

#define CAPS                                                                                       \
    AUDIO_CAPS("{ " AUDIO_FORMAT("F32") ", " AUDIO_FORMAT("S16") ", " AUDIO_FORMAT(                \
                   "S24") ", " AUDIO_FORMAT("S32") " }",                                           \
               "[1, 32]")

/* the stream ---------------------------------------------------------------------------------- */

static void write_log(void *user, int level, const char *topic, const char *message)
{
    VoicestandVad *self = user;

    if (level > VS_LOG_WARNING)
        GST_INFO_OBJECT(self, "%s: %s", topic, message);
    else if (level == VS_LOG_ERROR && !self->stream)
        GST_ELEMENT_ERROR(self, LIBRARY, SETTINGS, ("%s", message), (NULL));
    else
        GST_ELEMENT_WARNING(self, LIBRARY, FAILED, ("%s", message), (NULL));
}

/* Tells the application, in the order of the library. */
static void on_event(void *user, const struct vs_event *e)
{
    VoicestandVad *self = user;
    const GstSegment *segment = &GST_BASE_TRANSFORM(self)->segment;
    GstClockTime start = audio_time(&self->audio, e->start_frame);
    GstClockTime end = audio_time(&self->audio, e->end_frame);

    if (e->type != VS_EVENT_START && e->type != VS_EVENT_END && e->type != VS_EVENT_SEGMENT &&
        e->type != VS_EVENT_GAP && e->type != VS_EVENT_PROBABILITY)
        return;
    GstStructure *s = gst_structure_new(
        "voicestand", "event", G_TYPE_STRING, vs_event_name(e->type), "segment", G_TYPE_UINT64,
        (guint64)e->segment, "timestamp", GST_TYPE_CLOCK_TIME, start, "stream-time",
        GST_TYPE_CLOCK_TIME, gst_segment_to_stream_time(segment, GST_FORMAT_TIME, start),
        "running-time", GST_TYPE_CLOCK_TIME,
        gst_segment_to_running_time(segment, GST_FORMAT_TIME, start), "split", G_TYPE_BOOLEAN,
        (e->flags & VS_EVENT_SPLIT) != 0, NULL);
    if (e->type != VS_EVENT_START)
        gst_structure_set(s, "duration", GST_TYPE_CLOCK_TIME, end - start, NULL);
    if (e->type != VS_EVENT_START && e->type != VS_EVENT_GAP)
        gst_structure_set(s, "probability", G_TYPE_DOUBLE, (gdouble)e->probability, "level-db",
                          G_TYPE_DOUBLE, (gdouble)e->level_db, NULL);
    gst_element_post_message(GST_ELEMENT(self), gst_message_new_element(GST_OBJECT(self), s));
}

/* What is pending is decided and told; then as if nothing had come. */
static void finish(VoicestandVad *self)
{
    if (!self->stream)
        return;
    int rc = vs_stream_finish(self->stream);
    (void)rc; /* a detector's failure; the log told it */
    vs_stream_reset(self->stream);
    self->audio.begin = GST_CLOCK_TIME_NONE;
    self->audio.frames = 0;
}

static gboolean stop(GstBaseTransform *base)
{
    VoicestandVad *self = VOICESTAND_VAD(base);

    vs_stream_destroy(self->stream);
    self->stream = NULL;
    return TRUE;
}

static gboolean set_caps(GstBaseTransform *base, GstCaps *in, GstCaps *out)
{
    VoicestandVad *self = VOICESTAND_VAD(base);
    struct vs_stream_config config = {
        .size = sizeof(config),
        .env.log = {write_log, self},
        .on_event = on_event,
        .user = self,
    };

    finish(self);
    stop(base);
    if (!audio_read_caps(in, &self->audio))
        return FALSE;
    GST_OBJECT_LOCK(self);
    gchar *detector = g_strdup(self->detector), *preset = g_strdup(self->preset);
    config.segment = self->segment;
    config.probabilities = self->probabilities;
    GST_OBJECT_UNLOCK(self);
    config.vad = detector;
    config.rate_hz = self->audio.rate_hz;
    config.channels = self->audio.channels;
    config.format = self->audio.format;
    int rc = preset ? vs_segment_preset(preset, &config.segment) : 0;
    if (rc < 0)
        GST_ELEMENT_ERROR(self, LIBRARY, SETTINGS, ("there is no preset %s", preset), (NULL));
    else
        rc = vs_stream_create(&config, &self->stream);
    g_free(detector);
    g_free(preset);
    return rc >= 0;
}

static GstFlowReturn hear(GstBaseTransform *base, GstBuffer *buffer)
{
    VoicestandVad *self = VOICESTAND_VAD(base);
    GstMapInfo map;
    int rc = 0;

    if (!self->stream || !gst_buffer_map(buffer, &map, GST_MAP_READ))
        return GST_FLOW_ERROR;
    gint64 missing = audio_arrive(&self->audio, GST_BUFFER_PTS(buffer));
    if (missing < 0) {
        finish(self);
        audio_arrive(&self->audio, GST_BUFFER_PTS(buffer));
    } else if (missing > 0) {
        self->audio.frames += (guint64)missing;
        rc = vs_stream_gap(self->stream, (guint64)missing);
    }
    gsize frames = map.size / self->audio.frame_bytes;
    self->audio.frames += frames;
    if (vs_stream_push(self->stream, map.data, frames) < 0 || rc < 0)
        GST_DEBUG_OBJECT(self, "the detector failed, what it missed counts as no speech");
    gst_buffer_unmap(buffer, &map);
    return GST_FLOW_OK;
}

/* What is decided at an end is on the bus before that end goes on. */
static gboolean take_event(GstBaseTransform *base, GstEvent *event)
{
    VoicestandVad *self = VOICESTAND_VAD(base);

    if (GST_EVENT_TYPE(event) == GST_EVENT_EOS || GST_EVENT_TYPE(event) == GST_EVENT_SEGMENT) {
        finish(self);
    } else if (GST_EVENT_TYPE(event) == GST_EVENT_FLUSH_STOP && self->stream) {
        vs_stream_reset(self->stream);
        self->audio.begin = GST_CLOCK_TIME_NONE;
        self->audio.frames = 0;
    }
    return GST_BASE_TRANSFORM_CLASS(voicestand_vad_parent_class)->sink_event(base, event);
}

/* properties and life ------------------------------------------------------------------------- */

/* Where a property lies. */
static guint32 *find_time(VoicestandVad *self, guint id)
{
#define X(member, name, words) [PROP_##member] = &self->segment.member,
    guint32 *const times[] = {TIMES(X)};
#undef X
    return id < G_N_ELEMENTS(times) ? times[id] : NULL;
}

static void set_property(GObject *object, guint id, const GValue *value, GParamSpec *spec)
{
    VoicestandVad *self = VOICESTAND_VAD(object);
    guint32 *time = find_time(self, id);

    GST_OBJECT_LOCK(self);
    if (time) {
        *time = g_value_get_uint(value);
    } else if (id == PROP_THRESHOLD) {
        self->segment.threshold = g_value_get_float(value);
    } else if (id == PROP_PROBABILITIES) {
        self->probabilities = g_value_get_boolean(value);
    } else {
        gchar **text = id == PROP_DETECTOR ? &self->detector : &self->preset;
        g_free(*text);
        *text = g_value_dup_string(value);
    }
    GST_OBJECT_UNLOCK(self);
}

static void get_property(GObject *object, guint id, GValue *value, GParamSpec *spec)
{
    VoicestandVad *self = VOICESTAND_VAD(object);
    const guint32 *time = find_time(self, id);

    GST_OBJECT_LOCK(self);
    if (time)
        g_value_set_uint(value, *time);
    else if (id == PROP_THRESHOLD)
        g_value_set_float(value, self->segment.threshold);
    else if (id == PROP_PROBABILITIES)
        g_value_set_boolean(value, self->probabilities);
    else
        g_value_set_string(value, id == PROP_DETECTOR ? self->detector : self->preset);
    GST_OBJECT_UNLOCK(self);
}

static void finalize(GObject *object)
{
    VoicestandVad *self = VOICESTAND_VAD(object);

    g_free(self->detector);
    g_free(self->preset);
    G_OBJECT_CLASS(voicestand_vad_parent_class)->finalize(object);
}

static void voicestand_vad_init(VoicestandVad *self)
{
    gst_base_transform_set_passthrough(GST_BASE_TRANSFORM(self), TRUE);
}

static void add_properties(GObjectClass *object)
{
    GParamFlags flags = G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY;

    g_object_class_install_property(object, PROP_DETECTOR,
                                    g_param_spec_string("detector", "Detector",
                                                        "As `voicestand list` names them", NULL,
                                                        flags));
    g_object_class_install_property(
        object, PROP_PRESET,
        g_param_spec_string("preset", "Preset", "dictation, agent or archive", NULL, flags));
    g_object_class_install_property(
        object, PROP_THRESHOLD,
        g_param_spec_float("threshold", "Threshold",
                           "Probability from which it is speech; 0 = that of the preset, or 0.5", 0,
                           1, 0, flags));
    g_object_class_install_property(object, PROP_PROBABILITIES,
                                    g_param_spec_boolean("probabilities", "Probabilities",
                                                         "A message for each 10 ms, too", FALSE,
                                                         flags));
#define X(member, name, words)                                                                     \
    g_object_class_install_property(                                                               \
        object, PROP_##member,                                                                     \
        g_param_spec_uint(name, name, words "; 0 = that of the preset, or the library's", 0,       \
                          G_MAXUINT, 0, flags));
    TIMES(X)
#undef X
}

static void voicestand_vad_class_init(VoicestandVadClass *class)
{
    GObjectClass *object = G_OBJECT_CLASS(class);
    GstElementClass *element = GST_ELEMENT_CLASS(class);
    GstBaseTransformClass *base = GST_BASE_TRANSFORM_CLASS(class);

    object->set_property = set_property;
    object->get_property = get_property;
    object->finalize = finalize;
    add_properties(object);
    audio_add_pads(element, CAPS);
    gst_element_class_set_static_metadata(
        element, "VoiceStand voice activity", "Filter/Analyzer/Audio",
        "Lets audio through as it is and posts messages that say where speech is", "VoiceStand");
    base->set_caps = set_caps;
    base->stop = stop;
    base->sink_event = take_event;
    base->transform_ip = hear;
    base->transform_ip_on_passthrough = TRUE;
}
