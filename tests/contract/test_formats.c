/* SPDX-License-Identifier: MIT */
/* Files of every format that libsndfile writes here, at many rates and channel counts, are read as
   libsndfile itself reads them: all frames, all channels, the rate. So is Ogg Opus whose pages tell wrong
   times, and MP3 that does not say how long it is. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <ogg/ogg.h>
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
static bool write_file(int format, int rate, int channels, double seconds)
{
    SF_INFO info = {.samplerate = rate, .channels = channels, .format = format};
    size_t frames = (size_t)(seconds * rate);

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

    if (!write_file(format, rate, channels, SECONDS) || !(want = read_reference(&frames, &info))) {
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

/* Adds to what the pages of audio from `first` to `end` say of time, or, with 0, takes these pages out; a negative
   `end` counts from the last. */
static void change_times(int first, int end, int64_t add)
{
    static unsigned char bytes[1 << 20];
    FILE *file = fopen(path, "rb");
    size_t size = file ? fread(bytes, 1, sizeof(bytes), file) : 0;
    int pages = 0, page = -2; /* as two come before those of audio */

    assert_true(file && fclose(file) == 0 && size > 0 && size < sizeof(bytes));
    for (int turn = 0; turn < 2; turn++, page = -2) {
        file = fopen(path, "wb");
        assert_non_null(file);
        for (size_t at = 0, length; at < size; at += length, page++) {
            unsigned char *h = bytes + at;
            size_t header = 27u + h[26];
            uint64_t time = 0;
            length = header;
            for (size_t i = 27; i < header; i++)
                length += h[i];
            bool is_meant = turn == 1 && page >= first && page < (end < 0 ? pages + end : end);
            for (size_t i = 0; i < 8; i++)
                time |= (uint64_t)h[6 + i] << (8 * i);
            for (size_t i = 0; i < 8 && is_meant; i++)
                h[6 + i] = (unsigned char)((time + (uint64_t)add) >> (8 * i));
            ogg_page o = {h, (long)header, h + header, (long)(length - header)};
            ogg_page_checksum_set(&o);
            if (!is_meant || add != 0)
                assert_int_equal(fwrite(h, 1, length, file), length);
        }
        assert_int_equal(fclose(file), 0);
        pages = page;
    }
    assert_true(pages >= 4);
}

static void opus_is_read_whatever_its_pages_say(void **state)
{
    static const struct {
        int first, end;
        int64_t add;
    } cases[] = {{0, 1, 489},   {2, 3, 700},   {2, 3, -700},
                 {0, -1, -300}, {1, 2, 48000}, {3, 4, -200000}};
    SF_INFO info;
    sf_count_t frames = 0;

    (void)state;
    for (size_t i = 0; i < VS__COUNT(cases); i++) {
        if (!write_file(SF_FORMAT_OGG | SF_FORMAT_OPUS, 16000, 2, 4.7))
            skip(); /* libsndfile was built without Opus */
        float *want = read_reference(&frames, &info);
        assert_non_null(want);
        change_times(cases[i].first, cases[i].end, cases[i].add);
        expect_same(want, frames, &info);
        free(want);
        unlink(path);
    }
}

static char said[256]; /* by the source, last */

static void hear(void *user, int level, const char *topic, const char *message)
{
    (void)user;
    (void)level;
    (void)topic;
    snprintf(said, sizeof(said), "%s", message);
}

/* All that the source reads, as floats, in `ret` for `room` of them. @return what reading ended with */
static int64_t read_all(float *ret, size_t room, size_t *ret_frames)
{
    static int32_t pcm[512 * 32];
    struct vs_env env = {.log = {.write = hear}};
    struct vs_capture_params params = {.size = sizeof(params), .env = &env, .argument = path};
    struct vs_capture_format got = {.size = sizeof(got)};
    void *state = vs__alloc(file_ops->state_size);
    struct vs_capture_stamp stamp;
    size_t samples = 0;
    int64_t n;

    assert_non_null(state);
    assert_int_equal(file_ops->open(state, &params, &got), 0);
    while ((n = file_ops->read(state, pcm, 512, &stamp)) > 0)
        for (size_t i = 0; i < (size_t)n * got.channels; i++) {
            assert_true(samples < room);
            ret[samples++] = host_sample(pcm, got.format, i);
        }
    *ret_frames = samples / got.channels;
    file_ops->close(state);
    vs__free(state);
    return n;
}

