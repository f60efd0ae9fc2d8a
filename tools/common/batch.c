/* SPDX-License-Identifier: MIT */
/* Many files through as many pipelines at once as there are cores. */
#include "common/batch.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/progress.h"
#include "output/output.h"
#include "text/texts.h"

/* How long a worker may take to end; one that is still opening its input cannot be told to. */
enum { PATH_BYTES = 4096, GRACE_MS = 3000, OPENING_GRACE_MS = 300 };

/* What one worker is busy with; of others only under the lock. */
struct slot {
    pthread_t thread;
    vs_pipeline *pipeline; /* set while it may be asked and aborted */
    bool opening;
    struct vs_output_source source; /* while `pipeline` is set */
    _Atomic uint64_t position;      /* source frames, as of the last event */
    const struct job *job;
    char partial[PATH_BYTES]; /* file to remove if the program is ended at once; "" = none */
};

struct totals {
    uint64_t files;
    double audio_s;
    struct vs_stats stats; /* sums; latencies are the highest of all files */
};

static struct batch {
    const struct batch_config *config;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t next; /* job to be taken next */
    size_t ended;
    double weight, ended_weight; /* of all jobs, and of those that have been through */
    struct texts texts;
    bool lacks_text; /* one of the files; under the lock */
    unsigned running, slot_count;
    struct slot *slots;
    struct totals totals;
    int64_t start_ns;
    atomic_int interrupted;   /* number of the signal */
    atomic_int output_status; /* exit status once an output has failed */
} batch = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* One job on its way. */
struct run {
    struct job *job;
    size_t index;
    struct slot *slot;
    struct sentences words;
    struct vs_output_source source;
    vs_output *output, *trace;
    FILE *stream, *trace_stream;
    vs_segment_audio *audio;
    vs_plot *plot;
    struct text_file text;
    char detector[96];     /* for the picture */
    char path[PATH_BYTES]; /* final name in the output folder */
    bool lacks_text;       /* the engine failed on a segment */
    struct vs_event last;  /* the account of the run, with `ledger`; size 0 = there is none */
    struct vs_ledger ledger;
};

static bool is_over(void)
{
    return atomic_load(&batch.interrupted) != 0 || atomic_load(&batch.output_status) != 0;
}

static void abort_all(void)
{
    pthread_mutex_lock(&batch.lock);
    for (unsigned i = 0; i < batch.slot_count; i++)
        if (batch.slots[i].pipeline != NULL)
            vs_pipeline_abort(batch.slots[i].pipeline);
    texts_cancel(&batch.texts);
    pthread_cond_broadcast(&batch.changed);
    pthread_mutex_unlock(&batch.lock);
}

/* An output failed: nothing more can be kept, so all end. Says it once. */
static void fail_output(const char *name, int status)
{
    int none = 0;

    if (atomic_load(&batch.interrupted) != 0 ||
        !atomic_compare_exchange_strong(&batch.output_status, &none, EXIT_STATUS_OUTPUT))
        return;
    if (name != NULL)
        say_output(name, status);
    abort_all();
}

/* Keep what is finished, then end. Any thread. */
static void end_at_once(int status)
{
    const struct batch_config *c = batch.config;

    if (c->output != NULL)
        ordered_flush(c->output);
    if (c->trace != NULL)
        ordered_flush(c->trace);
    pthread_mutex_lock(&batch.lock);
    for (unsigned i = 0; i < batch.slot_count; i++)
        if (batch.slots[i].partial[0] != '\0')
            unlink(batch.slots[i].partial);
    progress_hide();
    _exit(status);
}

static void on_signal(void *user, int signal, int count)
{
    (void)user;
    if (count > 1)
        end_at_once(128 + signal);
    atomic_store(&batch.interrupted, signal);
    abort_all();
}

void batch_path(const struct settings *s, int format, const struct job *j, char *ret, size_t size)
{
    snprintf(ret, size, "%s/%s%s", s->output_dir, j->stem, vs_output_format_suffix(format));
}

void batch_kept_path(const struct settings *s, char *ret, size_t size)
{
    snprintf(ret, size, "%s.texts", s->output);
}

/* one job ------------------------------------------------------------------------------------ */

static const char *output_name(const struct run *r)
{
    return batch.config->output != NULL ? batch.config->output_name : r->path;
}

