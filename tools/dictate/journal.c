/* SPDX-License-Identifier: MIT */
#include "dictate/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 4352 };

static int make_path(const char *folder, const char *name, char *ret)
{
    int n = snprintf(ret, PATH_BYTES, "%s/%s", folder, name);

    return n < 0 || n >= PATH_BYTES ? -ENAMETOOLONG : 0;
}

static int open_file(const char *path)
{
    int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

    return fd < 0 ? -errno : fd;
}

static void sync_folder(const char *folder)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd >= 0) {
        (void)fsync(fd);
        close(fd);
    }
}

/* What was cut off in the middle stays readable as a line of its own. */
static int end_line(int fd, off_t bytes)
{
    char last = '\n';

    if (bytes > 0 && pread(fd, &last, 1, bytes - 1) != 1)
        return -EIO;
    return last == '\n' ? 0 : journal_write(fd, "\n", 1);
}

int journal_open(const char *folder)
{
    char path[PATH_BYTES], old[PATH_BYTES];
    struct stat about = {0}; /* as in src/capture/file.c */
    int status = make_path(folder, "dictation.jsonl", path);
    int fd;

    if (status == 0)
        status = make_path(folder, "dictation.1.jsonl", old);
    if (status < 0)
        return status;
    if (stat(path, &about) == 0 && about.st_size >= JOURNAL_BYTES)
        (void)rename(path, old);
    fd = open_file(path);
    if (fd < 0)
        return fd;
    status = fstat(fd, &about) < 0 ? -errno : end_line(fd, about.st_size);
    if (status < 0) {
        close(fd);
        return status;
    }
    sync_folder(folder);
    return fd;
}

int journal_write(int fd, const char *line, size_t bytes)
{
    while (bytes > 0) {
        ssize_t n = write(fd, line, bytes);

        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0) {
            line += n;
            bytes -= (size_t)n;
        }
    }
    return fdatasync(fd) < 0 ? -errno : 0;
}

int journal_turn(const char *folder, int fd)
{
    struct stat about = {0}; /* as in src/capture/file.c */

    if (fstat(fd, &about) < 0 || about.st_size < JOURNAL_BYTES)
        return fd;
    int next = journal_open(folder);
    if (next < 0)
        return fd;
    close(fd);
    return next;
}

uint64_t journal_unfinished(const char *folder)
{
    char path[PATH_BYTES], *line = NULL, event[16];
    unsigned long long id, open = 0;
    size_t room = 0;
    FILE *file = make_path(folder, "dictation.jsonl", path) == 0 ? fopen(path, "re") : NULL;

    while (file != NULL && getline(&line, &room, file) > 0) {
        if (sscanf(line, "{\"event\":\"%15[^\"]\",\"id\":%llu", event, &id) != 2)
            continue;
        if (strcmp(event, "heard") == 0)
            open = id;
        else if (id == open && strcmp(event, "meant") != 0)
            open = 0;
    }
    if (file != NULL)
        fclose(file);
    free(line);
    return open;
}

/* The value of "text" of a line of ours: a JSON string, so it ends at a quote that is not escaped. */
static const char *find_text(const char *line, size_t *ret_bytes)
{
    const char *at = strstr(line, "\"text\":\"");

    if (at == NULL)
        return NULL;
    at += 7;
    for (const char *end = at + 1; *end != '\0'; end++) {
        if (*end == '\\' && end[1] != '\0')
            end++;
        else if (*end == '"') {
            *ret_bytes = (size_t)(end - at) + 1;
            return at;
        }
    }
    return NULL;
}

int journal_last(const char *folder, char **ret)
{
    char path[PATH_BYTES], *line = NULL, *found = NULL;
    size_t room = 0, bytes;
    int status = make_path(folder, "dictation.jsonl", path);
    FILE *file = status == 0 ? fopen(path, "re") : NULL;

    if (status == 0 && file == NULL)
        status = -errno;
    while (status == 0 && getline(&line, &room, file) > 0) {
        const char *text = find_text(line, &bytes);
        if (text == NULL)
            continue;
        free(found);
        found = strndup(text, bytes);
        status = found == NULL ? -ENOMEM : 0;
    }
    if (file != NULL)
        fclose(file);
    free(line);
    if (status == 0 && found == NULL)
        status = -ENOENT;
    if (status < 0)
        free(found);
    else
        *ret = found;
    return status;
}
