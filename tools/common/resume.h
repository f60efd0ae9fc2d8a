/* SPDX-License-Identifier: MIT */
/* JSON Lines that an interrupted run has left: which inputs are finished in them. */
#ifndef VS_TOOLS_COMMON_RESUME_H
#define VS_TOOLS_COMMON_RESUME_H

#include "common/batch.h"

/** Read `path`, mark the jobs it holds complete as done and cut off what is not complete: an input
    is complete if its ledger is there and no error of it. A missing file is an empty one.
    @return 0; -EBADMSG not JSON Lines of events; or -errno. */
int resume_load(const char *path, struct job *jobs, size_t count);

/** Bring the complete file into the order of the jobs. @return 0 or -errno. */
int resume_sort(const char *path, struct job *jobs, size_t count);

#endif
