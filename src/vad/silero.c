/* SPDX-License-Identifier: MIT */
/* The network of Silero VAD 6 for 16 kHz, with the weights from a file of the user: magnitudes of
   four overlapping windows, four convolutions over them, one step of an LSTM cell, one output.

   A block is 512 frames. With the 64 before it and 64 mirrored at its end, four windows of 256
   frames, 128 apart, fit. Convolutions have three taps and zeros at the edges; the strides of two
   leave two, then one step in time, for which only two taps, then one, meet anything but zeros. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/base.h"
#include "dsp/dsp.h"
#include "vad/silero.h"
#include "vad/vad.h"

enum {
    BLOCK = 512,
    BEFORE = 64, /* frames of the block before */
    AFTER = 64,  /* frames mirrored at the end */
    WINDOW = VS__SILERO_WINDOW,
    STEP = 128,
    WINDOWS = 4,
    BINS = VS__SILERO_BINS,
    ROOM = 136, /* for the bins of one window: whole vectors */
    WIDE = 128, /* channels of the first and last layer, and of the cell */
    SLIM = 64,  /* channels of the two between */
    GATES = 4 * WIDE,
    FEW = 8, /* rows of a convolution that stay in the nearest cache */
};

/* In the order of use; a row is what meets one output, tap after tap. All aligned to 64. */
struct weights {
    float window[WINDOW];
    float conv1[WIDE][3][ROOM]; /* the last bins of each are 0 */
    float conv2[SLIM][3][WIDE];
    float conv3[SLIM][2][SLIM];
    float conv4[WIDE][SLIM];
    float cell[GATES][2][WIDE]; /* of the input, of the hidden state; gates: in, forget, new, out */
    float output[WIDE];
    float bias1[WIDE], bias2[SLIM], bias3[SLIM], bias4[WIDE], bias_cell[GATES], bias_output;
};

struct silero_state {
    struct vs__dsp dsp;
    struct vs__rfft *fft;
    struct weights *weights;
    struct {
        float before[BEFORE];
        float hidden[WIDE];
        float cell[WIDE];
    } past;
    _Alignas(64) float audio[BEFORE + BLOCK + AFTER];
    _Alignas(64) float frame[WINDOW];
    _Alignas(64) float spectrum[2 * BINS + 2];
    _Alignas(64) float power[ROOM];
    _Alignas(64) float bins[WINDOWS][ROOM]; /* the last of each stay 0 */
    _Alignas(64) float wide[WINDOWS][WIDE];
    _Alignas(64) float slim[2][SLIM];
    _Alignas(64) float last[SLIM];
    _Alignas(64) float joint[2][WIDE]; /* what the cell reads: its input, its hidden state */
    _Alignas(64) float gates[GATES];
};

/* weights ----------------------------------------------------------------------------------- */

/** Taps `first`..`first` + `taps` of a convolution with three, [output][input][tap] in the file,
    to [output][tap][`room`]. */
static void pack_conv(float *dst, const struct vs__tensor *t, size_t first, size_t taps,
                      size_t room)
{
    size_t inputs = t->shape[1];

    for (size_t o = 0; o < t->shape[0]; o++)
        for (size_t tap = 0; tap < taps; tap++)
            for (size_t i = 0; i < inputs; i++)
                dst[(o * taps + tap) * room + i] =
                    vs__silero_value(t, (o * inputs + i) * 3 + first + tap);
}

static void pack_row(float *dst, const struct vs__tensor *t, size_t first, size_t count)
{
    memcpy(dst, t->data + first * sizeof(*dst), count * sizeof(*dst));
}

