/* SPDX-License-Identifier: MIT */
/* Two threads and frames between them, against the naive design: the transport alone, the work on
   one frame alone, both together, and the whole pipeline as shipped. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <voicestand/backend.h>
#include <voicestand/voicestand.h>

#include "baseline/naive.h"
#include "common/bench.h"
#include "common/spin.h"
#include "fused/fused.h"

#define QUEUE_MS     500
#define AUDIO_FRAMES ((size_t)64 * 1024 * 15) /* about a minute; whole frames of every length */
#define SPINS        200                      /* before a thread of ours sleeps */

/* The naive design again, compiled as kindly as it can be. */
int kind_deque_create(struct naive_deque *d, size_t capacity);
void kind_deque_destroy(struct naive_deque *d);
void kind_deque_write(struct naive_deque *d, const float *samples, size_t n);
float *kind_deque_read(struct naive_deque *d, size_t n);
int kind_path_create(struct naive_path *p, size_t frames_of_history);
void kind_path_destroy(struct naive_path *p);
bool kind_path_process(struct naive_path *p, float *frame, size_t n);

struct naive_code {
    int (*deque_create)(struct naive_deque *d, size_t capacity);
    void (*deque_destroy)(struct naive_deque *d);
    void (*deque_write)(struct naive_deque *d, const float *samples, size_t n);
    float *(*deque_read)(struct naive_deque *d, size_t n);
    int (*path_create)(struct naive_path *p, size_t frames_of_history);
    void (*path_destroy)(struct naive_path *p);
    bool (*path_process)(struct naive_path *p, float *frame, size_t n);
};

static const struct naive_code plain_code = {
    naive_deque_create, naive_deque_destroy, naive_deque_write,  naive_deque_read,
    naive_path_create,  naive_path_destroy,  naive_path_process,
};
static const struct naive_code kind_code = {
    kind_deque_create, kind_deque_destroy, kind_deque_write,  kind_deque_read,
    kind_path_create,  kind_path_destroy,  kind_path_process,
};

enum transport { DEQUE, CAREFUL, RING };

/* One contender: how frames go, what is done with them. */
struct side {
    const struct bench *bench;
    size_t frame; /* samples */
    enum transport transport;
    const struct naive_code *code; /* the naive one's */
    bool works, fused, simd;
    const char *vad; /* the pipeline's */

    size_t times; /* frames of this run */
    struct vs__thread writer;
    struct naive_deque deque;
    struct careful_queue queue;
    struct vs__ring *ring;
    struct vs__signal filled, emptied;
    struct naive_path naive;
    struct fused_path lean;
    float *buffer;
    double start; /* what the path had found before this run */
};

static float *audio;

/* Bursts of noise over quiet noise: half of it is speech to all detectors here. */
static void make_audio(void)
{
    uint32_t seed = 1;

    audio = malloc(AUDIO_FRAMES * sizeof(float));
    if (!audio)
        bench_die("no memory");
    for (size_t i = 0; i < AUDIO_FRAMES; i++) {
        seed = seed * 1664525 + 1013904223;
        float noise = (float)(seed >> 8) / 8388608.0f - 1;
        audio[i] = noise * (i / 5120 % 2 ? 0.3f : 0.001f);
    }
}

static const float *frame_of_tape(const struct side *s, size_t i)
{
    return audio + i % (AUDIO_FRAMES / s->frame) * s->frame;
}

/* frames to the other thread ------------------------------------------------------------------ */

static void put_in_ring(struct side *s, const float *frame)
{
    size_t bytes = s->frame * sizeof(float), room;

    for (unsigned tries = 0;;) {
        uint32_t seen = vs__signal_seen(&s->emptied);
        void *to = vs__ring_write_begin(s->ring, bytes, &room);
        if (room == bytes) {
            memcpy(to, frame, bytes);
            vs__ring_write_commit(s->ring, bytes);
            vs__signal_raise(&s->filled);
            return;
        }
        if (tries < SPINS)
            bench_spin(&tries);
        else
            (void)vs__signal_wait(&s->emptied, seen, -1);
    }
}

/* The frame where it stands in the ring, which is the reader's to change until it is given up. */
static float *see_in_ring(struct side *s)
{
    size_t bytes = s->frame * sizeof(float), there;

    for (unsigned tries = 0;;) {
        uint32_t seen = vs__signal_seen(&s->filled);
        const void *got = vs__ring_read_begin(s->ring, bytes, &there);
        if (there == bytes)
            return (float *)(uintptr_t)got;
        if (tries < SPINS)
            bench_spin(&tries);
        else
            (void)vs__signal_wait(&s->filled, seen, -1);
    }
}

