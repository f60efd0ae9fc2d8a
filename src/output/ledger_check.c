/* SPDX-License-Identifier: MIT */
/* Reads events that were written as JSON Lines and recomputes what the ledger claims. It trusts no
   sum that it can make itself. */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"

/* A segment's text has at most 192 KB, six times as much when all of it is escaped. */
#define MAX_LINE_BYTES ((size_t)2 << 20)

/* What was seen of one run: the events of one source up to its ledger. */
struct run {
    char *file; /* "" = live */
    bool has_audio;
    bool has_starts;
    uint64_t open_segment, open_start; /* between START and END; 0 = none */
    uint64_t last_started, last_started_end;
    uint64_t last_segment, last_segment_end;
    uint64_t last_text, last_text_line;
    uint64_t rate_hz;
    uint64_t gap_count, last_gap_end;
    uint64_t gap_frames[VS_DROP_COUNT];
};

struct check {
    void (*finding)(void *user, uint64_t line, const char *sentence);
    void *user;
    struct vs_ledger_report report;
    struct run *runs;
    size_t run_count, run_room;
    json_t *index; /* file name to its place in `runs` */
    uint64_t line;
    char *bytes;
    size_t length, room;
};

__attribute__((format(printf, 2, 3))) static void find(struct check *c, const char *format, ...)
{
    char sentence[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(sentence, sizeof(sentence), format, arguments);
    va_end(arguments);
    c->report.findings++;
    if (c->finding) {
        c->finding(c->user, c->line, sentence);
    }
}

static const char *name_run(const struct run *r)
{
    return r->file[0] ? r->file : "the live source";
}

/* reading ----------------------------------------------------------------------------------- */

/* @return true with one line, also a last one without its end. False at the end, or with *ret. */
static bool read_line(struct check *c, FILE *stream, int *ret)
{
    int byte;

    c->length = 0;
    errno = 0;
    while ((byte = getc(stream)) != EOF && byte != '\n') {
        if (c->length == c->room) {
            size_t room = c->room ? c->room * 2 : 4096;
            char *more = room > MAX_LINE_BYTES ? NULL : realloc(c->bytes, room);
            if (!more) {
                *ret = room > MAX_LINE_BYTES ? -EBADMSG : -ENOMEM;
                return false;
            }
            c->bytes = more;
            c->room = room;
        }
        c->bytes[c->length++] = (char)byte;
    }
    if (ferror(stream)) {
        *ret = errno ? -errno : -EIO;
        return false;
    }
    return byte != EOF || c->length > 0;
}

static bool get_count(struct check *c, const json_t *object, const char *key, uint64_t *ret)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_integer(value) || json_integer_value(value) < 0) {
        find(c, "'%s' is %s", key, value ? "no count" : "missing");
        return false;
    }
    *ret = (uint64_t)json_integer_value(value);
    return true;
}

/* The positions of an event, and the seconds that must say the same. */
static bool get_bounds(struct check *c, struct run *r, const json_t *o, uint64_t *ret_start,
                       uint64_t *ret_end)
{
    uint64_t rate_hz;

    if (!get_count(c, o, "start_frame", ret_start) || !get_count(c, o, "end_frame", ret_end) ||
        !get_count(c, o, "rate_hz", &rate_hz)) {
        return false;
    }
    if (rate_hz == 0 || (r->rate_hz != 0 && rate_hz != r->rate_hz)) {
        find(c, "'rate_hz' is %" PRIu64 ", before it was %" PRIu64, rate_hz, r->rate_hz);
        return false;
    }
    r->rate_hz = rate_hz;
    r->has_audio = true;
    const char *const keys[] = {"start_s", "end_s"};
    const uint64_t frames[] = {*ret_start, *ret_end};
    for (int i = 0; i < 2; i++) {
        const json_t *value = json_object_get(o, keys[i]);
        double off = json_number_value(value) - (double)frames[i] / (double)rate_hz;
        if (!json_is_number(value) || off > 1e-5 || off < -1e-5) {
            find(c, "'%s' does not tell the time of frame %" PRIu64, keys[i], frames[i]);
        }
    }
    if (*ret_end < *ret_start) {
        find(c, "it ends at frame %" PRIu64 ", before its start at %" PRIu64, *ret_end, *ret_start);
        return false;
    }
    return true;
}

