/* SPDX-License-Identifier: MIT */
/* The whole path: what a device gives in 10 ms, 48 kHz stereo of 16 bits, to enhanced audio, voice
   activity and segments at 16 kHz; beside speexdsp's noise suppression, level control and voice
   activity, which begin at 16 kHz mono. The same with poisoned input. And how long it all takes to
   come out. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <voicestand/voicestand.h>

#include "common/bench.h"
#include "pipeline/backends.h"
#include "pipeline/chain.h"
#include "segment/segment.h"
#include "sides/side.h"

#ifdef BENCH_SPEEXDSP
#include <speex/speex_preprocess.h>
#endif

#define RATE     48000
#define FRAMES   (RATE / 100)
#define BLOCKS   400 /* of speech-like sound, gone through again and again */
#define CHANNELS 2

/* Syllables over quiet noise: both kinds of work in their usual share. */
static float sound(size_t i, uint32_t *seed)
{
    double t = (double)i / RATE, syllable = fmax(0, sin(2 * 3.14159265 * 4 * t));
    double voice = 0;

    for (int k = 1; k < 12; k++)
        voice += sin(2 * 3.14159265 * 140 * k * t) / k;
    *seed = *seed * 1664525u + 1013904223u;
    double on = fmod(t, 2) < 1.2 ? 0.12 : 0;
    return (float)(on * syllable * voice + 0.003 * ((double)(int32_t)*seed / 2147483648.0));
}

static int16_t audio[BLOCKS][FRAMES * CHANNELS];
static float audio_float[BLOCKS][FRAMES * CHANNELS];

static void make_audio(void)
{
    uint32_t seed = 1;

    for (size_t i = 0; i < (size_t)BLOCKS * FRAMES; i++) {
        float x = sound(i, &seed);
        for (size_t c = 0; c < CHANNELS; c++) {
            audio[i / FRAMES][i % FRAMES * CHANNELS + c] = (int16_t)lrintf(x * 32767);
            audio_float[i / FRAMES][i % FRAMES * CHANNELS + c] = x;
        }
    }
}

/* contenders ---------------------------------------------------------------------------------- */

struct path {
    vs_stream *stream;
    bool is_float;
    size_t at;
    double made; /* sum of the size of what came out */
    float poison;
    float block[FRAMES * CHANNELS];
};

static void hear(void *user, const struct vs_event *e)
{
    struct path *p = user;

    if (e->type == VS_EVENT_AUDIO && e->audio_frames > 0)
        p->made += fabs((double)e->audio[0]) + 1e-3;
}

static void open_path(struct path *p, const char *cpu, int format, uint32_t rate, uint32_t channels,
                      int enhance)
{
    struct vs_stream_config config = {.size = sizeof(config),
                                      .env = {.cpu = cpu},
                                      .rate_hz = rate,
                                      .channels = channels,
                                      .format = format,
                                      .audio = enhance ? VS_AUDIO_ALL : VS_AUDIO_NONE,
                                      .enhance = enhance,
                                      .on_event = hear,
                                      .user = p};

    if (vs_stream_create(&config, &p->stream) < 0)
        bench_die("no stream");
    p->is_float = format == VS_FORMAT_F32;
    p->made = 1; /* a path without audio has made nothing else */
}

static double run_path(void *state, size_t times)
{
    struct path *p = state;

    for (size_t i = 0; i < times; i++, p->at = (p->at + 1) % BLOCKS)
        if (vs_stream_push(p->stream, p->is_float ? (const void *)audio_float[p->at] : audio[p->at],
                           FRAMES))
            bench_die("the stream fails");
    return p->made;
}

/* A tenth of the samples, spread out, are what no sample may be; or all of them, where it is a
   number. */
