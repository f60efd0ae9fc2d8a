/* SPDX-License-Identifier: MIT */
/* Frames in, counted. */
#include "pipeline/edge.h"

#include <string.h>

/* A source may deliver in steps as short as this. */
#define SHORTEST_STEP_US 500

int vs__edge_open(struct vs__edge *e, uint32_t ring_ms, struct vs__signal *wake)
{
    size_t frames = (size_t)((uint64_t)e->rate_hz * ring_ms / 1000);
    size_t records = (size_t)ring_ms * 1000 / SHORTEST_STEP_US + 64;

    e->wake = wake;
    int rc = vs__ring_create(frames * e->frame_bytes, &e->data);
    if (rc < 0)
        return rc;
    return vs__ring_create(records * sizeof(struct vs__record), &e->records);
}

void vs__edge_close(struct vs__edge *e)
{
    vs__ring_destroy(e->data);
    vs__ring_destroy(e->records);
    e->data = e->records = NULL;
}

uint64_t vs__edge_count(struct vs__edge *e, size_t frames, const struct vs_capture_stamp *stamp,
                        int *ret_cause)
{
    uint64_t missing = 0;

    if (stamp->position > e->expected) {
        missing = stamp->position - e->expected;
        *ret_cause =
            stamp->flags & VS_CAPTURE_ESTIMATED ? VS_DROP_GAP_ESTIMATED : VS_DROP_GAP_EXACT;
        vs__count(&e->losses.frames[*ret_cause], missing);
        vs__count(&e->losses.gaps, 1);
    }
    e->expected = stamp->position + frames;
    if (frames && !vs__counted(&e->captured))
        atomic_store_explicit(&e->first_ns, vs__mono_ns() - e->begin_ns, memory_order_relaxed);
    vs__count(&e->captured, missing + frames);
    return missing;
}

/* Tell the worker what was lost before the next frames. @return false when there is no room. */
static bool pay_debts(struct vs__edge *e)
{
    for (uint32_t cause = 0; cause < VS_DROP_COUNT; cause++) {
        struct vs__record r = {VS__RECORD_GAP, cause, e->owed[cause], 0};
        if (e->owed[cause] == 0)
            continue;
        if (!vs__ring_put(e->records, &r, sizeof(r)))
            return false;
        e->owed[cause] = 0;
    }
    return true;
}

void *vs__edge_begin(struct vs__edge *e, size_t want, size_t *ret_frames)
{
    const size_t records = (VS_DROP_COUNT + 1) * sizeof(struct vs__record);
    size_t room, bytes;

    (void)vs__ring_write_begin(e->records, records, &room);
    void *to = vs__ring_write_begin(e->data, want * e->frame_bytes, &bytes);
    *ret_frames = room < records ? 0 : bytes / e->frame_bytes;
    return to;
}

/* The frames that stand in the room, counted already. */
static void hand_over(struct vs__edge *e, size_t frames, int64_t time_ns)
{
    struct vs__record r = {VS__RECORD_DATA, 0, frames, time_ns};

    if (pay_debts(e) && frames) {
        vs__ring_write_commit(e->data, frames * e->frame_bytes);
        (void)vs__ring_put(e->records, &r, sizeof(r)); /* vs__edge_begin() saw room for it */
    }
    uint32_t fill = (uint32_t)(vs__ring_fill(e->data) / e->frame_bytes);
    if (fill > atomic_load_explicit(&e->peak_frames, memory_order_relaxed))
        atomic_store_explicit(&e->peak_frames, fill, memory_order_relaxed);
    if (!frames || fill >= atomic_fetch_or_explicit(&e->gather_frames, 0, memory_order_acq_rel))
        vs__signal_raise(e->wake);
}

void vs__edge_commit(struct vs__edge *e, size_t frames, const struct vs_capture_stamp *stamp)
{
    int cause = 0;
    uint64_t missing = vs__edge_count(e, frames, stamp, &cause);

    e->owed[cause] += missing;
    hand_over(e, frames, stamp->time_ns);
}

void vs__edge_discard(struct vs__edge *e, size_t frames, const struct vs_capture_stamp *stamp)
{
    int cause = 0;
    uint64_t missing = vs__edge_count(e, frames, stamp, &cause);

    e->owed[cause] += missing;
    if (e->owed[VS_DROP_RING_FULL] == 0)
        vs__count(&e->losses.gaps, 1);
    e->owed[VS_DROP_RING_FULL] += frames;
    vs__count(&e->losses.frames[VS_DROP_RING_FULL], frames);
}

void vs__edge_push(struct vs__edge *e, const void *pcm, size_t frames,
                   const struct vs_capture_stamp *stamp)
{
    size_t room;
    void *to = vs__edge_begin(e, frames, &room);
    size_t n = VS__MIN(frames, room);

    if (n || frames == 0) {
        if (n)
            memcpy(to, pcm, n * e->frame_bytes);
        vs__edge_commit(e, n, stamp);
    }
    if (n < frames) {
        struct vs_capture_stamp rest = {.position = stamp->position + n};
        if (n == 0)
            rest.flags = stamp->flags;
        vs__edge_discard(e, frames - n, &rest);
    }
}

void vs__edge_end(struct vs__edge *e, int status)
{
    e->status = status;
    /* Release: the worker that sees it sees all records, the debts and the status. */
    atomic_store_explicit(&e->ended, true, memory_order_release);
    vs__signal_raise(e->wake);
}
