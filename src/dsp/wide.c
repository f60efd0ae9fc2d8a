/* SPDX-License-Identifier: MIT */
/* Three clocks run here: source frames come in; `plain` frames are the source's at the output's
   rate; hops are those of the lower band at VS_RATE_HZ. Each counts from the start of a run. */
#include "dsp/wide.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/base.h"
#include "dsp/denoise.h"
#include "dsp/level.h"

enum {
    HOP = VS_HOP_FRAMES,
    CHANNELS_MAX = 32,
    CHUNK = 512,        /* source frames at a time */
    BLOCKS_PER_S = 500, /* of the output */
    SPARE_HOPS = 4,     /* that wait for what the suppressor and the resamplers lag */
};

/* The band whose gain holds for all above 8 kHz. */
#define SHARE_FROM_HZ 4000.0f
#define SHARE_TO_HZ   7500.0f

struct channel {
    vs_resampler *convert; /* source to output, NULL = equal rates */
    vs_resampler *down;    /* output to VS_RATE_HZ, NULL = equal */
    vs_resampler *up;      /* and back */
    struct vs__highpass highpass;
    struct vs__denoise *denoise;
    struct vs__weighting weighting;
    float *plain, *low; /* fifos, see struct vs__wide */
    float *narrow;      /* what `down` gave */
    float hop[HOP];     /* being filled, then enhanced in place */
    float held[HOP];    /* the same as it came, of the hop that comes out next */
    float share;        /* of what lies above 8 kHz that is kept at the end of the last hop */
};

/* What holds at the end of a hop. */
struct hop {
    double energy;           /* weighted, of all channels */
    float probability, gain; /* of the level control */
    float share[CHANNELS_MAX];
};

struct vs__wide {
    struct vs__wide_config config;
    struct vs__mono mono;
    struct vs__level level;
    struct vs__limiter limiter;
    struct channel *channels;
    uint32_t lag;         /* hops by which the suppressor is late; 0 or 1 */
    uint32_t block;       /* frames that come out at a time */
    uint32_t ahead;       /* frames that the limiter must see behind them */
    float *raw;           /* a chunk of interleaved float */
    float *source;        /* a chunk of one channel */
    float *ready, *shown; /* interleaved: levelled, not yet limited; and as it came */
    size_t ready_frames;
    size_t capacity; /* of the fifos */

    uint64_t origin; /* output frame of the run's first */
    uint32_t lead;   /* frame of the first hop that is the run's first */
    uint64_t base;   /* frame of fifo element 0 */
    uint64_t plain_end, low_end;
    uint64_t done;    /* frames that went to `ready` */
    uint64_t limit;   /* frames of the run, once known */
    uint32_t filled;  /* frames in channels' hops */
    size_t raised;    /* frames that a hop gave at the output's rate */
    struct hop *hops; /* ring: hop h ends with hops[(h + 1) % hop_size] */
    uint32_t hop_size;
    uint64_t cut;      /* hops that were filled */
    uint64_t enhanced; /* hops that came out of the suppressor */
    uint64_t decided;  /* hops whose probability is known */
    uint64_t levelled; /* hops whose gain is known */
    uint64_t assembling;
};

static struct hop *hop_end(struct vs__wide *w, uint64_t hop)
{
    return &w->hops[(hop + 1) % w->hop_size];
}

/* life ---------------------------------------------------------------------------------------- */

static int create_resampler(const struct vs__wide *w, uint32_t in_hz, uint32_t out_hz,
                            vs_resampler **ret)
{
    struct vs_resampler_config config = {
        .size = sizeof(config), .in_hz = in_hz, .out_hz = out_hz, .cpu = w->config.cpu_name};

    return in_hz == out_hz ? 0 : vs_resampler_create(&config, ret);
}

static size_t most_out(const vs_resampler *r, size_t in)
{
    return r ? VS__MAX(vs_resampler_max_out(r, in), vs_resampler_max_out(r, 0)) : in;
}

