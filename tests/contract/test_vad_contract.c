/* SPDX-License-Identifier: MIT */
/* What every detector promises, for each of the built-in ones, and for openvino where its module is
   built and its library is here. */
#include <dlfcn.h>
#include <errno.h>
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base.h"
#include "vad/guard.h"
#include "vad/vad.h"

#define HOPS  300
#define GUARD 64
#define PI    3.14159265f

static char trace_path[] = "/tmp/voicestand-trace-XXXXXX";
static char silero_path[4096], openvino_path[4200];
static struct vs_env silent;

/* A guard: around the argument's device of openvino, else around energy. */
static const struct vs_vad_ops *openvino;

static int open_guarded(void *state, const struct vs_vad_params *params, struct vs_vad_shape *ret)
{
    struct vs__guard_config config = {.env = params->env,
                                      .cpu = params->cpu,
                                      .device = params->argument ? openvino : &vs__vad_energy,
                                      .argument = params->argument,
                                      .fallback = &vs__vad_native,
                                      .block_frames = VS_HOP_FRAMES};

    return vs__guard_open(state, &config, ret);
}

static struct vs_vad_ops guarded;

static struct entry {
    const struct vs_vad_ops *ops;
    const char *argument;
} entries[9] = {
    {&vs__vad_null, NULL},   {&vs__vad_null, "0.25"}, {&vs__vad_replay, trace_path},
    {&vs__vad_energy, NULL}, {&vs__vad_native, NULL}, {&guarded, NULL},
};

/* How many take part. What needs files that may not be here comes last. */
static size_t entry_count = 6;
static const char *no_silero, *no_openvino; /* why they do not; NULL = they do */

/* Counting: the linker sends the detectors' calls here. */
static unsigned allocations;

void *__real_malloc(size_t bytes);
void *__real_calloc(size_t count, size_t bytes);
void *__real_realloc(void *memory, size_t bytes);
void *__real_vs__alloc(size_t bytes);
void *__wrap_malloc(size_t bytes);
void *__wrap_calloc(size_t count, size_t bytes);
void *__wrap_realloc(void *memory, size_t bytes);
void *__wrap_vs__alloc(size_t bytes);

void *__wrap_malloc(size_t bytes)
{
    allocations++;
    return __real_malloc(bytes);
}

void *__wrap_calloc(size_t count, size_t bytes)
{
    allocations++;
    return __real_calloc(count, bytes);
}

void *__wrap_realloc(void *memory, size_t bytes)
{
    allocations++;
    return __real_realloc(memory, bytes);
}

void *__wrap_vs__alloc(size_t bytes)
{
    allocations++;
    return __real_vs__alloc(bytes);
}

/* instances --------------------------------------------------------------------------------- */

struct instance {
    const struct entry *entry;
    unsigned char *state;
    struct vs_vad_shape shape;
};

static int try_open(struct instance *i, const struct entry *entry)
{
    struct vs_vad_params params = {
        .size = sizeof(params), .env = &silent, .argument = entry->argument};

    i->entry = entry;
    i->shape = (struct vs_vad_shape){.size = sizeof(i->shape)};
    i->state = vs__alloc(entry->ops->state_size + GUARD);
    assert_non_null(i->state);
    memset(i->state + entry->ops->state_size, 0xA5, GUARD);
    return entry->ops->open(i->state, &params, &i->shape);
}

static struct instance open_instance(const struct entry *entry)
{
    struct instance i;

    assert_int_equal(try_open(&i, entry), 0);
    return i;
}

static void close_instance(struct instance *i)
{
    i->entry->ops->close(i->state);
    for (size_t k = 0; k < GUARD; k++)
        assert_int_equal(i->state[i->entry->ops->state_size + k], 0xA5);
    vs__free(i->state);
    i->state = NULL;
}

static float infer(struct instance *i, const float *block)
{
    float p = -1.0f;

    assert_int_equal(i->entry->ops->infer(i->state, block, &p), 0);
    assert_true(p >= 0.0f && p <= 1.0f);
    return p;
}

/* sounds ------------------------------------------------------------------------------------ */

enum sound { SILENCE, NOISE, QUIET, SQUARE, VOICE, ABSURD, INFINITE, DENORMAL, SOUNDS };

static float draw(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (float)((double)(*seed >> 40) / (1 << 23) - 1.0);
}

/* A voice made of nothing, which all detectors here take for one: the pulses of a glottis, whose pitch
   rises and falls, through three resonances that glide from vowel to vowel; half of the syllables begin
   with a hiss, and every seventh is left out. */
struct talker {
    uint64_t seed;
    unsigned syllable;
    size_t at, frames;    /* in the syllable */
    float from_hz, to_hz; /* pitch */
    float phase, before;  /* of a pulse; its value one frame ago */
    const float *vowel;
    float formant_hz[3], y1[3], y2[3];
};

