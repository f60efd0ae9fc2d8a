/* SPDX-License-Identifier: MIT */
#include "common/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/manager.h"

enum { WAITING_MAX = 64 };

/* A socket that nobody listens on any more is left over from a run that was killed. */
static void remove_stale(const struct sockaddr_un *path)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return;
    if (connect(fd, (const struct sockaddr *)path, sizeof(*path)) < 0 && errno == ECONNREFUSED)
        unlink(path->sun_path);
    close(fd);
}

/* Nobody else may connect, from the first instant on: the mode is that of the file when it comes
   into being. */
static int open_unix(const char *path, struct listener *l)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    if (path[0] == '\0' || strlen(path) >= sizeof(address.sun_path))
        return -ENAMETOOLONG;
    strcpy(address.sun_path, path);
    remove_stale(&address);
    l->is_local = true;
    l->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (l->fd < 0 || fchmod(l->fd, 0600) < 0 ||
        bind(l->fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
        return -errno;
    strcpy(l->path, path);
    return listen(l->fd, WAITING_MAX) < 0 ? -errno : 0;
}

static bool is_loopback(const struct sockaddr *a)
{
    if (a->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)a;
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    }
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)a;
    return a->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

/* What it is, of any socket that is there. */
static int describe(struct listener *l)
{
    struct sockaddr_storage bound = {0};
    socklen_t bytes = sizeof(bound);
    char host[80], port[16];

    if (getsockname(l->fd, (struct sockaddr *)&bound, &bytes) < 0)
        return -errno;
    l->is_local = bound.ss_family == AF_UNIX;
    if (l->is_local) {
        const struct sockaddr_un *path = (const struct sockaddr_un *)(const void *)&bound;
        snprintf(l->name, sizeof(l->name), "unix:%.*s", (int)sizeof(path->sun_path),
                 path->sun_path);
        return 0;
    }
    if (getnameinfo((struct sockaddr *)&bound, bytes, host, sizeof(host), port, sizeof(port),
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return -EINVAL;
    l->is_open = !is_loopback((struct sockaddr *)&bound);
    snprintf(l->name, sizeof(l->name), strchr(host, ':') != NULL ? "[%s]:%s" : "%s:%s", host, port);
    return 0;
}

static int open_port(const char *host, const char *port, struct listener *l)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE};
    struct addrinfo *found;
    char *end;
    unsigned long number = strtoul(port, &end, 10);
    int one = 1, status = 0;

    if (port[0] < '0' || port[0] > '9' || *end != '\0' || number > 65535 ||
        getaddrinfo(strcmp(host, "localhost") == 0 ? "127.0.0.1" : host, port, &hints, &found) != 0)
        return -EINVAL;
    l->fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (l->fd < 0 || setsockopt(l->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
        bind(l->fd, found->ai_addr, found->ai_addrlen) < 0 || listen(l->fd, WAITING_MAX) < 0)
        status = -errno;
    freeaddrinfo(found);
    return status;
}

/* HOST:PORT, [HOST]:PORT or PORT */
static int open_address(const char *address, struct listener *l)
{
    const char *colon = strrchr(address, ':');
    size_t length = colon != NULL ? (size_t)(colon - address) : 0;
    bool bare = length > 1 && address[0] == '[' && address[length - 1] == ']';
    char host[80];

    if (colon == NULL)
        return strcmp(address, "0") == 0 ? -EINVAL : open_port("127.0.0.1", address, l);
    if (length == 0 || length >= sizeof(host) || (!bare && memchr(address, ':', length) != NULL))
        return -EINVAL;
    snprintf(host, sizeof(host), "%.*s", (int)length - 2 * bare, address + bare);
    return open_port(host, colon + 1, l);
}

static int take_systemd(struct listener *l)
{
    l->fd = manager_socket();
    return l->fd < 0 ? l->fd : 0;
}

int listener_open(const char *address, struct listener *ret)
{
    int status;

    *ret = (struct listener){.fd = -1};
    if (strncmp(address, "unix:", 5) == 0)
        status = open_unix(address + 5, ret);
    else if (strcmp(address, "systemd") == 0)
        status = take_systemd(ret);
    else
        status = open_address(address, ret);
    /* Who gives up between poll() and accept() must not make us wait; programs that are started must
       not keep it. */
    if (status == 0 && (fcntl(ret->fd, F_SETFL, fcntl(ret->fd, F_GETFL) | O_NONBLOCK) < 0 ||
                        fcntl(ret->fd, F_SETFD, FD_CLOEXEC) < 0))
        status = -errno;
    if (status == 0)
        status = describe(ret);
    if (status < 0)
        listener_close(ret);
    return status;
}

void listener_close(struct listener *l)
{
    if (l->fd >= 0)
        close(l->fd);
    if (l->path[0] != '\0')
        unlink(l->path);
    *l = (struct listener){.fd = -1};
}
