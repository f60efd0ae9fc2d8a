/* SPDX-License-Identifier: MIT */
#include "monitor/server.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/common.h"
#include "serve/serve.h"

enum { WAITING_MAX = 16 };

struct metrics_server {
    struct view *view;
    struct sockaddr_un path; /* of a Unix socket, to be removed */
    void *module, *running;
    const struct serve_ops *ops;
};

static int answer(void *user, const char *path, const char *since, struct serve_answer *ret)
{
    const struct metrics_server *s = user;
    bool json = strcmp(path, "/live.json") == 0;
    struct view_look *look;
    FILE *to;

    if (strcmp(path, "/") == 0)
        return 0; /* the page */
    if (!json && strcmp(path, "/metrics") != 0)
        return -ENOENT;
    look = malloc(sizeof(*look));
    to = look != NULL ? open_memstream(&ret->body, &ret->bytes) : NULL;
    if (to == NULL) {
        free(look);
        return -ENOMEM;
    }
    view_take(s->view, look);
    if (json)
        view_json(to, look, since != NULL ? strtoull(since, NULL, 10) : 0);
    else
        view_metrics(to, look);
    free(look);
    if (fclose(to) != 0) {
        free(ret->body);
        return -ENOMEM;
    }
    ret->type =
        json ? "application/json" : "application/openmetrics-text; version=1.0.0; charset=utf-8";
    return 0;
}

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
static int open_unix(struct metrics_server *s, const char *path)
{
    int fd, status;

    if (path[0] == '\0' || strlen(path) >= sizeof(s->path.sun_path))
        return -ENAMETOOLONG;
    s->path.sun_family = AF_UNIX;
    strcpy(s->path.sun_path, path);
    remove_stale(&s->path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && fchmod(fd, 0600) == 0 &&
        bind(fd, (const struct sockaddr *)&s->path, sizeof(s->path)) == 0 &&
        listen(fd, WAITING_MAX) == 0)
        return fd;
    status = -errno;
    s->path.sun_path[0] = '\0'; /* it is not ours */
    if (fd >= 0)
        close(fd);
    return status;
}

static int open_port(const char *text)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr = {.s_addr = htonl(INADDR_LOOPBACK)}};
    char *end;
    unsigned long port = strtoul(text, &end, 10);
    int one = 1, fd, status;

    if (end == text || *end != '\0' || port < 1 || port > 65535)
        return -EINVAL;
    address.sin_port = htons((uint16_t)port);
    fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0 &&
        bind(fd, (const struct sockaddr *)&address, sizeof(address)) == 0 &&
        listen(fd, WAITING_MAX) == 0)
        return fd;
    status = -errno;
    if (fd >= 0)
        close(fd);
    return status;
}

static int load(struct metrics_server *s, const struct vs_env *env)
{
    char path[4200];

    if (vs_module_path(env, "serve", path, sizeof(path)) == 0)
        s->module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    s->ops = s->module != NULL ? dlsym(s->module, SERVE_ENTRY) : NULL;
    if (s->ops != NULL && s->ops->abi == SERVE_ABI)
        return 0;
    say("--metrics: the serve module is not installed; build it with libmicrohttpd-dev");
    return EXIT_STATUS_MISSING;
}

static int say_address(const char *address, int status)
{
    if (status == -EINVAL)
        return say_usage("--metrics: '%s' is neither unix:PATH nor a port, 1 to 65535", address);
    if (status == -EADDRINUSE)
        say("--metrics %s: somebody answers there already; choose another", address);
    else if (status == -ENAMETOOLONG)
        say("--metrics %s: is no path that a socket can have; choose a shorter one", address);
    else
        say("--metrics %s: cannot be opened: %s", address, strerror(-status));
    return status == -EACCES || status == -EPERM ? EXIT_STATUS_PERMISSION : EXIT_STATUS_OUTPUT;
}

int metrics_server_open(const char *address, const struct vs_env *env, struct view *v,
                        struct metrics_server **ret)
{
    struct metrics_server *s = calloc(1, sizeof(*s));
    bool local = strncmp(address, "unix:", 5) == 0;
    int fd, status;

    if (s == NULL)
        return EXIT_STATUS_INTERNAL;
    s->view = v;
    status = load(s, env);
    if (status == 0) {
        fd = local ? open_unix(s, address + 5) : open_port(address);
        if (fd >= 0)
            fd = s->ops->start(fd, local, answer, s, &s->running);
        if (fd < 0)
            status = say_address(address, fd);
    }
    if (status != 0) {
        metrics_server_close(s);
        return status;
    }
    *ret = s;
    return 0;
}

void metrics_server_close(struct metrics_server *s)
{
    if (s == NULL)
        return;
    if (s->running != NULL)
        s->ops->stop(s->running);
    if (s->path.sun_path[0] != '\0')
        unlink(s->path.sun_path);
    if (s->module != NULL)
        dlclose(s->module);
    free(s);
}
