/* SPDX-License-Identifier: MIT */
/* The timeline of processed audio. */
#include "pipeline/timeline.h"

#include <errno.h>
#include <string.h>

#include "pipeline/enhance.h"

int vs__timeline_init(struct vs__timeline *t, uint32_t own, uint32_t spare)
{
    uint32_t blocks = own + spare;

    *t = (struct vs__timeline){.size = own ? own : 1, .spare = own ? spare : 0};
    if (!own) {
        t->line = &t->one_line;
        t->blocks = &t->one_block;
        t->only = vs__alloc(VS__LENT_FRAMES * sizeof(float));
        return t->only ? 0 : -ENOMEM;
    }
    t->line = vs__alloc(t->size * sizeof(struct vs__block *));
    t->blocks = vs__alloc(blocks * sizeof(*t->blocks));
    if (!t->line || !t->blocks)
        return -ENOMEM;
    return vs__pool_init(&t->pool, VS__POOL_MEDIUM, blocks);
}

void vs__timeline_fini(struct vs__timeline *t)
{
    vs__pool_fini(&t->pool);
    vs__free(t->only);
    if (t->line == &t->one_line)
        return;
    vs__free(t->line);
    vs__free(t->blocks);
}

/* Add an empty block. There is always one: the pool has what the timeline can need and what the
   sink may hold. */
static struct vs__block *extend(struct vs__timeline *t, uint64_t position)
{
    float *pcm = t->only ? t->only : vs__pool_take(&t->pool);

    assert(pcm && t->count < t->size);
    struct vs__block *b = &t->blocks[t->only ? 0 : vs__pool_index(&t->pool, pcm)];
    *b = (struct vs__block){
        .pcm = pcm, .shown = pcm, .spoken = pcm, .position = position, .in_line = true};
    if (t->enhance) {
        b->shown = vs__enhance_block(t->enhance, vs__timeline_index(t, b));
        b->spoken = t->enhance_text ? b->shown : pcm;
    }
    t->line[(t->first + t->count++) % t->size] = b;
    return b;
}

static void give(struct vs__timeline *t, struct vs__block *b)
{
    if (!t->only)
        vs__pool_give(&t->pool, b->pcm);
}

static void drop_first(struct vs__timeline *t)
{
    struct vs__block *b = t->line[t->first];

    t->first = (t->first + 1) % t->size;
    t->count--;
    b->in_line = false;
    if (b->refs == 0)
        give(t, b);
}

struct vs__block *vs__timeline_begin(struct vs__timeline *t, uint64_t position)
{
    while (t->count)
        drop_first(t);
    return extend(t, position);
}

void vs__timeline_append(struct vs__timeline *t, size_t n)
{
    struct vs__block *b = vs__timeline_last(t);

    b->frames += (uint32_t)n;
    if (b->frames < VS__BLOCK_FRAMES)
        return;
    uint32_t spill = b->frames - VS__BLOCK_FRAMES;
    struct vs__block *fresh = extend(t, b->position + VS__BLOCK_FRAMES);
    memcpy(fresh->pcm, b->pcm + VS__BLOCK_FRAMES, spill * sizeof(float));
    fresh->frames = spill;
    b->frames = VS__BLOCK_FRAMES;
}

void vs__timeline_hear(struct vs__timeline *t, uint64_t heard)
{
    struct vs__block *b = t->line[t->first];

    if (!t->only || heard == b->position)
        return;
    uint32_t gone = (uint32_t)(heard - b->position);
    b->frames -= gone;
    b->position = heard;
    memmove(b->pcm, b->pcm + gone, b->frames * sizeof(float));
}

/* The one block's frames go to `to`. */
static struct vs__block *move_one(struct vs__timeline *t, float *to)
{
    struct vs__block *b = vs__timeline_last(t);

    if (t->only) {
        memcpy(to, b->pcm, b->frames * sizeof(float));
        b->pcm = to;
        b->shown = b->spoken = to;
    }
    return b;
}

struct vs__block *vs__timeline_lend(struct vs__timeline *t, float *lent)
{
    return move_one(t, lent);
}

void vs__timeline_take_back(struct vs__timeline *t)
{
    (void)move_one(t, t->only);
}

void vs__timeline_forget(struct vs__timeline *t, uint64_t needed)
{
    while (t->count > 1 && t->line[t->first]->position + VS__BLOCK_FRAMES <= needed)
        drop_first(t);
}

bool vs__timeline_ref(struct vs__timeline *t, struct vs__block *b)
{
    if (b->refs == 0) {
        if (t->held >= t->spare)
            return false;
        t->held++;
    }
    b->refs++;
    return true;
}

void vs__timeline_unref(struct vs__timeline *t, struct vs__block *b)
{
    assert(b->refs > 0);
    if (--b->refs > 0)
        return;
    t->held--;
    if (!b->in_line)
        give(t, b);
}
