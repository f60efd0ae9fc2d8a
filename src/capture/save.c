/* SPDX-License-Identifier: MIT */
/* The writer of audio files, by libsndfile. What it is given is our own, so it works in this process. */
#include "capture/save.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sndfile.h>

#include "base/base.h"
#include "capture/check.h"

/* libsndfile keeps the error of a failed open in one variable for the whole process. */
static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;

static int raw_subformat(int format)
{
    switch (format) {
    case VS_FORMAT_S16:
        return SF_FORMAT_PCM_16;
    case VS_FORMAT_S24:
        return SF_FORMAT_PCM_24;
    default:
        return SF_FORMAT_FLOAT;
    }
}

struct file_writer {
    const struct vs_env *env;
    char *path;
    SNDFILE *file;
    int fd_plus_one; /* 0 = none */
    uint32_t channels;
    int format;
    int status;         /* first failure; libsndfile does not keep its cause */
    int32_t part[4096]; /* converted samples */
};

static sf_count_t size_of(void *user)
{
    struct file_writer *w = user;
    struct stat about = {0}; /* as in file.c */
    return fstat(w->fd_plus_one - 1, &about) < 0 ? -1 : about.st_size;
}

static sf_count_t seek_to(sf_count_t offset, int whence, void *user)
{
    struct file_writer *w = user;
    return lseek(w->fd_plus_one - 1, offset, whence);
}

static sf_count_t tell(void *user)
{
    return seek_to(0, SEEK_CUR, user);
}

static sf_count_t read_back(void *memory, sf_count_t bytes, void *user)
{
    struct file_writer *w = user;
    ssize_t got = read(w->fd_plus_one - 1, memory, (size_t)bytes);
    return got < 0 ? 0 : got;
}

