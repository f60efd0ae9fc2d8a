/* SPDX-License-Identifier: MIT */
/* Texts on the disk while a run is under way, so that one that was killed need not hear again: one line
   of JSON for each segment, beside the output, removed once that is complete. */
#ifndef VS_TOOLS_TEXT_KEPT_H
#define VS_TOOLS_TEXT_KEPT_H

#include "common/common.h"

struct kept;

/** The part of an input that is heard, as it is now, in a word to be freed; NULL where it is no
    regular file. */
char *kept_input(const char *path, double start_s, double length_s);
/** Begin, or go on with what an earlier run with the same settings left if `resume`. One that was
    made with other settings is begun anew. @return 0 or -errno */
int kept_open(const char *path, const struct settings *s, bool resume, struct kept **ret);
/** Texts that an earlier run left. */
size_t kept_count(const struct kept *k);
/** The text of [start, end) of `input` from an earlier run; lives until kept_close(). Any thread.
    @return whether there is one */
bool kept_find(const struct kept *k, const char *input, uint64_t start_frame, uint64_t end_frame,
               struct vs_stt_result *ret);
/** Keep one. Any thread. @return 0 or -errno */
int kept_add(struct kept *k, const char *input, uint64_t start_frame, uint64_t end_frame,
             const struct vs_stt_result *text);
/** @param done the output is complete: remove the file. NULL is fine. */
void kept_close(struct kept *k, bool done);

#endif