static void begin_syllable(struct talker *t)
{
    static const float vowels[][3] = {{730, 1090, 2440}, {270, 2290, 3010}, {300, 870, 2240},
                                      {530, 1840, 2480}, {570, 840, 2410},  {440, 1020, 2240}};

    t->syllable++;
    t->at = 0;
    t->frames = (size_t)(3360.0f + 1120.0f * draw(&t->seed));
    t->from_hz = t->to_hz;
    t->to_hz = 132.0f + 37.0f * draw(&t->seed);
    t->vowel = vowels[(size_t)(3.0f + 3.0f * draw(&t->seed))];
}

/** One frame of the glottis: it opens for 0.4 of a period and closes within 0.16. */
static float pulse(struct talker *t)
{
    float hz = t->from_hz + (t->to_hz - t->from_hz) * (float)t->at / (float)t->frames;
    float flow = 0.0f, change;

    t->phase += hz / VS_RATE_HZ;
    t->phase -= floorf(t->phase);
    if (t->phase < 0.4f)
        flow = 0.5f - 0.5f * cosf(PI / 0.4f * t->phase);
    else if (t->phase < 0.56f)
        flow = cosf(PI / 0.32f * (t->phase - 0.4f));
    change = flow - t->before;
    t->before = flow;
    return change;
}

static float resonate(struct talker *t, float x)
{
    static const float width_hz[3] = {80, 100, 140};

    for (int k = 0; k < 3; k++) {
        float r = expf(-PI * width_hz[k] / VS_RATE_HZ), y;

        t->formant_hz[k] += 0.0015f * (t->vowel[k] - t->formant_hz[k]);
        y = 2.0f * r * cosf(2.0f * PI * t->formant_hz[k] / VS_RATE_HZ);
        x = (1.0f - y + r * r) * x + y * t->y1[k] - r * r * t->y2[k];
        t->y2[k] = t->y1[k];
        t->y1[k] = x;
    }
    return x;
}

static float speak(struct talker *t)
{
    const size_t hiss = VS_RATE_HZ / 20, fade = VS_RATE_HZ / 40;
    float rise, fall, voiced, sharp = 0.0f;

    if (t->at == t->frames)
        begin_syllable(t);
    rise = t->at < hiss ? 0.0f : fminf(1.0f, (float)(t->at - hiss) / (float)fade);
    fall = fminf(1.0f, (float)(t->frames - t->at) / (float)fade);
    voiced = (pulse(t) + 0.004f * draw(&t->seed)) * rise * fall;
    if (t->syllable % 2 == 0 && t->at < hiss)
        sharp = 0.02f * draw(&t->seed) * sinf(PI * (float)t->at / (float)hiss);
    t->at++;
    if (t->syllable % 7 == 0)
        voiced = sharp = 0.0f;
    return 2.0f * resonate(t, voiced) + sharp + 1e-4f * draw(&t->seed);
}

static float voice[HOPS * 512];

static void make_voice(void)
{
    struct talker t = {.seed = 1, .to_hz = 120.0f, .formant_hz = {500, 1500, 2500}};

    for (size_t n = 0; n < sizeof(voice) / sizeof(*voice); n++)
        voice[n] = speak(&t);
}

static float sample(enum sound sound, size_t n, uint64_t *seed)
{
    switch (sound) {
    case NOISE:
        return 0.3f * draw(seed);
    case QUIET:
        return 1e-4f * draw(seed);
    case SQUARE:
        return n / 40 % 2 ? 1.0f : -1.0f;
    case VOICE:
        return voice[n % (sizeof(voice) / sizeof(*voice))];
    case ABSURD:
        return n % 3 ? FLT_MAX : -FLT_MAX;
    case INFINITE:
        return n % 5 ? draw(seed) : n % 2 ? INFINITY : NAN;
    case DENORMAL:
        return n % 2 ? 1e-40f : -1e-40f;
    default:
        return 0.0f;
    }
}

static void make_block(enum sound sound, size_t hop, uint32_t frames, uint64_t *seed, float *ret)
{
    for (size_t k = 0; k < frames; k++)
        ret[k] = sample(sound, hop * frames + k, seed);
}

static void run_sound(struct instance *i, enum sound sound, size_t hops, float *ret)
{
    float block[4096];
    uint64_t seed = 7 + (uint64_t)sound;

    for (size_t h = 0; h < hops; h++) {
        float p;

        make_block(sound, h, i->shape.block_frames, &seed, block);
        p = infer(i, block);
        if (ret != NULL)
            ret[h] = p;
    }
}

/* the promises ------------------------------------------------------------------------------ */

