/* SPDX-License-Identifier: MIT */
/* The pipewire module: "pipewire[:TARGET][,KEY=VALUE…]", a native stream that follows the default
   microphone unless it is given a target. Threads: the owner's calls; the loop's thread, which
   sees the server come and go; the audio thread of libpipewire, which runs on_process() alone. */
#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <pipewire/pipewire.h>
#include <spa/param/audio/format-utils.h>

#include "base/base.h"
#include "capture/check.h"
#include "capture/pipewire_server.h"

#define ANSWER_NS 3000000000 /* what a server may take to answer */
#define LIST_NS   2000000000
/* ms between tries to reach a server that is gone, each wait twice the one before: the first wait, that when
   its socket has appeared, which listens at once as a rule, and the longest */
#define BACKOFF_MIN  50
#define BACKOFF_SEEN 1
#define BACKOFF_MAX  200
/* A stream without a microphone is told of an error, and yet is linked when one comes: only one that has not
   recovered for so long is connected anew, and again after twice as long. */
#define FAILED_MS  1000
#define FAILED_MAX 3 /* times that the wait doubles */
/* A stream also stops for a moment when it is renegotiated: only then is it worth a sentence. */
#define GONE_MS 250
/* A new session manager does not link a stream that the one before has dealt with: it is made anew at once. So is
   one that does not flow so long after a microphone came, and again after twice as long. */
#define UNLINKED_MS  1000
#define UNLINKED_MAX 4 /* times; then until the next microphone comes */

/* Cycles in a row in which a clock may stand still: once is a late reading of it, often is a clock
   that does not count, as that of a driver in a client of 0.3. */
#define STILL_MAX 8
/* By how much more than its position the time of a clock may move on in a cycle: a server that was stopped
   while it set a microphone up goes on where it was, as if no time had passed. */
#define UNTOLD_NS 100000000

/* Where the stream stands in time. Of the audio thread alone. */
struct track {
    struct spa_io_position *graph; /* shared with the server; NULL = none */
    uint64_t position;             /* of the next frame of the stream */
    uint64_t ref_position;         /* where the stream stood */
    uint64_t ref_clock;            /* when the graph's clock stood here */
    uint64_t last_clock;           /* the clock in the cycle before */
    uint64_t next_clock;           /* where it stands in the next cycle if none is lost */
    int64_t next_ns;               /* when the next cycle begins if none is lost */
    uint32_t clock_id, clock_hz;
    uint32_t generation; /* that all this belongs to */
    uint32_t still;      /* cycles in which the clock stood */
    bool is_known;       /* there was a cycle */
};

struct pipewire_source {
    struct vs__pw_server server;
    const struct vs_env *env;
    char *target; /* NULL = the default */
    struct pw_properties *extra;
    uint32_t rate_hz, channels, latency_ms;
    uint32_t graph_hz; /* of the server, when it was met */
    char device[192];

    /* under the loop's lock */
    const struct vs_capture_sink *sink; /* NULL = stopped */
    struct pw_stream *stream;
    struct spa_hook stream_hook;
    struct spa_source *retry, *patience, *relink; /* timers */
    unsigned backoff_ms;
    unsigned relinks;  /* since a microphone came */
    unsigned failures; /* of streams since one flowed */
    bool flows;
    bool is_managed; /* the stream: a session manager has linked or refused it */
    bool is_gone;    /* the microphone, and that was said */

    _Atomic uint32_t generation; /* relaxed: raised whenever the stream stops flowing */
    struct track track;
};

/* the audio thread --------------------------------------------------------------------------- */

/* Frames of the stream in a span of time, not negative. */
static uint64_t frames_in(int64_t span_ns, uint32_t rate_hz)
{
    if (span_ns <= 0)
        return 0;
    return (uint64_t)span_ns / 1000000000 * rate_hz +
           (uint64_t)span_ns % 1000000000 * rate_hz / 1000000000;
}

