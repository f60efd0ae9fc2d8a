/* SPDX-License-Identifier: MIT */
/* The engine that is no engine: takes all audio, finds no words. */
#include "stt/stt.h"

#include <errno.h>

#include "base/base.h"

static int open_null(void *state, const struct vs_stt_params *params)
{
    if (params->argument && params->argument[0]) {
        vs__log(&params->env->log, VS_LOG_ERROR, "stt", "null takes no argument, not '%s'",
                params->argument);
        return -EINVAL;
    }
    return 0;
}

static int begin_null(void *state, uint64_t segment)
{
    return 0;
}

static int feed_null(void *state, const float *audio, size_t frames)
{
    return 0;
}

static int finish_null(void *state, const char **ret)
{
    *ret = "";
    return 0;
}

static void cancel_null(void *state)
{
}

static void close_null(void *state)
{
}

const struct vs_stt_ops vs__stt_null = {
    .abi = VS_BACKEND_ABI,
    .name = "null",
    .description = "no text",
    .state_size = 64,
    .open = open_null,
    .begin = begin_null,
    .feed = feed_null,
    .finish = finish_null,
    .cancel = cancel_null,
    .close = close_null,
};
