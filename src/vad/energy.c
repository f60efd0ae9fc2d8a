/* SPDX-License-Identifier: MIT */
/* The simplest detector of use: the level of a hop over a floor, which is the lowest level of the
   last two seconds. */
#include <math.h>
#include <string.h>

#include "base/base.h"
#include "vad/vad.h"

#define LEVEL_MIN_DB -100.0f
#define FLOOR_MIN_DB -72.0f /* what a quiet converter makes by itself; below it all is silence */
#define FLOOR_0_DB   -55.0f /* at the start nothing is known; speech from the first hop on counts */
#define SLOTS        8u     /* the floor's memory: SLOTS x SLOT_HOPS hops */
#define SLOT_HOPS    25u
#define BIAS_DB      1.5f /* the lowest of many noise levels lies below their mean */
#define MIDDLE_DB    9.0f /* this much over the floor is as likely speech as not */
#define SLOPE_DB     2.0f

struct energy_state {
    float slot_db[SLOTS]; /* lowest levels, ring */
    float smooth_db;
    uint32_t slot;
    uint32_t hops; /* in the current slot */
};

static void energy_reset(void *state)
{
    struct energy_state *s = state;

    memset(s, 0, sizeof(*s));
    for (size_t i = 0; i < SLOTS; i++)
        s->slot_db[i] = FLOOR_0_DB;
    s->smooth_db = FLOOR_0_DB;
}

static int energy_open(void *state, const struct vs_vad_params *params, struct vs_vad_shape *ret)
{
    (void)params;
    energy_reset(state);
    ret->block_frames = VS_HOP_FRAMES;
    ret->latency_frames = 0;
    ret->device = "cpu";
    return 0;
}

/** Level of a hop in dB of full scale (a full-scale square wave is 0), LEVEL_MIN_DB..0. */
static float measure_db(const float *block)
{
    double sum = 0.0;
    float db;

    for (size_t i = 0; i < VS_HOP_FRAMES; i++)
        sum += (double)block[i] * (double)block[i];
    db = (float)(10.0 * log10(sum / VS_HOP_FRAMES + 1e-12));
    return VS__MIN(VS__MAX(db, LEVEL_MIN_DB), 0.0f);
}

/** Take `db` into the floor's memory. @return the floor */
static float track_floor(struct energy_state *s, float db)
{
    float lowest = 0.0f;

    if (s->hops == SLOT_HOPS) {
        s->slot = (s->slot + 1) % SLOTS;
        s->slot_db[s->slot] = db;
        s->hops = 0;
    }
    s->hops++;
    s->slot_db[s->slot] = VS__MIN(s->slot_db[s->slot], db);
    for (size_t i = 0; i < SLOTS; i++)
        lowest = VS__MIN(lowest, s->slot_db[i]);
    return VS__MAX(lowest + BIAS_DB, FLOOR_MIN_DB);
}

static int energy_infer(void *state, const float *block, float *ret)
{
    struct energy_state *s = state;
    float over_db;

    s->smooth_db += 0.4f * (measure_db(block) - s->smooth_db);
    over_db = s->smooth_db - track_floor(s, s->smooth_db);
    *ret = 1.0f / (1.0f + expf((MIDDLE_DB - over_db) / SLOPE_DB));
    return 0;
}

static void energy_close(void *state)
{
    (void)state;
}

const struct vs_vad_ops vs__vad_energy = {
    .abi = VS_BACKEND_ABI,
    .name = "energy",
    .description = "level over a tracked noise floor",
    .state_size = sizeof(struct energy_state),
    .open = energy_open,
    .infer = energy_infer,
    .reset = energy_reset,
    .close = energy_close,
};
