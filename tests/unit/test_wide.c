/* SPDX-License-Identifier: MIT */
/* Enhanced audio at the rate and with the channels of the source, through the stream. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <voicestand/voicestand.h>

#include "base/base.h"
#include "fake.h"
#include "fewer.h"

#define SECONDS 3
#define MOST    ((size_t)192000 * SECONDS * 2)

static float in[MOST], in_between[MOST];

/* What AUDIO events gave. */
struct heard {
    float *audio, *plain;
    size_t frames;
    uint32_t rate_hz, channels;
    uint64_t first;
    size_t jumps;
    uint64_t next;
    float least_limit_db;
};

static struct heard *new_heard(void)
{
    struct heard *h = calloc(1, sizeof(*h));

    assert_non_null(h);
    h->audio = malloc(MOST * sizeof(float));
    h->plain = malloc(MOST * sizeof(float));
    assert_non_null(h->audio);
    assert_non_null(h->plain);
    return h;
}

static void free_heard(struct heard *h)
{
    free(h->audio);
    free(h->plain);
    free(h);
}

static void on_event(void *user, const struct vs_event *e)
{
    struct heard *h = user;

    if (e->type != VS_EVENT_AUDIO)
        return;
    if (h->frames == 0)
        h->first = e->audio_position;
    else
        h->jumps += e->audio_position != h->next;
    h->rate_hz = e->audio_rate_hz;
    h->channels = e->audio_channels;
    h->least_limit_db = fminf(h->least_limit_db, e->limit_db);
    size_t at = h->frames * e->audio_channels, n = e->audio_frames * e->audio_channels;
    assert_true(at + n <= MOST);
    memcpy(h->audio + at, e->audio, n * sizeof(float));
    if (e->audio_plain)
        memcpy(h->plain + at, e->audio_plain, n * sizeof(float));
    h->frames += e->audio_frames;
    h->next = e->audio_position + e->audio_frames;
}

static struct vs_stream_config config_for(struct heard *h, uint32_t rate_hz, uint32_t channels)
{
    return (struct vs_stream_config){.size = sizeof(struct vs_stream_config),
                                     .rate_hz = rate_hz,
                                     .channels = channels,
                                     .vad = "energy",
                                     .audio = VS_AUDIO_WIDE,
                                     .on_event = on_event,
                                     .user = h};
}

static float draw(void)
{
    static uint32_t bits = 1;
    bits = bits * 1664525u + 1013904223u;
    return (float)(int32_t)bits * 0x1p-31f;
}

/* Bursts of a voice's tones over noise, the second channel at half of the first. */
static void make_input(uint32_t rate_hz, uint32_t channels)
{
    for (size_t i = 0; i < (size_t)rate_hz * SECONDS; i++) {
        double t = (double)i / rate_hz, x = 0;
        for (int k = 1; k <= 12; k++)
            x += sin(2 * 3.14159265358979 * 140 * k * t + k) / k;
        float y = (float)(fmod(t, 0.8) < 0.5 ? 0.05 * x : 0) + 0.001f * draw();
        for (uint32_t c = 0; c < channels; c++)
            in[i * channels + c] = y / (float)(c + 1);
    }
}

static void run(const struct vs_stream_config *config, size_t step, int64_t *ret_delay_ns)
{
    size_t frames = (size_t)config->rate_hz * SECONDS;
    struct vs_stats stats = {.size = sizeof(stats)};
    vs_stream *s;

    assert_int_equal(vs_stream_create(config, &s), 0);
    for (size_t at = 0, n = step; at<frames; at += n, n = step> 1 ? n * 7 % 1009 + 1 : 1) {
        n = VS__MIN(n, frames - at);
        assert_int_equal(vs_stream_push(s, in + at * config->channels, n), 0);
    }
    assert_int_equal(vs_stream_finish(s), 0);
    vs_stream_stats(s, &stats);
    if (ret_delay_ns)
        *ret_delay_ns = stats.audio_delay_ns;
    vs_stream_destroy(s);
}

static const uint32_t rates[] = {8000, 11025, 16000, 22050, 44100, 48000, 192000};

