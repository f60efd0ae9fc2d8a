/* SPDX-License-Identifier: MIT */
/* The GStreamer elements by GStreamer's own harness: messages and timestamps where audio jumps, turns back,
   is flushed or ends; the latency that is told is the one there is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <gst/check/gstharness.h>

enum { RATE_HZ = 16000, BUFFER_FRAMES = 800, BUFFERS_PER_S = RATE_HZ / BUFFER_FRAMES };

struct told {
    const char *event;
    GstClockTime at, running, duration;
};

struct bench {
    GstHarness *harness;
    GstBus *bus;
    struct told told[64];
    size_t count;
};

static void open_bench(struct bench *b, const char *element, const char *format)
{
    *b = (struct bench){.harness = gst_harness_new_parse(element), .bus = gst_bus_new()};
    gst_element_set_bus(b->harness->element, b->bus);
    gchar *caps = g_strdup_printf("audio/x-raw, format=%s, rate=%d, channels=1, layout=interleaved",
                                  format, RATE_HZ);
    gst_harness_set_src_caps_str(b->harness, caps);
    g_free(caps);
}

static void close_bench(struct bench *b)
{
    gst_element_set_bus(b->harness->element, NULL);
    gst_object_unref(b->bus);
    gst_harness_teardown(b->harness);
}

/* What came on the bus since it was read last. */
static void read_bus(struct bench *b)
{
    GstMessage *message;

    b->count = 0;
    while ((message = gst_bus_pop_filtered(b->bus, GST_MESSAGE_ELEMENT)) != NULL) {
        const GstStructure *s = gst_message_get_structure(message);
        struct told *t = &b->told[b->count++];
        assert_true(b->count < G_N_ELEMENTS(b->told));
        assert_true(gst_structure_has_name(s, "voicestand"));
        t->event = g_intern_string(gst_structure_get_string(s, "event"));
        t->duration = 0;
        gst_structure_get_uint64(s, "timestamp", &t->at);
        gst_structure_get_uint64(s, "running-time", &t->running);
        gst_structure_get_uint64(s, "duration", &t->duration);
        gst_message_unref(message);
    }
}

static void expect(const struct bench *b, size_t index, const char *event)
{
    assert_true(index < b->count);
    assert_string_equal(b->told[index].event, event);
}

static void assert_near_ms(GstClockTime time, guint64 ms, guint64 off_ms)
{
    assert_in_range(time, (ms - off_ms) * GST_MSECOND, (ms + off_ms) * GST_MSECOND);
}

/* `ms` of a tone or of silence, in buffers that begin at `*at_ms`, which goes on. */
static void push(struct bench *b, guint64 *at_ms, guint64 ms, gfloat level)
{
    for (guint64 end = *at_ms + ms; *at_ms < end; *at_ms += 1000 / BUFFERS_PER_S) {
        GstBuffer *buffer = gst_buffer_new_allocate(NULL, BUFFER_FRAMES * sizeof(gfloat), NULL);
        gfloat samples[BUFFER_FRAMES];
        for (int i = 0; i < BUFFER_FRAMES; i++)
            samples[i] = i % 20 < 10 ? level : -level;
        gst_buffer_fill(buffer, 0, samples, sizeof(samples));
        GST_BUFFER_PTS(buffer) = *at_ms * GST_MSECOND;
        assert_int_equal(gst_harness_push(b->harness, buffer), GST_FLOW_OK);
    }
}

static const char vad[] = "voicestandvad detector=energy";

static void test_segments_have_times(void **state)
{
    struct bench b;
    guint64 at = 5000;

    open_bench(&b, vad, "F32LE");
    push(&b, &at, 1000, 0);
    push(&b, &at, 1000, 0.3F);
    push(&b, &at, 1000, 0);
    read_bus(&b);
    assert_int_equal(b.count, 3);
    expect(&b, 0, "start");
    expect(&b, 1, "end");
    expect(&b, 2, "segment");
    assert_near_ms(b.told[2].at, 6000, 150);
    assert_near_ms(b.told[2].duration, 1000, 250);
    assert_int_equal(b.told[2].running, b.told[2].at);
    assert_int_equal(gst_harness_buffers_received(b.harness), 3 * BUFFERS_PER_S);
    close_bench(&b);
}

