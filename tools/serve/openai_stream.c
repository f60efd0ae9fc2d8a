/* SPDX-License-Identifier: MIT */
/* Hearing for an answer: on the connection's thread, or on one of its own while the connection's sends
   what there is already. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include "serve/openai.h"

enum { PATH_BYTES = 40, STACK_BYTES = 1024 * 1024, BLOCK_BYTES = 4096 };

static void make_path(const struct openai_form *f, char *path)
{
    snprintf(path, PATH_BYTES, "/proc/self/fd/%d", f->fd);
}

/* whole ---------------------------------------------------------------------------------------- */

struct whole {
    struct openai_heard *heard;
    int fd; /* of the connection */
};

static bool on_whole_event(void *user, const struct vs_event *e)
{
    struct whole *w = user;

    return openai_hear(w->heard, e) >= 0;
}

/* Nothing more comes from who asked, or it is gone. */
static bool is_whole_gone(void *user)
{
    const struct whole *w = user;
    struct pollfd polled = {.fd = w->fd, .events = POLLRDHUP};

    return poll(&polled, 1, 0) > 0 && (polled.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

static bool on_whole(void *user, const struct vs_event *e)
{
    return on_whole_event(user, e) && !is_whole_gone(user);
}

int openai_transcribe(const struct server_host *host, const struct openai_form *f,
                      struct MHD_Connection *c, struct openai_heard *ret,
                      struct openai_refusal *refusal)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct whole w = {.heard = ret, .fd = info != NULL ? info->connect_fd : -1};
    char path[PATH_BYTES];
    struct server_job job = {
        .text = true, .path = path, .event = on_whole, .is_gone = is_whole_gone, .user = &w};

    make_path(f, path);
    int status = host->hear(host->user, &job);
    openai_explain(&job, status, ret, refusal);
    return status;
}

/* stream --------------------------------------------------------------------------------------- */

struct openai_stream {
    const struct server_host *host;
    struct openai_refusal refusal;
    int fd; /* of the file; its own */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t news;
    char *out; /* with the lock, as what follows */
    size_t bytes, room, sent;
    bool is_over, is_abandoned;
    int status;
    /* the thread's */
    struct openai_heard heard;
};

/* Takes `text`, which may be NULL for want of memory. @return false: nobody reads it */
static bool put(struct openai_stream *s, char *text)
{
    size_t length = text != NULL ? strlen(text) : 0;

    pthread_mutex_lock(&s->lock);
    if (s->bytes + length > s->room) {
        size_t room = 2 * (s->bytes + length);
        char *more = realloc(s->out, room);

        s->out = more != NULL ? more : s->out;
        s->room = more != NULL ? room : s->room;
        s->is_abandoned = s->is_abandoned || more == NULL;
    }
    bool go = text != NULL && !s->is_abandoned;
    if (go) {
        memcpy(s->out + s->bytes, text, length);
        s->bytes += length;
        pthread_cond_signal(&s->news);
    }
    pthread_mutex_unlock(&s->lock);
    free(text);
    return go;
}

static bool is_abandoned(void *user)
{
    struct openai_stream *s = user;

    pthread_mutex_lock(&s->lock);
    bool abandoned = s->is_abandoned;
    pthread_mutex_unlock(&s->lock);
    return abandoned;
}

static bool on_stream_event(void *user, const struct vs_event *e)
{
    struct openai_stream *s = user;
    size_t before = s->heard.bytes;
    int got = openai_hear(&s->heard, e);

    if (got == 1)
        return put(s, openai_delta(s->heard.text + before));
    return got == 0 && !is_abandoned(s);
}

static void *run(void *user)
{
    struct openai_stream *s = user;
    char path[PATH_BYTES];
    struct server_job job = {
        .text = true, .path = path, .event = on_stream_event, .is_gone = is_abandoned, .user = s};

    snprintf(path, sizeof(path), "/proc/self/fd/%d", s->fd);
    int status = s->host->hear(s->host->user, &job);
    openai_explain(&job, status, &s->heard, &s->refusal);
    pthread_mutex_lock(&s->lock);
    bool told = s->bytes > 0; /* then it is too late for another status */
    pthread_mutex_unlock(&s->lock);
    if (s->refusal.status == 0)
        (void)put(s, openai_done(&s->heard));
    else if (told)
        (void)put(s, openai_error(&s->refusal, true));
    pthread_mutex_lock(&s->lock);
    s->status = status;
    s->is_over = true;
    pthread_cond_signal(&s->news);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

void openai_stream_end(struct openai_stream *s)
{
    pthread_mutex_lock(&s->lock);
    s->is_abandoned = true;
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->thread, NULL);
    close(s->fd);
    openai_heard_fini(&s->heard);
    pthread_cond_destroy(&s->news);
    pthread_mutex_destroy(&s->lock);
    free(s->out);
    free(s);
}

int openai_stream_start(const struct server_host *host, struct openai_form *f,
                        struct openai_refusal *refusal, struct openai_stream **ret)
{
    struct openai_stream *s = calloc(1, sizeof(*s));
    pthread_attr_t small;

    if (s == NULL)
        return -ENOMEM;
    s->host = host;
    s->fd = f->fd; /* its own, for the request may be over first */
    f->fd = -1;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->news, NULL);
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, STACK_BYTES);
    int status = -pthread_create(&s->thread, &small, run, s);
    pthread_attr_destroy(&small);
    if (status < 0) {
        f->fd = s->fd;
        free(s);
        return status;
    }
    pthread_mutex_lock(&s->lock);
    while (s->bytes == 0 && !s->is_over)
        pthread_cond_wait(&s->news, &s->lock);
    bool refused = s->bytes == 0;
    pthread_mutex_unlock(&s->lock);
    if (!refused) {
        *ret = s;
        return 0;
    }
    *refusal = s->refusal;
    status = s->status < 0 ? s->status : -EREMOTEIO;
    openai_stream_end(s);
    return status;
}

/* What is there; waits for it. On the connection's thread. */
static ssize_t read_stream(void *user, uint64_t at, char *to, size_t most)
{
    struct openai_stream *s = user;
    ssize_t n = MHD_CONTENT_READER_END_OF_STREAM;

    (void)at;
    pthread_mutex_lock(&s->lock);
    while (s->sent == s->bytes && !s->is_over)
        pthread_cond_wait(&s->news, &s->lock);
    size_t left = s->bytes - s->sent;
    if (left > 0) {
        n = (ssize_t)(left < most ? left : most);
        memcpy(to, s->out + s->sent, (size_t)n);
        s->sent += (size_t)n;
    }
    pthread_mutex_unlock(&s->lock);
    return n;
}

static void free_stream(void *user)
{
    openai_stream_end(user);
}

struct MHD_Response *openai_stream_response(struct openai_stream *s)
{
    return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, read_stream, s,
                                             free_stream);
}
