/* SPDX-License-Identifier: MIT */
/* The segmenter: probabilities of hops in, segments out. A pure state machine in hops; knows no
   clock, no audio and no rate. */
#ifndef VS_SRC_SEGMENT_SEGMENT_H
#define VS_SRC_SEGMENT_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

#include <voicestand/segment.h>

/** The rules, in hops. All defaults are resolved.
    Opening. Hops at or above `threshold` are gathered into a candidate; it opens when it has
    max(onset, min_speech, 1) of them, and that is final. Silence inside a candidate is not counted
    as speech; the candidate is dropped when a run of it exceeds 8 hops or all of it exceeds the
    speech that is asked for, so a candidate never spans more than twice that speech.
    Closing. In an open segment hops at or above `threshold_off` are speech. It closes when the
    silence since the last of them has reached `hangover` and new speech would begin a segment that
    is at least `merge` away, both padded; with merge = 0 neighbours may touch.
    Maximum. In the last 2 s before `max` (the last half, if shorter) a hop below `threshold` marks
    a pause; if speech comes back the segment is cut in that pause, at most `pad` after the speech.
    Without a pause it is cut at `max`, if speech goes on there. What follows a cut opens at once
    and starts where the cut is. */
struct vs__segment_rules {
    float threshold, threshold_off;
    uint32_t onset, min_speech, hangover, merge, pre_roll, pad;
    uint32_t max; /**< 0 = none */
};

/** Check and resolve `config` (NULL = all defaults). @return 0, or -EINVAL with the name of the
    member that is wrong in `*ret_member`. */
int vs__segment_rules(const struct vs_segment_config *config, struct vs__segment_rules *ret,
                      const char **ret_member);

/** Hops of a segment by which it is told how sure speech was at best: 200 ms. */
#define VS__SURE_HOPS 20

enum vs__segment_kind { VS__SEGMENT_START, VS__SEGMENT_END };

/** A decision. Bounds are hops since the start: [start, end). */
struct vs__segment_step {
    int kind;
    uint64_t segment;   /**< 1, 2, … */
    uint64_t start_hop; /**< pre-roll included; never before the end of the one before */
    uint64_t end_hop;   /**< END: padding included */
    float probability;  /**< END: mean over the speech hops' span */
    float
        sure; /**< END: mean of the VS__SURE_HOPS highest until it ended, fewer in a shorter one */
    bool split; /**< END: cut at the maximum; START: continues such a cut */
};

struct vs__segmenter {
    struct vs__segment_rules rules;
    /* private from here; all of it is plain state, copyable */
    uint64_t hop;     /**< the next hop to come */
    uint64_t segment; /**< number of the last segment opened */
    bool open;
    bool candidate;            /**< speech is being gathered */
    bool pause;                /**< open and near the maximum: a hop below `threshold` was seen */
    uint64_t start_hop;        /**< of the open segment */
    uint64_t floor_hop;        /**< nothing may begin before: end of the last one, or a jump */
    uint64_t first_hop;        /**< first speech hop of the candidate or of the open segment */
    uint64_t last_hop;         /**< last speech hop */
    uint64_t sure_hop;         /**< hops before it are committed */
    uint32_t gathered;         /**< speech hops of the candidate */
    double sum;                /**< of probabilities since first_hop */
    double sum_last;           /**< the same up to last_hop */
    float best[VS__SURE_HOPS]; /**< highest probabilities since then, falling; over cuts */
    uint32_t best_count;
};

void vs__segmenter_init(struct vs__segmenter *s, const struct vs__segment_rules *rules);

/** The next hop's probability. @return how many steps (0..2) were written to `ret`. */
int vs__segmenter_push(struct vs__segmenter *s, float probability, struct vs__segment_step ret[2]);

/** The audio ends, or a gap too long to bridge begins, at the current hop: close what is open.
    @return 0..1 steps. */
int vs__segmenter_flush(struct vs__segmenter *s, struct vs__segment_step ret[2]);

/** After a flush: the next hop is `hop` (not before the current one); nothing starts before it. */
void vs__segmenter_jump(struct vs__segmenter *s, uint64_t hop);

/** Hops before it surely belong to the open segment (or are before it): their audio can go out.
    Only grows while the segment is open; reaches end_hop at END. */
uint64_t vs__segmenter_committed(const struct vs__segmenter *s);

/** Hops before it can never be part of a segment that has yet to start or to be committed: their
    audio can be forgotten. Never decreases. */
uint64_t vs__segmenter_needed(const struct vs__segmenter *s);

/** Most hops that can lie between vs__segmenter_needed() and the current hop, by the rules. */
uint64_t vs__segment_lookback(const struct vs__segment_rules *rules);

#endif
