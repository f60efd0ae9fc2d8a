/* SPDX-License-Identifier: MIT */
/* sherpa-onnx as a text engine: Whisper, Moonshine, Zipformer, Paraformer and others, on this machine.
   It runs in a process of its own (host/sherpa_host.c), because its library ends its process where
   a model does not please it. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include <voicestand/backend.h>

#include "base/base.h"
#include "host/hosted.h"
#include "stt/address.h"

#define HOST             "sherpa-host"
#define DEFAULT_TIMEOUT  60
#define DEFAULT_TRIES    2
#define MOST_OWN_THREADS 4 /* more help little, and cost others */

enum { KIND, LANGUAGE, HOTWORDS, THREADS, LIBRARY, TIMEOUT_S, TRIES, SETTINGS };

struct sherpa {
    struct vs__hosted hosted;
    char *folder;
    struct vs__setting settings[SETTINGS];
    long threads;
    char thread_count[16];
    const char *arguments[8];
};

static int read_settings(struct sherpa *s, const char *argument)
{
    static const char *const names[SETTINGS] = {"kind",    "language", "hotwords", "threads",
                                                "library", "timeout",  "tries"};
    const struct vs_log *log = s->hosted.client.log;

    for (size_t i = 0; i < SETTINGS; i++) {
        s->settings[i].name = names[i];
    }
    int status = vs__settings_read(log, "sherpa", argument, s->settings, SETTINGS, &s->folder);
    if (status == 0) {
        status = vs__setting_number(log, "sherpa", &s->settings[THREADS], 1, 256, 0, &s->threads);
    }
    if (status == 0) {
        status = vs__setting_number(log, "sherpa", &s->settings[TIMEOUT_S], 1, 3600,
                                    DEFAULT_TIMEOUT, &s->hosted.client.timeout_s);
    }
    if (status == 0) {
        status = vs__setting_number(log, "sherpa", &s->settings[TRIES], 1, 10, DEFAULT_TRIES,
                                    &s->hosted.client.tries);
    }
    if (status == 0 && !s->folder[0]) {
        vs__log(log, VS_LOG_ERROR, "stt",
                "sherpa needs the folder of a model, as in sherpa:/opt/models/zipformer");
        status = -EINVAL;
    }
    return status;
}

static const char *given(const struct sherpa *s, int setting)
{
    return s->settings[setting].value ? s->settings[setting].value : "";
}

static void set_arguments(struct sherpa *s)
{
    const char *const arguments[VS__COUNT(s->arguments)] = {
        HOST,           given(s, LIBRARY),  s->folder,          s->thread_count,
        given(s, KIND), given(s, LANGUAGE), given(s, HOTWORDS), NULL};

    snprintf(s->thread_count, sizeof(s->thread_count), "%ld", s->threads);
    for (size_t i = 0; i < VS__COUNT(arguments); i++) {
        s->arguments[i] = arguments[i];
    }
    s->hosted.arguments = s->arguments;
    s->hosted.place = s->folder;
}

static int open_sherpa(void *state, const struct vs_stt_params *params)
{
    struct sherpa *s = state;
    const struct vs_log *log = &params->env->log;
    char why[700];

    int status = vs__hosted_init(&s->hosted, log, "sherpa-onnx", HOST);
    if (status == 0) {
        status = read_settings(s, params->argument);
    }
    if (status != 0) {
        return status;
    }
    if (s->threads == 0) {
        long wanted = params->threads > 0 ? (long)params->threads : sysconf(_SC_NPROCESSORS_ONLN);
        s->threads = wanted < 1 ? 1 : VS__MIN(wanted, (long)MOST_OWN_THREADS);
    }
    set_arguments(s);
    status = vs__hosted_start(&s->hosted, why, sizeof(why));
    if (status != 0) {
        vs__log(log, VS_LOG_ERROR, "stt", "%s", why);
    } else {
        vs__log(log, VS_LOG_INFO, "stt", "sherpa-onnx runs a model of the kind %s on %ld %s", why,
                s->threads, s->threads == 1 ? "thread" : "threads");
    }
    return status;
}

static void close_sherpa(void *state)
{
    struct sherpa *s = state;

    vs__hosted_fini(&s->hosted);
    vs__settings_free(s->settings, SETTINGS);
    vs__free(s->folder);
}

static const struct vs_stt_ops SHERPA = {
    .abi = VS_BACKEND_ABI,
    .name = "sherpa",
    .description = "sherpa-onnx: Whisper, Moonshine, Zipformer and others, on the processor",
    .state_size = sizeof(struct sherpa),
    .open = open_sherpa,
    .begin = vs__hosted_begin,
    .feed = vs__hosted_feed,
    .partial = vs__hosted_partial,
    .finish = vs__hosted_finish,
    .cancel = vs__hosted_cancel,
    .close = close_sherpa,
};

extern const struct vs_module vs_module_entry;
VS_API const struct vs_module vs_module_entry = {.abi = VS_BACKEND_ABI, .stt = &SHERPA};
