/* SPDX-License-Identifier: MIT */
/* Parts for tests. */
#include "fake.h"

#include <errno.h>
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/base.h"

struct fake_script fake_script;
uint32_t fake_vad_fail_after, fake_vad_delay_us;
int fake_stt_block, fake_stopped_early;

float fake_sample(uint64_t n, uint32_t rate_hz)
{
    uint64_t ms = n * 1000 / rate_hz;
    uint32_t hash = (uint32_t)n * 2654435761u;

    hash = (hash ^ (hash >> 15)) * 2246822519u;
    hash = (hash ^ (hash >> 13)) * 3266489917u;

    if (ms % 2000 < 1000 || ms % 2000 >= 1500)
        return 0;
    return ((float)(hash >> 8) / 8388608.0f - 1.0f) * 0.3f;
}

/* sources ------------------------------------------------------------------------------------- */

struct fake_source {
    size_t at;
    uint64_t position;
    uint32_t done; /* frames of the current step that are out */
    float buffer[8192];
    _Atomic int cancelled, started;
    struct vs__thread thread;
    struct vs_capture_sink sink;
};

static int source_open(void *state, const struct vs_capture_params *params,
                       struct vs_capture_format *ret)
{
    (void)state;
    (void)params;
    ret->rate_hz = fake_script.rate_hz;
    ret->channels = 1;
    ret->format = VS_FORMAT_F32;
    ret->live = fake_script.live;
    ret->device = "a script";
    return 0;
}

/* The next step with frames: fills `pcm`. @return frames, 0 = end, or the status. */
static int64_t next_step(struct fake_source *s, float *pcm, size_t room,
                         struct vs_capture_stamp *ret)
{
    if (s->at >= fake_script.count * fake_script.repeat)
        return 0;
    const struct fake_step *step = &fake_script.steps[s->at % fake_script.count];
    size_t n = VS__MIN((size_t)(step->frames - s->done), room);
    if (step->status)
        return step->status;
    if (fake_script.step_us) {
        struct timespec t = {0, (long)fake_script.step_us * 1000};
        nanosleep(&t, NULL);
    }
    if (s->done == 0)
        s->position += step->skip;
    s->done += (uint32_t)n;
    if (s->done == step->frames) {
        s->done = 0;
        s->at++;
    }
    ret->position = s->position;
    ret->flags = step->flags;
    ret->time_ns = vs__mono_ns() - (int64_t)n * 1000000000 / fake_script.rate_hz;
    for (size_t i = 0; i < n; i++)
        pcm[i] = fake_sample(s->position + i, fake_script.rate_hz);
    s->position += n;
    return (int64_t)n;
}

static int64_t pull_read(void *state, void *pcm, size_t frames, struct vs_capture_stamp *ret)
{
    struct fake_source *s = state;

    if (atomic_load(&s->cancelled))
        return -ECANCELED;
    return next_step(s, pcm, frames, ret);
}

static void source_cancel(void *state)
{
    struct fake_source *s = state;
    atomic_store(&s->cancelled, 1);
}

static void *push_body(void *argument)
{
    struct fake_source *s = argument;
    struct vs_capture_stamp stamp = {0};
    int64_t n;

    while (!atomic_load(&s->cancelled) &&
           (n = next_step(s, s->buffer, VS__COUNT(s->buffer), &stamp)) > 0)
        s->sink.push(s->sink.user, s->buffer, (size_t)n, &stamp);
    s->sink.state(s->sink.user, "the script is over");
    if (!atomic_load(&s->cancelled))
        s->sink.end(s->sink.user, 0);
    return NULL;
}

static int push_start(void *state, const struct vs_capture_sink *sink)
{
    struct fake_source *s = state;

    struct timespec t = {0, (long)fake_script.start_ms * 1000000};

    s->sink = *sink;
    int rc = vs__thread_start(&s->thread, "fake", push_body, s);
    if (t.tv_nsec)
        nanosleep(&t, NULL);
    atomic_store(&s->started, 1);
    return rc;
}

static void push_stop(void *state)
{
    struct fake_source *s = state;

    fake_stopped_early += !atomic_load(&s->started);
    atomic_store(&s->cancelled, 1);
    vs__thread_join(&s->thread);
}

static void source_close(void *state)
{
    (void)state;
}

const struct vs_capture_ops fake_pull = {.abi = VS_BACKEND_ABI,
                                         .name = "fake_pull",
                                         .description = "a script that is read",
                                         .state_size = sizeof(struct fake_source),
                                         .open = source_open,
                                         .read = pull_read,
                                         .cancel = source_cancel,
                                         .close = source_close};

const struct vs_capture_ops fake_push = {.abi = VS_BACKEND_ABI,
                                         .name = "fake_push",
                                         .description = "a script that pushes",
                                         .state_size = sizeof(struct fake_source),
                                         .open = source_open,
                                         .start = push_start,
                                         .stop = push_stop,
                                         .close = source_close};

/* detectors ----------------------------------------------------------------------------------- */

struct fake_detector {
    uint32_t block, calls;
    bool was_loud;
};

static int detector_open(void *state, const struct vs_vad_params *params, struct vs_vad_shape *ret)
{
    struct fake_detector *d = state;

    (void)params;
    d->block = ret->block_frames = VS_HOP_FRAMES;
    ret->device = "cpu";
    return 0;
}

static int odd_open(void *state, const struct vs_vad_params *params, struct vs_vad_shape *ret)
{
    struct fake_detector *d = state;

    (void)params;
    d->block = ret->block_frames = 512;
    ret->latency_frames = 200;
    ret->device = "cpu";
    return 0;
}

