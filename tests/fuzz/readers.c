/* SPDX-License-Identifier: MIT */
/* Readers of audio that others wrote. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <voicestand/backend.h>

#include "base/base.h"
#include "capture/capture.h"
#include "capture/check.h"
#include "capture/sound.h"
#include "capture/wav.h"
#include "fuzz.h"

#define MOST_BYTES (1u << 18) /* of audio looked at */

extern const struct vs_module vs_module_entry; /* src/capture/file.c */

static int fetch(void *user, void *memory, size_t bytes)
{
    struct fuzz *f = user;

    if (f->left < bytes)
        return -ENODATA;
    memcpy(memory, f->at, bytes);
    f->at += bytes;
    f->left -= bytes;
    return 0;
}

/* The header: refused, or all that it says can be. */
void fuzz_wav_header(struct fuzz *f)
{
    struct vs_env env = {0};
    struct vs__wav wav = {0};
    int rc = vs__wav_read_header(&env, "input", fetch, f, &wav);

    FUZZ_CHECK(rc == 0 || rc == -EBADMSG || rc == -ENOTSUP || rc == -ENODATA);
    if (rc < 0)
        return;
    FUZZ_CHECK(wav.rate_hz >= 1 && wav.channels >= 1 && wav.channels <= 65535);
    FUZZ_CHECK(vs_format_bytes(wav.format) > 0);
}

/* What a source gave. */
struct given {
    int open, status;
    struct vs_capture_format format;
    uint64_t frames;
    size_t bytes;
    unsigned char *pcm;
};

static unsigned char audio[3][MOST_BYTES]; /* of up to three sources that are compared */

/* Read all of a source into `audio[to]`, `step` frames at a time. */
static struct given read_all(const struct vs_capture_ops *ops,
                             const struct vs_capture_params *given, int fd, bool by_path,
                             size_t step, int to)
{
    struct given g = {.pcm = audio[to], .format = {.size = sizeof(g.format)}};
    struct vs_capture_params params = *given;
    struct vs_env env = {0};
    char argument[64];
    void *state = calloc(1, (ops->state_size + 63) / 64 * 64 + 64);
    int64_t n;

    snprintf(argument, sizeof(argument), by_path ? "/proc/self/fd/%d" : "%d", fd);
    params.size = sizeof(params);
    params.env = &env;
    params.argument = argument;
    FUZZ_CHECK(lseek(fd, 0, SEEK_SET) == 0);
    void *aligned = (void *)(((uintptr_t)state + 63) & ~(uintptr_t)63);
    g.open = ops->open(aligned, &params, &g.format);
    size_t frame = g.open == 0 ? vs_format_bytes(g.format.format) * g.format.channels : 0;
    while (g.open == 0 && frame && g.bytes + step * frame <= MOST_BYTES) {
        struct vs_capture_stamp stamp = {0};
        n = ops->read(aligned, g.pcm + g.bytes, step, &stamp);
        if (n <= 0) {
            g.status = (int)n;
            break;
        }
        FUZZ_CHECK((uint64_t)n <= step && stamp.position == g.frames);
        g.frames += (uint64_t)n;
        g.bytes += (size_t)n * frame;
    }
    ops->close(aligned);
    free(state);
    return g;
}

/* The cut changes nothing. */
static void compare(const struct given *a, const struct given *b)
{
    FUZZ_CHECK(a->open == b->open);
    FUZZ_CHECK(a->format.rate_hz == b->format.rate_hz && a->format.format == b->format.format);
    FUZZ_CHECK(memcmp(a->pcm, b->pcm, VS__MIN(a->bytes, b->bytes)) == 0);
    if (a->bytes < MOST_BYTES / 2) {
        FUZZ_CHECK(a->frames == b->frames && a->status == b->status);
    }
}

static void read_twice(struct fuzz *f, const struct vs_capture_ops *ops,
                       const struct vs_capture_params *params, bool by_path, size_t most)
{
    size_t step = 1 + fuzz_u8(f);
    int fd = fuzz_file(f);

    if (f->alloc_fail) {
        fuzz_memory(f);
        (void)read_all(ops, params, fd, by_path, step, 0);
        fuzz_memory(NULL);
    }
    struct given a = read_all(ops, params, fd, by_path, step, 0),
                 b = read_all(ops, params, fd, by_path, 1000, 1);
    /* what libsndfile leaves out of damaged FLAC depends on the cut */
    if (ops != &vs__capture_pipe && a.status < 0)
        FUZZ_CHECK(b.status < 0);
    else
        compare(&a, &b);
    if (a.open == 0)
        FUZZ_CHECK(a.bytes <= most);
}

