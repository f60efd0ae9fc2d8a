/* SPDX-License-Identifier: MIT */
/* voicestand validate: does this machine keep what VoiceStand promises? */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/common.h"
#include "common/ticker.h"
#include "output/output.h"

#define DEFAULT_S   5
#define HOP_S       0.01
#define STREAMS     64
#define STREAM_HOPS 2000
#define RATE_HOPS   500
#define TONE_S      2
#define TONE_HZ     997
#define MOST_TEXT   64
#define MEBIBYTE    (1024.0 * 1024)

/* printing ------------------------------------------------------------------------------------ */

struct report {
    bool json;
    int failed;
};

/* `direction`: < 0 at most `limit`, > 0 at least, 0 only shown. */
static void tell(struct report *r, const char *check, double value, const char *unit, int direction,
                 double limit)
{
    bool pass = direction == 0 || (direction < 0 ? value <= limit : value >= limit);

    r->failed += !pass;
    if (r->json) {
        printf("{\"check\":\"%s\",\"value\":%.6g,\"unit\":\"%s\"", check, value, unit);
        if (direction)
            printf(",\"%s\":%g,\"pass\":%s", direction < 0 ? "at_most" : "at_least", limit,
                   pass ? "true" : "false");
        printf("}\n");
    } else if (direction) {
        printf("%-5s %-46s %10.4g %-12s %s %g\n", pass ? "pass" : "FAIL", check, value, unit,
               direction < 0 ? "at most" : "at least", limit);
    } else {
        printf("%-5s %-46s %10.4g %-12s\n", "", check, value, unit);
    }
    fflush(stdout);
}

/* What cannot be measured here is said, never shown as 0. */
static void tell_absent(struct report *r, const char *check, const char *why)
{
    if (r->json)
        printf("{\"check\":\"%s\",\"absent\":\"%s\"}\n", check, why);
    else
        printf("%-5s %-46s %s\n", "-", check, why);
}

/* the machine --------------------------------------------------------------------------------- */

/* A number of kB behind a key of /proc/self/status, in bytes; negative where it is not told. */
static double status_bytes(const char *key)
{
    FILE *f = fopen("/proc/self/status", "r");
    char line[256];
    double kib = -1;

    while (f && fgets(line, sizeof(line), f))
        if (strncmp(line, key, strlen(key)) == 0 && line[strlen(key)] == ':')
            kib = strtod(line + strlen(key) + 1, NULL);
    if (f)
        fclose(f);
    return kib * 1024;
}

struct busy {
    double busy, all; /* ticks */
};

/* Time that processors spent, by the kind of their cores. */
static int read_busy(const struct vs_topology *t, struct busy ret[VS_CORE_KIND_COUNT])
{
    FILE *f = fopen("/proc/stat", "r");
    char line[512];

    memset(ret, 0, VS_CORE_KIND_COUNT * sizeof(*ret));
    if (!f)
        return -errno;
    while (fgets(line, sizeof(line), f)) {
        unsigned id;
        double x[8] = {0};
        if (sscanf(line, "cpu%u %lf %lf %lf %lf %lf %lf %lf %lf", &id, &x[0], &x[1], &x[2], &x[3],
                   &x[4], &x[5], &x[6], &x[7]) < 5)
            continue;
        for (uint32_t i = 0; i < t->count; i++)
            if (t->cpus[i].id == id && t->cpus[i].kind < VS_CORE_KIND_COUNT) {
                struct busy *b = &ret[t->cpus[i].kind];
                for (int k = 0; k < 8; k++)
                    b->all += x[k];
                b->busy += x[0] + x[1] + x[2] + x[5] + x[6] + x[7];
            }
    }
    fclose(f);
    return 0;
}

static void tell_busy(struct report *r, const struct busy *before, const struct busy *after)
{
    char check[MOST_TEXT];

    for (int kind = 0; kind < VS_CORE_KIND_COUNT; kind++) {
        double all = after[kind].all - before[kind].all;
        snprintf(check, sizeof(check), "%s cores busy, with all that runs here",
                 vs_core_kind_name(kind));
        if (all > 0)
            tell(r, check, 100 * (after[kind].busy - before[kind].busy) / all, "%", 0, 0);
    }
}

