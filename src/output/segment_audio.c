/* SPDX-License-Identifier: MIT */
/* The audio of each segment in a file of its own. It is written beside its final name and renamed
   when complete, so that whoever watches the folder never sees half a file. */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "output.h"
#include "put.h"

/* Room for the number, the time, the ends of the name and some more. */
#define NAME_SPARE 80
#define PART_END   ".part"

struct vs_segment_audio {
    struct vs_segment_audio_config config;
    vs_writer *writer; /* of the open segment, or NULL */
    uint64_t segment;  /* the open one, 0 = none */
    char *path;        /* final name of the open or the last file */
    char *part;        /* the name until then */
    size_t room;
    bool has_last;
    uint64_t done;
};

static void say(const struct vs_segment_audio *a, const char *name, int status)
{
    const struct vs_log *log = &a->config.env.log;
    char line[512];

    if (log->write) {
        snprintf(line, sizeof(line), "cannot write %s: %s", name, vs_strerror(status));
        log->write(log->user, VS_LOG_ERROR, "output", line);
    }
}

int vs_segment_audio_open(const struct vs_segment_audio_config *config, vs_segment_audio **ret)
{
    struct vs_segment_audio *a;

    if (!config->dir || !config->stem || !config->container) {
        return -EINVAL;
    }
    a = calloc(1, sizeof(*a));
    if (!a) {
        return -ENOMEM;
    }
    a->config = *config;
    a->room = strlen(config->dir) + strlen(config->stem) + strlen(config->container) + NAME_SPARE;
    a->path = calloc(1, a->room);
    a->part = calloc(1, a->room);
    if (!a->path || !a->part) {
        free(a->path);
        free(a->part);
        free(a);
        return -ENOMEM;
    }
    *ret = a;
    return 0;
}

/* Close without a final name. */
static void discard(struct vs_segment_audio *a)
{
    if (a->writer) {
        int status = vs_writer_destroy(a->writer);
        (void)status; /* it is thrown away */
        a->writer = NULL;
        unlink(a->part);
    }
    a->segment = 0;
}

static int begin_segment(struct vs_segment_audio *a, uint32_t rate_hz, const struct vs_event *e)
{
    struct vs_writer_config config = {
        .size = sizeof(config),
        .env = a->config.env,
        .path = a->part,
        .container = a->config.container,
        .rate_hz = VS_RATE_HZ,
        .channels = 1,
        .format = VS_FORMAT_S16,
    };

    discard(a);
    a->has_last = false;
    snprintf(a->path, a->room, "%s/%s_%05" PRIu64 "_%" PRIu64 ".%s", a->config.dir, a->config.stem,
             e->segment, vs__to_ms(e->start_frame, rate_hz), a->config.container);
    snprintf(a->part, a->room, "%s" PART_END, a->path);
    int status = vs_writer_create(&config, &a->writer);
    if (status == 0) {
        a->segment = e->segment;
    }
    return status; /* the writer said why */
}

static int end_segment(struct vs_segment_audio *a)
{
    int status = vs_writer_destroy(a->writer);

    a->writer = NULL;
    a->segment = 0;
    if (status == 0 && rename(a->part, a->path) != 0) {
        status = -errno;
    }
    if (status != 0) {
        say(a, a->path, status);
        unlink(a->part);
        return status;
    }
    a->has_last = true;
    a->done++;
    return 0;
}

int vs_segment_audio_event(vs_segment_audio *a, uint32_t rate_hz, const struct vs_event *event)
{
    int status = 0;

    if (event->type == VS_EVENT_START) {
        return rate_hz ? begin_segment(a, rate_hz, event) : -EINVAL;
    }
    if (!a->writer || event->segment != a->segment) {
        return 0;
    }
    if (event->type == VS_EVENT_AUDIO) {
        status = vs_writer_write(a->writer, event->audio, event->audio_frames);
        if (status != 0) {
            say(a, a->path, status);
            discard(a);
        }
    } else if (event->type == VS_EVENT_END) {
        status = end_segment(a);
    }
    return status;
}

const char *vs_segment_audio_last(const vs_segment_audio *a)
{
    return a->has_last ? a->path : NULL;
}

uint64_t vs_segment_audio_close(vs_segment_audio *a)
{
    uint64_t done;

    if (!a) {
        return 0;
    }
    discard(a);
    done = a->done;
    free(a->path);
    free(a->part);
    free(a);
    return done;
}
