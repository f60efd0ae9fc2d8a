/* SPDX-License-Identifier: MIT */
#include "tree.h"

#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char tree_root[64];

int tree_begin(void **state)
{
    const char *folder = getenv("TMPDIR");

    snprintf(tree_root, sizeof(tree_root), "%s/voicestand-tree-XXXXXX", folder ? folder : "/tmp");
    (void)state;
    return mkdtemp(tree_root) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *s, int type, struct FTW *ftw)
{
    (void)s;
    (void)type;
    (void)ftw;
    return remove(path);
}

int tree_end(void **state)
{
    (void)state;
    return nftw(tree_root, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

void tree_put(const char *text, const char *format, ...)
{
    char path[400], fresh[410];
    va_list list;
    int n = snprintf(path, sizeof(path), "%s/", tree_root);

    va_start(list, format);
    vsnprintf(path + n, sizeof(path) - (size_t)n, format, list);
    va_end(list);
    for (char *slash = strchr(path + n, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        (void)mkdir(path, 0755);
        *slash = '/';
    }
    snprintf(fresh, sizeof(fresh), "%s.new", path);
    FILE *file = fopen(fresh, "w");
    if (!file || fprintf(file, "%s\n", text) < 0 || fclose(file) < 0 || rename(fresh, path) < 0)
        abort();
}
