/* SPDX-License-Identifier: MIT */
/* A Wyoming server (faster-whisper, vosk, whisper.cpp and others, as Home Assistant uses them) as a
   text engine. Audio flows while it is spoken, on a connection for each segment; a server that
   tells what it hears so far is heard. What was spoken is kept until there is a text, so a
   connection that breaks costs time and no words. */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <voicestand/backend.h>

#include "base/base.h"
#include "modules/wyoming.h"
#include "stt/address.h"
#include "stt/child.h"
#include "stt/gather.h"

#define CHUNK_FRAMES    ((size_t)VS_RATE_HZ / 10)
#define OUT_BYTES       (2 * CHUNK_FRAMES + 1024)
#define TEXT_BYTES      ((size_t)65536)
#define DEFAULT_TIMEOUT 60
#define DEFAULT_TRIES   3
#define FIRST_PAUSE_MS  200 /* before the second try; then twice as long each time */

enum { MODEL, LANGUAGE, TIMEOUT_S, TRIES, SETTINGS };

struct wyoming {
    const struct vs_log *log;
    char *place;
    struct vs__setting settings[SETTINGS];
    long timeout_s, tries;
    struct sockaddr_un path; /* sun_family 0: TCP */
    struct addrinfo *hosts;
    uint64_t segment;
    struct vs__gather audio;
    int cancel_fd;
    _Atomic bool is_cancelled; /* until the next begin() */

    /* the connection */
    int fd;                      /* -1 = none */
    const struct addrinfo *host; /* that it goes to */
    bool is_connecting, is_begun, is_closing, is_closed;
    size_t sent_frames;
    char *out, *in;
    size_t out_bytes, out_at, in_bytes;

    bool is_done; /* `text` is what the server made of the segment */
    bool has_news;
    char *raw, *text; /* so far, as it came and cleaned */
    char why[300];    /* of the last failure */
};

/* addresses --------------------------------------------------------------------------------- */

static int say_address(const struct wyoming *w)
{
    vs__log(w->log, VS_LOG_ERROR, "stt",
            "wyoming needs the address of a server and not '%.100s', as in "
            "wyoming:127.0.0.1:10300 or wyoming:unix:/run/stt.socket",
            w->place);
    return -EINVAL;
}

static int set_path(struct wyoming *w, const char *path)
{
    if (path[0] != '/' || strlen(path) >= sizeof(w->path.sun_path)) {
        return say_address(w);
    }
    w->path.sun_family = AF_UNIX;
    strcpy(w->path.sun_path, path);
    return 0;
}

/* HOST:PORT, [v6]:PORT */
static int find_host(struct wyoming *w, const char *place)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    const char *colon = strrchr(place, ':');
    char host[256];

    size_t length = colon ? (size_t)(colon - place) : 0;
    if (length == 0 || length >= sizeof(host) || colon[1] == '\0' ||
        colon[1 + strspn(colon + 1, "0123456789")] != '\0' ||
        (place[0] == '[') != (place[length - 1] == ']') ||
        (place[0] != '[' && memchr(place, ':', length)) || strchr(place, '/')) {
        return say_address(w);
    }
    bool bare = place[0] == '[';
    snprintf(host, sizeof(host), "%.*s", (int)(length - 2 * bare), place + bare);
    int failed = getaddrinfo(host, colon + 1, &hints, &w->hosts);
    if (failed != 0) {
        vs__log(w->log, VS_LOG_ERROR, "stt", "%s: %s", w->place, gai_strerror(failed));
        return -ENOENT;
    }
    if (!vs__host_is_local(host)) {
        vs__log(w->log, VS_LOG_WARNING, "stt",
                "audio goes to %s in the clear: anybody on the way can hear it", host);
    }
    return 0;
}

static int find_place(struct wyoming *w)
{
    const char *place = w->place;

    if (strncmp(place, "unix:", 5) == 0) {
        place += strncmp(place, "unix://", 7) == 0 ? 7 : 5;
        return set_path(w, place);
    }
    return place[0] == '/' ? set_path(w, place)
                           : find_host(w, strncmp(place, "tcp://", 6) == 0 ? place + 6 : place);
}

