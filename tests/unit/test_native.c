/* SPDX-License-Identifier: MIT */
/* The native detector beside the same network in plain floating point, at other levels of the audio
   and of the kernels, and over a long time. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/base.h"
#include "fewer.h"
#include "vad/model.h"
#include "vad/native.h"
#include "vad/native_bin.h"

#define MEMBERS  VS__NATIVE_MEMBERS
#define CHANNELS (VS__NATIVE_CHANNELS / MEMBERS) /* of one */
#define HIDDEN   (VS__NATIVE_HIDDEN / MEMBERS)
#define GATES    (3 * HIDDEN)
#define FEATURES VS__VAD_FEATURES

/* sounds ------------------------------------------------------------------------------------ */

static uint64_t seed = 1;

static float draw(void)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (float)((double)(seed >> 40) / (1 << 23) - 1.0);
}

/* Two resonances over a glottis of pulses, in syllables and words, over soft noise. */
struct voice {
    double phase, y1[2], y2[2];
    size_t n;
};

static float speak(struct voice *v)
{
    const double pi = 3.14159265358979323846;
    double t = (double)v->n++ / VS_RATE_HZ;
    double syllable = sin(pi * 4.0 * t), word = fmod(t, 3.0) < 2.0 ? 1.0 : 0.0;
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
    return (float)(0.08 * word * out * syllable * syllable);
}

static void say(struct voice *v, float noise, float gain, float block[VS_HOP_FRAMES])
{
    for (size_t i = 0; i < VS_HOP_FRAMES; i++)
        block[i] = gain * (speak(v) + noise * draw());
}

static void open_native(struct vs__native *n, unsigned cpu)
{
    const struct vs_log quiet = {0};

    memset(n, 0, sizeof(*n));
    assert_int_equal(vs__native_init(n, cpu, &quiet), 0);
}

static float judge(struct vs__native *n, const float *block)
{
    bool heard = vs__native_hear(n, block);
    float sum = vs__native_run(n);

    return heard ? vs__native_tell(sum) : 0.0f;
}

/* the same network without rounding ---------------------------------------------------------- */

struct reference {
    double heard[2][FEATURES];
    struct {
        double found[VS__NATIVE_ROWS][CHANNELS];
        double hidden[HIDDEN];
    } members[MEMBERS];
    double mean, held; /* of what was answered */
};

/* Of one row of 8-bit weights: the sum with what is seen, in the units that follow. */
static double weigh(const unsigned char *row, const double *seen, size_t count, float scale,
                    float bias)
{
    double sum = 0.0;

    for (size_t i = 0; i < count; i++)
        sum += (double)(signed char)row[i] * seen[i];
    return sum * (double)scale + (double)bias;
}

static double clip(double x)
{
    return fmin(fmax(x, 0.0), 127.0);
}

