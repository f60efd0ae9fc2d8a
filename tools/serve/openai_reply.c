/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve/openai.h"

void openai_refuse(struct openai_refusal *r, unsigned status, const char *code, const char *param,
                   const char *format, ...)
{
    va_list list;

    if (r->status != 0)
        return;
    r->status = status;
    r->code = code;
    r->param = param;
    va_start(list, format);
    vsnprintf(r->sentence, sizeof(r->sentence), format, list);
    va_end(list);
}

/* what is heard -------------------------------------------------------------------------------- */

/* Room for one more of `bytes` each. */
static int make_room(void **list, size_t count, size_t *room, size_t bytes)
{
    size_t wanted = *room > 0 ? 2 * *room : 16;
    void *more;

    if (count < *room)
        return 0;
    more = realloc(*list, wanted * bytes);
    if (more == NULL)
        return -ENOMEM;
    *list = more;
    *room = wanted;
    return 0;
}

static int keep_words(struct openai_heard *h, const struct vs_event *e)
{
    for (size_t i = 0; i < e->word_count; i++) {
        void *list = h->words;
        char *text = strdup(e->words[i].text);
        int status = text == NULL
                         ? -ENOMEM
                         : make_room(&list, h->word_count, &h->word_room, sizeof(*h->words));

        h->words = list;
        if (status < 0) {
            free(text);
            return status;
        }
        h->words[h->word_count] = e->words[i];
        h->words[h->word_count++].text = text;
    }
    return 0;
}

static int keep_segment(struct openai_heard *h, const struct vs_event *e)
{
    size_t length = strlen(e->text), gap = h->bytes > 0;
    void *list = h->segments;
    char *own = strdup(e->text), *all = realloc(h->text, h->bytes + gap + length + 1);
    int status = make_room(&list, h->count, &h->room, sizeof(*h->segments));

    h->segments = list;
    if (all != NULL)
        h->text = all;
    if (own == NULL || all == NULL || status < 0) {
        free(own);
        return -ENOMEM;
    }
    h->bytes += (size_t)snprintf(all + h->bytes, gap + length + 1, "%s%s", gap ? " " : "", own);
    h->segments[h->count] = *e;
    h->segments[h->count++].text = own;
    return 1;
}

int openai_hear(struct openai_heard *h, const struct vs_event *e)
{
    if (e->type == VS_EVENT_TEXT && (e->flags & VS_EVENT_FINAL))
        return keep_words(h, e);
    if (e->type == VS_EVENT_SEGMENT && e->text != NULL && e->text[0] != '\0')
        return keep_segment(h, e);
    if (e->type == VS_EVENT_ERROR && e->segment > 0)
        h->lost++;
    if (e->type == VS_EVENT_LEDGER) {
        h->rate_hz = e->ledger->rate_hz;
        h->seconds = (double)e->ledger->captured / e->ledger->rate_hz;
    }
    return 0;
}

void openai_heard_fini(struct openai_heard *h)
{
    for (size_t i = 0; i < h->count; i++)
        free((void *)(uintptr_t)h->segments[i].text);
    for (size_t i = 0; i < h->word_count; i++)
        free((void *)(uintptr_t)h->words[i].text);
    free(h->segments);
    free(h->words);
    free(h->text);
    *h = (struct openai_heard){0};
}

void openai_explain(const struct server_job *job, int status, const struct openai_heard *h,
                    struct openai_refusal *ret)
{
    if (status == 0 && h->lost > 0 && h->count == 0)
        openai_refuse(ret, MHD_HTTP_BAD_GATEWAY, "engine_failed", NULL,
                      "the text engine failed; who runs the server sees why");
    if (status == 0)
        return;
    if (status == -EBUSY)
        openai_refuse(ret, MHD_HTTP_SERVICE_UNAVAILABLE, "overloaded", NULL, "%s", job->why);
    else if (status == -ECANCELED)
        openai_refuse(ret, MHD_HTTP_SERVICE_UNAVAILABLE, "server_ends", NULL, "%s", job->why);
    else if (status == -EFBIG)
        openai_refuse(ret, MHD_HTTP_BAD_REQUEST, "audio_too_long", "file", "%s", job->why);
    else if (status == -ETIMEDOUT)
        openai_refuse(ret, MHD_HTTP_GATEWAY_TIMEOUT, "timeout", NULL, "%s", job->why);
    else if (status == -EBADMSG || status == -ENOTSUP || status == -EINVAL || status == -ENODATA)
        openai_refuse(ret, MHD_HTTP_BAD_REQUEST, "invalid_audio", "file",
                      "the file is not audio that can be read here, or it is damaged");
    else
        openai_refuse(ret, MHD_HTTP_INTERNAL_SERVER_ERROR, "server_error", NULL, "%s", job->why);
}

/* what is answered ----------------------------------------------------------------------------- */

static char *print(json_t *object)
{
    char *text = object != NULL ? json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(9)) : NULL;

    json_decref(object);
    return text;
}

