/* SPDX-License-Identifier: MIT */
/* The native detector in its parts, so that its network can also run on a device or in plain
   floating point: what is heard of a hop, the network's memory, what its answer means. */
#ifndef VS_SRC_VAD_NATIVE_H
#define VS_SRC_VAD_NATIVE_H

#include "base/base.h"
#include "vad/features.h"

/* The network: VS__NATIVE_MEMBERS of one shape and of different trainings, side by side, and
   VS__NATIVE_FOLLOWERS, which follow the mean of their log odds and are added to it. A member is a
   convolution over three hops, VS__NATIVE_BLOCKS that add to what the one before found and look 1, 2, 4, 8
   hops apart, a gated recurrent unit, a sum of both. CHANNELS and HIDDEN are of all members, one
   after the other. */
#define VS__NATIVE_MEMBERS   2
#define VS__NATIVE_BLOCKS    4
#define VS__NATIVE_CHANNELS  (48 * VS__NATIVE_MEMBERS)
#define VS__NATIVE_HIDDEN    (64 * VS__NATIVE_MEMBERS)
#define VS__NATIVE_FOLLOWERS 2
#define VS__NATIVE_PAIRS     15 /* of rows of the past: 1 + 2 + 4 + 8 */
#define VS__NATIVE_ROWS      (2 * VS__NATIVE_PAIRS)

#define VS__NATIVE_TURNS 16 /* twice the longest reach */

#define VS__NATIVE_STATE                                                                           \
    (2 * VS__VAD_FEATURES + VS__NATIVE_ROWS * VS__NATIVE_CHANNELS + VS__NATIVE_HIDDEN +            \
     VS__NATIVE_FOLLOWERS)

/** Detectors with this word as `kin` understand each other's memory: struct vs__native_memory. */
#define VS__NATIVE_KIN "native 4"
/** `sure` of nearly all speech is above it, of most noise below: scripts/noise-table. */
#define VS__NATIVE_SURE 0.99f

/** What the network remembers. All of it is bounded: bytes of 0..127 by their rounding, `hidden` by
    its gates and `followers` by their shares, which only mix what lies within -1..1. The rest are rings:
    hop `turn` replaces the oldest row of each. A block that looks r and 2 r hops back has r pairs of rows;
    one hop takes both rows of one pair, `turn` modulo r, and touches no other. */
struct vs__native_past {
    float hidden[VS__NATIVE_HIDDEN];
    float followers[VS__NATIVE_FOLLOWERS]; /**< the mean of what was answered, and what holds */
    uint8_t heard[2][VS__VAD_FEATURES];    /**< numbers of the last hops */
    uint8_t found[VS__NATIVE_PAIRS][2][VS__NATIVE_CHANNELS]; /**< outputs before each block */
    uint32_t turn;                                           /**< modulo VS__NATIVE_TURNS */
};

/** All that a reset clears. */
struct vs__native_memory {
    struct vs__vad_past features;
    struct vs__native_past network;
};

struct vs__native {
    struct vs__vad_features features;
    struct vs__native_past past;
    uint8_t input[VS__VAD_FEATURES]; /**< of the network, for the newest hop */
};

/** @param n zeroed. @return 0 or -ENOMEM, after one sentence */
int vs__native_init(struct vs__native *n, unsigned cpu, const struct vs_log *log);
/** One hop of audio in, `input` out. Real-time safe. @return false for digital silence, which is
    no speech whatever the network says; the network hears it all the same */
bool vs__native_hear(struct vs__native *n, const float *block);
/** The network on `input`, which becomes the past. Real-time safe. @return log odds of speech */
float vs__native_run(struct vs__native *n);
/** Log odds as a probability. */
float vs__native_tell(float sum);
void vs__native_reset(struct vs__native *n);
void vs__native_save(const struct vs__native *n, struct vs__native_memory *ret);
void vs__native_restore(struct vs__native *n, const struct vs__native_memory *memory);
/** The network's past as a device keeps it, and the way back, which rounds. VS__NATIVE_STATE numbers:
    `heard`, then `found` block by block, each the oldest row first, then `hidden`, then `followers`. */
void vs__native_past_floats(const struct vs__native_past *past, float *ret);
void vs__native_past_bytes(const float *floats, struct vs__native_past *ret);
void vs__native_fini(struct vs__native *n);

#endif
