/* SPDX-License-Identifier: MIT */
/* What the commands share: the one line of an error, exit statuses, signals, configuration. */
#include "common/common.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "common/folders.h"
#include "common/manager.h"
#include "common/progress.h"

/* words -------------------------------------------------------------------------------------- */

enum { PRIORITY_NOTICE = 5 };

__attribute__((format(printf, 3, 0))) static void say_list(int priority, const char *topic,
                                                           const char *format, va_list list)
{
    char line[1200] = "voicestand: ";
    size_t start = strlen(line);

    vsnprintf(line + start, sizeof(line) - start - 1, format, list);
    /* A name may hold anything; an error stays one line. */
    for (char *c = line; *c != '\0'; c++)
        if (iscntrl((unsigned char)*c))
            *c = '?';
    if (manager_log(priority, topic, line + start))
        return;
    strcat(line, "\n");
    progress_hide();
    fputs(line, stderr);
    progress_show();
}

void say(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    say_list(PRIORITY_NOTICE, "command", format, list);
    va_end(list);
}

/* The same, with what the journal can be asked for. */
__attribute__((format(printf, 3, 4))) static void say_of(int level, const char *topic,
                                                         const char *format, ...)
{
    static const int priorities[] = {3, 4, 6, 7}; /* those of syslog */
    va_list list;

    va_start(list, format);
    say_list(priorities[level >= 0 && level < 4 ? level : 3], topic, format, list);
    va_end(list);
}

int say_usage(const char *format, ...)
{
    va_list list;

    va_start(list, format);
    say_list(3, "command", format, list);
    va_end(list);
    return EXIT_STATUS_USAGE;
}

int say_output(const char *name, int status)
{
    switch (-status) {
    case EPIPE:
        break; /* the reader has all it wanted */
    case ENOSPC:
    case EDQUOT:
        say("%s: the disk is full; free some space and run it again", name);
        break;
    case EBADF:
        say("%s: is closed; send it to a file or a program", name);
        break;
    case EACCES:
    case EPERM:
    case EROFS:
        say("%s: may not be written; choose another place or change its permissions", name);
        break;
    case ENOENT:
    case ENOTDIR:
        say("%s: its folder does not exist; make it first", name);
        break;
    case EISDIR:
        say("%s: is a folder; give the name of a file", name);
        break;
    default:
        say("%s: cannot be written: %s", name, strerror(-status));
    }
    return EXIT_STATUS_OUTPUT;
}

int status_of(int error)
{
    switch (-error) {
    case 0:
        return EXIT_STATUS_OK;
    case EINVAL:
        return EXIT_STATUS_USAGE;
    case ENOENT:
    case ENODEV:
    case ENXIO:
    case ENOTDIR:
    case EISDIR:
    case EBUSY:
    case EBADF:
    case ELOOP:
    case ENAMETOOLONG:
    case EIO:
    case EHOSTDOWN:
    case ECONNREFUSED:
    case ETIMEDOUT:
        return EXIT_STATUS_NO_INPUT;
    case EBADMSG:
    case ENODATA:
        return EXIT_STATUS_NOT_AUDIO;
    case EACCES:
    case EPERM:
        return EXIT_STATUS_PERMISSION;
    case EPIPE:
    case ENOSPC:
    case EDQUOT:
    case EROFS:
        return EXIT_STATUS_OUTPUT;
    case ENOTSUP:
        return EXIT_STATUS_MISSING;
    default:
        return EXIT_STATUS_INTERNAL;
    }
}

/* standard streams --------------------------------------------------------------------------- */

