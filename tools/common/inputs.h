/* SPDX-License-Identifier: MIT */
/* What is to be done, one job for each input: files that were named, those in folders, those that a
   manifest lists; and the share of them that is this run's. */
#ifndef VS_TOOLS_COMMON_INPUTS_H
#define VS_TOOLS_COMMON_INPUTS_H

#include <stdbool.h>
#include <stddef.h>

#include "common/options.h"

/** One input. Strings are the list's. */
struct job {
    char *name;  /* of the file, as it was given; "-" = standard input */
    char *stem;  /* how names of its outputs begin; may have folders in it */
    char *id;    /* what a manifest calls it; NULL without a manifest */
    char *input; /* its line of the manifest, an object of JSON; NULL without a manifest */
    double start_s, length_s; /* the part of the file that is meant; length 0 = to its end */
    double weight;            /* bytes; 1 where unknown. For the progress line */
    bool done;                /* an earlier run has finished it */
    int status;               /* exit status */
};

struct inputs {
    struct job *jobs;
    size_t count, capacity;
    size_t all; /* count before --shard */
};

/** Arguments, folders walked, and the manifest of `--manifest`; then the share of `--shard`.
    @return 0, or the exit status after one line. Either way inputs_fini() frees. */
int inputs_find(const struct settings *s, int count, char **arguments, struct inputs *ret);
void inputs_fini(struct inputs *inputs);

/** Take a job's strings over, copies of what is given; `ret_job` may be NULL. @return 0 or -ENOMEM. */
int inputs_add(struct inputs *inputs, const char *name, const char *stem, struct job **ret_job);

/** Read the lines of a manifest into jobs; "-" is standard input. @return 0, or the exit status
    after one line that names the line. */
int manifest_read(const char *path, struct inputs *inputs);

#endif
