/* SPDX-License-Identifier: MIT */
/* voicestand enhance: audio with its noise lowered and its speech levelled, in one pass. */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/audio_out.h"
#include "common/common.h"

/* Hops by level, 1 dB each from -120 dB on. */
enum { CELLS = 120 };

/* Level of audio, full scale 1.0. */
struct level {
    float peak;
    vs_loudness *loudness;
    uint64_t hops[CELLS], hop_count; /* digital silence left out */
    uint32_t in_hop;                 /* frames of the hop that is not yet full */
    double hop_sum;                  /* of their squares */
};

/* What the run has done. */
static struct {
    struct level before, after;
    uint64_t frames;
    uint32_t rate_hz, channels;
    int format;
    float least_gain_db, most_gain_db, last_gain_db, limit_db;
    uint64_t limited_frames;
    struct audio_out *out;
    int write_status;
} done;

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
    double db = 10 * log10(l->hop_sum / ((double)l->in_hop * done.channels) + 1e-30) + CELLS;

    l->hop_sum = 0;
    l->in_hop = 0;
    if (db < 0)
        return;
    l->hops[db < CELLS ? (size_t)db : CELLS - 1]++;
    l->hop_count++;
}

static void measure(struct level *l, const float *audio, size_t frames)
{
    for (size_t i = 0; i < frames; i++) {
        for (uint32_t c = 0; c < done.channels; c++) {
            float x = fabsf(audio[i * done.channels + c]);
            l->peak = x > l->peak ? x : l->peak;
            l->hop_sum += (double)x * (double)x;
        }
        if (++l->in_hop == done.rate_hz / 100)
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
    (void)user;
    if (event->type != VS_EVENT_AUDIO || done.write_status < 0)
        return;
    measure(&done.before, event->audio_plain, event->audio_frames);
    measure(&done.after, event->audio, event->audio_frames);
    done.frames += event->audio_frames;
    done.last_gain_db = event->gain_db;
    done.least_gain_db = fminf(done.least_gain_db, event->gain_db);
    done.most_gain_db = fmaxf(done.most_gain_db, event->gain_db);
    done.limit_db = fminf(done.limit_db, event->limit_db);
    if (event->limit_db < -0.01f)
        done.limited_frames += event->audio_frames;
    done.write_status = audio_out_write(done.out, event->audio, event->audio_frames);
    if (done.write_status < 0)
        vs_pipeline_abort(now.pipeline);
}

/* What is done by the options. @return set of enum vs_enhance. */
static int find_parts(const struct settings *s)
{
    return (s->no_denoise ? 0 : VS_ENHANCE_DENOISE) | (s->no_level ? 0 : VS_ENHANCE_LEVEL);
}

static int create_pipeline(const struct settings *s, struct sentences *words, const char *in,
                           vs_pipeline **ret)
{
    char *capture = config_file(in);
    struct vs_pipeline_config config;

    if (capture == NULL)
        return -ENOMEM;
    config_fill(s, words, &config);
    config.capture = capture;
    if (strcmp(in, "-") == 0)
        config_stdin(s, &config);
    config.enhance = find_parts(s);
    config.vad = s->no_level ? "null" : NULL; /* else nobody asks where speech is */
    config.audio = VS_AUDIO_WIDE;
    config.audio_rate_hz = s->output_rate_hz;
    config.audio_channels = s->mono ? 1 : 0;
    config.on_event = on_event;
    int status = vs_pipeline_create(&config, ret);
    free(capture);
    return status;
}

/* What comes out of `p`, and where it goes. @return exit status. */
static int open_output(const struct settings *s, struct sentences *words, const vs_pipeline *p,
                       char **names, const char *partial)
{
    struct vs_pipeline_info info = {.size = sizeof(info)};
    struct vs_env env;
    int status;

    vs_pipeline_info(p, &info);
    done.rate_hz = s->output_rate_hz ? s->output_rate_hz : info.rate_hz;
    done.channels = s->mono || s->channel ? 1 : info.channels;
    done.format = info.format == VS_FORMAT_S16 ? VS_FORMAT_S16 : VS_FORMAT_S24;
    if (s->output_format >= 0)
        done.format = s->output_format;
    sentences_env(words, s, &env);
    struct audio_out_config config = {.env = &env,
                                      .path = names[1],
                                      .partial = partial,
                                      .rate_hz = done.rate_hz,
                                      .channels = done.channels,
                                      .format = done.format,
                                      .raw = s->output_raw != 0,
                                      .at_once = strcmp(names[0], "-") == 0};
    status = vs_loudness_create(done.rate_hz, done.channels, &done.before.loudness);
    if (status == 0)
        status = vs_loudness_create(done.rate_hz, done.channels, &done.after.loudness);
    if (status < 0)
        return status_of(status);
    status = audio_out_create(&config, &done.out);
    if (status == 0)
        return 0;
    if (atomic_load(&words->said) == 0)
        say_output(strcmp(names[1], "-") == 0 ? "standard output" : names[1], status);
    return status == -ENOTSUP ? EXIT_STATUS_MISSING : EXIT_STATUS_OUTPUT;
}

/* reports ------------------------------------------------------------------------------------- */

static void say_level(const char *what, const struct level *l)
{
    if (l->peak > 0)
        say("%s: loudness %.1f LUFS, pauses at %d dB, peak %.1f dB of full scale", what,
            vs_loudness_integrated(l->loudness), find_pauses_db(l), decibels((double)l->peak));
    else
        say("%s: silence", what);
}

static double find_speed(const struct vs_stats *stats)
{
    double audio_s = (double)done.frames / done.rate_hz, wall_s = (double)stats->elapsed_ns / 1e9;

    return wall_s > 0 ? audio_s / wall_s : 0;
}

static void say_report(const struct settings *s, const char *out, const struct vs_stats *stats)
{
    bool is_stream = strcmp(out, "-") == 0;

    say("%s: %.2f s, %u %s, %u Hz, from %u %s, %u Hz", is_stream ? "standard output" : out,
        (double)done.frames / done.rate_hz, done.channels,
        done.channels == 1 ? "channel" : "channels", done.rate_hz, stats->ledger.channels,
        stats->ledger.channels == 1 ? "channel" : "channels", stats->ledger.rate_hz);
    say_level("before", &done.before);
    say_level("after", &done.after);
    if (!s->no_level)
        say("level: gain from %.1f to %.1f dB, %.1f at the end; the limiter worked in %.2f %%, by "
            "up "
            "to %.1f dB",
            (double)done.least_gain_db, (double)done.most_gain_db, (double)done.last_gain_db,
            100 * (double)done.limited_frames / (double)done.frames, fabs((double)done.limit_db));
    say("delay: %.1f ms%s", (double)stats->audio_delay_ns / 1e6,
        is_stream ? "" : " live; in the file it is taken out");
    say("speed: %.0f x real time", find_speed(stats));
    print_ledger(&stats->ledger);
}

static void print_level(FILE *to, const char *what, const struct level *l)
{
    fprintf(to, ",\"%s\":{\"loudness_lufs\":%.2f,\"pauses_db\":%d,\"peak_db\":%.2f}", what,
            vs_loudness_integrated(l->loudness), find_pauses_db(l), decibels((double)l->peak));
}

/* @return exit status. */
static int write_report(const struct settings *s, char **names, const struct vs_stats *stats)
{
    FILE *to = fopen(s->report, "we");

    if (to == NULL) {
        say_output(s->report, -errno);
        return EXIT_STATUS_OUTPUT;
    }
    fprintf(to, "{\"input\":");
    print_json(to, names[0]);
    fprintf(to, ",\"output\":");
    print_json(to, names[1]);
    fprintf(to, ",\"input_rate_hz\":%u,\"input_channels\":%u,\"rate_hz\":%u,\"channels\":%u",
            stats->ledger.rate_hz, stats->ledger.channels, done.rate_hz, done.channels);
    fprintf(to, ",\"frames\":%llu,\"denoise\":%s,\"level\":%s", (unsigned long long)done.frames,
            s->no_denoise ? "false" : "true", s->no_level ? "false" : "true");
    print_level(to, "before", &done.before);
    print_level(to, "after", &done.after);
    fprintf(
        to,
        ",\"gain_db\":{\"least\":%.2f,\"most\":%.2f,\"last\":%.2f},\"limited_frames\":%llu,"
        "\"limit_db\":%.2f,\"poisoned\":%llu,\"delay_ms\":%.3f,\"speed\":%.1f,\"residual\":%lld}\n",
        (double)done.least_gain_db, (double)done.most_gain_db, (double)done.last_gain_db,
        (unsigned long long)done.limited_frames, (double)done.limit_db,
        (unsigned long long)stats->ledger.poisoned, (double)stats->audio_delay_ns / 1e6,
        find_speed(stats), (long long)stats->ledger.residual);
    int failed = ferror(to);
    errno = 0;
    failed |= fclose(to);
    if (failed != 0) {
        say_output(s->report, errno != 0 ? -errno : -EIO);
        return EXIT_STATUS_OUTPUT;
    }
    return 0;
}

/* the run ------------------------------------------------------------------------------------- */

static bool is_same_file(const char *a, const char *b)
{
    struct stat x, y;

    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* @return 0 or the exit status, after one line. */
static int check_names(const struct settings *s, const char *in, const char *out)
{
    bool is_stream = strcmp(out, "-") == 0;

    if (!is_stream && audio_out_container(out) == NULL)
        return say_usage("%s: ends neither in .wav nor in .flac; name it so", out);
    if (is_same_file(in, out))
        return say_usage("%s: is the input and would be overwritten; choose another output", out);
    if (s->report != NULL && (is_same_file(in, s->report) || strcmp(s->report, out) == 0))
        return say_usage("--report: %s would be overwritten; choose another name", s->report);
    if (is_stream && isatty(STDOUT_FILENO))
        return say_usage("-: standard output is a terminal; send it to a file or a program");
    if (!is_stream && s->output_raw)
        return say_usage("--output-raw: is for standard output; give - instead of %s", out);
    if (!is_stream && s->output_format == VS_FORMAT_F32 &&
        strcmp(audio_out_container(out), "flac") == 0)
        return say_usage("--output-format: FLAC holds no f32; choose s24, or a name in .wav");
    return 0;
}

/* The pass itself, once input and output are open. @return exit status. */
static int run_pass(const struct settings *s, struct sentences *words, char **names, vs_pipeline *p)
{
    struct vs_stats stats = {.size = sizeof(stats)};
    const char *out = strcmp(names[1], "-") == 0 ? "standard output" : names[1];
    int status, closed;

    show_to_signals(p);
    status = vs_pipeline_run(p);
    vs_pipeline_stats(p, &stats);
    show_to_signals(NULL);
    closed = audio_out_finish(done.out, done.frames > 0);
    if (done.write_status < 0)
        closed = done.write_status;
    if (closed < 0) {
        if (atomic_load(&words->said) == 0)
            say_output(out, closed);
        return EXIT_STATUS_OUTPUT;
    }
    if (atomic_load(&now.interrupted) != 0) {
        say("%s: interrupted; holds the first %.1f s", out, (double)done.frames / done.rate_hz);
        return 128 + atomic_load(&now.interrupted);
    }
    if (status < 0)
        sentences_explain(words, status);
    if (done.frames > 0 && !s->quiet)
        say_report(s, names[1], &stats);
    if (status == 0 && s->report != NULL)
        return write_report(s, names, &stats);
    return status_of(status);
}

int run_enhance(const struct settings *s, int count, char **arguments)
{
    const char *in = arguments[0], *out = arguments[1];
    struct sentences words;
    vs_pipeline *pipeline = NULL;
    char partial[4096];
    int status;

    (void)count;
    signals_block();
    status = config_check(s);
    if (status == 0)
        status = check_names(s, in, out);
    if (status != 0)
        return status;
    if (snprintf(partial, sizeof(partial), "%s.partial", out) >= (int)sizeof(partial))
        return say_usage("%.64s...: is too long for a name", out);
    sentences_init(&words, s, strcmp(in, "-") == 0 ? "standard input" : in);
    if (signals_start(on_signal, NULL) < 0)
        return EXIT_STATUS_INTERNAL;
    status = create_pipeline(s, &words, in, &pipeline);
    if (status < 0) {
        sentences_explain(&words, status);
        return status_of(status);
    }
    status = open_output(s, &words, pipeline, arguments, partial);
    if (status == 0)
        status = run_pass(s, &words, arguments, pipeline);
    if (strcmp(out, "-") != 0)
        unlink(partial);
    vs_pipeline_destroy(pipeline);
    vs_loudness_destroy(done.before.loudness);
    vs_loudness_destroy(done.after.loudness);
    return status;
}