void guard_standard_streams(void)
{
    /* Opened the wrong way round, so that using them fails as if they were closed. */
    static const int modes[] = {O_WRONLY, O_RDONLY, O_WRONLY};

    for (int fd = 0; fd < 3; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            (void)!open("/dev/null", modes[fd]);
}

int finish_stdout(int status)
{
    int failed;

    if (status == EXIT_STATUS_OUTPUT)
        return status; /* it was said */
    errno = 0;
    failed = ferror(stdout) | fflush(stdout);
    if (!failed)
        return status;
    return say_output("standard output", errno != 0 ? -errno : -EIO);
}

/* sentences of the library ------------------------------------------------------------------- */

static void write_sentence(void *user, int level, const char *topic, const char *message)
{
    static atomic_bool output_failed;
    struct sentences *s = user;
    int verbose = s->settings->verbose;
    bool is_output = strcmp(topic, "output") == 0;

    if (level <= VS_LOG_WARNING)
        atomic_fetch_add(&s->said, 1);
    if (level == VS_LOG_ERROR) {
        bool is_first = atomic_fetch_add(&s->errors, 1) == 0;

        if (is_first)
            snprintf(s->first, sizeof(s->first), "%s", message);
        else if (!verbose)
            return;
    }
    /* A full disk fails for all threads at once, and is said once. */
    if (level == VS_LOG_ERROR && is_output && atomic_exchange(&output_failed, true) && !verbose)
        return;
    if (level > (s->settings->quiet ? VS_LOG_ERROR : VS_LOG_WARNING + verbose))
        return;
    if (verbose > 1)
        say_of(level, topic, "[%s] %s", topic, message);
    else if (s->name != NULL && !is_output && strstr(message, s->name) == NULL)
        say_of(level, topic, "%s: %s", s->name, message);
    else
        say_of(level, topic, "%s", message);
}

void sentences_init(struct sentences *s, const struct settings *settings, const char *name)
{
    s->settings = settings;
    s->name = name;
    atomic_init(&s->errors, 0);
    atomic_init(&s->said, 0);
    s->first[0] = '\0';
}

void sentences_env(struct sentences *s, const struct settings *settings, struct vs_env *ret)
{
    *ret = (struct vs_env){
        .log = {.write = write_sentence, .user = s},
        .module_dir = getenv("VOICESTAND_MODULE_DIR"),
        .cpu = settings->cpu,
        .openvino = folders_openvino(),
    };
    if (settings->vad != NULL &&
        (strncmp(settings->vad, "openvino", 8) == 0 || strncmp(settings->vad, "auto", 4) == 0))
        ret->cache_dir = folder_cache();
}

const char *sentences_first(const struct sentences *s, int error)
{
    return s->first[0] != '\0' ? s->first : vs_strerror(error);
}

void sentences_explain(struct sentences *s, int error)
{
    if (atomic_load(&s->said) > 0)
        return;
    if (s->name != NULL)
        say("%s: %s", s->name, vs_strerror(error));
    else
        say("%s", vs_strerror(error));
}

/* configuration ------------------------------------------------------------------------------ */

/* The rules that the options set, and where they set none, those of the preset. */
static struct vs_segment_config fill_rules(const struct settings *s)
{
    struct vs_segment_config rules = {
        .size = sizeof(rules),
        .threshold = s->threshold,
        .threshold_off = s->threshold_off,
        .onset_ms = s->onset_ms,
        .min_speech_ms = s->min_speech_ms,
        .hangover_ms = s->hangover_ms,
        .merge_ms = s->merge_ms,
        .pre_roll_ms = s->pre_roll_ms,
        .pad_ms = s->pad_ms,
        .max_ms = s->max_ms,
    };

    if (s->preset >= 0)
        (void)!vs_segment_preset(vs_segment_preset_name((unsigned)s->preset), &rules);
    return rules;
}

void config_fill(const struct settings *s, struct sentences *words, struct vs_pipeline_config *ret)
{
    *ret = (struct vs_pipeline_config){
        .size = sizeof(*ret),
        .vad = s->vad,
        .stt = s->stt,
        .channel = s->channel,
        .latency_ms = s->latency_ms,
        .ring_ms = s->ring_ms,
        .high_pass_hz = s->high_pass_hz,
        .enhance = s->enhance ? VS_ENHANCE_DENOISE | VS_ENHANCE_LEVEL : 0,
        .enhance_text = s->stt_audio,
        .text_sure = s->text_sure,
        .segment = fill_rules(s),
    };
    sentences_env(words, s, &ret->env);
}

char *config_file(const char *path)
{
    size_t length = strlen(path) + 1;
    char *name = malloc(5 + length);

    if (name != NULL) {
        memcpy(name, "file:", 5);
        memcpy(name + 5, path, length);
    }
    return name;
}

void config_stdin(const struct settings *s, struct vs_pipeline_config *ret)
{
    ret->capture = "pipe";
    if (!s->raw)
        return;
    ret->raw = 1;
    ret->rate_hz = s->rate_hz;
    ret->channels = s->channels > 0 ? s->channels : 1;
    ret->format = s->sample_format;
}

struct lookup {
    const char *name;
    size_t length;
    int status;
    char description[200];
    char all[200];
};

static void visit_backend(void *user, const char *name, int status, const char *description)
{
    struct lookup *l = user;
    size_t used = strlen(l->all);

    snprintf(l->all + used, sizeof(l->all) - used, "%s%s", used > 0 ? ", " : "", name);
    if (strlen(name) != l->length || memcmp(name, l->name, l->length) != 0)
        return;
    l->status = status;
    snprintf(l->description, sizeof(l->description), "%s", description);
}

/* @return 0 or an exit status, after one line. */
static int check_backend(const struct settings *s, const char *stage, const char *name)
{
    /* These are in the library itself; to ask for others loads their modules. */
    static const char *const inside[] = {"vad native", "vad energy", "vad silero", "vad replay",
                                         "vad null",   "stt exec",   "stt null"};
    struct lookup l = {.name = name, .length = strcspn(name, ":"), .status = 1};
    struct sentences words;
    struct vs_env env;
    char full[64];

    snprintf(full, sizeof(full), "%s %.*s", stage, (int)(l.length < 40 ? l.length : 40), name);
    for (size_t i = 0; i < sizeof(inside) / sizeof(inside[0]); i++)
        if (strcmp(full, inside[i]) == 0)
            return 0;
    sentences_init(&words, s, NULL);
    sentences_env(&words, s, &env);
    env.log.write = NULL; /* the visit says it */
    if (vs_backends_list(&env, stage, visit_backend, &l) < 0)
        return 0;
    if (l.status == 1)
        return say_usage("--%s: '%s' is unknown; choose from %s", stage, name, l.all);
    if (l.status == 0)
        return 0;
    say("--%s %s: cannot be used here: %s; 'voicestand doctor' says more", stage, name,
        l.description[0] != '\0' ? l.description : vs_strerror(l.status));
    return EXIT_STATUS_MISSING;
}

static uint32_t time_or(uint32_t ms, uint32_t default_ms)
{
    return ms == VS_NONE ? 0 : ms > 0 ? ms : default_ms;
}

/* A segment must have room for what it takes to open one. */
static int check_longest(const struct settings *s)
{
    const struct vs_segment_config r = fill_rules(s);
    uint32_t onset_ms = time_or(r.onset_ms, 50), speech_ms = time_or(r.min_speech_ms, 100);
    uint32_t room_ms =
        time_or(r.pre_roll_ms, 60) + 2 * (onset_ms > speech_ms ? onset_ms : speech_ms) + 20;

    if (r.max_ms == 0 || r.max_ms == VS_NONE || r.max_ms >= room_ms)
        return 0;
    return say_usage("--max-ms: %u is too short for --pre-roll-ms, --onset-ms and --min-speech-ms; "
                     "give %u or more",
                     r.max_ms, room_ms);
}

int config_check(const struct settings *s)
{
    unsigned flags;
    int status = vs_cpu_parse(s->cpu, &flags);

    if (status == -EINVAL)
        return say_usage("--cpu: '%s' is unknown; choose from auto, c, avx2, avx2-vnni, avx512, "
                         "avx512-vnni, neon, neon-dot",
                         s->cpu);
    if (status < 0) {
        say("--cpu %s: this machine cannot run it; leave it out or use --cpu c", s->cpu);
        return EXIT_STATUS_MISSING;
    }
    if (s->raw && s->rate_hz == 0)
        return say_usage("--raw: needs --rate, as in --raw --rate 16000 --channels 1 "
                         "--sample-format s16");
    if (s->stt_audio && !s->enhance)
        return say_usage("--stt-audio enhanced: needs --enhance, which makes that audio");
    if (s->threshold > 0 && s->threshold_off > s->threshold)
        return say_usage("--threshold-off: %g is above --threshold %g; give a smaller one",
                         (double)s->threshold_off, (double)s->threshold);
    status = check_longest(s);
    if (status == 0 && s->vad != NULL)
        status = check_backend(s, "vad", s->vad);
    if (status == 0 && s->stt != NULL)
        status = check_backend(s, "stt", s->stt);
    return status;
}

/* signals ------------------------------------------------------------------------------------ */

static struct {
    sigset_t set;
    void (*handler)(void *user, int signal, int count);
    void *user;
} signals;

static void *wait_for_signals(void *unused)
{
    (void)unused;
    for (int count = 1;; count++) {
        int number = 0;

        if (sigwait(&signals.set, &number) == 0)
            signals.handler(signals.user, number, count);
    }
    return NULL;
}

void signals_block(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};

    sigemptyset(&signals.set);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        struct sigaction now;

        /* What nohup or a shell's background job ignores stays ignored. */
        if (sigaction(numbers[i], NULL, &now) == 0 && now.sa_handler != SIG_IGN)
            sigaddset(&signals.set, numbers[i]);
    }
    pthread_sigmask(SIG_BLOCK, &signals.set, NULL);
}

