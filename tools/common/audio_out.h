/* SPDX-License-Identifier: MIT */
/* Where a command writes audio: a file, or standard output as it comes. */
#ifndef VS_TOOLS_COMMON_AUDIO_OUT_H
#define VS_TOOLS_COMMON_AUDIO_OUT_H

#include <stdbool.h>

#include <voicestand/voicestand.h>

struct audio_out_config {
    const struct vs_env *env;
    const char *path;    /* .wav or .flac, or "-": standard output, WAV without a length */
    const char *partial; /* what the file is called until it is complete */
    uint32_t rate_hz, channels;
    int format;   /* VS_FORMAT_S16, S24 or F32 */
    bool raw;     /* standard output: samples alone */
    bool at_once; /* standard output: keep nothing back */
};

struct audio_out;

/** @return "wav", "flac" or NULL by the end of a name. */
const char *audio_out_container(const char *path);
/** @return 0, or -errno; the library has said why where a file is meant. */
int audio_out_create(const struct audio_out_config *config, struct audio_out **ret);
/** `frames` interleaved frames. @return 0 or -errno. */
int audio_out_write(struct audio_out *o, const float *audio, size_t frames);
/** Complete it; a file gets its name, unless it has no audio. Frees it in any case. NULL is fine.
    @return 0 or -errno. */
int audio_out_finish(struct audio_out *o, bool has_audio);

#endif
