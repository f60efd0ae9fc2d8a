/* SPDX-License-Identifier: MIT */
/* Levels of the processor, source audio to mono, the high-pass and the transform. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base.h"
#include "dsp/dsp.h"

static const double pi = 3.14159265358979323846;

static const struct vs__dsp *best(void)
{
    static struct vs__dsp d;
    vs__dsp_init(&d, vs_cpu_detect());
    return &d;
}

static uint32_t draw(void)
{
    static uint32_t bits = 1;
    bits = bits * 1664525u + 1013904223u;
    return bits >> 8;
}

/* levels ----------------------------------------------------------------------------------- */

static void test_cpu_parse(void **state)
{
    unsigned flags = 99;
    assert_int_equal(vs_cpu_parse("abacus", &flags), -EINVAL);
    assert_int_equal(vs_cpu_parse("", &flags), -EINVAL);
    assert_int_equal(flags, 99);
    assert_int_equal(vs_cpu_parse("c", &flags), 0);
    assert_int_equal(flags, 0);
    assert_int_equal(vs_cpu_parse("auto", &flags), 0);
    assert_int_equal(flags, vs_cpu_detect());
    assert_int_equal(vs_cpu_parse(NULL, &flags), 0);
    assert_int_equal(flags, vs_cpu_detect());
    static const struct {
        const char *name;
        unsigned needed;
    } levels[] = {{"avx2", VS_CPU_AVX2},     {"avx2-vnni", VS_CPU_AVX_VNNI},
                  {"avx512", VS_CPU_AVX512}, {"avx512-vnni", VS_CPU_VNNI},
                  {"neon", VS_CPU_NEON},     {"neon-dot", VS_CPU_NEON_DOT}};
    for (size_t i = 0; i < VS__COUNT(levels); i++) {
        flags = 99;
        int status = vs_cpu_parse(levels[i].name, &flags);
        if (status) {
            assert_int_equal(status, -ENOTSUP);
            assert_int_equal(flags, 99);
        } else {
            assert_true(vs_cpu_detect() & levels[i].needed);
            assert_true(flags & levels[i].needed);
            assert_int_equal(flags & ~vs_cpu_detect(), 0);
        }
    }
}

static void test_cpu_names(void **state)
{
    assert_string_equal(vs_cpu_name(0), "c");
    assert_string_equal(vs_cpu_name(VS_CPU_AVX2), "avx2");
    assert_string_equal(vs_cpu_name(VS_CPU_AVX2 | VS_CPU_AVX512), "avx512");
    assert_string_equal(vs_cpu_name(VS_CPU_AVX2 | VS_CPU_AVX512 | VS_CPU_VNNI), "avx512-vnni");
    assert_string_equal(vs_cpu_name(VS_CPU_NEON), "neon");
}

