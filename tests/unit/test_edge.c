/* SPDX-License-Identifier: MIT */
/* The edge, where frames enter: what a source gives or loses stands in the rings or among the losses, in its place,
   however full they are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "pipeline/edge.h"

enum { RATE_HZ = 16000, FRAME_BYTES = 4 };

static struct vs__signal wake;

static void begin(struct vs__edge *e)
{
    *e = (struct vs__edge){
        .rate_hz = RATE_HZ, .frame_bytes = FRAME_BYTES, .begin_ns = vs__mono_ns()};
    assert_int_equal(vs__edge_open(e, 10, &wake), 0);
}

static void push(struct vs__edge *e, uint64_t position, size_t frames, int flags)
{
    static uint8_t pcm[1 << 16];
    const struct vs_capture_stamp stamp = {.position = position, .flags = flags, .time_ns = 1};

    assert_true(frames * FRAME_BYTES <= sizeof(pcm));
    vs__edge_push(e, pcm, frames, &stamp);
}

/* The next record, and its frames taken out. */
static struct vs__record take(struct vs__edge *e)
{
    struct vs__record r = {.kind = 99};
    size_t there;

    if (vs__ring_get(e->records, &r, sizeof(r)) && r.kind == VS__RECORD_DATA) {
        (void)vs__ring_read_begin(e->data, (size_t)r.frames * FRAME_BYTES, &there);
        assert_int_equal(there, r.frames * FRAME_BYTES);
        vs__ring_read_commit(e->data, there);
    }
    return r;
}

static void assert_record(struct vs__edge *e, uint32_t kind, uint32_t cause, uint64_t frames)
{
    struct vs__record r = take(e);

    assert_int_equal(r.kind, kind);
    assert_int_equal(r.frames, frames);
    if (kind == VS__RECORD_GAP)
        assert_int_equal(r.cause, cause);
}

static uint64_t lost(const struct vs__edge *e, int cause)
{
    return vs__counted(&e->losses.frames[cause]);
}

static void what_a_source_skips_stands_before_what_follows(void **state)
{
    struct vs__edge e;

    (void)state;
    begin(&e);
    push(&e, 0, 100, 0);
    push(&e, 130, 50, 0);
    push(&e, 200, 10, VS_CAPTURE_ESTIMATED);
    assert_record(&e, VS__RECORD_DATA, 0, 100);
    assert_record(&e, VS__RECORD_GAP, VS_DROP_GAP_EXACT, 30);
    assert_record(&e, VS__RECORD_DATA, 0, 50);
    assert_record(&e, VS__RECORD_GAP, VS_DROP_GAP_ESTIMATED, 20);
    assert_record(&e, VS__RECORD_DATA, 0, 10);
    assert_int_equal(take(&e).kind, 99);
    assert_int_equal(vs__counted(&e.captured), 210);
    assert_int_equal(vs__counted(&e.losses.gaps), 2);
    assert_int_equal(lost(&e, VS_DROP_GAP_EXACT), 30);
    assert_int_equal(lost(&e, VS_DROP_GAP_ESTIMATED), 20);
    assert_true(atomic_load(&e.peak_frames) >= 100);
    vs__edge_close(&e);
}

/* A source that goes away tells how long it was silent, without a frame. */
static void a_gap_needs_no_frames(void **state)
{
    struct vs__edge e;

    (void)state;
    begin(&e);
    push(&e, 0, 0, 0); /* nothing at all */
    assert_int_equal(take(&e).kind, 99);
    assert_int_equal(atomic_load(&e.first_ns), 0);
    push(&e, 40, 0, 0);
    assert_record(&e, VS__RECORD_GAP, VS_DROP_GAP_EXACT, 40);
    assert_int_equal(vs__counted(&e.captured), 40);
    push(&e, 40, 5, 0);
    assert_record(&e, VS__RECORD_DATA, 0, 5);
    vs__edge_close(&e);
}

static void what_does_not_fit_is_owed_and_told(void **state)
{
    struct vs__edge e;

    (void)state;
    begin(&e);
    uint64_t room = e.data->bytes / FRAME_BYTES;
    push(&e, 0, (size_t)room + 7, 0); /* seven too many */
    push(&e, room + 7, 3, 0);         /* and no room at all, for one gap */
    push(&e, room + 15, 2, VS_CAPTURE_ESTIMATED);
    assert_int_equal(lost(&e, VS_DROP_RING_FULL), 12);
    assert_int_equal(lost(&e, VS_DROP_GAP_ESTIMATED), 5);
    assert_int_equal(vs__counted(&e.losses.gaps), 2);
    assert_record(&e, VS__RECORD_DATA, 0, room);
    assert_int_equal(take(&e).kind, 99); /* nobody was there to tell it */
    push(&e, room + 17, 9, 0);
    uint64_t told = 0;
    struct vs__record r;
    while ((r = take(&e)).kind == VS__RECORD_GAP)
        told += r.frames;
    assert_int_equal(told, 17);
    assert_int_equal(r.kind, VS__RECORD_DATA);
    assert_int_equal(r.frames, 9);
    assert_int_equal(vs__counted(&e.captured), room + 26);
    vs__edge_close(&e);
}

