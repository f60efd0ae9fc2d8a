/* SPDX-License-Identifier: MIT */
/* Captions: SubRip and WebVTT. Both are cues of a time line and text; they differ in the decimal
   mark, the numbering and what a text may hold. */
#include <inttypes.h>

#include "format.h"

static void put_clock(FILE *f, uint64_t ms, char mark)
{
    fprintf(f, "%02" PRIu64 ":%02u:%02u%c%03u", ms / 3600000, (unsigned)(ms / 60000 % 60),
            (unsigned)(ms / 1000 % 60), mark, (unsigned)(ms % 1000));
}

static void put_bounds(FILE *f, const struct vs_event *e, uint32_t rate_hz, char mark)
{
    put_clock(f, vs__to_ms(e->start_frame, rate_hz), mark);
    fputs(" --> ", f);
    put_clock(f, vs__to_ms(e->end_frame, rate_hz), mark);
    fputc('\n', f);
}

static int put_srt(struct vs_output *o, const struct vs_output_source *source,
                   const struct vs_event *e)
{
    if (e->type != VS_EVENT_SEGMENT) {
        return 0;
    }
    fprintf(o->stream, "%" PRIu64 "\n", ++o->cues);
    put_bounds(o->stream, e, source->rate_hz, ',');
    vs__put_words(o->stream, vs__label(e), VS__WORDS_SRT);
    fputs("\n\n", o->stream);
    return 0;
}

static void begin_vtt(struct vs_output *o)
{
    fputs("WEBVTT\n", o->stream);
}

static int put_vtt(struct vs_output *o, const struct vs_output_source *source,
                   const struct vs_event *e)
{
    if (e->type != VS_EVENT_SEGMENT) {
        return 0;
    }
    fputc('\n', o->stream);
    put_bounds(o->stream, e, source->rate_hz, '.');
    vs__put_words(o->stream, vs__label(e), VS__WORDS_VTT);
    fputc('\n', o->stream);
    return 0;
}

const struct vs__format vs__format_srt = {
    .name = "srt",
    .suffix = ".srt",
    .event = put_srt,
};

const struct vs__format vs__format_vtt = {
    .name = "vtt",
    .alias = "webvtt",
    .suffix = ".vtt",
    .begin = begin_vtt,
    .event = put_vtt,
};
