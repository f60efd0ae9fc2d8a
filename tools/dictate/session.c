/* SPDX-License-Identifier: MIT */
#include "dictate/session.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "dictate/hear.h"
#include "dictate/recent.h"

enum {
    RECENT_HOPS = TURN_HISTORY + 44, /* 3 s */
    RETRY_MS = 2000,
    LEVEL_HOPS = 10, /* a line for so many */
};

/* What a key may be away from the newest audio; beyond, clocks differ. */
#define FAR_NS INT64_C(1000000000)
#define HOP_NS INT64_C(10000000)

enum mic { MIC_CLOSED, MIC_OPENING, MIC_OPEN, MIC_LOST };

struct session {
    struct session_config config;
    struct hear *hear;
    vs_pipeline *pipeline; /* the asking thread's; NULL = to be made */
    bool can_wait;         /* a file; who writes to a pipe may be unable to */
    bool started;          /* it was */
    int64_t retry_ns, used_ns;

    pthread_mutex_t lock; /* of all below */
    struct turn turn;
    struct recent recent;
    float probability;   /* of the hop whose audio comes next */
    int64_t captured_ns; /* end of the newest hop at the source; 0 = unknown */
    enum mic mic;
    bool ended;              /* the source is over */
    bool live;               /* it has a clock of its own: it can be opened again */
    bool continuous, resume; /* hands-free, and to be so again when the microphone is back */
    uint64_t id;             /* of the newest utterance */
    int64_t release_ns;
    char target[HEAR_TARGET_BYTES];
    char *line; /* the last that was told */
    enum turn_phase shown;
    enum mic shown_mic;
    unsigned level_hops;
    float level_db, peak_db;
    float *copy; /* RECENT_HOPS of audio on their way */
};

/* the state ------------------------------------------------------------------------------------- */

static const char *const mic_words[] = {"closed", "opening", "open", "lost"};

static const char *state_of(const struct session *s)
{
    if (s->mic == MIC_LOST)
        return "lost";
    if (s->turn.phase == TURN_OPEN || s->turn.phase == TURN_GRACE)
        return turn_phase_name(s->turn.phase);
    if (hear_waiting(s->hear) > 0)
        return "thinking";
    return turn_phase_name(s->turn.phase);
}

/* With the names that status bars know: text, alt, class, tooltip. */
static char *make_line(const struct session *s)
{
    static const char *const signs[][2] = {{"idle", ""},       {"waiting", "○"},
                                           {"listening", "●"}, {"finishing", "●"},
                                           {"thinking", "…"},  {"lost", "✕"}};
    const char *state = state_of(s), *sign = "";
    char tooltip[120];
    json_t *o = json_object();

    for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++)
        if (strcmp(signs[i][0], state) == 0)
            sign = signs[i][1];
    snprintf(tooltip, sizeof(tooltip), "VoiceStand: %s, microphone %s", state, mic_words[s->mic]);
    json_object_set_new(o, "event", json_string("state"));
    json_object_set_new(o, "state", json_string(state));
    json_object_set_new(o, "mic", json_string(mic_words[s->mic]));
    json_object_set_new(o, "hands_free", json_boolean(s->continuous));
    json_object_set_new(o, "waiting", json_integer(hear_waiting(s->hear)));
    json_object_set_new(o, "text", json_string(sign));
    json_object_set_new(o, "alt", json_string(state));
    json_object_set_new(o, "class", json_string(state));
    json_object_set_new(o, "tooltip", json_string(tooltip));
    char *line = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    return line;
}

/* The user sees at once whether somebody listens. */
static void show_change(struct session *s)
{
    struct notice *n = s->config.notice;
    bool open = s->mic == MIC_OPEN, was = s->shown_mic == MIC_OPEN;

    if (open != was)
        notice_show(n, open ? "Microphone open" : "Microphone closed",
                    !open                          ? "VoiceStand does not listen"
                    : s->config.settings->mic == 0 ? "VoiceStand keeps the last 3 seconds in "
                                                     "memory, and more only while you dictate"
                                                   : "VoiceStand listens while you dictate",
                    false);
    if (s->turn.phase == TURN_OPEN && s->shown != TURN_OPEN && open)
        notice_play(n, CUE_START);
    if (s->turn.phase == TURN_IDLE && s->shown != TURN_IDLE)
        notice_play(n, CUE_STOP);
    if (open || s->turn.phase != TURN_OPEN)
        s->shown = s->turn.phase;
    s->shown_mic = s->mic;
}

