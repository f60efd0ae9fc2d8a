/* SPDX-License-Identifier: MIT */
/* A detector whose device may fail, hang or vanish, and a fallback beside it that does neither. The
   device runs on a thread of its own; the fallback hears every hop on the caller's thread, so its
   memory is always there. A hop is decided a fixed delay after it came: by the device if its answer
   is there, else by the fallback. So no hop is decided twice or never, and none late.

   A device that fails is out for a while, which doubles each time, is closed, opened again, and
   given the fallback's memory where the two are kin; else it hears WARM_HOPS before it counts. */
#ifndef VS_SRC_VAD_GUARD_H
#define VS_SRC_VAD_GUARD_H

#include <voicestand/backend.h>

#include "base/base.h"

/** What happened to the device; the order is that of the sentences in guard.c. */
enum vs__guard_news {
    VS__GUARD_QUIET,
    VS__GUARD_NOT_OPEN, /**< it cannot be opened */
    VS__GUARD_FAILED,   /**< it gave an error */
    VS__GUARD_HUNG,     /**< it does not answer */
    VS__GUARD_NONSENSE, /**< what it gave is no probability */
    VS__GUARD_BACK,     /**< it decides again */
};

struct vs__guard_config {
    const struct vs_env *env; /**< copied */
    unsigned cpu;
    const struct vs_vad_ops *device;
    const char *argument;              /**< of the device; copied; may be NULL */
    void *device_state;                /**< open already, the guard's from here on, also where it
                                              fails; NULL = it opens the device */
    const struct vs_vad_shape *shape;  /**< of an open device */
    const struct vs_vad_ops *fallback; /**< in hops, lagging by whole ones; never blocks */
    uint32_t block_frames;             /**< longest blocks of a device that is not open yet */
};

/** The guard as a detector. Its `open` is vs__guard_open() below. */
extern const struct vs_vad_ops vs__vad_guard;

/** Open it in `state` of vs__vad_guard.state_size bytes. A device that is not open is tried once; if
    that fails it is out from the start. Blocks. Close `state` after a failure too, unless that is
    -ENOMEM for the guard itself. @return 0; -ENOMEM; -EAGAIN no thread; -ENOTSUP blocks too long;
    -EINVAL, -ENOENT, -EBADMSG: what the device was asked for is wrong */
int vs__guard_open(void *state, const struct vs__guard_config *config, struct vs_vad_shape *ret);

/** From here, never wait for the device: the source is live. Without it, a hop waits for it up to a
    second, as files can. Before the first hop. */
void vs__guard_hurry(void *state);

/** Blocks that the device has not answered yet. Any thread. */
uint64_t vs__guard_pending(const void *state);

#endif
