/* SPDX-License-Identifier: MIT */
/* Quality and cost of the noise suppressor beside peers that are installed: mixtures of clean
   speech and noise are made here from a fixed seed, costs are taken in alternated rounds of one
   run. Writes JSON to standard output, and spectrograms of one mixture to a file (PGM). */
#include <errno.h>
#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <voicestand/voicestand.h>

#include "base/base.h"
#include "peer_webrtc.h"
#include "dsp/denoise.h"

#ifdef BENCH_SPEEXDSP
#include <speex/speex_preprocess.h>
#endif

#define HOP            VS_HOP_FRAMES
#define LEAD           VS_RATE_HZ       /* noise alone before the speech */
#define LONGEST        (8 * VS_RATE_HZ) /* of speech */
#define MOST           (LEAD + LONGEST + HOP)
#define LAGS           321 /* delays that a suppressor may have */
#define PICTURE_WINDOW 512
#define PICTURE_BINS   (PICTURE_WINDOW / 2)
#define SHIFT          256
#define ROUNDS         15
#define FRAMES         400 /* per round and candidate */

struct sound {
    float *pcm;
    size_t frames;
};

/* The cleanest recording of each of five speakers, by the level of its pauses. */
static const char *const speech_files[] = {
    "dictation/so_005630127.wav", "dictation/cheetah_test_en.wav", "dictation/so_020590121.wav",
    "dictation/lj_LJ001-0007.wav", "dictation/so_004570137.wav"};
static const char *const noise_files[] = {
    "noise/dev/ambient/blanket_boat.flac",        "noise/dev/ambient/blanket_summer-night.flac",
    "noise/dev/room/stp_background.flac",         "noise/dev/esc10-rain/4-180380-A.flac",
    "noise/dev/esc10-helicopter/4-193480-A.flac", "noise/dev/keyboard/mbp-zoom_k.flac",
};
static const char *const made_noises[] = {"white", "pink", "hum", "babble"};
static const double levels_db[] = {0, 5, 10, 15};

#define SPEECHES VS__COUNT(speech_files)
#define MADE     VS__COUNT(made_noises)
#define NOISES   (MADE + VS__COUNT(noise_files))
#define LEVELS   VS__COUNT(levels_db)
#define MANY     64 /* at most that many recordings of noise */

/* sounds -------------------------------------------------------------------------------------- */

static uint32_t seed = 1;

static double draw(void) /* -1..1 */
{
    seed = seed * 1664525u + 1013904223u;
    return (double)(int32_t)seed / 2147483648.0;
}

static void die(const char *what)
{
    fprintf(stderr, "bench_enhance: %s\n", what);
    exit(1);
}

static struct sound new_sound(size_t frames)
{
    struct sound s = {calloc(frames, sizeof(float)), frames};

    if (!s.pcm)
        die("no memory");
    return s;
}

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

static void say_sentence(void *user, int level, const char *topic, const char *message)
{
    (void)user;
    if (level == VS_LOG_ERROR)
        fprintf(stderr, "bench_enhance: %s: %s\n", topic, message);
}

static struct sound load(const char *folder, const char *file, const char *modules)
{
    char name[1024];
    struct sound s = {0};
    struct vs_pipeline_config config = {.size = sizeof(config), .capture = name, .vad = "null"};
    vs_pipeline *p;

    snprintf(name, sizeof(name), "file:%s/%s", folder, file);
    config.env.log.write = say_sentence;
    config.env.module_dir = modules;
    config.high_pass_hz = -1;
    config.audio = VS_AUDIO_ALL;
    config.on_event = keep_audio;
    config.user = &s;
    if (vs_pipeline_create(&config, &p) < 0 || vs_pipeline_run(p) < 0)
        die(name);
    vs_pipeline_destroy(p);
    return s;
}

static struct sound make_noise(size_t kind, const struct sound *speech)
{
    struct sound s = new_sound(MOST);
    double b[3] = {0};

