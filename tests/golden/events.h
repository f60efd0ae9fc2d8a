/* SPDX-License-Identifier: MIT */
/* A small run, written by hand, with all that makes formats stumble. */
#ifndef VS_TESTS_GOLDEN_EVENTS_H
#define VS_TESTS_GOLDEN_EVENTS_H

#include <errno.h>
#include <math.h>

#include "output/output.h"

#define WALL_NS INT64_C(1700000000123456789)
#define MONO_NS INT64_C(5000000000)

static const struct vs_ledger LEDGER = {
    .size = sizeof(LEDGER),
    .rate_hz = 44100,
    .channels = 2,
    .captured = 441000,
    .delivered = 440000,
    .dropped = {[VS_DROP_RING_FULL] = 900, [VS_DROP_GAP_EXACT] = 100},
    .gaps = 2,
    .poisoned = 3,
    .text_frames = 48000,
};

#define AT(first, last) .start_frame = (first), .end_frame = (last)

static const struct vs_word WORDS[] = {{"say", 1.0, 1.25}, {"\"hi\"", 1.25, 2.0}};

static const struct vs_event EVENTS[] = {
    {.type = VS_EVENT_STATE, .text = "opened \"microphone\""},
    {.type = VS_EVENT_PROBABILITY, AT(0, 441), .probability = 0.015625f},
    {.type = VS_EVENT_PROBABILITY, AT(441, 882), .probability = 1.0f},
    {.type = VS_EVENT_START, .segment = 1, AT(44100, 46305)},
    {.type = VS_EVENT_TEXT, .segment = 1, AT(44100, 66150), .text = "hello"},
    {.type = VS_EVENT_GAP, AT(70000, 70900), .cause = VS_DROP_RING_FULL},
    {.type = VS_EVENT_END,
     .segment = 1,
     AT(44100, 88201),
     .probability = 0.9f,
     .level_db = -23.456f},
    {.type = VS_EVENT_TEXT,
     .flags = VS_EVENT_FINAL,
     .segment = 1,
     AT(44100, 88201),
     .words = WORDS,
     .word_count = 2,
     .text = "say \"hi\" --> <b>R&D</b>,\n\xc3\xa4\xff\x1b[2J"},
    {.type = VS_EVENT_SEGMENT,
     .segment = 1,
     AT(44100, 88201),
     .probability = 0.9f,
     .level_db = -23.456f,
     .text = "say \"hi\" --> <b>R&D</b>,\n\xc3\xa4\xff\x1b[2J"},
    {.type = VS_EVENT_START, .segment = 2, AT(88201, 90000)},
    {.type = VS_EVENT_END,
     .flags = VS_EVENT_SPLIT,
     .segment = 2,
     AT(88201, 132300),
     .probability = 0.5f,
     .level_db = -INFINITY},
    {.type = VS_EVENT_SEGMENT,
     .flags = VS_EVENT_SPLIT,
     .segment = 2,
     AT(88201, 132300),
     .probability = 0.5f,
     .level_db = -INFINITY},
    {.type = VS_EVENT_GAP, AT(200000, 200100), .cause = VS_DROP_GAP_EXACT},
    {.type = VS_EVENT_START, .segment = 3, AT(396900, 400000)},
    {.type = VS_EVENT_END,
     .segment = 3,
     AT(396900, 440559),
     .probability = 0.75f,
     .level_db = -0.004f},
    {.type = VS_EVENT_SEGMENT,
     .segment = 3,
     AT(396900, 440559),
     .probability = 0.75f,
     .level_db = -0.004f,
     .text = ""},
    {.type = VS_EVENT_ERROR, .status = -EIO, .text = "the program failed"},
    {.type = VS_EVENT_LEDGER, .ledger = &LEDGER},
};
#define EVENT_COUNT (sizeof(EVENTS) / sizeof(EVENTS[0]))

static const struct vs_output_source SOURCE = {
    .file = "audio/two words, \"one\".wav", .rate_hz = 44100, .total_frames = 441000};

/* Write the run. @return the first error. */
static inline int write_run(const struct vs_output_config *config,
                            const struct vs_output_source *source)
{
    vs_output *o = NULL;
    int status = vs_output_open(config, &o);

    for (size_t i = 0; status == 0 && i < EVENT_COUNT; i++) {
        struct vs_event event = EVENTS[i];
        event.size = sizeof(event);
        event.sequence = i;
        event.mono_ns = MONO_NS + (int64_t)i;
        event.wall_ns = WALL_NS + (int64_t)i * 1000000;
        status = vs_output_event(o, source, &event);
    }
    int closed = vs_output_close(o);
    return status ? status : closed;
}

#endif