static double logistic(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

/* Steps over the next matrix, in which the members' rows follow each other. @return those of member m */
static const unsigned char *own_rows(const unsigned char **matrices, size_t m, size_t rows,
                                     size_t width)
{
    const unsigned char *own = *matrices + m * rows * width;

    *matrices += MEMBERS * rows * width;
    return own;
}

/* Of what is `seen` of three hops. @return the member's part of the log odds */
static double run_member(struct reference *r, size_t m, const double *seen)
{
    static const struct {
        const float *scale, *bias;
        size_t reach;
    } blocks[VS__NATIVE_BLOCKS] = {{model_conv1_scale, model_conv1_bias, 1},
                                   {model_conv2_scale, model_conv2_bias, 2},
                                   {model_conv3_scale, model_conv3_bias, 4},
                                   {model_conv4_scale, model_conv4_bias, 8}};
    const unsigned char *matrices = native_bin, *rows;
    double(*found)[CHANNELS] = r->members[m].found, *hidden = r->members[m].hidden;
    double now[CHANNELS], before[CHANNELS], row[3 * CHANNELS], state[HIDDEN];
    double a[GATES], b[GATES], sum = 0.0;

    rows = own_rows(&matrices, m, CHANNELS, 256);
    for (size_t c = 0; c < CHANNELS; c++, rows += 256)
        now[c] = clip(weigh(rows, seen, 3 * FEATURES, model_conv0_scale[m * CHANNELS + c],
                            model_conv0_bias[m * CHANNELS + c]));
    for (size_t k = 0; k < VS__NATIVE_BLOCKS; k++) {
        size_t reach = blocks[k].reach;
        const float *scale = blocks[k].scale + m * CHANNELS, *bias = blocks[k].bias + m * CHANNELS;

        memcpy(before, now, sizeof(now));
        memcpy(row, found[0], sizeof(now));
        memcpy(row + CHANNELS, found[reach], sizeof(now));
        memcpy(row + 2 * CHANNELS, now, sizeof(now));
        rows = own_rows(&matrices, m, CHANNELS, 160);
        for (size_t c = 0; c < CHANNELS; c++, rows += 160)
            now[c] = clip(now[c] + fmax(weigh(rows, row, 3 * CHANNELS, scale[c], bias[c]), 0.0));
        memmove(found[0], found[1], (2 * reach - 1) * sizeof(now));
        memcpy(found[2 * reach - 1], before, sizeof(now));
        found += 2 * reach;
    }
    for (size_t i = 0; i < HIDDEN; i++)
        state[i] = hidden[i] * 63.0 + 64.0;
    rows = own_rows(&matrices, m, GATES, 64);
    for (size_t i = 0; i < GATES; i++, rows += 64)
        a[i] = weigh(rows, now, CHANNELS, model_gru_in_scale[m * GATES + i],
                     model_gru_in_bias[m * GATES + i]);
    rows = own_rows(&matrices, m, GATES, 64);
    for (size_t i = 0; i < GATES; i++, rows += 64)
        b[i] = weigh(rows, state, HIDDEN, model_gru_state_scale[m * GATES + i],
                     model_gru_state_bias[m * GATES + i]);
    for (size_t i = 0; i < HIDDEN; i++)
        hidden[i] +=
            fmax(logistic(a[i] + b[i]), 0.001) *
            (tanh(a[2 * HIDDEN + i] + logistic(a[HIDDEN + i] + b[HIDDEN + i]) * b[2 * HIDDEN + i]) -
             hidden[i]);
    for (size_t c = 0; c < CHANNELS; c++)
        sum += (double)model_out[m * CHANNELS + c] * now[c];
    for (size_t i = 0; i < HIDDEN; i++)
        sum += (double)model_out[MEMBERS * CHANNELS + m * HIDDEN + i] * hidden[i];
    return sum;
}

static double run_reference(struct reference *r, const uint8_t *input)
{
    double seen[3 * FEATURES], sum = (double)model_out[MEMBERS * (CHANNELS + HIDDEN)];

    memcpy(seen, r->heard, sizeof(r->heard));
    for (size_t i = 0; i < FEATURES; i++)
        seen[2 * FEATURES + i] = input[i];
    memcpy(r->heard, seen + FEATURES, sizeof(r->heard));
    for (size_t m = 0; m < MEMBERS; m++)
        sum += run_member(r, m, seen);
    double answer = tanh(sum - (double)model_centre[0]);
    r->mean += (double)model_follower_share[0] * (answer - r->mean);
    r->held = fmax(answer, r->held + (double)model_follower_share[1] * (answer - r->held));
    return logistic(sum + (double)model_follower_weight[0] * r->mean +
                    (double)model_follower_weight[1] * r->held);
}

/* The bound of the documentation: 0.02 in the mean, 0.25 at the worst hop. */
static void test_rounding(void **state)
{
    struct vs__native *n = malloc(sizeof(*n));
    struct reference *r = calloc(1, sizeof(*r));
    struct voice v = {0};
    float block[VS_HOP_FRAMES];
    double sum = 0.0, worst = 0.0;
    const size_t hops = FEWER(6000);

    assert_non_null(n);
    assert_non_null(r);
    open_native(n, 0);
    for (size_t i = 0; i < VS__NATIVE_ROWS + 2; i++)
        run_reference(r, n->input);
    for (size_t m = 0; m < MEMBERS; m++)
        memset(r->members[m].hidden, 0, sizeof(r->members[m].hidden));
    r->mean = r->held = -1.0;
    for (size_t h = 0; h < hops; h++) {
        float noise = h / FEWER(1500) % 2 ? 0.02f : 0.002f;

        say(&v, noise, 1.0f, block);
        double p = (double)judge(n, block), q = run_reference(r, n->input);
        sum += fabs(p - q);
        worst = fmax(worst, fabs(p - q));
    }
    printf("# 8 bits from floating point: %.4f in the mean, %.4f at the worst of %zu hops\n",
           sum / (double)hops, worst, hops);
    assert_true(sum / (double)hops < 0.02);
    assert_true(worst < 0.25);
    vs__native_fini(n);
    free(n);
    free(r);
}

/* the rest ----------------------------------------------------------------------------------- */

/* Every level of kernels that runs here: the same numbers, bit by bit. */
static void test_levels(void **state)
{
    struct vs__native *plain = malloc(sizeof(*plain)), *other = malloc(sizeof(*other));
    float block[VS_HOP_FRAMES];
    unsigned all = vs_cpu_detect(), flags = 0;

    assert_non_null(plain);
    assert_non_null(other);
    for (unsigned bit = 0; bit < 32; bit++) {
        struct voice v = {0};

        if (!(all >> bit & 1))
            continue;
        flags |= 1u << bit;
        open_native(plain, 0);
        open_native(other, flags);
        for (size_t h = 0; h < 700; h++) {
            say(&v, 0.005f, 1.0f, block);
            float p = judge(plain, block), q = judge(other, block);
            assert_memory_equal(&p, &q, sizeof(p));
        }
        assert_memory_equal(&plain->past, &other->past, sizeof(plain->past));
        vs__native_fini(plain);
        vs__native_fini(other);
    }
    free(plain);
    free(other);
}

/* The same audio 20 and 40 dB lower: the same but for steps of the numbers at their edges. */
static void test_gain(void **state)
{
    static const float gains[] = {0.1f, 0.01f, 8.0f};
    static const double most[] = {0.001, 0.01, 0.001}; /* at -40 dB more of it is near the floor */
    struct vs__native *a = malloc(sizeof(*a)), *b = malloc(sizeof(*b));
    float block[VS_HOP_FRAMES], low[VS_HOP_FRAMES];
    const size_t hops = FEWER(2000);

    assert_non_null(a);
    assert_non_null(b);
    for (size_t g = 0; g < VS__COUNT(gains); g++) {
        struct voice v = {0};
        double sum = 0.0;

        open_native(a, 0);
        open_native(b, 0);
        for (size_t h = 0; h < hops; h++) {
            say(&v, 0.01f, 1.0f, block);
            for (size_t i = 0; i < VS_HOP_FRAMES; i++)
                low[i] = gains[g] * block[i];
            sum += (double)fabsf(judge(a, block) - judge(b, low));
        }
        printf("# %.0f dB: probabilities differ by %.5f in the mean\n",
               20.0 * log10((double)gains[g]), sum / (double)hops);
        assert_true(sum / (double)hops < most[g]);
        vs__native_fini(a);
        vs__native_fini(b);
    }
    free(a);
    free(b);
}

/* An hour of the same 15 s, 10 of speech and 5 of noise: the last ten minutes are judged like the
   first. No drift. */
static void test_hour(void **state)
{
    enum { ROUND = 1500 };
    const size_t hops = FEWER(360000), part = hops / 6;
    static float audio[ROUND][VS_HOP_FRAMES];
    struct vs__native *n = malloc(sizeof(*n));
    struct voice v = {0};
    double first = 0.0, last = 0.0;

    assert_non_null(n);
    for (size_t h = 0; h < ROUND; h++)
        say(&v, 0.002f, 1.0f, audio[h]);
    for (size_t h = 1000; h < ROUND; h++)
        for (size_t i = 0; i < VS_HOP_FRAMES; i++)
            audio[h][i] = 0.002f * draw();
    open_native(n, vs_cpu_detect());
    for (size_t h = 0; h < hops; h++) {
        double p = (double)judge(n, audio[h % ROUND]);

        first += h < part ? p : 0.0;
        last += h >= hops - part ? p : 0.0;
        for (size_t i = 0; i < VS__NATIVE_HIDDEN; i++)
            assert_true(fabsf(n->past.hidden[i]) <= 1.0f);
        for (size_t i = 0; i < VS__NATIVE_FOLLOWERS; i++)
            assert_true(fabsf(n->past.followers[i]) <= 1.0f);
    }
    printf("# mean probability: %.4f in the first sixth, %.4f in the last\n", first / (double)part,
           last / (double)part);
    assert_true(fabs(first - last) / (double)part < 0.02);
    vs__native_fini(n);
    free(n);
}

/* A reset detector is a new one; a saved one goes on where it was. */
static void test_reset(void **state)
{
    struct vs__native *a = malloc(sizeof(*a)), *b = malloc(sizeof(*b));
    struct vs__native_memory memory;
    struct voice v = {0};
    float block[VS_HOP_FRAMES];

    assert_non_null(a);
    assert_non_null(b);
    open_native(a, 0);
    open_native(b, 0);
    for (size_t h = 0; h < 300; h++) {
        say(&v, 0.01f, 1.0f, block);
        judge(a, block);
    }
    vs__native_save(a, &memory);
    vs__native_reset(a);
    assert_memory_equal(&a->past, &b->past, sizeof(a->past));
    assert_memory_equal(&a->features.past, &b->features.past, sizeof(a->features.past));
    vs__native_restore(a, &memory);
    vs__native_restore(b, &memory);
    for (size_t h = 0; h < 300; h++) {
        say(&v, 0.01f, 1.0f, block);
        assert_float_equal(judge(a, block), judge(b, block), 0.0f);
    }
    vs__native_fini(a);
    vs__native_fini(b);
    free(a);
    free(b);
}

/* Silence is no speech, nor is an offset; nonsense in the audio does not stay. */
static void test_nonsense(void **state)
{
    static const float wrong[] = {NAN, INFINITY, -INFINITY, 1e30f, -1e30f};
    struct vs__native *n = malloc(sizeof(*n));
    float block[VS_HOP_FRAMES];

    assert_non_null(n);
    open_native(n, 0);
    memset(block, 0, sizeof(block));
    for (size_t h = 0; h < 200; h++)
        assert_float_equal(judge(n, block), 0.0f, 0.0f);
    for (size_t k = 0; k < VS__COUNT(wrong); k++) {
        for (size_t i = 0; i < VS_HOP_FRAMES; i++)
            block[i] = i % 3 ? wrong[k] : 0.1f;
        for (size_t h = 0; h < 20; h++) {
            float p = judge(n, block);
            assert_true(p >= 0.0f && p <= 1.0f);
        }
    }
    double sum = 0.0;
    for (size_t i = 0; i < VS_HOP_FRAMES; i++)
        block[i] = 0.25f;
    for (size_t h = 0; h < 1000; h++) {
        float p = judge(n, block);
        sum += h >= 500 ? (double)p : 0.0;
    }
    assert_true(sum / 500 < 0.2);
    vs__native_fini(n);
    free(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rounding), cmocka_unit_test(test_levels),
        cmocka_unit_test(test_gain),     cmocka_unit_test(test_hour),
        cmocka_unit_test(test_reset),    cmocka_unit_test(test_nonsense),
    };

    return cmocka_run_group_tests_name("native", tests, NULL, NULL);
}