static int open_wyoming(void *state, const struct vs_stt_params *params)
{
    static const char *const names[SETTINGS] = {"model", "language", "timeout", "tries"};
    struct wyoming *w = state;

    w->log = &params->env->log;
    w->fd = -1;
    w->cancel_fd = -1;
    for (size_t i = 0; i < SETTINGS; i++) {
        w->settings[i].name = names[i];
    }
    int status =
        vs__settings_read(w->log, "wyoming", params->argument, w->settings, SETTINGS, &w->place);
    if (status == 0) {
        status = vs__setting_number(w->log, "wyoming", &w->settings[TIMEOUT_S], 1, 3600,
                                    DEFAULT_TIMEOUT, &w->timeout_s);
    }
    if (status == 0) {
        status = vs__setting_number(w->log, "wyoming", &w->settings[TRIES], 1, 10, DEFAULT_TRIES,
                                    &w->tries);
    }
    if (status == 0) {
        status = find_place(w);
    }
    if (status != 0) {
        return status;
    }
    w->out = vs__alloc(OUT_BYTES);
    w->in = vs__alloc(VS__WYOMING_EVENT_BYTES);
    w->raw = vs__alloc(TEXT_BYTES);
    w->text = vs__alloc(3 * TEXT_BYTES);
    status = vs__gather_init(&w->audio);
    if (!w->out || !w->in || !w->raw || !w->text) {
        status = -ENOMEM;
    }
    w->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return w->cancel_fd < 0 ? -errno : status;
}

/* the connection ---------------------------------------------------------------------------- */

static void disconnect(struct wyoming *w)
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

/* @return 0, also while it is under way; -errno */
static int connect_to(struct wyoming *w, const struct sockaddr *address, socklen_t bytes)
{
    int one = 1;

    w->fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (w->fd < 0) {
        return -errno;
    }
    if (address->sa_family != AF_UNIX) {
        (void)setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    }
    if (connect(w->fd, address, bytes) == 0) {
        return 0;
    }
    w->is_connecting = errno == EINPROGRESS;
    return w->is_connecting ? 0 : -errno;
}

/* Begin a connection, to the first address of a host that does not refuse at once. */
static int begin_connection(struct wyoming *w, const struct addrinfo *host)
{
    int status = -ECONNREFUSED;

    disconnect(w);
    if (w->path.sun_family == AF_UNIX) {
        return connect_to(w, (const struct sockaddr *)&w->path, sizeof(w->path));
    }
    for (; host && status != 0; host = host->ai_next) {
        disconnect(w);
        w->host = host;
        status = connect_to(w, host->ai_addr, host->ai_addrlen);
    }
    return status;
}

static int check_connected(struct wyoming *w)
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
    return w->host && w->host->ai_next ? begin_connection(w, w->host->ai_next) : -error;
}

/* sending ----------------------------------------------------------------------------------- */

static int put(struct wyoming *w, const char *type, json_t *data, const void *payload, size_t bytes)
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

static int put_start(struct wyoming *w)
{
    json_t *wish = json_pack("{s:s*,s:s*}", "name", w->settings[MODEL].value, "language",
                             w->settings[LANGUAGE].value);
    int status = put(w, "transcribe", wish, NULL, 0);

    w->is_begun = true;
    return status == 0 ? put(w, "audio-start", format(), NULL, 0) : status;
}

/* Whether there is something to be sent. */
static bool has_more(const struct wyoming *w)
{
    return w->out_at < w->out_bytes || !w->is_begun || (w->is_closing && !w->is_closed) ||
           w->audio.frames - w->sent_frames >= CHUNK_FRAMES;
}

/* Make the next event, if there is one. */
static int make_next(struct wyoming *w)
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

static int send_some(struct wyoming *w)
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

static void show_text(struct wyoming *w)
{
    vs__words_clean(w->raw, strlen(w->raw), w->text);
}

/* @return 0, or -EREMOTEIO */
static int take_event(struct wyoming *w, const struct vs__wyoming_event *e)
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
        return 0; /* other types may come */
    }
    show_text(w);
    w->has_news = true;
    return 0;
}

