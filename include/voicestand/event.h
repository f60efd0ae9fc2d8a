/* SPDX-License-Identifier: MIT */
/* What a pipeline or a stream tells its user. */
#ifndef VOICESTAND_EVENT_H
#define VOICESTAND_EVENT_H

#include <voicestand/base.h>
#include <voicestand/stats.h>

#ifdef __cplusplus
extern "C" {
#endif

enum vs_event_type {
    VS_EVENT_STATE,       /**< a live source: audio flows, or what became of it, says `text`; also
                               what became of the detector's device, with `status` */
    VS_EVENT_START,       /**< speech began: a segment is open; never taken back */
    VS_EVENT_END,         /**< speech ended: the bounds of the segment are final */
    VS_EVENT_SEGMENT,     /**< a finished segment, after its text where an engine runs */
    VS_EVENT_TEXT,        /**< text of a segment; VS_EVENT_FINAL set when it will not change */
    VS_EVENT_AUDIO,       /**< processed audio, see enum vs_audio */
    VS_EVENT_PROBABILITY, /**< one hop's voice activity; only when asked for */
    VS_EVENT_GAP,         /**< frames were lost: where, how many, why */
    VS_EVENT_ERROR,       /**< something failed; the run goes on unless it was the source */
    VS_EVENT_LEDGER,      /**< the last event of a run */
};

enum vs_event_flags {
    VS_EVENT_FINAL = 1 << 0, /**< TEXT: final */
    VS_EVENT_SPLIT = 1 << 1, /**< END, SEGMENT: cut at the maximum length, speech goes on;
                                  START: the continuation of such a cut */
};

/** Which processed audio comes back as VS_EVENT_AUDIO, in float; mono at 16 kHz but for WIDE. */
enum vs_audio {
    VS_AUDIO_NONE = 0,
    VS_AUDIO_SEGMENTS = 1, /**< that of segments, after START, complete before END */
    VS_AUDIO_ALL = 2,      /**< all of it; `segment` is 0 */
    VS_AUDIO_WIDE = 3,     /**< all of it, at the rate and with the channels of the source, or what
                                audio_rate_hz and audio_channels of the configuration ask for; in
                                streams and vs_pipeline_run(), which deliver it in place */
};

/** What is done to the audio of VS_EVENT_AUDIO beyond the high-pass. The detector never hears it,
    so segments do not depend on it; positions are those of the plain audio. */
enum vs_enhance {
    VS_ENHANCE_DENOISE = 1 << 0, /**< noise is lowered */
    VS_ENHANCE_LEVEL = 1 << 1,   /**< speech is brought to -23 LUFS, no sample beyond -1 dB; one
                                      gain for all channels */
};

/** A word of a text, and when it was said. */
struct vs_word {
    const char *text; /**< UTF-8 */
    double start_s;   /**< since the run began */
    double end_s;
};

/** One event. Everything it points to dies when on_event returns.
    Positions are source frames since the run began, lost frames included; [start, end). */
struct vs_event {
    size_t size;                    /**< sizeof(struct vs_event) of the library */
    int type;                       /**< enum vs_event_type */
    uint32_t flags;                 /**< enum vs_event_flags */
    uint64_t sequence;              /**< 0, 1, 2, … in the order of delivery */
    int64_t mono_ns;                /**< CLOCK_MONOTONIC when the event was decided */
    int64_t wall_ns;                /**< CLOCK_REALTIME when the event was decided */
    uint64_t segment;               /**< 1, 2, …; 0 where no segment is meant */
    uint64_t start_frame;           /**< source frames */
    uint64_t end_frame;             /**< source frames; START: where audio stands now */
    double start_s;                 /**< start_frame / rate */
    double end_s;                   /**< end_frame / rate */
    float probability;              /**< PROBABILITY: this hop, 0..1; END, SEGMENT: mean */
    float level_db;                 /**< END, SEGMENT, PROBABILITY: RMS in dB full scale */
    int cause;                      /**< GAP: enum vs_drop */
    int status;                     /**< ERROR, STATE of a device that fails: -errno */
    const char *text;               /**< TEXT, SEGMENT: UTF-8 or NULL; STATE, ERROR: a sentence */
    const float *audio;             /**< AUDIO: interleaved */
    size_t audio_frames;            /**< AUDIO: how many */
    uint64_t audio_position;        /**< AUDIO: of the first, in frames of audio_rate_hz since the
                                         start */
    const struct vs_ledger *ledger; /**< LEDGER */
    uint32_t audio_rate_hz;         /**< AUDIO: VS_RATE_HZ but for WIDE */
    uint32_t audio_channels;        /**< AUDIO: 1 but for WIDE */
    const float *audio_plain;    /**< AUDIO, WIDE: the same frames before all processing, finite */
    float gain_db;               /**< AUDIO, WIDE: of the level control at the end of it */
    float limit_db;              /**< AUDIO, WIDE: lowest of the limiter in it, 0 = it rested */
    float peak_db;               /**< PROBABILITY: largest sample in dB full scale */
    const struct vs_word *words; /**< TEXT that is final: its words in order; NULL where the engine
                                      does not tell when they were said */
    size_t word_count;           /**< how many */
    float sure;          /**< END, SEGMENT: mean of the 200 ms with the highest probability */
    int64_t captured_ns; /**< PROBABILITY: CLOCK_MONOTONIC at the source of the hop's end;
                                      0 where the source does not tell, and behind a gap */
};

/** Receives events. Pipeline: on its output thread, one call at a time. Stream, vs_pipeline_run():
    on the caller's thread, inside the call that caused it. Must not call back into the object
    except vs_pipeline_abort(), vs_pipeline_stats() and vs_stream_stats(). */
typedef void vs_event_fn(void *user, const struct vs_event *event);

/** Stable lower-case name of an event type, as in JSON: "start", "segment", …;
    "unknown" outside the enum. */
VS_API const char *vs_event_name(int type);

#ifdef __cplusplus
}
#endif
#endif
