/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/base.h"
#include "vad/silero.h"

#define FIX  "fetch silero_vad_16k_op15.onnx of Silero VAD 6 anew"
#define TURN (2.0 * 3.14159265358979323846 / VS__SILERO_WINDOW)

static const struct vs__tensor wanted[VS__SILERO_TENSORS] = {
    {"stft_conv.weight", "model.stft.forward_basis_buffer", {258, 1, 256}, NULL},
    {"conv1.weight", "model.encoder.0.reparam_conv.weight", {128, 129, 3}, NULL},
    {"conv1.bias", "model.encoder.0.reparam_conv.bias", {128}, NULL},
    {"conv2.weight", "model.encoder.1.reparam_conv.weight", {64, 128, 3}, NULL},
    {"conv2.bias", "model.encoder.1.reparam_conv.bias", {64}, NULL},
    {"conv3.weight", "model.encoder.2.reparam_conv.weight", {64, 64, 3}, NULL},
    {"conv3.bias", "model.encoder.2.reparam_conv.bias", {64}, NULL},
    {"conv4.weight", "model.encoder.3.reparam_conv.weight", {128, 64, 3}, NULL},
    {"conv4.bias", "model.encoder.3.reparam_conv.bias", {128}, NULL},
    {"lstm_cell.weight_ih", "model.decoder.rnn.weight_ih", {512, 128}, NULL},
    {"lstm_cell.weight_hh", "model.decoder.rnn.weight_hh", {512, 128}, NULL},
    {"lstm_cell.bias_ih", "model.decoder.rnn.bias_ih", {512}, NULL},
    {"lstm_cell.bias_hh", "model.decoder.rnn.bias_hh", {512}, NULL},
    {"final_conv.weight", "model.decoder.decoder.2.weight", {1, 128, 1}, NULL},
    {"final_conv.bias", "model.decoder.decoder.2.bias", {1}, NULL},
};

static double hann(size_t i)
{
    return 0.5 - 0.5 * cos(TURN * (double)i);
}

void vs__silero_window(float ret[VS__SILERO_WINDOW])
{
    for (size_t i = 0; i < VS__SILERO_WINDOW; i++)
        ret[i] = (float)hann(i);
}

/** Is the first layer the transform of a Hann window? */
static bool is_transform(const struct vs__tensor *basis)
{
    double worst = 0.0;

    for (size_t i = 0; i < VS__SILERO_WINDOW; i++) {
        double w = hann(i);

        for (size_t k = 0; k < VS__SILERO_BINS; k++) {
            double angle = TURN * (double)(i * k % VS__SILERO_WINDOW);
            size_t re = k * VS__SILERO_WINDOW + i;
            size_t im = re + VS__SILERO_BINS * VS__SILERO_WINDOW;

            worst = fmax(worst, fabs((double)vs__silero_value(basis, re) - w * cos(angle)));
            worst = fmax(worst, fabs((double)vs__silero_value(basis, im) + w * sin(angle)));
        }
    }
    return worst < 1e-6;
}

/** Write the path of a file in a folder. @return whether it is there */
static bool join(const char *folder, const char *name, char *ret, size_t size)
{
    int n = snprintf(ret, size, "%s/%s", folder, name);
    FILE *file = (size_t)n < size ? fopen(ret, "re") : NULL;

    if (file == NULL)
        return false;
    fclose(file);
    return true;
}

int vs__silero_read(const char *argument, const struct vs_log *log,
                    struct vs__tensor tensors[VS__SILERO_TENSORS], void **ret)
{
    /* In a folder, what the project's own runtime loads comes first. */
    static const char *const names[] = {"silero_vad_16k_op15.onnx", "silero_vad_16k.safetensors",
                                        "silero_vad_openvino_16k.onnx"};
    const char *path = argument;
    char inside[4096];
    int status;

    for (size_t i = 0; i < VS__COUNT(names) && path == argument; i++)
        if (join(argument, names[i], inside, sizeof(inside)))
            path = inside;
    memcpy(tensors, wanted, sizeof(wanted));
    status = vs__weights_read(path, FIX, log, tensors, VS__SILERO_TENSORS, ret);
    if (status < 0 || is_transform(&tensors[VS__SILERO_BASIS]))
        return status;
    vs__log(log, VS_LOG_ERROR, "vad", "%s has another transform than Silero VAD 6; %s", path, FIX);
    vs__free(*ret);
    return -EBADMSG;
}
