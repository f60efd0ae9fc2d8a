/* SPDX-License-Identifier: MIT */
/* The network of network.py forwards and backwards, for training on a processor. Rounding is that of
 * network.py, and gradients pass it. What belongs to a hop of all scenes lies together:
 * [hop][scene][channel]. Its matrices have few columns, so that a tile of a product stays in registers
 * and the other matrix in the nearest cache: nothing is packed, as BLAS would, and what follows a
 * product is done while its tile is warm. Compiled by gradient.py, with -ffast-math, for the machine it
 * runs on. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { INPUTS = 80, CHANNELS = 48, HIDDEN = 64, GATES = 3 * HIDDEN, LAYERS = 5, CONTEXT = 32 };
enum {
    WEIGHTS,
    BIASES = WEIGHTS + LAYERS,
    GRU_IN = BIASES + LAYERS,
    GRU_STATE,
    GRU_BIAS,
    OUT,
    OUT_BIAS,
    PARTS
};

static const int reaches[LAYERS] = {1, 1, 2, 4, 8};
static const float step = 1 / 32.f, highest = 127 / 32.f, state_steps = 63;

/* A tile: DEEP rows of WIDE vectors. */
#ifdef __AVX512F__
enum { LANES = 16, DEEP = 8, WIDE = 3 };
#else
enum { LANES = 8, DEEP = 4, WIDE = 3 };
#endif
enum { BLOCK = 64 }; /* rows whose gradients are added up in registers; DEEP divides it */
typedef float lanes __attribute__((vector_size(4 * LANES), aligned(4)));
#define EACH(i, n) _Pragma("GCC unroll 8") for (int i = 0; i < (n); i++)
#define INLINE     static inline __attribute__((always_inline))

/* Room for one stretch of scenes, and the weights as the network rounds them. */
struct work {
    int scenes, hops, at_once; /* hops whose gradients are in to_sums and to_heard */
    /* inputs of layers; sums before they are bent, later their gradients, with room for zeros on both
     * sides; gradients */
    float *in[LAYERS + 1], *before[LAYERS], *back[2];
    float *sums, *gate, *reset, *candidate, *heard, *states, *rounded; /* of the recurrence */
    float *conv[LAYERS], *gru_in, *gru_state;                          /* rows as in p */
    float *turned[LAYERS], *turned_in, *turned_state; /* a column of these in a row */
    float *to_sums, *to_heard;
};

static int hops_into(const struct work *w, int layer)
{
    int hops = w->hops + CONTEXT;
    for (int i = 0; i < layer; i++)
        hops -= 2 * reaches[i];
    return hops;
}

static int width_into(int layer)
{
    return layer ? CHANNELS : INPUTS;
}

static float *room(size_t floats)
{
    return aligned_alloc(64, (floats * sizeof(float) + 63) / 64 * 64);
}

struct work *gradient_open(int scenes, int hops)
{
    struct work *w = calloc(1, sizeof *w);
    w->scenes = scenes;
    w->hops = hops;
    size_t rows = (size_t)scenes * (hops + CONTEXT), judged = (size_t)scenes * hops;
    for (int i = 0; i <= LAYERS; i++)
        w->in[i] = room(rows * width_into(i));
    for (int i = 0; i < LAYERS; i++) {
        size_t beside = (size_t)2 * reaches[i] * scenes * CHANNELS;
        w->before[i] = room(rows * CHANNELS + 2 * beside) + beside;
        w->conv[i] = room((size_t)CHANNELS * 3 * width_into(i));
        w->turned[i] = room((size_t)CHANNELS * 3 * width_into(i));
    }
    w->back[0] = room(rows * CHANNELS);
    w->back[1] = room(rows * CHANNELS);
    w->sums = room(judged * GATES);
    w->at_once = scenes < BLOCK ? BLOCK / scenes : 1;
    w->to_sums = room((size_t)w->at_once * scenes * GATES);
    w->to_heard = room((size_t)w->at_once * scenes * GATES);
    float **of_state[] = {&w->gate, &w->reset, &w->candidate, &w->heard, &w->rounded};
    for (size_t i = 0; i < sizeof of_state / sizeof *of_state; i++)
        *of_state[i] = room(judged * HIDDEN);
    w->states = room((judged + scenes) * HIDDEN);
    w->gru_in = room(GATES * CHANNELS);
    w->gru_state = room(GATES * HIDDEN);
    w->turned_in = room(GATES * CHANNELS);
    w->turned_state = room(GATES * HIDDEN);
    return w;
}

