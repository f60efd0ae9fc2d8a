/* SPDX-License-Identifier: MIT */
/* Text engines side by side: segments go in, whichever engine is free takes the next. */
#include "text/pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* A task waiting for each engine keeps all of them busy; more would only use memory. */
enum { WAITING_PER_ENGINE = 2, SHERPA_THREADS = 4 };

struct worker {
    struct pool *pool;
    pthread_t thread;
    bool is_started;
    vs_stt *engine; /* NULL until it has work; under the lock */
};

struct pool {
    const struct settings *settings;
    struct sentences words; /* of engines that no file waits for */
    pthread_mutex_t lock;
    pthread_cond_t room, work;
    pthread_mutex_t opening; /* the first engine is opened once */
    struct pool_task *first, **last;
    unsigned waiting, idle;
    bool is_closing, is_cancelled;
    unsigned count, started;
    struct worker workers[];
};

unsigned pool_engines(const char *stt, unsigned cores)
{
    bool is_threaded = stt != NULL && strncmp(stt, "sherpa:", 7) == 0;
    unsigned engines = is_threaded ? cores / SHERPA_THREADS : cores;

    return engines > 0 ? engines : 1;
}

struct pool *pool_create(const struct settings *s, unsigned engines)
{
    struct pool *p = calloc(1, sizeof(*p) + engines * sizeof(p->workers[0]));

    if (p == NULL)
        return NULL;
    p->settings = s;
    p->count = engines;
    p->last = &p->first;
    sentences_init(&p->words, s, NULL);
    pthread_mutex_init(&p->lock, NULL);
    pthread_mutex_init(&p->opening, NULL);
    pthread_cond_init(&p->room, NULL);
    pthread_cond_init(&p->work, NULL);
    for (unsigned i = 0; i < engines; i++)
        p->workers[i].pool = p;
    return p;
}

static int open_engine(struct worker *w, struct sentences *words)
{
    struct pool *p = w->pool;
    struct vs_stt_config config = {.size = sizeof(config), .name = p->settings->stt};
    vs_stt *engine = NULL;

    sentences_env(words, p->settings, &config.env);
    int status = vs_stt_create(&config, &engine);
    if (status < 0)
        return status;
    pthread_mutex_lock(&p->lock);
    w->engine = engine;
    if (p->is_cancelled)
        vs_stt_cancel(engine);
    pthread_mutex_unlock(&p->lock);
    return 0;
}

/* With the lock held. */
static struct pool_task *take_task(struct pool *p)
{
    struct pool_task *task = p->first;

    if (task == NULL)
        return NULL;
    p->first = task->next;
    if (p->first == NULL)
        p->last = &p->first;
    p->waiting--;
    pthread_cond_signal(&p->room);
    return task;
}

static void do_task(vs_stt *engine, struct pool_task *task)
{
    task->result = (struct vs_stt_result){.size = sizeof(task->result)};
    task->status =
        engine != NULL ? vs_stt_hear(engine, task->audio, task->frames, &task->result) : -ECANCELED;
    free(task->audio);
    task->audio = NULL;
    task->done(task->user, task);
}

static void *work(void *argument)
{
    struct worker *w = argument;
    struct pool *p = w->pool;

    /* Another one did open, so that this one does not costs speed alone; it was said. */
    if (w->engine == NULL && open_engine(w, &p->words) < 0)
        return NULL;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        struct pool_task *task = take_task(p);

        if (task == NULL && (p->is_closing || p->is_cancelled))
            break;
        if (task == NULL) {
            p->idle++;
            pthread_cond_wait(&p->work, &p->lock);
            p->idle--;
            continue;
        }
        pthread_mutex_unlock(&p->lock);
        do_task(w->engine, task);
        pthread_mutex_lock(&p->lock);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* With the lock held. */
static bool start_worker(struct pool *p)
{
    struct worker *w = &p->workers[p->started];

    if (p->started == p->count || pthread_create(&w->thread, NULL, work, w) != 0)
        return false;
    w->is_started = true;
    p->started++;
    return true;
}

int pool_ready(struct pool *p, struct sentences *words)
{
    int status = 0;

    pthread_mutex_lock(&p->opening);
    pthread_mutex_lock(&p->lock);
    bool is_first = p->started == 0;
    pthread_mutex_unlock(&p->lock);
    if (is_first) {
        status = open_engine(&p->workers[0], words);
        pthread_mutex_lock(&p->lock);
        if (status == 0 && !start_worker(p))
            status = -EAGAIN;
        pthread_mutex_unlock(&p->lock);
    }
    pthread_mutex_unlock(&p->opening);
    return status;
}

int pool_put(struct pool *p, struct pool_task *task)
{
    pthread_mutex_lock(&p->lock);
    while (p->waiting >= WAITING_PER_ENGINE * p->count && !p->is_cancelled)
        pthread_cond_wait(&p->room, &p->lock);
    int status = p->is_cancelled ? -ECANCELED : 0;
    if (status == 0) {
        task->next = NULL;
        *p->last = task;
        p->last = &task->next;
        p->waiting++;
        if (p->idle < p->waiting)
            (void)start_worker(p);
        pthread_cond_signal(&p->work);
    }
    pthread_mutex_unlock(&p->lock);
    return status;
}

void pool_cancel(struct pool *p)
{
    pthread_mutex_lock(&p->lock);
    p->is_cancelled = true;
    for (unsigned i = 0; i < p->count; i++)
        if (p->workers[i].engine != NULL)
            vs_stt_cancel(p->workers[i].engine);
    pthread_cond_broadcast(&p->room);
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
}

void pool_destroy(struct pool *p)
{
    if (p == NULL)
        return;
    pthread_mutex_lock(&p->lock);
    p->is_closing = true;
    pthread_cond_broadcast(&p->work);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->count; i++) {
        if (p->workers[i].is_started)
            pthread_join(p->workers[i].thread, NULL);
        vs_stt_destroy(p->workers[i].engine);
    }
    pthread_cond_destroy(&p->room);
    pthread_cond_destroy(&p->work);
    pthread_mutex_destroy(&p->opening);
    pthread_mutex_destroy(&p->lock);
    free(p);
}
