/* SPDX-License-Identifier: MIT */
/* Inside the harness: what was registered and measured. */
#ifndef VS_BENCH_COMMON_REGISTRY_H
#define VS_BENCH_COMMON_REGISTRY_H

#include "common/bench.h"

#define BENCH_ROUNDS     64 /* most of them */
#define BENCH_CONTENDERS 16 /* in a group */
#define BENCH_GROUPS     64
#define BENCH_BARS       128
#define BENCH_PEER_COUNT 16
#define BENCH_FIGURES    192
#define BENCH_TAIL       1000 /* samples of single times that are kept from each round */

struct bench_contender {
    const char *name;
    enum bench_kind kind;
    bench_run_fn *run;
    void *state;
    bench_around_fn *begin, *end;
};

struct row {
    struct bench_contender contender;
    size_t times;
    double result;
    double ns[BENCH_ROUNDS]; /* of one piece of work */
    float *each;             /* in a group of `each`, sorted in the end */
    size_t each_count;
};

struct bar {
    size_t group;
    enum { BAR_AT_MOST, BAR_AT_LEAST, BAR_WITHIN, BAR_TAIL } form;
    const char *ours, *against;
    double limit, percentile;
    bool of_median;
};

struct group {
    struct bench_group is;
    struct row rows[BENCH_CONTENDERS];
    size_t row_count;
};

struct bench {
    const char *name, *about, *only;
    struct vs__dsp dsp;
    unsigned cpu;
    int processors[2]; /* that threads are put on */
    unsigned processor_count;
    size_t rounds;
    bool realtime, realtime_refused, count, quick, failed;
    struct group groups[BENCH_GROUPS];
    struct bar bars[BENCH_BARS];
    struct {
        const char *name, *version;
    } peers[BENCH_PEER_COUNT];
    char peer_words[512];
    struct {
        const char *name, *unit;
        double value, limit;
        int direction;
    } figures[BENCH_FIGURES];
    size_t group_count, bar_count, peer_count, figure_count;
};

/** In place: sorts. */
double bench_percentile(double *x, size_t n, double p);
/** Ratios of two rows, round by round. @return how many. */
size_t bench_ratios(const struct bench *b, const struct row *over, const struct row *under,
                    double *ret);
void bench_write(const struct bench *b);
/** --count: our contenders between marks for callgrind. */
void bench_count(struct bench *b);

#endif
