/* SPDX-License-Identifier: MIT */
/* A run from the source to the user: the edge, the worker and the output thread with the rings between
   them, as src/pipeline does it, when any stage may end at any instant: the source by itself, the worker
   because its detector fails, the run because somebody aborts it. The rings are those of ring.pml, taken
   as right: an index that is loaded may be old, but not older than what its reader knows. What is left
   to show is who looks at what, and when. Waiting is that of signal.pml, without its timeouts.

   capture -> records -> worker -> messages -> output -> user;  messages come back by a ring

   A message comes from a pool of POOL, and both rings hold POOL, so that neither can be full. The worker
   of a live source never waits: without a message it drops the event and counts it.

   Wrong would be: a stage waits for ever (an invalid end state); a ring that cannot be full is; at the
   end a frame is neither delivered nor counted, an event neither told nor counted, or the counters that
   the user is told do not add up.

   parameters: FRAMES, RING, POOL, and LIVE for a source that does not wait
   quick: a source that waits  | -DFRAMES=2 -DRING=1 -DPOOL=1
   quick: a live source        | -DFRAMES=2 -DRING=1 -DPOOL=1 -DLIVE
   full: it waits, more frames | -DFRAMES=4 -DRING=2 -DPOOL=2
   full: live, more frames     | -DFRAMES=4 -DRING=2 -DPOOL=1 -DLIVE
   mutant: ENDED_AFTER_LOOK       the worker looks at `ended` after it looked at the ring
   mutant: ENDED_STORE_RELAXED    the edge ends without release
   mutant: ENDED_LOAD_RELAXED     the worker learns nothing from `ended`
   mutant: DONE_STORE_RELAXED     the worker is done without release
   mutant: DONE_LOAD_RELAXED      the output thread learns nothing from `done`
   mutant: DONE_AFTER_LOOK        the output thread looks at `done` after it looked at its ring
   mutant: ABORT_DISCARDS_NOTHING an aborted worker ends at once and leaves what is queued
   mutant: AT_STOP_NOT_COUNTED    what an aborted run discards is not counted
   mutant: TWO_WRITERS            worker and edge count into one member
   mutant: ROOM_NOT_RAISED        nobody tells a source that waits for room of it
   mutant: MESSAGE_LEAKS          an event that is told does not come back
   mutant: ONE_MESSAGE_MORE       the pool has one message more than the rings hold */
#include "order.pml"

#ifdef ONE_MESSAGE_MORE
#define MESSAGES (POOL + 1)
#else
#define MESSAGES POOL
#endif

/* Indices of the rings: records put and taken, messages sent, told and brought back. */
byte head, tail, sent, told, returned, back;
bool ended, done, aborted, stopping;

/* Counters, of one writer each, stored relaxed. */
byte captured, ring_full, at_stop, delivered, dropped_events, all_events;

/* What reads by acquire tell: the newest index, or counter, that their reader knows. */
byte ended_tells, work_tells_head, work_tells_returned, out_tells;
byte done_tells_sent, done_tells_stop, done_tells_delivered, done_tells_captured;

byte work, room, out; /* ticks */

inline raise_work() {
    atomic { work++; work_tells_head = head; work_tells_returned = returned }
}

inline raise_out() {
    atomic { out++; out_tells = sent }
}

/* Load an index that is known to be at least `known`. */
inline load(known, newest) {
    do
    :: known < newest -> known++
    :: break
    od
}

active proctype capture() {
    byte made, seen;
    bool over;

    do
    :: made == FRAMES || over -> break
    :: made < FRAMES && !over -> over = true /* the source ends, or its device is gone */
    :: made < FRAMES && stopping -> over = true
    :: made < FRAMES && !over ->
        seen = room;
        if
        :: head - tail < RING ->
            captured++;
            made++;
            head++;
            raise_work()
        :: head - tail >= RING ->
#ifdef LIVE
            captured++;
            made++;
#ifdef TWO_WRITERS
            seen = at_stop;
            at_stop = seen + 1
#else
            ring_full++
#endif
#else
            (room != seen || stopping)
#endif
        fi;
        seen = 0
    od;
    atomic {
#ifndef ENDED_STORE_RELAXED
        ended_tells = head;
#endif
        ended = true
    };
    raise_work()
}

