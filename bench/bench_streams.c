/* SPDX-License-Identifier: MIT */
/* Many streams in one process: what a hop of each costs, and what memory. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <voicestand/voicestand.h>

#include "common/bench.h"
#include "sides/side.h"

#define MOST      1000
#define WARM_HOPS 4 /* the window is full, and all that a hop touches was touched */

struct crowd {
    size_t count;
    vs_stream *streams[MOST];
    size_t hop; /* that comes next */
    size_t next;
};

static void on_event(void *user, const struct vs_event *e)
{
    (void)user;
    (void)e;
}

/* Hop after hop, all streams in turn, each at its own place of the tape. */
static double push_hops(void *state, size_t times)
{
    struct crowd *c = state;

    for (size_t i = 0; i < times; i++) {
        const float *hop = side_tape(VS_HOP_FRAMES, c->hop + c->next * 37);
        if (vs_stream_push(c->streams[c->next], hop, VS_HOP_FRAMES) < 0)
            bench_die("a stream failed");
        if (++c->next == c->count) {
            c->next = 0;
            c->hop++;
        }
    }
    return 1;
}

/* With streams that have begun: what is measured is how they go on. */
static void open_crowd(void *state)
{
    struct crowd *c = state;
    struct vs_stream_config config = {.size = sizeof(config),
                                      .rate_hz = VS_RATE_HZ,
                                      .format = VS_FORMAT_F32,
                                      .on_event = on_event};

    for (size_t i = 0; i < c->count; i++)
        if (vs_stream_create(&config, &c->streams[i]) < 0)
            bench_die("no stream");
    c->hop = c->next = 0;
    (void)push_hops(c, WARM_HOPS * c->count);
}

static void close_crowd(void *state)
{
    struct crowd *c = state;

    for (size_t i = 0; i < c->count; i++)
        vs_stream_destroy(c->streams[i]);
}

/* @return bytes of this process that are in memory */
static double resident_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    long all = 0, resident = 0;

    if (!f || fscanf(f, "%ld %ld", &all, &resident) != 2)
        bench_die("/proc/self/statm cannot be read");
    fclose(f);
    return (double)resident * (double)sysconf(_SC_PAGESIZE);
}

int main(int argc, char **argv)
{
    static struct crowd crowds[] = {{.count = 1}, {.count = 10}, {.count = 100}, {.count = MOST}};
    static char names[VS__COUNT(crowds)][24];
    struct bench *b =
        bench_start(argc, argv, "streams",
                    "Streams of 16 kHz with the native detector on one thread, a hop of "
                    "each in turn; each has heard four hops before.");
    struct crowd *most = &crowds[VS__COUNT(crowds) - 1];

    (void)side_tape(1, 0);
    open_crowd(&crowds[0]); /* what all of them share is there before it is weighed */
    double before = resident_bytes();
    open_crowd(most);
    (void)push_hops(most, 2 * MOST);
    double each = (resident_bytes() - before) / MOST;
    close_crowd(most);
    close_crowd(&crowds[0]);

    bench_group(b, &(struct bench_group){.name = "a hop of one stream",
                                         .what = "10 ms of one of so many streams",
                                         .times = bench_is_quick(b) ? MOST : 4 * MOST});
    for (size_t i = 0; i < VS__COUNT(crowds); i++) {
        snprintf(names[i], sizeof(names[i]), "%zu stream%s", crowds[i].count, i ? "s" : "");
        bench_add(b, names[i], BENCH_OURS, push_hops, &crowds[i]);
        bench_around(b, open_crowd, close_crowd);
    }
    for (size_t i = 1; i < VS__COUNT(crowds); i++)
        bench_at_most(b, names[i], names[0], 1.1);
    bench_figure(b, "memory of a stream", "KiB", each / 1024, -1, 31.25); /* 32 kB */
    return bench_finish(b);
}
