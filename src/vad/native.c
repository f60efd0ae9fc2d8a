/* SPDX-License-Identifier: MIT */
/* Our own detector: level-free bands of a 32 ms window (features.h) and networks of causal
   convolutions and a recurrent unit over them, with weights and inputs of 8 bits, which training/
   makes. What one of them errs in another may not: the mean of their log odds counts.

   Sums are of whole numbers and exact on every level of kernels; what is not whole is computed by
   plain C in one order. So the same audio gives the same probabilities, bit by bit, on every level
   and every machine. */
#include "vad/native.h"

#include <stddef.h>
#include <string.h>

#include "base/base.h"
#include "vad/model.h"
#include "vad/vad.h"

#include "vad/native_rows.h" /* of native.bin, by the build */

enum {
    FEATURES = VS__VAD_FEATURES,
    MEMBERS = VS__NATIVE_MEMBERS,
    CHANNELS = VS__NATIVE_CHANNELS, /* of all members */
    HIDDEN = VS__NATIVE_HIDDEN,
    OWN_CHANNELS = CHANNELS / MEMBERS,
    OWN_HIDDEN = HIDDEN / MEMBERS,
    GATES = 3 * OWN_HIDDEN,
    MEAN = 0, /* of the followers */
    HELD = 1,
    TAPS = 3,
    HIDDEN_ZERO = 64, /* what stands for 0 in the recurrent state as a matrix meets it */
    HIDDEN_STEPS = 63,
};

/** The matrices of native.bin, each as rows_s8 takes it. All members hear the same, so the first is one. */
struct weights {
    int8_t first[TAPS * FEATURES * CHANNELS];
    int8_t block[VS__NATIVE_BLOCKS][MEMBERS][TAPS * OWN_CHANNELS * OWN_CHANNELS];
    int8_t in[MEMBERS][OWN_CHANNELS * GATES];
    int8_t state[MEMBERS][OWN_HIDDEN * GATES];
};

/* A hop replaces at least that of the state, so that nothing is remembered for longer than some tens
   of seconds, and nothing can drift. */
#define LEAST_TAKE 0.001f

_Static_assert(sizeof(native_rows) == sizeof(struct weights), "native.bin is of another network");
_Static_assert(FEATURES % 4 == 0 && OWN_CHANNELS % 16 == 0 && OWN_HIDDEN % 16 == 0,
               "not for rows_s8");
_Static_assert(sizeof(model_conv0_bias) == CHANNELS * sizeof(float), "other channels");
_Static_assert(sizeof(model_follower_share) == VS__NATIVE_FOLLOWERS * sizeof(float),
               "other followers");
_Static_assert(sizeof(model_gru_in_bias) == MEMBERS * GATES * sizeof(float),
               "another recurrent unit");

/* Block i looks 2^i and 2^(i + 1) hops back. */
static const struct block {
    const float *scale, *bias;
} blocks[VS__NATIVE_BLOCKS] = {
    {model_conv1_scale, model_conv1_bias},
    {model_conv2_scale, model_conv2_bias},
    {model_conv3_scale, model_conv3_bias},
    {model_conv4_scale, model_conv4_bias},
};

/* Of its rows in the past the first one; and what is left of a turn modulo 2^i. */
static uint32_t first_pair(size_t i)
{
    return (1u << i) - 1;
}

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
    uint32_t oldest = n->past.turn % 2;
    int32_t sum[CHANNELS];

    memcpy(row, n->past.heard[oldest], FEATURES);
    memcpy(row + FEATURES, n->past.heard[1 - oldest], FEATURES);
    memcpy(row + 2 * FEATURES, n->input, FEATURES);
    memcpy(n->past.heard[oldest], n->input, FEATURES);
    n->features.dsp->rows_s8(sum, weights()->first, row, sizeof(row), CHANNELS);
    memset(now, 0, CHANNELS);
    n->features.dsp->add_u7(now, sum, model_conv0_scale, model_conv0_bias, CHANNELS);
}

/* `now` goes into the past and what the block finds is added to it. */
static void run_block(struct vs__native *n, size_t i, uint8_t now[CHANNELS])
{
    const struct block *b = &blocks[i];
    uint32_t turn = n->past.turn, oldest = turn >> i & 1;
    uint8_t(*pair)[CHANNELS] = n->past.found[first_pair(i) + (turn & first_pair(i))];
    uint8_t row[TAPS * OWN_CHANNELS];
    int32_t sum[CHANNELS];

    for (size_t m = 0; m < MEMBERS; m++) {
        size_t own = m * OWN_CHANNELS;

        memcpy(row, pair[oldest] + own, OWN_CHANNELS);
        memcpy(row + OWN_CHANNELS, pair[1 - oldest] + own, OWN_CHANNELS);
        memcpy(row + 2 * OWN_CHANNELS, now + own, OWN_CHANNELS);
        n->features.dsp->rows_s8(sum + own, weights()->block[i][m], row, sizeof(row), OWN_CHANNELS);
    }
    memcpy(pair[oldest], now, CHANNELS);
    n->features.dsp->add_u7(now, sum, b->scale, b->bias, CHANNELS);
}

