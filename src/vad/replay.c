/* SPDX-License-Identifier: MIT */
/* The detector that repeats what another one said: reads the CSV that `segment --trace` writes,
   `file,start_ms,end_ms,prob`, one row per hop of one file. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "vad/vad.h"

#define HEADER "file,start_ms,end_ms,prob"

struct replay_state {
    float *rows; /* one probability per hop */
    size_t count;
    size_t next;
};

/** Room for `count` + 1 rows; grows by doubling. @return 0 or -ENOMEM */
static int replay_grow(struct replay_state *s, size_t *capacity)
{
    float *rows;

    if (s->count < *capacity)
        return 0;
    rows = vs__alloc((*capacity * 2 + 1024) * sizeof(*rows));
    if (rows == NULL)
        return -ENOMEM;
    if (s->count > 0)
        memcpy(rows, s->rows, s->count * sizeof(*rows));
    vs__free(s->rows);
    s->rows = rows;
    *capacity = *capacity * 2 + 1024;
    return 0;
}

/** Cut the last field off `line`. @return it as a number, or NAN */
static double take_number(char *line)
{
    char *comma = strrchr(line, ',');
    char *end;
    double value;

    if (comma == NULL)
        return (double)NAN;
    *comma = '\0';
    value = strtod(comma + 1, &end);
    return end == comma + 1 || *end != '\0' ? (double)NAN : value;
}

/** A row of the trace: the name may hold commas, the rest are three numbers.
    @return what is wrong with it, or NULL */
static const char *parse_row(char *line, size_t row, float *ret)
{
    double p = take_number(line);
    double end_ms = take_number(line);
    double start_ms = take_number(line);
    double hop_ms = 1000.0 * VS_HOP_FRAMES / VS_RATE_HZ;

    if (!(p >= 0.0 && p <= 1.0))
        return "its fourth field is not a probability from 0 to 1";
    if (!(end_ms > start_ms && end_ms - start_ms < hop_ms + 0.01)) /* the last may be shorter */
        return "it does not span one hop of 10 ms";
    if (!(fabs(start_ms - (double)row * hop_ms) < 0.01))
        return "it does not follow the row before; a trace to replay has one file and no gap";
    *ret = (float)p;
    return NULL;
}

/** @return what is wrong with the line, "" at a lack of memory, or NULL */
static const char *take_line(struct replay_state *s, char *line, size_t number, size_t *capacity)
{
    const char *wrong;

    line[strcspn(line, "\r\n")] = '\0';
    if (number == 1)
        return strcmp(line, HEADER) == 0 ? NULL : "the header " HEADER " is missing";
    if (replay_grow(s, capacity) < 0)
        return "";
    wrong = parse_row(line, s->count, &s->rows[s->count]);
    if (wrong == NULL)
        s->count++;
    return wrong;
}

static int replay_read(struct replay_state *s, FILE *file, const char *path,
                       const struct vs_log *log)
{
    char *line = NULL;
    size_t room = 0, number = 0, capacity = 0;
    const char *wrong = NULL;

    while (wrong == NULL && getline(&line, &room, file) >= 0)
        wrong = take_line(s, line, ++number, &capacity);
    free(line);
    if (wrong == NULL && !feof(file)) { /* also without memory for a line */
        vs__log(log, VS_LOG_ERROR, "vad", "cannot read the trace %s; is it a file?", path);
        return -EIO;
    }
    if (wrong == NULL && number == 0)
        wrong = "the header " HEADER " is missing";
    if (wrong == NULL)
        return 0;
    if (*wrong == '\0')
        return -ENOMEM;
    vs__log(log, VS_LOG_ERROR, "vad",
            "the trace %s is damaged in line %zu: %s; write it anew with segment --trace", path,
            VS__MAX(number, (size_t)1), wrong);
    return -EBADMSG;
}

static int replay_open(void *state, const struct vs_vad_params *params, struct vs_vad_shape *ret)
{
    struct replay_state *s = state;
    const struct vs_log *log = &params->env->log;
    const char *path = params->argument;
    FILE *file;
    int status;

    if (path == NULL || *path == '\0') {
        vs__log(log, VS_LOG_ERROR, "vad", "replay needs a trace; give it as in replay:trace.csv");
        return -EINVAL;
    }
    file = fopen(path, "re");
    if (file == NULL) {
        status = -errno;
        vs__log(log, VS_LOG_ERROR, "vad", "cannot open the trace %s: %s", path, strerror(-status));
        return status;
    }
    status = replay_read(s, file, path, log);
    fclose(file);
    if (status < 0)
        return status;
    ret->block_frames = VS_HOP_FRAMES;
    ret->latency_frames = 0;
    ret->device = "cpu";
    return 0;
}

static int replay_infer(void *state, const float *block, float *ret)
{
    struct replay_state *s = state;

    (void)block;
    *ret = s->next < s->count ? s->rows[s->next++] : 0.0f;
    return 0;
}

static void replay_reset(void *state)
{
    struct replay_state *s = state;

    s->next = 0;
}

static void replay_close(void *state)
{
    struct replay_state *s = state;

    vs__free(s->rows);
    s->rows = NULL;
    s->count = 0;
}

const struct vs_vad_ops vs__vad_replay = {
    .abi = VS_BACKEND_ABI,
    .name = "replay",
    .description = "what segment --trace wrote",
    .state_size = sizeof(struct replay_state),
    .open = replay_open,
    .infer = replay_infer,
    .reset = replay_reset,
    .close = replay_close,
};
