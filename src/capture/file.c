/* SPDX-License-Identifier: MIT */
/* The sndfile module: "file:PATH" reads, and the writer makes, audio files with libsndfile. The
   only file that includes its header. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sndfile.h>

#include "base/base.h"
#include "capture/check.h"
#include "capture/wav.h"

/* libsndfile keeps the error of a failed open in one variable for the whole process. */
static pthread_mutex_t open_lock = PTHREAD_MUTEX_INITIALIZER;

/* reading ----------------------------------------------------------------------------------- */

struct file_source {
    const struct vs_env *env;
    char *path;
    SNDFILE *file;
    int format;
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
    struct stat about;
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

/* libsndfile reads a WAV file that was cut off as if it had always been so short. */
static bool is_cut_wav(int fd, off_t bytes)
{
    static const struct vs_env silent;
    struct walk walk = {.fd = fd};
    struct vs__wav wav;
    if (vs__wav_read_header(&silent, "", fetch_at, &walk, &wav) < 0 || !wav.length_is_certain)
        return false;
    return wav.data_bytes > (uint64_t)(bytes - walk.at);
}

static int raw_subformat(int format)
{
    switch (format) {
    case VS_FORMAT_S16:
        return SF_FORMAT_PCM_16;
    case VS_FORMAT_S24:
        return SF_FORMAT_PCM_24;
    case VS_FORMAT_S32:
        return SF_FORMAT_PCM_32;
    default:
        return SF_FORMAT_FLOAT;
    }
}

/* What keeps every bit that the file has. */
static int choose_format(int format)
{
    if ((format & SF_FORMAT_TYPEMASK) == SF_FORMAT_SDS)
        return VS_FORMAT_F32; /* it stores more bits than its format says */
    switch (format & SF_FORMAT_SUBMASK) {
    case SF_FORMAT_PCM_S8:
    case SF_FORMAT_PCM_U8:
    case SF_FORMAT_PCM_16:
    case SF_FORMAT_ULAW:
    case SF_FORMAT_ALAW:
    case SF_FORMAT_IMA_ADPCM:
    case SF_FORMAT_MS_ADPCM:
    case SF_FORMAT_GSM610:
    case SF_FORMAT_VOX_ADPCM:
    case SF_FORMAT_ALAC_16:
        return VS_FORMAT_S16;
    case SF_FORMAT_PCM_32:
    case SF_FORMAT_ALAC_32:
        return VS_FORMAT_S32;
    default: /* 24 bits fit a float */
        return VS_FORMAT_F32;
    }
}

/* Takes `fd` over in any case. */
static int open_sound(struct file_source *s, int fd, SF_INFO *info)
{
    int status = 0;
    bool is_raw = info->format != 0;
    pthread_mutex_lock(&open_lock);
    s->file = sf_open_fd(fd, SFM_READ, info, SF_TRUE);
    /* Sound Designer II keeps what it is in a second file, which libsndfile finds by the name. */
    if (!s->file && !is_raw && sf_error(NULL) != SF_ERR_SYSTEM)
        s->file = sf_open(s->path, SFM_READ, memset(info, 0, sizeof(*info)));
    if (!s->file) {
        switch (sf_error(NULL)) {
        case SF_ERR_UNRECOGNISED_FORMAT:
            status = refuse(s, -EBADMSG,
                            "it is not an audio file of a kind that libsndfile reads; "
                            "convert it to WAV or FLAC");
            break;
        case SF_ERR_UNSUPPORTED_ENCODING:
            status = refuse(s, -ENOTSUP, "libsndfile cannot decode it; convert it to WAV or FLAC");
            break;
        default:
            vs__log(&s->env->log, VS_LOG_ERROR, "capture", "%s: it is damaged or not audio: %s",
                    s->path, sf_strerror(NULL));
            status = -EBADMSG;
        }
    }
    pthread_mutex_unlock(&open_lock);
    return status;
}

/* Formats that cannot seek are read up to there. @return frames that were skipped. */
static uint64_t skip(struct file_source *s, const SF_INFO *info, uint64_t frames)
{
    short part[4096];
    sf_count_t most = (sf_count_t)(VS__COUNT(part) / (size_t)info->channels), got = 1;
    uint64_t done = 0;
    if (info->seekable) {
        sf_count_t at = sf_seek(s->file, (sf_count_t)VS__MIN(frames, s->total), SEEK_SET);
        return at > 0 ? (uint64_t)at : 0;
    }
    while (done < frames && got > 0) {
        got = sf_readf_short(s->file, part, VS__MIN(most, (sf_count_t)(frames - done)));
        done += (uint64_t)VS__MAX(got, 0);
    }
    return done;
}

/* Where the part that was asked for begins and ends. */
static int choose_part(struct file_source *s, const struct vs_capture_params *params,
                       const SF_INFO *info)
{
    double rate_hz = info->samplerate, most = 9e15 / rate_hz;
    if (!(params->start_s >= 0 && params->start_s <= most && params->length_s >= 0 &&
          params->length_s <= most))
        return refuse(s, -EINVAL, "a part of it begins at 0 s or later and is not endless");
    s->first = (uint64_t)llround(params->start_s * rate_hz);
    if (params->length_s > 0)
        s->limit = (uint64_t)VS__MAX(llround(params->length_s * rate_hz), 1);
    if (s->first > 0 && (skip(s, info, s->first) < s->first || s->first == s->total)) {
        vs__log(&s->env->log, VS_LOG_ERROR, "capture",
                "%s: it ends before %.3f s, where the part that was asked for begins", s->path,
                params->start_s);
        return -EINVAL;
    }
    if (s->total > 0)
        s->total -= s->first;
    if (s->limit > 0 && s->total > 0)
        s->total = VS__MIN(s->total, s->limit);
    return 0;
}

static int open_file(void *state, const struct vs_capture_params *params,
                     struct vs_capture_format *ret)
{
    struct file_source *s = state;
    SF_INFO info = {0};
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
        info.samplerate = (int)params->rate_hz;
        info.channels = (int)params->channels;
        info.format = SF_FORMAT_RAW | SF_ENDIAN_CPU | raw_subformat(params->format);
    }
    fd = open_regular(s, &bytes);
    if (fd < 0)
        return fd;
    s->is_cut = !params->raw && is_cut_wav(fd, bytes);
    status = open_sound(s, fd, &info);
    if (status < 0)
        return status;
    s->format = choose_format(info.format);
    status = vs__capture_check(s->env, s->path, -EBADMSG, (uint64_t)VS__MAX(info.samplerate, 0),
                               (uint64_t)VS__MAX(info.channels, 0), s->format);
    if (status < 0)
        return status;
    if (info.frames > 0 && info.frames < SF_COUNT_MAX)
        s->total = (uint64_t)info.frames;
    status = choose_part(s, params, &info);
    if (status < 0)
        return status;
    ret->rate_hz = (uint32_t)info.samplerate;
    ret->channels = (uint32_t)info.channels;
    ret->format = s->format;
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
    if (sf_error(s->file) != SF_ERR_NO_ERROR) {
        vs__log(&s->env->log, VS_LOG_ERROR, "capture",
                "%s: it is damaged after frame %" PRIu64 ": %s; what came before was used", s->path,
                s->first + s->position, sf_strerror(s->file));
        return -EBADMSG;
    }
    if (s->is_cut || s->position < s->total) {
        vs__log(&s->env->log, VS_LOG_ERROR, "capture",
                "%s: it is cut off after frame %" PRIu64 "; what came before was used", s->path,
                s->first + s->position);
        return -EBADMSG;
    }
    return 0;
}

