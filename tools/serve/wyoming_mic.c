/* SPDX-License-Identifier: MIT */
/* The microphone given out: opened with the first client, closed with the last. What it says lies in
   one ring for all; each client is a reader of its own, and one that lags by the whole ring is left. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "serve/peer.h"

enum {
    RING_FRAMES = 1 << 16,          /* 4 s */
    LEAST_FRAMES = VS_RATE_HZ / 50, /* sent at once, so that headers do not outweigh audio */
    CHUNK_FRAMES = VS_RATE_HZ / 10, /* and the most */
};

struct reader {
    struct reader *next;
    int wake_fd;
};

static struct hub {
    const struct server_host *host;
    pthread_mutex_t opening; /* the microphone; held while it opens or closes, before `lock` */
    pthread_mutex_t lock;    /* what follows */
    int16_t *ring;
    uint64_t written; /* frames since it was opened */
    struct reader *readers;
    bool ended;
    unsigned users; /* with `opening` */
} hub = {.opening = PTHREAD_MUTEX_INITIALIZER, .lock = PTHREAD_MUTEX_INITIALIZER};

int wyoming_mic_init(const struct server_host *host)
{
    hub.host = host;
    hub.ring = malloc(RING_FRAMES * sizeof(*hub.ring));
    return hub.ring != NULL ? 0 : -ENOMEM;
}

void wyoming_mic_fini(void)
{
    free(hub.ring);
    hub.ring = NULL;
}

/* from the pipeline ---------------------------------------------------------------------------- */

/* With the lock. */
static void wake_all(void)
{
    uint64_t one = 1;

    for (struct reader *r = hub.readers; r != NULL; r = r->next)
        (void)!write(r->wake_fd, &one, sizeof(one));
}

static int16_t to_s16(float x)
{
    float y = x * 32767.0f;

    return y >= 32767.0f ? 32767 : y <= -32767.0f ? -32767 : (int16_t)(y + (y < 0 ? -0.5f : 0.5f));
}

static void on_audio(void *user, const float *audio, size_t frames)
{
    (void)user;
    pthread_mutex_lock(&hub.lock);
    uint64_t before = hub.written / LEAST_FRAMES;
    for (size_t i = 0; i < frames; i++)
        hub.ring[hub.written++ % RING_FRAMES] = to_s16(audio[i]);
    if (hub.written / LEAST_FRAMES != before)
        wake_all();
    pthread_mutex_unlock(&hub.lock);
}

static void on_end(void *user)
{
    (void)user;
    pthread_mutex_lock(&hub.lock);
    hub.ended = true;
    wake_all();
    pthread_mutex_unlock(&hub.lock);
}

/* one more, one less --------------------------------------------------------------------------- */

static int join(struct reader *r, uint64_t *ret_at)
{
    const struct server_mic mic = {.audio = on_audio, .end = on_end};
    int status = 0;

    r->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (r->wake_fd < 0)
        return -errno;
    pthread_mutex_lock(&hub.opening);
    pthread_mutex_lock(&hub.lock);
    if (hub.users == 0) {
        hub.ended = false;
        hub.written = 0;
    }
    *ret_at = hub.written;
    r->next = hub.readers;
    hub.readers = r;
    pthread_mutex_unlock(&hub.lock);
    if (hub.users == 0)
        status = hub.host->mic_open(hub.host->user, &mic);
    if (status == 0)
        hub.users++;
    pthread_mutex_unlock(&hub.opening);
    return status;
}

static void leave(struct reader *r, bool joined)
{
    pthread_mutex_lock(&hub.opening);
    pthread_mutex_lock(&hub.lock);
    for (struct reader **at = &hub.readers; *at != NULL; at = &(*at)->next)
        if (*at == r) {
            *at = r->next;
            break;
        }
    pthread_mutex_unlock(&hub.lock);
    if (joined && --hub.users == 0)
        hub.host->mic_close(hub.host->user);
    pthread_mutex_unlock(&hub.opening);
    if (r->wake_fd >= 0)
        close(r->wake_fd);
}

/* @return frames; 0 none yet; -ENODATA the microphone is over; -EOVERFLOW the reader was too slow */
static int take_audio(uint64_t at, int16_t *ret)
{
    pthread_mutex_lock(&hub.lock);
    uint64_t there = hub.written - at;
    int n = there > RING_FRAMES ? -EOVERFLOW : there > CHUNK_FRAMES ? CHUNK_FRAMES : (int)there;
    if (n >= 0 && n < LEAST_FRAMES)
        n = hub.ended ? -ENODATA : 0;
    for (int i = 0; i < n; i++)
        ret[i] = hub.ring[(at + (uint64_t)i) % RING_FRAMES];
    pthread_mutex_unlock(&hub.lock);
    return n;
}

/* a client ------------------------------------------------------------------------------------- */

static json_t *make_format(uint64_t at)
{
    return json_pack("{s:i, s:i, s:i, s:I}", "rate", VS_RATE_HZ, "width", 2, "channels", 1,
                     "timestamp", (json_int_t)(at * 1000 / VS_RATE_HZ));
}

/* What came from the client. @return false: it is over */
static bool hear_client(struct peer *p)
{
    struct vs__wyoming_event e;
    int got;

    while ((got = peer_poll(p, &e)) == 1) {
        (void)peer_answer(p, &e, wyoming_info_mic);
        json_decref(e.data);
    }
    if (got == -EAGAIN)
        return true;
    peer_explain(p, got);
    return false;
}

/* All that is there. @return false: it is over */
static bool send_audio(struct peer *p, uint64_t *at)
{
    int16_t chunk[CHUNK_FRAMES];
    int n;

    while ((n = take_audio(*at, chunk)) > 0) {
        if (!peer_send(p, "audio-chunk", make_format(*at), chunk, (size_t)n * sizeof(*chunk)))
            return false;
        *at += (uint64_t)n;
    }
    if (n == -EOVERFLOW)
        peer_fail(p, "too-slow", "the client reads slower than the microphone speaks");
    else if (n == -ENODATA)
        (void)peer_send(p, "audio-stop", make_format(*at), NULL, 0);
    return n == 0;
}

void wyoming_mic_client(struct peer *p)
{
    struct reader reader = {.wake_fd = -1};
    uint64_t at = 0, woken;
    int status = join(&reader, &at);
    bool go = status == 0 && peer_send(p, "audio-start", make_format(at), NULL, 0);

    if (status < 0)
        peer_fail(p, "no-microphone", "the microphone cannot be opened; the server's log says why");
    while (go) {
        struct pollfd polled[2] = {{.fd = p->fd, .events = POLLIN},
                                   {.fd = reader.wake_fd, .events = POLLIN}};

        if (poll(polled, 2, -1) < 0 && errno != EINTR)
            break;
        (void)!read(reader.wake_fd, &woken, sizeof(woken));
        go = (polled[0].revents == 0 || hear_client(p)) && send_audio(p, &at);
    }
    leave(&reader, status == 0);
}
