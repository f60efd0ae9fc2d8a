/* SPDX-License-Identifier: MIT */
#include "dictate/turn.h"

#include <string.h>

/* Silence between two words of one sentence is shorter. */
#define GAP 20
/* Audio kept on each side of a gap that is not ours. */
#define MARGIN 10
/* Of a pause that is longer than the tail, this much is kept before speech goes on. */
#define REJOIN 100
/* Shortest speech in an utterance; less is the click of the key itself. */
#define LEAST_SPEECH 3
/* Keyboards repeat a held key as a release and a press at once. */
#define REPEAT 5
/* Neither audio nor news of a key is so late. */
#define FAR 100

static uint64_t max_of(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* `a - b`, but not below zero. */
static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

void turn_rules_init(struct turn_rules *ret)
{
    *ret = (struct turn_rules){
        .threshold = 0.5f,
        .threshold_off = 0.35f,
        .pre_roll = 60,
        .reach = 35,
        .lead = 30,
        .tail = 30,
        .quiet = 30,
        .settle = 10,
        .grace = 150,
        .onset = 5,
        .pause = 70,
        .longest_held = 2000,
        .longest = 6000,
    };
}

void turn_init(struct turn *t, const struct turn_rules *rules)
{
    memset(t, 0, sizeof(*t));
    t->rules = *rules;
}

static void step(struct turn *t, enum turn_kind kind, uint64_t from, uint64_t to)
{
    t->steps[t->count++] = (struct turn_step){kind, from, to};
}

static void start_call(struct turn *t, struct turn_step *steps)
{
    t->steps = steps;
    t->count = 0;
}

static bool is_speech(const struct turn *t, uint64_t hop)
{
    return t->speech[hop % TURN_HISTORY];
}

/* The oldest hop whose speech is remembered. */
static uint64_t oldest(const struct turn *t)
{
    return max_of(t->first, less(t->head, TURN_HISTORY));
}

/* The last speech hop in from..to-1, or `to` if there is none. */
static uint64_t last_speech(const struct turn *t, uint64_t from, uint64_t to)
{
    from = max_of(from, oldest(t));
    for (uint64_t hop = to; hop > from; hop--)
        if (is_speech(t, hop - 1))
            return hop - 1;
    return to;
}

static uint32_t count_speech(const struct turn *t, uint64_t from)
{
    uint32_t n = 0;

    for (uint64_t hop = max_of(from, oldest(t)); hop < t->head; hop++)
        n += is_speech(t, hop);
    return n;
}

/* First hop of the speech that ends with speech hop `hop`: gaps between words belong to it. */
static uint64_t first_of_run(const struct turn *t, uint64_t hop)
{
    uint64_t from = max_of(oldest(t), t->used);

    for (uint64_t at = hop; at > from && hop - (at - 1) <= GAP; at--)
        if (is_speech(t, at - 1))
            hop = at - 1;
    return hop;
}

/* Audio of the open utterance that is known to be wanted. */
static void send(struct turn *t)
{
    uint64_t to = t->last_speech + 1 + t->rules.tail;

    if (!t->spoken)
        return;
    if (to > t->head)
        to = t->head;
    if (to <= t->sent)
        return;
    step(t, TURN_AUDIO, t->sent, to);
    t->sent = to;
}

/* Speech at `hop` of the open utterance. */
static void hear(struct turn *t, uint64_t hop)
{
    if (!t->spoken) {
        t->spoken = true;
        /* who holds a key means what he says, also a word so quiet that it was not noticed */
        t->sent = max_of(t->begin, less(hop, t->mode == TURN_HOLD ? REJOIN : t->rules.lead));
    } else if (t->last_speech + t->rules.tail < hop) {
        t->sent = max_of(t->sent, less(hop, REJOIN));
    }
    t->last_speech = hop;
}

/* An utterance whose first speech is the run that holds `speech`; `head` = what comes from `begin` on. */
static void open_at(struct turn *t, uint64_t begin, uint64_t speech)
{
    uint64_t run = speech < t->head ? first_of_run(t, speech) : begin;
    uint64_t before = last_speech(t, 0, run);

    if (speech < t->head)
        begin = max_of(begin, less(run, t->rules.lead));
    if (before < run) /* said to somebody else */
        begin = max_of(begin, before + MARGIN);
    t->begin = max_of(max_of(begin, t->used), t->first);
    if (t->begin > t->head)
        t->begin = t->head;
    t->phase = TURN_OPEN;
    t->spoken = false;
    step(t, TURN_BEGIN, t->begin, t->begin);
    for (uint64_t hop = max_of(run, t->begin); hop < t->head; hop++)
        if (is_speech(t, hop))
            hear(t, hop);
    send(t);
}

/* Speech that runs at hop `at`, or ended so shortly before that it was meant, belongs to the press. */
static void open_by_key(struct turn *t, uint64_t at)
{
    uint64_t near = last_speech(t, max_of(less(at, t->rules.reach), t->used), at);

    if (near < at)
        open_at(t, less(at, t->rules.pre_roll), near);
    else
        open_at(t, less(at, t->rules.lead), t->head);
}

/* The audio of the press is there, or never will be. */
static void settle_press(struct turn *t)
{
    enum turn_phase phase = t->phase;

    if (!t->pending)
        return;
    t->pending = false;
    open_by_key(t, t->pressed < t->head ? t->pressed : t->head);
    t->phase = phase;
}

/* A key's click is no speech. */
static bool is_click(const struct turn *t)
{
    return t->spoken && t->head - t->begin < TURN_HISTORY &&
           count_speech(t, t->begin) < LEAST_SPEECH;
}

/* The open utterance is over. */
static void finish(struct turn *t, enum turn_phase next)
{
    send(t);
    if (is_click(t))
        t->spoken = false;
    step(t, t->spoken ? TURN_END : TURN_EMPTY, t->begin, t->sent);
    t->used = t->spoken ? max_of(t->sent, t->used) : t->used;
    t->phase = next;
}

/* Cut while speech may go on: what follows is an utterance of its own, without a frame between. */
static void cut(struct turn *t)
{
    finish(t, TURN_OPEN);
    t->used = t->begin = t->sent = t->head;
    t->spoken = false;
    step(t, TURN_BEGIN, t->begin, t->begin);
}

static void hop_open(struct turn *t, uint64_t quiet)
{
    uint64_t length = t->head - t->begin;
    bool pause = t->spoken ? quiet >= t->rules.pause : length >= t->rules.pause;

    if (pause && t->mode == TURN_CONTINUOUS)
        finish(t, TURN_WAITING);
    else if ((pause && t->spoken && length >= t->rules.longest_held) || length >= t->rules.longest)
        cut(t);
}

static void hop_grace(struct turn *t, uint64_t quiet)
{
    uint64_t waited = less(t->head, t->released);
    bool over = quiet >= t->rules.quiet && waited >= t->rules.settle;

    if (!over && waited < t->rules.grace)
        return;
    finish(t, TURN_IDLE);
}

static void hop_waiting(struct turn *t, uint64_t hop)
{
    if (is_speech(t, hop) && count_speech(t, less(t->head, 2 * t->rules.onset)) >= t->rules.onset)
        open_at(t, 0, hop);
}

static void note_hop(struct turn *t, uint64_t hop, float probability)
{
    bool before = t->started && hop == t->head && hop > t->first && is_speech(t, hop - 1);
    float threshold = before ? t->rules.threshold_off : t->rules.threshold;

    if (!t->started || hop != t->head)
        t->first = hop;
    t->started = true;
    t->speech[hop % TURN_HISTORY] = probability >= threshold;
    t->head = hop + 1;
}

int turn_hop(struct turn *t, uint64_t hop, float probability, struct turn_step *ret)
{
    bool open = t->phase == TURN_OPEN || t->phase == TURN_GRACE;

    start_call(t, ret);
    if (open && !t->started) /* pressed before there was audio */
        t->begin = t->sent = t->released = hop;
    note_hop(t, hop, probability);
    if (t->pending && t->head < t->pressed)
        return t->count;
    if (open) {
        bool told = t->pending; /* then it hears all that is there */
        settle_press(t);
        if (!told && is_speech(t, hop))
            hear(t, hop);
        send(t);
        uint64_t quiet = less(hop, t->spoken ? t->last_speech : t->released);
        if (t->phase == TURN_GRACE)
            hop_grace(t, quiet);
        else
            hop_open(t, quiet);
    } else if (t->phase == TURN_WAITING) {
        hop_waiting(t, hop);
    }
    return t->count;
}

/* The hop of a key; what lies too far from the newest audio was timed by another clock. */
static uint64_t place_key(const struct turn *t, uint64_t at)
{
    if (!t->started || at > t->head + FAR)
        return t->head;
    return max_of(at, max_of(t->first, less(t->head, FAR)));
}

int turn_press(struct turn *t, enum turn_mode mode, uint64_t at, struct turn_step *ret)
{
    start_call(t, ret);
    at = place_key(t, at);
    if (t->phase == TURN_GRACE && less(at, t->released) <= REPEAT) {
        t->phase = TURN_OPEN;
        return t->count;
    }
    if (t->phase == TURN_OPEN || (t->phase == TURN_WAITING && mode == TURN_CONTINUOUS))
        return t->count;
    if (t->phase == TURN_GRACE) {
        settle_press(t);
        finish(t, TURN_IDLE);
    }
    t->mode = mode;
    t->phase = TURN_OPEN;
    t->pending = true;
    t->pressed = at;
    if (at <= t->head)
        settle_press(t);
    return t->count;
}

int turn_release(struct turn *t, uint64_t at, struct turn_step *ret)
{
    start_call(t, ret);
    if (t->phase == TURN_WAITING) {
        /* a word may just have begun */
        uint64_t near = last_speech(t, max_of(less(t->head, 2 * t->rules.onset), t->used), t->head);
        t->phase = TURN_IDLE;
        if (near < t->head)
            open_at(t, 0, near);
    }
    if (t->phase == TURN_OPEN) {
        t->phase = TURN_GRACE;
        t->released = place_key(t, at);
    }
    return t->count;
}

int turn_cancel(struct turn *t, struct turn_step *ret)
{
    start_call(t, ret);
    if ((t->phase == TURN_OPEN || t->phase == TURN_GRACE) && !t->pending)
        step(t, TURN_CANCEL, t->begin, t->head);
    t->pending = false;
    t->used = t->head;
    t->phase = TURN_IDLE;
    return t->count;
}

int turn_end(struct turn *t, struct turn_step *ret)
{
    start_call(t, ret);
    settle_press(t);
    if (t->phase == TURN_OPEN || t->phase == TURN_GRACE)
        finish(t, TURN_IDLE);
    t->phase = TURN_IDLE;
    t->started = false;
    t->first = t->head = t->used = t->sent = t->released = 0;
    return t->count;
}

const char *turn_phase_name(enum turn_phase phase)
{
    static const char *const names[] = {"idle", "waiting", "listening", "finishing"};

    return names[phase];
}
