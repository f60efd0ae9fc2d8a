/* SPDX-License-Identifier: MIT */
/* When an utterance begins and ends, and which audio belongs to it: by keys and by voice. Knows hops of
   10 ms with their probability of speech, and what the user asks for; no audio, clock or thread. */
#ifndef VS_TOOLS_DICTATE_TURN_H
#define VS_TOOLS_DICTATE_TURN_H

#include <stdbool.h>
#include <stdint.h>

/** In hops. See turn_rules_init() for what each is unless changed. */
struct turn_rules {
    float threshold;     /* probability from which a hop is speech */
    float threshold_off; /* and below which it no longer is */
    uint32_t pre_roll;   /* most audio before the press that belongs to it */
    uint32_t reach;      /* speech that ended so shortly before the press was meant */
    uint32_t lead;       /* audio before the first speech */
    uint32_t tail;       /* audio behind the last speech */
    uint32_t quiet;      /* silence behind which nothing more is awaited after the release */
    uint32_t settle;     /* shortest wait after the release, for audio that is on its way */
    uint32_t grace;      /* longest wait after the release */
    uint32_t onset;      /* hands-free: speech hops, of twice as many, that begin an utterance */
    uint32_t pause;      /* hands-free: silence that ends one */
    uint32_t
        longest_held; /* a held key: from here on a pause ends an utterance too, which goes on as
                              another */
    uint32_t longest; /* any utterance is cut here */
};

enum turn_phase {
    TURN_IDLE,    /* nothing is wanted */
    TURN_WAITING, /* hands-free: for speech */
    TURN_OPEN,    /* an utterance is open */
    TURN_GRACE,   /* it was released and waits for its last word */
};

enum turn_mode {
    TURN_HOLD,       /* open from press to release */
    TURN_CONTINUOUS, /* open until released; a pause ends an utterance, speech begins the next */
};

enum turn_kind {
    TURN_BEGIN,  /* an utterance begins at hop `from` */
    TURN_AUDIO,  /* hops from..to-1 belong to it: feed them */
    TURN_END,    /* it is complete */
    TURN_EMPTY,  /* it is over and nothing was said */
    TURN_CANCEL, /* forget it */
};

struct turn_step {
    enum turn_kind kind;
    uint64_t from, to;
};

enum {
    TURN_STEPS = 6,     /* most that one call gives */
    TURN_HISTORY = 256, /* hops looked back at; audio that long must be at hand */
};

struct turn {
    struct turn_rules rules;
    enum turn_mode mode;
    enum turn_phase phase;
    bool started;              /* a hop was seen */
    uint64_t first, head;      /* hops first..head-1 are known without a gap */
    bool speech[TURN_HISTORY]; /* of hop % TURN_HISTORY */
    uint64_t begin;            /* of the open utterance */
    bool pending;              /* it was pressed at hop `pressed`, whose audio is on its way */
    uint64_t pressed;
    bool spoken;             /* speech was heard in it */
    uint64_t last_speech;    /* the last speech hop in it */
    uint64_t sent;           /* its audio up to here was given */
    uint64_t used;           /* audio before it belongs to an utterance that is over */
    uint64_t released;       /* hop of the release */
    struct turn_step *steps; /* of the call that runs */
    int count;
};

void turn_rules_init(struct turn_rules *ret);
void turn_init(struct turn *t, const struct turn_rules *rules);

/** One hop with its probability. Hops may be missing: then speech before the gap is forgotten, but an
    open utterance goes on. @return steps written to `ret`, which has TURN_STEPS */
int turn_hop(struct turn *t, uint64_t hop, float probability, struct turn_step *ret);

/** The key goes down (HOLD), or dictation is switched on (CONTINUOUS), at the begin of hop `at`: as a rule
    audio of then is still on its way (at > head), and what is begun is told when it is there; a key that
    was noticed late lies behind. A press that follows the release within 50 ms is a keyboard that
    repeats: nothing was released. @return steps */
int turn_press(struct turn *t, enum turn_mode mode, uint64_t at, struct turn_step *ret);
/** The key goes up at hop `at`: the utterance ends when the speaker does. @return steps */
int turn_release(struct turn *t, uint64_t at, struct turn_step *ret);
/** Nothing of this was meant. @return steps */
int turn_cancel(struct turn *t, struct turn_step *ret);
/** The source is over: what is open ends here, and hops may be counted anew. @return steps */
int turn_end(struct turn *t, struct turn_step *ret);

const char *turn_phase_name(enum turn_phase phase);

#endif