/* Frames by which the stream may lag its clock without a loss: half a cycle, and what a resampler
   on the way holds back. */
static uint64_t tolerance(const struct pipewire_source *s, const struct spa_io_clock *clock,
                          uint32_t clock_hz)
{
    uint64_t half = clock->duration * s->rate_hz / clock_hz / 2;
    return clock_hz == s->rate_hz ? half : VS__MAX(half, s->rate_hz / 500);
}

/* Frames of time that passed and that the clock's position does not tell. */
static uint64_t count_untold(const struct pipewire_source *s, const struct spa_io_clock *clock,
                             uint32_t clock_hz)
{
    const struct track *t = &s->track;
    int64_t told_ns = ((int64_t)clock->position - (int64_t)t->next_clock) * 1000000000 / clock_hz;
    int64_t cycle_ns = (int64_t)clock->duration * 1000000000 / clock_hz;
    int64_t untold_ns = (int64_t)clock->nsec - t->next_ns - told_ns;
    if (clock->flags & SPA_IO_CLOCK_FLAG_FREEWHEEL || untold_ns < VS__MAX(UNTOLD_NS, 2 * cycle_ns))
        return 0;
    return frames_in(untold_ns, s->rate_hz);
}

/* Frames that were lost before this cycle. `*ret_estimated` says that only time told. The stream is
   compared with the clock since the reference, not with the last cycle: a clock that was read a
   cycle too late corrects itself. */
static uint64_t count_lost(struct pipewire_source *s, const struct spa_io_clock *clock,
                           uint32_t clock_hz, uint32_t generation, bool *ret_estimated)
{
    struct track *t = &s->track;
    uint64_t lost = 0, tolerated = tolerance(s, clock, clock_hz);
    if (t->is_known && generation == t->generation && clock->id == t->clock_id &&
        clock_hz == t->clock_hz && clock->position >= t->last_clock) {
        t->still = clock->position == t->last_clock ? t->still + 1 : 0;
        if (t->still < STILL_MAX) {
            uint64_t should =
                t->ref_position + (clock->position - t->ref_clock) * s->rate_hz / clock_hz;
            uint64_t untold = count_untold(s, clock, clock_hz);
            t->ref_position += untold;
            *ret_estimated = untold > 0;
            lost = should > t->position + tolerated ? should - t->position : 0;
            return lost + untold;
        }
        tolerated *= 2; /* the jitter of such a driver */
    }
    if (t->is_known)
        lost = frames_in((int64_t)clock->nsec - t->next_ns, s->rate_hz);
    if (lost <= tolerated)
        lost = 0;
    *ret_estimated = lost > 0;
    t->ref_position = t->position + lost;
    t->ref_clock = clock->position;
    return lost;
}

/* The server may write it meanwhile, where we are late: then again. */
static void read_clock(const struct spa_io_position *graph, struct spa_io_clock *ret)
{
    const volatile uint64_t *position = &graph->clock.position;
    for (int i = 0; i < 3; i++) {
        uint64_t before = *position;
        *ret = graph->clock;
        atomic_signal_fence(memory_order_seq_cst);
        if (*position == before && ret->position == before)
            return;
    }
}