static void write_event(struct run *r, const struct vs_event *event)
{
    int status = vs_output_event(r->output, &r->source, event);

    if (status == 0 && strcmp(r->job->name, "-") == 0 && event->type != VS_EVENT_PROBABILITY &&
        fflush(r->stream) != 0)
        status = -errno;
    if (status < 0)
        fail_output(output_name(r), status);
}

/* One event into the output. Any thread, one at a time. */
static void tell(void *user, const struct vs_event *event)
{
    struct run *r = user;

    if (atomic_load(&batch.output_status) != 0)
        return;
    if (event->type == VS_EVENT_LEDGER) { /* until it is known how the run ended */
        r->ledger = *event->ledger;
        r->last = *event;
        r->last.ledger = &r->ledger;
        return;
    }
    if (event->end_frame > 0)
        atomic_store(&r->slot->position, event->end_frame);
    r->lacks_text = r->lacks_text || event->type == VS_EVENT_ERROR;
    write_event(r, event);
}

/* What is made beside the output waits for no text. */
static void on_event(void *user, const struct vs_event *event)
{
    struct run *r = user;

    if (atomic_load(&batch.output_status) != 0)
        return;
    if (r->text.late != NULL)
        late_event(r->text.late, event);
    else
        tell(r, event);
    if (r->trace != NULL) {
        int status = vs_output_event(r->trace, &r->source, event);

        if (status < 0)
            fail_output(batch.config->settings->trace, status);
    }
    if (r->plot != NULL && vs_plot_event(r->plot, event) < 0)
        fail_output(batch.config->settings->plot, -ENOMEM);
    if (r->audio != NULL && vs_segment_audio_event(r->audio, r->source.rate_hz, event) < 0)
        fail_output(NULL, 0); /* the writer said it */
}

/* The account, and before it why it is not of the whole file, which tells a later --resume too. */
static void write_end(struct run *r, int status)
{
    if (r->last.size == 0 || atomic_load(&batch.output_status) != 0)
        return;
    if (atomic_load(&batch.interrupted) != 0)
        vs_output_error(r->output, &r->source, -ECANCELED, "interrupted");
    else if (status < 0)
        vs_output_error(r->output, &r->source, status, sentences_first(&r->words, status));
    write_event(r, &r->last);
}

static int open_output(struct run *r, FILE *stream, int format, vs_output **ret)
{
    const struct vs_output_config config = {
        .format = format,
        .stream = stream,
        .headless = batch.config->output != NULL && r->index > 0,
    };

    return stream != NULL ? vs_output_open(&config, ret) : -errno;
}

/* What all jobs share is opened for each, also for those that fail: order and header need it. */
static int open_shared(struct run *r)
{
    const struct batch_config *c = batch.config;
    int status = 0;

    if (c->output != NULL) {
        r->stream = ordered_open(c->output, r->index);
        status = open_output(r, r->stream, c->format, &r->output);
        if (status < 0) {
            fail_output(c->output_name, status);
            return status;
        }
    }
    if (c->trace != NULL) {
        r->trace_stream = ordered_open(c->trace, r->index);
        status = open_output(r, r->trace_stream, VS_OUTPUT_TRACE, &r->trace);
        if (status < 0)
            fail_output(c->settings->trace, status);
    }
    return status;
}

/* Make the folders of `path` that lie below its first `base` bytes. @return 0 or -errno. */
static int make_folders(const char *path, size_t base)
{
    char folder[PATH_BYTES];

    for (const char *slash = strchr(path + base, '/'); slash != NULL;
         slash = strchr(slash + 1, '/')) {
        if (snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path) >= PATH_BYTES)
            return -ENAMETOOLONG;
        if (mkdir(folder, 0777) < 0 && errno != EEXIST)
            return -errno;
    }
    return 0;
}

/* The folder of a job's segment audio, where its stem has folders in it. */
static int make_audio_folders(const struct run *r)
{
    const char *dir = batch.config->settings->audio_dir;
    char path[PATH_BYTES];

    if (snprintf(path, sizeof(path), "%s/%s", dir, r->job->stem) >= PATH_BYTES)
        return -ENAMETOOLONG;
    return make_folders(path, strlen(dir) + 1);
}

