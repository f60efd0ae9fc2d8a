/* SPDX-License-Identifier: MIT */
/* decoder_cost MODULES FILE: what it costs to decode a file in a process of its own, beside decoding it
   here, by the same code. Rounds alternate; medians of them, and of their ratios, as JSON. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/base.h"
#include "capture/sound.h"
#include "capture_host.h"

enum { ROUNDS = 201, LONG_ROUNDS = 31, FRAMES = 4096 };

static char pcm[FRAMES * VS__SOUND_FRAME_BYTES];

/* Open, read the first frames or all, close. @return nanoseconds */
static double read_here(const char *path, bool all)
{
    struct vs__sound sound = {0};
    struct vs__sound_ask ask = {0};
    struct vs__sound_head head = {0};
    int64_t begin = vs__mono_ns();

    vs__sound_open(&sound, open(path, O_RDONLY | O_CLOEXEC), &ask, &head);
    while (vs__sound_read(&sound, pcm, FRAMES) > 0 && all)
        ;
    vs__sound_close(&sound);
    return (double)(vs__mono_ns() - begin);
}

static double read_there(const struct vs_capture_ops *ops, const char *path, bool all)
{
    struct vs_env env = {0};
    struct vs_capture_params params = {.size = sizeof(params), .env = &env, .argument = path};
    struct vs_capture_format format = {.size = sizeof(format)};
    struct vs_capture_stamp stamp;
    void *state = vs__alloc(ops->state_size);
    int64_t begin = vs__mono_ns();

    if (!state || ops->open(state, &params, &format) != 0)
        exit(1);
    while (ops->read(state, pcm, FRAMES, &stamp) > 0 && all)
        ;
    ops->close(state);
    double ns = (double)(vs__mono_ns() - begin);
    vs__free(state);
    return ns;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), by_value);
    return values[count / 2];
}

static void compare(const struct vs_capture_ops *ops, const char *path, bool all, size_t rounds)
{
    static double here[ROUNDS], there[ROUNDS], more[ROUNDS], ratio[ROUNDS];

    for (size_t i = 0; i < rounds; i++) {
        here[i] = read_here(path, all);
        there[i] = read_there(ops, path, all);
        more[i] = there[i] - here[i];
        ratio[i] = there[i] / here[i];
    }
    printf("\"here_ms\":%.3f,\"there_ms\":%.3f,\"more_ms\":%.3f,\"ratio\":%.3f",
           median(here, rounds) * 1e-6, median(there, rounds) * 1e-6, median(more, rounds) * 1e-6,
           median(ratio, rounds));
}

int main(int count, char **arguments)
{
    if (count != 3 || setenv("VOICESTAND_TEST_MODULES", arguments[1], 1) < 0)
        return 2;
    const struct vs_capture_ops *ops = host_capture("file");
    if (!ops)
        return 1;
    int64_t begin = vs__mono_ns();
    read_there(ops, arguments[2], false);
    printf("{\"first_ms\":%.3f,\"start\":{", (double)(vs__mono_ns() - begin) * 1e-6);
    compare(ops, arguments[2], false, ROUNDS);
    printf("},\"whole\":{");
    compare(ops, arguments[2], true, LONG_ROUNDS);
    printf("}}\n");
    return 0;
}
