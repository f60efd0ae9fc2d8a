/* SPDX-License-Identifier: MIT */
/* A frame path of two threads, put together from parts: how frames go from one thread to the other, and
   what is done with them there. The naive design is one such, ours another, and each can have a
   part of the other's, so that a part's worth can be told. */
#ifndef VS_BENCH_SIDES_SIDE_H
#define VS_BENCH_SIDES_SIDE_H

#include "baseline/naive.h"
#include "sides/fused.h"

/** The naive design as one compilation of it. */
struct naive_code {
    int (*deque_create)(struct naive_deque *d, size_t capacity);
    void (*deque_destroy)(struct naive_deque *d);
    void (*deque_write)(struct naive_deque *d, const float *samples, size_t n);
    float *(*deque_read)(struct naive_deque *d, size_t n);
    void (*release)(void *frame); /**< what deque_read() gave */
    int (*path_create)(struct naive_path *p, size_t frames_of_history);
    void (*path_destroy)(struct naive_path *p);
    bool (*path_process)(struct naive_path *p, float *frame, size_t n);
};

extern const struct naive_code naive_code;        /**< with the library's flags */
extern const struct naive_code naive_code_kind;   /**< as kindly as a compiler can */
extern const struct naive_code naive_code_pooled; /**< frames and events from our pools */

enum side_transport { SIDE_DEQUE, SIDE_CAREFUL, SIDE_RING };

struct side {
    /* chosen */
    size_t frame; /**< samples */
    enum side_transport transport;
    const struct naive_code *code; /**< NULL: naive_code */
    bool works;                    /**< else frames are only moved */
    bool fused, simd;              /**< the work is ours, and with AVX2 */
    unsigned spins;                /**< at the ring, before a thread sleeps */

    /* own; what both threads write lies apart from what one thread uses */
    struct vs__ring *ring;
    _Alignas(VS__APART) struct naive_deque deque;
    struct careful_queue queue;
    _Alignas(VS__APART) struct vs__signal filled;
    _Alignas(VS__APART) struct vs__signal emptied;
    _Alignas(VS__APART) struct naive_path naive; /**< the reader's from here on */
    struct fused_path lean;
    float *buffer;
};

/** Queues of half a second, histories of two. @return 0 or -ENOMEM */
int side_open(struct side *s);
void side_close(struct side *s);
/** The writer's thread: one frame in; sleeps while there is no room. */
void side_write(struct side *s, const float *frame);
/** The reader's: the next frame; sleeps until it is there. It may be changed until side_done(). */
float *side_read(struct side *s);
/** @return whether a frame is there, so that side_read() does not sleep */
bool side_has(struct side *s);
/** Process it. @return what it was taken for */
bool side_work(struct side *s, float *frame);
void side_done(struct side *s, float *frame);
/** The sum of all that the work told so far, but scores. */
double side_found(const struct side *s);

/** Bursts of noise over quiet noise, a minute; half of it is speech to all detectors here. */
const float *side_tape(size_t frame, size_t index);
#define SIDE_TAPE_FRAMES ((size_t)64 * 1024 * 15)

#endif
