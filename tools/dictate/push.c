/* SPDX-License-Identifier: MIT */
#include "dictate/push.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "keys/keys.h"

/* More than anybody presses while the service looks away; the newest are left out, pair by pair. */
enum { MOST = 64 };

struct move {
    bool down;
    int64_t ns;
};

struct push {
    struct keys *keys;
    struct control *control;
    struct notice *notice;
    pthread_mutex_t lock; /* of all below */
    struct move moves[MOST];
    unsigned first, count;
    bool down; /* as far as it was taken in */
};

static void on_move(void *user, bool down, int64_t ns)
{
    struct push *p = user;

    pthread_mutex_lock(&p->lock);
    /* a place is kept for the release of what was pressed */
    bool room = down ? p->count + 1 < MOST : p->count < MOST;
    if (room && down != p->down) {
        p->moves[(p->first + p->count++) % MOST] = (struct move){down, ns};
        p->down = down;
    }
    pthread_mutex_unlock(&p->lock);
    control_wake(p->control);
}

static void on_loss(void *user, const char *why)
{
    struct push *p = user;

    say("dictate: the key is not heard any more: %s", why);
    notice_show(p->notice, "The key is not heard any more", why, true);
}

bool push_take(struct push *p, bool *ret_down, int64_t *ret_ns)
{
    if (p == NULL)
        return false;
    pthread_mutex_lock(&p->lock);
    bool any = p->count > 0;
    if (any) {
        *ret_down = p->moves[p->first].down;
        *ret_ns = p->moves[p->first].ns;
        p->first = (p->first + 1) % MOST;
        p->count--;
    }
    pthread_mutex_unlock(&p->lock);
    return any;
}

const char *push_way(const struct push *p)
{
    return p != NULL ? key_way_name(keys_way(p->keys)) : NULL;
}

int push_open(const struct settings *s, const struct vs_env *env, struct control *control,
              struct notice *notice, struct push **ret)
{
    struct key_ask ask = {.devices = s->key_devices != NULL ? s->key_devices : "/dev/input"};
    const char *near, *fix = NULL;
    char why[KEY_WHY] = "no memory";
    struct push *p;

    *ret = NULL;
    if (s->key == NULL)
        return 0;
    if (!key_parse(s->key, &ask.key, &near))
        return say_usage("--key: '%s' is no key; did you mean '%s'?", s->key, near);
    p = calloc(1, sizeof(*p));
    if (p == NULL)
        return EXIT_STATUS_INTERNAL;
    p->control = control;
    p->notice = notice;
    pthread_mutex_init(&p->lock, NULL);
    ask.host = (struct key_host){p, on_move, on_loss};
    enum key_way way = s->key_from >= 0 ? (enum key_way)s->key_from : KEYS_WAYS;
    int status = keys_open(env, way, &ask, &p->keys, why, &fix);
    if (status < 0) {
        say("--key %s: %s%s%s", s->key, why, fix != NULL ? "; " : "", fix != NULL ? fix : "");
        push_close(p);
        return status == -EACCES ? EXIT_STATUS_PERMISSION : EXIT_STATUS_MISSING;
    }
    *ret = p;
    return 0;
}

void push_close(struct push *p)
{
    if (p == NULL)
        return;
    keys_close(p->keys);
    pthread_mutex_destroy(&p->lock);
    free(p);
}
