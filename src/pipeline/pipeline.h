/* SPDX-License-Identifier: MIT */
/* The pipeline from inside. */
#ifndef VS_SRC_PIPELINE_PIPELINE_H
#define VS_SRC_PIPELINE_PIPELINE_H

#include <voicestand/pipeline.h>
#include <voicestand/place.h>

#include "base/pool.h"
#include "pipeline/backends.h"
#include "pipeline/edge.h"
#include "pipeline/report.h"

struct vs__live;

struct vs_stt {
    struct vs_env env; /**< its strings are ours */
    struct vs__backend backend;
    struct vs_log own_log; /**< where no pipeline uses it */
    uint64_t heard;        /**< segments of vs_stt_hear() */
    _Atomic bool taken, cancelled;
};

/** One pipeline takes the engine, which then writes to its log. @return 0, -EBUSY */
int vs__stt_take(vs_stt *s, const struct vs_log *log);
/** NULL is fine. */
void vs__stt_give_back(vs_stt *s);

struct vs_pipeline {
    struct vs_env env;                /**< its strings are ours */
    struct vs_pipeline_config config; /**< its strings are NULL */
    struct vs__backend capture, vad;
    const struct vs_capture_ops *source;
    const struct vs_stt_ops *engine; /**< NULL = no text wanted */
    void *engine_state;
    vs_stt *own_engine;   /**< opened for this pipeline; NULL = the user's, or none */
    vs_stt *taken_engine; /**< the one in use */
    struct vs_capture_format format;
    struct vs_vad_shape vad_shape;
    struct vs__chain_config chain_config;
    struct vs__chain *chain;
    struct vs__edge edge;
    struct vs__direct direct; /**< tells the user: from run, or from the output thread */
    struct vs__histogram text;
    _Atomic uint32_t text_buckets[VS__HISTOGRAM_BUCKETS(VS__HISTOGRAM_FINE)];
    struct vs_placement placement, usual, thrifty; /**< as begun, back to it, to save power */
    struct vs__live *live;                         /**< threads, queues: made by start */
    /** When the run began, 0 = not yet. Release: chain and live are there; other threads look at
        them only behind an acquire that sees it. */
    _Atomic int64_t begin_ns;
    bool used; /**< it ran or runs */
    _Atomic bool aborted;
    _Atomic int64_t end_ns; /**< when the run was over, 0 = not yet */
};

/** Give `p` its threads; see live.c. */
int vs__live_start(struct vs_pipeline *p);
/** Tell the threads of an abort; signal-safe. */
void vs__live_abort(struct vs__live *live);
void vs__live_stop(struct vs__live *live);
int vs__live_wait(struct vs__live *live, int timeout_ms);
void vs__live_stats(const struct vs__live *live, struct vs_stats *ret);
void vs__live_destroy(struct vs__live *live);

#endif
