/* SPDX-License-Identifier: MIT */
/* Finding backends by name: the built-in ones, and modules that are loaded when first asked for. */
#ifndef VS_SRC_PIPELINE_BACKENDS_H
#define VS_SRC_PIPELINE_BACKENDS_H

#include <voicestand/backend.h>

#include "base/base.h"

enum vs__kind {
    VS__KIND_CAPTURE,
    VS__KIND_VAD,
    VS__KIND_STT,
    VS__KIND_WRITER,
    VS__KIND_TOPOLOGY,
    VS__KIND_REALTIME
};

/** A backend that was opened: its table, state, and where its argument begins. */
struct vs__backend {
    int kind;
    const void *ops;  /**< struct vs_capture_ops, … by kind */
    void *state;      /**< zeroed, not yet open */
    char *argument;   /**< behind the colon, or NULL */
    void *module;     /**< of dlopen(), or NULL */
    const char *name; /**< what it was found by, without the argument; static */
};

/** Find "name[:argument]" and make its state. `ops`, if not NULL, is the table to use, and `name`
    then gives the argument only. @return 0; -EINVAL no such name; -ENOTSUP it is a module that is
    not here or does not load; -ENOMEM. The log gets one sentence. */
int vs__backend_find(struct vs__backend *b, int kind, const char *name, const void *ops,
                     const struct vs_env *env);
/** Free the state and the module; the caller closed it before. */
void vs__backend_drop(struct vs__backend *b);

/** The kernels that `env` asks for. @return 0, or as vs_cpu_parse(); the log gets one sentence. */
int vs__cpu_choose(const struct vs_env *env, unsigned *ret);

/** Find the detector and open it. One that blocks gets a guard around it, with `native` beside it.
    "auto:DEVICE[@NETWORK]" is openvino so guarded, but starts also where that cannot be opened;
    "auto" is native. */
int vs__vad_open(struct vs__backend *b, const char *name, const struct vs_vad_ops *ops,
                 const struct vs_env *env, struct vs_vad_shape *ret);
/** Real-time priority for the calling thread, which is not real-time yet: its own right to it,
    else by those that the module knows. Blocks for a second at most. `*ret_way` says who granted
    it: "limit", "portal", "rtkit"; "none". @return the priority in force, 0 = none. */
int vs__realtime_ask(const struct vs_env *env, int priority, const char **ret_way);
/** The source is live: never wait for a device. After open, before the first hop. */
void vs__vad_hurry(struct vs__backend *b);
/** How its device served; zero for a detector without one. Any thread. */
void vs__vad_stats(const struct vs__backend *b, struct vs_device_stats *ret);
/** The names of a kind, in the order in which "auto" tries them; NULL at the end. */
const char *vs__backend_name(int kind, size_t index);

#endif
