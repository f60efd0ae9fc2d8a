/* SPDX-License-Identifier: MIT */
/* The pipeline: opening its parts, and running them on the caller's thread. */
#include "pipeline/pipeline.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <voicestand/dsp.h>

#include "capture/capture.h"
#include "pipeline/enhance.h"
#include "place/cpus.h"
#include "place/topology.h"
#include "stt/stt.h"

/* opening ------------------------------------------------------------------------------------- */

static int open_source(struct vs_pipeline *p, const char *name, const struct vs_capture_ops *ops)
{
    const struct vs_pipeline_config *config = &p->config;
    struct vs_capture_format format = {.size = sizeof(format)};

    int rc = vs__backend_find(&p->capture, VS__KIND_CAPTURE, name, ops, &p->env);
    if (rc < 0)
        return rc;
    const struct vs_capture_ops *source = p->capture.ops;
    struct vs_capture_params params = {.size = sizeof(params),
                                       .env = &p->env,
                                       .argument = p->capture.argument,
                                       .rate_hz = config->rate_hz,
                                       .channels = config->channels,
                                       .format = config->format,
                                       .raw = config->raw,
                                       .latency_ms = config->latency_ms,
                                       .start_s = config->start_s,
                                       .length_s = config->length_s};
    rc = source->open(p->capture.state, &params, &format);
    if (rc == 0 && (format.rate_hz < 8000 || format.rate_hz > 192000 || format.channels < 1 ||
                    format.channels > 32 || !vs_format_bytes(format.format))) {
        vs__log(&p->env.log, VS_LOG_ERROR, "capture",
                "%s: %u Hz with %u channels cannot be used: 8000 to 192000 Hz and 1 to 32 "
                "channels can",
                name, format.rate_hz, format.channels);
        rc = -EINVAL;
    }
    if (rc < 0) {
        source->close(p->capture.state);
        vs__backend_drop(&p->capture);
        return rc;
    }
    p->source = source;
    p->format = format;
    return 0;
}

/* Keeps the last error of an attempt that may be followed by another. */
struct kept_log {
    char sentence[256];
};

static void keep_sentence(void *user, int level, const char *topic, const char *message)
{
    struct kept_log *kept = user;

    (void)topic;
    if (level == VS_LOG_ERROR)
        snprintf(kept->sentence, sizeof(kept->sentence), "%s", message);
}

/* The first live source that opens: audio server, then devices. */
static int open_auto(struct vs_pipeline *p)
{
    static const char *const names[] = {"pipewire", "alsa"};
    struct kept_log kept[VS__COUNT(names)] = {{""}};
    struct vs_log log = p->env.log;
    int rc = -ENODEV;

    for (size_t i = 0; i < VS__COUNT(names); i++) {
        p->env.log = (struct vs_log){keep_sentence, &kept[i]};
        rc = open_source(p, names[i], NULL);
        p->env.log = log;
        if (rc == 0)
            return 0;
    }
    vs__log(&log, VS_LOG_ERROR, "capture", "no microphone can be opened: pipewire: %s; alsa: %s",
            kept[0].sentence, kept[1].sentence);
    return rc == -EINVAL || rc == -ENOTSUP ? -ENODEV : rc;
}

static int open_engine(struct vs_pipeline *p, const struct vs_pipeline_config *given)
{
    bool none = !given->stt || !*given->stt || strcmp(given->stt, "null") == 0;
    struct vs_stt_config config = {
        .size = sizeof(config), .env = p->env, .name = given->stt, .ops = given->stt_ops};
    vs_stt *engine = given->engine;
    int rc = 0;

    if (!engine && none && !given->stt_ops)
        return 0;
    if (!engine) {
        rc = vs_stt_create(&config, &p->own_engine);
        engine = p->own_engine;
    }
    if (rc == 0)
        rc = vs__stt_take(engine, &p->env.log);
    if (rc < 0)
        return rc;
    p->taken_engine = engine;
    p->engine = engine->backend.ops;
    p->engine_state = engine->backend.state;
    return 0;
}

