/* SPDX-License-Identifier: MIT */
/* The registry of backends. */
#include "pipeline/backends.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <voicestand/dsp.h>

#include "capture/capture.h"
#include "place/place.h"
#include "stt/stt.h"
#include "vad/guard.h"
#include "vad/vad.h"

/* Where a backend comes from: built in, or the file of a module. */
struct entry {
    const char *name;
    int kind;
    const void *ops;
    const char *module;
};

static const struct entry entries[] = {
    {"null", VS__KIND_CAPTURE, &vs__capture_null, NULL},
    {"file", VS__KIND_CAPTURE, NULL, "sndfile"},
    {"pipe", VS__KIND_CAPTURE, &vs__capture_pipe, NULL},
    {"pipewire", VS__KIND_CAPTURE, NULL, "pipewire"},
    {"alsa", VS__KIND_CAPTURE, NULL, "alsa"},
    {"native", VS__KIND_VAD, &vs__vad_native, NULL},
    {"auto", VS__KIND_VAD, &vs__vad_guard, NULL},
    {"energy", VS__KIND_VAD, &vs__vad_energy, NULL},
    {"silero", VS__KIND_VAD, &vs__vad_silero, NULL},
    {"openvino", VS__KIND_VAD, NULL, "openvino"},
    {"replay", VS__KIND_VAD, &vs__vad_replay, NULL},
    {"null", VS__KIND_VAD, &vs__vad_null, NULL},
    {"null", VS__KIND_STT, &vs__stt_null, NULL},
    {"exec", VS__KIND_STT, &vs__stt_exec, NULL},
    {"pocketsphinx", VS__KIND_STT, NULL, "pocketsphinx"},
    {"sherpa", VS__KIND_STT, NULL, "sherpa"},
    {"vosk", VS__KIND_STT, NULL, "vosk"},
    {"http", VS__KIND_STT, NULL, "http"},
    {"wyoming", VS__KIND_STT, NULL, "wyoming"},
    {"sndfile", VS__KIND_WRITER, NULL, "sndfile"},
    {"hwloc", VS__KIND_TOPOLOGY, NULL, "hwloc"},
    {"rtkit", VS__KIND_REALTIME, NULL, "rtkit"},
};

static const char *const kind_names[] = {"capture", "vad", "stt", "writer", "place", "place"};

const char *vs__backend_name(int kind, size_t index)
{
    for (size_t i = 0; i < VS__COUNT(entries); i++)
        if (entries[i].kind == kind && index-- == 0)
            return entries[i].name;
    return NULL;
}

static const struct entry *find_entry(int kind, const char *name, size_t length)
{
    for (size_t i = 0; i < VS__COUNT(entries); i++)
        if (entries[i].kind == kind && strlen(entries[i].name) == length &&
            memcmp(entries[i].name, name, length) == 0)
            return &entries[i];
    return NULL;
}

/* modules ------------------------------------------------------------------------------------- */

/* Write the path of module `name` under `folder`. @return whether it is there. */
static bool find_in(char *path, size_t size, const char *folder, const char *below,
                    const char *name)
{
    int n = snprintf(path, size, "%s%s/%s.so", folder, below, name);
    return n > 0 && (size_t)n < size && access(path, R_OK) == 0;
}

/* Modules lie in the folder that the user names, else beside the library (installed:
   voicestand/, in the build tree: modules/), else where the library was to be installed. */
static bool find_module(char *path, size_t size, const char *name, const struct vs_env *env)
{
    char folder[4096];
    Dl_info info;

    if (env->module_dir)
        return find_in(path, size, env->module_dir, "", name);
    if (dladdr(__extension__(void *) vs__backend_find, &info) && info.dli_fname) {
        const char *slash = strrchr(info.dli_fname, '/');
        size_t length = slash ? (size_t)(slash - info.dli_fname) : 0;
        if (slash && length < sizeof(folder)) {
            memcpy(folder, info.dli_fname, length);
            folder[length] = 0;
            if (find_in(path, size, folder, "/voicestand", name) ||
                find_in(path, size, folder, "/modules", name))
                return true;
        }
    }
    return find_in(path, size, VS__MODULE_DIR, "", name);
}

int vs_module_path(const struct vs_env *env, const char *name, char *ret, size_t bytes)
{
    struct vs_env none = {0};
    char path[4200];

    if (strchr(name, '/') || !find_module(path, sizeof(path), name, env ? env : &none))
        return -ENOENT;
    size_t length = strlen(path) + 1;
    if (length > bytes)
        return -ENAMETOOLONG;
    memcpy(ret, path, length);
    return 0;
}

static const void *table_of(const struct vs_module *m, int kind)
{
    const void *tables[] = {m->capture, m->vad, m->stt, m->writer, m->topology, m->realtime};
    return tables[kind];
}

