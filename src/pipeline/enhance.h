/* SPDX-License-Identifier: MIT */
/* The enhanced twin of the timeline: noise lowered, speech brought to one level. It has memory for
   each block of the timeline, so that the plain audio stays as the detector heard it. A learned
   suppressor can stand behind the same calls. */
#ifndef VS_SRC_PIPELINE_ENHANCE_H
#define VS_SRC_PIPELINE_ENHANCE_H

#include <voicestand/event.h>

#include "dsp/dsp.h"

#define VS__ENHANCE_ALL (VS_ENHANCE_DENOISE | VS_ENHANCE_LEVEL)

struct vs__enhance;

/** @param flags enum vs_enhance. @param blocks of the timeline. @return 0, -ENOMEM */
int vs__enhance_create(const struct vs__dsp *dsp, unsigned flags, uint32_t blocks,
                       struct vs__enhance **ret);
void vs__enhance_destroy(struct vs__enhance *e);
/** What comes next does not follow what came before; the level that was found stays. */
void vs__enhance_restart(struct vs__enhance *e);
/** As after create. */
void vs__enhance_reset(struct vs__enhance *e);
/** Hops between a hop that goes in and the one that comes out: 0 or 1. */
uint32_t vs__enhance_lag(const struct vs__enhance *e);
/** Memory of block `index`, as long as a block without its slack. */
float *vs__enhance_block(struct vs__enhance *e, uint32_t index);

/** One hop in, NULL = silence; the hop `lag` before comes out, not yet levelled. */
void vs__enhance_hop(struct vs__enhance *e, const float *in, float *out);
/** Level a hop that came out, in place. Hops in order, each once.
    @param probability that it is speech */
void vs__enhance_level(struct vs__enhance *e, float *hop, float probability);

#endif