/* A WAV stream in pieces: the same as whole, and no more than there was; 8 bits become 16. */
void fuzz_pipe_wav(struct fuzz *f)
{
    struct vs_capture_params params = {0};

    read_twice(f, &vs__capture_pipe, &params, false, 2 * f->left);
}

/* Raw samples: every whole frame comes out. */
void fuzz_pipe_raw(struct fuzz *f)
{
    struct vs_capture_params params = {.raw = 1};

    params.rate_hz = fuzz_range(f, 8000, 192000);
    params.channels = fuzz_range(f, 1, 32);
    params.format = (int)fuzz_range(f, 0, 3);
    size_t frame = vs_format_bytes(params.format) * params.channels;
    int fd = fuzz_file(f);
    struct given g = read_all(&vs__capture_pipe, &params, fd, false, 100, 0);
    FUZZ_CHECK(g.open == 0 && g.frames == f->left / frame);
    FUZZ_CHECK(memcmp(g.pcm, f->at, g.bytes) == 0);
    read_twice(f, &vs__capture_pipe, &params, false, f->left);
}

/* Of several chunks of audio we take the first, libsndfile another. */
static bool only_one_data(const struct fuzz *f)
{
    const uint8_t *first = memmem(f->at, f->left, "data", 4);

    return first && !memmem(first + 4, f->left - (size_t)(first + 4 - f->at), "data", 4);
}

/* What the decoder's process does with a file, in this one. */
struct decoded {
    struct vs__sound sound;
    uint64_t position;
};

static int open_decoder(void *state, const struct vs_capture_params *params,
                        struct vs_capture_format *ret)
{
    struct decoded *d = state;
    struct vs__sound_ask ask = {0};
    struct vs__sound_head head = {0};
    int fd = dup(atoi(strrchr(params->argument, '/') + 1));

    FUZZ_CHECK(fd >= 0);
    vs__sound_open(&d->sound, fd, &ask, &head);
    int status = head.status < 0 ? head.status
                                 : vs__capture_check(params->env, "input", -EBADMSG, head.rate_hz,
                                                     head.channels, head.format);
    ret->rate_hz = head.rate_hz;
    ret->channels = head.channels;
    ret->format = head.format;
    return status;
}

static int64_t read_decoder(void *state, void *pcm, size_t frames, struct vs_capture_stamp *ret)
{
    struct decoded *d = state;
    struct vs__sound_head head = {0};
    int64_t got = vs__sound_read(&d->sound, pcm, frames);

    ret->position = d->position;
    d->position += (uint64_t)got;
    if (got > 0)
        return got;
    vs__sound_end(&d->sound, &head);
    return head.status;
}

static void close_decoder(void *state)
{
    vs__sound_close(&((struct decoded *)state)->sound);
}

static const struct vs_capture_ops decoder = {.state_size = sizeof(struct decoded),
                                              .open = open_decoder,
                                              .read = read_decoder,
                                              .close = close_decoder};

/* Our reader of WAV against libsndfile's: where both take it as the same format, the same samples. */
void fuzz_wav_both(struct fuzz *f)
{
    struct vs_capture_params params = {0};

    if (f->left < 4 || memcmp(f->at, "RIFF", 4) != 0) /* others are libsndfile's alone */
        return;
    int fd = fuzz_file(f);
    struct given a = read_all(&vs__capture_pipe, &params, fd, false, 500, 0),
                 b = read_all(&decoder, &params, fd, true, 500, 1);
    if (a.open == 0) { /* then files of it are not decoded elsewhere */
        struct given c = read_all(vs_module_entry.capture, &params, fd, true, 300, 2);
        FUZZ_CHECK(c.open == 0 && c.frames >= VS__MIN(a.frames, MOST_BYTES / 128 - 300));
        if (a.format.format == c.format.format)
            FUZZ_CHECK(memcmp(a.pcm, c.pcm, VS__MIN(a.bytes, c.bytes)) == 0);
    }
    if (a.open == 0 && b.open == 0 && only_one_data(f) && a.format.format == b.format.format &&
        a.format.channels == b.format.channels && a.format.rate_hz == b.format.rate_hz)
        FUZZ_CHECK(memcmp(a.pcm, b.pcm, VS__MIN(a.bytes, b.bytes)) == 0);
}

/* Files of any format that libsndfile reads. */
void fuzz_file_reader(struct fuzz *f)
{
    struct vs_capture_params params = {0};

    read_twice(f, &decoder, &params, true, SIZE_MAX);
}