static int64_t read_file(void *state, void *pcm, size_t frames, struct vs_capture_stamp *ret)
{
    struct file_source *s = state;
    sf_count_t got;
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
    if (s->format == VS_FORMAT_S16)
        got = sf_readf_short(s->file, pcm, (sf_count_t)frames);
    else if (s->format == VS_FORMAT_S32)
        got = sf_readf_int(s->file, pcm, (sf_count_t)frames);
    else
        got = sf_readf_float(s->file, pcm, (sf_count_t)frames);
    if (got <= 0)
        return end_file(s);
    *ret = (struct vs_capture_stamp){.position = s->position};
    s->position += (uint64_t)got;
    return got;
}

static void cancel_file(void *state)
{
    struct file_source *s = state;
    atomic_store_explicit(&s->cancelled, true, memory_order_relaxed);
}

static void close_file(void *state)
{
    struct file_source *s = state;
    if (s->file)
        sf_close(s->file);
    vs__free(s->path);
    s->file = NULL;
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

/* writing ----------------------------------------------------------------------------------- */

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
    struct stat about;
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

static const struct vs_writer_ops writer_ops = {
    .abi = VS_BACKEND_ABI,
    .name = "sndfile",
    .state_size = sizeof(struct file_writer),
    .open = open_writer,
    .write = write_writer,
    .close = close_writer,
};

extern const struct vs_module vs_module_entry;
VS_API const struct vs_module vs_module_entry = {
    .abi = VS_BACKEND_ABI,
    .capture = &file_ops,
    .writer = &writer_ops,
};
