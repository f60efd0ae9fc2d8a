/* SPDX-License-Identifier: MIT */
/* The passes of the real FFT: a complex FFT of n / 2 points over even and odd samples, then the two
   halves are told apart by symmetry. The complex FFT is Stockham's self-sorting form. Its first
   pass has the vector's width as radix: it works on neighbouring points and transposes what it
   made, so that all later passes find whole vectors that take the same factor. The last pass does
   the telling apart as well. The way back is the same in the opposite order. Compiled once per
   level with VS__LEVEL and VS__WIDTH; in plain C the width is 1 and the first pass only copies. */
#include <stdbool.h>

#include "dsp/rfft.h"
#include "dsp/vec.h"

#define CONCAT(a, b) a##b
#define NAMED(level) CONCAT(vs__rfft_, level)

/* WIDTH complex points. */
struct points {
    vec re, im;
};

INLINE struct points load_points(const float *x)
{
    return (struct points){load(x), load(x + WIDTH)};
}

INLINE void store_points(float *x, struct points p)
{
    store(x, p.re);
    store(x + WIDTH, p.im);
}

INLINE struct points splat_point(const float *x)
{
    return (struct points){splat(x[0]), splat(x[1])};
}

INLINE struct points mirror_points(struct points p)
{
    return (struct points){mirror(p.re), mirror(p.im)};
}

/* `p` with lane 0 of `first`. */
INLINE struct points swap_first(struct points p, struct points first)
{
    return (struct points){blend_first(p.re, first.re), blend_first(p.im, first.im)};
}

INLINE struct points add(struct points a, struct points b)
{
    return (struct points){plus(a.re, b.re), plus(a.im, b.im)};
}

INLINE struct points sub(struct points a, struct points b)
{
    return (struct points){minus(a.re, b.re), minus(a.im, b.im)};
}

/* a - i b */
INLINE struct points add_right(struct points a, struct points b)
{
    return (struct points){plus(a.re, b.im), minus(a.im, b.re)};
}

/* a + i b */
INLINE struct points add_left(struct points a, struct points b)
{
    return (struct points){minus(a.re, b.im), plus(a.im, b.re)};
}

/* a + s b and a - s b with real s */
INLINE struct points add_scaled(struct points a, vec s, struct points b)
{
    return (struct points){add_product(a.re, s, b.re), add_product(a.im, s, b.im)};
}

INLINE struct points sub_scaled(struct points a, vec s, struct points b)
{
    return (struct points){sub_product(a.re, s, b.re), sub_product(a.im, s, b.im)};
}

INLINE struct points times(struct points a, struct points b)
{
    return (struct points){sub_product(product(a.re, b.re), a.im, b.im),
                           add_product(product(a.im, b.re), a.re, b.im)};
}

/* transforms of a few points, in place ------------------------------------------------------- */

INLINE void butterfly2(struct points *x)
{
    struct points a = x[0];
    x[0] = add(a, x[1]);
    x[1] = sub(a, x[1]);
}

INLINE void butterfly3(struct points *x)
{
    const vec half = splat(0.5f), sine = splat(0.866025404f);
    struct points t = add(x[1], x[2]), d = sub(x[1], x[2]), m = sub_scaled(x[0], half, t);
    struct points n = {product(sine, d.re), product(sine, d.im)};
    x[0] = add(x[0], t);
    x[1] = add_right(m, n);
    x[2] = add_left(m, n);
}

INLINE void butterfly4(struct points *a, struct points *b, struct points *c, struct points *d)
{
    struct points s = add(*a, *c), t = sub(*a, *c), u = add(*b, *d), v = sub(*b, *d);
    *a = add(s, u);
    *b = add_right(t, v);
    *c = sub(s, u);
    *d = add_left(t, v);
}

INLINE void butterfly5(struct points *x)
{
    const vec cos1 = splat(0.309016994f), cos2 = splat(-0.809016994f);
    const vec sin1 = splat(0.951056516f), sin2 = splat(0.587785252f);
    struct points s1 = add(x[1], x[4]), s2 = add(x[2], x[3]);
    struct points d1 = sub(x[1], x[4]), d2 = sub(x[2], x[3]);
    struct points m1 = add_scaled(add_scaled(x[0], cos1, s1), cos2, s2);
    struct points m2 = add_scaled(add_scaled(x[0], cos2, s1), cos1, s2);
    struct points n1 =
        add_scaled((struct points){product(sin1, d1.re), product(sin1, d1.im)}, sin2, d2);
    struct points n2 =
        sub_scaled((struct points){product(sin2, d1.re), product(sin2, d1.im)}, sin1, d2);
    x[0] = add(x[0], add(s1, s2));
    x[1] = add_right(m1, n1);
    x[2] = add_right(m2, n2);
    x[3] = add_left(m2, n2);
    x[4] = add_left(m1, n1);
}