/* Take the graph's clock of this cycle into the track, and give its first frame a stamp. */
static void stamp_cycle(struct pipewire_source *s, struct vs_capture_stamp *ret)
{
    struct track *t = &s->track;
    uint32_t generation = atomic_load_explicit(&s->generation, memory_order_relaxed);
    struct pw_time time = {0};
    struct spa_io_clock clock;
    uint32_t clock_hz;
    int64_t delay;
    bool estimated = false;
    *ret = (struct vs_capture_stamp){.position = t->position};
    if (!t->graph)
        return;
    read_clock(t->graph, &clock);
    clock_hz = clock.rate.num ? clock.rate.denom / clock.rate.num : 0;
    if (clock_hz == 0 || clock.duration == 0 || clock.duration > UINT32_MAX)
        return;
    ret->position += count_lost(s, &clock, clock_hz, generation, &estimated);
    ret->flags = estimated ? VS_CAPTURE_ESTIMATED : 0;
    /* what is delivered now was recorded during the cycle before, or earlier by the delay that
       the devices on the way report */
    delay = (int64_t)clock.duration;
    if (pw_stream_get_time_n(s->stream, &time, sizeof(time)) == 0 && time.delay > delay)
        delay = VS__MIN(time.delay, (int64_t)clock_hz * 10);
    ret->time_ns = (int64_t)clock.nsec - delay * 1000000000 / clock_hz;
    t->is_known = true;
    t->generation = generation;
    t->clock_id = clock.id;
    t->clock_hz = clock_hz;
    t->last_clock = clock.position;
    t->next_clock = clock.position + clock.duration;
    t->next_ns = (int64_t)(clock.nsec + clock.duration * 1000000000 / clock_hz);
}

static void on_process(void *data)
{
    struct pipewire_source *s = data;
    size_t frame_bytes = s->channels * sizeof(float);
    struct vs_capture_stamp stamp;
    struct pw_buffer *buffer;
    stamp_cycle(s, &stamp);
    while ((buffer = pw_stream_dequeue_buffer(s->stream))) {
        const struct spa_data *d = &buffer->buffer->datas[0];
        uint32_t offset = VS__MIN(d->chunk->offset, d->maxsize);
        uint32_t bytes = VS__MIN(d->chunk->size, d->maxsize - offset);
        size_t frames = d->data ? bytes / frame_bytes : 0;
        if (frames > 0) {
            s->sink->push(s->sink->user, (const uint8_t *)d->data + offset, frames, &stamp);
            stamp.position += frames;
            stamp.flags = 0;
            if (stamp.time_ns != 0)
                stamp.time_ns += (int64_t)(frames * 1000000000 / s->rate_hz);
        }
        pw_stream_queue_buffer(s->stream, buffer);
    }
    s->track.position = stamp.position;
}

/* In the audio thread, so that it never meets an area that is taken away. */
static int set_graph(struct spa_loop *loop, bool async, uint32_t seq, const void *data, size_t size,
                     void *user)
{
    struct pipewire_source *s = user;
    s->track.graph = *(struct spa_io_position *const *)data;
    return 0;
}

static void on_io(void *data, uint32_t id, void *area, uint32_t size)
{
    struct pipewire_source *s = data;
    struct spa_io_position *graph = size >= sizeof(*graph) ? area : NULL;
    if (id == SPA_IO_Position)
        pw_data_loop_invoke(pw_context_get_data_loop(s->server.context), set_graph, 0, &graph,
                            sizeof(graph), true, s);
}

/* the loop's thread -------------------------------------------------------------------------- */

static void set_timer(struct pipewire_source *s, struct spa_source *timer, unsigned ms)
{
    struct timespec wait = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};
    pw_loop_update_timer(pw_thread_loop_get_loop(s->server.loop), timer, &wait, NULL, false);
}

static void say(struct pipewire_source *s, const char *sentence)
{
    if (s->sink)
        s->sink->state(s->sink->user, sentence);
}

static void on_state(void *data, enum pw_stream_state old, enum pw_stream_state state,
                     const char *error)
{
    struct pipewire_source *s = data;
    s->flows = state == PW_STREAM_STATE_STREAMING;
    s->is_managed |= s->flows || state == PW_STREAM_STATE_ERROR;
    if (s->flows) {
        s->failures = 0;
        set_timer(s, s->retry, 0);
        set_timer(s, s->patience, 0);
        set_timer(s, s->relink, 0);
        if (s->is_gone)
            say(s, "microphone back");
        s->is_gone = false;
        return;
    }
    if (old == PW_STREAM_STATE_STREAMING) {
        atomic_fetch_add_explicit(&s->generation, 1, memory_order_relaxed);
        set_timer(s, s->patience, GONE_MS);
    }
    if (state == PW_STREAM_STATE_ERROR && !s->server.is_broken) {
        set_timer(s, s->retry, FAILED_MS << s->failures);
        s->failures = VS__MIN(s->failures + 1, FAILED_MAX);
    }
}

