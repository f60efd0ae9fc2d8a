/* SPDX-License-Identifier: MIT */
/* Events of a file whose texts come later. */
#include "text/late.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <voicestand/backend.h>

/* A segment's text, from when it is asked for until its SEGMENT event is told. */
struct answer {
    struct late *late;
    struct pool_task task;
    uint64_t start_frame, end_frame;
    bool is_there;
    int status;
    char *text;
    struct vs_word *words; /* with their texts, in one piece */
    size_t word_count;
};

/* An event that waits for its turn. */
struct entry {
    struct entry *next;
    struct vs_event event;
    struct vs_ledger ledger;
    struct answer *answer; /* NULL = it waits for none */
    char text[];
};

struct late {
    struct late_config config;
    pthread_mutex_t lock;
    pthread_cond_t told;
    struct entry *first, **last;
    bool drops_thin; /* texts that are too short for their segment; set before it runs */
    unsigned open;   /* answers that the pool owes */
    int status;      /* first error */
    /* of the pipeline's thread */
    float *audio;
    size_t frames, room;
    uint64_t start_frame, end_frame; /* of the segment that ended last */
    struct answer *asked;            /* its TEXT and SEGMENT come next */
};

/* the answers -------------------------------------------------------------------------------- */

static struct vs_word *copy_words(const struct vs_word *words, size_t count)
{
    size_t bytes = 0;

    for (size_t i = 0; i < count; i++)
        bytes += strlen(words[i].text) + 1;
    struct vs_word *ret = malloc(count * sizeof(*ret) + bytes);
    char *at = (char *)(ret + count);
    for (size_t i = 0; ret != NULL && i < count; i++) {
        ret[i] = (struct vs_word){at, words[i].start_s, words[i].end_s};
        at = stpcpy(at, words[i].text) + 1;
    }
    return ret;
}

static void set_answer(struct answer *a, const struct vs_stt_result *from)
{
    a->text = strdup(from->text);
    if (from->word_count > 0)
        a->words = copy_words(from->words, from->word_count);
    a->word_count = a->words != NULL ? from->word_count : 0;
    a->status = a->text != NULL ? 0 : -ENOMEM;
}

static void free_answer(struct answer *a)
{
    free(a->text);
    free(a->words);
    free(a);
}

/* telling ------------------------------------------------------------------------------------ */

/* As the pipeline says it where its own engine fails. */
static struct vs_event failed_event(const struct vs_event *text, int status)
{
    struct vs_event e = {.size = sizeof(e),
                         .type = VS_EVENT_ERROR,
                         .sequence = text->sequence,
                         .mono_ns = text->mono_ns,
                         .wall_ns = text->wall_ns,
                         .segment = text->segment,
                         .status = status,
                         .text = "the text engine failed, this segment has no text"};

    return e;
}

static void tell(struct late *l, struct entry *entry)
{
    struct vs_event e = entry->event;
    const struct answer *a = entry->answer;

    if (a != NULL && a->status < 0) {
        if (e.type == VS_EVENT_TEXT)
            e = failed_event(&e, a->status);
        else
            e.text = NULL;
    } else if (a != NULL && l->drops_thin && vs_text_is_thin(a->text, e.end_s - e.start_s)) {
        e.text = "";
    } else if (a != NULL) {
        for (size_t i = 0; e.type == VS_EVENT_TEXT && i < a->word_count; i++) {
            a->words[i].start_s += e.start_s;
            a->words[i].end_s += e.start_s;
        }
        e.text = a->text;
        e.words = e.type == VS_EVENT_TEXT ? a->words : NULL;
        e.word_count = e.words != NULL ? a->word_count : 0;
    }
    l->config.tell(l->config.user, &e);
}

/* With the lock held: tell what need not wait any more. */
static void tell_ready(struct late *l)
{
    struct entry *entry;

    while ((entry = l->first) != NULL && (entry->answer == NULL || entry->answer->is_there)) {
        tell(l, entry);
        l->first = entry->next;
        if (l->first == NULL)
            l->last = &l->first;
        if (entry->answer != NULL && entry->event.type == VS_EVENT_SEGMENT)
            free_answer(entry->answer);
        free(entry);
    }
    if (l->first == NULL && l->open == 0)
        pthread_cond_broadcast(&l->told);
}

static bool is_own(const struct vs_event *e)
{
    return (e->type == VS_EVENT_TEXT && (e->flags & VS_EVENT_FINAL)) || e->type == VS_EVENT_SEGMENT;
}

void late_event(struct late *l, const struct vs_event *e)
{
    size_t bytes = e->text != NULL ? strlen(e->text) + 1 : 0;

    if (e->type == VS_EVENT_AUDIO || e->type == VS_EVENT_PROBABILITY)
        return;
    if (e->type == VS_EVENT_END) {
        l->start_frame = e->start_frame;
        l->end_frame = e->end_frame;
    }
    struct entry *entry = calloc(1, sizeof(*entry) + bytes);
    pthread_mutex_lock(&l->lock);
    if (entry == NULL) {
        l->status = l->status < 0 ? l->status : -ENOMEM;
        pthread_mutex_unlock(&l->lock);
        return;
    }
    entry->event = *e;
    if (e->text != NULL)
        entry->event.text = memcpy(entry->text, e->text, bytes);
    if (e->ledger != NULL) {
        entry->ledger = *e->ledger;
        entry->event.ledger = &entry->ledger;
    }
    entry->answer = is_own(e) ? l->asked : NULL;
    if (e->type == VS_EVENT_SEGMENT)
        l->asked = NULL;
    *l->last = entry;
    l->last = &entry->next;
    tell_ready(l);
    pthread_mutex_unlock(&l->lock);
}

