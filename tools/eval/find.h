/* SPDX-License-Identifier: MIT */
/* Recordings and what is said in them: audio files of a folder, each with a text of the same name. */
#ifndef VS_TOOLS_EVAL_FIND_H
#define VS_TOOLS_EVAL_FIND_H

#include <stddef.h>

/** One recording. */
struct recording {
    char *path;
    char *text; /* what is said, or NULL: there is no NAME.txt */
};

struct recordings {
    struct recording *item; /* sorted by path */
    size_t count;
};

/** Add the audio files of `folder` and those below it, by their endings.
    @return 0; -errno of the folder; -ENOMEM; a text that cannot be read: its -errno */
int recordings_find(const char *folder, struct recordings *ret);
void recordings_free(struct recordings *r);

#endif
