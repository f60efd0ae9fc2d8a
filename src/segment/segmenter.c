/* SPDX-License-Identifier: MIT */
/* Gathers speech hops into segments, by the rules of segment.h. */
#include <errno.h>
#include <string.h>

#include "base/base.h"
#include "segment/segment.h"

#define HOP_MS      10u
#define GAP_HOPS    8u       /* longest silence inside a candidate */
#define WINDOW_HOPS 200u     /* before the maximum, where a pause is looked for */
#define LIMIT_MS    3600000u /* of every time but the maximum: 1 h */
#define MAX_MS      86400000u

/* rules ------------------------------------------------------------------------------------- */

/** @return hops, or UINT32_MAX if `ms` is out of range */
static uint32_t resolve_hops(uint32_t ms, uint32_t default_ms, uint32_t limit_ms)
{
    if (ms == VS_NONE)
        return 0;
    if (ms == 0)
        ms = default_ms;
    return ms > limit_ms ? UINT32_MAX : ms / HOP_MS;
}

static uint32_t count_speech(const struct vs__segment_rules *r)
{
    return VS__MAX(VS__MAX(r->onset, r->min_speech), 1u);
}

/** Silence, in hops, that closes a segment. */
static uint64_t count_silence(const struct vs__segment_rules *r)
{
    uint64_t apart = r->merge > 0 ? (uint64_t)r->merge + r->pre_roll + r->pad : r->pad;

    return VS__MAX(VS__MAX(apart, (uint64_t)r->hangover), 1u);
}

/** @return the name of the threshold that is out of range, or NULL */
static const char *resolve_thresholds(const struct vs_segment_config *c,
                                      struct vs__segment_rules *ret)
{
    float on = c->threshold == 0.0f ? 0.5f : c->threshold;
    float off = c->threshold_off;

    if (!(on > 0.0f && on <= 1.0f))
        return "threshold";
    if (off == 0.0f)
        off = VS__MAX(on - 0.15f, on * 0.5f);
    if (!(off > 0.0f && off <= on))
        return "threshold_off";
    ret->threshold = on;
    ret->threshold_off = off;
    return NULL;
}

/** @return the name of the time that is out of range, or NULL */
static const char *resolve_times(const struct vs_segment_config *c, struct vs__segment_rules *ret)
{
    const struct {
        const char *name;
        uint32_t ms, default_ms, limit_ms;
        uint32_t *hops;
    } times[] = {
        {"onset_ms", c->onset_ms, 50, LIMIT_MS, &ret->onset},
        {"min_speech_ms", c->min_speech_ms, 100, LIMIT_MS, &ret->min_speech},
        {"hangover_ms", c->hangover_ms, 500, LIMIT_MS, &ret->hangover},
        {"merge_ms", c->merge_ms, 200, LIMIT_MS, &ret->merge},
        {"pre_roll_ms", c->pre_roll_ms, 60, LIMIT_MS, &ret->pre_roll},
        {"pad_ms", c->pad_ms, 40, LIMIT_MS, &ret->pad},
        {"max_ms", c->max_ms, 30000, MAX_MS, &ret->max},
    };

    for (size_t i = 0; i < VS__COUNT(times); i++) {
        *times[i].hops = resolve_hops(times[i].ms, times[i].default_ms, times[i].limit_ms);
        if (*times[i].hops == UINT32_MAX)
            return times[i].name;
    }
    /* What opens must fit: the pre-roll and the longest candidate. */
    if (c->max_ms != VS_NONE &&
        ret->max < (uint64_t)ret->pre_roll + 2 * (uint64_t)count_speech(ret))
        return "max_ms";
    return NULL;
}

