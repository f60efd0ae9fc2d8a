/* SPDX-License-Identifier: MIT */
/* Reader of WAV headers. Nothing in them is believed: every number is checked before use and no
   size from the stream is ever allocated or multiplied unchecked. */
#include "capture/wav.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/base.h"
#include "capture/check.h"

/* What may stand before the audio; far above any real header, far below a nuisance. */
#define CHUNKS_MAX  1024u
#define SKIPPED_MAX (256u << 20)

/* Lengths that programs write which cannot seek back: none, all ones or nearly (ffmpeg, gstreamer),
   about 2 GiB (sox, arecord). */
static bool is_streamed(uint32_t size)
{
    return size == 0 || size >= 0xffff0000u || (size >= 0x7fff0000u && size <= 0x80000000u);
}

enum { TAG_PCM = 1, TAG_FLOAT = 3, TAG_EXTENSIBLE = 0xfffe };

struct reader {
    const struct vs_env *env;
    const char *thing;
    vs__wav_fetch *fetch;
    void *user;
    uint64_t skipped;
    uint64_t ds64_data; /* length of the audio by the ds64 chunk, 0 = none */
    bool is_rf64, has_format;
};

static uint16_t get16(const uint8_t *p)
{
    return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t get32(const uint8_t *p)
{
    return (uint32_t)get16(p) | (uint32_t)get16(p + 2) << 16;
}

static uint64_t get64(const uint8_t *p)
{
    return (uint64_t)get32(p) | (uint64_t)get32(p + 4) << 32;
}

static int refuse(const struct reader *r, int status, const char *why)
{
    vs__log(&r->env->log, VS_LOG_ERROR, "capture", "%s: %s", r->thing, why);
    return status;
}

static int take(struct reader *r, void *memory, size_t bytes)
{
    int status = r->fetch(r->user, memory, bytes);
    if (status == -ENODATA)
        return refuse(r, -EBADMSG, "it ends before the audio of a WAV file begins; is it cut off?");
    return status;
}

/* Chunks are padded to even lengths. */
static int skip(struct reader *r, uint64_t bytes)
{
    uint8_t waste[4096];
    r->skipped += bytes;
    if (r->skipped > SKIPPED_MAX)
        return refuse(r, -EBADMSG, "no audio in the first 256 MiB of the WAV file; it is damaged");
    while (bytes > 0) {
        size_t part = VS__MIN(bytes, sizeof(waste));
        int status = take(r, waste, part);
        if (status < 0)
            return status;
        bytes -= part;
    }
    return 0;
}

/* The first bytes of what people pipe by mistake. */
static int refuse_magic(const struct reader *r, const uint8_t *head)
{
    static const struct {
        char magic[5];
        const char *why;
    } known[] = {
        {"RIFX", "it is a big-endian WAV stream; give it as file:PATH, or convert it to RIFF"},
        {"fLaC", "it is a FLAC stream; give it as file:PATH, or decode it to WAV first"},
        {"OggS", "it is an Ogg stream; give it as file:PATH, or decode it to WAV first"},
        {"FORM", "it is an AIFF stream; give it as file:PATH, or convert it to WAV first"},
        {".snd", "it is an AU stream; give it as file:PATH, or convert it to WAV first"},
        {"caff", "it is a CAF stream; give it as file:PATH, or convert it to WAV first"},
        {"ID3\x03", "it is an MP3 stream; give it as file:PATH, or decode it to WAV first"},
        {"ID3\x04", "it is an MP3 stream; give it as file:PATH, or decode it to WAV first"},
    };
    for (size_t i = 0; i < VS__COUNT(known); i++) {
        if (memcmp(head, known[i].magic, 4) == 0)
            return refuse(r, -EBADMSG, known[i].why);
    }
    return refuse(r, -EBADMSG,
                  "it is not a WAV stream; for headerless PCM ask for raw and give rate, channels "
                  "and format");
}

static int choose_format(const struct reader *r, unsigned tag, unsigned bits, struct vs__wav *w)
{
    w->unsigned8 = 0;
    if (tag == TAG_PCM && bits == 8) {
        w->format = VS_FORMAT_S16;
        w->unsigned8 = 1;
    } else if (tag == TAG_PCM && bits == 16) {
        w->format = VS_FORMAT_S16;
    } else if (tag == TAG_PCM && bits == 24) {
        w->format = VS_FORMAT_S24;
    } else if (tag == TAG_PCM && bits == 32) {
        w->format = VS_FORMAT_S32;
    } else if (tag == TAG_FLOAT && bits == 32) {
        w->format = VS_FORMAT_F32;
    } else {
        vs__log(&r->env->log, VS_LOG_ERROR, "capture",
                "%s: WAV encoding %u with %u bits is not read from a pipe; give it as file:PATH, "
                "or convert it to 16-bit PCM",
                r->thing, tag, bits);
        return -ENOTSUP;
    }
    return 0;
}

static int read_format(struct reader *r, uint32_t size, struct vs__wav *w)
{
    /* The rest of a WAVE_FORMAT_EXTENSIBLE identifier; its first two bytes are the encoding. */
    static const uint8_t tail[14] = {0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71};
    uint8_t body[40] = {0};
    unsigned tag, bits;
    int status;
    if (r->has_format)
        return refuse(r, -EBADMSG, "the WAV header describes the audio twice; it is damaged");
    if (size < 16)
        return refuse(r, -EBADMSG, "the format of the WAV header is cut off; it is damaged");
    status = take(r, body, VS__MIN(size, sizeof(body)));
    if (status == 0 && size > sizeof(body))
        status = skip(r, size - sizeof(body));
    if (status == 0 && size % 2 != 0)
        status = skip(r, 1);
    if (status < 0)
        return status;
    tag = get16(body);
    bits = get16(body + 14);
    if (tag == TAG_EXTENSIBLE) {
        if (size < 40)
            return refuse(r, -EBADMSG, "the format of the WAV header is cut off; it is damaged");
        if (memcmp(body + 26, tail, sizeof(tail)) != 0)
            return refuse(r, -ENOTSUP,
                          "the encoding of the WAV stream is unknown; convert it to "
                          "16-bit PCM");
        tag = get16(body + 24);
    }
    w->channels = get16(body + 2);
    w->rate_hz = get32(body + 4);
    status = choose_format(r, tag, bits, w);
    if (status == 0)
        status = vs__capture_check(r->env, r->thing, -EBADMSG, w->rate_hz, w->channels, w->format);
    if (status < 0)
        return status;
    if (get16(body + 12) != w->channels * (bits / 8))
        return refuse(r, -EBADMSG,
                      "the frame size in the WAV header contradicts its channels and "
                      "bits; it is damaged");
    r->has_format = true;
    return 0;
}

static int read_ds64(struct reader *r, uint32_t size)
{
    uint8_t body[28];
    int status;
    if (size < sizeof(body))
        return refuse(r, -EBADMSG, "the sizes in the RF64 header are cut off; it is damaged");
    status = take(r, body, sizeof(body));
    if (status < 0)
        return status;
    r->ds64_data = get64(body + 8);
    return skip(r, (uint64_t)size - sizeof(body) + size % 2);
}

static void set_length(const struct reader *r, uint32_t size, struct vs__wav *w)
{
    if (r->is_rf64 && size == UINT32_MAX && r->ds64_data != 0 && r->ds64_data < INT64_MAX) {
        w->data_bytes = r->ds64_data;
        w->length_is_certain = 1;
    } else {
        w->data_bytes = is_streamed(size) ? UINT64_MAX : size;
        w->length_is_certain = !is_streamed(size);
    }
}

/* One chunk. @return 1 when the audio begins, 0 to go on, or -errno. */
static int read_chunk(struct reader *r, struct vs__wav *w)
{
    uint8_t head[8];
    uint32_t size;
    int status = take(r, head, sizeof(head));
    if (status < 0)
        return status;
    size = get32(head + 4);
    if (memcmp(head, "fmt ", 4) == 0)
        return read_format(r, size, w);
    if (memcmp(head, "ds64", 4) == 0 && r->is_rf64)
        return read_ds64(r, size);
    if (memcmp(head, "data", 4) != 0)
        return skip(r, (uint64_t)size + size % 2);
    if (!r->has_format)
        return refuse(r, -EBADMSG, "the WAV header does not describe its audio; it is damaged");
    set_length(r, size, w);
    return 1;
}

int vs__wav_read_header(const struct vs_env *env, const char *thing, vs__wav_fetch *fetch,
                        void *user, struct vs__wav *ret)
{
    struct reader r = {.env = env, .thing = thing, .fetch = fetch, .user = user};
    struct vs__wav wav = {0};
    uint8_t head[12];
    int status = fetch(user, head, 4);
    if (status == -ENODATA)
        return refuse(&r, -EBADMSG,
                      "it ended before any audio came; send a WAV stream, or raw PCM");
    if (status < 0)
        return status;
    r.is_rf64 = memcmp(head, "RF64", 4) == 0 || memcmp(head, "BW64", 4) == 0;
    if (!r.is_rf64 && memcmp(head, "RIFF", 4) != 0)
        return refuse_magic(&r, head);
    status = take(&r, head + 4, 8);
    if (status < 0)
        return status;
    if (memcmp(head + 8, "WAVE", 4) != 0)
        return refuse(&r, -EBADMSG, "it is a RIFF stream but not WAV audio; send WAV");
    for (unsigned chunks = 0; chunks < CHUNKS_MAX; chunks++) {
        status = read_chunk(&r, &wav);
        if (status < 0)
            return status;
        if (status == 1) {
            *ret = wav;
            return 0;
        }
    }
    return refuse(&r, -EBADMSG, "the WAV header has no end; it is damaged");
}