static sf_count_t write_out(const void *memory, sf_count_t bytes, void *user)
{
    struct file_writer *w = user;
    const uint8_t *from = memory;
    sf_count_t done = 0;
    while (done < bytes) {
        ssize_t got = write(w->fd_plus_one - 1, from + done, (size_t)(bytes - done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            if (w->status == 0)
                w->status = got < 0 ? -errno : -EIO;
            break;
        }
        done += got;
    }
    return done;
}

static int refuse_writing(const struct file_writer *w, int status, const char *why)
{
    vs__log(&w->env->log, VS_LOG_ERROR, "output", "%s: %s", w->path, why);
    return status;
}

/* @return the format in libsndfile's terms, or -EINVAL. */
static int choose_container(const struct file_writer *w, const char *container)
{
    if (strcmp(container, "wav") == 0) {
        if (w->format == VS_FORMAT_S16 || w->format == VS_FORMAT_S24 || w->format == VS_FORMAT_F32)
            /* becomes a plain WAV header on closing unless the file has passed 4 GiB */
            return SF_FORMAT_RF64 | raw_subformat(w->format);
        return refuse_writing(w, -EINVAL, "WAV is written as s16, s24 or f32");
    }
    if (strcmp(container, "flac") == 0) {
        if (w->format == VS_FORMAT_S16 || w->format == VS_FORMAT_S24)
            return SF_FORMAT_FLAC | raw_subformat(w->format);
        return refuse_writing(w, -EINVAL, "FLAC is written as s16 or s24");
    }
    return refuse_writing(w, -EINVAL, "audio is written as wav or flac");
}

static int create_file(struct file_writer *w)
{
    int fd = open(w->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666);
    if (fd < 0) {
        int status = -errno;
        vs__log(&w->env->log, VS_LOG_ERROR, "output", "%s: it cannot be written: %s", w->path,
                strerror(-status));
        return status;
    }
    w->fd_plus_one = fd + 1;
    if (lseek(fd, 0, SEEK_CUR) < 0)
        return refuse_writing(w, -ESPIPE,
                              "a header cannot be completed in a pipe; write to a "
                              "file");
    return 0;
}

static int open_writer(void *state, const struct vs_env *env, const char *path,
                       const char *container, uint32_t rate_hz, uint32_t channels, int format)
{
    static SF_VIRTUAL_IO io = {size_of, seek_to, read_back, write_out, tell};
    struct file_writer *w = state;
    SF_INFO info = {.samplerate = (int)rate_hz, .channels = (int)channels};
    int status;
    w->env = env;
    w->path = vs__strdup(path);
    if (!w->path)
        return -ENOMEM;
    w->channels = channels;
    w->format = format;
    if (format == VS_FORMAT_F32 && strcmp(container, "flac") == 0)
        w->format = VS_FORMAT_S16;
    status = vs__capture_check(env, w->path, -EINVAL, rate_hz, channels, w->format);
    if (status < 0)
        return status;
    info.format = choose_container(w, container);
    if (info.format < 0)
        return info.format;
    if (!sf_format_check(&info))
        return refuse_writing(w, -EINVAL, "FLAC takes at most 8 channels; write WAV");
    status = create_file(w);
    if (status < 0)
        return status;
    pthread_mutex_lock(&open_lock);
    w->file = sf_open_virtual(&io, SFM_WRITE, &info, w);
    if (!w->file) {
        status = w->status < 0 ? w->status : -EIO;
        vs__log(&env->log, VS_LOG_ERROR, "output", "%s: it cannot be written: %s", w->path,
                w->status < 0 ? strerror(-w->status) : sf_strerror(NULL));
    }
    pthread_mutex_unlock(&open_lock);
    if (status < 0)
        return status;
    sf_command(w->file, SFC_RF64_AUTO_DOWNGRADE, NULL, SF_TRUE);
    /* That chunk holds the time of day: the same audio would give another file. */
    sf_command(w->file, SFC_SET_ADD_PEAK_CHUNK, NULL, SF_FALSE);
    return 0;
}

/* Nearest integer of `bits`, clipped; not a number becomes silence. */
static int32_t quantise(float sample, int bits)
{
    double full = (double)(1 << (bits - 1));
    double scaled = (double)sample * full;
    if (isnan(sample))
        return 0;
    return (int32_t)lrint(VS__MAX(-full, VS__MIN(scaled, full - 1)));
}

/* At most what `part` holds. @return frames that were written. */
static sf_count_t write_part(struct file_writer *w, const float *audio, size_t frames)
{
    size_t samples = frames * w->channels;
    if (w->format == VS_FORMAT_F32)
        return sf_writef_float(w->file, audio, (sf_count_t)frames);
    /* libsndfile takes the upper bits of an int for a narrower format */
    for (size_t i = 0; i < samples; i++)
        w->part[i] = w->format == VS_FORMAT_S16 ? quantise(audio[i], 16) * (1 << 16)
                                                : quantise(audio[i], 24) * (1 << 8);
    return sf_writef_int(w->file, w->part, (sf_count_t)frames);
}

static int write_writer(void *state, const float *audio, size_t frames)
{
    struct file_writer *w = state;
    size_t most = VS__COUNT(w->part) / w->channels;
    while (frames > 0 && w->status == 0) {
        size_t part = VS__MIN(frames, most);
        if (write_part(w, audio, part) != (sf_count_t)part && w->status == 0)
            w->status = -EIO;
        audio += part * w->channels;
        frames -= part;
    }
    return w->status;
}

static int close_writer(void *state)
{
    struct file_writer *w = state;
    int status;
    if (w->file && sf_close(w->file) != 0 && w->status == 0)
        w->status = -EIO;
    if (w->fd_plus_one > 0 && close(w->fd_plus_one - 1) < 0 && w->status == 0)
        w->status = -errno;
    status = w->status;
    if (w->file && status < 0)
        vs__log(&w->env->log, VS_LOG_ERROR, "output", "%s: it is not complete: %s", w->path,
                strerror(-status));
    vs__free(w->path);
    w->file = NULL;
    w->path = NULL;
    w->fd_plus_one = 0;
    return status;
}

const struct vs_writer_ops vs__save_ops = {
    .abi = VS_BACKEND_ABI,
    .name = "sndfile",
    .state_size = sizeof(struct file_writer),
    .open = open_writer,
    .write = write_writer,
    .close = close_writer,
};
