/* SPDX-License-Identifier: MIT */
/* HTTP by libmicrohttpd: GET alone, and only for those who may see it. */
#include "serve/serve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "page.h"

#define CLIENTS_MAX 16
#define PATIENCE_S  10

struct server {
    struct MHD_Daemon *daemon;
    serve_fn *answer;
    void *user;
    int local;
};

/* Whose process is at the other end. */
static int is_allowed_peer(struct MHD_Connection *c)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct ucred peer;
    socklen_t bytes = sizeof(peer);

    return info != NULL &&
           getsockopt(info->connect_fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) == 0 &&
           (peer.uid == geteuid() || peer.uid == 0);
}

/* A page of the web that was given our address under a name of its own must not read from us. */
static int is_loopback_name(const char *host)
{
    static const char *const names[] = {"127.0.0.1", "localhost", "[::1]"};

    for (size_t i = 0; host != NULL && i < sizeof(names) / sizeof(names[0]); i++) {
        size_t length = strlen(names[i]);
        if (strncmp(host, names[i], length) == 0 && (host[length] == 0 || host[length] == ':'))
            return 1;
    }
    return 0;
}

static enum MHD_Result reply(struct MHD_Connection *c, unsigned status, const char *type,
                             const char *body, size_t bytes, enum MHD_ResponseMemoryMode mode)
{
    struct MHD_Response *r = MHD_create_response_from_buffer(bytes, (void *)(uintptr_t)body, mode);

    if (r == NULL)
        return MHD_NO;
    (void)MHD_add_response_header(r, "Content-Type", type);
    (void)MHD_add_response_header(r, "Cache-Control", "no-store");
    (void)MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    (void)MHD_add_response_header(r, "Content-Security-Policy",
                                  "default-src 'none'; script-src 'unsafe-inline'; style-src "
                                  "'unsafe-inline'; connect-src 'self'");
    enum MHD_Result result = MHD_queue_response(c, status, r);
    MHD_destroy_response(r);
    return result;
}

static enum MHD_Result reply_words(struct MHD_Connection *c, unsigned status, const char *words)
{
    return reply(c, status, "text/plain; charset=utf-8", words, strlen(words),
                 MHD_RESPMEM_PERSISTENT);
}

static enum MHD_Result on_request(void *user, struct MHD_Connection *c, const char *path,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_bytes, void **state)
{
    struct server *s = user;
    struct serve_answer answer = {0};

    (void)version;
    (void)upload;
    (void)upload_bytes;
    (void)state;
    if (strcmp(method, "GET") != 0)
        return reply_words(c, MHD_HTTP_METHOD_NOT_ALLOWED, "only GET is answered\n");
    if (s->local ? !is_allowed_peer(c)
                 : !is_loopback_name(MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Host")))
        return reply_words(c, MHD_HTTP_FORBIDDEN, "only this machine and this user are answered\n");
    int status = s->answer(s->user, path,
                           MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "since"), &answer);
    if (status == -ENOENT)
        return reply_words(c, MHD_HTTP_NOT_FOUND, "there are /, /metrics and /live.json\n");
    if (status < 0)
        return reply_words(c, MHD_HTTP_INTERNAL_SERVER_ERROR, "no memory\n");
    if (answer.body == NULL)
        return reply(c, MHD_HTTP_OK, "text/html; charset=utf-8", (const char *)page, sizeof(page),
                     MHD_RESPMEM_PERSISTENT);
    return reply(c, MHD_HTTP_OK, answer.type, answer.body, answer.bytes, MHD_RESPMEM_MUST_FREE);
}

static int start(int fd, int local, serve_fn *answer, void *user, void **ret)
{
    struct server *s = calloc(1, sizeof(*s));

    if (s == NULL) {
        close(fd);
        return -ENOMEM;
    }
    *s = (struct server){.answer = answer, .user = user, .local = local};
    s->daemon = MHD_start_daemon(
        MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ITC | MHD_USE_POLL, 0, NULL, NULL, on_request, s,
        MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT, (unsigned)CLIENTS_MAX,
        MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)PATIENCE_S, MHD_OPTION_END);
    if (s->daemon == NULL) {
        free(s);
        close(fd);
        return -EAGAIN;
    }
    *ret = s;
    return 0;
}

static void stop(void *server)
{
    struct server *s = server;

    if (s == NULL)
        return;
    MHD_stop_daemon(s->daemon);
    free(s);
}

__attribute__((visibility("default"))) extern const struct serve_ops voicestand_serve;
const struct serve_ops voicestand_serve = {.abi = SERVE_ABI, .start = start, .stop = stop};
