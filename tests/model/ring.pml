/* SPDX-License-Identifier: MIT */
/* The ring of src/ring/ring.h: one producer, one consumer, a copy of the other's index on each side,
   spans of 1..BATCH slots written and read in place, indices that wrap in the middle of the run, and
   a third thread that asks how full it is. What finds no room is dropped and counted, as the edge
   does.

   Wrong would be: a slot is written before the consumer is known to have done with it, or read before
   it is known to be written (a race); a slot holds another item than the index says; the fill is
   negative; at the end an item is neither consumed nor counted.

   parameters: SLOTS a power of two, BATCH, ITEMS, and FILL to have the third thread
   quick: two slots                | -DSLOTS=2 -DBATCH=2 -DITEMS=6
   quick: two slots, fill asked    | -DSLOTS=2 -DBATCH=2 -DITEMS=3 -DFILL
   full: four slots                | -DSLOTS=4 -DBATCH=3 -DITEMS=12
   full: two slots, fill asked     | -DSLOTS=2 -DBATCH=2 -DITEMS=6 -DFILL
   full: eight slots               | -DSLOTS=8 -DBATCH=3 -DITEMS=18
   mutant: HEAD_STORE_RELAXED   write_commit() stores head relaxed
   mutant: TAIL_STORE_RELAXED   read_commit() stores tail relaxed
   mutant: HEAD_LOAD_RELAXED    read_begin() loads head relaxed
   mutant: TAIL_LOAD_RELAXED    write_begin() loads tail relaxed
   mutant: PUBLISH_BEFORE_COPY  head is stored before the slots are written
   mutant: FREE_BEFORE_COPY     tail is stored before the slots are read
   mutant: ROOM_OFF_BY_ONE      the producer believes in one slot more
   mutant: THERE_OFF_BY_ONE     the consumer believes in one item more
   mutant: DROP_NOT_COUNTED     what finds no room is forgotten
   mutant: FILL_HEAD_FIRST      the third thread loads head, then tail
   mutant: FILL_RELAXED         the third thread loads tail relaxed */
#include "order.pml"

#define FIRST   (256 - ITEMS / 2) /* the indices wrap half-way */
#define SLOT(i) ((i) & (SLOTS - 1))

/* Where a store is kept: all of them for the third thread, which may lag by any number; else as many
   as the other side may lag by. */
#ifdef FILL
#define KEPT           (ITEMS + 1)
#define AT(i)          DIFF(i, FIRST)
#define READ_BEFORE(i) (i) /* what a tail tells is of head, for the third thread */
#else
#define KEPT           (2 * SLOTS)
#define AT(i)          ((i) & (2 * SLOTS - 1))
#define READ_BEFORE(i) tail_tells[AT(i)]
#endif

/* An index, its stores as a list from older to newer, and what each tells. */
byte head = FIRST, head_next[KEPT], head_tells[KEPT];
byte tail = FIRST, tail_next[KEPT], tail_tells[KEPT];
byte slot[SLOTS];
byte lost, dropped;
bool all_made;

/* Load an index: any store from `seen` on. What is too old to be read again is forgotten. */
inline load_head(seen) {
    do
    :: atomic {
        seen != head ->
        k = seen;
        seen = head_next[AT(k)];
#ifndef FILL
        head_next[AT(k)] = 0;
        head_tells[AT(k)] = 0;
#endif
        k = 0
    }
    :: break
    od
}

inline load_tail(seen) {
    do
    :: atomic {
        seen != tail ->
        k = seen;
        seen = tail_next[AT(k)];
#ifndef FILL
        tail_next[AT(k)] = 0;
        tail_tells[AT(k)] = 0;
#endif
        k = 0
    }
    :: break
    od
}

inline store_head(value, tells) {
    d_step {
        head_next[AT(head)] = value;
        head_tells[AT(value)] = tells;
        head = value
    }
}

inline store_tail(value, tells) {
    d_step {
        tail_next[AT(tail)] = value;
        tail_tells[AT(value)] = tells;
        tail = value
    }
}