static void test_cpu_kernels(void **state)
{
    const char *name = NULL, *level = NULL;
    unsigned count = 0, flags = 0;
#define X(type, kernel, arguments)                                                                 \
    assert_int_equal(vs_cpu_kernel(count++, 0, &name, &level), 0);                                 \
    assert_string_equal(name, #kernel);                                                            \
    assert_string_equal(level, "c");
    VS__KERNELS(X)
#undef X
    assert_int_equal(vs_cpu_kernel(count, 0, &name, &level), -ENOENT);
    if (!vs_cpu_parse("avx2", &flags)) {
        assert_int_equal(vs_cpu_kernel(0, flags, &name, &level), 0);
        assert_string_equal(level, "avx2");
    }
}

/* A forced level is in every place of the table, and the same flags give the same table. */
static void test_table(void **state)
{
    struct vs__dsp plain, once, again;
    vs__dsp_init(&plain, 0);
    for (unsigned i = 0; vs__dsp_level(i); i++) {
        unsigned flags;
        if (vs_cpu_parse(vs__dsp_level(i), &flags))
            continue;
        assert_string_equal(vs_cpu_name(flags), vs__dsp_level(i));
        vs__dsp_init(&once, flags);
        vs__dsp_init(&again, flags);
        assert_int_equal(once.flags, flags);
#define X(type, kernel, arguments)                                                                 \
    assert_non_null(once.kernel);                                                                  \
    assert_true(once.kernel == again.kernel);                                                      \
    assert_true((once.kernel == plain.kernel) == (i == 0));
        VS__KERNELS(X)
#undef X
    }
}

/* mono ------------------------------------------------------------------------------------- */

enum { FRAMES = 1000, CHANNELS_MAX = 32 };

/* One sample in `format` to `bytes`; returns its value. */
static double put_sample(int format, uint8_t *bytes)
{
    int32_t v = (int32_t)(draw() << 8);
    if (format == VS_FORMAT_S16) {
        int16_t s = (int16_t)(v >> 16);
        memcpy(bytes, &s, sizeof(s));
        return s / 32768.0;
    }
    if (format == VS_FORMAT_S24) {
        uint32_t u = (uint32_t)v;
        bytes[0] = (uint8_t)(u >> 8);
        bytes[1] = (uint8_t)(u >> 16);
        bytes[2] = (uint8_t)(u >> 24);
        return v / 2147483648.0;
    }
    if (format == VS_FORMAT_S32) {
        memcpy(bytes, &v, sizeof(v));
        return v / 2147483648.0;
    }
    float f = (float)v * 0x1p-31f;
    memcpy(bytes, &f, sizeof(f));
    return (double)f;
}

static void check_mono(int format, uint32_t channels, uint32_t channel, size_t offset)
{
    static uint8_t memory[FRAMES * CHANNELS_MAX * 4 + 8];
    static double want[FRAMES];
    static float got[FRAMES], split[FRAMES];
    size_t bytes = vs_format_bytes(format);
    for (size_t i = 0; i < FRAMES; i++) {
        want[i] = 0;
        for (uint32_t c = 0; c < channels; c++) {
            double x = put_sample(format, memory + offset + (i * channels + c) * bytes);
            want[i] += channel == c + 1 ? x : channel ? 0 : x / channels;
        }
    }
    struct vs__mono m;
    assert_int_equal(vs__mono_init(&m, best(), format, channels, channel), 0);
    assert_int_equal(vs__mono_process(&m, memory + offset, FRAMES, got), 0);
    for (size_t i = 0; i < FRAMES; i++)
        assert_true(fabs((double)got[i] - want[i]) < 1e-6);
    assert_int_equal(vs__mono_process(&m, memory + offset, 7, split), 0);
    assert_int_equal(
        vs__mono_process(&m, memory + offset + 7 * bytes * channels, FRAMES - 7, split + 7), 0);
    assert_memory_equal(got, split, sizeof(got));
    vs__mono_fini(&m);
}

static void test_mono(void **state)
{
    static const int formats[] = {VS_FORMAT_F32, VS_FORMAT_S16, VS_FORMAT_S24, VS_FORMAT_S32};
    static const uint32_t counts[] = {1, 2, 3, 8, 32};
    for (size_t f = 0; f < VS__COUNT(formats); f++)
        for (size_t c = 0; c < VS__COUNT(counts); c++)
            for (size_t offset = 0; offset < 4; offset += 1 + (offset & 1)) {
                check_mono(formats[f], counts[c], 0, offset);
                check_mono(formats[f], counts[c], 1, offset);
                check_mono(formats[f], counts[c], counts[c], offset);
            }
}

static void test_mono_not_finite(void **state)
{
    float in[400], out[200];
    struct vs__mono m;
    for (size_t i = 0; i < 400; i++)
        in[i] = 0.5f;
    in[0] = NAN;
    in[7] = INFINITY;
    in[8] = -INFINITY;
    in[9] = 0x1p-130f;
    in[200] = in[201] = 3e38f;
    in[399] = -NAN;
    assert_int_equal(vs__mono_init(&m, best(), VS_FORMAT_F32, 2, 0), 0);
    assert_int_equal(vs__mono_process(&m, in, 200, out), 6);
    for (size_t i = 0; i < 200; i++)
        assert_true(out[i] >= 0 && out[i] <= 0.5f);
    assert_true(out[0] == 0.25f && out[3] == 0.25f && out[4] == 0 && out[100] == 0);
    vs__mono_fini(&m);
    assert_int_equal(vs__mono_init(&m, best(), VS_FORMAT_F32, 2, 2), 0);
    assert_int_equal(vs__mono_process(&m, in, 200, out), 3);
    assert_true(out[0] == 0.5f && out[3] == 0 && out[199] == 0);
    vs__mono_fini(&m);
    assert_int_equal(vs__mono_init(&m, best(), VS_FORMAT_F32, 1, 0), 0);
    assert_int_equal(vs__mono_process(&m, in, 200, out), 3);
    vs__mono_fini(&m);
    /* more than one chunk: the counts add up */
    static float many[3 * 2000], mean[2000];
    for (size_t i = 0; i < 3 * 2000; i += 100)
        many[i] = NAN;
    assert_int_equal(vs__mono_init(&m, best(), VS_FORMAT_F32, 3, 0), 0);
    assert_int_equal(vs__mono_process(&m, many, 2000, mean), 60);
    vs__mono_fini(&m);
}

static void test_mono_errors(void **state)
{
    struct vs__mono m;
    assert_int_equal(vs__mono_init(&m, best(), 9, 1, 0), -EINVAL);
    assert_int_equal(vs__mono_init(&m, best(), VS_FORMAT_S16, 0, 0), -EINVAL);
    assert_int_equal(vs__mono_init(&m, best(), VS_FORMAT_S16, 33, 0), -EINVAL);
    assert_int_equal(vs__mono_init(&m, best(), VS_FORMAT_S16, 2, 3), -EINVAL);
    vs__alloc_fail_after(1);
    assert_int_equal(vs__mono_init(&m, best(), VS_FORMAT_S16, 2, 0), -ENOMEM);
    vs__mono_fini(NULL);
}

/* high-pass -------------------------------------------------------------------------------- */

/* Gain at `hz` after the start has died away, over whole periods. */
static double gain_db(double cutoff_hz, double hz)
{
    enum { N = 64000 };
    static float x[N];
    struct vs__highpass h;
    for (size_t i = 0; i < N; i++)
        x[i] = (float)sin(2 * pi * hz * (double)i / 16000);
    vs__highpass_init(&h, best(), 16000, cutoff_hz);
    vs__highpass_process(&h, x, N);
    double power = 0;
    for (size_t i = N / 2; i < N; i++)
        power += (double)x[i] * (double)x[i];
    return 10 * log10(power / (N / 2) / 0.5);
}

static void test_highpass_gain(void **state)
{
    assert_true(fabs(gain_db(80, 80) + 3.0103) < 0.001);
    assert_true(fabs(gain_db(80, 1000)) < 0.001);
    assert_true(fabs(gain_db(80, 7000)) < 0.001);
    assert_true(fabs(gain_db(80, 8) + 40) < 0.1); /* 12 dB an octave: 40 dB a decade */
    float x[16000];
    struct vs__highpass h;
    vs__highpass_init(&h, best(), 16000, 80);
    for (size_t i = 0; i < 16000; i++)
        x[i] = 1;
    vs__highpass_process(&h, x, 16000);
    assert_true(x[0] > 0.9f && fabsf(x[15999]) < 1e-9f);
}

static void test_highpass_splits(void **state)
{
    float whole[3000], split[3000];
    struct vs__highpass h;
    for (size_t i = 0; i < 3000; i++)
        whole[i] = split[i] = (float)draw() * 0x1p-24f;
    vs__highpass_init(&h, best(), 16000, 80);
    vs__highpass_process(&h, whole, 3000);
    vs__highpass_reset(&h);
    for (size_t i = 0, n; i < 3000; i += n) {
        n = VS__MIN(i % 161, 3000 - i);
        n = n ? n : 1;
        vs__highpass_process(&h, split + i, n);
    }
    assert_memory_equal(whole, split, sizeof(whole));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cpu_parse),
        cmocka_unit_test(test_cpu_names),
        cmocka_unit_test(test_cpu_kernels),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_mono),
        cmocka_unit_test(test_mono_not_finite),
        cmocka_unit_test(test_mono_errors),
        cmocka_unit_test(test_highpass_gain),
        cmocka_unit_test(test_highpass_splits),
    };
    return cmocka_run_group_tests_name("dsp", tests, NULL, NULL);
}
