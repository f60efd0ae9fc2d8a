/* SPDX-License-Identifier: MIT */
#include "serve/peer.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

enum {
    FIRST_ROOM = 4096,
    LINGER_MS = 1000,
    EVENT_BYTES = PEER_LINE_BYTES + PEER_DATA_BYTES + PEER_PAYLOAD_BYTES
};

static const struct vs__wyoming_limits limits = {PEER_LINE_BYTES, PEER_DATA_BYTES,
                                                 PEER_PAYLOAD_BYTES, EVENT_BYTES};

void peer_init(struct peer *p, int fd, uint32_t number, const struct server_host *host)
{
    const struct timeval patience = {.tv_sec = PEER_SEND_S};

    *p = (struct peer){.fd = fd, .number = number, .host = host};
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
}

void peer_fini(struct peer *p)
{
    free(p->in);
    p->in = NULL;
}

/* reading -------------------------------------------------------------------------------------- */

static int64_t clock_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int make_room(struct peer *p)
{
    size_t room = p->room > 0 ? 2 * p->room : FIRST_ROOM;
    char *in;

    if (p->bytes < p->room)
        return 0;
    /* What is longer was refused already, by its header. */
    if (p->room > EVENT_BYTES || (in = realloc(p->in, room)) == NULL)
        return -ENOMEM;
    p->in = in;
    p->room = room;
    return 0;
}

static int take(struct peer *p, struct vs__wyoming_event *ret)
{
    if (p->used > 0) {
        p->bytes -= p->used;
        memmove(p->in, p->in + p->used, p->bytes);
        p->used = 0;
    }
    if (p->bytes == 0)
        return 0;
    int got = vs__wyoming_take_within(p->in, p->bytes, &limits, ret, &p->used, &p->payload_bytes);
    if (got == 1)
        p->payload = p->in + p->used - p->payload_bytes;
    else
        p->used = 0;
    return got;
}

/* @return 1 something came; 0 the end, -EAGAIN nothing yet, -ENOMEM */
static int receive(struct peer *p)
{
    int status = make_room(p);

    if (status < 0)
        return status;
    ssize_t n = recv(p->fd, p->in + p->bytes, p->room - p->bytes, MSG_DONTWAIT);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR ? -EAGAIN : 0;
    p->bytes += (size_t)n;
    return n > 0;
}

int peer_poll(struct peer *p, struct vs__wyoming_event *ret)
{
    int got = take(p, ret);

    while (got == 0) {
        got = receive(p);
        if (got != 1)
            return got;
        got = take(p, ret);
    }
    return got;
}

/* The time is that of whole events: who sends a byte now and then is silent too. */
int peer_read(struct peer *p, struct vs__wyoming_event *ret)
{
    int64_t end_ms = clock_ms() + (int64_t)p->host->idle_s * 1000;

    for (;;) {
        struct pollfd polled = {.fd = p->fd, .events = POLLIN};
        int got = peer_poll(p, ret);
        int64_t left_ms = end_ms - clock_ms();

        if (got != -EAGAIN)
            return got;
        if (left_ms <= 0)
            return -ETIMEDOUT;
        if (poll(&polled, 1, left_ms < 1000000 ? (int)left_ms : 1000000) < 0 && errno != EINTR)
            return -errno;
    }
}

bool peer_is_gone(const struct peer *p)
{
    struct pollfd polled = {.fd = p->fd};

    return p->broken ||
           (poll(&polled, 1, 0) > 0 && (polled.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0);
}

/* Bytes that nobody reads would take what was said last away from the client. */
void peer_part(struct peer *p)
{
    int64_t end_ms = clock_ms() + LINGER_MS, left_ms;
    struct pollfd polled = {.fd = p->fd, .events = POLLIN};
    char rest[4096];

    if (p->broken || shutdown(p->fd, SHUT_WR) < 0)
        return;
    while ((left_ms = end_ms - clock_ms()) > 0 && poll(&polled, 1, (int)left_ms) > 0)
        if (recv(p->fd, rest, sizeof(rest), MSG_DONTWAIT) <= 0)
            break;
}

/* writing -------------------------------------------------------------------------------------- */

/* The socket waits for PEER_SEND_S, so that less than all went out means that its client does not
   read. */
static bool send_all(struct peer *p, const char *from, size_t bytes)
{
    ssize_t n = 0;

    while (!p->broken && (n = send(p->fd, from, bytes, MSG_NOSIGNAL)) < (ssize_t)bytes) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n >= 0 || errno == EAGAIN)
            p->host->say(p->host->user, VS_LOG_WARNING,
                         "client %u does not read what it asked for; it is left", p->number);
        p->broken = true;
    }
    return !p->broken;
}

