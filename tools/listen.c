/* SPDX-License-Identifier: MIT */
/* voicestand listen: a live source, events as they come; and voicestand monitor, which shows how. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/common.h"
#include "common/manager.h"
#include "common/trim.h"
#include "common/tuned.h"
#include "monitor/monitor.h"
#include "output/output.h"

enum { POLL_MS = 100, GRACE_S = 2 };

static struct listen {
    const struct settings *settings;
    struct sentences words;
    struct vs_output_source source;
    vs_output *output;
    vs_segment_audio *audio;
    const char *output_name;
    pthread_mutex_t lock;
    pthread_cond_t ended;    /* `pipeline` became NULL */
    vs_pipeline *pipeline;   /* with the lock; set while it may be aborted */
    atomic_int stop;         /* number of the signal that asked for the end */
    atomic_bool aborted;     /* a second one came */
    atomic_bool failed;      /* an output cannot be written */
    enum monitor_face face;  /* of the figures */
    bool watched;            /* somebody wants figures */
    struct vs_ledger ledger; /* by the last event */
} listen = {.lock = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER};

static void leave(int signal)
{
    monitor_leave_screen();
    _exit(128 + signal);
}

static void on_signal(void *user, int signal, int count)
{
    struct timespec until;

    (void)user;
    pthread_mutex_lock(&listen.lock);
    if (listen.pipeline == NULL)
        leave(signal);
    atomic_store(&listen.stop, signal);
    if (count > 1) {
        atomic_store(&listen.aborted, true);
        vs_pipeline_abort(listen.pipeline);
        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_sec += GRACE_S;
        /* A text engine may not hear of it: what was written is flushed, so that is the end. */
        while (listen.pipeline != NULL)
            if (pthread_cond_timedwait(&listen.ended, &listen.lock, &until) == ETIMEDOUT)
                leave(signal);
    }
    pthread_mutex_unlock(&listen.lock);
}

static void fail(const char *name, int status)
{
    if (!atomic_exchange(&listen.failed, true) && name != NULL)
        say_output(name, status);
}

/* 'systemctl --user status' shows what became of the microphone. */
static void tell_status(const char *sentence)
{
    char status[200];

    snprintf(status, sizeof(status), "STATUS=%s", sentence);
    manager_tell(status);
}

/* On the pipeline's output thread. */
static void on_event(void *user, const struct vs_event *event)
{
    int status;

    (void)user;
    if (event->type == VS_EVENT_LEDGER)
        listen.ledger = *event->ledger;
    if (event->type == VS_EVENT_STATE)
        tell_status(event->text);
    monitor_event(event);
    if (atomic_load(&listen.failed) || listen.output == NULL || event->type == VS_EVENT_PROBABILITY)
        return;
    status = vs_output_event(listen.output, &listen.source, event);
    if (status < 0)
        fail(listen.output_name, status);
    if (listen.audio != NULL &&
        vs_segment_audio_event(listen.audio, listen.source.rate_hz, event) < 0)
        fail(NULL, 0); /* the writer said it */
}

static int open_audio(const struct settings *s)
{
    struct vs_segment_audio_config config = {
        .dir = s->audio_dir != NULL ? s->audio_dir : ".",
        .stem = "listen",
        .container = s->audio == 0 ? "wav" : "flac",
    };
    int status;

    if (s->audio < 0)
        return 0;
    if (mkdir(config.dir, 0777) < 0 && errno != EEXIST)
        return say_output(config.dir, -errno);
    sentences_env(&listen.words, s, &config.env);
    status = vs_segment_audio_open(&config, &listen.audio);
    return status < 0 ? say_output(config.dir, status) : 0;
}

/* What the user did not say is what 'voicestand tune' found, if it ran here. */
static void use_tuned(const struct settings *s, struct vs_pipeline_config *config)
{
    static struct tuned tuned;

    config->placement = s->placement;
    if ((s->placement != NULL && s->latency_ms > 0) || tuned_read(&tuned) < 0)
        return;
    if (s->placement == NULL)
        config->placement = tuned.place;
    if (s->latency_ms == 0)
        config->latency_ms = tuned.period_ms;
}

static int open_pipeline(const struct settings *s)
{
    struct vs_pipeline_config config;
    struct vs_pipeline_info info = {.size = sizeof(info)};
    vs_pipeline *p = NULL;
    int status;

    config_fill(s, &listen.words, &config);
    if (s->capture != NULL && strcmp(s->capture, "pipe") == 0) {
        config_stdin(s, &config);
    } else {
        config.capture = s->capture;
        config.rate_hz = s->rate_hz;
        config.channels = s->channels;
    }
    config.probabilities = listen.watched;
    config.audio = s->audio >= 0 ? VS_AUDIO_SEGMENTS : VS_AUDIO_NONE;
    use_tuned(s, &config);
    config.save_power = s->power == 1 ? -1 : s->power == 2;
    config.on_event = on_event;
    status = vs_pipeline_create(&config, &p);
    if (status < 0) {
        sentences_explain(&listen.words, status);
        return status_of(status);
    }
    monitor_attach(p);
    vs_pipeline_info(p, &info);
    listen.source.rate_hz = info.rate_hz;
    listen.source.total_frames = info.total_frames;
    pthread_mutex_lock(&listen.lock);
    listen.pipeline = p;
    pthread_mutex_unlock(&listen.lock);
    return 0;
}

