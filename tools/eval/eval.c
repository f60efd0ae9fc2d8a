/* SPDX-License-Identifier: MIT */
/* voicestand eval: how many words a text engine gets wrong, how fast it is, how late its text. */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/common.h"
#include "common/progress.h"
#include "eval/find.h"
#include "eval/words.h"
#include "output/output.h"

/* What became of one recording. */
struct result {
    int status; /* 0 or -errno: it could not be heard */
    char *text; /* heard, segments with blanks between them */
    struct errors errors;
    unsigned failed; /* segments on which the engine failed */
    size_t segments;
    double audio_s, spoken_s, wall_s;
    double *final_s; /* of each segment with text: from its end to its text */
    size_t finals;
    int64_t end_ns;
    size_t bytes, room;
    bool is_short_of_memory;
};

static struct eval {
    const struct settings *settings;
    struct vs_pipeline_config config; /* of all; the source is the recording's */
    struct recordings recordings;
    struct result *results;
    atomic_size_t next, done;
    pthread_mutex_t lock; /* of the progress line */
    int64_t start_ns;
    double audio_s;
    atomic_int broken; /* exit status once no engine could be opened */
} eval = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* hearing ------------------------------------------------------------------------------------ */

static bool grow_text(struct result *r, const char *text)
{
    size_t length = strlen(text);

    if (r->bytes + length + 2 > r->room) {
        size_t room = 2 * (r->bytes + length + 64);
        char *grown = realloc(r->text, room);

        if (grown == NULL)
            return false;
        r->text = grown;
        r->room = room;
    }
    r->bytes += (size_t)sprintf(r->text + r->bytes, "%s%s", r->bytes > 0 ? " " : "", text);
    return true;
}

static bool grow_finals(struct result *r, double seconds)
{
    if ((r->finals & (r->finals - 1)) == 0) { /* a power of two: it is full */
        double *grown = realloc(r->final_s, (r->finals > 0 ? 2 * r->finals : 1) * sizeof(*grown));

        if (grown == NULL)
            return false;
        r->final_s = grown;
    }
    r->final_s[r->finals++] = seconds;
    return true;
}

static void on_event(void *user, const struct vs_event *e)
{
    struct result *r = user;

    switch (e->type) {
    case VS_EVENT_END:
        r->end_ns = now_ns();
        r->segments++;
        r->spoken_s += e->end_s - e->start_s;
        break;
    case VS_EVENT_TEXT:
        if ((e->flags & VS_EVENT_FINAL) == 0 || e->text == NULL)
            break;
        if (!grow_finals(r, (double)(now_ns() - r->end_ns) / 1e9) ||
            (e->text[0] != '\0' && !grow_text(r, e->text)))
            r->is_short_of_memory = true;
        break;
    case VS_EVENT_ERROR:
        r->failed++;
        break;
    case VS_EVENT_LEDGER:
        r->audio_s = (double)e->ledger->captured / (double)e->ledger->rate_hz;
        break;
    default:
        break;
    }
}

/* The engine alone: one segment that holds all of the recording, and nothing done to it. */
static void bypass(struct vs_pipeline_config *c)
{
    c->vad = "null:1";
    c->high_pass_hz = -1;
    c->enhance = 0;
    c->enhance_text = 0;
    c->segment = (struct vs_segment_config){.size = sizeof(c->segment), .max_ms = VS_NONE};
}

static int hear(const struct recording *from, vs_stt *engine, struct result *r)
{
    struct sentences words;
    struct vs_pipeline_config config = eval.config;
    vs_pipeline *p = NULL;
    char *capture = config_file(from->path);

    if (capture == NULL)
        return -ENOMEM;
    sentences_init(&words, eval.settings, from->path);
    sentences_env(&words, eval.settings, &config.env);
    config.capture = capture;
    config.engine = engine;
    config.stt = NULL;
    config.on_event = on_event;
    config.user = r;
    int status = vs_pipeline_create(&config, &p);
    int64_t start_ns = now_ns();
    if (status == 0)
        status = vs_pipeline_run(p);
    r->wall_s = (double)(now_ns() - start_ns) / 1e9;
    vs_pipeline_destroy(p);
    free(capture);
    if (status == 0 && r->is_short_of_memory)
        status = -ENOMEM;
    if (status < 0)
        sentences_explain(&words, status);
    return status;
}

