/* SPDX-License-Identifier: MIT */
/* The built-in sources: silence, and the reader of WAV and raw streams with every header that a
   friend or an enemy may send. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base.h"
#include "capture/capture.h"

/* a stream in memory -------------------------------------------------------------------------- */

struct bytes {
    uint8_t *at;
    size_t count, room;
};

static void put(struct bytes *b, const void *data, size_t count)
{
    if (b->count + count > b->room) {
        b->room = (b->count + count) * 2;
        b->at = realloc(b->at, b->room);
        assert_non_null(b->at);
    }
    memcpy(b->at + b->count, data, count);
    b->count += count;
}

static void put16(struct bytes *b, unsigned value)
{
    uint8_t raw[2] = {(uint8_t)value, (uint8_t)(value >> 8)};
    put(b, raw, 2);
}

static void put32(struct bytes *b, uint32_t value)
{
    put16(b, value & 0xffff);
    put16(b, value >> 16);
}

static void put64(struct bytes *b, uint64_t value)
{
    put32(b, (uint32_t)value);
    put32(b, (uint32_t)(value >> 32));
}

struct header {
    unsigned tag, channels, bits;
    uint32_t rate, data;
    bool extensible;
    unsigned align; /* 0 = right */
};

static void put_format(struct bytes *b, const struct header *h)
{
    static const uint8_t tail[14] = {0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xaa, 0, 0x38, 0x9b, 0x71};
    unsigned align = h->align ? h->align : h->channels * h->bits / 8;
    put(b, "fmt ", 4);
    put32(b, h->extensible ? 40 : 16);
    put16(b, h->extensible ? 0xfffe : h->tag);
    put16(b, h->channels);
    put32(b, h->rate);
    put32(b, h->rate * align);
    put16(b, align);
    put16(b, h->bits);
    if (h->extensible) {
        put16(b, 22);
        put16(b, h->bits);
        put32(b, 0);
        put16(b, h->tag);
        put(b, tail, sizeof(tail));
    }
}

static struct bytes wav(const struct header *h, const void *audio, size_t count)
{
    struct bytes b = {0};
    put(&b, "RIFF", 4);
    put32(&b, 36 + h->data);
    put(&b, "WAVE", 4);
    put_format(&b, h);
    put(&b, "data", 4);
    put32(&b, h->data);
    put(&b, audio, count);
    return b;
}

/* a source on it ------------------------------------------------------------------------------ */

struct source {
    struct vs_env env;
    struct vs_capture_params params;
    struct vs_capture_format format;
    void *state;
    int fd;
    char argument[16];
    int errors, warnings;
    char words[512];
};

static void hear(void *user, int level, const char *topic, const char *message)
{
    struct source *s = user;
    s->errors += level == VS_LOG_ERROR;
    s->warnings += level == VS_LOG_WARNING;
    snprintf(s->words, sizeof(s->words), "%s", message);
}

static int open_fd(struct source *s, int fd)
{
    s->fd = fd;
    s->env.log = (struct vs_log){hear, s};
    s->params.size = sizeof(s->params);
    s->params.env = &s->env;
    snprintf(s->argument, sizeof(s->argument), "%d", fd);
    s->params.argument = s->argument;
    s->format.size = sizeof(s->format);
    s->state = vs__alloc(vs__capture_pipe.state_size);
    assert_non_null(s->state);
    return vs__capture_pipe.open(s->state, &s->params, &s->format);
}

static int open_bytes(struct source *s, const void *data, size_t count)
{
    int fd = memfd_create("stream", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, data, count), (ssize_t)count);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return open_fd(s, fd);
}

static void done(struct source *s)
{
    vs__capture_pipe.close(s->state);
    vs__free(s->state);
    close(s->fd);
}