    for (size_t i = 0; i < MOST; i++) {
        double white = draw(), t = (double)i / VS_RATE_HZ, x = 0;
        switch (kind) {
        case 0:
            x = white;
            break;
        case 1: /* three first-order filters, 3 dB per octave within 0.5 dB */
            b[0] = 0.99765 * b[0] + white * 0.0990460;
            b[1] = 0.96300 * b[1] + white * 0.2965164;
            b[2] = 0.57000 * b[2] + white * 1.0526913;
            x = b[0] + b[1] + b[2] + white * 0.1848;
            break;
        case 2:
            for (int k = 1; k <= 20; k++)
                x += sin(2 * 3.14159265358979 * 50 * k * t + k * k) / k;
            x += 0.02 * white;
            break;
        default: /* nine voices, each somewhere in a recording */
            for (size_t v = 0; v < 9; v++) {
                const struct sound *one = &speech[v % SPEECHES];
                x += (double)one->pcm[(i + v * 7919) % one->frames];
            }
        }
        s.pcm[i] = (float)x;
    }
    return s;
}

static double power_of(const float *x, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    return sum / (double)n;
}

/* measures ------------------------------------------------------------------------------------ */

/* Scale-invariant signal to distortion ratio, dB, at the best delay. */
static double si_sdr(const float *clean, const float *out, size_t n, size_t lags)
{
    double best = -200;

    for (size_t lag = 0; lag < lags; lag += 1) {
        double cc = 0, co = 0, oo = 0;
        if (lag % 16)
            continue;
        for (size_t i = 0; i + lags < n; i++) {
            double c = (double)clean[i], o = (double)out[i + lag];
            cc += c * c;
            co += c * o;
            oo += o * o;
        }
        double target = co * co / (cc + 1e-30);
        double sdr = 10 * log10((target + 1e-30) / (oo - target + 1e-30));
        best = sdr > best ? sdr : best;
    }
    return best;
}

static struct vs__rfft *new_fft(void)
{
    static struct vs__dsp dsp;
    struct vs__rfft *fft = NULL;

    vs__dsp_init(&dsp, 0);
    if (vs__rfft_create(&dsp, PICTURE_WINDOW, &fft) < 0)
        die("no memory");
    return fft;
}

/* Powers under a Hann window. @return how many times */
static size_t spectrogram(struct vs__rfft *fft, const float *x, size_t frames,
                          float (*ret)[PICTURE_BINS])
{
    float part[PICTURE_WINDOW], spectrum[PICTURE_WINDOW + 2];
    size_t count = 0;

    for (size_t at = 0; at + PICTURE_WINDOW <= frames; at += SHIFT, count++) {
        for (size_t i = 0; i < PICTURE_WINDOW; i++) {
            double rise = sin(3.14159265358979 * ((double)i + 0.5) / PICTURE_WINDOW);
            part[i] = x[at + i] * (float)(rise * rise);
        }
        vs__rfft_forward(fft, part, spectrum);
        for (size_t k = 0; k < PICTURE_BINS; k++)
            ret[count][k] =
                spectrum[2 * k] * spectrum[2 * k] + spectrum[2 * k + 1] * spectrum[2 * k + 1];
    }
    return count;
}

/* candidates ---------------------------------------------------------------------------------- */

struct candidate {
    const char *name;
    void *(*open)(void);
    void (*hop)(void *state, const float *in, float *out);
    void (*close)(void *state);
};

static void *open_own(void)
{
    static struct vs__dsp dsp;
    struct vs__denoise *d = NULL;

    vs__dsp_init(&dsp, vs_cpu_detect());
    if (vs__denoise_create(&dsp, &d) < 0)
        die("no memory");
    return d;
}

static void hop_own(void *state, const float *in, float *out)
{
    vs__denoise_hop(state, in, out);
}

static void close_own(void *state)
{
    vs__denoise_destroy(state);
}

#ifdef BENCH_SPEEXDSP
static void *open_speex(void)
{
    SpeexPreprocessState *s = speex_preprocess_state_init(HOP, VS_RATE_HZ);
    int on = 1, db = -30;

    speex_preprocess_ctl(s, SPEEX_PREPROCESS_SET_DENOISE, &on);
    speex_preprocess_ctl(s, SPEEX_PREPROCESS_SET_NOISE_SUPPRESS, &db);
    return s;
}

