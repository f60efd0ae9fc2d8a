/* SPDX-License-Identifier: MIT */
/* The chain from source frames to segments. */
#include "pipeline/chain.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#include "dsp/dsp.h"
#include "pipeline/enhance.h"

/* Gaps up to this long are bridged with silence: they are shorter than a pause between words. */
#define BRIDGE_MS 200
/* Segment audio goes to the sink in pieces of at least so many hops. */
#define BATCH_HOPS 10
/* Source frames that are made mono at a time. */
#define CHUNK_FRAMES 1024

/* What was measured of a hop when it was heard. */
struct hop_level {
    float energy; /* sum of squares */
    float peak;   /* 0 where nobody wants it */
};

struct vs__chain {
    struct vs__chain_config config;
    const struct vs__dsp *dsp;
    struct vs__mono mono;
    struct vs_resampler *resampler; /* NULL: the source runs at 16 kHz */
    struct vs__segmenter segmenter;
    struct vs__enhance *enhance; /* NULL = none */
    struct vs__wide *wide;       /* NULL = none */
    struct vs__timeline line;
    struct hop_level *levels; /* of the last level_count hops */
    uint32_t level_count;
    float *chunk;  /* CHUNK_FRAMES of mono at the source's rate; NULL without a resampler */
    float *gather; /* detector block, where that is not a hop */
    uint32_t gathered;
    size_t chunk_frames; /* source frames per turn, so that their output fits the slack */

    /* A run is what lies between long gaps. */
    uint64_t source;     /* source frames so far, gaps included */
    uint64_t run_source; /* source frame and 16 kHz frame of the run's first */
    uint64_t run_frame;
    uint64_t run_in; /* source frames into this run: real ones, and silence for short gaps */
    uint64_t run_fill;
    uint64_t next;     /* 16 kHz frame that comes next into the timeline */
    uint64_t hop_next; /* hop that is filtered and heard next */
    uint32_t lag;      /* hops by which enhanced audio lags behind it; 0 or 1 */
    uint64_t heard;    /* 16 kHz frames of this run that the detector has judged */
    uint64_t decided;  /* hop that is decided next */
    bool judged;       /* the detector has judged that hop, but its enhanced audio is not there */
    float judgement;   /* with this probability */
    uint64_t end;      /* 16 kHz frame behind the last real one, once the run ends */
    bool ending;

    uint64_t segment; /* open one, or 0 */
    uint64_t segment_start, sent, sent_all;
    double energy;
    uint64_t energy_frames;

    int64_t stamp_ns; /* capture time of source frame `stamp_source`; 0 = unknown */
    uint64_t stamp_source;
    bool measured;      /* the hop that comes next */
    int64_t lap_ns;     /* when the stage before ended */
    int64_t dsp_ns;     /* spent on what is not yet a hop */
    int64_t excused_ns; /* see vs__chain_excuse() */
    int failure;        /* the detector's first error since the last call told one */
    struct vs__chain_metrics metrics;
    _Atomic uint32_t *buckets; /* of its histograms */
    struct vs__highpass highpass;
};

static uint64_t to_16k(const struct vs__chain *c, uint64_t source_frames)
{
    uint32_t rate = c->config.rate_hz;
    return (source_frames * VS_RATE_HZ + rate / 2) / rate;
}

/* Source frame of a 16 kHz frame of the current run; not past what was pushed. */
static uint64_t to_source(const struct vs__chain *c, uint64_t frame)
{
    uint64_t in_run = frame > c->run_frame ? frame - c->run_frame : 0;
    uint64_t source = (in_run * c->config.rate_hz + VS_RATE_HZ / 2) / VS_RATE_HZ;
    return VS__MIN(c->run_source + source, c->source);
}

/* CLOCK_MONOTONIC at the source of the instant before frame `frame` of the timeline, by the newest stamp;
   0 = unknown. */