/* All that comes, in bites of `bite` frames. @return frames, or the failure. */
static int64_t read_all(struct source *s, void *memory, size_t most, size_t bite)
{
    size_t frame = s->format.channels * vs_format_bytes(s->format.format);
    uint8_t *to = memory;
    uint64_t position = 0;
    for (;;) {
        struct vs_capture_stamp at = {0};
        int64_t got;
        assert_true((position + bite) * frame <= most);
        got = vs__capture_pipe.read(s->state, to, bite, &at);
        if (got <= 0)
            return got < 0 ? got : (int64_t)position;
        assert_true((size_t)got <= bite);
        assert_int_equal(at.position, position);
        position += (uint64_t)got;
        to += (size_t)got * frame;
    }
}

/* what is read -------------------------------------------------------------------------------- */

static void reads_each_format(void **state)
{
    static const struct {
        unsigned tag, bits;
        int format;
    } kinds[] = {{1, 16, VS_FORMAT_S16},
                 {1, 24, VS_FORMAT_S24},
                 {1, 32, VS_FORMAT_S32},
                 {3, 32, VS_FORMAT_F32}};
    static uint8_t audio[32 * 4 * 50], back[sizeof(audio) * 4];
    for (size_t i = 0; i < sizeof(audio); i++)
        audio[i] = (uint8_t)(i * 37 + i / 251);
    for (size_t k = 0; k < 2 * VS__COUNT(kinds); k++) {
        for (unsigned channels = 1; channels <= 32; channels += channels == 1 ? 1 : 30) {
            size_t count = 50 * channels * kinds[k / 2].bits / 8;
            struct header h = {.tag = kinds[k / 2].tag,
                               .channels = channels,
                               .bits = kinds[k / 2].bits,
                               .rate = channels == 1 ? 8000 : 192000,
                               .data = (uint32_t)count,
                               .extensible = k % 2};
            struct bytes b = wav(&h, audio, count);
            struct source s = {0};
            assert_int_equal(open_bytes(&s, b.at, b.count), 0);
            assert_int_equal(s.format.format, kinds[k / 2].format);
            assert_int_equal(s.format.channels, channels);
            assert_int_equal(s.format.rate_hz, h.rate);
            assert_int_equal(s.format.total_frames, 50);
            assert_int_equal(s.format.live, 0);
            assert_int_equal(read_all(&s, back, sizeof(back), 7), 50);
            assert_memory_equal(back, audio, count);
            assert_int_equal(s.warnings + s.errors, 0);
            done(&s);
            free(b.at);
        }
    }
}

static void widens_eight_bits(void **state)
{
    uint8_t audio[256 * 3];
    int16_t back[1024];
    struct header h = {.tag = 1, .channels = 3, .bits = 8, .rate = 8000, .data = sizeof(audio)};
    struct bytes b;
    struct source s = {0};
    for (size_t i = 0; i < sizeof(audio); i++)
        audio[i] = (uint8_t)i;
    b = wav(&h, audio, sizeof(audio));
    assert_int_equal(open_bytes(&s, b.at, b.count), 0);
    assert_int_equal(s.format.format, VS_FORMAT_S16);
    assert_int_equal(read_all(&s, back, sizeof(back), 31), 256);
    for (size_t i = 0; i < sizeof(audio); i++)
        assert_int_equal(back[i], (audio[i] - 128) * 256);
    done(&s);
    free(b.at);
}

static void skips_unknown_chunks(void **state)
{
    struct header h = {.tag = 1, .channels = 1, .bits = 16, .rate = 16000};
    struct bytes b = {0};
    struct source s = {0};
    int16_t back[64];
    put(&b, "RIFF\0\0\0\0WAVEJUNK", 16);
    put32(&b, 5);
    put(&b, "12345\0", 6); /* padded to even */
    put_format(&b, &h);
    put(&b, "LIST", 4);
    put32(&b, 3);
    put(&b, "abc\0", 4);
    put(&b, "data", 4);
    put32(&b, 4);
    put(&b, "\1\2\3\4LIST\4\0\0\0tail", 16); /* what stands behind is no audio */
    assert_int_equal(open_bytes(&s, b.at, b.count), 0);
    assert_int_equal(read_all(&s, back, sizeof(back), 8), 2);
    assert_int_equal(back[0], 0x0201);
    assert_int_equal(s.warnings, 0);
    done(&s);
    free(b.at);
}

