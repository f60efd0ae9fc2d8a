/* SPDX-License-Identifier: MIT */
/* A text engine that outlives pipelines: its model is loaded once and serves one after another. */
#ifndef VOICESTAND_STT_H
#define VOICESTAND_STT_H

#include <voicestand/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vs_stt_ops;
struct vs_word; /* event.h */

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

/** What an engine made of a segment. Strings live until the next call for this engine. */
struct vs_stt_result {
    size_t size;
    const char *text;            /**< UTF-8; "" = no words */
    const struct vs_word *words; /**< times since the first frame; NULL = it does not tell them */
    size_t word_count;
};

/** Text of one segment without a pipeline: mono at VS_RATE_HZ. Blocks as long as the engine takes. One
    thread at a time. Set `ret->size` first; on failure `*ret` is untouched. Its log is that of the
    engine's own configuration.
    @return 0; -EINVAL; -EBUSY a pipeline or another thread uses it; -ECANCELED; or what the engine
    reports: the next segment may do. */
VS_API VS_NODISCARD int vs_stt_hear(vs_stt *s, const float *audio, size_t frames,
                                    struct vs_stt_result *ret);

/** Are these words too few for `seconds` of speech to have been said? So is what engines make of music
    and noise. Less than 0.65 words a second, from 1.5 s on; a character of a script that is written
    without blanks is a word. Any thread; never blocks. @param text UTF-8 @return 0 or 1 */
VS_API int vs_text_is_thin(const char *text, double seconds);

/** Make vs_stt_hear() return -ECANCELED soon, now and for good. Any thread; never blocks. */
VS_API void vs_stt_cancel(vs_stt *s);

/** Close and free it. No pipeline may use it any more. NULL is fine. */
VS_API void vs_stt_destroy(vs_stt *s);

#ifdef __cplusplus
}
#endif
#endif
