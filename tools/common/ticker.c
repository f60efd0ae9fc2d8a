/* SPDX-License-Identifier: MIT */
/* The microphone made of a timer. */
#include "common/ticker.h"

#include <errno.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/common.h"

#define RATE_HZ 48000

struct ticker {
    int timer;
    uint32_t period_frames;
    uint64_t position;
    int64_t next_ns;
    uint32_t random;
};

static int ticker_open(void *state, const struct vs_capture_params *params,
                       struct vs_capture_format *ret)
{
    struct ticker *t = state;

    t->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    if (t->timer < 0)
        return -errno;
    /* as an audio server's: the power of two nearest to what was asked for */
    uint32_t wish = RATE_HZ / 1000 * params->latency_ms;
    for (t->period_frames = 64; t->period_frames * 3 / 2 <= wish;)
        t->period_frames *= 2;
    ret->rate_hz = RATE_HZ;
    ret->channels = 2;
    ret->format = VS_FORMAT_S16;
    ret->live = 1;
    ret->device = "a timer";
    return 0;
}

/* Quiet noise: work for every part of the chain, and no segment. */
static void fill(struct ticker *t, int16_t *pcm, size_t samples)
{
    for (size_t i = 0; i < samples; i++) {
        t->random = t->random * 1664525u + 1013904223u;
        pcm[i] = (int16_t)((int32_t)t->random >> 24);
    }
}

static int64_t ticker_read(void *state, void *pcm, size_t frames, struct vs_capture_stamp *ret)
{
    struct ticker *t = state;
    int64_t period_ns = (int64_t)t->period_frames * 1000000000 / RATE_HZ;
    uint64_t ticks;

    if (t->next_ns == 0) { /* the first call: here time begins */
        struct itimerspec when = {{0, period_ns}, {0, period_ns}};
        t->next_ns = now_ns() + period_ns;
        if (timerfd_settime(t->timer, 0, &when, NULL) < 0)
            return -errno;
    }
    if (frames > t->period_frames)
        frames = t->period_frames;
    if (read(t->timer, &ticks, sizeof(ticks)) != sizeof(ticks))
        return -EIO;
    fill(t, pcm, frames * 2);
    ret->position = t->position;
    ret->time_ns = t->next_ns - period_ns;
    t->position += frames;
    t->next_ns += period_ns;
    return (int64_t)frames;
}

static void ticker_close(void *state)
{
    const struct ticker *t = state;

    if (t->timer > 0)
        close(t->timer);
}

const struct vs_capture_ops ticker_capture = {.abi = VS_BACKEND_ABI,
                                              .name = "tick",
                                              .description = "a microphone made of a timer",
                                              .state_size = sizeof(struct ticker),
                                              .open = ticker_open,
                                              .read = ticker_read,
                                              .close = ticker_close};
