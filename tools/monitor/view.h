/* SPDX-License-Identifier: MIT */
/* What a running pipeline looks like now: its events, figures, threads, memory and sensors, gathered
   for those who draw or write them. */
#ifndef VS_TOOLS_MONITOR_VIEW_H
#define VS_TOOLS_MONITOR_VIEW_H

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

#include <voicestand/voicestand.h>

/** Hops that are kept: ten seconds and some. */
#define VIEW_HOPS    1024
#define VIEW_THREADS 16

struct view_hop {
    float probability, level_db, peak_db;
    bool speech; /* inside a segment */
};

struct view_thread {
    char name[16];
    double percent; /* of a core, over the last second */
    double cpu_s;   /* since it began */
};

/** One look; plain data. */
struct view_look {
    struct vs_stats stats;
    uint32_t rate_hz, channels;                                      /* of the source */
    char capture[32], device[160], vad[32], vad_device[32], cpu[16]; /* what was opened */
    struct vs_power power;
    struct view_thread threads[VIEW_THREADS];
    size_t thread_count;
    uint64_t rss_bytes, anonymous_bytes, faults_minor, faults_major;
    double cpu_percent; /* of a core, all threads */
    double wakeups_per_s;
    uint64_t hops_seen;              /* since the start; hop i is hops[i % VIEW_HOPS] */
    struct view_hop hops[VIEW_HOPS]; /* the last ones */
    bool speech;                     /* a segment is open */
    char state[120], text[240];      /* the last of each; "" = none */
};

struct view {
    pthread_mutex_t lock; /* all below */
    vs_pipeline *pipeline;
    vs_power_meter *meter;
    struct view_look look;
    int64_t measured_ns; /* when rates were last taken */
    uint64_t wakeups;
};

/** @return 0 or -errno. The pipeline is set once it is open. */
int view_init(struct view *v, const struct vs_env *env);
void view_fini(struct view *v);
/** Look at `p` from now on; NULL = at none, and no call uses the old one any more. */
void view_attach(struct view *v, vs_pipeline *p);
/** On the pipeline's output thread. */
void view_event(struct view *v, const struct vs_event *e);
/** Look now; any thread but the audio's. */
void view_take(struct view *v, struct view_look *ret);

/** One object of JSON; of the hops, those from number `since` on. Without a line end. */
void view_json(FILE *to, const struct view_look *l, uint64_t since);
/** All figures in the text format of OpenMetrics 1.0. */
void view_metrics(FILE *to, const struct view_look *l);

#endif