static void test_a_jump_is_a_gap(void **state)
{
    struct bench b;
    guint64 at = 0;

    open_bench(&b, vad, "F32LE");
    push(&b, &at, 1000, 0);
    push(&b, &at, 500, 0.3F);
    at += 2000;
    push(&b, &at, 500, 0);
    push(&b, &at, 1000, 0.3F);
    assert_true(gst_harness_push_event(b.harness, gst_event_new_eos()));
    read_bus(&b);
    assert_int_equal(b.count, 7);
    expect(&b, 0, "start");
    size_t gap = 0;
    for (size_t i = 0; i < b.count; i++)
        gap = g_str_equal(b.told[i].event, "gap") ? i : gap;
    assert_true(gap > 0);
    assert_int_equal(b.told[gap].at, 1500 * GST_MSECOND);
    assert_int_equal(b.told[gap].duration, 2000 * GST_MSECOND);
    expect(&b, 6, "segment");
    assert_near_ms(b.told[6].at, 4000, 150);
    assert_int_equal(b.told[6].at + b.told[6].duration, 5000 * GST_MSECOND);
    close_bench(&b);
}

static void test_jitter_is_none(void **state)
{
    struct bench b;
    guint64 at = 0;

    open_bench(&b, vad, "F32LE");
    for (int i = 0; i < 100; i++) {
        guint64 moved = at + (guint64)(i * 7 % 30);
        push(&b, &moved, 50, 0.3F);
        at += 50;
    }
    assert_true(gst_harness_push_event(b.harness, gst_event_new_eos()));
    read_bus(&b);
    assert_int_equal(b.count, 3);
    expect(&b, 2, "segment");
    close_bench(&b);
}

static void test_going_back_ends_what_is_open(void **state)
{
    struct bench b;
    guint64 at = 10000;

    open_bench(&b, vad, "F32LE");
    push(&b, &at, 1000, 0.3F);
    at = 2000;
    push(&b, &at, 1000, 0.3F);
    assert_true(gst_harness_push_event(b.harness, gst_event_new_eos()));
    read_bus(&b);
    assert_int_equal(b.count, 6);
    assert_near_ms(b.told[2].at, 10000, 150);
    assert_int_equal(b.told[2].at + b.told[2].duration, 11000 * GST_MSECOND);
    assert_near_ms(b.told[5].at, 2000, 150);
    close_bench(&b);
}

static void test_a_new_segment_has_its_running_time(void **state)
{
    struct bench b;
    GstSegment segment;
    guint64 at = 0;

    open_bench(&b, vad, "F32LE");
    push(&b, &at, 1000, 0.3F);
    gst_segment_init(&segment, GST_FORMAT_TIME);
    segment.start = segment.time = 3 * GST_SECOND;
    segment.base = 20 * GST_SECOND;
    assert_true(gst_harness_push_event(b.harness, gst_event_new_segment(&segment)));
    at = 3000;
    push(&b, &at, 1000, 0.3F);
    assert_true(gst_harness_push_event(b.harness, gst_event_new_eos()));
    read_bus(&b);
    assert_int_equal(b.count, 6);
    expect(&b, 2, "segment");
    assert_int_equal(b.told[2].running, b.told[2].at);
    expect(&b, 5, "segment");
    assert_int_equal(b.told[5].running, b.told[5].at + 17 * GST_SECOND);
    close_bench(&b);
}

static void test_a_flush_forgets(void **state)
{
    struct bench b;
    GstSegment segment;
    guint64 at = 0;

    open_bench(&b, vad, "F32LE");
    push(&b, &at, 1000, 0.3F);
    read_bus(&b);
    assert_int_equal(b.count, 1);
    assert_true(gst_harness_push_event(b.harness, gst_event_new_flush_start()));
    assert_true(gst_harness_push_event(b.harness, gst_event_new_flush_stop(TRUE)));
    gst_segment_init(&segment, GST_FORMAT_TIME);
    assert_true(gst_harness_push_event(b.harness, gst_event_new_segment(&segment)));
    at = 0;
    push(&b, &at, 2000, 0);
    assert_true(gst_harness_push_event(b.harness, gst_event_new_eos()));
    read_bus(&b);
    assert_int_equal(b.count, 0);
    close_bench(&b);
}