/* On an engine's thread. */
static void on_done(void *user, struct pool_task *task)
{
    struct answer *a = user;
    struct late *l = a->late;
    int status = task->status;

    if (status == 0) {
        set_answer(a, &task->result);
        status = a->status;
    }
    if (status == 0 && l->config.kept != NULL && l->config.input != NULL) {
        int written =
            kept_add(l->config.kept, l->config.input, a->start_frame, a->end_frame, &task->result);

        pthread_mutex_lock(&l->lock);
        l->status = l->status < 0 ? l->status : written;
        pthread_mutex_unlock(&l->lock);
    }
    pthread_mutex_lock(&l->lock);
    a->status = status;
    a->is_there = true;
    l->open--;
    tell_ready(l);
    pthread_mutex_unlock(&l->lock);
}

/* the pipeline's engine: gathers a segment and hands it on -------------------------------------- */

/* The library opens an engine on the thread that asks for it. */
static _Thread_local struct late *opening;

struct handle {
    struct late *late;
};

static int open_late(void *state, const struct vs_stt_params *params)
{
    struct handle *h = state;

    (void)params;
    h->late = opening;
    return 0;
}

static int begin_late(void *state, uint64_t segment)
{
    const struct handle *h = state;

    (void)segment;
    h->late->frames = 0;
    return 0;
}

static int feed_late(void *state, const float *audio, size_t frames)
{
    struct late *l = ((const struct handle *)state)->late;

    if (frames > l->room - l->frames) {
        size_t room = 2 * (l->frames + frames);
        float *grown = realloc(l->audio, room * sizeof(*grown));

        if (grown == NULL)
            return -ENOMEM;
        l->audio = grown;
        l->room = room;
    }
    memcpy(l->audio + l->frames, audio, frames * sizeof(*audio));
    l->frames += frames;
    return 0;
}

static void count_open(struct late *l, int change)
{
    pthread_mutex_lock(&l->lock);
    l->open += (unsigned)change;
    pthread_mutex_unlock(&l->lock);
}

/* @return 0; the answer is or will be there */
static int ask(struct late *l, struct answer *a)
{
    const struct late_config *c = &l->config;
    struct vs_stt_result old;

    if (c->kept != NULL && c->input != NULL &&
        kept_find(c->kept, c->input, a->start_frame, a->end_frame, &old)) {
        set_answer(a, &old);
        a->is_there = true;
        return 0;
    }
    a->task =
        (struct pool_task){.audio = l->audio, .frames = l->frames, .done = on_done, .user = a};
    count_open(l, 1);
    int status = pool_put(c->pool, &a->task);
    if (status < 0) {
        count_open(l, -1);
        return status;
    }
    l->audio = NULL; /* the task's now */
    l->room = 0;
    return 0;
}

/* The END event was told just before. */
static int finish_late(void *state, const char **ret)
{
    struct late *l = ((const struct handle *)state)->late;
    struct answer *a = calloc(1, sizeof(*a));

    if (a == NULL)
        return -ENOMEM;
    a->late = l;
    a->start_frame = l->start_frame;
    a->end_frame = l->end_frame;
    l->asked = a;
    int status = ask(l, a);
    if (status < 0) {
        l->asked = NULL;
        free_answer(a);
        return status;
    }
    *ret = "";
    return 0;
}

static void close_late(void *state)
{
    (void)state;
}

static const struct vs_stt_ops late_engine = {
    .abi = VS_BACKEND_ABI,
    .name = "late",
    .description = "segments for a pool of engines",
    .state_size = sizeof(struct handle),
    .open = open_late,
    .begin = begin_late,
    .feed = feed_late,
    .finish = finish_late,
    .close = close_late,
};

/* its life ------------------------------------------------------------------------------------ */

struct late *late_create(const struct late_config *config)
{
    struct late *l = calloc(1, sizeof(*l));

    if (l == NULL)
        return NULL;
    l->config = *config;
    l->last = &l->first;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->told, NULL);
    return l;
}

int late_pipeline(struct late *l, struct vs_pipeline_config *config, vs_pipeline **ret)
{
    opening = l;
    config->stt = NULL;
    config->stt_ops = &late_engine;
    int status = vs_pipeline_create(config, ret);
    opening = NULL;
    if (status == 0) {
        struct vs_pipeline_info info = {.size = sizeof(info)};

        vs_pipeline_info(*ret, &info);
        l->drops_thin = info.text_sure > 0;
    }
    return status;
}

int late_wait(struct late *l)
{
    pthread_mutex_lock(&l->lock);
    while (l->first != NULL || l->open > 0)
        pthread_cond_wait(&l->told, &l->lock);
    int status = l->status;
    pthread_mutex_unlock(&l->lock);
    return status;
}

void late_destroy(struct late *l)
{
    if (l == NULL)
        return;
    pthread_cond_destroy(&l->told);
    pthread_mutex_destroy(&l->lock);
    free(l->audio);
    free(l);
}
