/* SPDX-License-Identifier: MIT */
/* What lies in the folder of a sherpa-onnx model, by the names that its project gives files. */
#include "host/sherpa_model.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"

static const char *const kinds[VS__SHERPA_KINDS] = {
    [VS__SHERPA_WHISPER] = "whisper",
    [VS__SHERPA_MOONSHINE] = "moonshine",
    [VS__SHERPA_TRANSDUCER] = "transducer",
    [VS__SHERPA_PARAFORMER] = "paraformer",
    [VS__SHERPA_NEMO_CTC] = "nemo-ctc",
    [VS__SHERPA_SENSE_VOICE] = "sense-voice",
    [VS__SHERPA_ZIPFORMER_CTC] = "zipformer-ctc",
    [VS__SHERPA_STREAMING_TRANSDUCER] = "streaming-transducer",
    [VS__SHERPA_STREAMING_PARAFORMER] = "streaming-paraformer",
    [VS__SHERPA_STREAMING_CTC] = "streaming-ctc",
};

const char *vs__sherpa_kind_name(int kind)
{
    return kind >= 0 && kind < VS__SHERPA_KINDS ? kinds[kind] : "unknown";
}

/* A network's file: "tiny.en-encoder.int8.onnx". */
static bool is_network(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot && (strcmp(dot, ".onnx") == 0 || strcmp(dot, ".ort") == 0);
}

/* Lengths were checked. */
static void set_path(char *ret, size_t bytes, const char *folder, const char *name)
{
    if (snprintf(ret, bytes, "%s/%s", folder, name) >= (int)bytes) {
        ret[0] = '\0';
    }
}

/* Put `folder/name` where `part` of the names says, if it is such a part and none of 8 bits is there
   already. Parts are looked for in order: "uncached_decode" before "cached_decode". */
static void place_file(struct vs__sherpa_model *m, const char *folder, const char *name)
{
    const struct {
        const char *part;
        char *path;
    } places[] = {
        {"decoder_model_merged", m->merged},
        {"uncached_decode", m->uncached},
        {"cached_decode", m->cached},
        {"preprocess", m->preprocessor},
        {"encode", m->encoder},
        {"decode", m->decoder},
        {"joiner", m->joiner},
        {"model", m->model},
        {"ctc", m->model},
    };

    for (size_t i = 0; i < VS__COUNT(places); i++) {
        if (!strstr(name, places[i].part)) {
            continue;
        }
        if (!places[i].path[0] || strstr(name, "int8")) {
            set_path(places[i].path, sizeof(m->model), folder, name);
        }
        return;
    }
}

static int read_folder(const char *folder, struct vs__sherpa_model *m)
{
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, NULL, alphasort);
    int status = count < 0 ? -errno : 0;

    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        size_t length = strlen(name);
        if (strlen(folder) + length + 2 > sizeof(m->model)) {
            status = -ENAMETOOLONG;
        } else if (is_network(name)) {
            place_file(m, folder, name);
        } else if (length >= 10 && strcmp(name + length - 10, "tokens.txt") == 0) {
            set_path(m->tokens, sizeof(m->tokens), folder, name);
        }
        free(entries[i]);
    }
    free(entries);
    return status;
}

/* What the files tell, or else the folder's name. @return -1: neither does */
static int tell_kind(const struct vs__sherpa_model *m, const char *folder)
{
    bool streaming = strstr(folder, "streaming") != NULL;

    if (m->merged[0] || (m->uncached[0] && m->cached[0])) {
        return VS__SHERPA_MOONSHINE;
    }
    if (m->joiner[0]) {
        return streaming ? VS__SHERPA_STREAMING_TRANSDUCER : VS__SHERPA_TRANSDUCER;
    }
    if (m->encoder[0] && m->decoder[0]) {
        return strstr(folder, "paraformer") ? VS__SHERPA_STREAMING_PARAFORMER : VS__SHERPA_WHISPER;
    }
    if (strstr(folder, "sense-voice")) {
        return VS__SHERPA_SENSE_VOICE;
    }
    if (strstr(folder, "paraformer")) {
        return VS__SHERPA_PARAFORMER;
    }
    if (streaming && strstr(folder, "ctc")) {
        return VS__SHERPA_STREAMING_CTC;
    }
    return strstr(folder, "nemo")        ? VS__SHERPA_NEMO_CTC
           : strstr(folder, "zipformer") ? VS__SHERPA_ZIPFORMER_CTC
                                         : -1;
}

static const char *missing_file(const struct vs__sherpa_model *m)
{
    switch (m->kind) {
    case VS__SHERPA_MOONSHINE:
        if (!m->encoder[0]) {
            return "encode*.onnx";
        }
        return m->merged[0] || (m->preprocessor[0] && m->uncached[0] && m->cached[0])
                   ? NULL
                   : "preprocess.onnx, uncached_decode*.onnx and cached_decode*.onnx";
    case VS__SHERPA_TRANSDUCER:
    case VS__SHERPA_STREAMING_TRANSDUCER:
        return m->encoder[0] && m->decoder[0] && m->joiner[0]
                   ? NULL
                   : "encoder*.onnx, decoder*.onnx and joiner*.onnx";
    case VS__SHERPA_WHISPER:
    case VS__SHERPA_STREAMING_PARAFORMER:
        return m->encoder[0] && m->decoder[0] ? NULL : "*encoder*.onnx and *decoder*.onnx";
    default:
        return m->model[0] ? NULL : "model*.onnx";
    }
}

static int find_kind(const char *name, char *why, size_t why_bytes)
{
    char known[300] = "";

    for (int i = 0; i < VS__SHERPA_KINDS; i++) {
        size_t used = strlen(known);
        if (strcmp(kinds[i], name) == 0) {
            return i;
        }
        snprintf(known + used, sizeof(known) - used, "%s%s", i ? ", " : "", kinds[i]);
    }
    snprintf(why, why_bytes, "there is no kind '%.40s'; choose from %s", name, known);
    return -EINVAL;
}

int vs__sherpa_find(const char *folder, const char *kind, struct vs__sherpa_model *ret, char *why,
                    size_t why_bytes)
{
    struct vs__sherpa_model m = {0};
    int status = read_folder(folder, &m);

    if (status != 0) {
        snprintf(why, why_bytes, "%s", strerror(-status));
        return status == -ENOTDIR ? -ENOENT : status;
    }
    m.kind = kind ? find_kind(kind, why, why_bytes) : tell_kind(&m, folder);
    if (m.kind == -EINVAL) {
        return -EINVAL;
    }
    bool is_empty = !m.model[0] && !m.encoder[0];
    const char *missing = is_empty       ? "*.onnx"
                          : m.kind < 0   ? NULL
                          : !m.tokens[0] ? "*tokens.txt"
                                         : missing_file(&m);
    if (missing) {
        snprintf(why, why_bytes, "holds no %s%s%s", missing,
                 m.kind >= 0 ? " of a model of the kind " : "", m.kind >= 0 ? kinds[m.kind] : "");
        return -ENOENT;
    }
    if (m.kind < 0) {
        snprintf(why, why_bytes,
                 "does not tell of which kind its model is; say so, as in "
                 "#kind=nemo-ctc");
        return -EINVAL;
    }
    *ret = m;
    return 0;
}
