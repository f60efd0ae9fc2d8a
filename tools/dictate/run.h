/* SPDX-License-Identifier: MIT */
/* Runs one program by its list of arguments, never by a shell, and never hangs on it. */
#ifndef VS_TOOLS_DICTATE_RUN_H
#define VS_TOOLS_DICTATE_RUN_H

#include <stdbool.h>
#include <stddef.h>

struct run_job {
    const char *const *arguments; /* NULL-terminated; the first is found on PATH */
    const char *input;            /* for its standard input; NULL = nothing */
    size_t input_bytes;
    char *output; /* of its standard output; NULL = it goes nowhere */
    size_t output_room;
    size_t *ret_output_bytes; /* set where `output` is */
    bool silent;    /* its standard error goes nowhere: it stays and would keep ours open */
    int timeout_ms; /* then it is killed, with what it started */
};

/** Run it to its end. What it leaves running in the background on purpose goes on, and is not waited
    for. Blocks. Any thread. @return 0 it ended with status 0; -ENOENT there is no such program;
    -EPROTO it failed; -ETIMEDOUT; -EOVERFLOW there was more output than room; or why it could not be
    started */
int run_program(const struct run_job *job);

/** Whether PATH has such a program that may be run. */
bool run_has(const char *program);

#endif