static void round_rows(const float *from, float *to, int rows, int columns)
{
    for (int r = 0; r < rows; r++, from += columns, to += columns) {
        float most = 0;
        for (int c = 0; c < columns; c++)
            most = fmaxf(most, fabsf(from[c]));
        float scale = most / 127 + 1e-12f;
        for (int c = 0; c < columns; c++)
            to[c] = rintf(from[c] / scale) * scale;
    }
}

static void turn(const float *from, float *to, int rows, int columns)
{
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++)
            to[c * rows + r] = from[r * columns + c];
}

static void round_all(struct work *w, const float *const *p)
{
    for (int i = 0; i < LAYERS; i++) {
        round_rows(p[WEIGHTS + i], w->conv[i], CHANNELS, 3 * width_into(i));
        turn(w->conv[i], w->turned[i], CHANNELS, 3 * width_into(i));
    }
    round_rows(p[GRU_IN], w->gru_in, GATES, CHANNELS);
    turn(w->gru_in, w->turned_in, GATES, CHANNELS);
    round_rows(p[GRU_STATE], w->gru_state, GATES, HIDDEN);
    turn(w->gru_state, w->turned_state, GATES, HIDDEN);
}

/* Of so many columns that are left, how many vectors make the next tile. */
INLINE int tile_of(int columns)
{
    int vectors = columns / LANES;
    return vectors == 3 || vectors > 4 ? 3 : vectors > 1 ? 2 : 1;
}

/* Tile += DEEP rows of a, `next` floats apart, times b[inner][.], whose rows are `width` apart. */
INLINE void add_product(lanes tile[DEEP][WIDE], int wide, const float *a, ptrdiff_t next, int inner,
                        const float *b, int width)
{
    for (int k = 0; k < inner; k++)
        EACH (r, DEEP)
            EACH (q, wide)
                tile[r][q] += a[r * next + k] * *(const lanes *)(b + k * width + LANES * q);
}

INLINE void store(lanes tile[DEEP][WIDE], int wide, float *to, int width)
{
    EACH (r, DEEP)
        EACH (q, wide)
            *(lanes *)(to + r * width + LANES * q) = tile[r][q];
}

INLINE void load(lanes tile[DEEP][WIDE], int wide, const float *from, int width)
{
    EACH (r, DEEP)
        EACH (q, wide)
            tile[r][q] = *(const lanes *)(from + r * width + LANES * q);
}

/* DEEP rows of c (+)= those of a, at `taps` places `reach` floats apart, times b[taps][inner][.] */
INLINE void product_tile(const float *a, int next, int inner, int taps, ptrdiff_t reach,
                         const float *b, int tap, int width, float *c, int columns, int add,
                         int wide)
{
    lanes tile[DEEP][WIDE] = {{{0}}};
    if (add)
        load(tile, wide, c, columns);
    for (int k = 0; k < taps; k++)
        add_product(tile, wide, a + k * reach, next, inner, b + k * tap, width);
    store(tile, wide, c, columns);
}

INLINE void product(const float *a, int inner, int taps, ptrdiff_t reach, const float *b, int tap,
                    int width, float *c, int columns, int add)
{
    for (int j = 0; j < columns; j += LANES * tile_of(columns - j)) {
        if (tile_of(columns - j) == 3)
            product_tile(a, inner, inner, taps, reach, b + j, tap, width, c + j, columns, add, 3);
        else if (tile_of(columns - j) == 2)
            product_tile(a, inner, inner, taps, reach, b + j, tap, width, c + j, columns, add, 2);
        else
            product_tile(a, inner, inner, taps, reach, b + j, tap, width, c + j, columns, add, 1);
    }
}

INLINE void outer_tile(const float *d, int height, const float *a, int columns, int rows, float *g,
                       int width, int wide)
{
    lanes tile[DEEP][WIDE];
    load(tile, wide, g, width);
    for (int k = 0; k < rows; k++)
        EACH (r, DEEP)
            EACH (q, wide)
                tile[r][q] += d[k * height + r] * *(const lanes *)(a + k * columns + LANES * q);
    store(tile, wide, g, width);
}

