/* SPDX-License-Identifier: MIT */
/* "null[:SECONDS]": digital silence, as fast as it is asked for; without an end if no length is
   given. */
#include "capture/capture.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "base/base.h"
#include "capture/check.h"

struct null_source {
    uint64_t left; /* frames; meaningful if `bounded` */
    uint64_t position;
    size_t frame_bytes;
    bool bounded;
    atomic_bool cancelled; /* relaxed: carries no data */
};

/* "12" or "12.5" to frames; the locale has no say in what a point is. */
static int parse_seconds(const char *text, uint32_t rate_hz, uint64_t *ret)
{
    uint64_t whole = 0, fraction = 0, unit = 1000000000;
    int digits = 0;
    for (; *text >= '0' && *text <= '9'; text++, digits++)
        whole = whole * 10 + (uint64_t)(*text - '0');
    if (digits < 1 || digits > 9)
        return -EINVAL;
    if (*text == '.') {
        for (text++; *text >= '0' && *text <= '9'; text++) {
            unit /= 10;
            fraction += unit * (uint64_t)(*text - '0');
        }
    }
    if (*text != '\0')
        return -EINVAL;
    *ret = whole * rate_hz + fraction * rate_hz / 1000000000;
    return 0;
}

static int open_null(void *state, const struct vs_capture_params *params,
                     struct vs_capture_format *ret)
{
    struct null_source *s = state;
    uint32_t rate_hz = params->rate_hz ? params->rate_hz : VS_RATE_HZ;
    uint32_t channels = params->channels ? params->channels : 1;
    int status = vs__capture_check(params->env, "null", -EINVAL, rate_hz, channels, params->format);
    if (status < 0)
        return status;
    if (params->argument) {
        status = parse_seconds(params->argument, rate_hz, &s->left);
        if (status < 0) {
            vs__log(&params->env->log, VS_LOG_ERROR, "capture",
                    "null:%s: the length must be seconds such as 10 or 0.5", params->argument);
            return status;
        }
        s->bounded = true;
    }
    s->frame_bytes = channels * vs_format_bytes(params->format);
    ret->rate_hz = rate_hz;
    ret->channels = channels;
    ret->format = params->format;
    ret->live = 0;
    ret->latency_ns = 0;
    ret->total_frames = s->left;
    ret->device = "silence";
    return 0;
}

static int64_t read_null(void *state, void *pcm, size_t frames, struct vs_capture_stamp *ret)
{
    struct null_source *s = state;
    if (atomic_load_explicit(&s->cancelled, memory_order_relaxed))
        return -ECANCELED;
    if (s->bounded && frames > s->left)
        frames = (size_t)s->left;
    if (frames == 0)
        return 0;
    memset(pcm, 0, frames * s->frame_bytes);
    *ret = (struct vs_capture_stamp){.position = s->position};
    s->position += frames;
    s->left -= s->bounded ? frames : 0;
    return (int64_t)frames;
}

static void cancel_null(void *state)
{
    struct null_source *s = state;
    atomic_store_explicit(&s->cancelled, true, memory_order_relaxed);
}

static void close_null(void *state)
{
}

const struct vs_capture_ops vs__capture_null = {
    .abi = VS_BACKEND_ABI,
    .name = "null",
    .description = "silence, for tests; null:SECONDS ends",
    .state_size = sizeof(struct null_source),
    .open = open_null,
    .read = read_null,
    .cancel = cancel_null,
    .close = close_null,
};
