/* SPDX-License-Identifier: MIT */
/* What level control does to real speech, beside peers that are installed: each recording is brought
   to a loudness, noise is laid under it, full scale clips it, and each candidate hears the result.
   Loudness and peaks are those of libebur128. Writes JSON to standard output, one row for each
   candidate, level and recording; scripts/level-table makes a page of them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ebur128.h>
#include <voicestand/voicestand.h>

#include "base/base.h"
#include "peer_webrtc.h"
#include "dsp/level.h"

#ifdef BENCH_SPEEXDSP
#include <speex/speex_preprocess.h>
#endif

#define RATE      VS_RATE_HZ
#define HOP       VS_HOP_FRAMES
#define LEAD      (1 * RATE)  /* noise alone before the speech */
#define LONGEST   (30 * RATE) /* of speech */
#define MOST      (LEAD + LONGEST)
#define SETTLED   (LEAD + 5 * RATE) /* from here on the output's loudness is judged */
#define FIRST     (3 * RATE)        /* of speech: the first words */
#define BLOCK     (RATE / 10)       /* of pauses */
#define BLOCKS    (MOST / BLOCK)
#define NOISE_LU  (-35.0) /* under the speech */
#define PAUSE_DB  (-30.0) /* blocks of the clean speech this far under it are pauses */
#define NO_FIGURE (-999.0)

static const double levels_lufs[] = {-45, -40, -35, -30, -25, -20, -15, -10, -5};
#define LEVELS VS__COUNT(levels_lufs)

static void die(const char *what)
{
    fprintf(stderr, "bench_level: %s\n", what);
    exit(1);
}

/* candidates ---------------------------------------------------------------------------------- */

struct sound {
    float *pcm;
    size_t frames;
};

static void keep_audio(void *user, const struct vs_event *e)
{
    struct sound *s = user;

    if (e->type != VS_EVENT_AUDIO)
        return;
    s->pcm = realloc(s->pcm, (s->frames + e->audio_frames) * sizeof(float));
    if (!s->pcm)
        die("no memory");
    memcpy(s->pcm + s->frames, e->audio, e->audio_frames * sizeof(float));
    s->frames += e->audio_frames;
}

static void run_stream(const float *in, float *out, size_t frames, int enhance)
{
    struct sound got = {0};
    struct vs_stream_config config = {.size = sizeof(config), .on_event = keep_audio, .user = &got};
    vs_stream *s;

    config.audio = VS_AUDIO_ALL;
    config.enhance = enhance;
    if (vs_stream_create(&config, &s) < 0 || vs_stream_push(s, in, frames) < 0 ||
        vs_stream_finish(s) < 0 || got.frames != frames)
        die("the stream fails");
    vs_stream_destroy(s);
    memcpy(out, got.pcm, frames * sizeof(float));
    free(got.pcm);
}

static void run_own(const float *in, float *out, size_t frames)
{
    run_stream(in, out, frames, VS_ENHANCE_LEVEL);
}

static void run_both(const float *in, float *out, size_t frames)
{
    run_stream(in, out, frames, VS_ENHANCE_LEVEL | VS_ENHANCE_DENOISE);
}

#if defined(BENCH_SPEEXDSP) || defined(BENCH_WEBRTC)
static void to_s16(int16_t *to, const float *from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (int16_t)lrintf(fminf(fmaxf(from[i] * 32768, -32768), 32767));
}
#endif

#ifdef BENCH_SPEEXDSP
static void run_speex(const float *in, float *out, size_t frames)
{
    SpeexPreprocessState *s = speex_preprocess_state_init(HOP, RATE);
    int on = 1, off = 0;
    int16_t pcm[HOP];

    speex_preprocess_ctl(s, SPEEX_PREPROCESS_SET_DENOISE, &off);
    speex_preprocess_ctl(s, SPEEX_PREPROCESS_SET_AGC, &on);
    for (size_t i = 0; i + HOP <= frames; i += HOP) {
        to_s16(pcm, in + i, HOP);
        speex_preprocess_run(s, pcm);
        for (size_t k = 0; k < HOP; k++)
            out[i + k] = (float)pcm[k] / 32768;
    }
    speex_preprocess_state_destroy(s);
}
#endif

