/* SPDX-License-Identifier: MIT */
/* The audio of a segment as a WAV file in memory (16 kHz, mono, 16 bits), for engines that want a
   whole segment, or may have to send it again. One thread. */
#ifndef VS_SRC_STT_GATHER_H
#define VS_SRC_STT_GATHER_H

#include <stddef.h>
#include <stdint.h>

#define VS__WAV_HEADER_BYTES 44

struct vs__gather {
    uint8_t *wav;  /**< header, then the samples, little endian */
    size_t frames; /**< gathered so far; 0 begins anew */
    size_t room_frames;
};

/** @return 0 or -ENOMEM; vs__gather_fini() follows in both cases */
int vs__gather_init(struct vs__gather *g);
void vs__gather_fini(struct vs__gather *g);

/** Add audio. What is beyond full scale, or no number, is limited.
    @return 0; -EFBIG longer than an hour; -ENOMEM */
int vs__gather_feed(struct vs__gather *g, const float *audio, size_t frames);

/** Write the header for what is gathered. @return bytes of the whole file */
size_t vs__gather_close(struct vs__gather *g);

#endif
