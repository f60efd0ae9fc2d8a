/* SPDX-License-Identifier: MIT */
/* A detector whose device may fail, hang or vanish, and a fallback beside it. See guard.h.

   Blocks for the device lie in a ring of slots. The caller fills a slot and adds to `posted`; the
   device's thread answers into the same slot and adds to `answered`; both release, the other
   acquires. An `epoch` is the time from an opening of the device to its failure: answers of an older
   one are not looked at. Everything else belongs to the caller's thread, or, while the device's
   thread works, to that. */
#include "vad/guard.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum {
    SLOTS = 16,           /* blocks on their way; a power of two */
    RING = 64,            /* hops whose probabilities are kept; a power of two */
    LONGEST_BLOCK = 512,  /* frames */
    DEADLINE_HOPS = 10,   /* live: an answer that is so late means that the device hangs */
    FIRST_OUT_HOPS = 100, /* how long a device is out after its first failure */
    LONGEST_OUT_HOPS = 6400,
    GOOD_HOPS = 6000, /* after so many without failure, the next failure is a first one again */
    WARM_HOPS = 100,
};
#define PATIENCE_NS 1000000000 /* files: an answer that is so late means that the device hangs */
#define CLOSING_NS  2000000000 /* a device that hangs longer is left behind, with its memory */

enum phase { OUT, OPENING, IN };

struct slot {
    uint64_t epoch, end; /* end: the frame behind the block */
    bool afresh;         /* reset before it */
    bool inherit;        /* take over `memory` before it */
    int status;
    float probability;
    float audio[LONGEST_BLOCK];
};

struct guard {
    /* set at open */
    struct vs_env env;
    char *strings[5];  /* of env */
    struct vs_log log; /* the user's */
    unsigned cpu;
    char *argument;
    char name[64];
    char sentences[6][128];
    const struct vs_vad_ops *device, *fallback;
    void *device_state, *fallback_state;
    struct vs_vad_shape shape; /* of the device, while it is open */
    uint32_t delay_hops;       /* a hop is decided so many hops after it came */
    uint32_t fallback_lag;     /* hops */
    const char *fallback_kin;
    bool hurry;
    bool open_at_start;
    char error[256], told[256]; /* the last error of open(), and the last one said */
    char place[64];             /* what the device was at the start: "npu" */

    /* between the threads */
    struct slot slots[SLOTS];
    void *memory; /* the fallback's, for a device that takes over */
    char apart1[VS__APART];
    _Atomic uint64_t posted;
    char apart2[VS__APART];
    _Atomic uint64_t answered;
    _Atomic uint64_t wanted; /* epoch that shall be open; 0 = none */
    _Atomic uint64_t opened; /* epoch that is open, or was tried: see open_status */
    _Atomic int open_status;
    _Atomic bool stop, ended, left;
    _Atomic bool parted; /* set by a closer that will not wait, and at the thread's end: the second
                            of the two frees all */
    struct vs__signal work, answer;
    struct vs__thread thread;

    /* the caller's */
    enum phase phase;
    uint64_t epoch;
    uint64_t hops;      /* heard since the start or a reset */
    uint64_t clock;     /* hops heard at all */
    uint64_t origin;    /* frame at which the device's blocks begin */
    uint64_t seen;      /* answers looked at */
    uint64_t out_until; /* by `clock` */
    uint64_t in_since;  /* by `clock` */
    uint32_t out_hops;  /* how long the last failure put it out; 0 = none yet */
    uint64_t warm_end;  /* frame from which the device counts */
    uint32_t gathered;
    bool afresh, inherit;
    int news, last_news;
    float own[RING], theirs[RING]; /* probabilities by hop */
    uint64_t theirs_hop[RING];     /* which hop theirs[] is of, plus 1 */
    float gather[LONGEST_BLOCK];
    struct {
        _Atomic uint64_t by_device, by_fallback, late, not_open, failed, hung, nonsense, returns;
        _Atomic uint32_t out_ms;
        _Atomic bool in;
    } counts;
};