static void reads_past_many_chunks_and_long_formats(void **state)
{
    struct header h = {.tag = 1, .channels = 1, .bits = 16, .rate = 16000};
    struct bytes b = {0};
    struct source s = {0};
    int16_t back[64];
    put(&b, "RIFF\0\0\0\0WAVE", 12);
    for (int i = 0; i < 300; i++)
        put(&b, "JUNK\1\0\0\0x\0", 10);
    put_format(&b, &h);
    b.at[b.count - 20] = 19; /* longer than is known, and odd */
    put(&b, "abc\0", 4);
    put(&b, "data\4\0\0\0\1\2\3\4", 12);
    assert_int_equal(open_bytes(&s, b.at, b.count), 0);
    assert_int_equal(read_all(&s, back, sizeof(back), 8), 2);
    assert_int_equal(back[1], 0x0403);
    done(&s);
    free(b.at);
}

static void reads_streams_of_unknown_length(void **state)
{
    static const uint32_t unknown[] = {0, UINT32_MAX, 0x7ffff000, 0x80000000, 0xfffffff0};
    int16_t audio[100] = {1, 2, 3}, back[512];
    for (size_t i = 0; i < VS__COUNT(unknown); i++) {
        struct header h = {.tag = 1, .channels = 2, .bits = 16, .rate = 44100, .data = unknown[i]};
        struct bytes b = wav(&h, audio, sizeof(audio));
        struct source s = {0};
        assert_int_equal(open_bytes(&s, b.at, b.count), 0);
        assert_int_equal(s.format.total_frames, 0);
        assert_int_equal(read_all(&s, back, sizeof(back), 64), 50);
        assert_int_equal(s.warnings, 0);
        done(&s);
        free(b.at);
    }
}

static void reads_rf64(void **state)
{
    struct header h = {.tag = 1, .channels = 1, .bits = 16, .rate = 16000};
    struct bytes b = {0};
    struct source s = {0};
    int16_t back[64];
    put(&b, "RF64\xff\xff\xff\xffWAVE", 12);
    put(&b, "ds64", 4);
    put32(&b, 28);
    put64(&b, 1000);
    put64(&b, 6); /* bytes of audio */
    put64(&b, 3);
    put32(&b, 0);
    put_format(&b, &h);
    put(&b, "data\xff\xff\xff\xff", 8);
    put(&b, "\1\0\2\0\3\0\4\0", 8);
    assert_int_equal(open_bytes(&s, b.at, b.count), 0);
    assert_int_equal(s.format.total_frames, 3);
    assert_int_equal(read_all(&s, back, sizeof(back), 8), 3);
    done(&s);
    free(b.at);
}

static void tells_of_a_stream_that_is_cut_off(void **state)
{
    int16_t audio[101] = {1}, back[512];
    struct header h = {.tag = 1, .channels = 2, .bits = 16, .rate = 44100, .data = 4000};
    struct bytes b = wav(&h, audio, sizeof(audio));
    struct source s = {0};
    assert_int_equal(open_bytes(&s, b.at, b.count), 0);
    assert_int_equal(s.format.total_frames, 1000);
    assert_int_equal(read_all(&s, back, sizeof(back), 64), 50);
    assert_int_equal(s.warnings, 2); /* half a frame, and the length */
    assert_int_equal(vs__capture_pipe.read(s.state, back, 8, &(struct vs_capture_stamp){0}), 0);
    assert_int_equal(s.warnings, 2);
    done(&s);
    free(b.at);
}

