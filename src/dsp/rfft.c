/* SPDX-License-Identifier: MIT */
/* The plan of a real FFT: which level does it, its passes and their factors, worked out in double
   precision. */
#include "dsp/rfft.h"

#include <errno.h>
#include <math.h>

#include "base/base.h"

#define LINE 16 /* floats to which the tables are aligned */

static const double pi = 3.14159265358979323846;

/* The radices of the passes behind the first, whose product is `left`.
   @return false if it has factors other than 2, 3 and 5 */
static bool set_radices(struct vs__rfft *f, size_t left)
{
    static const size_t radices[] = {3, 5, 8, 4, 2};

    f->passes = 0;
    for (size_t i = 0; i < VS__COUNT(radices); i++)
        while (left % radices[i] == 0 && left != 1) {
            if (radices[i] == 8 && (left == 16 || left == 64))
                break; /* 4 * 4 rather than 8 * 2; and a last pass of 4 is the fastest */
            f->radix[f->passes++] = radices[i];
            left /= radices[i];
        }
    return left == 1;
}

/* The widest level of `flags` whose vectors fit into `half` points. */
static const struct vs__rfft_level *choose_level(unsigned flags, size_t half)
{
    const struct {
        unsigned flag;
        const struct vs__rfft_level *level;
    } levels[] = {
#ifdef VS__HAVE_AVX512
        {VS_CPU_AVX512, &vs__rfft_avx512},
#endif
#ifdef VS__HAVE_AVX2
        {VS_CPU_AVX2, &vs__rfft_avx2},
#endif
#ifdef VS__HAVE_NEON
        {VS_CPU_NEON, &vs__rfft_neon},
#endif
        {0, &vs__rfft_c},
    };
    size_t i = 0;

    for (; levels[i].flag; i++) {
        size_t width = levels[i].level->width;
        if ((flags & levels[i].flag) && half % width == 0 && half / width >= width)
            break;
    }
    return levels[i].level;
}

/* scale * exp(-2 pi i k / n) */
static void set_unit(float *re, float *im, size_t k, size_t n, double scale)
{
    *re = (float)(scale * cos(2 * pi * (double)(k % n) / (double)n));
    *im = (float)(scale * -sin(2 * pi * (double)(k % n) / (double)n));
}

static void set_factors(struct vs__rfft *f)
{
    size_t width = f->level->width, left = f->half / width;
    float *first = f->first, *turn = f->turn;

    for (size_t i = 0; i < left; i += width) {
        size_t p = VS__MIN(i, left - width);
        for (size_t j = 1; j < width; j++, first += 2 * width)
            for (size_t lane = 0; lane < width; lane++)
                set_unit(first + lane, first + width + lane, j * (p + lane), f->half, 1.0);
    }
    for (size_t pass = 0; pass + 1 < f->passes; pass++) {
        size_t radix = f->radix[pass];
        for (size_t p = 0; p < left / radix; p++)
            for (size_t j = 0; j < radix; j++, turn += 2)
                set_unit(turn, turn + 1, j * p, left, 1.0);
        left /= radix;
    }
    for (size_t k = 0; k < f->half; k++) {
        float *split = f->split + k / width * 2 * width + k % width;
        set_unit(split, split + width, k, f->n, 0.5);
    }
}

static size_t round_up(size_t count, size_t step)
{
    return (count + step - 1) / step * step;
}

static int create(const struct vs__rfft_level *level, size_t n, struct vs__rfft **ret)
{
    struct vs__rfft plan = {.n = n, .half = n / 2, .level = level};

    size_t width = plan.level->width, left = plan.half / width;
    if (!set_radices(&plan, left))
        return -EINVAL;

    size_t head = round_up(sizeof(plan), LINE * sizeof(float)), points = round_up(n, LINE);
    size_t first = round_up(left, width) * 2 * (width - 1);
    for (size_t pass = 0, count = left; pass + 1 < plan.passes; count /= plan.radix[pass++])
        plan.turns += 2 * count;
    size_t turn = round_up(plan.turns, LINE);
    struct vs__rfft *f = vs__alloc(head + (2 * points + first + turn + n) * sizeof(float));
    if (!f)
        return -ENOMEM;
    *f = plan;
    f->a = (float *)(void *)((char *)f + head);
    f->b = f->a + points;
    f->first = f->b + points;
    f->turn = f->first + first;
    f->split = f->turn + turn;
    set_factors(f);
    *ret = f;
    return 0;
}

static bool has_size(size_t n)
{
    return n >= 32 && n <= 4096 && n % 8 == 0;
}

int vs__rfft_create(const struct vs__dsp *dsp, size_t n, struct vs__rfft **ret)
{
    return has_size(n) ? create(choose_level(dsp->flags, n / 2), n, ret) : -EINVAL;
}

int vs__rfft_create_same(size_t n, struct vs__rfft **ret)
{
    return has_size(n) && n % 128 == 0 ? create(&vs__rfft_same, n, ret) : -EINVAL;
}

void vs__rfft_forward(struct vs__rfft *f, const float *in, float *out)
{
    f->level->forward(f, in, out);
}

void vs__rfft_forward_apart(const struct vs__dsp *dsp, const struct vs__rfft *f, float *scratch,
                            const float *in, float *out)
{
    struct vs__rfft own = *f;

#ifdef VS__HAVE_AVX2
    if (own.level == &vs__rfft_same && (dsp->flags & VS_CPU_AVX2))
        own.level = &vs__rfft_same_avx2;
#endif
    (void)dsp;
    own.a = scratch;
    own.b = scratch + f->n;
    own.level->forward(&own, in, out);
}

void vs__rfft_inverse(struct vs__rfft *f, const float *in, float *out)
{
    f->level->inverse(f, in, out);
}

void vs__rfft_destroy(struct vs__rfft *f)
{
    vs__free(f);
}
