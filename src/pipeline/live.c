/* SPDX-License-Identifier: MIT */
/* Starting and stopping the threads, and the capture thread. */
#include "pipeline/live.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "place/place.h"
#include "place/thrift.h"

#define MESSAGES   256
#define TEXT_ITEMS 1024
/* Blocks of a quarter of a second that on_event may be late by. */
#define OUTPUT_BLOCKS    32
#define CAPTURE_PRIORITY 25
#define TIMER_SLACK_NS   1000
/* A quarter of the fastest core's speed: what a hop takes then is far below its 10 ms. */
#define LEAST_SPEED 256
/* At least what is read at once from a source that has it all. */
#define STEP_MS 40u
/* While power is saved, the worker takes this much at a time; how often the sensors are read. */
#define GATHER_MS 40
#define LOOK_NS   INT64_C(5000000000)

void vs__place_thread(struct vs__live *live, int role)
{
    int rc = vs__place_cpus(NULL, live->p->placement.cpus[role]);

    if (rc < 0)
        vs__log(&live->p->env.log, VS_LOG_WARNING, "place", "the %s thread cannot be placed: %s",
                vs_role_name(role), vs_strerror(rc));
    /* Waits of these threads end when the audio is there, not at the next gathering of timers. */
    if (role != VS_ROLE_BACKGROUND && live->p->format.live) {
        vs__place_timer_slack(TIMER_SLACK_NS);
        if (live->p->config.save_power <= 0)
            vs__place_speed(LEAST_SPEED);
    }
}

int vs__live_realtime(struct vs__live *live, int priority)
{
    const char *way;
    int granted = vs__realtime_ask(&live->p->env, priority, &way);

    if (granted == 0 && !atomic_exchange(&live->refused, true))
        vs__log(&live->p->env.log, VS_LOG_WARNING, "place",
                "no real-time priority is granted, so under load audio may come late; "
                "voicestand doctor says how to allow it");
    return granted;
}

/* the capture thread -------------------------------------------------------------------------- */

/* What a live source gives while the ring is full goes nowhere, but is counted. */
static int64_t read_and_discard(struct vs__live *live, void *spare, size_t frames)
{
    struct vs_pipeline *p = live->p;
    struct vs_capture_stamp stamp = {0};
    size_t room = VS__POOL_MEDIUM / p->edge.frame_bytes;

    /* What a device's library does inside its own read is its own. */
    unsigned depth = vs__rt_suspend();
    int64_t n = p->source->read(p->capture.state, spare, VS__MIN(frames, room), &stamp);
    vs__rt_resume(depth);
    if (n > 0)
        vs__edge_discard(&p->edge, (size_t)n, &stamp);
    return n;
}

static int64_t read_in_place(struct vs__live *live, void *to, size_t frames)
{
    struct vs_pipeline *p = live->p;
    struct vs_capture_stamp stamp = {0};

    unsigned depth = vs__rt_suspend();
    int64_t n = p->source->read(p->capture.state, to, frames, &stamp);
    vs__rt_resume(depth);
    if (n > 0)
        vs__edge_commit(&p->edge, (size_t)n, &stamp);
    return n;
}

static int capture(struct vs__live *live, size_t step, void *spare)
{
    struct vs_pipeline *p = live->p;

    while (!atomic_load_explicit(&live->stopping, memory_order_acquire)) {
        uint32_t seen = vs__signal_seen(&live->room);
        size_t room;
        void *to = vs__edge_begin(&p->edge, step, &room);
        if (room == 0 && !p->format.live) {
            (void)vs__signal_wait(&live->room, seen, -1);
            continue;
        }
        int64_t n = room ? read_in_place(live, to, room) : read_and_discard(live, spare, step);
        if (n <= 0)
            return (int)n;
    }
    return 0;
}