static int check_config(struct vs_pipeline *p)
{
    struct vs_pipeline_config *config = &p->config;
    const struct vs_log *log = &p->env.log;
    const char *member = NULL;

    if (config->segment.size == 0) /* inside a struct that has one, it need not be said */
        config->segment.size = sizeof(config->segment);
    int rc = vs__segment_rules(&config->segment, &p->chain_config.rules, &member);
    if (rc < 0) {
        vs__log(log, VS_LOG_ERROR, "segment", "%s is out of range", member);
        return rc;
    }
    config->latency_ms = config->latency_ms ? config->latency_ms : 5;
    config->ring_ms = config->ring_ms ? config->ring_ms : 500;
    config->backlog_ms = config->backlog_ms ? config->backlog_ms : 60000;
    config->high_pass_hz = config->high_pass_hz == 0 ? 80 : config->high_pass_hz;
    if (config->rate_hz && (config->rate_hz < 8000 || config->rate_hz > 192000))
        vs__log(log, VS_LOG_ERROR, "capture", "a rate of %u Hz cannot be used: 8000 to 192000 can",
                config->rate_hz);
    else if (config->channels > 32)
        vs__log(log, VS_LOG_ERROR, "capture", "%u channels cannot be used: 1 to 32 can",
                config->channels);
    else if (config->latency_ms < 2 || config->latency_ms > 100)
        vs__log(log, VS_LOG_ERROR, "capture", "a latency of %u ms cannot be used: 2 to 100 can",
                config->latency_ms);
    else if (config->ring_ms < 20 || config->ring_ms > 60000)
        vs__log(log, VS_LOG_ERROR, "ring", "a ring of %u ms cannot be used: 20 to 60000 can",
                config->ring_ms);
    else if (config->backlog_ms > 3600000)
        vs__log(log, VS_LOG_ERROR, "stt", "a backlog of %u ms cannot be used: up to an hour can",
                config->backlog_ms);
    else if (config->enhance & ~VS__ENHANCE_ALL)
        vs__log(log, VS_LOG_ERROR, "dsp", "enhance has bits that mean nothing: %d",
                config->enhance);
    else if (!(config->high_pass_hz < 4000))
        vs__log(log, VS_LOG_ERROR, "dsp", "a high-pass at %g Hz cannot be used: below 4000 can",
                (double)config->high_pass_hz);
    else if (!(config->text_sure <= 1))
        vs__log(log, VS_LOG_ERROR, "stt", "text_sure cannot be %g: up to 1 can",
                (double)config->text_sure);
    else
        return 0;
    return -EINVAL;
}

/* What the chain gets apart from its sink. */
static int fill_chain_config(struct vs_pipeline *p)
{
    struct vs__chain_config *chain = &p->chain_config;
    const struct vs_pipeline_config *config = &p->config;

    if (config->channel > p->format.channels) {
        vs__log(&p->env.log, VS_LOG_ERROR, "capture", "there is no channel %u: %s has %u",
                config->channel, p->format.device ? p->format.device : p->source->name,
                p->format.channels);
        return -EINVAL;
    }
    int rc = vs__cpu_choose(&p->env, &chain->cpu);
    if (rc < 0)
        return rc;
    chain->cpu_name = p->env.cpu;
    chain->rate_hz = p->format.rate_hz;
    chain->channels = p->format.channels;
    chain->format = p->format.format;
    chain->channel = config->channel;
    chain->high_pass_hz = VS__MAX(config->high_pass_hz, 0.0f);
    chain->vad = p->vad.ops;
    chain->vad_state = p->vad.state;
    chain->vad_shape = p->vad_shape;
    chain->audio_all = config->audio == VS_AUDIO_ALL;
    chain->audio_segments = config->audio == VS_AUDIO_SEGMENTS || p->engine;
    chain->enhance_text = config->enhance_text && p->engine;
    bool twin = chain->enhance_text || (config->audio && config->audio != VS_AUDIO_WIDE);
    chain->enhance = twin ? (unsigned)config->enhance : 0;
    return vs__wide_config_fill(&p->env.log, config->audio, config->enhance, config->audio_rate_hz,
                                config->audio_channels, chain);
}