int vs__segment_rules(const struct vs_segment_config *config, struct vs__segment_rules *ret,
                      const char **ret_member)
{
    struct vs_segment_config c = {.size = sizeof(c)};
    struct vs__segment_rules rules = {0};
    const char *wrong = NULL;

    if (config != NULL) {
        if (config->size >= sizeof(config->size))
            memcpy(&c, config, VS__MIN(config->size, sizeof(c)));
        else
            wrong = "size";
    }
    if (wrong == NULL)
        wrong = resolve_thresholds(&c, &rules);
    if (wrong == NULL)
        wrong = resolve_times(&c, &rules);
    if (wrong != NULL) {
        *ret_member = wrong;
        return -EINVAL;
    }
    *ret = rules;
    return 0;
}

/* the machine ------------------------------------------------------------------------------- */

void vs__segmenter_init(struct vs__segmenter *s, const struct vs__segment_rules *rules)
{
    *s = (struct vs__segmenter){.rules = *rules};
}

/** Hops of silence since the last speech hop, before the next hop. */
static uint64_t silence_now(const struct vs__segmenter *s)
{
    return s->hop - s->last_hop - 1;
}

/** The segment is so long that a pause may cut it. */
static bool is_long(const struct vs__segmenter *s)
{
    uint32_t max = s->rules.max;

    return max > 0 && s->hop - s->start_hop >= max - VS__MIN(WINDOW_HOPS, max / 2);
}

/** Where the open segment ends if no more speech comes; never past the current hop. */
static uint64_t natural_end(const struct vs__segmenter *s)
{
    uint64_t end = VS__MIN(s->last_hop + 1 + s->rules.pad, s->hop);

    return s->rules.max > 0 ? VS__MIN(end, s->start_hop + s->rules.max) : end;
}

static void step_start(struct vs__segmenter *s, uint64_t start, bool split,
                       struct vs__segment_step *ret)
{
    s->open = true;
    s->candidate = false;
    s->pause = false;
    s->start_hop = s->sure_hop = start;
    s->segment++;
    *ret = (struct vs__segment_step){
        .kind = VS__SEGMENT_START, .segment = s->segment, .start_hop = start, .split = split};
}

static float mean_best(const struct vs__segmenter *s)
{
    float sum = 0;

    for (uint32_t i = 0; i < s->best_count; i++)
        sum += s->best[i];
    return sum / (float)s->best_count; /* the hop that began it is one */
}

static void step_end(struct vs__segmenter *s, uint64_t end, bool split,
                     struct vs__segment_step *ret)
{
    s->open = false;
    s->floor_hop = end;
    *ret = (struct vs__segment_step){
        .kind = VS__SEGMENT_END,
        .segment = s->segment,
        .start_hop = s->start_hop,
        .end_hop = end,
        .probability = (float)(s->sum_last / (double)(s->last_hop - s->first_hop + 1)),
        .sure = mean_best(s),
        .split = split,
    };
}

static void note_best(struct vs__segmenter *s, float p)
{
    uint32_t at = s->best_count;

    if (at == VS__SURE_HOPS && p <= s->best[at - 1])
        return;
    at = VS__MIN(at, VS__SURE_HOPS - 1u);
    for (; at > 0 && s->best[at - 1] < p; at--)
        s->best[at] = s->best[at - 1];
    s->best[at] = p;
    s->best_count = VS__MIN(s->best_count + 1, (uint32_t)VS__SURE_HOPS);
}

/** The current hop is the first of a candidate or of a part after a cut. */
static void begin_speech(struct vs__segmenter *s, float p)
{
    s->first_hop = s->last_hop = s->hop;
    s->sum = s->sum_last = (double)p;
    s->gathered = 1;
    note_best(s, p);
}

static void go_on(struct vs__segmenter *s, float p, bool speech)
{
    s->sum += (double)p;
    note_best(s, p);
    if (speech) {
        s->last_hop = s->hop;
        s->sum_last = s->sum;
    }
}

static void push_closed(struct vs__segmenter *s, float p)
{
    bool speech = p >= s->rules.threshold;

    if (!s->candidate) {
        if (speech) {
            s->candidate = true;
            s->best_count = 0;
            begin_speech(s, p);
        }
        return;
    }
    go_on(s, p, speech);
    if (speech)
        s->gathered++;
}

