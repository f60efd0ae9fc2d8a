/* SPDX-License-Identifier: MIT */
/* What works on audio, with samples of any bits. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include <voicestand/voicestand.h>

#include "base/base.h"
#include "fuzz.h"
#include "ring/ring.h"
#include "segment/segment.h"

enum { MOST_HOPS = 3000 }; /* three times what the longest rule needs */

/* A rate of sound: seldom any, or of the family of 44100 Hz, as the filters between rates without a large common
   divisor take longer to make than all the rest. */
static uint32_t draw_rate(struct fuzz *f)
{
    static const uint32_t usual[] = {8000,  12000, 16000, 24000,  32000, 48000,
                                     64000, 96000, 16000, 192000, 11025, 44100};
    uint8_t which = fuzz_u8(f);

    return which >= 252   ? fuzz_range(f, 8000, 192000)
           : which >= 248 ? usual[10 + which % 2]
                          : usual[which % 10];
}

struct heard {
    uint64_t sum, events;
    struct vs_ledger ledger;
};

static void mix(struct heard *h, const void *data, size_t bytes)
{
    const uint8_t *at = data;

    for (size_t i = 0; i < bytes; i++)
        h->sum = (h->sum ^ at[i]) * 0x100000001b3u;
}

static void on_event(void *user, const struct vs_event *e)
{
    struct heard *h = user;

    h->events++;
    FUZZ_CHECK(e->probability >= 0 && e->probability <= 1 && isfinite(e->level_db));
    if (e->type == VS_EVENT_AUDIO) {
        for (size_t i = 0; i < e->audio_frames * e->audio_channels; i++)
            FUZZ_CHECK(isfinite(e->audio[i]));
        return; /* its pieces depend on the cut, its samples are summed by position elsewhere */
    }
    if (e->type == VS_EVENT_LEDGER)
        h->ledger = *e->ledger;
    mix(h, &e->type, sizeof(e->type));
    mix(h, &e->start_frame, sizeof(e->start_frame));
    mix(h, &e->end_frame, sizeof(e->end_frame));
    mix(h, &e->probability, sizeof(e->probability));
}

static struct heard hear(const struct vs_stream_config *given, const uint8_t *pcm, size_t frames,
                         size_t gap_at, size_t step)
{
    struct vs_stream_config config = *given;
    size_t frame = vs_format_bytes(config.format) * config.channels;
    struct heard h = {0};
    vs_stream *s = NULL;

    config.on_event = on_event;
    config.user = &h;
    FUZZ_CHECK(vs_stream_create(&config, &s) == 0);
    for (size_t at = 0; at < frames;) {
        size_t n = VS__MIN(step, frames - at);
        if (at < gap_at && at + n > gap_at)
            n = gap_at - at;
        FUZZ_CHECK(vs_stream_push(s, pcm + at * frame, n) == 0);
        at += n;
        if (at == gap_at)
            FUZZ_CHECK(vs_stream_gap(s, 5000) == 0);
    }
    FUZZ_CHECK(vs_stream_finish(s) == 0);
    vs_stream_destroy(s);
    FUZZ_CHECK(h.ledger.residual == 0 && h.ledger.delivered == frames);
    return h;
}

/* Any format, rate and channels, samples of any bits: nothing but numbers comes out, and how the
   audio is cut changes nothing. */
void fuzz_stream(struct fuzz *f)
{
    struct vs_stream_config c = {.size = sizeof(c), .probabilities = 1};

    c.rate_hz = draw_rate(f);
    c.channels = fuzz_range(f, 1, 8);
    c.format = (int)fuzz_range(f, 0, 3);
    c.channel = fuzz_range(f, 0, c.channels);
    c.audio = (int)fuzz_range(f, 0, 3);
    /* what costs most only now and then, and no more than an eighth of a second of sound */
    c.enhance = fuzz_u8(f) % 16 == 1 ? VS_ENHANCE_DENOISE | VS_ENHANCE_LEVEL : 0;
    c.vad = fuzz_u8(f) % 16 == 1 ? "native" : "energy";
    c.env.cpu = f->cpu;
    size_t step = 1 + fuzz_range(f, 0, 3000);
    bool has_gap = fuzz_u8(f) % 2;
    uint32_t repeat = 1 + fuzz_u8(f) % 8;
    size_t frame = vs_format_bytes(c.format) * c.channels, frames = f->left / frame;
    if (frames * repeat > c.rate_hz / 8)
        repeat = (uint32_t)VS__MAX(c.rate_hz / 8 / frames, (size_t)1);
    size_t gap = has_gap && frames > 1 ? frames / 2 : SIZE_MAX, bytes = frames * frame;
    uint8_t *pcm = malloc(bytes * repeat + 1);
    for (uint32_t i = 0; i < repeat; i++)
        memcpy(pcm + i * bytes, f->at, bytes);
    vs_stream *s = NULL;
    fuzz_memory(f);
    if (f->alloc_fail && vs_stream_create(&c, &s) == 0)
        vs_stream_destroy(s);
    fuzz_memory(NULL);
    struct heard a = hear(&c, pcm, frames * repeat, gap, step),
                 b = hear(&c, pcm, frames * repeat, gap, 1 << 20);
    FUZZ_CHECK(a.sum == b.sum);
    free(pcm);
}