/* vs__vad_logistic() of many, bit by bit, whose power of two is a kernel. */
static void run_logistic(const struct vs__native *n, float *x, size_t count)
{
    float power[2 * OWN_HIDDEN];

    for (size_t i = 0; i < count; i++)
        x[i] *= -1.44269504f;
    n->features.dsp->exp2_near(power, x, count);
    for (size_t i = 0; i < count; i++)
        x[i] = 1.0f / (1.0f + power[i]);
}

/* Gated recurrent unit of member m: what is new and how much of it is taken are decided by what its
   blocks found and by its state. */
static void run_recurrent(struct vs__native *n, size_t m, const uint8_t now[OWN_CHANNELS])
{
    const float *in_scale = model_gru_in_scale + m * GATES,
                *in_bias = model_gru_in_bias + m * GATES;
    const float *state_scale = model_gru_state_scale + m * GATES,
                *state_bias = model_gru_state_bias + m * GATES;
    uint8_t state[OWN_HIDDEN];
    int32_t from_in[GATES], from_state[GATES];
    float a[GATES], b[GATES];
    float *h = n->past.hidden + m * OWN_HIDDEN;

    n->features.dsp->f32_to_u7(state, h, OWN_HIDDEN, HIDDEN_STEPS, HIDDEN_ZERO);
    n->features.dsp->rows_s8(from_in, weights()->in[m], now, OWN_CHANNELS, GATES);
    n->features.dsp->rows_s8(from_state, weights()->state[m], state, OWN_HIDDEN, GATES);
    for (size_t i = 0; i < GATES; i++) {
        a[i] = (float)from_in[i] * in_scale[i] + in_bias[i];
        b[i] = (float)from_state[i] * state_scale[i] + state_bias[i];
    }
    /* one thing a loop, so that the compiler makes vectors of it */
    for (size_t i = 0; i < 2 * OWN_HIDDEN; i++)
        a[i] = a[i] + b[i];
    run_logistic(n, a, 2 * OWN_HIDDEN);
    for (size_t i = 0; i < OWN_HIDDEN; i++)
        b[i] = 2.0f * (a[2 * OWN_HIDDEN + i] + a[OWN_HIDDEN + i] * b[2 * OWN_HIDDEN + i]);
    run_logistic(n, b, OWN_HIDDEN);
    for (size_t i = 0; i < OWN_HIDDEN; i++)
        b[i] = 2.0f * b[i] - 1.0f; /* tanh */
    for (size_t i = 0; i < OWN_HIDDEN; i++)
        h[i] += (a[i] > LEAST_TAKE ? a[i] : LEAST_TAKE) * (b[i] - h[i]);
}

/* In eight sums, always in this order, so that an addition need not wait for the one before. */
static float weigh(const uint8_t now[CHANNELS], const float hidden[HIDDEN])
{
    float sum[8] = {0};

    for (size_t c = 0; c < CHANNELS; c += 8)
        for (size_t k = 0; k < 8; k++)
            sum[k] += model_out[c + k] * (float)now[c + k];
    for (size_t i = 0; i < HIDDEN; i += 8)
        for (size_t k = 0; k < 8; k++)
            sum[k] += model_out[CHANNELS + i + k] * hidden[i + k];
    return ((sum[0] + sum[4]) + (sum[1] + sum[5])) + ((sum[2] + sum[6]) + (sum[3] + sum[7])) +
           model_out[CHANNELS + HIDDEN];
}

/* People who label talk think that there is speech soon after speech, and where much was: log odds get
   the mean of what was answered before, and what falls slowly from the most of it. */
static float follow(float followers[VS__NATIVE_FOLLOWERS], float sum)
{
    float answer = 2.0f * vs__vad_logistic(2.0f * (sum - model_centre[0])) - 1.0f; /* tanh */

    for (size_t i = 0; i < VS__NATIVE_FOLLOWERS; i++)
        followers[i] += model_follower_share[i] * (answer - followers[i]);
    followers[HELD] = followers[HELD] > answer ? followers[HELD] : answer;
    return sum + (model_follower_weight[MEAN] * followers[MEAN] +
                  model_follower_weight[HELD] * followers[HELD]);
}

