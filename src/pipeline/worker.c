/* SPDX-License-Identifier: MIT */
/* The worker thread: takes audio from the ring in place, runs the chain, sends what it finds.
   Real-time: nothing here allocates, locks, logs or waits, but for work. */
#include <errno.h>
#include <string.h>

#include "pipeline/live.h"

/* Messages kept for what matters more than audio and probabilities. */
#define MESSAGE_RESERVE 64
/* Items of the text ring kept, so that a segment that began can always end. */
#define TEXT_RESERVE    8
#define WORKER_PRIORITY 20

/* what comes back ----------------------------------------------------------------------------- */

static void take_back(struct vs__live *live)
{
    struct vs__message *m;
    struct vs__block *b;

    while (vs__ring_get(live->from_output, &m, sizeof(m))) {
        if (m->block)
            vs__chain_unref(live->p->chain, m->block);
        vs__pool_give(&live->messages, m);
    }
    while (live->from_text && vs__ring_get(live->from_text, &b, sizeof(b)))
        vs__chain_unref(live->p->chain, b);
}

static bool aborted(const struct vs__live *live)
{
    return atomic_load_explicit(&live->p->aborted, memory_order_acquire);
}

/* Wait until something came back. Only where the source waits for us: a live one never does.
   @return false when there is no use in waiting. */
static bool wait_for_return(struct vs__live *live, uint32_t seen)
{
    if (live->p->format.live || aborted(live))
        return false;
    (void)vs__signal_wait(&live->work, seen, 100000000);
    take_back(live);
    return true;
}

/* out to the output thread -------------------------------------------------------------------- */

static struct vs__message *new_message(struct vs__live *live, bool important)
{
    uint32_t keep = important ? 0 : MESSAGE_RESERVE;

    for (;;) {
        uint32_t seen = vs__signal_seen(&live->work);
        if (live->messages.free <= keep)
            take_back(live);
        if (live->messages.free > keep)
            return vs__pool_take(&live->messages);
        if (!wait_for_return(live, seen)) {
            vs__count(&live->events_dropped, 1);
            return NULL;
        }
    }
}

/* @return false when there was no room for it, which is then counted. */
static bool send_event(struct vs__live *live, const struct vs_event *e, struct vs__block *block,
                       bool important)
{
    struct vs__message *m = new_message(live, important);

    if (!m)
        return false;
    m->event = *e;
    m->block = block;
    (void)vs__ring_put(live->to_output, &m, sizeof(m)); /* as long as the pool: never full */
    vs__signal_raise(&live->out);
    return true;
}

/* Hold a block for a sink; waits where the source does. */
static bool hold_block(struct vs__live *live, struct vs__block *b)
{
    for (;;) {
        uint32_t seen = vs__signal_seen(&live->work);
        take_back(live);
        if (vs__chain_ref(live->p->chain, b))
            return true;
        if (!wait_for_return(live, seen))
            return false;
    }
}

/* out to the text thread ---------------------------------------------------------------------- */

static bool text_room(struct vs__live *live, size_t items)
{
    const size_t want = items * sizeof(struct vs__text_item);
    size_t room;

    for (;;) {
        uint32_t seen = vs__signal_seen(&live->work);
        (void)vs__ring_write_begin(live->to_text, want, &room);
        if (room >= want)
            return true;
        if (!wait_for_return(live, seen))
            return false;
    }
}

static void send_text_item(struct vs__live *live, const struct vs__text_item *item)
{
    (void)vs__ring_put(live->to_text, item, sizeof(*item)); /* its room was asked for */
    vs__signal_raise(&live->say);
}

static void send_text_audio(struct vs__live *live, struct vs__block *b, uint32_t offset,
                            uint32_t frames)
{
    struct vs__text_item item = {VS__TEXT_AUDIO, offset, frames, b, {0}};

    if (live->text_skips || !text_room(live, TEXT_RESERVE) || !hold_block(live, b)) {
        vs__count(&live->text_dropped, frames);
        return;
    }
    vs__count(&live->text_frames, frames);
    send_text_item(live, &item);
}

/* START or END for the engine. @return whether the engine will tell the segment. */
static bool send_text_bounds(struct vs__live *live, int kind, const struct vs_event *e)
{
    struct vs__text_item item = {.kind = kind, .event = *e};

    if (kind == VS__TEXT_BEGIN)
        live->text_skips = !text_room(live, 2 * TEXT_RESERVE);
    if (live->text_skips)
        return false;
    send_text_item(live, &item);
    return true;
}

/* the chain's sink ---------------------------------------------------------------------------- */