static void check_step(const struct vs__segment_step *step, uint64_t hop, uint64_t *floor,
                       bool *open)
{
    bool start = step->kind == VS__SEGMENT_START;

    FUZZ_CHECK(*open != start);
    *open = start;
    FUZZ_CHECK(step->start_hop <= hop && step->segment > 0);
    if (start)
        FUZZ_CHECK(step->start_hop >= *floor);
    else
        FUZZ_CHECK(step->end_hop > step->start_hop && step->end_hop <= hop + 1);
    if (!start) {
        FUZZ_CHECK(step->probability >= 0 && step->probability <= 1);
        *floor = step->end_hop;
    }
}

/* Any rules and probabilities: segments in order and apart, and what it looks back at is bounded. */
void fuzz_segmenter(struct fuzz *f)
{
    struct vs__segment_rules rules = {0};
    struct vs__segmenter s;
    struct vs__segment_step steps[2];
    uint64_t hop = 0, floor = 0, needed = 0;
    bool open = false;

    rules.threshold = (float)fuzz_range(f, 1, 99) / 100;
    rules.threshold_off = rules.threshold * (float)fuzz_range(f, 1, 100) / 100;
    rules.onset = fuzz_range(f, 1, 50);
    rules.min_speech = fuzz_range(f, 0, 100);
    rules.hangover = fuzz_range(f, 1, 200);
    rules.merge = fuzz_range(f, 0, 200);
    rules.pre_roll = fuzz_range(f, 0, 100);
    rules.pad = fuzz_range(f, 0, rules.hangover);
    rules.max = fuzz_u8(f) % 2 ? fuzz_range(f, 100, 1000) : 0;
    if (rules.max) /* others are refused: what opens must fit */
        rules.max = VS__MAX(rules.max, rules.pre_roll + 2 * VS__MAX(rules.onset, rules.min_speech));
    vs__segmenter_init(&s, &rules);
    while (f->left && hop < MOST_HOPS) {
        uint8_t b = fuzz_u8(f);
        uint8_t length = fuzz_u8(f);
        uint32_t run = length < 240 ? 1u + length % 4 : 8 * (length - 239u); /* seldom long */
        for (; run; run--, hop++) {
            int n = vs__segmenter_push(&s, (float)b / 255, steps);
            FUZZ_CHECK(n >= 0 && n <= 2);
            for (int i = 0; i < n; i++)
                check_step(&steps[i], hop, &floor, &open);
            FUZZ_CHECK(vs__segmenter_needed(&s) >= needed);
            needed = vs__segmenter_needed(&s);
            FUZZ_CHECK(hop + 1 - VS__MIN(needed, hop + 1) <= vs__segment_lookback(&rules));
        }
        if (b == 77) { /* a long gap */
            int n = vs__segmenter_flush(&s, steps);
            for (int i = 0; i < n; i++)
                check_step(&steps[i], hop, &floor, &open);
            hop += 1 + fuzz_u8(f);
            vs__segmenter_jump(&s, hop);
            floor = hop;
        }
    }
    int n = vs__segmenter_flush(&s, steps);
    for (int i = 0; i < n; i++)
        check_step(&steps[i], hop, &floor, &open);
    FUZZ_CHECK(!open);
}

/* What byte a position of the stream holds; the period is no part of the ring's size, so that what is left of
   an earlier round is never right. */
static const uint8_t *pattern_at(uint64_t position)
{
    enum { PERIOD = 4093 };
    static uint8_t pattern[PERIOD + 4096];
    static bool made;

    for (size_t i = 0; !made && i < sizeof(pattern); i++)
        pattern[i] = (uint8_t)(i % PERIOD * 2654435761u >> 13 | 1);
    made = true;
    return pattern + position % PERIOD;
}

