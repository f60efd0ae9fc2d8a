/* SPDX-License-Identifier: MIT */
/* A network on a device of OpenVINO, through its C API: the only file that includes its headers. */
#include "modules/openvino.h"

#include <dlfcn.h>
#include <errno.h>
#include <glob.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <openvino/c/openvino.h>

#include "modules/cache.h"

/* What is called; a library that lacks one is too old. Types of elements are not among it: their
   numbers have changed between versions. */
#define CALLS(X)                                                                                   \
    X(ov_get_openvino_version)                                                                     \
    X(ov_version_free)                                                                             \
    X(ov_get_last_err_msg)                                                                         \
    X(ov_free)                                                                                     \
    X(ov_core_create)                                                                              \
    X(ov_core_get_available_devices)                                                               \
    X(ov_available_devices_free)                                                                   \
    X(ov_core_get_property)                                                                        \
    X(ov_core_set_property)                                                                        \
    X(ov_core_read_model_from_memory_buffer)                                                       \
    X(ov_core_compile_model)                                                                       \
    X(ov_model_free)                                                                               \
    X(ov_compiled_model_inputs_size)                                                               \
    X(ov_compiled_model_outputs_size)                                                              \
    X(ov_compiled_model_input_by_index)                                                            \
    X(ov_compiled_model_output_by_index)                                                           \
    X(ov_compiled_model_get_property)                                                              \
    X(ov_compiled_model_create_infer_request)                                                      \
    X(ov_compiled_model_free)                                                                      \
    X(ov_port_get_any_name)                                                                        \
    X(ov_output_const_port_free)                                                                   \
    X(ov_infer_request_get_tensor_by_const_port)                                                   \
    X(ov_infer_request_infer)                                                                      \
    X(ov_infer_request_free)                                                                       \
    X(ov_tensor_data)                                                                              \
    X(ov_tensor_get_size)                                                                          \
    X(ov_tensor_get_byte_size)                                                                     \
    X(ov_tensor_free)

struct calls {
#define MEMBER(name) __typeof__(&name) name;
    CALLS(MEMBER)
#undef MEMBER
};

/* One for the process, made when first needed. Plug-ins stay loaded, so that the next network opens
   at once. The lock is held while it is made, and while a network is compiled. */
static struct {
    pthread_mutex_t lock;
    ov_core_t *core;
    struct calls call;
    char path[512], version[64];
} ov = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct vs__ov_network {
    ov_compiled_model_t *compiled;
    ov_infer_request_t *request;
    ov_tensor_t *tensors[2 * VS__OV_PORTS];
    size_t tensor_count, input_count, output_count;
    struct vs__ov_port inputs[VS__OV_PORTS], outputs[VS__OV_PORTS];
    char device[64];
};

/* What OpenVINO says of its last failure: the first sentence behind where in its sources it was. */
static void read_reason(char *ret, size_t size)
{
    const char *message = ov.call.ov_get_last_err_msg();
    const char *at;
    size_t length;

    message = message ? message : "";
    while (strncmp(message, "Exception from", 14) == 0 && (at = strchr(message, '\n')) != NULL)
        message = at + 1;
    length = strcspn(message, "\n");
    at = strstr(message, ". ");
    if (at && (size_t)(at - message) < length)
        length = (size_t)(at - message);
    if (length > 0)
        snprintf(ret, size, "%.*s", (int)length, message);
    else
        snprintf(ret, size, "it gives no reason");
}

/* the library ------------------------------------------------------------------------------- */

static void *try_path(const char *path)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);

    if (library)
        snprintf(ov.path, sizeof(ov.path), "%s", path);
    return library;
}

/* The newest in a folder, which may be a pattern; wheels have no name without a version. */
static void *try_folder(const char *folder, size_t length)
{
    char pattern[512];
    void *library = NULL;
    glob_t found;

    if (snprintf(pattern, sizeof(pattern), "%.*s/libopenvino_c.so*", (int)length, folder) >=
        (int)sizeof(pattern))
        return NULL;
    if (glob(pattern, 0, NULL, &found) == 0)
        for (size_t i = found.gl_pathc; i-- > 0 && !library;)
            library = try_path(found.gl_pathv[i]);
    globfree(&found);
    return library;
}