static void say_listening(const struct settings *s)
{
    struct vs_pipeline_info info = {.size = sizeof(info)};
    char sentence[160];

    vs_pipeline_info(listen.pipeline, &info);
    snprintf(sentence, sizeof(sentence), "listening to %s (%s, %u Hz, %u %s)",
             info.device != NULL ? info.device : info.capture, info.capture, info.rate_hz,
             info.channels, info.channels == 1 ? "channel" : "channels");
    tell_status(sentence);
    manager_tell("READY=1");
    if (!s->quiet && listen.face != MONITOR_SCREEN)
        say("%s; Ctrl-C ends", sentence);
}

/* Until the source ends, a signal, the time is over, or an output fails.
    @return 0 or what ended the source. */
static int wait_for_end(const struct settings *s)
{
    int64_t end_ns = s->seconds > 0 ? now_ns() + (int64_t)s->seconds * 1000000000 : INT64_MAX;
    int64_t watchdog_ns = (int64_t)manager_watchdog_ms() * 1000000, told_ns = now_ns();
    int status = 1;

    while (status == 1 && atomic_load(&listen.stop) == 0 && !atomic_load(&listen.failed) &&
           now_ns() < end_ns) {
        int64_t left_ms = (end_ns - now_ns()) / 1000000 + 1;

        status = vs_pipeline_wait(listen.pipeline, left_ms < POLL_MS ? (int)left_ms : POLL_MS);
        if (!monitor_tick())
            break;
        if (watchdog_ns > 0 && now_ns() - told_ns >= watchdog_ns) {
            manager_tell("WATCHDOG=1");
            told_ns = now_ns();
        }
    }
    return status < 0 ? status : 0;
}

/* The pipeline's part, from start to its figures. @return exit status. */
static int run_pipeline(const struct settings *s)
{
    struct vs_stats stats = {.size = sizeof(stats)};
    vs_pipeline *p = listen.pipeline;
    int status = vs_pipeline_start(p);

    if (status == 0) {
        say_listening(s);
        trim_started();
        status = wait_for_end(s);
        manager_tell("STOPPING=1");
        vs_pipeline_stop(p);
        vs_pipeline_stats(p, &stats);
        stats.ledger = listen.ledger;
    }
    monitor_leave_screen();
    monitor_attach(NULL);
    if (status < 0)
        sentences_explain(&listen.words, status);
    if (stats.hops > 0 && !s->quiet && !atomic_load(&listen.failed)) {
        print_ledger(&stats.ledger);
        if (s->stats)
            print_latency(&stats, "");
    }
    pthread_mutex_lock(&listen.lock);
    listen.pipeline = NULL;
    pthread_cond_broadcast(&listen.ended);
    pthread_mutex_unlock(&listen.lock);
    vs_pipeline_destroy(p);
    return status_of(status);
}

/* With everything open. @return exit status. */
static int hear(const struct settings *s)
{
    int status = open_audio(s);
    int closed;

    if (status == 0 && listen.watched) {
        struct vs_env env;
        sentences_env(&listen.words, s, &env);
        status = monitor_open(s, &env, listen.face);
    }
    if (status == 0)
        status = open_pipeline(s);
    if (status == 0)
        status = run_pipeline(s);
    monitor_close();
    vs_segment_audio_close(listen.audio);
    closed = vs_output_close(listen.output);
    if (closed < 0)
        fail(listen.output_name, closed);
    if (atomic_load(&listen.failed))
        return EXIT_STATUS_OUTPUT;
    if (atomic_load(&listen.aborted))
        return 128 + atomic_load(&listen.stop);
    return status;
}

int run_listen(const struct settings *s, int count, char **arguments)
{
    struct vs_output_config config = {.format = s->format, .stream = stdout, .live = 1};
    int status;

    (void)count;
    (void)arguments;
    signals_block();
    status = config_check(s);
    if (status != 0)
        return status;
    listen.settings = s;
    listen.output_name = s->output != NULL ? s->output : "standard output";
    sentences_init(&listen.words, s, s->capture);
    listen.watched = s->metrics != NULL;
    config.terminal = s->output == NULL && isatty(STDOUT_FILENO);
    if (config.format < 0)
        config.format = config.terminal ? VS_OUTPUT_TEXT : VS_OUTPUT_JSONL;
    if (signals_start(on_signal, NULL) < 0)
        return EXIT_STATUS_INTERNAL;
    if (s->output != NULL && (config.stream = fopen(s->output, "we")) == NULL)
        return say_output(s->output, -errno);
    status = vs_output_open(&config, &listen.output);
    if (status < 0)
        return say_output(listen.output_name, status);
    status = hear(s);
    if (s->output != NULL && fclose(config.stream) != 0 && status == 0)
        status = say_output(s->output, -errno);
    return status;
}

int run_monitor(const struct settings *s, int count, char **arguments)
{
    bool terminal = isatty(STDOUT_FILENO) && s->format != VS_OUTPUT_JSONL;
    int status;

    (void)count;
    (void)arguments;
    signals_block();
    status = config_check(s);
    if (status != 0)
        return status;
    if (s->format > VS_OUTPUT_JSONL)
        return say_usage("--format: monitor knows text and jsonl");
    if (s->format == VS_OUTPUT_TEXT && !terminal)
        return say_usage("--format text: standard output is no terminal; use jsonl");
    listen.settings = s;
    listen.output_name = "standard output";
    listen.watched = true;
    listen.face = terminal ? MONITOR_SCREEN : MONITOR_LINES;
    sentences_init(&listen.words, s, s->capture);
    if (signals_start(on_signal, NULL) < 0)
        return EXIT_STATUS_INTERNAL;
    return hear(s);
}
