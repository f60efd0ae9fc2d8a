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

/* One utterance; with the lock. Its first `filed` frames are in the file of all, from `offset` on, the
   others in memory. */
struct item {
    struct item *next;
    uint64_t id;
    float *pcm;
    size_t frames, filed, room;
    off_t offset;
    bool to_file, refused, ended, dropped;
    int64_t end_ns, release_ns;
    char target[HEAR_TARGET_BYTES];
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
    int64_t frames, memory; /* of all, and of them in memory */
    int file;               /* of what waits for long: without a name; -1 = none yet */
    off_t file_end;
    bool hurried, closing, late; /* nobody waits; nothing comes; what waits is saved, not heard */
    vs_stt *engine;
    vs_pipeline *pipeline; /* for the next utterance, or the one that runs */
    size_t read;           /* frames of the first that the engine got */
    int64_t left_ns;       /* when it got the last of them */
    int64_t late_ns;       /* time it took for audio after the utterance was complete */
    struct found found;
} only = {.lock = PTHREAD_MUTEX_INITIALIZER, .news = PTHREAD_COND_INITIALIZER, .file = -1};

/* what waits for long --------------------------------------------------------------------------- */

/* With the lock. Audio goes to the file of all; what is there when the process ends is gone, as memory is.
   @return false: memory has to do */
static bool put_to_file(struct hear *h, struct item *it, const float *pcm, size_t frames)
{
    const char *from = (const char *)pcm;
    size_t bytes = frames * sizeof(float), done = 0;

    while (done < bytes) {
        ssize_t n = pwrite(h->file, from + done, bytes - done, h->file_end + (off_t)done);

        if (n <= 0 && errno != EINTR)
            return false;
        done += n > 0 ? (size_t)n : 0;
    }
    h->file_end += (off_t)bytes;
    it->filed += frames;
    return true;
}

/* With the lock. @return whether there is one */
static bool open_file(struct hear *h)
{
    char path[4200];

    if (h->file >= 0)
        return true;
    if (h->config.save_dir == NULL ||
        snprintf(path, sizeof(path), "%s/waiting-XXXXXX", h->config.save_dir) >= (int)sizeof(path))
        return false;
    h->file = mkostemp(path, O_CLOEXEC);
    if (h->file >= 0)
        (void)unlink(path);
    h->file_end = 0;
    return h->file >= 0;
}

/* `n` frames of an utterance that has them. @return 0 or -errno */
static int take(const struct hear *h, const struct item *it, size_t from, float *ret, size_t n)
{
    size_t filed = from < it->filed ? it->filed - from : 0, done = 0;
    size_t bytes = (filed < n ? filed : n) * sizeof(float);
    off_t at = it->offset + (off_t)(from * sizeof(float));

    while (done < bytes) {
        ssize_t got = pread(h->file, (char *)ret + done, bytes - done, at + (off_t)done);

        if (got == 0 || (got < 0 && errno != EINTR))
            return got == 0 ? -EIO : -errno;
        done += got > 0 ? (size_t)got : 0;
    }
    size_t read = bytes / sizeof(float);
    if (n > read)
        memcpy(ret + read, it->pcm + (from + read - it->filed), (n - read) * sizeof(float));
    return 0;
}

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
    while (h->first->frames == h->read && !h->first->ended && !h->first->dropped && !h->late)
        pthread_cond_wait(&h->news, &h->lock);
    size_t left = h->first->frames - h->read;
    n = h->first->dropped || h->late ? -ECANCELED : (int64_t)(left < frames ? left : frames);
    if (n > 0) {
        int status = take(h, h->first, h->read, pcm, (size_t)n);
        n = status < 0 ? status : n;
    }
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

