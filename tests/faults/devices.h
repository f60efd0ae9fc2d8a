/* SPDX-License-Identifier: MIT */
/* Devices that fail in every way that their contract allows, drawn from the run's seed; they live in
   simulated time (sim.h) and check how they are used. */
#ifndef VS_TESTS_FAULTS_DEVICES_H
#define VS_TESTS_FAULTS_DEVICES_H

#include <stdbool.h>

#include <voicestand/backend.h>

/** How often what goes wrong, once in so many times, 0 = never; and what devices do else. */
struct device_plan {
    /* source */
    uint32_t rate_hz, channels;
    int format, live;
    uint64_t frames;        /**< until it ends */
    uint32_t most;          /**< frames of a read or push at most */
    uint32_t gap, long_gap; /**< frames are missing */
    uint32_t stall;         /**< it takes up to a second longer */
    uint32_t poison;        /**< a buffer holds what is no sound */
    uint32_t fail;          /**< it ends with an error */
    uint32_t refuse_start, slow_start, empty, talk;
    bool never_ends_itself; /**< a push source that does not call end() */
    /* detector */
    uint32_t block, latency, vad_fail, vad_nonsense, vad_hang, vad_slow, vad_flags;
    /* engine */
    uint32_t stt_fail, stt_hang, stt_slow;
};
extern struct device_plan device_plan;

/** What devices did. */
struct device_truth {
    uint64_t captured;   /**< frames by the source's own count, lost ones included */
    uint64_t given;      /**< frames that it gave */
    uint64_t fed_frames; /**< to the engine */
    int source_status;   /**< error with which it ended by itself; 1 = not yet */
    int opened, closed, started, stopped;
    int detector_failed; /**< infer() calls that failed */
};
extern struct device_truth device_truth;

void devices_begin(void);
extern const struct vs_capture_ops device_pull, device_push;
extern const struct vs_vad_ops device_vad;
extern const struct vs_stt_ops device_stt;

#endif
