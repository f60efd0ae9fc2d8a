/* SPDX-License-Identifier: MIT */
/* Streaming resampler: windowed-sinc polyphase filters.
   With in_hz / out_hz = step / phases in lowest terms, output n stands at the input time
   n * step / phases = whole + phase / phases. It is the dot product of the input around `whole`
   with the filter sampled at that phase. The position is kept as whole numbers relative to the
   buffer, so that it can neither drift nor overflow. Where `phases` is so large that a filter for
   each would not fit in cache, a coarser table is interpolated by four-point Lagrange. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/base.h"
#include "dsp/dsp.h"

enum {
    RATE_MIN = 8000,
    RATE_MAX = 192000,
    TABLE_MAX = 256 * 1024 / (int)sizeof(float), /* coefficients */
    BLOCK = 2048,                                /* input frames taken at a time */
};

/* Filter shapes in units of the lower of the two rates. A Kaiser window of `span` periods and
   attenuation A has a transition of (A - 7.95) / (14.36 * span) around the cutoff.
   Low latency: 2 ms either side at 16 kHz, flat to 0.45, gone from 0.55 of the lower rate.
   High: flat to 0.475, gone from 0.5, so that nothing folds back. */
static const struct shape {
    double span, attenuation_db, cutoff;
} shapes[] = {{64, 100, 0.5}, {288, 110, 0.4876}};

struct vs_resampler {
    struct vs__dsp dsp;
    uint32_t phases;    /* outputs in a period of the two rates */
    uint32_t step;      /* inputs in the same period */
    uint32_t taps;      /* a multiple of 8; 0 = equal rates */
    uint32_t table;     /* filters between one input frame and the next */
    bool interpolated;  /* `table` is less than `phases`; a filter more lies before and two after */
    uint32_t phase;     /* of the next output, 0..phases - 1 */
    size_t start, fill; /* window of the next output, and end of the input, in `buffer` */
    float *coefficients;
    float *buffer;
    size_t capacity;
};

