/* SPDX-License-Identifier: MIT */
/* The naive frame path: pass after pass, one thing at a time. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "baseline/naive.h"

struct naive_event {
    struct naive_event *next;
    int type;
    float value;
    float *frame; /* one in three carries a copy of the frame */
};

int naive_path_create(struct naive_path *p, size_t frames_of_history)
{
    *p = (struct naive_path){.history = frames_of_history};
    p->energies = calloc(frames_of_history, sizeof(float));
    p->crossings = calloc(frames_of_history, sizeof(float));
    p->scores = calloc(frames_of_history, sizeof(float));
    pthread_mutex_init(&p->lock, NULL);
    return p->energies && p->crossings && p->scores ? 0 : -ENOMEM;
}

static void take_events(struct naive_path *p)
{
    pthread_mutex_lock(&p->lock);
    struct naive_event *e = p->events;
    p->events = NULL;
    pthread_mutex_unlock(&p->lock);
    while (e) {
        struct naive_event *next = e->next;
        p->told++;
        p->sum += e->type != 1 ? (double)e->value : 0;
        free(e->frame);
        free(e);
        e = next;
    }
}

void naive_path_destroy(struct naive_path *p)
{
    take_events(p);
    free(p->energies);
    free(p->crossings);
    free(p->scores);
    pthread_mutex_destroy(&p->lock);
}

static float rms(const float *x, size_t n)
{
    float sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += x[i] * x[i];
    return sqrtf(sum / (float)n);
}

static float count_crossings(const float *x, size_t n)
{
    size_t count = 0;

    for (size_t i = 1; i < n; i++)
        count += (x[i - 1] < 0) != (x[i] < 0);
    return (float)count / (float)n;
}

static void pre_emphasize(float *x, size_t n)
{
    float last = 0;

    for (size_t i = 0; i < n; i++) {
        float now = x[i];
        x[i] = now - 0.97f * last;
        last = now;
    }
}

static void filter_high(float *x, size_t n)
{
    const float a = 0.9695f; /* one pole, 80 Hz at 16 kHz; starts anew with each frame */
    float in = 0, out = 0;

    for (size_t i = 0; i < n; i++) {
        out = a * (out + x[i] - in);
        in = x[i];
        x[i] = out;
    }
}

static void gate(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (fabsf(x[i]) < 0.01f)
            x[i] *= 0.5f;
}

static void normalise(float *x, size_t n)
{
    float peak = 0;

    for (size_t i = 0; i < n; i++)
        if (fabsf(x[i]) > peak)
            peak = fabsf(x[i]);
    if (peak > 0)
        for (size_t i = 0; i < n; i++)
            x[i] *= 0.95f / peak;
}

static size_t count_clipped(const float *x, size_t n)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++)
        count += fabsf(x[i]) >= 0.99f;
    return count;
}

/* The oldest leaves at the front, all others move. */
static void remember(float *history, size_t used, size_t most, float value)
{
    if (used == most)
        memmove(history, history + 1, (most - 1) * sizeof(float));
    history[used == most ? most - 1 : used] = value;
}

static float judge(const float *history, size_t used, float value)
{
    float mean = 0, variance = 0;

    for (size_t i = 0; i < used; i++)
        mean += history[i];
    mean /= (float)used;
    for (size_t i = 0; i < used; i++)
        variance += (history[i] - mean) * (history[i] - mean);
    return (value - mean) / (sqrtf(variance / (float)used) + 1e-6f);
}

static void tell(struct naive_path *p, int type, float value, const float *frame, size_t n)
{
    struct naive_event *e = malloc(sizeof(*e));

    if (!e)
        return;
    *e = (struct naive_event){.type = type, .value = value};
    if (frame) {
        e->frame = malloc(n * sizeof(float));
        if (e->frame)
            memcpy(e->frame, frame, n * sizeof(float));
    }
    pthread_mutex_lock(&p->lock);
    e->next = p->events;
    p->events = e;
    pthread_mutex_unlock(&p->lock);
}

bool naive_path_process(struct naive_path *p, float *frame, size_t n)
{
    float *copy = malloc(n * sizeof(float));

    if (!copy)
        return false;
    memcpy(copy, frame, n * sizeof(float));
    float before = rms(copy, n);
    pre_emphasize(copy, n);
    filter_high(copy, n);
    gate(copy, n);
    normalise(copy, n);
    float after = rms(copy, n);
    float crossing = count_crossings(copy, n);
    size_t clipped = count_clipped(copy, n);
    float energy = rms(copy, n);
    float again = count_crossings(copy, n) + count_crossings(copy, n) * 0.5f;
    remember(p->energies, p->used, p->history, energy);
    remember(p->crossings, p->used, p->history, crossing);
    remember(p->scores, p->used, p->history, again);
    if (p->used < p->history)
        p->used++;
    float score = judge(p->energies, p->used, energy) + judge(p->crossings, p->used, crossing) +
                  judge(p->scores, p->used, again);
    bool speech = before > 0.01f;
    tell(p, 0, after, copy, n);
    tell(p, 1, score, NULL, 0);
    tell(p, 2, speech + (float)clipped, NULL, 0);
    take_events(p);
    memcpy(frame, copy, n * sizeof(float));
    free(copy);
    p->speech += speech;
    return speech;
}
