/* SPDX-License-Identifier: MIT */
/* How probabilities become segments. */
#ifndef VOICESTAND_SEGMENT_H
#define VOICESTAND_SEGMENT_H

#include <voicestand/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Rules of the segmenter. Zero-initialise, set `size`, set what you need: zero means the default
    in brackets. To ask for none at all where zero would mean the default, use VS_NONE.
    All times are rounded down to whole hops of 10 ms. */
struct vs_segment_config {
    size_t size;            /**< sizeof(struct vs_segment_config); 0 inside another struct */
    float threshold;        /**< a hop at or above it is speech, 0..1 [0.5] */
    float threshold_off;    /**< inside a segment, a hop below it is silence [threshold - 0.15] */
    uint32_t onset_ms;      /**< speech that must be gathered before a segment opens [50] */
    uint32_t min_speech_ms; /**< segments with less speech than this are never opened [100] */
    uint32_t hangover_ms;   /**< silence that ends a segment [500] */
    uint32_t merge_ms;      /**< padded segments closer than this are one [200] */
    uint32_t pre_roll_ms;   /**< audio kept before the first speech hop [60] */
    uint32_t pad_ms;        /**< audio kept after the last speech hop [40] */
    uint32_t max_ms;        /**< longest segment; cut at a pause in its last 2 s if any [30000] */
};

#define VS_NONE UINT32_MAX

/** Fill in the members of `ret` that are zero for a common use: "dictation" (a speaker who pauses to
    think is not cut), "agent" (a machine that answers: the end comes soon), "archive" (nothing that
    may be speech is lost). What each is worth: docs/presets.md. Any thread, never blocks.
    @return 0; -EINVAL unknown name, `ret` untouched. */
VS_API VS_NODISCARD int vs_segment_preset(const char *name, struct vs_segment_config *ret);

/** Names of the presets: 0, 1, …; NULL behind the last. Any thread; the string is static. */
VS_API const char *vs_segment_preset_name(unsigned index);

#ifdef __cplusplus
}
#endif
#endif
