/* SPDX-License-Identifier: MIT */
/* The resampler by its public interface: same output for any split, exact positions and lengths,
   quality of tones, and no drift. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base.h"
#include "dsp/dsp.h"
#include "fewer.h"

static const double pi = 3.14159265358979323846;
static const uint32_t rates[] = {8000, 8001, 11025, 16000, 22050, 44100, 48000, 96000, 192000};

static vs_resampler *create_as(uint32_t in_hz, uint32_t out_hz, int quality, int adjustable)
{
    struct vs_resampler_config config = {sizeof(config), in_hz, out_hz, quality, NULL, adjustable};
    vs_resampler *r = NULL;
    assert_int_equal(vs_resampler_create(&config, &r), 0);
    return r;
}

static vs_resampler *create(uint32_t in_hz, uint32_t out_hz, int quality)
{
    return create_as(in_hz, out_hz, quality, 0);
}

static float *noise(size_t n)
{
    float *x = calloc(n, sizeof(float));
    uint32_t bits = 1;
    assert_non_null(x);
    for (size_t i = 0; i < n; i++) {
        bits = bits * 1664525u + 1013904223u;
        x[i] = (float)(int32_t)bits * 0x1p-32f;
    }
    return x;
}

static float *room_for(const vs_resampler *r, size_t frames)
{
    size_t n = vs_resampler_max_out(r, frames) + vs_resampler_max_out(r, 0) + 1;
    float *x = calloc(n, sizeof(float));
    assert_non_null(x);
    return x;
}

/* All of `in` in pieces of `piece` frames (0 = of many sizes), then the flush.
   @return frames written. */
static size_t convert(vs_resampler *r, const float *in, size_t frames, size_t piece, float *out)
{
    size_t done = 0, taken = 0;
    uint32_t bits = 7;
    while (taken < frames) {
        bits = bits * 1664525u + 1013904223u;
        size_t now = VS__MIN(piece ? piece : (bits >> 16) % 700, frames - taken);
        size_t got = vs_resampler_process(r, in + taken, now, out + done);
        if (now)
            assert_true(got <= vs_resampler_max_out(r, now));
        else
            assert_int_equal(got, 0);
        taken += now;
        done += got;
    }
    size_t rest = vs_resampler_flush(r, out + done);
    assert_true(rest <= vs_resampler_max_out(r, 0));
    return done + rest;
}

static size_t expected_length(size_t frames, uint32_t in_hz, uint32_t out_hz)
{
    return (size_t)(((uint64_t)frames * out_hz + in_hz - 1) / in_hz);
}

static void test_splits(void **state)
{
    enum { FRAMES = 6000 };
    float *in = noise(FRAMES);
    for (size_t k = 0; k < 2 * VS__COUNT(rates); k += ONE_OF(5)) {
        vs_resampler *r = create(rates[k / 2], 16000, (int)(k % 2));
        float *whole = room_for(r, FRAMES), *pieces = room_for(r, FRAMES);
        size_t n = convert(r, in, FRAMES, FRAMES, whole);
        assert_int_equal(n, expected_length(FRAMES, rates[k / 2], 16000));
        static const size_t sizes[] = {1, 0, 160, 2049};
        for (size_t s = 0; s < VS__COUNT(sizes); s++) {
            /* the flush before made it as new */
            assert_int_equal(convert(r, in, FRAMES, sizes[s], pieces), n);
            assert_memory_equal(whole, pieces, n * sizeof(float));
        }
        free(whole);
        free(pieces);
        vs_resampler_destroy(r);
    }
    free(in);
}

static void test_lengths(void **state)
{
    static const size_t lengths[] = {0, 1, 2, 3, 159, 160, 161, 1000, 4801};
    float *in = noise(4801);
    for (size_t k = 0; k < VS__COUNT(rates); k += ONE_OF(4))
        for (size_t j = 0; j < 2; j++)
            for (size_t i = 0; i < VS__COUNT(lengths); i++) {
                uint32_t out_hz = j ? 47999 : 16000;
                vs_resampler *r = create(rates[k], out_hz, 0);
                float *out = room_for(r, lengths[i]);
                assert_int_equal(convert(r, in, lengths[i], 77, out),
                                 expected_length(lengths[i], rates[k], out_hz));
                free(out);
                vs_resampler_destroy(r);
            }
    free(in);
}

