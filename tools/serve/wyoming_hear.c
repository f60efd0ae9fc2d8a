/* SPDX-License-Identifier: MIT */
/* A client that sends audio: it is told when somebody speaks and, if it asked for it, what is said.
   Its audio is read when the pipeline wants it and not before, so that who sends faster than we
   hear waits in his own socket. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "serve/peer.h"

struct hearing {
    struct peer *peer;
    struct server_job job;
    uint32_t width;
    const char *left; /* of the chunk that came last */
    size_t left_bytes;
    bool wants_text; /* "transcribe" came */
    bool stopped;    /* audio-stop came */
    bool failed;     /* and it was said */
    char *text;      /* of all segments so far */
    size_t bytes;
    unsigned lost; /* segments that got no text */
};

/* audio ---------------------------------------------------------------------------------------- */

static uint32_t number_of(const json_t *data, const char *key)
{
    const json_t *value = json_object_get(data, key);
    json_int_t number = json_is_integer(value) ? json_integer_value(value) : -1;

    return number < 0 || number > 1000000 ? 0 : (uint32_t)number;
}

static void fail(struct hearing *h, const char *code, const char *sentence)
{
    if (!h->failed)
        peer_fail(h->peer, code, sentence);
    h->failed = true;
}

/* Of audio-start, and of the first chunk where that is missing. */
static bool take_format(struct hearing *h, const json_t *data)
{
    uint32_t rate = number_of(data, "rate"), channels = number_of(data, "channels");

    h->width = number_of(data, "width");
    if (rate < 8000 || rate > 192000 || channels < 1 || channels > 32 || h->width < 2 ||
        h->width > 4) {
        fail(h, "bad-audio",
             "audio needs a rate of 8000 to 192000, a width of 2, 3 or 4 and 1 to 32 channels");
        return false;
    }
    h->job.rate_hz = rate;
    h->job.channels = channels;
    h->job.format = h->width == 2 ? VS_FORMAT_S16 : h->width == 3 ? VS_FORMAT_S24 : VS_FORMAT_S32;
    return true;
}

static bool take_chunk(struct hearing *h, const json_t *data)
{
    if (number_of(data, "rate") != h->job.rate_hz || number_of(data, "width") != h->width ||
        number_of(data, "channels") != h->job.channels) {
        fail(h, "bad-audio", "a chunk of audio has another format than its start");
        return false;
    }
    if (h->peer->payload_bytes % ((size_t)h->width * h->job.channels) != 0) {
        fail(h, "bad-audio", "a chunk of audio ends inside a frame");
        return false;
    }
    h->left = h->peer->payload;
    h->left_bytes = h->peer->payload_bytes;
    return true;
}

/* While audio comes. @return 0, or -errno: no more of it */
static int take_event(struct hearing *h, const struct vs__wyoming_event *e)
{
    if (strcmp(e->type, "audio-chunk") == 0)
        return take_chunk(h, e->data) ? 0 : -ECANCELED;
    if (strcmp(e->type, "audio-stop") == 0) {
        h->stopped = true;
    } else if (strcmp(e->type, "audio-start") == 0) {
        fail(h, "bad-audio", "audio starts again before it stopped");
        return -ECANCELED;
    } else {
        (void)peer_answer(h->peer, e, wyoming_info_hear);
    }
    return 0;
}

static int64_t read_audio(void *user, void *pcm, size_t frames)
{
    struct hearing *h = user;
    size_t frame_bytes = (size_t)h->width * h->job.channels;

    while (h->left_bytes == 0 && !h->stopped) {
        struct vs__wyoming_event e;
        int got = peer_read(h->peer, &e);

        if (got <= 0) {
            peer_explain(h->peer, got);
            h->failed = true;
            return -ECANCELED;
        }
        got = take_event(h, &e);
        json_decref(e.data);
        if (got < 0)
            return got;
    }
    size_t n = h->left_bytes / frame_bytes;
    n = n < frames ? n : frames;
    memcpy(pcm, h->left, n * frame_bytes);
    h->left += n * frame_bytes;
    h->left_bytes -= n * frame_bytes;
    return (int64_t)n;
}

/* what is heard -------------------------------------------------------------------------------- */

static bool tell_voice(struct hearing *h, const char *type, double at_s)
{
    return peer_send(h->peer, type, json_pack("{s:I}", "timestamp", (json_int_t)(at_s * 1000)),
                     NULL, 0);
}

