/* SPDX-License-Identifier: MIT */
/* "pipe[:FD]": WAV or raw PCM from a descriptor that is only read forward: standard input by
   default. A blocked read is ended by an eventfd, which a signal handler may write to. */
#include "capture/capture.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"
#include "capture/check.h"
#include "capture/wav.h"

struct pipe_source {
    const struct vs_env *env;
    char name[32]; /* for sentences */
    int fd;
    atomic_int wake;    /* eventfd + 1, 0 = none; written by open, read by cancel of any thread */
    uint32_t samples;   /* in a frame */
    uint32_t in_bytes;  /* of a frame in the stream */
    uint32_t out_bytes; /* of a frame that read() gives: twice as much for 8-bit samples */
    uint64_t left;      /* bytes of audio still to come, UINT64_MAX = to the end */
    uint64_t position;
    bool length_is_certain, ended;
    uint32_t carried;                                  /* bytes in `carry` */
    uint8_t carry[VS__CHANNELS_MAX * sizeof(int32_t)]; /* the begun frame of the last read() */
};

/* What the descriptor has, at most `bytes`. @return bytes, 0 = end, -ECANCELED, -errno. */
static int64_t read_some(struct pipe_source *s, void *memory, size_t bytes)
{
    struct pollfd fds[2] = {{.fd = s->fd, .events = POLLIN}};
    fds[1] = (struct pollfd){
        .fd = atomic_load_explicit(&s->wake, memory_order_relaxed) - 1,
        .events = POLLIN,
    };
    for (;;) {
        ssize_t got;
        if (poll(fds, 2, -1) < 0) {
            if (errno == EINTR)
                continue;
            return -errno;
        }
        if (fds[1].revents != 0)
            return -ECANCELED;
        if (fds[0].revents & POLLNVAL)
            return -EBADF;
        got = read(s->fd, memory, VS__MIN(bytes, (size_t)SSIZE_MAX));
        if (got >= 0)
            return got;
        if (errno != EINTR && errno != EAGAIN)
            return -errno;
    }
}

static int fetch_header(void *user, void *memory, size_t bytes)
{
    uint8_t *to = memory;
    while (bytes > 0) {
        int64_t got = read_some(user, to, bytes);
        if (got <= 0)
            return got < 0 ? (int)got : -ENODATA;
        to += got;
        bytes -= (size_t)got;
    }
    return 0;
}

static int refuse(struct pipe_source *s, int status, const char *why)
{
    vs__log(&s->env->log, VS_LOG_ERROR, "capture", "%s: %s", s->name, why);
    return status;
}

static int open_descriptor(struct pipe_source *s, const char *argument)
{
    uint64_t number = 0;
    struct stat about = {0}; /* the memory sanitizer of clang 14 does not know fstat64() */
    int wake;
    if (argument && vs__capture_number(argument, INT_MAX, &number) < 0)
        return refuse(s, -EINVAL, "a pipe is named by the number of an open descriptor");
    s->fd = (int)number;
    if (fstat(s->fd, &about) < 0)
        return refuse(s, -EINVAL, "it is not open; connect a program or a file to it");
    if (S_ISDIR(about.st_mode))
        return refuse(s, -EISDIR, "it is a directory; connect a program or a file to it");
    if (isatty(s->fd))
        return refuse(s, -EINVAL,
                      "it is a terminal, which has no audio; send audio into it, for "
                      "example by \"< FILE\" or \"PROGRAM |\"");
    wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (wake < 0) {
        int status = -errno;
        return refuse(s, status, "no descriptor is left to wait with; raise the limit of files");
    }
    atomic_store_explicit(&s->wake, wake + 1, memory_order_relaxed);
    return 0;
}

static int open_raw(struct pipe_source *s, const struct vs_capture_params *params,
                    struct vs__wav *ret)
{
    int status;
    if (params->rate_hz == 0 || params->channels == 0)
        return refuse(s, -EINVAL,
                      "raw PCM does not describe itself; give its rate and its number "
                      "of channels");
    status = vs__capture_check(params->env, s->name, -EINVAL, params->rate_hz, params->channels,
                               params->format);
    if (status < 0)
        return status;
    *ret = (struct vs__wav){
        .rate_hz = params->rate_hz,
        .channels = params->channels,
        .format = params->format,
        .data_bytes = UINT64_MAX,
    };
    return 0;
}

