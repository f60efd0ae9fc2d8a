/* SPDX-License-Identifier: MIT */
/* The module that answers OpenAI's form of transcription, by libmicrohttpd: a thread for each
   connection, which may hear for as long as it takes. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "serve/openai.h"

enum { STACK_BYTES = 1024 * 1024, LOOK_MS = 500, DRAIN = 4 };

#define TRANSCRIPTIONS "/v1/audio/transcriptions"
#define MODELS         "/v1/models"

/* A connection, so that one that never gets to a request can be ended. */
struct connection {
    int fd;           /* -1 = none */
    int64_t since_ms; /* without a request; 0 = there is one */
};

struct server {
    const struct server_host *host;
    bool is_local;
    pthread_mutex_t lock;
    struct connection *connections;
};

struct request {
    int64_t end_ms;
    size_t body_bytes;
    bool wants_form;
    struct openai_refusal refusal;
    struct openai_form form;
};

static int64_t clock_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* who asks ------------------------------------------------------------------------------------- */

static int fd_of(struct MHD_Connection *c)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);

    return info != NULL ? info->connect_fd : -1;
}

static bool is_ours(int fd)
{
    struct ucred peer;
    socklen_t bytes = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) == 0 &&
           (peer.uid == geteuid() || peer.uid == 0);
}

/* "127.0.0.1", with a port or without. */
static bool is_loopback_name(const char *host)
{
    static const char *const names[] = {"127.0.0.1", "localhost", "[::1]"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        size_t length = strlen(names[i]);
        if (strncmp(host, names[i], length) == 0 && (host[length] == 0 || host[length] == ':'))
            return true;
    }
    return false;
}

/* A page of the web, which may have given our address a name of its own, is not let in. */
static bool is_web(struct MHD_Connection *c)
{
    const char *host = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Host");
    const char *origin = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Origin");
    const char *name = origin != NULL ? strstr(origin, "://") : NULL;

    return host == NULL || !is_loopback_name(host) ||
           (origin != NULL && (name == NULL || !is_loopback_name(name + 3)));
}

/* Takes as long for a wrong key as for a right one. */
static bool has_key(struct MHD_Connection *c, const char *key)
{
    const char *shown = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Authorization");
    size_t length = strlen(key), shown_length;
    unsigned differ = 0;

    if (shown == NULL || strncasecmp(shown, "Bearer ", 7) != 0)
        return false;
    shown += 7;
    shown_length = strlen(shown);
    for (size_t i = 0; i < length; i++)
        differ |= (unsigned)(key[i] ^ (i < shown_length ? shown[i] : 0));
    return differ == 0 && shown_length == length;
}

static void check_client(const struct server *s, struct MHD_Connection *c, struct openai_refusal *r)
{
    if (s->is_local && !is_ours(fd_of(c)))
        openai_refuse(r, MHD_HTTP_FORBIDDEN, "forbidden", NULL,
                      "only the user that runs this server is served");
    if (s->host->own_names && s->host->key == NULL && is_web(c))
        openai_refuse(r, MHD_HTTP_FORBIDDEN, "forbidden", NULL,
                      "only programs of this machine are served, by its loopback names");
    if (s->host->key != NULL && !has_key(c, s->host->key))
        openai_refuse(r, MHD_HTTP_UNAUTHORIZED, "invalid_api_key", NULL,
                      "the key is missing or wrong: Authorization: Bearer KEY");
}

/* answers -------------------------------------------------------------------------------------- */

/* Takes `body`, which is NULL for want of memory. */
static enum MHD_Result reply(struct MHD_Connection *c, unsigned status, const char *type,
                             char *body)
{
    struct MHD_Response *r =
        body != NULL ? MHD_create_response_from_buffer(strlen(body), body, MHD_RESPMEM_MUST_FREE)
                     : NULL;

    if (r == NULL) {
        free(body);
        return MHD_NO;
    }
    (void)MHD_add_response_header(r, "Content-Type", type);
    (void)MHD_add_response_header(r, "Cache-Control", "no-store");
    if (status == MHD_HTTP_UNAUTHORIZED)
        (void)MHD_add_response_header(r, "WWW-Authenticate", "Bearer");
    if (status == MHD_HTTP_SERVICE_UNAVAILABLE)
        (void)MHD_add_response_header(r, "Retry-After", "5");
    if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
        (void)MHD_add_response_header(r, "Allow", "GET, HEAD, POST");
    enum MHD_Result result = MHD_queue_response(c, status, r);
    MHD_destroy_response(r);
    return result;
}

