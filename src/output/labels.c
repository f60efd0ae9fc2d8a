/* SPDX-License-Identifier: MIT */
/* Formats of one line a segment or hop: RTTM, Audacity labels, CSV, traces. */
#include <inttypes.h>
#include <math.h>

#include "format.h"

/* SPEAKER file channel start duration ortho subtype name confidence lookahead, as NIST's RT-09
   evaluation plan has it. The file's name stands without folder and end: tools that score
   match it with references by that. */
static int put_rttm(struct vs_output *o, const struct vs_output_source *source,
                    const struct vs_event *e)
{
    const char *stem;
    char id[256];

    if (e->type != VS_EVENT_SEGMENT) {
        return 0;
    }
    size_t length = vs__stem(source->file, &stem);
    snprintf(id, sizeof(id), "%.*s", (int)(length < sizeof(id) ? length : sizeof(id) - 1), stem);
    uint64_t start_ms = vs__to_ms(e->start_frame, source->rate_hz);
    uint64_t end_ms = vs__to_ms(e->end_frame, source->rate_hz);
    fputs("SPEAKER ", o->stream);
    vs__put_words(o->stream, id, VS__WORDS_ID);
    fprintf(o->stream, " 1 %" PRIu64 ".%03" PRIu64 " %" PRIu64 ".%03" PRIu64, start_ms / 1000,
            start_ms % 1000, (end_ms - start_ms) / 1000, (end_ms - start_ms) % 1000);
    fputs(" <NA> <NA> speech <NA> <NA>\n", o->stream);
    return 0;
}

/* start TAB end TAB label, seconds: what Audacity's File > Import > Labels reads. */
static int put_audacity(struct vs_output *o, const struct vs_output_source *source,
                        const struct vs_event *e)
{
    if (e->type != VS_EVENT_SEGMENT) {
        return 0;
    }
    vs__put_seconds(o->stream, e->start_frame, source->rate_hz, 6, false);
    fputc('\t', o->stream);
    vs__put_seconds(o->stream, e->end_frame, source->rate_hz, 6, false);
    fputc('\t', o->stream);
    vs__put_words(o->stream, vs__label(e), VS__WORDS_PLAIN);
    fputc('\n', o->stream);
    return 0;
}

static void begin_csv(struct vs_output *o)
{
    fputs("file,segment,start_s,end_s,probability,level_db,split,text\n", o->stream);
}

static int put_csv(struct vs_output *o, const struct vs_output_source *source,
                   const struct vs_event *e)
{
    FILE *f = o->stream;

    if (e->type != VS_EVENT_SEGMENT) {
        return 0;
    }
    vs__put_words(f, source->file ? source->file : "live", VS__WORDS_CSV);
    fprintf(f, ",%" PRIu64 ",", e->segment);
    vs__put_seconds(f, e->start_frame, source->rate_hz, 6, true);
    fputc(',', f);
    vs__put_seconds(f, e->end_frame, source->rate_hz, 6, true);
    fputc(',', f);
    vs__put_decimal(f, (double)e->probability, 4);
    fputc(',', f);
    if (isfinite(e->level_db)) { /* silence has no level: an empty field */
        vs__put_decimal(f, (double)e->level_db, 2);
    }
    fprintf(f, ",%d,", e->flags & VS_EVENT_SPLIT ? 1 : 0);
    vs__put_words(f, vs__label(e), VS__WORDS_CSV);
    fputc('\n', f);
    return 0;
}

static void begin_trace(struct vs_output *o)
{
    fputs("file,start_ms,end_ms,prob\n", o->stream);
}

/* Milliseconds with microseconds behind the point, as seconds of a thousand times the rate. */
static void put_ms(FILE *f, uint64_t frames, uint32_t rate_hz)
{
    uint64_t us = frames / rate_hz * 1000000 +
                  (frames % rate_hz * 2000000 + rate_hz) / ((uint64_t)rate_hz * 2);

    vs__put_seconds(f, us, 1000, 3, true);
}

static int put_trace(struct vs_output *o, const struct vs_output_source *source,
                     const struct vs_event *e)
{
    if (e->type != VS_EVENT_PROBABILITY) {
        return 0;
    }
    vs__put_words(o->stream, source->file ? source->file : "live", VS__WORDS_CSV);
    fputc(',', o->stream);
    put_ms(o->stream, e->start_frame, source->rate_hz);
    fputc(',', o->stream);
    put_ms(o->stream, e->end_frame, source->rate_hz);
    fputc(',', o->stream);
    vs__put_decimal(o->stream, (double)e->probability, 6);
    fputc('\n', o->stream);
    return 0;
}

const struct vs__format vs__format_rttm = {
    .name = "rttm",
    .suffix = ".rttm",
    .is_shared = true,
    .event = put_rttm,
};

const struct vs__format vs__format_audacity = {
    .name = "audacity",
    .alias = "labels",
    .suffix = ".labels.txt",
    .event = put_audacity,
};

const struct vs__format vs__format_csv = {
    .name = "csv",
    .suffix = ".csv",
    .is_shared = true,
    .begin = begin_csv,
    .event = put_csv,
};

const struct vs__format vs__format_trace = {
    .name = "trace",
    .suffix = ".trace.csv",
    .is_shared = true,
    .needs_probabilities = true,
    .begin = begin_trace,
    .event = put_trace,
};
