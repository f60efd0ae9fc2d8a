/* SPDX-License-Identifier: MIT */
#include "modules/cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Root, also as it is seen from a namespace of users, where systemd puts services, and from across a network. */
static bool is_root(uid_t user)
{
    return user == 0 || user == 65534;
}

/* The folder itself is this user's alone; those above it, of this user or root, others cannot change. */
static bool check_folder(const char *path, bool is_last, char *why, size_t size)
{
    struct stat about = {0}; /* the memory sanitizer of clang 14 does not know lstat64() */

    if (lstat(path, &about) < 0) {
        snprintf(why, size, "%s: %s", path, strerror(errno));
        return false;
    }
    if (about.st_uid != geteuid() && (is_last || !is_root(about.st_uid))) {
        snprintf(why, size, "%s belongs to another user; set XDG_CACHE_HOME to a folder of yours",
                 path);
        return false;
    }
    if (is_last && (about.st_mode & (S_IRWXG | S_IRWXO))) {
        snprintf(why, size, "others are let in; chmod 700 %s", path);
        return false;
    }
    if ((about.st_mode & (S_IWGRP | S_IWOTH)) && !(about.st_mode & S_ISVTX)) {
        snprintf(why, size, "others can write in %s; chmod go-w %s", path, path);
        return false;
    }
    return true;
}

/* Of the folder and each above it, up to the root. `real` has no links in it. */
static bool check_way(const char *real, char *why, size_t size)
{
    char path[PATH_MAX];
    bool is_last = true;

    snprintf(path, sizeof(path), "%s", real);
    for (char *slash; (slash = strrchr(path, '/')) != path; is_last = false) {
        if (!check_folder(path, is_last, why, size))
            return false;
        *slash = '\0';
    }
    return check_folder(path, is_last, why, size) && check_folder("/", false, why, size);
}

static bool check_file(int folder, const char *name, char *why, size_t size)
{
    struct stat about = {0};

    if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return true;
    if (fstatat(folder, name, &about, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(about.st_mode) &&
        about.st_uid == geteuid() && !(about.st_mode & S_IWOTH))
        return true;
    snprintf(why, size, "%s in it may have been put there by others; remove it", name);
    return false;
}

/* What was put there when it was not yet so. */
static bool check_files(const char *path, char *why, size_t size)
{
    DIR *files = opendir(path);
    struct dirent *entry;
    bool are_own = files != NULL;

    if (!are_own)
        snprintf(why, size, "%s: %s", path, strerror(errno));
    while (are_own && (entry = readdir(files)) != NULL)
        are_own = check_file(dirfd(files), entry->d_name, why, size);
    if (files != NULL)
        closedir(files);
    return are_own;
}

bool vs__cache_is_own(const char *folder, char *why, size_t size)
{
    char *path = realpath(folder, NULL);
    bool is_own = false;

    if (path == NULL)
        snprintf(why, size, "%s: %s", folder, strerror(errno));
    else
        is_own = check_way(path, why, size) && check_files(path, why, size);
    free(path);
    return is_own;
}