static void tell_temperature(struct report *r, const struct vs_env *env)
{
    struct vs_power power = {.size = sizeof(power)};
    vs_power_meter *meter;

    if (vs_power_create(env, &meter) < 0)
        return;
    vs_power_read(meter, &power);
    if (power.temperature_status == 0)
        tell(r, "temperature of the processor", (double)power.temperature_c, "degrees C", 0, 0);
    else
        tell_absent(r, "temperature of the processor", vs_strerror(power.temperature_status));
    vs_power_destroy(meter);
}

/* live ---------------------------------------------------------------------------------------- */

static atomic_int interrupted;

static void on_signal(void *user, int signal, int count)
{
    (void)user;
    (void)count;
    atomic_store(&interrupted, signal);
}

/* Sum of what the stages take at that quantile: no less than the quantile of their sum mostly is. */
static double stage_ms(const struct vs_stats *stats, double quantile)
{
    static const int stages[] = {VS_STAGE_QUEUE, VS_STAGE_DSP, VS_STAGE_VAD, VS_STAGE_SEGMENT};
    double ns = 0;

    for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
        const struct vs_latency *l = &stats->stage[stages[i]];
        ns += (double)(quantile < 0.9 ? l->p50_ns : l->p99_ns);
    }
    return ns / 1e6;
}

static int check_live(const struct settings *s, struct sentences *words, struct report *r)
{
    static struct vs_topology topology = {.size = sizeof(topology)};
    struct vs_stats stats = {.size = sizeof(stats)};
    struct vs_pipeline_config config;
    struct busy before[VS_CORE_KIND_COUNT], after[VS_CORE_KIND_COUNT];
    int64_t end_ns = now_ns() + (int64_t)(s->seconds > 0 ? s->seconds : DEFAULT_S) * 1000000000;
    double resident = 0;
    uint32_t looks = 0;
    vs_pipeline *p;

    config_fill(s, words, &config);
    config.capture = "tick";
    config.capture_ops = &ticker_capture;
    bool known = vs_topology_read(&config.env, &topology) == 0 && read_busy(&topology, before) == 0;
    int status = vs_pipeline_create(&config, &p);
    if (status < 0)
        return status;
    status = vs_pipeline_start(p);
    for (; status >= 0 && now_ns() < end_ns && atomic_load(&interrupted) == 0; looks++) {
        status = vs_pipeline_wait(p, 100);
        resident += status_bytes("VmRSS");
    }
    vs_pipeline_stop(p);
    vs_pipeline_stats(p, &stats);
    vs_pipeline_destroy(p);
    if (status < 0 || atomic_load(&interrupted) != 0)
        return status < 0 ? status : 0;
    const struct vs_latency *total = &stats.stage[VS_STAGE_TOTAL];
    double seconds = (double)stats.elapsed_ns / 1e9;
    double p50_ms = stage_ms(&stats, 0.5), p99_ms = stage_ms(&stats, 0.99);
    tell(r, "processing: waking, signal path, detector, p50", p50_ms, "ms", -1, 1);
    tell(r, "the same, p99", p99_ms, "ms", -1, 3);
    tell(r, "last sample of a hop to its decision, p50", (double)total->p50_ns / 1e6, "ms", 0, 0);
    tell(r, "sample to decision, p50 (half a hop more)",
         (double)total->p50_ns / 1e6 + HOP_S * 1e3 / 2, "ms", -1, 10);
    tell(r, "processor time of the worker", 100 * (double)stats.worker_cpu_ns / (seconds * 1e9),
         "% of a core", -1, 0.5);
    tell(r, "wake-ups of the worker", (double)stats.wakeups / seconds, "a second", -1, 101);
    tell(r, "samples neither delivered nor counted", (double)stats.ledger.residual, "frames", -1,
         0);
    tell(r, "memory, average", resident / looks / MEBIBYTE, "MiB", -1, 50);
    if (known && read_busy(&topology, after) == 0)
        tell_busy(r, before, after);
    tell_temperature(r, &config.env);
    return 0;
}

/* as much as it can --------------------------------------------------------------------------- */

static void ignore_event(void *user, const struct vs_event *e)
{
    (void)user;
    (void)e;
}

