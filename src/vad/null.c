/* SPDX-License-Identifier: MIT */
/* The detector that always says the same: "null" or "null:P". */
#include <errno.h>
#include <stdlib.h>

#include "base/base.h"
#include "vad/vad.h"

struct null_state {
    float probability;
};

static int null_open(void *state, const struct vs_vad_params *params, struct vs_vad_shape *ret)
{
    struct null_state *s = state;

    if (params->argument != NULL) {
        char *end;
        float p = strtof(params->argument, &end);

        if (end == params->argument || *end != '\0' || !(p >= 0.0f && p <= 1.0f)) {
            vs__log(&params->env->log, VS_LOG_ERROR, "vad",
                    "null:%s is not a probability; give a number from 0 to 1, as in null:0.5",
                    params->argument);
            return -EINVAL;
        }
        s->probability = p;
    }
    ret->block_frames = VS_HOP_FRAMES;
    ret->latency_frames = 0;
    ret->device = "cpu";
    return 0;
}

static int null_infer(void *state, const float *block, float *ret)
{
    const struct null_state *s = state;

    (void)block;
    *ret = s->probability;
    return 0;
}

static void null_reset(void *state)
{
    (void)state;
}

static void null_close(void *state)
{
    (void)state;
}

const struct vs_vad_ops vs__vad_null = {
    .abi = VS_BACKEND_ABI,
    .name = "null",
    .description = "the same probability for every hop",
    .state_size = sizeof(struct null_state),
    .open = null_open,
    .infer = null_infer,
    .reset = null_reset,
    .close = null_close,
};
