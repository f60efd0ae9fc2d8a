/* SPDX-License-Identifier: MIT */
/* Enhanced frames and probabilities stand in rings by their position, and a reader takes them out a
   fixed distance behind what went in. Whether it lets a frame through follows from positions alone, so
   how the audio was cut into blocks changes nothing. */
#include "voice.h"

#include <stdlib.h>
#include <string.h>

#include <voicestand/stream.h>

#include "ports.h"

enum {
    HOPS_PER_S = 100, /* of probabilities */
    CHUNK = 256,      /* frames that go through at a time */
    HOP_RING = 512,   /* hops whose probabilities are kept; a power of two, see voice_create() */
    GRACE_MAX_MS = 1000,
    RETROACTIVE_MAX_MS = 500,
    HOP_MS = 1000 / HOPS_PER_S,
};

#define X(symbol, name, in, least, most, value, hint) CONTROL_##symbol,
enum { VOICE_CONTROLS(X) CONTROL_COUNT };
#undef X

/* Takes frames out, later than they can be had by `hops` hops, `shift` frames. */
struct reader {
    uint32_t hops;
    int64_t shift;
    int64_t hop;    /* where it is; -1 = nowhere yet */
    float from, to; /* of the gate, at the ends of that hop */
};

struct voice {
    float *ports[2 * VOICE_CHANNELS_MAX + CONTROL_COUNT];
    vs_stream *stream;
    uint32_t rate_hz, channels;
    int64_t delay;  /* frames until an enhanced frame is there for sure */
    int64_t pushed; /* frames */
    float *wet, *plain;
    size_t mask; /* of the frames in both; a power of two minus 1 */
    float *chunk;
    float probability[HOP_RING];
    int64_t decided; /* hops */
    struct reader reader, next;
    uint32_t fading; /* frames until `next` takes over, 0 = it is not in use */
    float on, amount, step;
    bool fresh; /* nothing came out yet, so controls hold at once */
    /* of the block that runs */
    float threshold;
    uint32_t grace_hops;
};

/* in ------------------------------------------------------------------------------------------ */

static void on_event(void *user, const struct vs_event *e)
{
    struct voice *v = user;

    if (e->type == VS_EVENT_PROBABILITY)
        v->probability[v->decided++ % HOP_RING] = e->probability;
    if (e->type != VS_EVENT_AUDIO)
        return;
    for (size_t i = 0; i < e->audio_frames; i++) {
        size_t to = ((size_t)(e->audio_position + i) & v->mask) * v->channels;
        memcpy(v->wet + to, e->audio + i * v->channels, v->channels * sizeof(float));
        memcpy(v->plain + to, e->audio_plain + i * v->channels, v->channels * sizeof(float));
    }
}

static void push(struct voice *v, size_t at, size_t frames)
{
    for (size_t i = 0; i < frames; i++)
        for (uint32_t c = 0; c < v->channels; c++)
            v->chunk[i * v->channels + c] = v->ports[c][at + i];
    int rc = vs_stream_push(v->stream, v->chunk, frames);
    (void)rc; /* what a detector fails for counts as no voice; all frames were taken */
    v->pushed += (int64_t)frames;
}

/* out ----------------------------------------------------------------------------------------- */

/* Whether a hop is let through: there is voice in it, or in the grace before it, or in the retroactive
   grace behind it. All these are decided when the reader gets there. */
static bool is_open(const struct voice *v, const struct reader *r, int64_t hop)
{
    int64_t first = hop - v->grace_hops, last = hop + r->hops;

    if (v->threshold <= 0)
        return true;
    for (int64_t h = first < 0 ? 0 : first; h <= last && h < v->decided; h++)
        if (v->probability[h % HOP_RING] >= v->threshold)
            return true;
    return false;
}

/* The gate at frame `at`; opens and closes within a hop. */
static float find_gate(const struct voice *v, struct reader *r, int64_t at)
{
    int64_t hop = at * HOPS_PER_S / v->rate_hz;

    if (hop != r->hop) {
        r->from = r->hop >= 0 ? r->to : (float)is_open(v, r, hop);
        r->to = (float)is_open(v, r, hop);
        r->hop = hop;
    }
    float t = (float)(at * HOPS_PER_S - hop * v->rate_hz) / (float)v->rate_hz;
    return r->from + t * (r->to - r->from);
}

/* The frame that reader `r` takes out, before the block's frame `behind` ones from its end; added
   to `sum` by `weight`. */
static void read_frame(const struct voice *v, struct reader *r, int64_t behind, float weight,
                       float *sum)
{
    int64_t at = v->pushed - behind - v->delay - r->shift;

    if (at < 0)
        return; /* before the first */
    float gate = find_gate(v, r, at);
    size_t from = ((size_t)at & v->mask) * v->channels;
    for (uint32_t c = 0; c < v->channels; c++) {
        float plain = v->plain[from + c];
        float mixed = v->amount * v->wet[from + c] + (1 - v->amount) * plain;
        sum[c] += weight * (v->on * (gate * mixed) + (1 - v->on) * plain);
    }
}

static float approach(float from, float to, float step)
{
    return to > from ? (to - from > step ? from + step : to)
                     : (from - to > step ? from - step : to);
}

static void pull(struct voice *v, float on, float amount, size_t begin, size_t frames)
{
    for (size_t i = 0; i < frames; i++) {
        int64_t behind = (int64_t)(frames - i);
        float sum[VOICE_CHANNELS_MAX] = {0};
        v->on = approach(v->on, on, v->step);
        v->amount = approach(v->amount, amount, v->step);
        float weight = v->fading ? (float)v->fading * v->step : 1;
        weight = weight < 1 ? weight : 1;
        read_frame(v, &v->reader, behind, weight, sum);
        if (v->fading) {
            read_frame(v, &v->next, behind, 1 - weight, sum);
            if (--v->fading == 0)
                v->reader = v->next;
        }
        for (uint32_t c = 0; c < v->channels; c++)
            v->ports[v->channels + c][begin + i] = sum[c];
    }
}

