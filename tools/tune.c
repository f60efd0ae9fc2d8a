/* SPDX-License-Identifier: MIT */
/* voicestand tune: which placement and which period are best here, measured with the real pipeline
   and a microphone made of a timer. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/common.h"
#include "common/ticker.h"
#include "common/tuned.h"

#define DEFAULT_S   2
#define MILLISECOND 1000000
/* A longer period only where a short one costs more of a core than this. */
#define MOST_CPU_PERCENT 1.0
/* Another placement only where it is better than the one before by more than noise. */
#define CLEARLY 0.8

/* measuring ----------------------------------------------------------------------------------- */

static atomic_int interrupted;

static void on_signal(void *user, int signal, int count)
{
    (void)user;
    (void)count;
    atomic_store(&interrupted, signal);
}

static int measure(const struct settings *s, struct sentences *words, struct tuned_row *row)
{
    struct vs_stats stats = {.size = sizeof(stats)};
    struct vs_pipeline_config config;
    vs_pipeline *p;

    config_fill(s, words, &config);
    config.capture = "tick";
    config.capture_ops = &ticker_capture;
    config.latency_ms = row->period_ms;
    config.placement = row->place;
    config.save_power = -1;
    int status = vs_pipeline_create(&config, &p);
    if (status < 0)
        return status;
    status = vs_pipeline_start(p);
    int64_t end_ns = now_ns() + (int64_t)(s->seconds > 0 ? s->seconds : DEFAULT_S) * 1000000000;
    while (status >= 0 && now_ns() < end_ns && atomic_load(&interrupted) == 0)
        status = vs_pipeline_wait(p, (int)((end_ns - now_ns()) / MILLISECOND) + 1);
    vs_pipeline_stop(p);
    vs_pipeline_stats(p, &stats);
    vs_pipeline_destroy(p);
    if (status < 0)
        return status;
    double seconds = (double)stats.elapsed_ns / 1e9;
    row->wake_p50_us = (double)stats.stage[VS_STAGE_QUEUE].p50_ns / 1e3;
    row->wake_p99_us = (double)stats.stage[VS_STAGE_QUEUE].p99_ns / 1e3;
    row->known_p99_us = (double)stats.stage[VS_STAGE_TOTAL].p99_ns / 1e3;
    row->cpu_percent = 100 * (double)stats.worker_cpu_ns / (double)stats.elapsed_ns;
    row->wakeups_per_s = (double)stats.wakeups / seconds;
    return 0;
}

static void print_head(void)
{
    printf("%-11s %7s %11s %11s %13s %8s %11s\n", "placement", "period", "wake p50", "wake p99",
           "decided p99", "CPU", "wake-ups/s");
}

static void print_row(const struct tuned_row *r)
{
    printf("%-11s %4u ms %8.1f us %8.1f us %10.1f us %6.2f %% %11.1f\n", r->place, r->period_ms,
           r->wake_p50_us, r->wake_p99_us, r->known_p99_us, r->cpu_percent, r->wakeups_per_s);
    fflush(stdout);
}

/* Measure one more way. @return its row, or NULL after an error, which is in `*ret_status`. */
static struct tuned_row *try(const struct settings *s, struct sentences *words, struct tuned *t,
                             const char *place, uint32_t period_ms, int *ret_status)
{
    struct tuned_row *row = &t->rows[t->count];

    *row = (struct tuned_row){.period_ms = period_ms};
    snprintf(row->place, sizeof(row->place), "%s", place);
    *ret_status = measure(s, words, row);
    if (*ret_status < 0 || atomic_load(&interrupted) != 0)
        return NULL;
    t->count++;
    print_row(row);
    return row;
}

/* Placements at the usual period; one that changes nothing here is not measured twice. */
static int try_placements(const struct settings *s, struct sentences *words,
                          const struct vs_topology *topology, struct tuned *t)
{
    static const char *const policies[] = {"none", "auto", "latency", "efficiency"};
    struct vs_placement nothing = {.size = sizeof(nothing)};
    double best_us = 0;
    int status = vs_placement_plan(topology, "none", &nothing);

    for (size_t i = 0; status == 0 && i < sizeof(policies) / sizeof(policies[0]); i++) {
        struct vs_placement p = {.size = sizeof(p)};
        const struct tuned_row *row;

        status = vs_placement_plan(topology, policies[i], &p);
        if (status < 0 || (i > 0 && memcmp(p.cpus, nothing.cpus, sizeof(p.cpus)) == 0))
            continue;
        row = try(s, words, t, policies[i], 10, &status);
        if (row == NULL)
            return status;
        if (best_us == 0 || row->wake_p99_us < CLEARLY * best_us) {
            best_us = row->wake_p99_us;
            snprintf(t->place, sizeof(t->place), "%s", row->place);
        }
    }
    return status;
}

/* Periods at the best placement: the shortest that costs little. */
static int try_periods(const struct settings *s, struct sentences *words, struct tuned *t)
{
    static const uint32_t periods_ms[] = {5, 10, 20, 40};
    int status = 0;

    t->period_ms = 0;
    for (size_t i = 0; i < sizeof(periods_ms) / sizeof(periods_ms[0]); i++) {
        const struct tuned_row *row = try(s, words, t, t->place, periods_ms[i], &status);

        if (row == NULL)
            return status;
        if (t->period_ms == 0 && row->cpu_percent < MOST_CPU_PERCENT)
            t->period_ms = row->period_ms;
    }
    if (t->period_ms == 0)
        t->period_ms = 40;
    return 0;
}

static int tell_result(const struct tuned *t)
{
    int status = tuned_write(t);

    printf("\nbest here: --place %s --latency-ms %u; text engines: %u %s\n", t->place, t->period_ms,
           t->text_threads, t->text_threads == 1 ? "thread" : "threads");
    if (status < 0) {
        say("tune: the answer cannot be kept: make $XDG_STATE_HOME, or ~/.local/state, writable");
        return EXIT_STATUS_OUTPUT;
    }
    printf("kept: 'voicestand listen' and 'monitor' use it where the options are not given\n");
    return EXIT_STATUS_OK;
}

int run_tune(const struct settings *s, int count, char **arguments)
{
    static struct vs_topology topology = {.size = sizeof(topology)};
    struct vs_placement p = {.size = sizeof(p)};
    struct tuned t = {.place = "none", .period_ms = 10};
    struct sentences words;
    struct vs_env env;

    (void)count;
    (void)arguments;
    signals_block();
    sentences_init(&words, s, NULL);
    sentences_env(&words, s, &env);
    int status = vs_topology_read(&env, &topology);
    if (status == 0)
        status = vs_placement_plan(&topology, NULL, &p);
    if (status < 0) {
        say("tune: the system tells nothing of its processors; mount /sys");
        return EXIT_STATUS_MISSING;
    }
    t.text_threads = p.text_threads;
    if (signals_start(on_signal, NULL) < 0)
        return EXIT_STATUS_INTERNAL;
    print_head();
    status = try_placements(s, &words, &topology, &t);
    if (status == 0 && atomic_load(&interrupted) == 0)
        status = try_periods(s, &words, &t);
    if (atomic_load(&interrupted) != 0)
        return 128 + atomic_load(&interrupted);
    if (status < 0) {
        sentences_explain(&words, status);
        return status_of(status);
    }
    return tell_result(&t);
}
