/* SPDX-License-Identifier: MIT */
/* Connects to a PipeWire server and reads its registry. */
#include "capture/pipewire_server.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <pipewire/extensions/metadata.h>
#include <spa/utils/json.h>

#include "base/base.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;

/* libpipewire warns on standard error. What matters of that is said by us, so it is silenced
   unless somebody asked it for more than warnings. */
static void prepare_library(void)
{
    pw_init(NULL, NULL);
    if (pw_log_level <= SPA_LOG_LEVEL_WARN)
        pw_log_set_level(SPA_LOG_LEVEL_NONE);
}

/* the connection ----------------------------------------------------------------------------- */

static void on_info(void *data, const struct pw_core_info *info)
{
    struct vs__pw_server *s = data;
    const char *rate = info->props ? spa_dict_lookup(info->props, "default.clock.rate") : NULL;
    if (rate)
        s->rate_hz = (uint32_t)strtoul(rate, NULL, 10);
}

static void on_done(void *data, uint32_t id, int seq)
{
    struct vs__pw_server *s = data;
    if (id != PW_ID_CORE || seq != s->pending)
        return;
    s->is_done = true;
    pw_thread_loop_signal(s->loop, false);
}

/* A server that dies before it has read what we said resets the connection. */
static bool is_lost(int status)
{
    return status == -EPIPE || status == -ECONNRESET;
}

static void on_error(void *data, uint32_t id, int seq, int status, const char *message)
{
    struct vs__pw_server *s = data;
    if (id != PW_ID_CORE || !is_lost(status) || s->is_broken)
        return;
    s->is_broken = true;
    pw_thread_loop_signal(s->loop, false);
    if (s->on_broken)
        s->on_broken(s->user);
}

static const struct pw_core_events core_events = {
    PW_VERSION_CORE_EVENTS,
    .info = on_info,
    .done = on_done,
    .error = on_error,
};

static bool is_microphone(const char *class)
{
    return strncmp(class, "Audio/Source", 12) == 0 || strcmp(class, "Audio/Duplex") == 0;
}

static void on_arrival(void *data, uint32_t id, uint32_t permissions, const char *type,
                       uint32_t version, const struct spa_dict *props)
{
    struct vs__pw_server *s = data;
    const char *class = props ? spa_dict_lookup(props, PW_KEY_MEDIA_CLASS) : NULL;
    const char *name = props ? spa_dict_lookup(props, PW_KEY_METADATA_NAME) : NULL;
    if (strcmp(type, PW_TYPE_INTERFACE_Node) == 0 && class && is_microphone(class))
        s->on_microphone(s->user);
    else if (strcmp(type, PW_TYPE_INTERFACE_Metadata) == 0 && name && strcmp(name, "default") == 0)
        s->on_manager(s->user);
}

static const struct pw_registry_events arrival_events = {
    PW_VERSION_REGISTRY_EVENTS,
    .global = on_arrival,
};

int vs__pw_start(struct vs__pw_server *s)
{
    sigset_t all, before;
    int status;
    pthread_once(&once, prepare_library);
    s->loop = pw_thread_loop_new("vs-pipewire", NULL);
    if (!s->loop)
        return -ENOMEM;
    /* signals are for the threads of the program */
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    status = pw_thread_loop_start(s->loop);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return status < 0 ? status : 0;
}

static struct pw_context *make_context(struct vs__pw_server *s)
{
    struct pw_loop *loop = pw_thread_loop_get_loop(s->loop);
    /* the configuration in which the audio thread asks for real-time priority, which takes as long
       as those who are asked let it; newer versions have only one */
    const char *name = s->listens ? "client-rt.conf" : "client.conf";
    struct pw_context *context =
        pw_context_new(loop, pw_properties_new(PW_KEY_CONFIG_NAME, name, NULL), 0);
    return context ? context : pw_context_new(loop, NULL, 0);
}

int vs__pw_connect(struct vs__pw_server *s)
{
    sigset_t all, before;
    s->is_broken = false;
    if (!s->context) {
        sigfillset(&all);
        pthread_sigmask(SIG_BLOCK, &all, &before);
        s->context = make_context(s);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
    }
    if (!s->context)
        return -ENOMEM;
    s->core = pw_context_connect(s->context, NULL, 0);
    if (!s->core)
        return errno == EACCES || errno == EPERM ? -EACCES : -EHOSTDOWN;
    memset(&s->core_hook, 0, sizeof(s->core_hook));
    pw_core_add_listener(s->core, &s->core_hook, &core_events, s);
    if (!s->listens)
        return 0;
    s->registry = pw_core_get_registry(s->core, PW_VERSION_REGISTRY, 0);
    if (!s->registry)
        return -ENOMEM;
    memset(&s->registry_hook, 0, sizeof(s->registry_hook));
    pw_registry_add_listener(s->registry, &s->registry_hook, &arrival_events, s);
    return 0;
}

void vs__pw_disconnect(struct vs__pw_server *s)
{
    if (s->registry) {
        spa_hook_remove(&s->registry_hook);
        pw_proxy_destroy((struct pw_proxy *)s->registry);
    }
    s->registry = NULL;
    if (s->core) {
        spa_hook_remove(&s->core_hook);
        pw_core_disconnect(s->core);
    }
    if (s->context)
        pw_context_destroy(s->context);
    s->core = NULL;
    s->context = NULL;
}

