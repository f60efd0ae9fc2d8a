/* SPDX-License-Identifier: MIT */
/* Two threads and frames between them, against the naive design: the transport alone, the work on
   one frame alone, both together, and the whole pipeline as shipped. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <voicestand/backend.h>
#include <voicestand/voicestand.h>

#include "common/bench.h"
#include "sides/side.h"

#define QUEUE_MS 500
#define SPINS    200 /* before a thread of ours sleeps */

/* A contender. */
struct contender {
    struct side side; /* first: where only that is looked at */
    const struct bench *bench;
    const char *vad; /* the pipeline's */
    size_t times;    /* frames of this run */
    struct vs__thread writer;
};

static void *write_frames(void *state)
{
    struct contender *c = state;

    bench_place_thread(c->bench, 1);
    for (size_t i = 0; i < c->times; i++)
        side_write(&c->side, side_tape(c->side.frame, i));
    return NULL;
}

/* A frame's share of all that was found, as that has to agree for any number of frames. */
static double share(double found, size_t times)
{
    return times < 1000 ? 1 : 1 + found / (double)times;
}

static double read_frames(void *state, size_t times)
{
    struct contender *c = state;
    double found = -side_found(&c->side);

    c->times = times;
    if (vs__thread_start(&c->writer, "writer", write_frames, c) < 0)
        bench_die("no thread");
    for (size_t i = 0; i < times; i++) {
        float *frame = side_read(&c->side);
        found += side_work(&c->side, frame);
        side_done(&c->side, frame);
    }
    vs__thread_join(&c->writer);
    return share(found + side_found(&c->side), times);
}

/* On one thread: the work alone. */
static double work_frames(void *state, size_t times)
{
    struct contender *c = state;
    struct side *s = &c->side;
    double found = -side_found(s);

    for (size_t i = 0; i < times; i++) {
        memcpy(s->buffer, side_tape(s->frame, i), s->frame * sizeof(float));
        found += side_work(s, s->buffer);
    }
    return share(found + side_found(s), times);
}

static void open_contender(void *state)
{
    struct contender *c = state;

    bench_place_thread(c->bench, 0);
    if (side_open(&c->side) < 0)
        bench_die("no memory");
}

static void close_contender(void *state)
{
    side_close(state);
}

/* the pipeline as shipped --------------------------------------------------------------------- */

/* A source that gives so many frames of the tape, in pieces where it must. */
struct tape {
    const struct contender *contender;
    size_t at;
};

static const struct contender *played;

static int tape_open(void *state, const struct vs_capture_params *params,
                     struct vs_capture_format *ret)
{
    (void)params;
    *(struct tape *)state = (struct tape){.contender = played};
    ret->rate_hz = VS_RATE_HZ;
    ret->channels = 1;
    ret->format = VS_FORMAT_F32;
    return 0;
}

static int64_t tape_read(void *state, void *pcm, size_t frames, struct vs_capture_stamp *ret)
{
    struct tape *t = state;
    const struct contender *c = t->contender;
    size_t at = t->at % SIDE_TAPE_FRAMES;
    size_t n = VS__MIN(VS__MIN(c->side.frame, frames), c->times * c->side.frame - t->at);

    n = VS__MIN(n, SIDE_TAPE_FRAMES - at);
    memcpy(pcm, side_tape(1, at), n * sizeof(float));
    ret->position = t->at;
    t->at += n;
    return (int64_t)n;
}

static void tape_close(void *state)
{
    (void)state;
}

static const struct vs_capture_ops tape = {.abi = VS_BACKEND_ABI,
                                           .name = "tape",
                                           .description = "noise from memory",
                                           .state_size = sizeof(struct tape),
                                           .open = tape_open,
                                           .read = tape_read,
                                           .close = tape_close};

static double run_pipeline(void *state, size_t times)
{
    struct contender *c = state;
    struct vs_pipeline_config config = {.size = sizeof(config),
                                        .capture = "tape",
                                        .capture_ops = &tape,
                                        .vad = c->vad,
                                        .ring_ms = QUEUE_MS,
                                        .latency_ms = c->side.frame == 160 ? 10 : 64,
                                        .realtime = -1};
    struct vs_stats stats = {.size = sizeof(stats)};
    vs_pipeline *p;

    c->times = times;
    played = c;
    if (vs_pipeline_create(&config, &p) < 0 || vs_pipeline_start(p) < 0 ||
        vs_pipeline_wait(p, -1) < 0)
        bench_die("the pipeline does not run");
    vs_pipeline_stats(p, &stats);
    vs_pipeline_destroy(p);
    if (stats.ledger.delivered != times * c->side.frame || stats.ledger.residual != 0)
        bench_die("the pipeline lost something");
    return 1;
}

/* contenders ---------------------------------------------------------------------------------- */

#define MOST 40
static struct contender contenders[MOST];
static size_t contender_count;

static void add(struct bench *b, const char *name, enum bench_kind kind, bench_run_fn *run,
                struct side side)
{
    struct contender *c = &contenders[contender_count++];