static void *find_library(const struct vs_env *env)
{
    static const char *const folders[] = {
        "/usr/lib/*-linux-gnu",
        "/usr/lib64",
        "/usr/local/lib",
        "/opt/intel/openvino*/runtime/lib/*",
        "/usr/local/lib/python3*/*-packages/openvino/libs",
        "/usr/lib/python3*/*-packages/openvino/libs",
    };
    void *library = NULL;

    for (const char *at = env->openvino ? env->openvino : ""; *at && !library;) {
        size_t length = strcspn(at, ":");

        library = try_folder(at, length);
        at += length + (at[length] == ':');
    }
    if (!library)
        library = try_path("libopenvino_c.so");
    for (size_t i = 0; i < VS__COUNT(folders) && !library; i++)
        library = try_folder(folders[i], strlen(folders[i]));
    return library;
}

/* @return the name of a call that the library lacks, or NULL */
static const char *bind(void *library)
{
    static const struct {
        const char *name;
        size_t offset;
    } members[] = {
#define PLACE(name) {#name, offsetof(struct calls, name)},
        CALLS(PLACE)
#undef PLACE
    };

    for (size_t i = 0; i < VS__COUNT(members); i++) {
        void *symbol = dlsym(library, members[i].name);

        if (!symbol)
            return members[i].name;
        /* ISO C has no cast from void * to a function; the bytes are the same on every Linux. */
        memcpy((char *)&ov.call + members[i].offset, &symbol, sizeof(symbol));
    }
    return NULL;
}

static int make_core(const struct vs_env *env)
{
    ov_version_t version = {0};
    const char *lacking;
    char reason[256];
    void *library = find_library(env);

    if (!library) {
        vs__log(
            &env->log, VS_LOG_ERROR, "vad",
            "there is no libopenvino_c here: pip install openvino, or set VOICESTAND_OPENVINO to "
            "its folder");
        return -ENOTSUP;
    }
    lacking = bind(library);
    if (lacking) {
        vs__log(&env->log, VS_LOG_ERROR, "vad", "%s is too old, it lacks %s: install OpenVINO anew",
                ov.path, lacking);
        return -ENOTSUP;
    }
    if (ov.call.ov_core_create(&ov.core) != 0) {
        ov.core = NULL;
        read_reason(reason, sizeof(reason));
        vs__log(&env->log, VS_LOG_ERROR, "vad",
                "OpenVINO in %s does not start: %s; install it anew", ov.path, reason);
        return -ENOTSUP;
    }
    if (ov.call.ov_get_openvino_version(&version) == 0) {
        snprintf(ov.version, sizeof(ov.version), "%s", version.buildNumber);
        ov.call.ov_version_free(&version);
    }
    vs__log(&env->log, VS_LOG_INFO, "vad", "OpenVINO %s from %s", ov.version, ov.path);
    return 0;
}

/* With the lock. @return 0 or -ENOTSUP */
static int need_core(const struct vs_env *env)
{
    return ov.core ? 0 : make_core(env);
}

/* devices ----------------------------------------------------------------------------------- */

/* Is `word` one of the words of a device's list under `key`? An unknown key is no. */
static bool has_word(const char *device, const char *key, const char *word)
{
    size_t length = strlen(word);
    char *all = NULL;
    bool has = false;

    if (ov.call.ov_core_get_property(ov.core, device, key, &all) != 0 || !all)
        return false;
    for (const char *at = all; (at = strstr(at, word)) && !has; at += length)
        has = (at == all || strchr(" ,:'{", at[-1])) &&
              (at[length] == '\0' || strchr(" ,:'}", at[length]));
    ov.call.ov_free(all);
    return has;
}

static bool supports(const char *device, const char *key)
{
    return has_word(device, "SUPPORTED_PROPERTIES", key);
}

static bool is_listed(const ov_available_devices_t *all, const char *name, size_t length)
{
    for (size_t i = 0; i < all->size; i++)
        if (strncmp(all->devices[i], name, length) == 0 &&
            (all->devices[i][length] == '\0' || all->devices[i][length] == '.'))
            return true;
    return false;
}

/* A single device must be in the list, of "AUTO:A,B" one must. @return 0 or -ENODEV */
static int check_device(const struct vs_env *env, const char *device)
{
    ov_available_devices_t all = {0};
    const char *at = strncmp(device, "AUTO", 4) == 0 ? device + 4 + (device[4] == ':') : device;
    char known[200] = "none";
    bool found = *at == '\0';
    size_t used = 0;

    if (ov.call.ov_core_get_available_devices(ov.core, &all) != 0)
        return 0; /* to compile will say what is wrong */
    while (*at && !found) {
        size_t length = strcspn(at, ",");

        found = is_listed(&all, at, length);
        at += length + (at[length] == ',');
    }
    for (size_t i = 0; i < all.size && used < sizeof(known); i++)
        used += (size_t)snprintf(known + used, sizeof(known) - used, "%s%s", i ? ", " : "",
                                 all.devices[i]);
    ov.call.ov_available_devices_free(&all);
    if (found)
        return 0;
    vs__log(&env->log, VS_LOG_ERROR, "vad",
            "OpenVINO has no device %s here, it has: %s; 'voicestand doctor' says which step fails",
            device, known);
    return -ENODEV;
}