static void on_patience(void *data, uint64_t expirations)
{
    struct pipewire_source *s = data;
    if (s->server.is_broken || s->is_gone)
        return;
    s->is_gone = true;
    say(s, "microphone gone");
}

static const struct pw_stream_events stream_events = {
    PW_VERSION_STREAM_EVENTS,
    .state_changed = on_state,
    .io_changed = on_io,
    .process = on_process,
};

/* The server takes the next lower power of two, in frames of its own rate: a wish just below one
   would get half. @return the nearest one. */
static uint32_t choose_quantum(uint32_t latency_ms, uint32_t graph_hz)
{
    uint32_t wish = latency_ms * graph_hz / 1000, quantum = 1;
    while (quantum < wish && quantum < UINT32_MAX / 2)
        quantum *= 2;
    return quantum - wish > wish - quantum / 2 ? quantum / 2 : quantum;
}

static struct pw_properties *make_properties(const struct pipewire_source *s)
{
    struct pw_properties *props = pw_properties_new(
        PW_KEY_MEDIA_TYPE, "Audio", PW_KEY_MEDIA_CATEGORY, "Capture", PW_KEY_MEDIA_ROLE,
        "Communication", PW_KEY_APP_NAME, "VoiceStand", PW_KEY_APP_ID, "voicestand",
        PW_KEY_NODE_NAME, "voicestand", PW_KEY_NODE_DESCRIPTION, "VoiceStand voice input", NULL);
    if (!props)
        return NULL;
    pw_properties_setf(props, PW_KEY_NODE_LATENCY, "%u/%u",
                       choose_quantum(s->latency_ms, s->graph_hz), s->graph_hz);
    if (s->target)
        pw_properties_set(props, PW_KEY_TARGET_OBJECT, s->target);
    if (s->extra)
        pw_properties_update(props, &s->extra->dict);
    return props;
}

static void destroy_stream(struct pipewire_source *s)
{
    if (!s->stream)
        return;
    spa_hook_remove(&s->stream_hook);
    pw_stream_destroy(s->stream);
    s->stream = NULL;
    s->flows = s->is_managed = false;
    s->track.graph = NULL;
}

/* @return 0 or -errno */
static int create_stream(struct pipewire_source *s)
{
    struct spa_audio_info_raw format = {
        .format = SPA_AUDIO_FORMAT_F32,
        .rate = s->rate_hz,
        .channels = s->channels,
    };
    struct pw_properties *props = make_properties(s);
    const struct spa_pod *params[1];
    uint8_t memory[1024];
    struct spa_pod_builder builder = SPA_POD_BUILDER_INIT(memory, sizeof(memory));
    int status;
    if (!props)
        return -ENOMEM;
    s->stream = pw_stream_new(s->server.core, "voice input", props);
    if (!s->stream)
        return -errno;
    memset(&s->stream_hook, 0, sizeof(s->stream_hook));
    pw_stream_add_listener(s->stream, &s->stream_hook, &stream_events, s);
    for (uint32_t i = 0; i < s->channels; i++)
        format.position[i] = SPA_AUDIO_CHANNEL_AUX0 + i;
    if (s->channels == 1) {
        format.position[0] = SPA_AUDIO_CHANNEL_MONO;
    } else if (s->channels == 2) {
        format.position[0] = SPA_AUDIO_CHANNEL_FL;
        format.position[1] = SPA_AUDIO_CHANNEL_FR;
    }
    params[0] = spa_format_audio_raw_build(&builder, SPA_PARAM_EnumFormat, &format);
    status = pw_stream_connect(s->stream, PW_DIRECTION_INPUT, PW_ID_ANY,
                               PW_STREAM_FLAG_AUTOCONNECT | PW_STREAM_FLAG_MAP_BUFFERS |
                                   PW_STREAM_FLAG_RT_PROCESS,
                               params, 1);
    if (status < 0)
        destroy_stream(s);
    return status < 0 ? status : 0;
}

