/* SPDX-License-Identifier: MIT */
/* Gathering. */
#include "monitor/view.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define SECOND_NS 1000000000

static int64_t mono_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * SECOND_NS + t.tv_nsec;
}

int view_init(struct view *v, const struct vs_env *env)
{
    memset(v, 0, sizeof(*v));
    if (vs_power_create(env, &v->meter) < 0)
        return -ENOMEM;
    return -pthread_mutex_init(&v->lock, NULL);
}

void view_fini(struct view *v)
{
    vs_power_destroy(v->meter);
    pthread_mutex_destroy(&v->lock);
}

static void note(char *ret, size_t bytes, const char *text)
{
    snprintf(ret, bytes, "%s", text != NULL ? text : "");
}

/* Copied: those who look may still write when the pipeline is gone. */
static void note_info(struct view_look *l, vs_pipeline *p)
{
    struct vs_pipeline_info info = {.size = sizeof(info)};

    vs_pipeline_info(p, &info);
    l->rate_hz = info.rate_hz;
    l->channels = info.channels;
    note(l->capture, sizeof(l->capture), info.capture);
    note(l->device, sizeof(l->device), info.device);
    note(l->vad, sizeof(l->vad), info.vad);
    note(l->vad_device, sizeof(l->vad_device), info.vad_device);
    note(l->cpu, sizeof(l->cpu), info.cpu);
}

void view_event(struct view *v, const struct vs_event *e)
{
    struct view_look *l = &v->look;

    pthread_mutex_lock(&v->lock);
    if (e->type == VS_EVENT_PROBABILITY)
        l->hops[l->hops_seen++ % VIEW_HOPS] =
            (struct view_hop){e->probability, e->level_db, e->peak_db, l->speech};
    else if (e->type == VS_EVENT_START || e->type == VS_EVENT_END)
        l->speech = e->type == VS_EVENT_START;
    else if (e->type == VS_EVENT_STATE || e->type == VS_EVENT_ERROR)
        note(l->state, sizeof(l->state), e->text);
    else if (e->text != NULL)
        note(l->text, sizeof(l->text), e->text);
    pthread_mutex_unlock(&v->lock);
}

/* the process --------------------------------------------------------------------------------- */

static bool read_task(const char *id, struct view_thread *ret)
{
    char path[320];
    unsigned long long ran_ns;
    FILE *file;
    bool done = false;

    snprintf(path, sizeof(path), "/proc/self/task/%s/comm", id);
    file = fopen(path, "re");
    if (file == NULL)
        return false;
    if (fgets(ret->name, sizeof(ret->name), file) != NULL)
        ret->name[strcspn(ret->name, "\n")] = '\0';
    fclose(file);
    snprintf(path, sizeof(path), "/proc/self/task/%s/schedstat", id);
    file = fopen(path, "re");
    if (file == NULL)
        return false;
    done = fscanf(file, "%llu", &ran_ns) == 1;
    fclose(file);
    ret->cpu_s = (double)ran_ns / SECOND_NS;
    return done;
}

/* Threads of one name are one row. */
static struct view_thread *find_row(struct view_thread *rows, size_t *count, const char *name)
{
    for (size_t i = 0; i < *count; i++)
        if (strcmp(rows[i].name, name) == 0)
            return &rows[i];
    if (*count == VIEW_THREADS)
        return NULL;
    struct view_thread *row = &rows[(*count)++];
    *row = (struct view_thread){0};
    memcpy(row->name, name, sizeof(row->name));
    return row;
}

static void read_threads(struct view_look *l, double seconds)
{
    struct view_thread rows[VIEW_THREADS];
    size_t count = 0;
    DIR *folder = opendir("/proc/self/task");
    const struct dirent *entry;

    while (folder != NULL && (entry = readdir(folder)) != NULL) {
        struct view_thread one = {0}, *row;

        if (entry->d_name[0] == '.' || !read_task(entry->d_name, &one))
            continue;
        row = find_row(rows, &count, one.name);
        if (row != NULL)
            row->cpu_s += one.cpu_s;
    }
    if (folder != NULL)
        closedir(folder);
    l->cpu_percent = 0;
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < l->thread_count; k++)
            if (strcmp(rows[i].name, l->threads[k].name) == 0)
                rows[i].percent = 100 * (rows[i].cpu_s - l->threads[k].cpu_s) / seconds;
        l->cpu_percent += rows[i].percent;
    }
    memcpy(l->threads, rows, count * sizeof(rows[0]));
    l->thread_count = count;
}

static void read_memory(struct view_look *l)
{
    FILE *file = fopen("/proc/self/status", "re");
    struct rusage usage;
    unsigned long long kb;
    char line[200];

    while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "VmRSS: %llu", &kb) == 1)
            l->rss_bytes = kb * 1024;
        else if (sscanf(line, "RssAnon: %llu", &kb) == 1)
            l->anonymous_bytes = kb * 1024;
    }
    if (file != NULL)
        fclose(file);
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        l->faults_minor = (uint64_t)usage.ru_minflt;
        l->faults_major = (uint64_t)usage.ru_majflt;
    }
}

void view_attach(struct view *v, vs_pipeline *p)
{
    pthread_mutex_lock(&v->lock);
    v->pipeline = p;
    v->look.stats = (struct vs_stats){.size = sizeof(v->look.stats)};
    v->measured_ns = mono_ns();
    if (p != NULL) {
        note_info(&v->look, p);
        read_memory(&v->look);
    }
    pthread_mutex_unlock(&v->lock);
}

/* What is counted over time, and what is slow to read: once a second, whoever looks. */
static void measure(struct view *v, int64_t now)
{
    double seconds = (double)(now - v->measured_ns) / SECOND_NS;

    read_threads(&v->look, seconds);
    read_memory(&v->look);
    vs_power_read(v->meter, &v->look.power);
    v->look.wakeups_per_s = (double)(v->look.stats.wakeups - v->wakeups) / seconds;
    v->wakeups = v->look.stats.wakeups;
    v->measured_ns = now;
}

void view_take(struct view *v, struct view_look *ret)
{
    int64_t now = mono_ns();

    pthread_mutex_lock(&v->lock);
    v->look.power.size = sizeof(v->look.power);
    if (v->pipeline != NULL) {
        vs_pipeline_stats(v->pipeline, &v->look.stats);
        if (now - v->measured_ns >= SECOND_NS)
            measure(v, now);
    }
    *ret = v->look;
    pthread_mutex_unlock(&v->lock);
}