static void test_table(void **state)
{
    for (size_t e = 0; e < entry_count; e++) {
        const struct vs_vad_ops *ops = entries[e].ops;

        assert_int_equal(ops->abi, VS_BACKEND_ABI);
        assert_true(ops->name != NULL && *ops->name != '\0');
        assert_true(ops->description != NULL && *ops->description != '\0');
        assert_true(ops->state_size > 0 && ops->state_size < 1 << 20);
        assert_true(ops->open && ops->infer && ops->reset && ops->close);
    }
}

static void test_shape(void **state)
{
    for (size_t e = 0; e < entry_count; e++) {
        struct instance i = open_instance(&entries[e]);

        assert_in_range(i.shape.block_frames, 1, 4096);
        /* A guard gives the device time: blocks of 512 become hops, and one hop more. */
        assert_in_range(i.shape.latency_frames, 0,
                        entries[e].ops == &guarded ? 4 * VS_HOP_FRAMES : VS_HOP_FRAMES);
        assert_non_null(i.shape.device);
        close_instance(&i);
    }
}

static void test_no_memory(void **state)
{
    for (size_t e = 0; e < entry_count; e++) {
        int status = -1;

        for (uint32_t n = 1; status != 0; n++) {
            struct instance i;

            assert_true(n < 20);
            vs__alloc_fail_after(n + 1); /* the first is the state itself */
            status = try_open(&i, &entries[e]);
            vs__alloc_fail_after(0);
            assert_true(status == 0 || status == -ENOMEM);
            close_instance(&i);
        }
    }
}

static void test_close_twice(void **state)
{
    for (size_t e = 0; e < entry_count; e++) {
        struct instance i = open_instance(&entries[e]);

        entries[e].ops->close(i.state);
        close_instance(&i);
    }
}

static void test_range(void **state)
{
    for (size_t e = 0; e < entry_count; e++) {
        struct instance i = open_instance(&entries[e]);

        for (int sound = 0; sound < SOUNDS; sound++)
            run_sound(&i, (enum sound)sound, HOPS, NULL); /* also after what came before */
        close_instance(&i);
    }
}

/** The second half of both: the same mean, nearly, and as lively. -> the mean of the first */
static float check_alike(const float *a, const float *b)
{
    float mean_a = 0.0f, mean_b = 0.0f, swing_a = 0.0f, swing_b = 0.0f;

    for (size_t h = HOPS / 2; h < HOPS; h++) {
        mean_a += a[h] / (HOPS / 2);
        mean_b += b[h] / (HOPS / 2);
        swing_a += fabsf(a[h] - a[h - 1]);
        swing_b += fabsf(b[h] - b[h - 1]);
    }
    assert_float_equal(mean_a, mean_b, 0.2f);
    assert_true(swing_b >= 0.5f * swing_a);
    return mean_a;
}

static void test_recovers(void **state)
{
    static float fresh[HOPS], after[HOPS];

    for (size_t e = 0; e < entry_count; e++) {
        const struct vs_vad_ops *ops = entries[e].ops;
        bool judges = ops != &vs__vad_null && ops != &vs__vad_replay;
        struct instance i = open_instance(&entries[e]);
        float mean;

        run_sound(&i, INFINITE, HOPS, NULL);
        run_sound(&i, ABSURD, HOPS, NULL);
        run_sound(&i, SILENCE, HOPS, after);
        assert_true(!judges || after[HOPS - 1] < 0.05f);
        ops->reset(i.state);
        run_sound(&i, VOICE, HOPS, fresh);
        run_sound(&i, INFINITE, HOPS, NULL);
        run_sound(&i, ABSURD, 3, NULL);
        run_sound(&i, VOICE, HOPS, NULL);
        run_sound(&i, VOICE, HOPS, after);
        if (ops != &vs__vad_replay) { /* whose trace is at its end */
            mean = check_alike(fresh, after);
            assert_true(!judges || mean > 0.5f);
        }
        close_instance(&i);
    }
}

static void test_reset(void **state)
{
    static float fresh[HOPS], again[HOPS];

    for (size_t e = 0; e < entry_count; e++) {
        struct instance a = open_instance(&entries[e]), b = open_instance(&entries[e]);

        run_sound(&a, NOISE, 100, NULL);
        run_sound(&a, ABSURD, 3, NULL);
        entries[e].ops->reset(a.state);
        run_sound(&a, VOICE, HOPS, again);
        run_sound(&b, VOICE, HOPS, fresh);
        assert_memory_equal(fresh, again, sizeof(fresh));
        close_instance(&a);
        close_instance(&b);
    }
}

