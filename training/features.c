/* SPDX-License-Identifier: MIT */
/* Lets the training script compute the native detector's numbers with the detector's own code. */
#include <stdlib.h>
#include <string.h>

#include "vad/features.h"

VS_API int count_features(void);
VS_API int dump_features(const float *pcm, size_t hops, uint8_t *ret);

int count_features(void)
{
    return VS__VAD_FEATURES;
}

/** 16 kHz mono in; high-passed as the pipeline does, then hop by hop. @return 0 or -errno */
int dump_features(const float *pcm, size_t hops, uint8_t *ret)
{
    struct vs__vad_features *f = calloc(1, sizeof(*f));
    struct vs__highpass highpass;
    float block[VS_HOP_FRAMES];
    int status;

    if (f == NULL)
        return -1;
    status = vs__vad_features_init(f, 0);
    vs__highpass_init(&highpass, f->dsp, VS_RATE_HZ, 80.0);
    for (size_t i = 0; status == 0 && i < hops; i++) {
        memcpy(block, pcm + i * VS_HOP_FRAMES, sizeof(block));
        vs__highpass_process(&highpass, block, VS_HOP_FRAMES);
        vs__vad_features_push(f, block, ret + i * VS__VAD_FEATURES);
    }
    vs__vad_features_fini(f);
    free(f);
    return status;
}
