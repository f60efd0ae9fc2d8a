/* SPDX-License-Identifier: MIT */
/* The text thread: gives the audio of segments to the engine and its words to the output thread.
   Not real-time; it may fall behind by the backlog. */
#include <errno.h>

#include "pipeline/live.h"

/* The open segment's engine: 0 = well, else what went wrong. */
struct talk {
    struct vs__live *live;
    const struct vs_stt_ops *engine;
    void *state;
    int status;
    struct vs_event bounds;
};

static void note_error(struct talk *t, int status)
{
    struct vs_event e = vs__event_now(VS_EVENT_ERROR);

    t->status = status;
    e.segment = t->bounds.segment;
    e.status = status;
    vs__note(t->live, &e, "the text engine failed, this segment has no text");
}

static void note_text(struct talk *t, const char *text, uint32_t flags)
{
    struct vs_event e = vs__event_now(VS_EVENT_TEXT);
    struct vs_word *words = NULL;

    e.segment = t->bounds.segment;
    e.flags = flags;
    e.start_frame = t->bounds.start_frame;
    e.end_frame = t->bounds.end_frame;
    e.start_s = t->bounds.start_s;
    e.end_s = t->bounds.end_s;
    if ((flags & VS_EVENT_FINAL) && text && *text)
        words = vs__words_take(t->engine, t->state, &e);
    vs__note(t->live, &e, text);
    vs__free(words);
}

static void begin_segment(struct talk *t, const struct vs_event *start)
{
    t->bounds = *start;
    /* A cancel counts until the next begin(): after an abort there is none. */
    bool over = atomic_load_explicit(&t->live->p->aborted, memory_order_acquire);
    int rc = over ? -ECANCELED : t->engine->begin(t->state, start->segment);
    t->status = 0;
    if (rc < 0)
        note_error(t, rc);
}

static void feed_audio(struct talk *t, const struct vs__text_item *item)
{
    const char *text = NULL;

    if (t->status < 0)
        return;
    int rc = t->engine->feed(t->state, item->block->spoken + item->offset, item->frames);
    if (rc < 0)
        note_error(t, rc);
    else if (rc > 0 && t->engine->partial && t->engine->partial(t->state, &text) == 0 && text &&
             *text)
        note_text(t, text, 0);
}

static void end_segment(struct talk *t, const struct vs_event *end)
{
    const char *text = NULL;
    struct vs_event e = *end;

    t->bounds = *end;
    if (t->status == 0 && !vs__text_is_wanted(end, t->live->p->direct.text_sure)) {
        text = ""; /* what the engine has heard of it, the next begin() makes it forget */
        note_text(t, text, VS_EVENT_FINAL);
    } else if (t->status == 0) {
        int rc = t->engine->finish(t->state, &text);
        vs__histogram_add(&t->live->p->text, vs__mono_ns() - end->mono_ns);
        if (rc < 0) {
            text = NULL;
            note_error(t, rc);
        } else {
            text = vs__text_keep(text, end, t->live->p->direct.text_sure);
            note_text(t, text, VS_EVENT_FINAL);
        }
    }
    e.type = VS_EVENT_SEGMENT;
    e.mono_ns = vs__mono_ns();
    e.wall_ns = vs__wall_ns();
    vs__note(t->live, &e, text);
}

void *vs__text_body(void *argument)
{
    struct vs__live *live = argument;
    struct talk t = {live, live->p->engine, live->p->engine_state, 0, {0}};
    struct vs__text_item item;

    vs__place_thread(live, VS_ROLE_BACKGROUND);
    for (;;) {
        uint32_t seen = vs__signal_seen(&live->say);
        bool last = atomic_load_explicit(&live->worker_done, memory_order_acquire);
        if (!vs__ring_get(live->to_text, &item, sizeof(item))) {
            if (last)
                break;
            (void)vs__signal_wait(&live->say, seen, -1);
            continue;
        }
        if (item.kind == VS__TEXT_BEGIN)
            begin_segment(&t, &item.event);
        else if (item.kind == VS__TEXT_END)
            end_segment(&t, &item.event);
        else
            feed_audio(&t, &item);
        if (item.block)
            (void)vs__ring_put(live->from_text, &item.block, sizeof(item.block));
        vs__signal_raise(&live->work);
    }
    atomic_store_explicit(&live->text_done, true, memory_order_release);
    vs__signal_raise(&live->out);
    return NULL;
}
