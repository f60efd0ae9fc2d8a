/* SPDX-License-Identifier: MIT */
/* A segment's way to a Wyoming server and its text's way back. */
#include "modules/wyoming_client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/base.h"
#include "modules/wyoming.h"
#include "stt/child.h"

#define CHUNK_FRAMES   ((size_t)VS_RATE_HZ / 10)
#define OUT_BYTES      (2 * CHUNK_FRAMES + 1024)
#define TEXT_BYTES     ((size_t)65536)
#define FIRST_PAUSE_MS 200 /* before the second try; then twice as long each time */

int vs__wyoming_init(struct vs__wyoming_client *w)
{
    w->fd = -1;
    w->out = vs__alloc(OUT_BYTES);
    w->in = vs__alloc(VS__WYOMING_EVENT_BYTES);
    w->raw = vs__alloc(TEXT_BYTES);
    w->text = vs__alloc(3 * TEXT_BYTES);
    int status = vs__gather_init(&w->audio);
    if (!w->out || !w->in || !w->raw || !w->text) {
        status = -ENOMEM;
    }
    w->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return w->cancel_fd < 0 ? -errno : status;
}

void vs__wyoming_fini(struct vs__wyoming_client *w)
{
    if (w->fd >= 0) {
        close(w->fd);
    }
    if (w->cancel_fd >= 0) {
        close(w->cancel_fd);
    }
    vs__gather_fini(&w->audio);
    vs__free(w->out);
    vs__free(w->in);
    vs__free(w->words);
    vs__free(w->raw);
    vs__free(w->text);
}

/* the connection ---------------------------------------------------------------------------- */

static void disconnect(struct vs__wyoming_client *w)
{
    if (w->fd >= 0) {
        close(w->fd);
    }
    w->fd = -1;
    w->is_connecting = w->is_begun = w->is_closing = w->is_closed = false;
    w->sent_frames = 0;
    w->out_bytes = w->out_at = w->in_bytes = 0;
    w->raw[0] = '\0';
}

static int dial(struct vs__wyoming_client *w, bool other)
{
    bool is_connecting = false;

    disconnect(w);
    int fd = w->dial(w->user, other, &is_connecting);
    if (fd < 0) {
        return fd;
    }
    w->fd = fd;
    w->is_connecting = is_connecting;
    return 0;
}

static int check_connected(struct vs__wyoming_client *w)
{
    int error = 0;
    socklen_t bytes = sizeof(error);

    if (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &bytes) < 0) {
        error = errno;
    }
    if (error == 0) {
        w->is_connecting = false;
        return 0;
    }
    int status = dial(w, true);
    return status == -ENOENT ? -error : status;
}

/* sending ----------------------------------------------------------------------------------- */

static int put(struct vs__wyoming_client *w, const char *type, json_t *data, const void *payload,
               size_t bytes)
{
    int length = vs__wyoming_put(type, data, payload, bytes, w->out + w->out_bytes,
                                 OUT_BYTES - w->out_bytes);

    if (length < 0) {
        return length;
    }
    w->out_bytes += (size_t)length;
    return 0;
}

static json_t *format(void)
{
    return json_pack("{s:i,s:i,s:i}", "rate", (int)VS_RATE_HZ, "width", 2, "channels", 1);
}

static int put_start(struct vs__wyoming_client *w)
{
    json_t *wish = json_pack("{s:s*,s:s*}", "name", w->model, "language", w->language);
    int status = put(w, "transcribe", wish, NULL, 0);

    w->is_begun = true;
    return status == 0 ? put(w, "audio-start", format(), NULL, 0) : status;
}

/* Whether there is something to be sent. */
static bool has_more(const struct vs__wyoming_client *w)
{
    return w->out_at < w->out_bytes || !w->is_begun || (w->is_closing && !w->is_closed) ||
           w->audio.frames - w->sent_frames >= CHUNK_FRAMES;
}

/* Make the next event, if there is one. */
static int make_next(struct vs__wyoming_client *w)
{
    size_t waiting = w->audio.frames - w->sent_frames;

    w->out_bytes = w->out_at = 0;
    if (!w->is_begun) {
        return put_start(w);
    }
    if (waiting >= CHUNK_FRAMES || (waiting > 0 && w->is_closing)) {
        size_t frames = VS__MIN(waiting, CHUNK_FRAMES);
        const uint8_t *from = w->audio.wav + VS__WAV_HEADER_BYTES + 2 * w->sent_frames;
        w->sent_frames += frames;
        return put(w, "audio-chunk", format(), from, 2 * frames);
    }
    if (w->is_closing && !w->is_closed) {
        w->is_closed = true;
        return put(w, "audio-stop", NULL, NULL, 0);
    }
    return 0;
}