static void reads_raw(void **state)
{
    uint8_t audio[31], back[256];
    struct source s = {
        .params = {.raw = 1, .rate_hz = 8000, .channels = 2, .format = VS_FORMAT_S24}};
    memset(audio, 7, sizeof(audio));
    assert_int_equal(open_bytes(&s, audio, sizeof(audio)), 0);
    assert_int_equal(read_all(&s, back, sizeof(back), 4), 5);
    assert_memory_equal(back, audio, 30);
    assert_int_equal(s.warnings, 1);
    done(&s);
}

/* what is refused ----------------------------------------------------------------------------- */

static void refuses_absurd_headers(void **state)
{
    static const struct {
        struct header h;
        int status;
    } cases[] = {
        {{1, 1, 16, 0, 100, false, 0}, -EBADMSG},
        {{1, 1, 16, 1, 100, false, 0}, -EBADMSG},
        {{1, 1, 16, 7999, 100, false, 0}, -EBADMSG},
        {{1, 1, 16, 192001, 100, false, 0}, -EBADMSG},
        {{1, 1, 16, UINT32_MAX, 100, false, 0}, -EBADMSG},
        {{1, 0, 16, 16000, 100, false, 2}, -EBADMSG},
        {{1, 33, 16, 16000, 100, false, 0}, -EBADMSG},
        {{1, 65535, 16, 16000, 100, false, 0}, -EBADMSG},
        {{1, 1, 16, 16000, 100, false, 3}, -EBADMSG},
        {{1, 1, 0, 16000, 100, false, 2}, -ENOTSUP},
        {{1, 1, 12, 16000, 100, false, 2}, -ENOTSUP},
        {{1, 1, 64, 16000, 100, false, 0}, -ENOTSUP},
        {{3, 1, 64, 16000, 100, false, 0}, -ENOTSUP},
        {{3, 1, 16, 16000, 100, false, 0}, -ENOTSUP},
        {{6, 1, 8, 16000, 100, false, 0}, -ENOTSUP},
        {{2, 1, 4, 16000, 100, false, 1}, -ENOTSUP},
        {{0x55, 1, 16, 16000, 100, true, 0}, -ENOTSUP},
    };
    for (size_t i = 0; i < VS__COUNT(cases); i++) {
        struct bytes b = wav(&cases[i].h, "12345678", 8);
        struct source s = {0};
        assert_int_equal(open_bytes(&s, b.at, b.count), cases[i].status);
        assert_int_equal(s.errors, 1);
        assert_non_null(strstr(s.words, "pipe:"));
        done(&s);
        free(b.at);
    }
}

static void refuses_what_is_not_wav(void **state)
{
    static const char *const cases[] = {
        "",
        "R",
        "RIFF",
        "RIFF1234WAVX",
        "RIFX1234WAVE",
        "fLaC0000000",
        "OggS0000000",
        "FORM",
        "ID3\3",
        "hello, world",
        "RIFF1234WAVEdata\0\0\0\0",
        "RIFF1234WAVEfmt \1\0\0\0",
    };
    for (size_t i = 0; i < VS__COUNT(cases); i++) {
        struct source s = {0};
        assert_int_equal(open_bytes(&s, cases[i], strlen(cases[i])), -EBADMSG);
        assert_int_equal(s.errors, 1);
        done(&s);
    }
}

static void survives_endless_chunks(void **state)
{
    struct bytes b = {0};
    struct source s = {0};
    put(&b, "RIFF\0\0\0\0WAVE", 12);
    for (int i = 0; i < 3000; i++)
        put(&b, "JUNK\0\0\0\0", 8);
    assert_int_equal(open_bytes(&s, b.at, b.count), -EBADMSG);
    assert_int_equal(s.errors, 1);
    done(&s);
    b.count = 12;
    put(&b, "JUNK\xfe\xff\xff\xff", 8);
    s = (struct source){0};
    assert_int_equal(open_bytes(&s, b.at, b.count), -EBADMSG);
    done(&s);
    free(b.at);
}

