/* SPDX-License-Identifier: MIT */
/* What stands behind the colon of an engine: a place and settings, "PLACE#name=value&name=value".
   Values may hold any byte as %XX. */
#ifndef VS_SRC_STT_ADDRESS_H
#define VS_SRC_STT_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>

#include <voicestand/base.h>

/** A setting that an engine knows. */
struct vs__setting {
    const char *name;
    char *value; /**< NULL: not given. Freed by vs__settings_free() */
};

/** Read an argument. Writes one sentence on failure.
    @param engine its name, for the sentence @param argument may be NULL
    @param ret_place "" if there is none; freed by the caller (vs__free)
    @return 0; -EINVAL unknown or malformed setting; -ENOMEM. `settings` are to be freed in each
    case */
int vs__settings_read(const struct vs_log *log, const char *engine, const char *argument,
                      struct vs__setting *settings, size_t count, char **ret_place);
void vs__settings_free(struct vs__setting *settings, size_t count);

/** A whole number of a setting, or `otherwise` where it is not given. Writes one sentence on failure.
    @return 0 or -EINVAL */
int vs__setting_number(const struct vs_log *log, const char *engine, const struct vs__setting *s,
                       long low, long high, long otherwise, long *ret);

/** Whether a host names this machine: localhost, 127.0.0.0/8 or ::1, with or without brackets. */
bool vs__host_is_local(const char *host);

#endif
