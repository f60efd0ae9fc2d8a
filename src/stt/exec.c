/* SPDX-License-Identifier: MIT */
/* Any program as a text engine: "exec:COMMAND" runs COMMAND by /bin/sh for each segment, with the
   segment as a WAV file (16 kHz, mono, 16 bits) on its standard input; what it prints is the text.
   The audio is gathered first, so that the header tells the true length: many programs refuse a
   stream of unknown length, and a segment of 30 s is 1 MB. */
#include "stt/stt.h"

#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/base.h"
#include "stt/child.h"

#define WAV_HEADER_BYTES 44
/* An hour: far above any segment, below every limit of a WAV file. */
#define MAX_FRAMES   ((size_t)VS_RATE_HZ * 3600)
#define FIRST_FRAMES ((size_t)VS_RATE_HZ * 32)
#define OUTPUT_BYTES ((size_t)65536)
#define TIMEOUT_S    60

struct exec {
    const struct vs_log *log;
    char *command;
    uint64_t segment;
    uint8_t *wav; /* header and samples */
    size_t frames, room_frames;
    char *output;
    char *text;
    int cancel_fd;             /* wakes a finish() that waits */
    _Atomic bool is_cancelled; /* until the next begin(); its order against audio is of no matter */
};

static int open_exec(void *state, const struct vs_stt_params *params)
{
    struct exec *e = state;
    const char *command = params->argument ? params->argument : "";

    e->log = &params->env->log;
    e->cancel_fd = -1;
    if (command[strspn(command, " \t\n")] == '\0') {
        vs__log(e->log, VS_LOG_ERROR, "stt",
                "exec needs a command, as in exec:'my-recogniser --file /dev/stdin'");
        return -EINVAL;
    }
    e->command = vs__strdup(command);
    e->output = vs__alloc(OUTPUT_BYTES);
    e->text = vs__alloc(3 * OUTPUT_BYTES + 1);
    e->wav = vs__alloc(WAV_HEADER_BYTES + 2 * FIRST_FRAMES);
    e->room_frames = FIRST_FRAMES;
    if (!e->command || !e->output || !e->text || !e->wav) {
        return -ENOMEM;
    }
    e->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return e->cancel_fd < 0 ? -errno : 0;
}

static int begin_exec(void *state, uint64_t segment)
{
    struct exec *e = state;
    uint64_t ticks;

    e->segment = segment;
    e->frames = 0;
    while (read(e->cancel_fd, &ticks, sizeof(ticks)) > 0) {
    }
    e->is_cancelled = false;
    return 0;
}

static int grow(struct exec *e, size_t frames)
{
    size_t room = e->room_frames;
    uint8_t *wav;

    if (frames > MAX_FRAMES) {
        return -EFBIG;
    }
    while (room < frames) {
        room *= 2;
    }
    wav = vs__alloc(WAV_HEADER_BYTES + 2 * room);
    if (!wav) {
        return -ENOMEM;
    }
    memcpy(wav, e->wav, WAV_HEADER_BYTES + 2 * e->frames);
    vs__free(e->wav);
    e->wav = wav;
    e->room_frames = room;
    return 0;
}

