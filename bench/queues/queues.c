/* SPDX-License-Identifier: MIT */
/* The queues in C: ours, the naive design's, and peers. */
#include <stdlib.h>
#include <string.h>

#ifdef BENCH_CK
#include <ck_ring.h>
#endif
#ifdef BENCH_JACK
#include <jack/ringbuffer.h>
#endif
#ifdef BENCH_SPA
#include <spa/utils/ringbuffer.h>
#endif

#include "baseline/naive.h"
#include "common/bench.h"
#include "queues/loops.h"
#include "ring/ring.h"

#define ITEM_BYTES  (QUEUE_ITEMS * sizeof(uint32_t))
#define FRAME_BYTES (QUEUE_FRAMES * sizeof(struct frame))

static void *must(void *memory)
{
    if (!memory)
        bench_die("no memory");
    return memory;
}

/* ours ---------------------------------------------------------------------------------------- */

static void *open_ring(size_t bytes)
{
    struct vs__ring *r = NULL;

    if (vs__ring_create(bytes, &r) < 0)
        bench_die("no ring");
    return r;
}

static void *open_item_ring(void)
{
    return open_ring(ITEM_BYTES);
}

static void *open_frame_ring(void)
{
    return open_ring(FRAME_BYTES);
}

static void close_ring(void *queue)
{
    vs__ring_destroy(queue);
}

#define RING_PUT(q, item) vs__ring_put(q, item, sizeof(*(item)))
#define RING_GET(q, item) vs__ring_get(q, item, sizeof(*(item)))
QUEUE_LOOPS(ring_item, uint32_t, stamp_item, item_has, RING_PUT, RING_GET)
QUEUE_LOOPS(ring_frame, struct frame, stamp_frame, frame_has, RING_PUT, RING_GET)

/* Many at once: begin, as many as there is room for up to `most`, commit. */
static void produce_batches(void *there, size_t times, size_t most)
{
    for (size_t i = 0; i < times;) {
        unsigned tries = 0;
        size_t bytes, want = VS__MIN(most, times - i) * sizeof(uint32_t);
        uint32_t *to;
        while (to = vs__ring_write_begin(there, want, &bytes), bytes < want)
            bench_spin(&tries);
        for (size_t k = 0; k < want / sizeof(*to); k++)
            to[k] = (uint32_t)(i + k) & STAMPS;
        vs__ring_write_commit(there, want);
        i += want / sizeof(*to);
    }
}

static size_t consume_batches(void *there, size_t times, size_t most)
{
    size_t wrong = 0;

    for (size_t i = 0; i < times;) {
        unsigned tries = 0;
        size_t bytes, want = VS__MIN(most, times - i) * sizeof(uint32_t);
        const uint32_t *from;
        while (from = vs__ring_read_begin(there, want, &bytes), bytes < want)
            bench_spin(&tries);
        for (size_t k = 0; k < want / sizeof(*from); k++)
            wrong += from[k] != ((uint32_t)(i + k) & STAMPS);
        vs__ring_read_commit(there, want);
        i += want / sizeof(*from);
    }
    return wrong;
}

static void produce_ring_hops(void *there, size_t times)
{
    produce_batches(there, times, FRAME_WORDS);
}

static size_t consume_ring_hops(void *there, size_t times)
{
    return consume_batches(there, times, FRAME_WORDS);
}

/* A frame is looked at where it lies. */
static size_t consume_ring_in_place(void *there, size_t times)
{
    size_t wrong = 0, bytes;

    for (size_t i = 0; i < times; i++) {
        unsigned tries = 0;
        const struct frame *f;
        while (f = vs__ring_read_begin(there, sizeof(*f), &bytes), bytes < sizeof(*f))
            bench_spin(&tries);
        wrong += !frame_has(f, (uint32_t)i & STAMPS);
        vs__ring_read_commit(there, sizeof(*f));
    }
    return wrong;
}

/* the naive design, and a careful queue with a lock ------------------------------------------- */

static void *open_naive(void)
{
    struct naive_deque *d = must(malloc(sizeof(*d)));

    if (naive_deque_create(d, QUEUE_FRAMES * FRAME_WORDS) < 0)
        bench_die("no memory");
    return d;
}

static void close_naive(void *queue)
{
    naive_deque_destroy(queue);
    free(queue);
}

static int naive_put(void *queue, const void *item, size_t bytes)
{
    naive_deque_write(queue, item, bytes / sizeof(float));
    return 1;
}

