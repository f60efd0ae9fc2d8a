/* SPDX-License-Identifier: MIT */
#include "capture/mpeg.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <mpg123.h>

#include "base/base.h"

struct vs__mpeg {
    mpg123_handle *decoder;
    size_t frame_bytes;
};

/* @return where frames may begin: behind what describes the recording, of any size */
static off_t skip_id3(int fd)
{
    unsigned char h[10];
    off_t at = 0;

    while (pread(fd, h, sizeof(h), at) == (ssize_t)sizeof(h) && memcmp(h, "ID3", 3) == 0) {
        off_t bytes = 0;

        for (size_t i = 6; i < 10; i++)
            bytes = bytes << 7 | (h[i] & 127);
        at += bytes + (h[5] & 16 ? 20 : 10); /* with its head, and a foot that is like it */
    }
    return at;
}

bool vs__mpeg_tells_length(int fd)
{
    enum { BEFORE_BYTES = 4 + 36, LABEL_BYTES = 8 }; /* at most; the label and its flags */
    static const char *const labels[] = {"Xing", "Info", "VBRI"};
    unsigned char bytes[4096];
    ssize_t size = pread(fd, bytes, sizeof(bytes), skip_id3(fd)), first = 0;

    while (first + 1 < size && (bytes[first] != 0xff || (bytes[first + 1] & 0xe0) != 0xe0 ||
                                (bytes[first + 1] & 0x06) == 0))
        first++;
    if (first + BEFORE_BYTES + LABEL_BYTES > size)
        return false;
    for (size_t k = 0; k < VS__COUNT(labels); k++) {
        const unsigned char *at = memmem(bytes + first, BEFORE_BYTES + 4, labels[k], 4);

        if (at != NULL)
            return labels[k][0] == 'V' || (at[7] & 1); /* the flag says that the number is there */
    }
    return false;
}

/* @return whether all is known */
static bool start(struct vs__mpeg *m, int fd, uint64_t *ret_frames)
{
    long flags = MPG123_FORCE_FLOAT | MPG123_GAPLESS | MPG123_QUIET | MPG123_NO_FRANKENSTEIN,
         rate = 0;
    int channels = 0, encoding = 0;
    off_t frames;

    if (lseek(fd, 0, SEEK_SET) != 0 ||
        mpg123_param(m->decoder, MPG123_ADD_FLAGS, flags, 0) != MPG123_OK ||
        mpg123_param(m->decoder, MPG123_REMOVE_FLAGS, MPG123_AUTO_RESAMPLE, 0) != MPG123_OK ||
        mpg123_open_fd(m->decoder, fd) != MPG123_OK || mpg123_scan(m->decoder) != MPG123_OK ||
        mpg123_getformat(m->decoder, &rate, &channels, &encoding) != MPG123_OK ||
        encoding != MPG123_ENC_FLOAT_32 || channels < 1)
        return false;
    frames = mpg123_length(m->decoder);
    *ret_frames = frames > 0 ? (uint64_t)frames : 0;
    m->frame_bytes = (size_t)channels * sizeof(float);
    return frames > 0;
}

struct vs__mpeg *vs__mpeg_open(int fd, uint64_t *ret_frames)
{
    struct vs__mpeg *m = calloc(1, sizeof(*m));

    if (m == NULL || mpg123_init() != MPG123_OK) {
        free(m);
        return NULL;
    }
    m->decoder = mpg123_new(NULL, NULL);
    if (m->decoder == NULL || !start(m, fd, ret_frames)) {
        vs__mpeg_close(m);
        return NULL;
    }
    return m;
}

uint64_t vs__mpeg_seek(struct vs__mpeg *m, uint64_t frame)
{
    off_t length = mpg123_length(m->decoder), at = (off_t)frame;

    at = mpg123_seek(m->decoder, VS__MIN(at, length), SEEK_SET);
    return at > 0 ? (uint64_t)at : 0;
}

int64_t vs__mpeg_read(struct vs__mpeg *m, float *ret, uint64_t frames)
{
    size_t got = 0;
    int status = mpg123_read(m->decoder, (unsigned char *)ret, frames * m->frame_bytes, &got);

    /* anything else, also another rate or number of channels from here on, ends it */
    return status == MPG123_OK || status == MPG123_DONE ? (int64_t)(got / m->frame_bytes) : 0;
}

void vs__mpeg_close(struct vs__mpeg *m)
{
    if (m != NULL)
        mpg123_delete(m->decoder);
    free(m);
}