static int create_channel(struct vs__wide *w, struct channel *c)
{
    const struct vs__wide_config *config = &w->config;

    int rc = create_resampler(w, config->rate_hz, config->out_hz, &c->convert);
    if (rc == 0)
        rc = create_resampler(w, config->out_hz, VS_RATE_HZ, &c->down);
    if (rc == 0)
        rc = create_resampler(w, VS_RATE_HZ, config->out_hz, &c->up);
    if (rc == 0 && config->denoise)
        rc = vs__denoise_create(config->dsp, &c->denoise);
    if (rc < 0)
        return rc;
    size_t chunk = most_out(c->convert, CHUNK);
    size_t per_hop = most_out(c->up, HOP);
    w->capacity = (w->hop_size + SPARE_HOPS) * per_hop + 2 * chunk + config->out_hz / 10;
    c->plain = vs__alloc(w->capacity * sizeof(float));
    c->low = vs__alloc(w->capacity * sizeof(float));
    c->narrow = vs__alloc(most_out(c->down, chunk) * sizeof(float));
    if (!c->plain || !c->low || !c->narrow)
        return -ENOMEM;
    vs__weighting_init(&c->weighting, VS_RATE_HZ);
    if (config->high_pass_hz > 0)
        vs__highpass_init(&c->highpass, config->dsp, VS_RATE_HZ, (double)config->high_pass_hz);
    return 0;
}

static int create_parts(struct vs__wide *w)
{
    const struct vs__wide_config *config = &w->config;
    size_t channels = config->out_channels, ready = 0;

    int rc = vs__mono_init(&w->mono, config->dsp, config->format, config->channels,
                           channels == 1 ? config->channel : 0);
    if (rc < 0)
        return rc;
    w->lag = config->denoise ? 1 : 0;
    w->block = config->out_hz / BLOCKS_PER_S;
    w->ahead = config->level ? vs__limiter_ahead(config->out_hz) : 0;
    w->hop_size = config->late_hops + SPARE_HOPS + 2;
    ready = (w->block + w->ahead) * channels;
    w->raw = vs__alloc((size_t)CHUNK * config->channels * sizeof(float));
    w->source = vs__alloc(CHUNK * sizeof(float));
    w->ready = vs__alloc(ready * sizeof(float));
    w->shown = vs__alloc(ready * sizeof(float));
    w->hops = vs__alloc(w->hop_size * sizeof(*w->hops));
    w->channels = vs__alloc(channels * sizeof(*w->channels));
    if (!w->raw || !w->source || !w->ready || !w->shown || !w->hops || !w->channels)
        return -ENOMEM;
    for (size_t c = 0; c < channels && rc == 0; c++)
        rc = create_channel(w, &w->channels[c]);
    return rc;
}

int vs__wide_create(const struct vs__wide_config *config, struct vs__wide **ret)
{
    if (config->out_channels != 1 && config->out_channels != config->channels)
        return -EINVAL;
    struct vs__wide *w = vs__alloc(sizeof(*w));
    if (!w)
        return -ENOMEM;
    w->config = *config;
    int rc = create_parts(w);
    if (rc < 0) {
        vs__wide_destroy(w);
        return rc;
    }
    vs__wide_reset(w);
    *ret = w;
    return 0;
}

void vs__wide_destroy(struct vs__wide *w)
{
    if (!w)
        return;
    for (size_t i = 0; w->channels && i < w->config.out_channels; i++) {
        struct channel *c = &w->channels[i];
        vs_resampler_destroy(c->convert);
        vs_resampler_destroy(c->down);
        vs_resampler_destroy(c->up);
        vs__denoise_destroy(c->denoise);
        vs__free(c->plain);
        vs__free(c->low);
        vs__free(c->narrow);
    }
    vs__free(w->channels);
    vs__free(w->hops);
    vs__free(w->shown);
    vs__free(w->ready);
    vs__free(w->source);
    vs__free(w->raw);
    vs__mono_fini(&w->mono);
    vs__free(w);
}

static void begin_channel(struct vs__wide *w, struct channel *c)
{
    if (c->convert)
        (void)vs_resampler_flush(c->convert, c->plain);
    if (c->down)
        (void)vs_resampler_flush(c->down, c->narrow);
    if (c->up)
        (void)vs_resampler_flush(c->up, c->low);
    vs__highpass_reset(&c->highpass);
    if (c->denoise)
        vs__denoise_reset(c->denoise);
    memset(c->hop, 0, w->lead * sizeof(float));
    c->share = 1;
}

