/* SPDX-License-Identifier: MIT */
/* What is done with each queue, in C and in C++: one thread puts numbered items, the other gets them
   and looks at every number; or an item goes there and comes back. The loops are made where the
   queue's own code can be inlined. */
#ifndef VS_BENCH_QUEUES_LOOPS_H
#define VS_BENCH_QUEUES_LOOPS_H

#include <stddef.h>
#include <stdint.h>

#include "common/spin.h"

#ifdef __cplusplus
extern "C" {
#endif

#define QUEUE_ITEMS  4096 /* that fit in a queue of small ones */
#define QUEUE_FRAMES 64   /* that fit in a queue of frames */
#define FRAME_WORDS  160  /* 640 bytes: 10 ms of float at 16 kHz */
#define STAMPS       0xfffff

struct frame {
    uint32_t words[FRAME_WORDS];
};

/** A queue and the loops over it. `there` and `back` are two of the same; throughput uses one. */
struct queue_kind {
    const char *name;
    int kind; /* enum bench_kind */
    void *(*open)(void);
    void (*close)(void *queue);
    void (*produce)(void *there, size_t times);
    size_t (*consume)(void *there, size_t times); /* @return how many came wrong */
    void (*ping)(void *there, void *back, uint32_t stamp);
    void (*echo)(void *there, void *back, const int *stop); /* until `*stop` */
};

static inline void stamp_item(uint32_t *item, uint32_t stamp)
{
    *item = stamp;
}

static inline int item_has(const uint32_t *item, uint32_t stamp)
{
    return *item == stamp;
}

static inline void stamp_frame(struct frame *f, uint32_t stamp)
{
    f->words[0] = f->words[FRAME_WORDS - 1] = stamp;
}

static inline int frame_has(const struct frame *f, uint32_t stamp)
{
    return f->words[0] == stamp && f->words[FRAME_WORDS - 1] == stamp;
}

/* The loops of queue NAME over TYPE; PUT(queue, &item) and GET(queue, &item) say whether they did. */
/* Items lie on the stack: nothing but the queue is on lines of both threads. */
#define QUEUE_LOOPS(NAME, TYPE, STAMP, HAS, PUT, GET)                                              \
    static void produce_##NAME(void *there, size_t times)                                          \
    {                                                                                              \
        TYPE item = {0};                                                                           \
        for (size_t i = 0; i < times; i++) {                                                       \
            unsigned tries = 0;                                                                    \
            STAMP(&item, (uint32_t)i &STAMPS);                                                     \
            while (!PUT(there, &item))                                                             \
                bench_spin(&tries);                                                                \
        }                                                                                          \
    }                                                                                              \
    static size_t consume_##NAME(void *there, size_t times)                                        \
    {                                                                                              \
        TYPE item = {0};                                                                           \
        size_t wrong = 0;                                                                          \
        for (size_t i = 0; i < times; i++) {                                                       \
            unsigned tries = 0;                                                                    \
            while (!GET(there, &item))                                                             \
                bench_spin(&tries);                                                                \
            wrong += !HAS(&item, (uint32_t)i & STAMPS);                                            \
        }                                                                                          \
        return wrong;                                                                              \
    }                                                                                              \
    static void ping_##NAME(void *there, void *back, uint32_t stamp)                               \
    {                                                                                              \
        TYPE item = {0};                                                                           \
        unsigned tries = 0;                                                                        \
        STAMP(&item, stamp);                                                                       \
        while (!PUT(there, &item))                                                                 \
            bench_spin(&tries);                                                                    \
        do {                                                                                       \
            while (!GET(back, &item))                                                              \
                bench_spin(&tries);                                                                \
        } while (!HAS(&item, stamp));                                                              \
    }                                                                                              \
    static void echo_##NAME(void *there, void *back, const int *stop)                              \
    {                                                                                              \
        TYPE item = {0};                                                                           \
        unsigned tries = 0;                                                                        \
        while (!__atomic_load_n(stop, __ATOMIC_RELAXED)) {                                         \
            if (!GET(there, &item))                                                                \
                bench_spin(&tries);                                                                \
            else                                                                                   \
                while (!PUT(back, &item))                                                          \
                    bench_spin(&tries);                                                            \
        }                                                                                          \
    }

/* One member of a list of kinds. */
#define QUEUE_KIND(words, kind, NAME, open, close)                                                 \
    {                                                                                              \
        words, kind, open, close, produce_##NAME, consume_##NAME, ping_##NAME, echo_##NAME         \
    }

/* Lists end with a kind without a name. */
extern const struct queue_kind item_queues[], frame_queues[];
extern const struct queue_kind item_queues_cpp[], frame_queues_cpp[];

#ifdef __cplusplus
}
#endif
#endif