    side.spins = SPINS;
    *c = (struct contender){.side = side, .bench = b};
    bench_add(b, name, kind, run, c);
    bench_around(b, open_contender, close_contender);
}

static void add_pipeline(struct bench *b, const char *vad, size_t frame)
{
    add(b, vad, BENCH_STEP, run_pipeline, (struct side){.frame = frame});
    contenders[contender_count - 1].vad = vad;
}

static void add_groups(struct bench *b, size_t n)
{
    static char names[16][40];
    static size_t used;
    const char *ms = n == 160 ? "10 ms" : "64 ms";
    bool simd = vs_cpu_detect() >= VS_CPU_AVX2;
    size_t times = bench_is_quick(b) ? 1000 : n == 160 ? 12000 : 2000;
    char *name = names[used++];

    snprintf(name, sizeof(names[0]), "transport, frames of %s", ms);
    bench_group(b, &(struct bench_group){
                       .name = name, .what = "one frame to the other thread", .times = times});
    add(b, "naive", BENCH_NAIVE, read_frames, (struct side){.frame = n, .transport = SIDE_DEQUE});
    add(b, "naive, kindest compilation", BENCH_NAIVE, read_frames,
        (struct side){.frame = n, .transport = SIDE_DEQUE, .code = &naive_code_kind});
    add(b, "careful", BENCH_NAIVE, read_frames,
        (struct side){.frame = n, .transport = SIDE_CAREFUL});
    add(b, "ring", BENCH_OURS, read_frames, (struct side){.frame = n, .transport = SIDE_RING});

    name = names[used++];
    snprintf(name, sizeof(names[0]), "work, frames of %s", ms);
    bench_group(b, &(struct bench_group){.name = name,
                                         .what = "the naive design's work on one frame, one thread",
                                         .tolerance = 1e-4,
                                         .times = times,
                                         .count_times = 2000});
    add(b, "naive", BENCH_NAIVE, work_frames, (struct side){.frame = n, .works = true});
    add(b, "naive, kindest compilation", BENCH_NAIVE, work_frames,
        (struct side){.frame = n, .works = true, .code = &naive_code_kind});
    add(b, "fused, plain C", simd ? BENCH_STEP : BENCH_OURS, work_frames,
        (struct side){.frame = n, .works = true, .fused = true});
    if (simd)
        add(b, "fused, AVX2", BENCH_OURS, work_frames,
            (struct side){.frame = n, .works = true, .fused = true, .simd = true});

    name = names[used++];
    snprintf(name, sizeof(names[0]), "path, frames of %s", ms);
    bench_group(b, &(struct bench_group){
                       .name = name,
                       .what = "one frame to the other thread and the naive design's work on it",
                       .tolerance = 1e-4,
                       .times = times});
    add(b, "naive", BENCH_NAIVE, read_frames,
        (struct side){.frame = n, .transport = SIDE_DEQUE, .works = true});
    add(b, "naive, kindest compilation", BENCH_NAIVE, read_frames,
        (struct side){
            .frame = n, .transport = SIDE_DEQUE, .works = true, .code = &naive_code_kind});
    add(b, "careful queue, naive work", BENCH_NAIVE, read_frames,
        (struct side){.frame = n, .transport = SIDE_CAREFUL, .works = true});
    add(b, "ring, naive work", BENCH_STEP, read_frames,
        (struct side){.frame = n, .transport = SIDE_RING, .works = true});
    add(b, "ours", BENCH_OURS, read_frames,
        (struct side){
            .frame = n, .transport = SIDE_RING, .works = true, .fused = true, .simd = simd});
    bench_at_least(b, "ours", "naive", n == 160 ? 20 : 10);
    if (n == 160)
        bench_at_least(b, "ours", "naive, kindest compilation", 12);

    name = names[used++];
    snprintf(name, sizeof(names[0]), "pipeline, frames of %s", ms);
    bench_group(b, &(struct bench_group){
                       .name = name,
                       .what = "the pipeline as shipped, which does more than the naive design: "
                               "it checks every sample, filters without starting anew, segments, "
                               "and keeps the ledger; with each detector",
                       .tolerance = 1,
                       .times = times});
    add(b, "naive", BENCH_NAIVE, read_frames,
        (struct side){.frame = n, .transport = SIDE_DEQUE, .works = true});
    static const char *const detectors[] = {"null", "energy", "native"};
    for (size_t i = 0; i < VS__COUNT(detectors); i++)
        add_pipeline(b, detectors[i], n);
}

int main(int argc, char **argv)
{
    struct bench *b = bench_start(
        argc, argv, "design",
        "Frames of float at 16 kHz from one thread to another and what is done with them there, "
        "by the naive design and by ours. Queues hold half a second; threads that have to wait "
        "sleep, "
        "ours after a short spin.");

    (void)side_tape(1, 0); /* made before anything is timed */
    add_groups(b, 160);
    add_groups(b, 1024);
    int status = bench_finish(b);
    return status;
}
