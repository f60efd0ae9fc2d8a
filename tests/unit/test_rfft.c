/* SPDX-License-Identifier: MIT */
/* The real FFT of every length and level against the definition in double precision. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/base.h"
#include "dsp/dsp.h"

#define LONGEST 4096

static const double pi = 3.14159265358979323846;
static const char *const levels[] = {"c", "avx2", "avx512", "neon"};

/* Relative rms error that is allowed for n points; about twice what is seen. */
static double allowed(size_t n)
{
    return 3e-8 * log2((double)n);
}

static uint32_t seed = 1;

static float draw(void)
{
    seed = seed * 1664525u + 1013904223u;
    return (float)(int32_t)seed * 0x1p-31f;
}

/* Lengths that the transform takes: multiples of 8 made of 2, 3 and 5. @return 0 behind the last */
static size_t next_length(size_t n)
{
    for (n += 8; n <= LONGEST; n += 8) {
        size_t left = n;
        for (size_t factor = 2; factor <= 5; factor++)
            while (left % factor == 0)
                left /= factor;
        if (left == 1 && n >= 32)
            return n;
    }
    return 0;
}

/* Runs `check` on each level that this machine and this build have. */
static void on_levels(void (*check)(const struct vs__dsp *dsp))
{
    size_t ran = 0;
    for (size_t i = 0; i < VS__COUNT(levels); i++) {
        struct vs__dsp dsp;
        unsigned flags;
        if (vs_cpu_parse(levels[i], &flags)) {
            print_message("not here: %s\n", levels[i]);
            continue;
        }
        vs__dsp_init(&dsp, flags);
        check(&dsp);
        ran++;
    }
    assert_true(ran > 0);
}

static struct vs__rfft *create(const struct vs__dsp *dsp, size_t n)
{
    struct vs__rfft *f = NULL;
    assert_int_equal(vs__rfft_create(dsp, n, &f), 0);
    return f;
}

/* the definition --------------------------------------------------------------------------- */

static double cosines[LONGEST]; /* of one turn in n steps */

static void set_cosines(size_t n)
{
    for (size_t i = 0; i < n; i++)
        cosines[i] = cos(2 * pi * (double)i / (double)n);
}

/* -sin is a cosine a quarter turn on; n is a multiple of 4 */
static void define_bin(const float *in, size_t n, size_t k, double *ret_re, double *ret_im)
{
    double re = 0, im = 0;
    for (size_t i = 0, at = 0; i < n; i++, at = (at + k) % n) {
        re += (double)in[i] * cosines[at];
        im += (double)in[i] * cosines[(at + n / 4) % n];
    }
    *ret_re = re;
    *ret_im = im;
}

/* The way back of a spectrum whose ends are real, times n / 2 as the transform has it. */
static double define_sample(const float *in, size_t n, size_t i)
{
    double sum = 0.5 * ((double)in[0] + (i % 2 ? -1 : 1) * (double)in[n]);
    for (size_t k = 1, at = i; k < n / 2; k++, at = (at + i) % n)
        sum += (double)in[2 * k] * cosines[at] + (double)in[2 * k + 1] * cosines[(at + n / 4) % n];
    return sum;
}

static void check_definition(const struct vs__dsp *dsp)
{
    static float in[LONGEST + 2], out[LONGEST + 2];
    for (size_t n = next_length(0); n; n = next_length(n)) {
        struct vs__rfft *f = create(dsp, n);
        double error = 0, size = 0;
        size_t step = n > 1024 ? 37 : 1; /* some of the long ones' bins, the last one as well */
        set_cosines(n);
        for (size_t i = 0; i < n; i++)
            in[i] = draw();
        vs__rfft_forward(f, in, out);
        for (size_t k = n / 2 % step; k <= n / 2; k += step) {
            double re, im;
            define_bin(in, n, k, &re, &im);
            error += pow(re - (double)out[2 * k], 2) + pow(im - (double)out[2 * k + 1], 2);
            size += re * re + im * im;
        }
        assert_true(sqrt(error / size) < allowed(n));
        assert_true(out[1] == 0 && out[n + 1] == 0);

        for (size_t i = 0; i < n + 2; i++)
            in[i] = draw(); /* the imaginary parts of the ends are to be passed over */
        error = size = 0;
        vs__rfft_inverse(f, in, out);
        for (size_t i = 0; i < n; i += step) {
            double x = define_sample(in, n, i);
            error += pow(x - (double)out[i], 2);
            size += x * x;
        }
        assert_true(sqrt(error / size) < allowed(n));
        vs__rfft_destroy(f);
    }
}