static int judge(const struct recording *from, struct result *r)
{
    bool spell = eval.settings->numbers == 0;
    struct words reference = {0}, heard = {0};
    int status = words_split(from->text != NULL ? from->text : "", spell, &reference);

    if (status == 0)
        status = words_split(r->text != NULL ? r->text : "", spell, &heard);
    if (status == 0)
        status = words_align(&reference, &heard, &r->errors);
    words_free(&reference);
    words_free(&heard);
    if (status == -E2BIG)
        say("%s: is too long to be compared; cut it", from->path);
    return status;
}

static void show_progress(const struct result *r)
{
    pthread_mutex_lock(&eval.lock);
    eval.audio_s += r->audio_s;
    struct progress p = {.done = atomic_fetch_add(&eval.done, 1) + 1,
                         .total = eval.recordings.count,
                         .audio_s = eval.audio_s,
                         .wall_s = (double)(now_ns() - eval.start_ns) / 1e9};
    p.fraction = (double)p.done / (double)p.total;
    progress_update(&p);
    pthread_mutex_unlock(&eval.lock);
}

static void *work(void *unused)
{
    struct sentences words;
    struct vs_stt_config wanted = {.size = sizeof(wanted), .name = eval.config.stt};
    vs_stt *engine = NULL;

    (void)unused;
    sentences_init(&words, eval.settings, NULL);
    sentences_env(&words, eval.settings, &wanted.env);
    int status = vs_stt_create(&wanted, &engine);
    if (status < 0) {
        sentences_explain(&words, status);
        atomic_store(&eval.broken, status_of(status));
        return NULL;
    }
    for (;;) {
        size_t i = atomic_fetch_add(&eval.next, 1);

        if (i >= eval.recordings.count || atomic_load(&eval.broken) != 0)
            break;
        struct result *r = &eval.results[i];
        r->status = hear(&eval.recordings.item[i], engine, r);
        if (r->status == 0)
            r->status = judge(&eval.recordings.item[i], r);
        show_progress(r);
    }
    vs_stt_destroy(engine);
    return NULL;
}

