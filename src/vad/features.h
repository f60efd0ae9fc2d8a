/* SPDX-License-Identifier: MIT */
/* What the native detector looks at: band levels of each hop, relative to the loudest and to the
   quietest of the last while, so that the level of a recording plays no part. Shared by the detector
   and by the program that trains it.

   Everything here is plain C in one order, or a kernel that is exact on every level: the same audio gives
   the same numbers, bit by bit, on every machine. */
#ifndef VS_SRC_VAD_FEATURES_H
#define VS_SRC_VAD_FEATURES_H

#include <string.h>

#include <voicestand/base.h>

#include "dsp/dsp.h"

#define VS__VAD_WINDOW   512 /* frames, 32 ms: its centre lies in the hop before the last */
#define VS__VAD_BINS     (VS__VAD_WINDOW / 2 + 1)
#define VS__VAD_BANDS    40
#define VS__VAD_FEATURES (2 * VS__VAD_BANDS) /* under the peak; over the floors */

/** What of it is cleared by a reset. Levels are natural logarithms of power. */
struct vs__vad_past {
    float audio[VS__VAD_WINDOW]; /* a ring */
    uint32_t oldest;             /* of it: where the next hop goes; a multiple of 32 */
    float peak;
    float floor[VS__VAD_BANDS];
    int started; /* something but digital silence was heard */
};

/** Small, as there may be thousands: what never changes is shared. What a hop begins with comes first. */
struct vs__vad_features {
    const struct vs__dsp *dsp; /* only kernels that give the same bits on every level are used */
    const struct vs__vad_tables *tables;
    struct vs__vad_past past;
};

/** Takes a lock. @param f zeroed. @param cpu enum vs_cpu_flags to use. @return 0 or -ENOMEM */
int vs__vad_features_init(struct vs__vad_features *f, unsigned cpu);
/** One hop of audio in. Real-time safe. @param ret VS__VAD_FEATURES numbers, 0..127
    @return 1, or 0 if the window is digital silence; `ret` is then that of the quietest */
int vs__vad_features_push(struct vs__vad_features *f, const float *block, uint8_t *ret);
void vs__vad_features_reset(struct vs__vad_features *f);
void vs__vad_features_fini(struct vs__vad_features *f);

/** 1 / (1 + exp(-x)) within 2e-6, by the same operations everywhere. */
static inline float vs__vad_logistic(float x)
{
    float y = x * -1.44269504f;

    y = y > -126.0f ? y : -126.0f;
    y = y < 126.0f ? y : 126.0f;
    float whole = (y + 0x1.8p23f) - 0x1.8p23f, f = y - whole;
    float p = 0.00961813f + f * 0.00133336f;
    p = 0.24022651f + f * (0.05550411f + f * p);
    p = 1.0f + f * (0.69314718f + f * p);
    int32_t bits = ((int32_t)whole + 127) * (1 << 23);
    float scale;
    memcpy(&scale, &bits, sizeof(scale));
    return 1.0f / (1.0f + p * scale);
}

#endif
