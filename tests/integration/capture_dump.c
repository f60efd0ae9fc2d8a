/* SPDX-License-Identifier: MIT */
/* Opens a source and writes what it gives as raw native floats: the tests' eye behind capture.
   capture_dump NAME[:ARGUMENT] OUT SECONDS [RATE CHANNELS LATENCY_MS]
   Standard output: one line for each jump, state and end, and a summary. */
#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/base.h"
#include "../contract/capture_host.h"

struct dump {
    FILE *out;
    struct vs_capture_format format;
    uint64_t frames;   /* delivered */
    uint64_t expected; /* position of the next frame if none is lost */
    uint64_t lost;
    uint64_t limit;
    int64_t first_ns, last_ns;
    int64_t worst_step_ns; /* how far a stamp lay from the one before plus its frames */
    unsigned long pushes;
    atomic_int ended; /* 1 = yes */
    atomic_int status;
    struct vs__signal wake;
};

static atomic_bool interrupted;

static const struct vs_capture_ops *ops;
static void *state;

static void on_signal(int number)
{
    atomic_store(&interrupted, true);
    if (state && ops->cancel)
        ops->cancel(state);
}

static void write_log(void *user, int level, const char *topic, const char *message)
{
    fprintf(stderr, "# %d %s: %s\n", level, topic, message);
}

static void take(struct dump *d, const void *pcm, size_t frames, const struct vs_capture_stamp *at)
{
    if (at->position != d->expected) {
        printf("jump at=%" PRIu64 " frames=%" PRId64 " %s\n", d->expected,
               (int64_t)(at->position - d->expected),
               at->flags & VS_CAPTURE_ESTIMATED ? "estimated" : "exact");
        d->lost += at->position - d->expected;
    }
    d->expected = at->position + frames;
    if (at->time_ns != 0) {
        int64_t step = d->last_ns == 0 ? 0 : at->time_ns - d->last_ns;
        if (d->first_ns == 0)
            d->first_ns = at->time_ns;
        d->worst_step_ns = VS__MAX(d->worst_step_ns, step < 0 ? -step : step);
        d->last_ns = at->time_ns + (int64_t)frames * 1000000000 / d->format.rate_hz;
    }
    for (size_t i = 0; i < frames * d->format.channels; i++) {
        float sample = host_sample(pcm, d->format.format, i);
        fwrite(&sample, sizeof(sample), 1, d->out);
    }
    d->frames += frames;
    d->pushes++;
}

static void on_push(void *user, const void *pcm, size_t frames, const struct vs_capture_stamp *at)
{
    struct dump *d = user;
    if (d->frames >= d->limit)
        return;
    take(d, pcm, frames, at);
    if (d->frames >= d->limit) {
        atomic_store(&d->ended, 1);
        vs__signal_raise(&d->wake);
    }
}

static void on_state(void *user, const char *sentence)
{
    printf("state %.3f %s\n", (double)vs__mono_ns() / 1e9, sentence);
    fflush(stdout);
}

static void on_end(void *user, int status)
{
    struct dump *d = user;
    atomic_store(&d->status, status);
    atomic_store(&d->ended, 1);
    vs__signal_raise(&d->wake);
}

static int run_push(struct dump *d)
{
    struct vs_capture_sink sink = {.user = d, .push = on_push, .state = on_state, .end = on_end};
    int status = ops->start(state, &sink);
    if (status < 0)
        return status;
    while (!atomic_load(&d->ended) && !atomic_load(&interrupted)) {
        uint32_t seen = vs__signal_seen(&d->wake);
        if (!atomic_load(&d->ended))
            vs__signal_wait(&d->wake, seen, 50000000);
    }
    ops->stop(state);
    return atomic_load(&d->status);
}

static int run_pull(struct dump *d)
{
    static float memory[1 << 16];
    size_t most = VS__COUNT(memory) / d->format.channels / 4;
    while (d->frames < d->limit && !atomic_load(&interrupted)) {
        struct vs_capture_stamp at;
        int64_t got = ops->read(state, memory, VS__MIN(most, d->limit - d->frames), &at);
        if (got <= 0)
            return got == -ECANCELED ? 0 : (int)got;
        take(d, memory, (size_t)got, &at);
    }
    return 0;
}

static void visit_device(void *user, const struct vs_device *device)
{
    printf("device %s default=%d rate=%u channels=%u %s\n", device->capture, device->is_default,
           device->rate_hz, device->channels, device->description);
}

int main(int argc, char **argv)
{
    struct vs_env env = {.log = {.write = write_log}};
    struct vs_capture_params params = {.size = sizeof(params), .env = &env};
    struct dump d = {.format.size = sizeof(d.format)};
    char name[32];
    int status;
    if (argc < 2)
        return 2;
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(argv[1], ":"), argv[1]);
    params.argument = strchr(argv[1], ':');
    params.argument += params.argument ? 1 : 0;
    ops = host_capture(name);
    if (!ops) {
        fprintf(stderr, "# %s is not available\n", name);
        return 77;
    }
    if (argc < 4) {
        status = ops->list ? ops->list(&env, visit_device, NULL) : -ENOTSUP;
        printf("listed %d\n", status);
        return status < 0;
    }
    params.rate_hz = argc > 4 ? (uint32_t)strtoul(argv[4], NULL, 10) : 0;
    params.channels = argc > 5 ? (uint32_t)strtoul(argv[5], NULL, 10) : 0;
    params.latency_ms = argc > 6 ? (uint32_t)strtoul(argv[6], NULL, 10) : 0;
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    state = vs__alloc(ops->state_size);
    status = ops->open(state, &params, &d.format);
    if (status == 0) {
        printf("open rate=%u channels=%u format=%d live=%d total=%" PRIu64 " device=%s\n",
               d.format.rate_hz, d.format.channels, d.format.format, d.format.live,
               d.format.total_frames, d.format.device);
        fflush(stdout);
        d.limit = (uint64_t)(strtod(argv[3], NULL) * d.format.rate_hz);
        d.out = fopen(argv[2], "wb");
        if (!d.out)
            return 2;
        status = ops->read ? run_pull(&d) : run_push(&d);
        fclose(d.out);
    }
    ops->close(state);
    vs__free(state);
    printf("end status=%d frames=%" PRIu64 " lost=%" PRIu64 " pushes=%lu worst_step_us=%" PRId64
           " seconds=%.6f\n",
           status, d.frames, d.lost, d.pushes, d.worst_step_ns / 1000,
           (double)(d.last_ns - d.first_ns) / 1e9);
    return status < 0;
}