void vs__wide_begin(struct vs__wide *w, uint64_t source, uint32_t lead)
{
    uint32_t in = w->config.rate_hz, out = w->config.out_hz;

    w->lead = w->filled = lead;
    w->origin = source / in * out + (source % in * out + in / 2) / in;
    w->base = w->plain_end = w->low_end = w->done = 0;
    w->limit = UINT64_MAX;
    w->ready_frames = 0;
    w->cut = w->enhanced = w->decided = w->levelled = w->assembling = 0;
    w->hops[0] = (struct hop){.gain = w->level.gain};
    for (uint32_t i = 0; i < w->config.out_channels; i++) {
        begin_channel(w, &w->channels[i]);
        w->hops[0].share[i] = 1;
    }
}

void vs__wide_reset(struct vs__wide *w)
{
    vs__level_init(&w->level);
    vs__limiter_init(&w->limiter, w->config.out_hz);
    for (uint32_t i = 0; i < w->config.out_channels; i++)
        vs__weighting_init(&w->channels[i].weighting, VS_RATE_HZ);
    vs__wide_begin(w, 0, 0);
}

/* out ----------------------------------------------------------------------------------------- */

/* Emit `frames` frames from the front of `ready`. */
static void emit(struct vs__wide *w, size_t frames, size_t ahead)
{
    size_t channels = w->config.out_channels, rest = w->ready_frames - frames;
    float limit = 1;

    if (w->config.level)
        limit = vs__limiter_block(&w->limiter, w->ready, channels, frames, ahead);
    struct vs__wide_audio audio = {.audio = w->ready,
                                   .plain = w->shown,
                                   .frames = frames,
                                   .position = w->origin + w->done - w->ready_frames,
                                   .gain_db = w->level.gain_db,
                                   .limit = limit};
    w->config.emit(w->config.user, &audio);
    memmove(w->ready, w->ready + frames * channels, rest * channels * sizeof(float));
    memmove(w->shown, w->shown + frames * channels, rest * channels * sizeof(float));
    w->ready_frames = rest;
}

/* Frames [w->done, end), all of one hop, to `ready`: level times what is kept of the plain frame and
   the change of its lower band. */
static void assemble(struct vs__wide *w, uint64_t hop, uint64_t end)
{
    const struct hop *from = hop_end(w, hop - 1), *to = hop_end(w, hop);
    uint64_t hop_length = (uint64_t)HOP * w->config.out_hz; /* in units of 1 / (both rates) */
    double begin = (double)((int64_t)(w->lead * (uint64_t)w->config.out_hz + w->done * VS_RATE_HZ -
                                      hop * hop_length));
    size_t channels = w->config.out_channels, n = (size_t)(end - w->done);
    size_t at = (size_t)(w->done - w->base);
    bool wide = w->channels[0].down != NULL;

    for (size_t c = 0; c < channels; c++) {
        const float *plain = w->channels[c].plain + at, *low = w->channels[c].low + at;
        float *ready = w->ready + w->ready_frames * channels + c;
        float *shown = w->shown + w->ready_frames * channels + c;
        for (size_t i = 0; i < n; i++) {
            float t = (float)((begin + (double)i * VS_RATE_HZ) / (double)hop_length);
            float share = from->share[c] + t * (to->share[c] - from->share[c]);
            float gain = from->gain + t * (to->gain - from->gain);
            ready[i * channels] = gain * (wide ? share * plain[i] + low[i] : low[i]);
            shown[i * channels] = plain[i];
        }
    }
    w->ready_frames += n;
    w->done = end;
}

/* Frames before which a hop ends, at the output's rate. */
static uint64_t find_hop_end(const struct vs__wide *w, uint64_t hop)
{
    uint64_t end = (hop + 1) * HOP - w->lead;

    return (end * w->config.out_hz + VS_RATE_HZ - 1) / VS_RATE_HZ;
}