static void *capture_body(void *argument)
{
    struct vs__live *live = argument;
    struct vs_pipeline *p = live->p;
    uint32_t step_ms =
        p->format.live ? p->config.latency_ms : VS__MAX(p->config.latency_ms, STEP_MS);
    size_t step = (size_t)p->format.rate_hz * step_ms / 1000;

    vs__place_thread(live, VS_ROLE_CAPTURE);
    if (p->format.live && p->config.realtime >= 0)
        (void)vs__live_realtime(live, CAPTURE_PRIORITY);
    if (p->format.live)
        vs__rt_enter();
    int rc = capture(live, step, live->spare.memory);
    if (p->format.live)
        vs__rt_leave();
    if (rc == -ECANCELED)
        rc = 0;
    vs__edge_end(&p->edge, rc);
    return NULL;
}

/* a source that pushes ------------------------------------------------------------------------ */

static void on_push(void *user, const void *pcm, size_t frames,
                    const struct vs_capture_stamp *stamp)
{
    struct vs__live *live = user;

    vs__rt_enter();
    vs__edge_push(&live->p->edge, pcm, frames, stamp);
    vs__rt_leave();
}

static void on_state(void *user, const char *sentence)
{
    struct vs_event e = vs__event_now(VS_EVENT_STATE);
    vs__note(user, &e, sentence);
}

static void on_end(void *user, int status)
{
    struct vs__live *live = user;
    vs__edge_end(&live->p->edge, status);
}

/* saving power -------------------------------------------------------------------------------- */

static void place_all(struct vs__live *live, const struct vs_placement *placement)
{
    const struct vs__thread *threads[] = {&live->capture, &live->worker, &live->text,
                                          &live->output};
    static const int roles[] = {VS_ROLE_CAPTURE, VS_ROLE_WORKER, VS_ROLE_BACKGROUND,
                                VS_ROLE_BACKGROUND};

    for (size_t i = 0; i < VS__COUNT(threads); i++)
        if (threads[i]->running)
            (void)vs__place_cpus(threads[i], placement->cpus[roles[i]]);
}

static void save_power(struct vs__live *live, int reason)
{
    static const char *const sentences[] = {
        [VS__THRIFT_NONE] = "power is no longer saved",
        [VS__THRIFT_BATTERY] = "power is saved: the machine runs on its battery",
        [VS__THRIFT_HEAT] = "power is saved: the hardware throttles because of heat",
        [VS__THRIFT_WISH] = "power is saved, as asked"};
    struct vs_pipeline *p = live->p;
    struct vs_event e = vs__event_now(VS_EVENT_STATE);
    bool saving = reason != VS__THRIFT_NONE;

    atomic_store_explicit(&live->save_frames,
                          saving ? (uint32_t)((uint64_t)p->format.rate_hz * GATHER_MS / 1000) : 0,
                          memory_order_relaxed);
    place_all(live, saving ? &p->thrifty : &p->usual);
    vs__note(live, &e, sentences[reason]);
}

/* Looks at the sensors now and then; nothing of the audio's way runs here. */
static void *power_body(void *argument)
{
    struct vs__live *live = argument;
    struct vs__thrift thrift = {0};

    vs__place_thread(live, VS_ROLE_BACKGROUND);
    while (!atomic_load_explicit(&live->power_over, memory_order_acquire)) {
        uint32_t seen = vs__signal_seen(&live->look);
        struct vs_power power = {.size = sizeof(power)};
        vs_power_read(live->meter, &power);
        if (vs__thrift_step(&thrift, &power, vs__mono_ns()))
            save_power(live, thrift.reason);
        (void)vs__signal_wait(&live->look, seen, LOOK_NS);
    }
    return NULL;
}

/* A machine that has neither a battery nor counters of throttling needs no thread for them. */
static void watch_power(struct vs__live *live)
{
    struct vs_pipeline *p = live->p;
    struct vs_power power = {.size = sizeof(power)};

    if (!p->format.live || p->config.save_power < 0)
        return;
    if (p->config.save_power > 0) {
        save_power(live, VS__THRIFT_WISH);
        return;
    }
    int rc = vs_power_create(&p->env, &live->meter);
    if (rc == 0) {
        vs_power_read(live->meter, &power);
        if (power.battery_status == -ENOENT && power.throttle_status < 0)
            return;
        rc = vs__thread_start(&live->power, "vs-power", power_body, live);
    }
    if (rc < 0)
        vs__log(&p->env.log, VS_LOG_WARNING, "place", "power is not watched: %s", vs_strerror(rc));
}

