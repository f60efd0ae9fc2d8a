/* SPDX-License-Identifier: MIT */
/* The noise suppressor, the level control with its limiter, and the meter of loudness. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base.h"
#include "dsp/denoise.h"
#include "dsp/level.h"
#include "dsp/suppress.h"

#ifdef HAVE_EBUR128
#include <ebur128.h>
#endif

#define HOP     VS_HOP_FRAMES
#define SECONDS 8
#define FRAMES  (SECONDS * VS_RATE_HZ)

static float noise[FRAMES], speech[FRAMES], mixed[FRAMES], out[FRAMES], again[FRAMES];

static float draw(void)
{
    static uint32_t bits = 1;
    bits = bits * 1664525u + 1013904223u;
    return (float)(int32_t)bits * 0x1p-31f;
}

/* Noise; and tones of a voice, on for 0.3 s of 0.6, from 1.2 s on. */
static int make_sounds(void **state)
{
    (void)state;
    for (int i = 0; i < FRAMES; i++) {
        double t = (double)i / VS_RATE_HZ, x = 0;
        for (int k = 1; k <= 12; k++)
            x += sin(2 * 3.14159265358979 * 140 * k * t + k) / k;
        bool on = t > 1.2 && fmod(t, 0.6) < 0.3;
        noise[i] = 0.02f * draw();
        speech[i] = on ? (float)(0.1 * x * sin(3.14159265358979 * fmod(t, 0.6) / 0.3)) : 0;
        mixed[i] = speech[i] + noise[i];
    }
    return 0;
}

static double power_db(const float *x, size_t from, size_t to)
{
    double sum = 1e-20;
    for (size_t i = from; i < to; i++)
        sum += (double)x[i] * (double)x[i];
    return 10 * log10(sum / (double)(to - from));
}

static struct vs__denoise *new_denoise(unsigned cpu)
{
    struct vs__dsp dsp;
    struct vs__denoise *d = NULL;

    vs__dsp_init(&dsp, cpu);
    assert_int_equal(vs__denoise_create(&dsp, &d), 0);
    return d;
}

static void run(struct vs__denoise *d, const float *in, float *ret)
{
    for (size_t i = 0; i < FRAMES; i += HOP)
        vs__denoise_hop(d, in + i, ret + i);
}

/* Ratio of what `out` has of `clean` to the rest, dB; `out` lags. */
static double distortion_db(const float *clean)
{
    double cc = 0, co = 0, oo = 0;
    for (size_t i = 0; i + VS__DENOISE_DELAY < FRAMES; i++) {
        double c = (double)clean[i], o = (double)out[i + VS__DENOISE_DELAY];
        cc += c * c;
        co += c * o;
        oo += o * o;
    }
    return 10 * log10(co * co / cc / (oo - co * co / cc));
}

static void noise_is_lowered_and_speech_kept(void **state)
{
    struct vs__denoise *d = new_denoise(vs_cpu_detect());

    (void)state;
    run(d, noise, out);
    assert_true(power_db(out, FRAMES / 4, FRAMES) < power_db(noise, FRAMES / 4, FRAMES) - 15);
    vs__denoise_reset(d);
    run(d, mixed, out);
    double before = power_db(speech, 0, FRAMES) - power_db(noise, 0, FRAMES);
    assert_true(distortion_db(speech) > before + 6);
    vs__denoise_reset(d);
    run(d, speech, out);
    assert_true(distortion_db(speech) > 30);
    vs__denoise_destroy(d);
}

/* A rise of the noise by 12 dB is followed within three seconds. */
static void a_rise_of_the_noise_is_followed(void **state)
{
    struct vs__denoise *d = new_denoise(vs_cpu_detect());

    (void)state;
    for (size_t i = 0; i < FRAMES; i++)
        mixed[i] = noise[i] * (i < 2 * VS_RATE_HZ ? 1 : 4);
    run(d, mixed, out);
    size_t late = 5 * VS_RATE_HZ;
    assert_true(power_db(out, late, FRAMES) < power_db(mixed, late, FRAMES) - 12);
    vs__denoise_destroy(d);
    make_sounds(NULL);
}

/* Anything that is finite comes out finite, and a burst of it is forgotten. */
static void nothing_breaks_it(void **state)
{
    struct vs__denoise *d = new_denoise(vs_cpu_detect());
    static const float scales[] = {0, 1e-40f, 1e-20f, 1, 1000, 1e6f};

    (void)state;
    for (size_t i = 0; i < FRAMES; i++)
        out[i] = scales[i / HOP / 7 % VS__COUNT(scales)] * draw();
    run(d, out, again);
    for (size_t i = 0; i < FRAMES; i++)
        assert_true(isfinite(again[i]) && fabsf(again[i]) <= 2e6f);
    run(d, noise, again);
    run(d, noise, again);
    assert_true(power_db(again, FRAMES / 2, FRAMES) < power_db(noise, FRAMES / 2, FRAMES) - 12);
    vs__denoise_destroy(d);
}