INLINE void butterfly8(struct points *x)
{
    const vec root = splat(0.707106781f);
    struct points a = x[0], b = x[2], c = x[4], d = x[6];
    struct points e = x[1], f = x[3], g = x[5], h = x[7];
    butterfly4(&a, &b, &c, &d);
    butterfly4(&e, &f, &g, &h);
    /* (1 - i) f, to be divided by sqrt(2); (-1 - i) h, its imaginary part negated */
    struct points f1 = {plus(f.re, f.im), minus(f.im, f.re)};
    struct points h1 = {minus(h.im, h.re), plus(h.re, h.im)};
    x[0] = add(a, e);
    x[4] = sub(a, e);
    x[1] = add_scaled(b, root, f1);
    x[5] = sub_scaled(b, root, f1);
    x[2] = add_right(c, g);
    x[6] = add_left(c, g);
    x[3] = (struct points){add_product(d.re, root, h1.re), sub_product(d.im, root, h1.im)};
    x[7] = (struct points){sub_product(d.re, root, h1.re), add_product(d.im, root, h1.im)};
}

#if VS__WIDTH == 16
INLINE void butterfly16(struct points *x)
{
    static const float c = 0.923879533f, s = 0.382683432f, r = 0.707106781f;
    const struct points w1 = {splat(c), splat(-s)}, w2 = {splat(r), splat(-r)};
    const struct points w3 = {splat(s), splat(-c)}, w6 = {splat(-r), splat(-r)};
    const struct points w9 = {splat(-c), splat(s)};
    struct points y[16];

    for (size_t j = 0; j < 4; j++)
        butterfly4(x + j, x + j + 4, x + j + 8, x + j + 12);
    x[5] = times(x[5], w1);
    x[6] = times(x[6], w2);
    x[7] = times(x[7], w3);
    x[9] = times(x[9], w2);
    x[10] = (struct points){x[10].im, -x[10].re};
    x[11] = times(x[11], w6);
    x[13] = times(x[13], w3);
    x[14] = times(x[14], w6);
    x[15] = times(x[15], w9);
    for (size_t j = 0; j < 4; j++) {
        butterfly4(x + 4 * j, x + 4 * j + 1, x + 4 * j + 2, x + 4 * j + 3);
        for (size_t k = 0; k < 4; k++)
            y[j + 4 * k] = x[4 * j + k];
    }
    for (size_t j = 0; j < 16; j++)
        x[j] = y[j];
}
#endif

INLINE void butterfly(size_t radix, struct points *x)
{
    if (radix == 2)
        butterfly2(x);
    else if (radix == 3)
        butterfly3(x);
    else if (radix == 4)
        butterfly4(x, x + 1, x + 2, x + 3);
    else if (radix == 5)
        butterfly5(x);
    else if (radix == 8)
        butterfly8(x);
#if VS__WIDTH == 16
    else if (radix == 16)
        butterfly16(x);
#endif
}

/* the ends at the samples -------------------------------------------------------------------- */

/* The first pass of the way there. The last vector may overlap the one before: what both make is
   the same. */
INLINE void spread(const struct vs__rfft *f, const float *restrict in, float *restrict out)
{
    size_t apart = f->half / WIDTH;
    const float *turn = f->first;

    for (size_t i = 0; i < apart; i += WIDTH) {
        size_t p = i + WIDTH <= apart ? i : apart - WIDTH;
        struct points x[WIDTH];
        vec re[WIDTH], im[WIDTH];
        for (size_t j = 0; j < WIDTH; j++)
            load_pairs(in + 2 * (p + j * apart), &x[j].re, &x[j].im);
        butterfly(WIDTH, x);
        for (size_t j = 1; j < WIDTH; j++, turn += 2 * WIDTH)
            x[j] = times(x[j], load_points(turn));
        for (size_t j = 0; j < WIDTH; j++) {
            re[j] = x[j].re;
            im[j] = x[j].im;
        }
        transpose(re);
        for (size_t j = 0; j < WIDTH; j++)
            store(out + 2 * (p + j) * WIDTH, re[j]);
        transpose(im);
        for (size_t j = 0; j < WIDTH; j++)
            store(out + 2 * (p + j) * WIDTH + WIDTH, im[j]);
    }
}

