/* SPDX-License-Identifier: MIT */
/* The network of network.py forwards and backwards, for training on a processor: matrices by BLAS,
 * the recurrence, whose matrices are too small for that, by hand. Rounding is that of network.py, and
 * gradients pass it. What belongs to a hop of all scenes lies together: [hop][scene][channel].
 * Compiled by gradient.py, with -ffast-math, for the machine it runs on. */
#include <cblas.h>
#include <math.h>
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

typedef float eight __attribute__((vector_size(32), aligned(4)));

/* Room for one stretch of scenes, and the weights as the network rounds them. */
struct work {
    int scenes, hops;
    float *in[LAYERS + 1], *before[LAYERS],
        *back[2]; /* inputs of layers, sums before they are bent, gradients */
    float *sums, *gate, *reset, *candidate, *heard, *states, *rounded; /* of the recurrence */
    float *conv[LAYERS], *gru_in, *gru_state, *turned;
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
        w->before[i] = room(rows * CHANNELS);
        w->conv[i] = room((size_t)CHANNELS * 3 * width_into(i));
    }
    w->back[0] = room(rows * CHANNELS);
    w->back[1] = room(rows * CHANNELS);
    w->sums = room(judged * GATES);
    w->to_sums = room(judged * GATES);
    w->to_heard = room(judged * GATES);
    float **of_state[] = {&w->gate, &w->reset, &w->candidate, &w->heard, &w->rounded};
    for (size_t i = 0; i < sizeof of_state / sizeof *of_state; i++)
        *of_state[i] = room(judged * HIDDEN);
    w->states = room((judged + scenes) * HIDDEN);
    w->gru_in = room(GATES * CHANNELS);
    w->gru_state = room(GATES * HIDDEN);
    w->turned = room(GATES * HIDDEN);
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

static void round_all(struct work *w, const float *const *p)
{
    for (int i = 0; i < LAYERS; i++)
        round_rows(p[WEIGHTS + i], w->conv[i], CHANNELS, 3 * width_into(i));
    round_rows(p[GRU_IN], w->gru_in, GATES, CHANNELS);
    round_rows(p[GRU_STATE], w->gru_state, GATES, HIDDEN);
    for (int g = 0; g < GATES; g++)
        for (int k = 0; k < HIDDEN; k++)
            w->turned[k * GATES + g] = w->gru_state[g * HIDDEN + k];
}

/* c[rows][columns] (+)= a[rows][inner] b[inner][columns], for rows of a multiple of 4 and few columns */
#define SMALL(name, inner, columns, at_once)                                                       \
    static void name(int rows, const float *a, const float *b, float *c, int add)                  \
    {                                                                                              \
        for (int j = 0; j < (columns); j += 8 * (at_once))                                         \
            for (int i = 0; i < rows; i += 4) {                                                    \
                eight sum[4][at_once];                                                             \
                for (int r = 0; r < 4; r++)                                                        \
                    for (int q = 0; q < (at_once); q++)                                            \
                        sum[r][q] = add ? *(const eight *)(c + (i + r) * (columns) + j + 8 * q)    \
                                        : (eight){0};                                              \
                for (int k = 0; k < (inner); k++)                                                  \
                    for (int r = 0; r < 4; r++)                                                    \
                        for (int q = 0; q < (at_once); q++)                                        \
                            sum[r][q] += a[(i + r) * (inner) + k] *                                \
                                         *(const eight *)(b + k * (columns) + j + 8 * q);          \
                for (int r = 0; r < 4; r++)                                                        \
                    for (int q = 0; q < (at_once); q++)                                            \
                        *(eight *)(c + (i + r) * (columns) + j + 8 * q) = sum[r][q];               \
            }                                                                                      \
    }

SMALL(times_state, HIDDEN, GATES, 3)
SMALL(times_gates, GATES, HIDDEN, 2)

static void convolve(struct work *w, const float *const *p, int layer)
{
    int width = width_into(layer), reach = reaches[layer] * w->scenes,
        rows = hops_into(w, layer + 1) * w->scenes;
    const float *in = w->in[layer], *bias = p[BIASES + layer];
    float *sum = w->before[layer], *out = w->in[layer + 1];
    for (int k = 0; k < 3; k++)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, CHANNELS, width, 1,
                    in + (size_t)k * reach * width, width, w->conv[layer] + k * width, 3 * width,
                    k > 0, sum, CHANNELS);
    const float *beside = layer ? in + (size_t)2 * reach * width : NULL;
    for (size_t r = 0; r < (size_t)rows * CHANNELS; r += CHANNELS)
        for (int c = 0; c < CHANNELS; c++) {
            sum[r + c] += bias[c];
            float y = fmaxf(sum[r + c], 0) + (beside ? beside[r + c] : 0);
            out[r + c] = rintf(fminf(y, highest) / step) * step;
        }
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
        times_state(w->scenes, rounded, w->turned, b, 0);
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
    for (int s = 0; s < scenes; s++)
        for (int t = 0; t < all; t++)
            for (int i = 0; i < INPUTS; i++)
                w->in[0][((size_t)t * scenes + s) * INPUTS + i] =
                    (x[((size_t)s * all + t) * INPUTS + i] - 64.f) / 32;
    for (int i = 0; i < LAYERS; i++)
        convolve(w, p, i);
    int rows = scenes * w->hops;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, GATES, CHANNELS, 1, w->in[LAYERS],
                CHANNELS, w->gru_in, CHANNELS, 0, w->sums, GATES);
    memcpy(w->states, state, sizeof(float) * scenes * HIDDEN);
    recur(w, p, least);
    memcpy(state, w->states + (size_t)rows * HIDDEN, sizeof(float) * scenes * HIDDEN);
    cblas_sgemv(CblasRowMajor, CblasNoTrans, rows, CHANNELS, 1, w->in[LAYERS], CHANNELS, p[OUT], 1,
                0, log_odds, 1);
    cblas_sgemv(CblasRowMajor, CblasNoTrans, rows, HIDDEN, 1, w->states + scenes * HIDDEN, HIDDEN,
                p[OUT] + CHANNELS, 1, 1, log_odds, 1);
    for (int i = 0; i < rows; i++)
        log_odds[i] += p[OUT_BIAS][0];
}