/* starting and stopping ----------------------------------------------------------------------- */

void vs__stop_source(struct vs__live *live)
{
    struct vs_pipeline *p = live->p;

    pthread_mutex_lock(&live->lock);
    bool first = !live->source_stopped;
    live->source_stopped = true;
    pthread_mutex_unlock(&live->lock);
    if (!first)
        return;
    if (p->source->read) {
        atomic_store_explicit(&live->stopping, true, memory_order_release);
        if (p->source->cancel)
            p->source->cancel(p->capture.state);
        vs__signal_raise(&live->room);
        return; /* the capture thread ends the edge */
    }
    p->source->stop(p->capture.state);
    if (!atomic_load_explicit(&p->edge.ended, memory_order_acquire))
        vs__edge_end(&p->edge, 0);
}

/* Blocks that the output and text threads may hold. */
static uint32_t count_spare_blocks(const struct vs_pipeline *p)
{
    uint32_t backlog_ms =
        p->format.live ? p->config.backlog_ms : VS__MIN(p->config.backlog_ms, 5000u);
    uint32_t blocks = p->config.audio ? OUTPUT_BLOCKS : 0;

    if (p->engine)
        blocks += backlog_ms / (VS__BLOCK_HOPS * 10) + 8;
    return blocks;
}

static int make_queues(struct vs__live *live)
{
    struct vs_pipeline *p = live->p;
    const size_t pointer = sizeof(void *);
    uint32_t spare = p->chain_config.spare_blocks;

    int rc = vs__edge_open(&p->edge, p->config.ring_ms, &live->work);
    if (rc == 0)
        rc = vs__pool_init(&live->messages, VS__POOL_SMALL, MESSAGES);
    if (rc == 0)
        rc = vs__pool_init(&live->spare, VS__POOL_MEDIUM, 1);
    if (rc == 0)
        rc = vs__ring_create(MESSAGES * pointer, &live->to_output);
    if (rc == 0)
        rc = vs__ring_create(MESSAGES * pointer, &live->from_output);
    if (rc == 0 && p->engine) {
        size_t items = VS__MAX((size_t)TEXT_ITEMS, (size_t)spare * 4);
        rc = vs__ring_create(items * sizeof(struct vs__text_item), &live->to_text);
        /* A block can be on its way back once for each item. */
        if (rc == 0)
            rc = vs__ring_create(2 * items * sizeof(struct vs__text_item), &live->from_text);
    }
    return rc;
}