static void hear_all(void)
{
    pthread_t threads[256];
    unsigned count = 0, wanted = eval.settings->jobs > 0 ? eval.settings->jobs : 1;

    eval.start_ns = now_ns();
    progress_start();
    while (count < wanted && pthread_create(&threads[count], NULL, work, NULL) == 0)
        count++;
    if (count == 0)
        (void)work(NULL);
    for (unsigned i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
    progress_end();
}

/* telling ------------------------------------------------------------------------------------ */

struct sum {
    struct errors errors;
    size_t files, unread, segments, finals;
    unsigned failed;
    double audio_s, spoken_s, wall_s, p50_s, p95_s, most_s;
};

static int compare_seconds(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* The value that `share` of all do not exceed. */
static double quantile(const double *sorted, size_t count, double share)
{
    size_t at = (size_t)(share * (double)count);

    return count > 0 ? sorted[at < count ? at : count - 1] : 0;
}

static int add_up(struct sum *s)
{
    double *all = NULL;
    size_t at = 0;

    for (size_t i = 0; i < eval.recordings.count; i++) {
        const struct result *r = &eval.results[i];

        s->unread += r->status != 0;
        if (r->status != 0)
            continue;
        s->files++;
        s->errors.words += r->errors.words;
        s->errors.substituted += r->errors.substituted;
        s->errors.deleted += r->errors.deleted;
        s->errors.inserted += r->errors.inserted;
        s->segments += r->segments;
        s->failed += r->failed;
        s->audio_s += r->audio_s;
        s->spoken_s += r->spoken_s;
        s->wall_s += r->wall_s;
        s->finals += r->finals;
    }
    all = calloc(s->finals + 1, sizeof(*all));
    if (all == NULL)
        return -ENOMEM;
    for (size_t i = 0; i < eval.recordings.count; i++)
        for (size_t k = 0; k < eval.results[i].finals && at < s->finals; k++)
            if (eval.results[i].status == 0)
                all[at++] = eval.results[i].final_s[k];
    qsort(all, at, sizeof(*all), compare_seconds);
    s->p50_s = quantile(all, at, 0.5);
    s->p95_s = quantile(all, at, 0.95);
    s->most_s = at > 0 ? all[at - 1] : 0;
    free(all);
    return 0;
}

static size_t wrong(const struct errors *e)
{
    return e->substituted + e->deleted + e->inserted;
}

/* Without words in the reference there is no rate. */
static void put_rate(const struct errors *e, char *ret, size_t size, const char *none)
{
    if (e->words > 0)
        snprintf(ret, size, "%.2f", 100.0 * (double)wrong(e) / (double)e->words);
    else
        snprintf(ret, size, "%s", none);
}

static double over(double a, double b)
{
    return b > 0 ? a / b : 0;
}

static void print_row(const char *name, const struct errors *e, double rtf, double final_s)
{
    char rate[24];

    put_rate(e, rate, sizeof(rate), "-");
    printf("%6zu %6zu %6zu %6zu %7s %6.3f %9.1f  %s\n", e->words, e->substituted, e->deleted,
           e->inserted, rate, rtf, 1e3 * final_s, name);
}

static void print_table(const struct sum *s)
{
    char total[96];

    printf(" words  wrong missed   more   WER %%    RTF  final ms  file\n");
    for (size_t i = 0; i < eval.recordings.count; i++) {
        const struct result *r = &eval.results[i];
        double most = 0;

        for (size_t k = 0; k < r->finals; k++)
            most = r->final_s[k] > most ? r->final_s[k] : most;
        if (r->status == 0)
            print_row(eval.recordings.item[i].path, &r->errors, over(r->wall_s, r->audio_s), most);
    }
    snprintf(total, sizeof(total), "%zu files, %zu segments, %.1f s; final p95 %.1f, most %.1f ms",
             s->files, s->segments, s->audio_s, 1e3 * s->p95_s, 1e3 * s->most_s);
    print_row(total, &s->errors, over(s->wall_s, s->audio_s), s->p50_s);
}

static void print_errors_json(const struct errors *e)
{
    char rate[24];

    put_rate(e, rate, sizeof(rate), "null");
    printf("\"words\":%zu,\"substituted\":%zu,\"deleted\":%zu,\"inserted\":%zu,\"wer\":%s",
           e->words, e->substituted, e->deleted, e->inserted, rate);
}

static void print_json_lines(const struct sum *s)
{
    for (size_t i = 0; i < eval.recordings.count; i++) {
        const struct recording *from = &eval.recordings.item[i];
        const struct result *r = &eval.results[i];

        if (r->status != 0)
            continue;
        printf("{\"event\":\"eval_file\",\"file\":");
        print_json(stdout, from->path);
        putchar(',');
        print_errors_json(&r->errors);
        printf(",\"segments\":%zu,\"failed\":%u,\"audio_s\":%.3f,\"speech_s\":%.3f,"
               "\"rtf\":%.4f,\"reference\":",
               r->segments, r->failed, r->audio_s, r->spoken_s, over(r->wall_s, r->audio_s));
        print_json(stdout, from->text != NULL ? from->text : "");
        printf(",\"heard\":");
        print_json(stdout, r->text != NULL ? r->text : "");
        printf("}\n");
    }
    printf("{\"event\":\"eval\",\"stt\":");
    print_json(stdout, eval.config.stt);
    printf(",\"vad\":");
    print_json(stdout, eval.settings->whole      ? "none"
                       : eval.config.vad != NULL ? eval.config.vad
                                                 : "native");
    printf(",\"preset\":");
    print_json(stdout, eval.settings->preset >= 0
                           ? vs_segment_preset_name((unsigned)eval.settings->preset)
                           : "");
    printf(",\"whole\":%s,\"enhance\":%s,\"files\":%zu,\"unread\":%zu,",
           eval.settings->whole ? "true" : "false", eval.config.enhance_text ? "true" : "false",
           s->files, s->unread);
    print_errors_json(&s->errors);
    printf(",\"segments\":%zu,\"failed\":%u,\"audio_s\":%.3f,\"speech_s\":%.3f,\"rtf\":%.4f,"
           "\"final_p50_ms\":%.2f,\"final_p95_ms\":%.2f,\"final_max_ms\":%.2f}\n",
           s->segments, s->failed, s->audio_s, s->spoken_s, over(s->wall_s, s->audio_s),
           1e3 * s->p50_s, 1e3 * s->p95_s, 1e3 * s->most_s);
}

/* the command -------------------------------------------------------------------------------- */

/* Without --wordless, a recording that has no text cannot be judged. */
static void drop_wordless(struct recordings *r)
{
    size_t kept = 0;

    for (size_t i = 0; i < r->count; i++) {
        if (r->item[i].text != NULL)
            r->item[kept++] = r->item[i];
        else
            free(r->item[i].path);
    }
    if (kept < r->count)
        say("%zu recordings without a text are left out; --wordless counts what is heard in them",
            r->count - kept);
    r->count = kept;
}

static int find_all(const struct settings *s, int count, char **folders)
{
    for (int i = 0; i < count; i++) {
        int status = recordings_find(folders[i], &eval.recordings);

        if (status == -ENOTDIR) {
            say("%s: is not a folder; give the folder of recordings and their texts", folders[i]);
            return EXIT_STATUS_NO_INPUT;
        }
        if (status < 0) {
            say("%s: %s", folders[i], strerror(-status));
            return status_of(status);
        }
    }
    if (!s->wordless)
        drop_wordless(&eval.recordings);
    if (eval.recordings.count > 0)
        return 0;
    say("%s: holds no recording%s", folders[0],
        s->wordless ? "" : " with its words beside it, as NAME.wav and NAME.txt");
    return EXIT_STATUS_NO_INPUT;
}

static int tell(void)
{
    const struct settings *s = eval.settings;
    struct sum sum = {0};

    if (add_up(&sum) < 0)
        return EXIT_STATUS_INTERNAL;
    if (s->format == VS_OUTPUT_JSONL)
        print_json_lines(&sum);
    else
        print_table(&sum);
    if (sum.failed > 0)
        say("the engine failed on %u segments; their words count as missed", sum.failed);
    return sum.unread > 0 || sum.failed > 0 ? EXIT_STATUS_SOME : 0;
}

int run_eval(const struct settings *s, int count, char **arguments)
{
    struct settings own = *s;
    struct sentences words;

    eval.settings = &own;
    own.stt = s->stt != NULL ? s->stt : "pocketsphinx";
    if (own.format >= 0 && own.format != VS_OUTPUT_TEXT && own.format != VS_OUTPUT_JSONL)
        return say_usage("--format: eval knows text and jsonl");
    if (own.whole && (own.vad != NULL || own.preset >= 0 || own.enhance))
        return say_usage("--whole: is the engine alone; leave out --vad, --preset and --enhance");
    if (own.enhance && !own.stt_audio)
        return say_usage("--enhance: the engine hears raw audio; add --stt-audio enhanced");
    int status = config_check(&own);
    if (status == 0)
        status = find_all(&own, count, arguments);
    sentences_init(&words, &own, NULL);
    config_fill(&own, &words, &eval.config);
    if (own.whole)
        bypass(&eval.config);
    eval.results = calloc(eval.recordings.count + 1, sizeof(*eval.results));
    if (status == 0 && eval.results == NULL)
        status = EXIT_STATUS_INTERNAL;
    if (status == 0) {
        hear_all();
        status = atomic_load(&eval.broken);
    }
    if (status == 0)
        status = tell();
    for (size_t i = 0; eval.results != NULL && i < eval.recordings.count; i++) {
        free(eval.results[i].text);
        free(eval.results[i].final_s);
    }
    free(eval.results);
    recordings_free(&eval.recordings);
    return status;
}