/* A message for the user. Where the source waits, so does the worker, but not once aborted. */
inline send_event() {
    all_events++;
    do
    :: atomic { w = work; back_seen = work_tells_returned };
        if
        :: back_seen > back -> back = back_seen
        :: else
        fi;
        load(back, returned);
        back_seen = 0;
        if
        :: MESSAGES + back - sent > 0 ->
            assert(sent - told < POOL); /* the ring to the output thread has room */
            sent++;
            raise_out();
            break
#ifndef LIVE
        :: MESSAGES + back - sent == 0 && !aborted -> (work != w)
        :: MESSAGES + back - sent == 0 && aborted ->
#else
        :: MESSAGES + back - sent == 0 ->
#endif
            dropped_events++;
            break
        fi
    od;
    w = 0
}

active proctype worker() {
    byte seen, known, w, back_seen;
    bool last, failed;

    do
    :: atomic { seen = work; known = work_tells_head };
#ifndef ENDED_AFTER_LOOK
        atomic {
            last = ended;
#ifndef ENDED_LOAD_RELAXED
            if
            :: last && ended_tells > known -> known = ended_tells
            :: else
            fi
#endif
        };
#endif
        if
        :: known < tail -> known = tail /* taken already */
        :: else
        fi;
        load(known, head);
#ifdef ENDED_AFTER_LOOK
        last = ended;
#endif
        if
        :: known > tail && (failed || aborted) ->
#ifdef ABORT_DISCARDS_NOTHING
            break;
#endif
            tail++;
#ifndef ROOM_NOT_RAISED
            room++;
#endif
#ifdef AT_STOP_NOT_COUNTED
            skip
#elif defined(TWO_WRITERS)
            w = at_stop;
            at_stop = w + 1;
            w = 0
#else
            at_stop++
#endif
        :: known > tail && !failed && !aborted -> /* the detector hears it and is well, or fails */
            delivered++;
            tail++;
#ifndef ROOM_NOT_RAISED
            room++;
#endif
            if
            :: send_event()
            :: failed = true; aborted = true; raise_out()
            fi
        :: known == tail && last -> break
        :: known == tail && !last -> (work != seen)
        fi;
        known = 0;
        seen = 0
    od;
    send_event(); /* the end of what was open */
    atomic {
#ifndef DONE_STORE_RELAXED
        done_tells_sent = sent;
        done_tells_stop = at_stop;
        done_tells_delivered = delivered;
        done_tells_captured = captured;
#endif
        done = true
    };
    raise_out()
}

/* The user may abort at any instant, or never. */
active proctype user() {
    if
    :: aborted = true;
        raise_work();
        room++;
        raise_out()
    :: skip
    fi
}

active proctype output() {
    byte seen, known, stop_seen, delivered_seen, captured_seen;
    bool last;

    do
    :: atomic { seen = out; known = out_tells };
        if
        :: aborted && !stopping -> stopping = true; room++
        :: else
        fi;
#ifndef DONE_AFTER_LOOK
        atomic {
            last = done;
#ifndef DONE_LOAD_RELAXED
            if
            :: last && done_tells_sent > known -> known = done_tells_sent
            :: else
            fi
#endif
        };
#endif
        if
        :: known < told -> known = told
        :: else
        fi;
        load(known, sent);
        do
        :: told < known ->
            told++;
#ifndef MESSAGE_LEAKS
            assert(returned - back < POOL); /* the ring back has room */
            returned++;
#endif
            raise_work()
        :: else -> break
        od;
#ifdef DONE_AFTER_LOOK
        last = done;
#endif
        if
        :: last -> break
        :: !last -> (out != seen)
        fi;
        known = 0;
        seen = 0
    od;
    /* The account, told last: counters as this thread may see them. */
#ifndef DONE_LOAD_RELAXED
    captured_seen = done_tells_captured;
    stop_seen = done_tells_stop;
    delivered_seen = done_tells_delivered;
#endif
    load(captured_seen, captured);
    load(stop_seen, at_stop);
    load(delivered_seen, delivered);
    assert(told == sent && sent + dropped_events == all_events);
    assert(captured_seen == delivered_seen + stop_seen + ring_full)
}
