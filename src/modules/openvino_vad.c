/* SPDX-License-Identifier: MIT */
/* The `openvino` detector, "DEVICE[@WEIGHTS]": the network of `native`, or that of Silero with the weights of a
   file. The graphs of both are the module's own. State is tensors. Which port is what follows from the names: an
   output that is called as an input and more (`state`, `stateN`) is that input's next value; the other input is
   what is heard, the other output, a single number, the answer. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <voicestand/backend.h>

#include "modules/openvino.h"
#include "modules/native_onnx.h"
#include "modules/silero_onnx.h"
#include "vad/native.h"

enum {
    SILERO_BLOCK = 512,
    SILERO_BEFORE = 64, /* frames of the block before, put in front */
    STATES = 4,
};

/* No audio is that loud; beyond it sums overflow. */
#define LOUDEST 1e6f

struct openvino_state {
    struct vs__ov_network *network;
    const struct vs__ov_port *heard, *answer;
    const struct vs__ov_port *state[STATES], *next[STATES];
    size_t states;
    char device[64];
    struct vs__native native;     /* where the network is that of native */
    struct vs__native_past fresh; /* its past where nothing was heard */
};

/* ports ------------------------------------------------------------------------------------- */

/* The output that carries `input` on, or NULL. */
static const struct vs__ov_port *find_next(const struct vs__ov_network *n,
                                           const struct vs__ov_port *input)
{
    const struct vs__ov_port *port;

    for (size_t i = 0; (port = vs__ov_output(n, i)) != NULL; i++)
        if (strncmp(port->name, input->name, strlen(input->name)) == 0 &&
            port->count == input->count)
            return port;
    return NULL;
}

/* Tell the ports apart. @return whether all is there, and nothing else */
static bool sort_ports(struct openvino_state *s)
{
    const struct vs__ov_port *port;
    size_t outputs = 0;

    for (size_t i = 0; (port = vs__ov_input(s->network, i)) != NULL; i++) {
        const struct vs__ov_port *next = find_next(s->network, port);

        if (next == NULL && s->heard == NULL) {
            s->heard = port;
        } else if (next != NULL && s->states < STATES) {
            s->state[s->states] = port;
            s->next[s->states++] = next;
        } else {
            return false;
        }
    }
    for (; (port = vs__ov_output(s->network, outputs)) != NULL; outputs++)
        if (port->count == 1 && s->answer == NULL)
            s->answer = port;
    return s->heard != NULL && s->answer != NULL && outputs == s->states + 1;
}

static bool is_native(const struct openvino_state *s)
{
    return s->heard->count == VS__VAD_FEATURES;
}

/* The network begins anew. */
static void forget(struct openvino_state *s)
{
    memset(s->heard->data, 0, s->heard->count * sizeof(float));
    for (size_t i = 0; i < s->states; i++)
        memset(s->state[i]->data, 0, s->state[i]->count * sizeof(float));
    if (is_native(s))
        vs__native_past_floats(&s->fresh, s->state[0]->data);
}

/* Carry the state on. @return false if it, or the answer, is not all numbers */
static bool carry_on(struct openvino_state *s)
{
    float sum = s->answer->data[0] * 0.0f;

    for (size_t i = 0; i < s->states; i++) {
        for (size_t k = 0; k < s->next[i]->count; k++)
            sum += s->next[i]->data[k] * 0.0f;
        memcpy(s->state[i]->data, s->next[i]->data, s->next[i]->count * sizeof(float));
    }
    return sum == 0.0f;
}

/* @return 0, -EIO, -ERANGE */
static int run(struct openvino_state *s)
{
    if (vs__ov_infer(s->network) < 0)
        return -EIO;
    if (carry_on(s))
        return 0;
    forget(s);
    return -ERANGE;
}

/* the networks ------------------------------------------------------------------------------ */

static int infer_native(void *state, const float *block, float *ret)
{
    struct openvino_state *s = state;
    bool heard = vs__native_hear(&s->native, block);
    int rc;

    for (size_t i = 0; i < VS__VAD_FEATURES; i++)
        s->heard->data[i] = s->native.input[i];
    rc = run(s);
    if (rc == 0)
        *ret = heard ? vs__native_tell(s->answer->data[0]) : 0.0f;
    return rc;
}

/* What comes out of nonsense stays in the state for ever, so it must not come in. */
static void copy_audio(float *dst, const float *src, size_t frames)
{
    for (size_t i = 0; i < frames; i++)
        dst[i] = fabsf(src[i]) <= LOUDEST ? src[i] : 0.0f; /* also NaN */
}

static int infer_silero(void *state, const float *block, float *ret)
{
    struct openvino_state *s = state;
    float *heard = s->heard->data;
    int rc;

    memmove(heard, heard + SILERO_BLOCK, SILERO_BEFORE * sizeof(float));
    copy_audio(heard + SILERO_BEFORE, block, SILERO_BLOCK);
    rc = run(s);
    if (rc == 0)
        *ret = s->answer->data[0];
    return rc;
}

