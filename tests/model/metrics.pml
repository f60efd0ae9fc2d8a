/* SPDX-License-Identifier: MIT */
/* The snapshot of a histogram while it is written: vs__histogram_add() and vs__histogram_read() of
   src/metrics/histogram.c, with VALUES buckets of one value each. All is relaxed: a load returns any
   store from the last one that its thread saw, and of two locations nothing follows. The reader takes
   one snapshot while the writer runs, and one when it knows by acquire that the writer is done.

   Wrong would be: a quantile that no bucket holds, one above the maximum, a maximum that nobody added, a
   count that goes back, or a last snapshot that is not exact.

   parameters: VALUES, ADDS
   quick: two values   | -DVALUES=2 -DADDS=3
   full: three values  | -DVALUES=3 -DADDS=3
   full: more adds     | -DVALUES=2 -DADDS=5
   mutant: COUNT_IS_A_MEMBER  the total is loaded from `count`, not summed from the buckets
   mutant: NOT_CLAMPED        a quantile is not cut at the maximum
   mutant: TWO_WRITERS        two threads add
   mutant: DONE_LOAD_RELAXED  the reader learns nothing from `done`
   mutant: DONE_STORE_RELAXED the writer is done without release */
#include "order.pml"

#ifdef TWO_WRITERS
#define WRITERS 2
#else
#define WRITERS 1
#endif

byte bucket[VALUES], count, most; /* `most` holds value + 1, 0 = nothing yet; it only grows */
bool was_most[VALUES + 1];         /* its stores: it may leap */
byte added[VALUES];               /* what is true; no thread looks at it */
byte done;
bool known; /* the reader knows all that the writers did */

proctype writer(byte adds) {
    byte v, old;

    do
    :: adds > 0 ->
        v = 0;
        do
        :: v < VALUES - 1 -> v++
        :: break
        od;
        added[v]++;
        old = bucket[v];
        bucket[v] = old + 1;
        old = count;
        count = old + 1;
        if
        :: v + 1 > most -> atomic { most = v + 1; was_most[v + 1] = true }
        :: else
        fi;
        adds--;
        v = 0;
        old = 0
    :: else -> break
    od;
    done++
}

/* Load what only grows: any value from `seen` to the newest; once all is known, the newest. */
inline load(seen, newest) {
    if
    :: known -> seen = newest
    :: else ->
        do
        :: seen < newest -> seen++
        :: break
        od
    fi
}

inline load_most() {
    i = most_seen;
    do
    :: atomic {
        i < most ->
        i++;
        if
        :: was_most[i] -> most_seen = i
        :: else
        fi
    }
    :: !known || i == most -> break
    od
}

proctype reader() {
    byte seen[VALUES], count_seen, most_seen, total, sum, before, i, turn;
    bool found;

    do
    :: turn < 2 ->
        if
        :: turn == 1 ->
            done == WRITERS;
#if !defined(DONE_LOAD_RELAXED) && !defined(DONE_STORE_RELAXED)
            known = true
#endif
        :: else
        fi;
        total = 0;
        i = 0;
        do
        :: i < VALUES -> load(seen[i], bucket[i]); total = total + seen[i]; i++
        :: else -> break
        od;
#ifdef COUNT_IS_A_MEMBER
        load(count_seen, count);
        total = count_seen;
#endif
        load_most();
        assert(total >= before);
        assert(most_seen == 0 || added[most_seen - 1] > 0);
        before = total;
        /* The median, in a second pass: buckets may have grown meanwhile. */
        sum = 0;
        i = 0;
        found = false;
        do
        :: i < VALUES && total > 0 && !found ->
            load(seen[i], bucket[i]);
            sum = sum + seen[i];
            if
            :: 2 * sum >= total ->
                found = true;
#ifdef NOT_CLAMPED
                assert(i + 1 <= most_seen)
#else
                assert((i + 1 < most_seen -> i + 1 : most_seen) <= most_seen)
#endif
            :: else
            fi;
            i++
        :: else -> break
        od;
        assert(found || total == 0);
        if
        :: turn == 1 ->
            assert(total == ADDS);
            i = 0;
            do
            :: i < VALUES ->
                assert(seen[i] <= added[i]);
                assert(added[i] == 0 || most_seen > i);
                i++
            :: else -> break
            od
        :: else
        fi;
        turn++
    :: else -> break
    od
}

init {
    atomic {
#ifdef TWO_WRITERS
        run writer(ADDS - 1);
        run writer(1);
#else
        run writer(ADDS);
#endif
        run reader()
    }
}
