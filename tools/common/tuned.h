/* SPDX-License-Identifier: MIT */
/* What `voicestand tune` found best on this machine, and what --place and --latency-ms are where they
   are not given. */
#ifndef VS_TOOLS_COMMON_TUNED_H
#define VS_TOOLS_COMMON_TUNED_H

#include <stddef.h>
#include <stdint.h>

/** One way to run, and how it went. */
struct tuned_row {
    char place[16];
    uint32_t period_ms;
    double wake_p50_us, wake_p99_us; /* from the clock's tick to the worker's hands */
    double known_p99_us;             /* from a hop's last frame to its decision */
    double cpu_percent;              /* of a core, worker and capture */
    double wakeups_per_s;
};

enum { TUNED_ROWS = 16 };

struct tuned {
    char place[16];
    uint32_t period_ms;
    uint32_t text_threads; /* that text engines should use */
    struct tuned_row rows[TUNED_ROWS];
    size_t count;
};

/** Remember. @return 0 or -errno */
int tuned_write(const struct tuned *t);
/** @return 0; -ENOENT: this version did not tune here; or -errno */
int tuned_read(struct tuned *ret);

#endif