/* Open and read; whatever it is, the answer is one of those that are documented. */
static void try_bytes(const void *data, size_t count)
{
    static uint8_t back[1 << 20];
    struct source s = {0};
    int status = open_bytes(&s, data, count);
    if (status == 0) {
        assert_in_range(s.format.rate_hz, 8000, 192000);
        assert_in_range(s.format.channels, 1, 32);
        assert_true(read_all(&s, back, sizeof(back), 100) >= 0);
    } else {
        assert_true(status == -EBADMSG || status == -ENOTSUP);
        assert_int_equal(s.errors, 1);
    }
    done(&s);
}

static void survives_each_cut_and_flip(void **state)
{
    static const uint8_t values[] = {0, 1, 0x7f, 0x80, 0xff};
    struct header h = {
        .tag = 1, .channels = 2, .bits = 16, .rate = 16000, .data = 64, .extensible = true};
    uint8_t audio[64] = {0};
    struct bytes b = wav(&h, audio, sizeof(audio));
    for (size_t cut = 0; cut < b.count; cut++)
        try_bytes(b.at, cut);
    for (size_t i = 0; i < b.count - sizeof(audio); i++) {
        uint8_t before = b.at[i];
        for (size_t v = 0; v < VS__COUNT(values); v++) {
            b.at[i] = values[v];
            try_bytes(b.at, b.count);
        }
        b.at[i] = before;
    }
    free(b.at);
}

static void survives_garbage(void **state)
{
    uint64_t seed = (uint64_t)vs__mono_ns() | 1;
    static uint8_t noise[16384];
    fprintf(stderr, "# garbage: seed %" PRIu64 "\n", seed);
    for (int round = 0; round < 400; round++) {
        size_t at = 0;
        for (size_t i = 0; i < sizeof(noise); i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            noise[i] = (uint8_t)(seed >> 56);
        }
        /* ever longer true beginnings, so that each part of the reader meets noise */
        if (round % 8 > 0)
            memcpy(noise, round % 16 > 8 ? "RF64\xff\xff\xff\xffWAVE" : "RIFF\xff\xff\xff\xffWAVE",
                   at = 12);
        if (round % 8 > 1)
            memcpy(noise + at, round % 3 ? "fmt \x10\0\0\0" : "fmt \x28\0\0\0", 8), at += 8;
        if (round % 8 > 3)
            memcpy(noise + at, "\1\0\2\0\x80\xbb\0\0", 8), at += 8;
        if (round % 8 > 5)
            memcpy(noise + at, "\0\0\0\0\4\0\x10\0", 8), at += 8;
        try_bytes(noise, sizeof(noise));
    }
}

static void refuses_what_cannot_be_read(void **state)
{
    struct source s = {.params = {.raw = 1}};
    int fd;
    assert_int_equal(open_bytes(&s, "1234", 4), -EINVAL); /* raw, but of what rate? */
    assert_int_equal(s.errors, 1);
    done(&s);
    s = (struct source){.params = {.raw = 1, .rate_hz = 4000, .channels = 1}};
    assert_int_equal(open_bytes(&s, "1234", 4), -EINVAL);
    done(&s);
    s = (struct source){0};
    assert_int_equal(open_fd(&s, open("/", O_RDONLY | O_CLOEXEC)), -EISDIR);
    done(&s);
    s = (struct source){0};
    fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (fd >= 0 && isatty(fd)) {
        assert_int_equal(open_fd(&s, fd), -EINVAL);
        assert_non_null(strstr(s.words, "terminal"));
        done(&s);
    }
    s = (struct source){0};
    assert_int_equal(open_fd(&s, 9999), -EINVAL);
    assert_non_null(strstr(s.words, "not open"));
    vs__capture_pipe.close(s.state);
    vs__free(s.state);
}

