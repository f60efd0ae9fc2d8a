/* SPDX-License-Identifier: MIT */
/* The writer of audio files: a handle over the module that has libsndfile. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include <voicestand/writer.h>

#include "pipeline/backends.h"

struct vs_writer {
    struct vs_env env;
    struct vs__backend backend;
};

/* "wav" or "flac" by the end of the name, or NULL. */
static const char *find_container(const char *path)
{
    const char *dot = strrchr(path, '.');

    if (dot && strcasecmp(dot, ".wav") == 0)
        return "wav";
    if (dot && strcasecmp(dot, ".flac") == 0)
        return "flac";
    return NULL;
}

static int check_config(struct vs_writer_config *own)
{
    const struct vs_log *log = &own->env.log;

    if (!own->path || own->rate_hz < 8000 || own->rate_hz > 192000 || own->channels > 32)
        return -EINVAL;
    if (own->channels == 0)
        own->channels = 1;
    if (!own->container)
        own->container = find_container(own->path);
    if (!own->container ||
        (strcmp(own->container, "wav") != 0 && strcmp(own->container, "flac") != 0)) {
        vs__log(log, VS_LOG_ERROR, "output", "%s: its name must end in .wav or .flac", own->path);
        return -EINVAL;
    }
    if (own->format == VS_FORMAT_S32)
        return -EINVAL;
    if (own->format == VS_FORMAT_F32 && strcmp(own->container, "flac") == 0)
        own->format = VS_FORMAT_S16;
    return 0;
}

int vs_writer_create(const struct vs_writer_config *config, vs_writer **ret)
{
    struct vs_writer_config own = {.size = sizeof(own)};

    if (!config || !ret || config->size < sizeof(size_t))
        return -EINVAL;
    vs__read_sized(&own, config, sizeof(own));
    int rc = check_config(&own);
    if (rc < 0)
        return rc;
    vs_writer *w = vs__alloc(sizeof(*w));
    if (!w)
        return -ENOMEM;
    w->env = own.env;
    rc = vs__backend_find(&w->backend, VS__KIND_WRITER, "sndfile", NULL, &w->env);
    if (rc < 0) {
        vs__free(w);
        return rc;
    }
    const struct vs_writer_ops *ops = w->backend.ops;
    rc = ops->open(w->backend.state, &w->env, own.path, own.container, own.rate_hz, own.channels,
                   own.format);
    if (rc < 0) {
        (void)ops->close(w->backend.state);
        vs__backend_drop(&w->backend);
        vs__free(w);
        return rc;
    }
    *ret = w;
    return 0;
}

int vs_writer_write(vs_writer *w, const float *audio, size_t frames)
{
    const struct vs_writer_ops *ops = w->backend.ops;
    return ops->write(w->backend.state, audio, frames);
}

int vs_writer_destroy(vs_writer *w)
{
    if (!w)
        return 0;
    const struct vs_writer_ops *ops = w->backend.ops;
    int rc = ops->close(w->backend.state);
    vs__backend_drop(&w->backend);
    vs__free(w);
    return rc;
}
