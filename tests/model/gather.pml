/* SPDX-License-Identifier: MIT */
/* A worker that is woken when enough is there: `gather_frames` of src/pipeline/edge.h. The producer puts a
   record by release, then exchanges the number of frames that the worker wants (an addition of nothing),
   and raises the worker's signal if so many are in the ring. The worker takes what is there; when nothing
   is, it exchanges that number for what it lacks and looks for records once more before it sleeps.

   A load may return an old value unless its thread knows better; an exchange returns the newest, and tells
   what the one before it told. What the producer knows of the frames that were taken may be old, so that
   it may raise without need, never too seldom. The signal itself is another model: raised or not is one
   step here, and so is the wait.

   Wrong would be: the worker sleeps, nobody has raised it, no commit is under way, and as many frames as it
   wants are there (an assertion fails); it sleeps for ever (an invalid end state); a frame is left.

   parameters: FRAMES, STEP: frames of a hop
   quick: hops of two            | -DFRAMES=6 -DSTEP=2
   quick: hops of three          | -DFRAMES=7 -DSTEP=3
   full: more of two             | -DFRAMES=10 -DSTEP=2
   full: more of three           | -DFRAMES=10 -DSTEP=3
   full: hops of five            | -DFRAMES=11 -DSTEP=5
   mutant: WANT_STORED           the worker stores what it wants, and learns nothing by it
   mutant: WANT_LOADED           the producer loads what is wanted, perhaps an old number
   mutant: LOOK_BEFORE_WANT      the worker looks for records, then tells what it wants
   mutant: NO_LOOK               the worker sleeps without a look after it told what it wants
   mutant: WANT_BEFORE_RECORD    the producer reads what is wanted before it puts its record
   mutant: END_IS_SILENT         the end raises nobody */

byte put;            /* frames whose records are published */
byte taken;
byte gather, older;  /* the newest number that is wanted, and the one before it */
byte told;           /* what the newest exchange of it tells of `put` */
byte ticks, seen;
bool ended, asleep, busy;

inline publish() {
    if
    :: put + 2 <= FRAMES -> put = put + 2 /* steps need not fit hops */
    :: put = put + 1
    fi
}

inline learn_want() {
#ifdef WANT_LOADED
    if
    :: want = gather
    :: want = older
    fi
#else
    atomic { want = gather; told = put }
#endif
}

proctype producer() {
    byte want, gone;

    do
    :: put < FRAMES ->
        busy = true;
#ifdef WANT_BEFORE_RECORD
        learn_want();
        publish();
#else
        publish();
        learn_want();
#endif
        do /* the newest number of taken frames, or an older one */
        :: gone < taken -> gone++
        :: break
        od;
        if
        :: put - gone >= want -> ticks++
        :: else
        fi;
        busy = false
    :: else -> break
    od;
    ended = true;
#ifndef END_IS_SILENT
    ticks++;
#endif
    want = 0;
    gone = 0
}

/* What the worker finds: any number from what it must see to what there is. */
inline look() {
    n = known;
    do
    :: n < put -> n++
    :: break
    od;
    known = n;
    found = n
}

inline tell_want() {
    want = STEP - taken % STEP;
#ifdef WANT_STORED
    atomic { older = gather; gather = want }
#else
    atomic {
        older = gather;
        gather = want;
        if
        :: told > known -> known = told
        :: else
        fi
    }
#endif
}

proctype worker() {
    byte n, known, found, want;
    bool over;

    do
    :: seen = ticks;
       atomic {
           over = ended;
           if
           :: over -> known = put
           :: else
           fi
       };
       look();
       if
       :: found > taken -> taken = found
       :: found == taken && over -> break
       :: found == taken && !over ->
#ifdef LOOK_BEFORE_WANT
           look();
           tell_want();
#else
           tell_want();
#ifndef NO_LOOK
           look();
#endif
#endif
           if
           :: found - taken >= want
           :: else ->
               asleep = true;
               atomic { ticks != seen -> asleep = false }
           fi
       fi
    od;
    assert(taken == FRAMES)
}

/* At any time. */
proctype monitor() {
end:
    atomic { asleep && ticks == seen && !busy && !ended && put - taken >= gather -> assert(false) }
}

init {
    atomic {
        run producer();
        run worker();
        run monitor()
    }
}
