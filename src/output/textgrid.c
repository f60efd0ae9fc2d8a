/* SPDX-License-Identifier: MIT */
/* Praat's TextGrid: one tier of intervals that cover the whole length without a hole, so it can be
   written only at the end. Pauses are intervals without text. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "format.h"

static int keep(struct vs_output *o, const struct vs_event *e)
{
    if (o->interval_count == o->interval_room) {
        size_t room = o->interval_room ? o->interval_room * 2 : 64;
        struct vs__interval *more = realloc(o->intervals, room * sizeof(*more));
        if (!more) {
            return -ENOMEM;
        }
        o->intervals = more;
        o->interval_room = room;
    }
    char *text = strdup(vs__label(e));
    if (!text) {
        return -ENOMEM;
    }
    o->intervals[o->interval_count++] = (struct vs__interval){e->start_frame, e->end_frame, text};
    return 0;
}

static int take_event(struct vs_output *o, const struct vs_output_source *source,
                      const struct vs_event *e)
{
    if (e->type == VS_EVENT_LEDGER) {
        o->total_frames = e->ledger->captured;
        o->rate_hz = e->ledger->rate_hz ? e->ledger->rate_hz : o->rate_hz;
        return 0;
    }
    if (source->total_frames > o->total_frames) {
        o->total_frames = source->total_frames;
    }
    return e->type == VS_EVENT_SEGMENT ? keep(o, e) : 0;
}

/* Praat reads the numbers and the quoted texts and ignores what stands between them. */
static void put_interval(struct vs_output *o, uint64_t number, uint64_t start, uint64_t end,
                         const char *text)
{
    FILE *f = o->stream;

    fprintf(f, "        intervals [%" PRIu64 "]:\n            xmin = ", number);
    vs__put_seconds(f, start, o->rate_hz, 6, true);
    fputs("\n            xmax = ", f);
    vs__put_seconds(f, end, o->rate_hz, 6, true);
    fputs("\n            text = \"", f);
    vs__put_words(f, text, VS__WORDS_TEXTGRID);
    fputs("\"\n", f);
}

/* Called twice: to count, and to write. @return how many intervals. */
static uint64_t walk(struct vs_output *o, uint64_t total, bool is_writing)
{
    uint64_t count = 0;
    uint64_t at = 0;

    for (size_t i = 0; i < o->interval_count; i++) {
        const struct vs__interval *v = &o->intervals[i];
        if (v->start_frame < at || v->end_frame <= v->start_frame) {
            continue; /* would not be a tier */
        }
        if (v->start_frame > at && ++count && is_writing) {
            put_interval(o, count, at, v->start_frame, "");
        }
        if (++count && is_writing) {
            put_interval(o, count, v->start_frame, v->end_frame, v->text);
        }
        at = v->end_frame;
    }
    if (at < total && ++count && is_writing) {
        put_interval(o, count, at, total, "");
    }
    return count;
}

static void put_range(struct vs_output *o, const char *margin, uint64_t total)
{
    fprintf(o->stream, "%sxmin = 0.0\n%sxmax = ", margin, margin);
    vs__put_seconds(o->stream, total, o->rate_hz, 6, true);
    fputc('\n', o->stream);
}

static void end_textgrid(struct vs_output *o)
{
    uint64_t total = o->total_frames;
    FILE *f = o->stream;

    o->rate_hz = o->rate_hz ? o->rate_hz : VS_RATE_HZ;
    if (o->interval_count > 0 && total < o->intervals[o->interval_count - 1].end_frame) {
        total = o->intervals[o->interval_count - 1].end_frame;
    }
    if (total < o->rate_hz / 1000) {
        total = o->rate_hz / 1000; /* Praat refuses a grid of no length: 1 ms */
    }
    fputs("File type = \"ooTextFile\"\nObject class = \"TextGrid\"\n\n", f);
    put_range(o, "", total);
    fputs("tiers? <exists>\nsize = 1\nitem []:\n    item [1]:\n", f);
    fputs("        class = \"IntervalTier\"\n        name = \"speech\"\n", f);
    put_range(o, "        ", total);
    fprintf(f, "        intervals: size = %" PRIu64 "\n", walk(o, total, false));
    walk(o, total, true);
}

const struct vs__format vs__format_textgrid = {
    .name = "textgrid",
    .alias = "praat",
    .suffix = ".TextGrid",
    .event = take_event,
    .end = end_textgrid,
};