static double run_poisoned(void *state, size_t times)
{
    struct path *p = state;

    for (size_t i = 0; i < times; i++, p->at = (p->at + 1) % BLOCKS) {
        memcpy(p->block, audio_float[p->at], sizeof(p->block));
        for (size_t k = 0; k < (size_t)FRAMES * CHANNELS; k += isfinite(p->poison) ? 1 : 10)
            p->block[k] = p->poison;
        if (vs_stream_push(p->stream, p->block, FRAMES))
            bench_die("the stream fails");
    }
    return p->made;
}

/* The same copy, of what was not poisoned. */
static double run_copied(void *state, size_t times)
{
    struct path *p = state;

    for (size_t i = 0; i < times; i++, p->at = (p->at + 1) % BLOCKS) {
        memcpy(p->block, audio_float[p->at], sizeof(p->block));
        if (vs_stream_push(p->stream, p->block, FRAMES))
            bench_die("the stream fails");
    }
    return p->made;
}

#ifdef BENCH_SPEEXDSP
struct speex {
    SpeexPreprocessState *state;
    size_t at;
    spx_int16_t block[VS_HOP_FRAMES];
};

static void open_speex(struct speex *s)
{
    int on = 1, suppress_db = -30;

    s->state = speex_preprocess_state_init(VS_HOP_FRAMES, VS_RATE_HZ);
    speex_preprocess_ctl(s->state, SPEEX_PREPROCESS_SET_DENOISE, &on);
    speex_preprocess_ctl(s->state, SPEEX_PREPROCESS_SET_NOISE_SUPPRESS, &suppress_db);
    speex_preprocess_ctl(s->state, SPEEX_PREPROCESS_SET_AGC, &on);
    speex_preprocess_ctl(s->state, SPEEX_PREPROCESS_SET_VAD, &on);
}

/* It gets every third frame of one channel: its own resampling is not counted against it. */
static double run_speex(void *state, size_t times)
{
    struct speex *s = state;
    double made = 1;

    for (size_t i = 0; i < times; i++, s->at = (s->at + 1) % BLOCKS) {
        for (size_t k = 0; k < VS_HOP_FRAMES; k++)
            s->block[k] = audio[s->at][3 * k * CHANNELS];
        made += speex_preprocess_run(s->state, s->block);
    }
    return made;
}
#endif

/* delays -------------------------------------------------------------------------------------- */

struct echo {
    uint64_t in;    /* source frames pushed */
    uint64_t first; /* of them, when the click came out; 0 = not yet */
    float loudest;
};

static void hear_click(void *user, const struct vs_event *e)
{
    struct echo *h = user;

    for (size_t i = 0; e->type == VS_EVENT_AUDIO && i < e->audio_frames; i++)
        if (fabsf(e->audio[i]) > h->loudest) {
            h->loudest = fabsf(e->audio[i]);
            h->first = h->in;
        }
}

/* Milliseconds from the click going in to its loudest sample coming out, pushed frame by frame; the
   enhancement leaves the first sound after silence alone, since that is all the noise it knows. */
static double measure_click(uint32_t rate, int enhance)
{
    struct echo h = {0};
    struct vs_stream_config config = {.size = sizeof(config),
                                      .rate_hz = rate,
                                      .channels = 1,
                                      .vad = "null",
                                      .audio = VS_AUDIO_ALL,
                                      .enhance = enhance,
                                      .high_pass_hz = -1,
                                      .on_event = hear_click,
                                      .user = &h};
    /* The last sample of a hop at 16 kHz, in source frames: what waits for the hop to be full is the
       hop, not the path. */
    uint64_t click = rate - rate / VS_RATE_HZ, most = 2 * (uint64_t)rate;
    vs_stream *s;

    if (vs_stream_create(&config, &s) < 0)
        bench_die("no stream");
    for (uint64_t i = 0; i < most; i++) {
        float x = i == click ? 0.5f : 0;
        h.in = i;
        if (vs_stream_push(s, &x, 1) < 0)
            bench_die("the stream fails");
    }
    vs_stream_destroy(s);
    return h.first > click ? 1e3 * (double)(h.first - click) / rate : 0;
}

