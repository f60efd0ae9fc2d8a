/* SPDX-License-Identifier: MIT */
/* How soon anybody could hear a microphone: the barest stream of libpipewire, which tries each millisecond
   to reach a server and says "sound NS", by CLOCK_MONOTONIC, when its first samples come and when they come
   again after a pause. What we take longer than this is our own. Ends when the server goes or is told to. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <pipewire/pipewire.h>
#include <spa/param/audio/format-utils.h>

#define PAUSE_NS 100000000

struct witness {
    struct pw_stream *stream;
    struct spa_hook core_hook;
    int64_t last_ns; /* of the audio thread */
    _Atomic int64_t first_ns;
    _Atomic int is_over;
};

static int64_t mono_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void on_process(void *user)
{
    struct witness *w = user;
    struct pw_buffer *b = pw_stream_dequeue_buffer(w->stream);
    int64_t now_ns = mono_ns();
    if (b == NULL)
        return;
    if (b->buffer->datas[0].chunk->size > 0) {
        if (now_ns - w->last_ns > PAUSE_NS)
            atomic_store(&w->first_ns, now_ns);
        w->last_ns = now_ns;
    }
    pw_stream_queue_buffer(w->stream, b);
}

static void on_error(void *user, uint32_t id, int seq, int status, const char *message)
{
    struct witness *w = user;
    if (id == PW_ID_CORE && (status == -EPIPE || status == -ECONNRESET))
        atomic_store(&w->is_over, 1);
}

static const struct pw_core_events core_events = {PW_VERSION_CORE_EVENTS, .error = on_error};
static const struct pw_stream_events events = {PW_VERSION_STREAM_EVENTS, .process = on_process};

/* With the loop locked. */
static int connect_stream(struct witness *w, struct pw_core *core)
{
    uint8_t memory[1024];
    struct spa_pod_builder builder = SPA_POD_BUILDER_INIT(memory, sizeof(memory));
    struct spa_audio_info_raw info = {.format = SPA_AUDIO_FORMAT_F32,
                                      .rate = 48000,
                                      .channels = 1,
                                      .position = {SPA_AUDIO_CHANNEL_MONO}};
    const struct spa_pod *params[] = {
        spa_format_audio_raw_build(&builder, SPA_PARAM_EnumFormat, &info)};
    static struct spa_hook hook;
    w->stream =
        pw_stream_new(core, "witness",
                      pw_properties_new(PW_KEY_MEDIA_TYPE, "Audio", PW_KEY_MEDIA_CATEGORY,
                                        "Capture", PW_KEY_NODE_LATENCY, "1024/48000", NULL));
    if (w->stream == NULL)
        return -1;
    pw_stream_add_listener(w->stream, &hook, &events, w);
    return pw_stream_connect(w->stream, PW_DIRECTION_INPUT, PW_ID_ANY,
                             PW_STREAM_FLAG_AUTOCONNECT | PW_STREAM_FLAG_MAP_BUFFERS |
                                 PW_STREAM_FLAG_RT_PROCESS,
                             params, 1);
}

int main(void)
{
    struct witness w = {.last_ns = -PAUSE_NS};
    struct timespec moment = {0, 1000000};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    pw_init(NULL, NULL);
    pw_log_set_level(SPA_LOG_LEVEL_NONE);
    struct pw_thread_loop *loop = pw_thread_loop_new("witness", NULL);
    struct pw_context *context =
        loop ? pw_context_new(pw_thread_loop_get_loop(loop), NULL, 0) : NULL;
    struct pw_core *core = NULL;
    if (context == NULL || pw_thread_loop_start(loop) < 0)
        return 1;
    while (core == NULL) {
        pw_thread_loop_lock(loop);
        core = pw_context_connect(context, NULL, 0);
        if (core) {
            pw_core_add_listener(core, &w.core_hook, &core_events, &w);
            if (connect_stream(&w, core) < 0)
                return 1;
        }
        pw_thread_loop_unlock(loop);
        if (core == NULL && sigtimedwait(&set, NULL, &moment) == SIGTERM)
            return 0;
    }
    printf("connected %" PRId64 "\n", mono_ns());
    fflush(stdout);
    while (!atomic_load(&w.is_over) && sigtimedwait(&set, NULL, &moment) != SIGTERM) {
        int64_t first_ns = atomic_exchange(&w.first_ns, 0);
        if (first_ns) {
            printf("sound %" PRId64 "\n", first_ns);
            fflush(stdout);
        }
    }
    pw_thread_loop_stop(loop); /* all else goes with the process */
    return 0;
}