static int64_t to_time(const struct vs__chain *c, uint64_t frame)
{
    if (c->stamp_ns == 0 || c->ending)
        return 0;
    int64_t ahead = (int64_t)(to_source(c, frame) - c->stamp_source);
    return c->stamp_ns + ahead * 1000000000 / c->config.rate_hz;
}

/* Live audio is measured hop by hop; of audio that is there all at once, where a clock would take a notable
   part of the time, one hop of eight is. */
#define MEASURE_EVERY 8

static void choose_measured(struct vs__chain *c)
{
    bool measured = !c->config.unmeasured && (c->stamp_ns != 0 || c->hop_next % MEASURE_EVERY == 0);

    if (measured && !c->measured)
        c->lap_ns = vs__mono_ns();
    c->measured = measured;
}

/* Time since the last call; the end of one stage is the start of the next. */
static int64_t take_lap(struct vs__chain *c)
{
    int64_t now = vs__mono_ns(), took = now - c->lap_ns;

    c->lap_ns = now;
    return took;
}

bool vs__chain_ref(struct vs__chain *c, struct vs__block *b)
{
    return vs__timeline_ref(&c->line, b);
}

void vs__chain_unref(struct vs__chain *c, struct vs__block *b)
{
    vs__timeline_unref(&c->line, b);
}

/* out to the sink ----------------------------------------------------------------------------- */

static void send_audio(struct vs__chain *c, uint64_t from, uint64_t to, uint64_t segment)
{
    while (from < to) {
        struct vs__block *b = vs__timeline_find(&c->line, from);
        uint32_t offset = (uint32_t)(from - b->position);
        uint32_t n = (uint32_t)VS__MIN(to - from, (uint64_t)VS__BLOCK_FRAMES - offset);
        c->config.sink.audio(c->config.sink.user, b, offset, n, segment);
        from += n;
    }
}

static struct hop_level *level_of(const struct vs__chain *c, uint64_t hop)
{
    return &c->levels[hop % c->level_count];
}

/* Audio of the open segment up to 16 kHz frame `to`. */
static void send_segment(struct vs__chain *c, uint64_t to, bool all)
{
    if (c->segment && to > c->sent && (all || to - c->sent >= BATCH_HOPS * VS_HOP_FRAMES)) {
        for (uint64_t hop = c->sent / VS_HOP_FRAMES; hop * VS_HOP_FRAMES < to; hop++)
            c->energy += (double)level_of(c, hop)->energy;
        c->energy_frames += to - c->sent;
        if (c->config.audio_segments && c->config.sink.audio)
            send_audio(c, c->sent, to, c->segment);
        c->sent = to;
    }
}

static void take_step(struct vs__chain *c, const struct vs__segment_step *s)
{
    struct vs__chain_step out = {.kind = s->kind, .segment = s->segment, .split = s->split};
    uint64_t start = VS__MAX(s->start_hop * VS_HOP_FRAMES, c->run_frame);
    uint64_t end = s->end_hop * VS_HOP_FRAMES;

    out.start_frame = to_source(c, start);
    if (s->kind == VS__SEGMENT_START) {
        c->segment = s->segment;
        c->segment_start = c->sent = start;
        c->energy = 0;
        c->energy_frames = 0;
        out.end_frame = to_source(c, c->decided * VS_HOP_FRAMES);
    } else {
        if (c->ending)
            end = VS__MIN(end, c->end);
        send_segment(c, end, true);
        out.end_frame = to_source(c, end);
        out.probability = s->probability;
        out.sure = s->sure;
        double mean = c->energy_frames ? c->energy / (double)c->energy_frames : 0;
        out.level_db = (float)(10 * log10(mean + 1e-12));
        c->segment = 0;
        vs__count(&c->metrics.segments, 1);
    }
    if (c->config.sink.step)
        c->config.sink.step(c->config.sink.user, &out);
}

/* hop by hop ---------------------------------------------------------------------------------- */

