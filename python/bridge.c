/* SPDX-License-Identifier: MIT */
/* Gathers the events of a stream in memory that grows, for the Python package. */
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bridge.h"

/* An array that grows. */
struct pile {
    void *items;
    size_t count, room;
};

struct bridge {
    vs_stream *stream;
    uint32_t wanted;
    bool shown;  /* what is gathered was taken */
    bool failed; /* no memory for an event */
    struct pile events, floats, text;
    pthread_mutex_t lock; /* of `said`: a detector's device may speak from a thread of its own */
    char said[512];
};

/** Room for `count` more items of `bytes` each, behind those that are there. @return NULL without
    memory */
static void *pile_add(struct pile *p, size_t count, size_t bytes)
{
    if (p->count + count > p->room) {
        size_t room = p->room * 2 > p->count + count ? p->room * 2 : p->count + count + 16;
        void *items = realloc(p->items, room * bytes);
        if (!items)
            return NULL;
        p->items = items;
        p->room = room;
    }
    void *added = (char *)p->items + p->count * bytes;
    p->count += count;
    return added;
}

static void keep_sentence(void *user, int level, const char *topic, const char *message)
{
    struct bridge *b = user;

    if (level != VS_LOG_ERROR)
        return;
    pthread_mutex_lock(&b->lock);
    snprintf(b->said, sizeof(b->said), "%s: %s", topic, message);
    pthread_mutex_unlock(&b->lock);
}

/** Does `e` go on where `last` ended? Then they are one event. */
static bool follows(const struct bridge_event *last, const struct vs_event *e)
{
    if (last->type != e->type)
        return false;
    if (e->type == VS_EVENT_PROBABILITY)
        return last->end_frame == e->start_frame;
    return e->type == VS_EVENT_AUDIO && last->segment == e->segment &&
           last->end_frame == e->audio_position && last->audio_rate_hz == e->audio_rate_hz &&
           last->audio_channels == e->audio_channels;
}

static struct bridge_event *add_event(struct bridge *b, const struct vs_event *e)
{
    if (b->events.count) {
        struct bridge_event *last = (struct bridge_event *)b->events.items + b->events.count - 1;
        if (follows(last, e))
            return last;
    }
    struct bridge_event *added = pile_add(&b->events, 1, sizeof(*added));
    if (!added)
        return NULL;
    *added = (struct bridge_event){.type = e->type,
                                   .flags = e->flags,
                                   .cause = e->cause,
                                   .status = e->status,
                                   .segment = e->segment,
                                   .start_frame = e->start_frame,
                                   .end_frame = e->end_frame,
                                   .start_s = e->start_s,
                                   .end_s = e->end_s,
                                   .probability = e->probability,
                                   .level_db = e->level_db,
                                   .offset = b->floats.count,
                                   .audio_rate_hz = e->audio_rate_hz,
                                   .audio_channels = e->audio_channels};
    if (e->type == VS_EVENT_AUDIO)
        added->start_frame = e->audio_position;
    return added;
}

static bool add_floats(struct bridge *b, struct bridge_event *to, const float *from, size_t count)
{
    float *added = pile_add(&b->floats, count, sizeof(*added));

    if (!added)
        return false;
    memcpy(added, from, count * sizeof(*added));
    to->count += count;
    return true;
}

static bool add_text(struct bridge *b, struct bridge_event *to, const char *text)
{
    size_t bytes = text ? strlen(text) + 1 : 0;
    size_t offset = b->text.count;
    char *added = bytes ? pile_add(&b->text, bytes, 1) : NULL;

    if (bytes && !added)
        return false;
    if (bytes)
        memcpy(added, text, bytes);
    to->offset = offset;
    to->count = bytes;
    return true;
}

static void on_event(void *user, const struct vs_event *e)
{
    struct bridge *b = user;

    if (!(b->wanted & 1u << e->type))
        return;
    struct bridge_event *added = add_event(b, e);
    bool good = added != NULL;
    if (good && e->type == VS_EVENT_PROBABILITY) {
        added->end_frame = e->end_frame;
        added->end_s = e->end_s;
        good = add_floats(b, added, &e->probability, 1);
    } else if (good && e->type == VS_EVENT_AUDIO) {
        added->end_frame = e->audio_position + e->audio_frames;
        good = add_floats(b, added, e->audio, e->audio_frames * e->audio_channels);
    } else if (good && (e->type == VS_EVENT_STATE || e->type == VS_EVENT_ERROR)) {
        good = add_text(b, added, e->text);
    }
    b->failed |= !good;
}