/* A slot is the producer's when it knows that the consumer has read what was in it: item i needs
   that item i - SLOTS was read. */
inline write_slots(n) {
    d_step {
        k = 0;
        do
        :: k < n ->
            assert(!NEWER(own + k + 1 - SLOTS, known));
            slot[SLOT(own + k)] = DIFF(own + k, 0);
            k++
        :: else -> break
        od;
        k = 0
    }
}

inline read_slots(n) {
    d_step {
        k = 0;
        do
        :: k < n ->
            assert(!NEWER(own + k + 1, known));
            assert(slot[SLOT(own + k)] == DIFF(own + k, 0));
            k++
        :: else -> break
        od;
        k = 0
    }
}

active proctype producer() {
    byte own = FIRST, seen = FIRST, known = FIRST; /* head, its copy of tail, read for sure */
    byte want, room, k;

    head_tells[AT(FIRST)] = FIRST;
    do
    :: DIFF(own, FIRST) + dropped + lost == ITEMS -> break
    :: else ->
        want = 1;
        do
        :: want < BATCH && want < ITEMS - DIFF(own, FIRST) - dropped - lost -> want++
        :: break
        od;
        room = SLOTS - DIFF(own, seen);
        if
        :: room < want ->
            load_tail(seen);
#ifndef TAIL_LOAD_RELAXED
            LEARN(known, READ_BEFORE(seen));
#endif
            room = SLOTS - DIFF(own, seen)
        :: else
        fi;
#ifdef ROOM_OFF_BY_ONE
        room++;
#endif
        if
        :: room < want -> want = room
        :: else
        fi;
        room = 0;
        if
        :: want == 0 -> /* a live source goes on without it */
#ifdef DROP_NOT_COUNTED
            lost++
#else
            dropped++
#endif
        :: else ->
#ifdef PUBLISH_BEFORE_COPY
            store_head(own + want, own);
            write_slots(want);
#else
            write_slots(want);
#ifdef HEAD_STORE_RELAXED
            store_head(own + want, FIRST);
#else
            store_head(own + want, own + want);
#endif
#endif
            own = own + want
        fi;
        want = 0
    od;
    all_made = true
}

active proctype consumer() {
    byte own = FIRST, seen = FIRST, known = FIRST; /* tail, its copy of head, written for sure */
    byte want, there, k;

    do
    :: all_made && own == head -> break
    :: !(all_made && own == head) ->
        want = 1;
        do
        :: want < BATCH -> want++
        :: break
        od;
        there = DIFF(seen, own);
        if
        :: there < want ->
            load_head(seen);
#ifndef HEAD_LOAD_RELAXED
            LEARN(known, head_tells[AT(seen)]);
#endif
            there = DIFF(seen, own)
        :: else
        fi;
#ifdef THERE_OFF_BY_ONE
        there++;
#endif
        if
        :: there < want -> want = there
        :: else
        fi;
        there = 0;
        if
        :: want == 0
        :: else ->
#ifdef FREE_BEFORE_COPY
            store_tail(own + want, own);
            read_slots(want);
#else
            read_slots(want);
#ifdef TAIL_STORE_RELAXED
            store_tail(own + want, FIRST);
#else
#ifdef FILL
            store_tail(own + want, seen);
#else
            store_tail(own + want, own + want);
#endif
#endif
#endif
            own = own + want
        fi;
        want = 0
    od;
    assert(DIFF(own, FIRST) + dropped == ITEMS)
}

#ifdef FILL
/* vs__ring_fill() from any thread. What a tail tells is the newest head that the consumer knew. */
active proctype monitor() {
    byte tail_seen = FIRST, head_seen = FIRST, k;

#ifdef FILL_HEAD_FIRST
    load_head(head_seen);
    load_tail(tail_seen);
#else
    load_tail(tail_seen);
#ifndef FILL_RELAXED
    if
    :: tail_seen != FIRST -> LEARN(head_seen, tail_tells[AT(tail_seen)])
    :: else
    fi;
#endif
    load_head(head_seen);
#endif
    assert(!NEWER(tail_seen, head_seen)) /* never negative; it is cut at the capacity */
}
#endif