static int load_module(const char *name, int kind, const struct vs_env *env, void **ret_module,
                       const void **ret_ops)
{
    char path[4200];

    if (!find_module(path, sizeof(path), name, env)) {
        vs__log(&env->log, VS_LOG_ERROR, kind_names[kind],
                "%s.so is not installed: this build has no %s module", name, name);
        return -ENOTSUP;
    }
    /* Kept when it is dropped: libraries behind it hold state that they do not free. */
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!module) {
        vs__log(&env->log, VS_LOG_ERROR, kind_names[kind], "%s does not load: %s", name, dlerror());
        return -ENOTSUP;
    }
    const struct vs_module *entry = dlsym(module, VS_MODULE_ENTRY);
    const void *ops = entry && entry->abi == VS_BACKEND_ABI ? table_of(entry, kind) : NULL;
    if (!ops) {
        vs__log(&env->log, VS_LOG_ERROR, kind_names[kind],
                "%s is not a module of this version of the library", path);
        dlclose(module);
        return -ENOTSUP;
    }
    *ret_module = module;
    *ret_ops = ops;
    return 0;
}

/* finding ------------------------------------------------------------------------------------- */

static size_t state_size(int kind, const void *ops)
{
    switch (kind) {
    case VS__KIND_CAPTURE:
        return ((const struct vs_capture_ops *)ops)->state_size;
    case VS__KIND_VAD:
        return ((const struct vs_vad_ops *)ops)->state_size;
    case VS__KIND_STT:
        return ((const struct vs_stt_ops *)ops)->state_size;
    case VS__KIND_WRITER:
        return ((const struct vs_writer_ops *)ops)->state_size;
    default:
        return 0;
    }
}

static const char *name_of(int kind, const void *ops)
{
    switch (kind) {
    case VS__KIND_CAPTURE:
        return ((const struct vs_capture_ops *)ops)->name;
    case VS__KIND_VAD:
        return ((const struct vs_vad_ops *)ops)->name;
    case VS__KIND_STT:
        return ((const struct vs_stt_ops *)ops)->name;
    default:
        return ((const struct vs_writer_ops *)ops)->name;
    }
}

static void log_unknown(int kind, const char *name, size_t length, const struct vs_env *env)
{
    char known[160] = "";
    const char *each;

    for (size_t i = 0; (each = vs__backend_name(kind, i)); i++) {
        size_t used = strlen(known);
        snprintf(known + used, sizeof(known) - used, "%s%s", i ? ", " : "", each);
    }
    vs__log(&env->log, VS_LOG_ERROR, kind_names[kind], "no %s backend \"%.*s\"; there are: %s",
            kind_names[kind], (int)VS__MIN(length, 64u), name, known);
}

int vs__backend_find(struct vs__backend *b, int kind, const char *name, const void *ops,
                     const struct vs_env *env)
{
    struct vs__backend found = {.kind = kind, .ops = ops};
    const char *colon = strchr(name, ':');
    size_t length = colon ? (size_t)(colon - name) : strlen(name);
    int rc = 0;

    if (!ops) {
        const struct entry *e = find_entry(kind, name, length);
        if (!e) {
            log_unknown(kind, name, length, env);
            return -EINVAL;
        }
        found.ops = e->ops;
        if (!found.ops)
            rc = load_module(e->module, kind, env, &found.module, &found.ops);
        if (rc < 0)
            return rc;
    }
    if (*(const uint32_t *)found.ops != VS_BACKEND_ABI) {
        vs__log(&env->log, VS_LOG_ERROR, kind_names[kind],
                "the backend was built for another version of the library");
        return -EINVAL;
    }
    found.name = name_of(kind, found.ops);
    found.state = vs__alloc(state_size(kind, found.ops));
    found.argument = colon ? vs__strdup(colon + 1) : NULL;
    if (!found.state || (colon && !found.argument)) {
        vs__backend_drop(&found);
        return -ENOMEM;
    }
    *b = found;
    return 0;
}

void vs__backend_drop(struct vs__backend *b)
{
    vs__free(b->state);
    vs__free(b->argument);
    if (b->module)
        dlclose(b->module);
    *b = (struct vs__backend){0};
}

int vs__realtime_ask(const struct vs_env *env, int priority, const char **ret_way)
{
    struct vs_env quiet = {.module_dir = env->module_dir};
    struct vs__backend b = {0};

    *ret_way = "limit";
    int granted = vs__place_realtime(priority);
    if (granted == 0 && vs__backend_find(&b, VS__KIND_REALTIME, "rtkit", NULL, &quiet) == 0) {
        granted = ((const struct vs_realtime_ops *)b.ops)->ask(priority, ret_way);
        vs__backend_drop(&b);
    }
    if (granted > 0)
        return granted;
    *ret_way = "none";
    return 0;
}

/* detectors ----------------------------------------------------------------------------------- */

