/* SPDX-License-Identifier: MIT */
/* Telling the user at once, on the thread that pushed the audio. */
#include <math.h>
#include <string.h>

#include "pipeline/report.h"

/* What began at `begin` was the user's or the engine's time, not ours. */
static void excuse(struct vs__direct *d, int64_t begin)
{
    if (d->chain)
        vs__chain_excuse(d->chain, vs__mono_ns() - begin);
}

void vs__direct_tell(struct vs__direct *d, struct vs_event *e)
{
    e->sequence = d->sequence++;
    if (!d->on_event)
        return;
    int64_t begin = vs__mono_ns();
    d->on_event(d->user, e);
    excuse(d, begin);
}

static void tell_engine_error(struct vs__direct *d, uint64_t segment, int status)
{
    struct vs_event e = vs__event_now(VS_EVENT_ERROR);

    d->stt_status = status;
    e.segment = segment;
    e.status = status;
    e.text = "the text engine failed, this segment has no text";
    vs__direct_tell(d, &e);
}

static void tell_text(struct vs__direct *d, const struct vs_event *bounds, const char *text,
                      uint32_t flags)
{
    struct vs_event e = vs__event_now(VS_EVENT_TEXT);
    struct vs_word *words = NULL;

    e.segment = bounds->segment;
    e.flags = flags;
    e.text = text;
    e.start_frame = bounds->start_frame;
    e.end_frame = bounds->end_frame;
    e.start_s = bounds->start_s;
    e.end_s = bounds->end_s;
    if ((flags & VS_EVENT_FINAL) && text && *text)
        words = vs__words_take(d->stt, d->stt_state, &e);
    vs__direct_tell(d, &e);
    vs__free(words);
}

static void end_segment(struct vs__direct *d, const struct vs_event *end)
{
    struct vs_event e = *end;
    const char *text = NULL;

    if (d->stt && d->stt_status == 0 && !vs__text_is_wanted(end, d->text_sure)) {
        text = ""; /* what the engine has heard of it, the next begin() makes it forget */
        tell_text(d, end, text, VS_EVENT_FINAL);
    } else if (d->stt && d->stt_status == 0) {
        int64_t begin = vs__mono_ns();
        int rc = d->stt->finish(d->stt_state, &text);
        if (d->text)
            vs__histogram_add(d->text, vs__mono_ns() - begin);
        excuse(d, begin);
        if (rc < 0) {
            text = NULL;
            tell_engine_error(d, end->segment, rc);
        } else {
            text = vs__text_keep(text, end, d->text_sure);
            tell_text(d, end, text, VS_EVENT_FINAL);
        }
    }
    e.type = VS_EVENT_SEGMENT;
    e.text = text;
    vs__direct_tell(d, &e);
}

static void on_step(void *user, const struct vs__chain_step *step)
{
    struct vs__direct *d = user;
    struct vs_event e = vs__event_of_step(step, d->rate_hz);

    vs__direct_tell(d, &e);
    if (step->kind == VS__SEGMENT_END) {
        end_segment(d, &e);
        return;
    }
    if (!d->stt)
        return;
    d->stt_status = 0;
    int64_t begin = vs__mono_ns();
    int rc = d->stt->begin(d->stt_state, step->segment);
    excuse(d, begin);
    if (rc < 0)
        tell_engine_error(d, step->segment, rc);
}

static void feed_engine(struct vs__direct *d, const float *audio, uint32_t frames, uint64_t segment)
{
    const char *text = NULL;

    vs__count(&d->text_frames, frames);
    int64_t begin = vs__mono_ns();
    int rc = d->stt->feed(d->stt_state, audio, frames);
    excuse(d, begin);
    if (rc < 0) {
        tell_engine_error(d, segment, rc);
    } else if (rc > 0 && d->stt->partial && d->stt->partial(d->stt_state, &text) == 0 && text &&
               *text) {
        struct vs_event bounds = {.segment = segment};
        tell_text(d, &bounds, text, 0);
    }
}

static void on_audio(void *user, struct vs__block *block, uint32_t offset, uint32_t frames,
                     uint64_t segment)
{
    struct vs__direct *d = user;

    if (segment ? d->audio == VS_AUDIO_SEGMENTS : d->audio == VS_AUDIO_ALL) {
        struct vs_event e = vs__event_now(VS_EVENT_AUDIO);
        e.segment = segment;
        e.audio = block->shown + offset;
        e.audio_frames = frames;
        e.audio_position = block->position + offset;
        e.audio_rate_hz = VS_RATE_HZ;
        e.audio_channels = 1;
        vs__direct_tell(d, &e);
    }
    if (segment && d->stt && d->stt_status == 0)
        feed_engine(d, block->spoken + offset, frames, segment);
}

static void on_wide(void *user, const struct vs__wide_audio *audio)
{
    struct vs__direct *d = user;
    struct vs_event e = vs__event_now(VS_EVENT_AUDIO);

    e.audio = audio->audio;
    e.audio_plain = audio->plain;
    e.audio_frames = audio->frames;
    e.audio_position = audio->position;
    e.audio_rate_hz = d->wide_hz;
    e.audio_channels = d->wide_channels;
    e.gain_db = audio->gain_db;
    e.limit_db = 20 * log10f(audio->limit + 1e-10f);
    vs__direct_tell(d, &e);
}

static void on_hop(void *user, const struct vs__chain_hop *hop)
{
    struct vs__direct *d = user;
    struct vs_event e = vs__event_now(VS_EVENT_PROBABILITY);

    e.probability = hop->probability;
    e.level_db = hop->level_db;
    e.peak_db = hop->peak_db;
    e.captured_ns = hop->captured_ns;
    vs__event_bounds(&e, hop->start_frame, hop->end_frame, d->rate_hz);
    vs__direct_tell(d, &e);
}

static void on_state(void *user, const char *text, int status)
{
    struct vs_event e = vs__event_now(VS_EVENT_STATE);

    e.text = text;
    e.status = status;
    vs__direct_tell(user, &e);
}

struct vs__chain_sink vs__direct_sink(struct vs__direct *d, bool probabilities)
{
    return (struct vs__chain_sink){.user = d,
                                   .step = on_step,
                                   .audio = on_audio,
                                   .wide = on_wide,
                                   .state = on_state,
                                   .hop = probabilities ? on_hop : NULL};
}

int vs__direct_gap(struct vs__direct *d, uint64_t frames, int cause)
{
    struct vs_event e = vs__event_now(VS_EVENT_GAP);
    uint64_t at = vs__chain_position(d->chain);

    e.cause = cause;
    vs__event_bounds(&e, at, at + frames, d->rate_hz);
    vs__direct_tell(d, &e);
    return vs__chain_gap(d->chain, frames);
}