/* Where the enhanced audio of a hop lies. */
static float *enhanced_hop(struct vs__chain *c, uint64_t hop)
{
    struct vs__block *b = vs__timeline_find(&c->line, hop * VS_HOP_FRAMES);
    float *from = vs__enhance_block(c->enhance, vs__timeline_index(&c->line, b));

    return from + (hop * VS_HOP_FRAMES - b->position);
}

static float to_db(double power)
{
    return (float)(10 * log10(power + 1e-20));
}

static void tell_hop(struct vs__chain *c, uint64_t hop, uint64_t start, uint64_t end,
                     float probability)
{
    const struct hop_level *level = level_of(c, hop);
    struct vs__chain_hop h = {
        .start_frame = to_source(c, start),
        .end_frame = to_source(c, end),
        .probability = probability,
        .level_db = to_db((double)level->energy / VS_HOP_FRAMES),
        .peak_db = to_db((double)level->peak * (double)level->peak),
        .captured_ns = to_time(c, end),
    };

    c->config.sink.hop(c->config.sink.user, &h);
}

static void decide_hop(struct vs__chain *c, float probability)
{
    struct vs__segment_step steps[2];
    uint64_t hop = c->decided++;
    uint64_t start = VS__MAX(hop * VS_HOP_FRAMES, c->run_frame);
    uint64_t end = c->decided * VS_HOP_FRAMES;

    if (c->wide)
        vs__wide_decide(c->wide, probability);
    if (c->enhance)
        vs__enhance_level(c->enhance, enhanced_hop(c, hop), probability);
    if (c->ending)
        end = VS__MIN(end, c->end);
    vs__count(&c->metrics.hops, 1);
    if (c->config.sink.hop && start < end)
        tell_hop(c, hop, start, end, probability);
    if (c->config.audio_all && c->config.sink.audio)
        send_audio(c, start, end, 0);
    int n = vs__segmenter_push(&c->segmenter, probability, steps);
    for (int i = 0; i < n; i++)
        take_step(c, &steps[i]);
    if (c->segment)
        vs__count(&c->metrics.speech_hops, 1);
    send_segment(c, vs__segmenter_committed(&c->segmenter) * VS_HOP_FRAMES, false);
    uint64_t needed = vs__segmenter_needed(&c->segmenter) * VS_HOP_FRAMES;
    vs__timeline_forget(&c->line, c->segment ? VS__MIN(needed, c->sent) : needed);
}

/* The detector has judged `c->heard` frames of the run; hops that lie wholly before are decided. */
static void decide_heard(struct vs__chain *c, float probability)
{
    uint64_t first = c->run_frame / VS_HOP_FRAMES * VS_HOP_FRAMES;
    uint64_t latency = c->config.vad_shape.latency_frames;

    while (c->decided < c->hop_next &&
           first + c->heard >= (c->decided + 1) * VS_HOP_FRAMES + latency) {
        if (c->decided + c->lag >= c->hop_next) { /* the newest, which waits for its audio */
            if (!c->judged)
                c->judgement = probability;
            c->judged = true;
            return;
        }
        decide_hop(c, probability);
    }
}

/* The next hop for the enhancement, NULL = silence behind the end; what that completes can be
   decided. */
static void enhance_hop(struct vs__chain *c, const float *pcm, uint64_t hop)
{
    float nobody[VS_HOP_FRAMES];
    bool first = hop < c->run_frame / VS_HOP_FRAMES + c->lag;

    vs__enhance_hop(c->enhance, pcm, first ? nobody : enhanced_hop(c, hop - c->lag));
    if (c->judged) {
        c->judged = false;
        decide_hop(c, c->judgement);
    }
}

static void tell_news(struct vs__chain *c)
{
    int status = 0;
    const char *text = c->config.vad->news(c->config.vad_state, &status);

    if (text && c->config.sink.state)
        c->config.sink.state(c->config.sink.user, text, status);
}

/* One block for the detector. Where it fails, the block is no speech and the call's result says so:
   all that was given goes its way, segments end where they end, and every frame is accounted for. */
