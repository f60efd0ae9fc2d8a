/* SPDX-License-Identifier: MIT */
#include "common/audio_out.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { BUFFER_BYTES = 65536, HEADER_BYTES = 44 };

struct audio_out {
    struct audio_out_config config;
    vs_writer *writer; /* NULL = standard output */
    size_t filled;
    unsigned char buffer[BUFFER_BYTES];
};

const char *audio_out_container(const char *path)
{
    const char *end = strrchr(path, '.');

    if (end != NULL && strcasecmp(end, ".wav") == 0)
        return "wav";
    if (end != NULL && strcasecmp(end, ".flac") == 0)
        return "flac";
    return NULL;
}

static unsigned char *put_le(unsigned char *to, uint32_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        *to++ = (unsigned char)(value >> (8 * i));
    return to;
}

/* The lengths are not known: they say so, as others that write WAV into pipes do. */
static void put_header(struct audio_out *o)
{
    const struct audio_out_config *c = &o->config;
    uint32_t frame_bytes = c->channels * (uint32_t)vs_format_bytes(c->format);
    unsigned char *to = o->buffer;

    memcpy(to, "RIFF", 4);
    to = put_le(to + 4, UINT32_MAX, 4);
    memcpy(to, "WAVEfmt ", 8);
    to = put_le(to + 8, 16, 4);
    to = put_le(to, c->format == VS_FORMAT_F32 ? 3 : 1, 2);
    to = put_le(to, c->channels, 2);
    to = put_le(to, c->rate_hz, 4);
    to = put_le(to, c->rate_hz * frame_bytes, 4);
    to = put_le(to, frame_bytes, 2);
    to = put_le(to, 8 * (uint32_t)vs_format_bytes(c->format), 2);
    memcpy(to, "data", 4);
    (void)put_le(to + 4, UINT32_MAX, 4);
    o->filled = HEADER_BYTES;
}

static int flush_buffer(struct audio_out *o)
{
    const unsigned char *from = o->buffer;

    while (o->filled > 0) {
        ssize_t n = write(STDOUT_FILENO, from, o->filled);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        from += n;
        o->filled -= (size_t)n;
    }
    return 0;
}

int audio_out_create(const struct audio_out_config *config, struct audio_out **ret)
{
    struct audio_out *o = calloc(1, sizeof(*o));
    int status = 0;

    if (o == NULL)
        return -ENOMEM;
    o->config = *config;
    if (strcmp(config->path, "-") != 0) {
        struct vs_writer_config writer = {.size = sizeof(writer),
                                          .env = *config->env,
                                          .path = config->partial,
                                          .container = audio_out_container(config->path),
                                          .rate_hz = config->rate_hz,
                                          .channels = config->channels,
                                          .format = config->format};
        status = vs_writer_create(&writer, &o->writer);
    } else if (!config->raw) {
        put_header(o);
        status = config->at_once ? flush_buffer(o) : 0;
    }
    if (status < 0) {
        free(o);
        return status;
    }
    *ret = o;
    return 0;
}

/* One sample, nearest and clipped, little endian. */
static unsigned char *put_sample(unsigned char *to, float x, int format)
{
    uint32_t bits;

    if (format == VS_FORMAT_F32) {
        memcpy(&bits, &x, sizeof(bits));
        return put_le(to, bits, 4);
    }
    int bytes = (int)vs_format_bytes(format);
    float full = bytes == 2 ? 32768.0f : 8388608.0f;
    float scaled = fminf(fmaxf(x * full, -full), full - 1);
    return put_le(to, (uint32_t)(int32_t)lrintf(scaled), bytes);
}

int audio_out_write(struct audio_out *o, const float *audio, size_t frames)
{
    size_t bytes = vs_format_bytes(o->config.format), samples = frames * o->config.channels;
    int status = 0;

    if (o->writer != NULL)
        return vs_writer_write(o->writer, audio, frames);
    for (size_t i = 0; i < samples && status == 0; i++) {
        (void)put_sample(o->buffer + o->filled, audio[i], o->config.format);
        o->filled += bytes;
        if (o->filled + bytes > BUFFER_BYTES)
            status = flush_buffer(o);
    }
    return status == 0 && o->config.at_once ? flush_buffer(o) : status;
}

int audio_out_finish(struct audio_out *o, bool has_audio)
{
    int status;

    if (o == NULL)
        return 0;
    if (o->writer == NULL) {
        status = flush_buffer(o);
    } else {
        status = vs_writer_destroy(o->writer);
        if (status == 0 && has_audio && rename(o->config.partial, o->config.path) < 0)
            status = -errno;
    }
    free(o);
    return status;
}
