/* SPDX-License-Identifier: MIT */
/* What is no sound: not a number, infinite, absurdly large, denormal, constant. It is replaced where
   it comes in and counted, nothing behind sees it, and it costs little more than sound. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <voicestand/voicestand.h>

#include "base/base.h"
#include "dsp/level.h"
#include "fewer.h"

#define MOST ((size_t)48000 * 2 * 3) /* samples of an input: 2 s of three channels */

static float in[MOST], cured[MOST];

/* What came out of a stream; `sum` is over the bits of all samples and their places. */
struct result {
    uint64_t sum, frames, hops;
    struct vs_ledger ledger;
};

static void check_audio(struct result *r, const struct vs_event *e)
{
    for (size_t i = 0; i < e->audio_frames * e->audio_channels; i++) {
        uint32_t bits;
        float x = e->audio[i];
        assert_true(fabsf(x) <= VS__LEVEL_CEILING);
        if (e->audio_plain)
            assert_true(isfinite(e->audio_plain[i]));
        memcpy(&bits, &x, sizeof(bits));
        r->sum = (r->sum ^ bits) * 0x100000001b3u;
    }
    r->frames += e->audio_frames;
}

static void on_event(void *user, const struct vs_event *e)
{
    struct result *r = user;

    assert_true(e->probability >= 0 && e->probability <= 1);
    assert_true(isfinite(e->level_db) && isfinite(e->gain_db) && isfinite(e->limit_db));
    if (e->type == VS_EVENT_AUDIO)
        check_audio(r, e);
    if (e->type == VS_EVENT_LEDGER)
        r->ledger = *e->ledger;
    r->hops += e->type == VS_EVENT_PROBABILITY;
}

static uint32_t draw_bits(void)
{
    static uint64_t state = 88172645463325252u;

    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 16);
}

static float draw(void)
{
    return (float)(int32_t)draw_bits() * 0x1p-31f;
}

static float float_of(uint32_t bits)
{
    float x;

    memcpy(&x, &bits, sizeof(x));
    return x;
}

enum kind { KIND_NAN, KIND_SIGNALLING, KIND_INFINITE, KIND_HUGE, KIND_DENORMAL, KIND_ANY, KINDS };

/* One sample of a kind; ANY is any pattern of bits at all. */
static float poison(enum kind kind)
{
    uint32_t sign = draw_bits() & 0x80000000u, rest = draw_bits() & 0x7fffffu;

    switch (kind) {
    case KIND_NAN:
        return float_of(sign | 0x7fc00000u | rest);
    case KIND_SIGNALLING:
        return float_of(sign | 0x7f800000u | (rest & 0x3fffffu) | 1);
    case KIND_INFINITE:
        return float_of(sign | 0x7f800000u);
    case KIND_HUGE:
        return float_of(sign | (127u + 40 + draw_bits() % 88) << 23 | rest);
    case KIND_DENORMAL:
        return float_of(sign | rest);
    default:
        return float_of(draw_bits());
    }
}

/* What sanitize() is documented to do, said in another way. */
static float cure(float x, uint64_t *count)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof(bits));
    bits &= 0x7fffffffu;
    if (bits >= 0x53800000u) { /* 2^40, or not finite */
        ++*count;
        return 0;
    }
    return bits < 0x00800000u ? 0 : x;
}

/* Voice-like sound, then poison in runs of any length. @return samples that count. */
static uint64_t make_input(size_t samples, enum kind kind)
{
    uint64_t count = 0;

    for (size_t i = 0; i < samples; i++)
        in[i] = 0.2f * draw() * (i / 20000 % 2 ? 1 : 0.01f);
    for (size_t runs = draw_bits() % 20; runs > 0; runs--) {
        size_t at = draw_bits() % samples, length = (size_t)1 << draw_bits() % 14;
        for (size_t i = at; i < VS__MIN(at + length, samples); i++)
            if (length < 64 || draw_bits() % 4)
                in[i] = poison(kind);
    }
    for (size_t i = 0; i < samples; i++)
        cured[i] = cure(in[i], &count);
    return count;
}

static struct result run(const struct vs_stream_config *given, const float *audio, size_t frames)
{
    struct result r = {0};
    struct vs_stream_config config = *given;
    vs_stream *s;

    config.on_event = on_event;
    config.user = &r;
    assert_int_equal(vs_stream_create(&config, &s), 0);
    for (size_t at = 0, n; at < frames; at += n) {
        n = 1 + draw_bits() % 2000;
        n = VS__MIN(n, frames - at);
        assert_int_equal(vs_stream_push(s, audio + at * config.channels, n), 0);
    }
    assert_int_equal(vs_stream_finish(s), 0);
    vs_stream_destroy(s);
    return r;
}

