/* SPDX-License-Identifier: MIT */
/* One output that many threads write; the parts come out in order. */
#include "common/ordered.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/progress.h"

struct part {
    struct ordered *owner;
    char *waiting; /* written before its turn */
    size_t length, capacity;
    bool complete;
};

struct ordered {
    pthread_mutex_t lock;
    int fd;
    int error;     /* first one, -errno */
    bool terminal; /* the progress line must make room */
    bool closed;
    size_t turn, count;
    struct part *parts;
};

struct ordered *ordered_create(int fd, size_t count)
{
    struct ordered *o = calloc(1, sizeof(*o));

    if (o == NULL)
        return NULL;
    o->parts = calloc(count, sizeof(*o->parts));
    if (o->parts == NULL) {
        free(o);
        return NULL;
    }
    pthread_mutex_init(&o->lock, NULL);
    o->fd = fd;
    o->terminal = isatty(fd);
    o->count = count;
    for (size_t i = 0; i < count; i++)
        o->parts[i].owner = o;
    return o;
}

/* With the lock held. */
static int write_all(struct ordered *o, const char *data, size_t length)
{
    if (o->terminal)
        progress_hide();
    while (length > 0 && o->error == 0) {
        ssize_t written = write(o->fd, data, length);

        if (written < 0 && errno != EINTR)
            o->error = -errno;
        if (written > 0) {
            data += written;
            length -= (size_t)written;
        }
    }
    if (o->terminal)
        progress_show();
    return o->error;
}

static int keep(struct part *p, const char *data, size_t length)
{
    if (length > p->capacity - p->length) {
        size_t capacity = 2 * (p->capacity + length);
        char *grown = realloc(p->waiting, capacity);

        if (grown == NULL)
            return -ENOMEM;
        p->waiting = grown;
        p->capacity = capacity;
    }
    memcpy(p->waiting + p->length, data, length);
    p->length += length;
    return 0;
}

/* With the lock held. */
static void write_waiting(struct ordered *o, struct part *p)
{
    write_all(o, p->waiting, p->length);
    free(p->waiting);
    p->waiting = NULL;
    p->length = p->capacity = 0;
}

static ssize_t part_write(void *cookie, const char *data, size_t length)
{
    struct part *p = cookie;
    struct ordered *o = p->owner;
    int status;

    pthread_mutex_lock(&o->lock);
    status = o->error;
    if (o->closed && status == 0)
        status = -ECANCELED;
    if (status == 0 && (size_t)(p - o->parts) == o->turn) {
        write_waiting(o, p);
        status = write_all(o, data, length);
    } else if (status == 0) {
        status = keep(p, data, length);
    }
    pthread_mutex_unlock(&o->lock);
    if (status == 0)
        return (ssize_t)length;
    errno = -status;
    return 0; /* how a stream of one's own reports failure */
}

FILE *ordered_open(struct ordered *o, size_t index)
{
    cookie_io_functions_t functions = {.write = part_write};
    FILE *stream = fopencookie(&o->parts[index], "w", functions);

    if (stream != NULL)
        setvbuf(stream, NULL, _IOFBF, 1 << 15);
    return stream;
}

int ordered_finish(struct ordered *o, size_t index)
{
    int status;

    pthread_mutex_lock(&o->lock);
    o->parts[index].complete = true;
    while (!o->closed && o->turn < o->count && o->parts[o->turn].complete)
        write_waiting(o, &o->parts[o->turn++]);
    status = o->error;
    pthread_mutex_unlock(&o->lock);
    return status;
}

int ordered_flush(struct ordered *o)
{
    int status;

    pthread_mutex_lock(&o->lock);
    for (size_t i = o->turn; i < o->count && !o->closed; i++)
        if (o->parts[i].complete)
            write_waiting(o, &o->parts[i]);
    o->closed = true;
    status = o->error;
    pthread_mutex_unlock(&o->lock);
    return status;
}

int ordered_error(struct ordered *o)
{
    int status;

    pthread_mutex_lock(&o->lock);
    status = o->error;
    pthread_mutex_unlock(&o->lock);
    return status;
}

void ordered_destroy(struct ordered *o)
{
    if (o == NULL)
        return;
    for (size_t i = 0; i < o->count; i++)
        free(o->parts[i].waiting);
    pthread_mutex_destroy(&o->lock);
    free(o->parts);
    free(o);
}