/* With the lock: tell whoever follows, if there is something new. */
static void tell_state(struct session *s)
{
    char *line = make_line(s);

    if (line == NULL || (s->line != NULL && strcmp(line, s->line) == 0)) {
        free(line);
        return;
    }
    free(s->line);
    s->line = line;
    show_change(s);
    control_tell(s->config.control, CONTROL_STATE, line);
    if (s->config.changed != NULL)
        s->config.changed(s->config.user, state_of(s), line);
}

char *session_line(struct session *s, const char **ret_state)
{
    pthread_mutex_lock(&s->lock);
    char *line = make_line(s);
    if (ret_state != NULL)
        *ret_state = state_of(s);
    pthread_mutex_unlock(&s->lock);
    return line;
}

/* With the lock. */
static void tell_text(struct session *s, const char *event, uint64_t id, const char *key,
                      const char *text)
{
    json_t *o = json_object();

    json_object_set_new(o, "event", json_string(event));
    json_object_set_new(o, "id", json_integer((json_int_t)id));
    if (key != NULL)
        json_object_set_new(o, key, json_string(text));
    char *line = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    if (line != NULL)
        control_tell(s->config.control, CONTROL_ALL, line);
    free(line);
}

/* utterances ------------------------------------------------------------------------------------ */

static void begin_utterance(struct session *s)
{
    int status = hear_begin(s->hear, ++s->id, s->target);
    const char *why =
        status == -ENOBUFS ? "The text engine is hours behind" : "There is no memory left";

    if (status < 0) {
        tell_text(s, "dropped", s->id, "why", why);
        notice_show(s->config.notice, "Not heard", why, true);
    }
}

static void feed_utterance(struct session *s, const struct turn_step *step)
{
    uint64_t from = step->from * VS_HOP_FRAMES, to = step->to * VS_HOP_FRAMES;

    while (from < to) {
        size_t n = (size_t)(to - from);
        if (n > (size_t)RECENT_HOPS * VS_HOP_FRAMES)
            n = (size_t)RECENT_HOPS * VS_HOP_FRAMES;
        (void)recent_copy(&s->recent, from, from + n, s->copy);
        if (hear_audio(s->hear, s->copy, n) < 0)
            notice_show(s->config.notice, "Not heard", "There is no memory left", true);
        from += n;
    }
}

/* With the lock: carry out what the state machine says. */
static void carry_out(struct session *s, const struct turn_step *steps, int count)
{
    for (int i = 0; i < count; i++)
        switch (steps[i].kind) {
        case TURN_BEGIN:
            begin_utterance(s);
            break;
        case TURN_AUDIO:
            feed_utterance(s, &steps[i]);
            break;
        case TURN_END:
            hear_end(s->hear, s->turn.phase == TURN_IDLE ? s->release_ns : 0);
            break;
        case TURN_EMPTY:
            hear_drop(s->hear);
            if (!s->continuous)
                tell_text(s, "nothing", s->id, NULL, NULL);
            break;
        case TURN_CANCEL:
            hear_drop(s->hear);
            break;
        }
    tell_state(s);
}

static void on_partial(void *user, uint64_t id, const char *text)
{
    struct session *s = user;

    pthread_mutex_lock(&s->lock);
    tell_text(s, "partial", id, "text", text);
    pthread_mutex_unlock(&s->lock);
}

static void on_heard(void *user, const struct heard *h)
{
    const struct session *s = user;

    deliver_text(s->config.deliver, h);
}

static void on_served(void *user)
{
    struct session *s = user;

    pthread_mutex_lock(&s->lock);
    tell_state(s);
    pthread_mutex_unlock(&s->lock);
    control_wake(s->config.control);
}

/* the microphone -------------------------------------------------------------------------------- */