static int send_some(struct vs__wyoming_client *w)
{
    for (;;) {
        if (w->out_at == w->out_bytes) {
            int status = make_next(w);
            if (status != 0 || w->out_bytes == 0) {
                return status;
            }
        }
        ssize_t n = send(w->fd, w->out + w->out_at, w->out_bytes - w->out_at, MSG_NOSIGNAL);
        if (n < 0) {
            return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        }
        w->out_at += (size_t)n;
    }
}

/* reading ----------------------------------------------------------------------------------- */

static void show_text(struct vs__wyoming_client *w)
{
    vs__words_clean(w->raw, strlen(w->raw), w->text);
}

static void forget_words(struct vs__wyoming_client *w)
{
    vs__free(w->words);
    w->words = NULL;
    w->word_count = 0;
}

/* [["hello",0.1,0.35],…], seconds since the segment began; what is nothing of that kind is left out. */
static void take_words(struct vs__wyoming_client *w, const json_t *list)
{
    size_t count = json_array_size(list), bytes = 0;

    for (size_t i = 0; i < count; i++) {
        bytes += json_string_length(json_array_get(json_array_get(list, i), 0)) + 1;
    }
    forget_words(w);
    w->words = count > 0 ? vs__alloc(count * sizeof(*w->words) + bytes) : NULL;
    char *at = (char *)(w->words + count);
    for (size_t i = 0; w->words && i < count; i++) {
        const json_t *word = json_array_get(list, i);
        const char *text = json_string_value(json_array_get(word, 0));
        if (text) {
            w->words[w->word_count++] =
                (struct vs_word){at, json_number_value(json_array_get(word, 1)),
                                 json_number_value(json_array_get(word, 2))};
            at = stpcpy(at, text) + 1;
        }
    }
}

/* @return 0, or -EREMOTEIO */
static int take_event(struct vs__wyoming_client *w, const struct vs__wyoming_event *e)
{
    const json_t *value = json_object_get(e->data, "text");
    const char *words = json_is_string(value) ? json_string_value(value) : "";
    size_t had = strlen(w->raw);

    if (strcmp(e->type, "transcript") == 0 || strcmp(e->type, "transcript-start") == 0) {
        snprintf(w->raw, TEXT_BYTES, "%s", words);
        w->is_done = e->type[10] == '\0';
    } else if (strcmp(e->type, "transcript-chunk") == 0) {
        snprintf(w->raw + had, TEXT_BYTES - had, "%s", words);
    } else if (strcmp(e->type, "error") == 0) {
        char line[3 * 60 + 1];
        vs__words_clean(words, vs__words_whole(words, VS__MIN(strlen(words), (size_t)60)), line);
        snprintf(w->why, sizeof(w->why), "says: %s", line[0] ? line : "an error");
        return -EREMOTEIO;
    } else {
        if (strcmp(e->type, "alive") == 0) { /* a host of ours is busy */
            w->alive_ns = vs__mono_ns();
        }
        return 0; /* other types may come */
    }
    if (w->is_done) {
        take_words(w, json_object_get(e->data, "words"));
    }
    show_text(w);
    w->has_news = true;
    return 0;
}

/* Take all events that are complete. */
static int take_events(struct vs__wyoming_client *w)
{
    size_t at = 0, used = 0;
    int got = 0, status = 0;

    while (status == 0 && !w->is_done) {
        struct vs__wyoming_event e;
        got = vs__wyoming_take(w->in + at, w->in_bytes - at, &e, &used, NULL);
        if (got != 1) {
            break;
        }
        at += used;
        status = take_event(w, &e);
        json_decref(e.data);
    }
    memmove(w->in, w->in + at, w->in_bytes - at);
    w->in_bytes -= at;
    if (got < 0) {
        snprintf(w->why, sizeof(w->why), "does not speak the Wyoming protocol");
    }
    return status != 0 ? status : got < 0 ? got : 0;
}

static int read_some(struct vs__wyoming_client *w)
{
    int status = 0;

    while (status == 0 && !w->is_done) {
        ssize_t n = recv(w->fd, w->in + w->in_bytes, VS__WYOMING_EVENT_BYTES - w->in_bytes, 0);
        if (n < 0) {
            return errno == EAGAIN || errno == EINTR ? 0 : -errno;
        }
        if (n == 0) {
            return -ECONNRESET;
        }
        w->in_bytes += (size_t)n;
        status = take_events(w);
    }
    return status;
}

/* One look at the connection, waiting `timeout_ms` at the most.
    @return 0; -ECANCELED; -errno the connection is over */
