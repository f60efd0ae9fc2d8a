/* SPDX-License-Identifier: MIT */
/* Our own detector: level-free numbers of a 30 ms window (features.h) and a small network over
   them, whose coefficients training/ makes. */
#include <math.h>

#include "base/base.h"
#include "vad/features.h"
#include "vad/model.h"
#include "vad/vad.h"

/* In a very clean recording (the recent peak CLEAN_BEL over the floors) decays stay measurable long
   after they can be heard as speech: there each bel that the level lies more than FADE_BEL below the
   recent peak takes FADE from the network's sum. In other recordings that would only cost speech. */
#define CLEAN_BEL 5.5f
#define FADE_BEL  3.2f
#define FADE      8.0f

_Static_assert(MODEL_INPUTS == VS__VAD_FEATURES, "the coefficients belong to other features");

struct native_state {
    struct vs__vad_features features;
    float input[VS__VAD_FEATURES];
};

static int native_open(void *state, const struct vs_vad_params *params, struct vs_vad_shape *ret)
{
    struct native_state *s = state;
    int status = vs__vad_features_init(&s->features, params->cpu);

    if (status < 0) {
        vs__log(&params->env->log, VS_LOG_ERROR, "vad",
                "no memory for the native detector; close other programs");
        return status;
    }
    ret->block_frames = VS_HOP_FRAMES;
    ret->latency_frames = VS_HOP_FRAMES; /* the window's centre is that of the hop before */
    ret->device = "cpu";
    return 0;
}

/** One layer with rectified outputs. */
static void apply_layer(const struct vs__dsp *dsp, const float *weights, const float *bias,
                        const float *in, size_t inputs, float *out, size_t outputs)
{
    for (size_t i = 0; i < outputs; i++) {
        float sum = dsp->dot(weights + i * inputs, in, inputs) + bias[i];

        out[i] = VS__MAX(sum, 0.0f);
    }
}

static int native_infer(void *state, const float *block, float *ret)
{
    struct native_state *s = state;
    const struct vs__dsp *dsp = &s->features.dsp;
    float hidden1[MODEL_HIDDEN1], hidden2[MODEL_HIDDEN2];
    float sum;

    if (!vs__vad_features_push(&s->features, block, s->input)) {
        *ret = 0.0f;
        return 0;
    }
    apply_layer(dsp, model_hidden1, model_bias1, s->input, MODEL_INPUTS, hidden1, MODEL_HIDDEN1);
    apply_layer(dsp, model_hidden2, model_bias2, hidden1, MODEL_HIDDEN1, hidden2, MODEL_HIDDEN2);
    sum = dsp->dot(model_output, hidden2, MODEL_HIDDEN2) + model_bias3;
    if (s->features.past.range > CLEAN_BEL)
        sum -= FADE * VS__MAX(s->features.past.drop - FADE_BEL, 0.0f);
    *ret = 1.0f / (1.0f + expf(-sum));
    return 0;
}

static void native_reset(void *state)
{
    struct native_state *s = state;

    vs__vad_features_reset(&s->features);
}

static void native_close(void *state)
{
    struct native_state *s = state;

    vs__vad_features_fini(&s->features);
}

const struct vs_vad_ops vs__vad_native = {
    .abi = VS_BACKEND_ABI,
    .name = "native",
    .description = "band levels, shape, voicing and modulation, weighed by a small network",
    .state_size = sizeof(struct native_state),
    .open = native_open,
    .infer = native_infer,
    .reset = native_reset,
    .close = native_close,
};
