/* SPDX-License-Identifier: MIT */
/* What a machine tells of heat, throttling, energy and its battery. */
#ifndef VOICESTAND_POWER_H
#define VOICESTAND_POWER_H

#include <voicestand/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** One look at the sensors. Each has a status: 0; -ENOENT the machine has no such sensor; -EACCES
    it may not be read; or another -errno. A value is only meant where its status is 0. */
struct vs_power {
    size_t size;
    int temperature_status;
    float temperature_c; /**< of the processor, degrees Celsius */
    char sensor[32];     /**< the kernel's name for what was read, e.g. "x86_pkg_temp" */
    int throttle_status;
    uint64_t throttles; /**< times that the hardware slowed processors down, since it started */
    int energy_status;
    double energy_j; /**< of all packages since vs_power_create(), joules */
    int battery_status;
    int on_battery; /**< nonzero: a battery is being emptied */
};

/** The sensors of a machine; one thread at a time. */
typedef struct vs_power_meter vs_power_meter;

/** Find the sensors by their types, never by number. Blocks: it reads files.
    `env` may be NULL. @return 0, -ENOMEM; a machine without sensors is no error. */
VS_API VS_NODISCARD int vs_power_create(const struct vs_env *env, vs_power_meter **ret);

/** Look. Blocks: firmware may take milliseconds for a battery. Call it more often than the counter
    of energy wraps, which takes minutes at full load, for `energy_j` to be right; wrapping around
    once is seen. Set `ret->size` first. */
VS_API void vs_power_read(vs_power_meter *m, struct vs_power *ret);

/** Free it. NULL is fine. */
VS_API void vs_power_destroy(vs_power_meter *m);

#ifdef __cplusplus
}
#endif
#endif
