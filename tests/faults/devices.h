/* SPDX-License-Identifier: MIT */
/* Devices that fail in every way that their contract allows, drawn from the run's seed; they live in
   simulated time (sim.h) and check how they are used. */
#ifndef VS_TESTS_FAULTS_DEVICES_H
#define VS_TESTS_FAULTS_DEVICES_H

#include <stdbool.h>
#include <stdint.h>

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

/** Classes of what goes wrong, for the figures: name, words. */
#define DEVICE_FAULTS(X)                                                                           \
    X(GAP, "source: frames missing")                                                               \
    X(LONG_GAP, "source: seconds missing")                                                         \
    X(ESTIMATED, "source: missing frames that only the clock tells")                               \
    X(STALL, "source: late by up to a second")                                                     \
    X(POISON, "source: a buffer of no sound")                                                      \
    X(FAIL_IO, "source: EIO in the middle")                                                        \
    X(FAIL_NODEV, "source: ENODEV in the middle")                                                  \
    X(FAIL_BADMSG, "source: EBADMSG in the middle")                                                \
    X(FAIL_PIPE, "source: EPIPE in the middle")                                                    \
    X(FAIL_NOMEM, "source: ENOMEM in the middle")                                                  \
    X(REFUSE_START, "source: refuses to start")                                                    \
    X(SLOW_START, "source: starts slowly")                                                         \
    X(NO_TIME, "source: a buffer whose time is unknown")                                           \
    X(NO_END, "source: ends and does not say so")                                                  \
    X(VAD_OPEN, "detector: its device cannot be opened")                                           \
    X(VAD_FAIL, "detector: a call fails")                                                          \
    X(VAD_NONSENSE, "detector: no probability")                                                    \
    X(VAD_SLOW, "detector: slow")                                                                  \
    X(VAD_HANG, "detector: its device hangs for seconds")                                          \
    X(STT_FAIL, "engine: a call fails")                                                            \
    X(STT_SLOW, "engine: slow")                                                                    \
    X(STT_HANG, "engine: hangs until it is cancelled")                                             \
    X(USER_SLOW, "user: slow with an event")                                                       \
    X(USER_ABORT, "user: aborts inside an event")                                                  \
    X(OWNER_ABORT, "user: aborts a run")                                                           \
    X(OWNER_STOP, "user: stops a run, once or twice")                                              \
    X(ALLOCATION, "system: an allocation fails")                                                   \
    X(THREAD, "system: a thread does not start")                                                   \
    X(STREAM_GAP, "stream: frames missing")
#define DEVICE_FAULT(name, words) FAULT_##name,
enum device_fault { DEVICE_FAULTS(DEVICE_FAULT) FAULT_COUNT };
#undef DEVICE_FAULT
extern const char *const device_fault_words[FAULT_COUNT];
extern uint64_t device_faults[FAULT_COUNT]; /**< of all runs */
/** As sim_once_in(), and counted where it says yes. */
bool device_fault(enum device_fault fault, uint32_t once_in);
extern const struct vs_capture_ops device_pull, device_push;
extern const struct vs_vad_ops device_vad;
extern const struct vs_stt_ops device_stt;

#endif
