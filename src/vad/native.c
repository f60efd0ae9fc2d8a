/* SPDX-License-Identifier: MIT */
/* Our own detector: level-free bands of a 32 ms window (features.h) and a network of causal
   convolutions and a recurrent unit over them, with weights and inputs of 8 bits, which training/
   makes.

   Sums are of whole numbers and exact on every level of kernels; what is not whole is computed by
   plain C in one order. So the same audio gives the same probabilities, bit by bit, on every level
   and every machine. */
#include "vad/native.h"

#include <string.h>

#include "base/base.h"
#include "vad/model.h"
#include "vad/vad.h"

#include "vad/native_rows.h" /* of native.bin, by the build */

enum {
    FEATURES = VS__VAD_FEATURES,
    CHANNELS = VS__NATIVE_CHANNELS,
    HIDDEN = VS__NATIVE_HIDDEN,
    TAPS = 3,
    HIDDEN_ZERO = 64, /* what stands for 0 in the recurrent state as a matrix meets it */
    HIDDEN_STEPS = 63,
    BYTES = VS__NATIVE_STATE - HIDDEN, /* of the past that are bytes */
};

/** The matrices of native.bin, each as rows_s8 takes it. */
struct weights {
    int8_t first[TAPS * FEATURES * CHANNELS];
    int8_t block[VS__NATIVE_BLOCKS][TAPS * CHANNELS * CHANNELS];
    int8_t in[CHANNELS * 3 * HIDDEN];
    int8_t state[HIDDEN * 3 * HIDDEN];
};

/* A hop replaces at least that of the state, so that nothing is remembered for longer than some tens
   of seconds, and nothing can drift. */
#define LEAST_TAKE 0.001f

_Static_assert(sizeof(native_rows) == sizeof(struct weights), "native.bin is of another network");
_Static_assert(FEATURES % 4 == 0 && CHANNELS % 16 == 0 && HIDDEN % 16 == 0, "not for rows_s8");
_Static_assert(sizeof(model_conv0_bias) == CHANNELS * sizeof(float), "other channels");
_Static_assert(sizeof(model_gru_in_bias) == 3 * HIDDEN * sizeof(float), "another recurrent unit");

static const struct block {
    const float *scale, *bias;
    uint32_t reach; /* hops between its taps */
} blocks[VS__NATIVE_BLOCKS] = {
    {model_conv1_scale, model_conv1_bias, 1},
    {model_conv2_scale, model_conv2_bias, 2},
    {model_conv3_scale, model_conv3_bias, 4},
    {model_conv4_scale, model_conv4_bias, 8},
};

/* Bytes, so of any type that has no more alignment and no other values. */
static const struct weights *weights(void)
{
    return (const struct weights *)(const void *)native_rows;
}

/* the network ------------------------------------------------------------------------------- */

/* To the nearest of 0..127, halves to even, as the training does. */
static uint8_t to_steps(float x)
{
    x = x > 0.0f ? x : 0.0f;
    x = x < 127.0f ? x : 127.0f;
    return (uint8_t)(int32_t)((x + 0x1.8p23f) - 0x1.8p23f);
}

static void run_first(struct vs__native *n, uint8_t now[CHANNELS])
{
    uint8_t row[TAPS * FEATURES];
    int32_t sum[CHANNELS];
    float found[CHANNELS];

    memcpy(row, n->past.heard, 2 * FEATURES);
    memcpy(row + 2 * FEATURES, n->input, FEATURES);
    memcpy(n->past.heard, row + FEATURES, 2 * FEATURES);
    n->dsp.rows_s8(sum, weights()->first, row, sizeof(row), CHANNELS);
    for (size_t c = 0; c < CHANNELS; c++)
        found[c] = (float)sum[c] * model_conv0_scale[c] + model_conv0_bias[c];
    n->dsp.f32_to_u7(now, found, CHANNELS, 1.0f, 0.0f);
}