/* @return 0 or -errno */
static int write_audio(const struct hear *h, const struct item *it, vs_writer *w)
{
    float pcm[VS_HOP_FRAMES];
    int status = 0;

    for (size_t at = 0; status == 0 && at < it->frames; at += VS_HOP_FRAMES) {
        size_t left = it->frames - at, n = left < VS_HOP_FRAMES ? left : VS_HOP_FRAMES;

        status = take(h, it, at, pcm, n);
        if (status == 0)
            status = vs_writer_write(w, pcm, n);
    }
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
        status = write_audio(h, it, w);
        int closed = vs_writer_destroy(w);
        status = status < 0 ? status : closed;
    }
    if (status < 0)
        ret[0] = '\0';
}

static void free_item(struct item *it)
{
    if (it->pcm != NULL)
        explicit_bzero(it->pcm, it->room * sizeof(float));
    free(it->pcm);
    free(it);
}

static bool is_late(struct hear *h)
{
    pthread_mutex_lock(&h->lock);
    bool late = h->late;
    pthread_mutex_unlock(&h->lock);
    return late;
}

/* @return 0 or -errno; what was found is in h->found */
static int hear_first(struct hear *h, const struct item *it, int64_t *ret_engine_ns)
{
    if (it->refused)
        return -ENOBUFS;
    int status = is_late(h) ? -ESHUTDOWN : try_once(h, it->id, ret_engine_ns);
    if (status < 0 && status != -ECANCELED && !is_late(h)) {
        close_engine(h); /* it may be broken for good: a new one hears it again */
        status = try_once(h, it->id, ret_engine_ns);
    }
    return status < 0 && is_late(h) ? -ESHUTDOWN : status;
}

static void tell_heard(struct hear *h, const struct item *it, struct heard *heard)
{
    char saved[4200] = "";

    if (heard->status < 0 && it->frames > 0)
        save_audio(h, it, saved, sizeof(saved));
    heard->text = heard->status == 0 ? h->found.text : "";
    heard->saved = saved[0] != '\0' ? saved : NULL;
    heard->seconds = (double)it->frames / VS_RATE_HZ;
    heard->target = it->target;
    heard->release_ns = it->release_ns;
    heard->end_ns = it->end_ns;
    heard->text_ns = heard->status == 0 && h->found.text_ns != 0 ? h->found.text_ns : now_ns();
    h->config.done(h->config.user, heard);
}

/* With the lock. */
static void remove_first(struct hear *h)
{
    struct item *it = h->first;

    h->first = it->next;
    if (h->first == NULL) {
        h->last = NULL;
        if (h->file >= 0 && ftruncate(h->file, 0) == 0)
            h->file_end = 0;
    }
    h->frames -= (int64_t)it->frames;
    h->memory -= (int64_t)(it->frames - it->filed);
    pthread_cond_broadcast(&h->news);
}