/* The last pass of the way back. */
INLINE void gather(const struct vs__rfft *f, const float *restrict in, float *restrict out)
{
    size_t apart = f->half / WIDTH;
    const float *turn = f->first;

    for (size_t i = 0; i < apart; i += WIDTH) {
        size_t p = i + WIDTH <= apart ? i : apart - WIDTH;
        struct points x[WIDTH];
        vec re[WIDTH], im[WIDTH];
        for (size_t j = 0; j < WIDTH; j++)
            re[j] = load(in + 2 * (p + j) * WIDTH);
        transpose(re);
        for (size_t j = 0; j < WIDTH; j++)
            im[j] = load(in + 2 * (p + j) * WIDTH + WIDTH);
        transpose(im);
        for (size_t j = 0; j < WIDTH; j++)
            x[j] = (struct points){re[j], im[j]};
        for (size_t j = 1; j < WIDTH; j++, turn += 2 * WIDTH)
            x[j] = times(x[j], load_points(turn));
        butterfly(WIDTH, x);
        for (size_t j = 0; j < WIDTH; j++)
            store_pairs(out + 2 * (p + j * apart), x[j].im, x[j].re);
    }
}

/* passes in the middle ----------------------------------------------------------------------- */

/* `count` butterflies for each of `stride` points, which lie half / radix apart on the side of the
   samples and `stride` apart on that of the spectrum. */
struct pass {
    size_t half, stride, count;
    const float *turn;
};

/* Butterfly p. Its factors are 1 if p is 0. */
INLINE void turn_there(const struct pass *a, size_t radix, size_t p, bool plain,
                       const float *restrict in, float *restrict out)
{
    size_t apart = 2 * a->half / radix, stride = 2 * a->stride;
    const float *turn = a->turn + 2 * p * radix, *from = in + p * stride;
    float *to = out + p * radix * stride;

    for (size_t q = 0; q < stride; q += 2 * WIDTH) {
        struct points x[8];
        for (size_t j = 0; j < radix; j++)
            x[j] = load_points(from + q + j * apart);
        butterfly(radix, x);
        for (size_t j = 0; j < radix; j++) {
            if (j > 0 && !plain)
                x[j] = times(x[j], splat_point(turn + 2 * j));
            store_points(to + q + j * stride, x[j]);
        }
    }
}

INLINE void turn_back(const struct pass *a, size_t radix, size_t p, bool plain,
                      const float *restrict in, float *restrict out)
{
    size_t apart = 2 * a->half / radix, stride = 2 * a->stride;
    const float *turn = a->turn + 2 * p * radix, *from = in + p * radix * stride;
    float *to = out + p * stride;

    for (size_t q = 0; q < stride; q += 2 * WIDTH) {
        struct points x[8];
        for (size_t j = 0; j < radix; j++) {
            x[j] = load_points(from + q + j * stride);
            if (j > 0 && !plain)
                x[j] = times(x[j], splat_point(turn + 2 * j));
        }
        butterfly(radix, x);
        for (size_t j = 0; j < radix; j++)
            store_points(to + q + j * apart, x[j]);
    }
}

INLINE void pass_there(const struct pass *a, size_t radix, const float *in, float *out)
{
    turn_there(a, radix, 0, true, in, out);
    for (size_t p = 1; p < a->count; p++)
        turn_there(a, radix, p, false, in, out);
}

INLINE void pass_back(const struct pass *a, size_t radix, const float *in, float *out)
{
    turn_back(a, radix, 0, true, in, out);
    for (size_t p = 1; p < a->count; p++)
        turn_back(a, radix, p, false, in, out);
}

/* the ends at the spectrum ------------------------------------------------------------------- */

/* With s and d the sum and the difference of point k and the conjugate of point half - k, and w half
   of exp(-2 pi i k / n), bin k of the real input is s / 2 - i d w and bin half - k the conjugate of
   s / 2 + i d w. Point `half` is point 0. */
INLINE void split(struct points *k, struct points *m, struct points w)
{
    const vec halve = splat(0.5f);
    vec sr = plus(k->re, m->re), si = minus(k->im, m->im);
    vec dr = minus(k->re, m->re), di = plus(k->im, m->im);
    vec tr = add_product(product(w.re, di), w.im, dr),
        ti = sub_product(product(w.im, di), w.re, dr);
    *k = (struct points){add_product(tr, halve, sr), add_product(ti, halve, si)};
    *m = (struct points){product_less(tr, halve, sr), sub_product(ti, halve, si)};
}