/* Output of its own, under a name that says that it is not complete; and segment audio. */
static int open_own(struct run *r)
{
    const struct batch_config *c = batch.config;
    const struct settings *s = c->settings;
    int status;

    if (s->audio >= 0) {
        struct vs_segment_audio_config audio = {
            .dir = s->audio_dir, .stem = r->job->stem, .container = s->audio == 0 ? "wav" : "flac"};

        sentences_env(&r->words, s, &audio.env);
        status = make_audio_folders(r);
        if (status == 0)
            status = vs_segment_audio_open(&audio, &r->audio);
        if (status < 0) {
            fail_output(s->audio_dir, status);
            return status;
        }
    }
    if (c->output != NULL)
        return 0;
    batch_path(s, c->format, r->job, r->path, sizeof(r->path));
    pthread_mutex_lock(&batch.lock);
    if (snprintf(r->slot->partial, PATH_BYTES, "%s.partial", r->path) >= PATH_BYTES)
        r->slot->partial[0] = '\0';
    pthread_mutex_unlock(&batch.lock);
    status = make_folders(r->path, strlen(s->output_dir) + 1);
    if (status == 0) {
        r->stream = fopen(r->slot->partial, "we");
        status = open_output(r, r->stream, c->format, &r->output);
    }
    if (status < 0)
        fail_output(r->path, status);
    return status;
}

/* Close the output of a job; in an output folder it gets its name now, if `keep`. */
static void close_outputs(struct run *r, bool keep)
{
    const struct batch_config *c = batch.config;
    int status = vs_output_close(r->output);

    if (r->stream != NULL && fclose(r->stream) != 0 && status == 0)
        status = -errno;
    if (c->output != NULL)
        ordered_finish(c->output, r->index);
    if (c->output == NULL && r->stream != NULL) {
        if (status == 0 && keep && rename(r->slot->partial, r->path) != 0)
            status = -errno;
        if (status < 0 || !keep)
            unlink(r->slot->partial);
        pthread_mutex_lock(&batch.lock);
        r->slot->partial[0] = '\0';
        pthread_mutex_unlock(&batch.lock);
    }
    if (status < 0)
        fail_output(output_name(r), status);
    status = vs_output_close(r->trace);
    if (r->trace_stream != NULL && fclose(r->trace_stream) != 0 && status == 0)
        status = -errno;
    if (c->trace != NULL)
        ordered_finish(c->trace, r->index);
    if (status < 0)
        fail_output(c->settings->trace, status);
    vs_segment_audio_close(r->audio);
}

/* With its texts kept beside an output of its own. */
static int create_with_engine(struct run *r, struct vs_pipeline_config *config, vs_pipeline **ret)
{
    const struct settings *s = batch.config->settings;
    char kept[PATH_BYTES + 8];

    if (s->output_dir != NULL) {
        batch_path(s, batch.config->format, r->job, r->path, sizeof(r->path));
        snprintf(kept, sizeof(kept), "%s.texts", r->path);
        int status =
            batch.texts.pool != NULL ? make_folders(r->path, strlen(s->output_dir) + 1) : 0;
        if (status < 0)
            return status;
    }
    return text_file_create(&batch.texts, &r->text, r->job->name,
                            s->output_dir != NULL ? kept : NULL, &r->words, config, tell, ret);
}

static int open_plot(struct run *r, const struct vs_pipeline_config *config,
                     const struct vs_pipeline_info *info)
{
    struct vs_plot_config plot = {
        .title = strcmp(r->job->name, "-") == 0 ? "standard input" : r->job->name,
        .detector = r->detector,
        .threshold = config->segment.threshold > 0 ? config->segment.threshold : 0.5f,
    };

    snprintf(r->detector, sizeof(r->detector), "%s on %s", info->vad, info->vad_device);
    return vs_plot_open(&plot, &r->plot);
}

/* The picture has its name only once it is complete. */
static void write_plot(struct run *r)
{
    const char *name = batch.config->settings->plot;
    char part[PATH_BYTES];
    FILE *stream = NULL;
    int status = -ENAMETOOLONG;

    if (snprintf(part, sizeof(part), "%s.partial", name) < (int)sizeof(part)) {
        stream = fopen(part, "we");
        status = stream != NULL ? vs_plot_write(r->plot, stream) : -errno;
    }
    if (stream != NULL && fclose(stream) != 0 && status == 0)
        status = -errno;
    if (status == 0 && rename(part, name) != 0)
        status = -errno;
    if (status < 0) {
        if (stream != NULL)
            unlink(part);
        fail_output(name, status);
    }
}

