/* SPDX-License-Identifier: MIT */
/* Streaming resampler: polyphase filters.
   With in_hz / out_hz = step / phases in lowest terms, output n stands at the input time
   n * step / phases = whole + phase / phases. It is the dot product of the input around `whole`
   with the filter sampled at that phase. The position is kept as whole numbers relative to the
   buffer, so that it can neither drift nor overflow.
   On that grid there is a filter for each phase, where they fit in cache. Off it, while a drift is
   corrected, and where phases are too many, four filters of a coarser table are interpolated by
   Lagrange, by interpolating their outputs. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/base.h"
#include "dsp/dsp.h"
#include "dsp/prototype.h"

enum {
    RATE_MIN = 8000,
    RATE_MAX = 192000,
    TABLE_MAX = 448 * 1024 / (int)sizeof(float), /* coefficients of the filters on the grid */
    BLOCK = 2048,                                /* input frames taken at a time */
    VECTOR = 16,      /* filters are multiples of it: a rule of the kernel */
    DENSITY = 96,     /* interpolated filters in a period of the lower rate: error below -140 dB */
    AROUND = 4,       /* filters that are interpolated, one before and two after the position */
    FRACTION = 40,    /* bits of the position below a phase */
    DRIFT_MAX = 1000, /* ppm */
    SLEW_PPM_S = 10000, /* how fast a drift changes */
};

/* Filter shapes in units of the lower of the two rates: a sum of cosines over `span` periods. */
static const struct shape {
    uint32_t span, count;
    const double *cosines;
} shapes[] = {
    {LOW_LATENCY_SPAN, VS__COUNT(low_latency_cosines), low_latency_cosines},
    {HIGH_SPAN, VS__COUNT(high_cosines), high_cosines},
};

