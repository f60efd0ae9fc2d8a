/* SPDX-License-Identifier: MIT */
/* Registering and running. */
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/bench.h"
#include "common/registry.h"

#define ROUNDS   15
#define ROUND_NS 4e6 /* that a round of a contender is to last */

void bench_die(const char *why)
{
    fprintf(stderr, "bench: %s\n", why);
    exit(1);
}

/* arguments ----------------------------------------------------------------------------------- */

static void usage(const char *name)
{
    fprintf(stderr,
            "usage: bench_%s [--rounds N] [--only GROUP] [--cpu LEVEL] [--realtime] [--count] "
            "[--quick]\n",
            name);
    exit(2);
}

static void set_cpu(struct bench *b, const char *level)
{
    if (vs_cpu_parse(level, &b->cpu) < 0) {
        fprintf(stderr, "bench_%s: --cpu: no level is named %s\n", b->name, level);
        exit(2);
    }
}

static void read_arguments(struct bench *b, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *value = i + 1 < argc ? argv[i + 1] : NULL;
        if (strcmp(argv[i], "--realtime") == 0)
            b->realtime = true;
        else if (strcmp(argv[i], "--count") == 0)
            b->count = true;
        else if (strcmp(argv[i], "--quick") == 0)
            b->quick = true;
        else if (strcmp(argv[i], "--rounds") == 0 && value && atoi(value) > 0)
            b->rounds = (size_t)atoi(argv[++i]);
        else if (strcmp(argv[i], "--only") == 0 && value)
            b->only = argv[++i];
        else if (strcmp(argv[i], "--cpu") == 0 && value)
            set_cpu(b, argv[++i]);
        else
            usage(b->name);
    }
    b->rounds = b->quick ? 1 : VS__MIN(b->rounds, (size_t)BENCH_ROUNDS);
}

static void find_processors(struct bench *b)
{
    cpu_set_t set;

    b->processor_count = 1;
    if (sched_getaffinity(0, sizeof(set), &set) < 0)
        return;
    for (int i = 0, found = 0; i < CPU_SETSIZE && found < 2; i++)
        if (CPU_ISSET(i, &set)) {
            b->processors[found++] = i;
            b->processor_count = (unsigned)found;
        }
}

struct bench *bench_start(int argc, char **argv, const char *name, const char *about)
{
    struct bench *b = calloc(1, sizeof(*b));

    if (!b)
        bench_die("no memory");
    *b = (struct bench){.name = name, .about = about, .cpu = vs_cpu_detect(), .rounds = ROUNDS};
    find_processors(b);
    read_arguments(b, argc, argv);
    vs__dsp_init(&b->dsp, b->cpu);
    (void)vs__fp_fast(); /* as on the worker's thread */
    return b;
}

const struct vs__dsp *bench_dsp(const struct bench *b)
{
    return &b->dsp;
}

bool bench_is_count(const struct bench *b)
{
    return b->count;
}

bool bench_is_quick(const struct bench *b)
{
    return b->quick;
}

/* registering --------------------------------------------------------------------------------- */

void bench_peers(struct bench *b, const char *list)
{
    char *rest = b->peer_words;

    if (snprintf(b->peer_words, sizeof(b->peer_words), "%s", list) >= (int)sizeof(b->peer_words))
        bench_die("too many peers");
    for (char *peer; (peer = strtok_r(rest, ";", &rest)) != NULL;) {
        char *version = strchr(peer, '=');
        if (b->peer_count == BENCH_PEER_COUNT || !version)
            bench_die("too many peers, or one without a version");
        *version++ = '\0';
        b->peers[b->peer_count].name = peer;
        b->peers[b->peer_count++].version = *version ? version : NULL;
        if (!*version && !b->count)
            fprintf(stderr, "bench_%s: %s: left out, not installed when this was built\n", b->name,
                    peer);
    }
}

void bench_group(struct bench *b, const struct bench_group *group)
{
    if (b->group_count == BENCH_GROUPS)
        bench_die("too many groups");
    b->groups[b->group_count++].is = *group;
}

void bench_add(struct bench *b, const char *name, enum bench_kind kind, bench_run_fn *run,
               void *state)
{
    struct group *g = &b->groups[b->group_count - 1];

    if (g->row_count == BENCH_CONTENDERS)
        bench_die("too many contenders");
    g->rows[g->row_count++].contender =
        (struct bench_contender){.name = name, .kind = kind, .run = run, .state = state};
}

void bench_around(struct bench *b, bench_around_fn *begin, bench_around_fn *end)
{
    struct group *g = &b->groups[b->group_count - 1];

    g->rows[g->row_count - 1].contender.begin = begin;
    g->rows[g->row_count - 1].contender.end = end;
}

static void add_bar(struct bench *b, struct bar bar)
{
    if (b->bar_count == BENCH_BARS)
        bench_die("too many bars");
    bar.group = b->group_count - 1;
    b->bars[b->bar_count++] = bar;
}

void bench_at_most(struct bench *b, const char *ours, const char *against, double limit)
{
    add_bar(b, (struct bar){.form = BAR_AT_MOST, .ours = ours, .against = against, .limit = limit});
}

void bench_at_least(struct bench *b, const char *ours, const char *against, double limit)
{
    add_bar(b,
            (struct bar){.form = BAR_AT_LEAST, .ours = ours, .against = against, .limit = limit});
}

void bench_within_ns(struct bench *b, const char *ours, double limit_ns)
{
    add_bar(b, (struct bar){.form = BAR_WITHIN, .ours = ours, .limit = limit_ns});
}