/* The way back. It exchanges real and imaginary parts: a forward transform of such points is the
   inverse one with its parts exchanged. */
INLINE void merge(struct points *k, struct points *m, struct points w)
{
    const vec halve = splat(0.5f);
    vec sr = plus(k->re, m->re), si = minus(k->im, m->im);
    vec dr = minus(k->re, m->re), di = plus(k->im, m->im);
    vec tr = add_product(product(w.re, dr), w.im, di),
        ti = sub_product(product(w.re, di), w.im, dr);
    *k = (struct points){add_product(tr, halve, si), product_less(ti, halve, sr)};
    *m = (struct points){sub_product(tr, halve, si), add_product(ti, halve, sr)};
}

/* Part of the last pass of the way there, whose factors are 1. The butterflies of block i make the
   points q + j * stride, those of the block as far from the other end the points that belong to
   them. Lanes of that one are mirrored; as 0 is its own mirror image, lane 0 comes from the block
   behind it, which for the very last one is block 0 of the next j. */
INLINE void block_there(const struct vs__rfft *f, size_t radix, size_t i, bool first,
                        const float *restrict in, float *restrict out)
{
    size_t half = f->half, stride = half / radix, q = i * WIDTH, mirrored = stride - q - WIDTH;
    struct points x[8], y[8], next[8];

    for (size_t j = 0; j < radix; j++)
        x[j] = load_points(in + 2 * (q + j * stride));
    butterfly(radix, x);
    for (size_t j = 0; j < radix; j++) {
        const float *at = in + 2 * (mirrored + j * stride);
        next[j] = x[(j + 1) % radix];
        y[j] = mirror_points(load_points(at));
        if (!first)
            y[j] = swap_first(y[j], load_points(at + 2 * WIDTH));
    }
    butterfly(radix, y);
    for (size_t j = 0; j < radix; j++) {
        size_t k = q + j * stride, m = radix - 1 - j;
        if (first)
            y[m] = swap_first(y[m], next[m]);
        split(x + j, y + m, load_points(f->split + 2 * k));
        store_pairs(out + 2 * k, x[j].re, x[j].im);
        store_pairs_reversed(out + 2 * (half - k - WIDTH + 1), y[m].re, y[m].im);
    }
}

INLINE void last_there(const struct vs__rfft *f, size_t radix, const float *restrict in,
                       float *restrict out)
{
    size_t half = f->half, stride = half / radix, blocks = stride / WIDTH;
    struct points x[8];

    block_there(f, radix, 0, true, in, out);
    for (size_t i = 1; i < (blocks + 1) / 2; i++)
        block_there(f, radix, i, false, in, out);
    if (blocks % 2)
        return;
    /* q = stride / 2 is left over: lane 0 of a block */
    for (size_t j = 0; j < radix; j++)
        x[j] = load_points(in + stride + 2 * j * stride);
    butterfly(radix, x);
    for (size_t j = 0; j < (radix + 1) / 2; j++) {
        size_t k = stride / 2 + j * stride;
        struct points a = x[j], b = x[radix - 1 - j];
        split(&a, &b, load_points(f->split + 2 * k));
        store_first_pair(out + 2 * k, a.re, a.im);
        store_first_pair(out + 2 * (half - k), b.re, b.im);
    }
}

/* The way back of block_there(). */
INLINE void block_back(const struct vs__rfft *f, size_t radix, size_t i, bool first,
                       const float *restrict in, float *restrict out)
{
    size_t half = f->half, stride = half / radix, q = i * WIDTH, mirrored = stride - q - WIDTH;
    struct points x[8], y[8];

    for (size_t j = 0; j < radix; j++) {
        size_t k = q + j * stride, m = radix - 1 - j;
        load_pairs(in + 2 * k, &x[j].re, &x[j].im);
        load_pairs_reversed(in + 2 * (half - k - WIDTH + 1), &y[m].re, &y[m].im);
        if (first && j == 0) { /* the ends are real */
            x[j].im = blend_first(x[j].im, splat(0));
            y[m].im = blend_first(y[m].im, splat(0));
        }
        merge(x + j, y + m, load_points(f->split + 2 * k));
    }
    butterfly(radix, y);
    for (size_t j = 0; j < radix; j++) {
        float *at = out + 2 * (mirrored + j * stride);
        if (WIDTH > 1) /* its lane 0 is still to come */
            store_points(at, mirror_points(y[j]));
        if (!first) {
            at[2 * WIDTH] = lane0(y[j].re);
            at[3 * WIDTH] = lane0(y[j].im);
        }
    }
    butterfly(radix, x);
    for (size_t j = 0; j < radix; j++)
        store_points(out + 2 * (q + j * stride), x[j]);
}

