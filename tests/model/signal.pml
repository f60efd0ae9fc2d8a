/* SPDX-License-Identifier: MIT */
/* Waking without loss: struct vs__signal of src/base/thread.c, and the way in which all threads use
   it. A raiser publishes an item by release, then adds to `ticks`, then looks at `asleep` and calls the
   kernel if it is set. The waiter remembers `ticks`, looks for items, and if there are none sets
   `asleep`, looks at `ticks` again and lets the kernel sleep, which looks a last time.

   Each raiser has a location of its own, as each ring has one producer. Its load may return an old
   value unless the waiter knows better. Loads and stores that are sequentially consistent return the
   newest value; the kernel compares and queues as one step, and may wake for no reason.

   Wrong would be: the waiter sleeps for ever although items are there (an invalid end state); it takes
   an item that it is not known to see whole (a race); items are left at the end. With PROGRESS also:
   a run in which the waiter never comes to its end although every thread goes on.

   parameters: RAISERS, ITEMS of each, SPURIOUS to let the kernel wake for no reason, PROGRESS
   quick: two raisers            | -DRAISERS=2 -DITEMS=2
   quick: one raiser, spurious   | -DRAISERS=1 -DITEMS=3 -DSPURIOUS
   full: two raisers, spurious   | -DRAISERS=2 -DITEMS=3 -DSPURIOUS
   full: three raisers           | -DRAISERS=3 -DITEMS=2
   full: progress of one         | -DRAISERS=1 -DITEMS=3 -DPROGRESS
   full: progress of two         | -DRAISERS=2 -DITEMS=2 -DPROGRESS
   mutant: RAISE_BEFORE_PUBLISH  ticks is added to before the item is published
   mutant: ASLEEP_BEFORE_TICKS   the raiser looks at asleep before it adds to ticks
   mutant: ASLEEP_LOAD_RELAXED   the raiser may see an old asleep
   mutant: ASLEEP_STORE_RELAXED  the waiter's asleep may be late
   mutant: TICKS_ADD_RELAXED     ticks tells nothing of the items
   mutant: SEEN_LOAD_RELAXED     the waiter learns nothing from ticks
   mutant: SEEN_AFTER_LOOK       the waiter remembers ticks after it looked for items
   mutant: WAIT_WITHOUT_COMPARE  the kernel sleeps without a last look
   mutant: WAKE_FORGOTTEN        the raiser calls nobody */
#include "order.pml"

byte ticks;
bool asleep;      /* the newest store of it */
bool asleep_late; /* a store of 1 that raisers need not see yet: mutants alone */
bool queued;      /* the waiter sleeps in the kernel */

byte item[RAISERS];   /* published: how many, by release */
byte told[RAISERS];   /* what the newest tick tells of it; ticks is a chain of read-modify-writes */
byte ended;

inline publish() {
    made++;
    item[me] = made
}

inline add_tick() {
    d_step {
        ticks++;
#ifndef TICKS_ADD_RELAXED
        told[me] = made
#endif
    }
}

inline look_at_asleep() {
    if
#if defined(ASLEEP_LOAD_RELAXED) || defined(ASLEEP_STORE_RELAXED)
    :: asleep_late -> sees = false
#endif
    :: sees = asleep
    fi
}

inline wake() {
    if
    :: sees -> queued = false
    :: else
    fi;
    sees = false
}

proctype raiser(byte me) {
    byte made;
    bool sees;

    do
    :: made < ITEMS ->
#ifdef RAISE_BEFORE_PUBLISH
        d_step { ticks++; told[me] = made };
        look_at_asleep();
        wake();
        publish()
#elif defined(ASLEEP_BEFORE_TICKS)
        publish();
        look_at_asleep();
        add_tick();
        wake()
#elif defined(WAKE_FORGOTTEN)
        publish();
        add_tick()
#else
        publish();
        add_tick();
        look_at_asleep();
        wake()
#endif
    :: else -> break
    od;
    ended++
}

byte taken[RAISERS], knows[RAISERS], total;

inline remember() {
    d_step {
        seen = ticks;
#ifndef SEEN_LOAD_RELAXED
        k = 0;
        do
        :: k < RAISERS ->
            if
            :: told[k] > knows[k] -> knows[k] = told[k]
            :: else
            fi;
            k++
        :: else -> break
        od;
        k = 0
#endif
    }
}

/* Take what is there: of each raiser any number from what must be seen to what there is. */
inline look() {
    k = 0;
    found = false;
    do
    :: k < RAISERS ->
        n = taken[k];
        if
        :: knows[k] > n -> n = knows[k]
        :: else
        fi;
        do
        :: n < item[k] -> n++
        :: break
        od;
        atomic {
            found = found || n > taken[k];
            total = total + n - taken[k];
            taken[k] = n;
            if
            :: n > knows[k] -> knows[k] = n /* loads never go back */
            :: else
            fi;
            n = 0
        };
        k++
    :: else -> break
    od;
    k = 0
}

inline wait() {
#ifdef ASLEEP_STORE_RELAXED
    d_step { asleep = true; asleep_late = true };
#elif defined(ASLEEP_LOAD_RELAXED)
    d_step { asleep = true; asleep_late = true };
#else
    asleep = true;
#endif
    do
    :: ticks != seen -> break
    :: ticks == seen ->
#ifdef WAIT_WITHOUT_COMPARE
        queued = true;
#else
        atomic { /* the kernel compares and queues */
            if
            :: ticks == seen -> queued = true
            :: else
            fi
        };
#endif
        if
        :: !queued
#ifdef SPURIOUS
        :: queued -> queued = false
#endif
        fi
    od;
    atomic { asleep = false; asleep_late = false }
}

proctype waiter() {
    byte seen, k, n;
    bool found;

    do
    :: total == RAISERS * ITEMS -> break
    :: else ->
#ifdef SEEN_AFTER_LOOK
        look();
        remember();
#else
        remember();
        look();
#endif
        if
        :: found || total == RAISERS * ITEMS
        :: else -> wait()
        fi
    od;
    seen = 0;
    found = false
}

init {
    byte i;

    atomic {
        do
        :: i < RAISERS -> run raiser(i); i++
        :: else -> break
        od;
        run waiter()
    }
}

#ifdef PROGRESS
ltl progress { <> (total == RAISERS * ITEMS) }
#endif
