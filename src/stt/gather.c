/* SPDX-License-Identifier: MIT */
/* The audio of a segment as a WAV file in memory. */
#include "stt/gather.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/base.h"

/* An hour: far above any segment, below every limit of a WAV file. */
#define MAX_FRAMES   ((size_t)VS_RATE_HZ * 3600)
#define FIRST_FRAMES ((size_t)VS_RATE_HZ * 32)

int vs__gather_init(struct vs__gather *g)
{
    *g = (struct vs__gather){.wav = vs__alloc(VS__WAV_HEADER_BYTES + 2 * FIRST_FRAMES),
                             .room_frames = FIRST_FRAMES};
    return g->wav ? 0 : -ENOMEM;
}

void vs__gather_fini(struct vs__gather *g)
{
    vs__free(g->wav);
    *g = (struct vs__gather){0};
}

static int grow(struct vs__gather *g, size_t frames)
{
    size_t room = g->room_frames;
    uint8_t *wav;

    while (room < frames) {
        room *= 2;
    }
    wav = vs__alloc(VS__WAV_HEADER_BYTES + 2 * room);
    if (!wav) {
        return -ENOMEM;
    }
    memcpy(wav, g->wav, VS__WAV_HEADER_BYTES + 2 * g->frames);
    vs__free(g->wav);
    g->wav = wav;
    g->room_frames = room;
    return 0;
}

int vs__gather_feed(struct vs__gather *g, const float *audio, size_t frames)
{
    if (frames > MAX_FRAMES - g->frames) {
        return -EFBIG;
    }
    if (g->frames + frames > g->room_frames) {
        int status = grow(g, g->frames + frames);
        if (status != 0) {
            return status;
        }
    }
    uint8_t *to = g->wav + VS__WAV_HEADER_BYTES + 2 * g->frames;
    for (size_t i = 0; i < frames; i++) {
        float scaled = audio[i] * 32768.0f;
        scaled = scaled > 32767.0f ? 32767.0f : scaled;
        scaled = scaled > -32768.0f ? scaled : -32768.0f; /* also NaN */
        int32_t sample = (int32_t)lrintf(scaled);
        to[2 * i] = (uint8_t)((uint32_t)sample & 0xff);
        to[2 * i + 1] = (uint8_t)((uint32_t)sample >> 8 & 0xff);
    }
    g->frames += frames;
    return 0;
}

static void put_le(uint8_t *to, uint32_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        to[i] = (uint8_t)(value >> 8 * i);
    }
}

/* RIFF/WAVE with one fmt chunk (PCM, 16 bytes) and one data chunk. */
static void write_header(uint8_t *to, uint32_t data_bytes)
{
    memcpy(to, "RIFF", 4);
    put_le(to + 4, 36 + data_bytes, 4);
    memcpy(to + 8, "WAVEfmt ", 8);
    put_le(to + 16, 16, 4);
    put_le(to + 20, 1, 2); /* PCM */
    put_le(to + 22, 1, 2); /* channels */
    put_le(to + 24, VS_RATE_HZ, 4);
    put_le(to + 28, VS_RATE_HZ * 2, 4);
    put_le(to + 32, 2, 2);  /* bytes of a frame */
    put_le(to + 34, 16, 2); /* bits of a sample */
    memcpy(to + 36, "data", 4);
    put_le(to + 40, data_bytes, 4);
}

size_t vs__gather_close(struct vs__gather *g)
{
    write_header(g->wav, (uint32_t)(2 * g->frames));
    return VS__WAV_HEADER_BYTES + 2 * g->frames;
}