/* Where there is no room for a record either, the debt waits, and then stands before the next frames. */
static void debts_wait_for_room(void **state)
{
    struct vs__edge e;
    uint64_t position = 0, records = 0, data = 0, gaps = 0;

    (void)state;
    begin(&e);
    size_t most = e.records->bytes / sizeof(struct vs__record) + 20;
    for (; records < most; records++)
        push(&e, position += 3, 0, 0);
    push(&e, position, 5, 0); /* refused: there is no record to tell it with */
    position += 5;
    assert_int_equal(lost(&e, VS_DROP_RING_FULL), 5);
    struct vs__record r;
    while ((r = take(&e)).kind != 99)
        gaps += r.kind == VS__RECORD_GAP ? r.frames : 0;
    assert_true(gaps < position);
    push(&e, position, 4, 0);
    while ((r = take(&e)).kind != 99) {
        gaps += r.kind == VS__RECORD_GAP ? r.frames : 0;
        data += r.kind == VS__RECORD_DATA ? r.frames : 0;
    }
    assert_int_equal(data, 4);
    assert_int_equal(gaps, position);
    assert_int_equal(vs__counted(&e.captured), position + 4);
    vs__edge_close(&e);
}

/* Who gathers is woken once enough is there, and at once by a gap or the end. */
static void a_gatherer_sleeps_on(void **state)
{
    struct vs__edge e;

    (void)state;
    begin(&e);
    atomic_store(&e.gather_frames, 30);
    uint32_t seen = vs__signal_seen(&wake);
    push(&e, 0, 20, 0);
    assert_int_equal(vs__signal_seen(&wake), seen);
    push(&e, 20, 10, 0);
    assert_int_not_equal(vs__signal_seen(&wake), seen);
    while (take(&e).kind != 99)
        continue;
    seen = vs__signal_seen(&wake);
    push(&e, 35, 0, 0);
    assert_int_not_equal(vs__signal_seen(&wake), seen);
    seen = vs__signal_seen(&wake);
    vs__edge_end(&e, -5);
    assert_int_not_equal(vs__signal_seen(&wake), seen);
    assert_true(atomic_load(&e.ended));
    assert_int_equal(e.status, -5);
    vs__edge_close(&e);
}

static void rings_that_cannot_be_had_are_refused(void **state)
{
    (void)state;
    for (uint32_t n = 1; n <= 2; n++) {
        struct vs__edge e = {.rate_hz = RATE_HZ, .frame_bytes = FRAME_BYTES};
        vs__alloc_fail_after(n);
        assert_int_equal(vs__edge_open(&e, 10, &wake), -12);
        vs__alloc_fail_after(0);
        vs__edge_close(&e);
        assert_null(e.data);
    }
}

/* what is told of it ----------------------------------------------------------------------------- */

static void a_split_segment_says_so(void **state)
{
    struct vs__chain_step step = {.kind = VS__SEGMENT_END,
                                  .segment = 3,
                                  .start_frame = 8000,
                                  .end_frame = 16000,
                                  .split = true};
    struct vs_event e = vs__event_of_step(&step, 16000);

    (void)state;
    assert_int_equal(e.type, VS_EVENT_END);
    assert_int_equal(e.flags, VS_EVENT_SPLIT);
    assert_true(e.start_s == 0.5 && e.end_s == 1.0);
    step.split = false;
    assert_int_equal(vs__event_of_step(&step, 16000).flags, 0);
}

static void channels_of_wide_audio(void **state)
{
    static const struct {
        uint32_t of, chosen, wanted, made; /* made 0 = refused */
    } cases[] = {{2, 0, 0, 2}, {2, 1, 0, 1}, {2, 0, 1, 1},
                 {2, 0, 2, 2}, {2, 0, 3, 0}, {2, 1, 2, 0}};
    const struct vs_log log = {0};

    (void)state;
    for (size_t i = 0; i < VS__COUNT(cases); i++) {
        struct vs__chain_config c = {
            .rate_hz = 48000, .channels = cases[i].of, .channel = cases[i].chosen};
        int status = vs__wide_config_fill(&log, VS_AUDIO_WIDE, 0, 0, cases[i].wanted, &c);
        assert_int_equal(status == 0, cases[i].made != 0);
        if (status == 0)
            assert_int_equal(c.wide_channels, cases[i].made);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_source_skips_stands_before_what_follows),
        cmocka_unit_test(a_gap_needs_no_frames),
        cmocka_unit_test(what_does_not_fit_is_owed_and_told),
        cmocka_unit_test(debts_wait_for_room),
        cmocka_unit_test(a_gatherer_sleeps_on),
        cmocka_unit_test(rings_that_cannot_be_had_are_refused),
        cmocka_unit_test(a_split_segment_says_so),
        cmocka_unit_test(channels_of_wide_audio),
    };

    return cmocka_run_group_tests_name("edge", tests, NULL, NULL);
}