static void on_step(void *user, const struct vs__chain_step *step)
{
    struct vs__live *live = user;
    struct vs_event e = vs__event_of_step(step, live->p->format.rate_hz);
    bool end = step->kind == VS__SEGMENT_END;

    (void)send_event(live, &e, NULL, true);
    if (live->p->engine && send_text_bounds(live, end ? VS__TEXT_END : VS__TEXT_BEGIN, &e))
        return;
    if (end) {
        e.type = VS_EVENT_SEGMENT;
        (void)send_event(live, &e, NULL, true);
    }
}

static void on_audio(void *user, struct vs__block *block, uint32_t offset, uint32_t frames,
                     uint64_t segment)
{
    struct vs__live *live = user;
    int wanted = live->p->config.audio;

    if (segment ? wanted == VS_AUDIO_SEGMENTS : wanted == VS_AUDIO_ALL) {
        struct vs_event e = vs__event_now(VS_EVENT_AUDIO);
        e.segment = segment;
        e.audio = block->shown + offset;
        e.audio_frames = frames;
        e.audio_position = block->position + offset;
        e.audio_rate_hz = VS_RATE_HZ;
        e.audio_channels = 1;
        if (!hold_block(live, block))
            vs__count(&live->events_dropped, 1);
        else if (!send_event(live, &e, block, false))
            vs__chain_unref(live->p->chain, block);
    }
    if (segment && live->p->engine)
        send_text_audio(live, block, offset, frames);
}

static void on_hop(void *user, const struct vs__chain_hop *hop)
{
    struct vs__live *live = user;
    struct vs_event e = vs__event_now(VS_EVENT_PROBABILITY);

    e.probability = hop->probability;
    e.level_db = hop->level_db;
    e.peak_db = hop->peak_db;
    e.captured_ns = hop->captured_ns;
    vs__event_bounds(&e, hop->start_frame, hop->end_frame, live->p->format.rate_hz);
    (void)send_event(live, &e, NULL, false);
}

static void on_state(void *user, const char *text, int status)
{
    struct vs_event e = vs__event_now(VS_EVENT_STATE);

    e.text = text;
    e.status = status;
    (void)send_event(user, &e, NULL, true);
}

struct vs__chain_sink vs__worker_sink(struct vs__live *live, bool probabilities)
{
    return (struct vs__chain_sink){.user = live,
                                   .step = on_step,
                                   .audio = on_audio,
                                   .state = on_state,
                                   .hop = probabilities ? on_hop : NULL};
}

/* in from the edge ---------------------------------------------------------------------------- */

static void tell_gap(struct vs__live *live, uint64_t frames, int cause)
{
    struct vs_event e = vs__event_now(VS_EVENT_GAP);
    uint64_t at = vs__chain_position(live->p->chain);

    e.cause = cause;
    vs__event_bounds(&e, at, at + frames, live->p->format.rate_hz);
    (void)send_event(live, &e, NULL, true);
}

/* What was gathered on purpose was not late: steps without which a hop was not whole, and all but
   the last while power is saved. */
static bool was_due(const struct vs__live *live, const struct vs__record *r)
{
    if (r->frames < vs__chain_wants(live->p->chain))
        return false;
    return atomic_load_explicit(&live->save_frames, memory_order_relaxed) == 0 ||
           vs__ring_fill(live->p->edge.records) == 0;
}

static int take_audio(struct vs__live *live, const struct vs__record *r)
{
    struct vs_pipeline *p = live->p;
    size_t bytes = (size_t)r->frames * p->edge.frame_bytes, there;
    const void *pcm = vs__ring_read_begin(p->edge.data, bytes, &there);
    int64_t time_ns = p->format.live ? r->time_ns : 0;

    if (p->format.live && !live->flowing) {
        struct vs_event e = vs__event_now(VS_EVENT_STATE);
        live->flowing = true;
        e.text = "audio flows";
        (void)send_event(live, &e, NULL, true);
    }
    if (time_ns && was_due(live, r)) {
        int64_t span = (int64_t)r->frames * 1000000000 / p->format.rate_hz;
        vs__histogram_add(&live->queue, vs__mono_ns() - time_ns - span);
    }
    int rc = vs__chain_push(p->chain, pcm, (size_t)r->frames, time_ns);
    vs__ring_read_commit(p->edge.data, bytes);
    /* A source that waits is woken when half of the ring is free, not for each step of it. */
    if (!p->format.live && vs__ring_fill(p->edge.data) <= p->edge.data->bytes / 2)
        vs__signal_raise(&live->room);
    return rc;
}