static int feed_exec(void *state, const float *audio, size_t frames)
{
    struct exec *e = state;

    if (e->is_cancelled) {
        return -ECANCELED;
    }
    if (frames > MAX_FRAMES - e->frames) {
        return -EFBIG;
    }
    if (e->frames + frames > e->room_frames) {
        int status = grow(e, e->frames + frames);
        if (status != 0) {
            return status;
        }
    }
    uint8_t *to = e->wav + WAV_HEADER_BYTES + 2 * e->frames;
    for (size_t i = 0; i < frames; i++) {
        float scaled = audio[i] * 32768.0f;
        scaled = scaled > 32767.0f ? 32767.0f : scaled;
        scaled = scaled > -32768.0f ? scaled : -32768.0f; /* also NaN */
        int32_t sample = (int32_t)lrintf(scaled);
        to[2 * i] = (uint8_t)((uint32_t)sample & 0xff);
        to[2 * i + 1] = (uint8_t)((uint32_t)sample >> 8 & 0xff);
    }
    e->frames += frames;
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

/* One sentence with what the user needs to mend it. */
static int report(const struct exec *e, int status, const struct vs__child_result *result)
{
    const char *said = result->last_line[0] ? result->last_line : "nothing on standard error";

    if (status == -ECANCELED) {
        return status;
    }
    if (status == -ETIMEDOUT) {
        vs__log(e->log, VS_LOG_ERROR, "stt",
                "the program '%s' was ended after %d s on segment %llu; it said: %s", e->command,
                TIMEOUT_S, (unsigned long long)e->segment, said);
    } else if (status != 0) {
        vs__log(e->log, VS_LOG_ERROR, "stt", "the program '%s' could not be run: %s", e->command,
                strerror(-status));
    } else if (result->exit_code > 128) {
        vs__log(e->log, VS_LOG_ERROR, "stt",
                "the program '%s' was ended by signal %d on segment %llu; it said: %s", e->command,
                result->exit_code - 128, (unsigned long long)e->segment, said);
        status = -EIO;
    } else if (result->exit_code != 0) {
        vs__log(e->log, VS_LOG_ERROR, "stt",
                "the program '%s' failed with status %d on segment %llu; it said: %s", e->command,
                result->exit_code, (unsigned long long)e->segment, said);
        status = result->exit_code == 127 ? -ENOENT : -EIO;
    } else if (result->cut) {
        vs__log(e->log, VS_LOG_WARNING, "stt",
                "the program '%s' printed more than %zu KB on segment %llu; the rest is left out",
                e->command, OUTPUT_BYTES / 1024, (unsigned long long)e->segment);
    }
    return status;
}

static int finish_exec(void *state, const char **ret)
{
    struct exec *e = state;
    struct vs__child_result result;
    struct vs__child_job job = {
        .log = e->log,
        .command = e->command,
        .input = e->wav,
        .input_bytes = WAV_HEADER_BYTES + 2 * e->frames,
        .output = e->output,
        .output_room = OUTPUT_BYTES,
        .timeout_ns = TIMEOUT_S * INT64_C(1000000000),
        .cancel_fd = e->cancel_fd,
    };

    if (e->is_cancelled) {
        return -ECANCELED;
    }
    if (e->frames == 0) {
        *ret = "";
        return 0;
    }
    write_header(e->wav, (uint32_t)(2 * e->frames));
    int status = report(e, vs__child_run(&job, &result), &result);
    e->frames = 0;
    if (status != 0) {
        return status;
    }
    size_t bytes = result.output_bytes;
    if (result.cut) {
        bytes = vs__words_whole(e->output, bytes);
    }
    vs__words_clean(e->output, bytes, e->text);
    *ret = e->text;
    return 0;
}

/* A write to an eventfd, so safe in a signal handler. It counts until the next begin(). */
static void cancel_exec(void *state)
{
    struct exec *e = state;
    uint64_t one = 1;
    e->is_cancelled = true;
    ssize_t done = write(e->cancel_fd, &one, sizeof(one));

    (void)done; /* fails only when the counter is full: then it is cancelled */
}

static void close_exec(void *state)
{
    struct exec *e = state;

    if (e->cancel_fd >= 0) {
        close(e->cancel_fd);
    }
    vs__free(e->command);
    vs__free(e->output);
    vs__free(e->text);
    vs__free(e->wav);
}

const struct vs_stt_ops vs__stt_exec = {
    .abi = VS_BACKEND_ABI,
    .name = "exec",
    .description = "any program: a WAV file on its standard input, text on its standard output",
    .state_size = sizeof(struct exec),
    .open = open_exec,
    .begin = begin_exec,
    .feed = feed_exec,
    .finish = finish_exec,
    .cancel = cancel_exec,
    .close = close_exec,
};