static void hop_speex(void *state, const float *in, float *out)
{
    int16_t pcm[HOP];

    for (size_t i = 0; i < HOP; i++)
        pcm[i] = (int16_t)lrintf(fminf(fmaxf(in[i] * 32768, -32768), 32767));
    speex_preprocess_run(state, pcm);
    for (size_t i = 0; i < HOP; i++)
        out[i] = (float)pcm[i] / 32768;
}

static void close_speex(void *state)
{
    speex_preprocess_state_destroy(state);
}
#endif

#ifdef BENCH_WEBRTC
static void *open_webrtc(void)
{
    void *state = bench_webrtc_open_suppression();

    if (!state)
        die("webrtc-audio-processing does not open");
    return state;
}

static void hop_webrtc(void *state, const float *in, float *out)
{
    int16_t pcm[HOP];

    for (size_t i = 0; i < HOP; i++)
        pcm[i] = (int16_t)lrintf(fminf(fmaxf(in[i] * 32768, -32768), 32767));
    bench_webrtc_hop(state, pcm);
    for (size_t i = 0; i < HOP; i++)
        out[i] = (float)pcm[i] / 32768;
}
#endif

static const struct candidate candidates[] = {
    {"voicestand", open_own, hop_own, close_own},
#ifdef BENCH_WEBRTC
    {"webrtc 0.3, high", open_webrtc, hop_webrtc, bench_webrtc_close},
#endif
#ifdef BENCH_SPEEXDSP
    {"speexdsp, -30 dB", open_speex, hop_speex, close_speex},
#endif
};
#define CANDIDATES VS__COUNT(candidates)

static void run_all(const struct candidate *c, const float *in, float *out, size_t frames)
{
    void *state = c->open();

    for (size_t i = 0; i + HOP <= frames; i += HOP)
        c->hop(state, in + i, out + i);
    c->close(state);
}

/* quality ------------------------------------------------------------------------------------- */

struct quality {
    double gain[MANY][LEVELS], pause[MANY], musical[MANY];
    double clean;
};

struct work {
    float clean[MOST], mixed[MOST], out[MOST];
};

static double judge(const struct candidate *c, struct work *w, size_t frames, double *ret_pause)
{
    run_all(c, w->mixed, w->out, frames);
    if (ret_pause)
        *ret_pause = 10 * log10((power_of(w->mixed + LEAD / 2, LEAD / 2) + 1e-30) /
                                (power_of(w->out + LEAD / 2, LEAD / 2) + 1e-30));
    return si_sdr(w->clean + LEAD, w->out + LEAD, frames - LEAD, LAGS);
}

static void mix(struct work *w, const struct sound *speech, const struct sound *noise, double db,
                size_t *ret_frames)
{
    size_t n = VS__MIN(speech->frames, (size_t)LONGEST), at = 0;
    double level = 0.05 / sqrt(power_of(speech->pcm, n) + 1e-30), scale = 0;

    memset(w, 0, sizeof(*w));
    for (size_t i = 0; i < n; i++)
        w->clean[LEAD + i] = (float)(level * (double)speech->pcm[i]);
    n += LEAD;
    if (noise) {
        double sum = 0;
        for (size_t i = LEAD; i < n; i++) {
            double x = (double)noise->pcm[i % noise->frames];
            sum += x * x;
        }
        scale = 0.05 * sqrt((double)(n - LEAD) / (sum + 1e-30)) * pow(10, -db / 20);
    }
    for (at = 0; at < n; at++)
        w->mixed[at] =
            w->clean[at] + (noise ? (float)(scale * (double)noise->pcm[at % noise->frames]) : 0);
    *ret_frames = n / HOP * HOP;
}

static void measure_quality(const struct sound *speech, const struct sound *noise, size_t noises,
                            struct quality *ret)
{
    struct work *w = malloc(sizeof(*w));
    size_t frames;