static void opus_without_a_page_is_damaged(void **state)
{
    static float audio[5 * 16000 * 2];
    size_t frames;

    (void)state;
    if (!write_file(SF_FORMAT_OGG | SF_FORMAT_OPUS, 16000, 2, 4.7))
        skip();
    change_times(2, 3, 0);
    assert_int_equal(read_all(audio, VS__COUNT(audio), &frames), -EBADMSG);
    unlink(path);
}

/* libsndfile drops a packet there, and has forgotten it when it is asked for what comes after. */
static void what_comes_behind_damage_is_read(void **state)
{
    static float audio[5 * 16000 * 2];
    size_t frames;

    (void)state;
    if (!write_file(SF_FORMAT_OGG | SF_FORMAT_OPUS, 16000, 2, 4.7))
        skip();
    change_times(3, 4, -700);
    change_times(1, 2, 0); /* so that times are left as they are */
    assert_int_equal(read_all(audio, VS__COUNT(audio), &frames), -EBADMSG);
    assert_non_null(strstr(said, "damaged after frame"));
    assert_true(frames > 3 * 16000 && frames < 4 * 16000);
    unlink(path);
}

/* Takes out of the first frame of an MP3 file what says how many there are, so that it is one of silence; `after`
   bytes of nothing come behind the last. */
static void hide_length(size_t after)
{
    static unsigned char bytes[1 << 20];
    FILE *file = fopen(path, "rb+");
    size_t size = file ? fread(bytes, 1, sizeof(bytes) - after, file) : 0;

    assert_true(size > 256);
    for (size_t i = 0; i < 256; i++)
        if (memcmp(bytes + i, "Xing", 4) == 0 || memcmp(bytes + i, "Info", 4) == 0)
            memset(bytes + i, 0, 4);
    memset(bytes + size, 0, after);
    rewind(file);
    assert_int_equal(fwrite(bytes, 1, size + after, file), size + after);
    assert_int_equal(fclose(file), 0);
}

/* libsndfile guesses then that there are fewer frames or more, and reads no more than that. */
static void mp3_is_whole_though_it_hides_its_length(void **state)
{
    enum { MPEG = 0x230000, LAYER_III = 0x82 }; /* SF_FORMAT_, since libsndfile 1.1 */
    enum { FRAMES = 75200, MORE = 4000, PART = 1600 };
    static const size_t after[] = {0, 900000};
    static float got[FRAMES + MORE];
    size_t all = 0, sounds = 0;
    sf_count_t read = 0;
    SF_INFO guess;

    (void)state;
    for (size_t i = 0; i < VS__COUNT(after); i++) {
        if (!write_file(MPEG | LAYER_III, 16000, 1, FRAMES / 16000.0))
            skip(); /* libsndfile was built without MP3 */
        hide_length(after[i]);
        free(read_reference(&read, &guess));
        assert_int_equal(read_all(got, VS__COUNT(got), &all), 0);
        fprintf(stderr, "# %zu frames; libsndfile guesses %lld\n", all, (long long)guess.frames);
        assert_true((i == 0) == (guess.frames < FRAMES)); /* or this shows nothing */
        /* with a frame of silence, and what the encoder needs to begin and to end */
        assert_true(all >= FRAMES && all < FRAMES + MORE);
        sounds = 0;
        for (size_t at = 0; at + PART <= all; at += PART) {
            double power = 0;
            for (size_t k = 0; k < PART; k++)
                power += (double)(got[at + k] * got[at + k]) / PART;
            sounds += power > 0.12 && power < 0.13; /* of a tone of 0.5: 0.125 */
        }
        assert_true(sounds >= FRAMES / PART - 2);
        unlink(path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_format_is_read),
        cmocka_unit_test(rates_and_channels_are_kept),
        cmocka_unit_test(opus_is_read_whatever_its_pages_say),
        cmocka_unit_test(opus_without_a_page_is_damaged),
        cmocka_unit_test(what_comes_behind_damage_is_read),
        cmocka_unit_test(mp3_is_whole_though_it_hides_its_length),
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