/* "event" and "data" of a stream. */
static char *print_event(const char *event, json_t *object)
{
    char *text = print(object), *ret = NULL;

    if (text != NULL && asprintf(&ret, "%s%s%sdata: %s\n\n", event ? "event: " : "",
                                 event ? event : "", event ? "\n" : "", text) < 0)
        ret = NULL;
    free(text);
    return ret;
}

static const char *text_of(const struct openai_heard *h)
{
    return h->text != NULL ? h->text : "";
}

static double to_ms(double seconds)
{
    return round(seconds * 1000) / 1000;
}

/* What this engine does not know is null. */
static json_t *make_segments(const struct openai_form *f, const struct openai_heard *h)
{
    json_t *list = json_array();

    for (size_t i = 0; i < h->count; i++) {
        const struct vs_event *e = &h->segments[i];

        json_array_append_new(
            list, json_pack("{s:I, s:i, s:f, s:f, s:s, s:[], s:f, s:n, s:n, s:n}", "id",
                            (json_int_t)i, "seek", 0, "start", to_ms(e->start_s), "end",
                            to_ms(e->end_s), "text", e->text, "tokens", "temperature",
                            f->temperature, "avg_logprob", "compression_ratio", "no_speech_prob"));
    }
    return list;
}

static json_t *make_words(const struct openai_heard *h)
{
    json_t *list = json_array();

    for (size_t i = 0; i < h->word_count; i++)
        json_array_append_new(list, json_pack("{s:s, s:f, s:f}", "word", h->words[i].text, "start",
                                              to_ms(h->words[i].start_s), "end",
                                              to_ms(h->words[i].end_s)));
    return list;
}

/* What was asked for; else what the engine is known for. */
static json_t *make_language(const struct server_host *host, const struct openai_form *f)
{
    size_t length = strcspn(host->languages, ",");

    if (f->language[0] != '\0')
        return json_string(f->language);
    return length > 0 ? json_stringn(host->languages, length) : json_string("unknown");
}

static char *make_verbose(const struct server_host *host, const struct openai_form *f,
                          const struct openai_heard *h)
{
    json_t *o =
        json_pack("{s:s, s:o, s:f, s:s}", "task", "transcribe", "language", make_language(host, f),
                  "duration", to_ms(h->seconds), "text", text_of(h));

    if (o != NULL && f->segments)
        json_object_set_new(o, "segments", make_segments(f, h));
    if (o != NULL && f->words)
        json_object_set_new(o, "words", make_words(h));
    return print(o);
}

static json_t *make_usage(const struct openai_heard *h)
{
    return json_pack("{s:s, s:I}", "type", "duration", "seconds", (json_int_t)ceil(h->seconds));
}

char *openai_answer(const struct server_host *host, const struct openai_form *f,
                    const struct openai_heard *h, const char **ret_type)
{
    bool srt = f->format == OPENAI_SRT;
    char *text = NULL;

    *ret_type = f->format == OPENAI_VTT           ? "text/vtt; charset=utf-8"
                : f->format == OPENAI_TEXT || srt ? "text/plain; charset=utf-8"
                                                  : "application/json";
    switch (f->format) {
    case OPENAI_TEXT:
        return asprintf(&text, "%s\n", text_of(h)) < 0 ? NULL : text;
    case OPENAI_SRT:
    case OPENAI_VTT:
        return host->captions(srt ? "srt" : "vtt", h->rate_hz, h->segments, h->count, &text) < 0
                   ? NULL
                   : text;
    case OPENAI_VERBOSE:
        return make_verbose(host, f, h);
    default:
        return print(json_pack("{s:s, s:o}", "text", text_of(h), "usage", make_usage(h)));
    }
}

char *openai_delta(const char *text)
{
    return print_event(NULL,
                       json_pack("{s:s, s:s}", "type", "transcript.text.delta", "delta", text));
}

char *openai_done(const struct openai_heard *h)
{
    return print_event(NULL, json_pack("{s:s, s:s, s:o}", "type", "transcript.text.done", "text",
                                       text_of(h), "usage", make_usage(h)));
}

char *openai_error(const struct openai_refusal *r, bool event)
{
    const char *kind = r->status == MHD_HTTP_UNAUTHORIZED || r->status == MHD_HTTP_FORBIDDEN
                           ? "authentication_error"
                       : r->status < 500 ? "invalid_request_error"
                                         : "server_error";
    json_t *object = json_pack("{s:{s:s, s:s, s:s?, s:s}}", "error", "message", r->sentence, "type",
                               kind, "param", r->param, "code", r->code);

    return event ? print_event("error", object) : print(object);
}

char *openai_models(const struct server_host *host, bool list)
{
    json_t *model = json_pack("{s:s, s:s, s:i, s:s}", "id", host->engine, "object", "model",
                              "created", 0, "owned_by", "voicestand");

    return print(list ? json_pack("{s:s, s:[o]}", "object", "list", "data", model) : model);
}

char *openai_health(const struct server_host *host)
{
    return print(json_pack("{s:s, s:s, s:s}", "status", "ok", "engine", host->engine, "version",
                           host->version));
}
