/* SPDX-License-Identifier: MIT */
/* What lies in the folder of a sherpa-onnx model: which family it is, and its files. */
#ifndef VS_SRC_HOST_SHERPA_MODEL_H
#define VS_SRC_HOST_SHERPA_MODEL_H

#include <stdbool.h>
#include <stddef.h>

/** Families; names by vs__sherpa_kind_name(). Streaming ones tell partial texts. */
enum vs__sherpa_kind {
    VS__SHERPA_WHISPER,
    VS__SHERPA_MOONSHINE,
    VS__SHERPA_TRANSDUCER,
    VS__SHERPA_PARAFORMER,
    VS__SHERPA_NEMO_CTC,
    VS__SHERPA_SENSE_VOICE,
    VS__SHERPA_ZIPFORMER_CTC,
    VS__SHERPA_STREAMING_TRANSDUCER,
    VS__SHERPA_STREAMING_PARAFORMER,
    VS__SHERPA_STREAMING_CTC,
    VS__SHERPA_KINDS
};

struct vs__sherpa_model {
    int kind; /**< enum vs__sherpa_kind */
    /* paths; "" = there is none */
    char tokens[512], encoder[512], decoder[512], joiner[512], model[512];
    char preprocessor[512], uncached[512], cached[512], merged[512];
};

const char *vs__sherpa_kind_name(int kind);

static inline bool vs__sherpa_is_streaming(int kind)
{
    return kind >= VS__SHERPA_STREAMING_TRANSDUCER;
}

/** Look through a folder. Of files that differ in precision, the one of 8 bits is taken.
    @param kind name of a family, or NULL: told by the files, and where these do not tell, by the
    folder's name
    @param why on failure: a sentence @return 0; -ENOENT no folder, or files are missing; -EINVAL no
    such family, or it cannot be told */
int vs__sherpa_find(const char *folder, const char *kind, struct vs__sherpa_model *ret, char *why,
                    size_t why_bytes);

#endif
