/* SPDX-License-Identifier: MIT */
/* The native detector in its parts, so that its network can also run on a device or in plain
   floating point: what is heard of a hop, the network's memory, what its answer means. */
#ifndef VS_SRC_VAD_NATIVE_H
#define VS_SRC_VAD_NATIVE_H

#include "base/base.h"
#include "vad/features.h"

/* The network: a convolution over three hops, VS__NATIVE_BLOCKS that add to what the one before
   found and look 1, 2, 4, 8 hops apart, a gated recurrent unit, and a sum of both. */
#define VS__NATIVE_BLOCKS   4
#define VS__NATIVE_CHANNELS 48
#define VS__NATIVE_HIDDEN   64
#define VS__NATIVE_ROWS     30 /* of the past: twice 1 + 2 + 4 + 8 */

#define VS__NATIVE_STATE                                                                           \
    (2 * VS__VAD_FEATURES + VS__NATIVE_ROWS * VS__NATIVE_CHANNELS + VS__NATIVE_HIDDEN)

/** Detectors with this word as `kin` understand each other's memory: struct vs__native_memory. */
#define VS__NATIVE_KIN "native 2"
/** `sure` of nearly all speech is above it, of most noise below: scripts/noise-table. */
#define VS__NATIVE_SURE 0.87f

/** What the network remembers. All of it is bounded: bytes of 0..127 by their rounding, `hidden` by
    its gates, which only mix what lies within -1..1. */
struct vs__native_past {
    uint8_t heard[2][VS__VAD_FEATURES];                  /**< numbers of the last hops */
    uint8_t found[VS__NATIVE_ROWS][VS__NATIVE_CHANNELS]; /**< outputs before each block, block by
                                                            block, the oldest first */
    float hidden[VS__NATIVE_HIDDEN];
};

/** All that a reset clears. */
struct vs__native_memory {
    struct vs__vad_past features;
    struct vs__native_past network;
};

struct vs__native {
    struct vs__vad_features features;
    struct vs__native_past past;
    struct vs__dsp dsp;              /**< its kernels for 8 bits are exact on every level */
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
/** The network's past as a device keeps it, VS__NATIVE_STATE numbers in the order of the struct, and
    the way back, which rounds. */
void vs__native_past_floats(const struct vs__native_past *past, float *ret);
void vs__native_past_bytes(const float *floats, struct vs__native_past *ret);
void vs__native_fini(struct vs__native *n);

#endif