static int naive_get(void *queue, void *item, size_t bytes)
{
    float *got = must(naive_deque_read(queue, bytes / sizeof(float)));

    memcpy(item, got, bytes);
    free(got);
    return 1;
}

#define NAIVE_PUT(q, item) naive_put(q, item, sizeof(*(item)))
#define NAIVE_GET(q, item) naive_get(q, item, sizeof(*(item)))
QUEUE_LOOPS(naive_item, uint32_t, stamp_item, item_has, NAIVE_PUT, NAIVE_GET)
QUEUE_LOOPS(naive_frame, struct frame, stamp_frame, frame_has, NAIVE_PUT, NAIVE_GET)

static void *open_careful(size_t bytes, size_t count)
{
    struct careful_queue *q = must(malloc(sizeof(*q)));

    if (careful_queue_create(q, bytes, count) < 0)
        bench_die("no memory");
    return q;
}

static void *open_careful_item(void)
{
    return open_careful(sizeof(uint32_t), QUEUE_ITEMS);
}

static void *open_careful_frame(void)
{
    return open_careful(sizeof(struct frame), QUEUE_FRAMES);
}

static void close_careful(void *queue)
{
    careful_queue_destroy(queue);
    free(queue);
}

#define CAREFUL_PUT(q, item) (careful_queue_write(q, item), 1)
#define CAREFUL_GET(q, item) (careful_queue_read(q, item), 1)
QUEUE_LOOPS(careful_item, uint32_t, stamp_item, item_has, CAREFUL_PUT, CAREFUL_GET)
QUEUE_LOOPS(careful_frame, struct frame, stamp_frame, frame_has, CAREFUL_PUT, CAREFUL_GET)

/* peers --------------------------------------------------------------------------------------- */

#ifdef BENCH_JACK
static void *open_jack_item(void)
{
    return must(jack_ringbuffer_create(ITEM_BYTES));
}

static void *open_jack_frame(void)
{
    return must(jack_ringbuffer_create(FRAME_BYTES));
}

static void close_jack(void *queue)
{
    jack_ringbuffer_free(queue);
}

#define JACK_PUT(q, item)                                                                          \
    (jack_ringbuffer_write_space(q) >= sizeof(*(item)) &&                                          \
     jack_ringbuffer_write(q, (const char *)(item), sizeof(*(item))))
#define JACK_GET(q, item)                                                                          \
    (jack_ringbuffer_read_space(q) >= sizeof(*(item)) &&                                           \
     jack_ringbuffer_read(q, (char *)(item), sizeof(*(item))))
QUEUE_LOOPS(jack_item, uint32_t, stamp_item, item_has, JACK_PUT, JACK_GET)
QUEUE_LOOPS(jack_frame, struct frame, stamp_frame, frame_has, JACK_PUT, JACK_GET)
#endif

#ifdef BENCH_SPA
struct spa_queue {
    _Alignas(VS__APART) struct spa_ringbuffer ring;
    _Alignas(VS__APART) unsigned char memory[65536];
};

static void *open_spa(void)
{
    struct spa_queue *q = must(vs__alloc(sizeof(*q) + VS__APART));

    spa_ringbuffer_init(&q->ring);
    return q;
}

static int spa_put(struct spa_queue *q, const void *item, uint32_t bytes)
{
    uint32_t at;
    int32_t fill = spa_ringbuffer_get_write_index(&q->ring, &at);

    if (fill + (int32_t)bytes > (int32_t)sizeof(q->memory))
        return 0;
    spa_ringbuffer_write_data(&q->ring, q->memory, sizeof(q->memory), at % sizeof(q->memory), item,
                              bytes);
    spa_ringbuffer_write_update(&q->ring, (int32_t)(at + bytes));
    return 1;
}

static int spa_get(struct spa_queue *q, void *item, uint32_t bytes)
{
    uint32_t at;

    if (spa_ringbuffer_get_read_index(&q->ring, &at) < (int32_t)bytes)
        return 0;
    spa_ringbuffer_read_data(&q->ring, q->memory, sizeof(q->memory), at % sizeof(q->memory), item,
                             bytes);
    spa_ringbuffer_read_update(&q->ring, (int32_t)(at + bytes));
    return 1;
}