/* Seconds that `hops` hops of each of `count` streams take on this thread; negative on failure. */
static double time_streams(struct vs_stream_config *config, size_t count, size_t hops)
{
    size_t frames = config->rate_hz / 100;
    float *noise = malloc(frames * sizeof(float));
    vs_stream *streams[STREAMS] = {NULL};
    uint32_t random = 1;
    double took = -1;
    int status = noise ? 0 : -ENOMEM;

    for (size_t i = 0; noise && i < frames; i++) {
        random = random * 1664525u + 1013904223u;
        noise[i] = (float)((int32_t)random >> 8) / 8388608.0f * 0.1f;
    }
    for (size_t i = 0; status == 0 && i < count; i++)
        status = vs_stream_create(config, &streams[i]);
    int64_t begin_ns = now_ns();
    for (size_t hop = 0; status == 0 && hop < hops; hop++)
        for (size_t i = 0; status == 0 && i < count; i++)
            status = vs_stream_push(streams[i], noise, frames);
    if (status == 0)
        took = (double)(now_ns() - begin_ns) / 1e9;
    for (size_t i = 0; i < count; i++)
        vs_stream_destroy(streams[i]);
    free(noise);
    return took;
}

static int check_load(const struct settings *s, const struct vs_env *env, struct report *r)
{
    struct vs_stream_config config = {.size = sizeof(config),
                                      .env = *env,
                                      .rate_hz = VS_RATE_HZ,
                                      .format = VS_FORMAT_F32,
                                      .vad = s->vad,
                                      .on_event = ignore_event};
    double took = time_streams(&config, STREAMS, STREAM_HOPS / STREAMS);

    if (took < 0)
        return -EIO;
    double hop_s = took / (STREAM_HOPS / STREAMS) / STREAMS;
    tell(r, "streams of 16 kHz that one core sustains", HOP_S / hop_s, "streams", 1, 100);
    config.rate_hz = 192000;
    took = time_streams(&config, 1, RATE_HOPS);
    if (took < 0)
        return -EIO;
    tell(r, "192 kHz, faster than real time on one core", RATE_HOPS * HOP_S / took, "times", 1, 1);
    tell(r, "samples a second that one stream sustains", 192000 * RATE_HOPS * HOP_S / took / 1e6,
         "million", 0, 0);
    return 0;
}

/* quality ------------------------------------------------------------------------------------- */

/* A tone of `hz` at 48 kHz, brought to 16 kHz. @return what came out, to be freed, or NULL */
static float *bring_down(const char *cpu, double hz, size_t *ret_frames)
{
    struct vs_resampler_config config = {
        .size = sizeof(config), .cpu = cpu, .in_hz = 48000, .out_hz = VS_RATE_HZ};
    size_t frames = (size_t)TONE_S * config.in_hz;
    vs_resampler *resampler;

    if (vs_resampler_create(&config, &resampler) < 0)
        return NULL;
    float *in = malloc(frames * sizeof(float));
    float *out = malloc(vs_resampler_max_out(resampler, frames) * sizeof(float));
    for (size_t i = 0; in && i < frames; i++)
        in[i] = (float)(0.5 * sin(2 * M_PI * hz * (double)i / config.in_hz));
    if (in && out)
        *ret_frames = vs_resampler_process(resampler, in, frames, out);
    vs_resampler_destroy(resampler);
    if (!in) {
        free(out);
        out = NULL;
    }
    free(in);
    return out;
}

/* Power of a sine of `hz` in the second half of `x`, where nothing swings in, and of all else. */
static void split_power(const float *x, size_t frames, double hz, double *ret_tone,
                        double *ret_rest)
{
    const float *from = x + frames - VS_RATE_HZ; /* a second: whole periods */
    double re = 0, im = 0, all = 0;

    for (size_t i = 0; i < VS_RATE_HZ; i++) {
        double angle = 2 * M_PI * hz * (double)i / VS_RATE_HZ, value = (double)from[i];
        re += value * cos(angle);
        im += value * sin(angle);
        all += value * value;
    }
    *ret_tone = 2 * (re * re + im * im) / VS_RATE_HZ / VS_RATE_HZ;
    *ret_rest = all / VS_RATE_HZ - *ret_tone;
}

