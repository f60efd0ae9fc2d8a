/* SPDX-License-Identifier: MIT */
/* A file that another process decodes, see sound.h. That process is believed nothing: whoever made
   the file may have taken it over. */
#ifndef VS_SRC_CAPTURE_DECODER_H
#define VS_SRC_CAPTURE_DECODER_H

#include <stdatomic.h>

#include <voicestand/backend.h>

#include "capture/sound.h"

struct vs__decoder {
    const struct vs_env *env;
    const char *name; /**< of the file, for sentences */
    int channel;      /**< -1 = none */
    int process;      /**< pidfd, -1 = none or the kernel has none */
    size_t frame_bytes;
    uint64_t position; /**< frame of the file that comes next */
    size_t at, left;   /**< of `pcm`, bytes */
    int is_over;
    atomic_bool cancelled; /**< relaxed: carries no data */
    struct {
        struct vs__sound_head head;
        unsigned char pcm[VS__SOUND_PCM_BYTES];
    } packet;
};

/** `d` is zeroed. Have `fd`, which stays the caller's, decoded. Blocks until its format is known. Lives until
    vs__decoder_close(), also where it failed. Says one sentence then.
    @param ret format, rate, channels, all in range; total as the file says
    @return 0, -EBADMSG, -ENOTSUP, or -errno where no process can be had */
int vs__decoder_open(struct vs__decoder *d, const struct vs_env *env, const char *name, int fd,
                     const struct vs__sound_ask *ask, struct vs__sound_head *ret);
/** Up to `frames`, at least one; blocks. @return how many, 0 = the end, -EBADMSG damaged from here on,
    which was said */
int64_t vs__decoder_read(struct vs__decoder *d, void *pcm, size_t frames);
/** Make read() return soon. Any thread, also a signal handler. */
void vs__decoder_cancel(struct vs__decoder *d);
void vs__decoder_close(struct vs__decoder *d);

#endif