static int create_pipeline(struct run *r, vs_pipeline **ret)
{
    const struct batch_config *c = batch.config;
    const struct settings *s = c->settings;
    struct vs_pipeline_config config;
    struct vs_pipeline_info info = {.size = sizeof(info)};
    char *capture = NULL;
    int status;

    config_fill(s, &r->words, &config);
    if (strcmp(r->job->name, "-") == 0) {
        config_stdin(s, &config);
    } else {
        capture = config_file(r->job->name);
        if (capture == NULL)
            return -ENOMEM;
        config.capture = capture;
        config.start_s = r->job->start_s;
        config.length_s = r->job->length_s;
    }
    config.audio = s->plot != NULL ? VS_AUDIO_ALL
                   : s->audio >= 0 ? VS_AUDIO_SEGMENTS
                                   : VS_AUDIO_NONE;
    config.probabilities = c->trace != NULL || s->plot != NULL;
    config.on_event = on_event;
    config.user = r;
    status = create_with_engine(r, &config, ret);
    free(capture);
    if (status < 0)
        return status;
    vs_pipeline_info(*ret, &info);
    if (s->plot != NULL)
        status = open_plot(r, &config, &info);
    if (status < 0)
        return status;
    r->source.rate_hz = info.rate_hz;
    r->source.total_frames = info.total_frames;
    return 0;
}

static void raise_latency(struct vs_latency *to, const struct vs_latency *from)
{
    int64_t *high = &to->p50_ns;
    const int64_t *one = &from->p50_ns;

    to->count += from->count;
    for (size_t i = 0; i < 5; i++) /* p50, p90, p99, p99.9, max lie behind each other */
        if (one[i] > high[i])
            high[i] = one[i];
}

static void add_totals(const struct vs_stats *s)
{
    struct vs_stats *t = &batch.totals.stats;

    batch.totals.files++;
    if (s->ledger.rate_hz > 0)
        batch.totals.audio_s += (double)s->ledger.delivered / s->ledger.rate_hz;
    t->segments += s->segments;
    t->hops += s->hops;
    t->speech_hops += s->speech_hops;
    t->ledger.captured += s->ledger.captured;
    t->ledger.delivered += s->ledger.delivered;
    for (int i = 0; i < VS_DROP_COUNT; i++)
        t->ledger.dropped[i] += s->ledger.dropped[i];
    t->ledger.gaps += s->ledger.gaps;
    t->ledger.residual += s->ledger.residual;
    t->ledger.poisoned += s->ledger.poisoned;
    t->ledger.text_frames += s->ledger.text_frames;
    t->ledger.text_dropped += s->ledger.text_dropped;
    t->ledger.events_dropped += s->ledger.events_dropped;
    for (int i = 0; i < VS_STAGE_COUNT; i++)
        raise_latency(&t->stage[i], &s->stage[i]);
}

/* From here the pipeline may be asked and aborted. */
static int run_pipeline(struct run *r, vs_pipeline *p)
{
    struct vs_stats stats = {.size = sizeof(stats)};
    int status = -ECANCELED;

    pthread_mutex_lock(&batch.lock);
    r->slot->pipeline = p;
    r->slot->source = r->source;
    atomic_store(&r->slot->position, 0);
    pthread_mutex_unlock(&batch.lock);
    if (!is_over())
        status = vs_pipeline_run(p);
    int late = text_file_wait(&r->text);
    if (late < 0)
        fail_output(output_name(r), late);
    vs_pipeline_stats(p, &stats);
    if (r->text.late != NULL)
        stats.stage[VS_STAGE_TEXT] = (struct vs_latency){0}; /* it did not wait for texts */
    pthread_mutex_lock(&batch.lock);
    r->slot->pipeline = NULL;
    add_totals(&stats);
    pthread_mutex_unlock(&batch.lock);
    return status;
}

/* A pipe, a device: what cannot be read as a file. */
static bool is_special(const char *name)
{
    struct stat about;

    return strcmp(name, "-") != 0 && stat(name, &about) == 0 && !S_ISREG(about.st_mode);
}

static void set_opening(struct slot *slot, bool opening)
{
    pthread_mutex_lock(&batch.lock);
    slot->opening = opening;
    pthread_mutex_unlock(&batch.lock);
}

