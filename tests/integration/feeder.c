/* SPDX-License-Identifier: MIT */
/* A virtual microphone that plays a file: a PipeWire source node whose samples are made in the
   graph's own thread, so that nothing is lost however fast the graph runs. Gives silence until
   SIGUSR1, then the file, then silence; says "start NS", by CLOCK_MONOTONIC, when its first frame is
   asked for, and "done" on standard output when the file is out.
   feeder NAME RAW-S16-48K-MONO [SPEED [TIMES]]: in the freewheel group, at most SPEED times real time;
   the file TIMES times, one behind the other. */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <pipewire/pipewire.h>
#include <spa/param/audio/format-utils.h>

#define RATE 48000

struct feeder {
    struct pw_stream *stream;
    int16_t *audio;
    size_t frames, at, times;
    double speed;
    struct timespec next;
    _Atomic int playing, done;
    _Atomic long long start_ns;
};

/* Hold the graph back to the speed that was asked for. */
static void keep_pace(struct feeder *f, size_t frames)
{
    long ns = (long)((double)frames / RATE / f->speed * 1e9);

    if (f->next.tv_sec == 0)
        clock_gettime(CLOCK_MONOTONIC, &f->next);
    f->next.tv_nsec += ns;
    f->next.tv_sec += f->next.tv_nsec / 1000000000;
    f->next.tv_nsec %= 1000000000;
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &f->next, NULL);
}

static void on_process(void *user)
{
    struct feeder *f = user;
    struct pw_buffer *b = pw_stream_dequeue_buffer(f->stream);

    if (b == NULL)
        return;
    struct spa_data *d = &b->buffer->datas[0];
    size_t n = d->maxsize / sizeof(float), out = 0;
    float *to = d->data;
    if (b->requested && b->requested < n)
        n = b->requested;
    if (atomic_load(&f->playing) && f->at == 0) {
        struct timespec now;
        clock_gettime(CLOCK_MONOTONIC, &now);
        atomic_store(&f->start_ns, now.tv_sec * 1000000000LL + now.tv_nsec);
    }
    if (atomic_load(&f->playing))
        for (; out < n && f->at < f->frames * f->times; out++)
            to[out] = (float)f->audio[f->at++ % f->frames] / 32768.0f;
    memset(to + out, 0, (n - out) * sizeof(float));
    d->chunk->offset = 0;
    d->chunk->stride = sizeof(float);
    d->chunk->size = (uint32_t)(n * sizeof(float));
    pw_stream_queue_buffer(f->stream, b);
    if (f->at == f->frames * f->times)
        atomic_store(&f->done, 1);
    if (f->speed > 0)
        keep_pace(f, n);
}

static const struct pw_stream_events events = {PW_VERSION_STREAM_EVENTS, .process = on_process};

static int read_file(struct feeder *f, const char *path)
{
    FILE *in = fopen(path, "rb");

    if (in == NULL || fseek(in, 0, SEEK_END) < 0)
        return -1;
    f->frames = (size_t)ftell(in) / sizeof(*f->audio);
    rewind(in);
    f->audio = malloc(f->frames * sizeof(*f->audio));
    size_t got = f->audio ? fread(f->audio, sizeof(*f->audio), f->frames, in) : 0;
    fclose(in);
    return got == f->frames ? 0 : -1;
}

static int connect_stream(struct feeder *f, struct pw_thread_loop *loop, const char *name)
{
    uint8_t buffer[1024];
    struct spa_pod_builder builder = SPA_POD_BUILDER_INIT(buffer, sizeof(buffer));
    struct spa_audio_info_raw info = {.format = SPA_AUDIO_FORMAT_F32,
                                      .rate = RATE,
                                      .channels = 1,
                                      .position = {SPA_AUDIO_CHANNEL_MONO}};
    const struct spa_pod *params[] = {
        spa_format_audio_raw_build(&builder, SPA_PARAM_EnumFormat, &info)};
    struct pw_properties *p =
        pw_properties_new(PW_KEY_MEDIA_CLASS, "Audio/Source", PW_KEY_NODE_NAME, name,
                          PW_KEY_NODE_DESCRIPTION, name, NULL);

    if (f->speed > 0)
        pw_properties_set(p, "node.group", "pipewire.freewheel");
    f->stream = pw_stream_new_simple(pw_thread_loop_get_loop(loop), name, p, &events, f);
    if (f->stream == NULL)
        return -1;
    return pw_stream_connect(f->stream, PW_DIRECTION_OUTPUT, PW_ID_ANY,
                             PW_STREAM_FLAG_MAP_BUFFERS | PW_STREAM_FLAG_RT_PROCESS, params, 1);
}

int main(int argc, char **argv)
{
    struct feeder f = {.speed = argc > 3 ? atof(argv[3]) : 0,
                       .times = argc > 4 ? strtoul(argv[4], NULL, 10) : 1};
    sigset_t set;
    int number;

    if (argc < 3 || read_file(&f, argv[2]) < 0) {
        fprintf(stderr, "feeder: NAME RAW-S16-48K-MONO [SPEED [TIMES]]\n");
        return 2;
    }
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    pw_init(NULL, NULL);
    struct pw_thread_loop *loop = pw_thread_loop_new("feeder", NULL);
    if (loop == NULL || connect_stream(&f, loop, argv[1]) < 0 || pw_thread_loop_start(loop) < 0) {
        fprintf(stderr, "feeder: no server\n");
        return 1;
    }
    for (long long told = 0; !atomic_load(&f.done);) {
        if (told != atomic_load(&f.start_ns)) {
            told = atomic_load(&f.start_ns);
            printf("start %lld\n", told);
            fflush(stdout);
        }
        struct timespec moment = {0, 50000000};
        number = sigtimedwait(&set, NULL, &moment);
        if (number == SIGUSR1)
            atomic_store(&f.playing, 1);
        else if (number == SIGTERM)
            return 0;
    }
    printf("done\n");
    fflush(stdout);
    (void)sigwait(&set, &number); /* silence until told to go */
    pw_thread_loop_stop(loop);
    pw_stream_destroy(f.stream);
    pw_thread_loop_destroy(loop);
    pw_deinit();
    return 0;
}
