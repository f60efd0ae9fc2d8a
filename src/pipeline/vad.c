/* SPDX-License-Identifier: MIT */
/* The detector as a handle of its own. */
#include <errno.h>
#include <voicestand/vad.h>

#include "pipeline/backends.h"

struct vs_vad {
    struct vs_env env;
    struct vs__backend backend;
    struct vs_vad_shape shape;
};

int vs_vad_create(const struct vs_vad_config *config, vs_vad **ret)
{
    struct vs_vad_config own = {.size = sizeof(own)};

    if (!config || !ret || config->size < sizeof(size_t))
        return -EINVAL;
    vs__read_sized(&own, config, sizeof(own));
    vs_vad *v = vs__alloc(sizeof(*v));
    if (!v)
        return -ENOMEM;
    v->env = own.env;
    int rc = vs__vad_open(&v->backend, own.name, own.ops, &v->env, &v->shape);
    if (rc < 0) {
        vs__free(v);
        return rc;
    }
    *ret = v;
    return 0;
}

uint32_t vs_vad_block_frames(const vs_vad *v)
{
    return v->shape.block_frames;
}

uint32_t vs_vad_latency_frames(const vs_vad *v)
{
    return v->shape.latency_frames;
}

int vs_vad_infer(vs_vad *v, const float *block, float *ret)
{
    const struct vs_vad_ops *ops = v->backend.ops;
    return ops->infer(v->backend.state, block, ret);
}

void vs_vad_reset(vs_vad *v)
{
    const struct vs_vad_ops *ops = v->backend.ops;
    ops->reset(v->backend.state);
}

void vs_vad_stats(const vs_vad *v, struct vs_device_stats *ret)
{
    struct vs_device_stats stats = {.size = sizeof(stats)};
    vs__vad_stats(&v->backend, &stats);
    vs__write_sized(ret, &stats, sizeof(stats));
}

int vs_vad_devices(const struct vs_env *env, const char *name,
                   void (*visit)(void *user, const char *device, const char *description),
                   void *user)
{
    static const struct vs_env nothing;
    const struct vs_vad_ops *ops;
    struct vs__backend b = {0};

    if (!name || !visit)
        return -EINVAL;
    env = env ? env : &nothing;
    int rc = vs__backend_find(&b, VS__KIND_VAD, name, NULL, env);
    if (rc < 0)
        return rc;
    ops = b.ops;
    rc = ops->list ? ops->list(env, visit, user) : -EINVAL;
    vs__backend_drop(&b);
    return rc;
}

void vs_vad_destroy(vs_vad *v)
{
    if (!v)
        return;
    const struct vs_vad_ops *ops = v->backend.ops;
    ops->close(v->backend.state);
    vs__backend_drop(&v->backend);
    vs__free(v);
}