INLINE void last_back(const struct vs__rfft *f, size_t radix, const float *restrict in,
                      float *restrict out)
{
    size_t half = f->half, stride = half / radix, blocks = stride / WIDTH;
    struct points x[8];

    block_back(f, radix, 0, true, in, out);
    for (size_t i = 1; i < (blocks + 1) / 2; i++)
        block_back(f, radix, i, false, in, out);
    if (blocks % 2)
        return;
    for (size_t j = 0; j < (radix + 1) / 2; j++) {
        size_t k = stride / 2 + j * stride;
        struct points a = splat_point(in + 2 * k), b = splat_point(in + 2 * (half - k));
        merge(&a, &b, load_points(f->split + 2 * k));
        x[radix - 1 - j] = b;
        x[j] = a;
    }
    butterfly(radix, x);
    for (size_t j = 0; j < radix; j++) {
        float *at = out + stride + 2 * j * stride;
        at[0] = lane0(x[j].re);
        at[WIDTH] = lane0(x[j].im);
    }
}

/* there and back ----------------------------------------------------------------------------- */

/* Call with the radix as a constant, so that its loops are unrolled. */
#define WITH_RADIX(radix, function, what)                                                          \
    do {                                                                                           \
        if (radix == 2)                                                                            \
            function(what, 2, in, out);                                                            \
        else if (radix == 3)                                                                       \
            function(what, 3, in, out);                                                            \
        else if (radix == 4)                                                                       \
            function(what, 4, in, out);                                                            \
        else if (radix == 5)                                                                       \
            function(what, 5, in, out);                                                            \
        else                                                                                       \
            function(what, 8, in, out);                                                            \
    } while (0)

/* The transform of 512 samples, which every hop takes twice, with 8 values per vector: what is
   constant here makes all addresses constants. */
static bool is_512(const struct vs__rfft *f)
{
    return WIDTH == 8 && f->half == 256 && f->passes == 2 && f->radix[0] == 8;
}

static void forward_512(const struct vs__rfft *f, const float *samples, float *bins)
{
    const struct vs__rfft g = {.half = 256, .first = f->first, .split = f->split};
    const struct pass pass = {256, 8, 4, f->turn};

    spread(&g, samples, f->a);
    pass_there(&pass, 8, f->a, f->b);
    last_there(&g, 4, f->b, bins);
}

static void inverse_512(const struct vs__rfft *f, const float *bins, float *samples)
{
    const struct vs__rfft g = {.half = 256, .first = f->first, .split = f->split};
    const struct pass pass = {256, 8, 4, f->turn};

    last_back(&g, 4, bins, f->a);
    pass_back(&pass, 8, f->a, f->b);
    gather(&g, f->b, samples);
}

static void forward(const struct vs__rfft *f, const float *samples, float *bins)
{
    if (is_512(f)) {
        forward_512(f, samples, bins);
        return;
    }
    struct pass pass = {f->half, WIDTH, f->half / WIDTH, f->turn};
    const float *in = f->a;
    float *out = f->b;

    spread(f, samples, f->a);
    for (size_t i = 0; i + 1 < f->passes; i++) {
        size_t radix = f->radix[i];
        pass.count /= radix;
        WITH_RADIX(radix, pass_there, &pass);
        pass.turn += 2 * radix * pass.count;
        pass.stride *= radix;
        in = out;
        out = in == f->a ? f->b : f->a;
    }
    out = bins;
    WITH_RADIX(f->radix[f->passes - 1], last_there, f);
}

static void inverse(const struct vs__rfft *f, const float *bins, float *samples)
{
    if (is_512(f)) {
        inverse_512(f, bins, samples);
        return;
    }
    size_t last = f->radix[f->passes - 1];
    struct pass pass = {f->half, f->half / last, last, f->turn + f->turns};
    const float *in = bins;
    float *out = f->a;

    WITH_RADIX(last, last_back, f);
    in = f->a;
    out = f->b;
    for (size_t i = f->passes - 1; i-- > 0;) {
        size_t radix = f->radix[i];
        pass.stride /= radix;
        pass.turn -= 2 * radix * pass.count;
        WITH_RADIX(radix, pass_back, &pass);
        pass.count *= radix;
        in = out;
        out = in == f->a ? f->b : f->a;
    }
    gather(f, in, samples);
}

const struct vs__rfft_level NAMED(VS__LEVEL) = {WIDTH, forward, inverse};
