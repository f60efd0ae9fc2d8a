/* SPDX-License-Identifier: MIT */
/* Results as JSON, and marks for callgrind. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#if __has_include(<valgrind/callgrind.h>)
#include <valgrind/callgrind.h>
#else
#define CALLGRIND_START_INSTRUMENTATION
#define CALLGRIND_STOP_INSTRUMENTATION
#define CALLGRIND_ZERO_STATS
#define CALLGRIND_DUMP_STATS_AT(name) (void)(name)
#define RUNNING_ON_VALGRIND           0
#endif

#include "common/bench.h"
#include "common/registry.h"

static const char *const kinds[] = {"ours", "peer", "naive", "limit", "step"};

/* statistics ---------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_percentile(double *x, size_t n, double p)
{
    qsort(x, n, sizeof(*x), compare);
    double at = p * (double)(n - 1);
    size_t low = (size_t)at;
    return low + 1 < n ? x[low] + (at - (double)low) * (x[low + 1] - x[low]) : x[n - 1];
}

size_t bench_ratios(const struct bench *b, const struct row *over, const struct row *under,
                    double *ret)
{
    for (size_t i = 0; i < b->rounds; i++)
        ret[i] = over->ns[i] / under->ns[i];
    return b->rounds;
}

static double median_of(const struct bench *b, const struct row *r)
{
    double ns[BENCH_ROUNDS];

    memcpy(ns, r->ns, b->rounds * sizeof(*ns));
    return bench_percentile(ns, b->rounds, 0.5);
}

static double tail_of(const struct row *r, double percentile)
{
    size_t at = (size_t)((double)r->each_count * percentile);
    return r->each_count ? (double)r->each[VS__MIN(at, r->each_count - 1)] : 0;
}

/* median and spread of some values, as {"median": , "p10": , "p90": } */
static json_t *spread(double *x, size_t n)
{
    return json_pack("{s:f, s:f, s:f}", "median", bench_percentile(x, n, 0.5), "p10",
                     bench_percentile(x, n, 0.1), "p90", bench_percentile(x, n, 0.9));
}

/* bars ---------------------------------------------------------------------------------------- */

static const struct row *find_row(const struct bench *b, const struct group *g, const char *name)
{
    const struct row *best = NULL;
    bool best_peer = strcmp(name, "best peer") == 0;

    for (size_t i = 0; i < g->row_count; i++) {
        const struct row *r = &g->rows[i];
        if (best_peer ? r->contender.kind != BENCH_PEER : strcmp(r->contender.name, name) != 0)
            continue;
        if (!best || median_of(b, r) < median_of(b, best))
            best = r;
    }
    return best;
}

static json_t *measure_bar(const struct bench *b, const struct bar *bar, const struct row *ours,
                           const struct row *against)
{
    double x[BENCH_ROUNDS];
    size_t n = b->rounds;

    switch (bar->form) {
    case BAR_AT_MOST:
        n = bench_ratios(b, ours, against, x);
        break;
    case BAR_AT_LEAST:
        n = bench_ratios(b, against, ours, x);
        break;
    case BAR_WITHIN:
        memcpy(x, ours->ns, n * sizeof(*x));
        break;
    case BAR_TAIL:
        n = 1;
        x[0] = tail_of(ours, bar->percentile) /
               (bar->of_median ? tail_of(against, 0.5) : tail_of(against, bar->percentile));
        break;
    }
    return spread(x, n);
}

/* How much faster than `against` the group's limit is: no more can be asked of ours. */
static void add_limit(const struct bench *b, const struct bar *bar, const struct group *g,
                      const struct row *against, json_t *out)
{
    double x[BENCH_ROUNDS];

    for (size_t i = 0; i < g->row_count && bar->form == BAR_AT_LEAST; i++)
        if (g->rows[i].contender.kind == BENCH_LIMIT) {
            size_t n = bench_ratios(b, against, &g->rows[i], x);
            json_object_set_new(out, "limit_row", json_string(g->rows[i].contender.name));
            json_object_set_new(out, "limit_measured", json_real(bench_percentile(x, n, 0.5)));
        }
}

static json_t *write_bar(const struct bench *b, const struct bar *bar)
{
    static const char *const forms[] = {"at_most", "at_least", "within_ns", "tail_at_most"};
    const struct group *g = &b->groups[bar->group];
    const struct row *ours = find_row(b, g, bar->ours);
    const struct row *against = bar->against ? find_row(b, g, bar->against) : ours;
    json_t *out =
        json_pack("{s:s, s:s, s:s, s:s*, s:f}", "group", g->is.name, "form", forms[bar->form],
                  "ours", bar->ours, "against", bar->against, "limit", bar->limit);

    if (bar->form == BAR_TAIL) {
        json_object_set_new(out, "percentile", json_real(bar->percentile));
        json_object_set_new(out, "of_median", json_boolean(bar->of_median));
    }
    if (!ours || !against) {
        json_object_set_new(out, "missing", json_string(ours ? bar->against : bar->ours));
        return out;
    }
    add_limit(b, bar, g, against, out);
    json_t *measured = measure_bar(b, bar, ours, against);
    double value = json_number_value(json_object_get(measured, "median"));
    json_object_set_new(out, "measured", measured);
    json_object_set_new(
        out, "met",
        json_boolean(bar->form == BAR_AT_LEAST ? value >= bar->limit : value <= bar->limit));
    if (bar->against)
        json_object_set_new(out, "peer", json_string(against->contender.name));
    return out;
}

