/* SPDX-License-Identifier: MIT */
/* The stable names of stages, drop causes and events. */
#include <voicestand/event.h>
#include <voicestand/stats.h>

#include "base/base.h"

static const char *find_name(const char *const *names, size_t count, int value)
{
    return value >= 0 && (size_t)value < count && names[value] ? names[value] : "unknown";
}

const char *vs_drop_name(int cause)
{
    static const char *const names[] = {
        [VS_DROP_RING_FULL] = "ring_full",
        [VS_DROP_GAP_EXACT] = "gap_exact",
        [VS_DROP_GAP_ESTIMATED] = "gap_estimated",
        [VS_DROP_AT_STOP] = "at_stop",
    };
    return find_name(names, VS__COUNT(names), cause);
}

const char *vs_stage_name(int stage)
{
    static const char *const names[] = {
        [VS_STAGE_QUEUE] = "queue",     [VS_STAGE_DSP] = "dsp",     [VS_STAGE_VAD] = "vad",
        [VS_STAGE_SEGMENT] = "segment", [VS_STAGE_TOTAL] = "total", [VS_STAGE_EVENT] = "event",
        [VS_STAGE_TEXT] = "text",
    };
    return find_name(names, VS__COUNT(names), stage);
}

const char *vs_event_name(int type)
{
    static const char *const names[] = {
        [VS_EVENT_STATE] = "state",
        [VS_EVENT_START] = "start",
        [VS_EVENT_END] = "end",
        [VS_EVENT_SEGMENT] = "segment",
        [VS_EVENT_TEXT] = "text",
        [VS_EVENT_AUDIO] = "audio",
        [VS_EVENT_PROBABILITY] = "probability",
        [VS_EVENT_GAP] = "gap",
        [VS_EVENT_ERROR] = "error",
        [VS_EVENT_LEDGER] = "ledger",
    };
    return find_name(names, VS__COUNT(names), type);
}
