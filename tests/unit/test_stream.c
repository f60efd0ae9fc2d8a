/* SPDX-License-Identifier: MIT */
/* The stream and, through it, the chain: positions, splits, formats, gaps, reset, errors. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <voicestand/voicestand.h>

#include "base/base.h"
#include "fake.h"
#include "fewer.h"

#define SECONDS 6

static float silence[100000];

static struct record *new_record(void)
{
    struct record *r = calloc(1, sizeof(*r));
    assert_non_null(r);
    return r;
}

static struct vs_stream_config config_for(struct record *r, uint32_t rate_hz)
{
    return (struct vs_stream_config){.size = sizeof(struct vs_stream_config),
                                     .rate_hz = rate_hz,
                                     .vad_ops = &fake_vad,
                                     .probabilities = 1,
                                     .audio = VS_AUDIO_SEGMENTS,
                                     .on_event = record_event,
                                     .user = r};
}

/* SECONDS of the fake signal, interleaved in `format`. */
static void *make_audio(uint32_t rate_hz, uint32_t channels, int format)
{
    size_t frames = (size_t)rate_hz * SECONDS, bytes = vs_format_bytes(format);
    unsigned char *audio = malloc(frames * channels * bytes);

    assert_non_null(audio);
    for (size_t i = 0; i < frames * channels; i++) {
        float x = fake_sample(i / channels, rate_hz);
        int32_t s = (int32_t)lrintf(x * 32768.0f) * 65536; /* exact in all formats */
        float f = (float)s / 2147483648.0f;
        int16_t s16 = (int16_t)(s / 65536);
        if (format == VS_FORMAT_F32)
            memcpy(audio + i * bytes, &f, 4);
        else if (format == VS_FORMAT_S32)
            memcpy(audio + i * bytes, &s, 4);
        else if (format == VS_FORMAT_S16)
            memcpy(audio + i * bytes, &s16, 2);
        else
            memcpy(audio + i * bytes, (unsigned char *)&s + 1, 3);
    }
    return audio;
}

/* Push `audio` in pieces of `step` frames (0 = random) and finish. */
static struct record *run_stream(const struct vs_stream_config *config, const void *audio,
                                 size_t frames, size_t step)
{
    struct record *r = config->user;
    size_t frame_bytes =
        vs_format_bytes(config->format) * (config->channels ? config->channels : 1);
    unsigned seed = 7;
    vs_stream *s;

    assert_int_equal(vs_stream_create(config, &s), 0);
    for (size_t at = 0; at < frames;) {
        size_t n = step ? step : (size_t)rand_r(&seed) % 3000;
        n = n < frames - at ? n : frames - at;
        assert_int_equal(vs_stream_push(s, (const char *)audio + at * frame_bytes, n), 0);
        at += n;
    }
    assert_int_equal(vs_stream_finish(s), 0);
    vs_stream_destroy(s);
    return r;
}

static void assert_same(const struct record *a, const struct record *b)
{
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++) {
        assert_int_equal(a->events[i].type, b->events[i].type);
        assert_int_equal(a->events[i].start, b->events[i].start);
        /* where audio stood at START depends on nothing but the audio either */
        assert_int_equal(a->events[i].end, b->events[i].end);
    }
    assert_int_equal(a->audio_frames, b->audio_frames);
    assert_true(a->audio_sum == b->audio_sum);
    assert_int_equal(a->hops, b->hops);
    assert_true(a->probability_sum == b->probability_sum);
    assert_int_equal(a->ledger.residual, 0);
    assert_int_equal(b->ledger.residual, 0);
}

