/* SPDX-License-Identifier: MIT */
#include "devices.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "sim.h"

struct device_plan device_plan;
struct device_truth device_truth;

#define DEVICE_FAULT(name, words) words,
const char *const device_fault_words[] = {DEVICE_FAULTS(DEVICE_FAULT)};
uint64_t device_faults[FAULT_COUNT];

bool device_fault(enum device_fault fault, uint32_t once_in)
{
    bool yes = sim_once_in(once_in);

    device_faults[fault] += yes;
    return yes;
}

void devices_begin(void)
{
    device_truth = (struct device_truth){.source_status = 1};
}

/* sources --------------------------------------------------------------------------------------- */

struct source {
    uint64_t position, left;
    int64_t begin_ns;
    _Atomic int cancelled;
    bool running, over;
    struct vs__thread thread;
    struct vs_capture_sink sink;
    _Alignas(8) unsigned char buffer[1 << 17];
};

static int source_open(void *state, const struct vs_capture_params *params,
                       struct vs_capture_format *ret)
{
    struct source *s = state;

    (void)params;
    s->left = device_plan.frames;
    s->begin_ns = vs__mono_ns();
    ret->rate_hz = device_plan.rate_hz;
    ret->channels = device_plan.channels;
    ret->format = device_plan.format;
    ret->live = device_plan.live;
    ret->device = "a device that fails";
    device_truth.opened++;
    return 0;
}

/* Speech-like bursts, silence, or what is no sound at all. */
static void fill(unsigned char *pcm, size_t samples, uint64_t position)
{
    bool poison = device_fault(FAULT_POISON, device_plan.poison);
    size_t bytes = vs_format_bytes(device_plan.format);
    uint64_t ms = position * 1000 / device_plan.rate_hz;
    bool loud = ms % 1400 > 500;

    for (size_t i = 0; i < samples; i++) {
        uint32_t bits = poison ? sim_draw(UINT32_MAX) : 0;
        float x = loud ? (float)(sim_draw(2000) - 1000.0) * 2e-4f : 0.0f;
        if (device_plan.format == VS_FORMAT_F32) {
            memcpy(pcm + i * bytes, poison ? (const void *)&bits : (const void *)&x, bytes);
        } else {
            int32_t whole = poison ? (int32_t)bits : (int32_t)(x * 0x1p31f);
            memcpy(pcm + i * bytes, (unsigned char *)&whole + 4 - bytes, bytes);
        }
    }
}

/* What is missing before the next frames. */
static void lose(struct source *s, struct vs_capture_stamp *ret)
{
    uint64_t lost = 0;

    if (device_fault(FAULT_GAP, device_plan.gap))
        lost = 1 + sim_draw(2000);
    if (device_fault(FAULT_LONG_GAP, device_plan.long_gap))
        lost = device_plan.rate_hz / 4 + sim_draw(device_plan.rate_hz * 3);
    ret->flags = lost && device_fault(FAULT_ESTIMATED, 2) ? VS_CAPTURE_ESTIMATED : 0;
    s->position += lost;
    device_truth.captured += lost;
}

/* The time at which the next `frames` are there, or later. */
static void pass_time(const struct source *s, size_t frames)
{
    int64_t due =
        s->begin_ns + (int64_t)((s->position + frames) * 1000 / device_plan.rate_hz) * 1000000;

    sim_yield();
    if (device_plan.live && due > vs__mono_ns())
        sim_sleep(due - vs__mono_ns());
    if (device_fault(FAULT_STALL, device_plan.stall))
        sim_sleep((int64_t)sim_draw(1000000) * 1000);
}

/* @return frames, 0 = the end, or an error */
static int64_t next_frames(struct source *s, unsigned char *pcm, size_t room,
                           struct vs_capture_stamp *ret)
{
    static const int errors[] = {-EIO, -ENODEV, -EBADMSG, -EPIPE, -ENOMEM};
    size_t n = (size_t)1 + sim_draw(device_plan.most);

    n = VS__MIN(n, room);
    n = (size_t)VS__MIN((uint64_t)n, s->left);
    if (n == 0 || sim_once_in(device_plan.fail)) {
        s->over = true;
        if (n == 0)
            return device_truth.source_status = 0;
        uint32_t error = sim_draw(VS__COUNT(errors));
        device_faults[FAULT_FAIL_IO + error]++;
        return device_truth.source_status = errors[error];
    }
    pass_time(s, n);
    if (atomic_load(&s->cancelled))
        return -ECANCELED;
    lose(s, ret);
    ret->position = s->position;
    ret->time_ns = vs__mono_ns() - (int64_t)n * 1000000000 / device_plan.rate_hz;
    if (device_fault(FAULT_NO_TIME, 50))
        ret->time_ns = 0; /* unknown */
    fill(pcm, n * device_plan.channels, s->position);
    s->position += n;
    s->left -= n;
    device_truth.captured += n;
    device_truth.given += n;
    return (int64_t)n;
}