/* An empty ring whose indices stand at `position`, as if so much had gone through it. */
static struct vs__ring *ring_at(struct fuzz *f, uint64_t position)
{
    static struct vs__ring *kept;
    struct vs__ring *r = NULL;

    if (f->alloc_fail) {
        fuzz_memory(f);
        int rc = vs__ring_create(4096, &r);
        fuzz_memory(NULL);
        FUZZ_CHECK((rc == 0 && r) || (rc == -ENOMEM && !r));
        vs__ring_destroy(r);
    }
    FUZZ_CHECK(kept || vs__ring_create(4096, &kept) == 0);
    kept->head_own = kept->head_seen = kept->tail_own = kept->tail_seen = position;
    atomic_store(&kept->head, position);
    atomic_store(&kept->tail, position);
    return kept;
}

/* Operations in any order against a queue that is plainly right, from any position, the wrap of the indices too. */
void fuzz_ring(struct fuzz *f)
{
    uint8_t place = fuzz_u8(f);
    /* half of them shortly before the indices wrap */
    uint64_t start = place % 2 ? UINT64_MAX - 64u * place : (uint64_t)place << 32 | fuzz_u8(f);
    uint64_t written = 0, taken = 0;
    struct vs__ring *r = ring_at(f, start);

    while (f->left) {
        uint8_t what = fuzz_u8(f);
        size_t want = fuzz_range(f, 0, 5000), n;
        if (what % 2) {
            uint8_t *to = vs__ring_write_begin(r, want, &n);
            FUZZ_CHECK(n == VS__MIN(want, 4096 - (size_t)(written - taken)));
            n = what & 2 ? n : n / 2;
            memcpy(to, pattern_at(written), n);
            written += n;
            vs__ring_write_commit(r, n);
        } else {
            const uint8_t *from = vs__ring_read_begin(r, want, &n);
            FUZZ_CHECK(n == VS__MIN(want, (size_t)(written - taken)));
            n = what & 2 ? n : n / 2;
            FUZZ_CHECK(memcmp(from, pattern_at(taken), n) == 0);
            taken += n;
            vs__ring_read_commit(r, n);
        }
        FUZZ_CHECK(vs__ring_fill(r) == written - taken);
    }
}

static size_t resample(const struct vs_resampler_config *config, const float *in, size_t frames,
                       size_t step, float *out)
{
    vs_resampler *r = NULL;
    size_t n = 0;

    FUZZ_CHECK(vs_resampler_create(config, &r) == 0);
    for (size_t at = 0; at < frames; at += step)
        n += vs_resampler_process(r, in + at, VS__MIN(step, frames - at), out + n);
    n += vs_resampler_flush(r, out + n);
    vs_resampler_destroy(r);
    return n;
}

/* Any two rates: the cut changes nothing, the length is right, plain C says what the kernels say. */
void fuzz_resampler(struct fuzz *f)
{
    struct vs_resampler_config c = {.size = sizeof(c)};
    float in[600];
    size_t frames = 0;

    c.in_hz = draw_rate(f);
    c.out_hz = draw_rate(f);
    c.cpu = f->cpu;
    size_t step = 1 + fuzz_u8(f);
    for (; frames < VS__COUNT(in) && f->left >= 2; frames++) {
        uint32_t bits = (uint32_t)fuzz_u8(f) | (uint32_t)fuzz_u8(f) << 8;
        in[frames] = (float)(int16_t)bits / 32768;
    }
    size_t most = frames * 24 + 40000;
    float *a = malloc(most * sizeof(float)), *b = malloc(most * sizeof(float)),
          *plain = malloc(most * sizeof(float));
    size_t n = resample(&c, in, frames, step, a);
    FUZZ_CHECK(n == resample(&c, in, frames, VS__COUNT(in), b));
    FUZZ_CHECK(n == ((uint64_t)frames * c.out_hz + c.in_hz - 1) / c.in_hz);
    FUZZ_CHECK(memcmp(a, b, n * sizeof(float)) == 0);
    c.cpu = "c";
    FUZZ_CHECK(n == resample(&c, in, frames, VS__COUNT(in), plain));
    for (size_t i = 0; i < n; i++)
        FUZZ_CHECK(fabsf(a[i] - plain[i]) <= 1e-5f);
    free(a);
    free(b);
    free(plain);
}