static int look(struct vs__wyoming_client *w, int timeout_ms)
{
    bool wants = w->is_connecting || has_more(w);
    struct pollfd polled[2] = {{.fd = w->fd, .events = (short)(POLLIN | (wants ? POLLOUT : 0))},
                               {.fd = w->cancel_fd, .events = POLLIN}};

    if (poll(polled, 2, timeout_ms) < 0 && errno != EINTR) {
        return -errno;
    }
    if (w->is_cancelled) {
        return -ECANCELED;
    }
    if (w->is_connecting) {
        return polled[0].revents ? check_connected(w) : 0;
    }
    int status = (polled[0].revents & (POLLIN | POLLHUP | POLLERR)) ? read_some(w) : 0;
    return status == 0 && !w->is_done ? send_some(w) : status;
}

/* Bring the segment to its end on this connection, or another one if there is none. */
static int try_once(struct vs__wyoming_client *w)
{
    int status = w->fd >= 0 ? 0 : dial(w, false); /* perhaps a model is loaded */
    const int64_t begin = vs__mono_ns(), timeout_ns = w->timeout_s * INT64_C(1000000000);

    w->is_closing = true;
    while (status == 0 && !w->is_done) {
        int64_t end = VS__MAX(begin, w->alive_ns) + timeout_ns;
        int64_t left_ms = (end - vs__mono_ns()) / 1000000;
        status = left_ms > 0 ? look(w, (int)VS__MIN(left_ms, INT64_C(1000))) : -ETIMEDOUT;
        w->is_closing = true; /* also of a connection to the next address */
    }
    return status;
}

static void explain(struct vs__wyoming_client *w, int status)
{
    if (status == -ETIMEDOUT) {
        snprintf(w->why, sizeof(w->why), "did not answer in %ld s; timeout=… gives it longer",
                 w->timeout_s);
    } else if (status == -ECONNREFUSED || status == -ENOENT || status == -EHOSTUNREACH) {
        snprintf(w->why, sizeof(w->why), "cannot be reached: %s; is it running?",
                 strerror(-status));
    } else if (status != -EBADMSG && status != -EREMOTEIO) {
        snprintf(w->why, sizeof(w->why), "broke off: %s", strerror(-status));
    }
}

/* a segment --------------------------------------------------------------------------------- */

void vs__wyoming_begin(struct vs__wyoming_client *w, uint64_t segment)
{
    uint64_t ticks;

    while (read(w->cancel_fd, &ticks, sizeof(ticks)) > 0) {
    }
    w->segment = segment;
    w->audio.frames = 0;
    w->is_cancelled = w->is_done = w->has_news = false;
    forget_words(w);
    w->text[0] = '\0';
    if (dial(w, false) != 0) {
        disconnect(w); /* finish tries again, and says so if it fails */
    }
}

int vs__wyoming_feed(struct vs__wyoming_client *w, const float *audio, size_t frames)
{
    int status = w->is_cancelled ? -ECANCELED : vs__gather_feed(&w->audio, audio, frames);

    if (status != 0) {
        return status;
    }
    if (w->fd >= 0 && look(w, 0) != 0) {
        disconnect(w);
    }
    bool news = w->has_news;
    w->has_news = false;
    return news ? 1 : 0;
}

static void rest(const struct vs__wyoming_client *w, int ms)
{
    struct pollfd cancelled = {.fd = w->cancel_fd, .events = POLLIN};

    (void)poll(&cancelled, 1, ms);
}

/* One try failed. @return whether another may help */
static bool fail(struct vs__wyoming_client *w, int status, long tries)
{
    disconnect(w);
    explain(w, status);
    if (w->failed) {
        w->failed(w->user, status, w->why, sizeof(w->why));
    }
    if (status == -EBADMSG || status == -EREMOTEIO || tries >= w->tries) {
        vs__log(w->log, VS_LOG_ERROR, "stt", "%s %s (segment %llu, %ld %s)", w->peer, w->why,
                (unsigned long long)w->segment, tries, tries == 1 ? "try" : "tries");
        return false;
    }
    vs__log(w->log, VS_LOG_INFO, "stt", "%s %s; trying again", w->peer, w->why);
    return true;
}

int vs__wyoming_finish(struct vs__wyoming_client *w, const char **ret)
{
    int status = w->is_cancelled ? -ECANCELED : 0;
    long tries = 0;

    w->is_done = w->is_done || w->audio.frames == 0;
    while (status == 0 && !w->is_done) {
        status = try_once(w);
        tries++;
        if (status == 0 || status == -ECANCELED || !fail(w, status, tries)) {
            break;
        }
        rest(w, FIRST_PAUSE_MS << (tries - 1));
        status = w->is_cancelled ? -ECANCELED : 0;
    }
    disconnect(w);
    if (status == 0) {
        *ret = w->text;
    }
    return status;
}

/* A write to an eventfd, so safe in a signal handler. It counts until the next begin. */
void vs__wyoming_cancel(struct vs__wyoming_client *w)
{
    uint64_t one = 1;

    w->is_cancelled = true;
    ssize_t done = write(w->cancel_fd, &one, sizeof(one));
    (void)done; /* fails only when the counter is full: then it is cancelled */
}