#define FORMAT      "fmt \x10\0\0\0\1\0\1\0\x80\x3e\0\0\0\x7d\0\0\2\0\x10\0"
#define DS64(data)  "ds64\x1c\0\0\0\0\0\0\0\0\0\0\0" data "\0\0\0\0\0\0\0\0\0\0\0\0"
#define BYTES(text) (text), sizeof(text) - 1

/* Headers that say two things: refused with a sentence, or the one that can be is believed. */
static void decides_between_two_words(void **state)
{
    static const struct {
        const char *bytes;
        size_t count;
        const char *words; /* of the refusal, NULL = 2 frames */
        uint64_t total;
    } headers[] = {
        {BYTES("RIFF\0\0\0\0WAVE" FORMAT FORMAT), "twice", 0},
        {BYTES("RIFF\0\0\0\0WAVEfmt \x12\0\0\0\xfe\xff\1\0\x80\x3e\0\0\0\x7d\0\0\2\0\x10\0\0\0"),
         "cut off", 0},
        {BYTES("RF64\0\0\0\0WAVEds64\x10\0\0\0"), "sizes in the RF64 header", 0},
        {BYTES("RF64\0\0\0\0WAVEds64\x1c\0\0\0abcd"), "is it cut off?", 0},
        {BYTES("RIFF\0\0\0\0WAVE" DS64("\4\0\0\0\0\0\0\0") FORMAT "data\xff\xff\xff\xff"
                                                                  "1234"),
         NULL, 0},
        {BYTES("RF64\0\0\0\0WAVE" DS64("\0\0\0\0\0\0\0\0") FORMAT "data\xff\xff\xff\xff"
                                                                  "1234"),
         NULL, 0},
        {BYTES("RF64\0\0\0\0WAVE" DS64("\xff\xff\xff\xff\xff\xff\xff\xff") FORMAT
               "data\xff\xff\xff\xff"
               "1234"),
         NULL, 0},
        {BYTES("RF64\0\0\0\0WAVE" DS64("\x40\0\0\0\0\0\0\0") FORMAT "data\4\0\0\0"
                                                                    "1234"),
         NULL, 2},
        {BYTES("BW64\0\0\0\0WAVE" DS64("\4\0\0\0\0\0\0\0") FORMAT "data\xff\xff\xff\xff"
                                                                  "1234"),
         NULL, 2},
    };
    int16_t back[64];
    for (size_t i = 0; i < VS__COUNT(headers); i++) {
        struct source s = {0};
        int status = open_bytes(&s, headers[i].bytes, headers[i].count);
        if (headers[i].words) {
            assert_int_equal(status, -EBADMSG);
            assert_non_null(strstr(s.words, headers[i].words));
        } else {
            assert_int_equal(status, 0);
            assert_int_equal(s.format.total_frames, headers[i].total);
            assert_int_equal(read_all(&s, back, sizeof(back), 8), 2);
            assert_memory_equal(back, "1234", 4);
        }
        done(&s);
    }
}

