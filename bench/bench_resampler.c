/* SPDX-License-Identifier: MIT */
/* Resampling to 16 kHz mono beside soxr, libsamplerate and speexdsp: what 10 ms cost, and in the same
   program what they are worth. A resampler that lets everything fold back can have perfect tones, so
   aliases stand beside them; one that collects blocks is fast and late, so delay does too. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef BENCH_SOXR
#include <soxr.h>
#endif
#ifdef BENCH_SAMPLERATE
#include <samplerate.h>
#endif
#ifdef BENCH_SPEEXDSP
#include <speex/speex_resampler.h>
#endif

#include "common/bench.h"

enum {
    OUT_HZ = 16000,
    BLOCK_MOST = 480, /* 10 ms */
    OUT_MOST = 4096,  /* of one call: some give a long block at once */
    TONE_S_TENTHS = 8,
    SKIP = OUT_HZ / 4, /* output frames in which everything has settled */
    CLICKS = 20,
    CLICK_APART_TENTHS = 2, /* s: longer than any delay */
};

/* kinds of resampler -------------------------------------------------------------------------- */

struct kind {
    const char *name;
    enum bench_kind of;
    int quality;
    const char *cpu; /* ours */
    double drift_ppm;
    void *(*create)(const struct kind *k, uint32_t in_hz);
    size_t (*process)(void *r, const float *in, size_t n, float *out);
    void (*destroy)(void *r);
};

static void *create_ours(const struct kind *k, uint32_t in_hz)
{
    struct vs_resampler_config config = {.size = sizeof(config),
                                         .in_hz = in_hz,
                                         .out_hz = OUT_HZ,
                                         .quality = k->quality,
                                         .cpu = k->cpu,
                                         .adjustable = k->drift_ppm != 0};
    vs_resampler *r = NULL;

    if (vs_resampler_create(&config, &r) < 0 ||
        (config.adjustable && vs_resampler_set_drift(r, k->drift_ppm) < 0))
        bench_die("our resampler cannot be made");
    return r;
}

static size_t process_ours(void *r, const float *in, size_t n, float *out)
{
    return vs_resampler_process(r, in, n, out);
}

static void destroy_ours(void *r)
{
    vs_resampler_destroy(r);
}

#ifdef BENCH_SOXR
static void *create_soxr(const struct kind *k, uint32_t in_hz)
{
    soxr_io_spec_t io = soxr_io_spec(SOXR_FLOAT32_I, SOXR_FLOAT32_I);
    soxr_quality_spec_t quality = soxr_quality_spec((unsigned long)k->quality, 0);
    soxr_t r = soxr_create(in_hz, OUT_HZ, 1, NULL, &io, &quality, NULL);

    if (!r)
        bench_die("soxr cannot be made");
    return r;
}

static size_t process_soxr(void *r, const float *in, size_t n, float *out)
{
    size_t taken = 0, given = 0;

    if (soxr_process(r, in, n, &taken, out, OUT_MOST, &given) || taken != n)
        bench_die("soxr did not take its input");
    return given;
}

static void destroy_soxr(void *r)
{
    soxr_delete(r);
}
#endif

#ifdef BENCH_SAMPLERATE
struct src {
    SRC_STATE *state;
    double ratio;
};

static void *create_src(const struct kind *k, uint32_t in_hz)
{
    struct src *s = malloc(sizeof(*s));
    int error;

    if (!s || !(s->state = src_new(k->quality, 1, &error)))
        bench_die("libsamplerate cannot be made");
    s->ratio = (double)OUT_HZ / in_hz;
    return s;
}

static size_t process_src(void *r, const float *in, size_t n, float *out)
{
    struct src *s = r;
    SRC_DATA data = {.data_in = in,
                     .data_out = out,
                     .input_frames = (long)n,
                     .output_frames = OUT_MOST,
                     .src_ratio = s->ratio};

    if (src_process(s->state, &data) || data.input_frames_used != (long)n)
        bench_die("libsamplerate did not take its input");
    return (size_t)data.output_frames_gen;
}

static void destroy_src(void *r)
{
    struct src *s = r;

    src_delete(s->state);
    free(s);
}
#endif

#ifdef BENCH_SPEEXDSP
static void *create_speex(const struct kind *k, uint32_t in_hz)
{
    int error = 0;
    void *r = speex_resampler_init(1, in_hz, OUT_HZ, k->quality, &error);

    if (!r)
        bench_die("speexdsp cannot be made");
    return r;
}

static size_t process_speex(void *r, const float *in, size_t n, float *out)
{
    spx_uint32_t taken = (spx_uint32_t)n, given = OUT_MOST;

    if (speex_resampler_process_float(r, 0, in, &taken, out, &given) || taken != n)
        bench_die("speexdsp did not take its input");
    return given;
}