/* Noise alone comes out as noise: hardly a bin of a hop stands 2 dB over the least. */
static void noise_does_not_sing(void **state)
{
    struct vs__denoise *d = new_denoise(vs_cpu_detect());
    size_t open = 0, all = 0;

    (void)state;
    for (size_t i = 0; i < FRAMES; i += HOP) {
        vs__denoise_hop(d, noise + i, out);
        for (float hz = 100; i >= VS_RATE_HZ && hz < 7900; hz += 125, all++)
            open += vs__denoise_share(d, hz, hz) > 0.08f;
    }
    assert_true(all > 40000);
    assert_true(open < 20);
    vs__denoise_destroy(d);
}

static void reset_silence_and_levels_of_kernels(void **state)
{
    struct vs__denoise *d = new_denoise(vs_cpu_detect());
    static const unsigned levels[] = {0, VS_CPU_AVX2, VS_CPU_AVX2 | VS_CPU_AVX512};

    (void)state;
    run(d, mixed, out);
    vs__denoise_reset(d);
    run(d, mixed, again);
    assert_memory_equal(out, again, sizeof(out));
    vs__denoise_reset(d);
    memset(again, 0, sizeof(again));
    run(d, again, out);
    for (size_t i = 0; i < FRAMES; i++)
        assert_true(out[i] == 0);
    vs__denoise_destroy(d);
    d = new_denoise(0);
    run(d, mixed, out);
    vs__denoise_destroy(d);
    for (size_t k = 1; k < VS__COUNT(levels); k++) {
        if (levels[k] & ~vs_cpu_detect())
            continue;
        d = new_denoise(levels[k]);
        run(d, mixed, again);
        for (size_t i = 0; i < FRAMES; i++)
            assert_true(fabsf(out[i] - again[i]) < 1e-4f);
        vs__denoise_destroy(d);
    }
    vs__denoise_destroy(NULL);
    vs__alloc_fail_after(1);
    struct vs__dsp dsp;
    vs__dsp_init(&dsp, 0);
    assert_int_equal(vs__denoise_create(&dsp, &d), -ENOMEM);
    vs__alloc_fail_after(2);
    assert_int_equal(vs__denoise_create(&dsp, &d), -ENOMEM);
}

/* level -------------------------------------------------------------------------------------- */

static const struct vs__dsp *best(void)
{
    static struct vs__dsp dsp;

    vs__dsp_init(&dsp, vs_cpu_detect());
    return &dsp;
}

static double level_run(float scale, float probability_in_pauses)
{
    struct vs__leveller l;

    vs__leveller_init(&l, best());
    for (size_t i = 0; i < FRAMES; i += HOP) {
        float loudest = 0;
        for (size_t k = 0; k < HOP; k++) {
            out[i + k] = scale * (speech[i + k] + 0.01f * noise[i + k]);
            loudest = fmaxf(loudest, fabsf(speech[i + k]));
        }
        vs__leveller_hop(&l, out + i, loudest > 0.01f ? 0.9f : probability_in_pauses);
    }
    return (double)l.level.gain_db;
}

static double loudness(const float *x, size_t frames)
{
    vs_loudness *l;

    assert_int_equal(vs_loudness_create(VS_RATE_HZ, 1, &l), 0);
    for (size_t i = 0, step = 1; i < frames; i += step, step = step * 3 % 1009)
        vs_loudness_push(l, x + i, VS__MIN(step, frames - i));
    double lufs = vs_loudness_integrated(l);
    vs_loudness_destroy(l);
    return lufs;
}

static void speech_comes_to_the_target(void **state)
{
    static const float scales[] = {0.4f, 0.7f, 1, 3};

    (void)state;
    for (size_t i = 0; i < VS__COUNT(scales); i++) {
        (void)level_run(scales[i], 0);
        double lufs = loudness(out + FRAMES / 2, FRAMES / 2);
        assert_true(fabs(lufs - VS__LEVEL_TARGET_LUFS) < 3);
    }
}