/* g[height][columns], whose rows are `width` apart, += the transpose of d[rows][height] times a[rows][columns] */
INLINE void outer(const float *d, int height, const float *a, int columns, int rows, float *g,
                  int width)
{
    for (int i = 0; i < height; i += DEEP)
        for (int j = 0; j < columns; j += LANES * tile_of(columns - j)) {
            if (tile_of(columns - j) == 3)
                outer_tile(d + i, height, a + j, columns, rows, g + i * width + j, width, 3);
            else if (tile_of(columns - j) == 2)
                outer_tile(d + i, height, a + j, columns, rows, g + i * width + j, width, 2);
            else
                outer_tile(d + i, height, a + j, columns, rows, g + i * width + j, width, 1);
        }
}

INLINE void convolve_width(struct work *w, const float *bias, int layer, int width, int beside)
{
    ptrdiff_t reach = (ptrdiff_t)reaches[layer] * w->scenes;
    int rows = hops_into(w, layer + 1) * w->scenes;
    const float *in = w->in[layer];
    for (int r = 0; r < rows; r += DEEP) {
        float *sum = w->before[layer] + (size_t)r * CHANNELS,
              *out = w->in[layer + 1] + (size_t)r * CHANNELS;
        const float *past = in + (2 * reach + r) * width;
        product(in + (size_t)r * width, width, 3, reach * width, w->turned[layer], width * CHANNELS,
                CHANNELS, sum, CHANNELS, 0);
        for (int i = 0; i < DEEP; i++)
            for (int c = 0; c < CHANNELS; c++)
                sum[i * CHANNELS + c] += bias[c];
        for (int i = 0; i < DEEP * CHANNELS; i++) {
            float y = fmaxf(sum[i], 0) + (beside ? past[i] : 0);
            out[i] = rintf(fminf(y, highest) / step) * step;
        }
    }
}

static void convolve(struct work *w, const float *const *p, int layer)
{
    if (layer)
        convolve_width(w, p[BIASES + layer], layer, CHANNELS, 1);
    else
        convolve_width(w, p[BIASES], 0, INPUTS, 0);
}

/* Bounded: the machine's quick reciprocal makes no number of that of infinity. */
static inline float logistic(float x)
{
    return 1 / (1 + expf(fminf(-x, 60)));
}

static void recur(struct work *w, const float *const *p, float least)
{
    size_t n = (size_t)w->scenes * HIDDEN;
    const float *bias = p[GRU_BIAS], *state_bias = p[GRU_BIAS] + GATES;
    float b[w->scenes * GATES];
    for (int t = 0; t < w->hops; t++) {
        const float *h = w->states + t * n, *a = w->sums + (size_t)t * w->scenes * GATES;
        float *next = w->states + (t + 1) * n, *rounded = w->rounded + t * n;
        for (size_t i = 0; i < n; i++)
            rounded[i] = rintf(h[i] * state_steps) / state_steps;
        for (int s = 0; s < w->scenes; s += DEEP)
            product(rounded + s * HIDDEN, HIDDEN, 1, 0, w->turned_state, 0, GATES, b + s * GATES,
                    GATES, 0);
        for (int s = 0; s < w->scenes; s++) {
            size_t at = t * n + (size_t)s * HIDDEN;
            const float *as = a + s * GATES, *bs = b + s * GATES;
            float *z = w->gate + at, *r = w->reset + at, *c = w->candidate + at,
                  *heard = w->heard + at;
            for (int i = 0; i < HIDDEN; i++)
                z[i] = logistic(as[i] + bias[i] + bs[i]);
            for (int i = 0; i < HIDDEN; i++)
                r[i] = logistic(as[HIDDEN + i] + bias[HIDDEN + i] + bs[HIDDEN + i]);
            for (int i = 0; i < HIDDEN; i++) {
                heard[i] = bs[2 * HIDDEN + i] + state_bias[i];
                c[i] = 2 * logistic(2 *
                                    (as[2 * HIDDEN + i] + bias[2 * HIDDEN + i] + r[i] * heard[i])) -
                       1;
            }
            for (int i = 0; i < HIDDEN; i++)
                next[s * HIDDEN + i] =
                    h[s * HIDDEN + i] + fmaxf(z[i], least) * (c[i] - h[s * HIDDEN + i]);
        }
    }
}