#ifdef BENCH_WEBRTC
static void run_webrtc(const float *in, float *out, size_t frames)
{
    void *s = bench_webrtc_open();
    int16_t pcm[HOP];

    if (!s)
        die("webrtc-audio-processing does not open");
    for (size_t i = 0; i + HOP <= frames; i += HOP) {
        to_s16(pcm, in + i, HOP);
        bench_webrtc_hop(s, pcm);
        for (size_t k = 0; k < HOP; k++)
            out[i + k] = (float)pcm[k] / 32768;
    }
    bench_webrtc_close(s);
}
#endif

static const struct candidate {
    const char *name;
    void (*run)(const float *in, float *out, size_t frames);
} candidates[] = {
    {"voicestand", run_own},
    {"voicestand, noise lowered first", run_both},
#ifdef BENCH_SPEEXDSP
    {"speexdsp, AGC", run_speex},
#endif
#ifdef BENCH_WEBRTC
    {"webrtc-audio-processing, adaptive digital gain and limiter", run_webrtc},
#endif
};

/* measures ------------------------------------------------------------------------------------ */

/* Loudness of a piece, or its largest true peak in dB. */
static double measure(const float *pcm, size_t frames, int mode)
{
    ebur128_state *e = ebur128_init(1, RATE, mode);
    double ret = 0, peak = 0;

    if (!e || ebur128_add_frames_float(e, pcm, frames) != 0)
        die("libebur128 fails");
    if (mode == EBUR128_MODE_I)
        (void)ebur128_loudness_global(e, &ret);
    else if (ebur128_true_peak(e, 0, &peak) == 0)
        ret = 20 * log10(peak + 1e-10);
    ebur128_destroy(&e);
    return isfinite(ret) ? ret : NO_FIGURE;
}

static double energy_db(const float *x, size_t n)
{
    double sum = 1e-20;

    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return 10 * log10(sum / (double)n);
}

/* Of differences of neighbours, so that what a high-pass takes away counts for nothing. */
static double bright_db(const float *x, size_t n)
{
    double sum = 1e-20;

    for (size_t i = 1; i < n; i++)
        sum += ((double)x[i] - (double)x[i - 1]) * ((double)x[i] - (double)x[i - 1]);
    return 10 * log10(sum / (double)n);
}

/* Gain by blocks, dB. */
struct gains {
    double db[BLOCKS];
    bool pause[BLOCKS];
    size_t blocks, first; /* of speech */
};

static void find_gains(const float *clean, const float *in, const float *out, size_t frames,
                       struct gains *ret)
{
    double speech = energy_db(clean + LEAD, frames - LEAD);

    ret->blocks = frames / BLOCK;
    ret->first = ret->blocks;
    for (size_t b = 0; b < ret->blocks; b++) {
        ret->db[b] = bright_db(out + b * BLOCK, BLOCK) - bright_db(in + b * BLOCK, BLOCK);
        ret->pause[b] = energy_db(clean + b * BLOCK, BLOCK) < speech + PAUSE_DB;
        if (!ret->pause[b] && ret->first == ret->blocks)
            ret->first = b;
    }
}

/* Most that the gain rises from the second block of a pause to a later one, of all pauses. */
static double find_rise(const struct gains *g)
{
    double most = NO_FIGURE;

    for (size_t b = g->first, begin = 0; b < g->blocks; b++) {
        if (!g->pause[b]) {
            begin = 0;
            continue;
        }
        begin = begin ? begin : b + 1;
        if (b > begin)
            most = fmax(most, g->db[b] - g->db[begin]);
    }
    return most;
}

/* Most that noise alone is lifted once a second is over, dB. */
static double find_lift(const float *in, const float *out, size_t frames)
{
    double most = NO_FIGURE;

    for (size_t b = 10; b < frames / BLOCK; b++)
        if (bright_db(in + b * BLOCK, BLOCK) > -90)
            most = fmax(most, bright_db(out + b * BLOCK, BLOCK) - bright_db(in + b * BLOCK, BLOCK));
    return most;
}

/* sounds -------------------------------------------------------------------------------------- */

static struct sound load(const char *file, const char *modules)
{
    char name[1024];
    struct sound s = {0};
    struct vs_pipeline_config config = {.size = sizeof(config), .capture = name, .vad = "null"};
    vs_pipeline *p;

