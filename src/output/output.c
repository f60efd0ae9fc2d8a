/* SPDX-License-Identifier: MIT */
/* One output: picks the format, keeps the first error. */
#include "output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "format.h"

static const struct vs__format *const FORMATS[VS_OUTPUT_COUNT] = {
    [VS_OUTPUT_TEXT] = &vs__format_text,         [VS_OUTPUT_JSONL] = &vs__format_jsonl,
    [VS_OUTPUT_RTTM] = &vs__format_rttm,         [VS_OUTPUT_AUDACITY] = &vs__format_audacity,
    [VS_OUTPUT_TEXTGRID] = &vs__format_textgrid, [VS_OUTPUT_SRT] = &vs__format_srt,
    [VS_OUTPUT_VTT] = &vs__format_vtt,           [VS_OUTPUT_CSV] = &vs__format_csv,
    [VS_OUTPUT_TRACE] = &vs__format_trace,
};

static const struct vs__format *find_format(int format)
{
    return format >= 0 && format < VS_OUTPUT_COUNT ? FORMATS[format] : NULL;
}

int vs_output_format_parse(const char *name)
{
    for (int i = 0; name && i < VS_OUTPUT_COUNT; i++) {
        const char *alias = FORMATS[i]->alias;
        if (strcasecmp(name, FORMATS[i]->name) == 0 || (alias && strcasecmp(name, alias) == 0)) {
            return i;
        }
    }
    return -EINVAL;
}

const char *vs_output_format_name(int format)
{
    const struct vs__format *f = find_format(format);

    return f ? f->name : "unknown";
}

const char *vs_output_format_suffix(int format)
{
    const struct vs__format *f = find_format(format);

    return f ? f->suffix : "";
}

int vs_output_format_is_shared(int format)
{
    const struct vs__format *f = find_format(format);

    return f && f->is_shared;
}

int vs_output_format_needs_probabilities(int format)
{
    const struct vs__format *f = find_format(format);

    return f && f->needs_probabilities;
}

const char *vs__label(const struct vs_event *event)
{
    return event->text && event->text[0] ? event->text : "speech";
}

/* Look whether all went well since errno was set to 0. */
static int check_stream(struct vs_output *o)
{
    if (o->config.live && !ferror(o->stream)) {
        fflush(o->stream);
    }
    if (ferror(o->stream) && o->status == 0) {
        o->status = errno ? -errno : -EIO;
    }
    return o->status;
}

int vs_output_open(const struct vs_output_config *config, vs_output **ret)
{
    const struct vs__format *format = find_format(config->format);

    if (!format || !config->stream) {
        return -EINVAL;
    }
    struct vs_output *o = calloc(1, sizeof(*o));
    if (!o) {
        return -ENOMEM;
    }
    o->config = *config;
    o->format = format;
    o->stream = config->stream;
    errno = 0;
    if (format->begin && !config->headless) {
        format->begin(o);
    }
    int status = check_stream(o);
    if (status != 0) {
        free(o);
        return status;
    }
    *ret = o;
    return 0;
}

static bool is_same(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* Events that have no place in the audio need no rate. */
static bool has_position(int type)
{
    return type != VS_EVENT_STATE && type != VS_EVENT_ERROR && type != VS_EVENT_LEDGER;
}

int vs_output_event(vs_output *o, const struct vs_output_source *source,
                    const struct vs_event *event)
{
    if (o->status != 0) {
        return o->status;
    }
    if (event->type == VS_EVENT_AUDIO) {
        return 0;
    }
    if (source->rate_hz == 0 && has_position(event->type)) {
        return -EINVAL;
    }
    if (o->has_source && !o->format->is_shared && !is_same(o->file, source->file)) {
        return -EINVAL;
    }
    errno = 0;
    int status = o->format->event(o, source, event);
    if (status != 0 && o->status == 0) {
        o->status = status;
    }
    o->has_source = true;
    o->file = source->file;
    o->rate_hz = source->rate_hz ? source->rate_hz : o->rate_hz;
    return check_stream(o);
}

static int64_t read_clock(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

int vs_output_error(vs_output *o, const struct vs_output_source *source, int error,
                    const char *sentence)
{
    struct vs_event event = {.size = sizeof(event),
                             .type = VS_EVENT_ERROR,
                             .mono_ns = read_clock(CLOCK_MONOTONIC),
                             .wall_ns = read_clock(CLOCK_REALTIME),
                             .status = error,
                             .text = sentence};

    if (o->status != 0 || o->format != &vs__format_jsonl) {
        return o->status;
    }
    errno = 0;
    o->format->event(o, source, &event);
    return check_stream(o);
}

int vs_output_close(vs_output *o)
{
    if (!o) {
        return 0;
    }
    errno = 0;
    if (o->status == 0 && o->format->end) {
        o->format->end(o);
    }
    fflush(o->stream);
    int status = check_stream(o);
    for (size_t i = 0; i < o->interval_count; i++) {
        free(o->intervals[i].text);
    }
    free(o->intervals);
    free(o);
    return status;
}