static void give_up_in_ring(struct side *s)
{
    vs__ring_read_commit(s->ring, s->frame * sizeof(float));
    if (vs__ring_fill(s->ring) <= s->ring->bytes / 2) /* as the pipeline does */
        vs__signal_raise(&s->emptied);
}

static void *write_frames(void *state)
{
    struct side *s = state;

    bench_place_thread(s->bench, 1);
    for (size_t i = 0; i < s->times; i++) {
        const float *frame = frame_of_tape(s, i);
        if (s->transport == DEQUE)
            s->code->deque_write(&s->deque, frame, s->frame);
        else if (s->transport == CAREFUL)
            careful_queue_write(&s->queue, frame);
        else
            put_in_ring(s, frame);
    }
    return NULL;
}

/* what is done with a frame ------------------------------------------------------------------- */

static double work_on(struct side *s, float *frame)
{
    if (!s->works)
        return frame[0] > 0.1f;
    return s->fused ? fused_path_process(&s->lean, frame, s->frame)
                    : s->code->path_process(&s->naive, frame, s->frame);
}

static double found_by(const struct side *s)
{
    return !s->works ? 0 : s->fused ? s->lean.sum : s->naive.sum;
}

/* A frame's share of all that was found, as that has to agree for any number of frames. */
static double share(const struct side *s, double found, size_t times)
{
    return times < 1000 ? 1 : 1 + (found + found_by(s) - s->start) / (double)times;
}

static double read_frames(void *state, size_t times)
{
    struct side *s = state;
    double found = 0;

    s->start = found_by(s);
    s->times = times;
    if (vs__thread_start(&s->writer, "writer", write_frames, s) < 0)
        bench_die("no thread");
    for (size_t i = 0; i < times; i++) {
        if (s->transport == DEQUE) {
            float *frame = s->code->deque_read(&s->deque, s->frame);
            if (!frame)
                bench_die("no memory");
            found += work_on(s, frame);
            free(frame);
        } else if (s->transport == CAREFUL) {
            careful_queue_read(&s->queue, s->buffer);
            found += work_on(s, s->buffer);
        } else {
            found += work_on(s, see_in_ring(s));
            give_up_in_ring(s);
        }
    }
    vs__thread_join(&s->writer);
    return share(s, found, times);
}

/* On one thread: the work alone. */
static double work_frames(void *state, size_t times)
{
    struct side *s = state;
    double found = 0;

    s->start = found_by(s);
    for (size_t i = 0; i < times; i++) {
        memcpy(s->buffer, frame_of_tape(s, i), s->frame * sizeof(float));
        found += work_on(s, s->buffer);
    }
    return share(s, found, times);
}

static void open_side(void *state)
{
    struct side *s = state;
    size_t held = (size_t)QUEUE_MS * VS_RATE_HZ / 1000;
    size_t history = 2 * VS_RATE_HZ / s->frame;

    bench_place_thread(s->bench, 0);
    s->buffer = malloc(s->frame * sizeof(float));
    if (!s->buffer || s->code->deque_create(&s->deque, held) < 0 ||
        careful_queue_create(&s->queue, s->frame * sizeof(float), held / s->frame) < 0 ||
        vs__ring_create(held * sizeof(float), &s->ring) < 0 ||
        s->code->path_create(&s->naive, history) < 0 ||
        fused_path_create(&s->lean, history, s->simd) < 0)
        bench_die("no memory");
}

static void close_side(void *state)
{
    struct side *s = state;

    free(s->buffer);
    s->code->deque_destroy(&s->deque);
    careful_queue_destroy(&s->queue);
    vs__ring_destroy(s->ring);
    s->code->path_destroy(&s->naive);
    fused_path_destroy(&s->lean);
}

/* the pipeline as shipped --------------------------------------------------------------------- */

/* A source that gives so many frames of the tape, in pieces where it must. */
struct tape {
    const struct side *side;
    size_t at;
};

static const struct side *tape_side;

static int tape_open(void *state, const struct vs_capture_params *params,
                     struct vs_capture_format *ret)
{
    (void)params;
    *(struct tape *)state = (struct tape){.side = tape_side};
    ret->rate_hz = VS_RATE_HZ;
    ret->channels = 1;
    ret->format = VS_FORMAT_F32;
    return 0;
}

