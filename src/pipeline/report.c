/* SPDX-License-Identifier: MIT */
/* Events and the ledger. */
#include "pipeline/report.h"

#include <errno.h>
#include <string.h>

struct vs_event vs__event_now(int type)
{
    return (struct vs_event){.size = sizeof(struct vs_event),
                             .type = type,
                             .mono_ns = vs__mono_ns(),
                             .wall_ns = vs__wall_ns()};
}

void vs__event_bounds(struct vs_event *e, uint64_t start_frame, uint64_t end_frame,
                      uint32_t rate_hz)
{
    e->start_frame = start_frame;
    e->end_frame = end_frame;
    e->start_s = (double)start_frame / rate_hz;
    e->end_s = (double)end_frame / rate_hz;
}

struct vs_event vs__event_of_step(const struct vs__chain_step *step, uint32_t rate_hz)
{
    bool start = step->kind == VS__SEGMENT_START;
    struct vs_event e = vs__event_now(start ? VS_EVENT_START : VS_EVENT_END);

    e.segment = step->segment;
    e.flags = step->split ? VS_EVENT_SPLIT : 0;
    e.probability = step->probability;
    e.sure = step->sure;
    e.level_db = step->level_db;
    vs__event_bounds(&e, step->start_frame, step->end_frame, rate_hz);
    return e;
}

struct vs_word *vs__words_copy(const struct vs_word *words, size_t count, double shift_s)
{
    size_t bytes = 0;

    for (size_t i = 0; i < count; i++)
        bytes += strlen(words[i].text) + 1;
    struct vs_word *ret = count ? vs__alloc(count * sizeof(*ret) + bytes) : NULL;
    if (!ret)
        return NULL;
    char *at = (char *)(ret + count);
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(words[i].text) + 1;
        ret[i] = (struct vs_word){at, words[i].start_s + shift_s, words[i].end_s + shift_s};
        memcpy(at, words[i].text, length);
        at += length;
    }
    return ret;
}

struct vs_word *vs__words_take(const struct vs_stt_ops *stt, void *state, struct vs_event *e)
{
    const struct vs_word *words = NULL;
    int count = stt->words ? stt->words(state, &words) : 0;
    struct vs_word *ret = count > 0 ? vs__words_copy(words, (size_t)count, e->start_s) : NULL;

    e->words = ret;
    e->word_count = ret ? (size_t)count : 0;
    return ret;
}

int vs__wide_config_fill(const struct vs_log *log, int audio, int enhance, uint32_t rate_hz,
                         uint32_t channels, struct vs__chain_config *ret)
{
    if (audio != VS_AUDIO_WIDE)
        return 0;
    ret->audio_wide = true;
    ret->wide_enhance = (unsigned)enhance;
    ret->wide_hz = rate_hz ? rate_hz : ret->rate_hz;
    ret->wide_channels = channels ? channels : ret->channel ? 1 : ret->channels;
    if (ret->wide_hz < 8000 || ret->wide_hz > 192000)
        vs__log(log, VS_LOG_ERROR, "dsp", "audio at %u Hz cannot be made: 8000 to 192000 can",
                ret->wide_hz);
    else if (ret->wide_channels != 1 && ret->wide_channels != ret->channels)
        vs__log(log, VS_LOG_ERROR, "dsp", "%u channels cannot be made of %u: 1 or all can",
                ret->wide_channels, ret->channels);
    else if (ret->wide_channels != 1 && ret->channel)
        vs__log(log, VS_LOG_ERROR, "dsp", "one channel alone makes no %u", ret->wide_channels);
    else
        return 0;
    return -EINVAL;
}

struct vs_ledger vs__ledger(const struct vs__chain *c, uint32_t rate_hz, uint32_t channels,
                            uint64_t captured, const struct vs__losses *losses)
{
    const struct vs__chain_metrics *m = vs__chain_metrics(c);
    struct vs_ledger l = {.size = sizeof(l), .rate_hz = rate_hz, .channels = channels};
    uint64_t dropped = 0;

    l.captured = captured;
    l.delivered = vs__counted(&m->delivered);
    l.poisoned = vs__counted(&m->poisoned);
    l.gaps = vs__counted(&losses->gaps);
    for (int i = 0; i < VS_DROP_COUNT; i++) {
        l.dropped[i] = vs__counted(&losses->frames[i]);
        dropped += l.dropped[i];
    }
    l.residual = (int64_t)(l.captured - l.delivered - dropped);
    return l;
}

/* texts -------------------------------------------------------------------------------------- */

/* Of scripts that are written without blanks: CJK ideographs, kana, Thai, Lao, Khmer, Burmese. */
static bool is_word_alone(uint32_t c)
{
    return (c >= 0x3040 && c <= 0x30ff) || (c >= 0x3400 && c <= 0x9fff) ||
           (c >= 0x0e00 && c <= 0x0eff) || (c >= 0x1000 && c <= 0x109f) ||
           (c >= 0x1780 && c <= 0x17ff) || (c >= 0x20000 && c <= 0x3ffff);
}

static size_t count_words(const char *text)
{
    size_t words = 0;
    bool inside = false;

    for (const unsigned char *s = (const unsigned char *)text; *s;) {
        int more = *s >= 0xf0 ? 3 : *s >= 0xe0 ? 2 : *s >= 0xc0 ? 1 : 0;
        uint32_t c = more ? *s & (0x3fu >> more) : *s;
        bool blank = *s++ <= ' ';
        while (more-- > 0 && (*s & 0xc0) == 0x80)
            c = c << 6 | (*s++ & 0x3fu);
        bool alone = is_word_alone(c);
        words += alone || (!blank && !inside);
        inside = !blank && !alone;
    }
    return words;
}

int vs_text_is_thin(const char *text, double seconds)
{
    return text && seconds >= 1.5 && (double)count_words(text) < 0.65 * seconds;
}

bool vs__text_is_wanted(const struct vs_event *end, float text_sure)
{
    return text_sure <= 0 || end->sure >= text_sure;
}

const char *vs__text_keep(const char *text, const struct vs_event *end, float text_sure)
{
    return text_sure > 0 && vs_text_is_thin(text, end->end_s - end->start_s) ? "" : text;
}