static void pauses_are_not_pumped_up(void **state)
{
    struct vs__leveller l;

    (void)state;
    vs__leveller_init(&l, best());
    for (size_t i = 0; i < FRAMES; i += HOP) {
        memcpy(out, noise, HOP * sizeof(float));
        vs__leveller_hop(&l, out, 0.1f);
        assert_memory_equal(out, noise, HOP * sizeof(float));
    }
}

/* A detector that takes noise for speech: what is not louder than a pause is not lifted to the
   level of speech; and what was lifted for a quiet voice comes down when pauses become loud. */
static void noise_is_not_lifted_as_if_it_spoke(void **state)
{
    struct vs__leveller l;
    float most = 0;

    (void)state;
    vs__leveller_init(&l, best());
    for (size_t i = 0; i < FRAMES; i += HOP) {
        for (size_t k = 0; k < HOP; k++)
            out[i + k] = 0.1f * noise[i + k];
        vs__leveller_hop(&l, out + i, 1);
        most = fmaxf(most, l.level.gain_db);
    }
    assert_true(loudness(out, FRAMES) < -38);
    assert_true(most > 3); /* it tried */
    (void)level_run(0.1f, 0);
    vs__leveller_init(&l, best());
    l.level.gain_db = 20;
    l.level.gain = 10;
    for (size_t i = 0; i < FRAMES; i += HOP)
        vs__leveller_hop(&l, memcpy(out, noise, HOP * sizeof(float)), 0);
    assert_true(l.level.gain_db < 5);
}

/* A quiet voice is near the target within a second and a half of speech. */
static void a_quiet_voice_is_soon_there(void **state)
{
    static float tone[FRAMES];
    struct vs__leveller l;

    (void)state;
    vs__leveller_init(&l, best());
    for (size_t i = 0; i < FRAMES; i++)
        tone[i] = 0.02f * speech[i];
    size_t spoken = 0;
    for (size_t i = 0; i < FRAMES && spoken < 150; i += HOP) {
        bool on = power_db(tone, i, i + HOP) > -90;
        spoken += on;
        vs__leveller_hop(&l, tone + i, on ? 1 : 0);
    }
    assert_true(l.level.gain_db > 18);
}

static void nothing_passes_the_ceiling(void **state)
{
    struct vs__leveller l;

    (void)state;
    vs__leveller_init(&l, best());
    float most = 0, jump = 0, last = 1;
    for (size_t i = 0; i < FRAMES; i += HOP) {
        for (size_t k = 0; k < HOP; k++)
            out[k] = i % 4800 < 160 ? 50 * draw() : 0.5f;
        vs__leveller_hop(&l, out, 0.9f);
        for (size_t k = 0; k < HOP; k++)
            most = fmaxf(most, fabsf(out[k]));
        if (i % 4800 >= 160) { /* it comes back without steps */
            jump = fmaxf(jump, fabsf(out[HOP - 1] - out[HOP - 2]));
            last = out[HOP - 1];
        }
    }
    assert_true(most <= VS__LEVEL_CEILING);
    assert_true(most > 0.8f);
    assert_true(jump < 0.001f && last > 0);
}

/* With enough ahead, blocks of any length give the same, no step of the gain is larger than its
   slope, and all channels get one gain. */
static void a_limiter_that_sees_ahead_cares_for_no_blocks(void **state)
{
    enum { N = 4096, CHANNELS = 2 };
    static float in[N * CHANNELS], first[N * CHANNELS], then[N * CHANNELS];
    static const size_t blocks[] = {160, 1, 7, 96, 500};
    size_t ahead = vs__limiter_ahead(VS_RATE_HZ);

    (void)state;
    for (size_t i = 0; i < N; i++) {
        in[2 * i] = (i % 1000 == 0 ? 9 : 1.5f) * draw();
        in[2 * i + 1] = 0.25f;
    }
    for (size_t b = 0; b < VS__COUNT(blocks); b++) {
        struct vs__limiter l;
        vs__limiter_init(&l, VS_RATE_HZ);
        memcpy(then, in, sizeof(in));
        size_t done = 0;
        for (; done + blocks[b] + ahead <= N; done += blocks[b])
            vs__limiter_block(&l, then + done * CHANNELS, CHANNELS, blocks[b], ahead);
        if (b == 0)
            memcpy(first, then, sizeof(first));
        assert_memory_equal(first, then, (N - 600) * CHANNELS * sizeof(float));
        for (size_t i = 1; i < N - 600; i++) {
            assert_true(fabsf(then[2 * i]) <= VS__LEVEL_CEILING);
            float fall = (then[2 * i - 1] - then[2 * i + 1]) / 0.25f;
            assert_true(fall < l.attack + 1e-6f && -fall < l.release + 1e-6f);
        }
    }
}