static void hear(struct vs__chain *c, const float *block)
{
    float probability = 0;
    int rc = c->config.vad->infer(c->config.vad_state, block, &probability);

    if (rc < 0) {
        c->failure = c->failure ? c->failure : rc;
        probability = 0;
    }
    if (c->measured)
        vs__histogram_add(&c->metrics.vad, take_lap(c));
    if (c->config.vad->news)
        tell_news(c);
    c->heard += c->config.vad_shape.block_frames;
    c->excused_ns = 0;
    decide_heard(c, probability >= 0 && probability <= 1 ? probability : 0);
    if (c->measured)
        vs__histogram_add(&c->metrics.segment, take_lap(c) - c->excused_ns);
}

/* Give `n` frames to the detector, in blocks of the size that it wants. */
static void hear_frames(struct vs__chain *c, const float *pcm, uint32_t n)
{
    uint32_t size = c->config.vad_shape.block_frames;

    if (size == n && c->gathered == 0) {
        hear(c, pcm);
        return;
    }
    while (n > 0) {
        uint32_t part = VS__MIN(n, size - c->gathered);
        memcpy(c->gather + c->gathered, pcm, part * sizeof(*pcm));
        c->gathered += part;
        pcm += part;
        n -= part;
        if (c->gathered == size) {
            c->gathered = 0;
            hear(c, c->gather);
        }
    }
}

/* The frames of a hop that are real: those before a run are silence, those behind it are not. The peak is
   only found for those who want to know. */
static void measure_hop(struct vs__chain *c, const float *pcm)
{
    struct hop_level *level = level_of(c, c->hop_next);
    uint64_t from = c->hop_next * VS_HOP_FRAMES;
    size_t n = c->ending ? VS__MIN(c->end - from, VS_HOP_FRAMES) : VS_HOP_FRAMES;

    level->peak = 0;
    level->energy =
        c->config.sink.hop ? c->dsp->measure(pcm, n, &level->peak) : c->dsp->energy(pcm, n);
}

static void process_hop(struct vs__chain *c)
{
    float *pcm = vs__timeline_at(&c->line, c->hop_next * VS_HOP_FRAMES);

    if (c->config.high_pass_hz > 0)
        vs__highpass_process(&c->highpass, pcm, VS_HOP_FRAMES);
    measure_hop(c, pcm);
    if (c->enhance)
        enhance_hop(c, pcm, c->hop_next);
    if (c->measured)
        vs__histogram_add(&c->metrics.dsp, take_lap(c) + c->dsp_ns);
    c->dsp_ns = 0;
    c->hop_next++;
    hear_frames(c, pcm, VS_HOP_FRAMES);
    if (c->measured && c->stamp_ns && !c->ending)
        vs__histogram_add(&c->metrics.total, c->lap_ns - to_time(c, c->hop_next * VS_HOP_FRAMES));
    choose_measured(c);
}

/* `n` new frames stand behind the timeline's last ones; cut hops. */
static void advance(struct vs__chain *c, size_t n)
{
    vs__timeline_append(&c->line, n);
    c->next += n;
    while (c->next >= (c->hop_next + 1) * VS_HOP_FRAMES)
        process_hop(c);
    vs__timeline_hear(&c->line, c->hop_next * VS_HOP_FRAMES);
}

/* source frames in ---------------------------------------------------------------------------- */

/* The run begins at source frame c->source: its first hop starts on the grid, with silence before
   the first frame. */