static void finds_bursts_where_they_are(void **state)
{
    static const uint32_t rates[] = {8000, 11025, 16000, 22050, 44100, 48000, 96000, 192000};

    (void)state;
    for (size_t k = 0; k < VS__COUNT(rates); k += ONE_OF(3)) {
        uint32_t rate = rates[k];
        struct record *r = new_record();
        struct vs_stream_config config = config_for(r, rate);
        void *audio = make_audio(rate, 1, VS_FORMAT_F32);
        run_stream(&config, audio, (size_t)rate * SECONDS, 4096);
        assert_int_equal(record_count(r, VS_EVENT_SEGMENT), 3);
        for (size_t n = 0; n < 3; n++) {
            int i = record_find(r, VS_EVENT_SEGMENT, n);
            double start = (double)r->events[i].start / rate, end = (double)r->events[i].end / rate;
            assert_true(fabs(start - (0.94 + 2.0 * (double)n)) < 0.02);
            assert_true(fabs(end - (1.54 + 2.0 * (double)n)) < 0.02);
        }
        assert_int_equal(r->ledger.captured, (uint64_t)rate * SECONDS);
        assert_int_equal(r->ledger.delivered, r->ledger.captured);
        assert_int_equal(r->ledger.residual, 0);
        assert_int_equal(r->hops, SECONDS * 100);
        free(audio);
        free(r);
    }
}

static void any_split_gives_the_same(void **state)
{
    static const uint32_t rates[] = {16000, 48000, 44100};
    static const size_t steps[] = {1, 160, 441, 1024, 100000, 0};

    (void)state;
    for (size_t k = 0; k < VS__COUNT(rates); k += ONE_OF(3)) {
        void *audio = make_audio(rates[k], 1, VS_FORMAT_S16);
        size_t frames = (size_t)rates[k] * SECONDS;
        struct record *first = new_record();
        struct vs_stream_config config = config_for(first, rates[k]);
        config.format = VS_FORMAT_S16;
        run_stream(&config, audio, frames, 333);
        for (size_t j = 0; j < VS__COUNT(steps); j++) {
            struct record *r = new_record();
            config.user = r;
            run_stream(&config, audio, frames, steps[j]);
            assert_same(first, r);
            free(r);
        }
        free(first);
        free(audio);
    }
}

static void enhanced_in_any_split_is_the_same_and_moves_nothing(void **state)
{
    static const uint32_t rates[] = {16000, 48000};
    static const size_t steps[] = {1, 441, 100000, 0};
    static const struct vs_vad_ops *const detectors[] = {&fake_vad, &fake_vad_odd};

    (void)state;
    for (size_t k = 0; k < 4; k++) {
        uint32_t rate = rates[k % 2];
        void *audio = make_audio(rate, 1, VS_FORMAT_S16);
        size_t frames = (size_t)rate * SECONDS - 77;
        struct record *plain = new_record(), *first = new_record();
        struct vs_stream_config config = config_for(plain, rate);
        config.format = VS_FORMAT_S16;
        config.vad_ops = detectors[k / 2];
        run_stream(&config, audio, frames, 333);
        config.enhance = VS_ENHANCE_DENOISE | VS_ENHANCE_LEVEL;
        config.user = first;
        run_stream(&config, audio, frames, 333);
        assert_true(plain->audio_sum != first->audio_sum);
        plain->audio_sum = first->audio_sum;
        assert_same(plain, first);
        for (size_t j = 0; j < VS__COUNT(steps); j++) {
            struct record *r = new_record();
            config.user = r;
            run_stream(&config, audio, frames, steps[j]);
            assert_same(first, r);
            free(r);
        }
        free(first);
        free(plain);
        free(audio);
    }
}

/* All audio of a stream, in its place. */
struct taken {
    float pcm[VS_RATE_HZ * SECONDS];
    size_t frames;
};

static void take_audio(void *user, const struct vs_event *e)
{
    struct taken *t = user;

    if (e->type != VS_EVENT_AUDIO)
        return;
    assert_true(e->audio_position + e->audio_frames <= VS__COUNT(t->pcm));
    assert_int_equal(e->audio_position, t->frames);
    memcpy(t->pcm + e->audio_position, e->audio, e->audio_frames * sizeof(float));
    t->frames += e->audio_frames;
}