    if (!w)
        die("no memory");
    for (size_t s = 0; s < SPEECHES; s++) {
        mix(w, &speech[s], NULL, 0, &frames);
        for (size_t c = 0; c < CANDIDATES; c++)
            ret[c].clean += judge(&candidates[c], w, frames, NULL) / SPEECHES;
        for (size_t k = 0; k < noises * LEVELS; k++) {
            mix(w, &speech[s], &noise[k / LEVELS], levels_db[k % LEVELS], &frames);
            double before = si_sdr(w->clean + LEAD, w->mixed + LEAD, frames - LEAD, 1), pause;
            for (size_t c = 0; c < CANDIDATES; c++) {
                double after = judge(&candidates[c], w, frames, &pause);
                ret[c].gain[k / LEVELS][k % LEVELS] += (after - before) / SPEECHES;
                ret[c].pause[k / LEVELS] += pause / (SPEECHES * LEVELS);
            }
        }
    }
    free(w);
}

/* Ratio of the fourth moment of the power of bins to its second, each bin by its own mean: 6 for
   noise, more for tones that come and go. */
static double peakiness(struct vs__rfft *fft, const float *x, size_t frames)
{
    static float power[MOST / SHIFT + 1][PICTURE_BINS];
    double fourth = 0, second = 0;
    size_t count = spectrogram(fft, x, frames, power);

    for (size_t k = PICTURE_BINS / 80; k < PICTURE_BINS; k++) {
        double mean = 1e-30, of_2 = 0, of_4 = 0;
        for (size_t t = 0; t < count; t++)
            mean += (double)power[t][k] / (double)count;
        for (size_t t = 0; t < count; t++) {
            double p = (double)power[t][k] / mean;
            of_2 += p * p;
            of_4 += p * p * p * p;
        }
        second += of_2 / (double)count / PICTURE_BINS;
        fourth += of_4 / (double)count / PICTURE_BINS;
    }
    return fourth / (second * second);
}

/* Musical noise: how much peakier noise alone comes out than it went in, natural logarithm of the
   ratio (after Uemura and others, 2008); from the third second on. */
static void measure_musical(const struct sound *noise, size_t noises, struct quality *ret)
{
    static float in[MOST], out[MOST];
    const size_t from = 2 * VS_RATE_HZ, n = MOST / HOP * HOP;
    struct vs__rfft *fft = new_fft();

    for (size_t k = 0; k < noises; k++) {
        for (size_t i = 0; i < n; i++)
            in[i] = noise[k].pcm[i % noise[k].frames];
        double scale = 0.02 / sqrt(power_of(in, n) + 1e-30);
        for (size_t i = 0; i < n; i++)
            in[i] *= (float)scale;
        double before = peakiness(fft, in + from, n - from);
        for (size_t c = 0; c < CANDIDATES; c++) {
            run_all(&candidates[c], in, out, n);
            ret[c].musical[k] = log(peakiness(fft, out + from, n - from) / before);
        }
    }
    vs__rfft_destroy(fft);
}

/* The average over every recording of noise there is, also those that no suppressor can know from
   speech. */
static size_t measure_every(const char *folder, const char *modules, const struct sound *speech,
                            struct quality *ret)
{
    static struct sound noise[MANY];
    char pattern[1024];
    glob_t found;

    snprintf(pattern, sizeof(pattern), "%s/noise/dev/*/*.flac", folder);
    if (glob(pattern, 0, NULL, &found) != 0)
        die("no recordings of noise");
    size_t count = VS__MIN(found.gl_pathc, (size_t)MANY);
    for (size_t k = 0; k < count; k++)
        noise[k] = load(folder, found.gl_pathv[k] + strlen(folder) + 1, modules);
    measure_quality(speech, noise, count, ret);
    for (size_t k = 0; k < count; k++)
        free(noise[k].pcm);
    globfree(&found);
    return count;
}

/* Spectrograms of one mixture, above each other: in, then each candidate; 0 to 8 kHz, 60 dB from
   black to white. */
