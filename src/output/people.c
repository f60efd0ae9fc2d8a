/* SPDX-License-Identifier: MIT */
/* For people at a terminal: a line a segment, and, while somebody speaks, what is heard so far. */
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "format.h"

/* What is heard so far must fit one line, or it could not be taken back. */
#define MOMENT_CHARS 60

static void put_clock(FILE *f, uint64_t ms)
{
    uint64_t minutes = ms / 60000;

    if (minutes >= 60) {
        fprintf(f, "%" PRIu64 ":%02u:", minutes / 60, (unsigned)(minutes % 60));
    } else {
        fprintf(f, "%4" PRIu64 ":", minutes);
    }
    fprintf(f, "%02u.%03u", (unsigned)(ms / 1000 % 60), (unsigned)(ms % 1000));
}

static void clear_line(struct vs_output *o)
{
    if (o->is_line_open) {
        fputs("\r\033[K", o->stream);
        o->is_line_open = false;
    }
}

/* The last characters of what is heard so far. */
static void put_moment(struct vs_output *o, const char *text)
{
    size_t left = MOMENT_CHARS;
    const char *at = text + strlen(text);

    while (at > text && left > 0) {
        at--;
        left -= (*at & 0xc0) != 0x80;
    }
    clear_line(o);
    fputs(at > text ? "  ... " : "  ", o->stream);
    vs__put_words(o->stream, at, VS__WORDS_PLAIN);
    fputs(" ...", o->stream);
    fflush(o->stream);
    o->is_line_open = true;
}

static void put_wall(FILE *f, int64_t wall_ns)
{
    time_t seconds = (time_t)(wall_ns / 1000000000);
    struct tm parts;

    if (localtime_r(&seconds, &parts)) {
        fprintf(f, "%02d:%02d:%02d ", parts.tm_hour, parts.tm_min, parts.tm_sec);
    }
}

static bool is_new_file(const struct vs_output *o, const struct vs_output_source *source)
{
    return source->file && (!o->has_source || !o->file || strcmp(o->file, source->file) != 0);
}

static int put_line(struct vs_output *o, const struct vs_output_source *source,
                    const struct vs_event *e)
{
    FILE *f = o->stream;

    clear_line(o);
    if (o->config.live) {
        put_wall(f, e->wall_ns);
    }
    put_clock(f, vs__to_ms(e->start_frame, source->rate_hz));
    fputs(" -", f);
    put_clock(f, vs__to_ms(e->end_frame, source->rate_hz));
    fputs("  ", f);
    if (e->type == VS_EVENT_GAP) {
        fprintf(f, "(lost %" PRIu64 " frames: %s)", e->end_frame - e->start_frame,
                vs_drop_name(e->cause));
    } else {
        vs__put_words(f, vs__label(e), VS__WORDS_PLAIN);
    }
    fputc('\n', f);
    return 0;
}

static int put_people(struct vs_output *o, const struct vs_output_source *source,
                      const struct vs_event *e)
{
    if (is_new_file(o, source)) {
        clear_line(o);
        vs__put_words(o->stream, source->file, VS__WORDS_PLAIN);
        fputc('\n', o->stream);
    }
    if (e->type == VS_EVENT_SEGMENT || e->type == VS_EVENT_GAP) {
        return put_line(o, source, e);
    }
    if (o->config.terminal && e->type == VS_EVENT_START) {
        put_moment(o, "");
    } else if (o->config.terminal && e->type == VS_EVENT_TEXT && e->text &&
               !(e->flags & VS_EVENT_FINAL)) {
        put_moment(o, e->text);
    }
    return 0;
}

static void end_people(struct vs_output *o)
{
    clear_line(o);
}

const struct vs__format vs__format_text = {
    .name = "text",
    .alias = "txt",
    .suffix = ".txt",
    .is_shared = true,
    .event = put_people,
    .end = end_people,
};
