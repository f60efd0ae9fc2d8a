/* SPDX-License-Identifier: MIT */
/* The part of voicestand doctor that tells how what others made is kept from doing harm. */
#include <string.h>

#include "dictate/run.h"
#include "doctor.h"

enum { CHECK_MS = 5000 };

static const struct {
    const char *word, *name, *does, *fix;
} layers[] = {
    {"no-new-privileges", "no new rights", "a decoder gains none by starting a program",
     "needs Linux 3.5"},
    {"landlock", "Landlock", "a decoder opens no file",
     "needs Linux 5.13 with landlock in its lsm= list"},
    {"seccomp", "seccomp", "a decoder starts no program, opens no socket, looks into no process",
     "needs a kernel with seccomp filters, on x86-64 or arm64"},
};

void check_sandbox(const struct vs_env *env)
{
    char path[4200], said[256] = "";
    char *slash;
    size_t bytes = 0;
    const char *arguments[] = {path, "--check", NULL};
    struct run_job job = {.arguments = arguments,
                          .output = said,
                          .output_room = sizeof(said) - 1,
                          .ret_output_bytes = &bytes,
                          .timeout_ms = CHECK_MS};

    if (vs_module_path(env, "sndfile", path, sizeof(path) - sizeof("sound-host")) < 0)
        return; /* the file backend is missing, which is told */
    slash = strrchr(path, '/');
    strcpy(slash != NULL ? slash + 1 : path, "sound-host");
    if (run_program(&job) < 0) {
        report("Protection", "decoders", MISSING, "install it beside the sndfile module",
               "%s does not run: files that are not plain WAV cannot be read", path);
        return;
    }
    said[bytes] = '\0';
    for (size_t i = 0; i < sizeof(layers) / sizeof(layers[0]); i++)
        if (strstr(said, layers[i].word) != NULL)
            report("Protection", layers[i].name, OK, NULL, "%s", layers[i].does);
        else
            report("Protection", layers[i].name, WARN, layers[i].fix,
                   "this kernel does not give it: take audio files from people you trust");
}