static int openvino_infer(void *state, const float *block, float *ret)
{
    return is_native(state) ? infer_native(state, block, ret) : infer_silero(state, block, ret);
}

static void openvino_reset(void *state)
{
    struct openvino_state *s = state;

    vs__native_reset(&s->native);
    s->fresh = s->native.past;
    forget(s);
}

/* opening ----------------------------------------------------------------------------------- */

/* Cut "DEVICE[@WEIGHTS]"; `weights` is NULL where none are named. @return 0 or -EINVAL, after one sentence */
static int split(const struct vs_vad_params *params, char *device, size_t size,
                 const char **weights)
{
    const char *argument = params->argument ? params->argument : "";
    size_t length = strcspn(argument, "@");

    if (length == 0 || length >= size || (argument[length] == '@' && !argument[length + 1])) {
        vs__log(&params->env->log, VS_LOG_ERROR, "vad",
                "openvino needs a device, as in openvino:NPU, and may have weights, as in "
                "openvino:CPU@silero_vad_16k_op15.onnx; not \"%s\"",
                argument);
        return -EINVAL;
    }
    memcpy(device, argument, length);
    device[length] = '\0';
    *weights = argument[length] == '@' ? argument + length + 1 : NULL;
    return 0;
}

/* The network's own bytes. @return 0, or what vs__silero_onnx_make() and vs__ov_open() return */
static int open_network(struct openvino_state *s, const struct vs_env *env, const char *weights)
{
    uint8_t *bytes = NULL;
    size_t size = 0;
    int rc;

    if (weights == NULL)
        return vs__ov_open(env, s->device, native_onnx, sizeof(native_onnx), &s->network);
    rc = vs__silero_onnx_make(weights, &env->log, &bytes, &size);
    if (rc == 0)
        rc = vs__ov_open(env, s->device, bytes, size, &s->network);
    vs__free(bytes);
    return rc;
}

/* Whether OpenVINO gives the ports that the graphs have. @return 0 or -ENOTSUP, after one sentence */
static int recognise(struct openvino_state *s, const struct vs_log *log, struct vs_vad_shape *ret)
{
    bool sorted = sort_ports(s);

    if (sorted && is_native(s) && s->states == 1 && s->state[0]->count == VS__NATIVE_STATE) {
        ret->block_frames = VS_HOP_FRAMES;
        ret->latency_frames = VS_HOP_FRAMES; /* as that of native */
        ret->kin = VS__NATIVE_KIN;
        ret->sure = VS__NATIVE_SURE;
        return 0;
    }
    if (sorted && s->heard->count == SILERO_BEFORE + SILERO_BLOCK && s->states == 1) {
        ret->block_frames = SILERO_BLOCK;
        ret->latency_frames = 0;
        return 0;
    }
    vs__log(log, VS_LOG_ERROR, "vad",
            "OpenVINO gives the network other inputs and outputs than it has; install it anew");
    return -ENOTSUP;
}

static int openvino_open(void *state, const struct vs_vad_params *params, struct vs_vad_shape *ret)
{
    struct openvino_state *s = state;
    const char *weights = NULL;
    int rc = split(params, s->device, sizeof(s->device), &weights);

    if (rc == 0)
        rc = vs__native_init(&s->native, params->cpu, &params->env->log);
    if (rc == 0)
        rc = open_network(s, params->env, weights);
    if (rc == 0)
        rc = recognise(s, &params->env->log, ret);
    if (rc < 0)
        return rc;
    snprintf(s->device, sizeof(s->device), "%s", vs__ov_device(s->network));
    for (char *c = s->device; *c != '\0'; c++)
        *c = (char)tolower(*c);
    openvino_reset(s);
    ret->device = s->device;
    ret->flags = VS_VAD_BLOCKS;
    return 0;
}

static void openvino_close(void *state)
{
    struct openvino_state *s = state;

    vs__ov_close(s->network);
    s->network = NULL;
    vs__native_fini(&s->native);
}

/* Memory is that of native, which only its own network can go on from. */
static int openvino_restore(void *state, const void *memory)
{
    struct openvino_state *s = state;

    vs__native_restore(&s->native, memory);
    vs__native_past_floats(&s->native.past, s->state[0]->data);
    return 0;
}

static void openvino_save(const void *state, void *memory)
{
    const struct openvino_state *s = state;
    struct vs__native_memory *m = memory;

    m->features = s->native.features.past;
    vs__native_past_bytes(s->state[0]->data, &m->network);
}

static const struct vs_vad_ops OPENVINO = {
    .abi = VS_BACKEND_ABI,
    .name = "openvino",
    .description = "a network on an NPU, GPU or processor, through OpenVINO",
    .state_size = sizeof(struct openvino_state),
    .open = openvino_open,
    .infer = openvino_infer,
    .reset = openvino_reset,
    .close = openvino_close,
    .list = vs__ov_list,
    .memory_size = sizeof(struct vs__native_memory),
    .save = openvino_save,
    .restore = openvino_restore,
};

extern const struct vs_module vs_module_entry;
VS_API const struct vs_module vs_module_entry = {.abi = VS_BACKEND_ABI, .vad = &OPENVINO};
