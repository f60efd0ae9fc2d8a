/* SPDX-License-Identifier: MIT */
/* Libraries of others under the memory sanitizer: they were built without it, so that it never sees them write. */
#ifndef VS_TESTS_UNIT_FOREIGN_H
#define VS_TESTS_UNIT_FOREIGN_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef __clang__
#define FOREIGN                                                                                    \
    __attribute__((                                                                                \
        no_sanitize("memory"))) /* called by them: what they hand over counts as written */
#else
#define FOREIGN
#endif

#ifdef __has_feature
#if __has_feature(memory_sanitizer)
#define MEMORY_WATCHED true
#endif
#endif
#ifndef MEMORY_WATCHED
#define MEMORY_WATCHED false
#endif

/** Skip the case, in which `library` moves what the sanitizer saw nobody write: its stack is that of functions before. */
#define SKIP_WATCHED(library)                                                                      \
    do {                                                                                           \
        if (MEMORY_WATCHED) {                                                                      \
            fprintf(stderr, "# skipped: " library " was not built with the memory sanitizer\n");   \
            skip();                                                                                \
        }                                                                                          \
    } while (0)

/** For json_set_alloc_funcs(): memory that counts as written from the first. */
FOREIGN static inline void *foreign_alloc(size_t bytes)
{
    return calloc(1, bytes);
}

#endif
