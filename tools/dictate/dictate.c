/* SPDX-License-Identifier: MIT */
/* voicestand dictate: the service, and the words that ask it. */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <jansson.h>

#include "common/common.h"
#include "common/folders.h"
#include "common/manager.h"
#include "dictate/bus.h"
#include "dictate/control.h"
#include "dictate/deliver.h"
#include "dictate/follow.h"
#include "dictate/hear.h"
#include "dictate/insert.h"
#include "dictate/journal.h"
#include "dictate/notice.h"
#include "dictate/push.h"
#include "dictate/run.h"
#include "dictate/session.h"

enum { PATH_BYTES = 4200, TARGET_MS = 1500 };
#define LATE_NS INT64_C(2000000000)

static struct dictate {
    const struct settings *settings;
    struct sentences words;
    pthread_mutex_t lock; /* of the pointer below, against signals */
    struct control *control;
    struct notice *notice;
    struct deliver *deliver;
    struct session *session;
    struct push *push;       /* NULL = no key */
    struct bus *_Atomic bus; /* NULL = none */
    atomic_int stop;         /* number of the signal that asked for the end */
    bool quit;
    bool aim; /* look for the window that is meant */
} dictate = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* the service ----------------------------------------------------------------------------------- */

static void on_signal(void *user, int signal, int count)
{
    (void)user;
    atomic_store(&dictate.stop, signal);
    if (count > 2)
        _exit(128 + signal);
    if (count > 1)
        hear_give_up();
    pthread_mutex_lock(&dictate.lock);
    if (dictate.control != NULL)
        control_wake(dictate.control);
    pthread_mutex_unlock(&dictate.lock);
}

static void tell_all(void *user, const char *line)
{
    (void)user;
    control_tell(dictate.control, CONTROL_ALL, line);
    bus_tell(atomic_load(&dictate.bus), NULL, line);
}

/* 'systemctl --user status' shows whether the microphone is open. */
static void tell_status(const char *state, const char *line)
{
    char status[80];

    snprintf(status, sizeof(status), "STATUS=%s, microphone %s", state,
             strstr(line, "\"mic\":\"open\"") != NULL ? "open" : "not open");
    manager_tell(status);
}

static void tell_state(void *user, const char *state, const char *line)
{
    (void)user;
    bus_tell(atomic_load(&dictate.bus), state, line);
    tell_status(state, line);
}

static void tell_ready(void)
{
    const char *state;
    char *line = session_line(dictate.session, &state);

    manager_tell("READY=1");
    if (line != NULL)
        tell_status(state, line);
    free(line);
}

/* The bus is a second way to ask; without one the socket is enough. */
static void open_bus(const struct settings *s, const char *path)
{
    struct vs_env env;
    struct bus *bus = NULL;

    sentences_env(&dictate.words, s, &env);
    int status = bus_open(&env, path, &bus);
    const char *state;
    char *line = session_line(dictate.session, &state);
    if (status == -EEXIST)
        say("dictate: another service has the name org.voicestand.Dictation on the bus");
    else if (status < 0 && s->verbose)
        say("dictate: it does not answer on D-Bus: %s", strerror(-status));
    if (status == 0 && line != NULL)
        bus_tell(bus, state, line);
    free(line);
    atomic_store(&dictate.bus, bus);
}

static void answer_status(FILE *to, int status)
{
    char *line = session_line(dictate.session, NULL);

    if (status < 0)
        fprintf(to, "{\"event\":\"error\",\"why\":\"%s\"}\n", vs_strerror(status));
    else if (line != NULL)
        fprintf(to, "%s\n", line);
    free(line);
}

