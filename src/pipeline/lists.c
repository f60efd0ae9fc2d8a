/* SPDX-License-Identifier: MIT */
/* What can be opened here, and what it runs on. */
#include <errno.h>
#include <string.h>

#include "pipeline/backends.h"
#include "place/topology.h"

static void visit_nobody(void *user, const struct vs_device *device)
{
    (void)user;
    (void)device;
}

int vs_devices_list(const struct vs_env *env,
                    void (*visit)(void *user, const struct vs_device *device), void *user)
{
    /* A backend that cannot be asked is not an error of the others. */
    struct vs_env quiet = {.module_dir = env ? env->module_dir : NULL,
                           .cpu = env ? env->cpu : NULL};
    int total = 0, failure = 0, asked = 0;
    const char *name;

    for (size_t i = 0; (name = vs__backend_name(VS__KIND_CAPTURE, i)); i++) {
        struct vs__backend b = {0};
        int rc = vs__backend_find(&b, VS__KIND_CAPTURE, name, NULL, &quiet);
        if (rc == 0) {
            const struct vs_capture_ops *ops = b.ops;
            rc = ops->list ? ops->list(&quiet, visit ? visit : visit_nobody, user) : 0;
            asked += ops->list && rc >= 0;
            vs__backend_drop(&b);
        }
        if (rc > 0)
            total += rc;
        else if (rc < 0)
            failure = rc;
    }
    return asked ? total : (failure ? failure : -ENODEV);
}

int vs_backends_list(const struct vs_env *env, const char *stage,
                     void (*visit)(void *user, const char *name, int status,
                                   const char *description),
                     void *user)
{
    static const char *const stages[] = {"capture", "vad", "stt"};
    struct vs_env quiet = {.module_dir = env ? env->module_dir : NULL};
    int kind = -1;
    const char *name;
    size_t i;

    for (i = 0; i < VS__COUNT(stages); i++)
        if (stage && strcmp(stage, stages[i]) == 0)
            kind = (int)i;
    if (kind < 0)
        return -EINVAL;
    for (i = 0; (name = vs__backend_name(kind, i)); i++) {
        struct vs__backend b = {0};
        const char *description = "";
        int rc = vs__backend_find(&b, kind, name, NULL, &quiet);
        if (rc == 0 && kind == VS__KIND_CAPTURE)
            description = ((const struct vs_capture_ops *)b.ops)->description;
        else if (rc == 0 && kind == VS__KIND_VAD)
            description = ((const struct vs_vad_ops *)b.ops)->description;
        else if (rc == 0)
            description = ((const struct vs_stt_ops *)b.ops)->description;
        if (visit)
            visit(user, name, rc, description);
        vs__backend_drop(&b);
    }
    return (int)i;
}

struct trial {
    const struct vs_env *env;
    const char *way;
    int priority;
};

static void *try_realtime(void *argument)
{
    struct trial *t = argument;
    t->priority = vs__realtime_ask(t->env, t->priority, &t->way);
    return NULL;
}

int vs_realtime_try(const struct vs_env *env, int priority, const char **ret_way)
{
    struct vs_env none = {0};
    struct trial t = {env ? env : &none, "none", priority};
    struct vs__thread thread = {0};

    int rc = vs__thread_start(&thread, "vs-trial", try_realtime, &t);
    if (rc < 0)
        return rc;
    vs__thread_join(&thread);
    *ret_way = t.way;
    return t.priority;
}

int vs_topology_read(const struct vs_env *env, struct vs_topology *ret)
{
    struct vs_env quiet = {.module_dir = env ? env->module_dir : NULL};
    struct vs__backend b = {0};
    struct vs_topology *t = vs__alloc(sizeof(*t));
    int rc = -ENOTSUP;

    if (!t)
        return -ENOMEM;
    const char *root = env && env->system_root ? env->system_root : "";
    if (!*root && vs__backend_find(&b, VS__KIND_TOPOLOGY, "hwloc", NULL, &quiet) == 0) {
        rc = ((const struct vs_topology_ops *)b.ops)->read(t);
        vs__backend_drop(&b);
    }
    if (rc == 0)
        vs__topology_complete(root, t);
    else
        rc = vs__topology_read(root, t);
    if (rc == 0) {
        t->size = sizeof(*t);
        vs__write_sized(ret, t, sizeof(*t));
    }
    vs__free(t);
    return rc;
}
