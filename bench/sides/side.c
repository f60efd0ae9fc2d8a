/* SPDX-License-Identifier: MIT */
/* Frame paths in parts. */
#include "sides/side.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/spin.h"
#include "sides/pooled.h"

#define QUEUE_MS 500

/* compilations of the naive design ------------------------------------------------------------ */

#define DECLARE_NAIVE(prefix)                                                                      \
    int prefix##_deque_create(struct naive_deque *d, size_t capacity);                             \
    void prefix##_deque_destroy(struct naive_deque *d);                                            \
    void prefix##_deque_write(struct naive_deque *d, const float *samples, size_t n);              \
    float *prefix##_deque_read(struct naive_deque *d, size_t n);                                   \
    int prefix##_path_create(struct naive_path *p, size_t frames_of_history);                      \
    void prefix##_path_destroy(struct naive_path *p);                                              \
    bool prefix##_path_process(struct naive_path *p, float *frame, size_t n);

#define NAIVE_CODE(prefix, release)                                                                \
    {                                                                                              \
        prefix##_deque_create, prefix##_deque_destroy, prefix##_deque_write, prefix##_deque_read,  \
            release, prefix##_path_create, prefix##_path_destroy, prefix##_path_process            \
    }

DECLARE_NAIVE(kind)
DECLARE_NAIVE(pooled)

const struct naive_code naive_code = NAIVE_CODE(naive, free);
const struct naive_code naive_code_kind = NAIVE_CODE(kind, free);
const struct naive_code naive_code_pooled = NAIVE_CODE(pooled, pooled_free);

/* the tape ------------------------------------------------------------------------------------ */

const float *side_tape(size_t frame, size_t index)
{
    static float *tape;
    uint32_t seed = 1;

    if (!tape) {
        tape = vs__alloc(SIDE_TAPE_FRAMES * sizeof(float));
        if (!tape)
            abort();
        for (size_t i = 0; i < SIDE_TAPE_FRAMES; i++) {
            seed = seed * 1664525 + 1013904223;
            float noise = (float)(seed >> 8) / 8388608.0f - 1;
            tape[i] = noise * (i / 5120 % 2 ? 0.3f : 0.001f);
        }
    }
    return tape + index % (SIDE_TAPE_FRAMES / frame) * frame;
}

/* frames to the other thread ------------------------------------------------------------------ */

/* Sleeping is thought of only when there is no room: until then nothing is looked at that the other
   thread writes. */
static void put_in_ring(struct side *s, const float *frame)
{
    size_t bytes = s->frame * sizeof(float), room;
    void *to = vs__ring_write_begin(s->ring, bytes, &room);

    for (unsigned tries = 0; room < bytes;) {
        uint32_t seen = vs__signal_seen(&s->emptied);
        to = vs__ring_write_begin(s->ring, bytes, &room);
        if (room == bytes)
            break;
        if (tries < s->spins)
            bench_spin(&tries);
        else
            (void)vs__signal_wait(&s->emptied, seen, -1);
    }
    memcpy(to, frame, bytes);
    vs__ring_write_commit(s->ring, bytes);
    vs__signal_raise(&s->filled);
}

/* The frame where it stands in the ring. */
static float *see_in_ring(struct side *s)
{
    size_t bytes = s->frame * sizeof(float), there;
    const void *got = vs__ring_read_begin(s->ring, bytes, &there);

    for (unsigned tries = 0; there < bytes;) {
        uint32_t seen = vs__signal_seen(&s->filled);
        got = vs__ring_read_begin(s->ring, bytes, &there);
        if (there == bytes)
            break;
        if (tries < s->spins)
            bench_spin(&tries);
        else
            (void)vs__signal_wait(&s->filled, seen, -1);
    }
    for (size_t at = bytes; at < 2 * bytes && vs__ring_seen(s->ring) >= 2 * bytes; at += 64)
        __builtin_prefetch((const char *)got + at, 1); /* the next one, while this is worked on */
    return (float *)(uintptr_t)got;
}

void side_write(struct side *s, const float *frame)
{
    if (s->transport == SIDE_DEQUE)
        s->code->deque_write(&s->deque, frame, s->frame);
    else if (s->transport == SIDE_CAREFUL)
        careful_queue_write(&s->queue, frame);
    else
        put_in_ring(s, frame);
}

float *side_read(struct side *s)
{
    if (s->transport == SIDE_RING)
        return see_in_ring(s);
    if (s->transport == SIDE_CAREFUL) {
        careful_queue_read(&s->queue, s->buffer);
        return s->buffer;
    }
    float *frame = s->code->deque_read(&s->deque, s->frame);
    if (!frame)
        abort();
    return frame;
}

bool side_has(struct side *s)
{
    if (s->transport == SIDE_RING)
        return vs__ring_fill(s->ring) >= s->frame * sizeof(float);
    pthread_mutex_t *lock = s->transport == SIDE_DEQUE ? &s->deque.lock : &s->queue.lock;
    pthread_mutex_lock(lock);
    bool has = s->transport == SIDE_DEQUE ? s->deque.count >= s->frame : s->queue.count > 0;
    pthread_mutex_unlock(lock);
    return has;
}

void side_done(struct side *s, float *frame)
{
    if (s->transport == SIDE_DEQUE)
        s->code->release(frame);
    if (s->transport != SIDE_RING)
        return;
    vs__ring_read_commit(s->ring, s->frame * sizeof(float));
    if (vs__ring_seen(s->ring) <= s->ring->bytes / 2) /* as the pipeline does */
        vs__signal_raise(&s->emptied);
}

/* what is done with a frame ------------------------------------------------------------------- */

bool side_work(struct side *s, float *frame)
{
    if (!s->works)
        return frame[0] > 0.1f;
    return s->fused ? fused_path_process(&s->lean, frame, s->frame)
                    : s->code->path_process(&s->naive, frame, s->frame);
}

double side_found(const struct side *s)
{
    return !s->works ? 0 : s->fused ? s->lean.sum : s->naive.sum;
}

int side_open(struct side *s)
{
    size_t held = (size_t)QUEUE_MS * VS_RATE_HZ / 1000;
    size_t history = 2 * VS_RATE_HZ / s->frame;

    if (!s->code)
        s->code = &naive_code;
    s->buffer = malloc(s->frame * sizeof(float));
    if (!s->buffer || s->code->deque_create(&s->deque, held) < 0 ||
        careful_queue_create(&s->queue, s->frame * sizeof(float), held / s->frame) < 0 ||
        vs__ring_create(held * sizeof(float), &s->ring) < 0 ||
        s->code->path_create(&s->naive, history) < 0)
        return -ENOMEM;
    return fused_path_create(&s->lean, history, s->simd);
}

void side_close(struct side *s)
{
    free(s->buffer);
    s->code->deque_destroy(&s->deque);
    careful_queue_destroy(&s->queue);
    vs__ring_destroy(s->ring);
    s->code->path_destroy(&s->naive);
    fused_path_destroy(&s->lean);
}
