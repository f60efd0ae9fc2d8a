/* SPDX-License-Identifier: MIT */
/* Where the command keeps things and looks for them. */
#include "common/folders.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PATH_BYTES = 4096 };

static char cache[PATH_BYTES], state[PATH_BYTES], config[PATH_BYTES], data[PATH_BYTES],
    models[PATH_BYTES + 16], openvino[4 * PATH_BYTES];
static pthread_once_t cache_once = PTHREAD_ONCE_INIT, state_once = PTHREAD_ONCE_INIT,
                      config_once = PTHREAD_ONCE_INIT, models_once = PTHREAD_ONCE_INIT,
                      openvino_once = PTHREAD_ONCE_INIT;

/* Make a folder and those above it, for the user alone as XDG asks. */
static bool make_all(char *path)
{
    for (char *slash = strchr(path + 1, '/');; slash = strchr(slash + 1, '/')) {
        if (slash != NULL)
            *slash = '\0';
        bool made = mkdir(path, 0700) == 0 || errno == EEXIST;
        if (slash == NULL)
            return made;
        *slash = '/';
        if (!made)
            return false;
    }
}

/* XDG: a variable that is not an absolute path counts as not set. */
static void find(const char *variable, const char *below_home, bool make, char *ret)
{
    const char *base = getenv(variable), *home = getenv("HOME");
    int n = -1;

    if (base != NULL && base[0] == '/')
        n = snprintf(ret, PATH_BYTES, "%s/voicestand", base);
    else if (home != NULL && home[0] == '/')
        n = snprintf(ret, PATH_BYTES, "%s/%s/voicestand", home, below_home);
    if (n < 0 || n >= PATH_BYTES || (make && !make_all(ret)))
        ret[0] = '\0';
}

static void find_cache(void)
{
    find("XDG_CACHE_HOME", ".cache", true, cache);
}

static void find_state(void)
{
    find("XDG_STATE_HOME", ".local/state", true, state);
}

static void find_config(void)
{
    find("XDG_CONFIG_HOME", ".config", false, config);
}

static void find_models(void)
{
    find("XDG_DATA_HOME", ".local/share", true, data);
    if (data[0] != '\0')
        snprintf(models, sizeof(models), "%s/models", data);
    if (data[0] != '\0' && !make_all(models))
        models[0] = '\0';
}

static void find_openvino(void)
{
    static const char *const places[][2] = {
        {"VOICESTAND_OPENVINO", ""},
        {"INTEL_OPENVINO_DIR", "/runtime/lib/*"},
        {"VIRTUAL_ENV", "/lib/python3*/site-packages/openvino/libs"},
        {"HOME", "/.local/lib/python3*/site-packages/openvino/libs"},
    };

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        const char *base = getenv(places[i][0]);
        size_t used = strlen(openvino);

        if (base != NULL && base[0] != '\0' && strlen(base) < PATH_BYTES - 64)
            snprintf(openvino + used, sizeof(openvino) - used, "%s%s%s", used > 0 ? ":" : "", base,
                     places[i][1]);
    }
}

const char *folder_cache(void)
{
    pthread_once(&cache_once, find_cache);
    return cache[0] != '\0' ? cache : NULL;
}

const char *folder_state(void)
{
    pthread_once(&state_once, find_state);
    return state[0] != '\0' ? state : NULL;
}

const char *folder_models(void)
{
    pthread_once(&models_once, find_models);
    return models[0] != '\0' ? models : NULL;
}

const char *folder_config(void)
{
    pthread_once(&config_once, find_config);
    return config[0] != '\0' ? config : NULL;
}

const char *folders_openvino(void)
{
    pthread_once(&openvino_once, find_openvino);
    return openvino[0] != '\0' ? openvino : NULL;
}