bool peer_send(struct peer *p, const char *type, json_t *data, const void *payload, size_t bytes)
{
    char small[2048];
    char *out = small;
    size_t room = sizeof(small);
    int n;

    json_incref(data);
    while ((n = vs__wyoming_put(type, data, payload, bytes, out, room)) == -ENOSPC) {
        if (out != small)
            free(out);
        room = 2 * room + bytes;
        out = malloc(room);
        if (out == NULL) {
            n = -ENOMEM;
            break;
        }
        json_incref(data);
    }
    json_decref(data);
    if (n < 0)
        p->broken = true; /* half a conversation is none */
    else
        (void)send_all(p, out, (size_t)n);
    if (out != small)
        free(out);
    return !p->broken;
}

void peer_fail(struct peer *p, const char *code, const char *sentence)
{
    p->host->say(p->host->user, VS_LOG_WARNING, "client %u: %s", p->number, sentence);
    (void)peer_send(p, "error", json_pack("{s:s, s:s}", "text", sentence, "code", code), NULL, 0);
}

void peer_explain(struct peer *p, int status)
{
    char sentence[160];

    if (status == -ETIMEDOUT) {
        snprintf(sentence, sizeof(sentence), "nothing came for %u s", p->host->idle_s);
        peer_fail(p, "idle", sentence);
    } else if (status == -EMSGSIZE) {
        snprintf(sentence, sizeof(sentence),
                 "an event is too long: its line may have %d bytes, its data %d, its payload %d",
                 PEER_LINE_BYTES, PEER_DATA_BYTES, PEER_PAYLOAD_BYTES);
        peer_fail(p, "too-long", sentence);
    } else if (status == -EBADMSG) {
        peer_fail(p, "bad-event", "this is no event of the Wyoming protocol");
    } else if (status < 0) {
        peer_fail(p, "failed", strerror(-status));
    }
}

bool peer_answer(struct peer *p, const struct vs__wyoming_event *e,
                 json_t *(*info)(const struct server_host *host))
{
    if (strcmp(e->type, "describe") == 0) {
        (void)peer_send(p, "info", info(p->host), NULL, 0);
        return true;
    }
    if (strcmp(e->type, "ping") == 0) {
        json_t *text = json_object_get(e->data, "text");

        (void)peer_send(p, "pong", json_pack("{s:O?}", "text", text), NULL, 0);
        return true;
    }
    return false;
}

/* info ----------------------------------------------------------------------------------------- */

static json_t *make_artifact(const struct server_host *host, const char *name, const char *about)
{
    return json_pack("{s:s, s:s, s:b, s:s, s:{s:s, s:s}}", "name", name, "description", about,
                     "installed", 1, "version", host->version, "attribution", "name", "VoiceStand",
                     "url", "");
}

static json_t *make_languages(const char *list)
{
    json_t *array = json_array();

    while (list[0] != '\0') {
        size_t length = strcspn(list, ",");

        if (length > 0)
            json_array_append_new(array, json_stringn(list, length));
        list += length + (list[length] == ',');
    }
    return array;
}

json_t *wyoming_info_hear(const struct server_host *host)
{
    json_t *info = json_pack("{s:[]}", "asr");

    if (host->engine == NULL)
        return info;
    json_t *model = make_artifact(host, host->engine, "text engine");
    json_t *program = make_artifact(host, "voicestand", "speech to text behind voice activity");
    json_object_set_new(model, "languages", make_languages(host->languages));
    json_object_update_new(program,
                           json_pack("{s:[o], s:b, s:b, s:b}", "models", model,
                                     "supports_transcript_streaming", 1, "requires_external_vad", 1,
                                     "prefers_noise_reduction_enabled", 0));
    json_array_append_new(json_object_get(info, "asr"), program);
    return info;
}

json_t *wyoming_info_mic(const struct server_host *host)
{
    json_t *program = make_artifact(host, "voicestand", "a microphone, through the signal path");

    json_object_set_new(
        program, "mic_format",
        json_pack("{s:i, s:i, s:i}", "rate", VS_RATE_HZ, "width", 2, "channels", 1));
    return json_pack("{s:[o]}", "mic", program);
}