/* Poisoned audio gives, bit by bit, what it gives with zeros in its place, and the exact count. */
static void poison_anywhere_is_silence_and_counted(void **state)
{
    static const uint32_t rates[] = {16000, 48000, 44100, 8000};
    static const char *const levels[] = {"auto", "c"};

    (void)state;
    for (uint32_t trial = 0; trial < FEWER(48); trial++) {
        struct vs_stream_config config = {.size = sizeof(config), .probabilities = 1};
        config.rate_hz = rates[trial % VS__COUNT(rates)];
        config.channels = 1 + trial / 4 % 3;
        config.channel = trial % 7 == 0 ? config.channels : 0;
        config.audio = trial % 3 ? VS_AUDIO_WIDE : VS_AUDIO_ALL;
        config.enhance = VS_ENHANCE_DENOISE | VS_ENHANCE_LEVEL;
        config.env.cpu = levels[trial % 5 == 0];
        size_t frames = config.rate_hz;
        uint64_t count = make_input(frames * config.channels, (enum kind)(trial % KINDS));
        struct result sick = run(&config, in, frames), well = run(&config, cured, frames);
        if (config.channel == 0)
            assert_int_equal(sick.ledger.poisoned, count);
        assert_int_equal(well.ledger.poisoned, 0);
        assert_int_equal(sick.ledger.residual, 0);
        assert_true(sick.frames > 0 && sick.hops == well.hops);
        assert_true(sick.frames == well.frames && sick.sum == well.sum);
    }
}

/* Half of full scale of it is gone within half a second, on both paths. */
struct mean {
    double sum;
    uint64_t frames, from; /* up to three times as many: the end rings */
};

static void add_mean(void *user, const struct vs_event *e)
{
    struct mean *m = user;

    for (size_t i = 0; e->type == VS_EVENT_AUDIO && i < e->audio_frames; i++)
        if (e->audio_position + i >= m->from && e->audio_position + i < 3 * m->from) {
            m->sum += (double)e->audio[i];
            m->frames++;
        }
}

static void a_constant_is_removed(void **state)
{
    static const int audio[] = {VS_AUDIO_ALL, VS_AUDIO_WIDE};

    (void)state;
    for (size_t k = 0; k < VS__COUNT(audio); k++) {
        struct mean m = {.from = audio[k] == VS_AUDIO_ALL ? 8000 : 24000};
        struct vs_stream_config config = {
            .size = sizeof(config), .rate_hz = 48000, .on_event = add_mean, .user = &m};
        vs_stream *s;
        config.audio = audio[k];
        for (size_t i = 0; i < 96000; i++)
            in[i] = 0.5f + 0.01f * (float)sin(2 * 3.14159265358979 * 1000 * (double)i / 48000);
        assert_int_equal(vs_stream_create(&config, &s), 0);
        assert_int_equal(vs_stream_push(s, in, 96000), 0);
        assert_int_equal(vs_stream_finish(s), 0);
        vs_stream_destroy(s);
        assert_int_equal(m.frames, 2 * m.from);
        assert_true(fabs(m.sum / (double)m.frames) < 0.5e-5); /* -100 dB of it */
    }
}

/* cost ---------------------------------------------------------------------------------------- */

enum { ROUNDS = 15, MOST_ROUNDS = 150, FRAMES = 4800 };

struct patient {
    const char *name;
    float (*sample)(size_t i);
};

static float sound(size_t i)
{
    return 0.3f * sinf((float)(i % 48000) * 0.05f) + 0.05f * draw();
}

static float nan_only(size_t i)
{
    (void)i;
    return poison(KIND_NAN);
}

static float signalling_only(size_t i)
{
    (void)i;
    return poison(KIND_SIGNALLING);
}

static float infinite_only(size_t i)
{
    (void)i;
    return poison(KIND_INFINITE);
}

static float huge_only(size_t i)
{
    (void)i;
    return poison(KIND_HUGE);
}

static float denormal_only(size_t i)
{
    (void)i;
    return poison(KIND_DENORMAL);
}

static float every_other(size_t i)
{
    return i % 2 ? poison(KIND_ANY) : sound(i);
}

static float constant(size_t i)
{
    (void)i;
    return 0.9f;
}

/* Filters ring on in it, ever more quietly: every subject hears sound first. */
static float silence(size_t i)
{
    (void)i;
    return 0;
}

/* As loud as what is not poison can be. */
static float nearly_huge(size_t i)
{
    return i % 2 ? 0x1p39f : -0x1p39f;
}

/* So quiet that what filters make of it is denormal. */
static float nearly_denormal(size_t i)
{
    return i % 2 ? 0x1.8p-126f : -0x1p-126f;
}

static const struct patient patients[] = {
    {"sound", sound},
    {"not a number", nan_only},
    {"signalling", signalling_only},
    {"infinite", infinite_only},
    {"huge", huge_only},
    {"denormal", denormal_only},
    {"every other", every_other},
    {"constant", constant},
    {"silence behind sound", silence},
    {"nearly huge", nearly_huge},
    {"nearly denormal", nearly_denormal},
};
#define PATIENTS VS__COUNT(patients)

static float blocks[PATIENTS][FRAMES * 2];

/* What is timed: takes FRAMES frames of two channels. */
struct subject {
    void *(*open)(void);
    void (*take)(void *state, const float *audio);
    void (*close)(void *state);
};