/* What was sent is never taken back, so that what is sent is what will not change: the text of a
   segment that has ended. */
static bool tell_text(struct hearing *h, const char *text)
{
    size_t length = strlen(text), gap = h->bytes > 0;
    char *more = length > 0 ? realloc(h->text, h->bytes + gap + length + 1) : h->text;

    if (length == 0)
        return true;
    if (more == NULL)
        return false;
    h->text = more;
    snprintf(more + h->bytes, gap + length + 1, "%s%s", gap ? " " : "", text);
    const char *news = more + h->bytes;
    h->bytes += gap + length;
    return peer_send(h->peer, "transcript-chunk", json_pack("{s:s}", "text", news), NULL, 0);
}

static bool on_event(void *user, const struct vs_event *e)
{
    struct hearing *h = user;

    /* A segment that is only cut for its length is speech that goes on. */
    if (e->type == VS_EVENT_START && !(e->flags & VS_EVENT_SPLIT))
        return tell_voice(h, "voice-started", e->start_s);
    if (e->type == VS_EVENT_END && !(e->flags & VS_EVENT_SPLIT))
        return tell_voice(h, "voice-stopped", e->end_s);
    if (e->type == VS_EVENT_TEXT && (e->flags & VS_EVENT_FINAL) && e->text != NULL)
        return tell_text(h, e->text);
    h->lost += e->type == VS_EVENT_ERROR && e->segment > 0;
    return true;
}

static bool is_gone(void *user)
{
    const struct hearing *h = user;

    return peer_is_gone(h->peer);
}

/* a request ------------------------------------------------------------------------------------ */

static void tell_transcript(struct hearing *h)
{
    const char *text = h->text != NULL ? h->text : "";

    if (peer_send(h->peer, "transcript", json_pack("{s:s}", "text", text), NULL, 0))
        (void)peer_send(h->peer, "transcript-stop", NULL, NULL, 0);
}

static void explain(struct hearing *h, int status)
{
    fail(h,
         status == -EBUSY       ? "busy"
         : status == -EFBIG     ? "too-long"
         : status == -ETIMEDOUT ? "timeout"
         : status == -ECANCELED ? "server-ends"
                                : "failed",
         h->job.why);
}

/* From the first of its audio to what is made of it. */
static void hear(struct hearing *h, const json_t *format, bool has_chunk)
{
    h->job = (struct server_job){.text = h->wants_text,
                                 .read = read_audio,
                                 .event = on_event,
                                 .is_gone = is_gone,
                                 .user = h};
    h->stopped = false;
    h->left_bytes = 0;
    h->bytes = h->lost = 0;
    if (!take_format(h, format) || (has_chunk && !take_chunk(h, format)))
        return;
    if (h->wants_text && !peer_send(h->peer, "transcript-start", NULL, NULL, 0))
        return;
    int status = h->peer->host->hear(h->peer->host->user, &h->job);
    if (h->failed || h->peer->broken)
        return;
    if (status < 0)
        explain(h, status);
    else if (h->lost > 0 && h->bytes == 0)
        fail(h, "engine-failed", "the text engine failed; who runs the server sees why");
    else if (h->wants_text)
        tell_transcript(h);
    h->wants_text = false;
    free(h->text);
    h->text = NULL;
}

static void take_request(struct hearing *h, const struct vs__wyoming_event *e)
{
    if (strcmp(e->type, "transcribe") == 0) {
        h->wants_text = true;
        if (h->peer->host->engine == NULL)
            fail(h, "no-engine", "this server has no text engine: it tells who speaks when");
    } else if (strcmp(e->type, "audio-start") == 0) {
        hear(h, e->data, false);
    } else if (strcmp(e->type, "audio-chunk") == 0) {
        hear(h, e->data, true);
    } else if (strcmp(e->type, "audio-stop") == 0 && h->wants_text) {
        h->wants_text = false;
        tell_transcript(h); /* of no audio */
    } else {
        (void)peer_answer(h->peer, e, wyoming_info_hear); /* others may come */
    }
}

void wyoming_hear_client(struct peer *p)
{
    struct hearing h = {.peer = p};
    int got = 1;

    while (got == 1 && !h.failed && !p->broken) {
        struct vs__wyoming_event e;

        got = peer_read(p, &e);
        if (got == 1) {
            take_request(&h, &e);
            json_decref(e.data);
        }
    }
    if (got < 0)
        peer_explain(p, got);
    free(h.text);
}