/* Take all events that are complete. */
static int take_events(struct wyoming *w)
{
    size_t at = 0, used = 0;
    int got = 0, status = 0;

    while (status == 0 && !w->is_done) {
        struct vs__wyoming_event e;
        got = vs__wyoming_take(w->in + at, w->in_bytes - at, &e, &used);
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

static int read_some(struct wyoming *w)
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
static int look(struct wyoming *w, int timeout_ms)
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
static int try_once(struct wyoming *w)
{
    int64_t end = vs__mono_ns() + w->timeout_s * INT64_C(1000000000);
    int status = w->fd >= 0 ? 0 : begin_connection(w, w->hosts);

    w->is_closing = true;
    while (status == 0 && !w->is_done) {
        int64_t left_ms = (end - vs__mono_ns()) / 1000000;
        status = left_ms > 0 ? look(w, (int)VS__MIN(left_ms, INT64_C(1000))) : -ETIMEDOUT;
        w->is_closing = true; /* also of a connection to the next address */
    }
    return status;
}

static void explain(struct wyoming *w, int status)
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

/* the table --------------------------------------------------------------------------------- */

static int begin_wyoming(void *state, uint64_t segment)
{
    struct wyoming *w = state;
    uint64_t ticks;

    while (read(w->cancel_fd, &ticks, sizeof(ticks)) > 0) {
    }
    w->segment = segment;
    w->audio.frames = 0;
    w->is_cancelled = w->is_done = w->has_news = false;
    w->text[0] = '\0';
    if (begin_connection(w, w->hosts) != 0) {
        disconnect(w); /* finish() tries again, and says so if it fails */
    }
    return 0;
}

static int feed_wyoming(void *state, const float *audio, size_t frames)
{
    struct wyoming *w = state;
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

static int partial_wyoming(void *state, const char **ret)
{
    struct wyoming *w = state;

    *ret = w->text;
    return 0;
}

static void rest(const struct wyoming *w, int ms)
{
    struct pollfd cancelled = {.fd = w->cancel_fd, .events = POLLIN};

    (void)poll(&cancelled, 1, ms);
}

static int finish_wyoming(void *state, const char **ret)
{
    struct wyoming *w = state;
    int status = w->is_cancelled ? -ECANCELED : 0;
    long tries = 0;

    if (w->audio.frames == 0 && status == 0) {
        w->is_done = true;
    }
    while (status == 0 && !w->is_done) {
        status = try_once(w);
        tries++;
        if (status == 0 || status == -ECANCELED) {
            break;
        }
        disconnect(w);
        explain(w, status);
        if (status == -EBADMSG || status == -EREMOTEIO || tries >= w->tries) {
            vs__log(w->log, VS_LOG_ERROR, "stt", "wyoming server %s %s (segment %llu, %ld %s)",
                    w->place, w->why, (unsigned long long)w->segment, tries,
                    tries == 1 ? "try" : "tries");
            break;
        }
        vs__log(w->log, VS_LOG_INFO, "stt", "wyoming server %s %s; trying again", w->place, w->why);
        rest(w, FIRST_PAUSE_MS << (tries - 1));
        status = w->is_cancelled ? -ECANCELED : 0;
    }
    disconnect(w);
    if (status == 0) {
        *ret = w->text;
    }
    return status;
}

/* A write to an eventfd, so safe in a signal handler. It counts until the next begin(). */
static void cancel_wyoming(void *state)
{
    struct wyoming *w = state;
    uint64_t one = 1;

    w->is_cancelled = true;
    ssize_t done = write(w->cancel_fd, &one, sizeof(one));
    (void)done; /* fails only when the counter is full: then it is cancelled */
}

static void close_wyoming(void *state)
{
    struct wyoming *w = state;

    if (w->fd >= 0) {
        close(w->fd);
    }
    if (w->cancel_fd >= 0) {
        close(w->cancel_fd);
    }
    if (w->hosts) {
        freeaddrinfo(w->hosts);
    }
    vs__settings_free(w->settings, SETTINGS);
    vs__gather_fini(&w->audio);
    vs__free(w->place);
    vs__free(w->out);
    vs__free(w->in);
    vs__free(w->raw);
    vs__free(w->text);
}

static const struct vs_stt_ops WYOMING = {
    .abi = VS_BACKEND_ABI,
    .name = "wyoming",
    .description = "a Wyoming server, as Home Assistant uses them",
    .state_size = sizeof(struct wyoming),
    .open = open_wyoming,
    .begin = begin_wyoming,
    .feed = feed_wyoming,
    .partial = partial_wyoming,
    .finish = finish_wyoming,
    .cancel = cancel_wyoming,
    .close = close_wyoming,
};

extern const struct vs_module vs_module_entry;
VS_API const struct vs_module vs_module_entry = {.abi = VS_BACKEND_ABI, .stt = &WYOMING};
