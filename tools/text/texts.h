/* SPDX-License-Identifier: MIT */
/* The texts of a run over files: its engines, and what is kept of them on the disk. */
#ifndef VS_TOOLS_TEXT_TEXTS_H
#define VS_TOOLS_TEXT_TEXTS_H

#include "text/late.h"

struct texts {
    const struct settings *settings;
    struct pool *pool; /* NULL = no engine is wanted */
    struct kept *kept; /* of the one output; NULL = files have their own, or nothing is kept */
};

/** One file of it. Zero-initialise. */
struct text_file {
    struct late *late; /* gets the pipeline's events; NULL = no engine */
    struct kept *kept;
    char *input;
};

/** @param kept_path where texts are kept, NULL = not for all files together.
    @return exit status, after a line where it is not 0 */
int texts_start(struct texts *t, const struct settings *s, const char *kept_path);
/** May an engine take no more segments: those under way are cancelled. Any thread. */
void texts_cancel(const struct texts *t);
/** @param done the output is complete */
void texts_end(struct texts *t, bool done);

/** Create the pipeline of a file, whose texts are kept at `kept_path` (NULL = where those of all
    are, if they are). `tell` gets its events in order, on any thread, but no AUDIO or PROBABILITY.
    @return as vs_pipeline_create() */
int text_file_create(const struct texts *t, struct text_file *f, const char *name,
                     const char *kept_path, struct sentences *words,
                     struct vs_pipeline_config *config, vs_event_fn *tell, vs_pipeline **ret);
/** The pipeline has run: wait until all is told. @return 0 or -errno */
int text_file_wait(const struct text_file *f);
/** @param done its own output is complete, or never will be */
void text_file_end(struct text_file *f, bool done);

#endif
