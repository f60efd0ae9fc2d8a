/* SPDX-License-Identifier: MIT */
/* Detectors and text engines as handles: opened for one pipeline, or kept by the user. */
#include <errno.h>
#include <voicestand/vad.h>

#include "pipeline/backends.h"
#include "pipeline/pipeline.h"

#define PART_FRAMES (VS_RATE_HZ / 10)

/* the detector -------------------------------------------------------------------------------- */

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

/* the text engine ----------------------------------------------------------------------------- */

/* Threads of an engine wait for each other, so they must be on cores of one kind. An engine of the
   user's own knows best. */
static uint32_t count_threads(const struct vs_env *env)
{
    struct vs_topology *t = vs__alloc(sizeof(*t));
    struct vs_placement p = {.size = sizeof(p)};

    if (t) {
        t->size = sizeof(*t);
        if (vs_topology_read(env, t) == 0 && vs_placement_plan(t, NULL, &p) < 0)
            p.text_threads = 0;
    }
    vs__free(t);
    return p.text_threads;
}

int vs_stt_create(const struct vs_stt_config *config, vs_stt **ret)
{
    struct vs_stt_config own = {.size = sizeof(own)};

    if (!config || !ret || config->size < sizeof(size_t))
        return -EINVAL;
    vs__read_sized(&own, config, sizeof(own));
    if (!own.name && !own.ops)
        return -EINVAL;
    vs_stt *s = vs__alloc(sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->env.log = s->own_log = own.env.log;
    s->env.module_dir = vs__strdup(own.env.module_dir);
    int rc = own.env.module_dir && !s->env.module_dir ? -ENOMEM : 0;
    if (rc == 0)
        rc =
            vs__backend_find(&s->backend, VS__KIND_STT, own.name ? own.name : "", own.ops, &s->env);
    if (rc == 0) {
        const struct vs_stt_ops *ops = s->backend.ops;
        struct vs_stt_params params = {.size = sizeof(params),
                                       .env = &s->env,
                                       .argument = s->backend.argument,
                                       .threads = own.ops ? 0 : count_threads(&s->env)};
        rc = ops->open(s->backend.state, &params);
    }
    if (rc < 0) {
        vs_stt_destroy(s);
        return rc;
    }
    *ret = s;
    return 0;
}

void vs_stt_destroy(vs_stt *s)
{
    if (!s)
        return;
    const struct vs_stt_ops *ops = s->backend.ops;
    if (ops)
        ops->close(s->backend.state);
    vs__backend_drop(&s->backend);
    vs__free((void *)(uintptr_t)s->env.module_dir);
    vs__free(s);
}

/* In parts, so that a cancel is seen soon whatever the engine does. */
static int feed_all(vs_stt *s, const float *audio, size_t frames)
{
    const struct vs_stt_ops *ops = s->backend.ops;
    int rc = 0;

    for (size_t at = 0; rc >= 0 && at < frames; at += PART_FRAMES) {
        if (atomic_load_explicit(&s->cancelled, memory_order_acquire))
            return -ECANCELED;
        rc = ops->feed(s->backend.state, audio + at, VS__MIN(frames - at, (size_t)PART_FRAMES));
    }
    return rc < 0 ? rc : 0;
}

static int hear(vs_stt *s, const float *audio, size_t frames, struct vs_stt_result *ret)
{
    const struct vs_stt_ops *ops = s->backend.ops;
    struct vs_stt_result result = {.size = sizeof(result), .text = ""};
    int rc = ops->begin(s->backend.state, ++s->heard);

    if (rc == 0)
        rc = feed_all(s, audio, frames);
    /* An engine's own cancel counts from its begin() on, ours for good. */
    if (rc == 0 && atomic_load_explicit(&s->cancelled, memory_order_acquire))
        rc = -ECANCELED;
    if (rc == 0)
        rc = ops->finish(s->backend.state, &result.text);
    if (rc < 0)
        return rc;
    int words = ops->words ? ops->words(s->backend.state, &result.words) : 0;
    result.word_count = words > 0 ? (size_t)words : 0;
    if (result.word_count == 0)
        result.words = NULL;
    result.text = result.text ? result.text : "";
    vs__write_sized(ret, &result, sizeof(result));
    return 0;
}

int vs_stt_hear(vs_stt *s, const float *audio, size_t frames, struct vs_stt_result *ret)
{
    if (!s || (!audio && frames > 0) || !ret || ret->size < sizeof(size_t))
        return -EINVAL;
    int rc = vs__stt_take(s, &s->own_log);
    if (rc < 0)
        return rc;
    rc = hear(s, audio, frames, ret);
    vs__stt_give_back(s);
    return rc;
}

void vs_stt_cancel(vs_stt *s)
{
    const struct vs_stt_ops *ops = s->backend.ops;

    atomic_store_explicit(&s->cancelled, true, memory_order_release);
    if (ops->cancel)
        ops->cancel(s->backend.state);
}

int vs__stt_take(vs_stt *s, const struct vs_log *log)
{
    if (atomic_exchange_explicit(&s->taken, true, memory_order_acquire)) {
        vs__log(log, VS_LOG_ERROR, "stt", "the text engine is used by another pipeline");
        return -EBUSY;
    }
    s->env.log = *log;
    return 0;
}

void vs__stt_give_back(vs_stt *s)
{
    if (!s)
        return;
    s->env.log = (struct vs_log){0}; /* it may not outlive the pipeline */
    atomic_store_explicit(&s->taken, false, memory_order_release);
}
