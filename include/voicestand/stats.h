/* SPDX-License-Identifier: MIT */
/* What was counted and timed: the ledger of samples and the latency of each stage. */
#ifndef VOICESTAND_STATS_H
#define VOICESTAND_STATS_H

#include <voicestand/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Why frames were dropped. Names for people and for JSON: vs_drop_name(). */
enum vs_drop {
    VS_DROP_RING_FULL,     /**< the worker was late: newest frames dropped at the ring; exact */
    VS_DROP_GAP_EXACT,     /**< the source's own position jumped; exact */
    VS_DROP_GAP_ESTIMATED, /**< the source fell silent; counted by CLOCK_MONOTONIC */
    VS_DROP_AT_STOP,       /**< still queued when the run was aborted; exact */
    VS_DROP_COUNT
};

/** The account of every frame of a source, in source frames (one instant, all channels).
    captured = delivered + the sum of dropped[]; `residual` is what is missing from that. */
struct vs_ledger {
    size_t size;
    uint32_t rate_hz;                /**< of the source */
    uint32_t channels;               /**< of the source */
    uint64_t captured;               /**< by the source's own clock, lost frames included */
    uint64_t delivered;              /**< that reached the segmenter */
    uint64_t dropped[VS_DROP_COUNT]; /**< by cause */
    uint64_t gaps;                   /**< number of drop events */
    int64_t residual;                /**< captured - delivered - sum(dropped); 0 or a bug */
    uint64_t poisoned;               /**< samples that were NaN, infinite or from 2^40 on, now 0 */
    uint64_t text_frames;            /**< 16 kHz frames given to the text engine */
    uint64_t text_dropped;           /**< 16 kHz frames the text engine was too slow for */
    uint64_t events_dropped;         /**< events lost because on_event was too slow */
};

/** Stages whose latency is measured; names by vs_stage_name(). Of live audio every hop is measured; of files
    and streams, where reading a clock would take a notable part of the time, one of eight. */
enum vs_stage {
    VS_STAGE_QUEUE,   /**< capture clock to the worker's hands */
    VS_STAGE_DSP,     /**< mixing, resampling, high-pass of one hop */
    VS_STAGE_VAD,     /**< voice activity of one hop */
    VS_STAGE_SEGMENT, /**< segmenter and hand-over of one hop */
    VS_STAGE_TOTAL,   /**< capture clock of a hop's last frame to its decision */
    VS_STAGE_EVENT,   /**< decision to on_event */
    VS_STAGE_TEXT,    /**< end of a segment to its text */
    VS_STAGE_COUNT
};

/** Summary of a histogram, nanoseconds. Quantiles are upper bounds of buckets under 4 % wide, of a
    stream under 7 %. */
struct vs_latency {
    uint64_t count;
    int64_t p50_ns, p90_ns, p99_ns, p999_ns, max_ns;
};

/** How a device served a detector that runs on one. All zero where there is none. */
struct vs_device_stats {
    size_t size;
    const char
        *device;     /**< "openvino:NPU"; NULL = the detector needs none. Lives with the object */
    int in_use;      /**< nonzero: it decides now; 0: it is out, and `native` decides */
    uint32_t out_ms; /**< how long it is out in all, by the audio's clock; 0 = it is in */
    uint64_t by_device; /**< hops that it decided */
    uint64_t by_native; /**< hops that `native` decided in its place */
    uint64_t late;      /**< of those: it was not out, but its answer came too late */
    uint64_t not_open;  /**< times that it could not be opened */
    uint64_t failed;    /**< times that it gave an error */
    uint64_t hung;      /**< times that it did not answer */
    uint64_t nonsense;  /**< times that its answer was no probability */
    uint64_t returns;   /**< times that it came back */
};

/** Snapshot of a running or finished pipeline or stream. */
struct vs_stats {
    size_t size;
    struct vs_ledger ledger;
    struct vs_latency stage[VS_STAGE_COUNT]; /**< count 0 where a stage did not run */
    uint64_t hops;                           /**< decided so far */
    uint64_t speech_hops;                    /**< of those, inside a segment */
    uint64_t segments;                       /**< closed so far */
    uint64_t wakeups;                        /**< of the worker */
    int64_t worker_cpu_ns;                   /**< CPU time of the worker thread */
    int64_t elapsed_ns;                      /**< since start */
    int64_t first_frame_ns;    /**< from start to the first captured frame; 0 = none yet */
    uint32_t ring_frames;      /**< capacity of the ring */
    uint32_t ring_peak_frames; /**< highest fill */
    int64_t source_latency_ns; /**< what the source says it adds before its stamp */
    int realtime;              /**< real-time priority of the worker, 0 = none */
    int64_t audio_delay_ns;    /**< most audio that must come in behind a frame before its AUDIO */
    uint32_t ring_fill_frames; /**< in the ring now */
    struct vs_device_stats vad_device;
};

/** Stable lower-case name of a drop cause, e.g. "ring_full"; "unknown" outside the enum. */
VS_API const char *vs_drop_name(int cause);

/** Stable lower-case name of a stage, e.g. "queue"; "unknown" outside the enum. */
VS_API const char *vs_stage_name(int stage);

#ifdef __cplusplus
}
#endif
#endif
