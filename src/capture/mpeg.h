/* SPDX-License-Identifier: MIT */
/* MP3 files that do not say how long they are.

   libsndfile guesses then how many frames there are, by the size of the file and how many bits a second its first
   frame has, and reads no more than that: of a recording of varying bits it loses the rest. Here libmpg123, which
   libsndfile uses too, counts them all before. */
#ifndef VS_SRC_CAPTURE_MPEG_H
#define VS_SRC_CAPTURE_MPEG_H

#include <stdbool.h>
#include <stdint.h>

struct vs__mpeg;

/** Whether the first MPEG frame of `fd`, an MP3 file, says how many there are. */
bool vs__mpeg_tells_length(int fd);
/** Count and decode, to floats. `fd` stays the caller's, for as long as what is returned is used.
    @return NULL: it cannot be decoded, or there is no memory */
struct vs__mpeg *vs__mpeg_open(int fd, uint64_t *ret_frames);
/** @return the frame where reading goes on, as near to `frame` as there is one */
uint64_t vs__mpeg_seek(struct vs__mpeg *m, uint64_t frame);
/** Up to `frames` of the channels that the file has. @return how many, 0 = the end, or of no more */
int64_t vs__mpeg_read(struct vs__mpeg *m, float *ret, uint64_t frames);
/** NULL is fine. */
void vs__mpeg_close(struct vs__mpeg *m);

#endif