void bench_tail(struct bench *b, const char *ours, const char *against, double percentile,
                bool of_median, double limit)
{
    add_bar(b, (struct bar){.form = BAR_TAIL,
                            .ours = ours,
                            .against = against,
                            .percentile = percentile,
                            .of_median = of_median,
                            .limit = limit});
}

void bench_figure(struct bench *b, const char *name, const char *unit, double value, int direction,
                  double limit)
{
    if (b->figure_count == BENCH_FIGURES)
        bench_die("too many figures");
    b->figures[b->figure_count].name = name;
    b->figures[b->figure_count].unit = unit;
    b->figures[b->figure_count].value = value;
    b->figures[b->figure_count].direction = direction;
    b->figures[b->figure_count++].limit = limit;
}

/* running ------------------------------------------------------------------------------------- */

void bench_place_thread(const struct bench *b, unsigned processor)
{
    struct sched_param priority = {.sched_priority = 10};
    cpu_set_t set;

    CPU_ZERO(&set);
    CPU_SET(b->processors[processor % b->processor_count], &set);
    (void)pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
    if (b->realtime)
        (void)pthread_setschedparam(pthread_self(), SCHED_FIFO, &priority);
}

static void check_result(struct bench *b, struct group *g, struct row *r, double result)
{
    double wanted = g->rows[0].result ? g->rows[0].result : result;
    bool agrees = g->is.tolerance < 0 || r->contender.kind == BENCH_LIMIT ||
                  fabs(result - wanted) <= fabs(wanted) * g->is.tolerance;

    r->result = result;
    if (isfinite(result) && result != 0 && agrees)
        return;
    if (!b->failed)
        fprintf(stderr, "bench_%s: %s: %s: the result is %.9g, that of %s %.9g\n", b->name,
                g->is.name, r->contender.name, result, g->rows[0].contender.name, wanted);
    b->failed = true;
}

static double time_row(struct bench *b, struct group *g, struct row *r, size_t times)
{
    const struct bench_contender *c = &r->contender;
    double result = 0;

    if (c->begin)
        c->begin(c->state);
    int64_t begin = vs__mono_ns();
    if (g->is.each) {
        int64_t last = begin;
        for (size_t i = 0; i < times; i++) {
            result = c->run(c->state, 1);
            int64_t now = vs__mono_ns();
            r->each[r->each_count + i] = (float)(now - last);
            last = now;
        }
    } else {
        result = c->run(c->state, times);
    }
    double took = (double)(vs__mono_ns() - begin);
    if (c->end)
        c->end(c->state);
    check_result(b, g, r, result);
    return took;
}

/* What only the first time does would tell of too long rounds. Its result is of one alone, and not looked at. */
static void warm_up(const struct bench_contender *c)
{
    if (c->begin)
        c->begin(c->state);
    (void)c->run(c->state, 1);
    if (c->end)
        c->end(c->state);
}

/* How many fill a round; also the first use of caches. */
static void calibrate(struct bench *b, struct group *g, struct row *r)
{
    if (g->is.each) {
        r->times = g->is.times ? g->is.times : BENCH_TAIL;
        r->times = b->quick ? 10 : r->times;
        r->each = calloc(r->times * (b->rounds + 1), sizeof(*r->each));
        if (!r->each)
            bench_die("no memory");
        return;
    }
    warm_up(&r->contender);
    r->times = g->is.times ? g->is.times : 1;
    while (!g->is.times && !b->quick) {
        double took = time_row(b, g, r, r->times);
        if (took >= ROUND_NS / 4) {
            r->times = (size_t)fmax(1, (double)r->times * ROUND_NS / took);
            break;
        }
        r->times *= took < ROUND_NS / 64 ? 8 : 2;
    }
}

static int compare_float(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void run_group(struct bench *b, struct group *g)
{
    for (size_t i = 0; i < g->row_count; i++)
        calibrate(b, g, &g->rows[i]);
    for (size_t round = 0; round <= b->rounds; round++)
        for (size_t i = 0; i < g->row_count; i++) {
            struct row *r = &g->rows[(i + round) % g->row_count];
            double took = time_row(b, g, r, r->times);
            if (round == 0) /* thrown away */
                continue;
            r->ns[round - 1] = took / (double)r->times;
            r->each_count += g->is.each ? r->times : 0;
            if (g->is.each) {
                float *of_round = r->each + r->each_count - r->times;
                qsort(of_round, r->times, sizeof(float), compare_float);
                r->ns[round - 1] = (double)of_round[r->times / 2];
            }
        }
    for (size_t i = 0; i < g->row_count && g->is.each; i++)
        qsort(g->rows[i].each, g->rows[i].each_count, sizeof(float), compare_float);
}

int bench_finish(struct bench *b)
{
    if (b->realtime) {
        struct sched_param priority = {.sched_priority = 10};
        b->realtime_refused = pthread_setschedparam(pthread_self(), SCHED_FIFO, &priority) != 0;
    }
    if (b->count) {
        bench_count(b);
    } else {
        for (size_t i = 0; i < b->group_count; i++)
            if (!b->only || strstr(b->groups[i].is.name, b->only))
                run_group(b, &b->groups[i]);
        bench_write(b);
    }
    int status = b->failed ? 1 : 0;
    for (size_t i = 0; i < b->group_count; i++)
        for (size_t k = 0; k < b->groups[i].row_count; k++)
            free(b->groups[i].rows[k].each);
    free(b);
    return status;
}