static void on_broken(void *user)
{
    struct pipewire_source *s = user;
    if (!s->sink)
        return;
    atomic_fetch_add_explicit(&s->generation, 1, memory_order_relaxed);
    say(s, "audio server gone");
    s->backoff_ms = BACKOFF_MIN;
    set_timer(s, s->retry, s->backoff_ms);
    vs__pw_watch(&s->server);
}

static void on_socket(void *user)
{
    struct pipewire_source *s = user;
    if (!s->sink || !s->server.is_broken)
        return;
    s->backoff_ms = BACKOFF_SEEN;
    set_timer(s, s->retry, s->backoff_ms);
}

static void on_microphone(void *user)
{
    struct pipewire_source *s = user;
    s->relinks = 0;
    if (!s->flows)
        set_timer(s, s->relink, UNLINKED_MS);
}

/* Not within the callback: the stream belongs to the connection that calls. */
static void on_manager(void *user)
{
    struct pipewire_source *s = user;
    s->relinks = 0;
    if (s->is_managed && !s->flows)
        set_timer(s, s->relink, 1);
}

static void on_relink(void *data, uint64_t expirations)
{
    struct pipewire_source *s = data;
    int status;
    if (!s->sink || s->server.is_broken || s->flows)
        return;
    destroy_stream(s);
    status = create_stream(s);
    if (status < 0)
        set_timer(s, s->retry, s->backoff_ms);
    else if (++s->relinks < UNLINKED_MAX)
        set_timer(s, s->relink, UNLINKED_MS << s->relinks);
}

/* Connect anew: to a server that came back, or after the stream failed. */
static void on_retry(void *data, uint64_t expirations)
{
    struct pipewire_source *s = data;
    bool was_broken = s->server.is_broken;
    int status;
    if (!s->sink || (s->flows && !was_broken))
        return;
    destroy_stream(s);
    if (s->server.core)
        vs__pw_disconnect(&s->server);
    status = vs__pw_connect(&s->server);
    if (status < 0 && !was_broken) { /* it went between the two */
        s->server.is_broken = true;
        on_broken(s);
        return;
    }
    if (status == 0)
        status = create_stream(s);
    if (status < 0) {
        s->server.is_broken = was_broken;
        s->backoff_ms = VS__MIN(s->backoff_ms * 2, BACKOFF_MAX);
        set_timer(s, s->retry, s->backoff_ms);
        return;
    }
    s->backoff_ms = BACKOFF_MIN;
    vs__pw_unwatch(&s->server);
    if (was_broken)
        say(s, "audio server back");
}

/* the owner's thread ------------------------------------------------------------------------- */

static int refuse(const struct pipewire_source *s, int status, const char *why)
{
    vs__log(&s->env->log, VS_LOG_ERROR, "capture", "pipewire: %s", why);
    return status;
}

static int refuse_server(const struct pipewire_source *s, int status)
{
    if (status == -EHOSTDOWN)
        return refuse(s, status, "no PipeWire server answers; start it, or use alsa");
    if (status == -EACCES)
        return refuse(s, status, "the PipeWire server may not be used by this user");
    return refuse(s, status, strerror(-status));
}

/* "TARGET,KEY=VALUE,…" */
static int parse_argument(struct pipewire_source *s, const char *argument)
{
    char *rest, *pair;
    if (!argument || !*argument)
        return 0;
    s->target = vs__strdup(argument);
    if (!s->target)
        return -ENOMEM;
    rest = strchr(s->target, ',');
    if (rest)
        *rest++ = '\0';
    while ((pair = strsep(&rest, ",")) != NULL) {
        char *value = strchr(pair, '=');
        if (!value || value == pair)
            return refuse(s, -EINVAL, "what follows the target must be KEY=VALUE");
        *value++ = '\0';
        if (!s->extra)
            s->extra = pw_properties_new(NULL, NULL);
        if (!s->extra)
            return -ENOMEM;
        pw_properties_set(s->extra, pair, value);
    }
    if (*s->target == '\0') {
        vs__free(s->target);
        s->target = NULL;
    }
    return 0;
}