/* runs -------------------------------------------------------------------------------------- */

static struct run *get_run(struct check *c, const char *file)
{
    const json_t *place = json_object_get(c->index, file);

    if (place) {
        return &c->runs[json_integer_value(place)];
    }
    if (c->run_count == c->run_room) {
        size_t room = c->run_room ? c->run_room * 2 : 16;
        struct run *more = realloc(c->runs, room * sizeof(*more));
        if (!more) {
            return NULL;
        }
        c->runs = more;
        c->run_room = room;
    }
    struct run *r = &c->runs[c->run_count];
    memset(r, 0, sizeof(*r));
    r->file = strdup(file);
    if (!r->file ||
        json_object_set_new(c->index, file, json_integer((json_int_t)c->run_count)) != 0) {
        free(r->file);
        return NULL;
    }
    c->run_count++;
    return r;
}

static void reset_run(struct run *r)
{
    char *file = r->file;

    memset(r, 0, sizeof(*r));
    r->file = file;
}

/* events ------------------------------------------------------------------------------------ */

static void check_start(struct check *c, struct run *r, const json_t *o)
{
    uint64_t segment;
    uint64_t start;

    if (!get_count(c, o, "segment", &segment) || !get_count(c, o, "start_frame", &start)) {
        return;
    }
    r->has_audio = true;
    r->has_starts = true;
    if (r->open_segment) {
        find(c, "segment %" PRIu64 " starts before segment %" PRIu64 " ended", segment,
             r->open_segment);
    }
    if (segment <= r->last_started) {
        find(c, "segment %" PRIu64 " starts after segment %" PRIu64, segment, r->last_started);
    }
    if (start < r->last_started_end) {
        find(c, "segment %" PRIu64 " starts at frame %" PRIu64 ", the one before ends at %" PRIu64,
             segment, start, r->last_started_end);
    }
    r->open_segment = segment;
    r->open_start = start;
    r->last_started = segment;
}

static void check_end(struct check *c, struct run *r, const json_t *o)
{
    uint64_t segment;
    uint64_t start;
    uint64_t end;

    if (!get_count(c, o, "segment", &segment) || !get_bounds(c, r, o, &start, &end)) {
        return;
    }
    if (segment != r->open_segment) {
        find(c, "segment %" PRIu64 " ends but did not start", segment);
    } else if (start != r->open_start) {
        find(c, "segment %" PRIu64 " started at frame %" PRIu64 ", now at %" PRIu64, segment,
             r->open_start, start);
    }
    r->open_segment = 0;
    r->last_started_end = end;
}

static void check_segment(struct check *c, struct run *r, const json_t *o)
{
    uint64_t segment;
    uint64_t start;
    uint64_t end;

    if (!get_count(c, o, "segment", &segment) || !get_bounds(c, r, o, &start, &end)) {
        return;
    }
    c->report.segments++;
    if (segment <= r->last_segment) {
        find(c, "segment %" PRIu64 " comes after segment %" PRIu64, segment, r->last_segment);
    }
    if (start < r->last_segment_end) {
        find(c, "segment %" PRIu64 " starts at frame %" PRIu64 ", the one before ends at %" PRIu64,
             segment, start, r->last_segment_end);
    }
    if (end == start) {
        find(c, "segment %" PRIu64 " has no length", segment);
    }
    if (r->has_starts && segment > r->last_started) {
        find(c, "segment %" PRIu64 " did not start", segment);
    }
    r->last_segment = segment;
    r->last_segment_end = end;
}

/* A text comes after its START. Where starts were filtered out, it is looked at by the ledger. */
static void check_text(struct check *c, struct run *r, const json_t *o)
{
    uint64_t segment;

    if (!get_count(c, o, "segment", &segment)) {
        return;
    }
    c->report.texts++;
    r->has_audio = true;
    if (!json_is_string(json_object_get(o, "text"))) {
        find(c, "'text' is missing");
    }
    if (segment == 0 || (r->has_starts && segment > r->last_started)) {
        find(c, "text of segment %" PRIu64 ", which does not exist", segment);
    } else if (segment > r->last_text) {
        r->last_text = segment;
        r->last_text_line = c->line;
    }
}