/* With the lock. */
static void tell_level(struct session *s, const struct vs_event *e)
{
    char line[160];

    s->peak_db = s->level_hops == 0 || e->peak_db > s->peak_db ? e->peak_db : s->peak_db;
    s->level_db = s->level_hops == 0 || e->level_db > s->level_db ? e->level_db : s->level_db;
    if (++s->level_hops < LEVEL_HOPS)
        return;
    s->level_hops = 0;
    snprintf(line, sizeof(line),
             "{\"event\":\"level\",\"level_db\":%.1f,\"peak_db\":%.1f,\"probability\":%.2f}",
             (double)s->level_db, (double)s->peak_db, (double)e->probability);
    control_tell(s->config.control, CONTROL_ALL, line);
}

/* With the lock. The probability of a hop comes just before its audio. */
static void take_audio(struct session *s, const struct vs_event *e)
{
    struct turn_step steps[TURN_STEPS];

    recent_push(&s->recent, e->audio_position, e->audio, e->audio_frames);
    int count = turn_hop(&s->turn, e->audio_position / VS_HOP_FRAMES, s->probability, steps);
    if (count > 0 || s->mic != MIC_OPEN) {
        s->mic = MIC_OPEN;
        carry_out(s, steps, count);
    }
}

/* With the lock. */
static void end_source(struct session *s)
{
    struct turn_step steps[TURN_STEPS];

    s->ended = true;
    s->resume = s->continuous && s->live;
    s->mic = s->live ? MIC_LOST : MIC_CLOSED;
    carry_out(s, steps, turn_end(&s->turn, steps));
    recent_wipe(&s->recent);
    s->captured_ns = 0;
    control_wake(s->config.control);
}

/* On the pipeline's output thread. */
static void on_event(void *user, const struct vs_event *e)
{
    struct session *s = user;

    if (s->can_wait && e->type == VS_EVENT_AUDIO)
        hear_wait(s->hear);
    pthread_mutex_lock(&s->lock);
    if (e->type == VS_EVENT_PROBABILITY) {
        s->probability = e->probability;
        s->captured_ns = e->captured_ns;
        tell_level(s, e);
    } else if (e->type == VS_EVENT_AUDIO) {
        take_audio(s, e);
    } else if (e->type == VS_EVENT_LEDGER) {
        end_source(s);
    }
    pthread_mutex_unlock(&s->lock);
}

/* Opens no microphone yet, where the source knows the difference. */
static int prepare_mic(struct session *s)
{
    const struct settings *settings = s->config.settings;
    struct vs_pipeline_info info = {.size = sizeof(info)};
    struct vs_pipeline_config config;

    config_fill(settings, s->config.words, &config);
    if (settings->capture != NULL && strcmp(settings->capture, "pipe") == 0) {
        config_stdin(settings, &config);
    } else {
        config.capture = settings->capture;
        config.rate_hz = settings->rate_hz;
        config.channels = settings->channels;
    }
    config.stt = NULL;
    config.audio = VS_AUDIO_ALL; /* which is what the engine will hear */
    config.enhance = config.enhance_text ? config.enhance : 0;
    config.enhance_text = 0;
    config.probabilities = 1;
    config.placement = settings->placement;
    config.save_power = -1; /* it would gather 40 ms of audio where a key waits for it */
    config.on_event = on_event;
    config.user = s;
    int status = vs_pipeline_create(&config, &s->pipeline);
    if (status < 0)
        return status;
    s->started = false;
    vs_pipeline_info(s->pipeline, &info);
    s->live = info.live != 0;
    s->can_wait = !s->live && settings->capture != NULL && strcmp(settings->capture, "pipe") != 0;
    return 0;
}

static void set_mic(struct session *s, enum mic mic)
{
    pthread_mutex_lock(&s->lock);
    s->mic = mic;
    tell_state(s);
    pthread_mutex_unlock(&s->lock);
}

static void close_mic(struct session *s, enum mic then)
{
    vs_pipeline *p = s->pipeline;

    s->pipeline = NULL;
    s->started = false;
    vs_pipeline_destroy(p); /* its last event ends what is open */
    set_mic(s, then);
}