/* The name for people of what will be captured. */
static int choose_device(struct pipewire_source *s, const struct vs__pw_catalogue *c)
{
    const struct vs__pw_node *found = NULL;
    for (size_t i = 0; i < c->count && !found; i++) {
        const struct vs__pw_node *n = &c->nodes[i];
        if (s->target ? strcmp(n->name, s->target) == 0 || strcmp(n->serial, s->target) == 0
                      : n->is_source && strcmp(n->name, c->default_source) == 0)
            found = n;
    }
    for (size_t i = 0; i < c->count && !found && !s->target; i++)
        found = c->nodes[i].is_source ? &c->nodes[i] : NULL;
    if (!found && s->target) {
        vs__log(&s->env->log, VS_LOG_ERROR, "capture",
                "pipewire:%s: there is no such microphone; see the list of devices", s->target);
        return -ENODEV;
    }
    if (!found)
        vs__log(&s->env->log, VS_LOG_WARNING, "capture",
                "pipewire: there is no microphone; waiting for one");
    snprintf(s->device, sizeof(s->device), "%s",
             found ? found->description : "waiting for a microphone");
    return 0;
}

/* @return 0 or why the server cannot be used; the loop is locked. */
static int meet_server(struct pipewire_source *s)
{
    struct vs__pw_catalogue *catalogue = vs__alloc(sizeof(*catalogue));
    struct pw_loop *loop = pw_thread_loop_get_loop(s->server.loop);
    int status = -ENOMEM;
    if (!catalogue)
        return -ENOMEM;
    s->retry = pw_loop_add_timer(loop, on_retry, s);
    s->patience = pw_loop_add_timer(loop, on_patience, s);
    s->relink = pw_loop_add_timer(loop, on_relink, s);
    if (s->retry && s->patience && s->relink)
        status = vs__pw_connect(&s->server);
    if (status == 0)
        status = vs__pw_look(&s->server, vs__mono_ns() + ANSWER_NS, catalogue);
    if (status < 0)
        refuse_server(s, status);
    else
        status = choose_device(s, catalogue);
    vs__free(catalogue);
    return status;
}

static int open_pipewire(void *state, const struct vs_capture_params *params,
                         struct vs_capture_format *ret)
{
    struct pipewire_source *s = state;
    int status;
    s->env = params->env;
    s->server.listens = true;
    s->server.on_broken = on_broken;
    s->server.on_microphone = on_microphone;
    s->server.on_manager = on_manager;
    s->server.on_socket = on_socket;
    s->server.user = s;
    s->backoff_ms = BACKOFF_MIN;
    status = vs__pw_start(&s->server);
    if (status < 0)
        return refuse(s, status, "no thread can be started for it");
    status = parse_argument(s, params->argument);
    if (status < 0)
        return status;
    pw_thread_loop_lock(s->server.loop);
    status = meet_server(s);
    s->graph_hz = s->server.rate_hz;
    pw_thread_loop_unlock(s->server.loop);
    if (status < 0)
        return status;
    if (s->graph_hz < VS__RATE_MIN || s->graph_hz > VS__RATE_MAX)
        s->graph_hz = 48000;
    s->rate_hz = params->rate_hz ? params->rate_hz : s->graph_hz;
    s->channels = params->channels ? params->channels : 1; /* the server mixes */
    s->latency_ms = params->latency_ms ? VS__MIN(params->latency_ms, 1000) : 10;
    status = vs__capture_check(s->env, "pipewire", -EINVAL, s->rate_hz, s->channels, VS_FORMAT_F32);
    if (status < 0)
        return status;
    ret->rate_hz = s->rate_hz;
    ret->channels = s->channels;
    ret->format = VS_FORMAT_F32;
    ret->live = 1;
    ret->latency_ns = 0; /* is in the stamps */
    ret->total_frames = 0;
    ret->device = s->device;
    return 0;
}