static void destroy_speex(void *r)
{
    speex_resampler_destroy(r);
}
#endif

#define OURS  create_ours, process_ours, destroy_ours
#define SOXR  NULL, 0, create_soxr, process_soxr, destroy_soxr
#define SRC   NULL, 0, create_src, process_src, destroy_src
#define SPEEX NULL, 0, create_speex, process_speex, destroy_speex

static struct kind kinds[] = {
    {"voicestand", BENCH_OURS, 0, NULL, 0, OURS},
    {"voicestand, high", BENCH_STEP, 1, NULL, 0, OURS},
    {"voicestand, drift of 37 ppm", BENCH_STEP, 0, NULL, 37, OURS},
    {"voicestand, plain C", BENCH_STEP, 0, "c", 0, OURS},
#ifdef BENCH_SOXR
    {"soxr QQ", BENCH_PEER, SOXR_QQ, SOXR},
    {"soxr MQ", BENCH_PEER, SOXR_MQ, SOXR},
    {"soxr HQ", BENCH_PEER, SOXR_HQ, SOXR},
    {"soxr VHQ", BENCH_PEER, SOXR_VHQ, SOXR},
#endif
#ifdef BENCH_SAMPLERATE
    {"libsamplerate fastest", BENCH_PEER, SRC_SINC_FASTEST, SRC},
    {"libsamplerate medium", BENCH_PEER, SRC_SINC_MEDIUM_QUALITY, SRC},
#endif
#ifdef BENCH_SPEEXDSP
    {"speexdsp q3", BENCH_PEER, 3, SPEEX},
    {"speexdsp q5", BENCH_PEER, 5, SPEEX},
    {"speexdsp q10", BENCH_PEER, 10, SPEEX},
#endif
};

/* cost ---------------------------------------------------------------------------------------- */

struct work {
    const struct kind *kind;
    void *resampler;
    size_t block;
    float in[BLOCK_MOST], out[OUT_MOST];
};

static double run_block(void *state, size_t times)
{
    struct work *w = state;
    size_t made = 0;

    for (size_t i = 0; i < times; i++)
        made += w->kind->process(w->resampler, w->in, w->block, w->out);
    return made ? fabs((double)w->out[0]) + 1 : 1;
}

/* quality ------------------------------------------------------------------------------------- */

struct tone {
    double gain_db; /* of the tone where it belongs */
    double rest_db; /* of all else, relative to the input */
    double all_db;
};

/* What becomes of a tone that is fed in blocks of 10 ms; it is fitted by least squares. */
static struct tone measure_tone(const struct kind *k, uint32_t in_hz, double hz)
{
    const double turn = 2 * 3.14159265358979323846;
    static float out[OUT_HZ * TONE_S_TENTHS / 10 + OUT_MOST];
    float in[BLOCK_MOST];
    void *r = k->create(k, in_hz);
    size_t n = 0, block = in_hz / 100;
    double ss = 0, cc = 0, sc = 0, ys = 0, yc = 0, yy = 0, rest = 0;

    for (size_t at = 0; at < in_hz * TONE_S_TENTHS / 10; at += block) {
        for (size_t i = 0; i < block; i++)
            in[i] = (float)sin(turn * hz * (double)(at + i) / in_hz);
        n += k->process(r, in, block, out + n);
    }
    k->destroy(r);
    for (size_t i = SKIP; i < n; i++) {
        double s = sin(turn * hz * (double)i / OUT_HZ), c = cos(turn * hz * (double)i / OUT_HZ);
        double y = (double)out[i];
        ss += s * s;
        cc += c * c;
        sc += s * c;
        ys += y * s;
        yc += y * c;
        yy += y * y;
    }
    double det = ss * cc - sc * sc, a = (ys * cc - yc * sc) / det, b = (yc * ss - ys * sc) / det;
    for (size_t i = SKIP; i < n; i++) {
        double s = sin(turn * hz * (double)i / OUT_HZ), c = cos(turn * hz * (double)i / OUT_HZ);
        double e = (double)out[i] - a * s - b * c;
        rest += e * e;
    }
    double power = 0.5 * (double)(n - SKIP);
    return (struct tone){20 * log10(hypot(a, b) + 1e-15), 10 * log10(rest / power + 1e-30),
                         10 * log10(yy / power + 1e-30)};
}