/* out ----------------------------------------------------------------------------------------- */

static json_t *write_row(const struct bench *b, const struct group *g, const struct row *r)
{
    double ns[BENCH_ROUNDS], ratios[BENCH_ROUNDS];
    size_t n = bench_ratios(b, r, &g->rows[0], ratios);

    memcpy(ns, r->ns, n * sizeof(*ns));
    json_t *out = json_pack("{s:s, s:s, s:o, s:o, s:I}", "name", r->contender.name, "kind",
                            kinds[r->contender.kind], "ns", spread(ns, n), "ratio_to_first",
                            spread(ratios, n), "times", (json_int_t)r->times);
    if (g->is.each)
        json_object_set_new(out, "tail_ns",
                            json_pack("{s:f, s:f, s:f, s:f}", "p50", tail_of(r, 0.5), "p99",
                                      tail_of(r, 0.99), "p99.9", tail_of(r, 0.999), "max",
                                      tail_of(r, 1)));
    return out;
}

static json_t *write_figures(const struct bench *b)
{
    json_t *out = json_array();

    for (size_t i = 0; i < b->figure_count; i++) {
        double value = b->figures[i].value, limit = b->figures[i].limit;
        json_t *one = json_pack("{s:s, s:s, s:f}", "name", b->figures[i].name, "unit",
                                b->figures[i].unit, "value", value);
        if (b->figures[i].direction) {
            json_object_set_new(one, "limit", json_real(limit));
            json_object_set_new(one, "at_least", json_boolean(b->figures[i].direction > 0));
            json_object_set_new(
                one, "met",
                json_boolean(b->figures[i].direction > 0 ? value >= limit : value <= limit));
        }
        json_array_append_new(out, one);
    }
    return out;
}

void bench_write(const struct bench *b)
{
    json_t *groups = json_array(), *bars = json_array(), *peers = json_object();

    for (size_t i = 0; i < b->group_count; i++) {
        const struct group *g = &b->groups[i];
        json_t *rows = json_array();
        if (g->row_count == 0 || g->rows[0].times == 0) /* not asked for */
            continue;
        for (size_t k = 0; k < g->row_count; k++)
            json_array_append_new(rows, write_row(b, g, &g->rows[k]));
        json_array_append_new(groups, json_pack("{s:s, s:s, s:o}", "name", g->is.name, "what",
                                                g->is.what, "rows", rows));
    }
    for (size_t i = 0; i < b->bar_count; i++)
        if (b->groups[b->bars[i].group].rows[0].times)
            json_array_append_new(bars, write_bar(b, &b->bars[i]));
    for (size_t i = 0; i < b->peer_count; i++)
        json_object_set_new(peers, b->peers[i].name,
                            b->peers[i].version ? json_string(b->peers[i].version) : json_null());
    json_t *all = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:b, s:b, s:o, s:o, s:o, s:o}",
                            "benchmark", b->name, "about", b->about, "version", vs_version(),
                            "kernels", vs_cpu_name(b->cpu), "compiler", BENCH_COMPILER, "flags",
                            BENCH_FLAGS, "rounds", (json_int_t)b->rounds, "realtime",
                            b->realtime && !b->realtime_refused, "agree", !b->failed, "peers",
                            peers, "groups", groups, "bars", bars, "figures", write_figures(b));
    if (!all || json_dumpf(all, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(5)) < 0)
        bench_die("cannot write the results");
    putchar('\n');
    json_decref(all);
}

void bench_count(struct bench *b)
{
    char name[256];

    for (size_t i = 0; i < b->group_count; i++) {
        struct group *g = &b->groups[i];
        for (size_t k = 0; k < g->row_count && g->is.count_times; k++) {
            const struct bench_contender *c = &g->rows[k].contender;
            snprintf(name, sizeof(name), "%s: %s", g->is.name, c->name);
            if (c->begin)
                c->begin(c->state);
            (void)c->run(c->state, 1); /* what only the first time does */
            CALLGRIND_START_INSTRUMENTATION;
            CALLGRIND_ZERO_STATS;
            (void)c->run(c->state, g->is.count_times);
            CALLGRIND_DUMP_STATS_AT(name);
            CALLGRIND_STOP_INSTRUMENTATION;
            if (c->end)
                c->end(c->state);
            printf("%s\t%s\t%zu\n", name, kinds[c->kind], g->is.count_times);
        }
    }
}
