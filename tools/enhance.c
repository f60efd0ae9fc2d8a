/* SPDX-License-Identifier: MIT */
/* voicestand enhance: a recording with its noise lowered and its speech levelled, as a file. */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/common.h"

/* Hops by level, 1 dB each from -120 dB on. */
enum { CELLS = 120 };

/* Level of what a pass gave, full scale 1.0. */
struct level {
    float peak;
    uint64_t frames;
    vs_loudness *loudness;
    uint64_t hops[CELLS], hop_count; /* digital silence left out */
    double hop_sum;                  /* of the squares of the hop that is not yet full */
};

/* One run of a pipeline over the input. */
struct pass {
    struct level level;
    vs_writer *writer; /* NULL = only measure */
    int write_status;
    vs_pipeline *pipeline;
};

static struct pass before, after;

static struct {
    pthread_mutex_t lock;
    vs_pipeline *pipeline; /* with the lock */
    atomic_int interrupted;
} now = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void on_signal(void *user, int signal, int count)
{
    (void)user;
    pthread_mutex_lock(&now.lock);
    if (now.pipeline == NULL || count > 1)
        _exit(128 + signal);
    atomic_store(&now.interrupted, signal);
    vs_pipeline_abort(now.pipeline);
    pthread_mutex_unlock(&now.lock);
}

static void show_to_signals(vs_pipeline *p)
{
    pthread_mutex_lock(&now.lock);
    now.pipeline = p;
    pthread_mutex_unlock(&now.lock);
}

static double decibels(double level)
{
    return level > 1e-10 ? 20 * log10(level) : -200;
}

static void end_hop(struct level *l)
{
    double db = 10 * log10(l->hop_sum / VS_HOP_FRAMES + 1e-30) + CELLS;

    l->hop_sum = 0;
    if (db < 0)
        return;
    l->hops[db < CELLS ? (size_t)db : CELLS - 1]++;
    l->hop_count++;
}

static void measure(struct level *l, const float *audio, size_t frames)
{
    for (size_t i = 0; i < frames; i++) {
        float x = fabsf(audio[i]);

        if (x > l->peak)
            l->peak = x;
        l->hop_sum += (double)x * (double)x;
        if (++l->frames % VS_HOP_FRAMES == 0)
            end_hop(l);
    }
    vs_loudness_push(l->loudness, audio, frames);
}

/* Level that a tenth of the hops stays below, dB: that of pauses, where there are some. */
static int find_pauses_db(const struct level *l)
{
    uint64_t below = 0;
    int cell = 0;

    while (cell < CELLS - 1 && (below += l->hops[cell]) * 10 < l->hop_count)
        cell++;
    return cell - CELLS;
}

static void on_event(void *user, const struct vs_event *event)
{
    struct pass *pass = user;

    if (event->type != VS_EVENT_AUDIO || pass->write_status < 0)
        return;
    measure(&pass->level, event->audio, event->audio_frames);
    if (pass->writer == NULL)
        return;
    pass->write_status = vs_writer_write(pass->writer, event->audio, event->audio_frames);
    if (pass->write_status < 0)
        vs_pipeline_abort(pass->pipeline);
}

/* @return 0 or what the pipeline returned. */
static int run_pass(const struct settings *s, struct sentences *words, const char *in, int enhance,
                    struct pass *pass, struct vs_stats *ret)
{
    char *capture = config_file(in);
    struct vs_pipeline_config config;
    int status;

    if (capture == NULL)
        return -ENOMEM;
    status = vs_loudness_create(VS_RATE_HZ, &pass->level.loudness);
    if (status < 0) {
        free(capture);
        return status;
    }
    config_fill(s, words, &config);
    config.capture = capture;
    if (strcmp(in, "-") == 0)
        config_stdin(s, &config);
    config.vad = enhance & VS_ENHANCE_LEVEL ? NULL : "null"; /* else nobody asks where speech is */
    if (pass->writer == NULL)
        config.high_pass_hz = -1; /* the input as it is */
    config.enhance = enhance;
    config.audio = VS_AUDIO_ALL;
    config.on_event = on_event;
    config.user = pass;
    status = vs_pipeline_create(&config, &pass->pipeline);
    free(capture);
    if (status < 0)
        return status;
    show_to_signals(pass->pipeline);
    status = vs_pipeline_run(pass->pipeline);
    vs_pipeline_stats(pass->pipeline, ret);
    show_to_signals(NULL);
    vs_pipeline_destroy(pass->pipeline);
    return status;
}

static void say_level(const char *what, const struct level *l)
{
    if (l->peak > 0)
        say("%s: loudness %.1f LUFS, pauses at %d dB, peak %.1f dB of full scale", what,
            vs_loudness_integrated(l->loudness), find_pauses_db(l), decibels((double)l->peak));
    else
        say("%s: silence", what);
}

/* What is done by the options. @return set of enum vs_enhance. */
static int find_parts(const struct settings *s)
{
    return (s->no_denoise ? 0 : VS_ENHANCE_DENOISE) | (s->no_level ? 0 : VS_ENHANCE_LEVEL);
}