/* From a click to the call that gave its peak, frame by frame, at the worst of its places. */
static double measure_delay_ms(const struct kind *k, uint32_t in_hz)
{
    float out[OUT_MOST];
    void *r = k->create(k, in_hz);
    size_t apart = in_hz * CLICK_APART_TENTHS / 10, worst = 0;

    for (size_t click = 1; click <= CLICKS; click++) {
        size_t late = 0;
        float most = 0;
        for (size_t i = 0; i < apart + 37; i++) { /* 37: not always the same place in a block */
            float x = i == 0;
            size_t n = k->process(r, &x, 1, out);
            for (size_t j = 0; j < n; j++)
                if (fabsf(out[j]) > most) {
                    most = fabsf(out[j]);
                    late = i;
                }
        }
        worst = late > worst ? late : worst;
    }
    k->destroy(r);
    return 1e3 * (double)worst / in_hz;
}

/* Figures of one kind; with `bars`, what is wanted of them. */
static void add_figures(struct bench *b, const struct kind *k, uint32_t in_hz, bool bars)
{
    static char names[4 * 2 * VS__COUNT(kinds)][96];
    static size_t used;
    double sinad_db = HUGE_VAL, alias_db = -HUGE_VAL, step = bench_is_quick(b) ? 2000.3 : 100.3;

    for (double hz = 100.7; hz <= 7000; hz += 5 * step) {
        struct tone t = measure_tone(k, in_hz, hz);
        sinad_db = fmin(sinad_db, t.gain_db - t.rest_db);
    }
    for (double hz = 9000; hz < in_hz / 2; hz += hz < 9600 ? step / 10 : step) /* first lobes */
        alias_db = fmax(alias_db, measure_tone(k, in_hz, hz).all_db);
    const struct {
        const char *what, *unit;
        double value, limit;
        int direction;
    } figures[] = {
        {"SINAD, worst of 0.1 to 7 kHz", "dB", sinad_db, 120, 1},
        {"alias, worst from 9 kHz on", "dB", alias_db, -100, -1},
        {"loss at 7.5 kHz", "dB", -measure_tone(k, in_hz, 7500).gain_db, 0.3, -1},
        {"delay", "ms", measure_delay_ms(k, in_hz), 2.5, -1},
    };
    for (size_t i = 0; i < VS__COUNT(figures); i++) {
        char *name = names[used++];
        snprintf(name, sizeof(names[0]), "%s, %g kHz: %s", k->name, in_hz / 1e3, figures[i].what);
        bench_figure(b, name, figures[i].unit, figures[i].value, bars ? figures[i].direction : 0,
                     figures[i].limit);
    }
}

/* all ------------------------------------------------------------------------------------------ */

static void add_rate(struct bench *b, uint32_t in_hz, const char *name, double of_speex)
{
    static struct work work[2][VS__COUNT(kinds)];
    struct work *w = work[in_hz == 48000];

    bench_group(b, &(struct bench_group){.name = name,
                                         .what = "10 ms of mono float to 16 kHz",
                                         .tolerance = -1,
                                         .times = 4000, /* what ran before must not matter */
                                         .count_times = 100});
    for (size_t i = 0; i < VS__COUNT(kinds); i++) {
        if (bench_is_count(b) && kinds[i].of != BENCH_OURS)
            continue;
        w[i].kind = &kinds[i];
        w[i].resampler = kinds[i].create(&kinds[i], in_hz); /* the process owns it to its end */
        w[i].block = in_hz / 100;
        for (size_t k = 0; k < BLOCK_MOST; k++)
            w[i].in[k] = sinf((float)k * 0.1f) * 0.5f + sinf((float)k * 1.3f) * 0.3f;
        bench_add(b, kinds[i].name, kinds[i].of, run_block, &w[i]);
    }
    bench_at_most(b, "voicestand", "soxr HQ", 1.0);
    bench_at_most(b, "voicestand", "speexdsp q5", of_speex);
}

int main(int argc, char **argv)
{
    struct bench *b =
        bench_start(argc, argv, "resampler",
                    "Resampling to 16 kHz mono, streamed in blocks of 10 ms, and what "
                    "it is worth: tones, what folds back, loss, and delay as used.");

    bench_peers(b, BENCH_PEERS);
    for (size_t i = 0; i < VS__COUNT(kinds); i++)
        if (kinds[i].of != BENCH_PEER && !kinds[i].cpu)
            kinds[i].cpu = vs_cpu_name(bench_dsp(b)->flags);
    add_rate(b, 48000, "48 kHz to 16 kHz", 0.35);
    add_rate(b, 44100, "44.1 kHz to 16 kHz", 0.12);
    for (size_t i = 0; i < VS__COUNT(kinds) && !bench_is_count(b); i++)
        if (kinds[i].of != BENCH_STEP || kinds[i].quality) {
            add_figures(b, &kinds[i], 48000, i == 0);
            add_figures(b, &kinds[i], 44100, i == 0);
        }
    return bench_finish(b);
}
