/* SPDX-License-Identifier: MIT */
/* What each part of the design is worth: the naive design with one part exchanged at a time, then with all
   of them, in real time. A writer gives a frame each time that its last sample would have come from a
   microphone; measured is from the first sample of the frame to the decision on it. A late writer makes
   its frames older, as the schedule and not its own clock says when they were due: no stall hides.

       bench_gains [--rounds N] [--quick] [--realtime]

   JSON on standard output; `scripts/bench` makes the table. */
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "dsp/dsp.h"
#include "sides/side.h"

#define MOST_ROUNDS 31
#define MOST_FRAMES 2000
#define ROUND_NS    INT64_C(2000000000)
#define POLL_NS     1000000

/* malloc() and calloc() of this program are counted: the linker sends them here. */
static _Atomic uint64_t allocations;
void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);

void *__wrap_malloc(size_t bytes)
{
    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
    return __real_malloc(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    atomic_fetch_add_explicit(&allocations, 1, memory_order_relaxed);
    return __real_calloc(count, bytes);
}

/* A design: the naive one, or what of it is ours. */
struct design {
    const char *name;
    size_t frame;
    enum side_transport transport;
    bool pooled, fused, polls;
    /* measured, by round */
    double median_ms[MOST_ROUNDS], late_ms[MOST_ROUNDS], cpu_us[MOST_ROUNDS];
    double allocations[MOST_ROUNDS], wakeups[MOST_ROUNDS];
};

#define REST                                                                                       \
    {0}, {0}, {0}, {0},                                                                            \
    {                                                                                              \
        0                                                                                          \
    }
static struct design designs[] = {
    {"naive", 1024, SIDE_DEQUE, false, false, false, REST},
    {"naive, looks for frames every millisecond", 1024, SIDE_DEQUE, false, false, true, REST},
    {"naive with memory pool", 1024, SIDE_DEQUE, true, false, false, REST},
    {"naive with SIMD and fused passes", 1024, SIDE_DEQUE, false, true, false, REST},
    {"naive with lock-free ring", 1024, SIDE_RING, false, false, false, REST},
    {"naive with frames of 10 ms", 160, SIDE_DEQUE, false, false, false, REST},
    {"all, frames of 64 ms", 1024, SIDE_RING, true, true, false, REST},
    {"all, frames of 10 ms", 160, SIDE_RING, true, true, false, REST},
};

/* One run. */
struct run {
    struct design *design;
    struct side side;
    size_t frames, round;
    int64_t begin_ns;
    int64_t latency_ns[MOST_FRAMES];
    bool realtime;
    double writer_cpu_ns, writer_wakeups;
};

static _Noreturn void die(const char *why)
{
    fprintf(stderr, "bench_gains: %s\n", why);
    exit(1);
}

static int64_t due_ns(const struct run *r, size_t frame)
{
    return r->begin_ns + (int64_t)frame * (int64_t)r->side.frame * 1000000000 / VS_RATE_HZ;
}

static double wakeups(void)
{
    struct rusage usage;

    getrusage(RUSAGE_THREAD, &usage);
    return (double)usage.ru_nvcsw;
}

static void be_realtime(const struct run *r)
{
    struct sched_param param = {.sched_priority = 10};

    if (r->realtime && sched_setscheduler(0, SCHED_FIFO, &param) < 0)
        die("no right to real-time priority");
}

static void *write_frames(void *state)
{
    struct run *r = state;
    struct vs__signal never = {0};

    be_realtime(r);
    double before = wakeups();
    for (size_t i = 0; i < r->frames; i++) {
        int64_t left = due_ns(r, i + 1) - vs__mono_ns();
        if (left > 0)
            (void)vs__signal_wait(&never, 0, left);
        side_write(&r->side, side_tape(r->side.frame, i));
    }
    r->writer_cpu_ns = (double)vs__thread_cpu_ns();
    r->writer_wakeups = wakeups() - before;
    return NULL;
}

static void read_frames(struct run *r)
{
    struct vs__signal never = {0};

    for (size_t i = 0; i < r->frames; i++) {
        while (r->design->polls && !side_has(&r->side))
            (void)vs__signal_wait(&never, 0, POLL_NS);
        float *frame = side_read(&r->side);
        (void)side_work(&r->side, frame);
        side_done(&r->side, frame);
        r->latency_ns[i] = vs__mono_ns() - due_ns(r, i);
    }
}

static void *read_body(void *state)
{
    struct run *r = state;
    struct vs__thread writer = {0};

    be_realtime(r);
    r->begin_ns = vs__mono_ns();
    if (vs__thread_start(&writer, "writer", write_frames, r) < 0)
        die("no thread");
    uint64_t had = atomic_load(&allocations);
    double cpu = (double)vs__thread_cpu_ns(), woken = wakeups();
    read_frames(r);
    double seconds = (double)(r->side.frame * r->frames) / VS_RATE_HZ;
    cpu = (double)vs__thread_cpu_ns() - cpu;
    woken = wakeups() - woken;
    uint64_t more = atomic_load(&allocations) - had;
    vs__thread_join(&writer);
    struct design *d = r->design;
    d->cpu_us[r->round] = (cpu + r->writer_cpu_ns) / 1000 / seconds;
    d->wakeups[r->round] = (woken + r->writer_wakeups) / seconds;
    d->allocations[r->round] = (double)more / seconds;
    return NULL;
}

static int compare_ns(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void run_design(struct design *d, size_t round, bool realtime, int64_t ns)
{
    static struct run r; /* large */
    struct vs__thread reader = {0};

    r = (struct run){.design = d, .round = round, .realtime = realtime};
    r.side = (struct side){.frame = d->frame,
                           .transport = d->transport,
                           .code = d->pooled ? &naive_code_pooled : &naive_code,
                           .works = true,
                           .fused = d->fused,
                           .simd = d->fused && vs_cpu_detect() >= VS_CPU_AVX2};
    r.frames = (size_t)(ns * VS_RATE_HZ / 1000000000) / d->frame;
    if (side_open(&r.side) < 0)
        die("no memory");
    if (vs__thread_start(&reader, "reader", read_body, &r) < 0)
        die("no thread");
    vs__thread_join(&reader);
    side_close(&r.side);
    qsort(r.latency_ns, r.frames, sizeof(*r.latency_ns), compare_ns);
    d->median_ms[round] = (double)r.latency_ns[r.frames / 2] / 1e6;
    d->late_ms[round] = (double)r.latency_ns[r.frames * 99 / 100] / 1e6;
}

static void print_figure(const char *name, const double *figures, size_t rounds)
{
    double x[MOST_ROUNDS];

    memcpy(x, figures, rounds * sizeof(*x));
    qsort(x, rounds, sizeof(*x), compare);
    printf(", \"%s\": {\"median\": %.4f, \"p10\": %.4f, \"p90\": %.4f}", name, x[rounds / 2],
           x[rounds / 10], x[rounds - 1 - rounds / 10]);
}

static void print_results(size_t rounds, bool realtime, int64_t ns)
{
    printf("{\"benchmark\": \"gains\", \"rounds\": %zu, \"seconds\": %.1f, \"realtime\": %s, "
           "\"kernels\": \"%s\", \"rows\": [\n",
           rounds, (double)ns / 1e9, realtime ? "true" : "false", vs_cpu_name(vs_cpu_detect()));
    for (size_t i = 0; i < VS__COUNT(designs); i++) {
        const struct design *d = &designs[i];
        printf("{\"name\": \"%s\", \"frame\": %zu", d->name, d->frame);
        print_figure("median_ms", d->median_ms, rounds);
        print_figure("p99_ms", d->late_ms, rounds);
        print_figure("cpu_us", d->cpu_us, rounds);
        print_figure("allocations", d->allocations, rounds);
        print_figure("wakeups", d->wakeups, rounds);
        printf("}%s\n", i + 1 < VS__COUNT(designs) ? "," : "");
    }
    printf("]}\n");
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"rounds", required_argument, NULL, 'n'},
                                            {"quick", no_argument, NULL, 'q'},
                                            {"realtime", no_argument, NULL, 'r'},
                                            {0}};
    size_t rounds = 7;
    int64_t ns = ROUND_NS;
    bool realtime = false;

    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        if (c == '?')
            return 2;
        if (c == 'n')
            rounds = (size_t)VS__MAX(1, VS__MIN(atoi(optarg), MOST_ROUNDS));
        realtime |= c == 'r';
        if (c == 'q') {
            rounds = 1;
            ns = ROUND_NS / 10;
        }
    }
    (void)side_tape(1, 0);
    for (size_t round = 0; round < rounds; round++)
        for (size_t i = 0; i < VS__COUNT(designs); i++)
            run_design(&designs[(i + round) % VS__COUNT(designs)], round, realtime, ns);
    print_results(rounds, realtime, ns);
    return 0;
}