int vs__ov_list(const struct vs_env *env,
                void (*visit)(void *user, const char *name, const char *description), void *user)
{
    ov_available_devices_t all = {0};
    char description[900];
    int rc, count = 0;

    pthread_mutex_lock(&ov.lock);
    rc = need_core(env);
    if (rc == 0 && ov.call.ov_core_get_available_devices(ov.core, &all) == 0) {
        for (size_t i = 0; i < all.size; i++) {
            char *full = NULL;

            (void)ov.call.ov_core_get_property(ov.core, all.devices[i], "FULL_DEVICE_NAME", &full);
            snprintf(description, sizeof(description), "%s, OpenVINO %s in %s", full ? full : "",
                     ov.version, ov.path);
            if (full)
                ov.call.ov_free(full);
            visit(user, all.devices[i], description);
        }
        count = (int)all.size;
        ov.call.ov_available_devices_free(&all);
    }
    pthread_mutex_unlock(&ov.lock);
    return rc < 0 ? rc : count;
}

/* compiling --------------------------------------------------------------------------------- */

static int say_failure(const struct vs_env *env, int status, const char *what, const char *name)
{
    char reason[400];

    read_reason(reason, sizeof(reason));
    vs__log(&env->log, VS_LOG_ERROR, "vad", "OpenVINO cannot %s %s: %s", what, name, reason);
    return status;
}

static int read_network(const struct vs_env *env, const void *bytes, size_t size, ov_model_t **ret)
{
    if (ov.call.ov_core_read_model_from_memory_buffer(ov.core, bytes, size, NULL, ret) == 0)
        return 0;
    return say_failure(env, -ENOTSUP, "use", "a network of this build");
}

/* A compiled network is loaded unseen, so the folder with them must be nobody else's. */
static bool wants_cache(const struct vs_env *env, const char *device)
{
    char why[400];

    if (!env->cache_dir || !(supports(device, "CACHE_DIR") ||
                             has_word(device, "OPTIMIZATION_CAPABILITIES", "EXPORT_IMPORT")))
        return false;
    if (vs__cache_is_own(env->cache_dir, why, sizeof(why)))
        return true;
    vs__log(&env->log, VS_LOG_WARNING, "vad", "compiled networks are not kept in %s: %s",
            env->cache_dir, why);
    return false;
}

/* What suits one block at a time, as far as the device knows it. f32 on the processor: where it
   could do bf16, a recurrent state drifts. */
static int compile(const struct vs_env *env, const char *device, const ov_model_t *model,
                   ov_compiled_model_t **ret)
{
    static const char *const wishes[][2] = {{"PERFORMANCE_HINT", "LATENCY"},
                                            {"INFERENCE_NUM_THREADS", "1"},
                                            {"INFERENCE_PRECISION_HINT", "f32"}};
    const char *args[8] = {0};
    size_t count = 0;
    bool is_cpu = strcmp(device, "CPU") == 0;

    if (supports("CPU", "INFERENCE_PRECISION_HINT")) /* also for a CPU that AUTO chooses */
        (void)ov.call.ov_core_set_property(ov.core, "CPU", "INFERENCE_PRECISION_HINT", "f32", NULL);
    for (size_t i = 0; i < VS__COUNT(wishes); i++)
        if ((i == 0 || is_cpu) && supports(device, wishes[i][0])) {
            args[count++] = wishes[i][0];
            args[count++] = wishes[i][1];
        }
    if (wants_cache(env, device)) {
        args[count++] = "CACHE_DIR";
        args[count++] = env->cache_dir;
    }
    /* It reads as many as `count` says. */
    if (ov.call.ov_core_compile_model(ov.core, model, device, count, ret, args[0], args[1], args[2],
                                      args[3], args[4], args[5], args[6], args[7]) != 0)
        return say_failure(env, -EIO, "compile the network for", device);
    return 0;
}

/* One port's name and memory. @return 0; -ENOTSUP not floats; -EIO */
static int bind_port(struct vs__ov_network *n, ov_output_const_port_t *port,
                     struct vs__ov_port *ret)
{
    ov_tensor_t *tensor = NULL;
    size_t bytes = 0;
    void *data = NULL;
    char *name = NULL;

