/* SPDX-License-Identifier: MIT */
/* What the native detector looks at: a few dozen numbers per hop that do not depend on the level
   of the recording. Shared by the detector and by the program that trains it. */
#ifndef VS_SRC_VAD_FEATURES_H
#define VS_SRC_VAD_FEATURES_H

#include <voicestand/base.h>

#include "dsp/dsp.h"

#define VS__VAD_WINDOW  480 /* frames, 30 ms: its centre is that of the hop before the last */
#define VS__VAD_FFT     512
#define VS__VAD_BINS    (VS__VAD_FFT / 2 + 1)
#define VS__VAD_BANDS   16
#define VS__VAD_SLOTS   8 /* the floors' memory: slots of VS__VAD_SLOT_HOPS */
#define VS__VAD_SCALARS 8 /* numbers of a hop that are not per band */
/* Per hop: the bands over their floors, the bands over their mean, the scalars. */
#define VS__VAD_NOW (2 * VS__VAD_BANDS + VS__VAD_SCALARS)
/* The same again as running means of three time constants. */
#define VS__VAD_MEANS    3
#define VS__VAD_FEATURES (VS__VAD_NOW * (1 + VS__VAD_MEANS))

/** What of it is cleared by a reset. */
struct vs__vad_past {
    float audio[VS__VAD_WINDOW];
    float smooth[VS__VAD_BANDS]; /* levels; all levels are in bel = 10 dB of full scale */
    float before[VS__VAD_BANDS]; /* levels of the hop before */
    float lowest[VS__VAD_SLOTS][VS__VAD_BANDS];
    float floor[VS__VAD_BANDS];
    float means[VS__VAD_MEANS][VS__VAD_NOW];
    float peak, fast, slow, modulation; /* of the level of all bands */
    float recent;                       /* peak of the level, falls 10 dB in a second */
    float drop;                         /* of the level below it */
    float range;                        /* of it over the floors */
    float lag;                          /* log2 of the period in frames */
    uint32_t slot, hops;
    int started; /* something but digital silence was heard */
};

struct vs__vad_features {
    struct vs__dsp dsp;
    struct vs__rfft *fft;
    struct vs__vad_past past;
    float window[VS__VAD_FFT];
    float window_lag[VS__VAD_FFT / 2]; /* the window's autocorrelation, 1 at lag 0 */
    float in[VS__VAD_FFT];
    float spectrum[2 * VS__VAD_BINS];
    float power[VS__VAD_BINS];
    float weight[VS__VAD_BINS]; /* share of a bin that goes to the upper of its two bands */
    uint8_t band[VS__VAD_BINS]; /* upper band of a bin, 1..BANDS; 0 = outside */
};

/** @param f zeroed. @return 0 or -ENOMEM */
int vs__vad_features_init(struct vs__vad_features *f, unsigned cpu);
/** One hop of audio in. Real-time safe. @param ret VS__VAD_FEATURES numbers, within -8..8
    @return 1, or 0 if the window is digital silence (`ret` is filled all the same) */
int vs__vad_features_push(struct vs__vad_features *f, const float *block, float *ret);
void vs__vad_features_reset(struct vs__vad_features *f);
void vs__vad_features_fini(struct vs__vad_features *f);

#endif
