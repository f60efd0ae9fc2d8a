/* SPDX-License-Identifier: MIT */
#include "host/serve.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/base.h"
#include "modules/sandbox.h"
#include "modules/wyoming.h"

enum { CONTROL_FD = 3, MESSAGE_BYTES = 512, FEED_FRAMES = VS_RATE_HZ / 10 };

/* A segment on its way. */
struct serving {
    const struct vs__serve_engine *engine;
    int fd;
    char *in, *out;
    size_t in_bytes;
    size_t unsaid; /* frames since it told last that it is alive */
    char *told;    /* the partial text that was sent last */
};

void vs__serve_tell(const char *word, const char *format, ...)
{
    char message[MESSAGE_BYTES];
    va_list arguments;
    int at = snprintf(message, sizeof(message), "%s ", word);

    va_start(arguments, format);
    vsnprintf(message + at, sizeof(message) - (size_t)at, format, arguments);
    va_end(arguments);
    (void)!send(CONTROL_FD, message, strlen(message), MSG_NOSIGNAL);
}

void vs__serve_ready(const char *name, unsigned layers)
{
    const char *lack = vs__sandbox_lack(layers);

    vs__serve_tell("ready", "%s%s%s", name, lack[0] != '\0' ? "\n" : "", lack);
}

/* sending ----------------------------------------------------------------------------------- */

/* Takes `data`. */
static bool send_event(struct serving *s, const char *type, json_t *data)
{
    int length = vs__wyoming_put(type, data, NULL, 0, s->out, VS__WYOMING_EVENT_BYTES);

    for (size_t at = 0; length > 0 && at < (size_t)length;) {
        ssize_t n = send(s->fd, s->out + at, (size_t)length - at, MSG_NOSIGNAL);
        if (n < 0 && errno != EINTR) {
            return false;
        }
        at += n > 0 ? (size_t)n : 0;
    }
    return length > 0;
}

/* JSON refuses what is no UTF-8, which a model may well say. */
static json_t *say(const char *text)
{
    json_t *words = json_string(text);

    return json_pack("{s:o}", "text", words ? words : json_string(""));
}

/* What is heard so far may change, so it is told as a fresh start. */
static bool tell_partial(struct serving *s)
{
    const char *text = s->engine->partial ? s->engine->partial(s->engine->user) : NULL;

    if (!text || strcmp(text, s->told ? s->told : "") == 0) {
        return true;
    }
    free(s->told);
    s->told = strdup(text);
    return send_event(s, "transcript-start", say(text));
}

static bool tell_text(struct serving *s, const char *text)
{
    const struct vs_word *words = NULL;
    json_t *data = say(text);
    size_t count = s->engine->words ? s->engine->words(s->engine->user, &words) : 0;
    json_t *list = count > 0 ? json_array() : NULL;

    for (size_t i = 0; i < count; i++) {
        json_array_append_new(
            list, json_pack("[s,f,f]", words[i].text, words[i].start_s, words[i].end_s));
    }
    if (list) {
        json_object_set_new(data, "words", list);
    }
    return send_event(s, "transcript", data);
}

/* hearing ----------------------------------------------------------------------------------- */

/* Does somebody still wait for the text? */
static bool is_wanted(const struct serving *s)
{
    struct pollfd end = {.fd = s->fd, .events = POLLRDHUP};

    return poll(&end, 1, 0) <= 0 || !(end.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

static bool take_audio(struct serving *s, const uint8_t *pcm, size_t bytes)
{
    float audio[FEED_FRAMES];
    size_t frames = bytes / 2;

    for (size_t at = 0; at < frames; at += FEED_FRAMES) {
        size_t count = VS__MIN(frames - at, (size_t)FEED_FRAMES);
        for (size_t i = 0; i < count; i++) {
            const uint8_t *sample = pcm + 2 * (at + i);
            audio[i] = (float)(int16_t)(uint16_t)(sample[0] | sample[1] << 8) / 32768.0f;
        }
        if (!is_wanted(s) || !s->engine->feed(s->engine->user, audio, count) || !tell_partial(s)) {
            return false;
        }
        s->unsaid += count;
        if (s->unsaid >= VS_RATE_HZ) {
            s->unsaid = 0;
            if (!send_event(s, "alive", NULL)) {
                return false;
            }
        }
    }
    return true;
}

/* @return false: the segment is over, well or not */
static bool take_event(struct serving *s, const struct vs__wyoming_event *e, const char *payload,
                       size_t bytes)
{
    if (strcmp(e->type, "audio-chunk") == 0) {
        return take_audio(s, (const uint8_t *)payload, bytes);
    }
    if (strcmp(e->type, "audio-stop") == 0) {
        const char *text = s->engine->finish(s->engine->user);
        (void)(text ? tell_text(s, text)
                    : send_event(s, "error", say("the engine failed on this audio")));
        return false;
    }
    return true;
}

/* Events that are complete. @return as take_event() */
static bool take_events(struct serving *s)
{
    bool goes_on = true;

    for (int got = 1; goes_on && got == 1;) {
        struct vs__wyoming_event e = {0};
        size_t used = 0, payload = 0;
        got = vs__wyoming_take(s->in, s->in_bytes, &e, &used, &payload);
        if (got == 1) {
            goes_on = take_event(s, &e, s->in + used - payload, payload);
            json_decref(e.data);
            memmove(s->in, s->in + used, s->in_bytes - used);
            s->in_bytes -= used;
        }
        goes_on = goes_on && got >= 0;
    }
    return goes_on;
}

/* A segment: until its text was sent, or nobody wants it any more. */
static void serve_one(struct serving *s)
{
    bool goes_on = s->engine->begin(s->engine->user);

    s->in_bytes = s->unsaid = 0;
    while (goes_on) {
        ssize_t n = recv(s->fd, s->in + s->in_bytes, VS__WYOMING_EVENT_BYTES - s->in_bytes, 0);
        if (n == 0 || (n < 0 && errno != EINTR)) {
            break;
        }
        s->in_bytes += n > 0 ? (size_t)n : 0;
        goes_on = take_events(s);
    }
    s->engine->end(s->engine->user);
    free(s->told);
    s->told = NULL;
    close(s->fd);
}

/* @return a connection, or -1: the module is gone */
static int next_connection(void)
{
    char byte, space[CMSG_SPACE(sizeof(int))];
    struct iovec part = {.iov_base = &byte, .iov_len = 1};
    struct msghdr m = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = space, .msg_controllen = sizeof(space)};
    int fd = -1;

    if (recvmsg(CONTROL_FD, &m, MSG_CMSG_CLOEXEC) <= 0) {
        return -1;
    }
    const struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    if (c && c->cmsg_type == SCM_RIGHTS) {
        memcpy(&fd, CMSG_DATA(c), sizeof(fd));
    }
    return fd;
}

int vs__serve(const struct vs__serve_engine *engine)
{
    struct serving s = {.engine = engine,
                        .in = malloc(VS__WYOMING_EVENT_BYTES),
                        .out = malloc(VS__WYOMING_EVENT_BYTES)};

    while (s.in && s.out && (s.fd = next_connection()) >= 0) {
        serve_one(&s);
    }
    free(s.in);
    free(s.out);
    return 0;
}