static void test_definition(void **state)
{
    on_levels(check_definition);
}

/* laws: the random inputs above would pass over a single wrong sample or bin of a long transform -- */

/* One sample gives bins of size 1 that turn evenly. */
static void check_impulses(const struct vs__dsp *dsp)
{
    static float in[LONGEST], out[LONGEST + 2];
    for (size_t n = next_length(0); n; n = next_length(n)) {
        struct vs__rfft *f = create(dsp, n);
        set_cosines(n);
        for (size_t at = 0; at<n; at += n> 512 ? 29 : 1) {
            memset(in, 0, sizeof(in));
            in[at] = 1;
            vs__rfft_forward(f, in, out);
            for (size_t k = 0; k <= n / 2; k++) {
                assert_true(fabs((double)out[2 * k] - cosines[at * k % n]) < 1e-6);
                assert_true(fabs((double)out[2 * k + 1] - cosines[(at * k + n / 4) % n]) < 1e-6);
            }
        }
        vs__rfft_destroy(f);
    }
}

static void test_impulses(void **state)
{
    on_levels(check_impulses);
}

/* One bin gives a tone, and the tone that bin alone. */
static void check_tones(const struct vs__dsp *dsp)
{
    static float in[LONGEST + 2], wave[LONGEST], out[LONGEST + 2];
    for (size_t n = next_length(0); n; n = next_length(n)) {
        struct vs__rfft *f = create(dsp, n);
        set_cosines(n);
        for (size_t k = 0; k <= n / 2; k += n > 512 ? 29 : 1) {
            memset(in, 0, sizeof(in));
            in[2 * k] = 1;
            vs__rfft_inverse(f, in, wave);
            double scale = k == 0 || k == n / 2 ? 0.5 : 1;
            for (size_t i = 0; i < n; i++)
                assert_true(fabs((double)wave[i] - scale * cosines[i * k % n]) < 1e-6);
            vs__rfft_forward(f, wave, out);
            for (size_t i = 0; i < n + 2; i++)
                assert_true(fabs((double)(out[i] - in[i] * (float)(n / 2))) < 1e-6 * (double)n);
        }
        vs__rfft_destroy(f);
    }
}

static void test_tones(void **state)
{
    on_levels(check_tones);
}

/* There and back gives the input, and the spectrum has its energy. */
static void check_energy(const struct vs__dsp *dsp)
{
    static float in[LONGEST], bins[LONGEST + 2], back[LONGEST];
    for (size_t n = next_length(0); n; n = next_length(n)) {
        struct vs__rfft *f = create(dsp, n);
        double energy = 0, power = 0, error = 0;
        for (size_t i = 0; i < n; i++)
            in[i] = draw();
        vs__rfft_forward(f, in, bins);
        vs__rfft_inverse(f, bins, back);
        for (size_t i = 0; i < n; i++) {
            energy += pow((double)in[i], 2);
            error += pow((double)back[i] / (double)(n / 2) - (double)in[i], 2);
        }
        for (size_t i = 0; i < n + 2; i++)
            power += pow((double)bins[i], 2) * (i < 2 || i >= n ? 1 : 2);
        assert_true(sqrt(error / energy) < 2 * allowed(n));
        assert_true(fabs(power / (double)n / energy - 1) < 1e-6);
        vs__rfft_destroy(f);
    }
}

static void test_energy(void **state)
{
    on_levels(check_energy);
}

/* What vs__rfft_create_same() makes: on each level the same bits, and near the definition. */
static void check_same(const struct vs__dsp *dsp)
{
    static float in[LONGEST], scratch[2 * LONGEST], plain[LONGEST + 2], out[LONGEST + 2];
    struct vs__dsp none;
    vs__dsp_init(&none, 0);
    for (size_t n = next_length(0); n; n = next_length(n)) {
        struct vs__rfft *f = NULL;
        double error = 0, size = 0;
        if (n % 128 != 0) {
            assert_int_equal(vs__rfft_create_same(n, &f), -EINVAL);
            continue;
        }
        assert_int_equal(vs__rfft_create_same(n, &f), 0);
        set_cosines(n);
        for (size_t i = 0; i < n; i++)
            in[i] = draw();
        vs__rfft_forward_apart(&none, f, scratch, in, plain);
        vs__rfft_forward_apart(dsp, f, scratch, in, out);
        assert_memory_equal(out, plain, (n + 2) * sizeof(float));
        for (size_t k = 0; k <= n / 2; k += n > 1024 ? 37 : 1) {
            double re, im;
            define_bin(in, n, k, &re, &im);
            error += pow(re - (double)out[2 * k], 2) + pow(im - (double)out[2 * k + 1], 2);
            size += re * re + im * im;
        }
        assert_true(sqrt(error / size) < allowed(n));
        vs__rfft_destroy(f);
    }
}