    if (ov.call.ov_infer_request_get_tensor_by_const_port(n->request, port, &tensor) != 0)
        return -EIO;
    n->tensors[n->tensor_count++] = tensor;
    if (ov.call.ov_port_get_any_name(port, &name) == 0) {
        snprintf(ret->name, sizeof(ret->name), "%s", name);
        ov.call.ov_free(name);
    }
    if (ov.call.ov_tensor_get_size(tensor, &ret->count) != 0 ||
        ov.call.ov_tensor_get_byte_size(tensor, &bytes) != 0 ||
        ov.call.ov_tensor_data(tensor, &data) != 0)
        return -EIO;
    ret->data = data;
    return bytes == ret->count * sizeof(float) ? 0 : -ENOTSUP;
}

static int bind_ports(struct vs__ov_network *n)
{
    size_t inputs = 0, outputs = 0;
    int rc = 0;

    if (ov.call.ov_compiled_model_inputs_size(n->compiled, &inputs) != 0 ||
        ov.call.ov_compiled_model_outputs_size(n->compiled, &outputs) != 0)
        return -EIO;
    if (inputs > VS__OV_PORTS || outputs > VS__OV_PORTS)
        return -ENOTSUP;
    for (size_t i = 0; i < inputs + outputs && rc == 0; i++) {
        ov_output_const_port_t *port = NULL;

        rc = i < inputs ? ov.call.ov_compiled_model_input_by_index(n->compiled, i, &port)
                        : ov.call.ov_compiled_model_output_by_index(n->compiled, i - inputs, &port);
        if (rc != 0)
            return -EIO;
        rc = bind_port(n, port, i < inputs ? &n->inputs[i] : &n->outputs[i - inputs]);
        ov.call.ov_output_const_port_free(port);
    }
    n->input_count = inputs;
    n->output_count = outputs;
    return rc;
}

static int prepare(const struct vs_env *env, struct vs__ov_network *n, const char *device)
{
    char *where = NULL;
    int rc;

    if (ov.call.ov_compiled_model_create_infer_request(n->compiled, &n->request) != 0)
        return say_failure(env, -EIO, "make a request for", device);
    rc = bind_ports(n);
    if (rc < 0) {
        vs__log(&env->log, VS_LOG_ERROR, "vad",
                rc == -ENOTSUP ? "the network for %s has ports that are not float, or too many"
                               : "OpenVINO does not give the memory of a request for %s",
                device);
        return rc;
    }
    snprintf(n->device, sizeof(n->device), "%s", device);
    if (ov.call.ov_compiled_model_get_property(n->compiled, "EXECUTION_DEVICES", &where) == 0) {
        if (where && where[0])
            snprintf(n->device, sizeof(n->device), "%s", where);
        ov.call.ov_free(where);
    }
    return 0;
}

int vs__ov_open(const struct vs_env *env, const char *device, const void *bytes, size_t size,
                struct vs__ov_network **ret)
{
    struct vs__ov_network *n = vs__alloc(sizeof(*n));
    ov_model_t *model = NULL;
    int rc;

    if (!n)
        return -ENOMEM;
    pthread_mutex_lock(&ov.lock);
    rc = need_core(env);
    if (rc == 0)
        rc = check_device(env, device);
    if (rc == 0)
        rc = read_network(env, bytes, size, &model);
    if (rc == 0) {
        rc = compile(env, device, model, &n->compiled);
        ov.call.ov_model_free(model);
    }
    if (rc == 0)
        rc = prepare(env, n, device);
    pthread_mutex_unlock(&ov.lock);
    if (rc < 0) {
        vs__ov_close(n);
        return rc;
    }
    *ret = n;
    return 0;
}

void vs__ov_close(struct vs__ov_network *n)
{
    if (!n)
        return;
    for (size_t i = 0; i < n->tensor_count; i++)
        ov.call.ov_tensor_free(n->tensors[i]);
    if (n->request)
        ov.call.ov_infer_request_free(n->request);
    if (n->compiled)
        ov.call.ov_compiled_model_free(n->compiled);
    vs__free(n);
}

/* running ----------------------------------------------------------------------------------- */

const struct vs__ov_port *vs__ov_input(const struct vs__ov_network *n, size_t index)
{
    return index < n->input_count ? &n->inputs[index] : NULL;
}

const struct vs__ov_port *vs__ov_output(const struct vs__ov_network *n, size_t index)
{
    return index < n->output_count ? &n->outputs[index] : NULL;
}

const char *vs__ov_device(const struct vs__ov_network *n)
{
    return n->device;
}

int vs__ov_infer(struct vs__ov_network *n)
{
    return ov.call.ov_infer_request_infer(n->request) == 0 ? 0 : -EIO;
}
