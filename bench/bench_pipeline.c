/* SPDX-License-Identifier: MIT */
/* The transport and the whole path against the naive design, in one run: rounds of all contenders
   in turn, medians, spreads, ratios. JSON on standard output; scripts/bench-table makes the page.
   bench_pipeline [ROUNDS] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <voicestand/backend.h>
#include <voicestand/voicestand.h>

#include "base/base.h"
#include "baseline/naive.h"
#include "dsp/dsp.h"
#include "ring/ring.h"

#define MAX_ROUNDS 99
#define QUEUE_MS   500
#define SECONDS    60

/* One contender at one frame length. `run` moves or processes all of `audio` and returns the time it
   took; `work` counts what it found, so that nothing can be left out unseen. */
struct contender {
    const char *group, *name;
    size_t frame;
    int64_t (*run)(const struct contender *c);
    const char *vad;       /* ours: the detector */
    double ns[MAX_ROUNDS]; /* for a second of audio */
    unsigned long work;
};

static float *audio;
static const size_t audio_frames = (size_t)SECONDS * VS_RATE_HZ;
static unsigned long found;

/* Bursts of noise over quiet noise: half of it is speech to all detectors here. */
static void make_audio(void)
{
    uint32_t seed = 1;

    audio = malloc(audio_frames * sizeof(float));
    for (size_t i = 0; audio && i < audio_frames; i++) {
        seed = seed * 1664525 + 1013904223;
        float noise = (float)(seed >> 8) / 8388608.0f - 1;
        audio[i] = noise * (i / (VS_RATE_HZ / 2) % 2 ? 0.3f : 0.001f);
    }
}

/* transport: frames from one thread to another ------------------------------------------------ */

static struct naive_deque deque;
static struct careful_queue queue;
static struct vs__ring *ring;
static struct vs__signal filled, emptied;
static size_t frame;

static void *write_naive(void *unused)
{
    for (size_t at = 0; at + frame <= audio_frames; at += frame)
        naive_deque_write(&deque, audio + at, frame);
    return unused;
}

static void *write_careful(void *unused)
{
    for (size_t at = 0; at + frame <= audio_frames; at += frame)
        careful_queue_write(&queue, audio + at);
    return unused;
}

static void *write_ring(void *unused)
{
    size_t bytes = frame * sizeof(float), room;

    for (size_t at = 0; at + frame <= audio_frames;) {
        uint32_t seen = vs__signal_seen(&emptied);
        void *to = vs__ring_write_begin(ring, bytes, &room);
        if (room < bytes) {
            (void)vs__signal_wait(&emptied, seen, -1);
            continue;
        }
        memcpy(to, audio + at, bytes);
        vs__ring_write_commit(ring, bytes);
        vs__signal_raise(&filled);
        at += frame;
    }
    return unused;
}

/* The reader looks at one sample of each frame: the rest is transport. */
static void read_naive(void)
{
    for (size_t at = 0; at + frame <= audio_frames; at += frame) {
        float *got = naive_deque_read(&deque, frame);
        found += got[0] > 0.1f;
        free(got);
    }
}

static void read_careful(void)
{
    float *got = malloc(frame * sizeof(float));

    for (size_t at = 0; at + frame <= audio_frames; at += frame) {
        careful_queue_read(&queue, got);
        found += got[0] > 0.1f;
    }
    free(got);
}

static void read_ring(void)
{
    size_t bytes = frame * sizeof(float), there;

    for (size_t at = 0; at + frame <= audio_frames;) {
        uint32_t seen = vs__signal_seen(&filled);
        const float *got = vs__ring_read_begin(ring, bytes, &there);
        if (there < bytes) {
            (void)vs__signal_wait(&filled, seen, -1);
            continue;
        }
        found += got[0] > 0.1f;
        vs__ring_read_commit(ring, bytes);
        if (vs__ring_fill(ring) <= ring->bytes / 2) /* as the pipeline does */
            vs__signal_raise(&emptied);
        at += frame;
    }
}

static int64_t move_frames(const struct contender *c)
{
    void *(*writers[])(void *) = {write_naive, write_careful, write_ring};
    void (*readers[])(void) = {read_naive, read_careful, read_ring};
    size_t kind = strcmp(c->name, "naive") == 0 ? 0 : strcmp(c->name, "careful") == 0 ? 1 : 2;
    size_t held = (size_t)QUEUE_MS * VS_RATE_HZ / 1000;
    struct vs__thread writer = {0};

    frame = c->frame;
    if (naive_deque_create(&deque, held) < 0 ||
        careful_queue_create(&queue, frame * sizeof(float), held / frame) < 0 ||
        vs__ring_create(held * sizeof(float), &ring) < 0)
        exit(1);
    int64_t begin = vs__mono_ns();
    if (vs__thread_start(&writer, "writer", writers[kind], NULL) < 0)
        exit(1);
    readers[kind]();
    vs__thread_join(&writer);
    int64_t took = vs__mono_ns() - begin;
    naive_deque_destroy(&deque);
    careful_queue_destroy(&queue);
    vs__ring_destroy(ring);
    return took;
}

/* the whole path: capture, transport, processing, events -------------------------------------- */