/* Give out what has all that it waits for. */
static void advance(struct vs__wide *w)
{
    while (w->levelled < w->enhanced && w->levelled < w->decided) {
        struct hop *h = hop_end(w, w->levelled++);
        h->gain = w->config.level ? vs__level_gain(&w->level, h->energy, h->probability) : 1;
    }
    if (w->levelled == 0)
        return;
    uint64_t there = VS__MIN(VS__MIN(w->low_end, w->plain_end),
                             VS__MIN(w->limit, find_hop_end(w, w->levelled - 1)));
    while (w->done < there) {
        uint64_t hop_ends = find_hop_end(w, w->assembling);
        uint64_t room = w->block + w->ahead - w->ready_frames;
        assemble(w, w->assembling, VS__MIN(VS__MIN(there, hop_ends), w->done + room));
        if (w->done == hop_ends)
            w->assembling++;
        if (w->ready_frames == w->block + w->ahead)
            emit(w, w->block, w->ahead);
    }
}

/* in ------------------------------------------------------------------------------------------ */

/* Enhance the hop that is full; what comes out is one, or the hop before with a suppressor.
   @return false while nothing came out. */
static bool enhance_hop(struct vs__wide *w, struct channel *c, struct hop *ret, size_t index)
{
    float now[HOP], from = c->share, to = 1;
    size_t first = w->enhanced == 0 ? w->lead : 0;
    float *low = c->low + (w->low_end - w->base);

    memcpy(now, c->hop, sizeof(now));
    if (w->config.high_pass_hz > 0)
        vs__highpass_process(&c->highpass, c->hop, HOP);
    if (c->denoise) {
        vs__denoise_hop(c->denoise, c->hop, c->hop);
        to = vs__denoise_share(c->denoise, SHARE_FROM_HZ, SHARE_TO_HZ);
    }
    c->share = to;
    if (w->lag && w->cut == 0) {
        memcpy(c->held, now, sizeof(now));
        return false;
    }
    ret->energy += vs__weighting_energy(&c->weighting, c->hop, HOP, 1);
    ret->share[index] = to;
    const float *plain = w->lag ? c->held : now;
    for (size_t i = 0; i < HOP && c->down; i++)
        c->hop[i] -= (from + (float)i / HOP * (to - from)) * plain[i];
    if (c->up)
        w->raised = vs_resampler_process(c->up, c->hop + first, HOP - first, low);
    else
        memcpy(low, c->hop + first, (w->raised = HOP - first) * sizeof(float));
    memcpy(c->held, now, sizeof(now));
    return true;
}

static void cut_hop(struct vs__wide *w)
{
    struct hop *h = hop_end(w, w->enhanced);
    bool came = false;

    h->energy = 0;
    for (size_t i = 0; i < w->config.out_channels; i++)
        came = enhance_hop(w, &w->channels[i], h, i);
    w->filled = 0;
    w->cut++;
    if (came) {
        w->enhanced++;
        w->low_end += w->raised;
    }
}

/* `n` frames at VS_RATE_HZ of each channel. */
static void take_narrow(struct vs__wide *w, size_t n)
{
    for (size_t at = 0; at < n;) {
        size_t part = VS__MIN(n - at, (size_t)(HOP - w->filled));
        for (size_t i = 0; i < w->config.out_channels; i++) {
            struct channel *c = &w->channels[i];
            memcpy(c->hop + w->filled, c->narrow + at, part * sizeof(float));
        }
        w->filled += (uint32_t)part;
        at += part;
        if (w->filled == HOP)
            cut_hop(w);
    }
}

/* `n` frames of a channel at the output's rate stand behind its fifo. @return those at
   VS_RATE_HZ. */
static size_t narrow_channel(struct vs__wide *w, struct channel *c, size_t n)
{
    const float *plain = c->plain + (w->plain_end - w->base);

    if (c->down)
        return vs_resampler_process(c->down, plain, n, c->narrow);
    memcpy(c->narrow, plain, n * sizeof(float));
    return n;
}

/* `n` frames of one channel at the source's rate. */
static size_t convert_channel(struct vs__wide *w, struct channel *c, const float *source, size_t n)
{
    float *plain = c->plain + (w->plain_end - w->base);

    if (c->convert)
        return vs_resampler_process(c->convert, source, n, plain);
    memcpy(plain, source, n * sizeof(float));
    return n;
}