static void a_tone_has_the_loudness_it_should(void **state)
{
    vs_loudness *l = NULL;

    (void)state;
    assert_int_equal(vs_loudness_create(7999, 1, &l), -EINVAL);
    assert_int_equal(vs_loudness_create(16000, 33, &l), -EINVAL);
    assert_int_equal(vs_loudness_create(16000, 0, &l), -EINVAL);
    assert_int_equal(vs_loudness_create(16000, 1, NULL), -EINVAL);
    /* A sine of full scale at 997 Hz in one channel has -3.01 LUFS. */
    for (size_t i = 0; i < FRAMES; i++)
        out[i] = (float)sin(2 * 3.14159265358979 * 997 * (double)i / VS_RATE_HZ);
    assert_true(fabs(loudness(out, FRAMES) + 3.01) < 0.05);
    assert_true(loudness(out, VS_RATE_HZ / 3) == -70);
    memset(out, 0, sizeof(out));
    assert_true(loudness(out, FRAMES) == -70);
    vs_loudness_destroy(NULL);
}

/* What is not a number counts as silence, and is forgotten. */
static void the_meter_passes_poison_over(void **state)
{
    (void)state;
    memcpy(out, mixed, sizeof(out));
    for (size_t i = 0; i < FRAMES; i += 997)
        out[i] = 0;
    double want = loudness(out, FRAMES);
    for (size_t i = 0; i < FRAMES; i += 997)
        out[i] = i % 2 ? NAN : i % 4 ? -INFINITY : 3e38f;
    assert_true(loudness(out, FRAMES) == want);
}

static void two_channels_agree_with_libebur128(void **state)
{
    (void)state;
#ifdef HAVE_EBUR128
    static float two[2 * FRAMES];
    vs_loudness *l;
    double want = 0;

    for (size_t k = 0; k < FRAMES; k++) {
        two[2 * k] = mixed[k];
        two[2 * k + 1] = noise[k];
    }
    ebur128_state *e = ebur128_init(2, 48000, EBUR128_MODE_I);
    assert_non_null(e);
    assert_int_equal(ebur128_add_frames_float(e, two, FRAMES), 0);
    assert_int_equal(ebur128_loudness_global(e, &want), 0);
    ebur128_destroy(&e);
    assert_int_equal(vs_loudness_create(48000, 2, &l), 0);
    vs_loudness_push(l, two, FRAMES);
    assert_true(fabs(vs_loudness_integrated(l) - want) < 0.05);
    vs_loudness_destroy(l);
#else
    print_message("# built without libebur128\n");
    skip();
#endif
}

static void agrees_with_libebur128(void **state)
{
    (void)state;
#ifdef HAVE_EBUR128
    static const float scales[] = {0.01f, 0.3f, 3};
    for (size_t i = 0; i < VS__COUNT(scales); i++) {
        double want = 0;
        for (size_t k = 0; k < FRAMES; k++)
            out[k] = scales[i] * mixed[k];
        ebur128_state *e = ebur128_init(1, VS_RATE_HZ, EBUR128_MODE_I);
        assert_non_null(e);
        assert_int_equal(ebur128_add_frames_float(e, out, FRAMES), 0);
        assert_int_equal(ebur128_loudness_global(e, &want), 0);
        ebur128_destroy(&e);
        assert_true(fabs(loudness(out, FRAMES) - want) < 0.05);
    }
#else
    print_message("# built without libebur128\n");
    skip();
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(noise_is_lowered_and_speech_kept),
        cmocka_unit_test(a_rise_of_the_noise_is_followed),
        cmocka_unit_test(nothing_breaks_it),
        cmocka_unit_test(noise_does_not_sing),
        cmocka_unit_test(reset_silence_and_levels_of_kernels),
        cmocka_unit_test(speech_comes_to_the_target),
        cmocka_unit_test(pauses_are_not_pumped_up),
        cmocka_unit_test(noise_is_not_lifted_as_if_it_spoke),
        cmocka_unit_test(a_quiet_voice_is_soon_there),
        cmocka_unit_test(nothing_passes_the_ceiling),
        cmocka_unit_test(a_limiter_that_sees_ahead_cares_for_no_blocks),
        cmocka_unit_test(a_tone_has_the_loudness_it_should),
        cmocka_unit_test(the_meter_passes_poison_over),
        cmocka_unit_test(agrees_with_libebur128),
        cmocka_unit_test(two_channels_agree_with_libebur128),
    };
    return cmocka_run_group_tests(tests, make_sounds, NULL);
}
