/* SPDX-License-Identifier: MIT */
/* The network of Silero VAD as ONNX of our own, with the weights of a user's file: of that file, nothing but
   numbers that were checked comes out. */
#ifndef VS_SRC_MODULES_SILERO_ONNX_H
#define VS_SRC_MODULES_SILERO_ONNX_H

#include <stddef.h>
#include <stdint.h>

#include <voicestand/base.h>

/** Make the network of the weights at `argument`, which is what the detector `silero` takes: a file or a
    folder. The bytes are to be freed with vs__free(). One sentence to the log on failure.
    @return 0, -ENOENT, -EBADMSG, -ENOMEM, or why it cannot be read */
int vs__silero_onnx_make(const char *argument, const struct vs_log *log, uint8_t **ret,
                         size_t *ret_size);

#endif