static void test_independent(void **state)
{
    static float alone[HOPS];
    float block_a[4096], block_b[4096];

    for (size_t e = 0; e < entry_count; e++) {
        struct instance a = open_instance(&entries[e]), b = open_instance(&entries[e]);
        uint64_t seed_voice = 7 + VOICE, seed_noise = 99;

        run_sound(&a, VOICE, HOPS, alone);
        entries[e].ops->reset(a.state);
        for (size_t h = 0; h < HOPS; h++) {
            float p;

            make_block(VOICE, h, a.shape.block_frames, &seed_voice, block_a);
            make_block(NOISE, h, b.shape.block_frames, &seed_noise, block_b);
            infer(&b, block_b);
            p = infer(&a, block_a);
            assert_memory_equal(&p, &alone[h], sizeof(p));
        }
        close_instance(&a);
        close_instance(&b);
    }
}

static void test_no_allocation(void **state)
{
    for (size_t e = 0; e < entry_count; e++) {
        struct instance i = open_instance(&entries[e]);
        float block[4096];
        uint64_t seed = 5;

        if (i.shape.flags & VS_VAD_BLOCKS) { /* it never runs on a real-time thread */
            close_instance(&i);
            continue;
        }
        make_block(VOICE, 0, i.shape.block_frames, &seed, block);
        allocations = 0;
        vs__rt_enter();
        for (size_t h = 0; h < HOPS; h++) {
            float p;
            int status = entries[e].ops->infer(i.state, block, &p);

            if (status != 0)
                break;
        }
        entries[e].ops->reset(i.state);
        vs__rt_leave();
        assert_int_equal(allocations, 0);
        vs__free(vs__alloc(1));
        assert_int_equal(allocations, 1); /* the counter counts */
        close_instance(&i);
    }
}

static void test_silero_takes_part(void **state)
{
    if (no_silero != NULL) {
        fprintf(stderr, "# silero is left out: %s\n", no_silero);
        skip();
    }
}

static void test_openvino_takes_part(void **state)
{
    if (no_openvino != NULL) {
        fprintf(stderr, "# openvino is left out: %s\n", no_openvino);
        skip();
    }
}

/* ------------------------------------------------------------------------------------------- */

static const char *find_silero(void)
{
    const char *shared = getenv("VOICESTAND_TEST_SHARED");

    snprintf(silero_path, sizeof(silero_path), "%s/data/models/silero-vad",
             shared ? shared : "../shared");
    if (access(silero_path, R_OK) != 0)
        return "there are no weights of it beside the checkout";
    entries[entry_count++] = (struct entry){&vs__vad_silero, silero_path};
    return NULL;
}

/* The real processor device of OpenVINO, with the network that silero_path has for it. */
static const char *find_openvino(void)
{
    const char *folder = getenv("VOICESTAND_TEST_MODULES");
    const char *refusal = getenv("VOICESTAND_TEST_NO_OPENVINO");
    const struct vs_module *entry;
    struct instance i;
    char path[4096];
    void *module;
    int status;

    if (refusal != NULL && *refusal != '\0')
        return refusal;
    snprintf(path, sizeof(path), "%s/openvino.so", folder ? folder : ".");
    module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    entry = module ? dlsym(module, VS_MODULE_ENTRY) : NULL;
    if (entry == NULL || entry->vad == NULL)
        return "its module is not built: there were no headers of OpenVINO";
    if (no_silero != NULL)
        return no_silero;
    snprintf(openvino_path, sizeof(openvino_path), "CPU@%s", silero_path);
    silent.openvino = getenv("VOICESTAND_TEST_OPENVINO");
    entries[entry_count] = (struct entry){entry->vad, openvino_path};
    status = try_open(&i, &entries[entry_count]);
    close_instance(&i);
    if (status == -ENOTSUP)
        return "there is no libopenvino_c";
    entry_count++; /* what else is wrong is for the tests to find */
    openvino = entry->vad;
    entries[entry_count++] = (struct entry){&guarded, openvino_path};
    return NULL;
}

static int write_trace(void **state)
{
    int fd = mkstemp(trace_path);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");

    if (file == NULL)
        return -1;
    fprintf(file, "file,start_ms,end_ms,prob\n");
    for (int i = 0; i < HOPS; i++)
        fprintf(file, "a.wav,%d,%d,%.6f\n", i * 10, i * 10 + 10, (i % 97) / 97.0);
    return fclose(file);
}

static int remove_trace(void **state)
{
    return unlink(trace_path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_shape),
        cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_close_twice),
        cmocka_unit_test(test_range),
        cmocka_unit_test(test_recovers),
        cmocka_unit_test(test_reset),
        cmocka_unit_test(test_independent),
        cmocka_unit_test(test_no_allocation),
        cmocka_unit_test(test_silero_takes_part),
        cmocka_unit_test(test_openvino_takes_part),
    };

    make_voice();
    guarded = vs__vad_guard;
    guarded.open = open_guarded;
    no_silero = find_silero();
    no_openvino = find_openvino();
    return cmocka_run_group_tests_name("vad contract", tests, write_trace, remove_trace);
}
