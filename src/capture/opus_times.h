/* SPDX-License-Identifier: MIT */
/* Ogg Opus files whose pages tell wrong times.

   A page says how many samples, of 48 kHz, there are up to its end (RFC 7845, section 4). Who copies times of
   something else writes there what does not follow from the packets: ffmpeg does, for recordings that begin a
   little early or late. libsndfile drops a packet where a page says less than it holds, which moves all that
   comes after, and expects samples that are nowhere where one says more. What is played is the packets, so
   these count: with them libsndfile is shown the file as if its pages said what they hold. */
#ifndef VS_SRC_CAPTURE_OPUS_TIMES_H
#define VS_SRC_CAPTURE_OPUS_TIMES_H

#include <sndfile.h>

struct vs__opus_times;

/** Read all pages that `fd`, a regular file, has; where it stands does not change. A file of which pages are lost
    is left as it is, since what is lost shall be told. `fd` stays the caller's, for as long as what is returned is
    used. @return NULL: it is no Ogg Opus with wrong times, or there is no memory */
struct vs__opus_times *vs__opus_times_find(int fd);
/** For sf_open_virtual(), with what was found. */
extern SF_VIRTUAL_IO vs__opus_times_io;
/** NULL is fine. */
void vs__opus_times_free(struct vs__opus_times *t);

#endif
