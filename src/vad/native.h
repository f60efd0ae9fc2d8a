/* SPDX-License-Identifier: MIT */
/* The native detector in its parts, so that its network can also run on a device: what is heard of a
   hop, and what the network's answer means. */
#ifndef VS_SRC_VAD_NATIVE_H
#define VS_SRC_VAD_NATIVE_H

#include "base/base.h"
#include "vad/features.h"

/** Detectors with this word as `kin` understand each other's memory: a struct vs__vad_past. */
#define VS__NATIVE_KIN "native 1"

struct vs__native {
    struct vs__vad_features features;
    float input[VS__VAD_FEATURES]; /**< of the network, for the newest hop */
};

/** @param n zeroed. @return 0 or -ENOMEM, after one sentence */
int vs__native_init(struct vs__native *n, unsigned cpu, const struct vs_log *log);
/** One hop of audio in, `input` out. Real-time safe. @return false for digital silence, which is
    no speech whatever the network says */
bool vs__native_hear(struct vs__native *n, const float *block);
/** The network's sum for that `input` as a probability. */
float vs__native_tell(const struct vs__native *n, float sum);
void vs__native_fini(struct vs__native *n);

#endif
