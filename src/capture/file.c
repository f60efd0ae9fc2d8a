/* SPDX-License-Identifier: MIT */
/* The sndfile module: "file:PATH" reads, and the writer makes, audio files. Plain WAV files are read here,
   by our own checked reader; whatever else libsndfile reads is decoded in a process that can do
   nothing else, see decoder.h. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/base.h"
#include "capture/check.h"
#include "capture/decoder.h"
#include "capture/save.h"
#include "capture/wav.h"

#define MOST_S 1e9 /* of a part; more than any file holds */

struct file_source {
    const struct vs_env *env;
    char *path;
    int fd_plus_one; /* of a plain WAV file, 0 = none */
    struct vs__wav wav;
    off_t at;
    struct vs__decoder *decoder; /* of any other; NULL = none */
    uint64_t position;
    uint64_t total; /* frames that the header promises, 0 = it does not say */
    uint64_t first; /* of the file, where position 0 is */
    uint64_t limit; /* frames to be read at most, 0 = all */
    bool is_cut;    /* the header of a WAV file promises more bytes than there are */
    bool ended;
    atomic_bool cancelled; /* relaxed: carries no data */
};

static int refuse(const struct file_source *s, int status, const char *why)
{
    vs__log(&s->env->log, VS_LOG_ERROR, "capture", "%s: %s", s->path, why);
    return status;
}

static int refuse_errno(const struct file_source *s, int status)
{
    switch (status) {
    case -ENOENT:
        return refuse(s, status, "there is no such file; check its name");
    case -EACCES:
        return refuse(s, status, "it may not be read by this user; change its permissions");
    default:
        return refuse(s, status, strerror(-status));
    }
}

