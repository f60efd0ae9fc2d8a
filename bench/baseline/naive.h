/* SPDX-License-Identifier: MIT */
/* The naive design that this project is measured against: a mutex around a deque that is filled and
   emptied sample by sample, a fresh buffer for each frame, a dozen scalar passes over it, histories
   that are moved by one place for each frame, events on a locked list. It is written as well as
   that design can be and compiled twice: with the flags of the library, and, its names beginning
   with kind_, as kindly as a compiler can (-O3 -march=native -ffast-math). Beside it the honest
   opponent: a queue that copies whole frames under its lock. */
#ifndef VS_BENCH_BASELINE_NAIVE_H
#define VS_BENCH_BASELINE_NAIVE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

/** Samples behind a lock. Unlike its model it waits when full, so that nothing is lost. */
struct naive_deque {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    float *samples;
    size_t capacity, head, count;
};

int naive_deque_create(struct naive_deque *d, size_t capacity);
void naive_deque_destroy(struct naive_deque *d);
void naive_deque_write(struct naive_deque *d, const float *samples, size_t n);
/** A frame of `n` samples of its own memory, for free(); NULL without memory. */
float *naive_deque_read(struct naive_deque *d, size_t n);

/** Whole frames behind a lock, copied in one piece. */
struct careful_queue {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned char *frames;
    size_t frame_bytes, capacity, head, count;
};

int careful_queue_create(struct careful_queue *q, size_t frame_bytes, size_t capacity);
void careful_queue_destroy(struct careful_queue *q);
void careful_queue_write(struct careful_queue *q, const void *frame);
void careful_queue_read(struct careful_queue *q, void *frame);

/** What the naive design does with a frame. */
struct naive_path {
    float *energies, *crossings, *scores; /**< histories of two seconds */
    size_t history, used;
    struct naive_event *events;
    pthread_mutex_t lock;
    unsigned long speech, told;
    double sum; /**< of all that the events told, but scores */
};

int naive_path_create(struct naive_path *p, size_t frames_of_history);
void naive_path_destroy(struct naive_path *p);
/** One frame; changes it. @return whether it is taken for speech. */
bool naive_path_process(struct naive_path *p, float *frame, size_t n);

#endif