static int open_parts(struct vs_pipeline *p, const struct vs_pipeline_config *given)
{
    const char *source = given->capture ? given->capture : "auto";

    if ((given->start_s != 0 || given->length_s != 0) && !given->capture_ops &&
        strncmp(source, "file:", 5) != 0) {
        vs__log(&p->env.log, VS_LOG_ERROR, "capture",
                "%s: only of a file can a part be heard; leave out start_s and length_s", source);
        return -EINVAL;
    }
    int rc = vs__vad_open(&p->vad, given->vad, given->vad_ops, &p->env, &p->vad_shape);
    if (rc < 0)
        return rc;
    rc = open_engine(p, given);
    if (rc < 0)
        return rc;
    rc = strcmp(source, "auto") == 0 && !given->capture_ops
             ? open_auto(p)
             : open_source(p, source, given->capture_ops);
    if (rc < 0)
        return rc;
    if (p->format.live)
        vs__vad_hurry(&p->vad);
    return fill_chain_config(p);
}

/* Files are read as fast as they can be: their threads stay wherever the system likes, unless the
   user has a wish. */
static int find_placement(struct vs_pipeline *p, const char *policy)
{
    p->placement = p->thrifty = (struct vs_placement){.size = sizeof(p->placement), .node = -1};
    if (policy ? strcmp(policy, "none") == 0 : !p->format.live)
        return 0;
    struct vs_topology *t = vs__alloc(sizeof(*t));
    if (!t)
        return -ENOMEM;
    t->size = sizeof(*t);
    int rc = vs_topology_read(&p->env, t);
    if (rc == 0)
        rc = vs_placement_plan(t, policy, &p->placement);
    if (rc == 0)
        rc = vs_placement_plan(t, "efficiency", &p->thrifty);
    /* to go back from there, also threads that nobody placed need a place */
    p->usual = p->placement;
    for (int role = 0; role < VS_ROLE_COUNT; role++)
        if (vs__cpus_count(p->usual.cpus[role]) == 0)
            vs__topology_usable(t, p->usual.cpus[role]);
        else if (rc != -ENOMEM && !policy)
            rc = 0; /* a system that tells nothing of its processors places threads itself */
    if (rc == -EINVAL)
        vs__log(&p->env.log, VS_LOG_ERROR, "place",
                "placement \"%s\" is none of auto, none, latency, efficiency, or lists like "
                "capture=0:worker=1",
                policy);
    else if (rc == -ENODEV)
        vs__log(&p->env.log, VS_LOG_ERROR, "place",
                "placement \"%s\" names a processor that is not there or may not be used", policy);
    vs__free(t);
    return rc;
}

/* The strings of an environment. */
static const char **env_string(struct vs_env *env, size_t index)
{
    const char **strings[] = {&env->module_dir, &env->cpu, &env->system_root, &env->openvino,
                              &env->cache_dir};

    return index < VS__COUNT(strings) ? strings[index] : NULL;
}

/* Our own copy, which the backends may keep. @return 0 or -ENOMEM, half done */
static int copy_env(struct vs_env *ret, struct vs_env *from)
{
    const char **to;

    ret->log = from->log;
    for (size_t i = 0; (to = env_string(ret, i)) != NULL; i++) {
        const char *text = *env_string(from, i);
        *to = vs__strdup(text);
        if (text && !*to)
            return -ENOMEM;
    }
    return 0;
}

static void free_env(struct vs_env *env)
{
    const char **text;

    for (size_t i = 0; (text = env_string(env, i)) != NULL; i++)
        vs__free((void *)(uintptr_t)*text);
}

/* The user's wish, or what the detector recommends. */
static float sure_of(const struct vs_pipeline *p)
{
    float sure = p->config.text_sure != 0 ? p->config.text_sure : p->vad_shape.sure;

    return p->engine && sure > 0 ? sure : 0;
}

