/* SPDX-License-Identifier: MIT */
/* The timeline: the newest stretch of 16 kHz audio, in blocks in a row, which the sink may keep and hand
   on without a copy. Where nobody wants audio it is one short block, of which what was heard is forgotten
   at once. One thread; nothing here allocates after init. */
#ifndef VS_SRC_PIPELINE_TIMELINE_H
#define VS_SRC_PIPELINE_TIMELINE_H

#include "base/base.h"
#include "base/pool.h"

/** Hops in a block of the timeline; the rest of its 16 KB takes what the resampler gives beyond. */
#define VS__BLOCK_HOPS   24
#define VS__BLOCK_FRAMES (VS__BLOCK_HOPS * VS_HOP_FRAMES)
/** Floats of any block behind those; one append is no longer. */
#define VS__SLACK_FRAMES (VS__POOL_MEDIUM / sizeof(float) - VS__BLOCK_FRAMES)
/** Floats of the one block where nobody wants audio: a hop that is not whole yet, and an append. */
#define VS__LENT_FRAMES (VS_HOP_FRAMES + VS__SLACK_FRAMES)

struct vs__enhance;

/** A stretch of the processed timeline. The sink may keep it by vs__chain_ref(). */
struct vs__block {
    float *pcm;          /**< VS__BLOCK_FRAMES frames and some slack: what the detector hears */
    const float *shown;  /**< what AUDIO events tell: `pcm`, or its enhanced twin */
    const float *spoken; /**< what the text engine gets */
    uint64_t position;   /**< of pcm[0], 16 kHz frames since the start */
    uint32_t frames;     /**< filled */
    uint32_t refs;       /**< held by the sink */
    bool in_line;        /**< held by the timeline */
};

struct vs__timeline {
    struct vs__pool pool;     /**< empty where there is but one block */
    struct vs__block *blocks; /**< one for each block of the pool */
    struct vs__block **line;  /**< the blocks in a row, the oldest first */
    float *only;              /**< memory of the one block, or NULL */
    struct vs__block *one_line, one_block;
    uint32_t first, count, size;
    uint32_t held, spare;        /**< blocks that only the sink holds, or it too; at most so many */
    struct vs__enhance *enhance; /**< has twins of the blocks, or NULL; the owner's */
    bool enhance_text;           /**< the text engine gets the twins too */
};

/** @param own blocks that the timeline can be long, 0 = one short block that nobody may keep
    @param spare blocks that the sink may hold. @return 0, -ENOMEM */
int vs__timeline_init(struct vs__timeline *t, uint32_t own, uint32_t spare);
void vs__timeline_fini(struct vs__timeline *t);

/** Forget all, and begin with an empty block at `position`, a multiple of a hop. */
struct vs__block *vs__timeline_begin(struct vs__timeline *t, uint64_t position);
/** `n` new frames, at most VS__SLACK_FRAMES, stand behind the last block's filled ones. */
void vs__timeline_append(struct vs__timeline *t, size_t n);
/** All hops before frame `heard` were heard: where nobody wants audio they are forgotten. */
void vs__timeline_hear(struct vs__timeline *t, uint64_t heard);
/** The block to append to. Where there is but one, it lies in `lent`, VS__LENT_FRAMES floats, until it is
    taken back: a caller whose hops are whole then touches no memory of this stream for them. */
struct vs__block *vs__timeline_lend(struct vs__timeline *t, float *lent);
void vs__timeline_take_back(struct vs__timeline *t);
/** Nobody needs the blocks that end at or before frame `needed`. */
void vs__timeline_forget(struct vs__timeline *t, uint64_t needed);

static inline struct vs__block *vs__timeline_last(const struct vs__timeline *t)
{
    return t->line[(t->first + t->count - 1) % t->size];
}

/** The block in which `frame` lies; it must be there. */
static inline struct vs__block *vs__timeline_find(const struct vs__timeline *t, uint64_t frame)
{
    uint64_t from = t->line[t->first]->position;

    return t->line[(t->first + (uint32_t)((frame - from) / VS__BLOCK_FRAMES)) % t->size];
}

/** Where `frame` lies. */
static inline float *vs__timeline_at(const struct vs__timeline *t, uint64_t frame)
{
    const struct vs__block *b = vs__timeline_find(t, frame);

    return b->pcm + (frame - b->position);
}

/** Number of a block, for what lies beside the pool. */
static inline uint32_t vs__timeline_index(const struct vs__timeline *t, const struct vs__block *b)
{
    return (uint32_t)(b - t->blocks);
}

/** The sink keeps a block. @return false when it holds too many. */
bool vs__timeline_ref(struct vs__timeline *t, struct vs__block *b);
void vs__timeline_unref(struct vs__timeline *t, struct vs__block *b);

#endif
