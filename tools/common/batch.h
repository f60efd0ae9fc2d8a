/* SPDX-License-Identifier: MIT */
/* Many files through as many pipelines at once as there are cores. */
#ifndef VS_TOOLS_COMMON_BATCH_H
#define VS_TOOLS_COMMON_BATCH_H

#include "common/common.h"
#include "common/inputs.h"
#include "common/ordered.h"

struct batch_config {
    const struct settings *settings;
    struct job *jobs;
    size_t count;
    int format;              /* enum vs_output_format */
    struct ordered *output;  /* NULL = one file for each job in settings->output_dir */
    const char *output_name; /* for errors */
    struct ordered *trace;   /* may be NULL */
};

/** Do all jobs that are not done; once in a process. No other thread may run. @return exit
    status. */
int batch_run(const struct batch_config *config);

/** Path of the output of a job in the output folder. */
void batch_path(const struct settings *s, int format, const struct job *j, char *ret, size_t size);

/** Where texts are kept, beside the one output, until that is complete. */
void batch_kept_path(const struct settings *s, char *ret, size_t size);

#endif
