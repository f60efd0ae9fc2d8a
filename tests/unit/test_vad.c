/* SPDX-License-Identifier: MIT */
/* What each built-in detector says: arguments, traces, and which sounds are speech. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <voicestand/dsp.h>

#include "base/base.h"
#include "vad/vad.h"

#define HEADER "file,start_ms,end_ms,prob\n"

static char said[600]; /* last sentence of the log */

static void keep(void *user, int level, const char *topic, const char *message)
{
    assert_string_equal(topic, "vad");
    assert_int_equal(level, VS_LOG_ERROR);
    snprintf(said, sizeof(said), "%s", message);
}

static const struct vs_env env = {.log = {.write = keep}};

static int open_state(const struct vs_vad_ops *ops, const char *argument, void **ret)
{
    struct vs_vad_params params = {.size = sizeof(params), .env = &env, .argument = argument};
    struct vs_vad_shape shape = {.size = sizeof(shape)};

    said[0] = '\0';
    *ret = vs__alloc(ops->state_size);
    assert_non_null(*ret);
    return ops->open(*ret, &params, &shape);
}

static void close_state(const struct vs_vad_ops *ops, void *s)
{
    ops->close(s);
    vs__free(s);
}

static float infer(const struct vs_vad_ops *ops, void *s, const float *block)
{
    float p = -1.0f;

    assert_int_equal(ops->infer(s, block, &p), 0);
    return p;
}

/* null -------------------------------------------------------------------------------------- */

static void test_null(void **state)
{
    static const float block[VS_HOP_FRAMES];
    static const char *const wrong[] = {"", "x", "0.5x", "1.01", "-0.1", "nan"};
    void *s;

    assert_int_equal(open_state(&vs__vad_null, NULL, &s), 0);
    assert_float_equal(infer(&vs__vad_null, s, block), 0.0f, 0.0f);
    close_state(&vs__vad_null, s);
    assert_int_equal(open_state(&vs__vad_null, "0.75", &s), 0);
    assert_float_equal(infer(&vs__vad_null, s, block), 0.75f, 0.0f);
    close_state(&vs__vad_null, s);
    for (size_t i = 0; i < VS__COUNT(wrong); i++) {
        assert_int_equal(open_state(&vs__vad_null, wrong[i], &s), -EINVAL);
        assert_non_null(strstr(said, "null:"));
        close_state(&vs__vad_null, s);
    }
}

/* replay ------------------------------------------------------------------------------------ */

static int open_trace(const char *text, void **ret)
{
    char path[] = "/tmp/voicestand-trace-XXXXXX";
    int fd = mkstemp(path), status;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    status = open_state(&vs__vad_replay, path, ret);
    unlink(path);
    return status;
}

static void test_replay(void **state)
{
    static const float block[VS_HOP_FRAMES];
    void *s;

    assert_int_equal(
        open_trace(HEADER "a,b.wav,0,10,0.25\na,b.wav,10.0,20.0,1\r\na,b.wav,20,24.5,0\n", &s), 0);
    for (int round = 0; round < 2; round++) {
        assert_float_equal(infer(&vs__vad_replay, s, block), 0.25f, 0.0f);
        assert_float_equal(infer(&vs__vad_replay, s, block), 1.0f, 0.0f);
        assert_float_equal(infer(&vs__vad_replay, s, block), 0.0f, 0.0f);
        assert_float_equal(infer(&vs__vad_replay, s, block), 0.0f, 0.0f); /* past the end */
        vs__vad_replay.reset(s);
    }
    close_state(&vs__vad_replay, s);
    assert_int_equal(open_trace(HEADER, &s), 0); /* of an empty file */
    assert_float_equal(infer(&vs__vad_replay, s, block), 0.0f, 0.0f);
    close_state(&vs__vad_replay, s);
}