float vs__native_run(struct vs__native *n)
{
    uint8_t now[CHANNELS];

    run_first(n, now);
    for (size_t i = 0; i < VS__NATIVE_BLOCKS; i++)
        run_block(n, i, now);
    n->past.turn = (n->past.turn + 1) % VS__NATIVE_TURNS;
    for (size_t m = 0; m < MEMBERS; m++)
        run_recurrent(n, m, now + m * OWN_CHANNELS);
    return follow(n->past.followers, weigh(now, n->past.hidden));
}

/* its parts ---------------------------------------------------------------------------------- */

/* As if silence had gone before for as long as the convolutions look back, and no speech for ever. */
void vs__native_reset(struct vs__native *n)
{
    vs__vad_features_reset(&n->features);
    memset(&n->past, 0, sizeof(n->past));
    memset(n->input, 0, sizeof(n->input));
    for (size_t i = 0; i < VS__NATIVE_ROWS + 2; i++)
        vs__native_run(n);
    memset(n->past.hidden, 0, sizeof(n->past.hidden));
    for (size_t i = 0; i < VS__NATIVE_FOLLOWERS; i++)
        n->past.followers[i] = -1.0f;
}

int vs__native_init(struct vs__native *n, unsigned cpu, const struct vs_log *log)
{
    int status = vs__vad_features_init(&n->features, cpu);

    if (status < 0)
        vs__log(log, VS_LOG_ERROR, "vad",
                "no memory for the native detector; close other programs");
    if (status == 0)
        vs__native_reset(n);
    return status;
}

/* Of thousands of detectors hardly any is in a near cache. What the network will need of this one is asked
   for here, and comes while the spectrum is made. */
static void fetch_past(const struct vs__native_past *past)
{
    for (size_t i = 0; i < offsetof(struct vs__native_past, found); i += 64)
        __builtin_prefetch((const char *)past + i);
    for (size_t i = 0; i < VS__NATIVE_BLOCKS; i++) {
        const uint8_t *pair = past->found[first_pair(i) + (past->turn & first_pair(i))][0];

        __builtin_prefetch(pair);
        __builtin_prefetch(pair + 2 * CHANNELS - 1);
    }
}

bool vs__native_hear(struct vs__native *n, const float *block)
{
    fetch_past(&n->past);
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

/* Where in `found` row k of block i lies, the oldest being 0. */
static size_t find_row(uint32_t turn, size_t i, uint32_t k)
{
    uint32_t row = (turn + k) % (2u << i);

    return (2 * (first_pair(i) + (row & first_pair(i))) + (row >> i)) * (size_t)CHANNELS;
}

void vs__native_past_floats(const struct vs__native_past *past, float *ret)
{
    const uint8_t *found = past->found[0][0];

    for (size_t k = 0; k < 2; k++)
        for (size_t f = 0; f < FEATURES; f++)
            *ret++ = past->heard[(past->turn + k) % 2][f];
    for (size_t i = 0; i < VS__NATIVE_BLOCKS; i++)
        for (uint32_t k = 0; k < 2u << i; k++)
            for (size_t c = 0; c < CHANNELS; c++)
                *ret++ = found[find_row(past->turn, i, k) + c];
    memcpy(ret, past->hidden, sizeof(past->hidden));
    memcpy(ret + HIDDEN, past->followers, sizeof(past->followers));
}

void vs__native_past_bytes(const float *floats, struct vs__native_past *ret)
{
    uint8_t *heard = ret->heard[0], *found = ret->found[0][0];

    ret->turn = 0;
    for (size_t i = 0; i < sizeof(ret->heard); i++)
        heard[i] = to_steps(*floats++);
    for (size_t i = 0; i < VS__NATIVE_BLOCKS; i++)
        for (uint32_t k = 0; k < 2u << i; k++)
            for (size_t c = 0; c < CHANNELS; c++)
                found[find_row(0, i, k) + c] = to_steps(*floats++);
    memcpy(ret->hidden, floats, sizeof(ret->hidden));
    memcpy(ret->followers, floats + HIDDEN, sizeof(ret->followers));
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
    .description = "two small recurrent networks over level-free bands",
    .state_size = sizeof(struct vs__native),
    .open = native_open,
    .infer = native_infer,
    .reset = native_reset,
    .close = native_close,
    .memory_size = sizeof(struct vs__native_memory),
    .save = native_save,
    .restore = native_restore,
};