/* `now` goes into the past and what the block finds is added to it. */
static void run_block(struct vs__native *n, size_t i, uint8_t (*past)[CHANNELS],
                      uint8_t now[CHANNELS])
{
    const struct block *b = &blocks[i];
    uint8_t row[TAPS * CHANNELS];
    int32_t sum[CHANNELS];
    float both[CHANNELS];

    memcpy(row, past[0], CHANNELS);
    memcpy(row + CHANNELS, past[b->reach], CHANNELS);
    memcpy(row + 2 * CHANNELS, now, CHANNELS);
    memmove(past[0], past[1], (2 * b->reach - 1) * CHANNELS);
    memcpy(past[2 * b->reach - 1], now, CHANNELS);
    n->dsp.rows_s8(sum, weights()->block[i], row, sizeof(row), CHANNELS);
    for (size_t c = 0; c < CHANNELS; c++) {
        float found = (float)sum[c] * b->scale[c] + b->bias[c];

        both[c] = (float)now[c] + (found > 0.0f ? found : 0.0f);
    }
    n->dsp.f32_to_u7(now, both, CHANNELS, 1.0f, 0.0f);
}

/* vs__vad_logistic() of many, bit by bit, whose power of two is a kernel. */
static void run_logistic(const struct vs__native *n, float *x, size_t count)
{
    float power[2 * HIDDEN];

    for (size_t i = 0; i < count; i++)
        x[i] *= -1.44269504f;
    n->dsp.exp2_near(power, x, count);
    for (size_t i = 0; i < count; i++)
        x[i] = 1.0f / (1.0f + power[i]);
}

/* Gated recurrent unit: what is new and how much of it is taken are decided by what the blocks
   found and by the state. */
static void run_recurrent(struct vs__native *n, const uint8_t now[CHANNELS])
{
    uint8_t state[HIDDEN];
    int32_t from_in[3 * HIDDEN], from_state[3 * HIDDEN];
    float a[3 * HIDDEN], b[3 * HIDDEN];
    float *h = n->past.hidden;

    n->dsp.f32_to_u7(state, h, HIDDEN, HIDDEN_STEPS, HIDDEN_ZERO);
    n->dsp.rows_s8(from_in, weights()->in, now, CHANNELS, 3 * HIDDEN);
    n->dsp.rows_s8(from_state, weights()->state, state, HIDDEN, 3 * HIDDEN);
    for (size_t i = 0; i < 3 * HIDDEN; i++) {
        a[i] = (float)from_in[i] * model_gru_in_scale[i] + model_gru_in_bias[i];
        b[i] = (float)from_state[i] * model_gru_state_scale[i] + model_gru_state_bias[i];
    }
    /* one thing a loop, so that the compiler makes vectors of it */
    for (size_t i = 0; i < 2 * HIDDEN; i++)
        a[i] = a[i] + b[i];
    run_logistic(n, a, 2 * HIDDEN);
    for (size_t i = 0; i < HIDDEN; i++)
        b[i] = 2.0f * (a[2 * HIDDEN + i] + a[HIDDEN + i] * b[2 * HIDDEN + i]);
    run_logistic(n, b, HIDDEN);
    for (size_t i = 0; i < HIDDEN; i++)
        b[i] = 2.0f * b[i] - 1.0f; /* tanh */
    for (size_t i = 0; i < HIDDEN; i++)
        h[i] += (a[i] > LEAST_TAKE ? a[i] : LEAST_TAKE) * (b[i] - h[i]);
}

float vs__native_run(struct vs__native *n)
{
    uint8_t now[CHANNELS];
    uint8_t(*past)[CHANNELS] = n->past.found;
    float sum = model_out[CHANNELS + HIDDEN];

    run_first(n, now);
    for (size_t i = 0; i < VS__NATIVE_BLOCKS; i++) {
        run_block(n, i, past, now);
        past += 2 * blocks[i].reach;
    }
    run_recurrent(n, now);
    for (size_t c = 0; c < CHANNELS; c++)
        sum += model_out[c] * (float)now[c];
    for (size_t i = 0; i < HIDDEN; i++)
        sum += model_out[CHANNELS + i] * n->past.hidden[i];
    return sum;
}

/* its parts ---------------------------------------------------------------------------------- */

