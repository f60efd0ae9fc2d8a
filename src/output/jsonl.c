/* SPDX-License-Identifier: MIT */
/* JSON Lines: every event, one object a line. The keys are a promise, kept in docs/jsonl.md and
   docs/jsonl.schema.json. */
#include <inttypes.h>

#include "format.h"

static void put_count(FILE *f, const char *key, uint64_t value)
{
    fprintf(f, ",\"%s\":%" PRIu64, key, value);
}

static void put_signed(FILE *f, const char *key, int64_t value)
{
    fprintf(f, ",\"%s\":%" PRId64, key, value);
}

static void put_flag(FILE *f, const char *key, bool value)
{
    fprintf(f, ",\"%s\":%s", key, value ? "true" : "false");
}

static void put_number(FILE *f, const char *key, double value, int digits)
{
    fprintf(f, ",\"%s\":", key);
    vs__put_decimal(f, value, digits);
}

static void put_string(FILE *f, const char *key, const char *value)
{
    fprintf(f, ",\"%s\":\"", key);
    vs__put_words(f, value, VS__WORDS_JSON);
    fputc('"', f);
}

static void put_seconds(FILE *f, const char *key, uint64_t frames, uint32_t rate_hz)
{
    fprintf(f, ",\"%s\":", key);
    vs__put_seconds(f, frames, rate_hz, 6, true);
}

static void put_bounds(FILE *f, const struct vs_event *e, uint32_t rate_hz)
{
    put_seconds(f, "start_s", e->start_frame, rate_hz);
    put_seconds(f, "end_s", e->end_frame, rate_hz);
    put_count(f, "start_frame", e->start_frame);
    put_count(f, "end_frame", e->end_frame);
    put_count(f, "rate_hz", rate_hz);
}

static void put_start(FILE *f, const struct vs_event *e, uint32_t rate_hz)
{
    put_count(f, "segment", e->segment);
    put_seconds(f, "start_s", e->start_frame, rate_hz);
    put_seconds(f, "now_s", e->end_frame, rate_hz);
    put_count(f, "start_frame", e->start_frame);
    put_count(f, "now_frame", e->end_frame);
    put_count(f, "rate_hz", rate_hz);
    put_flag(f, "split", e->flags & VS_EVENT_SPLIT);
}

static void put_words(FILE *f, const struct vs_event *e)
{
    if (e->word_count == 0) {
        return;
    }
    fputs(",\"words\":[", f);
    for (size_t i = 0; i < e->word_count; i++) {
        fputs(i ? ",{\"word\":\"" : "{\"word\":\"", f);
        vs__put_words(f, e->words[i].text, VS__WORDS_JSON);
        fputc('"', f);
        put_number(f, "start_s", e->words[i].start_s, 3);
        put_number(f, "end_s", e->words[i].end_s, 3);
        fputc('}', f);
    }
    fputc(']', f);
}

static void put_segment(FILE *f, const struct vs_event *e, uint32_t rate_hz)
{
    put_count(f, "segment", e->segment);
    put_bounds(f, e, rate_hz);
    put_number(f, "probability", (double)e->probability, 4);
    put_number(f, "level_db", (double)e->level_db, 2);
    put_flag(f, "split", e->flags & VS_EVENT_SPLIT);
}

static void put_ledger(FILE *f, const struct vs_ledger *l)
{
    put_count(f, "rate_hz", l->rate_hz);
    put_count(f, "channels", l->channels);
    put_count(f, "captured", l->captured);
    put_count(f, "delivered", l->delivered);
    fputs(",\"dropped\":{", f);
    for (int i = 0; i < VS_DROP_COUNT; i++) {
        fprintf(f, "%s\"%s\":%" PRIu64, i ? "," : "", vs_drop_name(i), l->dropped[i]);
    }
    fputc('}', f);
    put_count(f, "gaps", l->gaps);
    put_signed(f, "residual", l->residual);
    put_count(f, "poisoned", l->poisoned);
    put_count(f, "text_frames", l->text_frames);
    put_count(f, "text_dropped", l->text_dropped);
    put_count(f, "events_dropped", l->events_dropped);
}

static void put_own(FILE *f, const struct vs_event *e, uint32_t rate_hz)
{
    switch (e->type) {
    case VS_EVENT_START:
        put_start(f, e, rate_hz);
        break;
    case VS_EVENT_END:
        put_segment(f, e, rate_hz);
        break;
    case VS_EVENT_SEGMENT:
        put_segment(f, e, rate_hz);
        if (e->text) {
            put_string(f, "text", e->text);
        }
        break;
    case VS_EVENT_TEXT:
        put_count(f, "segment", e->segment);
        put_bounds(f, e, rate_hz);
        put_flag(f, "final", e->flags & VS_EVENT_FINAL);
        put_string(f, "text", e->text ? e->text : "");
        put_words(f, e);
        break;
    case VS_EVENT_PROBABILITY:
        put_bounds(f, e, rate_hz);
        put_number(f, "probability", (double)e->probability, 6);
        break;
    case VS_EVENT_GAP:
        put_bounds(f, e, rate_hz);
        put_count(f, "frames", e->end_frame - e->start_frame);
        put_string(f, "cause", vs_drop_name(e->cause));
        break;
    case VS_EVENT_ERROR:
        put_signed(f, "status", e->status);
        put_string(f, "message", e->text ? e->text : vs_strerror(e->status));
        break;
    case VS_EVENT_STATE:
        put_string(f, "message", e->text ? e->text : "");
        break;
    case VS_EVENT_LEDGER:
        put_ledger(f, e->ledger);
        break;
    default:
        break;
    }
}

static int put_event(struct vs_output *o, const struct vs_output_source *source,
                     const struct vs_event *e)
{
    FILE *f = o->stream;

    if (e->type == VS_EVENT_PROBABILITY && !o->config.probabilities) {
        return 0;
    }
    fprintf(f, "{\"event\":\"%s\"", vs_event_name(e->type));
    if (source->file) {
        put_string(f, "file", source->file);
    }
    if (source->id) {
        put_string(f, "id", source->id);
    }
    put_own(f, e, source->rate_hz);
    if (source->input &&
        (e->type == VS_EVENT_SEGMENT || e->type == VS_EVENT_ERROR || e->type == VS_EVENT_LEDGER)) {
        fprintf(f, ",\"input\":%s", source->input);
    }
    if (o->config.live) {
        put_count(f, "sequence", e->sequence);
        put_signed(f, "mono_ns", e->mono_ns);
        put_signed(f, "wall_ns", e->wall_ns);
        fputs(",\"time\":\"", f);
        vs__put_time(f, e->wall_ns);
        fputc('"', f);
    }
    fputs("}\n", f);
    return 0;
}

const struct vs__format vs__format_jsonl = {
    .name = "jsonl",
    .alias = "json",
    .suffix = ".jsonl",
    .is_shared = true,
    .event = put_event,
};