/* Audio that must have come in beyond an output frame before it can be computed, ms. */
static double find_delay_ms(uint32_t rate_hz, int parts)
{
    struct vs_resampler_config config = {
        .size = sizeof(config), .in_hz = rate_hz, .out_hz = VS_RATE_HZ};
    vs_resampler *r = NULL;
    double delay_ms = 0;

    if (rate_hz != VS_RATE_HZ && vs_resampler_create(&config, &r) == 0)
        delay_ms = 1e3 * vs_resampler_delay_frames(r) / rate_hz;
    vs_resampler_destroy(r);
    /* The suppressor and the detector each know one hop ahead, of the same hop. */
    return delay_ms + (parts ? 1e3 * VS_HOP_FRAMES / VS_RATE_HZ : 0);
}

static void report(const struct settings *s, const char *out, const struct vs_stats *stats)
{
    double audio_s = (double)after.level.frames / VS_RATE_HZ;
    double wall_s = (double)stats->elapsed_ns / 1e9;

    if (s->quiet)
        return;
    say("%s: %.2f s, 1 channel, %d Hz, from %u %s, %u Hz", out, audio_s, VS_RATE_HZ,
        stats->ledger.channels, stats->ledger.channels == 1 ? "channel" : "channels",
        stats->ledger.rate_hz);
    if (before.level.frames > 0)
        say_level("before", &before.level);
    say_level(before.level.frames > 0 ? "after" : "level", &after.level);
    say("delay: %.2f ms live; in the file it is taken out",
        find_delay_ms(stats->ledger.rate_hz, find_parts(s)));
    if (wall_s > 0)
        say("speed: %.0f x real time", audio_s / wall_s);
    print_ledger(&stats->ledger);
}

static bool is_same_file(const char *a, const char *b)
{
    struct stat x, y;

    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* @return "wav", "flac" or NULL. */
static const char *find_container(const char *path)
{
    const char *end = strrchr(path, '.');

    if (end != NULL && strcasecmp(end, ".wav") == 0)
        return "wav";
    if (end != NULL && strcasecmp(end, ".flac") == 0)
        return "flac";
    return NULL;
}

/* The pass that writes, to `partial`. @return exit status. */
static int write_pass(const struct settings *s, struct sentences *words, char **names,
                      const char *partial)
{
    struct vs_writer_config config = {.size = sizeof(config),
                                      .path = partial,
                                      .container = find_container(names[1]),
                                      .rate_hz = VS_RATE_HZ,
                                      .channels = 1,
                                      .format = VS_FORMAT_S16};
    struct vs_stats stats = {.size = sizeof(stats)};
    int status, closed;

    sentences_env(words, s, &config.env);
    status = vs_writer_create(&config, &after.writer);
    if (status < 0) {
        if (atomic_load(&words->said) == 0)
            say_output(names[1], status);
        return status == -ENOTSUP ? EXIT_STATUS_MISSING : EXIT_STATUS_OUTPUT;
    }
    status = run_pass(s, words, names[0], find_parts(s), &after, &stats);
    closed = vs_writer_destroy(after.writer);
    if (after.write_status < 0)
        closed = after.write_status;
    if (closed == 0 && after.level.frames > 0 && rename(partial, names[1]) < 0)
        closed = -errno;
    if (closed < 0) {
        if (atomic_load(&words->said) == 0)
            say_output(names[1], closed);
        return EXIT_STATUS_OUTPUT;
    }
    if (atomic_load(&now.interrupted) != 0) {
        say("%s: interrupted; holds the first %.1f s", names[1],
            (double)after.level.frames / VS_RATE_HZ);
        return 128 + atomic_load(&now.interrupted);
    }
    if (status < 0)
        sentences_explain(words, status);
    if (after.level.frames > 0)
        report(s, names[1], &stats);
    return status_of(status);
}

int run_enhance(const struct settings *s, int count, char **arguments)
{
    const char *in = arguments[0], *out = arguments[1];
    struct vs_stats stats = {.size = sizeof(stats)};
    struct sentences words;
    char partial[4096];
    int status;

    (void)count;
    signals_block();
    status = config_check(s);
    if (status != 0)
        return status;
    if (find_container(out) == NULL)
        return say_usage("%s: ends neither in .wav nor in .flac; name it so", out);
    if (is_same_file(in, out))
        return say_usage("%s: is the input and would be overwritten; choose another output", out);
    if (snprintf(partial, sizeof(partial), "%s.partial", out) >= (int)sizeof(partial))
        return say_usage("%.64s...: is too long for a name", out);
    sentences_init(&words, s, strcmp(in, "-") == 0 ? "standard input" : in);
    if (signals_start(on_signal, NULL) < 0)
        return EXIT_STATUS_INTERNAL;
    /* The level before can only be had of what can be read twice. */
    if (strcmp(in, "-") != 0) {
        status = run_pass(s, &words, in, 0, &before, &stats);
        if (status < 0 && before.level.frames == 0) {
            sentences_explain(&words, status);
            return status_of(status);
        }
    }
    if (atomic_load(&now.interrupted) != 0)
        return 128 + atomic_load(&now.interrupted);
    status = write_pass(s, &words, arguments, partial);
    unlink(partial);
    vs_loudness_destroy(before.level.loudness);
    vs_loudness_destroy(after.level.loudness);
    return status;
}
