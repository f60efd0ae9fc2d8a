/* SPDX-License-Identifier: MIT */
/* The stream: push audio from your own thread, get events in the same call. For embedding: no
   threads, no devices, no files, no allocation after create; many in one process. */
#ifndef VOICESTAND_STREAM_H
#define VOICESTAND_STREAM_H

#include <voicestand/base.h>
#include <voicestand/event.h>
#include <voicestand/segment.h>
#include <voicestand/stats.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vs_vad_ops;

/** A stream. One thread at a time; separate streams are independent. */
typedef struct vs_stream vs_stream;

/** Zero-initialise, set `size`, set what you need. Zero always means the default. */
struct vs_stream_config {
    size_t size; /**< sizeof(struct vs_stream_config) */
    struct vs_env env;
    uint32_t rate_hz;  /**< of what you push, 8000..192000 [16000] */
    uint32_t channels; /**< interleaved, 1..32 [1] */
    int format;        /**< enum vs_format */
    uint32_t channel;  /**< 1.. = use that channel alone [0 = the mean of all] */
    const char *vad;   /**< as in struct vs_pipeline_config */
    const struct vs_vad_ops *vad_ops;
    float high_pass_hz; /**< [80]; negative = none */
    int audio;          /**< enum vs_audio */
    int probabilities;  /**< nonzero: a VS_EVENT_PROBABILITY for each hop */
    struct vs_segment_config segment;
    vs_event_fn *on_event;
    void *user;

    int enhance; /**< set of enum vs_enhance, for AUDIO events [0 = none] */

    uint32_t audio_rate_hz;  /**< of VS_AUDIO_WIDE, 8000..192000 [rate_hz] */
    uint32_t audio_channels; /**< of VS_AUDIO_WIDE: 1, made as `channel` says, or all [all; 1 where
                                  `channel` is set] */
};

/** Build a stream. On success `*ret` belongs to the caller, on failure it is untouched.
    @return 0; -EINVAL bad configuration; -ENOENT, -ENOTSUP detector; -ENOMEM. */
VS_API VS_NODISCARD int vs_stream_create(const struct vs_stream_config *config, vs_stream **ret);

/** Push `frames` frames of interleaved audio; any number, the cut does not matter. Events arrive
    in on_event before it returns. Does not block, allocate or lock; cost grows with `frames`.
    @return 0; -EINVAL NULL audio; -EALREADY after vs_stream_finish(); or an error of the detector's:
    what it failed for counts as no speech, all audio was taken, and the stream goes on. */
VS_API VS_NODISCARD int vs_stream_push(vs_stream *s, const void *pcm, size_t frames);

/** Say that `frames` frames are missing here. They count as VS_DROP_GAP_EXACT, and later positions
    include them. @return as vs_stream_push(). */
VS_API VS_NODISCARD int vs_stream_gap(vs_stream *s, uint64_t frames);

/** The audio ends here: decide what is pending, close an open segment, deliver the ledger.
    @return 0; -EALREADY; or an error of the detector's, as vs_stream_push(). */
VS_API VS_NODISCARD int vs_stream_finish(vs_stream *s);

/** Back to the state after create: position 0, nothing heard. Never blocks or allocates. */
VS_API void vs_stream_reset(vs_stream *s);

/** Copy the current figures. Same thread. Set `ret->size` first. */
VS_API void vs_stream_stats(const vs_stream *s, struct vs_stats *ret);

/** Free it, without further events. NULL is fine. */
VS_API void vs_stream_destroy(vs_stream *s);

#ifdef __cplusplus
}
#endif
#endif
