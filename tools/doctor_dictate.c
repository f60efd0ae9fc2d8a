/* SPDX-License-Identifier: MIT */
/* The part of voicestand doctor that tells what dictation can do in this session. */
#include <stdlib.h>
#include <string.h>

#include "common/folders.h"
#include "dictate/control.h"
#include "dictate/insert.h"
#include "dictate/run.h"
#include "doctor.h"
#include "keys/keys.h"

static bool note_line(void *user, char *text)
{
    const char *at = strstr(text, "\"state\":\"");

    if (at != NULL)
        snprintf(user, 32, "%.*s", (int)strcspn(at + 9, "\""), at + 9);
    return false;
}

static void check_service(void)
{
    char path[4200] = "", state[32] = "";

    if (control_path(NULL, path, sizeof(path)) < 0)
        report("Dictation", "service", WARN, "log in at a desktop, or use --socket",
               "XDG_RUNTIME_DIR is not set, so it has no place");
    else if (control_ask(path, "status", note_line, state) == 0)
        report("Dictation", "service", OK, NULL, "runs, %s", state);
    else
        report("Dictation", "service", OK, NULL, "does not run; 'voicestand dictate' starts it");
    if (folder_state() != NULL)
        report("Dictation", "journal", OK, NULL, "%s/dictation.jsonl", folder_state());
    else
        report("Dictation", "journal", MISSING, "set HOME or XDG_STATE_HOME to a folder of yours",
               "no folder for it can be made");
}

/* Without a key of ours, one of the compositor's may call the command. */
static void check_keys(const struct vs_env *env)
{
    char words[KEY_WHY], name[32];
    const char *fix;
    bool any = false;

    for (int way = 0; way < KEYS_WAYS; way++) {
        int status = keys_probe(env, (enum key_way)way, "/dev/input", words, &fix);

        snprintf(name, sizeof(name), "key by %s", key_way_name((enum key_way)way));
        any = any || status == 0;
        if (status == 0)
            report("Dictation", name, OK, NULL, "--key KEY works this way");
        else if (status < 0 && fix != NULL && !any)
            report("Dictation", name, WARN, fix, "%s", words);
        else
            report("Dictation", name, OK, NULL, "%s", words);
    }
    if (!any)
        report("Dictation", "key", WARN,
               "bind 'voicestand dictate start' to a key's press and 'stop' to its release, or "
               "'toggle' to a shortcut of your desktop's",
               "--key has no way to hear of a key here");
}

void check_dictation(const struct vs_env *env)
{
    struct insert_ask ask = {.env = env};
    const char *fix;
    char words[256];
    bool any = false;

    for (int way = 0; way < WAY_COUNT; way++) {
        char name[32];
        int status = insert_probe(&ask, (enum insert_way)way, words, sizeof(words), &fix);

        snprintf(name, sizeof(name), "by %s", insert_name((enum insert_way)way));
        any = any || (status == 0 && way != WAY_YDOTOOL && way != WAY_PORTAL);
        if (status < 0 && fix != NULL)
            report("Dictation", name, WARN, fix, "%s", words);
        else
            report("Dictation", name, OK, NULL, "%s", words);
    }
    if (!any)
        report("Dictation", "typing", WARN,
               "run it in a desktop's terminal: WAYLAND_DISPLAY or DISPLAY says where",
               "nothing can be typed here; texts are in the journal");
    check_keys(env);
    if (run_has("notify-send"))
        report("Dictation", "notifications", OK, NULL, "by notify-send");
    else
        report("Dictation", "notifications", WARN, "apt install libnotify-bin",
               "none: nothing shows when the microphone opens or a text was not typed");
    if (run_has("pw-play") || run_has("paplay") || run_has("aplay"))
        report("Dictation", "sounds", OK, NULL, "--cues plays them by %s",
               run_has("pw-play")  ? "pw-play"
               : run_has("paplay") ? "paplay"
                                   : "aplay");
    else
        report("Dictation", "sounds", WARN, "apt install pipewire-bin", "--cues has no player");
    check_service();
}
