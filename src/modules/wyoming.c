/* SPDX-License-Identifier: MIT */
/* A Wyoming server (faster-whisper, vosk, whisper.cpp and others, as Home Assistant uses them) as a
   text engine. Audio flows while it is spoken, on a connection for each segment; a server that
   tells what it hears so far is heard. What was spoken is kept until there is a text, so a
   connection that breaks costs time and no words. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <voicestand/backend.h>

#include "base/base.h"
#include "modules/wyoming_client.h"
#include "stt/address.h"

#define DEFAULT_TIMEOUT 60
#define DEFAULT_TRIES   3

enum { MODEL, LANGUAGE, TIMEOUT_S, TRIES, SETTINGS };

struct wyoming {
    struct vs__wyoming_client client;
    char *place;
    char peer[160];
    struct vs__setting settings[SETTINGS];
    struct sockaddr_un path; /* sun_family 0: TCP */
    struct addrinfo *hosts;
    const struct addrinfo *host; /* tried last */
};

/* addresses --------------------------------------------------------------------------------- */

static int say_address(const struct wyoming *w)
{
    vs__log(w->client.log, VS_LOG_ERROR, "stt",
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
        vs__log(w->client.log, VS_LOG_ERROR, "stt", "%s: %s", w->place, gai_strerror(failed));
        return -ENOENT;
    }
    if (!vs__host_is_local(host)) {
        vs__log(w->client.log, VS_LOG_WARNING, "stt",
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

/* A socket that connects to one address. @return it, also while it is under way; -errno */
static int connect_to(const struct sockaddr *address, socklen_t bytes, bool *ret_connecting)
{
    int one = 1;
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0) {
        return -errno;
    }
    if (address->sa_family != AF_UNIX) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    }
    *ret_connecting = connect(fd, address, bytes) != 0;
    if (*ret_connecting && errno != EINPROGRESS) {
        int status = -errno;
        close(fd);
        return status;
    }
    return fd;
}

/* The first address of a host that does not refuse at once; or the next one behind the last. */
static int dial_wyoming(void *user, bool other, bool *ret_connecting)
{
    struct wyoming *w = user;
    int fd = -ENOENT;

    if (w->path.sun_family == AF_UNIX) {
        return other
                   ? -ENOENT
                   : connect_to((const struct sockaddr *)&w->path, sizeof(w->path), ret_connecting);
    }
    w->host = other && w->host ? w->host->ai_next : other ? NULL : w->hosts;
    for (; w->host; w->host = w->host->ai_next) {
        fd = connect_to(w->host->ai_addr, w->host->ai_addrlen, ret_connecting);
        if (fd >= 0) {
            break;
        }
    }
    return fd;
}

static int open_wyoming(void *state, const struct vs_stt_params *params)
{
    static const char *const names[SETTINGS] = {"model", "language", "timeout", "tries"};
    struct wyoming *w = state;

    w->client.log = &params->env->log;
    w->client.fd = w->client.cancel_fd = -1;
    for (size_t i = 0; i < SETTINGS; i++) {
        w->settings[i].name = names[i];
    }
    int status = vs__settings_read(w->client.log, "wyoming", params->argument, w->settings,
                                   SETTINGS, &w->place);
    if (status == 0) {
        status = vs__setting_number(w->client.log, "wyoming", &w->settings[TIMEOUT_S], 1, 3600,
                                    DEFAULT_TIMEOUT, &w->client.timeout_s);
    }
    if (status == 0) {
        status = vs__setting_number(w->client.log, "wyoming", &w->settings[TRIES], 1, 10,
                                    DEFAULT_TRIES, &w->client.tries);
    }
    if (status == 0) {
        status = find_place(w);
    }
    if (status != 0) {
        return status;
    }
    snprintf(w->peer, sizeof(w->peer), "wyoming server %.120s", w->place);
    w->client.peer = w->peer;
    w->client.model = w->settings[MODEL].value;
    w->client.language = w->settings[LANGUAGE].value;
    w->client.user = w;
    w->client.dial = dial_wyoming;
    return vs__wyoming_init(&w->client);
}

/* the table --------------------------------------------------------------------------------- */

static int begin_wyoming(void *state, uint64_t segment)
{
    struct wyoming *w = state;

    vs__wyoming_begin(&w->client, segment);
    return 0;
}

static int feed_wyoming(void *state, const float *audio, size_t frames)
{
    struct wyoming *w = state;

    return vs__wyoming_feed(&w->client, audio, frames);
}

static int partial_wyoming(void *state, const char **ret)
{
    const struct wyoming *w = state;

    *ret = w->client.text;
    return 0;
}

static int finish_wyoming(void *state, const char **ret)
{
    struct wyoming *w = state;

    return vs__wyoming_finish(&w->client, ret);
}

static void cancel_wyoming(void *state)
{
    struct wyoming *w = state;

    vs__wyoming_cancel(&w->client);
}

static void close_wyoming(void *state)
{
    struct wyoming *w = state;

    vs__wyoming_fini(&w->client);
    if (w->hosts) {
        freeaddrinfo(w->hosts);
    }
    vs__settings_free(w->settings, SETTINGS);
    vs__free(w->place);
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