static void begin_run(struct vs__chain *c)
{
    uint64_t frame = to_16k(c, c->source);
    uint64_t hop = frame / VS_HOP_FRAMES;
    uint32_t lead = (uint32_t)(frame % VS_HOP_FRAMES);

    struct vs__block *b = vs__timeline_begin(&c->line, hop * VS_HOP_FRAMES);
    memset(b->pcm, 0, lead * sizeof(float));
    b->frames = lead;
    c->run_source = c->source;
    c->run_frame = c->next = frame;
    c->run_in = c->run_fill = 0;
    c->hop_next = c->decided = hop;
    c->heard = 0;
    c->gathered = 0;
    c->ending = false;
    c->lag = c->enhance ? vs__enhance_lag(c->enhance) : 0;
    c->judged = false;
    vs__highpass_reset(&c->highpass);
    if (c->enhance)
        vs__enhance_restart(c->enhance);
    if (c->wide)
        vs__wide_begin(c->wide, c->run_source, lead);
    vs__segmenter_jump(&c->segmenter, hop);
}

/* Up to chunk_frames source frames, NULL = silence. */
static void push_chunk(struct vs__chain *c, const void *pcm, size_t frames)
{
    float lent[VS__LENT_FRAMES];
    struct vs__block *b = vs__timeline_lend(&c->line, lent);
    float *to = b->pcm + b->frames;
    float *mono = c->resampler ? c->chunk : to;
    uint64_t hop = c->hop_next;

    choose_measured(c);
    if (c->measured)
        c->lap_ns = vs__mono_ns();
    if (pcm)
        vs__count(&c->metrics.poisoned, vs__mono_process(&c->mono, pcm, frames, mono));
    else
        memset(mono, 0, frames * sizeof(float));
    size_t n = c->resampler ? vs__resampler_process_clean(c->resampler, mono, frames, to) : frames;
    if (c->wide)
        vs__wide_push(c->wide, pcm, frames);
    c->source += frames;
    if (pcm) {
        c->run_in += frames;
        vs__count(&c->metrics.delivered, frames);
    } else {
        c->run_fill += frames;
    }
    advance(c, n);
    vs__timeline_take_back(&c->line);
    if (c->measured && hop == c->hop_next) /* no hop took this time for its own */
        c->dsp_ns += take_lap(c);
}

static void push_frames(struct vs__chain *c, const void *pcm, uint64_t frames)
{
    const unsigned char *at = pcm;
    size_t frame_bytes = vs_format_bytes(c->config.format) * c->config.channels;

    while (frames > 0) {
        size_t n = (size_t)VS__MIN(frames, (uint64_t)c->chunk_frames);
        push_chunk(c, at, n);
        if (at)
            at += n * frame_bytes;
        frames -= n;
    }
}

/* What went wrong since it was told last. */
static int take_failure(struct vs__chain *c)
{
    int failure = c->failure;

    c->failure = 0;
    return failure;
}

/* Of a detector's state: the native one begins with its window. */
#define BEGIN_BYTES 2304

/* Of thousands of streams hardly any is in a near cache. What a hop begins with is asked for at once. */
static void fetch(const void *memory, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += 64)
        __builtin_prefetch((const char *)memory + i);
}

int vs__chain_push(struct vs__chain *c, const void *pcm, size_t frames, int64_t time_ns)
{
    fetch(c, offsetof(struct vs__chain, highpass.own));
    if (c->next + frames >= (c->hop_next + 1) * VS_HOP_FRAMES)
        fetch(c->config.vad_state, VS__MIN(c->config.vad->state_size, (size_t)BEGIN_BYTES));
    c->stamp_ns = time_ns;
    c->stamp_source = c->source;
    push_frames(c, pcm, frames);
    return take_failure(c);
}