static enum MHD_Result reply_refusal(struct MHD_Connection *c, const struct openai_refusal *r)
{
    return reply(c, r->status, "application/json", openai_error(r, false));
}

static enum MHD_Result reply_stream(struct MHD_Connection *c, struct openai_stream *stream)
{
    struct MHD_Response *r = openai_stream_response(stream);

    if (r == NULL) {
        openai_stream_end(stream);
        return MHD_NO;
    }
    (void)MHD_add_response_header(r, "Content-Type", "text/event-stream; charset=utf-8");
    (void)MHD_add_response_header(r, "Cache-Control", "no-store");
    enum MHD_Result result = MHD_queue_response(c, MHD_HTTP_OK, r);
    MHD_destroy_response(r);
    return result;
}

static enum MHD_Result transcribe(const struct server *s, struct MHD_Connection *c,
                                  struct request *q)
{
    struct openai_stream *stream = NULL;
    struct openai_heard heard = {0};
    enum MHD_Result result;
    const char *type = NULL;
    int status;

    /* The time that hearing takes is nobody's silence; setting it anew begins it anew. */
    (void)MHD_set_connection_option(c, MHD_CONNECTION_OPTION_TIMEOUT, 0u);
    if (q->form.stream)
        status = openai_stream_start(s->host, &q->form, &q->refusal, &stream);
    else
        status = openai_transcribe(s->host, &q->form, c, &heard, &q->refusal);
    if (!q->form.stream)
        (void)MHD_set_connection_option(c, MHD_CONNECTION_OPTION_TIMEOUT, s->host->idle_s);
    if (q->refusal.status != 0)
        result = reply_refusal(c, &q->refusal);
    else if (status < 0)
        result = MHD_NO;
    else if (stream != NULL)
        result = reply_stream(c, stream);
    else {
        char *body = openai_answer(s->host, &q->form, &heard, &type);
        result = reply(c, MHD_HTTP_OK, type, body);
    }
    openai_heard_fini(&heard);
    return result;
}

static enum MHD_Result answer_get(const struct server *s, struct MHD_Connection *c,
                                  const char *path, struct request *q)
{
    bool one = strncmp(path, MODELS "/", sizeof(MODELS)) == 0 &&
               strcmp(path + sizeof(MODELS), s->host->engine) == 0;

    if (q->refusal.status == 0 && (one || strcmp(path, MODELS) == 0))
        return reply(c, MHD_HTTP_OK, "application/json", openai_models(s->host, !one));
    openai_refuse(&q->refusal, MHD_HTTP_NOT_FOUND, "not_found", NULL,
                  "there are POST " TRANSCRIPTIONS ", GET " MODELS " and GET /health");
    return reply_refusal(c, &q->refusal);
}

/* requests ------------------------------------------------------------------------------------- */

static void mark(struct server *s, int fd, int64_t since_ms)
{
    pthread_mutex_lock(&s->lock);
    for (uint32_t i = 0; i < s->host->clients; i++)
        if (s->connections[i].fd == fd)
            s->connections[i].since_ms = since_ms;
    pthread_mutex_unlock(&s->lock);
}

/* Its head is there. */
static struct request *begin_request(struct server *s, struct MHD_Connection *c, const char *path,
                                     const char *method)
{
    struct request *q = calloc(1, sizeof(*q));
    bool post = strcmp(method, "POST") == 0;
    bool get = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;

    if (q == NULL)
        return NULL;
    mark(s, fd_of(c), 0);
    q->form.fd = -1;
    q->end_ms = clock_ms() + (int64_t)s->host->request_s * 1000;
    if (strcmp(path, "/health") != 0)
        check_client(s, c, &q->refusal);
    q->wants_form = post && strcmp(path, TRANSCRIPTIONS) == 0;
    if ((!post && !get) || (get && strcmp(path, TRANSCRIPTIONS) == 0) ||
        (post && (strcmp(path, MODELS) == 0 || strcmp(path, "/health") == 0)))
        openai_refuse(&q->refusal, MHD_HTTP_METHOD_NOT_ALLOWED, "method_not_allowed", NULL,
                      "this path is not asked in this way");
    if (q->wants_form && q->refusal.status == 0 &&
        openai_form_init(&q->form, c, s->host->upload_bytes, &q->refusal) < 0)
        openai_refuse(&q->refusal, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE, "invalid_form", NULL,
                      "the request is no multipart/form-data with a boundary");
    return q;
}

