/* SPDX-License-Identifier: MIT */
/* The two queues with a lock. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "baseline/naive.h"

int naive_deque_create(struct naive_deque *d, size_t capacity)
{
    *d = (struct naive_deque){.capacity = capacity};
    d->samples = malloc(capacity * sizeof(float));
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->changed, NULL);
    return d->samples ? 0 : -ENOMEM;
}

void naive_deque_destroy(struct naive_deque *d)
{
    free(d->samples);
    pthread_mutex_destroy(&d->lock);
    pthread_cond_destroy(&d->changed);
}

void naive_deque_write(struct naive_deque *d, const float *samples, size_t n)
{
    pthread_mutex_lock(&d->lock);
    for (size_t i = 0; i < n; i++) {
        while (d->count == d->capacity)
            pthread_cond_wait(&d->changed, &d->lock);
        d->samples[(d->head + d->count) % d->capacity] = samples[i];
        d->count++;
    }
    pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->lock);
}

float *naive_deque_read(struct naive_deque *d, size_t n)
{
    float *frame = calloc(n, sizeof(float));

    if (!frame)
        return NULL;
    pthread_mutex_lock(&d->lock); /* how many are there is asked apart */
    while (d->count < n)
        pthread_cond_wait(&d->changed, &d->lock);
    pthread_mutex_unlock(&d->lock);
    pthread_mutex_lock(&d->lock);
    for (size_t i = 0; i < n; i++) {
        frame[i] = d->samples[d->head];
        d->head = (d->head + 1) % d->capacity;
        d->count--;
    }
    pthread_cond_broadcast(&d->changed);
    pthread_mutex_unlock(&d->lock);
    return frame;
}

int careful_queue_create(struct careful_queue *q, size_t frame_bytes, size_t capacity)
{
    *q = (struct careful_queue){.frame_bytes = frame_bytes, .capacity = capacity};
    q->frames = malloc(frame_bytes * capacity);
    pthread_mutex_init(&q->lock, NULL);
    pthread_cond_init(&q->changed, NULL);
    return q->frames ? 0 : -ENOMEM;
}

void careful_queue_destroy(struct careful_queue *q)
{
    free(q->frames);
    pthread_mutex_destroy(&q->lock);
    pthread_cond_destroy(&q->changed);
}

void careful_queue_write(struct careful_queue *q, const void *frame)
{
    pthread_mutex_lock(&q->lock);
    while (q->count == q->capacity)
        pthread_cond_wait(&q->changed, &q->lock);
    size_t at = (q->head + q->count) % q->capacity;
    memcpy(q->frames + at * q->frame_bytes, frame, q->frame_bytes);
    if (q->count++ == 0)
        pthread_cond_signal(&q->changed);
    pthread_mutex_unlock(&q->lock);
}

void careful_queue_read(struct careful_queue *q, void *frame)
{
    pthread_mutex_lock(&q->lock);
    while (q->count == 0)
        pthread_cond_wait(&q->changed, &q->lock);
    memcpy(frame, q->frames + q->head * q->frame_bytes, q->frame_bytes);
    q->head = (q->head + 1) % q->capacity;
    if (q->count-- == q->capacity)
        pthread_cond_signal(&q->changed);
    pthread_mutex_unlock(&q->lock);
}