static void what_is_not_changed_is_the_same_bit_by_bit(void **state)
{
    (void)state;
    for (size_t r = 0; r < VS__COUNT(rates); r += ONE_OF(3))
        for (uint32_t channels = 1; channels <= 2; channels++) {
            struct heard *h = new_heard();
            struct vs_stream_config config = config_for(h, rates[r], channels);
            config.high_pass_hz = -1;
            make_input(rates[r], channels);
            run(&config, 500, NULL);
            assert_int_equal(h->frames, (size_t)rates[r] * SECONDS);
            assert_int_equal(h->rate_hz, rates[r]);
            assert_int_equal(h->channels, channels);
            assert_int_equal(h->first + h->jumps, 0);
            assert_memory_equal(h->plain, in, h->frames * channels * sizeof(float));
            assert_memory_equal(h->audio, in, h->frames * channels * sizeof(float));
            free_heard(h);
        }
}

static void any_split_gives_the_same(void **state)
{
    (void)state;
    for (size_t r = 0; r < VS__COUNT(rates); r += ONE_OF(3)) {
        struct heard *a = new_heard(), *b = new_heard();
        struct vs_stream_config config = config_for(a, rates[r], 2);
        config.enhance = VS_ENHANCE_DENOISE | VS_ENHANCE_LEVEL;
        config.audio_rate_hz = r % 2 ? 0 : 32000;
        config.vad_ops = r % 3 ? NULL : &fake_vad_odd;
        make_input(rates[r], 2);
        for (size_t i = 0; i < (size_t)rates[r] * 2; i++)
            in[i] *= i > rates[r] ? 20 : 1; /* so that the limiter works too */
        run(&config, (size_t)1 << 30, NULL);
        config.user = b;
        run(&config, rates[r] < 48000 ? 1 : 3, NULL);
        uint32_t out_hz = config.audio_rate_hz ? config.audio_rate_hz : rates[r];
        assert_int_equal(a->frames, (size_t)out_hz * SECONDS);
        assert_int_equal(a->frames, b->frames);
        assert_true(a->least_limit_db < -3);
        assert_memory_equal(a->audio, b->audio, a->frames * 2 * sizeof(float));
        free_heard(a);
        free_heard(b);
    }
}

/* The same but for the limiter, which sees ahead here, and for rounding: the ways to 16 kHz round
   differently, and the gain rule follows that, 90 dB below full scale. */
static void at_16_khz_it_is_the_audio_of_other_events(void **state)
{
    static const int parts[] = {VS_ENHANCE_DENOISE, VS_ENHANCE_DENOISE | VS_ENHANCE_LEVEL};

    (void)state;
    for (size_t k = 0; k < VS__COUNT(parts); k++) {
        struct heard *wide = new_heard(), *all = new_heard();
        struct vs_stream_config config = config_for(wide, 48000, 2);
        make_input(48000, 2);
        config.enhance = parts[k];
        config.audio_rate_hz = 16000;
        config.audio_channels = 1;
        run(&config, 480, NULL);
        config.audio = VS_AUDIO_ALL;
        config.user = all;
        run(&config, 480, NULL);
        assert_int_equal(wide->frames, all->frames);
        assert_int_equal(all->channels, 1);
        for (size_t i = 0; i < all->frames; i++)
            assert_true(fabsf(wide->audio[i] - all->audio[i]) < (k ? 1e-3f : 3e-5f));
        free_heard(wide);
        free_heard(all);
    }
}

/* One gain for both channels, also in the limiter; and none passes the ceiling. */
static void the_image_does_not_wander(void **state)
{
    struct heard *h = new_heard();
    struct vs_stream_config config = config_for(h, 48000, 2);

    (void)state;
    make_input(48000, 2);
    for (size_t i = 0; i < (size_t)48000 * SECONDS * 2; i++)
        in[i] *= i % 9600 < 200 ? 30 : 5;
    config.enhance = VS_ENHANCE_LEVEL;
    config.high_pass_hz = -1;
    run(&config, 480, NULL);
    assert_true(h->least_limit_db < -3);
    for (size_t i = 0; i < h->frames; i++) {
        assert_true(fabsf(h->audio[2 * i]) <= 0.8913f);
        assert_true(fabsf(h->audio[2 * i + 1] - 0.5f * h->audio[2 * i]) < 1e-5f);
    }
    free_heard(h);
}

static double power_at(const float *x, size_t frames, double hz, double rate_hz)
{
    double re = 0, im = 0;

    for (size_t i = 0; i < frames; i++) {
        double at = 2 * 3.14159265358979 * hz * (double)i / rate_hz;
        re += (double)x[i] * cos(at);
        im += (double)x[i] * sin(at);
    }
    return 10 * log10((re * re + im * im) * 4 / ((double)frames * (double)frames) + 1e-20);
}

