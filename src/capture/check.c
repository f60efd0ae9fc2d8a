/* SPDX-License-Identifier: MIT */
/* Limits shared by all sources, each with its sentence. */
#include "capture/check.h"

#include <errno.h>
#include <inttypes.h>

#include "base/base.h"

int vs__capture_check(const struct vs_env *env, const char *thing, int status, uint64_t rate_hz,
                      uint64_t channels, int format)
{
    if (rate_hz < VS__RATE_MIN || rate_hz > VS__RATE_MAX) {
        vs__log(&env->log, VS_LOG_ERROR, "capture",
                "%s: a rate of %" PRIu64 " Hz is outside %u to %u Hz; resample it first", thing,
                rate_hz, VS__RATE_MIN, VS__RATE_MAX);
        return status;
    }
    if (channels < 1 || channels > VS__CHANNELS_MAX) {
        vs__log(&env->log, VS_LOG_ERROR, "capture",
                "%s: %" PRIu64 " channels are outside 1 to %u; mix them first", thing, channels,
                VS__CHANNELS_MAX);
        return status;
    }
    if (vs_format_bytes(format) == 0) {
        vs__log(&env->log, VS_LOG_ERROR, "capture",
                "%s: there is no sample format %d; use s16, s24, s32 or f32", thing, format);
        return status;
    }
    return 0;
}

int vs__capture_number(const char *text, uint64_t most, uint64_t *ret)
{
    uint64_t number = 0;
    if (*text == '\0')
        return -EINVAL;
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9' || number > UINT64_MAX / 10 - 1)
            return -EINVAL;
        number = number * 10 + (uint64_t)(*text - '0');
        if (number > most)
            return -EINVAL;
    }
    *ret = number;
    return 0;
}