int signals_start(void (*handler)(void *user, int signal, int count), void *user)
{
    pthread_t thread;
    int status;

    signals.handler = handler;
    signals.user = user;
    status = pthread_create(&thread, NULL, wait_for_signals, NULL);
    if (status == 0)
        pthread_detach(thread);
    return -status;
}

/* small things ------------------------------------------------------------------------------- */

int64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

unsigned core_count(void)
{
    cpu_set_t set;
    int count;

    if (sched_getaffinity(0, sizeof(set), &set) == 0)
        count = CPU_COUNT(&set);
    else
        count = (int)sysconf(_SC_NPROCESSORS_ONLN);
    return count > 0 ? (unsigned)count : 1;
}

void name_stem(const char *path, char *ret, size_t size)
{
    const char *base = strrchr(path, '/');
    const char *end;

    base = base != NULL ? base + 1 : path;
    if (strcmp(path, "-") == 0)
        base = "stdin";
    end = strrchr(base, '.');
    if (end == NULL || end == base)
        end = base + strlen(base);
    snprintf(ret, size, "%.*s", (int)(end - base), base);
}

void print_json(FILE *to, const char *text)
{
    fputc('"', to);
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            fprintf(to, "\\%c", *c);
        else if (*c < 0x20 || *c == 0x7f)
            fprintf(to, "\\u%04x", *c);
        else
            fputc(*c, to);
    }
    fputc('"', to);
}

