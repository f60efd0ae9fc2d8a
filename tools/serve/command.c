/* SPDX-License-Identifier: MIT */
/* voicestand serve: hears for others. Settings, socket, module and engines are put together here. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "common/common.h"
#include "common/listener.h"
#include "common/manager.h"
#include "serve/server.h"
#include "serve/speech.h"

/* Servers by name, and what each is. */
static const struct kind {
    const char *name, *module, *address, *needs;
    bool mic, hears;
} kinds[] = {{"wyoming", "wyoming-server", "127.0.0.1:10300", "libjansson-dev", false, true},
             {"mic", "wyoming-server", "127.0.0.1:10600", "libjansson-dev", true, false},
             {0}};

static struct serving {
    const struct settings *settings;
    struct speech *speech;
    int stop_fd;
} serving = {.stop_fd = -1};

static void on_signal(void *user, int signal, int count)
{
    uint64_t one = 1;

    (void)user;
    if (count > 1)
        _exit(128 + signal);
    if (serving.speech != NULL)
        speech_stop(serving.speech);
    (void)!write(serving.stop_fd, &one, sizeof(one));
}

__attribute__((format(printf, 3, 4))) static void say_for_module(void *user, int level,
                                                                 const char *format, ...)
{
    const struct settings *s = serving.settings;
    char line[600];
    va_list list;

    (void)user;
    if (level > (s->quiet ? VS_LOG_ERROR : VS_LOG_WARNING + s->verbose))
        return;
    va_start(list, format);
    vsnprintf(line, sizeof(line), format, list);
    va_end(list);
    say("%s", line);
}

static const struct kind *find_kind(const char *name)
{
    for (const struct kind *k = kinds; k->name != NULL; k++)
        if (strcmp(k->name, name) == 0)
            return k;
    return NULL;
}

static int say_listen(const char *address, int status)
{
    if (status == -EINVAL)
        return say_usage("--listen: '%s' is neither unix:PATH, PORT nor ADDRESS:PORT", address);
    if (status == -EADDRINUSE)
        say("--listen %s: somebody answers there already; choose another", address);
    else if (status == -ENAMETOOLONG)
        say("--listen %s: is no path that a socket can have; choose a shorter one", address);
    else if (status == -ENOENT && strcmp(address, "systemd") == 0)
        say("--listen systemd: systemd handed over no socket; start it by a socket unit");
    else
        say("--listen %s: cannot be opened: %s", address, strerror(-status));
    return status == -EACCES || status == -EPERM ? EXIT_STATUS_PERMISSION : EXIT_STATUS_OUTPUT;
}

static int load_module(const struct kind *kind, const struct settings *s,
                       const struct server_ops **ret)
{
    struct sentences words;
    struct vs_env env;
    char path[4200];
    void *module = NULL;

    sentences_init(&words, s, NULL);
    sentences_env(&words, s, &env);
    if (vs_module_path(&env, kind->module, path, sizeof(path)) == 0)
        module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    *ret = module != NULL ? dlsym(module, SERVER_ENTRY) : NULL;
    if (*ret != NULL && (*ret)->abi == SERVER_ABI)
        return 0;
    say("serve %s: the module %s is not installed; build it with %s", kind->name, kind->module,
        kind->needs);
    return EXIT_STATUS_MISSING;
}

/* Who can reach it is what the user asked for; he is told. */
static void say_reach(const struct settings *s, const struct listener *l)
{
    if (l->is_open)
        say("--listen %s: other machines reach it, in the clear and without a key: only for a "
            "network that "
            "you trust",
            s->listen);
}

static void say_serving(const struct kind *kind, const struct server_host *host,
                        const struct listener *l, unsigned engines)
{
    if (serving.settings->quiet)
        return;
    if (kind->mic)
        say("serving the microphone on %s to at most %u clients; Ctrl-C ends", l->name,
            host->clients);
    else
        say("serving %s on %s: %s, %u at once, at most %u clients; Ctrl-C ends", kind->name,
            l->name, host->engine != NULL ? host->engine : "no text", engines, host->clients);
}

/* What --languages says; else what the engine's own setting does. */
static void find_languages(const struct settings *s, char *ret, size_t bytes)
{
    const char *set = s->stt != NULL ? strstr(s->stt, "language=") : NULL;

    if (s->languages != NULL)
        snprintf(ret, bytes, "%s", s->languages);
    else if (set != NULL && (set[-1] == '#' || set[-1] == '&'))
        snprintf(ret, bytes, "%.*s", (int)strcspn(set + 9, "&"), set + 9);
    else
        snprintf(ret, bytes, "%s",
                 s->stt != NULL && strcmp(s->stt, "pocketsphinx") == 0 ? "en" : "");
}

static uint32_t number_or(uint32_t given, uint32_t otherwise)
{
    return given > 0 ? given : otherwise;
}

static int serve(const struct kind *kind, const struct server_ops *ops, struct listener *l)
{
    const struct settings *s = serving.settings;
    bool text = kind->hears && s->stt != NULL && strcmp(s->stt, "null") != 0;
    unsigned engines = text ? number_or(s->engines, 1) : 0;
    char engine[64], languages[200];
    struct server_host host = {
        .version = vs_version(),
        .clients = number_or(s->clients, 16),
        .idle_s = number_or(s->idle_s, 60),
        .request_s = number_or(s->request_s, 600),
        .audio_s = number_or(s->audio_s, 3600),
        .hear = speech_hear,
        .mic_open = speech_mic_open,
        .mic_close = speech_mic_close,
        .say = say_for_module,
    };
    int status = speech_open(s, engines, &serving.speech);

    if (status != 0)
        return status;
    speech_limit(serving.speech, number_or(s->wait_s, 30), host.request_s, host.audio_s);
    host.user = serving.speech;
    if (text) {
        snprintf(engine, sizeof(engine), "%.*s", (int)strcspn(s->stt, ":"), s->stt);
        host.engine = engine;
        find_languages(s, languages, sizeof(languages));
        host.languages = languages;
    }
    if (signals_start(on_signal, NULL) < 0)
        return EXIT_STATUS_INTERNAL;
    say_serving(kind, &host, l, engines);
    manager_tell("READY=1");
    status = ops->run(l->fd, l->is_local, serving.stop_fd, kind->mic, &host);
    if (status < 0)
        say("serve %s: %s", kind->name, strerror(-status));
    manager_tell("STOPPING=1");
    speech_stop(serving.speech);
    return status < 0 ? EXIT_STATUS_INTERNAL : 0;
}

int run_serve(const struct settings *settings, int count, char **arguments)
{
    static struct settings s;
    const struct kind *kind = find_kind(arguments[0]);
    const struct server_ops *ops = NULL;
    struct listener l = {.fd = -1};

    (void)count;
    signals_block();
    if (kind == NULL)
        return say_usage("serve: '%s' is neither wyoming nor mic", arguments[0]);
    s = *settings;
    serving.settings = &s;
    if (s.stt == NULL && kind->hears)
        s.stt = "pocketsphinx";
    if (s.listen == NULL)
        s.listen = kind->address;
    int status = config_check(&s);
    if (status == 0)
        status = load_module(kind, &s, &ops);
    if (status != 0)
        return status;
    if ((serving.stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
        return EXIT_STATUS_INTERNAL;
    status = listener_open(s.listen, &l);
    if (status < 0)
        return say_listen(s.listen, status);
    say_reach(&s, &l);
    status = serve(kind, ops, &l);
    listener_close(&l);
    return status;
}