struct guard_state {
    struct guard *g;
};

static void count(_Atomic uint64_t *n)
{
    atomic_store_explicit(n, atomic_load_explicit(n, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

/* the device's thread ----------------------------------------------------------------------- */

/* What the device's backend says. Its errors are kept: open_device() knows how grave they are. A
   device that was left behind reaches nobody: who could hear it may be gone. */
static void take_log(void *user, int level, const char *topic, const char *message)
{
    struct guard *g = user;

    if (level == VS_LOG_ERROR)
        snprintf(g->error, sizeof(g->error), "%s", message);
    else if (!atomic_load(&g->left) && g->log.write)
        g->log.write(g->log.user, level, topic, message);
}

/* Not the device's fault: to ask again would not help. */
static bool is_wrong_request(int status)
{
    return status == -EINVAL || status == -ENOENT || status == -EBADMSG || status == -ENOMEM;
}

/* Why it could not be opened; what is said again and again only to those who ask for everything. */
static void tell_error(struct guard *g, int status)
{
    int level = is_wrong_request(status) ? VS_LOG_ERROR : VS_LOG_WARNING;

    if (atomic_load(&g->left) || !g->error[0])
        return;
    if (strcmp(g->error, g->told) == 0)
        level = VS_LOG_DEBUG;
    vs__log(&g->log, level, "vad", "%s", g->error);
    snprintf(g->told, sizeof(g->told), "%s", g->error);
}

/* @return 0 or what is wrong */
static int check_shape(const struct guard *g, const struct vs_vad_shape *shape)
{
    uint32_t most = g->delay_hops * VS_HOP_FRAMES;

    if (shape->block_frames < 1 || shape->block_frames > LONGEST_BLOCK)
        return -ENOTSUP;
    return most && shape->block_frames + shape->latency_frames > most ? -ENOTSUP : 0;
}

static int open_device(struct guard *g)
{
    struct vs_vad_params params = {
        .size = sizeof(params), .env = &g->env, .argument = g->argument, .cpu = g->cpu};
    struct vs_vad_shape shape = {.size = sizeof(shape)};
    int rc;

    memset(g->device_state, 0, g->device->state_size);
    g->error[0] = '\0';
    rc = g->device->open(g->device_state, &params, &shape);
    if (rc == 0)
        rc = check_shape(g, &shape);
    if (rc < 0) {
        g->device->close(g->device_state);
        tell_error(g, rc);
        return rc;
    }
    g->shape = shape;
    return 0;
}

/* Answer the oldest block. @return whether the device is still good */
static bool answer(struct guard *g, struct slot *slot)
{
    float p = -1.0f;
    int rc = 0;

    if (slot->afresh)
        g->device->reset(g->device_state);
    if (slot->inherit)
        rc = g->device->restore(g->device_state, g->memory);
    if (rc == 0)
        rc = g->device->infer(g->device_state, slot->audio, &p);
    if (rc == 0 && !(p >= 0.0f && p <= 1.0f))
        rc = -ERANGE;
    slot->status = rc;
    slot->probability = p;
    return rc == 0;
}

/* One turn of the device's thread. @return false when there was nothing to do */
static bool turn(struct guard *g, uint64_t *open)
{
    uint64_t wanted = atomic_load_explicit(&g->wanted, memory_order_acquire);
    uint64_t answered = atomic_load_explicit(&g->answered, memory_order_relaxed);

    if (*open && *open != wanted) {
        g->device->close(g->device_state);
        *open = 0;
        return true;
    }
    if (wanted && wanted != atomic_load_explicit(&g->opened, memory_order_relaxed)) {
        int rc = open_device(g);

        *open = rc == 0 ? wanted : 0;
        atomic_store_explicit(&g->open_status, rc, memory_order_relaxed);
        atomic_store_explicit(&g->opened, wanted, memory_order_release);
        vs__signal_raise(&g->answer);
        return true;
    }
    if (answered == atomic_load_explicit(&g->posted, memory_order_acquire))
        return false;
    struct slot *slot = &g->slots[answered % SLOTS];
    if (!*open || slot->epoch != *open)
        slot->status = -ECANCELED;
    else if (!answer(g, slot)) { /* the rest of this epoch is not tried */
        g->device->close(g->device_state);
        *open = 0;
    }
    atomic_store_explicit(&g->answered, answered + 1, memory_order_release);
    vs__signal_raise(&g->answer);
    return true;
}

static void free_guard(struct guard *g)
{
    vs__free(g->device_state);
    vs__free(g->memory);
    vs__free(g->argument);
    for (size_t i = 0; i < VS__COUNT(g->strings); i++)
        vs__free(g->strings[i]);
    vs__free(g);
}

static void *run_device(void *argument)
{
    struct guard *g = argument;
    uint64_t open = g->open_at_start ? 1 : 0;

    (void)vs__fp_fast();
    while (!atomic_load_explicit(&g->stop, memory_order_acquire)) {
        uint32_t seen = vs__signal_seen(&g->work);

        if (!turn(g, &open))
            (void)vs__signal_wait(&g->work, seen, -1);
    }
    if (open)
        g->device->close(g->device_state);
    atomic_store_explicit(&g->ended, true, memory_order_release);
    vs__signal_raise(&g->answer);
    if (atomic_exchange(&g->parted, true))
        free_guard(g);
    return NULL;
}

/* in and out -------------------------------------------------------------------------------- */

/* The device is out, for twice as long as the last time. */
static void put_out(struct guard *g, int news, _Atomic uint64_t *counter)
{
    bool first = g->out_hops == 0 || (g->phase == IN && g->clock - g->in_since >= GOOD_HOPS);

    count(counter);
    g->out_hops = first ? FIRST_OUT_HOPS : VS__MIN(2 * g->out_hops, (uint32_t)LONGEST_OUT_HOPS);
    g->out_until = g->clock + g->out_hops;
    g->phase = OUT;
    g->news = news == g->last_news ? VS__GUARD_QUIET : news;
    g->last_news = news ? news : g->last_news;
    atomic_store_explicit(&g->counts.in, false, memory_order_relaxed);
    atomic_store_explicit(&g->counts.out_ms, g->out_hops * 10, memory_order_relaxed);
    atomic_store_explicit(&g->wanted, 0, memory_order_release);
    vs__signal_raise(&g->work);
}

/* The thread has nothing left of older epochs, so that it can open anew. */
static bool is_idle(const struct guard *g)
{
    return atomic_load_explicit(&g->answered, memory_order_acquire) ==
               atomic_load_explicit(&g->posted, memory_order_relaxed) &&
           atomic_load_explicit(&g->opened, memory_order_acquire) == g->epoch;
}

static void try_again(struct guard *g)
{
    if (!is_idle(g)) { /* it still hangs in a call, or a file is quicker than it closes */
        if (g->hurry)
            put_out(g, VS__GUARD_QUIET, &g->counts.hung);
        return;
    }
    g->phase = OPENING;
    g->seen = atomic_load_explicit(&g->answered, memory_order_relaxed);
    atomic_store_explicit(&g->wanted, ++g->epoch, memory_order_release);
    vs__signal_raise(&g->work);
}

/* Can the device go on from what the fallback remembers? */
static bool is_kin(const struct guard *g)
{
    return g->shape.kin && g->fallback_kin && strcmp(g->shape.kin, g->fallback_kin) == 0 &&
           g->device->restore && g->fallback->save;
}

/* The device is open: from the next hop on it hears, and takes over the fallback's memory. */
static void take_in(struct guard *g)
{
    bool kin = is_kin(g);

    g->phase = IN;
    g->in_since = g->clock;
    g->origin = g->hops * VS_HOP_FRAMES;
    g->gathered = 0;
    g->inherit = kin;
    g->warm_end = g->origin + (kin || g->hops == 0 ? 0 : WARM_HOPS * VS_HOP_FRAMES);
    g->afresh = false;
    if (kin)
        g->fallback->save(g->fallback_state, g->memory);
    count(&g->counts.returns);
    g->news = g->last_news = VS__GUARD_BACK;
    atomic_store_explicit(&g->counts.in, true, memory_order_relaxed);
    atomic_store_explicit(&g->counts.out_ms, 0, memory_order_relaxed);
}

static void finish_opening(struct guard *g)
{
    if (atomic_load_explicit(&g->opened, memory_order_acquire) != g->epoch)
        return;
    if (atomic_load_explicit(&g->open_status, memory_order_relaxed) < 0)
        put_out(g, VS__GUARD_NOT_OPEN, &g->counts.not_open);
    else
        take_in(g);
}

/* hops -------------------------------------------------------------------------------------- */

/* The hops that end within a block's answer, by the device's lag, are the device's. */
static void keep_answer(struct guard *g, const struct slot *slot)
{
    uint64_t lag = g->shape.latency_frames, size = g->shape.block_frames;
    uint64_t end = slot->end > lag ? slot->end - lag : 0;
    uint64_t begin = slot->end - size > lag ? slot->end - size - lag : 0;

    if (begin < g->warm_end && g->warm_end > g->origin)
        return;
    for (uint64_t hop = begin / VS_HOP_FRAMES; (hop + 1) * VS_HOP_FRAMES <= end; hop++)
        if ((hop + 1) * VS_HOP_FRAMES > g->origin) {
            g->theirs[hop % RING] = slot->probability;
            g->theirs_hop[hop % RING] = hop + 1;
        }
}

/* What the device has answered. */
static void collect(struct guard *g)
{
    uint64_t answered = atomic_load_explicit(&g->answered, memory_order_acquire);

    while (g->phase == IN && g->seen < answered) {
        const struct slot *slot = &g->slots[g->seen++ % SLOTS];

        if (slot->epoch != g->epoch)
            continue;
        if (slot->status == -ERANGE)
            put_out(g, VS__GUARD_NONSENSE, &g->counts.nonsense);
        else if (slot->status < 0)
            put_out(g, VS__GUARD_FAILED, &g->counts.failed);
        else
            keep_answer(g, slot);
    }
}

/* One hop for the device. */
static void post(struct guard *g, const float *hop)
{
    uint32_t size = g->shape.block_frames;
    uint64_t at = g->hops * VS_HOP_FRAMES;

    for (uint32_t done = 0; done < VS_HOP_FRAMES && g->phase == IN;) {
        uint32_t part = VS__MIN(VS_HOP_FRAMES - done, size - g->gathered);
        uint64_t posted = atomic_load_explicit(&g->posted, memory_order_relaxed);
        struct slot *slot = &g->slots[posted % SLOTS];

        memcpy(g->gather + g->gathered, hop + done, part * sizeof(*hop));
        done += part;
        g->gathered += part;
        if (g->gathered < size)
            return;
        g->gathered = 0;
        if (posted - atomic_load_explicit(&g->answered, memory_order_acquire) == SLOTS) {
            put_out(g, VS__GUARD_HUNG, &g->counts.hung);
            return;
        }
        slot->epoch = g->epoch;
        slot->end = at + done;
        slot->afresh = g->afresh;
        slot->inherit = g->inherit;
        memcpy(slot->audio, g->gather, size * sizeof(float));
        g->afresh = g->inherit = false;
        atomic_store_explicit(&g->posted, posted + 1, memory_order_release);
        vs__signal_raise(&g->work);
    }
}

static bool has_theirs(const struct guard *g, uint64_t hop)
{
    return g->theirs_hop[hop % RING] == hop + 1;
}

static bool is_waiting(const struct guard *g)
{
    return g->phase == IN && g->seen < atomic_load_explicit(&g->posted, memory_order_relaxed);
}

/* Until the device has answered for `hop`, or will not. */
static void wait_for(struct guard *g, uint64_t hop)
{
    while (is_waiting(g) && !has_theirs(g, hop)) {
        uint32_t seen = vs__signal_seen(&g->answer);

        collect(g);
        if (is_waiting(g) && !has_theirs(g, hop) && !vs__signal_wait(&g->answer, seen, PATIENCE_NS))
            put_out(g, VS__GUARD_HUNG, &g->counts.hung);
    }
}

/* Live: the oldest block without an answer is too old. */
static void check_deadline(struct guard *g)
{
    uint64_t now = g->hops * VS_HOP_FRAMES;

    if (!is_waiting(g))
        return;
    if (g->slots[g->seen % SLOTS].end + DEADLINE_HOPS * VS_HOP_FRAMES <= now)
        put_out(g, VS__GUARD_HUNG, &g->counts.hung);
}

static float decide(struct guard *g, uint64_t hop)
{
    if (!g->hurry)
        wait_for(g, hop);
    if (has_theirs(g, hop)) {
        count(&g->counts.by_device);
        return g->theirs[hop % RING];
    }
    if (is_waiting(g) && (hop + 1) * VS_HOP_FRAMES > VS__MAX(g->origin, g->warm_end))
        count(&g->counts.late);
    count(&g->counts.by_fallback);
    return g->own[hop % RING];
}

static int guard_infer(void *state, const float *block, float *ret)
{
    struct guard *g = ((struct guard_state *)state)->g;
    float own = 0.0f;
    int rc = g->fallback->infer(g->fallback_state, block, &own);

    if (rc < 0)
        return rc;
    if (g->hops >= g->fallback_lag)
        g->own[(g->hops - g->fallback_lag) % RING] = own;
    collect(g); /* before a slot is used anew */
    if (g->phase == IN)
        post(g, block);
    g->hops++;
    g->clock++;
    collect(g);
    if (g->hurry)
        check_deadline(g);
    if (g->phase == OPENING)
        finish_opening(g);
    else if (g->phase == OUT && g->clock >= g->out_until)
        try_again(g);
    *ret = g->hops > g->delay_hops ? decide(g, g->hops - 1 - g->delay_hops) : 0.0f;
    return 0;
}

/* life -------------------------------------------------------------------------------------- */

static void guard_reset(void *state)
{
    struct guard *g = ((struct guard_state *)state)->g;

    g->fallback->reset(g->fallback_state);
    g->hops = g->origin = g->warm_end = 0;
    g->gathered = 0;
    memset(g->own, 0, sizeof(g->own));
    memset(g->theirs_hop, 0, sizeof(g->theirs_hop));
    if (g->phase == IN) { /* answers on their way belong to what is over */
        g->seen = atomic_load_explicit(&g->posted, memory_order_relaxed);
        g->afresh = true;
        g->inherit = false;
    }
}

static const char *guard_news(void *state, int *ret)
{
    static const int statuses[] = {0, -ENODEV, -EIO, -ETIMEDOUT, -ERANGE, 0};
    struct guard *g = ((struct guard_state *)state)->g;
    int news = g->news;

    g->news = VS__GUARD_QUIET;
    *ret = statuses[news];
    return news == VS__GUARD_QUIET ? NULL : g->sentences[news];
}

static void guard_stats(const void *state, struct vs_device_stats *ret)
{
    const struct guard *g = ((const struct guard_state *)state)->g;

    ret->size = sizeof(*ret);
    ret->device = g->name;
    ret->in_use = atomic_load_explicit(&g->counts.in, memory_order_relaxed);
    ret->by_device = atomic_load_explicit(&g->counts.by_device, memory_order_relaxed);
    ret->by_native = atomic_load_explicit(&g->counts.by_fallback, memory_order_relaxed);
    ret->late = atomic_load_explicit(&g->counts.late, memory_order_relaxed);
    ret->not_open = atomic_load_explicit(&g->counts.not_open, memory_order_relaxed);
    ret->failed = atomic_load_explicit(&g->counts.failed, memory_order_relaxed);
    ret->hung = atomic_load_explicit(&g->counts.hung, memory_order_relaxed);
    ret->nonsense = atomic_load_explicit(&g->counts.nonsense, memory_order_relaxed);
    ret->returns = atomic_load_explicit(&g->counts.returns, memory_order_relaxed);
    ret->out_ms = atomic_load_explicit(&g->counts.out_ms, memory_order_relaxed);
}

/* Wait for the thread to end. @return false if it hangs in the device */
static bool end_thread(struct guard *g)
{
    int64_t until = vs__mono_ns() + CLOSING_NS;

    atomic_store_explicit(&g->stop, true, memory_order_release);
    vs__signal_raise(&g->work);
    for (;;) {
        uint32_t seen = vs__signal_seen(&g->answer);
        int64_t left = until - vs__mono_ns();

        if (atomic_load_explicit(&g->ended, memory_order_acquire)) {
            vs__thread_join(&g->thread);
            return true;
        }
        if (left <= 0)
            return false;
        (void)vs__signal_wait(&g->answer, seen, left);
    }
}

static void guard_close(void *state)
{
    struct guard_state *s = state;
    struct guard *g = s->g;

    s->g = NULL;
    if (!g)
        return;
    if (g->fallback_state)
        g->fallback->close(g->fallback_state);
    vs__free(g->fallback_state);
    g->fallback_state = NULL;
    if (g->thread.running && !end_thread(g)) {
        atomic_store(&g->left, true); /* it may come back from its call at any time */
        vs__log(&g->log, VS_LOG_WARNING, "vad",
                "%s still hangs: it is left behind, with its memory", g->name);
        vs__thread_leave(&g->thread);
        if (atomic_exchange(&g->parted, true))
            free_guard(g);
        return;
    }
    if (!atomic_load(&g->ended) && g->phase == IN)
        g->device->close(g->device_state);
    free_guard(g);
}

static uint32_t greatest_divisor(uint32_t a, uint32_t b)
{
    return b == 0 ? a : greatest_divisor(b, a % b);
}

/* Hops after which a device in such blocks has surely been asked about a hop, and one more in which
   it may answer. */
static uint32_t find_delay(uint32_t block, uint32_t latency)
{
    uint32_t most = latency + block - greatest_divisor(block, VS_HOP_FRAMES);

    return (most + VS_HOP_FRAMES - 1) / VS_HOP_FRAMES + 1;
}

static int copy_config(struct guard *g, const struct vs__guard_config *config)
{
    const char *given[] = {config->env->module_dir, config->env->cpu, config->env->openvino,
                           config->env->cache_dir, config->env->system_root};

    g->log = config->env->log;
    g->cpu = config->cpu;
    g->device = config->device;
    g->fallback = config->fallback;
    for (size_t i = 0; i < VS__COUNT(given); i++) {
        g->strings[i] = vs__strdup(given[i]);
        if (given[i] && !g->strings[i])
            return -ENOMEM;
    }
    g->env = (struct vs_env){.log = {take_log, g},
                             .module_dir = g->strings[0],
                             .cpu = g->strings[1],
                             .openvino = g->strings[2],
                             .cache_dir = g->strings[3],
                             .system_root = g->strings[4]};
    g->argument = vs__strdup(config->argument);
    snprintf(g->name, sizeof(g->name), "%s%s%.*s", g->device->name, config->argument ? ":" : "",
             config->argument ? (int)strcspn(config->argument, "@") : 0,
             config->argument ? config->argument : "");
    return config->argument && !g->argument ? -ENOMEM : 0;
}

static void write_sentences(struct guard *g)
{
    static const char *const words[] = {
        "",
        "cannot be opened; native decides until it can",
        "fails; native decides until it works again",
        "does not answer; native decides until it does",
        "gives what is no probability; native decides until it works again",
        "decides",
    };

    for (size_t i = 0; i < VS__COUNT(words); i++)
        snprintf(g->sentences[i], sizeof(g->sentences[i]), "%s %s", g->name, words[i]);
}

static int open_fallback(struct guard *g)
{
    struct vs_vad_params params = {.size = sizeof(params), .env = &g->env, .cpu = g->cpu};
    struct vs_vad_shape shape = {.size = sizeof(shape)};
    int rc;

    g->fallback_state = vs__alloc(g->fallback->state_size);
    if (!g->fallback_state)
        return -ENOMEM;
    rc = g->fallback->open(g->fallback_state, &params, &shape);
    g->fallback_lag = shape.latency_frames / VS_HOP_FRAMES;
    g->fallback_kin = shape.kin;
    return rc;
}

/* The first opening, on the caller's thread. */
static int open_first(struct guard *g, const struct vs__guard_config *config)
{
    int rc = 0;

    g->epoch = 1;
    atomic_store(&g->wanted, 1);
    atomic_store(&g->opened, 1);
    if (!config->device_state) {
        g->device_state = vs__alloc(g->device->state_size);
        rc = g->device_state ? open_device(g) : -ENOMEM;
        g->phase = rc == 0 ? IN : OUT;
        if (is_wrong_request(rc))
            return rc;
    }
    uint32_t block = rc == 0 ? g->shape.block_frames : VS__MAX(config->block_frames, 1u);
    uint32_t lag = rc == 0 ? g->shape.latency_frames : 0;
    g->delay_hops = VS__MAX(find_delay(block, lag), g->fallback_lag);
    atomic_store(&g->counts.in, rc == 0);
    g->open_at_start = rc == 0;
    snprintf(g->place, sizeof(g->place), "%s",
             rc == 0 && g->shape.device ? g->shape.device : "cpu");
    if (rc < 0)
        put_out(g, VS__GUARD_NOT_OPEN, &g->counts.not_open);
    return 0;
}

int vs__guard_open(void *state, const struct vs__guard_config *config, struct vs_vad_shape *ret)
{
    struct guard *g = vs__alloc(sizeof(*g));
    int rc;

    if (!g) { /* it is ours already, and nobody else closes it */
        if (config->device_state)
            config->device->close(config->device_state);
        vs__free(config->device_state);
        return -ENOMEM;
    }
    ((struct guard_state *)state)->g = g;
    if (config->device_state) {
        g->device = config->device;
        g->device_state = config->device_state;
        g->shape = *config->shape;
        g->phase = IN;
    }
    rc = config->device_state ? check_shape(g, &g->shape) : 0;
    if (rc == 0)
        rc = copy_config(g, config);
    if (rc == 0)
        rc = open_fallback(g);
    if (rc == 0)
        rc = open_first(g, config);
    if (rc < 0)
        return rc;
    g->memory = vs__alloc(g->fallback->memory_size);
    if (!g->memory)
        return -ENOMEM;
    write_sentences(g);
    rc = vs__thread_start(&g->thread, "vs-vad", run_device, g);
    if (rc < 0)
        return rc;
    ret->block_frames = VS_HOP_FRAMES;
    ret->latency_frames = g->delay_hops * VS_HOP_FRAMES;
    ret->device = g->place;
    ret->flags = 0;
    return 0;
}

void vs__guard_hurry(void *state)
{
    ((struct guard_state *)state)->g->hurry = true;
}

uint64_t vs__guard_pending(const void *state)
{
    const struct guard *g = ((const struct guard_state *)state)->g;
    uint64_t answered = atomic_load_explicit(&g->answered, memory_order_acquire);

    return atomic_load_explicit(&g->posted, memory_order_acquire) - answered;
}

const struct vs_vad_ops vs__vad_guard = {
    .abi = VS_BACKEND_ABI,
    .name = "auto",
    .description = "native, or what runs on a device with native beside it",
    .state_size = sizeof(struct guard_state),
    .infer = guard_infer,
    .reset = guard_reset,
    .close = guard_close,
    .news = guard_news,
    .stats = guard_stats,
};