/* An emulator that computes special values by other means than a processor does takes other times. */
static void need_a_processor(void)
{
    const char *emulator = getenv("VOICESTAND_TEST_EMULATOR");

    if (emulator) {
        print_message("# times under %s are not those of a processor\n", emulator);
        skip();
    }
}

/* The patient that takes more than twice as long as sound, or 0. */
static size_t worst_of(const int64_t *least)
{
    size_t worst = 0;

    for (size_t p = 1; p < PATIENTS; p++)
        if (least[p] > 2 * least[0] && least[p] > least[worst])
            worst = p;
    return worst;
}

/* Each patient has a subject of its own, which hears nothing else and is warm when time is taken.
   Of all rounds the shortest counts: what else runs on a machine only makes them longer. Where it
   does that for a patient in each of them, there are more. */
static void check_cost(const char *what, const struct subject *subject)
{
    void *state[PATIENTS];
    int64_t least[PATIENTS];
    size_t worst;

    for (size_t p = 0; p < PATIENTS; p++) {
        for (size_t i = 0; i < (size_t)FRAMES * 2; i++)
            blocks[p][i] = patients[p].sample(i / 2);
        state[p] = subject->open();
        subject->take(state[p], blocks[0]);
        for (int i = 0; i < 40; i++)
            subject->take(state[p], blocks[p]);
        least[p] = INT64_MAX;
    }
    for (int r = 0;
         r < ROUNDS * (int)PATIENTS || (worst_of(least) > 0 && r < MOST_ROUNDS * (int)PATIENTS);
         r++) {
        size_t p = (size_t)r % PATIENTS;
        int64_t begin = vs__mono_ns();
        subject->take(state[p], blocks[p]);
        least[p] = VS__MIN(least[p], vs__mono_ns() - begin);
    }
    worst = worst_of(least);
    if (worst > 0)
        fail_msg("%s, %s: %.2f times as long as sound", what, patients[worst].name,
                 (double)least[worst] / (double)least[0]);
    for (size_t p = 0; p < PATIENTS; p++)
        subject->close(state[p]);
}

static void *open_stream(void)
{
    struct vs_stream_config config = {.size = sizeof(config), .rate_hz = 48000, .channels = 2};
    vs_stream *s;

    config.audio = VS_AUDIO_ALL;
    config.enhance = VS_ENHANCE_DENOISE | VS_ENHANCE_LEVEL;
    assert_int_equal(vs_stream_create(&config, &s), 0);
    return s;
}

static void *open_wide(void)
{
    struct vs_stream_config config = {.size = sizeof(config), .rate_hz = 48000, .channels = 2};
    vs_stream *s;

    config.audio = VS_AUDIO_WIDE;
    config.enhance = VS_ENHANCE_DENOISE | VS_ENHANCE_LEVEL;
    assert_int_equal(vs_stream_create(&config, &s), 0);
    return s;
}

static void push_stream(void *state, const float *audio)
{
    assert_int_equal(vs_stream_push(state, audio, FRAMES), 0);
}

static void close_stream(void *state)
{
    vs_stream_destroy(state);
}

static void *open_resampler(void)
{
    struct vs_resampler_config config = {.size = sizeof(config), .in_hz = 48000, .out_hz = 16000};
    vs_resampler *r;

    assert_int_equal(vs_resampler_create(&config, &r), 0);
    return r;
}

static void push_resampler(void *state, const float *audio)
{
    static float out[FRAMES * 2];

    (void)vs_resampler_process(state, audio, (size_t)FRAMES * 2, out);
    for (size_t i = 0; i < FRAMES; i++)
        assert_true(isfinite(out[i]));
}

static void close_resampler(void *state)
{
    vs_resampler_destroy(state);
}

static void *open_meter(void)
{
    vs_loudness *l;

    assert_int_equal(vs_loudness_create(48000, 2, &l), 0);
    return l;
}

static void push_meter(void *state, const float *audio)
{
    vs_loudness_push(state, audio, FRAMES);
    assert_true(isfinite(vs_loudness_integrated(state)));
}

static void close_meter(void *state)
{
    vs_loudness_destroy(state);
}

static void poison_costs_at_most_twice_as_much(void **state)
{
    static const struct subject stream = {open_stream, push_stream, close_stream},
                                wide = {open_wide, push_stream, close_stream};

    (void)state;
    need_a_processor();
    check_cost("stream", &stream);
    check_cost("stream at full rate", &wide);
}

/* On their own they run on threads that do not flush denormals. */
static void so_it_does_in_what_is_used_alone(void **state)
{
    static const struct subject resampler = {open_resampler, push_resampler, close_resampler},
                                meter = {open_meter, push_meter, close_meter};

    (void)state;
    need_a_processor();
    check_cost("resampler", &resampler);
    check_cost("meter", &meter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(poison_anywhere_is_silence_and_counted),
        cmocka_unit_test(a_constant_is_removed),
        cmocka_unit_test(poison_costs_at_most_twice_as_much),
        cmocka_unit_test(so_it_does_in_what_is_used_alone),
    };
    return cmocka_run_group_tests_name("poison", tests, NULL, NULL);
}