static void run_job(struct slot *slot, size_t index)
{
    struct job *job = &batch.config->jobs[index];
    struct run r = {.job = job, .index = index, .slot = slot};
    vs_pipeline *p = NULL;
    int status;

    sentences_init(&r.words, batch.config->settings,
                   strcmp(job->name, "-") == 0 ? "standard input" : job->name);
    r.source = (struct vs_output_source){.file = job->name, .id = job->id, .input = job->input};
    status = open_shared(&r);
    if (status == 0) {
        set_opening(slot, true);
        status = create_pipeline(&r, &p);
        set_opening(slot, false);
        if (status < 0 && r.output != NULL)
            vs_output_error(r.output, &r.source, status, sentences_first(&r.words, status));
        if (status == 0)
            status = open_own(&r);
        if (status == 0)
            status = run_pipeline(&r, p);
        write_end(&r, status);
    }
    if (status < 0 && !is_over())
        sentences_explain(&r.words, status);
    if (atomic_load(&batch.interrupted) == 0)
        job->status = (is_special(job->name) || job->start_s > 0) && status == -EINVAL
                          ? EXIT_STATUS_NO_INPUT
                          : status_of(status);
    if (r.lacks_text && job->status == EXIT_STATUS_OK)
        job->status = EXIT_STATUS_SOME;
    pthread_mutex_lock(&batch.lock);
    batch.lacks_text = batch.lacks_text || r.lacks_text;
    pthread_mutex_unlock(&batch.lock);
    if (r.plot != NULL && p != NULL && !is_over())
        write_plot(&r);
    vs_plot_close(r.plot);
    vs_pipeline_destroy(p);
    /* A damaged file keeps what was read before the damage. */
    close_outputs(&r, p != NULL && !is_over());
    text_file_end(&r.text, !is_over());
}

/* the workers -------------------------------------------------------------------------------- */

static void *work(void *argument)
{
    struct slot *slot = argument;
    const struct batch_config *c = batch.config;

    pthread_mutex_lock(&batch.lock);
    while (!is_over() && batch.next < c->count) {
        size_t index = batch.next++;

        slot->job = &c->jobs[index];
        pthread_mutex_unlock(&batch.lock);
        if (!c->jobs[index].done) {
            run_job(slot, index);
        } else {
            if (c->output != NULL)
                ordered_finish(c->output, index);
            if (c->trace != NULL)
                ordered_finish(c->trace, index);
        }
        pthread_mutex_lock(&batch.lock);
        slot->job = NULL;
        batch.ended++;
        batch.ended_weight += c->jobs[index].weight;
    }
    batch.running--;
    pthread_cond_broadcast(&batch.changed);
    pthread_mutex_unlock(&batch.lock);
    return NULL;
}

/* With the lock held. */
static void show_progress(void)
{
    const struct batch_config *c = batch.config;
    struct progress p = {.total = c->count, .done = batch.ended, .audio_s = batch.totals.audio_s};
    double all = batch.weight, done = batch.ended_weight;

    for (unsigned i = 0; i < batch.slot_count; i++) {
        const struct slot *slot = &batch.slots[i];
        double position = (double)atomic_load(&slot->position);

        if (slot->pipeline == NULL)
            continue;
        if (slot->source.rate_hz > 0)
            p.audio_s += position / slot->source.rate_hz;
        if (slot->source.total_frames > 0)
            done += slot->job->weight * position / (double)slot->source.total_frames;
    }
    p.fraction = all > 0 ? done / all : 0;
    p.wall_s = (double)(now_ns() - batch.start_ns) / 1e9;
    progress_update(&p);
}

/* With the lock held: how long to wait for the workers that are left. */
static int64_t grace_ns(void)
{
    unsigned opening = 0;

    for (unsigned i = 0; i < batch.slot_count; i++)
        opening += batch.slots[i].opening;
    return (opening == batch.running ? OPENING_GRACE_MS : GRACE_MS) * (int64_t)1000000;
}

/* Wait for the workers and draw; after a signal not for ever, as one may hang in opening. */
static void wait_for_workers(void)
{
    const struct batch_config *c = batch.config;
    bool draw = !c->settings->quiet && isatty(STDERR_FILENO);
    int64_t over_ns = 0;

    pthread_mutex_lock(&batch.lock);
    while (batch.running > 0) {
        struct timespec until;

        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 200 * 1000000L;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        if (draw || is_over())
            pthread_cond_timedwait(&batch.changed, &batch.lock, &until);
        else
            pthread_cond_wait(&batch.changed, &batch.lock);
        if (draw)
            show_progress();
        if (!is_over())
            continue;
        if (over_ns == 0)
            over_ns = now_ns();
        if (now_ns() - over_ns > grace_ns()) {
            pthread_mutex_unlock(&batch.lock);
            end_at_once(batch.interrupted != 0 ? 128 + batch.interrupted : EXIT_STATUS_OUTPUT);
        }
    }
    pthread_mutex_unlock(&batch.lock);
}

