/* SPDX-License-Identifier: MIT */
#include "dictate/notice.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dictate/run.h"

enum { WAITING = 8, PATIENCE_MS = 3000, CUE_RATE = 48000, CUE_FRAMES = CUE_RATE * 9 / 100 };

struct job {
    bool is_cue, urgent;
    enum notice_cue cue;
    char title[80], body[400];
};

struct notice {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t news;
    struct job jobs[WAITING];
    unsigned first, count;
    bool closing, notify, cues;
    char sounds[3][4200]; /* paths; "" = none */
    const char *player;
};

static void show(const struct job *j)
{
    const char *const arguments[] = {"notify-send",
                                     "-a",
                                     "VoiceStand",
                                     "-u",
                                     j->urgent ? "critical" : "low",
                                     "-h",
                                     "string:x-canonical-private-synchronous:voicestand",
                                     "--",
                                     j->title,
                                     j->body,
                                     NULL};
    struct run_job job = {.arguments = arguments, .timeout_ms = PATIENCE_MS};

    (void)run_program(&job);
}

static void play(const struct notice *n, enum notice_cue cue)
{
    const char *const arguments[] = {n->player, n->sounds[cue], NULL};
    struct run_job job = {.arguments = arguments, .timeout_ms = PATIENCE_MS};

    if (n->player != NULL && n->sounds[cue][0] != '\0')
        (void)run_program(&job);
}

static void *body(void *argument)
{
    struct notice *n = argument;

    for (;;) {
        pthread_mutex_lock(&n->lock);
        while (n->count == 0 && !n->closing)
            pthread_cond_wait(&n->news, &n->lock);
        bool any = n->count > 0;
        struct job job = n->jobs[n->first];
        if (any) {
            n->first = (n->first + 1) % WAITING;
            n->count--;
        }
        pthread_mutex_unlock(&n->lock);
        if (!any)
            return NULL;
        if (job.is_cue)
            play(n, job.cue);
        else
            show(&job);
    }
}

static void add(struct notice *n, const struct job *job)
{
    pthread_mutex_lock(&n->lock);
    if (n->count < WAITING)
        n->jobs[(n->first + n->count++) % WAITING] = *job;
    pthread_cond_signal(&n->news);
    pthread_mutex_unlock(&n->lock);
}

void notice_show(struct notice *n, const char *title, const char *text, bool urgent)
{
    struct job job = {.urgent = urgent};

    if (n == NULL || !n->notify)
        return;
    snprintf(job.title, sizeof(job.title), "%s", title);
    snprintf(job.body, sizeof(job.body), "%s", text);
    add(n, &job);
}

void notice_play(struct notice *n, enum notice_cue cue)
{
    struct job job = {.is_cue = true, .cue = cue};

    if (n != NULL && n->cues)
        add(n, &job);
}

/* A short tone that swells and fades, so that it does not click; 16-bit WAV. */
static int make_sound(const char *path, double hz, double to_hz)
{
    static const uint32_t head[] = {0x46464952, 36 + 2 * CUE_FRAMES, 0x45564157,    0x20746d66,
                                    16,         0x00010001,          CUE_RATE,      2 * CUE_RATE,
                                    0x00100002, 0x61746164,          2 * CUE_FRAMES};
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    FILE *to = fd >= 0 ? fdopen(fd, "w") : NULL;
    double phase = 0;

    if (to == NULL)
        return -errno;
    fwrite(head, sizeof(head), 1, to);
    for (int i = 0; i < CUE_FRAMES; i++) {
        double part = (double)i / CUE_FRAMES;
        int16_t sample = (int16_t)lrint(6000 * sin(M_PI * part) * sin(phase));

        phase += 2 * M_PI * (hz + (to_hz - hz) * part) / CUE_RATE;
        fwrite(&sample, sizeof(sample), 1, to);
    }
    return fclose(to) != 0 ? -errno : 0;
}

static void make_sounds(struct notice *n, const char *folder)
{
    static const struct {
        const char *name;
        double hz, to_hz;
    } tones[] = {{"start", 660, 880}, {"stop", 880, 660}, {"fail", 220, 180}};
    static const char *const players[] = {"pw-play", "paplay", "aplay"};

    for (size_t i = 0; i < 3 && n->player == NULL; i++)
        if (run_has(players[i]))
            n->player = players[i];
    for (size_t i = 0; folder != NULL && i < 3; i++) {
        int length =
            snprintf(n->sounds[i], sizeof(n->sounds[i]), "%s/cue-%s.wav", folder, tones[i].name);
        if (length >= (int)sizeof(n->sounds[i]) ||
            make_sound(n->sounds[i], tones[i].hz, tones[i].to_hz) < 0)
            n->sounds[i][0] = '\0';
    }
}

/* Without a session's bus notify-send would only complain. */
static bool has_bus(void)
{
    const char *address = getenv("DBUS_SESSION_BUS_ADDRESS"), *folder = getenv("XDG_RUNTIME_DIR");
    char path[512];

    if (address != NULL && address[0] != '\0')
        return true;
    return folder != NULL && snprintf(path, sizeof(path), "%s/bus", folder) < (int)sizeof(path) &&
           access(path, F_OK) == 0;
}

int notice_open(bool notify, bool cues, const char *folder, struct notice **ret)
{
    struct notice *n = calloc(1, sizeof(*n));

    if (n == NULL)
        return -ENOMEM;
    n->notify = notify && has_bus() && run_has("notify-send");
    n->cues = cues;
    if (cues)
        make_sounds(n, folder);
    pthread_mutex_init(&n->lock, NULL);
    pthread_cond_init(&n->news, NULL);
    int status = -pthread_create(&n->thread, NULL, body, n);
    if (status < 0) {
        free(n);
        return status;
    }
    *ret = n;
    return 0;
}

void notice_close(struct notice *n)
{
    if (n == NULL)
        return;
    pthread_mutex_lock(&n->lock);
    n->closing = true;
    pthread_cond_signal(&n->news);
    pthread_mutex_unlock(&n->lock);
    pthread_join(n->thread, NULL);
    for (int i = 0; i < 3; i++)
        if (n->sounds[i][0] != '\0')
            unlink(n->sounds[i]);
    pthread_mutex_destroy(&n->lock);
    pthread_cond_destroy(&n->news);
    free(n);
}
