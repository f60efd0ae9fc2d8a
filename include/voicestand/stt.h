/* SPDX-License-Identifier: MIT */
/* A text engine that outlives pipelines: its model is loaded once and serves one after another. */
#ifndef VOICESTAND_STT_H
#define VOICESTAND_STT_H

#include <voicestand/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vs_stt_ops;

/** A text engine, open. One pipeline at a time uses it, as `engine` of its configuration. */
typedef struct vs_stt vs_stt;

/** Zero-initialise, set `size` and `name` or `ops`. */
struct vs_stt_config {
    size_t size;
    struct vs_env env; /**< while a pipeline uses the engine, that one's log counts */
    const char *
        name; /**< "pocketsphinx[:MODEL]", "sherpa:MODEL", "http:URL", "wyoming:HOST:PORT", "exec:COMMAND"; docs/engines.md */
    const struct vs_stt_ops *ops; /**< an engine of your own instead; see backend.h */
};

/** Open an engine. Blocks while the model loads. The log gets one sentence on failure.
    @return 0; -EINVAL no such engine; -ENOENT no such model; -ENOTSUP not available; -ENOMEM; or
    what the backend reports. */
VS_API VS_NODISCARD int vs_stt_create(const struct vs_stt_config *config, vs_stt **ret);

/** Close and free it. No pipeline may use it any more. NULL is fine. */
VS_API void vs_stt_destroy(vs_stt *s);

#ifdef __cplusplus
}
#endif
#endif