static void undo(FILE *to)
{
    int status = deliver_undo(dictate.deliver);
    const char *why = status == -ENOENT    ? "nothing was typed that could be taken back"
                      : status == -EXDEV   ? "another window has the focus now"
                      : status == -ENOTSUP ? "this way of typing cannot take text back"
                      : status < 0         ? "the program that types failed"
                                           : NULL;

    if (why != NULL)
        fprintf(to, "{\"event\":\"error\",\"why\":\"%s\"}\n", why);
    else
        fprintf(to, "{\"event\":\"undone\"}\n");
}

static const struct {
    const char *verb;
    enum session_ask ask;
} asks[] = {
    {"start", ASK_START}, {"stop", ASK_STOP}, {"toggle", ASK_TOGGLE}, {"cancel", ASK_CANCEL}};

/* A word may be followed by when it was said: "start at NS". What lies in the future, or long past, is
   taken as now. */
static bool is_verb(const char *asked, const char *verb, int64_t *ret_ns)
{
    size_t length = strlen(verb);
    int64_t now = now_ns(), ns;

    if (strncmp(asked, verb, length) != 0)
        return false;
    ns = strncmp(asked + length, " at ", 4) == 0 ? strtoll(asked + length + 4, NULL, 10) : 0;
    *ret_ns = ns > now - LATE_NS && ns < now ? ns : now;
    return asked[length] == '\0' || asked[length] == ' ';
}

static enum control_level on_ask(void *user, const char *verb, FILE *to)
{
    int64_t ns;

    (void)user;
    for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++)
        if (is_verb(verb, asks[i].verb, &ns)) {
            answer_status(to, session_ask(dictate.session, asks[i].ask, ns));
            dictate.aim = asks[i].ask == ASK_START;
            return CONTROL_NONE;
        }
    if (strcmp(verb, "undo") == 0) {
        undo(to);
        return CONTROL_NONE;
    }
    dictate.quit = dictate.quit || strcmp(verb, "quit") == 0;
    answer_status(to, 0);
    return strcmp(verb, "follow") == 0       ? CONTROL_STATE
           : strcmp(verb, "follow all") == 0 ? CONTROL_ALL
                                             : CONTROL_NONE;
}

/* The window that has the focus while the key goes down, asked of a program of its own. */
static void find_target(void)
{
    static const char *const arguments[] = {"/proc/self/exe", "type", "-q", "--show-target", NULL};
    char target[64];
    size_t bytes = 0;
    struct run_job job = {.arguments = arguments,
                          .output = target,
                          .output_room = sizeof(target) - 1,
                          .ret_output_bytes = &bytes,
                          .timeout_ms = TARGET_MS};

    dictate.aim = false;
    if (run_program(&job) < 0)
        return;
    target[bytes] = '\0';
    target[strcspn(target, "\n")] = '\0';
    session_target(dictate.session, target);
}

/* While a key is held nothing is typed: with Ctrl or Alt it would be something else, and a server of X
   gives whoever listens to a key all others too until it is up. */
static void take_keys(const struct settings *s)
{
    bool down;
    int64_t ns;

    while (push_take(dictate.push, &down, &ns)) {
        int status = 0;
        if (s->key_toggles && down)
            status = session_ask(dictate.session, ASK_TOGGLE, ns);
        else if (!s->key_toggles)
            status = session_ask(dictate.session, down ? ASK_START : ASK_STOP, ns);
        if (!s->key_toggles)
            deliver_hold(dictate.deliver, down);
        if (status < 0)
            notice_show(dictate.notice, "The microphone cannot be opened", vs_strerror(status),
                        true);
        dictate.aim = down && !s->key_toggles;
        if (dictate.aim)
            find_target();
    }
}