/* Standard input, which has no number; numbers that are none; a descriptor that goes away. */
static void reads_the_descriptor_that_is_named(void **state)
{
    struct source s = {
        .params = {.raw = 1, .rate_hz = 16000, .channels = 1, .format = VS_FORMAT_S16}};
    struct vs_capture_stamp at;
    int16_t back[64];
    int kept = dup(0), fd = memfd_create("stream", MFD_CLOEXEC);
    assert_true(fd >= 0 && write(fd, "1234", 4) == 4);
    for (int named = 0; named < 2; named++) {
        assert_true(lseek(fd, 0, SEEK_SET) == 0 && dup2(fd, 0) == 0);
        s.state = vs__alloc(vs__capture_pipe.state_size);
        s.params.env = &s.env;
        s.params.argument = named ? "0" : NULL;
        assert_int_equal(vs__capture_pipe.open(s.state, &s.params, &s.format), 0);
        assert_string_equal(s.format.device, "standard input");
        assert_int_equal(vs__capture_pipe.read(s.state, back, 0, &at), -EINVAL);
        assert_int_equal(vs__capture_pipe.read(s.state, back, 8, &at), 2);
        vs__capture_pipe.close(s.state);
        vs__capture_pipe.cancel(s.state); /* of one that is closed: nothing */
        vs__free(s.state);
    }
    if (kept >= 0)
        dup2(kept, 0);
    close(kept);
    s.state = vs__alloc(vs__capture_pipe.state_size);
    s.params.argument = "three";
    assert_int_equal(vs__capture_pipe.open(s.state, &s.params, &s.format), -EINVAL);
    vs__free(s.state);
    s.params.channels = 0;
    assert_int_equal(open_fd(&s, fd), -EINVAL);
    vs__capture_pipe.close(s.state);
    vs__free(s.state);
    s.params.channels = 1;
    assert_int_equal(open_fd(&s, fd), 0);
    close(fd);
    assert_int_equal(vs__capture_pipe.read(s.state, back, 8, &at), -EBADF);
    vs__capture_pipe.close(s.state);
    vs__free(s.state);
}

/* time ---------------------------------------------------------------------------------------- */

struct dribble {
    int fd;
    const struct bytes *bytes;
};

static void *write_slowly(void *user)
{
    struct dribble *d = user;
    for (size_t i = 0; i < d->bytes->count; i++)
        if (write(d->fd, d->bytes->at + i, 1) != 1)
            break;
    close(d->fd);
    return NULL;
}

static void joins_single_bytes(void **state)
{
    uint8_t audio[600], back[4096];
    struct header h = {.tag = 1, .channels = 2, .bits = 24, .rate = 16000, .data = sizeof(audio)};
    struct bytes b;
    struct dribble d = {.bytes = &b};
    struct source s = {0};
    pthread_t thread;
    int fds[2];
    for (size_t i = 0; i < sizeof(audio); i++)
        audio[i] = (uint8_t)(i * 7);
    b = wav(&h, audio, sizeof(audio));
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0); /* of another program's making */
    d.fd = fds[1];
    assert_int_equal(pthread_create(&thread, NULL, write_slowly, &d), 0);
    assert_int_equal(open_fd(&s, fds[0]), 0);
    assert_int_equal(read_all(&s, back, sizeof(back), 50), 100);
    assert_memory_equal(back, audio, sizeof(audio));
    pthread_join(thread, NULL);
    done(&s);
    free(b.at);
}

static void keeps_a_begun_frame(void **state)
{
    struct source s = {
        .params = {.raw = 1, .rate_hz = 8000, .channels = 2, .format = VS_FORMAT_S24}};
    struct vs_capture_stamp at;
    uint8_t back[64];
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(open_fd(&s, fds[0]), 0);
    assert_int_equal(write(fds[1], "abcdefghi", 9), 9);
    assert_int_equal(vs__capture_pipe.read(s.state, back, 8, &at), 1);
    assert_memory_equal(back, "abcdef", 6);
    assert_int_equal(write(fds[1], "jklmnopq", 8), 8);
    memset(back, 0, sizeof(back));
    assert_int_equal(vs__capture_pipe.read(s.state, back, 8, &at), 1);
    assert_memory_equal(back, "ghijkl", 6);
    assert_int_equal(at.position, 1);
    close(fds[1]);
    assert_int_equal(vs__capture_pipe.read(s.state, back, 8, &at), 0);
    assert_int_equal(s.warnings, 1);
    done(&s);
}

static struct source *to_cancel;

static void on_alarm(int number)
{
    if (to_cancel->state)
        vs__capture_pipe.cancel(to_cancel->state);
}