static int start_workers(void)
{
    const struct batch_config *c = batch.config;
    unsigned wanted = c->settings->jobs > 0 ? c->settings->jobs : core_count();
    size_t left = 0;

    for (size_t i = 0; i < c->count; i++) {
        left += !c->jobs[i].done;
        batch.weight += c->jobs[i].weight;
    }
    if (wanted > left)
        wanted = left > 0 ? (unsigned)left : 1;
    batch.slots = calloc(wanted, sizeof(*batch.slots));
    if (batch.slots == NULL)
        return -ENOMEM;
    pthread_mutex_lock(&batch.lock);
    for (; batch.slot_count < wanted; batch.slot_count++) {
        struct slot *slot = &batch.slots[batch.slot_count];

        if (pthread_create(&slot->thread, NULL, work, slot) != 0)
            break;
        batch.running++;
    }
    pthread_mutex_unlock(&batch.lock);
    return batch.slot_count > 0 ? 0 : -EAGAIN;
}

/* One line for all that failed; each had one of its own before. */
static void print_failed(void)
{
    const struct batch_config *c = batch.config;
    size_t failed = 0;

    for (size_t i = 0; i < c->count; i++)
        failed += c->jobs[i].status != 0;
    if (failed > 0 && c->count > 1 && !c->settings->quiet)
        say("%zu of %zu files failed", failed, c->count);
}

static void print_totals(void)
{
    const struct settings *s = batch.config->settings;
    const struct totals *t = &batch.totals;
    double wall_s = (double)(now_ns() - batch.start_ns) / 1e9;

    if (t->files == 0)
        return;
    if (!s->quiet) {
        say("%llu %s, %.1f s of audio in %.2f s (%.0f x real time), %llu %s, %.0f %% speech",
            (unsigned long long)t->files, t->files == 1 ? "file" : "files", t->audio_s, wall_s,
            wall_s > 0 ? t->audio_s / wall_s : 0.0, (unsigned long long)t->stats.segments,
            t->stats.segments == 1 ? "segment" : "segments",
            t->stats.hops > 0 ? 100.0 * (double)t->stats.speech_hops / (double)t->stats.hops : 0.0);
        print_ledger(&t->stats.ledger);
    }
    if (s->stats)
        print_latency(&t->stats, t->files == 1 ? "" : ", highest of all files");
}

/* What all the jobs say together. */
static int sum_up(void)
{
    const struct batch_config *c = batch.config;
    size_t failed = 0, tried = 0;
    int status = 0;

    for (size_t i = 0; i < c->count; i++) {
        tried += !c->jobs[i].done;
        if (c->jobs[i].status == 0)
            continue;
        status = failed == 0 || status == c->jobs[i].status ? c->jobs[i].status : EXIT_STATUS_SOME;
        failed++;
    }
    return failed > 0 && failed < tried ? EXIT_STATUS_SOME : status;
}

int batch_run(const struct batch_config *config)
{
    char kept[PATH_BYTES] = "";
    int status;

    /* Before there is another thread. */
    batch.config = config;
    batch.start_ns = now_ns();
    if (signals_start(on_signal, NULL) < 0)
        return EXIT_STATUS_INTERNAL;
    if (!config->settings->quiet)
        progress_start();
    if (config->output != NULL && config->settings->output != NULL)
        batch_kept_path(config->settings, kept, sizeof(kept));
    status = texts_start(&batch.texts, config->settings, kept[0] != '\0' ? kept : NULL);
    if (status != 0)
        return status;
    status = start_workers();
    if (status < 0) {
        say("no memory or thread for %zu files; try --jobs 1", config->count);
        return EXIT_STATUS_INTERNAL;
    }
    wait_for_workers();
    progress_end();
    for (unsigned i = 0; i < batch.slot_count; i++)
        pthread_join(batch.slots[i].thread, NULL);
    texts_end(&batch.texts, !is_over() && !batch.lacks_text);
    if (config->output != NULL)
        status = ordered_flush(config->output);
    if (status < 0)
        fail_output(config->output_name, status);
    status = config->trace != NULL ? ordered_flush(config->trace) : 0;
    if (status < 0)
        fail_output(config->settings->trace, status);
    status = atomic_load(&batch.output_status);
    if (status == 0) {
        print_totals();
        print_failed();
        status = sum_up();
    }
    if (atomic_load(&batch.interrupted) != 0)
        status = 128 + atomic_load(&batch.interrupted);
    return status;
}
