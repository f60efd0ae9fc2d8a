/* SPDX-License-Identifier: MIT */
/* The `pocketsphinx` text engine: Debian's recogniser with its English model, in a process of its own
   (host/pocketsphinx_host.c): what goes wrong there costs a try and no audio. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <voicestand/backend.h>

#include "base/base.h"
#include "host/hosted.h"
#include "stt/address.h"

#define HOST            "pocketsphinx-host"
#define DEFAULT_DIR     "/usr/share/pocketsphinx/model/en-us"
#define DEFAULT_TIMEOUT 60
#define DEFAULT_TRIES   2

enum { TIMEOUT_S, TRIES, SETTINGS };

struct model {
    char acoustic[512], language[512], words[512];
};

static bool has_file(const char *folder, const char *name)
{
    char path[600];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return access(path, R_OK) == 0;
}

/* A folder as Debian's: LANGUAGE/{LANGUAGE/mdef, LANGUAGE.lm.bin, cmudict-LANGUAGE.dict}. */
static int find_model(const struct vs_log *log, const char *folder, struct model *ret)
{
    char base[256];
    size_t length = strlen(folder);

    while (length > 1 && folder[length - 1] == '/') {
        length--;
    }
    size_t start = length;
    while (start > 0 && folder[start - 1] != '/') {
        start--;
    }
    if (length >= 400 || length - start >= 100) {
        return -ENAMETOOLONG;
    }
    snprintf(base, sizeof(base), "%.*s", (int)(length - start), folder + start);
    snprintf(ret->acoustic, sizeof(ret->acoustic), "%.*s/%s", (int)length, folder, base);
    snprintf(ret->language, sizeof(ret->language), "%.*s/%s.lm.bin", (int)length, folder, base);
    snprintf(ret->words, sizeof(ret->words), "%.*s/cmudict-%s.dict", (int)length, folder, base);
    if (has_file(ret->acoustic, "mdef") && access(ret->language, R_OK) == 0 &&
        access(ret->words, R_OK) == 0) {
        return 0;
    }
    vs__log(log, VS_LOG_ERROR, "stt",
            strcmp(folder, DEFAULT_DIR) == 0
                ? "no English model in %s: install pocketsphinx-en-us"
                : "no model in %s: it needs NAME/mdef, NAME.lm.bin and cmudict-NAME.dict, with "
                  "NAME that of the folder",
            folder);
    return -ENOENT;
}

struct sphinx {
    struct vs__hosted hosted;
    struct vs__setting settings[SETTINGS];
    char *folder;
    struct model model;
    const char *arguments[5];
};

static int read_settings(struct sphinx *s, const struct vs_log *log, const char *argument)
{
    s->settings[TIMEOUT_S].name = "timeout";
    s->settings[TRIES].name = "tries";
    int status =
        vs__settings_read(log, "pocketsphinx", argument, s->settings, SETTINGS, &s->folder);
    if (status == 0) {
        status = vs__setting_number(log, "pocketsphinx", &s->settings[TIMEOUT_S], 1, 3600,
                                    DEFAULT_TIMEOUT, &s->hosted.client.timeout_s);
    }
    if (status == 0) {
        status = vs__setting_number(log, "pocketsphinx", &s->settings[TRIES], 1, 10, DEFAULT_TRIES,
                                    &s->hosted.client.tries);
    }
    return status;
}

static int open_sphinx(void *state, const struct vs_stt_params *params)
{
    struct sphinx *s = state;
    const struct vs_log *log = &params->env->log;
    char why[700];

    int status = vs__hosted_init(&s->hosted, log, "PocketSphinx", HOST);
    if (status == 0) {
        status = read_settings(s, log, params->argument);
    }
    if (status != 0) {
        return status;
    }
    const char *folder = s->folder[0] ? s->folder : DEFAULT_DIR;
    status = find_model(log, folder, &s->model);
    if (status != 0) {
        return status;
    }
    s->arguments[0] = HOST;
    s->arguments[1] = s->model.acoustic;
    s->arguments[2] = s->model.language;
    s->arguments[3] = s->model.words;
    s->hosted.arguments = s->arguments;
    s->hosted.place = folder;
    status = vs__hosted_start(&s->hosted, why, sizeof(why));
    if (status == -EBADMSG) {
        vs__log(log, VS_LOG_ERROR, "stt", "the model in %s is damaged: install it again", folder);
    } else if (status != 0) {
        vs__log(log, VS_LOG_ERROR, "stt", "%s", why);
    }
    return status;
}

static void close_sphinx(void *state)
{
    struct sphinx *s = state;

    vs__hosted_fini(&s->hosted);
    vs__settings_free(s->settings, SETTINGS);
    vs__free(s->folder);
}

static const struct vs_stt_ops POCKETSPHINX = {
    .abi = VS_BACKEND_ABI,
    .name = "pocketsphinx",
    .description = "English by PocketSphinx, on the processor, without a download",
    .state_size = sizeof(struct sphinx),
    .open = open_sphinx,
    .begin = vs__hosted_begin,
    .feed = vs__hosted_feed,
    .partial = vs__hosted_partial,
    .finish = vs__hosted_finish,
    .cancel = vs__hosted_cancel,
    .close = close_sphinx,
    .words = vs__hosted_words,
};

extern const struct vs_module vs_module_entry;
VS_API const struct vs_module vs_module_entry = {.abi = VS_BACKEND_ABI, .stt = &POCKETSPHINX};