static int take_record(struct vs__live *live, const struct vs__record *r)
{
    if (r->kind == VS__RECORD_DATA)
        return take_audio(live, r);
    tell_gap(live, r->frames, (int)r->cause);
    return vs__chain_gap(live->p->chain, r->frames);
}

/* Gaps behind the last frame: the edge has ended, so its debts are still. */
static int take_debts(struct vs__live *live)
{
    struct vs__edge *edge = &live->p->edge;
    int rc = 0;

    for (uint32_t cause = 0; cause < VS_DROP_COUNT; cause++) {
        struct vs__record r = {VS__RECORD_GAP, cause, edge->owed[cause], 0};
        int one = edge->owed[cause] ? take_record(live, &r) : 0;
        rc = rc ? rc : one;
    }
    return rc;
}

/* An aborted run does not process what is queued, but counts it. */
static void discard_record(struct vs__live *live, const struct vs__record *r)
{
    struct vs__edge *edge = &live->p->edge;
    size_t bytes = (size_t)r->frames * edge->frame_bytes, there;

    if (r->kind != VS__RECORD_DATA)
        return;
    (void)vs__ring_read_begin(edge->data, bytes, &there);
    vs__ring_read_commit(edge->data, bytes);
    vs__signal_raise(&live->room);
    /* at_stop is the worker's member; the edge's producer writes the others. */
    vs__count(&edge->losses.frames[VS_DROP_AT_STOP], r->frames);
}

/* A live source need not wake the worker before a hop is whole. @return whether it may sleep now */
static bool gather(struct vs__live *live)
{
    struct vs__edge *edge = &live->p->edge;

    if (!live->p->format.live)
        return true;
    uint32_t least = atomic_load_explicit(&live->save_frames, memory_order_relaxed);
    /* Half of the ring is always enough: what is gathered must fit, and more come meanwhile. */
    uint32_t most = (uint32_t)(edge->data->bytes / edge->frame_bytes / 2);
    uint32_t want = VS__MIN(VS__MAX(vs__chain_wants(live->p->chain), least), most);
    (void)atomic_exchange_explicit(&edge->gather_frames, want, memory_order_acq_rel);
    return vs__ring_fill(edge->records) == 0 ||
           vs__ring_fill(edge->data) < (size_t)want * edge->frame_bytes;
}

/* Until the source has ended and nothing is queued. @return the first error. */
static int work(struct vs__live *live)
{
    struct vs__edge *edge = &live->p->edge;
    struct vs__record r;
    uint64_t turns = 0;
    int rc = 0;

    for (;;) {
        uint32_t seen = vs__signal_seen(&live->work);
        take_back(live);
        /* Before the look at the ring: what ended before is all in it. */
        bool ended = atomic_load_explicit(&edge->ended, memory_order_acquire);
        if (vs__ring_get(edge->records, &r, sizeof(r))) {
            if (rc < 0 || aborted(live)) {
                discard_record(live, &r);
            } else if ((rc = take_record(live, &r)) < 0) {
                atomic_store_explicit(&live->p->aborted, true, memory_order_release);
                vs__signal_raise(&live->out); /* it stops the source */
            }
            if ((++turns & 63) == 0)
                atomic_store_explicit(&live->worker_cpu_ns, vs__thread_cpu_ns(),
                                      memory_order_relaxed);
        } else if (ended) {
            return rc;
        } else if (gather(live)) {
            (void)vs__signal_wait(&live->work, seen, -1);
            vs__count(&live->wakeups, 1);
        }
    }
}

void *vs__worker_body(void *argument)
{
    struct vs__live *live = argument;
    struct vs_pipeline *p = live->p;

    vs__place_thread(live, VS_ROLE_WORKER);
    (void)vs__fp_fast();
    if (p->format.live && p->config.realtime >= 0)
        atomic_store(&live->realtime, vs__live_realtime(live, WORKER_PRIORITY));
    vs__rt_enter();
    int rc = work(live);
    bool cut = aborted(live);
    if (!cut)
        rc = take_debts(live);
    int end = vs__chain_finish(p->chain);
    rc = rc < 0 ? rc : end;
    if (rc == 0)
        rc = p->edge.status;
    if (rc == 0 && cut)
        rc = -ECANCELED;
    atomic_store_explicit(&live->status, rc, memory_order_relaxed);
    atomic_store_explicit(&live->worker_cpu_ns, vs__thread_cpu_ns(), memory_order_relaxed);
    atomic_store_explicit(&live->worker_done, true, memory_order_release);
    vs__signal_raise(&live->say);
    vs__signal_raise(&live->out);
    vs__rt_leave();
    return NULL;
}
