/* SPDX-License-Identifier: MIT */
#include "dictate/control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/manager.h"

enum { MOST = 32, VERB_BYTES = 64, ANSWER_MS = 5000 };

struct client {
    int fd; /* -1 = none */
    enum control_level level;
    char verb[VERB_BYTES];
    size_t bytes;
};

struct control {
    struct sockaddr_un path;
    int listener, waker;
    pthread_mutex_t lock; /* of the clients */
    struct client clients[MOST];
};

static int set_path(struct sockaddr_un *to, const char *path)
{
    memset(to, 0, sizeof(*to));
    to->sun_family = AF_UNIX;
    if (path[0] == '\0' || strlen(path) >= sizeof(to->sun_path))
        return -ENAMETOOLONG;
    strcpy(to->sun_path, path);
    return 0;
}

int control_path(const char *asked, char *ret, size_t bytes)
{
    const char *base = getenv("XDG_RUNTIME_DIR");
    int n;

    if (asked != NULL) {
        n = snprintf(ret, bytes, "%s", asked);
    } else {
        if (base == NULL || base[0] != '/')
            return -ENOENT;
        n = snprintf(ret, bytes, "%s/voicestand", base);
        if (n > 0 && (size_t)n < bytes && mkdir(ret, 0700) < 0 && errno != EEXIST)
            return -errno;
        n = snprintf(ret, bytes, "%s/voicestand/dictate", base);
    }
    return n < 0 || (size_t)n >= bytes ? -ENAMETOOLONG : 0;
}

static int dial(const struct sockaddr_un *path)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return -errno;
    if (connect(fd, (const struct sockaddr *)path, sizeof(*path)) < 0) {
        int status = -errno;
        close(fd);
        return status;
    }
    return fd;
}

/* Whether the process that listens there lives. One that was killed while it started another program is
   survived by its sockets, until that program begins. */
static bool is_served(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || peer.pid <= 0 ||
           kill(peer.pid, 0) == 0 || errno != ESRCH;
}

/* Nobody else may connect, from the first instant on: the mode is that of the file when it comes into
   being. */
static int listen_at(const struct sockaddr_un *path)
{
    int fd = dial(path);

    if (fd >= 0) {
        bool served = is_served(fd);
        close(fd);
        if (served)
            return -EADDRINUSE;
    }
    if (fd >= 0 || fd == -ECONNREFUSED) /* left over from a service that was killed */
        unlink(path->sun_path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && fchmod(fd, 0600) == 0 &&
        bind(fd, (const struct sockaddr *)path, sizeof(*path)) == 0 && listen(fd, MOST) == 0)
        return fd;
    int status = -errno;
    if (fd >= 0)
        close(fd);
    return status;
}

int control_open(const char *path, struct control **ret)
{
    struct control *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return -ENOMEM;
    for (int i = 0; i < MOST; i++)
        c->clients[i].fd = -1;
    pthread_mutex_init(&c->lock, NULL);
    int status = set_path(&c->path, path);
    c->waker = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (status == 0 && c->waker < 0)
        status = -errno;
    int handed = status == 0 ? manager_socket() : status;
    if (handed >= 0)
        c->path.sun_path[0] = '\0'; /* its owner listens on when we are gone */
    c->listener = handed >= 0 ? handed : status == 0 ? listen_at(&c->path) : status;
    if (handed >= 0)
        (void)fcntl(handed, F_SETFL, O_NONBLOCK);
    if (c->listener < 0) {
        status = c->listener;
        c->path.sun_path[0] = '\0'; /* it is not ours */
        control_close(c);
        return status;
    }
    *ret = c;
    return 0;
}

/* With the lock. */
static void hang_up(struct client *client)
{
    close(client->fd);
    *client = (struct client){.fd = -1};
}

void control_stop(struct control *c)
{
    pthread_mutex_lock(&c->lock);
    for (int i = 0; i < MOST; i++)
        if (c->clients[i].fd >= 0)
            hang_up(&c->clients[i]);
    pthread_mutex_unlock(&c->lock);
    if (c->listener >= 0)
        close(c->listener);
    c->listener = -1;
}

void control_close(struct control *c)
{
    if (c == NULL)
        return;
    control_stop(c);
    if (c->path.sun_path[0] != '\0')
        unlink(c->path.sun_path);
    if (c->waker >= 0)
        close(c->waker);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

void control_wake(struct control *c)
{
    uint64_t one = 1;

    (void)!write(c->waker, &one, sizeof(one));
}

/* The kernel keeps others out by the mode of the file; this does even where somebody changed it. */
static bool is_ours(int fd)
{
    struct ucred peer;
    socklen_t bytes = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) == 0 &&
           (peer.uid == geteuid() || peer.uid == 0);
}

static void welcome(struct control *c)
{
    int fd = accept4(c->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0)
        return;
    pthread_mutex_lock(&c->lock);
    for (int i = 0; fd >= 0 && i < MOST && is_ours(fd); i++)
        if (c->clients[i].fd < 0) {
            c->clients[i].fd = fd;
            fd = -1;
        }
    pthread_mutex_unlock(&c->lock);
    if (fd >= 0)
        close(fd);
}

