/* SPDX-License-Identifier: MIT */
/* JSON Lines that an interrupted run has left: which inputs are finished in them. */
#include "common/resume.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The lines of one input, one behind the other. */
struct section {
    size_t start, end; /* bytes */
    size_t job;        /* SIZE_MAX = an input that this run does not ask for */
};

struct content {
    char *data;
    size_t length;
    struct section *sections; /* complete ones */
    size_t count, capacity;
};

static void content_fini(struct content *c)
{
    free(c->data);
    free(c->sections);
}

static int content_read(const char *path, struct content *ret)
{
    FILE *file = fopen(path, "re");
    size_t capacity = 0;
    int status = 0;

    if (file == NULL)
        return errno == ENOENT ? 0 : -errno;
    for (;;) {
        if (ret->length == capacity) {
            char *grown = realloc(ret->data, capacity = 2 * capacity + 65536);

            if (grown == NULL) {
                status = -ENOMEM;
                break;
            }
            ret->data = grown;
        }
        size_t got = fread(ret->data + ret->length, 1, capacity - ret->length, file);

        if (got == 0)
            break;
        ret->length += got;
    }
    if (status == 0 && ferror(file))
        status = -EIO;
    fclose(file);
    return status;
}

static int add_section(struct content *c, size_t start, size_t end, size_t job)
{
    if (c->count == c->capacity) {
        size_t capacity = 2 * c->capacity + 64;
        struct section *grown = realloc(c->sections, capacity * sizeof(*grown));

        if (grown == NULL)
            return -ENOMEM;
        c->sections = grown;
        c->capacity = capacity;
    }
    c->sections[c->count++] = (struct section){.start = start, .end = end, .job = job};
    return 0;
}

/* The same name may be given twice: the n-th section is that of the n-th. */
static size_t take_job(struct job *jobs, size_t count, bool *taken, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (!taken[i] && strcmp(jobs[i].name, name) == 0) {
            taken[i] = true;
            return i;
        }
    return SIZE_MAX;
}

/* Where the scan stands: the input whose lines are being read. */
struct scan {
    char *file;
    size_t start;
    bool failed;
};

static int scan_line(struct content *c, struct scan *now, size_t at, size_t end, struct job *jobs,
                     size_t count, bool *taken)
{
    json_t *line = json_loadb(c->data + at, end - at, JSON_DISABLE_EOF_CHECK, NULL);
    const char *file = json_string_value(json_object_get(line, "file"));
    const char *event = json_string_value(json_object_get(line, "event"));
    int status = 0;

    if (event == NULL) {
        json_decref(line);
        return -EBADMSG;
    }
    if (file == NULL)
        file = "";
    if (now->file == NULL || strcmp(now->file, file) != 0) {
        free(now->file);
        now->file = strdup(file);
        now->start = at;
        now->failed = false;
    }
    now->failed |= strcmp(event, "error") == 0;
    if (strcmp(event, "ledger") == 0) {
        if (!now->failed)
            status = add_section(c, now->start, end, take_job(jobs, count, taken, file));
        free(now->file);
        now->file = NULL;
    }
    json_decref(line);
    return status;
}

static int content_scan(struct content *c, struct job *jobs, size_t count)
{
    bool *taken = calloc(count + 1, sizeof(*taken));
    struct scan now = {0};
    int status = taken != NULL ? 0 : -ENOMEM;

    for (size_t at = 0; at < c->length && status == 0;) {
        const char *newline = memchr(c->data + at, '\n', c->length - at);
        size_t end = newline != NULL ? (size_t)(newline - c->data) + 1 : c->length;

        /* Only the last line may be cut. */
        if (newline == NULL && c->data[at] == '{')
            break;
        status = scan_line(c, &now, at, end, jobs, count, taken);
        at = end;
    }
    free(now.file);
    free(taken);
    return status;
}

/* Replace `path` by its complete sections, in the order they have in `c`. */
static int content_write(const struct content *c, const char *path)
{
    size_t size = strlen(path) + sizeof(".partial");
    char *partial = malloc(size);
    FILE *file;
    int status = 0;

    if (partial == NULL)
        return -ENOMEM;
    snprintf(partial, size, "%s.partial", path);
    file = fopen(partial, "we");
    if (file == NULL) {
        status = -errno;
        free(partial);
        return status;
    }
    for (size_t i = 0; i < c->count && status == 0; i++) {
        const struct section *s = &c->sections[i];

        if (fwrite(c->data + s->start, 1, s->end - s->start, file) != s->end - s->start)
            status = -errno;
    }
    if (status == 0 && (fflush(file) != 0 || fsync(fileno(file)) != 0))
        status = -errno;
    if (fclose(file) != 0 && status == 0)
        status = -errno;
    if (status == 0 && rename(partial, path) != 0)
        status = -errno;
    if (status < 0)
        unlink(partial);
    free(partial);
    return status;
}

int resume_load(const char *path, struct job *jobs, size_t count)
{
    struct content c = {0};
    size_t kept = 0;
    int status = content_read(path, &c);

    if (status == 0)
        status = content_scan(&c, jobs, count);
    for (size_t i = 0; i < c.count && status == 0; i++)
        kept += c.sections[i].end - c.sections[i].start;
    if (status == 0 && kept < c.length)
        status = content_write(&c, path);
    for (size_t i = 0; i < c.count && status == 0; i++)
        if (c.sections[i].job != SIZE_MAX)
            jobs[c.sections[i].job].done = true;
    content_fini(&c);
    return status;
}

/* Inputs of earlier runs first, then by the order asked for. */
static int compare_sections(const void *a, const void *b)
{
    const struct section *x = a, *y = b;
    size_t i = x->job + 1, k = y->job + 1; /* SIZE_MAX becomes 0 */

    if (i != k)
        return i < k ? -1 : 1;
    return x->start < y->start ? -1 : x->start > y->start;
}

int resume_sort(const char *path, struct job *jobs, size_t count)
{
    struct content c = {0};
    bool sorted = true;
    size_t kept = 0;
    int status = content_read(path, &c);

    if (status == 0)
        status = content_scan(&c, jobs, count);
    for (size_t i = 0; i < c.count && status == 0; i++) {
        kept += c.sections[i].end - c.sections[i].start;
        if (i > 0 && compare_sections(&c.sections[i - 1], &c.sections[i]) > 0)
            sorted = false;
    }
    /* Lines of inputs that failed stay where they are: then there is nothing to sort by. */
    if (status == 0 && !sorted && kept == c.length) {
        qsort(c.sections, c.count, sizeof(*c.sections), compare_sections);
        status = content_write(&c, path);
    }
    content_fini(&c);
    return status;
}
