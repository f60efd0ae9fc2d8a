/* SPDX-License-Identifier: MIT */
/* Parts for tests: sources that follow a script, a detector that hears loudness, and a recorder of
   events. The signal is silence with bursts of noise, and depends on the position alone. */
#ifndef VS_TESTS_UNIT_FAKE_H
#define VS_TESTS_UNIT_FAKE_H

#include <voicestand/backend.h>

/** Amplitude of the signal at source frame `n`: bursts of 0.5 s every 2 s, from 1 s on. */
float fake_sample(uint64_t n, uint32_t rate_hz);

/** One step of a scripted source. */
struct fake_step {
    uint64_t skip;   /**< frames lost before it */
    uint32_t frames; /**< frames delivered, in one read or push; 0 = none */
    uint32_t flags;  /**< enum vs_capture_flags of the loss */
    int status;      /**< not 0: the source ends with it instead */
};

/** What a fake source does; the tables below look at `fake_script`. */
struct fake_script {
    const struct fake_step *steps;
    size_t count;
    uint32_t repeat; /**< times that the steps are gone through */
    uint32_t rate_hz;
    int live;
    uint32_t start_ms; /**< that start() takes after its thread runs */
    uint32_t step_us;  /**< that each step takes to come */
};
extern struct fake_script fake_script;
extern int fake_stopped_early;                /**< stop() calls that came before start() was back */
extern const struct vs_capture_ops fake_pull; /**< with read() */
extern const struct vs_capture_ops fake_push; /**< with start() and a thread */

/** 0.9 for a block that is loud, else 0.1. `fake_vad_fail_after`: hops until it fails, 0 = never.
    `fake_vad_delay_us`: how long it spins in each call. */
extern const struct vs_vad_ops fake_vad;
extern const struct vs_vad_ops fake_vad_odd; /**< the same in blocks of 512 that lag by 200 */
extern uint32_t fake_vad_fail_after, fake_vad_delay_us;

/** Counts what it is fed; its text is "N frames". `fake_stt_block`: finish() waits for cancel. */
extern const struct vs_stt_ops fake_stt;
extern int fake_stt_block;

/** Keeps what it is told; thread-safe as far as events are serial. */
struct record {
    struct {
        int type;
        uint32_t flags;
        uint64_t segment, start, end, sequence;
        int cause, status;
        char text[64], word[64]; /**< of the text, and the first of its words */
        size_t words;
        double first_s, last_s; /**< of all words */
    } events[4096];
    size_t count;
    uint64_t audio_frames; /**< in AUDIO events */
    double audio_sum;      /**< of their samples, each times its position */
    uint64_t hops;         /**< PROBABILITY events */
    double probability_sum;
    struct vs_ledger ledger;
    int ledgers;
};
void record_event(void *user, const struct vs_event *e);
/** How many events of a type. */
size_t record_count(const struct record *r, int type);
/** Number (0, 1, …) `nth` event of a type, or -1. */
int record_find(const struct record *r, int type, size_t nth);

#endif