/* A click at 0.1 s comes out at 0.1 s: the largest value there, and the same on both sides. */
static void test_click(void **state)
{
    for (size_t k = 0; k < 2 * VS__COUNT(rates); k += ONE_OF(5)) {
        uint32_t hz = rates[k / 2];
        if (hz % 10)
            continue;
        size_t frames = hz / 5;
        float *in = calloc(frames, sizeof(float));
        assert_non_null(in);
        in[hz / 10] = 1;
        vs_resampler *r = create(hz, 16000, (int)(k % 2));
        float *out = room_for(r, frames);
        size_t n = convert(r, in, frames, 480, out), most = 0;
        for (size_t i = 0; i < n; i++)
            most = fabsf(out[i]) > fabsf(out[most]) ? i : most;
        assert_int_equal(most, 1600);
        for (size_t i = 1; i < 1500; i++)
            assert_true(fabsf(out[1600 - i] - out[1600 + i]) < 1e-6f);
        free(in);
        free(out);
        vs_resampler_destroy(r);
    }
}

/* The delay that is promised: an output is there as soon as that many frames beyond it are. */
static void test_delay(void **state)
{
    float *in = noise(48000);
    for (size_t k = 0; k < 2 * VS__COUNT(rates); k += ONE_OF(5)) {
        vs_resampler *r = create(rates[k / 2], 16000, (int)(k % 2));
        float *out = room_for(r, 48000);
        uint32_t delay = vs_resampler_delay_frames(r);
        size_t n = vs_resampler_process(r, in, 20000, out);
        assert_true(n >= expected_length(20000 - delay, rates[k / 2], 16000));
        if (k % 2 == 0)
            assert_true((double)delay / rates[k / 2] <= (rates[k / 2] < 16000 ? 0.00401 : 0.00201));
        free(out);
        vs_resampler_destroy(r);
    }
    free(in);
}

struct tone {
    double gain_db, rest_db; /* of the tone, and of all else, relative to the input */
};

/* What becomes of a sine of `hz`, away from the ends; the tone is fitted by least squares. */
static struct tone measure(vs_resampler *r, uint32_t in_hz, uint32_t out_hz, double hz)
{
    size_t frames = in_hz / 5, skip = out_hz / 16;
    float *in = calloc(frames, sizeof(float));
    assert_non_null(in);
    for (size_t i = 0; i < frames; i++)
        in[i] = (float)sin(2 * pi * hz * (double)i / in_hz);
    float *out = room_for(r, frames);
    size_t n = convert(r, in, frames, 480, out);
    double ss = 0, cc = 0, sc = 0, ys = 0, yc = 0, all = 0;
    for (size_t i = skip; i + skip < n; i++) {
        double s = sin(2 * pi * hz * (double)i / out_hz);
        double c = cos(2 * pi * hz * (double)i / out_hz), y = (double)out[i];
        ss += s * s;
        cc += c * c;
        sc += s * c;
        ys += y * s;
        yc += y * c;
    }
    double det = ss * cc - sc * sc, a = (ys * cc - yc * sc) / det, b = (yc * ss - ys * sc) / det;
    for (size_t i = skip; i + skip < n; i++) {
        double s = sin(2 * pi * hz * (double)i / out_hz);
        double c = cos(2 * pi * hz * (double)i / out_hz);
        double e = (double)out[i] - a * s - b * c;
        all += e * e;
    }
    double count = (double)(n - 2 * skip);
    free(in);
    free(out);
    return (struct tone){20 * log10(sqrt(a * a + b * b) + 1e-15),
                         10 * log10(all / count / 0.5 + 1e-30)};
}