static void serve(const struct settings *s)
{
    int watchdog_ms = manager_watchdog_ms();
    int64_t end_ns = s->seconds > 0 ? now_ns() + (int64_t)s->seconds * 1000000000 : INT64_MAX;

    while (atomic_load(&dictate.stop) == 0 && !dictate.quit && !session_over(dictate.session) &&
           now_ns() < end_ns) {
        int wait_ms = session_tick(dictate.session); /* takes the lock that all else takes */
        int64_t left_ms = (end_ns - now_ns()) / 1000000 + 1;

        if (end_ns != INT64_MAX && (wait_ms < 0 || wait_ms > left_ms))
            wait_ms = (int)left_ms;
        if (watchdog_ms > 0) {
            manager_tell("WATCHDOG=1");
            if (wait_ms < 0 || wait_ms > watchdog_ms)
                wait_ms = watchdog_ms;
        }
        control_serve(dictate.control, wait_ms, on_ask, NULL);
        if (dictate.aim)
            find_target();
        take_keys(s);
    }
}

/* @return the user's replacements, if there are any; lives on */
static const char *find_phrases(const struct settings *s)
{
    static char path[PATH_BYTES];
    const char *config = folder_config();

    if (s->phrases != NULL)
        return s->phrases;
    if (config == NULL || snprintf(path, sizeof(path), "%s/phrases.txt", config) >= PATH_BYTES)
        return NULL;
    return access(path, F_OK) == 0 ? path : NULL;
}

static int open_parts(const struct settings *s, const char *path)
{
    struct deliver_config deliver = {
        .settings = s, .state_dir = folder_state(), .phrases = find_phrases(s), .tell = tell_all};
    char folder[PATH_BYTES];

    snprintf(folder, sizeof(folder), "%.*s",
             strrchr(path, '/') != NULL ? (int)(strrchr(path, '/') - path) : 0, path);
    int status = notice_open(!s->no_notify, s->cues != 0, folder[0] != '\0' ? folder : NULL,
                             &dictate.notice);
    if (status < 0)
        return EXIT_STATUS_INTERNAL;
    deliver.notice = dictate.notice;
    status = deliver_open(&deliver, &dictate.deliver);
    if (status != 0)
        return status;
    struct vs_env env;
    sentences_env(&dictate.words, s, &env);
    struct session_config session = {.settings = s,
                                     .words = &dictate.words,
                                     .state_dir = deliver.state_dir,
                                     .control = dictate.control,
                                     .notice = dictate.notice,
                                     .deliver = dictate.deliver,
                                     .changed = tell_state};
    status = push_open(s, &env, dictate.control, dictate.notice, &dictate.push);
    return status != 0 ? status : session_open(&session, &dictate.session);
}

static int say_path(const char *path, int status)
{
    if (status == -EADDRINUSE)
        say("dictate: it runs already, at %s; 'voicestand dictate quit' ends it", path);
    else if (status == -ENOENT && path[0] == '\0')
        say("dictate: XDG_RUNTIME_DIR is not set: log in at a desktop, or give --socket");
    else
        say("dictate: %s cannot be listened at: %s", path, strerror(-status));
    return status == -EADDRINUSE ? EXIT_STATUS_SOME : EXIT_STATUS_OUTPUT;
}

static void say_ready(const struct settings *s, const char *path)
{
    if (s->quiet)
        return;
    const char *mic = s->mic == 0 ? "open" : "open from the key on", *way = push_way(dictate.push);
    if (way != NULL)
        say("dictation is ready; the microphone is %s; %s %s and speak (the key comes by %s)", mic,
            s->key_toggles ? "press" : "hold", s->key, way);
    else
        say("dictation is ready; the microphone is %s; 'voicestand dictate start' and 'stop' are "
            "the key, or --key names one",
            mic);
    if (s->verbose)
        say("it answers at %s", path);
}