/* As if silence had gone before for as long as the convolutions look back. */
void vs__native_reset(struct vs__native *n)
{
    vs__vad_features_reset(&n->features);
    memset(&n->past, 0, sizeof(n->past));
    memset(n->input, 0, sizeof(n->input));
    for (size_t i = 0; i < VS__NATIVE_ROWS + 2; i++)
        vs__native_run(n);
    memset(n->past.hidden, 0, sizeof(n->past.hidden));
}

int vs__native_init(struct vs__native *n, unsigned cpu, const struct vs_log *log)
{
    int status = vs__vad_features_init(&n->features, cpu);

    if (status < 0)
        vs__log(log, VS_LOG_ERROR, "vad",
                "no memory for the native detector; close other programs");
    vs__dsp_init(&n->dsp, cpu);
    if (status == 0)
        vs__native_reset(n);
    return status;
}

bool vs__native_hear(struct vs__native *n, const float *block)
{
    return vs__vad_features_push(&n->features, block, n->input);
}

float vs__native_tell(float sum)
{
    return vs__vad_logistic(sum);
}

void vs__native_save(const struct vs__native *n, struct vs__native_memory *ret)
{
    ret->features = n->features.past;
    ret->network = n->past;
}

void vs__native_restore(struct vs__native *n, const struct vs__native_memory *memory)
{
    n->features.past = memory->features;
    n->past = memory->network;
}

void vs__native_past_floats(const struct vs__native_past *past, float *ret)
{
    const uint8_t *heard = (const uint8_t *)past->heard, *found = (const uint8_t *)past->found;

    for (size_t i = 0; i < sizeof(past->heard); i++)
        ret[i] = heard[i];
    for (size_t i = 0; i < sizeof(past->found); i++)
        ret[sizeof(past->heard) + i] = found[i];
    memcpy(ret + BYTES, past->hidden, sizeof(past->hidden));
}

void vs__native_past_bytes(const float *floats, struct vs__native_past *ret)
{
    uint8_t *heard = (uint8_t *)ret->heard, *found = (uint8_t *)ret->found;

    for (size_t i = 0; i < sizeof(ret->heard); i++)
        heard[i] = to_steps(floats[i]);
    for (size_t i = 0; i < sizeof(ret->found); i++)
        found[i] = to_steps(floats[sizeof(ret->heard) + i]);
    memcpy(ret->hidden, floats + BYTES, sizeof(ret->hidden));
}

void vs__native_fini(struct vs__native *n)
{
    vs__vad_features_fini(&n->features);
}

/* the detector ------------------------------------------------------------------------------- */

static int native_open(void *state, const struct vs_vad_params *params, struct vs_vad_shape *ret)
{
    int status = vs__native_init(state, params->cpu, &params->env->log);

    if (status < 0)
        return status;
    ret->block_frames = VS_HOP_FRAMES;
    ret->latency_frames = VS_HOP_FRAMES; /* a hop is judged when the next one is in */
    ret->device = "cpu";
    ret->kin = VS__NATIVE_KIN;
    ret->sure = VS__NATIVE_SURE;
    return 0;
}

static int native_infer(void *state, const float *block, float *ret)
{
    struct vs__native *n = state;
    bool heard = vs__native_hear(n, block);
    float sum = vs__native_run(n);

    *ret = heard ? vs__native_tell(sum) : 0.0f;
    return 0;
}

static void native_reset(void *state)
{
    vs__native_reset(state);
}

static void native_close(void *state)
{
    vs__native_fini(state);
}

static void native_save(const void *state, void *memory)
{
    vs__native_save(state, memory);
}

static int native_restore(void *state, const void *memory)
{
    vs__native_restore(state, memory);
    return 0;
}

const struct vs_vad_ops vs__vad_native = {
    .abi = VS_BACKEND_ABI,
    .name = "native",
    .description = "a small recurrent network over level-free bands",
    .state_size = sizeof(struct vs__native),
    .open = native_open,
    .infer = native_infer,
    .reset = native_reset,
    .close = native_close,
    .memory_size = sizeof(struct vs__native_memory),
    .save = native_save,
    .restore = native_restore,
};