static int64_t tape_read(void *state, void *pcm, size_t frames, struct vs_capture_stamp *ret)
{
    struct tape *t = state;
    const struct side *s = t->side;
    size_t whole = AUDIO_FRAMES / s->frame * s->frame, at = t->at % whole;
    size_t n = VS__MIN(VS__MIN(s->frame, frames), s->times * s->frame - t->at);

    n = VS__MIN(n, whole - at);
    memcpy(pcm, audio + at, n * sizeof(float));
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
    struct side *s = state;
    struct vs_pipeline_config config = {.size = sizeof(config),
                                        .capture = "tape",
                                        .capture_ops = &tape,
                                        .vad = s->vad,
                                        .ring_ms = QUEUE_MS,
                                        .latency_ms = s->frame == 160 ? 10 : 64,
                                        .realtime = -1};
    struct vs_stats stats = {.size = sizeof(stats)};
    vs_pipeline *p;

    s->times = times;
    tape_side = s;
    if (vs_pipeline_create(&config, &p) < 0 || vs_pipeline_start(p) < 0 ||
        vs_pipeline_wait(p, -1) < 0)
        bench_die("the pipeline does not run");
    vs_pipeline_stats(p, &stats);
    vs_pipeline_destroy(p);
    if (stats.ledger.delivered != times * s->frame || stats.ledger.residual != 0)
        bench_die("the pipeline lost something");
    return 1;
}

/* contenders ---------------------------------------------------------------------------------- */

#define MOST 40
static struct side sides[MOST];
static size_t side_count;

static void add(struct bench *b, const char *name, enum bench_kind kind, bench_run_fn *run,
                struct side side)
{
    struct side *s = &sides[side_count++];

    *s = side;
    s->bench = b;
    if (!s->code)
        s->code = &plain_code;
    bench_add(b, name, kind, run, s);
    bench_around(b, open_side, close_side);
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
    add(b, "naive", BENCH_NAIVE, read_frames, (struct side){.frame = n, .transport = DEQUE});
    add(b, "naive, kindest compilation", BENCH_NAIVE, read_frames,
        (struct side){.frame = n, .transport = DEQUE, .code = &kind_code});
    add(b, "careful", BENCH_NAIVE, read_frames, (struct side){.frame = n, .transport = CAREFUL});
    add(b, "ring", BENCH_OURS, read_frames, (struct side){.frame = n, .transport = RING});

    name = names[used++];
    snprintf(name, sizeof(names[0]), "work, frames of %s", ms);
    bench_group(b, &(struct bench_group){.name = name,
                                         .what = "the naive design's work on one frame, one thread",
                                         .tolerance = 1e-4,
                                         .times = times,
                                         .count_times = 2000});
    add(b, "naive", BENCH_NAIVE, work_frames, (struct side){.frame = n, .works = true});
    add(b, "naive, kindest compilation", BENCH_NAIVE, work_frames,
        (struct side){.frame = n, .works = true, .code = &kind_code});
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
        (struct side){.frame = n, .transport = DEQUE, .works = true});
    add(b, "naive, kindest compilation", BENCH_NAIVE, read_frames,
        (struct side){.frame = n, .transport = DEQUE, .works = true, .code = &kind_code});
    add(b, "careful queue, naive work", BENCH_NAIVE, read_frames,
        (struct side){.frame = n, .transport = CAREFUL, .works = true});
    add(b, "ring, naive work", BENCH_STEP, read_frames,
        (struct side){.frame = n, .transport = RING, .works = true});
    add(b, "ours", BENCH_OURS, read_frames,
        (struct side){.frame = n, .transport = RING, .works = true, .fused = true, .simd = simd});
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
        (struct side){.frame = n, .transport = DEQUE, .works = true});
    static const char *const detectors[] = {"null", "energy", "native"};
    for (size_t i = 0; i < VS__COUNT(detectors); i++)
        add(b, detectors[i], BENCH_STEP, run_pipeline,
            (struct side){.frame = n, .vad = detectors[i]});
}

int main(int argc, char **argv)
{
    struct bench *b = bench_start(
        argc, argv, "design",
        "Frames of float at 16 kHz from one thread to another and what is done with them there, "
        "by the naive design and by ours. Queues hold half a second; threads that have to wait "
        "sleep, "
        "ours after a short spin.");

    make_audio();
    add_groups(b, 160);
    add_groups(b, 1024);
    int status = bench_finish(b);
    free(audio);
    return status;
}
