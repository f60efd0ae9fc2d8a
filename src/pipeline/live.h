/* SPDX-License-Identifier: MIT */
/* The threads of a started pipeline and what lies between them.

       capture --edge rings--> worker --to_output--> output --on_event--> user
                                 |   <-from_output--   ^
                                 |                     | notes
                                 +--to_text--> text ---+
                                     <-from_text--

   Every ring has one producer and one consumer. Blocks and messages belong to the worker's pools
   and come back by a ring of their own. Notes are the one list with a lock: only threads that are
   not real-time touch it. */
#ifndef VS_SRC_PIPELINE_LIVE_H
#define VS_SRC_PIPELINE_LIVE_H

#include <pthread.h>

#include <voicestand/power.h>

#include "pipeline/pipeline.h"

/** From the worker to the output thread: a block of the 1 KB pool. */
struct vs__message {
    struct vs_event event;
    struct vs__block *block; /**< AUDIO: held until the message comes back */
};
_Static_assert(sizeof(struct vs__message) <= VS__POOL_SMALL, "a message fills a block");

enum vs__text_kind { VS__TEXT_BEGIN, VS__TEXT_AUDIO, VS__TEXT_END };

/** From the worker to the text thread, by value. */
struct vs__text_item {
    int kind;
    uint32_t offset, frames; /**< AUDIO */
    struct vs__block *block; /**< AUDIO: held until it comes back */
    struct vs_event event;   /**< BEGIN, END: the bounds */
};

/** From the text thread and the source's control thread to the output thread. */
struct vs__note {
    struct vs__note *next;
    struct vs_event event;
    char *text;
    struct vs_word *words;
};

struct vs__live {
    struct vs_pipeline *p;
    struct vs__thread capture, worker, text, output;
    struct vs__thread power; /**< only where there are sensors to look at */
    vs_power_meter *meter;   /**< the power thread's */
    struct vs__signal look;  /**< power thread */
    _Atomic bool power_over;
    struct vs_capture_sink sink; /**< of a source that pushes, until it was stopped */

    struct vs__signal work; /**< worker: audio, or something came back */
    struct vs__signal out;  /**< output thread */
    struct vs__signal say;  /**< text thread */
    struct vs__signal room; /**< capture thread of a source that waits */

    struct vs__ring *to_output, *from_output; /**< struct vs__message * */
    struct vs__ring *to_text;                 /**< struct vs__text_item */
    struct vs__ring *from_text;               /**< struct vs__block * */
    struct vs__pool messages;                 /**< the worker's */
    struct vs__pool spare;                    /**< a 16 KB block: where lost audio is read to */

    pthread_mutex_t lock; /**< notes, source_stopped, over */
    pthread_cond_t changed;
    struct vs__note *notes, **notes_end;
    bool source_stopped, over;
    bool lock_made;

    _Atomic bool started;     /**< release: the source is, so that it may be stopped */
    _Atomic bool failed;      /**< it was never started, so that nobody is told anything */
    _Atomic bool stopping;    /**< the capture thread shall end */
    _Atomic bool worker_done; /**< release: it will send no more */
    _Atomic bool text_done;
    _Atomic int status; /**< what ended the run: 0 or -errno */

    struct vs__histogram queue, event;
    _Atomic uint32_t queue_buckets[VS__HISTOGRAM_BUCKETS(VS__HISTOGRAM_FINE)];
    _Atomic uint32_t event_buckets[VS__HISTOGRAM_BUCKETS(VS__HISTOGRAM_FINE)];
    _Atomic uint32_t save_frames; /**< while power is saved: at least so many at a time */
    _Atomic uint64_t wakeups, events_dropped, text_dropped, text_frames;
    _Atomic int64_t worker_cpu_ns;
    _Atomic int realtime;
    _Atomic bool refused; /**< real time, and that was said */
    bool flowing;         /**< worker: the first frames came */
    bool text_skips;      /**< worker: the open segment does not go to the engine */
};

void *vs__worker_body(void *live);
void *vs__text_body(void *live);
void *vs__output_body(void *live);

/** Give the calling thread its processors. Before the thread becomes real-time. */
void vs__place_thread(struct vs__live *live, int role);
/** Make the calling thread real-time where that is granted; if not, the first to ask says so in the
    log. Blocks. @return the priority, 0 = none. */
int vs__live_realtime(struct vs__live *live, int priority);
/** Sink of the worker's chain. */
struct vs__chain_sink vs__worker_sink(struct vs__live *live, bool probabilities);
/** Any thread that is not real-time: `text` is copied, NULL for none. */
void vs__note(struct vs__live *live, const struct vs_event *event, const char *text);
/** Make the source stop, once; blocks until it has. Not from the source's threads. */
void vs__stop_source(struct vs__live *live);

#endif