/* A detector that blocks, or that is not open yet (`shape` NULL), behind a guard. The guard owns its
   state from here on. */
static int guard_detector(struct vs__backend *b, unsigned cpu, const struct vs_env *env,
                          const struct vs_vad_shape *shape, struct vs_vad_shape *ret)
{
    struct vs__guard_config config = {.env = env,
                                      .cpu = cpu,
                                      .device = b->ops,
                                      .argument = b->argument,
                                      .device_state = shape ? b->state : NULL,
                                      .shape = shape,
                                      .fallback = &vs__vad_native,
                                      .block_frames = VS_HOP_FRAMES};
    void *state = vs__alloc(vs__vad_guard.state_size);

    if (!state)
        return -ENOMEM;
    if (!shape)
        vs__free(b->state);
    b->state = state;
    b->ops = &vs__vad_guard;
    return vs__guard_open(state, &config, ret);
}

/* "auto[:DEVICE]": the device's module need not be here either. */
static int open_auto(struct vs__backend *b, const char *device, unsigned cpu,
                     const struct vs_env *env, struct vs_vad_shape *ret)
{
    char name[512];
    int rc;

    if (!device)
        return vs__vad_open(b, "native", NULL, env, ret);
    if (snprintf(name, sizeof(name), "openvino:%s", device) >= (int)sizeof(name))
        return -ENAMETOOLONG;
    rc = vs__backend_find(b, VS__KIND_VAD, name, NULL, env);
    if (rc == -ENOTSUP) {
        vs__log(&env->log, VS_LOG_WARNING, "vad", "native decides instead of %s", name);
        return vs__vad_open(b, "native", NULL, env, ret);
    }
    return rc < 0 ? rc : guard_detector(b, cpu, env, NULL, ret);
}

static int check_shape(const struct vs_env *env, const char *name, const struct vs_vad_shape *shape)
{
    if (shape->block_frames >= 1 && shape->block_frames <= 4096 &&
        shape->latency_frames <= VS_RATE_HZ)
        return 0;
    vs__log(&env->log, VS_LOG_ERROR, "vad", "%s asks for blocks of %u frames: 1 to 4096 can be",
            name, shape->block_frames);
    return -EINVAL;
}

static int open_detector(struct vs__backend *b, const char *name, const struct vs_vad_ops *ops,
                         const struct vs_env *env, unsigned cpu, struct vs_vad_shape *ret)
{
    struct vs_vad_params params = {.size = sizeof(params), .env = env, .cpu = cpu};
    struct vs_vad_shape shape = {.size = sizeof(shape)};
    const struct vs_vad_ops *found;
    int rc = vs__backend_find(b, VS__KIND_VAD, name, ops, env);

    if (rc < 0)
        return rc;
    found = b->ops;
    params.argument = b->argument;
    rc = found->open(b->state, &params, &shape);
    if (rc == 0)
        rc = check_shape(env, found->name, &shape);
    if (rc == 0 && (shape.flags & VS_VAD_BLOCKS)) {
        struct vs_vad_shape own = shape;
        rc = guard_detector(b, cpu, env, &own, ret);
        if (rc == 0)
            ret->sure = own.sure;
        return rc;
    }
    if (rc == 0)
        *ret = shape;
    return rc;
}

int vs__cpu_choose(const struct vs_env *env, unsigned *ret)
{
    int rc = vs_cpu_parse(env->cpu, ret);

    if (rc < 0)
        vs__log(&env->log, VS_LOG_ERROR, "dsp", "kernels \"%s\": %s; try auto or c", env->cpu,
                rc == -EINVAL ? "no such level" : "this machine cannot run them");
    return rc;
}

int vs__vad_open(struct vs__backend *b, const char *name, const struct vs_vad_ops *ops,
                 const struct vs_env *env, struct vs_vad_shape *ret)
{
    bool is_auto;
    unsigned cpu;
    int rc = vs__cpu_choose(env, &cpu);

    if (rc < 0)
        return rc;
    name = name && *name ? name : "native";
    is_auto = !ops && strncmp(name, "auto", 4) == 0 && (name[4] == '\0' || name[4] == ':');
    rc = is_auto ? open_auto(b, name[4] ? name + 5 : NULL, cpu, env, ret)
                 : open_detector(b, name, ops, env, cpu, ret);
    if (rc < 0 && b->ops) {
        ((const struct vs_vad_ops *)b->ops)->close(b->state);
        vs__backend_drop(b);
    }
    return rc;
}

void vs__vad_hurry(struct vs__backend *b)
{
    if (b->ops == &vs__vad_guard)
        vs__guard_hurry(b->state);
}

void vs__vad_stats(const struct vs__backend *b, struct vs_device_stats *ret)
{
    const struct vs_vad_ops *ops = b->ops;

    if (ops && ops->stats)
        ops->stats(b->state, ret);
}
