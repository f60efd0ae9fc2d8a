/* SPDX-License-Identifier: MIT */
/* Voice activity on its own: probabilities, without segments, threads or devices. */
#ifndef VOICESTAND_VAD_H
#define VOICESTAND_VAD_H

#include <voicestand/base.h>
#include <voicestand/stats.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vs_vad_ops;

/** A detector. One thread at a time; separate detectors are independent. */
typedef struct vs_vad vs_vad;

/** Zero-initialise, set `size`, set what you need. */
struct vs_vad_config {
    size_t size;
    struct vs_env env;
    /** "native" (NULL), "energy", "silero:WEIGHTS", "openvino:DEVICE[@WEIGHTS]",
        "auto[:DEVICE]" (as openvino, but starts where there is no such device, with native),
        "replay:TRACE.csv", "null" */
    const char *name;
    const struct vs_vad_ops *ops; /**< a detector of your own instead; see backend.h */
};

/** Build a detector. Allocates all it needs. @return 0; -EINVAL; -ENOENT; -ENOTSUP; -ENOMEM. */
VS_API VS_NODISCARD int vs_vad_create(const struct vs_vad_config *config, vs_vad **ret);

/** Frames of 16 kHz mono that one vs_vad_infer() takes. */
VS_API uint32_t vs_vad_block_frames(const vs_vad *v);

/** Frames by which a probability lags the end of the block that it is returned for. */
VS_API uint32_t vs_vad_latency_frames(const vs_vad *v);

/** Probability of speech in the next block. Never blocks or allocates; a detector on a device waits
    for that, a second at most before it counts as hung.
    @param block vs_vad_block_frames() frames, full scale 1.0, finite. @param ret 0..1.
    @return 0, or what the backend reports. */
VS_API VS_NODISCARD int vs_vad_infer(vs_vad *v, const float *block, float *ret);

/** Back to the state after create. Never blocks or allocates. */
VS_API void vs_vad_reset(vs_vad *v);

/** How its device served, for a detector that runs on one. Any thread. Set `ret->size` first. */
VS_API void vs_vad_stats(const vs_vad *v, struct vs_device_stats *ret);

/** Visit the devices that a detector which needs one can run on, e.g. "openvino": "NPU", "CPU". Loads
    its module and what that needs; blocks. @return how many; -EINVAL no such detector, or it needs no
    device; -ENOTSUP its module or its library is not here. */
VS_API VS_NODISCARD int vs_vad_devices(const struct vs_env *env, const char *name,
                                       void (*visit)(void *user, const char *device,
                                                     const char *description),
                                       void *user);

/** Free it. NULL is fine. */
VS_API void vs_vad_destroy(vs_vad *v);

#ifdef __cplusplus
}
#endif
#endif