static int make_lock(struct vs__live *live)
{
    pthread_condattr_t attributes;

    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    int rc = pthread_cond_init(&live->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    if (rc)
        return -rc;
    pthread_mutex_init(&live->lock, NULL);
    live->lock_made = true;
    live->notes_end = &live->notes;
    return 0;
}

static int start_source(struct vs__live *live)
{
    struct vs_pipeline *p = live->p;
    static const char name[] = "vs-capture";

    if (p->source->read)
        return vs__thread_start(&live->capture, name, capture_body, live);
    live->sink = (struct vs_capture_sink){live, on_push, on_state, on_end};
    return p->source->start(p->capture.state, &live->sink);
}

static int start_threads(struct vs__live *live)
{
    struct vs_pipeline *p = live->p;

    int rc = vs__thread_start(&live->worker, "vs-worker", vs__worker_body, live);
    if (rc == 0 && p->engine)
        rc = vs__thread_start(&live->text, "vs-text", vs__text_body, live);
    if (rc == 0)
        rc = vs__thread_start(&live->output, "vs-output", vs__output_body, live);
    if (rc == 0)
        rc = start_source(live);
    if (rc == 0) {
        /* From here the output thread may stop it, and perhaps has a reason since a while. */
        live->source_stopped = false;
        atomic_store_explicit(&live->started, true, memory_order_release);
        vs__signal_raise(&live->out);
        watch_power(live);
        return 0;
    }
    /* The edge ends without a frame, and those that run come to their end, in silence. */
    atomic_store_explicit(&live->failed, true, memory_order_relaxed);
    vs__edge_end(&p->edge, rc);
    vs__live_stop(live);
    return rc;
}

int vs__live_start(struct vs_pipeline *p)
{
    struct vs__live *live = vs__alloc(sizeof(*live));

    if (!live)
        return -ENOMEM;
    live->p = p;
    vs__histogram_init(&live->queue, VS__HISTOGRAM_FINE, live->queue_buckets);
    vs__histogram_init(&live->event, VS__HISTOGRAM_FINE, live->event_buckets);
    live->source_stopped = true; /* until it is started */
    p->chain_config.spare_blocks = count_spare_blocks(p);
    p->chain_config.sink = vs__worker_sink(live, p->config.probabilities != 0);
    struct vs__memory_policy policy;
    int rc = make_lock(live);
    /* What the worker uses is touched here for the first time, and comes from its node. */
    vs__place_memory_begin(&policy, p->placement.node);
    if (rc == 0)
        rc = make_queues(live);
    if (rc == 0)
        rc = vs__chain_create(&p->chain_config, &p->chain);
    vs__place_memory_end(&policy);
    if (rc < 0) {
        vs__live_destroy(live);
        vs__edge_close(&p->edge);
        return rc;
    }
    p->edge.begin_ns = vs__mono_ns();
    p->live = live;
    atomic_store_explicit(&p->begin_ns, p->edge.begin_ns, memory_order_release);
    return start_threads(live);
}

void vs__live_abort(struct vs__live *live)
{
    vs__signal_raise(&live->work);
    vs__signal_raise(&live->out);
    vs__signal_raise(&live->room);
}

void vs__live_stop(struct vs__live *live)
{
    vs__stop_source(live);
    atomic_store_explicit(&live->power_over, true, memory_order_release);
    vs__signal_raise(&live->look);
    vs__thread_join(&live->power);
    vs__thread_join(&live->capture);
    vs__thread_join(&live->worker);
    vs__thread_join(&live->text);
    vs__thread_join(&live->output);
}

int vs__live_wait(struct vs__live *live, int timeout_ms)
{
    struct timespec until;
    int rc = 0;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    pthread_mutex_lock(&live->lock);
    while (!live->over && rc == 0)
        rc = timeout_ms < 0 ? pthread_cond_wait(&live->changed, &live->lock)
                            : pthread_cond_timedwait(&live->changed, &live->lock, &until);
    bool over = live->over;
    pthread_mutex_unlock(&live->lock);
    return over ? atomic_load(&live->status) : 1;
}

void vs__live_stats(const struct vs__live *live, struct vs_stats *ret)
{
    vs__histogram_read(&live->queue, &ret->stage[VS_STAGE_QUEUE]);
    vs__histogram_read(&live->event, &ret->stage[VS_STAGE_EVENT]);
    ret->wakeups = vs__counted(&live->wakeups);
    ret->worker_cpu_ns = atomic_load_explicit(&live->worker_cpu_ns, memory_order_relaxed);
    ret->realtime = atomic_load_explicit(&live->realtime, memory_order_relaxed);
    ret->ledger.text_frames = vs__counted(&live->text_frames);
    ret->ledger.text_dropped = vs__counted(&live->text_dropped);
    ret->ledger.events_dropped = vs__counted(&live->events_dropped);
    if (live->p->edge.data)
        ret->ring_frames = (uint32_t)(live->p->edge.data->bytes / live->p->edge.frame_bytes);
    if (live->p->edge.data)
        ret->ring_fill_frames =
            (uint32_t)(vs__ring_fill(live->p->edge.data) / live->p->edge.frame_bytes);
}

void vs__live_destroy(struct vs__live *live)
{
    if (!live)
        return;
    if (live->lock_made) {
        vs__live_stop(live);
        while (live->notes) {
            struct vs__note *next = live->notes->next;
            vs__free(live->notes->text);
            vs__free(live->notes);
            live->notes = next;
        }
        pthread_mutex_destroy(&live->lock);
        pthread_cond_destroy(&live->changed);
    }
    vs__ring_destroy(live->to_output);
    vs__ring_destroy(live->from_output);
    vs__ring_destroy(live->to_text);
    vs__ring_destroy(live->from_text);
    vs__pool_fini(&live->messages);
    vs__pool_fini(&live->spare);
    vs_power_destroy(live->meter);
    vs__free(live);
}
