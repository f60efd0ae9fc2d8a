/* SPDX-License-Identifier: MIT */
#include "place/files.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int vs__read_line(const char *root, char *ret, size_t bytes, const char *format, ...)
{
    char path[4096];
    va_list list;
    int rc = 0;

    int n = snprintf(path, sizeof(path), "%s/", root);
    if (n < 0 || (size_t)n >= sizeof(path))
        return -ENAMETOOLONG;
    va_start(list, format);
    int m = vsnprintf(path + n, sizeof(path) - (size_t)n, format, list);
    va_end(list);
    if (m < 0 || (size_t)(n + m) >= sizeof(path))
        return -ENAMETOOLONG;
    FILE *file = fopen(path, "re");
    if (!file)
        return -errno;
    errno = 0;
    if (fgets(ret, (int)bytes, file))
        ret[strcspn(ret, "\n")] = 0;
    else
        rc = errno ? -errno : -ENODATA;
    fclose(file);
    return rc;
}
