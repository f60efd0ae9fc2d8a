/* SPDX-License-Identifier: MIT */
#include "modules/silero_onnx.h"

#include <errno.h>
#include <string.h>

#include "base/base.h"
#include "modules/silero_graph.h"
#include "vad/silero.h"

_Static_assert(VS__COUNT(silero_places) == VS__SILERO_TENSORS, "a place for each tensor");

static size_t count_bytes(const struct vs__tensor *t)
{
    size_t bytes = sizeof(float);

    for (size_t i = 0; i < VS__COUNT(t->shape) && t->shape[i] > 0; i++)
        bytes *= t->shape[i];
    return bytes;
}

/** The graph up to each place, then the numbers that belong there. */
static void fill(uint8_t *ret, const struct vs__tensor *tensors)
{
    size_t at = 0;

    for (size_t i = 0; i < VS__SILERO_TENSORS; i++) {
        memcpy(ret, silero_graph + at, silero_places[i] - at);
        ret += silero_places[i] - at;
        at = silero_places[i];
        memcpy(ret, tensors[i].data, count_bytes(&tensors[i]));
        ret += count_bytes(&tensors[i]);
    }
    memcpy(ret, silero_graph + at, sizeof(silero_graph) - at);
}

int vs__silero_onnx_make(const char *argument, const struct vs_log *log, uint8_t **ret,
                         size_t *ret_size)
{
    struct vs__tensor tensors[VS__SILERO_TENSORS];
    size_t size = sizeof(silero_graph);
    uint8_t *bytes;
    void *file;
    int status = vs__silero_read(argument, log, tensors, &file);

    if (status < 0)
        return status;
    for (size_t i = 0; i < VS__SILERO_TENSORS; i++)
        size += count_bytes(&tensors[i]);
    bytes = vs__alloc(size);
    if (bytes != NULL)
        fill(bytes, tensors);
    vs__free(file);
    if (bytes == NULL) {
        vs__log(log, VS_LOG_ERROR, "vad", "no memory for the network; close other programs");
        return -ENOMEM;
    }
    *ret = bytes;
    *ret_size = size;
    return 0;
}