static void test_replay_long(void **state)
{
    static char text[80 * 5000];
    static const float block[VS_HOP_FRAMES];
    size_t used = (size_t)sprintf(text, HEADER);
    void *s;

    for (int i = 0; i < 5000; i++)
        used += (size_t)sprintf(text + used, "a,%d,%d,%.6f\n", i * 10, i * 10 + 10, i / 5000.0);
    assert_int_equal(open_trace(text, &s), 0);
    for (int i = 0; i < 5000; i++)
        assert_float_equal(infer(&vs__vad_replay, s, block), (float)i / 5000.0f, 1e-6f);
    close_state(&vs__vad_replay, s);
}

static void test_replay_damaged(void **state)
{
    static const struct {
        const char *text, *where;
    } cases[] = {
        {"", "line 1:"},
        {"a,0,10,0.5\n", "line 1:"},
        {HEADER "a,0,10,0.5\na,10,20\n", "line 3:"},
        {HEADER "a,0,10,1.5\n", "line 2:"},
        {HEADER "a,0,10,nan\n", "line 2:"},
        {HEADER "a,0,10,0.5x\n", "line 2:"},
        {HEADER "a,0,30,0.5\n", "line 2:"},
        {HEADER "a,0,10,0.5\na,20,30,0.5\n", "line 3:"},
        {HEADER "a,0,10,0.5\nb,0,10,0.5\n", "line 3:"},
        {HEADER "a,0,10,0.5\n\n", "line 3:"},
    };

    for (size_t i = 0; i < VS__COUNT(cases); i++) {
        void *s;

        assert_int_equal(open_trace(cases[i].text, &s), -EBADMSG);
        assert_non_null(strstr(said, cases[i].where));
        close_state(&vs__vad_replay, s);
    }
}

static void test_replay_missing(void **state)
{
    void *s;

    assert_int_equal(open_state(&vs__vad_replay, NULL, &s), -EINVAL);
    assert_non_null(strstr(said, "replay:"));
    close_state(&vs__vad_replay, s);
    assert_int_equal(open_state(&vs__vad_replay, "/nonexistent/trace.csv", &s), -ENOENT);
    assert_non_null(strstr(said, "/nonexistent/trace.csv"));
    close_state(&vs__vad_replay, s);
    assert_int_equal(open_state(&vs__vad_replay, "/tmp", &s), -EIO);
    assert_non_null(strstr(said, "/tmp"));
    close_state(&vs__vad_replay, s);
}

/* sounds ------------------------------------------------------------------------------------ */

static uint64_t seed;

static float draw(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (float)((double)(seed >> 40) / (1 << 23) - 1.0);
}

/* Two resonances over a glottis of pulses; syllables at 4 Hz; over soft noise. */
struct voice {
    double phase, y1[2], y2[2];
    size_t n;
};

static float speak(struct voice *v)
{
    const double pi = 3.14159265358979323846;
    double t = (double)v->n++ / VS_RATE_HZ;
    double syllable = sin(pi * 4.0 * t);
    double formant[2] = {500.0 + 250.0 * sin(5.0 * t), 1500.0 + 400.0 * sin(7.0 * t)};
    double in, out = 0.0;

    v->phase += (120.0 + 15.0 * sin(2.0 * t)) / VS_RATE_HZ;
    in = v->phase >= 1.0 ? 1.0 : 0.0;
    v->phase -= in;
    for (int i = 0; i < 2; i++) {
        double r = 0.97, y = in + 2.0 * r * cos(2.0 * pi * formant[i] / VS_RATE_HZ) * v->y1[i] -
                             r * r * v->y2[i];

        v->y2[i] = v->y1[i];
        v->y1[i] = y;
        out += y;
    }
    return (float)(0.08 * out * syllable * syllable);
}

