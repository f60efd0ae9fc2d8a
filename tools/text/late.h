/* SPDX-License-Identifier: MIT */
/* Events of a file whose texts come later: engines of a pool hear its segments while the file is read
   on, and all events are told in the order in which one engine would have told them. */
#ifndef VS_TOOLS_TEXT_LATE_H
#define VS_TOOLS_TEXT_LATE_H

#include "text/kept.h"
#include "text/pool.h"

struct late;

struct late_config {
    struct pool *pool; /* it is ready */
    struct kept *kept; /* texts that need not be heard; NULL = none are kept */
    const char *input; /* kept_input(); NULL = not kept. Outlives it */
    vs_event_fn *tell; /* any thread, one event at a time; not AUDIO or PROBABILITY */
    void *user;
};

/** @return NULL without memory */
struct late *late_create(const struct late_config *config);
/** Create a pipeline that hands its segments to `late`. @return as vs_pipeline_create() */
int late_pipeline(struct late *l, struct vs_pipeline_config *config, vs_pipeline **ret);
/** Give it each event of the pipeline. AUDIO and PROBABILITY are left out. */
void late_event(struct late *l, const struct vs_event *event);
/** Wait until all was told, once the pipeline has run.
    @return 0, or the first error of memory or of what keeps texts */
int late_wait(struct late *l);
/** After late_wait(), if the pipeline ran. NULL is fine. */
void late_destroy(struct late *l);

#endif
