/* SPDX-License-Identifier: MIT */
/* Source audio of any format and channel count to mono float, chunk by chunk through a scratch
   that stays in the first-level cache. */
#include <errno.h>
#include <string.h>

#include "base/base.h"
#include "dsp/dsp.h"

enum {
    CHANNELS_MAX = 32,
    CHUNK = 320, /* samples: whole turns of the kernels */
};

int vs__mono_init(struct vs__mono *m, const struct vs__dsp *dsp, int format, uint32_t channels,
                  uint32_t channel)
{
    if (!vs_format_bytes(format) || channels < 1 || channels > CHANNELS_MAX || channel > channels)
        return -EINVAL;
    /* The second half is for source bytes that lie where they may not be read as samples. */
    float *scratch = vs__alloc(2 * CHUNK * sizeof(float));
    if (!scratch)
        return -ENOMEM;
    *m = (struct vs__mono){dsp, format, channels, channel, scratch};
    return 0;
}

/* Samples to float; `src` is aligned for its type. */
static void convert(const struct vs__mono *m, float *dst, const void *src, size_t samples)
{
    if (m->format == VS_FORMAT_S16)
        m->dsp->s16_to_f32(dst, src, samples);
    else if (m->format == VS_FORMAT_S24)
        m->dsp->s24_to_f32(dst, src, samples);
    else if (m->format == VS_FORMAT_S32)
        m->dsp->s32_to_f32(dst, src, samples);
    else
        memcpy(dst, src, samples * sizeof(float));
}

/* One chunk; `src` is aligned for its type. */
static size_t process_chunk(const struct vs__mono *m, const void *src, size_t frames, float *dst)
{
    const struct vs__dsp *dsp = m->dsp;
    bool is_float = m->format == VS_FORMAT_F32;
    if (m->channels == 1) {
        convert(m, dst, src, frames);
        return is_float ? dsp->sanitize(dst, frames) : 0;
    }
    if (m->channel && is_float) {
        dsp->pick(dst, src, frames, m->channels, m->channel - 1);
        return dsp->sanitize(dst, frames);
    }
    size_t samples = frames * m->channels, bad = 0;
    convert(m, m->scratch, src, samples);
    if (is_float)
        bad = dsp->sanitize(m->scratch, samples);
    if (m->channel)
        dsp->pick(dst, m->scratch, frames, m->channels, m->channel - 1);
    else
        dsp->downmix(dst, m->scratch, frames, m->channels);
    return bad;
}

size_t vs__mono_process(struct vs__mono *m, const void *src, size_t frames, float *dst)
{
    size_t frame_bytes = vs_format_bytes(m->format) * m->channels, bad = 0;
    size_t align = m->format == VS_FORMAT_S24 ? 1 : vs_format_bytes(m->format);
    const uint8_t *bytes = src;
    bool aligned = (uintptr_t)src % align == 0;
    while (frames) {
        size_t now = VS__MIN(frames, CHUNK / m->channels);
        const void *from = bytes;
        if (!aligned) {
            memcpy(m->scratch + CHUNK, bytes, now * frame_bytes);
            from = m->scratch + CHUNK;
        }
        bad += process_chunk(m, from, now, dst);
        bytes += now * frame_bytes;
        dst += now;
        frames -= now;
    }
    return bad;
}

size_t vs__mono_interleaved(struct vs__mono *m, const void *src, size_t frames, float *dst)
{
    size_t sample_bytes = vs_format_bytes(m->format), bad = 0;
    size_t align = m->format == VS_FORMAT_S24 ? 1 : sample_bytes;
    size_t samples = frames * m->channels;
    const uint8_t *bytes = src;
    bool aligned = (uintptr_t)src % align == 0;

    while (samples) {
        size_t now = VS__MIN(samples, (size_t)CHUNK);
        const void *from = aligned ? bytes : memcpy(m->scratch + CHUNK, bytes, now * sample_bytes);
        convert(m, dst, from, now);
        if (m->format == VS_FORMAT_F32)
            bad += m->dsp->sanitize(dst, now);
        bytes += now * sample_bytes;
        dst += now;
        samples -= now;
    }
    return bad;
}

void vs__mono_fini(struct vs__mono *m)
{
    if (!m)
        return;
    vs__free(m->scratch);
    m->scratch = NULL;
}