static void pack(struct weights *w, const struct vs__tensor *t)
{
    vs__silero_window(w->window);
    pack_conv(&w->conv1[0][0][0], &t[VS__SILERO_CONV1], 0, 3, ROOM);
    pack_conv(&w->conv2[0][0][0], &t[VS__SILERO_CONV2], 0, 3, WIDE);
    pack_conv(&w->conv3[0][0][0], &t[VS__SILERO_CONV3], 1, 2, SLIM);
    pack_conv(&w->conv4[0][0], &t[VS__SILERO_CONV4], 1, 1, SLIM);
    for (size_t g = 0; g < GATES; g++) {
        pack_row(w->cell[g][0], &t[VS__SILERO_INPUT], g * WIDE, WIDE);
        pack_row(w->cell[g][1], &t[VS__SILERO_HIDDEN], g * WIDE, WIDE);
        w->bias_cell[g] = vs__silero_value(&t[VS__SILERO_BIAS_INPUT], g) +
                          vs__silero_value(&t[VS__SILERO_BIAS_HIDDEN], g);
    }
    pack_row(w->output, &t[VS__SILERO_OUTPUT], 0, WIDE);
    pack_row(w->bias1, &t[VS__SILERO_BIAS1], 0, WIDE);
    pack_row(w->bias2, &t[VS__SILERO_BIAS2], 0, SLIM);
    pack_row(w->bias3, &t[VS__SILERO_BIAS3], 0, SLIM);
    pack_row(w->bias4, &t[VS__SILERO_BIAS4], 0, WIDE);
    w->bias_output = vs__silero_value(&t[VS__SILERO_BIAS_OUTPUT], 0);
}

static int load(struct silero_state *s, const char *argument, const struct vs_log *log)
{
    struct vs__tensor tensors[VS__SILERO_TENSORS];
    void *file;
    int status = vs__silero_read(argument, log, tensors, &file);

    if (status < 0)
        return status;
    s->weights = vs__alloc(sizeof(*s->weights));
    if (s->weights != NULL)
        pack(s->weights, tensors);
    vs__free(file);
    return s->weights != NULL ? 0 : -ENOMEM;
}

/* one block --------------------------------------------------------------------------------- */

static void add(float *x, const float *bias, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] += bias[i];
}

/** Add the bias, then cut what is negative. */
static void finish(float *x, const float *bias, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = VS__MAX(x[i] + bias[i], 0.0f);
}

/** The magnitudes of the four windows. */
static void transform(struct silero_state *s, const float *block)
{
    float *end = s->audio + BEFORE + BLOCK;

    memcpy(s->audio, s->past.before, sizeof(s->past.before));
    memcpy(s->audio + BEFORE, block, BLOCK * sizeof(*block));
    s->dsp.sanitize(s->audio + BEFORE, BLOCK);
    for (size_t i = 0; i < AFTER; i++)
        end[i] = end[-2 - (ptrdiff_t)i];
    memcpy(s->past.before, end - BEFORE, sizeof(s->past.before));
    for (size_t t = 0; t < WINDOWS; t++) {
        s->dsp.multiply(s->frame, s->audio + t * STEP, s->weights->window, WINDOW);
        vs__rfft_forward(s->fft, s->frame, s->spectrum);
        s->dsp.power(s->power, s->spectrum, BINS);
        for (size_t k = 0; k < BINS; k++)
            s->bins[t][k] = sqrtf(s->power[k]);
    }
}

/** FEW outputs at one step in time, of three taps with `inputs` channels. `first` and `last` leave
    out the tap that would meet zeros; `in` belongs to the first tap that is left. */
static void convolve(const struct vs__dsp *dsp, const float *rows, size_t inputs, bool first,
                     bool last, const float *in, float *out)
{
    size_t taps = 3u - first - last;

    dsp->rows(out, rows + (first ? inputs : 0), 3 * inputs, in, taps * inputs, FEW);
}

/** A few rows at a time meet all steps in time, so that they are fetched once. */
static void encode(struct silero_state *s)
{
    const struct weights *w = s->weights;
    const struct vs__dsp *dsp = &s->dsp;

    for (size_t o = 0; o < WIDE; o += FEW)
        for (size_t t = 0; t < WINDOWS; t++)
            convolve(dsp, w->conv1[o][0], ROOM, t == 0, t == WINDOWS - 1, s->bins[t ? t - 1 : 0],
                     &s->wide[t][o]);
    for (size_t t = 0; t < WINDOWS; t++)
        finish(s->wide[t], w->bias1, WIDE);
    for (size_t o = 0; o < SLIM; o += FEW) {
        convolve(dsp, w->conv2[o][0], WIDE, true, false, s->wide[0], &s->slim[0][o]);
        convolve(dsp, w->conv2[o][0], WIDE, false, false, s->wide[1], &s->slim[1][o]);
    }
    for (size_t t = 0; t < 2; t++)
        finish(s->slim[t], w->bias2, SLIM);
    dsp->rows(s->last, w->conv3[0][0], 2 * SLIM, s->slim[0], 2 * SLIM, SLIM);
    finish(s->last, w->bias3, SLIM);
    dsp->rows(s->joint[0], w->conv4[0], SLIM, s->last, SLIM, WIDE);
    finish(s->joint[0], w->bias4, WIDE);
}