/* The run ends: what the stages still hold comes out, and all of its hops are decided. */
static void end_run(struct vs__chain *c)
{
    struct vs__segment_step steps[2];
    static const float silence[VS_HOP_FRAMES];

    if (c->measured)
        c->lap_ns = vs__mono_ns();
    if (c->wide)
        vs__wide_end(c->wide);
    if (c->resampler) {
        struct vs__block *b = vs__timeline_last(&c->line);
        advance(c, vs_resampler_flush(c->resampler, b->pcm + b->frames));
    }
    c->end = c->next;
    c->ending = true;
    /* Whatever the stages swallowed or made up shows as a residual in the ledger. */
    uint64_t in = c->run_in + c->run_fill;
    uint64_t out = (in * VS_RATE_HZ + c->config.rate_hz - 1) / c->config.rate_hz;
    if (out != c->end - c->run_frame)
        vs__count(&c->metrics.delivered, (c->end - c->run_frame) - out);
    uint32_t rest = (uint32_t)(c->next % VS_HOP_FRAMES);
    if (rest) {
        struct vs__block *b = vs__timeline_last(&c->line);
        memset(b->pcm + b->frames, 0, (VS_HOP_FRAMES - rest) * sizeof(float));
        advance(c, VS_HOP_FRAMES - rest);
    }
    if (c->lag && c->hop_next > c->run_frame / VS_HOP_FRAMES) {
        enhance_hop(c, NULL, c->hop_next);
        c->lag = 0; /* until the next run: all that there is is enhanced */
    }
    while (c->decided < c->hop_next)
        hear_frames(c, silence, VS_HOP_FRAMES);
    if (c->wide)
        vs__wide_finish(c->wide);
    int n = vs__segmenter_flush(&c->segmenter, steps);
    for (int i = 0; i < n; i++)
        take_step(c, &steps[i]);
}

int vs__chain_gap(struct vs__chain *c, uint64_t frames)
{
    if (frames <= (uint64_t)c->config.rate_hz * BRIDGE_MS / 1000) {
        c->stamp_ns = 0;
        push_frames(c, NULL, frames);
        return take_failure(c);
    }
    end_run(c);
    c->source += frames;
    begin_run(c);
    return take_failure(c);
}

int vs__chain_finish(struct vs__chain *c)
{
    end_run(c);
    return take_failure(c);
}

void vs__chain_excuse(struct vs__chain *c, int64_t ns)
{
    c->excused_ns += ns;
}

uint32_t vs__chain_wants(const struct vs__chain *c)
{
    uint64_t lacking = (c->hop_next + 1) * VS_HOP_FRAMES - c->next;
    uint32_t frames = (uint32_t)(lacking * c->config.rate_hz / VS_RATE_HZ);

    /* the resampler may stand in between two of its frames */
    return c->resampler && frames > 1 ? frames - 1 : VS__MAX(frames, 1u);
}

uint64_t vs__chain_position(const struct vs__chain *c)
{
    return c->source;
}

const struct vs__chain_metrics *vs__chain_metrics(const struct vs__chain *c)
{
    return &c->metrics;
}

static uint32_t round_up(uint32_t x, uint32_t step)
{
    return (x + step - 1) / step * step;
}

/* Most 16 kHz frames from the start of a hop to its decision: it ends, the detector lags, the block
   in which that falls must be full, and so must the hop that fills it. */
static uint32_t find_judging_frames(const struct vs_vad_shape *shape)
{
    uint32_t most = 0;

    for (uint32_t hop = 0; hop < shape->block_frames; hop++) { /* they repeat, at the latest */
        uint32_t heard = (hop + 1) * VS_HOP_FRAMES + shape->latency_frames;
        heard = round_up(round_up(heard, shape->block_frames), VS_HOP_FRAMES);
        most = VS__MAX(most, heard - hop * VS_HOP_FRAMES);
    }
    return most;
}

/* Seconds from a source frame to its AUDIO, counted in audio that must have come in: what enhances
   it, or what judges it, whichever is longer. */
static double find_delay_s(const struct vs__chain *c)
{
    double mono = 0;

    if (c->resampler)
        mono = (double)vs_resampler_delay_frames(c->resampler) / c->config.rate_hz;
    double judged = mono + (double)find_judging_frames(&c->config.vad_shape) / VS_RATE_HZ;
    uint32_t lag = c->enhance ? vs__enhance_lag(c->enhance) : 0;
    double made = mono + (double)(1 + lag) * VS_HOP_FRAMES / VS_RATE_HZ;
    if (c->wide) {
        made = vs__wide_delay_s(c->wide);
        judged += vs__wide_last_delay_s(c->wide);
    }
    return VS__MAX(made, judged);
}

