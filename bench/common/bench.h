/* SPDX-License-Identifier: MIT */
/* What every benchmark shares. Contenders stand in groups and do the same work. Each round runs all of
   a group, in an order that moves on by one from round to round; the first round is thrown away.
   Kept are medians, 10th and 90th percentiles, and ratios that are formed inside a round before
   their median is taken, as a machine's speed drifts. Every run returns a figure of what it made,
   and the figures of a group must agree: nothing can be left out unseen.

   A program adds groups, contenders and bars in main() and leaves the rest to bench_finish(), which
   writes JSON. `scripts/bench` runs all programs and makes docs/benchmarks.md.

       bench_gain [--rounds N] [--only GROUP] [--cpu LEVEL] [--realtime] [--count] [--quick]

   With --count each of our contenders runs a fixed number of times between marks for callgrind,
   and nothing is timed: `scripts/bench-check` uses it. */
#ifndef VS_BENCH_COMMON_BENCH_H
#define VS_BENCH_COMMON_BENCH_H

#include <stdbool.h>
#include <stddef.h>

#include "base/base.h"
#include "dsp/dsp.h"

enum bench_kind {
    BENCH_OURS,
    BENCH_PEER,  /**< another library */
    BENCH_NAIVE, /**< the design that we are measured against */
    BENCH_LIMIT, /**< what the machine allows */
    BENCH_STEP,  /**< ours, of old or in part: shown, in no bar */
};

/** Do the work `times` times. @return a figure of the result, the same for any `times` >= 1 */
typedef double bench_run_fn(void *state, size_t times);
/** Outside the time of a round, before or after it. */
typedef void bench_around_fn(void *state);

struct bench_group {
    const char *name;
    const char *what; /**< what is done once, in words: the page shows it */
    double
        tolerance; /**< how far results may lie from the first contender's, relative to it (a limit's may);
                               negative: they differ by nature, and need only be finite and not 0 */
    size_t times;       /**< in a round [0 = as many as fill some milliseconds] */
    size_t count_times; /**< with --count [0 = not counted] */
    bool each;          /**< time every single one, for percentiles; for work of 200 ns and more */
};

struct bench;

/** Reads the arguments; exits with words on wrong ones. */
struct bench *bench_start(int argc, char **argv, const char *name, const char *about);
/** Kernels of the level that was asked for. */
const struct vs__dsp *bench_dsp(const struct bench *b);
/** A round of the short form, for a test that it runs at all. */
bool bench_is_quick(const struct bench *b);
/** Instructions are counted and nothing is timed: what is dear to set up and not ours may be left
    out. */
bool bench_is_count(const struct bench *b);
/** The calling thread on one of two processors (0, 1) if there are so many, and at real-time priority if --realtime was given: for threads
    that a contender starts by itself. Without the right to it the run goes on; the results say so. */
void bench_place_thread(const struct bench *b, unsigned processor);

/** Name the peers that this build has, with their versions, and those that it lacks, whose rows are
    left out: BENCH_PEERS, which the build gives each program. */
void bench_peers(struct bench *b, const char *list);

void bench_group(struct bench *b, const struct bench_group *group);
/** To the last group. `state` outlives the run. */
void bench_add(struct bench *b, const char *name, enum bench_kind kind, bench_run_fn *run,
               void *state);
/** For the contender that was added last. */
void bench_around(struct bench *b, bench_around_fn *begin, bench_around_fn *end);

/* Bars, for the last group. `against` is a name of a contender, or "best peer": that with the least
   median. A bar whose contenders are missing is told as not measured. */

/** Our time over the other's is at most `limit`. */
void bench_at_most(struct bench *b, const char *ours, const char *against, double limit);
/** The other's time over ours is at least `limit`. */
void bench_at_least(struct bench *b, const char *ours, const char *against, double limit);
/** Our time is at most `limit_ns`, on this machine. */
void bench_within_ns(struct bench *b, const char *ours, double limit_ns);
/** In a group of `each`: our percentile (0.99) over the other's is at most `limit`. With `of_median`
    it is over the other's median, which may be our own. */
void bench_tail(struct bench *b, const char *ours, const char *against, double percentile,
                bool of_median, double limit);

/** A figure that is no time, such as a delay: `direction` < 0: at most `limit` is wanted, > 0: at
    least, 0: no bar. */
void bench_figure(struct bench *b, const char *name, const char *unit, double value, int direction,
                  double limit);

/** Say why and end, for what must not happen. */
_Noreturn void bench_die(const char *why);

/** Runs everything, writes JSON to standard output, frees it all. @return the exit status: 1 when
    results did not agree. */
int bench_finish(struct bench *b);

#endif
