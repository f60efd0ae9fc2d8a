/* SPDX-License-Identifier: MIT */
/* The header of a WAV stream that cannot be seeked: RIFF, RF64 and BW64. */
#ifndef VS_SRC_CAPTURE_WAV_H
#define VS_SRC_CAPTURE_WAV_H

#include <voicestand/backend.h>

/** What the header says; all of it checked. */
struct vs__wav {
    uint32_t rate_hz, channels;
    int format;            /**< enum vs_format; VS_FORMAT_S16 if `unsigned8` */
    int unsigned8;         /**< nonzero: samples are 8-bit unsigned, to be widened to S16 */
    uint64_t data_bytes;   /**< after the header; UINT64_MAX = to the end of the stream */
    int length_is_certain; /**< zero: the writer could not know the length */
};

/** Where the bytes come from: exactly `bytes` of them, in order.
    @return 0, -ENODATA = the stream ended before, or -errno. */
typedef int vs__wav_fetch(void *user, void *memory, size_t bytes);

/** Read up to the first byte of audio and not further. Refuses with one sentence that names
    `thing`. @return 0, -EBADMSG not WAV, damaged or absurd, -ENOTSUP a WAV that holds something
    else than linear PCM, or what `fetch` returned. */
int vs__wav_read_header(const struct vs_env *env, const char *thing, vs__wav_fetch *fetch,
                        void *user, struct vs__wav *ret);

#endif
