/* SPDX-License-Identifier: MIT */
/* voicestand serve: hears for others. Settings, socket, module and engines are put together here. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/common.h"
#include "common/listener.h"
#include "common/manager.h"
#include "common/part.h"
#include "serve/server.h"
#include "serve/speech.h"

enum { KEY_BYTES_MIN = 16 };

/* Servers by name, and what each is. */
static const struct kind {
    const char *name, *module, *address, *needs;
    bool mic, hears;
} kinds[] = {{"wyoming", "wyoming-server", "127.0.0.1:10300", "libjansson-dev", false, true},
             {"mic", "wyoming-server", "127.0.0.1:10600", "libjansson-dev", true, false},
             {"openai", "openai-server", "127.0.0.1:8000", "libmicrohttpd-dev and libjansson-dev",
              false, true},
             {0}};

static struct serving {
    const struct settings *settings;
    struct speech *speech;
    int stop_fd;
    char key[512];
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

/* The first line of --key-file. @return 0 or the exit status, after one line */
static int read_key(const char *path, char *key, size_t bytes)
{
    FILE *from = fopen(path, "re");
    struct stat about;

    if (from == NULL) {
        say("--key-file %s: cannot be read: %s", path, strerror(errno));
        return errno == EACCES ? EXIT_STATUS_PERMISSION : EXIT_STATUS_NO_INPUT;
    }
    bool others = fstat(fileno(from), &about) == 0 && (about.st_mode & 077) != 0;
    bool whole = fgets(key, (int)bytes, from) != NULL;
    fclose(from);
    key[whole ? strcspn(key, "\r\n") : 0] = '\0';
    for (const char *c = key; whole && *c != '\0'; c++)
        whole = *c > ' ' && *c <= '~';
    if (!whole || strlen(key) < KEY_BYTES_MIN || strlen(key) >= bytes - 1)
        return say_usage(
            "--key-file %s: its first line is the key, of %d to %zu letters, figures or "
            "signs, and no space",
            path, KEY_BYTES_MIN, bytes - 2);
    if (others)
        say("--key-file %s: others may read it; 'chmod 600' keeps the key secret", path);
    return 0;
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
    void *module;

    sentences_init(&words, s, NULL);
    sentences_env(&words, s, &env);
    *ret = part_load(&env, kind->module, SERVER_ENTRY, SERVER_ABI, 0, &module);
    if (*ret != NULL)
        return 0; /* it stays until the end */
    say("serve %s: the module %s is not installed; build it with %s", kind->name, kind->module,
        kind->needs);
    return EXIT_STATUS_MISSING;
}

/* Who can reach it, and whether that is what he asked for. */
static int check_reach(const struct kind *kind, const struct settings *s, const struct listener *l)
{
    if (s->key_file != NULL && strcmp(kind->name, "openai") != 0)
        return say_usage("--key-file: is for 'serve openai'; the Wyoming protocol has no keys");
    if (!l->is_open)
        return 0;
    if (strcmp(kind->name, "openai") == 0 && s->key_file == NULL)
        return say_usage("--listen %s: other machines reach it; give --key-file too", s->listen);
    say("--listen %s: other machines reach it, in the clear%s", s->listen,
        s->key_file != NULL ? "; put a proxy with TLS before it"
                            : " and without a key: only for a network that you trust");
    return 0;
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
        .key = s->key_file != NULL ? serving.key : NULL,
        .own_names = !l->is_local && !l->is_open,
        .clients = number_or(s->clients, 16),
        .idle_s = number_or(s->idle_s, 60),
        .request_s = number_or(s->request_s, 600),
        .audio_s = number_or(s->audio_s, 3600),
        .upload_bytes = (size_t)number_or(s->upload_mb, 25) << 20,
        .hear = speech_hear,
        .captions = speech_captions,
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
        return say_usage("serve: '%s' is none of wyoming, mic, openai", arguments[0]);
    s = *settings;
    serving.settings = &s;
    if (s.stt == NULL && kind->hears)
        s.stt = "pocketsphinx";
    if (s.listen == NULL)
        s.listen = kind->address;
    int status = config_check(&s);
    if (status == 0 && s.key_file != NULL)
        status = read_key(s.key_file, serving.key, sizeof(serving.key));
    if (status == 0 && strcmp(kind->name, "openai") == 0 && strcmp(s.stt, "null") == 0)
        status = say_usage("serve openai: --stt null says nothing; choose an engine");
    if (status == 0)
        status = load_module(kind, &s, &ops);
    if (status != 0)
        return status;
    if ((serving.stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) < 0)
        return EXIT_STATUS_INTERNAL;
    status = listener_open(s.listen, &l);
    status = status < 0 ? say_listen(s.listen, status) : check_reach(kind, &s, &l);
    if (status == 0)
        status = serve(kind, ops, &l);
    listener_close(&l);
    return status;
}