static void draw_picture(const char *path, const struct sound *speech, const struct sound *noise)
{
    static float power[MOST / SHIFT + 1][PICTURE_BINS];
    struct work *w = malloc(sizeof(*w));
    struct vs__rfft *fft = new_fft();
    size_t frames;
    FILE *f = fopen(path, "wbe");

    if (!w || !f)
        die(path);
    mix(w, speech, noise, 5, &frames);
    size_t width = spectrogram(fft, w->mixed, frames, power);
    fprintf(f, "P5\n%zu %d\n255\n", width, (int)(CANDIDATES + 1) * PICTURE_BINS / 2);
    for (size_t c = 0; c <= CANDIDATES; c++) {
        if (c > 0)
            run_all(&candidates[c - 1], w->mixed, w->out, frames);
        spectrogram(fft, c > 0 ? w->out : w->mixed, frames, power);
        for (size_t k = PICTURE_BINS; k > 0; k -= 2)
            for (size_t t = 0; t < width; t++) {
                double pair = (double)(power[t][k - 1] + power[t][k - 2]) / 2;
                double db = 10 * log10(pair + 1e-12);
                fputc((int)fmin(fmax((db + 45) / 60 * 255, 0), 255), f);
            }
    }
    if (fclose(f) != 0)
        die(path);
    vs__rfft_destroy(fft);
    free(w);
}

/* cost ---------------------------------------------------------------------------------------- */

