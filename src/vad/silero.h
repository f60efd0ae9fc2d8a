/* SPDX-License-Identifier: MIT */
/* The weights of Silero VAD 6 for 16 kHz, for whoever computes its network. */
#ifndef VS_SRC_VAD_SILERO_H
#define VS_SRC_VAD_SILERO_H

#include <string.h>

#include "vad/weights.h"

#define VS__SILERO_WINDOW 256 /* frames of the window of its first layer, which is a transform */
#define VS__SILERO_BINS   129

/** In the order in which they are used. */
enum vs__silero_tensor {
    VS__SILERO_BASIS, /**< cosines of all bins, then the sines, under a Hann window */
    VS__SILERO_CONV1,
    VS__SILERO_BIAS1,
    VS__SILERO_CONV2,
    VS__SILERO_BIAS2,
    VS__SILERO_CONV3,
    VS__SILERO_BIAS3,
    VS__SILERO_CONV4,
    VS__SILERO_BIAS4,
    VS__SILERO_INPUT, /**< of the cell: four gates, in, forget, new, out */
    VS__SILERO_HIDDEN,
    VS__SILERO_BIAS_INPUT,
    VS__SILERO_BIAS_HIDDEN,
    VS__SILERO_OUTPUT,
    VS__SILERO_BIAS_OUTPUT,
    VS__SILERO_TENSORS
};

/** Read all of them from `argument`: a file that vs__weights_read() knows, or a folder with one of
    the names of that project. That the first layer is the transform is checked. The tensors point
    into `*ret`, to be freed with vs__free(). One sentence to the log on failure.
    @return 0, -ENOENT, -EBADMSG, -ENOMEM, or why it cannot be read */
int vs__silero_read(const char *argument, const struct vs_log *log,
                    struct vs__tensor tensors[VS__SILERO_TENSORS], void **ret);

/** The Hann window that is in the transform. */
void vs__silero_window(float ret[VS__SILERO_WINDOW]);

static inline float vs__silero_value(const struct vs__tensor *t, size_t index)
{
    float value;

    memcpy(&value, t->data + index * sizeof(value), sizeof(value));
    return value;
}

#endif