void vs__pw_stop(struct vs__pw_server *s)
{
    if (!s->loop)
        return;
    pw_thread_loop_stop(s->loop);
    pw_thread_loop_destroy(s->loop);
    s->loop = NULL;
}

/* the registry ------------------------------------------------------------------------------- */

struct look {
    struct vs__pw_server *server;
    struct vs__pw_catalogue *catalogue;
    struct pw_registry *registry;
    struct pw_metadata *metadata;
    struct spa_hook registry_hook, metadata_hook;
};

static int on_property(void *data, uint32_t subject, const char *key, const char *type,
                       const char *value)
{
    struct look *look = data;
    struct spa_json outer, inner;
    char word[160];
    const char *text;
    if (!key || !value || strcmp(key, "default.audio.source") != 0)
        return 0;
    spa_json_init(&outer, value, strlen(value));
    if (spa_json_enter_object(&outer, &inner) <= 0)
        return 0;
    while (spa_json_get_string(&inner, word, sizeof(word)) > 0) {
        if (strcmp(word, "name") == 0) {
            spa_json_get_string(&inner, look->catalogue->default_source,
                                sizeof(look->catalogue->default_source));
            return 0;
        }
        if (spa_json_next(&inner, &text) <= 0)
            return 0;
    }
    return 0;
}

static const struct pw_metadata_events metadata_events = {
    PW_VERSION_METADATA_EVENTS,
    .property = on_property,
};

static void copy_property(char *to, size_t bytes, const struct spa_dict *props, const char *key,
                          const char *otherwise)
{
    const char *value = spa_dict_lookup(props, key);
    snprintf(to, bytes, "%s", value ? value : otherwise);
}

static void add_node(struct vs__pw_catalogue *c, const struct spa_dict *props)
{
    const char *class = spa_dict_lookup(props, PW_KEY_MEDIA_CLASS);
    struct vs__pw_node *node;
    if (!class || !strstr(class, "Audio") || c->count == VS__PW_NODES_MAX)
        return;
    node = &c->nodes[c->count++];
    node->is_source = is_microphone(class);
    copy_property(node->name, sizeof(node->name), props, PW_KEY_NODE_NAME, "");
    copy_property(node->description, sizeof(node->description), props, PW_KEY_NODE_DESCRIPTION,
                  node->name);
    copy_property(node->serial, sizeof(node->serial), props, PW_KEY_OBJECT_SERIAL, "");
}

static void on_global(void *data, uint32_t id, uint32_t permissions, const char *type,
                      uint32_t version, const struct spa_dict *props)
{
    struct look *look = data;
    const char *name;
    if (!props)
        return;
    if (strcmp(type, PW_TYPE_INTERFACE_Node) == 0)
        add_node(look->catalogue, props);
    if (strcmp(type, PW_TYPE_INTERFACE_Metadata) != 0 || look->metadata)
        return;
    name = spa_dict_lookup(props, PW_KEY_METADATA_NAME);
    if (!name || strcmp(name, "default") != 0)
        return;
    look->metadata = pw_registry_bind(look->registry, id, type, PW_VERSION_METADATA, 0);
    if (look->metadata)
        pw_metadata_add_listener(look->metadata, &look->metadata_hook, &metadata_events, look);
}

static const struct pw_registry_events registry_events = {
    PW_VERSION_REGISTRY_EVENTS,
    .global = on_global,
};

/* All that was asked before is answered when this returns 0. */
static int sync_with(struct vs__pw_server *s, int64_t deadline_ns)
{
    struct timespec until;
    int64_t left_ns = deadline_ns - vs__mono_ns();
    s->is_done = false;
    s->pending = pw_core_sync(s->core, PW_ID_CORE, 0);
    pw_thread_loop_get_time(s->loop, &until, VS__MAX(left_ns, 1));
    while (!s->is_done && !s->is_broken) {
        if (pw_thread_loop_timed_wait_full(s->loop, &until) < 0)
            return -EHOSTDOWN;
    }
    return s->is_broken ? -EHOSTDOWN : 0;
}

int vs__pw_look(struct vs__pw_server *s, int64_t deadline_ns, struct vs__pw_catalogue *ret)
{
    struct look look = {.server = s, .catalogue = ret};
    int status;
    look.registry = pw_core_get_registry(s->core, PW_VERSION_REGISTRY, 0);
    if (!look.registry)
        return -ENOMEM;
    pw_registry_add_listener(look.registry, &look.registry_hook, &registry_events, &look);
    status = sync_with(s, deadline_ns); /* the objects */
    if (status == 0)
        status = sync_with(s, deadline_ns); /* the metadata that was bound on the way */
    spa_hook_remove(&look.registry_hook);
    if (look.metadata) {
        spa_hook_remove(&look.metadata_hook);
        pw_proxy_destroy((struct pw_proxy *)look.metadata);
    }
    pw_proxy_destroy((struct pw_proxy *)look.registry);
    return status;
}