struct cost {
    double round_us[ROUNDS];
    double ratio[ROUNDS]; /* to the last candidate, in the same round */
    float hop_us[ROUNDS * FRAMES];
};

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int compare_f(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void measure_cost(const struct sound *speech, const struct sound *noise, struct cost *ret)
{
    struct work *w = malloc(sizeof(*w));
    void *state[CANDIDATES];
    size_t frames;

    if (!w)
        die("no memory");
    mix(w, speech, noise, 10, &frames);
    for (size_t c = 0; c < CANDIDATES; c++)
        state[c] = candidates[c].open();
    for (size_t r = 0; r < ROUNDS; r++) {
        for (size_t k = 0; k < CANDIDATES; k++) {
            size_t c = (k + r) % CANDIDATES;
            float *hops = ret[c].hop_us + r * FRAMES, all[FRAMES];
            for (size_t i = 0; i < FRAMES; i++) {
                size_t at = i * HOP % (frames - HOP);
                int64_t begin = vs__mono_ns();
                candidates[c].hop(state[c], w->mixed + at, w->out + at);
                hops[i] = all[i] = (float)(vs__mono_ns() - begin) / 1000;
            }
            qsort(all, FRAMES, sizeof(float), compare_f);
            ret[c].round_us[r] = (double)all[FRAMES / 2];
        }
        for (size_t c = 0; c < CANDIDATES; c++)
            ret[c].ratio[r] = ret[c].round_us[r] / ret[CANDIDATES - 1].round_us[r];
    }
    for (size_t c = 0; c < CANDIDATES; c++) {
        qsort(ret[c].round_us, ROUNDS, sizeof(double), compare);
        qsort(ret[c].ratio, ROUNDS, sizeof(double), compare);
        qsort(ret[c].hop_us, (size_t)ROUNDS * FRAMES, sizeof(float), compare_f);
        candidates[c].close(state[c]);
    }
    free(w);
}

/* out ----------------------------------------------------------------------------------------- */

static const char *noise_name(size_t k)
{
    return k < MADE ? made_noises[k] : noise_files[k - MADE] + strlen("noise/dev/");
}

static void print_candidate(size_t c, const struct quality *q, const struct quality *every,
                            size_t recordings, const struct cost *t)
{
    printf("  {\"name\": \"%s\", \"clean_db\": %.2f,\n   \"gain_db\": {", candidates[c].name,
           q->clean);
    for (size_t k = 0; k < NOISES; k++) {
        printf("%s\n    \"%s\": [", k ? "," : "", noise_name(k));
        for (size_t l = 0; l < LEVELS; l++)
            printf("%s%.2f", l ? ", " : "", q->gain[k][l]);
        printf("]");
    }
    printf("},\n   \"pause_db\": {");
    for (size_t k = 0; k < NOISES; k++)
        printf("%s\"%s\": %.2f", k ? ", " : "", noise_name(k), q->pause[k]);
    printf("},\n   \"musical\": {");
    for (size_t k = 0; k < NOISES; k++)
        printf("%s\"%s\": %.3f", k ? ", " : "", noise_name(k), q->musical[k]);
    printf("},\n   \"every_gain_db\": [");
    for (size_t l = 0; l < LEVELS; l++) {
        double sum = 0;
        for (size_t k = 0; k < recordings; k++)
            sum += every->gain[k][l] / (double)recordings;
        printf("%s%.2f", l ? ", " : "", sum);
    }
    printf(
        "],\n   \"hop_us\": [%.3f, %.3f, %.3f], \"p99_us\": %.3f, \"ratio\": [%.3f, %.3f, %.3f]}",
        t->round_us[ROUNDS / 10], t->round_us[ROUNDS / 2], t->round_us[ROUNDS * 9 / 10],
        (double)t->hop_us[ROUNDS * FRAMES * 99 / 100], t->ratio[ROUNDS / 10], t->ratio[ROUNDS / 2],
        t->ratio[ROUNDS * 9 / 10]);
}

static void print_machine(size_t recordings)
{
    char line[256], model[256] = "unknown";
    FILE *f = fopen("/proc/cpuinfo", "re");

    while (f && fgets(line, sizeof(line), f))
        if (sscanf(line, "model name : %255[^\n]", model) == 1)
            break;
    if (f)
        fclose(f);
    printf("{\"cpu\": \"%s\", \"kernels\": \"%s\", \"compiler\": \"%s\", \"rounds\": %d, "
           "\"hops\": %d,\n \"reference\": \"%s\", \"speeches\": %zu, \"recordings\": %zu, "
           "\"candidates\": [\n",
           model, vs_cpu_name(vs_cpu_detect()), __VERSION__, ROUNDS, FRAMES,
           candidates[CANDIDATES - 1].name, SPEECHES, recordings);
}

/* Peers that this build lacks are named, so that a missing row is no surprise. */
static void say_missing(void)
{
#ifndef BENCH_SPEEXDSP
    fprintf(stderr, "bench_enhance: speexdsp: skipped, not installed when this was built\n");
#endif
#ifndef BENCH_WEBRTC
    fprintf(stderr, "bench_enhance: webrtc-audio-processing: skipped, not installed when this was "
                    "built\n");
#endif
}

int main(int count, char **arguments)
{
    static struct sound speech[SPEECHES], noise[NOISES];
    static struct quality quality[CANDIDATES], every[CANDIDATES];
    static struct cost cost[CANDIDATES];

    if (count != 4)
        die("usage: bench_enhance AUDIO-DATA-FOLDER MODULE-FOLDER PICTURE");
    for (size_t s = 0; s < SPEECHES; s++)
        speech[s] = load(arguments[1], speech_files[s], arguments[2]);
    for (size_t k = 0; k < NOISES; k++)
        noise[k] = k < MADE ? make_noise(k, speech)
                            : load(arguments[1], noise_files[k - MADE], arguments[2]);
    say_missing();
    (void)vs__fp_fast();
    measure_quality(speech, noise, NOISES, quality);
    measure_musical(noise, NOISES, quality);
    size_t recordings = measure_every(arguments[1], arguments[2], speech, every);
    draw_picture(arguments[3], &speech[1], &noise[1]);
    measure_cost(&speech[0], &noise[0], cost);
    print_machine(recordings);
    for (size_t c = 0; c < CANDIDATES; c++) {
        print_candidate(c, &quality[c], &every[c], recordings, &cost[c]);
        printf(c + 1 < CANDIDATES ? ",\n" : "\n ]}\n");
    }
    for (size_t i = 0; i < SPEECHES + NOISES; i++)
        free(i < SPEECHES ? speech[i].pcm : noise[i - SPEECHES].pcm);
    return 0;
}
