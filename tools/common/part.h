/* SPDX-License-Identifier: MIT */
/* Parts of the command that are modules, so that their libraries are loaded only where they are wanted. */
#ifndef VS_TOOLS_COMMON_PART_H
#define VS_TOOLS_COMMON_PART_H

#include <stdint.h>

#include <voicestand/voicestand.h>

/** Load the module `name` and find its table `entry`, whose first member is its `abi`.
    @param flags for dlopen(), besides RTLD_NOW and RTLD_LOCAL
    @param ret_module to be given to dlclose(); NULL if nothing was loaded
    @return the table; NULL: the module is not installed, or is one of another version */
const void *part_load(const struct vs_env *env, const char *name, const char *entry, uint32_t abi,
                      int flags, void **ret_module);

#endif