    snprintf(name, sizeof(name), "file:%s", file);
    config.env.module_dir = modules;
    config.high_pass_hz = -1;
    config.audio = VS_AUDIO_ALL;
    config.on_event = keep_audio;
    config.user = &s;
    if (vs_pipeline_create(&config, &p) < 0 || vs_pipeline_run(p) < 0 || s.frames == 0)
        die(file);
    vs_pipeline_destroy(p);
    s.frames = VS__MIN(s.frames, (size_t)LONGEST) / HOP * HOP;
    return s;
}

/* Pink noise: three first-order filters, 3 dB per octave within 0.5 dB. */
static void make_noise(float *to, size_t frames)
{
    double b[3] = {0};
    uint32_t seed = 1;

    for (size_t i = 0; i < frames; i++) {
        seed = seed * 1664525u + 1013904223u;
        double white = (double)(int32_t)seed / 2147483648.0;
        b[0] = 0.99765 * b[0] + white * 0.0990460;
        b[1] = 0.96300 * b[1] + white * 0.2965164;
        b[2] = 0.57000 * b[2] + white * 1.0526913;
        to[i] = (float)(b[0] + b[1] + b[2] + white * 0.1848);
    }
}

static float clean[MOST], noise[MOST], in[MOST], out[MOST];
static struct gains gains;

/* `speech` at a loudness behind a second of noise; full scale clips the sum. @return frames. */
static size_t mix(const struct sound *speech, double lufs)
{
    double own = measure(speech->pcm, speech->frames, EBUR128_MODE_I);
    double scale = pow(10, (lufs - own) / 20);
    double hiss = pow(10, (lufs + NOISE_LU - measure(noise, MOST, EBUR128_MODE_I)) / 20);
    size_t frames = LEAD + speech->frames;

    memset(clean, 0, sizeof(clean));
    for (size_t i = 0; i < frames; i++) {
        if (i >= LEAD)
            clean[i] = (float)(scale * (double)speech->pcm[i - LEAD]);
        in[i] = fminf(fmaxf(clean[i] + (float)(hiss * (double)noise[i]), -1), 1);
    }
    return frames;
}

/* rows ---------------------------------------------------------------------------------------- */

static const char *comma = "";

static void print_speech(const struct sound *speech, const char *file)
{
    for (size_t l = 0; l < LEVELS; l++) {
        size_t frames = mix(speech, levels_lufs[l]);
        for (size_t c = 0; c < VS__COUNT(candidates); c++) {
            float most = 0;
            candidates[c].run(in, out, frames);
            find_gains(clean, in, out, frames, &gains);
            for (size_t i = 0; i < frames; i++)
                most = fmaxf(most, fabsf(out[i]));
            printf("%s\n {\"name\": \"%s\", \"file\": \"%s\", \"in_lufs\": %.0f, "
                   "\"lufs\": %.3f, \"first_lufs\": %.3f, \"next_lufs\": %.3f, "
                   "\"rise_db\": %.3f, \"peak_db\": %.3f, \"true_peak_db\": %.3f}",
                   comma, candidates[c].name, file, levels_lufs[l],
                   measure(out + SETTLED, frames - SETTLED, EBUR128_MODE_I),
                   measure(out + gains.first * BLOCK, FIRST, EBUR128_MODE_I),
                   measure(out + gains.first * BLOCK + FIRST, FIRST, EBUR128_MODE_I),
                   find_rise(&gains), 20 * log10((double)most + 1e-10),
                   measure(out, frames, EBUR128_MODE_TRUE_PEAK));
            comma = ",";
        }
    }
}

static void print_noise(const struct sound *s, const char *file)
{
    for (size_t l = 0; l < LEVELS - 3; l++) {
        double own = measure(s->pcm, s->frames, EBUR128_MODE_I);
        double scale = pow(10, (levels_lufs[l] - own) / 20);
        for (size_t i = 0; i < s->frames; i++)
            in[i] = fminf(fmaxf((float)(scale * (double)s->pcm[i]), -1), 1);
        for (size_t c = 0; c < VS__COUNT(candidates); c++) {
            candidates[c].run(in, out, s->frames);
            printf(
                ",\n {\"name\": \"%s\", \"noise\": \"%s\", \"in_lufs\": %.0f, \"lift_db\": %.2f}",
                candidates[c].name, file, levels_lufs[l], find_lift(in, out, s->frames));
        }
    }
}

/* What in each 10 ms of `out` is not a multiple of `in`, dB under what is: a gain that moves slowly
   is no distortion, one that moves within a period is. */