static int fill_rules(const struct bridge_config *c, struct vs_segment_config *ret)
{
    *ret = (struct vs_segment_config){.size = sizeof(*ret),
                                      .threshold = c->threshold,
                                      .threshold_off = c->threshold_off,
                                      .onset_ms = c->onset_ms,
                                      .min_speech_ms = c->min_speech_ms,
                                      .hangover_ms = c->hangover_ms,
                                      .merge_ms = c->merge_ms,
                                      .pre_roll_ms = c->pre_roll_ms,
                                      .pad_ms = c->pad_ms,
                                      .max_ms = c->max_ms};
    return c->preset ? vs_segment_preset(c->preset, ret) : 0;
}

static int create_stream(struct bridge *b, const struct bridge_config *c)
{
    struct vs_stream_config config = {
        .size = sizeof(config),
        .env = {.log = {.write = keep_sentence, .user = b},
                .module_dir = c->module_dir,
                .cpu = c->cpu},
        .rate_hz = c->rate_hz,
        .channels = c->channels,
        .format = c->format,
        .channel = c->channel,
        .vad = c->vad,
        .high_pass_hz = c->high_pass_hz,
        .audio = c->audio,
        .probabilities = (c->wanted & 1u << VS_EVENT_PROBABILITY) != 0,
        .on_event = on_event,
        .user = b,
        .enhance = c->enhance,
    };
    int rc = fill_rules(c, &config.segment);

    if (rc < 0) {
        snprintf(b->said, sizeof(b->said), "segment: no preset is called %s", c->preset);
        return rc;
    }
    return vs_stream_create(&config, &b->stream);
}

uint32_t bridge_sizes(void)
{
    return (uint32_t)sizeof(struct bridge_config) | (uint32_t)sizeof(struct bridge_event) << 10 |
           (uint32_t)sizeof(struct bridge_batch) << 20;
}

int bridge_create(const struct bridge_config *config, struct bridge **ret, char *message,
                  size_t message_bytes)
{
    struct bridge *b = calloc(1, sizeof(*b));

    if (!b) {
        snprintf(message, message_bytes, "%s", vs_strerror(-ENOMEM));
        return -ENOMEM;
    }
    pthread_mutex_init(&b->lock, NULL);
    b->wanted = config->wanted;
    int rc = create_stream(b, config);
    if (rc < 0) {
        snprintf(message, message_bytes, "%s", b->said[0] ? b->said : vs_strerror(rc));
        bridge_destroy(b);
        return rc;
    }
    *ret = b;
    return 0;
}

/* Events that were shown go when new ones may come. */
static void forget_shown(struct bridge *b)
{
    if (b->shown)
        b->events.count = b->floats.count = b->text.count = 0;
    b->shown = false;
}

static int64_t tell(struct bridge *b, int rc)
{
    if (rc < 0)
        return rc;
    if (b->failed) {
        b->failed = false;
        return -ENOMEM;
    }
    return (int64_t)b->events.count;
}

int64_t bridge_push(struct bridge *b, const void *pcm, size_t frames)
{
    forget_shown(b);
    return tell(b, vs_stream_push(b->stream, pcm, frames));
}

int64_t bridge_gap(struct bridge *b, uint64_t frames)
{
    forget_shown(b);
    return tell(b, vs_stream_gap(b->stream, frames));
}

int64_t bridge_finish(struct bridge *b)
{
    forget_shown(b);
    return tell(b, vs_stream_finish(b->stream));
}

void bridge_reset(struct bridge *b)
{
    b->shown = true;
    forget_shown(b);
    vs_stream_reset(b->stream);
}

void bridge_show(struct bridge *b, struct bridge_batch *ret)
{
    *ret = (struct bridge_batch){.events = b->events.items,
                                 .floats = b->floats.items,
                                 .text = b->text.items,
                                 .event_count = b->events.count,
                                 .float_count = b->floats.count,
                                 .text_bytes = b->text.count};
    b->shown = true;
}

void bridge_ledger(struct bridge *b, struct vs_ledger *ret)
{
    struct vs_stats stats = {.size = sizeof(stats)};

    vs_stream_stats(b->stream, &stats);
    *ret = stats.ledger;
}

void bridge_destroy(struct bridge *b)
{
    if (!b)
        return;
    vs_stream_destroy(b->stream);
    free(b->events.items);
    free(b->floats.items);
    free(b->text.items);
    pthread_mutex_destroy(&b->lock);
    free(b);
}
