/* SPDX-License-Identifier: MIT */
/* The output thread: the one that calls the user, one event at a time, in order. It also carries
   out an abort, as that blocks. */
#include "pipeline/live.h"

void vs__note(struct vs__live *live, const struct vs_event *event, const char *text)
{
    struct vs__note *n = vs__alloc(sizeof(*n));
    char *copy = vs__strdup(text);
    struct vs_word *words = vs__words_copy(event->words, event->word_count, 0);

    if (!n || (text && !copy) || (event->word_count && !words)) {
        atomic_fetch_add_explicit(&live->events_dropped, 1, memory_order_relaxed);
        vs__free(n);
        vs__free(copy);
        vs__free(words);
        return;
    }
    n->event = *event;
    n->event.text = n->text = copy;
    n->event.words = n->words = words;
    pthread_mutex_lock(&live->lock);
    *live->notes_end = n;
    live->notes_end = &n->next;
    pthread_mutex_unlock(&live->lock);
    vs__signal_raise(&live->out);
}

static struct vs__note *take_notes(struct vs__live *live)
{
    pthread_mutex_lock(&live->lock);
    struct vs__note *first = live->notes;
    live->notes = NULL;
    live->notes_end = &live->notes;
    pthread_mutex_unlock(&live->lock);
    return first;
}

static void tell(struct vs__live *live, struct vs_event *e)
{
    if (atomic_load_explicit(&live->failed, memory_order_relaxed))
        return;
    vs__histogram_add(&live->event, vs__mono_ns() - e->mono_ns);
    vs__direct_tell(&live->p->direct, e);
}

static void tell_messages(struct vs__live *live)
{
    struct vs__message *m;

    while (vs__ring_get(live->to_output, &m, sizeof(m))) {
        tell(live, &m->event);
        (void)vs__ring_put(live->from_output, &m, sizeof(m)); /* as long as the pool */
        if (!live->p->format.live)
            vs__signal_raise(&live->work);
    }
}

static void tell_notes(struct vs__live *live, struct vs__note *n)
{
    while (n) {
        struct vs__note *next = n->next;
        tell(live, &n->event);
        vs__free(n->text);
        vs__free(n->words);
        vs__free(n);
        n = next;
    }
}

static void tell_ledger(struct vs__live *live)
{
    struct vs_pipeline *p = live->p;
    struct vs_stats stats = {.size = sizeof(stats)};
    struct vs_event e = vs__event_now(VS_EVENT_LEDGER);

    vs_pipeline_stats(p, &stats);
    e.ledger = &stats.ledger;
    vs__event_bounds(&e, 0, stats.ledger.captured, p->format.rate_hz);
    vs__direct_tell(&p->direct, &e);
}

void *vs__output_body(void *argument)
{
    struct vs__live *live = argument;
    struct vs_pipeline *p = live->p;

    vs__place_thread(live, VS_ROLE_BACKGROUND);
    for (;;) {
        uint32_t seen = vs__signal_seen(&live->out);
        if (atomic_load_explicit(&p->aborted, memory_order_acquire) &&
            atomic_load_explicit(&live->started, memory_order_acquire))
            vs__stop_source(live);
        bool last = atomic_load_explicit(&live->worker_done, memory_order_acquire) &&
                    (!p->engine || atomic_load_explicit(&live->text_done, memory_order_acquire));
        /* Notes first into the hand, then messages: a segment's text was noted after the worker
           sent its END, so no text overtakes it. */
        struct vs__note *notes = take_notes(live);
        tell_messages(live);
        tell_notes(live, notes);
        if (last)
            break;
        (void)vs__signal_wait(&live->out, seen, -1);
    }
    atomic_store(&p->end_ns, vs__mono_ns());
    if (!atomic_load_explicit(&live->failed, memory_order_relaxed))
        tell_ledger(live);
    pthread_mutex_lock(&live->lock);
    live->over = true;
    pthread_cond_broadcast(&live->changed);
    pthread_mutex_unlock(&live->lock);
    return NULL;
}