void vs__chain_stats(const struct vs__chain *c, struct vs_stats *ret)
{
    const struct vs__chain_metrics *m = &c->metrics;

    vs__histogram_read(&m->dsp, &ret->stage[VS_STAGE_DSP]);
    vs__histogram_read(&m->vad, &ret->stage[VS_STAGE_VAD]);
    vs__histogram_read(&m->segment, &ret->stage[VS_STAGE_SEGMENT]);
    vs__histogram_read(&m->total, &ret->stage[VS_STAGE_TOTAL]);
    if (c->config.vad->stats)
        c->config.vad->stats(c->config.vad_state, &ret->vad_device);
    ret->hops = vs__counted(&m->hops);
    ret->speech_hops = vs__counted(&m->speech_hops);
    ret->segments = vs__counted(&m->segments);
    ret->audio_delay_ns = (int64_t)(1e9 * find_delay_s(c));
}

/* Audio that was not captured now has no time since its capture. */
static uint32_t count_histograms(const struct vs__chain_config *config)
{
    return config->coarse ? 3 : 4;
}

static uint32_t histogram_bits(const struct vs__chain_config *config)
{
    return config->coarse ? VS__HISTOGRAM_COARSE : VS__HISTOGRAM_FINE;
}

static void begin_metrics(struct vs__chain *c)
{
    struct vs__chain_metrics *m = &c->metrics;
    struct vs__histogram *all[] = {&m->dsp, &m->vad, &m->segment, &m->total};
    uint32_t bits = histogram_bits(&c->config);

    memset(m, 0, sizeof(*m));
    for (uint32_t i = 0; i < count_histograms(&c->config); i++)
        vs__histogram_init(all[i], bits, c->buckets + i * VS__HISTOGRAM_BUCKETS(bits));
}

/* life ---------------------------------------------------------------------------------------- */

void vs__chain_reset(struct vs__chain *c)
{
    struct vs__block *b = vs__timeline_last(&c->line);

    assert(c->line.held == 0);
    if (c->resampler)
        (void)vs_resampler_flush(c->resampler, b->pcm + b->frames);
    begin_metrics(c);
    vs__segmenter_init(&c->segmenter, &c->config.rules);
    c->config.vad->reset(c->config.vad_state);
    c->source = 0;
    c->segment = 0;
    c->stamp_ns = 0;
    c->dsp_ns = 0;
    c->failure = 0;
    if (c->enhance)
        vs__enhance_reset(c->enhance);
    if (c->wide)
        vs__wide_reset(c->wide);
    begin_run(c);
}

/* Most blocks that the timeline can be long: what the segmenter looks back at, what the detector
   lags, what waits to be sent, and the block being written. */
static uint32_t count_own_blocks(const struct vs__chain_config *config)
{
    uint64_t hops =
        vs__segment_lookback(&config->rules) + BATCH_HOPS + 2 +
        (config->vad_shape.latency_frames + config->vad_shape.block_frames) / VS_HOP_FRAMES +
        1; /* what enhanced audio lags */
    return (uint32_t)(hops / VS__BLOCK_HOPS + 4);
}

