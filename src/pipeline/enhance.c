/* SPDX-License-Identifier: MIT */
/* The stages of the enhanced audio, and its memory. */
#include "pipeline/enhance.h"

#include <errno.h>
#include <string.h>

#include "dsp/denoise.h"
#include "dsp/level.h"
#include "pipeline/chain.h"

struct vs__enhance {
    unsigned flags;
    struct vs__denoise *denoise; /* NULL = none */
    struct vs__leveller leveller;
    float *audio;
};

_Static_assert(VS__DENOISE_DELAY == VS_HOP_FRAMES, "the lag is one hop");

int vs__enhance_create(const struct vs__dsp *dsp, unsigned flags, uint32_t blocks,
                       struct vs__enhance **ret)
{
    struct vs__enhance *e = vs__alloc(sizeof(*e));
    int rc = -ENOMEM;

    if (!e)
        return rc;
    e->flags = flags;
    e->audio = vs__alloc((size_t)blocks * VS__BLOCK_FRAMES * sizeof(float));
    if (!e->audio)
        goto fail;
    rc = flags & VS_ENHANCE_DENOISE ? vs__denoise_create(dsp, &e->denoise) : 0;
    if (rc < 0)
        goto fail;
    vs__leveller_init(&e->leveller, dsp);
    *ret = e;
    return 0;
fail:
    vs__enhance_destroy(e);
    return rc;
}

void vs__enhance_destroy(struct vs__enhance *e)
{
    if (!e)
        return;
    vs__denoise_destroy(e->denoise);
    vs__free(e->audio);
    vs__free(e);
}

void vs__enhance_restart(struct vs__enhance *e)
{
    if (e->denoise)
        vs__denoise_reset(e->denoise);
}

void vs__enhance_reset(struct vs__enhance *e)
{
    vs__enhance_restart(e);
    vs__leveller_reset(&e->leveller);
}

uint32_t vs__enhance_lag(const struct vs__enhance *e)
{
    return e->denoise ? 1 : 0;
}

float *vs__enhance_block(struct vs__enhance *e, uint32_t index)
{
    return e->audio + (size_t)index * VS__BLOCK_FRAMES;
}

void vs__enhance_hop(struct vs__enhance *e, const float *in, float *out)
{
    static const float silence[VS_HOP_FRAMES];

    if (e->denoise)
        vs__denoise_hop(e->denoise, in ? in : silence, out);
    else
        memcpy(out, in ? in : silence, VS_HOP_FRAMES * sizeof(float));
}

void vs__enhance_level(struct vs__enhance *e, float *hop, float probability)
{
    if (e->flags & VS_ENHANCE_LEVEL)
        vs__leveller_hop(&e->leveller, hop, probability);
}