static void ends_a_wait_from_a_signal_handler(void **state)
{
    struct source s = {.params = {.raw = 1, .rate_hz = 16000, .channels = 1}};
    struct vs_capture_stamp at;
    struct itimerval soon = {.it_value = {.tv_usec = 20000}};
    int64_t began_ns;
    float back[16];
    int fds[2];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(open_fd(&s, fds[0]), 0);
    to_cancel = &s;
    signal(SIGALRM, on_alarm);
    began_ns = vs__mono_ns();
    setitimer(ITIMER_REAL, &soon, NULL);
    assert_int_equal(vs__capture_pipe.read(s.state, back, 16, &at), -ECANCELED);
    assert_true(vs__mono_ns() - began_ns < 2000000000);
    /* and it stays so */
    assert_int_equal(write(fds[1], "12345678", 8), 8);
    assert_int_equal(vs__capture_pipe.read(s.state, back, 16, &at), -ECANCELED);
    close(fds[1]);
    done(&s);
    /* nor is a header waited for, and that is nobody's mistake; what comes before it is open is not for it */
    s = (struct source){0};
    to_cancel = &s;
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    soon.it_interval = soon.it_value;
    setitimer(ITIMER_REAL, &soon, NULL);
    assert_int_equal(open_fd(&s, fds[0]), -ECANCELED);
    setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
    assert_int_equal(s.errors, 0);
    signal(SIGALRM, SIG_DFL);
    close(fds[1]);
    done(&s);
}

static int open_null(const char *length, uint32_t rate_hz, void *state,
                     struct vs_capture_format *ret)
{
    static const struct vs_env env;
    struct vs_capture_params params = {
        .size = sizeof(params), .env = &env, .argument = length, .rate_hz = rate_hz};
    return vs__capture_null.open(state, &params, ret);
}

static void gives_silence_of_a_length(void **state)
{
    static const struct {
        const char *length;
        int64_t frames;
    } cases[] = {{"0", 0},         {"1", 16000},
                 {"0.5", 8000},    {"1.", 16000},
                 {"", -EINVAL},    {".5", -EINVAL},
                 {"-1", -EINVAL},  {"1e3", -EINVAL},
                 {"1,5", -EINVAL}, {"1000000000000", -EINVAL}};
    for (size_t i = 0; i < VS__COUNT(cases); i++) {
        void *source = vs__alloc(vs__capture_null.state_size);
        struct vs_capture_format format = {.size = sizeof(format)};
        struct vs_capture_stamp at;
        float back[999];
        int64_t got, sum = 0;
        int status = open_null(cases[i].length, 0, source, &format);
        assert_int_equal(status, cases[i].frames < 0 ? cases[i].frames : 0);
        while (status == 0 && (got = vs__capture_null.read(source, back, 999, &at)) > 0) {
            assert_int_equal(at.position, sum);
            sum += got;
        }
        if (status == 0)
            assert_int_equal(sum, cases[i].frames);
        vs__capture_null.close(source);
        vs__free(source);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_each_format),
        cmocka_unit_test(widens_eight_bits),
        cmocka_unit_test(skips_unknown_chunks),
        cmocka_unit_test(reads_past_many_chunks_and_long_formats),
        cmocka_unit_test(reads_streams_of_unknown_length),
        cmocka_unit_test(reads_rf64),
        cmocka_unit_test(tells_of_a_stream_that_is_cut_off),
        cmocka_unit_test(reads_raw),
        cmocka_unit_test(refuses_absurd_headers),
        cmocka_unit_test(refuses_what_is_not_wav),
        cmocka_unit_test(survives_endless_chunks),
        cmocka_unit_test(survives_each_cut_and_flip),
        cmocka_unit_test(survives_garbage),
        cmocka_unit_test(refuses_what_cannot_be_read),
        cmocka_unit_test(decides_between_two_words),
        cmocka_unit_test(reads_the_descriptor_that_is_named),
        cmocka_unit_test(joins_single_bytes),
        cmocka_unit_test(keeps_a_begun_frame),
        cmocka_unit_test(ends_a_wait_from_a_signal_handler),
        cmocka_unit_test(gives_silence_of_a_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