static int start_mic(struct session *s)
{
    struct turn_step steps[TURN_STEPS];
    int count, status = s->pipeline != NULL ? 0 : prepare_mic(s);

    if (status < 0 || s->started)
        return status;
    pthread_mutex_lock(&s->lock);
    s->ended = false;
    s->mic = MIC_OPENING;
    count = s->resume ? turn_press(&s->turn, TURN_CONTINUOUS, 0, steps) : 0;
    s->resume = false;
    carry_out(s, steps, count);
    pthread_mutex_unlock(&s->lock);
    status = vs_pipeline_start(s->pipeline);
    if (status < 0) {
        close_mic(s, MIC_LOST);
        return status;
    }
    s->started = true;
    return 0;
}

/* asking ---------------------------------------------------------------------------------------- */

/* With the lock. The hop of what happened at `ns`; where the source does not tell when its audio was
   captured, the newest. */
static uint64_t find_hop(const struct session *s, int64_t ns)
{
    int64_t ahead_ns = ns - s->captured_ns;

    if (s->captured_ns == 0 || ahead_ns > FAR_NS || ahead_ns < -FAR_NS)
        return s->turn.head;
    int64_t hops = (ahead_ns + FAR_NS) / HOP_NS - FAR_NS / HOP_NS; /* rounded down */
    return hops < 0 && s->turn.head < (uint64_t)-hops ? 0 : s->turn.head + (uint64_t)hops;
}

static void cancel(struct session *s)
{
    struct turn_step steps[TURN_STEPS];

    pthread_mutex_lock(&s->lock);
    s->continuous = false;
    int count = turn_cancel(&s->turn, steps);
    (void)hear_drop_all(s->hear);
    carry_out(s, steps, count);
    pthread_mutex_unlock(&s->lock);
}

static int press(struct session *s, enum turn_mode mode, int64_t ns)
{
    struct turn_step steps[TURN_STEPS];
    int status = 0;

    pthread_mutex_lock(&s->lock);
    s->continuous = mode == TURN_CONTINUOUS;
    s->target[0] = '\0';
    carry_out(s, steps, turn_press(&s->turn, mode, find_hop(s, ns), steps));
    pthread_mutex_unlock(&s->lock);
    if (!s->started)
        status = start_mic(s);
    if (status < 0)
        cancel(s);
    return status;
}

static void release(struct session *s, int64_t ns)
{
    struct turn_step steps[TURN_STEPS];

    pthread_mutex_lock(&s->lock);
    s->release_ns = ns;
    s->continuous = false;
    carry_out(s, steps, turn_release(&s->turn, find_hop(s, ns), steps));
    pthread_mutex_unlock(&s->lock);
}

int session_ask(struct session *s, enum session_ask what, int64_t ns)
{
    s->used_ns = now_ns();
    switch (what) {
    case ASK_START:
        return press(s, TURN_HOLD, ns);
    case ASK_STOP:
        release(s, ns);
        return 0;
    case ASK_CANCEL:
        cancel(s);
        return 0;
    default:
        pthread_mutex_lock(&s->lock);
        bool on = s->turn.phase == TURN_OPEN || s->turn.phase == TURN_WAITING;
        pthread_mutex_unlock(&s->lock);
        if (!on)
            return press(s, TURN_CONTINUOUS, ns);
        release(s, ns);
        return 0;
    }
}

void session_target(struct session *s, const char *target)
{
    pthread_mutex_lock(&s->lock);
    if (s->turn.phase == TURN_OPEN && s->turn.mode == TURN_HOLD) {
        snprintf(s->target, sizeof(s->target), "%s", target);
        if (!s->turn.pending) /* else it will be when it begins */
            hear_target(s->hear, target);
    }
    pthread_mutex_unlock(&s->lock);
}

/* @return ms until `ns` from now, at least 1 */
static int ms_until(int64_t ns)
{
    int64_t left = (ns - now_ns()) / 1000000;

    return left < 1 ? 1 : left > 60000 ? 60000 : (int)left;
}

