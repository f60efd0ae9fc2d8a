/* SPDX-License-Identifier: MIT */
/* Writing processed audio to files. */
#ifndef VOICESTAND_WRITER_H
#define VOICESTAND_WRITER_H

#include <voicestand/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An audio file being written. One thread at a time. */
typedef struct vs_writer vs_writer;

/** Zero-initialise, set `size`, `path` and `rate_hz`. */
struct vs_writer_config {
    size_t size;
    struct vs_env env;
    const char *path;      /**< the name's end decides the container: .wav or .flac */
    const char *container; /**< "wav" or "flac" whatever the name; NULL = by the name's end */
    uint32_t rate_hz;      /**< 8000..192000 */
    uint32_t channels;     /**< interleaved [1] */
    int format;            /**< VS_FORMAT_S16 [0 means S16 for FLAC, F32 for WAV], S24 or F32 */
};

/** Create the file, replacing one of that name. Blocks.
    @return 0; -EINVAL unknown ending or format; -ENOTSUP no libsndfile module; or why the file
    cannot be created. The log gets one sentence. */
VS_API VS_NODISCARD int vs_writer_create(const struct vs_writer_config *config, vs_writer **ret);

/** Append `frames` frames of interleaved float; integer files clip to full scale. Blocks.
    @return 0, or -errno (-ENOSPC: the disk is full). */
VS_API VS_NODISCARD int vs_writer_write(vs_writer *w, const float *audio, size_t frames);

/** Complete the header and close the file, then free `w` in any case. NULL is fine.
    @return 0, or -errno when the file could not be completed. */
VS_API VS_NODISCARD int vs_writer_destroy(vs_writer *w);

#ifdef __cplusplus
}
#endif
#endif
