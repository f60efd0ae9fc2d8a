/* SPDX-License-Identifier: MIT */
#include "dictate/hear.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <voicestand/backend.h>

/* One utterance; with the lock. */
struct item {
    struct item *next;
    uint64_t id;
    float *pcm;
    size_t frames, room;
    bool ended, dropped;
    int64_t end_ns;
};

/* What the run of one utterance found; the engine's thread alone. */
struct found {
    uint64_t id;
    char *text;
    size_t bytes;
    bool failed, final;
    int64_t text_ns;
};

static struct hear {
    struct hear_config config;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t news;
    struct item *first, *last;
    int count;
    size_t frames; /* of all */
    bool closing;
    vs_stt *engine;
    vs_pipeline *pipeline; /* for the next utterance, or the one that runs */
    size_t read;           /* frames of the first that the engine got */
    int64_t left_ns;       /* when it got the last of them */
    int64_t late_ns;       /* time it took for audio after the utterance was complete */
    struct found found;
} only = {.lock = PTHREAD_MUTEX_INITIALIZER, .news = PTHREAD_COND_INITIALIZER};

/* the source of the engine's pipeline: the first utterance of the queue ------------------------ */

static int source_open(void *state, const struct vs_capture_params *params,
                       struct vs_capture_format *ret)
{
    (void)state;
    (void)params;
    ret->rate_hz = VS_RATE_HZ;
    ret->channels = 1;
    ret->format = VS_FORMAT_F32;
    return 0;
}

static int64_t source_read(void *state, void *pcm, size_t frames, struct vs_capture_stamp *ret)
{
    struct hear *h = &only;
    int64_t n;

    (void)state;
    pthread_mutex_lock(&h->lock);
    if (h->first->ended && h->read > 0)
        h->late_ns += now_ns() - (h->left_ns > h->first->end_ns ? h->left_ns : h->first->end_ns);
    while (h->first->frames == h->read && !h->first->ended && !h->first->dropped)
        pthread_cond_wait(&h->news, &h->lock);
    size_t left = h->first->frames - h->read;
    n = h->first->dropped ? -ECANCELED : (int64_t)(left < frames ? left : frames);
    if (n > 0)
        memcpy(pcm, h->first->pcm + h->read, (size_t)n * sizeof(float));
    ret->position = h->read;
    h->read += n > 0 ? (size_t)n : 0;
    h->left_ns = now_ns();
    pthread_mutex_unlock(&h->lock);
    return n;
}

static void source_close(void *state)
{
    (void)state;
}

static const struct vs_capture_ops source = {
    .abi = VS_BACKEND_ABI,
    .name = "utterance",
    .description = "an utterance while it is said",
    .state_size = 1,
    .open = source_open,
    .read = source_read,
    .close = source_close,
};

/* the engine ---------------------------------------------------------------------------------- */

/* A run has several texts only where one was cut. */
static void add_text(struct found *f, const char *text)
{
    size_t bytes = strlen(text);
    char *more = realloc(f->text, f->bytes + bytes + 2);

    if (more == NULL) {
        f->failed = true;
        return;
    }
    f->text = more;
    if (f->bytes > 0 && bytes > 0)
        f->text[f->bytes++] = ' ';
    memcpy(f->text + f->bytes, text, bytes + 1);
    f->bytes += bytes;
}

static void on_event(void *user, const struct vs_event *e)
{
    struct hear *h = user;

    if (e->type == VS_EVENT_ERROR)
        h->found.failed = true;
    if (e->type != VS_EVENT_TEXT || e->text == NULL)
        return;
    if (e->flags & VS_EVENT_FINAL) {
        add_text(&h->found, e->text);
        h->found.text_ns = e->mono_ns;
    } else if (h->config.partial != NULL) {
        h->config.partial(h->config.user, h->found.id, e->text);
    }
}

/* @return the one that was there */
static vs_pipeline *set_pipeline(struct hear *h, vs_pipeline *p)
{
    pthread_mutex_lock(&h->lock);
    vs_pipeline *old = h->pipeline;
    h->pipeline = p;
    pthread_mutex_unlock(&h->lock);
    return old;
}

/* All of an utterance is one segment: what belongs to it is decided already. */
static int make_pipeline(struct hear *h)
{
    struct vs_pipeline_config config;
    vs_pipeline *p = NULL;

    config_fill(h->config.settings, h->config.words, &config);
    config.capture_ops = &source;
    config.capture = NULL;
    config.vad = "null:1";
    config.stt = NULL;
    config.engine = h->engine;
    config.high_pass_hz = -1; /* it was filtered when it was captured */
    config.channel = 0;
    config.enhance = 0;
    config.enhance_text = 0;
    config.segment = (struct vs_segment_config){.onset_ms = 10,
                                                .min_speech_ms = 10,
                                                .pre_roll_ms = VS_NONE,
                                                .pad_ms = VS_NONE,
                                                .max_ms = 120000};
    config.on_event = on_event;
    config.user = h;
    int status = vs_pipeline_create(&config, &p);
    set_pipeline(h, p);
    return status;
}