/* A regular file that is not empty. @return its descriptor or -errno. */
static int open_regular(const struct file_source *s, off_t *ret_bytes)
{
    struct stat about = {0}; /* the memory sanitizer of clang 14 does not know fstat64() */
    int status = 0;
    /* Opening a FIFO or a device must not block. */
    int fd = open(s->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return refuse_errno(s, -errno);
    if (fstat(fd, &about) < 0)
        status = refuse_errno(s, -errno);
    else if (S_ISDIR(about.st_mode))
        status = refuse(s, -EISDIR, "it is a folder; give the files in it");
    else if (!S_ISREG(about.st_mode))
        status = refuse(s, -EINVAL, "it is not a regular file; send what it holds to a pipe");
    else if (about.st_size == 0)
        status = refuse(s, -EBADMSG, "it is empty");
    if (status < 0) {
        close(fd);
        return status;
    }
    *ret_bytes = about.st_size;
    return fd;
}

struct walk {
    int fd;
    off_t at;
};

static int fetch_at(void *user, void *memory, size_t bytes)
{
    struct walk *w = user;
    ssize_t got = pread(w->fd, memory, bytes, w->at);
    if (got < 0)
        return -errno;
    w->at += got;
    return (size_t)got == bytes ? 0 : -ENODATA;
}

/* The decoder reads a WAV file that was cut off as if it had always been so short, so this is looked at
   of each. @return 0 = all of it can be read here */
static int look_at_wav(struct file_source *s, int fd, off_t bytes)
{
    static const struct vs_env silent;
    struct walk walk = {.fd = fd};
    int status = vs__wav_read_header(&silent, "", fetch_at, &walk, &s->wav);

    if (status < 0)
        return status;
    uint64_t there = (uint64_t)VS__MAX(bytes - walk.at, 0);
    s->is_cut = s->wav.length_is_certain && s->wav.data_bytes > there;
    s->wav.data_bytes = VS__MIN(s->wav.data_bytes, there);
    s->at = walk.at;
    return 0;
}

/* Of the file, before it is widened: 8 bits become 16, and 24 a float, which has room for them. */
static size_t wav_frame_bytes(const struct vs__wav *w)
{
    return w->channels * (w->unsigned8 ? 1 : vs_format_bytes(w->format));
}

static void use_wav(struct file_source *s, int fd, double start_s, struct vs__sound_head *ret)
{
    uint64_t frame = wav_frame_bytes(&s->wav), total = s->wav.data_bytes / frame;
    uint64_t first = VS__MIN(vs__sound_first(start_s, s->wav.rate_hz), total);

    s->fd_plus_one = fd + 1;
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    *ret = (struct vs__sound_head){
        .rate_hz = s->wav.rate_hz,
        .channels = s->wav.channels,
        .format = s->wav.format == VS_FORMAT_S24 ? VS_FORMAT_F32 : s->wav.format,
        .total = total,
        .first = first,
    };
    s->at += (off_t)(first * frame);
    s->wav.data_bytes -= first * frame;
}

/* Takes `fd` over in any case. */
static int use_decoder(struct file_source *s, const struct vs_capture_params *params, int fd,
                       struct vs__sound_head *ret)
{
    struct vs__sound_ask ask = {.raw = params->raw, .start_s = params->start_s};
    int status = -ENOMEM;

    if (params->raw) {
        ask.rate_hz = params->rate_hz;
        ask.channels = params->channels;
        ask.format = params->format;
    }
    s->decoder = vs__alloc(sizeof(*s->decoder));
    if (s->decoder)
        status = vs__decoder_open(s->decoder, s->env, s->path, fd, &ask, ret);
    close(fd);
    return status;
}

/* Only then is asked for it. */
static int check_part(const struct file_source *s, const struct vs_capture_params *params)
{
    if (params->start_s >= 0 && params->start_s <= MOST_S && params->length_s >= 0 &&
        params->length_s <= MOST_S)
        return 0;
    return refuse(s, -EINVAL, "a part of it begins at 0 s or later and is not endless");
}

/* Where the part that was asked for begins and ends. */
static int choose_part(struct file_source *s, const struct vs_capture_params *params,
                       const struct vs__sound_head *found)
{
    s->total = found->total;
    s->first = vs__sound_first(params->start_s, found->rate_hz);
    if (params->length_s > 0)
        s->limit = VS__MAX(vs__sound_first(params->length_s, found->rate_hz), 1);
    if (s->first > 0 && (found->first < s->first || s->first == s->total)) {
        vs__log(&s->env->log, VS_LOG_ERROR, "capture",
                "%s: it ends before %.3f s, where the part that was asked for begins", s->path,
                params->start_s);
        return -EINVAL;
    }
    if (s->total > 0)
        s->total -= VS__MIN(s->first, s->total);
    if (s->limit > 0 && s->total > 0)
        s->total = VS__MIN(s->total, s->limit);
    return 0;
}

static int open_file(void *state, const struct vs_capture_params *params,
                     struct vs_capture_format *ret)
{
    struct file_source *s = state;
    struct vs__sound_head found = {0};
    off_t bytes = 0;
    int fd, status;
    s->env = params->env;
    if (!params->argument || !*params->argument) {
        vs__log(&s->env->log, VS_LOG_ERROR, "capture", "file: which one? Say file:PATH");
        return -EINVAL;
    }
    s->path = vs__strdup(params->argument);
    if (!s->path)
        return -ENOMEM;
    if (params->raw) {
        status = vs__capture_check(s->env, s->path, -EINVAL, params->rate_hz, params->channels,
                                   params->format);
        if (status < 0)
            return status;
    }
    status = check_part(s, params);
    if (status < 0)
        return status;
    fd = open_regular(s, &bytes);
    if (fd < 0)
        return fd;
    if (!params->raw && look_at_wav(s, fd, bytes) == 0)
        use_wav(s, fd, params->start_s, &found);
    else if ((status = use_decoder(s, params, fd, &found)) < 0)
        return status;
    status = choose_part(s, params, &found);
    if (status < 0)
        return status;
    ret->rate_hz = found.rate_hz;
    ret->channels = found.channels;
    ret->format = found.format;
    ret->live = 0;
    ret->latency_ns = 0;
    ret->total_frames = s->total;
    ret->device = s->path;
    return 0;
}

/* No more frames came. @return 0 if that is where the file ends. */
static int64_t end_file(struct file_source *s)
{
    s->ended = true;
    if (s->is_cut || s->position < s->total) {
        vs__log(&s->env->log, VS_LOG_ERROR, "capture",
                "%s: it is cut off after frame %" PRIu64 "; what came before was used", s->path,
                s->first + s->position);
        return -EBADMSG;
    }
    return 0;
}

/* Both stand at the end of the memory that their wider form fills: writing never overtakes reading. */
static void widen_8(int16_t *to, const uint8_t *from, size_t samples)
{
    for (size_t i = 0; i < samples; i++)
        to[i] = (int16_t)((from[i] - 128) * 256);
}

static void widen_24(float *to, const uint8_t *from, size_t samples)
{
    for (size_t i = 0; i < samples; i++, from += 3) {
        uint32_t bits = (uint32_t)from[0] << 8 | (uint32_t)from[1] << 16 | (uint32_t)from[2] << 24;
        to[i] = (float)((int32_t)bits >> 8) * 0x1p-23f;
    }
}

/* At the place where the file is. @return bytes, 0 at the end, -errno */
static ssize_t read_at(struct file_source *s, void *memory, size_t bytes)
{
    size_t have = 0;

    while (have < bytes) {
        ssize_t n =
            pread(s->fd_plus_one - 1, (uint8_t *)memory + have, bytes - have, s->at + (off_t)have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return have > 0 ? (ssize_t)have : refuse(s, -errno, strerror(errno));
        if (n == 0)
            break;
        have += (size_t)n;
    }
    return (ssize_t)have;
}

static int64_t read_wav(struct file_source *s, void *pcm, size_t frames)
{
    size_t from_bytes = wav_frame_bytes(&s->wav);
    size_t to_bytes = s->wav.unsigned8 ? 2 * from_bytes : from_bytes;
    if (s->wav.format == VS_FORMAT_S24)
        to_bytes = s->wav.channels * sizeof(float);
    uint64_t left = s->wav.data_bytes / from_bytes;

    frames = (size_t)VS__MIN((uint64_t)frames, left);
    uint8_t *memory = (uint8_t *)pcm + frames * (to_bytes - from_bytes);
    ssize_t bytes = read_at(s, memory, frames * from_bytes);
    if (bytes < 0)
        return bytes;
    size_t got = (size_t)bytes / from_bytes;
    if (s->wav.unsigned8)
        widen_8(pcm, memory, got * s->wav.channels);
    else if (s->wav.format == VS_FORMAT_S24)
        widen_24(pcm, memory, got * s->wav.channels);
    s->at += (off_t)(got * from_bytes);
    s->wav.data_bytes -= got * from_bytes;
    return (int64_t)got;
}

static int64_t read_file(void *state, void *pcm, size_t frames, struct vs_capture_stamp *ret)
{
    struct file_source *s = state;
    int64_t got;
    if (atomic_load_explicit(&s->cancelled, memory_order_relaxed))
        return -ECANCELED;
    if (s->ended)
        return 0;
    frames = VS__MIN(frames, (size_t)1 << 24);
    if (s->limit > 0 && s->limit - s->position < frames)
        frames = (size_t)(s->limit - s->position);
    if (frames == 0) {
        s->ended = true;
        return 0;
    }
    got = s->decoder ? vs__decoder_read(s->decoder, pcm, frames) : read_wav(s, pcm, frames);
    if (got < 0) {
        s->ended = true;
        return got;
    }
    if (got == 0)
        return end_file(s);
    *ret = (struct vs_capture_stamp){.position = s->position};
    s->position += (uint64_t)got;
    return got;
}

static void cancel_file(void *state)
{
    struct file_source *s = state;
    atomic_store_explicit(&s->cancelled, true, memory_order_relaxed);
    if (s->decoder)
        vs__decoder_cancel(s->decoder);
}

static void close_file(void *state)
{
    struct file_source *s = state;
    if (s->decoder)
        vs__decoder_close(s->decoder);
    if (s->fd_plus_one > 0)
        close(s->fd_plus_one - 1);
    vs__free(s->decoder);
    vs__free(s->path);
    s->decoder = NULL;
    s->fd_plus_one = 0;
    s->path = NULL;
}

static const struct vs_capture_ops file_ops = {
    .abi = VS_BACKEND_ABI,
    .name = "file",
    .description = "audio files: WAV, FLAC, Ogg, Opus, MP3, AIFF and what else libsndfile reads",
    .state_size = sizeof(struct file_source),
    .open = open_file,
    .read = read_file,
    .cancel = cancel_file,
    .close = close_file,
};

extern const struct vs_module vs_module_entry;
VS_API const struct vs_module vs_module_entry = {
    .abi = VS_BACKEND_ABI,
    .capture = &file_ops,
    .writer = &vs__save_ops,
};