static void test_probabilities_are_told(void **state)
{
    struct bench b;
    guint64 at = 0;

    open_bench(&b, "voicestandvad detector=null:1 probabilities=true", "F32LE");
    push(&b, &at, 300, 0);
    assert_true(gst_harness_push_event(b.harness, gst_event_new_eos()));
    read_bus(&b);
    size_t hops = 0;
    for (size_t i = 0; i < b.count; i++) {
        if (!g_str_equal(b.told[i].event, "probability"))
            continue;
        assert_int_equal(b.told[i].at, hops++ * 10 * GST_MSECOND);
        assert_int_equal(b.told[i].duration, 10 * GST_MSECOND);
    }
    assert_int_equal(hops, 30);
    close_bench(&b);
}

/* What went in comes out, each frame with its own time; nothing is left in the element. */
static void check_times(struct bench *b, guint64 begin_ms, guint64 ms)
{
    GstClockTime at = begin_ms * GST_MSECOND;
    guint64 frames = 0;

    while (frames < ms * RATE_HZ / 1000) {
        GstBuffer *buffer = gst_harness_try_pull(b->harness);
        assert_non_null(buffer);
        assert_int_equal(GST_BUFFER_PTS(buffer), at + frames * GST_SECOND / RATE_HZ);
        frames += gst_buffer_get_size(buffer) / sizeof(gfloat);
        assert_int_equal(GST_BUFFER_PTS(buffer) + GST_BUFFER_DURATION(buffer),
                         at + frames * GST_SECOND / RATE_HZ);
        gst_buffer_unref(buffer);
    }
    assert_int_equal(frames, ms * RATE_HZ / 1000);
}

static void test_enhanced_frames_keep_their_times(void **state)
{
    struct bench b;
    guint64 at = 7000;

    open_bench(&b, "voicestandenhance", "F32LE");
    push(&b, &at, 1000, 0.1F);
    at += 500;
    push(&b, &at, 1000, 0.1F);
    assert_true(gst_harness_push_event(b.harness, gst_event_new_eos()));
    check_times(&b, 7000, 1000);
    check_times(&b, 8500, 1000);
    assert_null(gst_harness_try_pull(b.harness));
    close_bench(&b);
}

static void test_less_than_the_delay_comes_out_whole(void **state)
{
    struct bench b;
    guint64 at = 0;

    open_bench(&b, "voicestandenhance retroactive=300", "F32LE");
    push(&b, &at, 100, 0.1F);
    assert_null(gst_harness_try_pull(b.harness));
    assert_true(gst_harness_push_event(b.harness, gst_event_new_eos()));
    check_times(&b, 0, 100);
    assert_null(gst_harness_try_pull(b.harness));
    close_bench(&b);
}

static void test_latency_is_told(void **state)
{
    struct bench b;
    gfloat latency = 0;
    guint64 at = 0;

    open_bench(&b, "voicestandenhance retroactive=60", "F32LE");
    push(&b, &at, 100, 0.1F);
    gst_harness_set(b.harness, "voicestandenhance", "retroactive", 0.0, NULL); /* too late */
    push(&b, &at, 100, 0.1F);
    gst_harness_get(b.harness, "voicestandenhance", "latency", &latency, NULL);
    assert_true(latency > 60 * RATE_HZ / 1000);
    assert_int_equal(gst_harness_query_latency(b.harness), (guint64)latency * GST_SECOND / RATE_HZ);
    close_bench(&b);
}

static void test_a_wrong_preset_is_an_error(void **state)
{
    struct bench b;
    GError *error = NULL;

    open_bench(&b, "voicestandvad preset=opera", "F32LE");
    gst_harness_push(b.harness, gst_buffer_new_allocate(NULL, 64, NULL));
    GstMessage *message = gst_bus_pop_filtered(b.bus, GST_MESSAGE_ERROR);
    assert_non_null(message);
    gst_message_parse_error(message, &error, NULL);
    assert_non_null(strstr(error->message, "opera"));
    g_error_free(error);
    gst_message_unref(message);
    close_bench(&b);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_segments_have_times),
        cmocka_unit_test(test_a_jump_is_a_gap),
        cmocka_unit_test(test_jitter_is_none),
        cmocka_unit_test(test_going_back_ends_what_is_open),
        cmocka_unit_test(test_a_new_segment_has_its_running_time),
        cmocka_unit_test(test_a_flush_forgets),
        cmocka_unit_test(test_probabilities_are_told),
        cmocka_unit_test(test_enhanced_frames_keep_their_times),
        cmocka_unit_test(test_less_than_the_delay_comes_out_whole),
        cmocka_unit_test(test_latency_is_told),
        cmocka_unit_test(test_a_wrong_preset_is_an_error),
    };

    gst_init(&argc, &argv);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