static int create_stages(struct vs__chain *c)
{
    const struct vs__chain_config *config = &c->config;

    c->dsp = vs__dsp_share(config->cpu);
    int rc = vs__mono_init(&c->mono, c->dsp, config->format, config->channels, config->channel);
    if (rc < 0)
        return rc;
    c->chunk_frames = VS__SLACK_FRAMES;
    if (config->rate_hz != VS_RATE_HZ) {
        struct vs_resampler_config rs = {.size = sizeof(rs),
                                         .in_hz = config->rate_hz,
                                         .out_hz = VS_RATE_HZ,
                                         .cpu = config->cpu_name};
        rc = vs_resampler_create(&rs, &c->resampler);
        if (rc < 0)
            return rc;
        c->chunk_frames = CHUNK_FRAMES;
        while (c->chunk_frames > 1 &&
               vs_resampler_max_out(c->resampler, c->chunk_frames) > VS__SLACK_FRAMES)
            c->chunk_frames -= c->chunk_frames / 8 + 1;
        if (vs_resampler_max_out(c->resampler, 0) > VS__SLACK_FRAMES)
            return -EINVAL;
    }
    if (config->high_pass_hz > 0)
        vs__highpass_init(&c->highpass, c->dsp, VS_RATE_HZ, (double)config->high_pass_hz);
    return 0;
}

static int create_wide(struct vs__chain *c)
{
    const struct vs__chain_config *config = &c->config;
    uint32_t late = config->vad_shape.latency_frames + config->vad_shape.block_frames;
    struct vs__wide_config wide = {.dsp = c->dsp,
                                   .cpu_name = config->cpu_name,
                                   .rate_hz = config->rate_hz,
                                   .channels = config->channels,
                                   .format = config->format,
                                   .channel = config->channel,
                                   .out_hz = config->wide_hz,
                                   .out_channels = config->wide_channels,
                                   .high_pass_hz = config->high_pass_hz,
                                   .denoise = config->wide_enhance & VS_ENHANCE_DENOISE,
                                   .level = config->wide_enhance & VS_ENHANCE_LEVEL,
                                   .late_hops = late / VS_HOP_FRAMES + 2,
                                   .emit = config->sink.wide,
                                   .user = config->sink.user};

    return vs__wide_create(&wide, &c->wide);
}

int vs__chain_create(const struct vs__chain_config *config, struct vs__chain **ret)
{
    struct vs__chain *c = vs__alloc(sizeof(*c));
    int rc = -ENOMEM;

    if (!c)
        return rc;
    c->config = *config;
    rc = create_stages(c);
    if (rc < 0)
        goto fail;
    uint32_t own = count_own_blocks(config);
    bool heard = config->audio_all || config->audio_segments || config->enhance;
    c->level_count = own * VS__BLOCK_HOPS;
    c->levels = vs__alloc(c->level_count * sizeof(*c->levels));
    c->gather = vs__alloc(config->vad_shape.block_frames * sizeof(float));
    c->buckets = vs__alloc(count_histograms(config) *
                           VS__HISTOGRAM_BUCKETS(histogram_bits(config)) * sizeof(*c->buckets));
    rc = c->levels && c->gather && c->buckets ? 0 : -ENOMEM;
    if (rc == 0 && c->resampler && !(c->chunk = vs__alloc(CHUNK_FRAMES * sizeof(float))))
        rc = -ENOMEM;
    if (rc == 0)
        rc = vs__timeline_init(&c->line, heard ? own : 0, config->spare_blocks);
    if (rc == 0 && config->enhance)
        rc = vs__enhance_create(c->dsp, config->enhance, own + config->spare_blocks, &c->enhance);
    if (rc == 0 && config->audio_wide)
        rc = create_wide(c);
    if (rc < 0)
        goto fail;
    begin_metrics(c);
    c->line.enhance = c->enhance;
    c->line.enhance_text = config->enhance_text;
    vs__segmenter_init(&c->segmenter, &config->rules);
    begin_run(c);
    *ret = c;
    return 0;
fail:
    vs__chain_destroy(c);
    return rc;
}

void vs__chain_destroy(struct vs__chain *c)
{
    if (!c)
        return;
    vs__enhance_destroy(c->enhance);
    vs__wide_destroy(c->wide);
    vs__timeline_fini(&c->line);
    vs_resampler_destroy(c->resampler);
    vs__mono_fini(&c->mono);
    vs__free(c->levels);
    vs__free(c->buckets);
    vs__free(c->chunk);
    vs__free(c->gather);
    vs__free(c);
}