static int64_t run_naive_path(const struct contender *c)
{
    struct vs__thread writer = {0};
    struct naive_path path;

    frame = c->frame;
    if (naive_deque_create(&deque, (size_t)QUEUE_MS * VS_RATE_HZ / 1000) < 0 ||
        naive_path_create(&path, 2 * VS_RATE_HZ / frame) < 0)
        exit(1);
    int64_t begin = vs__mono_ns();
    if (vs__thread_start(&writer, "writer", write_naive, NULL) < 0)
        exit(1);
    for (size_t at = 0; at + frame <= audio_frames; at += frame) {
        float *got = naive_deque_read(&deque, frame);
        found += naive_path_process(&path, got, frame);
        free(got);
    }
    vs__thread_join(&writer);
    int64_t took = vs__mono_ns() - begin;
    naive_path_destroy(&path);
    naive_deque_destroy(&deque);
    return took;
}

/* A source that gives `audio` in frames of the contender's length. */
struct tape {
    size_t at, frame;
};

static size_t tape_frame;

static int tape_open(void *state, const struct vs_capture_params *params,
                     struct vs_capture_format *ret)
{
    (void)params;
    ((struct tape *)state)->frame = tape_frame;
    ret->rate_hz = VS_RATE_HZ;
    ret->channels = 1;
    ret->format = VS_FORMAT_F32;
    return 0;
}

static int64_t tape_read(void *state, void *pcm, size_t frames, struct vs_capture_stamp *ret)
{
    struct tape *t = state;
    size_t n = VS__MIN(t->frame, frames);

    n = VS__MIN(n, audio_frames - t->at);
    memcpy(pcm, audio + t->at, n * sizeof(float));
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
                                           .description = "",
                                           .state_size = sizeof(struct tape),
                                           .open = tape_open,
                                           .read = tape_read,
                                           .close = tape_close};

static int64_t run_our_path(const struct contender *c)
{
    struct vs_pipeline_config config = {.size = sizeof(config),
                                        .capture = "tape",
                                        .capture_ops = &tape,
                                        .vad = c->vad,
                                        .ring_ms = QUEUE_MS,
                                        .latency_ms = c->frame == 160 ? 10 : 64,
                                        .realtime = -1};
    struct vs_stats stats = {.size = sizeof(stats)};
    vs_pipeline *p;

    tape_frame = c->frame;
    if (vs_pipeline_create(&config, &p) < 0)
        exit(1);
    int64_t begin = vs__mono_ns();
    if (vs_pipeline_start(p) < 0 || vs_pipeline_wait(p, -1) < 0)
        exit(1);
    int64_t took = vs__mono_ns() - begin;
    vs_pipeline_stats(p, &stats);
    if (stats.ledger.delivered != audio_frames || stats.ledger.residual != 0)
        exit(1);
    found += stats.speech_hops;
    vs_pipeline_destroy(p);
    return took;
}

/* rounds -------------------------------------------------------------------------------------- */

static struct contender contenders[] = {
    {"transport", "naive", 160, move_frames, NULL, {0}, 0},
    {"transport", "careful", 160, move_frames, NULL, {0}, 0},
    {"transport", "ring", 160, move_frames, NULL, {0}, 0},
    {"transport", "naive", 1024, move_frames, NULL, {0}, 0},
    {"transport", "careful", 1024, move_frames, NULL, {0}, 0},
    {"transport", "ring", 1024, move_frames, NULL, {0}, 0},
    {"path", "naive", 160, run_naive_path, NULL, {0}, 0},
    {"path", "pipeline, null detector", 160, run_our_path, "null", {0}, 0},
    {"path", "pipeline, energy detector", 160, run_our_path, "energy", {0}, 0},
    {"path", "pipeline, native detector", 160, run_our_path, "native", {0}, 0},
    {"path", "naive", 1024, run_naive_path, NULL, {0}, 0},
    {"path", "pipeline, null detector", 1024, run_our_path, "null", {0}, 0},
    {"path", "pipeline, energy detector", 1024, run_our_path, "energy", {0}, 0},
    {"path", "pipeline, native detector", 1024, run_our_path, "native", {0}, 0},
};

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void print_results(int rounds)
{
    printf("{\"benchmark\": \"pipeline\", \"rounds\": %d, \"version\": \"%s\", \"cpu\": \"%s\",\n"
           " \"compiler\": \"%s\", \"rows\": [\n",
           rounds, vs_version(), vs_cpu_name(vs_cpu_detect()), __VERSION__);
    for (size_t i = 0; i < VS__COUNT(contenders); i++) {
        struct contender *c = &contenders[i];
        qsort(c->ns, (size_t)rounds, sizeof(*c->ns), compare);
        printf("  {\"group\": \"%s\", \"name\": \"%s\", \"frame\": %zu, \"median_ns\": %.0f, "
               "\"min_ns\": %.0f, \"max_ns\": %.0f, \"found\": %lu}%s\n",
               c->group, c->name, c->frame, c->ns[rounds / 2], c->ns[0], c->ns[rounds - 1], c->work,
               i + 1 < VS__COUNT(contenders) ? "," : "");
    }
    printf("]}\n");
}

int main(int argc, char **argv)
{
    int rounds = argc > 1 ? atoi(argv[1]) : 11;

    rounds = VS__MAX(1, VS__MIN(rounds, MAX_ROUNDS));
    make_audio();
    if (!audio)
        return 1;
    for (int round = -1; round < rounds; round++) /* the first is for warming up */
        for (size_t i = 0; i < VS__COUNT(contenders); i++) {
            struct contender *c = &contenders[i];
            found = 0;
            double ns = (double)c->run(c) / SECONDS;
            c->work = found;
            if (round >= 0)
                c->ns[round] = ns;
        }
    print_results(rounds);
    free(audio);
    return 0;
}