#define SPA_PUT(q, item) spa_put(q, item, sizeof(*(item)))
#define SPA_GET(q, item) spa_get(q, item, sizeof(*(item)))
QUEUE_LOOPS(spa_item, uint32_t, stamp_item, item_has, SPA_PUT, SPA_GET)
QUEUE_LOOPS(spa_frame, struct frame, stamp_frame, frame_has, SPA_PUT, SPA_GET)
#endif

#ifdef BENCH_CK
struct ck_word {
    uint32_t word;
};
CK_RING_PROTOTYPE(item, ck_word)
CK_RING_PROTOTYPE(frame, frame)

struct ck_queue {
    struct ck_ring ring;
    _Alignas(64) struct frame slots[QUEUE_FRAMES]; /* 4096 items fit too */
};

static void *open_ck(unsigned count)
{
    struct ck_queue *q = must(vs__alloc(sizeof(*q)));

    ck_ring_init(&q->ring, count);
    return q;
}

static void *open_ck_item(void)
{
    return open_ck(QUEUE_ITEMS);
}

static void *open_ck_frame(void)
{
    return open_ck(QUEUE_FRAMES);
}

static bool ck_put_item(struct ck_queue *q, uint32_t *item)
{
    return CK_RING_ENQUEUE_SPSC(item, &q->ring, (struct ck_word *)(void *)q->slots,
                                (struct ck_word *)(void *)item);
}

static bool ck_get_item(struct ck_queue *q, uint32_t *item)
{
    return CK_RING_DEQUEUE_SPSC(item, &q->ring, (struct ck_word *)(void *)q->slots,
                                (struct ck_word *)(void *)item);
}

static bool ck_put_frame(struct ck_queue *q, struct frame *f)
{
    return CK_RING_ENQUEUE_SPSC(frame, &q->ring, q->slots, f);
}

static bool ck_get_frame(struct ck_queue *q, struct frame *f)
{
    return CK_RING_DEQUEUE_SPSC(frame, &q->ring, q->slots, f);
}

QUEUE_LOOPS(ck_item, uint32_t, stamp_item, item_has, ck_put_item, ck_get_item)
QUEUE_LOOPS(ck_frame, struct frame, stamp_frame, frame_has, ck_put_frame, ck_get_frame)
#endif

/* the lists ----------------------------------------------------------------------------------- */

#define NO_QUEUE                                                                                   \
    {                                                                                              \
        0                                                                                          \
    }

const struct queue_kind item_queues[] = {
    QUEUE_KIND("ring", BENCH_OURS, ring_item, open_item_ring, close_ring),
    {"ring, batches of 160", BENCH_OURS, open_item_ring, close_ring, produce_ring_hops,
     consume_ring_hops, NULL, NULL},
    QUEUE_KIND("naive", BENCH_NAIVE, naive_item, open_naive, close_naive),
    QUEUE_KIND("careful lock", BENCH_NAIVE, careful_item, open_careful_item, close_careful),
#ifdef BENCH_JACK
    QUEUE_KIND("jack_ringbuffer", BENCH_PEER, jack_item, open_jack_item, close_jack),
#endif
#ifdef BENCH_SPA
    QUEUE_KIND("spa_ringbuffer", BENCH_PEER, spa_item, open_spa, vs__free),
#endif
#ifdef BENCH_CK
    QUEUE_KIND("ck_ring", BENCH_PEER, ck_item, open_ck_item, vs__free),
#endif
    NO_QUEUE};

const struct queue_kind frame_queues[] = {
    {"ring, in place", BENCH_OURS, open_frame_ring, close_ring, produce_ring_frame,
     consume_ring_in_place, ping_ring_frame, echo_ring_frame},
    QUEUE_KIND("ring, copied", BENCH_STEP, ring_frame, open_frame_ring, close_ring),
    QUEUE_KIND("naive", BENCH_NAIVE, naive_frame, open_naive, close_naive),
    QUEUE_KIND("careful lock", BENCH_NAIVE, careful_frame, open_careful_frame, close_careful),
#ifdef BENCH_JACK
    QUEUE_KIND("jack_ringbuffer", BENCH_PEER, jack_frame, open_jack_frame, close_jack),
#endif
#ifdef BENCH_SPA
    QUEUE_KIND("spa_ringbuffer", BENCH_PEER, spa_frame, open_spa, vs__free),
#endif
#ifdef BENCH_CK
    QUEUE_KIND("ck_ring", BENCH_PEER, ck_frame, open_ck_frame, vs__free),
#endif
    NO_QUEUE};
