/* SPDX-License-Identifier: MIT */
/* From the service to the module of D-Bus and back: what the bus asks goes through the socket, as what
   everybody else asks does, so that one thread answers all. */
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <voicestand/voicestand.h>

#include "common/part.h"
#include "dictate/bus.h"
#include "dictate/control.h"

struct bus {
    void *module, *running;
    const struct bus_ops *ops;
    char socket[4200];
};

struct answer {
    char *text;
    size_t bytes;
};

static bool take_line(void *user, char *text)
{
    struct answer *a = user;

    snprintf(a->text, a->bytes, "%s", text);
    return false;
}

static int ask(void *user, const char *verb, char *ret, size_t bytes)
{
    const struct bus *b = user;
    struct answer a = {ret, bytes};

    return control_ask(b->socket, verb, take_line, &a);
}

int bus_open(const struct vs_env *env, const char *socket, struct bus **ret)
{
    struct bus *b = calloc(1, sizeof(*b));
    int status = b != NULL ? 0 : -ENOMEM;

    if (status < 0)
        return status;
    snprintf(b->socket, sizeof(b->socket), "%s", socket);
    b->ops = part_load(env, "bus", BUS_ENTRY, BUS_ABI, 0, &b->module);
    if (b->ops == NULL)
        status = -ENOENT;
    if (status == 0)
        status = b->ops->start(ask, b, &b->running);
    if (status < 0) {
        bus_close(b);
        return status;
    }
    *ret = b;
    return 0;
}

void bus_tell(struct bus *b, const char *state, const char *line)
{
    if (b != NULL)
        b->ops->tell(b->running, state, line);
}

void bus_close(struct bus *b)
{
    if (b == NULL)
        return;
    if (b->running != NULL)
        b->ops->stop(b->running);
    if (b->module != NULL)
        dlclose(b->module);
    free(b);
}