int vs_pipeline_create(const struct vs_pipeline_config *config, vs_pipeline **ret)
{
    struct vs_pipeline_config own = {.size = sizeof(own)};

    if (!config || !ret || config->size < sizeof(size_t))
        return -EINVAL;
    vs__read_sized(&own, config, sizeof(own));
    struct vs_pipeline *p = vs__alloc(sizeof(*p));
    if (!p)
        return -ENOMEM;
    vs__histogram_init(&p->text, VS__HISTOGRAM_FINE, p->text_buckets);
    int rc = -ENOMEM;
    if (copy_env(&p->env, &own.env) < 0)
        goto fail;
    p->config = own;
    p->config.capture = p->config.vad = p->config.stt = p->config.placement = NULL;
    rc = check_config(p);
    if (rc == 0)
        rc = open_parts(p, &own);
    if (rc == 0)
        rc = find_placement(p, own.placement);
    if (rc < 0)
        goto fail;
    p->edge.rate_hz = p->format.rate_hz;
    p->edge.frame_bytes = vs_format_bytes(p->format.format) * p->format.channels;
    p->direct = (struct vs__direct){.rate_hz = p->format.rate_hz,
                                    .on_event = own.on_event,
                                    .user = own.user,
                                    .audio = own.audio,
                                    .wide_hz = p->chain_config.wide_hz,
                                    .wide_channels = p->chain_config.wide_channels,
                                    .stt = p->engine,
                                    .text_sure = sure_of(p),
                                    .stt_state = p->engine_state,
                                    .text = &p->text};
    *ret = p;
    return 0;
fail:
    vs_pipeline_destroy(p);
    return rc;
}

void vs_pipeline_destroy(vs_pipeline *p)
{
    if (!p)
        return;
    vs__live_destroy(p->live);
    vs__chain_destroy(p->chain);
    if (p->source) {
        p->source->close(p->capture.state);
        vs__backend_drop(&p->capture);
    }
    vs__stt_give_back(p->taken_engine);
    vs_stt_destroy(p->own_engine);
    if (p->vad.ops) {
        ((const struct vs_vad_ops *)p->vad.ops)->close(p->vad.state);
        vs__backend_drop(&p->vad);
    }
    vs__edge_close(&p->edge);
    free_env(&p->env);
    vs__free(p);
}

/* running on the caller's thread -------------------------------------------------------------- */

static void tell_ledger(struct vs_pipeline *p)
{
    struct vs_ledger ledger = vs__ledger(p->chain, p->format.rate_hz, p->format.channels,
                                         vs__counted(&p->edge.captured), &p->edge.losses);
    struct vs_event e = vs__event_now(VS_EVENT_LEDGER);

    ledger.text_frames = vs__counted(&p->direct.text_frames);
    vs__event_bounds(&e, 0, ledger.captured, p->format.rate_hz);
    e.ledger = &ledger;
    vs__direct_tell(&p->direct, &e);
}

/* Read and process until the source ends. @return 0 or what ended it. */
static int run_source(struct vs_pipeline *p, void *buffer, size_t frames)
{
    for (;;) {
        struct vs_capture_stamp stamp = {0};
        int cause = 0;

        if (atomic_load_explicit(&p->aborted, memory_order_relaxed))
            return -ECANCELED;
        int64_t n = p->source->read(p->capture.state, buffer, frames, &stamp);
        if (n <= 0)
            return (int)n;
        uint64_t missing = vs__edge_count(&p->edge, (size_t)n, &stamp, &cause);
        int gap = missing ? vs__direct_gap(&p->direct, missing, cause) : 0;
        /* What was read is delivered, also behind a detector that failed in the gap. */
        int rc = vs__chain_push(p->chain, buffer, (size_t)n, p->format.live ? stamp.time_ns : 0);
        if (gap < 0 || rc < 0)
            return gap < 0 ? gap : rc;
    }
}