/* The first of the queue, to its end. */
static void serve(struct hear *h, struct item *it)
{
    struct heard heard = {.id = it->id};

    heard.status = hear_first(h, it, &heard.engine_ns);
    pthread_mutex_lock(&h->lock);
    while (heard.status < 0 && !it->ended && !it->dropped) /* its audio still comes */
        pthread_cond_wait(&h->news, &h->lock);
    bool dropped = it->dropped;
    pthread_mutex_unlock(&h->lock);
    if (!dropped)
        tell_heard(h, it, &heard);
    pthread_mutex_lock(&h->lock);
    remove_first(h);
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
    h->hurried = h->closing = h->late = false;
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

/* With the lock: what waits is heard while there is time for it. */
static void wait_for_end(struct hear *h)
{
    struct timespec end;
    int status = 0;

    clock_gettime(CLOCK_REALTIME, &end);
    end.tv_sec += HEAR_END_S;
    while (h->first != NULL && !h->late && status == 0)
        status = pthread_cond_timedwait(&h->news, &h->lock, &end);
}

void hear_hurry(struct hear *h)
{
    pthread_mutex_lock(&h->lock);
    h->hurried = true;
    pthread_cond_broadcast(&h->news);
    pthread_mutex_unlock(&h->lock);
}

void hear_give_up(void)
{
    struct hear *h = &only;

    pthread_mutex_lock(&h->lock);
    h->late = true;
    if (h->first != NULL && h->pipeline != NULL)
        vs_pipeline_abort(h->pipeline);
    pthread_cond_broadcast(&h->news);
    pthread_mutex_unlock(&h->lock);
}

void hear_close(struct hear *h, bool now)
{
    if (h == NULL)
        return;
    hear_end(h, 0);
    pthread_mutex_lock(&h->lock);
    h->closing = true;
    pthread_cond_broadcast(&h->news);
    if (!now)
        wait_for_end(h);
    pthread_mutex_unlock(&h->lock);
    hear_give_up();
    pthread_join(h->thread, NULL);
    close_engine(h);
    if (h->file >= 0)
        close(h->file);
    h->file = -1;
    free(h->found.text);
    h->found.text = NULL;
}

int hear_begin(struct hear *h, uint64_t id, const char *target)
{
    struct item *it = calloc(1, sizeof(*it));

    if (it == NULL)
        return -ENOMEM;
    pthread_mutex_lock(&h->lock);
    it->id = id;
    snprintf(it->target, sizeof(it->target), "%s", target);
    it->refused = h->frames >= HEAR_MOST;
    it->to_file = !it->refused && h->memory >= HEAR_MEMORY && open_file(h);
    it->offset = h->file_end;
    int status = it->refused ? -ENOBUFS : 0;
    if (h->last != NULL)
        h->last->next = it;
    else
        h->first = it;
    h->last = it;
    pthread_cond_broadcast(&h->news);
    pthread_mutex_unlock(&h->lock);
    return status;
}

/* With the lock. */
static int put_to_memory(struct item *it, const float *pcm, size_t frames)
{
    size_t held = it->frames - it->filed, room = it->room;

    while (held + frames > room)
        room = room > 0 ? 2 * room : 10 * VS_RATE_HZ;
    if (room > it->room) {
        float *more = realloc(it->pcm, room * sizeof(float));
        if (more == NULL)
            return -ENOMEM;
        it->pcm = more;
        it->room = room;
    }
    memcpy(it->pcm + held, pcm, frames * sizeof(float));
    return 0;
}

/* With the lock. A file that takes no more, of a disk that is full, is not tried again for this one. */
static int append(struct hear *h, struct item *it, const float *pcm, size_t frames)
{
    it->to_file = it->to_file && put_to_file(h, it, pcm, frames);
    if (!it->to_file) {
        int status = put_to_memory(it, pcm, frames);
        if (status < 0)
            return status;
        h->memory += (int64_t)frames;
    }
    it->frames += frames;
    h->frames += (int64_t)frames;
    return 0;
}

int hear_audio(struct hear *h, const float *pcm, size_t frames)
{
    int status = 0;

    pthread_mutex_lock(&h->lock);
    if (h->last != NULL && !h->last->ended && !h->last->dropped && !h->last->refused)
        status = append(h, h->last, pcm, frames);
    pthread_cond_broadcast(&h->news);
    pthread_mutex_unlock(&h->lock);
    return status;
}

void hear_target(struct hear *h, const char *target)
{
    pthread_mutex_lock(&h->lock);
    if (h->last != NULL && !h->last->ended)
        snprintf(h->last->target, sizeof(h->last->target), "%s", target);
    pthread_mutex_unlock(&h->lock);
}

void hear_end(struct hear *h, int64_t release_ns)
{
    pthread_mutex_lock(&h->lock);
    if (h->last != NULL && !h->last->ended) {
        h->last->ended = true;
        h->last->end_ns = now_ns();
        h->last->release_ns = release_ns;
    }
    pthread_cond_broadcast(&h->news);
    pthread_mutex_unlock(&h->lock);
}

void hear_wait(struct hear *h)
{
    pthread_mutex_lock(&h->lock);
    while (h->memory >= HEAR_MEMORY && h->first != h->last && !h->first->dropped && !h->hurried)
        pthread_cond_wait(&h->news, &h->lock);
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