/** Mean probability from the second `from` of `seconds` of a sound. */
static float listen(const struct vs_vad_ops *ops, float voice, float noise, float seconds)
{
    struct voice v = {0};
    float block[VS_HOP_FRAMES], sum = 0.0f;
    int hops = (int)(seconds * 100.0f), from = 150;
    void *s;

    seed = 3;
    assert_int_equal(open_state(ops, NULL, &s), 0);
    for (int h = 0; h < hops; h++) {
        float p;

        for (size_t i = 0; i < VS_HOP_FRAMES; i++)
            block[i] = (h < 100 ? 0.0f : voice * speak(&v)) + noise * draw();
        p = infer(ops, s, block);
        if (h >= from)
            sum += p;
    }
    close_state(ops, s);
    return sum / (float)(hops - from);
}

static void test_energy(void **state)
{
    assert_true(listen(&vs__vad_energy, 0.0f, 0.0f, 5.0f) < 0.02f);
    assert_true(listen(&vs__vad_energy, 0.0f, 0.01f, 5.0f) < 0.1f);
    assert_true(listen(&vs__vad_energy, 1.0f, 0.001f, 5.0f) > 0.5f);
}

static void test_native(void **state)
{
    assert_float_equal(listen(&vs__vad_native, 0.0f, 0.0f, 5.0f), 0.0f, 0.0f);
    assert_true(listen(&vs__vad_native, 0.0f, 0.01f, 5.0f) < 0.15f);
    assert_true(listen(&vs__vad_native, 0.0f, 0.3f, 5.0f) < 0.15f);
    assert_true(listen(&vs__vad_native, 1.0f, 0.001f, 5.0f) > 0.6f);
}

/* The same at 20 and 40 dB less gives nearly the same: the detector's own floor is at -100 dB. */
static void test_native_level(void **state)
{
    float loud = listen(&vs__vad_native, 1.0f, 0.003f, 5.0f);
    float low = listen(&vs__vad_native, 0.1f, 0.0003f, 5.0f);
    float quiet = listen(&vs__vad_native, 0.01f, 0.00003f, 5.0f);

    printf("# mean probability at 0, -20, -40 dB: %.3f %.3f %.3f\n", (double)loud, (double)low,
           (double)quiet);
    assert_float_equal(loud, low, 0.05f);
    assert_float_equal(loud, quiet, 0.2f);
}

/* CPU time of a hop, for people and scripts; with --bench alone. */
static void bench(const struct vs_vad_ops *ops)
{
    enum { HOPS = 20000 };
    static float audio[100][VS_HOP_FRAMES];
    struct voice v = {0};
    int64_t ns;
    void *s;

    for (size_t h = 0; h < VS__COUNT(audio); h++)
        for (size_t i = 0; i < VS_HOP_FRAMES; i++)
            audio[h][i] = speak(&v) + 0.001f * draw();
    struct vs_vad_params params = {.size = sizeof(params), .env = &env, .cpu = vs_cpu_detect()};
    struct vs_vad_shape shape = {.size = sizeof(shape)};
    s = vs__alloc(ops->state_size);
    assert_non_null(s);
    assert_int_equal(ops->open(s, &params, &shape), 0);
    ns = vs__thread_cpu_ns();
    for (size_t h = 0; h < HOPS; h++)
        infer(ops, s, audio[h % VS__COUNT(audio)]);
    ns = (vs__thread_cpu_ns() - ns) / HOPS;
    close_state(ops, s);
    printf("# %s: %d hops, %lld ns each, %.3f %% of a core; %zu bytes of state\n", ops->name, HOPS,
           (long long)ns, (double)ns / 1e5, ops->state_size);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_null),           cmocka_unit_test(test_replay),
        cmocka_unit_test(test_replay_long),    cmocka_unit_test(test_replay_damaged),
        cmocka_unit_test(test_replay_missing), cmocka_unit_test(test_energy),
        cmocka_unit_test(test_native),         cmocka_unit_test(test_native_level),
    };

    if (argc > 1 && strcmp(argv[1], "--bench") == 0) {
        if (argc == 2)
            bench(&vs__vad_energy);
        bench(&vs__vad_native);
        return 0;
    }
    return cmocka_run_group_tests_name("vad", tests, NULL, NULL);
}
