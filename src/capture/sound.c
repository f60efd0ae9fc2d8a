/* SPDX-License-Identifier: MIT */
/* Reading by libsndfile. Rates, channels and lengths that a file claims are judged by whoever asked. */
#include "capture/sound.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sndfile.h>

#include <voicestand/base.h>

#include "capture/mpeg.h"
#include "capture/opus_times.h"

enum { MPEG = 0x230000 }; /* SF_FORMAT_MPEG, since libsndfile 1.1 */

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

static void refuse(struct vs__sound_head *ret)
{
    switch (sf_error(NULL)) {
    case SF_ERR_UNRECOGNISED_FORMAT:
        ret->status = -EBADMSG;
        snprintf(ret->why, sizeof(ret->why),
                 "it is not an audio file of a kind that libsndfile reads; "
                 "convert it to WAV or FLAC");
        break;
    case SF_ERR_UNSUPPORTED_ENCODING:
        ret->status = -ENOTSUP;
        snprintf(ret->why, sizeof(ret->why),
                 "libsndfile cannot decode it; convert it to WAV or FLAC");
        break;
    default:
        ret->status = -EBADMSG;
        snprintf(ret->why, sizeof(ret->why), "it is damaged or not audio: %s", sf_strerror(NULL));
    }
}

/* Formats that cannot seek are read up to there. @return frames that were skipped. */
static uint64_t skip(const struct vs__sound *s, const SF_INFO *info, uint64_t frames)
{
    short part[4096];
    sf_count_t most = (sf_count_t)(sizeof(part) / sizeof(part[0])) / info->channels, got = 1;
    uint64_t done = 0;

    if (s->mpeg != NULL)
        return vs__mpeg_seek(s->mpeg, frames);
    if (info->seekable) {
        uint64_t last = info->frames > 0 ? (uint64_t)info->frames : 0;
        sf_count_t at = sf_seek(s->file, (sf_count_t)(frames < last ? frames : last), SEEK_SET);
        return at > 0 ? (uint64_t)at : 0;
    }
    while (done < frames && got > 0 && most > 0) {
        uint64_t left = frames - done;
        got = sf_readf_short(s->file, part, left < (uint64_t)most ? (sf_count_t)left : most);
        done += got > 0 ? (uint64_t)got : 0;
    }
    return done;
}

void vs__sound_open(struct vs__sound *s, int fd, const struct vs__sound_ask *ask,
                    struct vs__sound_head *ret)
{
    SF_INFO info = {0};

    if (ask->raw) {
        info.samplerate = (int)ask->rate_hz;
        info.channels = (int)ask->channels;
        info.format = SF_FORMAT_RAW | SF_ENDIAN_CPU | raw_subformat(ask->format);
    }
    s->fd_plus_one = fd + 1;
    if (!ask->raw && (s->times = vs__opus_times_find(fd)) != NULL)
        s->file = sf_open_virtual(&vs__opus_times_io, SFM_READ, &info, s->times);
    else
        s->file = sf_open_fd(fd, SFM_READ, &info, SF_FALSE);
    if (s->file == NULL) {
        refuse(ret);
        return;
    }
    s->format = choose_format(info.format);
    ret->format = s->format;
    ret->rate_hz = info.samplerate > 0 ? (uint32_t)info.samplerate : 0;
    ret->channels = info.channels > 0 ? (uint32_t)info.channels : 0;
    if (info.frames > 0 && info.frames < SF_COUNT_MAX)
        ret->total = (uint64_t)info.frames;
    if ((info.format & SF_FORMAT_TYPEMASK) == MPEG && !vs__mpeg_tells_length(fd))
        s->mpeg = vs__mpeg_open(fd, &ret->total);
    if (ask->start_s > 0 && ret->rate_hz > 0 && ret->channels > 0)
        ret->first = skip(s, &info, vs__sound_first(ask->start_s, ret->rate_hz));
    s->position = ret->first;
}

static sf_count_t read_some(struct vs__sound *s, void *pcm, size_t frames)
{
    if (s->mpeg != NULL)
        return vs__mpeg_read(s->mpeg, pcm, frames);
    if (s->format == VS_FORMAT_S16)
        return sf_readf_short(s->file, pcm, (sf_count_t)frames);
    if (s->format == VS_FORMAT_S32)
        return sf_readf_int(s->file, pcm, (sf_count_t)frames);
    return sf_readf_float(s->file, pcm, (sf_count_t)frames);
}

/* What is damaged is left out: behind it there may be more. */
int64_t vs__sound_read(struct vs__sound *s, void *pcm, size_t frames)
{
    enum { MOST_TRIES = 1000 }; /* of which none gives anything */

    for (unsigned i = 0; i < MOST_TRIES; i++) {
        sf_count_t got = read_some(s, pcm, frames);
        int error = sf_error(s->file);

        got = got > 0 ? got : 0;
        s->position += (uint64_t)got;
        if (error != SF_ERR_NO_ERROR && s->error == SF_ERR_NO_ERROR) {
            s->error = error;
            s->damaged_at = s->position;
        }
        if (got > 0 || error == SF_ERR_NO_ERROR)
            return got;
    }
    return 0;
}

void vs__sound_end(const struct vs__sound *s, struct vs__sound_head *ret)
{
    const char *why = sf_error_number(s->error);
    size_t length;

    if (s->error == SF_ERR_NO_ERROR)
        return;
    if (strncmp(why, "Error : ", 8) == 0)
        why += 8;
    length = strlen(why);
    if (length > 0 && why[length - 1] == '.')
        length--;
    ret->status = -EBADMSG;
    ret->first = s->damaged_at;
    snprintf(ret->why, sizeof(ret->why), "%.*s", (int)length, why);
}

void vs__sound_close(struct vs__sound *s)
{
    vs__mpeg_close(s->mpeg);
    if (s->file != NULL)
        sf_close(s->file);
    if (s->fd_plus_one > 0)
        close(s->fd_plus_one - 1);
    vs__opus_times_free(s->times);
    *s = (struct vs__sound){0};
}