static double correlate(const float *a, const float *b, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

static void enhanced_audio_keeps_its_place(void **state)
{
    static struct taken plain, enhanced;
    struct record *r = new_record();
    float *audio = make_audio(16000, 1, VS_FORMAT_F32);
    size_t frames = VS__COUNT(plain.pcm) - 5;

    (void)state;
    for (int flags = VS_ENHANCE_DENOISE; flags <= 3; flags++) {
        struct vs_stream_config config = config_for(r, 16000);
        config.audio = VS_AUDIO_ALL;
        config.on_event = take_audio;
        plain.frames = enhanced.frames = 0;
        config.user = (struct record *)(void *)&plain;
        run_stream(&config, audio, frames, 1000);
        config.enhance = flags;
        config.user = (struct record *)(void *)&enhanced;
        run_stream(&config, audio, frames, 1000);
        assert_int_equal(plain.frames, frames);
        assert_int_equal(enhanced.frames, frames);
        double here = correlate(plain.pcm + 1, enhanced.pcm + 1, frames - 2);
        assert_true(here > correlate(plain.pcm, enhanced.pcm + 1, frames - 2));
        assert_true(here > correlate(plain.pcm + 2, enhanced.pcm + 1, frames - 2));
        for (size_t i = 0; i < frames; i++)
            assert_true(!(flags & VS_ENHANCE_LEVEL) || fabsf(enhanced.pcm[i]) < 0.8913f);
    }
    struct vs_stream_config config = config_for(r, 16000);
    vs_stream *s = NULL;
    config.enhance = 8;
    assert_int_equal(vs_stream_create(&config, &s), -EINVAL);
    free(audio);
    free(r);
}

static void all_formats_and_channels_give_the_same(void **state)
{
    static const uint32_t channels[] = {1, 2, 5, 32};
    struct record *first = NULL;

    (void)state;
    for (size_t k = 0; k < VS__COUNT(channels); k += ONE_OF(2))
        for (int format = VS_FORMAT_F32; format <= VS_FORMAT_S32; format++) {
            struct record *r = new_record();
            struct vs_stream_config config = config_for(r, 48000);
            void *audio = make_audio(48000, channels[k], format);
            config.channels = channels[k];
            config.format = format;
            config.channel = k ? channels[k] : 0; /* all channels are equal */
            run_stream(&config, audio, (size_t)48000 * SECONDS, 480);
            if (first)
                assert_same(first, r);
            free(audio);
            if (!first)
                first = r;
            else
                free(r);
        }
    free(first);
}

static void a_detector_of_other_blocks_decides_all_hops(void **state)
{
    struct record *r = new_record();
    struct vs_stream_config config = config_for(r, 16000);
    void *audio = make_audio(16000, 1, VS_FORMAT_F32);

    (void)state;
    config.vad_ops = &fake_vad_odd;
    run_stream(&config, audio, (size_t)16000 * SECONDS + 0, 1000);
    assert_int_equal(r->hops, SECONDS * 100);
    assert_int_equal(record_count(r, VS_EVENT_SEGMENT), 3);
    int i = record_find(r, VS_EVENT_SEGMENT, 0);
    assert_true(fabs((double)r->events[i].start / 16000 - 0.94) < 0.05);
    free(audio);
    free(r);
}

static void audio_of_segments_is_complete(void **state)
{
    struct record *r = new_record();
    struct vs_stream_config config = config_for(r, 16000);
    void *audio = make_audio(16000, 1, VS_FORMAT_F32);
    uint64_t frames = 0;

    (void)state;
    run_stream(&config, audio, (size_t)16000 * SECONDS, 777);
    for (size_t n = 0; n < 3; n++) {
        int i = record_find(r, VS_EVENT_SEGMENT, n);
        frames += r->events[i].end - r->events[i].start;
    }
    assert_int_equal(r->audio_frames, frames);
    memset(r, 0, sizeof(*r));
    config.audio = VS_AUDIO_ALL;
    run_stream(&config, audio, (size_t)16000 * SECONDS - 13, 777);
    assert_int_equal(r->audio_frames, (uint64_t)16000 * SECONDS - 13);
    free(audio);
    free(r);
}

/* A gap moves what follows by its length: short ones are bridged, long ones end a segment. */
static void gaps_keep_positions(void **state)
{
    static const uint64_t gaps[] = {1, 479, 4800, 9600, 9601, 48000, 480001};

    (void)state;
    for (size_t k = 0; k < VS__COUNT(gaps); k++) {
        struct record *r = new_record();
        struct vs_stream_config config = config_for(r, 48000);
        float *audio = make_audio(48000, 1, VS_FORMAT_F32);
        vs_stream *s;
        assert_int_equal(vs_stream_create(&config, &s), 0);
        assert_int_equal(vs_stream_push(s, audio, 120000), 0); /* 2.5 s */
        assert_int_equal(vs_stream_gap(s, gaps[k]), 0);
        assert_int_equal(vs_stream_push(s, audio + 120000, 168000), 0);
        assert_int_equal(vs_stream_finish(s), 0);
        vs_stream_destroy(s);
        assert_int_equal(record_count(r, VS_EVENT_SEGMENT), 3);
        int gap = record_find(r, VS_EVENT_GAP, 0);
        assert_true(gap >= 0);
        assert_int_equal(r->events[gap].start, 120000);
        assert_int_equal(r->events[gap].end, 120000 + gaps[k]);
        int i = record_find(r, VS_EVENT_SEGMENT, 1);
        double want = 2.94 + (double)gaps[k] / 48000;
        assert_true(fabs((double)r->events[i].start / 48000 - want) < 0.02);
        assert_int_equal(r->ledger.captured, 288000 + gaps[k]);
        assert_int_equal(r->ledger.delivered, 288000);
        assert_int_equal(r->ledger.dropped[VS_DROP_GAP_EXACT], gaps[k]);
        assert_int_equal(r->ledger.residual, 0);
        free(audio);
        free(r);
    }
}

static void a_long_gap_ends_a_segment(void **state)
{
    struct record *r = new_record();
    struct vs_stream_config config = config_for(r, 16000);
    float *audio = make_audio(16000, 1, VS_FORMAT_F32);
    vs_stream *s;

    (void)state;
    assert_int_equal(vs_stream_create(&config, &s), 0);
    assert_int_equal(vs_stream_push(s, audio, 20000), 0); /* 1.25 s: inside the first burst */
    assert_int_equal(vs_stream_gap(s, 100000), 0);
    assert_int_equal(vs_stream_push(s, audio, 8000), 0);
    assert_int_equal(vs_stream_finish(s), 0);
    vs_stream_destroy(s);
    assert_int_equal(record_count(r, VS_EVENT_SEGMENT), 1);
    int i = record_find(r, VS_EVENT_SEGMENT, 0);
    assert_int_equal(r->events[i].end, 20000);
    assert_int_equal(r->ledger.residual, 0);
    free(audio);
    free(r);
}

static void reset_is_as_new(void **state)
{
    struct record *a = new_record(), *b = new_record();
    struct vs_stream_config config = config_for(a, 44100);
    float *audio = make_audio(44100, 1, VS_FORMAT_F32);
    vs_stream *s;

    (void)state;
    run_stream(&config, audio, (size_t)44100 * SECONDS, 500);
    config.user = b;
    assert_int_equal(vs_stream_create(&config, &s), 0);
    assert_int_equal(vs_stream_push(s, audio + 50000, 30007), 0); /* ends inside a burst */
    vs_stream_reset(s);
    memset(b, 0, sizeof(*b));
    assert_int_equal(vs_stream_push(s, audio, (size_t)44100 * SECONDS), 0);
    assert_int_equal(vs_stream_finish(s), 0);
    assert_same(a, b);
    assert_int_equal(vs_stream_push(s, audio, 1), -EALREADY);
    assert_int_equal(vs_stream_finish(s), -EALREADY);
    vs_stream_destroy(s);
    free(audio);
    free(a);
    free(b);
}

static void poison_is_counted_and_heard_by_none(void **state)
{
    struct record *r = new_record();
    struct vs_stream_config config = config_for(r, 16000);
    float *audio = make_audio(16000, 1, VS_FORMAT_F32);

    (void)state;
    config.audio = VS_AUDIO_ALL;
    audio[100] = NAN;
    audio[20000] = INFINITY;
    audio[20001] = -INFINITY;
    run_stream(&config, audio, (size_t)16000 * SECONDS, 160);
    assert_int_equal(r->ledger.poisoned, 3);
    assert_true(isfinite(r->audio_sum));
    free(audio);
    free(r);
}

static void keep_sentence(void *user, int level, const char *topic, const char *message)
{
    (void)level;
    snprintf(user, 256, "%s: %s", topic, message);
}

static void bad_configs_are_refused(void **state)
{
    struct record *r = new_record();
    struct vs_stream_config good = config_for(r, 16000), bad;
    vs_stream *s = NULL;
    char said[256] = "";

    (void)state;
    good.env.log = (struct vs_log){keep_sentence, said};
    assert_int_equal(vs_stream_create(NULL, &s), -EINVAL);
    bad = good, bad.rate_hz = 7999;
    assert_int_equal(vs_stream_create(&bad, &s), -EINVAL);
    bad = good, bad.channels = 33;
    assert_int_equal(vs_stream_create(&bad, &s), -EINVAL);
    bad = good, bad.channels = 2, bad.channel = 3;
    assert_int_equal(vs_stream_create(&bad, &s), -EINVAL);
    bad = good, bad.format = 9;
    assert_int_equal(vs_stream_create(&bad, &s), -EINVAL);
    bad = good, bad.segment.threshold = 1.5f;
    assert_int_equal(vs_stream_create(&bad, &s), -EINVAL);
    bad = good, bad.vad_ops = NULL, bad.vad = "nonsense";
    assert_int_equal(vs_stream_create(&bad, &s), -EINVAL);
    bad = good, bad.env.cpu = "nonsense";
    assert_int_equal(vs_stream_create(&bad, &s), -EINVAL);
    assert_non_null(strstr(said, "kernels \"nonsense\""));
    assert_null(s);
    free(r);
}

static void every_failed_allocation_is_survived(void **state)
{
    struct record *r = new_record();
    struct vs_stream_config config = config_for(r, 44100);
    vs_stream *s = NULL;
    uint32_t n = 1;

    (void)state;
    config.enhance = VS_ENHANCE_DENOISE | VS_ENHANCE_LEVEL;
    for (;; n++) {
        vs__alloc_fail_after(n);
        int rc = vs_stream_create(&config, &s);
        vs__alloc_fail_after(0);
        if (rc == 0)
            break;
        assert_int_equal(rc, -ENOMEM);
        assert_null(s);
        assert_true(n < 100);
    }
    assert_true(n > 5);
    vs_stream_destroy(s);
    free(r);
}

/* It goes on: what its detector failed for is no speech, positions and account stay right. */
static void a_stream_outlives_its_detectors_errors(void **state)
{
    static const size_t pieces[] = {1, 160, 5000, 100000};

    (void)state;
    for (size_t k = 0; k < VS__COUNT(pieces); k++) {
        struct record *r = new_record();
        struct vs_stream_config config = config_for(r, 48000);
        vs_stream *s = NULL;
        int errors = 0;
        fake_vad_fail_after = 50;
        assert_int_equal(vs_stream_create(&config, &s), 0);
        for (size_t at = 0; at < 480000; at += pieces[k]) {
            int rc = vs_stream_push(s, silence, VS__MIN(pieces[k], (size_t)480000 - at));
            assert_true(rc == 0 || rc == -EIO);
            errors += rc < 0;
        }
        assert_true(errors > 0);
        assert_int_equal(vs_stream_gap(s, 48000), -EIO);
        assert_int_equal(vs_stream_finish(s), 0);
        vs_stream_destroy(s);
        fake_vad_fail_after = 0;
        assert_int_equal(r->ledger.captured, 528000);
        assert_int_equal(r->ledger.delivered, 480000);
        assert_int_equal(r->ledger.residual, 0);
        free(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_bursts_where_they_are),
        cmocka_unit_test(any_split_gives_the_same),
        cmocka_unit_test(enhanced_in_any_split_is_the_same_and_moves_nothing),
        cmocka_unit_test(enhanced_audio_keeps_its_place),
        cmocka_unit_test(all_formats_and_channels_give_the_same),
        cmocka_unit_test(a_detector_of_other_blocks_decides_all_hops),
        cmocka_unit_test(audio_of_segments_is_complete),
        cmocka_unit_test(gaps_keep_positions),
        cmocka_unit_test(a_long_gap_ends_a_segment),
        cmocka_unit_test(reset_is_as_new),
        cmocka_unit_test(poison_is_counted_and_heard_by_none),
        cmocka_unit_test(bad_configs_are_refused),
        cmocka_unit_test(a_stream_outlives_its_detectors_errors),
        cmocka_unit_test(every_failed_allocation_is_survived),
    };
    return cmocka_run_group_tests_name("stream", tests, NULL, NULL);
}
