/* SPDX-License-Identifier: MIT */
/* Named tensors of 32-bit floats from a file that somebody else wrote, in one of two formats:
   safetensors, or the initializers and named constants of an ONNX graph. Nothing of the file is believed
   unchecked. */
#ifndef VS_SRC_VAD_WEIGHTS_H
#define VS_SRC_VAD_WEIGHTS_H

#include <stddef.h>
#include <stdint.h>

#include <voicestand/base.h>

/** A tensor to find. */
struct vs__tensor {
    const char *name;    /**< in a safetensors file */
    const char *onnx;    /**< in an ONNX file; a "model." before it may be missing there */
    uint32_t shape[3];   /**< 0 = no such dimension; all are checked */
    const uint8_t *data; /**< found: the product of `shape` floats, little endian, any alignment */
};

/** Read `path` and find all `count` tensors in it; one that is there besides is an error, and so is
    a value that is not finite. Sets their `data`, which points into `*ret`, to be freed with
    vs__free(). Writes one sentence to the log on failure.
    @param fix what to do about other weights, for that sentence
    @return 0, -ENOENT, -EBADMSG, -ENOMEM, or why it cannot be read */
int vs__weights_read(const char *path, const char *fix, const struct vs_log *log,
                     struct vs__tensor *tensors, size_t count, void **ret);

/** The same of bytes in memory. @return what is wrong, or NULL; `*ret_tensor` then says where */
const char *vs__weights_parse(const uint8_t *bytes, size_t size, struct vs__tensor *tensors,
                              size_t count, const char **ret_tensor);

#endif