/** After the hop was taken in: drop the candidate, open it, or leave it. @return steps */
static int judge_candidate(struct vs__segmenter *s, struct vs__segment_step *ret)
{
    uint32_t need = count_speech(&s->rules);
    uint64_t start;

    if (s->gathered < need) {
        if (silence_now(s) > GAP_HOPS || s->hop - s->first_hop - s->gathered > need)
            s->candidate = false;
        return 0;
    }
    start = s->first_hop - VS__MIN(s->first_hop, (uint64_t)s->rules.pre_roll);
    step_start(s, VS__MAX(start, s->floor_hop), false, ret);
    return 1;
}

/** The current hop is speech and the segment must be cut before it. @return steps */
static int cut(struct vs__segmenter *s, float p, struct vs__segment_step ret[2])
{
    uint64_t at = s->last_hop + 1 + VS__MIN((uint64_t)s->rules.pad, silence_now(s) / 2);

    at = VS__MAX(at, s->sure_hop);
    step_end(s, at, true, &ret[0]);
    begin_speech(s, p);
    step_start(s, at, true, &ret[1]);
    return 2;
}

/** @return steps; the hop counter still stands before the current hop */
static int push_open(struct vs__segmenter *s, float p, struct vs__segment_step ret[2])
{
    const struct vs__segment_rules *r = &s->rules;
    bool speech = p >= r->threshold_off;
    bool full = r->max > 0 && s->hop - s->start_hop >= r->max;

    if (full ? speech : s->pause && p >= r->threshold)
        return cut(s, p, ret);
    if (full) {
        step_end(s, natural_end(s), false, ret);
        return 1;
    }
    if (p < r->threshold && is_long(s))
        s->pause = true;
    go_on(s, p, speech);
    return 0;
}

/** Commit what no cut can take from the open segment any more. */
static void commit(struct vs__segmenter *s)
{
    /* Near the maximum a cut may fall anywhere in the silence. */
    uint64_t sure = is_long(s) ? s->last_hop + 1 : natural_end(s);

    s->sure_hop = VS__MAX(s->sure_hop, sure);
}

int vs__segmenter_push(struct vs__segmenter *s, float probability, struct vs__segment_step ret[2])
{
    float p = probability >= 0.0f ? VS__MIN(probability, 1.0f) : 0.0f; /* a NaN is silence */
    int steps = 0;

    if (s->open)
        steps = push_open(s, p, ret);
    else
        push_closed(s, p);
    s->hop++;
    if (s->candidate)
        steps = judge_candidate(s, ret);
    if (s->open && silence_now(s) >= count_silence(&s->rules)) {
        step_end(s, natural_end(s), false, &ret[steps]);
        steps++;
    }
    if (s->open)
        commit(s);
    return steps;
}

int vs__segmenter_flush(struct vs__segmenter *s, struct vs__segment_step ret[2])
{
    int steps = 0;

    if (s->open) {
        step_end(s, natural_end(s), false, ret);
        steps = 1;
    }
    s->candidate = false;
    s->floor_hop = s->hop;
    return steps;
}

void vs__segmenter_jump(struct vs__segmenter *s, uint64_t hop)
{
    s->hop = VS__MAX(s->hop, hop);
    s->floor_hop = s->hop;
    s->candidate = false;
}

/* positions --------------------------------------------------------------------------------- */

uint64_t vs__segmenter_committed(const struct vs__segmenter *s)
{
    return s->open ? s->sure_hop : s->floor_hop;
}

uint64_t vs__segmenter_needed(const struct vs__segmenter *s)
{
    uint64_t first = s->candidate ? s->first_hop : s->hop;
    uint64_t start = first - VS__MIN(first, (uint64_t)s->rules.pre_roll);

    return s->open ? s->sure_hop : VS__MAX(start, s->floor_hop);
}

uint64_t vs__segment_lookback(const struct vs__segment_rules *rules)
{
    uint64_t candidate = rules->pre_roll + 2 * (uint64_t)count_speech(rules) + 1;

    return VS__MAX(candidate, count_silence(rules));
}