static int open_engine(struct hear *h)
{
    const char *name = h->config.settings->stt;
    struct vs_stt_config config = {.size = sizeof(config),
                                   .name = name != NULL ? name : "pocketsphinx"};

    sentences_env(h->config.words, h->config.settings, &config.env);
    int status = vs_stt_create(&config, &h->engine);
    return status < 0 ? status : make_pipeline(h);
}

static void close_engine(struct hear *h)
{
    vs_pipeline_destroy(set_pipeline(h, NULL));
    vs_stt_destroy(h->engine);
    h->engine = NULL;
}

/* One attempt at the first of the queue. @return 0 or -errno; what it found is in h->found */
static int try_once(struct hear *h, uint64_t id, int64_t *ret_engine_ns)
{
    struct vs_stats stats = {.size = sizeof(stats)};
    int status;

    free(h->found.text);
    h->found = (struct found){.id = id};
    h->read = 0;
    h->late_ns = 0;
    status = h->pipeline != NULL ? 0 : h->engine != NULL ? make_pipeline(h) : open_engine(h);
    if (status < 0)
        return status;
    status = vs_pipeline_run(h->pipeline);
    vs_pipeline_stats(h->pipeline, &stats);
    *ret_engine_ns = h->late_ns + stats.stage[VS_STAGE_TEXT].max_ns;
    vs_pipeline_destroy(set_pipeline(h, NULL));
    if (status == 0 && h->found.failed)
        status = -EIO;
    if (status == 0 && h->found.text == NULL)
        add_text(&h->found, "");
    return status;
}

/* What found no text is kept as a file that 'voicestand transcribe' reads. */
static void save_audio(struct hear *h, const struct item *it, char *ret, size_t bytes)
{
    struct vs_writer_config config = {
        .size = sizeof(config), .path = ret, .rate_hz = VS_RATE_HZ, .format = VS_FORMAT_S16};
    vs_writer *w = NULL;
    mode_t mask;
    int status;

    if (h->config.save_dir == NULL ||
        snprintf(ret, bytes, "%s/unheard-%llu-%llu.wav", h->config.save_dir,
                 (unsigned long long)time(NULL), (unsigned long long)it->id) >= (int)bytes) {
        ret[0] = '\0';
        return;
    }
    sentences_env(h->config.words, h->config.settings, &config.env);
    mask = umask(077);
    status = vs_writer_create(&config, &w);
    umask(mask);
    if (status == 0) {
        status = vs_writer_write(w, it->pcm, it->frames);
        int closed = vs_writer_destroy(w);
        status = status < 0 ? status : closed;
    }
    if (status < 0)
        ret[0] = '\0';
}

static void free_item(struct item *it)
{
    if (it->pcm != NULL)
        explicit_bzero(it->pcm, it->frames * sizeof(float));
    free(it->pcm);
    free(it);
}

/* The first of the queue, to its end. */
static void serve(struct hear *h, struct item *it)
{
    char saved[4200] = "";
    struct heard heard = {.id = it->id};

    int status = try_once(h, it->id, &heard.engine_ns);
    if (status < 0 && status != -ECANCELED) {
        close_engine(h); /* it may be broken for good: a new one hears it again */
        status = try_once(h, it->id, &heard.engine_ns);
    }
    pthread_mutex_lock(&h->lock);
    while (status < 0 && !it->ended && !it->dropped) /* its audio still comes */
        pthread_cond_wait(&h->news, &h->lock);
    bool dropped = it->dropped;
    pthread_mutex_unlock(&h->lock);
    if (!dropped) {
        if (status < 0)
            save_audio(h, it, saved, sizeof(saved));
        heard.status = status;
        heard.text = status == 0 ? h->found.text : "";
        heard.saved = saved[0] != '\0' ? saved : NULL;
        heard.seconds = (double)it->frames / VS_RATE_HZ;
        heard.end_ns = it->end_ns;
        heard.text_ns = h->found.text_ns != 0 ? h->found.text_ns : now_ns();
        h->config.done(h->config.user, &heard);
    }
    pthread_mutex_lock(&h->lock);
    h->first = it->next;
    if (h->first == NULL)
        h->last = NULL;
    h->count--;
    h->frames -= it->frames;
    pthread_mutex_unlock(&h->lock);
    free_item(it);
    h->config.served(h->config.user);
}