static int detector_infer(void *state, const float *block, float *ret)
{
    struct fake_detector *d = state;
    int64_t until = vs__mono_ns() + (int64_t)fake_vad_delay_us * 1000;
    float sum = 0;

    if (fake_vad_fail_after && ++d->calls > fake_vad_fail_after)
        return -EIO;
    while (fake_vad_delay_us && vs__mono_ns() < until)
        continue;
    for (uint32_t i = 0; i < d->block; i++)
        sum += fabsf(block[i]);
    *ret = sum > 0.02f * (float)d->block ? 0.9f : 0.1f;
    return 0;
}

static void detector_reset(void *state)
{
    (void)state;
}

const struct vs_vad_ops fake_vad = {
    .abi = VS_BACKEND_ABI,
    .name = "fake",
    .description = "loudness",
    .state_size = sizeof(struct fake_detector),
    .open = detector_open,
    .infer = detector_infer,
    .reset = detector_reset,
    .close = source_close,
};
const struct vs_vad_ops fake_vad_odd = {
    .abi = VS_BACKEND_ABI,
    .name = "fake_odd",
    .description = "loudness in blocks of 512",
    .state_size = sizeof(struct fake_detector),
    .open = odd_open,
    .infer = detector_infer,
    .reset = detector_reset,
    .close = source_close,
};

/* engine -------------------------------------------------------------------------------------- */

struct fake_engine {
    uint64_t frames;
    char text[64];
    struct vs_word words[2];
    _Atomic int cancelled;
};

static int engine_open(void *state, const struct vs_stt_params *params)
{
    (void)state;
    (void)params;
    return 0;
}

static int engine_begin(void *state, uint64_t segment)
{
    struct fake_engine *e = state;

    (void)segment;
    e->frames = 0;
    return 0;
}

static int engine_feed(void *state, const float *audio, size_t frames)
{
    struct fake_engine *e = state;

    (void)audio;
    e->frames += frames;
    return 1;
}

static int engine_partial(void *state, const char **ret)
{
    struct fake_engine *e = state;

    snprintf(e->text, sizeof(e->text), "%llu so far", (unsigned long long)e->frames);
    *ret = e->text;
    return 0;
}

static int engine_finish(void *state, const char **ret)
{
    struct fake_engine *e = state;
    struct timespec t = {0, 1000000};

    while (fake_stt_block && !atomic_load(&e->cancelled))
        nanosleep(&t, NULL); /* an engine that hangs */
    if (atomic_load(&e->cancelled))
        return -ECANCELED;
    snprintf(e->text, sizeof(e->text), "%llu frames", (unsigned long long)e->frames);
    *ret = e->text;
    return 0;
}

/* A word in the first half of the audio and one in the second. */
static int engine_words(void *state, const struct vs_word **ret)
{
    struct fake_engine *e = state;
    double end_s = (double)e->frames / VS_RATE_HZ;

    e->words[0] = (struct vs_word){e->text, 0, end_s / 2};
    e->words[1] = (struct vs_word){"frames", end_s / 2, end_s};
    *ret = e->words;
    return 2;
}

static void engine_cancel(void *state)
{
    struct fake_engine *e = state;
    atomic_store(&e->cancelled, 1);
}

const struct vs_stt_ops fake_stt = {.abi = VS_BACKEND_ABI,
                                    .name = "fake",
                                    .description = "counts",
                                    .state_size = sizeof(struct fake_engine),
                                    .open = engine_open,
                                    .begin = engine_begin,
                                    .feed = engine_feed,
                                    .partial = engine_partial,
                                    .finish = engine_finish,
                                    .cancel = engine_cancel,
                                    .close = source_close,
                                    .words = engine_words};

/* recorder ------------------------------------------------------------------------------------ */

void record_event(void *user, const struct vs_event *e)
{
    struct record *r = user;

    if (e->type == VS_EVENT_AUDIO) {
        r->audio_frames += e->audio_frames;
        for (size_t i = 0; i < e->audio_frames; i++)
            r->audio_sum += (double)e->audio[i] * (double)(e->audio_position + i);
        return;
    }
    if (e->type == VS_EVENT_PROBABILITY) {
        r->hops++;
        r->probability_sum += (double)e->probability * (double)r->hops;
        return;
    }
    if (e->type == VS_EVENT_LEDGER) {
        r->ledger = *e->ledger;
        r->ledgers++;
    }
    if (r->count >= VS__COUNT(r->events))
        return;
    size_t i = r->count++;
    r->events[i].type = e->type;
    r->events[i].flags = e->flags;
    r->events[i].segment = e->segment;
    r->events[i].start = e->start_frame;
    r->events[i].end = e->end_frame;
    r->events[i].sequence = e->sequence;
    r->events[i].cause = e->cause;
    r->events[i].status = e->status;
    r->events[i].words = e->word_count;
    if (e->word_count) {
        r->events[i].first_s = e->words[0].start_s;
        r->events[i].last_s = e->words[e->word_count - 1].end_s;
        snprintf(r->events[i].word, sizeof(r->events[i].word), "%s", e->words[0].text);
    }
    if (e->text)
        snprintf(r->events[i].text, sizeof(r->events[i].text), "%s", e->text);
}

size_t record_count(const struct record *r, int type)
{
    size_t n = 0;

    for (size_t i = 0; i < r->count; i++)
        n += r->events[i].type == type;
    return n;
}

int record_find(const struct record *r, int type, size_t nth)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->events[i].type == type && nth-- == 0)
            return (int)i;
    return -1;
}