int vs_pipeline_run(vs_pipeline *p)
{
    struct vs__pool pool = {0};

    if (p->used)
        return -EALREADY;
    if (!p->source->read)
        return -ENOTSUP;
    p->chain_config.sink = vs__direct_sink(&p->direct, p->config.probabilities != 0);
    int rc = vs__pool_init(&pool, VS__POOL_LARGE, 1);
    if (rc == 0)
        rc = vs__chain_create(&p->chain_config, &p->chain);
    if (rc < 0) { /* it has not run: it can be tried again */
        vs__pool_fini(&pool);
        return rc;
    }
    p->direct.chain = p->chain;
    p->used = true;
    p->edge.begin_ns = vs__mono_ns();
    atomic_store_explicit(&p->begin_ns, p->edge.begin_ns, memory_order_release);
    unsigned mode = vs__fp_fast();
    size_t frames = VS__MIN((size_t)4096, VS__POOL_LARGE / p->edge.frame_bytes);
    rc = run_source(p, vs__pool_take(&pool), frames);
    int end = vs__chain_finish(p->chain);
    tell_ledger(p);
    vs__fp_restore(mode);
    vs__pool_fini(&pool);
    atomic_store(&p->end_ns, vs__mono_ns());
    return rc < 0 ? rc : end;
}

/* from outside -------------------------------------------------------------------------------- */

int vs_pipeline_start(vs_pipeline *p)
{
    if (p->used)
        return -EALREADY;
    if (p->config.audio == VS_AUDIO_WIDE) {
        vs__log(&p->env.log, VS_LOG_ERROR, "dsp",
                "audio at the source's rate comes from vs_pipeline_run() and streams only");
        return -ENOTSUP;
    }
    int rc = vs__live_start(p);
    p->used = p->live != NULL; /* also where threads ran and have to be waited for */
    return rc;
}

int vs_pipeline_wait(vs_pipeline *p, int timeout_ms)
{
    bool began = atomic_load_explicit(&p->begin_ns, memory_order_acquire) != 0;
    return began && p->live ? vs__live_wait(p->live, timeout_ms) : 0;
}

void vs_pipeline_stop(vs_pipeline *p)
{
    if (p->live)
        vs__live_stop(p->live);
}

void vs_pipeline_abort(vs_pipeline *p)
{
    atomic_store_explicit(&p->aborted, true, memory_order_release);
    if (p->engine && p->engine->cancel)
        p->engine->cancel(p->engine_state);
    if (p->source->cancel)
        p->source->cancel(p->capture.state);
    if (atomic_load_explicit(&p->begin_ns, memory_order_acquire) && p->live)
        vs__live_abort(p->live);
}

void vs_pipeline_stats(const vs_pipeline *p, struct vs_stats *ret)
{
    struct vs_stats stats = {.size = sizeof(stats)};
    int64_t end = atomic_load(&p->end_ns);
    int64_t begin = atomic_load_explicit(&p->begin_ns, memory_order_acquire);

    if (begin) {
        stats.ledger = vs__ledger(p->chain, p->format.rate_hz, p->format.channels,
                                  vs__counted(&p->edge.captured), &p->edge.losses);
        vs__chain_stats(p->chain, &stats);
    }
    vs__histogram_read(&p->text, &stats.stage[VS_STAGE_TEXT]);
    stats.ledger.text_frames = vs__counted(&p->direct.text_frames);
    stats.elapsed_ns = begin ? (end ? end : vs__mono_ns()) - begin : 0;
    stats.first_frame_ns = atomic_load_explicit(&p->edge.first_ns, memory_order_relaxed);
    stats.ring_peak_frames = atomic_load_explicit(&p->edge.peak_frames, memory_order_relaxed);
    stats.source_latency_ns = p->format.latency_ns;
    if (begin && p->live)
        vs__live_stats(p->live, &stats);
    vs__write_sized(ret, &stats, sizeof(stats));
}

void vs_pipeline_info(const vs_pipeline *p, struct vs_pipeline_info *ret)
{
    struct vs_pipeline_info info = {.size = sizeof(info)};

    info.capture = p->source->name;
    info.device = p->format.device ? p->format.device : p->source->name;
    info.vad = p->vad.name;
    info.vad_device = p->vad_shape.device ? p->vad_shape.device : "cpu";
    info.stt = p->engine ? p->engine->name : "null";
    info.text_sure = p->direct.text_sure;
    info.cpu = vs_cpu_name(p->chain_config.cpu);
    info.rate_hz = p->format.rate_hz;
    info.channels = p->format.channels;
    info.format = p->format.format;
    info.live = p->format.live;
    info.total_frames = p->format.total_frames;
    vs__write_sized(ret, &info, sizeof(info));
}
