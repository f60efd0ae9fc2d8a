/* SPDX-License-Identifier: MIT */
/* From what the chain found to what the user is told. */
#ifndef VS_SRC_PIPELINE_REPORT_H
#define VS_SRC_PIPELINE_REPORT_H

#include "pipeline/chain.h"

/** What was dropped; one writer for each member, any reader. */
struct vs__losses {
    _Atomic uint64_t frames[VS_DROP_COUNT];
    _Atomic uint64_t gaps;
};

/** An event of `type` that was decided now. */
struct vs_event vs__event_now(int type);
/** Set the bounds and the times in seconds. */
void vs__event_bounds(struct vs_event *e, uint64_t start_frame, uint64_t end_frame,
                      uint32_t rate_hz);
/** START or END of a chain's step. */
struct vs_event vs__event_of_step(const struct vs__chain_step *step, uint32_t rate_hz);

/** The account as it stands, from its sources. */
struct vs_ledger vs__ledger(const struct vs__chain *c, uint32_t rate_hz, uint32_t channels,
                            uint64_t captured, const struct vs__losses *losses);

/** Tells the user in the call that caused it, and feeds a text engine in line: for streams and
    vs_pipeline_run(). */
struct vs__direct {
    struct vs__chain *chain; /**< that runs on this thread; NULL on the output thread */
    uint32_t rate_hz;
    vs_event_fn *on_event;
    void *user;
    int audio;                       /**< enum vs_audio that the user asked for */
    uint32_t wide_hz, wide_channels; /**< of VS_AUDIO_WIDE */
    const struct vs_stt_ops *stt;    /**< NULL = none */
    void *stt_state;
    uint64_t sequence;
    _Atomic uint64_t text_frames; /**< any thread may read it */
    struct vs__histogram *text;   /**< NULL = not measured */
    int stt_status;               /**< of the open segment */
    float text_sure;              /**< see struct vs_pipeline_config; 0 = none */
};

/** Is a segment that ended to have a text? @param text_sure 0 = each is */
bool vs__text_is_wanted(const struct vs_event *end, float text_sure);
/** @return `text`, or "" where it is too thin for its segment */
const char *vs__text_keep(const char *text, const struct vs_event *end, float text_sure);

/** A copy of words and their texts in one block, `shift_s` later; freed by vs__free().
    @return NULL where there are none, or no memory */
struct vs_word *vs__words_copy(const struct vs_word *words, size_t count, double shift_s);
/** The words of a segment that `stt` has finished, as the user gets them: `e` is its final text, and
    its bounds are set. @return what is to be freed */
struct vs_word *vs__words_take(const struct vs_stt_ops *stt, void *state, struct vs_event *e);

/** What VS_AUDIO_WIDE asks of the chain, whose source is known already.
    @return 0, or -EINVAL after a sentence. */
int vs__wide_config_fill(const struct vs_log *log, int audio, int enhance, uint32_t rate_hz,
                         uint32_t channels, struct vs__chain_config *ret);

/** The sink that leads to `d`. @param probabilities whether to pass on each hop's. */
struct vs__chain_sink vs__direct_sink(struct vs__direct *d, bool probabilities);
/** Deliver one event: numbers it. */
void vs__direct_tell(struct vs__direct *d, struct vs_event *e);
/** Frames are missing: tell it, then let the chain know. @return as vs__chain_gap(). */
int vs__direct_gap(struct vs__direct *d, uint64_t frames, int cause);

#endif
