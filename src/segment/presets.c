/* SPDX-License-Identifier: MIT */
/* Rules for common uses. scripts/preset-table reads the table and measures what it is worth. */
#include <errno.h>
#include <string.h>

#include "base/base.h"
#include "segment/segment.h"

static const struct {
    const char *name;
    struct vs_segment_config rules;
} presets[] = {
    {"dictation",
     {.threshold = 0.5f, .hangover_ms = 700, .merge_ms = 300, .pre_roll_ms = 200, .pad_ms = 150}},
    {"agent",
     {.threshold = 0.6f,
      .threshold_off = 0.55f,
      .min_speech_ms = 150,
      .hangover_ms = 300,
      .merge_ms = VS_NONE,
      .pre_roll_ms = 120,
      .pad_ms = 60}},
    {"archive",
     {.threshold = 0.3f,
      .threshold_off = 0.2f,
      .onset_ms = 30,
      .min_speech_ms = 60,
      .hangover_ms = 1000,
      .merge_ms = 500,
      .pre_roll_ms = 300,
      .pad_ms = 300,
      .max_ms = 60000}},
};

static void fill(uint32_t *to, uint32_t value)
{
    *to = *to ? *to : value;
}

const char *vs_segment_preset_name(unsigned index)
{
    return index < VS__COUNT(presets) ? presets[index].name : NULL;
}

int vs_segment_preset(const char *name, struct vs_segment_config *ret)
{
    for (size_t i = 0; name && ret && i < VS__COUNT(presets); i++) {
        const struct vs_segment_config *from = &presets[i].rules;

        if (strcmp(presets[i].name, name) != 0)
            continue;
        if (ret->threshold == 0.0f) { /* they belong together */
            ret->threshold = from->threshold;
            ret->threshold_off = ret->threshold_off == 0.0f
                                     ? from->threshold_off
                                     : VS__MIN(ret->threshold_off, from->threshold);
        }
        fill(&ret->onset_ms, from->onset_ms);
        fill(&ret->min_speech_ms, from->min_speech_ms);
        fill(&ret->hangover_ms, from->hangover_ms);
        fill(&ret->merge_ms, from->merge_ms);
        fill(&ret->pre_roll_ms, from->pre_roll_ms);
        fill(&ret->pad_ms, from->pad_ms);
        fill(&ret->max_ms, from->max_ms);
        return 0;
    }
    return -EINVAL;
}