/* Sums of the columns are added to `to`. */
static void add_columns(const float *from, size_t rows, int columns, float *to)
{
    for (size_t r = 0; r < rows; r++)
        for (int c = 0; c < columns; c++)
            to[c] += from[r * columns + c];
}

static void recur_back(struct work *w, const float *const *p, const float *to_odds, float least,
                       float *to_state_bias)
{
    int scenes = w->scenes;
    size_t n = (size_t)scenes * HIDDEN;
    float back[n];
    memset(back, 0, sizeof back);
    for (int t = w->hops - 1; t >= 0; t--) {
        float *to_heard = w->to_heard + (size_t)t * scenes * GATES,
              *to_sums = w->to_sums + (size_t)t * scenes * GATES;
        for (int s = 0; s < scenes; s++) {
            size_t at = t * n + (size_t)s * HIDDEN;
            const float *z = w->gate + at, *r = w->reset + at, *c = w->candidate + at,
                        *heard = w->heard + at;
            const float *h = w->states + at, *out = p[OUT] + CHANNELS;
            float odds = to_odds[t * scenes + s], *hs = to_heard + s * GATES,
                  *as = to_sums + s * GATES;
            float *bs = back + s * HIDDEN;
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
                bs[i] = d * (1 - take);
            }
        }
        times_gates(scenes, to_heard, w->gru_state, back, 1);
    }
}

static void convolve_back(struct work *w, int layer, const float *to_out, float *to_in,
                          float *const *g)
{
    int width = width_into(layer), reach = reaches[layer] * w->scenes,
        rows = hops_into(w, layer + 1) * w->scenes;
    const float *in = w->in[layer], *beside = layer ? in + (size_t)2 * reach * width : NULL;
    float *sum = w->before[layer]; /* becomes its gradient */
    if (layer)
        memset(to_in, 0, sizeof(float) * hops_into(w, layer) * w->scenes * width);
    float *past = layer ? to_in + (size_t)2 * reach * width : NULL;
    for (size_t i = 0; i < (size_t)rows * CHANNELS; i++) {
        float y = fmaxf(sum[i], 0) + (beside ? beside[i] : 0);
        float d =
            y < highest ? y > 0 ? to_out[i] : to_out[i] / 2 : 0; /* as JAX has it at a corner */
        if (past)
            past[i] = d;
        sum[i] = sum[i] > 0 ? d : 0;
    }
    add_columns(sum, rows, CHANNELS, g[BIASES + layer]);
    for (int k = 0; k < 3; k++) {
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, CHANNELS, width, rows, 1, sum,
                    CHANNELS, in + (size_t)k * reach * width, width, 1,
                    g[WEIGHTS + layer] + k * width, 3 * width);
        if (layer)
            cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, width, CHANNELS, 1, sum,
                        CHANNELS, w->conv[layer] + k * width, 3 * width, 1,
                        to_in + (size_t)k * reach * width, width);
    }
}

/* After gradient_forward(): gradients are added to `g`, of that of the log odds [hop][scene]. */
void gradient_backward(struct work *w, const float *const *p, const float *to_odds, float least,
                       float *const *g)
{
    int rows = w->scenes * w->hops;
    float *back = w->back[0], *other = w->back[1];
    recur_back(w, p, to_odds, least, g[GRU_BIAS] + GATES);
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, GATES, HIDDEN, rows, 1, w->to_heard, GATES,
                w->rounded, HIDDEN, 1, g[GRU_STATE], HIDDEN);
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, GATES, CHANNELS, rows, 1, w->to_sums,
                GATES, w->in[LAYERS], CHANNELS, 1, g[GRU_IN], CHANNELS);
    add_columns(w->to_sums, rows, GATES, g[GRU_BIAS]);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, CHANNELS, GATES, 1, w->to_sums,
                GATES, w->gru_in, CHANNELS, 0, back, CHANNELS);
    cblas_sger(CblasRowMajor, rows, CHANNELS, 1, to_odds, 1, p[OUT], 1, back, CHANNELS);
    cblas_sgemv(CblasRowMajor, CblasTrans, rows, CHANNELS, 1, w->in[LAYERS], CHANNELS, to_odds, 1,
                1, g[OUT], 1);
    cblas_sgemv(CblasRowMajor, CblasTrans, rows, HIDDEN, 1, w->states + w->scenes * HIDDEN, HIDDEN,
                to_odds, 1, 1, g[OUT] + CHANNELS, 1);
    for (int i = 0; i < rows; i++)
        g[OUT_BIAS][0] += to_odds[i];
    for (int i = LAYERS - 1; i >= 0; i--) {
        convolve_back(w, i, back, other, g);
        float *swap = back;
        back = other;
        other = swap;
    }
}