/* What dsp.h promises of the presets, from and to many rates, also of no common measure. */
static void test_quality(void **state)
{
    static const uint32_t pairs[][2] = {
        {48000, 16000},  {44100, 16000}, {96000, 16000}, {192000, 16000}, {32000, 16000},
        {22050, 16000},  {11025, 16000}, {8000, 16000},  {8001, 16000},   {47999, 16000},
        {44100, 48000},  {48000, 44100}, {96000, 44100}, {16000, 48000},  {16000, 191999},
        {191999, 16000}, {192000, 8000}, {8000, 192000}};
    static const double pass[] = {0.01, 0.1, 0.2, 0.3, 0.4, 0.45, 0.475};
    static const double stop[] = {0.503, 0.51, 0.53, 0.5629, 0.57, 0.6, 0.75, 0.9, 1.1, 1.4};
    for (size_t k = 0; k < 2 * VS__COUNT(pairs); k += ONE_OF(7)) {
        int quality = (int)(k % 2);
        uint32_t in_hz = pairs[k / 2][0], out_hz = pairs[k / 2][1];
        double lower = VS__MIN(in_hz, out_hz);
        vs_resampler *r = create(in_hz, out_hz, quality);
        for (size_t i = 0; i < VS__COUNT(pass) - !quality; i++) {
            struct tone t = measure(r, in_hz, out_hz, pass[i] * lower);
            assert_true(fabs(t.gain_db) < 0.01);
            if (out_hz <= in_hz || quality || pass[i] < 1 - 0.5625) /* else an image is not gone */
                assert_true(t.rest_db < -120);
        }
        /* What lies above half the output rate may not fold back. At the output a tone and what
           it folds to are one and the same, so it is the gain that tells. */
        for (size_t i = quality ? 0 : 3; i < VS__COUNT(stop) && stop[i] * lower < in_hz / 2; i++) {
            struct tone t = measure(r, in_hz, out_hz, stop[i] * lower);
            assert_true(t.gain_db < -110);
            assert_true(t.rest_db < -110);
        }
        vs_resampler_destroy(r);
    }
}

/* The way of most microphones, in small steps. */
static void test_sweep(void **state)
{
    static const uint32_t from[] = {48000, 44100};
    for (size_t k = 0; k < VS__COUNT(from); k++) {
        vs_resampler *r = create(from[k], 16000, 0);
        for (double hz = 50.5; hz < from[k] / 2; hz += (hz < 7300 ? 200 : 50) * ONE_OF(5)) {
            struct tone t = measure(r, from[k], 16000, hz);
            if (hz < 7200)
                assert_true(fabs(t.gain_db) < 0.01);
            if (hz <= 7501)
                assert_true(fabs(t.gain_db) < 0.1 && t.rest_db < -120);
            if (hz >= 9000)
                assert_true(t.gain_db < -115 && t.rest_db < -115);
        }
        vs_resampler_destroy(r);
    }
}

/* Input that repeats after one period of the two rates must give output that repeats bit by bit:
   then the position is the same after each period, so it cannot drift in any number of them. */
static void test_no_drift(void **state)
{
    static const uint32_t odd[][2] = {
        {8001, 16000}, {44100, 16000}, {191999, 16000}, {16000, 8001}};
    for (size_t k = 0; k < VS__COUNT(odd); k++) {
        uint32_t in_hz = odd[k][0], out_hz = odd[k][1];
        vs_resampler *r = create(in_hz, out_hz, 0);
        float *in = noise(in_hz), *out = room_for(r, in_hz), *first = room_for(r, in_hz);
        for (int second = 0; second < 6; second++) {
            size_t n = vs_resampler_process(r, in, in_hz, second == 1 ? first : out);
            if (second)
                assert_int_equal(n, out_hz);
            if (second > 1)
                assert_memory_equal(first, out, n * sizeof(float));
        }
        free(in);
        free(out);
        free(first);
        vs_resampler_destroy(r);
    }
}

static void test_equal_rates(void **state)
{
    float *in = noise(1000), *out = calloc(1000, sizeof(float));
    assert_non_null(out);
    vs_resampler *r = create(44100, 44100, 1);
    assert_int_equal(vs_resampler_delay_frames(r), 0);
    assert_int_equal(convert(r, in, 1000, 0, out), 1000);
    assert_memory_equal(in, out, 1000 * sizeof(float));
    free(in);
    free(out);
    vs_resampler_destroy(r);
}

