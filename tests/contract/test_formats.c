/* SPDX-License-Identifier: MIT */
/* Files of every format that libsndfile writes here, at many rates and channel counts, are read as
   libsndfile itself reads them: all frames, all channels, the rate. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sndfile.h>

#include "base/base.h"
#include "capture_host.h"

#define SECONDS 0.25

static const struct vs_capture_ops *file_ops;
static char path[64];

/* A tone of another pitch in each channel; 0.5 of full scale. */
static float tone(size_t frame, int channel, int rate)
{
    return 0.5f * sinf(6.2831853f * (float)(200 + 30 * channel) * (float)frame / (float)rate);
}

/* @return whether libsndfile can write such a file here. */
static bool write_file(int format, int rate, int channels)
{
    SF_INFO info = {.samplerate = rate, .channels = channels, .format = format};
    size_t frames = (size_t)(SECONDS * rate);

    if (!sf_format_check(&info))
        return false;
    float *audio = malloc(frames * (size_t)channels * sizeof(float));
    assert_non_null(audio);
    for (size_t i = 0; i < frames; i++)
        for (int c = 0; c < channels; c++)
            audio[i * (size_t)channels + (size_t)c] = tone(i, c, rate);
    SNDFILE *file = sf_open(path, SFM_WRITE, &info);
    bool written = file && sf_writef_float(file, audio, (sf_count_t)frames) == (sf_count_t)frames;
    if (file)
        written = sf_close(file) == 0 && written;
    free(audio);
    return written;
}

/* What libsndfile reads back: frames times channels floats. */
static float *read_reference(sf_count_t *ret_frames, SF_INFO *info)
{
    SNDFILE *file = sf_open(path, SFM_READ, memset(info, 0, sizeof(*info)));

    if (!file)
        return NULL;
    size_t room = (size_t)(SECONDS * 192000 * 2) * (size_t)info->channels;
    float *audio = calloc(room, sizeof(float));
    assert_non_null(audio);
    *ret_frames = sf_readf_float(file, audio, (sf_count_t)(room / (size_t)info->channels));
    sf_close(file);
    return audio;
}

/* Read by the source and compare. */
static void expect_same(const float *want, sf_count_t frames, const SF_INFO *info)
{
    struct vs_env env = {0};
    struct vs_capture_params params = {.size = sizeof(params), .env = &env, .argument = path};
    struct vs_capture_format got = {.size = sizeof(got)};
    void *state = vs__alloc(file_ops->state_size), *pcm = malloc((size_t)4 * 512 * 32);
    struct vs_capture_stamp stamp;
    sf_count_t at = 0;
    int64_t n;

    assert_non_null(state);
    assert_non_null(pcm);
    assert_int_equal(file_ops->open(state, &params, &got), 0);
    assert_int_equal(got.rate_hz, info->samplerate);
    assert_int_equal(got.channels, info->channels);
    while ((n = file_ops->read(state, pcm, 512, &stamp)) > 0) {
        assert_int_equal(stamp.position, at);
        assert_true(at + n <= frames);
        for (size_t i = 0; i < (size_t)n * got.channels; i++) {
            float x = host_sample(pcm, got.format, i), y = want[(size_t)at * got.channels + i];
            if (fabsf(x - y) >= 1e-6f)
                fprintf(stderr, "# format %x: %g is not %g\n", (unsigned)info->format, (double)x,
                        (double)y);
            assert_true(fabsf(x - y) < 1e-6f);
        }
        at += n;
    }
    if (n != 0 || at != frames)
        fprintf(stderr, "# format %x: %lld of %lld frames\n", (unsigned)info->format, (long long)at,
                (long long)frames);
    assert_int_equal(n, 0);
    assert_int_equal(at, frames);
    file_ops->close(state);
    vs__free(state);
    free(pcm);
}

static void expect_refused(void)
{
    struct vs_env env = {0};
    struct vs_capture_params params = {.size = sizeof(params), .env = &env, .argument = path};
    struct vs_capture_format got = {.size = sizeof(got)};
    void *state = vs__alloc(file_ops->state_size);

    assert_int_equal(file_ops->open(state, &params, &got), -EBADMSG);
    file_ops->close(state);
    vs__free(state);
}

/* @return 1 when the file could be made, and was read well. */
static int try_file(int format, int rate, int channels)
{
    SF_INFO info;
    sf_count_t frames = 0;
    float *want;

    if (!write_file(format, rate, channels) || !(want = read_reference(&frames, &info))) {
        unlink(path);
        return 0;
    }
    assert_true(frames >= (sf_count_t)(SECONDS * rate * 0.9));
    if ((format & SF_FORMAT_TYPEMASK) == SF_FORMAT_SD2)
        expect_refused(); /* what it is stands in a second file, found by its name */
    else if (info.samplerate >= 8000 && info.samplerate <= 192000)
        expect_same(want, frames, &info);
    free(want);
    unlink(path);
    return 1;
}

static void every_format_is_read(void **state)
{
    int majors = 0, subtypes = 0, made = 0;

    (void)state;
    sf_command(NULL, SFC_GET_FORMAT_MAJOR_COUNT, &majors, sizeof(majors));
    sf_command(NULL, SFC_GET_FORMAT_SUBTYPE_COUNT, &subtypes, sizeof(subtypes));
    for (int m = 0; m < majors; m++) {
        SF_FORMAT_INFO major = {.format = m};
        int of_this = 0;
        sf_command(NULL, SFC_GET_FORMAT_MAJOR, &major, sizeof(major));
        for (int s = 0; s < subtypes; s++) {
            SF_FORMAT_INFO subtype = {.format = s};
            sf_command(NULL, SFC_GET_FORMAT_SUBTYPE, &subtype, sizeof(subtype));
            int format = (major.format & SF_FORMAT_TYPEMASK) | (subtype.format & SF_FORMAT_SUBMASK);
            of_this += try_file(format, 48000, 1) + try_file(format, 16000, 2);
        }
        fprintf(stderr, "# %s: %d files\n", major.name, of_this);
        made += of_this;
    }
    assert_true(made > 50);
}

static void rates_and_channels_are_kept(void **state)
{
    static const int rates[] = {8000, 11025, 22050, 44100, 96000, 192000};
    static const int channels[] = {1, 2, 3, 6, 8, 32};

    (void)state;
    for (size_t r = 0; r < VS__COUNT(rates); r++)
        for (size_t c = 0; c < VS__COUNT(channels); c++) {
            assert_int_equal(try_file(SF_FORMAT_WAV | SF_FORMAT_PCM_16, rates[r], channels[c]), 1);
            assert_int_equal(try_file(SF_FORMAT_W64 | SF_FORMAT_FLOAT, rates[r], channels[c]), 1);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_is_read),
        cmocka_unit_test(rates_and_channels_are_kept),
    };
    char folder[] = "/tmp/voicestand-formats-XXXXXX";
    const struct vs_module *module = host_module("sndfile");

    if (!module || !mkdtemp(folder))
        return 1;
    file_ops = module->capture;
    snprintf(path, sizeof(path), "%s/a", folder);
    int failed = cmocka_run_group_tests_name("formats", tests, NULL, NULL);
    snprintf(path, sizeof(path), "%s/._a", folder); /* of Sound Designer II */
    unlink(path);
    rmdir(folder);
    return failed;
}