static int check_resampler(const char *cpu, struct report *r)
{
    size_t frames = 0;
    double tone, rest;
    float *x = bring_down(cpu, TONE_HZ, &frames);

    if (!x)
        return -ENOMEM;
    split_power(x, frames, TONE_HZ, &tone, &rest);
    free(x);
    tell(r, "48 to 16 kHz: tone over noise and distortion", 10 * log10(tone / fmax(rest, 1e-20)),
         "dB", 1, 120);
    x = bring_down(cpu, 9500, &frames);
    if (!x)
        return -ENOMEM;
    split_power(x, frames, 6500, &tone, &rest);
    free(x);
    tell(r, "48 to 16 kHz: alias of 9.5 kHz", 10 * log10(fmax(tone + rest, 1e-20) / 0.125), "dB",
         -1, -100);
    return 0;
}

struct energy {
    double sum, frames;
};

static void add_energy(void *user, const struct vs_event *e)
{
    struct energy *sum = user;

    /* after two seconds the noise is known */
    if (e->type != VS_EVENT_AUDIO || e->audio_position < 2 * VS_RATE_HZ)
        return;
    for (size_t i = 0; i < e->audio_frames; i++)
        sum->sum += (double)e->audio[i] * (double)e->audio[i];
    sum->frames += (double)e->audio_frames;
}

/* Noise alone goes through. @return its power behind the enhancement, or negative */
static double noise_power(const struct vs_env *env, int enhance)
{
    struct energy sum = {0};
    struct vs_stream_config config = {.size = sizeof(config),
                                      .env = *env,
                                      .format = VS_FORMAT_F32,
                                      .audio = VS_AUDIO_ALL,
                                      .enhance = enhance,
                                      .on_event = add_energy,
                                      .user = &sum};
    float hop[VS_HOP_FRAMES];
    uint32_t random = 1;
    vs_stream *stream;

    int status = vs_stream_create(&config, &stream);
    if (status < 0)
        return -1;
    for (size_t i = 0; status == 0 && i < 400; i++) {
        for (size_t k = 0; k < VS_HOP_FRAMES; k++) {
            random = random * 1664525u + 1013904223u;
            hop[k] = (float)((int32_t)random >> 8) / 8388608.0f * 0.02f;
        }
        status = vs_stream_push(stream, hop, VS_HOP_FRAMES);
    }
    vs_stream_destroy(stream);
    return status == 0 && sum.frames > 0 ? sum.sum / sum.frames : -1;
}

static int check_quality(const struct settings *s, const struct vs_env *env, struct report *r)
{
    int status = check_resampler(s->cpu, r);
    double as_it_is = noise_power(env, 0), lowered = noise_power(env, VS_ENHANCE_DENOISE);

    if (status < 0 || as_it_is < 0 || lowered < 0)
        return status < 0 ? status : -EIO;
    tell(r, "white noise without speech, lowered by", 10 * log10(as_it_is / fmax(lowered, 1e-20)),
         "dB", 1, 12);
    return 0;
}

int run_validate(const struct settings *s, int count, char **arguments)
{
    struct report report = {0};
    struct sentences words;
    struct vs_env env;

    (void)count;
    (void)arguments;
    if (s->format > VS_OUTPUT_JSONL)
        return say_usage("--format: validate knows text and jsonl");
    report.json = s->format == VS_OUTPUT_JSONL;
    signals_block();
    sentences_init(&words, s, NULL);
    sentences_env(&words, s, &env);
    if (signals_start(on_signal, NULL) < 0)
        return EXIT_STATUS_INTERNAL;
    int status = check_live(s, &words, &report);
    if (status == 0 && atomic_load(&interrupted) == 0)
        status = check_load(s, &env, &report);
    if (status == 0 && atomic_load(&interrupted) == 0)
        status = check_quality(s, &env, &report);
    if (atomic_load(&interrupted) != 0)
        return 128 + atomic_load(&interrupted);
    if (status < 0) {
        sentences_explain(&words, status);
        return status_of(status);
    }
    double peak = status_bytes("VmHWM");
    tell(&report, "memory, peak, with everything above", peak / MEBIBYTE, "MiB", -1, 50);
    if (!report.json)
        printf("\n%s\n",
               report.failed ? "some promises are not kept here" : "every promise is kept here");
    return report.failed ? EXIT_STATUS_SOME : EXIT_STATUS_OK;
}
