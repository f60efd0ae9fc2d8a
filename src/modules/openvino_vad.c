/* SPDX-License-Identifier: MIT */
/* The `openvino` detector: a network whose state is tensors, "DEVICE[@NETWORK.onnx]". Which input is
   what follows from the names: an output that is called as an input and more (`state`, `stateN`) is
   that input's next value; the one other input is what is heard; the one other output, a single
   number, is the probability. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <voicestand/backend.h>

#include "modules/openvino.h"

enum {
    SILERO_BLOCK = 512,
    SILERO_BEFORE = 64, /* frames of the block before, put in front */
    STATES = 4,
};

/* No audio is that loud; beyond it sums overflow. */
#define LOUDEST 1e6f

struct openvino_state {
    struct vs__ov_network *network;
    const struct vs__ov_port *heard, *probability;
    const struct vs__ov_port *state[STATES], *next[STATES];
    size_t states;
    char device[64];
};

/* opening ----------------------------------------------------------------------------------- */

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
        if (port->count == 1 && s->probability == NULL)
            s->probability = port;
    return s->heard != NULL && s->probability != NULL && outputs == s->states + 1 &&
           s->heard->count == SILERO_BEFORE + SILERO_BLOCK;
}

/* A folder stands for the network of that name in it. */
static void resolve(const char *argument, char *ret, size_t size)
{
    struct stat about;

    if (stat(argument, &about) == 0 && S_ISDIR(about.st_mode))
        snprintf(ret, size, "%s/silero_vad_openvino_16k.onnx", argument);
    else
        snprintf(ret, size, "%s", argument);
}

/* Cut "DEVICE@NETWORK". @return 0 or -EINVAL, after one sentence */
static int split(const struct vs_vad_params *params, char *device, size_t size, char *path,
                 size_t path_size)
{
    const char *argument = params->argument ? params->argument : "";
    size_t length = strcspn(argument, "@");

    if (length == 0 || length >= size || argument[length] == '\0' || argument[length + 1] == '\0') {
        vs__log(&params->env->log, VS_LOG_ERROR, "vad",
                "openvino needs a device and a network, as in "
                "openvino:CPU@silero_vad_openvino_16k.onnx; not \"%s\"",
                argument);
        return -EINVAL;
    }
    memcpy(device, argument, length);
    device[length] = '\0';
    resolve(argument + length + 1, path, path_size);
    return 0;
}

static void openvino_reset(void *state)
{
    struct openvino_state *s = state;

    memset(s->heard->data, 0, s->heard->count * sizeof(float));
    for (size_t i = 0; i < s->states; i++)
        memset(s->state[i]->data, 0, s->state[i]->count * sizeof(float));
}

static int openvino_open(void *state, const struct vs_vad_params *params, struct vs_vad_shape *ret)
{
    struct openvino_state *s = state;
    char path[4096];
    int rc = split(params, s->device, sizeof(s->device), path, sizeof(path));

    if (rc == 0)
        rc = vs__ov_open(params->env, s->device, path, NULL, 0, &s->network);
    if (rc < 0)
        return rc;
    if (!sort_ports(s)) {
        vs__log(&params->env->log, VS_LOG_ERROR, "vad",
                "%s is not a network that can be fed here; silero_vad_openvino_16k.onnx is one",
                path);
        return -ENOTSUP;
    }
    snprintf(s->device, sizeof(s->device), "%s", vs__ov_device(s->network));
    for (char *c = s->device; *c != '\0'; c++)
        *c = (char)tolower(*c);
    openvino_reset(s);
    ret->block_frames = SILERO_BLOCK;
    ret->latency_frames = 0;
    ret->device = s->device;
    ret->flags = VS_VAD_BLOCKS;
    return 0;
}

/* hearing ----------------------------------------------------------------------------------- */

/* What comes out of nonsense stays in the state for ever, so it must not come in. */
static void copy_audio(float *dst, const float *src, size_t frames)
{
    for (size_t i = 0; i < frames; i++)
        dst[i] = fabsf(src[i]) <= LOUDEST ? src[i] : 0.0f; /* also NaN */
}

static bool is_finite(const float *x, size_t count)
{
    float sum = 0.0f;

    for (size_t i = 0; i < count; i++)
        sum += x[i] * 0.0f;
    return sum == 0.0f;
}

static int openvino_infer(void *state, const float *block, float *ret)
{
    struct openvino_state *s = state;
    float *heard = s->heard->data;
    float probability;
    bool good;

    memmove(heard, heard + SILERO_BLOCK, SILERO_BEFORE * sizeof(float));
    copy_audio(heard + SILERO_BEFORE, block, SILERO_BLOCK);
    if (vs__ov_infer(s->network) < 0)
        return -EIO;
    probability = s->probability->data[0];
    good = probability >= 0.0f && probability <= 1.0f;
    for (size_t i = 0; i < s->states; i++) {
        good = good && is_finite(s->next[i]->data, s->next[i]->count);
        memcpy(s->state[i]->data, s->next[i]->data, s->next[i]->count * sizeof(float));
    }
    if (!good) {
        openvino_reset(s);
        return -ERANGE;
    }
    *ret = probability;
    return 0;
}

static void openvino_close(void *state)
{
    struct openvino_state *s = state;

    vs__ov_close(s->network);
    s->network = NULL;
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
};

extern const struct vs_module vs_module_entry;
VS_API const struct vs_module vs_module_entry = {.abi = VS_BACKEND_ABI, .vad = &OPENVINO};