static uint32_t find_gcd(uint32_t a, uint32_t b)
{
    while (b) {
        uint32_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Modified Bessel function of the first kind, order 0, by its power series. */
static double bessel_i0(double x)
{
    double sum = 1, term = 1;
    for (int k = 1; k < 200 && term > sum * 1e-18; k++) {
        term *= (x / (2 * k)) * (x / (2 * k));
        sum += term;
    }
    return sum;
}

/* One filter: the prototype at the times k - half + 1 - shift, in input frames; sums to 1. */
static void design(float *dst, double *scratch, uint32_t taps, double shift, double cutoff,
                   double beta)
{
    const double pi = 3.14159265358979323846;
    double half = taps / 2.0, sum = 0;
    for (uint32_t k = 0; k < taps; k++) {
        double t = (double)k - half + 1 - shift, ratio = t / half;
        scratch[k] = 0;
        if (fabs(ratio) < 1) {
            double sinc = t == 0 ? 2 * cutoff : sin(2 * pi * cutoff * t) / (pi * t);
            scratch[k] = sinc * bessel_i0(beta * sqrt(1 - ratio * ratio));
        }
        sum += scratch[k];
    }
    for (uint32_t k = 0; k < taps; k++)
        dst[k] = (float)(scratch[k] / sum);
}

static int make_filters(struct vs_resampler *r, const struct shape *shape, double lower)
{
    double beta = 0.1102 * (shape->attenuation_db - 8.7);
    uint32_t count = r->table + (r->interpolated ? 3 : 0);
    r->coefficients = vs__alloc((size_t)count * r->taps * sizeof(float));
    double *scratch = vs__alloc(r->taps * sizeof(double));
    if (!r->coefficients || !scratch) {
        vs__free(scratch);
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        double at = (double)i - (r->interpolated ? 1 : 0);
        design(r->coefficients + (size_t)i * r->taps, scratch, r->taps, at / r->table,
               shape->cutoff * lower, beta);
    }
    vs__free(scratch);
    return 0;
}

/* As after create: silence before the first frame. */
static void restart(struct vs_resampler *r)
{
    r->phase = 0;
    r->start = 0;
    r->fill = r->taps / 2 - 1;
    memset(r->buffer, 0, r->fill * sizeof(float));
}

static int prepare(struct vs_resampler *r, const struct vs_resampler_config *config)
{
    const struct shape *shape = &shapes[config->quality];
    uint32_t gcd = find_gcd(config->in_hz, config->out_hz);
    r->phases = config->out_hz / gcd;
    r->step = config->in_hz / gcd;
    if (r->phases == r->step)
        return 0;
    double lower = VS__MIN(1.0, (double)r->phases / r->step); /* in units of in_hz */
    r->taps = (uint32_t)(shape->span / lower / 8) * 8;
    r->interpolated = (uint64_t)r->phases * r->taps > TABLE_MAX;
    r->table = r->interpolated ? (uint32_t)TABLE_MAX / r->taps - 3 : r->phases;
    int status = make_filters(r, shape, lower);
    if (status)
        return status;
    r->capacity = r->taps + BLOCK;
    r->buffer = vs__alloc(r->capacity * sizeof(float));
    if (!r->buffer)
        return -ENOMEM;
    restart(r);
    return 0;
}

int vs_resampler_create(const struct vs_resampler_config *config, vs_resampler **ret)
{
    unsigned flags;
    if (!config || config->size < sizeof(*config) || config->in_hz < RATE_MIN ||
        config->in_hz > RATE_MAX || config->out_hz < RATE_MIN || config->out_hz > RATE_MAX ||
        config->quality < 0 || (size_t)config->quality >= VS__COUNT(shapes))
        return -EINVAL;
    int status = vs_cpu_parse(config->cpu, &flags);
    if (status)
        return status;
    struct vs_resampler *r = vs__alloc(sizeof(*r));
    if (!r)
        return -ENOMEM;
    vs__dsp_init(&r->dsp, flags);
    status = prepare(r, config);
    if (status) {
        vs_resampler_destroy(r);
        return status;
    }
    *ret = r;
    return 0;
}

size_t vs_resampler_max_out(const vs_resampler *r, size_t in_frames)
{
    if (!r->taps)
        return in_frames;
    size_t in = in_frames ? in_frames : r->taps / 2;
    return in / r->step * r->phases + (in % r->step * r->phases) / r->step + 1;
}

uint32_t vs_resampler_delay_frames(const vs_resampler *r)
{
    return r->taps / 2;
}

static float interpolate(const vs_resampler *r, const float *window)
{
    uint64_t at = (uint64_t)r->phase * r->table;
    const float *filter = r->coefficients + (size_t)(at / r->phases) * r->taps;
    double f = (double)(at % r->phases) / r->phases;
    double y[4];
    for (uint32_t k = 0; k < 4; k++)
        y[k] = (double)r->dsp.dot(window, filter + (size_t)k * r->taps, r->taps);
    /* Lagrange through -1, 0, 1, 2 */
    double a = f + 1, c = f - 1, d = f - 2;
    return (float)(-y[0] * f * c * d / 6 + y[1] * a * c * d / 2 - y[2] * a * f * d / 2 +
                   y[3] * a * f * c / 6);
}

/* Write every output whose window lies in the buffer. */
static size_t emit(vs_resampler *r, float *out)
{
    const uint32_t whole = r->step / r->phases, rest = r->step % r->phases;
    size_t done = 0;
    while (r->start + r->taps <= r->fill) {
        const float *window = r->buffer + r->start;
        if (r->interpolated)
            out[done++] = interpolate(r, window);
        else
            out[done++] = r->dsp.dot(window, r->coefficients + (size_t)r->phase * r->taps, r->taps);
        r->start += whole;
        r->phase += rest;
        if (r->phase >= r->phases) {
            r->phase -= r->phases;
            r->start++;
        }
    }
    return done;
}

/* Take frames, or silence where `in` is NULL. */
static size_t take(vs_resampler *r, const float *in, size_t frames, float *out)
{
    size_t done = 0;
    while (frames) {
        if (r->fill == r->capacity) {
            memmove(r->buffer, r->buffer + r->start, (r->fill - r->start) * sizeof(float));
            r->fill -= r->start;
            r->start = 0;
        }
        size_t now = VS__MIN(frames, r->capacity - r->fill);
        if (in) {
            memcpy(r->buffer + r->fill, in, now * sizeof(float));
            in += now;
        } else {
            memset(r->buffer + r->fill, 0, now * sizeof(float));
        }
        r->fill += now;
        frames -= now;
        done += emit(r, out + done);
    }
    return done;
}

size_t vs_resampler_process(vs_resampler *r, const float *in, size_t frames, float *out)
{
    if (!r->taps) {
        if (frames)
            memcpy(out, in, frames * sizeof(float));
        return frames;
    }
    return take(r, in, frames, out);
}

size_t vs_resampler_flush(vs_resampler *r, float *out)
{
    if (!r->taps)
        return 0;
    size_t done = take(r, NULL, r->taps / 2, out);
    restart(r);
    return done;
}

void vs_resampler_destroy(vs_resampler *r)
{
    if (!r)
        return;
    vs__free(r->coefficients);
    vs__free(r->buffer);
    vs__free(r);
}
