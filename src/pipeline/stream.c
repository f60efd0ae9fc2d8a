/* SPDX-License-Identifier: MIT */
/* The stream: the chain on the caller's thread. */
#include <errno.h>

#include <voicestand/stream.h>

#include "pipeline/backends.h"
#include "pipeline/enhance.h"
#include "pipeline/report.h"
#include <voicestand/dsp.h>

struct vs_stream {
    struct vs_env env;
    struct vs__backend vad;
    struct vs__direct direct;
    struct vs__losses losses;
    uint32_t rate_hz, channels;
    uint64_t captured;
    int64_t begin_ns;
    bool finished;
};

static int fill_chain_config(struct vs_stream_config *own, struct vs__chain_config *ret)
{
    const char *member = NULL;
    const struct vs_log *log = &own->env.log;

    if (own->rate_hz < 8000 || own->rate_hz > 192000 || own->channels < 1 || own->channels > 32 ||
        !vs_format_bytes(own->format) || own->channel > own->channels) {
        vs__log(log, VS_LOG_ERROR, "stream",
                "the rate must be 8000 to 192000, the channels 1 to 32, the channel one of them");
        return -EINVAL;
    }
    if (own->segment.size == 0) /* inside a struct that has one, it need not be said */
        own->segment.size = sizeof(own->segment);
    if (own->enhance & ~VS__ENHANCE_ALL) {
        vs__log(log, VS_LOG_ERROR, "stream", "enhance has bits that mean nothing: %d",
                own->enhance);
        return -EINVAL;
    }
    int rc = vs__segment_rules(&own->segment, &ret->rules, &member);
    if (rc < 0) {
        vs__log(log, VS_LOG_ERROR, "segment", "%s is out of range", member);
        return rc;
    }
    rc = vs__cpu_choose(&own->env, &ret->cpu);
    if (rc < 0)
        return rc;
    ret->cpu_name = own->env.cpu;
    ret->coarse = true; /* a stream is small: there may be thousands */
    ret->rate_hz = own->rate_hz;
    ret->channels = own->channels;
    ret->format = own->format;
    ret->channel = own->channel;
    ret->high_pass_hz = own->high_pass_hz == 0 ? 80 : own->high_pass_hz;
    ret->audio_all = own->audio == VS_AUDIO_ALL;
    ret->audio_segments = own->audio == VS_AUDIO_SEGMENTS;
    ret->enhance = own->audio && own->audio != VS_AUDIO_WIDE ? (unsigned)own->enhance : 0;
    return vs__wide_config_fill(log, own->audio, own->enhance, own->audio_rate_hz,
                                own->audio_channels, ret);
}

int vs_stream_create(const struct vs_stream_config *config, vs_stream **ret)
{
    struct vs_stream_config own = {.size = sizeof(own)};
    struct vs__chain_config chain = {0};

    if (!config || !ret || config->size < sizeof(size_t))
        return -EINVAL;
    vs__read_sized(&own, config, sizeof(own));
    own.rate_hz = own.rate_hz ? own.rate_hz : VS_RATE_HZ;
    own.channels = own.channels ? own.channels : 1;
    int rc = fill_chain_config(&own, &chain);
    if (rc < 0)
        return rc;
    vs_stream *s = vs__alloc(sizeof(*s));
    if (!s)
        return -ENOMEM;
    s->env = own.env;
    s->rate_hz = own.rate_hz;
    s->channels = own.channels;
    s->direct = (struct vs__direct){.rate_hz = own.rate_hz,
                                    .on_event = own.on_event,
                                    .user = own.user,
                                    .audio = own.audio,
                                    .wide_hz = chain.wide_hz,
                                    .wide_channels = chain.wide_channels};
    rc = vs__vad_open(&s->vad, own.vad, own.vad_ops, &s->env, &chain.vad_shape);
    if (rc < 0)
        goto fail;
    chain.vad = s->vad.ops;
    chain.vad_state = s->vad.state;
    chain.sink = vs__direct_sink(&s->direct, own.probabilities != 0);
    rc = vs__chain_create(&chain, &s->direct.chain);
    if (rc < 0)
        goto fail;
    s->begin_ns = vs__mono_ns();
    *ret = s;
    return 0;
fail:
    vs_stream_destroy(s);
    return rc;
}

int vs_stream_push(vs_stream *s, const void *pcm, size_t frames)
{
    if (s->finished)
        return -EALREADY;
    if (!pcm && frames)
        return -EINVAL;
    unsigned mode = vs__fp_fast();
    s->captured += frames;
    int rc = vs__chain_push(s->direct.chain, pcm, frames, 0);
    vs__fp_restore(mode);
    return rc;
}

int vs_stream_gap(vs_stream *s, uint64_t frames)
{
    if (s->finished)
        return -EALREADY;
    if (frames == 0)
        return 0;
    unsigned mode = vs__fp_fast();
    s->captured += frames;
    vs__count(&s->losses.frames[VS_DROP_GAP_EXACT], frames);
    vs__count(&s->losses.gaps, 1);
    int rc = vs__direct_gap(&s->direct, frames, VS_DROP_GAP_EXACT);
    vs__fp_restore(mode);
    return rc;
}

int vs_stream_finish(vs_stream *s)
{
    if (s->finished)
        return -EALREADY;
    unsigned mode = vs__fp_fast();
    s->finished = true;
    int rc = vs__chain_finish(s->direct.chain);
    struct vs_ledger ledger =
        vs__ledger(s->direct.chain, s->rate_hz, s->channels, s->captured, &s->losses);
    struct vs_event e = vs__event_now(VS_EVENT_LEDGER);
    vs__event_bounds(&e, 0, s->captured, s->rate_hz);
    e.ledger = &ledger;
    vs__direct_tell(&s->direct, &e);
    vs__fp_restore(mode);
    return rc;
}

void vs_stream_reset(vs_stream *s)
{
    vs__chain_reset(s->direct.chain);
    s->losses = (struct vs__losses){0};
    s->captured = 0;
    s->finished = false;
    s->direct.sequence = 0;
    s->begin_ns = vs__mono_ns();
}

void vs_stream_stats(const vs_stream *s, struct vs_stats *ret)
{
    struct vs_stats stats = {.size = sizeof(stats)};

    stats.ledger = vs__ledger(s->direct.chain, s->rate_hz, s->channels, s->captured, &s->losses);
    vs__chain_stats(s->direct.chain, &stats);
    stats.elapsed_ns = vs__mono_ns() - s->begin_ns;
    vs__write_sized(ret, &stats, sizeof(stats));
}

void vs_stream_destroy(vs_stream *s)
{
    if (!s)
        return;
    vs__chain_destroy(s->direct.chain);
    if (s->vad.ops) {
        const struct vs_vad_ops *ops = s->vad.ops;
        ops->close(s->vad.state);
        vs__backend_drop(&s->vad);
    }
    vs__free(s);
}
