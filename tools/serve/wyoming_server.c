/* SPDX-License-Identifier: MIT */
/* The module that serves the Wyoming protocol: a thread for each client, which reads when it can hear
   and so needs no queue. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "serve/peer.h"

enum { STACK_BYTES = 1024 * 1024 };

struct client {
    struct peer peer;
    struct server *server;
    pthread_t thread;
    enum { FREE, RUNS, ENDED } state; /* with the lock */
};

struct server {
    const struct server_host *host;
    void (*serve)(struct peer *p);
    bool is_local;
    pthread_mutex_t lock;
    struct client *clients;
    uint32_t told; /* clients so far */
};

static void *run_client(void *user)
{
    struct client *c = user;

    c->server->serve(&c->peer);
    peer_part(&c->peer);
    peer_fini(&c->peer);
    pthread_mutex_lock(&c->server->lock);
    shutdown(c->peer.fd, SHUT_RDWR);
    close(c->peer.fd);
    c->peer.fd = -1;
    c->state = ENDED;
    pthread_mutex_unlock(&c->server->lock);
    return NULL;
}

/* The kernel keeps others out by the mode of the file; this does even where somebody changed it. */
static bool is_ours(int fd)
{
    struct ucred peer;
    socklen_t bytes = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) == 0 &&
           (peer.uid == geteuid() || peer.uid == 0);
}

/* A place that is free, its last thread joined; NULL there is none. */
static struct client *find_place(struct server *s)
{
    struct client *found = NULL;

    pthread_mutex_lock(&s->lock);
    for (uint32_t i = 0; i < s->host->clients && found == NULL; i++)
        if (s->clients[i].state != RUNS)
            found = &s->clients[i];
    pthread_mutex_unlock(&s->lock);
    if (found != NULL && found->state == ENDED) {
        pthread_join(found->thread, NULL);
        found->state = FREE;
    }
    return found;
}

static int start_client(struct server *s, struct client *c, int fd)
{
    pthread_attr_t small;

    c->server = s;
    peer_init(&c->peer, fd, ++s->told, s->host);
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, STACK_BYTES);
    c->state = RUNS;
    int status = -pthread_create(&c->thread, &small, run_client, c);
    pthread_attr_destroy(&small);
    if (status < 0)
        c->state = FREE;
    return status;
}

/* One line, which fits into any socket's buffer, and good-bye. */
static void turn_away(struct server *s, int fd, const char *code, const char *why)
{
    struct peer p;

    peer_init(&p, fd, ++s->told, s->host);
    peer_fail(&p, code, why);
    peer_fini(&p);
    close(fd);
}

static void welcome(struct server *s, int listener)
{
    int one = 1, fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    struct client *place;

    if (fd < 0)
        return;
    if (!s->is_local) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
    }
    if (s->is_local && !is_ours(fd))
        turn_away(s, fd, "forbidden", "only the user that runs this server is served");
    else if ((place = find_place(s)) == NULL)
        turn_away(s, fd, "too-many-clients", "as many clients as may be are here; try again later");
    else if (start_client(s, place, fd) < 0)
        turn_away(s, fd, "too-many-clients", "there is no thread for another client");
}

/* Hang up on all. Engines were told before, by the owner of `stop_fd`. */
static void end_clients(struct server *s)
{
    pthread_mutex_lock(&s->lock);
    for (uint32_t i = 0; i < s->host->clients; i++)
        if (s->clients[i].state == RUNS && s->clients[i].peer.fd >= 0)
            shutdown(s->clients[i].peer.fd, SHUT_RDWR);
    pthread_mutex_unlock(&s->lock);
    for (uint32_t i = 0; i < s->host->clients; i++) {
        pthread_mutex_lock(&s->lock);
        bool is_there = s->clients[i].state != FREE;
        pthread_mutex_unlock(&s->lock);
        if (is_there)
            pthread_join(s->clients[i].thread, NULL);
    }
}

static int run(int fd, bool local, int stop_fd, bool mic, const struct server_host *host)
{
    struct server s = {.host = host,
                       .serve = mic ? wyoming_mic_client : wyoming_hear_client,
                       .is_local = local,
                       .lock = PTHREAD_MUTEX_INITIALIZER,
                       .clients = calloc(host->clients, sizeof(*s.clients))};
    int status = s.clients == NULL ? -ENOMEM : mic ? wyoming_mic_init(host) : 0;

    while (status == 0) {
        struct pollfd polled[2] = {{.fd = fd, .events = POLLIN}, {.fd = stop_fd, .events = POLLIN}};

        if (poll(polled, 2, -1) < 0 && errno != EINTR)
            status = -errno;
        if (polled[1].revents != 0)
            break;
        if (status == 0 && polled[0].revents != 0)
            welcome(&s, fd);
    }
    if (s.clients != NULL)
        end_clients(&s);
    if (mic)
        wyoming_mic_fini();
    free(s.clients);
    return status;
}

__attribute__((visibility("default"))) extern const struct server_ops voicestand_server;
const struct server_ops voicestand_server = {.abi = SERVER_ABI, .run = run};