static int64_t pull_read(void *state, void *pcm, size_t frames, struct vs_capture_stamp *ret)
{
    struct source *s = state;

    SIM_CHECK(frames > 0 && !s->over && !s->running);
    s->running = true;
    sim_yield();
    int64_t n = atomic_load(&s->cancelled) ? -ECANCELED : next_frames(s, pcm, frames, ret);
    s->over = n <= 0;
    s->running = false;
    return n;
}

static void source_cancel(void *state)
{
    struct source *s = state;

    sim_yield();
    atomic_store(&s->cancelled, 1);
}

static void *push_body(void *argument)
{
    struct source *s = argument;
    size_t room = sizeof(s->buffer) / (vs_format_bytes(device_plan.format) * device_plan.channels);
    int64_t n = 0;

    while (!atomic_load(&s->cancelled)) {
        struct vs_capture_stamp stamp = {0};
        if (sim_once_in(device_plan.talk))
            s->sink.state(s->sink.user, "the device says something");
        n = next_frames(s, s->buffer, room, &stamp);
        if (n <= 0)
            break;
        s->sink.push(s->sink.user, s->buffer, (size_t)n, &stamp);
    }
    bool silent = n == 0 && device_plan.never_ends_itself;
    device_faults[FAULT_NO_END] += silent && s->over;
    if (n <= 0 && n != -ECANCELED && s->over && !silent)
        s->sink.end(s->sink.user, (int)n);
    return NULL;
}

static int push_start(void *state, const struct vs_capture_sink *sink)
{
    struct source *s = state;

    SIM_CHECK(!s->running);
    s->sink = *sink;
    if (sim_once_in(device_plan.talk))
        s->sink.state(s->sink.user, "the device is opened");
    if (device_fault(FAULT_SLOW_START, device_plan.slow_start))
        sim_sleep(sim_draw(50) * 1000000);
    if (device_fault(FAULT_REFUSE_START, device_plan.refuse_start))
        return -ENODEV;
    int rc = vs__thread_start(&s->thread, "device", push_body, s);
    if (rc < 0)
        return rc;
    device_truth.started++;
    if (device_fault(FAULT_SLOW_START, device_plan.slow_start))
        sim_sleep((int64_t)sim_draw(2000) * 1000000);
    s->running = true;
    return 0;
}

static void push_stop(void *state)
{
    struct source *s = state;

    SIM_CHECK(s->running); /* start() is back */
    device_truth.stopped++;
    sim_yield();
    atomic_store(&s->cancelled, 1);
    vs__thread_join(&s->thread);
    s->running = false;
}

static void source_close(void *state)
{
    struct source *s = state;

    SIM_CHECK(!s->running);
    device_truth.closed++;
}

const struct vs_capture_ops device_pull = {.abi = VS_BACKEND_ABI,
                                           .name = "pull",
                                           .description = "is read",
                                           .state_size = sizeof(struct source),
                                           .open = source_open,
                                           .read = pull_read,
                                           .cancel = source_cancel,
                                           .close = source_close};

const struct vs_capture_ops device_push = {.abi = VS_BACKEND_ABI,
                                           .name = "push",
                                           .description = "pushes",
                                           .state_size = sizeof(struct source),
                                           .open = source_open,
                                           .start = push_start,
                                           .stop = push_stop,
                                           .close = source_close};

/* detector -------------------------------------------------------------------------------------- */

struct detector {
    bool inside, open;
};

static int detector_open(void *state, const struct vs_vad_params *params, struct vs_vad_shape *ret)
{
    struct detector *d = state;

    (void)params;
    if (device_plan.vad_flags & VS_VAD_BLOCKS) {
        sim_yield();
        if (device_fault(FAULT_VAD_OPEN, device_plan.vad_fail))
            return -ENODEV;
    }
    ret->block_frames = device_plan.block;
    ret->latency_frames = device_plan.latency;
    ret->flags = device_plan.vad_flags;
    ret->device = "npu";
    d->open = true;
    return 0;
}

