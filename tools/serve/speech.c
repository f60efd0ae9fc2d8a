/* SPDX-License-Identifier: MIT */
#include "serve/speech.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <voicestand/backend.h>

#include "output/output.h"

enum { LOOK_MS = 100 }; /* how often one who waits looks whether its client is still there */

/* A request that is being heard; on the stack of the thread that hears it. */
struct run {
    struct run *next;
    struct server_job *job;
    vs_pipeline *pipeline; /* with the lock */
    uint64_t frames, most_frames;
    int64_t end_ns;
    int status;    /* why it was ended early */
    bool declined; /* by the listener */
};

struct speech {
    const struct settings *settings;
    struct sentences words; /* of what belongs to no request */
    pthread_mutex_t lock;
    pthread_cond_t freed; /* an engine, or the end */
    vs_stt *engines[SPEECH_ENGINES_MAX];
    bool taken[SPEECH_ENGINES_MAX];
    unsigned count;
    struct run *runs;
    bool stopping;
    uint32_t wait_s, request_s, audio_s;
    vs_pipeline *mic; /* the thread that opened it alone */
    struct server_mic listener;
};

/* the source of a request: what its client sends ----------------------------------------------- */

/* vs_pipeline_create() opens the source on the thread that calls it. */
static _Thread_local struct run *opening;

static int source_open(void *state, const struct vs_capture_params *params,
                       struct vs_capture_format *ret)
{
    const struct server_job *job = opening->job;

    (void)params;
    *(struct run **)state = opening;
    ret->rate_hz = job->rate_hz;
    ret->channels = job->channels;
    ret->format = job->format;
    return 0;
}

static int64_t source_read(void *state, void *pcm, size_t frames, struct vs_capture_stamp *ret)
{
    struct run *r = *(struct run **)state;

    if (r->status == 0 && now_ns() > r->end_ns)
        r->status = -ETIMEDOUT;
    if (r->status == 0 && r->frames >= r->most_frames)
        r->status = -EFBIG;
    if (r->status < 0)
        return r->status;
    int64_t n = r->job->read(r->job->user, pcm, frames);
    ret->position = r->frames;
    if (n < 0)
        r->status = (int)n;
    else
        r->frames += (uint64_t)n;
    return n;
}

static void source_close(void *state)
{
    (void)state;
}

static const struct vs_capture_ops source = {
    .abi = VS_BACKEND_ABI,
    .name = "client",
    .description = "what a client sends",
    .state_size = sizeof(struct run *),
    .open = source_open,
    .read = source_read,
    .close = source_close,
};

/* engines -------------------------------------------------------------------------------------- */

static int load_engines(struct speech *s, unsigned count)
{
    struct vs_stt_config config = {.size = sizeof(config), .name = s->settings->stt};

    if (config.name == NULL || strcmp(config.name, "null") == 0)
        return 0;
    sentences_env(&s->words, s->settings, &config.env);
    for (; s->count < count; s->count++) {
        int status = vs_stt_create(&config, &s->engines[s->count]);
        if (status < 0) {
            sentences_explain(&s->words, status);
            return status_of(status);
        }
    }
    return 0;
}

int speech_open(const struct settings *settings, unsigned engines, struct speech **ret)
{
    struct speech *s = calloc(1, sizeof(*s));
    pthread_condattr_t clock;

    if (s == NULL)
        return EXIT_STATUS_INTERNAL;
    s->settings = settings;
    sentences_init(&s->words, settings, NULL);
    pthread_mutex_init(&s->lock, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&s->freed, &clock);
    pthread_condattr_destroy(&clock);
    speech_limit(s, 30, 600, 3600);
    int status = load_engines(s, engines);
    if (status != 0) {
        speech_close(s);
        return status;
    }
    *ret = s;
    return 0;
}

void speech_limit(struct speech *s, uint32_t wait_s, uint32_t request_s, uint32_t audio_s)
{
    s->wait_s = wait_s;
    s->request_s = request_s;
    s->audio_s = audio_s;
}

void speech_stop(struct speech *s)
{
    pthread_mutex_lock(&s->lock);
    s->stopping = true;
    for (struct run *r = s->runs; r != NULL; r = r->next)
        if (r->pipeline != NULL)
            vs_pipeline_abort(r->pipeline);
    pthread_cond_broadcast(&s->freed);
    pthread_mutex_unlock(&s->lock);
}