static int find_cause(const char *name)
{
    int cause = 0;

    while (cause < VS_DROP_COUNT && strcmp(vs_drop_name(cause), name) != 0) {
        cause++;
    }
    return cause;
}

static void check_gap(struct check *c, struct run *r, const json_t *o)
{
    const char *name = json_string_value(json_object_get(o, "cause"));
    int cause = name ? find_cause(name) : VS_DROP_COUNT;
    uint64_t start;
    uint64_t end;
    uint64_t frames;

    if (!get_bounds(c, r, o, &start, &end) || !get_count(c, o, "frames", &frames)) {
        return;
    }
    c->report.gaps++;
    r->gap_count++;
    if (frames != end - start) {
        find(c, "a gap of %" PRIu64 " frames says it has %" PRIu64, end - start, frames);
    }
    if (start < r->last_gap_end) {
        find(c, "a gap starts at frame %" PRIu64 ", the one before ends at %" PRIu64, start,
             r->last_gap_end);
    }
    r->last_gap_end = end;
    if (cause == VS_DROP_COUNT) {
        find(c, "a gap of unknown cause '%s'", name ? name : "");
        return;
    }
    r->gap_frames[cause] += end - start;
}

/* The drops of the ledger against the gaps. Where the run was aborted (`at_stop`) or its reader
   was too slow, events of gaps may be missing, but there is never one too many.
   @return their sum. */
static uint64_t check_drops(struct check *c, const struct run *r, const json_t *o, bool is_lossy)
{
    json_t *dropped = json_object_get(o, "dropped");
    uint64_t sum = 0;

    for (void *at = json_object_iter(dropped); at; at = json_object_iter_next(dropped, at)) {
        const char *key = json_object_iter_key(at);
        int cause = find_cause(key);
        uint64_t frames = 0;
        if (!get_count(c, dropped, key, &frames)) {
            continue;
        }
        sum += frames;
        uint64_t seen = cause < VS_DROP_COUNT ? r->gap_frames[cause] : frames;
        if (seen > frames || (seen < frames && !is_lossy)) {
            find(c, "%s: %" PRIu64 " frames dropped by %s, its gaps have %" PRIu64, name_run(r),
                 frames, key, seen);
        }
    }
    for (int i = 0; i < VS_DROP_COUNT; i++) {
        if (r->gap_frames[i] > 0 && !json_object_get(dropped, vs_drop_name(i))) {
            find(c, "%s: 'dropped' says nothing of %s, its gaps have %" PRIu64 " frames",
                 name_run(r), vs_drop_name(i), r->gap_frames[i]);
        }
    }
    return sum;
}

static void check_order(struct check *c, const struct run *r, uint64_t captured)
{
    if (r->open_segment) {
        find(c, "%s: segment %" PRIu64 " never ended", name_run(r), r->open_segment);
    }
    if (r->last_text > r->last_segment) {
        find(c, "%s: text of segment %" PRIu64 " in line %" PRIu64 ", which does not exist",
             name_run(r), r->last_text, r->last_text_line);
    }
    if (r->last_segment_end > captured || r->last_gap_end > captured) {
        find(c, "%s: events reach to frame %" PRIu64 ", captured were %" PRIu64, name_run(r),
             r->last_segment_end > r->last_gap_end ? r->last_segment_end : r->last_gap_end,
             captured);
    }
}