/* Log odds [hop][scene] of x [scene][CONTEXT + hops][INPUTS]; the state [scene][HIDDEN] goes on. */
void gradient_forward(struct work *w, const float *const *p, const uint8_t *x, float *state,
                      float least, float *log_odds)
{
    int scenes = w->scenes, all = w->hops + CONTEXT;
    round_all(w, p);
    for (int t = 0; t < all; t++)
        for (int s = 0; s < scenes; s++)
            for (int i = 0; i < INPUTS; i++)
                w->in[0][((size_t)t * scenes + s) * INPUTS + i] =
                    (x[((size_t)s * all + t) * INPUTS + i] - 64.f) / 32;
    for (int i = 0; i < LAYERS; i++)
        convolve(w, p, i);
    int rows = scenes * w->hops;
    for (int r = 0; r < rows; r += DEEP)
        product(w->in[LAYERS] + (size_t)r * CHANNELS, CHANNELS, 1, 0, w->turned_in, 0, GATES,
                w->sums + (size_t)r * GATES, GATES, 0);
    memcpy(w->states, state, sizeof(float) * scenes * HIDDEN);
    recur(w, p, least);
    memcpy(state, w->states + (size_t)rows * HIDDEN, sizeof(float) * scenes * HIDDEN);
    for (int r = 0; r < rows; r++) {
        const float *y = w->in[LAYERS] + (size_t)r * CHANNELS,
                    *h = w->states + (size_t)(scenes + r) * HIDDEN;
        float odds = p[OUT_BIAS][0];
        for (int c = 0; c < CHANNELS; c++)
            odds += y[c] * p[OUT][c];
        for (int i = 0; i < HIDDEN; i++)
            odds += h[i] * p[OUT][CHANNELS + i];
        log_odds[r] = odds;
    }
}

/* Sums of the columns are added to `to`. */
static void add_columns(const float *from, size_t rows, int columns, float *to)
{
    for (size_t r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++)
            to[c] += from[r * columns + c];
}

/* Hops from t on, as many as are in to_sums and to_heard: gradients of weights, and of what went in */
static void recur_weigh_back(struct work *w, const float *const *p, const float *to_odds, int t,
                             float *back, float *const *g)
{
    int hops = w->hops - t < w->at_once ? w->hops - t : w->at_once, rows = hops * w->scenes;
    size_t first = (size_t)t * w->scenes;
    const float *in = w->in[LAYERS] + first * CHANNELS;
    outer(w->to_heard, GATES, w->rounded + first * HIDDEN, HIDDEN, rows, g[GRU_STATE], HIDDEN);
    outer(w->to_sums, GATES, in, CHANNELS, rows, g[GRU_IN], CHANNELS);
    add_columns(w->to_sums, rows, GATES, g[GRU_BIAS]);
    back += first * CHANNELS;
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < CHANNELS; c++) {
            back[r * CHANNELS + c] = to_odds[first + r] * p[OUT][c];
            g[OUT][c] += to_odds[first + r] * in[r * CHANNELS + c];
        }
    for (int r = 0; r < rows; r += DEEP)
        product(w->to_sums + r * GATES, GATES, 1, 0, w->gru_in, 0, CHANNELS, back + r * CHANNELS,
                CHANNELS, 1);
}

/* `back`: gradient of what went in */
static void recur_back(struct work *w, const float *const *p, const float *to_odds, float least,
                       float *back, float *const *g)
{
    int scenes = w->scenes;
    size_t n = (size_t)scenes * HIDDEN;
    const float *out = p[OUT] + CHANNELS;
    float *to_state_bias = g[GRU_BIAS] + GATES, *to_out = g[OUT] + CHANNELS;
    float to_state[n];
    memset(to_state, 0, sizeof to_state);
    for (int t = w->hops - 1; t >= 0; t--) {
        float *to_heard = w->to_heard + (size_t)(t % w->at_once) * scenes * GATES,
              *to_sums = w->to_sums + (size_t)(t % w->at_once) * scenes * GATES;
        for (int s = 0; s < scenes; s++) {
            size_t at = t * n + (size_t)s * HIDDEN;
            const float *z = w->gate + at, *r = w->reset + at, *c = w->candidate + at,
                        *heard = w->heard + at;
            const float *h = w->states + at, *next = h + n;
            float odds = to_odds[t * scenes + s], *hs = to_heard + s * GATES,
                  *as = to_sums + s * GATES;
            float *bs = to_state + s * HIDDEN;
            for (int i = 0; i < HIDDEN; i++) {
                float d = bs[i] + odds * out[i], take = fmaxf(z[i], least);
                float to_c = d * take * (1 - c[i] * c[i]);
                float to_z = z[i] > least ? d * (c[i] - h[i]) * z[i] * (1 - z[i]) : 0;
                float to_r = to_c * heard[i] * r[i] * (1 - r[i]);
                hs[i] = as[i] = to_z;
                hs[HIDDEN + i] = as[HIDDEN + i] = to_r;
                as[2 * HIDDEN + i] = to_c;
                hs[2 * HIDDEN + i] = to_c * r[i];
                to_state_bias[i] += to_c * r[i];
                to_out[i] += odds * next[i];
                bs[i] = d * (1 - take);
            }
        }
        for (int s = 0; s < scenes; s += DEEP)
            product(to_heard + s * GATES, GATES, 1, 0, w->gru_state, 0, HIDDEN,
                    to_state + s * HIDDEN, HIDDEN, 1);
        if (t % w->at_once == 0)
            recur_weigh_back(w, p, to_odds, t, back, g);
    }
}