/* the block ----------------------------------------------------------------------------------- */

void voice_connect(struct voice *v, unsigned long port, float *data)
{
    if (port < 2 * v->channels + CONTROL_COUNT)
        v->ports[port] = data;
}

static struct reader reader_of(const struct voice *v, uint32_t hops)
{
    int64_t shift = ((int64_t)hops * v->rate_hz + HOPS_PER_S - 1) / HOPS_PER_S;

    return (struct reader){.hops = hops, .shift = shift, .hop = -1};
}

static float read_control(float *const *control, int which, float most)
{
    float x = *control[which];

    return x > 0 ? (x < most ? x : most) : 0; /* NaN is 0 */
}

/* A new retroactive grace fades from the old one, within a hop. */
static void take_retroactive(struct voice *v, uint32_t hops)
{
    if (v->fresh) {
        v->reader = reader_of(v, hops);
    } else if (!v->fading && hops != v->reader.hops) {
        v->next = reader_of(v, hops);
        v->fading = v->rate_hz / HOPS_PER_S;
    }
}

/* Probability at the frame that came out last. */
static float find_voice(const struct voice *v, const struct reader *r)
{
    int64_t at = v->pushed - 1 - v->delay - r->shift;
    int64_t hop = at * HOPS_PER_S / v->rate_hz;

    return at >= 0 && hop < v->decided ? v->probability[hop % HOP_RING] : 0;
}

void voice_run(struct voice *v, size_t frames)
{
    float *const *control = v->ports + 2 * v->channels;
    float on = read_control(control, CONTROL_enabled, 1) > 0 ? 1 : 0;
    float amount = read_control(control, CONTROL_amount, 100) / 100;
    float retroactive = read_control(control, CONTROL_retroactive, RETROACTIVE_MAX_MS);

    v->threshold = read_control(control, CONTROL_threshold, 100) / 100;
    v->grace_hops = (uint32_t)read_control(control, CONTROL_grace, GRACE_MAX_MS) / HOP_MS;
    take_retroactive(v, (uint32_t)retroactive / HOP_MS);
    if (v->fresh) {
        v->on = on;
        v->amount = amount;
    }
    v->fresh = false;
    for (size_t at = 0; at < frames;) {
        size_t n = frames - at < CHUNK ? frames - at : CHUNK;
        push(v, at, n);
        pull(v, on, amount, at, n);
        at += n;
    }
    const struct reader *r = v->fading ? &v->next : &v->reader;
    *control[CONTROL_voice] = find_voice(v, r);
    *control[CONTROL_latency] = (float)(v->delay + r->shift);
}

/* life ---------------------------------------------------------------------------------------- */

void voice_reset(struct voice *v)
{
    vs_stream_reset(v->stream);
    v->pushed = v->decided = 0;
    v->fading = 0;
    v->fresh = true;
}

static int64_t find_delay(const struct voice *v)
{
    struct vs_stats stats = {.size = sizeof(stats)};

    vs_stream_stats(v->stream, &stats);
    return (stats.audio_delay_ns * v->rate_hz + 999999999) / 1000000000;
}

/* Rings that reach from the newest frame to the oldest that a reader may still take. The ring of hops
   holds the graces on both sides, the delay and a chunk: at 8 kHz, 100 + 50 + 10 + 4 hops. */
static bool create_rings(struct voice *v)
{
    size_t reach =
        (size_t)v->delay + CHUNK + (size_t)v->rate_hz * (RETROACTIVE_MAX_MS + 2 * HOP_MS) / 1000;
    size_t frames = 1;

    while (frames < reach)
        frames *= 2;
    v->mask = frames - 1;
    v->wet = calloc(frames * v->channels, sizeof(float));
    v->plain = calloc(frames * v->channels, sizeof(float));
    v->chunk = calloc((size_t)CHUNK * v->channels, sizeof(float));
    if (!v->wet || !v->plain || !v->chunk)
        return false;
    memset(v->wet, 0, frames * v->channels * sizeof(float)); /* so that the pages are there */
    memset(v->plain, 0, frames * v->channels * sizeof(float));
    return true;
}

struct voice *voice_create(uint32_t rate_hz, uint32_t channels, bool level)
{
    struct voice *v = calloc(1, sizeof(*v));

    if (!v)
        return NULL;
    struct vs_stream_config config = {
        .size = sizeof(config),
        .rate_hz = rate_hz,
        .channels = channels,
        .audio = VS_AUDIO_WIDE,
        .enhance = VS_ENHANCE_DENOISE | (level ? VS_ENHANCE_LEVEL : 0),
        .probabilities = 1,
        .on_event = on_event,
        .user = v,
    };
    v->rate_hz = rate_hz;
    v->channels = channels;
    v->step = (float)HOPS_PER_S / (float)rate_hz;
    if (rate_hz == 0 || channels > VOICE_CHANNELS_MAX || vs_stream_create(&config, &v->stream) < 0)
        goto fail;
    v->delay = find_delay(v);
    if (!create_rings(v))
        goto fail;
    voice_reset(v);
    return v;
fail:
    voice_destroy(v);
    return NULL;
}

void voice_destroy(struct voice *v)
{
    if (!v)
        return;
    vs_stream_destroy(v->stream);
    free(v->wet);
    free(v->plain);
    free(v->chunk);
    free(v);
}