struct vs_resampler {
    struct vs__dsp dsp;
    uint32_t phases;  /* outputs in a period of the two rates */
    uint32_t step;    /* inputs in the same period */
    uint32_t taps;    /* a multiple of VECTOR; 0 = the input is the output */
    uint32_t ahead;   /* of them that lie after the time of the output */
    float *grid;      /* a filter for each phase, NULL = too many */
    float *fine;      /* `density` + 3 filters for interpolation, the first before phase 0 */
    uint32_t density; /* of them in an input frame */
    bool adjustable;
    size_t start, fill; /* window of the next output, and end of the input, in `buffer` */
    int64_t at;         /* of the next output after `start`, in phases << FRACTION, below 1 frame */
    int64_t drift;      /* added to each step, in the same unit */
    int64_t target;     /* where it goes, by not more than `slew` an output */
    int64_t slew;
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

/* Add the cosines at the `n` angles whose cosine is `c`, by Clenshaw's recurrence; `b` is scratch
   of 2 * n. */
static void add_cosines(const struct shape *shape, const double *c, double *b, double *ret,
                        uint32_t n)
{
    double *b1 = b, *b2 = b + n;
    memset(b, 0, 2 * n * sizeof(double));
    for (uint32_t m = shape->count - 1; m > 0; m--) {
        double a = shape->cosines[m], *older = b2;
        for (uint32_t k = 0; k < n; k++)
            b2[k] = a + 2 * c[k] * b1[k] - b2[k];
        b2 = b1;
        b1 = older;
    }
    for (uint32_t k = 0; k < n; k++)
        ret[k] = shape->cosines[0] + c[k] * b1[k] - b2[k];
}

/* One filter, which sums to 1: the shape around a time `shift` after the frame that is followed by
   `ahead` more. `scratch` has room for 4 * taps. */
static void sample(const struct vs_resampler *r, const struct shape *shape, double lower,
                   double shift, double *scratch, float *dst)
{
    const double pi = 3.14159265358979323846, scale = 2 * pi * lower / shape->span;
    const double first = (double)r->ahead - r->taps + 1 - shift;
    double *c = scratch, *h = scratch + r->taps, sum = 0;
    for (uint32_t k = 0; k < r->taps; k++)
        c[k] = cos(scale * (first + k));
    add_cosines(shape, c, h + r->taps, h, r->taps);
    for (uint32_t k = 0; k < r->taps; k++) {
        if (fabs(first + k) * lower >= shape->span / 2.0)
            h[k] = 0;
        sum += h[k];
    }
    for (uint32_t k = 0; k < r->taps; k++)
        dst[k] = (float)(h[k] / sum);
}

/* `count` filters, `density` of them an input frame, from `first` on. @return NULL: no memory */
static float *make_filters(const struct vs_resampler *r, const struct shape *shape, uint32_t count,
                           uint32_t density, int first, double lower)
{
    float *filters = vs__alloc((size_t)count * r->taps * sizeof(float));
    double *scratch = vs__alloc(4 * (size_t)r->taps * sizeof(double));
    for (uint32_t i = 0; filters && scratch && i < count; i++)
        sample(r, shape, lower, ((double)i + first) / density, scratch,
               filters + (size_t)i * r->taps);
    if (!scratch) {
        vs__free(filters);
        filters = NULL;
    }
    vs__free(scratch);
    return filters;
}

/* As after create: silence before the first frame. */
static void restart(struct vs_resampler *r)
{
    r->at = 0;
    r->drift = r->target;
    r->start = 0;
    r->fill = r->taps - r->ahead - 1;
    memset(r->buffer, 0, r->fill * sizeof(float));
}

static int prepare(struct vs_resampler *r, const struct vs_resampler_config *config)
{
    const struct shape *shape = &shapes[config->quality];
    uint32_t gcd = find_gcd(config->in_hz, config->out_hz);
    r->phases = config->out_hz / gcd;
    r->step = config->in_hz / gcd;
    r->adjustable = config->adjustable;
    r->slew =
        (int64_t)((double)((int64_t)r->step << FRACTION) * SLEW_PPM_S * 1e-6 / config->out_hz);
    if (r->phases == r->step && !r->adjustable)
        return 0;
    double lower = VS__MIN(1.0, (double)r->phases / r->step); /* in units of in_hz */
    r->ahead = (uint32_t)(shape->span / lower / 2);
    r->taps = (2 * r->ahead + VECTOR - 1) / VECTOR * VECTOR; /* filled up with old frames */
    r->capacity = r->taps + BLOCK;
    r->buffer = vs__alloc(r->capacity * sizeof(float));
    if (!r->buffer)
        return -ENOMEM;
    bool fits = (uint64_t)r->phases * r->taps <= TABLE_MAX;
    if (fits) {
        r->grid = make_filters(r, shape, r->phases, r->phases, 0, lower);
        if (!r->grid)
            return -ENOMEM;
    }
    if (!fits || r->adjustable) {
        r->density = (uint32_t)(DENSITY * lower) + 1;
        r->fine = make_filters(r, shape, r->density + AROUND - 1, r->density, -1, lower);
        if (!r->fine)
            return -ENOMEM;
    }
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
    size_t in = in_frames ? in_frames : r->ahead;
    size_t most = in / r->step * r->phases + (in % r->step * r->phases) / r->step + 1;
    return r->adjustable ? most + most / (1000000 / DRIFT_MAX - 1) + 1 : most;
}

uint32_t vs_resampler_delay_frames(const vs_resampler *r)
{
    return r->ahead;
}

/* The drift as it is added to each step, from and to parts in a million. */
static double unit_drift(const vs_resampler *r)
{
    return (double)((int64_t)r->step << FRACTION) * 1e-6;
}

int vs_resampler_set_drift(vs_resampler *r, double ppm)
{
    if (!(fabs(ppm) <= DRIFT_MAX))
        return -EINVAL;
    if (!r->adjustable)
        return -ENOTSUP;
    r->target = (int64_t)llround(ppm * unit_drift(r));
    return 0;
}

double vs_resampler_drift_ppm(const vs_resampler *r)
{
    return (double)r->drift / unit_drift(r);
}

/* on the grid --------------------------------------------------------------------------------- */

static bool is_on_grid(const vs_resampler *r)
{
    const int64_t below = ((int64_t)1 << FRACTION) - 1;
    return r->grid && !r->drift && !r->target && !(r->at & below);
}

/* Write every output whose window lies in the buffer. */
static size_t emit_grid(vs_resampler *r, float *out)
{
    const size_t room = r->fill - r->start; /* at least taps */
    const uint64_t phase = (uint64_t)(r->at >> FRACTION);
    const uint64_t end = (uint64_t)(room - r->taps + 1) * r->phases;
    const size_t count = (size_t)((end - phase + r->step - 1) / r->step);
    const struct vs__walk walk = {(uint32_t)phase, r->phases, r->step / r->phases,
                                  r->step % r->phases};
    r->dsp.polyphase(out, r->buffer + r->start, r->grid, r->taps, count, &walk);
    const uint64_t next = phase + (uint64_t)count * r->step;
    r->start += (size_t)(next / r->phases);
    r->at = (int64_t)(next % r->phases) << FRACTION;
    return count;
}

/* between ------------------------------------------------------------------------------------- */

static float interpolate(const vs_resampler *r)
{
    const double frame = (double)((int64_t)r->phases << FRACTION);
    const double place = (double)r->at / frame * r->density;
    const uint32_t first = (uint32_t)place;
    const double f = place - first, a = f + 1, c = f - 1, d = f - 2;
    float y[AROUND];
    r->dsp.rows(y, r->fine + (size_t)first * r->taps, r->taps, r->buffer + r->start, r->taps,
                AROUND);
    /* Lagrange through -1, 0, 1, 2 */
    return (float)((double)y[3] * (a * f * c / 6) - (double)y[0] * (f * c * d / 6) +
                   (double)y[1] * (a * c * d / 2) - (double)y[2] * (a * f * d / 2));
}

/* One step on, and the drift towards its target. */
static void advance(vs_resampler *r)
{
    const int64_t frame = (int64_t)r->phases << FRACTION;
    r->drift += VS__MAX(-r->slew, VS__MIN(r->slew, r->target - r->drift));
    r->at += ((int64_t)(r->step % r->phases) << FRACTION) + r->drift;
    r->start += r->step / r->phases;
    for (; r->at >= frame; r->start++) /* twice at most */
        r->at -= frame;
    if (r->at < 0) { /* only where a step is a frame or more */
        r->at += frame;
        r->start--;
    }
}

/* Write every output whose window lies in the buffer. */
static size_t emit(vs_resampler *r, float *out)
{
    size_t done = 0;
    while (r->start + r->taps <= r->fill) {
        if (is_on_grid(r))
            return done + emit_grid(r, out + done);
        out[done++] = interpolate(r);
        advance(r);
    }
    return done;
}

/* Take frames, or silence where `in` is NULL. */
static size_t take(vs_resampler *r, const float *in, size_t frames, bool is_clean, float *out)
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
            if (!is_clean)
                (void)r->dsp.sanitize(r->buffer + r->fill, now);
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

/* On a thread of somebody else: what is nearly denormal becomes so in products, which some processors
   take fifty times as long for. */
static size_t take_alone(vs_resampler *r, const float *in, size_t frames, float *out)
{
    unsigned mode = vs__fp_fast();
    size_t done = take(r, in, frames, false, out);
    vs__fp_restore(mode);
    return done;
}

size_t vs_resampler_process(vs_resampler *r, const float *in, size_t frames, float *out)
{
    if (!r->taps) {
        if (frames)
            (void)r->dsp.sanitize(memcpy(out, in, frames * sizeof(float)), frames);
        return frames;
    }
    return take_alone(r, in, frames, out);
}

size_t vs__resampler_process_clean(vs_resampler *r, const float *in, size_t frames, float *out)
{
    if (r->taps)
        return take(r, in, frames, true, out);
    if (frames)
        memcpy(out, in, frames * sizeof(float));
    return frames;
}

size_t vs_resampler_flush(vs_resampler *r, float *out)
{
    if (!r->taps)
        return 0;
    size_t done = take_alone(r, NULL, r->ahead, out);
    restart(r);
    return done;
}

void vs_resampler_destroy(vs_resampler *r)
{
    if (!r)
        return;
    vs__free(r->grid);
    vs__free(r->fine);
    vs__free(r->buffer);
    vs__free(r);
}