void print_ledger(const struct vs_ledger *l)
{
    char causes[200] = "";
    uint64_t dropped = 0;
    size_t at = 0;

    for (int i = 0; i < VS_DROP_COUNT; i++) {
        dropped += l->dropped[i];
        if (l->dropped[i] > 0 && at < sizeof(causes))
            at += (size_t)snprintf(causes + at, sizeof(causes) - at, "%s%s %llu",
                                   at > 0 ? ", " : " (", vs_drop_name(i),
                                   (unsigned long long)l->dropped[i]);
    }
    say("ledger: captured %llu = delivered %llu + dropped %llu%s%s frames, residual %lld",
        (unsigned long long)l->captured, (unsigned long long)l->delivered,
        (unsigned long long)dropped, causes, at > 0 ? ")" : "", (long long)l->residual);
    if (l->poisoned > 0 || l->text_dropped > 0 || l->events_dropped > 0)
        say("ledger: %llu samples were not numbers, %llu frames were too much for the text engine, "
            "%llu events were lost",
            (unsigned long long)l->poisoned, (unsigned long long)l->text_dropped,
            (unsigned long long)l->events_dropped);
}

static void print_ms(int64_t ns)
{
    fprintf(stderr, " %9.3f", (double)ns / 1e6);
}

void print_latency(const struct vs_stats *s, const char *note)
{
    progress_hide();
    fprintf(stderr, "latency, ms%s %*s       p50       p90       p99     p99.9       max\n", note,
            (int)(strlen(note) < 11 ? 11 - strlen(note) : 0), "count");
    for (int i = 0; i < VS_STAGE_COUNT; i++) {
        const struct vs_latency *l = &s->stage[i];

        if (l->count == 0)
            continue;
        fprintf(stderr, "  %-9s %11llu", vs_stage_name(i), (unsigned long long)l->count);
        print_ms(l->p50_ns);
        print_ms(l->p90_ns);
        print_ms(l->p99_ns);
        print_ms(l->p999_ns);
        print_ms(l->max_ns);
        fputc('\n', stderr);
    }
    if (s->ring_frames > 0)
        fprintf(
            stderr,
            "first frame after %.1f ms; ring at most %u of %u frames full; worker: %llu wake-ups, "
            "%.2f %% of a core, %s\n",
            (double)s->first_frame_ns / 1e6, s->ring_peak_frames, s->ring_frames,
            (unsigned long long)s->wakeups,
            s->elapsed_ns > 0 ? 100.0 * (double)s->worker_cpu_ns / (double)s->elapsed_ns : 0.0,
            s->realtime > 0 ? "real-time" : "not real-time");
    progress_show();
}