/** e^x within 2 units of the last place, for -87 <= x <= 87; what is beyond is taken for that.
    Without a branch, so that loops over it become vectors. */
static inline float exp_of(float x)
{
    const float shift = 0x1.8p23f; /* added, it leaves a whole number in the lowest bits */
    float limited = VS__MIN(VS__MAX(x, -87.0f), 87.0f);
    float rounded = limited * 0x1.715476p0f + shift;
    float whole = rounded - shift;
    float rest = limited - whole * 0x1.62e4p-1f - whole * 0x1.7f7d1cp-20f;
    float sum = 1.0f / 5040.0f;
    uint32_t bits;

    sum = sum * rest + 1.0f / 720.0f;
    sum = sum * rest + 1.0f / 120.0f;
    sum = sum * rest + 1.0f / 24.0f;
    sum = sum * rest + 1.0f / 6.0f;
    sum = sum * rest + 0.5f;
    sum = sum * rest + 1.0f;
    sum = sum * rest + 1.0f;
    memcpy(&bits, &rounded, sizeof(bits));
    bits = (bits << 23) + 0x3f800000u; /* the power of two; what stood above is shifted out */
    memcpy(&rounded, &bits, sizeof(bits));
    return sum * rounded;
}

static inline float logistic(float x)
{
    return 1.0f / (1.0f + exp_of(-x));
}

static inline float tanh_of(float x)
{
    return 1.0f - 2.0f / (1.0f + exp_of(2.0f * x));
}

static void step_cell(struct silero_state *s)
{
    const struct weights *w = s->weights;
    const float *in = s->gates, *forget = in + WIDE, *fresh = forget + WIDE, *out = fresh + WIDE;
    float *cell = s->past.cell, *hidden = s->past.hidden;

    memcpy(s->joint[1], hidden, sizeof(s->joint[1]));
    s->dsp.rows(s->gates, w->cell[0][0], 2 * WIDE, s->joint[0], 2 * WIDE, GATES);
    add(s->gates, w->bias_cell, GATES);
    for (size_t i = 0; i < WIDE; i++) {
        cell[i] = logistic(forget[i]) * cell[i] + logistic(in[i]) * tanh_of(fresh[i]);
        hidden[i] = logistic(out[i]) * tanh_of(cell[i]);
    }
}

static int silero_infer(void *state, const float *block, float *ret)
{
    struct silero_state *s = state;
    float heard[WIDE];

    transform(s, block);
    encode(s);
    step_cell(s);
    for (size_t i = 0; i < WIDE; i++)
        heard[i] = VS__MAX(s->past.hidden[i], 0.0f);
    *ret = logistic(s->dsp.dot(s->weights->output, heard, WIDE) + s->weights->bias_output);
    return 0;
}

/* ------------------------------------------------------------------------------------------- */

static int silero_open(void *state, const struct vs_vad_params *params, struct vs_vad_shape *ret)
{
    const struct vs_log *log = &params->env->log;
    struct silero_state *s = state;
    int status;

    if (params->argument == NULL || *params->argument == '\0') {
        vs__log(log, VS_LOG_ERROR, "vad",
                "silero needs its weights; give the file, as in silero:silero_vad_16k_op15.onnx");
        return -EINVAL;
    }
    vs__dsp_init(&s->dsp, params->cpu);
    status = load(s, params->argument, log);
    if (status < 0)
        return status;
    status = vs__rfft_create(&s->dsp, WINDOW, &s->fft);
    if (status < 0)
        return status;
    ret->block_frames = BLOCK;
    ret->latency_frames = 0;
    ret->device = "cpu";
    return 0;
}

static void silero_reset(void *state)
{
    struct silero_state *s = state;

    memset(&s->past, 0, sizeof(s->past));
}

static void silero_close(void *state)
{
    struct silero_state *s = state;

    vs__rfft_destroy(s->fft);
    vs__free(s->weights);
    s->fft = NULL;
    s->weights = NULL;
}

const struct vs_vad_ops vs__vad_silero = {
    .abi = VS_BACKEND_ABI,
    .name = "silero",
    .description = "the network of Silero VAD 6, with its weights from a file",
    .state_size = sizeof(struct silero_state),
    .open = silero_open,
    .infer = silero_infer,
    .reset = silero_reset,
    .close = silero_close,
};
