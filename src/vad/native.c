/* SPDX-License-Identifier: MIT */
/* Our own detector: level-free numbers of a 30 ms window (features.h) and a small network over
   them, whose coefficients training/ makes. */
#include "vad/native.h"

#include <math.h>
#include <string.h>

#include "base/base.h"
#include "vad/model.h"
#include "vad/vad.h"

/* In a very clean recording (the recent peak CLEAN_BEL over the floors) decays stay measurable long
   after they can be heard as speech: there each bel that the level lies more than FADE_BEL below the
   recent peak takes FADE from the network's sum. In other recordings that would only cost speech. */
#define CLEAN_BEL 5.5f
#define FADE_BEL  3.2f
#define FADE      8.0f

_Static_assert(MODEL_INPUTS == VS__VAD_FEATURES, "the coefficients belong to other features");

int vs__native_init(struct vs__native *n, unsigned cpu, const struct vs_log *log)
{
    int status = vs__vad_features_init(&n->features, cpu);

    if (status < 0)
        vs__log(log, VS_LOG_ERROR, "vad",
                "no memory for the native detector; close other programs");
    return status;
}

bool vs__native_hear(struct vs__native *n, const float *block)
{
    return vs__vad_features_push(&n->features, block, n->input);
}

float vs__native_tell(const struct vs__native *n, float sum)
{
    if (n->features.past.range > CLEAN_BEL)
        sum -= FADE * VS__MAX(n->features.past.drop - FADE_BEL, 0.0f);
    return 1.0f / (1.0f + expf(-sum));
}

void vs__native_fini(struct vs__native *n)
{
    vs__vad_features_fini(&n->features);
}

static int native_open(void *state, const struct vs_vad_params *params, struct vs_vad_shape *ret)
{
    int status = vs__native_init(state, params->cpu, &params->env->log);

    if (status < 0)
        return status;
    ret->block_frames = VS_HOP_FRAMES;
    ret->latency_frames = VS_HOP_FRAMES; /* the window's centre is that of the hop before */
    ret->device = "cpu";
    ret->kin = VS__NATIVE_KIN;
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
    struct vs__native *s = state;
    const struct vs__dsp *dsp = &s->features.dsp;
    float hidden1[MODEL_HIDDEN1], hidden2[MODEL_HIDDEN2];

    if (!vs__native_hear(s, block)) {
        *ret = 0.0f;
        return 0;
    }
    apply_layer(dsp, model_hidden1, model_bias1, s->input, MODEL_INPUTS, hidden1, MODEL_HIDDEN1);
    apply_layer(dsp, model_hidden2, model_bias2, hidden1, MODEL_HIDDEN1, hidden2, MODEL_HIDDEN2);
    *ret = vs__native_tell(s, dsp->dot(model_output, hidden2, MODEL_HIDDEN2) + model_bias3);
    return 0;
}

static void native_reset(void *state)
{
    struct vs__native *s = state;

    vs__vad_features_reset(&s->features);
}

static void native_close(void *state)
{
    vs__native_fini(state);
}

static void native_save(const void *state, void *memory)
{
    const struct vs__native *s = state;

    memcpy(memory, &s->features.past, sizeof(s->features.past));
}

static int native_restore(void *state, const void *memory)
{
    struct vs__native *s = state;

    memcpy(&s->features.past, memory, sizeof(s->features.past));
    return 0;
}

const struct vs_vad_ops vs__vad_native = {
    .abi = VS_BACKEND_ABI,
    .name = "native",
    .description = "band levels, shape, voicing and modulation, weighed by a small network",
    .state_size = sizeof(struct vs__native),
    .open = native_open,
    .infer = native_infer,
    .reset = native_reset,
    .close = native_close,
    .memory_size = sizeof(struct vs__vad_past),
    .save = native_save,
    .restore = native_restore,
};