struct decided {
    uint64_t in, hop_end, most;
};

static void note_decision(void *user, const struct vs_event *e)
{
    struct decided *d = user;

    if (e->type == VS_EVENT_PROBABILITY) {
        uint64_t wait = d->in + 1 > e->end_frame ? d->in + 1 - e->end_frame : 0;
        d->most = wait > d->most ? wait : d->most;
    }
}

/* Milliseconds from the last frame of a hop going in to its probability, the most of a second. */
static double measure_decision(uint32_t rate)
{
    struct decided d = {0};
    struct vs_stream_config config = {.size = sizeof(config),
                                      .rate_hz = rate,
                                      .channels = 1,
                                      .probabilities = 1,
                                      .on_event = note_decision,
                                      .user = &d};
    vs_stream *s;

    if (vs_stream_create(&config, &s) < 0)
        bench_die("no stream");
    for (d.in = 0; d.in < rate; d.in++) {
        float x = 0.01f * (float)(d.in % 7);
        if (vs_stream_push(s, &x, 1) < 0)
            bench_die("the stream fails");
    }
    vs_stream_destroy(s);
    return 1e3 * (double)d.most / rate;
}

/* all ----------------------------------------------------------------------------------------- */

static void add_paths(struct bench *b, const char *cpu)
{
    static struct path whole, detection;

    bench_group(b,
                &(struct bench_group){.name = "10 ms of 48 kHz stereo",
                                      .what = "10 ms of sound, to enhanced audio, voice activity "
                                              "and segments",
                                      .tolerance = -1,
                                      .times = bench_is_quick(b) ? 50 : 1000,
                                      .count_times = 100,
                                      .each = true});
    open_path(&whole, cpu, VS_FORMAT_S16, RATE, CHANNELS, VS_ENHANCE_DENOISE | VS_ENHANCE_LEVEL);
    bench_add(b, "voicestand", BENCH_OURS, run_path, &whole);
    open_path(&detection, cpu, VS_FORMAT_S16, RATE, CHANNELS, 0);
    bench_add(b, "voicestand, segments alone", BENCH_STEP, run_path, &detection);
#ifdef BENCH_SPEEXDSP
    static struct speex speex;
    open_speex(&speex);
    bench_add(b, "speexdsp, from 16 kHz mono", BENCH_PEER, run_speex, &speex);
#endif
    bench_within_ns(b, "voicestand", 8000);
    bench_at_most(b, "voicestand", "speexdsp, from 16 kHz mono", 0.6);
}

static void add_poisons(struct bench *b, const char *cpu)
{
    static const struct {
        const char *name;
        float value;
    } poisons[] = {{"NaN", NAN},    {"infinity", INFINITY}, {"denormals", 1e-40f},
                   {"huge", 1e30f}, {"full scale, DC", 1},  {"past full scale, DC", 1000}};
    static struct path paths[VS__COUNT(poisons) + 1];

    bench_group(b, &(struct bench_group){.name = "poisoned blocks",
                                         .what = "10 ms of float, 48 kHz stereo, of which a tenth "
                                                 "or all is what no sample may be",
                                         .tolerance = -1,
                                         .times = bench_is_quick(b) ? 20 : 300});
    for (size_t i = 0; i <= VS__COUNT(poisons); i++) {
        open_path(&paths[i], cpu, VS_FORMAT_F32, RATE, CHANNELS,
                  VS_ENHANCE_DENOISE | VS_ENHANCE_LEVEL);
        if (i > 0)
            paths[i].poison = poisons[i - 1].value;
        bench_add(b, i > 0 ? poisons[i - 1].name : "sound", i > 0 ? BENCH_OURS : BENCH_STEP,
                  i > 0 ? run_poisoned : run_copied, &paths[i]);
        if (i > 0)
            bench_at_most(b, poisons[i - 1].name, "sound", 2);
    }
}

/* what measuring costs ------------------------------------------------------------------------- */