static void check_ledger(struct check *c, struct run *r, const json_t *o)
{
    const json_t *residual = json_object_get(o, "residual");
    uint64_t captured;
    uint64_t delivered;
    uint64_t gaps;
    uint64_t lost;

    c->report.runs++;
    if (get_count(c, o, "captured", &captured) && get_count(c, o, "delivered", &delivered) &&
        get_count(c, o, "gaps", &gaps) && get_count(c, o, "events_dropped", &lost)) {
        const json_t *at_stop =
            json_object_get(json_object_get(o, "dropped"), vs_drop_name(VS_DROP_AT_STOP));
        bool is_lossy = lost > 0 || json_integer_value(at_stop) > 0;
        uint64_t dropped = check_drops(c, r, o, is_lossy);
        if (captured != delivered + dropped) {
            find(c, "%s: captured %" PRIu64 " frames, but delivered %" PRIu64 " + dropped %" PRIu64,
                 name_run(r), captured, delivered, dropped);
        }
        if (!json_is_integer(residual) || json_integer_value(residual) != 0) {
            find(c, "%s: the residual is not 0", name_run(r));
        }
        /* gaps that follow each other without a frame between them share one event */
        if (gaps < r->gap_count || (gaps > 0 && r->gap_count == 0 && !is_lossy)) {
            find(c, "%s: the ledger knows %" PRIu64 " gaps, the events %" PRIu64, name_run(r), gaps,
                 r->gap_count);
        }
        check_order(c, r, captured);
        c->report.captured += captured;
        c->report.delivered += delivered;
        c->report.dropped += dropped;
    }
    reset_run(r);
}

/* the whole --------------------------------------------------------------------------------- */

static int check_event(struct check *c, const json_t *o)
{
    static const struct {
        const char *name;
        void (*check)(struct check *c, struct run *r, const json_t *o);
    } CHECKS[] = {
        {"start", check_start}, {"end", check_end}, {"segment", check_segment},
        {"text", check_text},   {"gap", check_gap}, {"ledger", check_ledger},
    };
    const char *name = json_string_value(json_object_get(o, "event"));
    const char *file = json_string_value(json_object_get(o, "file"));

    if (!name) {
        find(c, "an object without 'event'");
        return 0;
    }
    struct run *r = get_run(c, file ? file : "");
    if (!r) {
        return -ENOMEM;
    }
    c->report.events++;
    for (size_t i = 0; i < sizeof(CHECKS) / sizeof(CHECKS[0]); i++) {
        if (strcmp(name, CHECKS[i].name) == 0) {
            CHECKS[i].check(c, r, o);
        }
    }
    return 0;
}

static bool is_blank(const char *bytes, size_t length)
{
    while (length > 0 && strchr(" \t\r", bytes[length - 1]) && bytes[length - 1]) {
        length--;
    }
    return length == 0;
}

static int check_line(struct check *c)
{
    json_error_t error;
    int status = 0;

    if (is_blank(c->bytes, c->length)) {
        return 0;
    }
    json_t *o = json_loadb(c->bytes, c->length, JSON_REJECT_DUPLICATES, &error);
    if (!o && error.text[0] == '\0') {
        return -ENOMEM; /* nothing is wrong with the text */
    }
    if (!json_is_object(o)) {
        find(c, "no JSON object: %s", o ? "another kind of value" : error.text);
    } else {
        status = check_event(c, o);
    }
    json_decref(o);
    return status;
}

int vs_ledger_check(FILE *stream, void (*finding)(void *user, uint64_t line, const char *sentence),
                    void *user, struct vs_ledger_report *ret)
{
    struct check c = {.finding = finding, .user = user, .index = json_object()};
    int status = c.index ? 0 : -ENOMEM;

    while (status == 0 && read_line(&c, stream, &status)) {
        c.line = ++c.report.lines;
        status = check_line(&c);
    }
    c.line = 0;
    for (size_t i = 0; status == 0 && i < c.run_count; i++) {
        if (c.runs[i].has_audio) {
            find(&c, "%s: no ledger; the run was cut off", name_run(&c.runs[i]));
        }
    }
    if (status == 0 && c.report.events == 0) {
        status = -EBADMSG;
    }
    for (size_t i = 0; i < c.run_count; i++) {
        free(c.runs[i].file);
    }
    free(c.runs);
    free(c.bytes);
    json_decref(c.index);
    if (status == 0) {
        *ret = c.report;
        status = c.report.findings > 0;
    }
    return status;
}