static double noise_db(const float *x, size_t frames)
{
    double sum = 1e-20;

    for (size_t i = 1; i < frames; i++)
        sum += ((double)x[i] - (double)x[i - 1]) * ((double)x[i] - (double)x[i - 1]);
    return 10 * log10(sum / (double)frames);
}

/* Above 8 kHz a tone stays where nothing takes it for noise, and hiss goes with that below. */
static void what_lies_above_8_khz_is_kept_or_goes_with_what_lies_below(void **state)
{
    struct heard *h = new_heard();
    struct vs_stream_config config = config_for(h, 48000, 1);
    const size_t frames = (size_t)48000 * SECONDS;

    (void)state;
    for (size_t i = 0; i < frames; i++)
        in[i] = 0.1f * (float)sin(2 * 3.14159265358979 * 12000 * (double)i / 48000);
    run(&config, 480, NULL); /* the high-pass alone */
    assert_true(
        fabs(power_at(h->audio, frames, 12000, 48000) - power_at(in, frames, 12000, 48000)) < 0.01);
    for (size_t i = 0; i < frames; i++)
        in[i] = 0.02f * draw();
    h->frames = 0;
    config.enhance = VS_ENHANCE_DENOISE;
    run(&config, 480, NULL);
    size_t late = frames / 2; /* differences of neighbours: mostly what lies above 8 kHz */
    assert_true(noise_db(h->audio + late, frames - late) < noise_db(in + late, frames - late) - 12);
    free_heard(h);
}

/* Pushed frame by frame, no frame comes later than is said, and the worst almost as late. */
static void it_comes_as_late_as_it_says(void **state)
{
    static const int parts[] = {0, VS_ENHANCE_LEVEL, VS_ENHANCE_LEVEL | VS_ENHANCE_DENOISE};

    (void)state;
    for (size_t k = 0; k < VS__COUNT(parts) * 3; k++) {
        static const uint32_t some_hz[] = {16000, 44100, 48000};
        uint32_t rate_hz = some_hz[k % 3];
        struct heard *h = new_heard();
        struct vs_stream_config config = config_for(h, rate_hz, 1);
        struct vs_stats stats = {.size = sizeof(stats)};
        vs_stream *s;
        size_t most = 0;

        config.enhance = parts[k / 3];
        config.vad_ops = k % 3 == 1 ? &fake_vad_odd : NULL; /* blocks of 512, 200 late */
        make_input(rate_hz, 1);
        assert_int_equal(vs_stream_create(&config, &s), 0);
        for (size_t i = 0; i < rate_hz; i++) {
            assert_int_equal(vs_stream_push(s, in + i, 1), 0);
            most = VS__MAX(most, i + 1 - h->frames);
        }
        vs_stream_stats(s, &stats);
        vs_stream_destroy(s);
        double said = (double)stats.audio_delay_ns * rate_hz / 1e9;
        assert_true((double)most <= said + 1);
        assert_true((double)most > said - 0.003 * rate_hz);
        free_heard(h);
    }
}

/* The account counts a poisoned sample once; nothing of it comes out. */
static void poison_stays_out(void **state)
{
    struct heard *h = new_heard();
    struct vs_stream_config config = config_for(h, 48000, 2);
    struct vs_stats stats = {.size = sizeof(stats)};
    vs_stream *s;

    (void)state;
    make_input(48000, 2);
    config.enhance = VS_ENHANCE_LEVEL | VS_ENHANCE_DENOISE;
    in[1000] = NAN;
    in[20001] = -INFINITY;
    in[20002] = 1e30f;
    assert_int_equal(vs_stream_create(&config, &s), 0);
    assert_int_equal(vs_stream_push(s, in, 48000), 0);
    assert_int_equal(vs_stream_gap(s, 100), 0);   /* bridged */
    assert_int_equal(vs_stream_gap(s, 96000), 0); /* begins anew */
    assert_int_equal(vs_stream_push(s, in + 2, 4800), 0);
    assert_int_equal(vs_stream_finish(s), 0);
    vs_stream_stats(s, &stats);
    assert_int_equal(stats.ledger.poisoned, 4);
    assert_int_equal(stats.ledger.residual, 0);
    assert_int_equal(h->frames, 48000 + 100 + 4800);
    assert_int_equal(h->jumps, 1);
    assert_int_equal(h->next, 48000 + 100 + 96000 + 4800);
    for (size_t i = 0; i < h->frames * 2; i++)
        assert_true(isfinite(h->audio[i]) && isfinite(h->plain[i]));
    vs_stream_destroy(s);
    free_heard(h);
}