/* The chain of the live pipeline, as it is and without its clock. */
struct measured {
    struct vs__chain *chain;
    struct vs__backend vad;
    bool live, unmeasured;
    size_t at;
};

static void ignore_step(void *user, const struct vs__chain_step *step)
{
    (void)user;
    (void)step;
}

static void open_measured(struct measured *m, unsigned cpu, const char *cpu_name)
{
    static struct vs_env env;
    struct vs__chain_config config = {.rate_hz = VS_RATE_HZ,
                                      .channels = 1,
                                      .format = VS_FORMAT_F32,
                                      .high_pass_hz = 80,
                                      .cpu = cpu,
                                      .cpu_name = cpu_name,
                                      .unmeasured = m->unmeasured,
                                      .sink.step = ignore_step};
    struct vs_segment_config rules = {.size = sizeof(rules)};
    const char *member;

    env.cpu = cpu_name;
    if (vs__segment_rules(&rules, &config.rules, &member) < 0 ||
        vs__vad_open(&m->vad, "native", NULL, &env, &config.vad_shape) < 0)
        bench_die("no detector");
    config.vad = m->vad.ops;
    config.vad_state = m->vad.state;
    if (vs__chain_create(&config, &m->chain) < 0)
        bench_die("no chain");
}

static double push_measured(void *state, size_t times)
{
    struct measured *m = state;

    for (size_t i = 0; i < times; i++) {
        int64_t time_ns = m->live ? 1 + (int64_t)m->at * 10000000 : 0;
        if (vs__chain_push(m->chain, side_tape(VS_HOP_FRAMES, m->at++), VS_HOP_FRAMES, time_ns) < 0)
            bench_die("the chain fails");
    }
    return 1;
}

static void add_measuring(struct bench *b, const char *cpu)
{
    static struct measured none = {.unmeasured = true}, eighth, every = {.live = true};
    unsigned flags = bench_dsp(b)->flags;

    bench_group(b,
                &(struct bench_group){.name = "cost of measuring",
                                      .what = "10 ms of 16 kHz through the chain, without its "
                                              "clock, with it for one hop of eight as with files "
                                              "and streams, and for every hop as with live audio",
                                      .times = bench_is_quick(b) ? 50 : 4000});
    open_measured(&none, flags, cpu);
    open_measured(&eighth, flags, cpu);
    open_measured(&every, flags, cpu);
    bench_add(b, "not measured", BENCH_STEP, push_measured, &none);
    bench_add(b, "one of eight", BENCH_OURS, push_measured, &eighth);
    bench_add(b, "every hop", BENCH_STEP, push_measured, &every);
    bench_at_most(b, "one of eight", "not measured", 1.01);
}

int main(int argc, char **argv)
{
    struct bench *b =
        bench_start(argc, argv, "path", "A stream as users have it, pushed 10 ms at a time.");
    const char *cpu = vs_cpu_name(bench_dsp(b)->flags);
    const int enhance = VS_ENHANCE_DENOISE;

    bench_peers(b, BENCH_PEERS);
    make_audio();
    add_paths(b, cpu);
    add_poisons(b, cpu);
    add_measuring(b, cpu);
    if (bench_is_count(b))
        return bench_finish(b);
    bench_figure(b, "enhanced audio behind its hop, 48 kHz", "ms", measure_click(48000, enhance),
                 -1, 10);
    bench_figure(b, "enhanced audio behind its hop, 16 kHz", "ms", measure_click(16000, enhance),
                 -1, 10);
    bench_figure(b, "audio that is not enhanced, 48 kHz", "ms", measure_click(48000, 0), 0, 0);
    bench_figure(b, "decision behind its hop, 48 kHz, the hop that it waits for included", "ms",
                 measure_decision(48000), 0, 0);
    bench_figure(b, "decision behind its hop, 48 kHz, that hop left out", "ms",
                 measure_decision(48000) - 10, -1, 6);
    return bench_finish(b);
}