/* What is refused is read on for a while, so that its client does not lose the answer over it. */
static enum MHD_Result take_body(const struct server *s, struct request *q, const char *data,
                                 size_t bytes)
{
    q->body_bytes += bytes;
    if (clock_ms() > q->end_ms || q->body_bytes / DRAIN > s->host->upload_bytes)
        return MHD_NO;
    if (q->refusal.status == 0 && q->form.parser != NULL)
        openai_form_feed(&q->form, data, bytes);
    return MHD_YES;
}

static enum MHD_Result on_request(void *user, struct MHD_Connection *c, const char *path,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_bytes, void **state)
{
    struct server *s = user;
    struct request *q = *state;

    (void)version;
    if (q == NULL) {
        q = *state = begin_request(s, c, path, method);
        return q != NULL ? MHD_YES : MHD_NO;
    }
    if (*upload_bytes > 0) {
        size_t bytes = *upload_bytes;

        *upload_bytes = 0;
        return take_body(s, q, upload, bytes);
    }
    if (q->form.parser != NULL)
        openai_form_end(&q->form);
    if (q->refusal.status != 0)
        return reply_refusal(c, &q->refusal);
    if (q->wants_form)
        return transcribe(s, c, q);
    if (strcmp(path, "/health") == 0)
        return reply(c, MHD_HTTP_OK, "application/json", openai_health(s->host));
    return answer_get(s, c, path, q);
}

static void on_completed(void *user, struct MHD_Connection *c, void **state,
                         enum MHD_RequestTerminationCode why)
{
    struct server *s = user;
    struct request *q = *state;

    (void)why;
    if (q == NULL)
        return;
    openai_form_fini(&q->form);
    free(q);
    *state = NULL;
    mark(s, fd_of(c), clock_ms());
}

/* connections ---------------------------------------------------------------------------------- */

static void on_connection(void *user, struct MHD_Connection *c, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct server *s = user;
    bool came = what == MHD_CONNECTION_NOTIFY_STARTED;
    int fd = fd_of(c);

    (void)context;
    pthread_mutex_lock(&s->lock);
    for (uint32_t i = 0; i < s->host->clients; i++)
        if (s->connections[i].fd == (came ? -1 : fd)) {
            s->connections[i] = (struct connection){.fd = came ? fd : -1, .since_ms = clock_ms()};
            break;
        }
    pthread_mutex_unlock(&s->lock);
}

/* The library's time begins anew with each byte; this one does not. */
static void end_idle(struct server *s)
{
    int64_t before_ms = clock_ms() - (int64_t)s->host->idle_s * 1000;

    pthread_mutex_lock(&s->lock);
    for (uint32_t i = 0; i < s->host->clients; i++)
        if (s->connections[i].fd >= 0 && s->connections[i].since_ms > 0 &&
            s->connections[i].since_ms < before_ms)
            shutdown(s->connections[i].fd, SHUT_RDWR);
    pthread_mutex_unlock(&s->lock);
}

static int run(int fd, bool local, int stop_fd, bool mic, const struct server_host *host)
{
    struct server s = {.host = host,
                       .is_local = local,
                       .lock = PTHREAD_MUTEX_INITIALIZER,
                       .connections = calloc(host->clients, sizeof(*s.connections))};
    struct pollfd stop = {.fd = stop_fd, .events = POLLIN};
    int own = dup(fd); /* the daemon closes what it is given */

    (void)mic;
    for (uint32_t i = 0; s.connections != NULL && i < host->clients; i++)
        s.connections[i].fd = -1;
    struct MHD_Daemon *daemon =
        s.connections == NULL || own < 0
            ? NULL
            : MHD_start_daemon(MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
                                   MHD_USE_POLL | MHD_USE_ITC,
                               0, NULL, NULL, on_request, &s, MHD_OPTION_LISTEN_SOCKET, own,
                               MHD_OPTION_CONNECTION_LIMIT, host->clients,
                               MHD_OPTION_CONNECTION_TIMEOUT, host->idle_s,
                               MHD_OPTION_THREAD_STACK_SIZE, (size_t)STACK_BYTES,
                               MHD_OPTION_NOTIFY_COMPLETED, on_completed, &s,
                               MHD_OPTION_NOTIFY_CONNECTION, on_connection, &s, MHD_OPTION_END);
    if (daemon == NULL) {
        if (own >= 0)
            close(own);
        free(s.connections);
        return -EAGAIN;
    }
    while (poll(&stop, 1, LOOK_MS) <= 0)
        end_idle(&s);
    MHD_stop_daemon(daemon);
    free(s.connections);
    return 0;
}

__attribute__((visibility("default"))) extern const struct server_ops voicestand_server;
const struct server_ops voicestand_server = {.abi = SERVER_ABI, .run = run};