/* Make room for another chunk at the end of the fifos. */
static void compact(struct vs__wide *w)
{
    size_t most = most_out(w->channels[0].convert, CHUNK) + w->config.out_hz / 50;
    size_t gone = (size_t)(w->done - w->base);

    if (w->plain_end - w->base + most <= w->capacity || gone == 0)
        return;
    for (size_t i = 0; i < w->config.out_channels; i++) {
        struct channel *c = &w->channels[i];
        memmove(c->plain, c->plain + gone, (size_t)(w->plain_end - w->done) * sizeof(float));
        memmove(c->low, c->low + gone, (size_t)(w->low_end - w->done) * sizeof(float));
    }
    w->base = w->done;
}

static void push_chunk(struct vs__wide *w, const void *pcm, size_t frames)
{
    const struct vs__wide_config *config = &w->config;
    bool apart = config->out_channels > 1;
    size_t wide = 0, narrow = 0;

    compact(w);
    if (!pcm)
        memset(w->source, 0, frames * sizeof(float));
    else if (apart)
        (void)vs__mono_interleaved(&w->mono, pcm, frames, w->raw);
    else
        (void)vs__mono_process(&w->mono, pcm, frames, w->source);
    for (size_t i = 0; i < config->out_channels; i++) {
        struct channel *c = &w->channels[i];
        if (pcm && apart)
            config->dsp->pick(w->source, w->raw, frames, config->channels, i);
        wide = convert_channel(w, c, w->source, frames);
        narrow = narrow_channel(w, c, wide);
    }
    w->plain_end += wide;
    take_narrow(w, narrow);
    advance(w);
}

void vs__wide_push(struct vs__wide *w, const void *pcm, size_t frames)
{
    const uint8_t *at = pcm;
    size_t frame_bytes = vs_format_bytes(w->config.format) * w->config.channels;

    while (frames > 0) {
        size_t n = VS__MIN(frames, (size_t)CHUNK);
        push_chunk(w, at, n);
        at += at ? n * frame_bytes : 0;
        frames -= n;
    }
}

void vs__wide_end(struct vs__wide *w)
{
    size_t wide = 0, narrow = 0;

    compact(w);
    for (size_t i = 0; i < w->config.out_channels; i++) {
        struct channel *c = &w->channels[i];
        wide = c->convert ? vs_resampler_flush(c->convert, c->plain + (w->plain_end - w->base)) : 0;
        narrow = narrow_channel(w, c, wide);
    }
    w->plain_end += wide;
    w->limit = w->plain_end;
    if (w->limit == 0)
        return;
    take_narrow(w, narrow);
    for (size_t i = 0; i < w->config.out_channels; i++) {
        struct channel *c = &w->channels[i];
        narrow = c->down ? vs_resampler_flush(c->down, c->narrow) : 0;
    }
    take_narrow(w, narrow);
    for (uint32_t extra = w->filled > 0 ? 0 : 1; extra <= w->lag; extra++) {
        for (size_t i = 0; i < w->config.out_channels; i++)
            memset(w->channels[i].hop + w->filled, 0, (HOP - w->filled) * sizeof(float));
        cut_hop(w);
    }
    for (size_t i = 0; i < w->config.out_channels; i++) {
        struct channel *c = &w->channels[i];
        w->raised = c->up ? vs_resampler_flush(c->up, c->low + (w->low_end - w->base)) : 0;
    }
    w->low_end += w->raised;
    advance(w);
}

void vs__wide_decide(struct vs__wide *w, float probability)
{
    hop_end(w, w->decided++)->probability = probability;
    advance(w);
}

void vs__wide_finish(struct vs__wide *w)
{
    while (w->decided < w->enhanced)
        vs__wide_decide(w, 0);
    while (w->ready_frames > 0) {
        size_t n = VS__MIN((size_t)w->block, w->ready_frames);
        emit(w, n, w->ready_frames - n);
    }
}

static double delay_of(const vs_resampler *r, uint32_t in_hz)
{
    return r ? (double)vs_resampler_delay_frames(r) / in_hz : 0;
}

double vs__wide_last_delay_s(const struct vs__wide *w)
{
    return (double)(w->block + w->ahead) / w->config.out_hz;
}

double vs__wide_delay_s(const struct vs__wide *w)
{
    const struct channel *c = &w->channels[0];

    return delay_of(c->convert, w->config.rate_hz) + delay_of(c->down, w->config.out_hz) +
           (double)HOP * (1 + w->lag) / VS_RATE_HZ + delay_of(c->up, VS_RATE_HZ) +
           vs__wide_last_delay_s(w);
}