static void a_reset_stream_is_as_new(void **state)
{
    struct heard *a = new_heard(), *b = new_heard();
    struct vs_stream_config config = config_for(a, 44100, 2);
    vs_stream *s;

    (void)state;
    make_input(44100, 2);
    config.enhance = VS_ENHANCE_LEVEL | VS_ENHANCE_DENOISE;
    run(&config, 500, NULL);
    config.user = b;
    assert_int_equal(vs_stream_create(&config, &s), 0);
    assert_int_equal(vs_stream_push(s, in + 4000, 60007), 0);
    vs_stream_reset(s);
    b->frames = b->jumps = 0;
    assert_int_equal(vs_stream_push(s, in, (size_t)44100 * SECONDS), 0);
    assert_int_equal(vs_stream_finish(s), 0);
    vs_stream_destroy(s);
    assert_int_equal(a->frames, b->frames);
    assert_int_equal(b->first + b->jumps, 0);
    assert_memory_equal(a->audio, b->audio, a->frames * 2 * sizeof(float));
    free_heard(a);
    free_heard(b);
}

static void every_format_and_odd_address_gives_the_same(void **state)
{
    struct heard *h = new_heard();
    static int16_t small[48000 * 2 + 1];
    struct vs_stream_config config = config_for(h, 48000, 2);
    vs_stream *s;

    (void)state;
    make_input(48000, 2);
    config.high_pass_hz = -1;
    config.format = VS_FORMAT_S16;
    for (size_t i = 0; i < (size_t)48000 * 2; i++) {
        int16_t x = (int16_t)(in[i] * 20000);
        in_between[i] = (float)x / 32768 + 0.0f; /* gcc truncates without an integer: to -0 */
        memcpy((char *)small + 1 + 2 * i, &x, 2);
    }
    assert_int_equal(vs_stream_create(&config, &s), 0);
    assert_int_equal(vs_stream_push(s, (char *)small + 1, 48000), 0);
    assert_int_equal(vs_stream_finish(s), 0);
    vs_stream_destroy(s);
    assert_memory_equal(h->audio, in_between, (size_t)48000 * 2 * sizeof(float));
    free_heard(h);
}

static void bad_wishes_are_refused(void **state)
{
    struct heard *h = new_heard();
    struct vs_stream_config config = config_for(h, 48000, 4), bad;
    vs_stream *s = NULL;
    uint32_t n = 1;

    (void)state;
    bad = config, bad.audio_rate_hz = 7999;
    assert_int_equal(vs_stream_create(&bad, &s), -EINVAL);
    bad = config, bad.audio_channels = 2;
    assert_int_equal(vs_stream_create(&bad, &s), -EINVAL);
    bad = config, bad.channel = 2, bad.audio_channels = 4;
    assert_int_equal(vs_stream_create(&bad, &s), -EINVAL);
    config.enhance = VS_ENHANCE_DENOISE | VS_ENHANCE_LEVEL;
    config.audio_rate_hz = 44100;
    for (;; n++) {
        vs__alloc_fail_after(n);
        int rc = vs_stream_create(&config, &s);
        vs__alloc_fail_after(0);
        if (rc == 0)
            break;
        assert_int_equal(rc, -ENOMEM);
        assert_null(s);
        assert_true(n < 300);
    }
    assert_true(n > 40);
    vs_stream_destroy(s);
    free_heard(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_changed_is_the_same_bit_by_bit),
        cmocka_unit_test(any_split_gives_the_same),
        cmocka_unit_test(at_16_khz_it_is_the_audio_of_other_events),
        cmocka_unit_test(the_image_does_not_wander),
        cmocka_unit_test(what_lies_above_8_khz_is_kept_or_goes_with_what_lies_below),
        cmocka_unit_test(it_comes_as_late_as_it_says),
        cmocka_unit_test(poison_stays_out),
        cmocka_unit_test(a_reset_stream_is_as_new),
        cmocka_unit_test(every_format_and_odd_address_gives_the_same),
        cmocka_unit_test(bad_wishes_are_refused),
    };
    return cmocka_run_group_tests_name("wide", tests, NULL, NULL);
}