void speech_close(struct speech *s)
{
    if (s == NULL)
        return;
    speech_mic_close(s);
    for (unsigned i = 0; i < s->count; i++)
        vs_stt_destroy(s->engines[i]);
    pthread_cond_destroy(&s->freed);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

static struct timespec time_of(int64_t ns)
{
    return (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
}

/* With the lock. @return one that is free, -1 none */
static int find_engine(const struct speech *s)
{
    for (unsigned i = 0; i < s->count; i++)
        if (!s->taken[i])
            return (int)i;
    return -1;
}

/* @return its number; -ECANCELED, -EBUSY */
static int take_engine(struct speech *s, const struct server_job *job)
{
    int64_t end_ns = now_ns() + (int64_t)s->wait_s * 1000000000;
    int status = 0, found;

    pthread_mutex_lock(&s->lock);
    while ((found = find_engine(s)) < 0 && status == 0 && !s->stopping) {
        int64_t now = now_ns(), look_ns = now + (int64_t)LOOK_MS * 1000000;
        struct timespec until = time_of(look_ns < end_ns ? look_ns : end_ns);

        if (now >= end_ns) {
            status = -EBUSY;
            break;
        }
        pthread_cond_timedwait(&s->freed, &s->lock, &until);
        pthread_mutex_unlock(&s->lock);
        if (job->is_gone(job->user))
            status = -ECANCELED;
        pthread_mutex_lock(&s->lock);
    }
    if (s->stopping)
        status = -ECANCELED;
    if (status == 0)
        s->taken[found] = true;
    else if (found >= 0)
        pthread_cond_signal(&s->freed); /* it may have been woken for it */
    pthread_mutex_unlock(&s->lock);
    return status < 0 ? status : found;
}

static void free_engine(struct speech *s, int number)
{
    pthread_mutex_lock(&s->lock);
    s->taken[number] = false;
    pthread_cond_signal(&s->freed);
    pthread_mutex_unlock(&s->lock);
}

/* a request ------------------------------------------------------------------------------------ */

static void end_run(struct run *r, int status)
{
    if (r->status == 0)
        r->status = status;
    vs_pipeline_abort(r->pipeline);
}

static void on_event(void *user, const struct vs_event *e)
{
    struct run *r = user;

    if (!r->declined && !r->job->event(r->job->user, e)) {
        r->declined = true;
        end_run(r, -ECANCELED);
    }
    if (r->job->path != NULL && now_ns() > r->end_ns)
        end_run(r, -ETIMEDOUT);
    if (r->job->path != NULL && e->type != VS_EVENT_LEDGER && e->end_frame > r->most_frames)
        end_run(r, -EFBIG);
}

/* Into the list, so that speech_stop() finds it. @return false: it is the end already */
static bool enlist(struct speech *s, struct run *r)
{
    pthread_mutex_lock(&s->lock);
    bool go = !s->stopping;
    if (go) {
        r->next = s->runs;
        s->runs = r;
    }
    pthread_mutex_unlock(&s->lock);
    return go;
}

static void strike(struct speech *s, const struct run *r)
{
    pthread_mutex_lock(&s->lock);
    for (struct run **at = &s->runs; *at != NULL; at = &(*at)->next)
        if (*at == r) {
            *at = r->next;
            break;
        }
    pthread_mutex_unlock(&s->lock);
}

/* A file says how long it is: too long is said before anything is done. */
static int check_length(const struct speech *s, struct run *r)
{
    struct vs_pipeline_info info = {.size = sizeof(info)};

    vs_pipeline_info(r->pipeline, &info);
    r->most_frames = (uint64_t)s->audio_s * info.rate_hz;
    return info.total_frames > r->most_frames ? -EFBIG : 0;
}

static int create_run(struct speech *s, struct run *r, vs_stt *engine, struct sentences *words)
{
    struct vs_pipeline_config config;
    char *file = NULL;

    config_fill(s->settings, words, &config);
    config.stt = NULL;
    config.engine = engine;
    config.on_event = on_event;
    config.user = r;
    config.enhance = 0; /* of audio that is given out; the engine's is enhance_text */
    if (s->settings->enhance)
        config.enhance = VS_ENHANCE_DENOISE | VS_ENHANCE_LEVEL;
    config.capture_ops = r->job->path == NULL ? &source : NULL;
    if (r->job->path != NULL && (config.capture = file = config_file(r->job->path)) == NULL)
        return -ENOMEM;
    opening = r;
    int status = vs_pipeline_create(&config, &r->pipeline);
    opening = NULL;
    free(file);
    return status == 0 ? check_length(s, r) : status;
}

static void explain(const struct speech *s, struct server_job *job, const struct sentences *words,
                    int status)
{
    if (status == -EFBIG)
        snprintf(job->why, sizeof(job->why), "the audio is longer than %" PRIu32 " s", s->audio_s);
    else if (status == -ETIMEDOUT)
        snprintf(job->why, sizeof(job->why), "it took longer than %" PRIu32 " s", s->request_s);
    else if (status == -EBUSY)
        snprintf(job->why, sizeof(job->why),
                 "no text engine came free in %" PRIu32 " s; try again later", s->wait_s);
    else if (status == -ECANCELED)
        snprintf(job->why, sizeof(job->why), "the server ends");
    else
        snprintf(job->why, sizeof(job->why), "%s", sentences_first(words, status));
}

static int run_job(struct speech *s, struct run *r, vs_stt *engine, struct sentences *words)
{
    int status = create_run(s, r, engine, words);

    if (status == 0)
        status = enlist(s, r) ? vs_pipeline_run(r->pipeline) : -ECANCELED;
    strike(s, r);
    vs_pipeline_destroy(r->pipeline);
    return r->status < 0 ? r->status : status;
}

int speech_hear(void *speech, struct server_job *job)
{
    struct speech *s = speech;
    struct run r = {.job = job,
                    .most_frames = (uint64_t)s->audio_s * job->rate_hz,
                    .end_ns = now_ns() + (int64_t)s->request_s * 1000000000};
    struct sentences words;
    bool wants = job->text && s->count > 0;
    int number = wants ? take_engine(s, job) : 0;
    int status = number < 0 ? number : 0;

    sentences_init(&words, s->settings, NULL);
    if (status == 0) {
        status = run_job(s, &r, wants ? s->engines[number] : NULL, &words);
        if (wants)
            free_engine(s, number);
    }
    if (status < 0)
        explain(s, job, &words, status);
    return status;
}

int speech_captions(const char *format, uint32_t rate_hz, const struct vs_event *segments,
                    size_t count, char **ret)
{
    struct vs_output_config config = {.format = vs_output_format_parse(format)};
    struct vs_output_source from = {.rate_hz = rate_hz};
    vs_output *o = NULL;
    size_t bytes = 0;
    char *text = NULL;
    int status = 0, closed;

    config.stream = open_memstream(&text, &bytes);
    if (config.stream == NULL)
        return -ENOMEM;
    status = vs_output_open(&config, &o);
    for (size_t i = 0; i < count && status == 0; i++)
        status = vs_output_event(o, &from, &segments[i]);
    closed = vs_output_close(o);
    if (fclose(config.stream) != 0 && status == 0)
        status = -ENOMEM;
    status = status < 0 ? status : closed;
    if (status < 0)
        free(text);
    else
        *ret = text;
    return status;
}

/* the microphone ------------------------------------------------------------------------------- */

static void on_mic_event(void *user, const struct vs_event *e)
{
    struct speech *s = user;

    if (e->type == VS_EVENT_AUDIO)
        s->listener.audio(s->listener.user, e->audio, e->audio_frames);
    else if (e->type == VS_EVENT_LEDGER)
        s->listener.end(s->listener.user);
}

int speech_mic_open(void *speech, const struct server_mic *mic)
{
    struct speech *s = speech;
    struct vs_pipeline_config config;

    if (s->mic != NULL)
        return -EBUSY;
    s->listener = *mic;
    config_fill(s->settings, &s->words, &config);
    config.stt = NULL;
    config.capture = s->settings->capture;
    config.rate_hz = s->settings->rate_hz;
    config.channels = s->settings->channels;
    config.audio = VS_AUDIO_ALL;
    config.on_event = on_mic_event;
    config.user = s;
    int status = vs_pipeline_create(&config, &s->mic);
    if (status == 0)
        status = vs_pipeline_start(s->mic);
    if (status < 0) {
        sentences_explain(&s->words, status);
        speech_mic_close(s);
    }
    return status;
}

void speech_mic_close(void *speech)
{
    struct speech *s = speech;

    vs_pipeline_destroy(s->mic);
    s->mic = NULL;
}