/* Where drift could be corrected but never is, the bits are those of where it cannot be. */
static void test_drift_of_none(void **state)
{
    enum { FRAMES = 5000 };
    float *in = noise(FRAMES);
    for (size_t k = 0; k < 2 * VS__COUNT(rates); k += ONE_OF(5)) {
        if (rates[k / 2] == 16000)
            continue;
        vs_resampler *plain = create(rates[k / 2], 16000, (int)(k % 2));
        vs_resampler *r = create_as(rates[k / 2], 16000, (int)(k % 2), 1);
        float *want = room_for(plain, FRAMES), *got = room_for(r, FRAMES);
        assert_int_equal(vs_resampler_set_drift(r, 0), 0);
        assert_int_equal(vs_resampler_delay_frames(r), vs_resampler_delay_frames(plain));
        size_t n = convert(plain, in, FRAMES, 480, want);
        assert_int_equal(convert(r, in, FRAMES, 480, got), n);
        assert_memory_equal(want, got, n * sizeof(float));
        free(want);
        free(got);
        vs_resampler_destroy(plain);
        vs_resampler_destroy(r);
    }
    free(in);
}

static const uint32_t drifting[][2] = {{48000, 16000}, {44100, 16000}, {16000, 16000},
                                       {16000, 48000}, {47999, 16000}, {192000, 8000}};

/* A tone of `hz` at the times of `n` frames, in seconds, is fitted to `out`. @return the largest
   difference of one frame, relative to the tone's amplitude, in dB. */
static double find_worst_db(const float *out, const double *time_s, size_t n, double hz)
{
    double ss = 0, cc = 0, sc = 0, ys = 0, yc = 0, most = 0;
    for (size_t i = 0; i < n; i++) {
        double s = sin(2 * pi * hz * time_s[i]), c = cos(2 * pi * hz * time_s[i]);
        ss += s * s;
        cc += c * c;
        sc += s * c;
        ys += s * (double)out[i];
        yc += c * (double)out[i];
    }
    double det = ss * cc - sc * sc, a = (ys * cc - yc * sc) / det, b = (yc * ss - ys * sc) / det;
    for (size_t i = 0; i < n; i++) {
        double s = sin(2 * pi * hz * time_s[i]), c = cos(2 * pi * hz * time_s[i]);
        most = fmax(most, fabs((double)out[i] - a * s - b * c));
    }
    return 20 * log10(most / hypot(a, b));
}

/* A tone through one whose drift is set anew over and over: each frame is the tone at that frame's
   time, which is summed up here from the drifts that are reported. A click, a jump or a wrong place
   of one frame would stand out by far. */
static void test_drift_tone(void **state)
{
    static const double drifts[] = {1000, -1000, 0, 37.5, -400, 1000, 0, 0};
    enum { MOST = 30000, SKIP = 1000 };
    double *time_s = calloc(MOST + 64, sizeof(double));
    float *out = calloc(MOST + 64, sizeof(float));
    assert_true(time_s && out);
    for (size_t k = 0; k < 2 * VS__COUNT(drifting); k += ONE_OF(5)) {
        uint32_t in_hz = drifting[k / 2][0], out_hz = drifting[k / 2][1], apart = in_hz / 4;
        double hz = 0.43 * VS__MIN(in_hz, out_hz), was = 0, reached = 0;
        vs_resampler *r = create_as(in_hz, out_hz, (int)(k % 2), 1);
        size_t n = 0;
        for (uint32_t i = 0; n < MOST; i++) {
            if (i % apart == 999)
                assert_int_equal(vs_resampler_set_drift(r, drifts[i / apart % 8]), 0);
            float x = (float)sin(2 * pi * hz * i / in_hz);
            size_t got = vs_resampler_process(r, &x, 1, out + n);
            double ppm = vs_resampler_drift_ppm(r);
            for (size_t j = 1; j <= got; j++, n++) {
                double now = was + (ppm - was) * (double)j / (double)got; /* it goes there evenly */
                time_s[n + 1] = time_s[n] + (1 + now * 1e-6) / out_hz;
            }
            was = got ? ppm : was;
            reached = fmax(reached, fabs(ppm));
        }
        assert_true(fabs(reached - 1000) < 1e-6);
        assert_true(find_worst_db(out + SKIP, time_s + SKIP, n - SKIP, hz) < -120);
        vs_resampler_destroy(r);
    }
    free(time_s);
    free(out);
}

