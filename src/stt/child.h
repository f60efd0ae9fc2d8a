/* SPDX-License-Identifier: MIT */
/* A program that gets bytes on its standard input and answers on its standard output. */
#ifndef VS_SRC_STT_CHILD_H
#define VS_SRC_STT_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <voicestand/base.h>

struct vs__child_job {
    const struct vs_log *log; /**< gets the program's standard error, line by line */
    const char *command;      /**< for /bin/sh -c */
    const void *input;
    size_t input_bytes;
    char *output; /**< room for output_room bytes; what exceeds it is read and dropped */
    size_t output_room;
    int64_t timeout_ns; /**< then the program is ended */
    int cancel_fd;      /**< readable = end the program; -1 = none */
};

struct vs__child_result {
    size_t output_bytes;
    bool cut;            /**< there was more output than room */
    int exit_code;       /**< 0..255, or 128 + signal, as a shell says it */
    char last_line[256]; /**< of standard error, "" if none */
};

/** Run it to its end; blocks. Whatever it started in its process group ends with it if it is
    ended early. Needs no signal handler and raises no SIGPIPE.
    @return 0 (look at exit_code); -ECANCELED; -ETIMEDOUT; or why it could not be started. */
int vs__child_run(const struct vs__child_job *job, struct vs__child_result *ret);

/** Make one clean line of what a program printed: white space and control characters become single
    blanks, none at the ends; what is not UTF-8 becomes U+FFFD.
    @param out room for 3 * bytes + 1. @return its length. */
size_t vs__words_clean(const char *raw, size_t bytes, char *out);

/** Length of the longest start of `raw` that does not end inside a UTF-8 character. */
size_t vs__words_whole(const char *raw, size_t bytes);

#endif