static void test_same(void **state)
{
    on_levels(check_same);
}

/* memory ----------------------------------------------------------------------------------- */

/* Any address will do, the input stays as it is and nothing beside the output is written. */
static void check_addresses(const struct vs__dsp *dsp)
{
    static float in[LONGEST + 16], before[LONGEST + 16], out[LONGEST + 18], once[LONGEST + 2];
    for (size_t n = next_length(0); n; n = next_length(n)) {
        struct vs__rfft *f = create(dsp, n);
        for (size_t way = 0; way < 2; way++) {
            void (*transform)(struct vs__rfft *, const float *, float *) =
                way ? vs__rfft_inverse : vs__rfft_forward;
            size_t makes = way ? n : n + 2;
            for (size_t at = 0; at < 9; at++) {
                for (size_t i = 0; i < VS__COUNT(out); i++)
                    out[i] = 7;
                if (at == 0)
                    for (size_t i = 0; i < n + 2; i++)
                        in[i] = draw();
                else
                    memmove(in + at, in + at - 1, (n + 2) * sizeof(float));
                memcpy(before, in, sizeof(in));
                transform(f, in + at, out + 9 - at);
                assert_memory_equal(in, before, sizeof(in));
                if (at == 0)
                    memcpy(once, out + 9, makes * sizeof(float));
                assert_memory_equal(out + 9 - at, once, makes * sizeof(float));
                for (size_t i = 0; i < VS__COUNT(out); i++)
                    assert_true(out[i] == 7 || (i >= 9 - at && i < 9 - at + makes));
            }
            /* in place */
            transform(f, in + 8, in + 8);
            assert_memory_equal(in + 8, once, makes * sizeof(float));
        }
        vs__rfft_destroy(f);
    }
}

static void test_addresses(void **state)
{
    on_levels(check_addresses);
}

/* Nothing of one transform is left in the next, whatever it was; none allocates. */
static void check_remains(const struct vs__dsp *dsp)
{
    static const float odd[] = {NAN, INFINITY, -INFINITY, 1e38f, -1e38f, 1e-42f, -0.0f};
    static float in[514], bad[514], first[514], again[514];
    struct vs__rfft *f = create(dsp, 512);

    for (size_t i = 0; i < 514; i++) {
        in[i] = draw();
        bad[i] = odd[i % VS__COUNT(odd)];
    }
    vs__alloc_fail_after(1);
    vs__rfft_forward(f, in, first);
    vs__rfft_forward(f, bad, again);
    assert_true(isnan(again[4]));
    vs__rfft_inverse(f, bad, again);
    vs__rfft_forward(f, in, again);
    assert_memory_equal(first, again, sizeof(first));
    memset(bad, 0, sizeof(bad));
    vs__rfft_forward(f, bad, again);
    for (size_t i = 0; i < 514; i++)
        assert_true(again[i] == 0);
    struct vs__rfft *none = NULL;
    assert_int_equal(vs__rfft_create(dsp, 512, &none), -ENOMEM);
    assert_null(none);
    vs__rfft_destroy(f);
}

static void test_remains(void **state)
{
    on_levels(check_remains);
}

static void test_errors(void **state)
{
    static const size_t wrong[] = {0,  8,  16,   24,   31,   33,   36,  50,
                                   56, 88, 1001, 1016, 4095, 4104, 8192};
    struct vs__dsp dsp;
    struct vs__rfft *f = NULL;

    vs__dsp_init(&dsp, vs_cpu_detect());
    for (size_t i = 0; i < VS__COUNT(wrong); i++)
        assert_int_equal(vs__rfft_create(&dsp, wrong[i], &f), -EINVAL);
    assert_null(f);
    vs__rfft_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_definition), cmocka_unit_test(test_impulses),
        cmocka_unit_test(test_tones),      cmocka_unit_test(test_energy),
        cmocka_unit_test(test_same),       cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_remains),    cmocka_unit_test(test_errors),
    };
    return cmocka_run_group_tests_name("rfft", tests, NULL, NULL);
}
