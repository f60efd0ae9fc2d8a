/* SPDX-License-Identifier: MIT */
/* What the Python package calls: a stream that gathers its events, so that no event has to enter
   the interpreter while audio is processed. One thread at a time; an interpreter's lock is not
   needed in any of these calls.

   The structs are mirrored in voicestand/_bridge.py: whoever changes one changes both. */
#ifndef VOICESTAND_BRIDGE_H
#define VOICESTAND_BRIDGE_H

#include <voicestand/voicestand.h>

struct bridge;

/** As struct vs_stream_config, in members of fixed size. Zero means the default. */
struct bridge_config {
    const char *vad;        /**< detector */
    const char *preset;     /**< name for vs_segment_preset(), which fills what is zero; or NULL */
    const char *cpu;        /**< level of the kernels */
    const char *module_dir; /**< folder of the backend modules */
    uint32_t rate_hz, channels, channel;
    int32_t format;  /**< enum vs_format */
    int32_t audio;   /**< enum vs_audio */
    int32_t enhance; /**< set of enum vs_enhance */
    uint32_t wanted; /**< set of 1 << enum vs_event_type; the others are not gathered */
    float high_pass_hz;
    float threshold, threshold_off;
    uint32_t onset_ms, min_speech_ms, hangover_ms, merge_ms, pre_roll_ms, pad_ms, max_ms;
};

/** One gathered event. Hops, and pieces of audio, that follow each other are one event. */
struct bridge_event {
    int32_t type;   /**< enum vs_event_type */
    uint32_t flags; /**< enum vs_event_flags */
    int32_t cause;  /**< GAP: enum vs_drop */
    int32_t status; /**< ERROR, STATE: -errno */
    uint64_t segment;
    uint64_t start_frame, end_frame; /**< source frames; AUDIO: frames of audio_rate_hz */
    double start_s, end_s;
    float probability, level_db; /**< END, SEGMENT */
    uint64_t offset,
        count; /**< PROBABILITY, AUDIO: floats; STATE, ERROR: bytes of text, with NUL */
    uint32_t audio_rate_hz, audio_channels; /**< AUDIO */
};

/** What was gathered; points into the bridge until its next call. */
struct bridge_batch {
    const struct bridge_event *events;
    const float *floats;
    const char *text;
    uint64_t event_count, float_count, text_bytes;
};

/** Sizes of bridge_config, bridge_event and bridge_batch: 10 bits each, from the lowest. */
VS_API uint32_t bridge_sizes(void);

/** Build a stream. `message` gets the sentence that says why it failed.
    @return 0, or -errno as vs_stream_create(), with `*ret` untouched. */
VS_API int bridge_create(const struct bridge_config *config, struct bridge **ret, char *message,
                         size_t message_bytes);

/** Push audio; what came of it waits for bridge_show(). @return events waiting, or -errno as
    vs_stream_push(); -ENOMEM when there is no memory for the events. */
VS_API int64_t bridge_push(struct bridge *b, const void *pcm, size_t frames);

/** Frames are missing here. @return as bridge_push(). */
VS_API int64_t bridge_gap(struct bridge *b, uint64_t frames);

/** The audio ends here. @return as bridge_push(). */
VS_API int64_t bridge_finish(struct bridge *b);

/** Back to the state after create, without waiting events. */
VS_API void bridge_reset(struct bridge *b);

/** Show what waits. It is forgotten by the next push, gap, finish or reset after this. */
VS_API void bridge_show(struct bridge *b, struct bridge_batch *ret);

/** The account so far. */
VS_API void bridge_ledger(struct bridge *b, struct vs_ledger *ret);

/** Free it. NULL is fine. */
VS_API void bridge_destroy(struct bridge *b);

#endif
