/* SPDX-License-Identifier: MIT */
/* The small files by which a kernel describes a machine. */
#ifndef VS_SRC_PLACE_FILES_H
#define VS_SRC_PLACE_FILES_H

#include <stddef.h>

/** First line of the file root/format, without its end. @return 0, -ENOENT, -EACCES, … */
__attribute__((format(printf, 4, 5))) int vs__read_line(const char *root, char *ret, size_t bytes,
                                                        const char *format, ...);

#endif