/* Of the layer's weights, and in w->before of its sums; to_out becomes that of what passed beside them. */
INLINE void weigh_back(struct work *w, int layer, int width, int beside, float *to_out,
                       float *const *g)
{
    ptrdiff_t reach = (ptrdiff_t)reaches[layer] * w->scenes;
    int rows = hops_into(w, layer + 1) * w->scenes;
    for (int r = 0; r < rows; r += BLOCK) {
        int here = rows - r < BLOCK ? rows - r : BLOCK;
        const float *in = w->in[layer] + (size_t)r * width, *past = in + 2 * reach * width;
        float *sum = w->before[layer] + (size_t)r * CHANNELS, *to = to_out + (size_t)r * CHANNELS;
        for (int i = 0; i < here * CHANNELS; i++) {
            float y = fmaxf(sum[i], 0) + (beside ? past[i] : 0);
            float d = y < highest ? y > 0 ? to[i] : to[i] / 2 : 0; /* as JAX has it at a corner */
            to[i] = d;
            sum[i] = sum[i] > 0 ? d : 0;
        }
        add_columns(sum, here, CHANNELS, g[BIASES + layer]);
        for (int k = 0; k < 3; k++)
            outer(sum, CHANNELS, in + k * reach * width, width, here,
                  g[WEIGHTS + layer] + k * width, 3 * width);
    }
}

static void convolve_back(struct work *w, int layer, float *to_out, float *to_in, float *const *g)
{
    if (!layer) {
        weigh_back(w, 0, INPUTS, 0, to_out, g);
        return;
    }
    weigh_back(w, layer, CHANNELS, 1, to_out, g);
    ptrdiff_t reach = (ptrdiff_t)reaches[layer] * w->scenes;
    int rows = hops_into(w, layer) * w->scenes;
    float *sum = w->before[layer];
    size_t beside = (size_t)2 * reach * CHANNELS;
    memset(sum - beside, 0, sizeof *sum * beside);
    memset(sum + (rows - 2 * reach) * CHANNELS, 0, sizeof *sum * beside);
    for (int r = 0; r < rows; r += DEEP) {
        float *to = to_in + (size_t)r * CHANNELS;
        if (r < 2 * reach)
            memset(to, 0, sizeof *to * DEEP * CHANNELS);
        else
            memcpy(to, to_out + (r - 2 * reach) * CHANNELS, sizeof *to * DEEP * CHANNELS);
        product(sum + (ptrdiff_t)r * CHANNELS, CHANNELS, 3, -reach * CHANNELS, w->conv[layer],
                CHANNELS, 3 * CHANNELS, to, CHANNELS, 1);
    }
}

/* After gradient_forward(): gradients are added to `g`, of that of the log odds [hop][scene]. */
void gradient_backward(struct work *w, const float *const *p, const float *to_odds, float least,
                       float *const *g)
{
    int rows = w->scenes * w->hops;
    float *back = w->back[0], *other = w->back[1];
    recur_back(w, p, to_odds, least, back, g);
    for (int r = 0; r < rows; r++)
        g[OUT_BIAS][0] += to_odds[r];
    for (int i = LAYERS - 1; i >= 0; i--) {
        convolve_back(w, i, back, other, g);
        float *swap = back;
        back = other;
        other = swap;
    }
}
