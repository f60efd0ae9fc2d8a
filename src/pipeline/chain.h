/* SPDX-License-Identifier: MIT */
/* The chain: what happens to every frame, in order, on one thread: to mono, to 16 kHz, into hops,
   high-pass, voice activity, segments. Streams, vs_pipeline_run() and the worker thread all use
   this one; they differ in the sink. Any split of the audio gives the same results. Nothing here
   allocates, locks or logs after create. */
#ifndef VS_SRC_PIPELINE_CHAIN_H
#define VS_SRC_PIPELINE_CHAIN_H

#include <voicestand/backend.h>

#include "base/base.h"
#include "dsp/wide.h"
#include "metrics/metrics.h"
#include "pipeline/timeline.h"
#include "segment/segment.h"

/** A decision of the segmenter in frames. */
struct vs__chain_step {
    int kind; /**< enum vs__segment_kind */
    uint64_t segment;
    uint64_t start_frame, end_frame; /**< source frames; START: end_frame = where audio stands */
    float probability, level_db;
    float sure; /**< END: see struct vs__segment_step */
    bool split;
};

/** A hop that was decided. */
struct vs__chain_hop {
    uint64_t start_frame, end_frame; /**< source frames */
    float probability;
    float level_db, peak_db; /**< of what the detector heard */
    int64_t captured_ns;     /**< CLOCK_MONOTONIC at the source of its end, 0 = unknown */
};

/** Receives what the chain finds, on the chain's thread, in order. Members may be NULL. */
struct vs__chain_sink {
    void *user;
    void (*step)(void *user, const struct vs__chain_step *step);
    /** `frames` frames at `offset` of `block`: of a segment, or of everything (segment 0). */
    void (*audio)(void *user, struct vs__block *block, uint32_t offset, uint32_t frames,
                  uint64_t segment);
    /** Enhanced audio at a rate of its own, as the configuration asks. */
    void (*wide)(void *user, const struct vs__wide_audio *audio);
    void (*hop)(void *user, const struct vs__chain_hop *hop);
    /** What became of the detector's device: a sentence that lives as long as the detector. */
    void (*state)(void *user, const char *text, int status);
};

struct vs__chain_config {
    uint32_t rate_hz, channels; /**< of the source */
    int format;
    uint32_t channel;   /**< 1.. or 0 = the mean */
    float high_pass_hz; /**< 0 = none */
    unsigned cpu;       /**< enum vs_cpu_flags */
    const char *cpu_name;
    const struct vs_vad_ops *vad;
    void *vad_state; /**< open */
    struct vs_vad_shape vad_shape;
    struct vs__segment_rules rules;
    bool audio_all, audio_segments;  /**< what the sink wants to hear */
    unsigned enhance;                /**< enum vs_enhance */
    bool enhance_text;               /**< the text engine gets enhanced audio too */
    bool audio_wide;                 /**< what sink.wide gets is wanted */
    uint32_t wide_hz, wide_channels; /**< of it; channels: 1 or those of the source */
    unsigned wide_enhance;           /**< enum vs_enhance */
    bool coarse;                     /**< times are kept by fewer buckets, and none since capture */
    bool unmeasured;                 /**< no clock is read: to tell what measuring costs */
    uint32_t spare_blocks;           /**< how many blocks the sink may hold */
    struct vs__chain_sink sink;
};

/** What the chain counts and times; one writer, any reader. */
struct vs__chain_metrics {
    struct vs__histogram dsp, vad, segment;
    struct vs__histogram total; /**< since capture; of a live source */
    _Atomic uint64_t hops, speech_hops, segments;
    _Atomic uint64_t delivered; /**< source frames that reached the segmenter */
    _Atomic uint64_t poisoned;
};

struct vs__chain;

/** @return 0, -EINVAL, -ENOMEM */
int vs__chain_create(const struct vs__chain_config *config, struct vs__chain **ret);
void vs__chain_destroy(struct vs__chain *c);
const struct vs__chain_metrics *vs__chain_metrics(const struct vs__chain *c);
/** Fill in the members of `ret` that the chain knows. Any thread. */
void vs__chain_stats(const struct vs__chain *c, struct vs_stats *ret);

/** `frames` frames of interleaved source audio. @param time_ns CLOCK_MONOTONIC of the first, 0 =
    unknown. @return 0, or the detector's error: what it failed for counts as no speech, and all
    frames were taken. */
int vs__chain_push(struct vs__chain *c, const void *pcm, size_t frames, int64_t time_ns);
/** `frames` frames are missing here. Short gaps are bridged with silence; a long one ends an open
    segment. @return as vs__chain_push(). */
int vs__chain_gap(struct vs__chain *c, uint64_t frames);
/** The audio ends: decide all that is pending. @return as vs__chain_push(). */
int vs__chain_finish(struct vs__chain *c);
/** As after create. The sink must hold no block. */
void vs__chain_reset(struct vs__chain *c);

/** The sink spent so long on what is not ours, as the user's callback or a text engine in line: it
    does not count as the segment stage's. */
void vs__chain_excuse(struct vs__chain *c, int64_t ns);

/** Source frames until the next hop is whole; the worker's thread. */
uint32_t vs__chain_wants(const struct vs__chain *c);
/** Source frames so far, gaps included. */
uint64_t vs__chain_position(const struct vs__chain *c);

/** The sink keeps a block; any number of times. @return false when it holds too many already. */
bool vs__chain_ref(struct vs__chain *c, struct vs__block *b);
void vs__chain_unref(struct vs__chain *c, struct vs__block *b);

#endif