static int run_service(const struct settings *s)
{
    char path[PATH_BYTES] = "";
    int status;

    signals_block();
    status = config_check(s);
    if (status != 0)
        return status;
    const char *bad;
    if (s->insert != NULL && strcmp(s->insert, "none") != 0 && insert_check(s->insert, &bad) > 0)
        return say_usage("--insert: '%s' is unknown; choose from wayland, wtype, x11, xdotool, "
                         "portal, ydotool, paste, "
                         "clipboard, none",
                         bad);
    sentences_init(&dictate.words, s, s->capture);
    status = control_path(s->socket, path, sizeof(path));
    if (status == 0)
        status = control_open(path, &dictate.control);
    if (status < 0)
        return say_path(path, status);
    status = open_parts(s, path);
    if (status == 0 && signals_start(on_signal, NULL) < 0)
        status = EXIT_STATUS_INTERNAL;
    if (status == 0) {
        open_bus(s, path);
        tell_ready();
        say_ready(s, path);
        serve(s);
        manager_tell("STOPPING=1");
    }
    push_close(dictate.push);
    deliver_hold(dictate.deliver, false);
    session_close(dictate.session, false);
    control_stop(dictate.control); /* the bus may be asking */
    bus_close(atomic_exchange(&dictate.bus, NULL));
    deliver_close(dictate.deliver);
    notice_close(dictate.notice);
    pthread_mutex_lock(&dictate.lock);
    control_close(dictate.control);
    dictate.control = NULL;
    pthread_mutex_unlock(&dictate.lock);
    return status;
}

/* who asks it ------------------------------------------------------------------------------------ */

static bool print_line(void *user, char *text)
{
    int *status = user;

    if (strncmp(text, "{\"event\":\"error\"", 16) == 0)
        *status = EXIT_STATUS_SOME;
    return printf("%s\n", text) > 0 && fflush(stdout) == 0;
}

static int say_nobody(const char *path, int status)
{
    if (status == -ENOENT || status == -ECONNREFUSED)
        say("dictate: no service answers at %s; start it with 'voicestand dictate', or "
            "systemctl --user start voicestand-dictate",
            path);
    else
        say("dictate: the service at %s cannot be asked: %s", path, strerror(-status));
    return status_of(status);
}

static int print_last(void)
{
    const char *folder = folder_state();
    char *text = NULL;
    int status = folder != NULL ? journal_last(folder, &text) : -ENOENT;

    if (status < 0) {
        say("dictate: the journal holds no text yet");
        return EXIT_STATUS_NO_INPUT;
    }
    json_t *o = json_loads(text, JSON_DECODE_ANY, NULL);
    printf("%s\n", json_string_value(o) != NULL ? json_string_value(o) : text);
    json_decref(o);
    free(text);
    return EXIT_STATUS_OK;
}

static bool is_action(const char *verb)
{
    for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++)
        if (strcmp(verb, asks[i].verb) == 0)
            return true;
    return false;
}

static int run_client(const struct settings *s, const char *verb)
{
    const char *near = NULL;
    size_t best = SIZE_MAX;
    int64_t began_ns = now_ns();
    char path[PATH_BYTES] = "", words[64];
    int status, failed = 0;

    for (size_t i = 0; dictate_words[i] != NULL; i++)
        nearest_word(verb, dictate_words[i], &best, &near);
    if (near == NULL || strcmp(near, verb) != 0)
        return say_usage("dictate: '%s' is unknown; choose from start, stop, toggle, cancel, undo, "
                         "status, last, ui, quit",
                         verb);
    if (strcmp(verb, "last") == 0)
        return print_last();
    status = control_path(s->socket, path, sizeof(path));
    if (status < 0)
        return say_path(path, status);
    if (strcmp(verb, "ui") == 0)
        return run_screen(path);
    if ((s->follow || s->meter) && strcmp(verb, "status") == 0)
        return run_follow(s, path);
    int n = snprintf(words, sizeof(words), "%s", verb);
    if (is_action(verb))
        snprintf(words + n, sizeof(words) - (size_t)n, " at %lld", (long long)began_ns);
    status = control_ask(path, words, print_line, &failed);
    return status < 0 ? say_nobody(path, status) : failed;
}

int run_dictate(const struct settings *s, int count, char **arguments)
{
    dictate.settings = s;
    return count > 0 ? run_client(s, arguments[0]) : run_service(s);
}
