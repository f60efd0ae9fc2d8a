/* SPDX-License-Identifier: MIT */
#include "common/part.h"

#include <dlfcn.h>
#include <stddef.h>

const void *part_load(const struct vs_env *env, const char *name, const char *entry, uint32_t abi,
                      int flags, void **ret_module)
{
    char path[4200];
    void *module = NULL;

    if (vs_module_path(env, name, path, sizeof(path)) == 0)
        module = dlopen(path, RTLD_NOW | RTLD_LOCAL | flags);
    const uint32_t *table = module != NULL ? dlsym(module, entry) : NULL;
    if (table != NULL && *table != abi)
        table = NULL;
    if (table == NULL && module != NULL)
        dlclose(module);
    *ret_module = table != NULL ? module : NULL;
    return table;
}