static int detector_infer(void *state, const float *block, float *ret)
{
    struct detector *d = state;
    float sum = 0;

    SIM_CHECK(d->open && !d->inside);
    d->inside = true;
    for (uint32_t i = 0; i < device_plan.block; i++) {
        SIM_CHECK(isfinite(block[i]));
        sum += fabsf(block[i]);
    }
    *ret = sum > 0.02f * (float)device_plan.block ? 0.9f : 0.1f;
    if (device_fault(FAULT_VAD_NONSENSE, device_plan.vad_nonsense)) {
        static const float nonsense[] = {NAN, -1.0f, 2.0f, INFINITY};
        *ret = nonsense[sim_draw(VS__COUNT(nonsense))];
    }
    if (device_fault(FAULT_VAD_SLOW, device_plan.vad_slow))
        sim_sleep(sim_draw(30) * 1000000);
    if (device_plan.vad_flags & VS_VAD_BLOCKS && device_fault(FAULT_VAD_HANG, device_plan.vad_hang))
        sim_sleep((int64_t)sim_draw(4000) * 1000000);
    d->inside = false;
    if (device_fault(FAULT_VAD_FAIL, device_plan.vad_fail)) {
        device_truth.detector_failed++;
        return -EIO;
    }
    return 0;
}

static void detector_reset(void *state)
{
    (void)state;
}

static void detector_close(void *state)
{
    struct detector *d = state;

    SIM_CHECK(!d->inside);
    d->open = false;
}

const struct vs_vad_ops device_vad = {.abi = VS_BACKEND_ABI,
                                      .name = "device",
                                      .description = "fails",
                                      .state_size = sizeof(struct detector),
                                      .open = detector_open,
                                      .infer = detector_infer,
                                      .reset = detector_reset,
                                      .close = detector_close};

/* engine ---------------------------------------------------------------------------------------- */

struct engine {
    bool open, inside, failed;
    uint64_t frames;
    char text[64];
    _Atomic int cancelled;
};

/* One call at a time; some take long, some fail. */
static int engine_enter(struct engine *e)
{
    SIM_CHECK(!e->inside);
    e->inside = true;
    sim_yield();
    if (device_fault(FAULT_STT_SLOW, device_plan.stt_slow))
        sim_sleep((int64_t)sim_draw(1500) * 1000000);
    if (device_fault(FAULT_STT_HANG, device_plan.stt_hang))
        sim_await(&e->cancelled);
    int rc = device_fault(FAULT_STT_FAIL, device_plan.stt_fail) ? -EIO : 0;
    if (atomic_load(&e->cancelled))
        rc = -ECANCELED;
    e->failed = e->failed || rc < 0;
    e->inside = false;
    return rc;
}

static int engine_open(void *state, const struct vs_stt_params *params)
{
    (void)state;
    (void)params;
    return 0;
}

static int engine_begin(void *state, uint64_t segment)
{
    struct engine *e = state;

    SIM_CHECK(segment > 0 && !e->open);
    atomic_store(&e->cancelled, 0);
    e->failed = false;
    e->frames = 0;
    int rc = engine_enter(e);
    e->open = rc == 0;
    return rc;
}

static int engine_feed(void *state, const float *audio, size_t frames)
{
    struct engine *e = state;

    SIM_CHECK(e->open && !e->failed);
    for (size_t i = 0; i < frames; i++)
        SIM_CHECK(isfinite(audio[i]));
    e->frames += frames;
    device_truth.fed_frames += frames;
    int rc = engine_enter(e);
    e->open = rc == 0;
    return rc < 0 ? rc : (int)sim_draw(2);
}

static int engine_partial(void *state, const char **ret)
{
    struct engine *e = state;

    SIM_CHECK(!e->inside);
    snprintf(e->text, sizeof(e->text), "%llu so far", (unsigned long long)e->frames);
    *ret = e->text;
    return 0;
}

static int engine_finish(void *state, const char **ret)
{
    struct engine *e = state;

    SIM_CHECK(e->open && !e->failed);
    int rc = engine_enter(e);
    e->open = false;
    snprintf(e->text, sizeof(e->text), "%llu frames", (unsigned long long)e->frames);
    *ret = e->text;
    return rc;
}

static void engine_cancel(void *state)
{
    struct engine *e = state;

    atomic_store(&e->cancelled, 1);
}

static void engine_close(void *state)
{
    struct engine *e = state;

    SIM_CHECK(!e->inside);
}

const struct vs_stt_ops device_stt = {.abi = VS_BACKEND_ABI,
                                      .name = "engine",
                                      .description = "fails",
                                      .state_size = sizeof(struct engine),
                                      .open = engine_open,
                                      .begin = engine_begin,
                                      .feed = engine_feed,
                                      .partial = engine_partial,
                                      .finish = engine_finish,
                                      .cancel = engine_cancel,
                                      .close = engine_close};