/* A microphone that went away for good comes back by being opened anew. */
static int retry_mic(struct session *s)
{
    if (now_ns() < s->retry_ns)
        return ms_until(s->retry_ns);
    close_mic(s, MIC_LOST);
    if (start_mic(s) == 0)
        return -1;
    s->retry_ns = now_ns() + (int64_t)RETRY_MS * 1000000;
    set_mic(s, MIC_LOST);
    return RETRY_MS;
}

int session_tick(struct session *s)
{
    const struct settings *settings = s->config.settings;
    int64_t idle_s = settings->mic_idle_s > 0 ? settings->mic_idle_s : 30;

    pthread_mutex_lock(&s->lock);
    bool lost = s->mic == MIC_LOST, idle = s->turn.phase == TURN_IDLE;
    pthread_mutex_unlock(&s->lock);
    if (lost && s->live && (settings->mic == 0 || !idle))
        return retry_mic(s);
    if (settings->mic != 1 || !s->started)
        return -1;
    if (!idle) {
        s->used_ns = now_ns();
        return (int)(idle_s * 1000 < 1000 ? idle_s * 1000 : 1000);
    }
    if (now_ns() < s->used_ns + idle_s * 1000000000)
        return ms_until(s->used_ns + idle_s * 1000000000);
    close_mic(s, MIC_CLOSED);
    if (prepare_mic(s) < 0)
        s->pipeline = NULL; /* the next press says why */
    return -1;
}

bool session_over(struct session *s)
{
    pthread_mutex_lock(&s->lock);
    bool over = s->ended && !s->live;
    pthread_mutex_unlock(&s->lock);
    return over && hear_waiting(s->hear) == 0;
}

/* life ------------------------------------------------------------------------------------------ */

static void init_turn(struct session *s)
{
    const struct settings *settings = s->config.settings;
    struct turn_rules rules;

    turn_rules_init(&rules);
    if (settings->threshold > 0)
        rules.threshold = settings->threshold;
    rules.threshold_off =
        settings->threshold_off > 0 ? settings->threshold_off : rules.threshold - 0.15f;
    if (settings->quiet_ms > 0)
        rules.quiet = settings->quiet_ms / 10;
    if (settings->grace_ms > 0)
        rules.grace = settings->grace_ms / 10;
    turn_init(&s->turn, &rules);
}

static int open_hear(struct session *s)
{
    struct hear_config config = {.settings = s->config.settings,
                                 .words = s->config.words,
                                 .save_dir = s->config.state_dir,
                                 .partial = on_partial,
                                 .done = on_heard,
                                 .served = on_served,
                                 .user = s};

    return hear_open(&config, &s->hear);
}

int session_open(const struct session_config *config, struct session **ret)
{
    struct session *s = calloc(1, sizeof(*s));
    int status = s != NULL ? 0 : -ENOMEM;

    if (status < 0)
        return EXIT_STATUS_INTERNAL;
    s->config = *config;
    pthread_mutex_init(&s->lock, NULL);
    init_turn(s);
    s->copy = malloc(RECENT_HOPS * VS_HOP_FRAMES * sizeof(float));
    if (s->copy == NULL || recent_init(&s->recent, RECENT_HOPS * VS_HOP_FRAMES) < 0)
        status = -ENOMEM;
    if (status == 0)
        status = open_hear(s);
    if (status == 0)
        status = prepare_mic(s);
    if (status == 0 && config->settings->hands_free)
        status = session_ask(s, ASK_TOGGLE, now_ns());
    else if (status == 0 && config->settings->mic == 0)
        status = start_mic(s);
    if (status < 0) {
        sentences_explain(config->words, status);
        session_close(s, true);
        return status_of(status);
    }
    *ret = s;
    return 0;
}

void session_close(struct session *s, bool now)
{
    if (s == NULL)
        return;
    if (s->hear != NULL) {
        hear_hurry(s->hear);
        close_mic(s, MIC_CLOSED);
    }
    hear_close(s->hear, now);
    recent_fini(&s->recent);
    free(s->copy);
    free(s->line);
    pthread_mutex_destroy(&s->lock);
    free(s);
}