/* With the lock; a line or nothing. */
static bool send_line(struct client *client, const char *line, size_t bytes)
{
    ssize_t n = send(client->fd, line, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);

    return n == (ssize_t)bytes;
}

void control_tell(struct control *c, enum control_level level, const char *line)
{
    size_t bytes = strlen(line) + 1;
    char *whole = malloc(bytes);

    if (whole == NULL)
        return;
    memcpy(whole, line, bytes);
    whole[bytes - 1] = '\n';
    pthread_mutex_lock(&c->lock);
    for (int i = 0; i < MOST; i++)
        if (c->clients[i].fd >= 0 && c->clients[i].level >= level &&
            !send_line(&c->clients[i], whole, bytes))
            shutdown(c->clients[i].fd, SHUT_RDWR); /* serve() sees its end */
    pthread_mutex_unlock(&c->lock);
    free(whole);
}

bool control_followed(struct control *c, enum control_level level)
{
    bool any = false;

    pthread_mutex_lock(&c->lock);
    for (int i = 0; i < MOST; i++)
        any = any || (c->clients[i].fd >= 0 && c->clients[i].level >= level);
    pthread_mutex_unlock(&c->lock);
    return any;
}

/* A whole word came. */
static void answer(struct control *c, struct client *client,
                   enum control_level (*ask)(void *user, const char *verb, FILE *answer),
                   void *user)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&text, &bytes);
    enum control_level level = to != NULL ? ask(user, client->verb, to) : CONTROL_NONE;

    if (to == NULL || fclose(to) != 0)
        bytes = 0;
    pthread_mutex_lock(&c->lock);
    if (!send_line(client, text, bytes) || level == CONTROL_NONE)
        hang_up(client);
    else
        client->level = level;
    pthread_mutex_unlock(&c->lock);
    free(text);
}

/* @return a word is complete */
static bool hear_verb(struct control *c, struct client *client)
{
    bool whole = false;

    pthread_mutex_lock(&c->lock);
    size_t room = sizeof(client->verb) - client->bytes;
    ssize_t n = room > 0 ? recv(client->fd, client->verb + client->bytes, room, 0) : 0;
    if (n > 0 && client->level == CONTROL_NONE) {
        client->bytes += (size_t)n;
        char *end = memchr(client->verb, '\n', client->bytes);
        if (end != NULL)
            *end = '\0';
        whole = end != NULL;
    } else if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
        hang_up(client);
    }
    pthread_mutex_unlock(&c->lock);
    return whole;
}

void control_serve(struct control *c, int timeout_ms,
                   enum control_level (*ask)(void *user, const char *verb, FILE *answer),
                   void *user)
{
    struct pollfd fds[MOST + 2] = {{.fd = c->listener, .events = POLLIN},
                                   {.fd = c->waker, .events = POLLIN}};
    uint64_t woken;

    for (int i = 0; i < MOST; i++)
        fds[i + 2] = (struct pollfd){.fd = c->clients[i].fd, .events = POLLIN};
    if (poll(fds, MOST + 2, timeout_ms) <= 0)
        return;
    if (fds[1].revents != 0)
        (void)!read(c->waker, &woken, sizeof(woken));
    for (int i = 0; i < MOST; i++)
        if (fds[i + 2].fd >= 0 && fds[i + 2].revents != 0 && hear_verb(c, &c->clients[i]))
            answer(c, &c->clients[i], ask, user);
    if (fds[0].revents != 0)
        welcome(c);
}

/* the asker ------------------------------------------------------------------------------------ */

int control_ask(const char *path, const char *verb, bool (*line)(void *user, char *text),
                void *user)
{
    struct timeval patience = {.tv_sec = ANSWER_MS / 1000};
    struct sockaddr_un address;
    char *text = NULL;
    size_t room = 0;
    bool any = false;
    int status = set_path(&address, path), fd = status == 0 ? dial(&address) : status;

    if (fd < 0)
        return fd;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
    FILE *from = fdopen(fd, "r+e");
    if (from == NULL) {
        close(fd);
        return -ENOMEM;
    }
    if (fprintf(from, "%s\n", verb) < 0 || fflush(from) != 0)
        status = -EPIPE;
    while (status == 0 && getline(&text, &room, from) > 0) {
        text[strcspn(text, "\n")] = '\0';
        any = true;
        if (!line(user, text))
            break;
    }
    free(text);
    fclose(from);
    return status == 0 && !any ? -ECONNRESET : status;
}

int control_follow(const char *path)
{
    static const char verb[] = "follow all\n";
    struct sockaddr_un address;
    int status = set_path(&address, path), fd = status == 0 ? dial(&address) : status;

    if (fd < 0)
        return fd;
    if (send(fd, verb, sizeof(verb) - 1, MSG_NOSIGNAL) != sizeof(verb) - 1 ||
        fcntl(fd, F_SETFL, O_NONBLOCK) < 0) {
        close(fd);
        return -ECONNRESET;
    }
    return fd;
}
