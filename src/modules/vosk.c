/* SPDX-License-Identifier: MIT */
/* Vosk as a text engine: models for many languages, small and streaming. In a process of its own
   (host/vosk_host.c), which finds the library. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include <voicestand/backend.h>

#include "base/base.h"
#include "host/hosted.h"
#include "stt/address.h"

#define HOST            "vosk-host"
#define DEFAULT_TIMEOUT 60
#define DEFAULT_TRIES   2

enum { LIBRARY, TIMEOUT_S, TRIES, SETTINGS };

struct vosk {
    struct vs__hosted hosted;
    struct vs__setting settings[SETTINGS];
    char *folder;
    const char *arguments[4];
};

static int read_settings(struct vosk *v, const struct vs_log *log, const char *argument)
{
    static const char *const names[SETTINGS] = {"library", "timeout", "tries"};

    for (size_t i = 0; i < SETTINGS; i++) {
        v->settings[i].name = names[i];
    }
    int status = vs__settings_read(log, "vosk", argument, v->settings, SETTINGS, &v->folder);
    if (status == 0) {
        status = vs__setting_number(log, "vosk", &v->settings[TIMEOUT_S], 1, 3600, DEFAULT_TIMEOUT,
                                    &v->hosted.client.timeout_s);
    }
    if (status == 0) {
        status = vs__setting_number(log, "vosk", &v->settings[TRIES], 1, 10, DEFAULT_TRIES,
                                    &v->hosted.client.tries);
    }
    if (status == 0 && !v->folder[0]) {
        vs__log(log, VS_LOG_ERROR, "stt",
                "vosk needs the folder of a model, as in vosk:/opt/models/vosk-model-small-en-us");
        status = -EINVAL;
    }
    return status;
}

/* Every model has it. */
static int find_model(const struct vosk *v, const struct vs_log *log)
{
    char path[4096];

    if (snprintf(path, sizeof(path), "%s/am/final.mdl", v->folder) < (int)sizeof(path) &&
        access(path, R_OK) == 0) {
        return 0;
    }
    if (snprintf(path, sizeof(path), "%s/final.mdl", v->folder) < (int)sizeof(path) &&
        access(path, R_OK) == 0) {
        return 0;
    }
    vs__log(log, VS_LOG_ERROR, "stt", "no model of vosk in %s: it needs am/final.mdl", v->folder);
    return -ENOENT;
}

static int open_vosk(void *state, const struct vs_stt_params *params)
{
    struct vosk *v = state;
    const struct vs_log *log = &params->env->log;
    char why[700];

    int status = vs__hosted_init(&v->hosted, log, "Vosk", HOST);
    if (status == 0) {
        status = read_settings(v, log, params->argument);
    }
    if (status == 0) {
        status = find_model(v, log);
    }
    if (status != 0) {
        return status;
    }
    v->arguments[0] = HOST;
    v->arguments[1] = v->settings[LIBRARY].value ? v->settings[LIBRARY].value : "";
    v->arguments[2] = v->folder;
    v->hosted.arguments = v->arguments;
    v->hosted.place = v->folder;
    status = vs__hosted_start(&v->hosted, why, sizeof(why));
    if (status != 0) {
        vs__log(log, VS_LOG_ERROR, "stt", "%s", why);
    }
    return status;
}

static void close_vosk(void *state)
{
    struct vosk *v = state;

    vs__hosted_fini(&v->hosted);
    vs__settings_free(v->settings, SETTINGS);
    vs__free(v->folder);
}

static const struct vs_stt_ops VOSK = {
    .abi = VS_BACKEND_ABI,
    .name = "vosk",
    .description = "Vosk: small streaming models of many languages, on the processor",
    .state_size = sizeof(struct vosk),
    .open = open_vosk,
    .begin = vs__hosted_begin,
    .feed = vs__hosted_feed,
    .partial = vs__hosted_partial,
    .finish = vs__hosted_finish,
    .cancel = vs__hosted_cancel,
    .close = close_vosk,
    .words = vs__hosted_words,
};

extern const struct vs_module vs_module_entry;
VS_API const struct vs_module vs_module_entry = {.abi = VS_BACKEND_ABI, .stt = &VOSK};