static int start_pipewire(void *state, const struct vs_capture_sink *sink)
{
    struct pipewire_source *s = state;
    int status;
    pw_thread_loop_lock(s->server.loop);
    s->sink = sink;
    if (s->server.is_broken) {
        status = 0; /* died since open(): treat it as any death */
        on_broken(s);
    } else {
        status = create_stream(s);
    }
    if (status < 0)
        s->sink = NULL;
    pw_thread_loop_unlock(s->server.loop);
    return status < 0 ? refuse_server(s, status) : 0;
}

static void stop_pipewire(void *state)
{
    struct pipewire_source *s = state;
    if (!s->server.loop)
        return;
    pw_thread_loop_lock(s->server.loop);
    destroy_stream(s); /* the audio thread has left on_process() when this returns */
    s->sink = NULL;
    pw_thread_loop_unlock(s->server.loop);
}

static void close_pipewire(void *state)
{
    struct pipewire_source *s = state;
    stop_pipewire(s);
    if (s->server.loop) {
        struct pw_loop *loop = pw_thread_loop_get_loop(s->server.loop);
        pw_thread_loop_lock(s->server.loop);
        if (s->retry)
            pw_loop_destroy_source(loop, s->retry);
        if (s->patience)
            pw_loop_destroy_source(loop, s->patience);
        if (s->relink)
            pw_loop_destroy_source(loop, s->relink);
        s->retry = s->patience = s->relink = NULL;
        vs__pw_unwatch(&s->server);
        vs__pw_disconnect(&s->server);
        pw_thread_loop_unlock(s->server.loop);
        vs__pw_stop(&s->server);
    }
    pw_properties_free(s->extra);
    vs__free(s->target);
    s->extra = NULL;
    s->target = NULL;
}

static int list_pipewire(const struct vs_env *env,
                         void (*visit)(void *user, const struct vs_device *device), void *user)
{
    struct vs__pw_catalogue *c = vs__alloc(sizeof(*c));
    struct vs__pw_server server = {0};
    int64_t deadline_ns = vs__mono_ns() + LIST_NS;
    int count = 0, status = c ? vs__pw_start(&server) : -ENOMEM;
    if (status == 0) {
        pw_thread_loop_lock(server.loop);
        status = vs__pw_connect(&server);
        if (status == 0)
            status = vs__pw_look(&server, deadline_ns, c);
        vs__pw_disconnect(&server);
        pw_thread_loop_unlock(server.loop);
    }
    vs__pw_stop(&server);
    for (size_t i = 0; status == 0 && i < c->count; i++) {
        char capture[192];
        struct vs_device device = {.size = sizeof(device), .capture = capture};
        if (!c->nodes[i].is_source)
            continue;
        snprintf(capture, sizeof(capture), "pipewire:%s", c->nodes[i].name);
        device.description = c->nodes[i].description;
        device.is_default = strcmp(c->nodes[i].name, c->default_source) == 0;
        visit(user, &device);
        count++;
    }
    vs__free(c);
    return status < 0 ? status : count;
}

static const struct vs_capture_ops pipewire_ops = {
    .abi = VS_BACKEND_ABI,
    .name = "pipewire",
    .description = "microphones of PipeWire, follows the default; pipewire:TARGET[,PROPERTY=VALUE]",
    .state_size = sizeof(struct pipewire_source),
    .open = open_pipewire,
    .start = start_pipewire,
    .stop = stop_pipewire,
    .close = close_pipewire,
    .list = list_pipewire,
};

extern const struct vs_module vs_module_entry;
VS_API const struct vs_module vs_module_entry = {
    .abi = VS_BACKEND_ABI,
    .capture = &pipewire_ops,
};