static int open_pipe(void *state, const struct vs_capture_params *params,
                     struct vs_capture_format *ret)
{
    struct pipe_source *s = state;
    struct vs__wav wav;
    int status;
    s->env = params->env;
    if (params->argument && strcmp(params->argument, "0") != 0)
        snprintf(s->name, sizeof(s->name), "pipe:%s", params->argument);
    else
        snprintf(s->name, sizeof(s->name), "standard input");
    status = open_descriptor(s, params->argument);
    if (status < 0)
        return status;
    if (params->raw)
        status = open_raw(s, params, &wav);
    else
        status = vs__wav_read_header(s->env, s->name, fetch_header, s, &wav);
    if (status < 0) {
        /* What is wrong with the bytes has had its sentence. */
        if (!params->raw && status != -EBADMSG && status != -ENOTSUP && status != -ECANCELED)
            vs__log(&s->env->log, VS_LOG_ERROR, "capture", "%s: reading fails: %s", s->name,
                    strerror(-status));
        return status;
    }
    s->samples = wav.channels;
    s->out_bytes = wav.channels * (uint32_t)vs_format_bytes(wav.format);
    s->in_bytes = wav.unsigned8 ? wav.channels : s->out_bytes;
    s->left = wav.data_bytes;
    s->length_is_certain = wav.length_is_certain;
    ret->rate_hz = wav.rate_hz;
    ret->channels = wav.channels;
    ret->format = wav.format;
    ret->live = 0;
    ret->latency_ns = 0;
    ret->total_frames = wav.length_is_certain ? wav.data_bytes / s->in_bytes : 0;
    ret->device = s->name;
    return 0;
}

/* The end of the stream: says what of it was not as announced, once. */
static void end_stream(struct pipe_source *s)
{
    unsigned depth = vs__rt_suspend(); /* nothing is left to be late for */
    s->ended = true;
    if (s->carried > 0)
        vs__log(&s->env->log, VS_LOG_WARNING, "capture",
                "%s: the last %" PRIu32 " bytes are not a whole frame and were left out", s->name,
                s->carried);
    if (s->left > 0 && s->length_is_certain)
        vs__log(&s->env->log, VS_LOG_WARNING, "capture",
                "%s: it ended %" PRIu64 " bytes before the length in its header; what came was "
                "used",
                s->name, s->left);
    vs__rt_resume(depth);
}

/* 8-bit samples stand at the end of the memory that their 16-bit form fills: the writing end
   never overtakes the reading one. */
static void widen(int16_t *to, const uint8_t *from, size_t samples)
{
    for (size_t i = 0; i < samples; i++) {
        int value = from[i];
        to[i] = (int16_t)((value - 128) * 256);
    }
}

/* Bytes of the stream to `memory` until there is a frame. @return bytes, or -errno; fewer than a
   frame = the end. */
static int64_t read_frames(struct pipe_source *s, uint8_t *memory, size_t bytes)
{
    size_t have = s->carried;
    memcpy(memory, s->carry, have);
    while (have < s->in_bytes) {
        size_t wanted = (size_t)VS__MIN(bytes - have, s->left);
        int64_t got = wanted > 0 ? read_some(s, memory + have, wanted) : 0;
        if (got < 0 && got != -ECANCELED)
            return got;
        if (got <= 0) {
            s->carried = (uint32_t)have;
            memcpy(s->carry, memory, have);
            return got < 0 ? got : (int64_t)have;
        }
        have += (size_t)got;
        s->left -= s->left == UINT64_MAX ? 0 : (uint64_t)got;
    }
    s->carried = (uint32_t)(have % s->in_bytes);
    memcpy(s->carry, memory + have - s->carried, s->carried);
    return (int64_t)have;
}

static int64_t read_pipe(void *state, void *pcm, size_t frames, struct vs_capture_stamp *ret)
{
    struct pipe_source *s = state;
    uint8_t *memory = pcm;
    int64_t bytes;
    unsigned depth;
    if (s->ended)
        return 0;
    if (frames == 0)
        return -EINVAL;
    frames = VS__MIN(frames, (size_t)1 << 24);
    memory += frames * (s->out_bytes - s->in_bytes);
    depth = vs__rt_suspend(); /* waits for its turn to read: that is its work */
    bytes = read_frames(s, memory, frames * s->in_bytes);
    vs__rt_resume(depth);
    if (bytes < 0) {
        s->ended = bytes != -ECANCELED;
        return bytes;
    }
    if (bytes < s->in_bytes) {
        end_stream(s);
        return 0;
    }
    frames = (size_t)bytes / s->in_bytes;
    if (s->in_bytes != s->out_bytes)
        widen(pcm, memory, frames * s->samples);
    *ret = (struct vs_capture_stamp){.position = s->position};
    s->position += frames;
    return (int64_t)frames;
}

static void cancel_pipe(void *state)
{
    struct pipe_source *s = state;
    int wake = atomic_load_explicit(&s->wake, memory_order_relaxed) - 1;
    int saved = errno; /* it may be that of the code a signal interrupted */
    if (wake >= 0)
        (void)eventfd_write(wake, 1); /* fails if full: then it was cancelled often enough */
    errno = saved;
}

static void close_pipe(void *state)
{
    struct pipe_source *s = state;
    int wake = atomic_exchange_explicit(&s->wake, 0, memory_order_relaxed) - 1;
    if (wake >= 0)
        close(wake);
}

const struct vs_capture_ops vs__capture_pipe = {
    .abi = VS_BACKEND_ABI,
    .name = "pipe",
    .description = "WAV or raw PCM on standard input, or pipe:DESCRIPTOR",
    .state_size = sizeof(struct pipe_source),
    .open = open_pipe,
    .read = read_pipe,
    .cancel = cancel_pipe,
    .close = close_pipe,
};
