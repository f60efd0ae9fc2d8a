/* SPDX-License-Identifier: MIT */
#include "monitor/server.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/common.h"
#include "common/listener.h"
#include "common/part.h"
#include "serve/serve.h"

struct metrics_server {
    struct view *view;
    struct listener listener;
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

static int load(struct metrics_server *s, const struct vs_env *env)
{
    s->ops = part_load(env, "serve", SERVE_ENTRY, SERVE_ABI, 0, &s->module);
    if (s->ops != NULL)
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
    int status;

    if (s == NULL)
        return EXIT_STATUS_INTERNAL;
    s->view = v;
    s->listener.fd = -1;
    status = load(s, env);
    if (status == 0) {
        /* of other machines' business these figures are none */
        int opened = local || strspn(address, "0123456789") == strlen(address)
                         ? listener_open(address, &s->listener)
                         : -EINVAL;
        if (opened == 0) {
            opened = s->ops->start(s->listener.fd, local, answer, s, &s->running);
            s->listener.fd = -1; /* the module's */
        }
        if (opened < 0)
            status = say_address(address, opened);
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
    listener_close(&s->listener);
    if (s->module != NULL)
        dlclose(s->module);
    free(s);
}
