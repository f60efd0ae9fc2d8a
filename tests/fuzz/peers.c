/* SPDX-License-Identifier: MIT */
/* What strangers send to our servers. */
#include "fuzz.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "serve/peer.h"

enum { MOST_BYTES = 1024 }; /* the answers must fit into a socket's buffer: nobody reads them */

/* Takes all audio, and tells what a pipeline may tell. */
static int hear(void *user, struct server_job *job)
{
    struct vs_event told = {.size = sizeof(told), .segment = 1};
    static const int types[] = {VS_EVENT_START, VS_EVENT_TEXT, VS_EVENT_END, VS_EVENT_ERROR};
    uint8_t *pcm = malloc((size_t)64 * job->channels * 4);
    int64_t n;

    (void)user;
    FUZZ_CHECK(job->rate_hz >= 8000 && job->rate_hz <= 192000);
    FUZZ_CHECK(job->channels >= 1 && job->channels <= 32);
    while ((n = job->read(job->user, pcm, 64)) > 0) {
        FUZZ_CHECK(n <= 64);
        told.type = types[pcm[0] % 4];
        told.text = "words";
        told.flags = pcm[0] / 4 % 2;
        if (!job->event(job->user, &told))
            n = -1;
        if (n < 0)
            break;
    }
    free(pcm);
    snprintf(job->why, sizeof(job->why), "why");
    return (int)n;
}

__attribute__((format(printf, 3, 4))) static void say(void *user, int level, const char *format,
                                                      ...)
{
    (void)user;
    (void)level;
    (void)format;
}

/* A Wyoming client that says anything: it is served to its end, within the limits. */
void fuzz_wyoming(struct fuzz *f)
{
    const struct server_host host = {.version = "1",
                                     .engine = "engine",
                                     .languages = "en,,de",
                                     .clients = 1,
                                     .hear = hear,
                                     .say = say};
    size_t bytes = f->left < MOST_BYTES ? f->left : MOST_BYTES;
    struct peer p;
    int ends[2];

    FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    FUZZ_CHECK(bytes == 0 || write(ends[1], f->at, bytes) == (ssize_t)bytes);
    FUZZ_CHECK(shutdown(ends[1], SHUT_WR) == 0);
    peer_init(&p, ends[0], 1, &host);
    wyoming_hear_client(&p);
    FUZZ_CHECK(!p.broken);
    peer_fini(&p);
    close(ends[0]);
    close(ends[1]);
}

/* An event that was taken and written again is the same event. */
void fuzz_wyoming_wire(struct fuzz *f)
{
    struct vs__wyoming_event first, second;
    size_t used = 0, payload = 0, again = 0, payload_again = 0;

    if (vs__wyoming_take((const char *)f->at, f->left, &first, &used, &payload) != 1)
        return;
    FUZZ_CHECK(used <= f->left && payload < used);
    size_t room = 8 * used + 1024;
    char *out = malloc(room);
    bool plain = strpbrk(first.type, "\"\\") == NULL; /* types are names */
    for (const char *c = first.type; *c; c++)
        plain = plain && (unsigned char)*c >= 0x20 && (unsigned char)*c < 0x7f;
    if (plain) {
        int n = vs__wyoming_put(first.type, json_incref(first.data),
                                (const char *)f->at + used - payload, payload, out, room);
        FUZZ_CHECK(n > 0);
        FUZZ_CHECK(vs__wyoming_take(out, (size_t)n, &second, &again, &payload_again) == 1);
        FUZZ_CHECK(again == (size_t)n && payload_again == payload);
        FUZZ_CHECK(json_equal(first.data, second.data));
        FUZZ_CHECK(strcmp(first.type, second.type) == 0);
        json_decref(second.data);
    }
    json_decref(first.data);
    free(out);
}