/* As many frames as there are times before the end, for any split. */
static void test_drift_length(void **state)
{
    static const double drifts[] = {1000, -1000, 12.345};
    for (size_t k = 0; k < VS__COUNT(drifting); k += ONE_OF(4)) {
        uint32_t in_hz = drifting[k][0], out_hz = drifting[k][1];
        size_t frames = (size_t)in_hz * FEWER(10) + 1;
        float *in = noise(frames);
        vs_resampler *r = create_as(in_hz, out_hz, 0, 1);
        float *whole = room_for(r, frames), *pieces = room_for(r, frames);
        for (size_t i = 0; i < VS__COUNT(drifts); i++) {
            assert_int_equal(vs_resampler_set_drift(r, drifts[i]), 0);
            (void)vs_resampler_flush(r, whole); /* the drift stays, now in full */
            assert_true(fabs(vs_resampler_drift_ppm(r) - drifts[i]) < 1e-6);
            size_t n = convert(r, in, frames, 0, whole);
            double want = (double)frames * out_hz / in_hz / (1 + drifts[i] * 1e-6);
            assert_int_equal(n, (size_t)ceil(want));
            assert_int_equal(convert(r, in, frames, 1021, pieces), n);
            assert_memory_equal(whole, pieces, n * sizeof(float));
        }
        free(in);
        free(whole);
        free(pieces);
        vs_resampler_destroy(r);
    }
}

static void test_drift_errors(void **state)
{
    vs_resampler *r = create(48000, 16000, 0);
    assert_int_equal(vs_resampler_set_drift(r, 1), -ENOTSUP);
    vs_resampler_destroy(r);
    r = create_as(48000, 16000, 0, 1);
    assert_int_equal(vs_resampler_set_drift(r, 1000.1), -EINVAL);
    assert_int_equal(vs_resampler_set_drift(r, -1001), -EINVAL);
    assert_int_equal(vs_resampler_set_drift(r, (double)NAN), -EINVAL);
    assert_int_equal(vs_resampler_set_drift(r, -1000), 0);
    vs_resampler_destroy(r);
}

static void test_errors(void **state)
{
    vs_resampler *const untouched = (vs_resampler *)(uintptr_t)64, *r = untouched;
    struct vs_resampler_config good = {sizeof(good), 48000, 16000, 0, NULL, 1}, bad = good;
    bad.in_hz = 7999;
    assert_int_equal(vs_resampler_create(&bad, &r), -EINVAL);
    bad = good;
    bad.out_hz = 192001;
    assert_int_equal(vs_resampler_create(&bad, &r), -EINVAL);
    bad = good;
    bad.quality = 2;
    assert_int_equal(vs_resampler_create(&bad, &r), -EINVAL);
    bad = good;
    bad.cpu = "abacus";
    assert_int_equal(vs_resampler_create(&bad, &r), -EINVAL);
    bad = good;
    bad.size = 1;
    assert_int_equal(vs_resampler_create(&bad, &r), -EINVAL);
    for (uint32_t n = 1; n <= 6; n++) {
        vs__alloc_fail_after(n);
        assert_int_equal(vs_resampler_create(&good, &r), -ENOMEM);
    }
    vs__alloc_fail_after(0);
    assert_ptr_equal(r, untouched);
    vs_resampler_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_splits),        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_click),         cmocka_unit_test(test_delay),
        cmocka_unit_test(test_quality),       cmocka_unit_test(test_sweep),
        cmocka_unit_test(test_no_drift),      cmocka_unit_test(test_equal_rates),
        cmocka_unit_test(test_drift_of_none), cmocka_unit_test(test_drift_tone),
        cmocka_unit_test(test_drift_length),  cmocka_unit_test(test_drift_errors),
        cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests_name("resampler", tests, NULL, NULL);
}