static void *body(void *argument)
{
    struct hear *h = argument;

    for (;;) {
        if (h->pipeline == NULL && h->engine != NULL && make_pipeline(h) < 0)
            close_engine(h); /* the next utterance tries again */
        pthread_mutex_lock(&h->lock);
        while (h->first == NULL && !h->closing)
            pthread_cond_wait(&h->news, &h->lock);
        struct item *it = h->first;
        pthread_mutex_unlock(&h->lock);
        if (it == NULL)
            return NULL;
        serve(h, it);
    }
}

/* from outside --------------------------------------------------------------------------------- */

int hear_open(const struct hear_config *config, struct hear **ret)
{
    struct hear *h = &only;
    int status;

    h->config = *config;
    h->closing = false;
    status = open_engine(h);
    if (status == 0)
        status = -pthread_create(&h->thread, NULL, body, h);
    if (status < 0) {
        close_engine(h);
        return status;
    }
    *ret = h;
    return 0;
}

void hear_close(struct hear *h, bool now)
{
    if (h == NULL)
        return;
    if (now)
        hear_drop_all(h);
    else
        hear_end(h);
    pthread_mutex_lock(&h->lock);
    h->closing = true;
    pthread_cond_broadcast(&h->news);
    pthread_mutex_unlock(&h->lock);
    pthread_join(h->thread, NULL);
    close_engine(h);
    free(h->found.text);
    h->found.text = NULL;
}

int hear_begin(struct hear *h, uint64_t id)
{
    struct item *it = calloc(1, sizeof(*it));
    int status = it != NULL ? 0 : -ENOMEM;

    pthread_mutex_lock(&h->lock);
    if (status == 0 && (h->count >= HEAR_MOST || h->frames >= HEAR_FRAMES))
        status = -EAGAIN;
    if (status == 0) {
        it->id = id;
        if (h->last != NULL)
            h->last->next = it;
        else
            h->first = it;
        h->last = it;
        h->count++;
        pthread_cond_broadcast(&h->news);
    }
    pthread_mutex_unlock(&h->lock);
    if (status < 0)
        free(it);
    return status;
}

static int append(struct hear *h, struct item *it, const float *pcm, size_t frames)
{
    size_t room = it->room;

    if (h->frames + frames > HEAR_FRAMES)
        return -EAGAIN;
    while (it->frames + frames > room)
        room = room > 0 ? 2 * room : 10 * VS_RATE_HZ;
    if (room > it->room) {
        float *more = realloc(it->pcm, room * sizeof(float));
        if (more == NULL)
            return -ENOMEM;
        it->pcm = more;
        it->room = room;
    }
    memcpy(it->pcm + it->frames, pcm, frames * sizeof(float));
    it->frames += frames;
    h->frames += frames;
    return 0;
}

int hear_audio(struct hear *h, const float *pcm, size_t frames)
{
    int status = 0;

    pthread_mutex_lock(&h->lock);
    if (h->last != NULL && !h->last->ended && !h->last->dropped)
        status = append(h, h->last, pcm, frames);
    pthread_cond_broadcast(&h->news);
    pthread_mutex_unlock(&h->lock);
    return status;
}

void hear_end(struct hear *h)
{
    pthread_mutex_lock(&h->lock);
    if (h->last != NULL && !h->last->ended) {
        h->last->ended = true;
        h->last->end_ns = now_ns();
    }
    pthread_cond_broadcast(&h->news);
    pthread_mutex_unlock(&h->lock);
}

/* With the lock. */
static void drop(struct hear *h, struct item *it)
{
    it->dropped = true;
    if (it == h->first && h->pipeline != NULL)
        vs_pipeline_abort(h->pipeline);
    pthread_cond_broadcast(&h->news);
}

void hear_drop(struct hear *h)
{
    pthread_mutex_lock(&h->lock);
    if (h->last != NULL && !h->last->ended)
        drop(h, h->last);
    pthread_mutex_unlock(&h->lock);
}

int hear_drop_all(struct hear *h)
{
    int count = 0;

    pthread_mutex_lock(&h->lock);
    for (struct item *it = h->first; it != NULL; it = it->next) {
        count += !it->dropped;
        drop(h, it);
    }
    pthread_mutex_unlock(&h->lock);
    return count;
}

int hear_waiting(struct hear *h)
{
    int count = 0;

    pthread_mutex_lock(&h->lock);
    for (const struct item *it = h->first; it != NULL; it = it->next)
        count += !it->dropped;
    pthread_mutex_unlock(&h->lock);
    return count;
}