static double residue_db(size_t from, size_t frames)
{
    double rest = 1e-30, kept = 1e-30;

    for (; from + HOP <= frames; from += HOP) {
        double ii = 1e-30, io = 0, oo = 0;
        for (size_t i = from; i < from + HOP; i++) {
            ii += (double)in[i] * (double)in[i];
            io += (double)in[i] * (double)out[i];
            oo += (double)out[i] * (double)out[i];
        }
        rest += fmax(oo - io * io / ii, 0);
        kept += io * io / ii;
    }
    return 10 * log10(rest / kept);
}

/* Tones and speech that pass the ceiling, through the limiter alone and cut off at it. */
static void print_limiter(const struct sound *speech)
{
    static const double tones_hz[] = {100, 997, 3001}, over_db[] = {1, 3, 6, 12};

    for (size_t k = 0; k < (VS__COUNT(tones_hz) + 1) * VS__COUNT(over_db); k++) {
        size_t tone = k / VS__COUNT(over_db), frames = 4 * RATE;
        double over = over_db[k % VS__COUNT(over_db)], residue[3];
        double peak = 1e-9, want = (double)VS__LEVEL_CEILING * pow(10, over / 20);
        bool is_tone = tone < VS__COUNT(tones_hz);
        frames = is_tone ? frames : VS__MIN(speech->frames, (size_t)(8 * RATE));
        for (size_t i = 0; i < frames; i++) {
            in[i] = is_tone ? (float)sin(2 * 3.14159265358979 * tones_hz[tone] * (double)i / RATE)
                            : speech->pcm[i];
            peak = fmax(peak, fabs((double)in[i]));
        }
        for (size_t i = 0; i < frames; i++)
            in[i] = (float)((double)in[i] * want / peak);
        for (int way = 0; way < 3; way++) {
            struct vs__limiter l;
            size_t ahead = way == 1 ? vs__limiter_ahead(RATE) : 0;
            vs__limiter_init(&l, RATE);
            memcpy(out, in, frames * sizeof(float));
            for (size_t i = 0; i + HOP + ahead <= frames && way < 2; i += HOP)
                vs__limiter_block(&l, out + i, 1, HOP, ahead);
            for (size_t i = 0; i < frames && way == 2; i++)
                out[i] = fmaxf(fminf(in[i], VS__LEVEL_CEILING), -VS__LEVEL_CEILING);
            residue[way] = residue_db(is_tone ? RATE : 0, frames - 2 * HOP);
        }
        printf(",\n {\"limiter\": \"%s\", \"hz\": %.0f, \"over_db\": %.0f, \"hop_db\": %.1f, "
               "\"ahead_db\": %.1f, \"clipped_db\": %.1f}",
               is_tone ? "sine" : "speech", is_tone ? tones_hz[tone] : 0, over, residue[0],
               residue[1], residue[2]);
    }
}

static void print_machine(void)
{
    printf("{\"target_lufs\": %.0f, \"ceiling_db\": %.2f, \"noise_lu\": %.0f, \"compiler\": "
           "\"%s\", \"kernels\": \"%s\", \"rows\": [",
           VS__LEVEL_TARGET_LUFS, 20 * log10((double)VS__LEVEL_CEILING), NOISE_LU, __VERSION__,
           vs_cpu_name(vs_cpu_detect()));
}

static void say_missing(void)
{
#ifndef BENCH_SPEEXDSP
    fprintf(stderr, "bench_level: speexdsp: skipped, not installed when this was built\n");
#endif
#ifndef BENCH_WEBRTC
    fprintf(stderr, "bench_level: webrtc-audio-processing: skipped, not installed when this was "
                    "built\n");
#endif
}

int main(int count, char **arguments)
{
    int noises = 0;

    if (count < 3)
        die("usage: bench_level MODULE-FOLDER SPEECH... -- NOISE...");
    say_missing();
    make_noise(noise, MOST);
    print_machine();
    for (int i = 2; i < count; i++) {
        if (strcmp(arguments[i], "--") == 0) {
            noises = 1;
            continue;
        }
        struct sound s = load(arguments[i], arguments[1]);
        const char *name = strrchr(arguments[i], '/') ? strrchr(arguments[i], '/') + 1 : "";
        if (noises)
            print_noise(&s, name);
        else
            print_speech(&s, name);
        if (i == 2)
            print_limiter(&s);
        free(s.pcm);
    }
    printf("\n]}\n");
    return 0;
}
