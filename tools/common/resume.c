/* SPDX-License-Identifier: MIT */
/* JSON Lines that an interrupted run has left: which inputs are finished in them. */
#include "common/resume.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* The lines of one input, one behind the other. */
struct section {
    size_t start, end; /* bytes */
    size_t job;        /* SIZE_MAX = an input that this run does not ask for */
};

struct content {
    char *data; /* the file, mapped */
    size_t length;
    struct section *sections; /* complete ones */
    size_t count, capacity;
};

static void content_fini(struct content *c)
{
    if (c->data != NULL)
        munmap(c->data, c->length);
    free(c->sections);
}

static int content_read(const char *path, struct content *ret)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat about;
    void *data = NULL;
    int status = 0;

    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    if (fstat(fd, &about) < 0)
        status = -errno;
    else if (!S_ISREG(about.st_mode))
        status = -EBADMSG;
    else if (about.st_size > 0)
        data = mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
        status = -errno;
    else if (data != NULL)
        *ret = (struct content){.data = data, .length = (size_t)about.st_size};
    close(fd);
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

/* Jobs by name and id, and which were found. */
struct index {
    struct job **sorted; /* those alike in the order asked for */
    bool *taken;
    size_t count;
};

static const char *text_of(const char *id)
{
    return id != NULL ? id : "";
}

static int compare_names(const struct job *job, const char *name, const char *id)
{
    int order = strcmp(job->name, name);

    return order != 0 ? order : strcmp(text_of(job->id), id);
}

static int compare_jobs(const void *a, const void *b)
{
    struct job *const *x = a, *const *y = b;
    int order = compare_names(*x, (*y)->name, text_of((*y)->id));

    return order != 0 ? order : (*x > *y) - (*x < *y);
}

static void index_fini(struct index *x)
{
    free(x->sorted);
    free(x->taken);
}

static int index_init(struct index *x, struct job *jobs, size_t count)
{
    *x = (struct index){.sorted = calloc(count + 1, sizeof(struct job *)),
                        .taken = calloc(count + 1, sizeof(bool)),
                        .count = count};
    if (x->sorted == NULL || x->taken == NULL) {
        index_fini(x);
        return -ENOMEM;
    }
    for (size_t i = 0; i < count; i++)
        x->sorted[i] = &jobs[i];
    qsort(x->sorted, count, sizeof(struct job *), compare_jobs);
    return 0;
}

/* The same name may be given twice: the n-th section is that of the n-th.
   @return the job's number, or SIZE_MAX. */
static size_t take_job(struct index *x, const struct job *jobs, const char *name, const char *id)
{
    size_t low = 0, high = x->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (compare_names(x->sorted[middle], name, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < x->count && compare_names(x->sorted[low], name, id) == 0; low++)
        if (!x->taken[low]) {
            x->taken[low] = true;
            return (size_t)(x->sorted[low] - jobs);
        }
    return SIZE_MAX;
}

/* Where the scan stands: the input whose lines are being read. */
struct scan {
    struct content *content;
    const struct job *jobs;
    struct index index;
    char *file, *id;
    size_t start;
    bool failed;
};

static void scan_forget(struct scan *now)
{
    free(now->file);
    free(now->id);
    now->file = now->id = NULL;
}

/* The line from `at` is of this input. @return 0 or -ENOMEM. */
static int scan_begin(struct scan *now, size_t at, const char *file, const char *id)
{
    if (now->file != NULL && strcmp(now->file, file) == 0 && strcmp(now->id, id) == 0)
        return 0;
    scan_forget(now);
    now->file = strdup(file);
    now->id = strdup(id);
    now->start = at;
    now->failed = false;
    return now->file != NULL && now->id != NULL ? 0 : -ENOMEM;
}

static int scan_line(struct scan *now, size_t at, size_t end)
{
    struct content *c = now->content;
    json_t *line = json_loadb(c->data + at, end - at, JSON_DISABLE_EOF_CHECK, NULL);
    const char *file = json_string_value(json_object_get(line, "file"));
    const char *id = json_string_value(json_object_get(line, "id"));
    const char *event = json_string_value(json_object_get(line, "event"));
    int status = event != NULL ? scan_begin(now, at, text_of(file), text_of(id)) : -EBADMSG;

    if (status == 0)
        now->failed |= strcmp(event, "error") == 0;
    if (status == 0 && strcmp(event, "ledger") == 0) {
        if (!now->failed)
            status = add_section(c, now->start, end,
                                 take_job(&now->index, now->jobs, now->file, now->id));
        scan_forget(now);
    }
    json_decref(line);
    return status;
}

static int content_scan(struct content *c, struct job *jobs, size_t count)
{
    struct scan now = {.content = c, .jobs = jobs};
    int status = index_init(&now.index, jobs, count);

    for (size_t at = 0; at < c->length && status == 0;) {
        const char *newline = memchr(c->data + at, '\n', c->length - at);
        size_t end = newline != NULL ? (size_t)(newline - c->data) + 1 : c->length;

        /* Only the last line may be cut. */
        if (newline == NULL && c->data[at] == '{')
            break;
        status = scan_line(&now, at, end);
        at = end;
    }
    scan_forget(&now);
    index_fini(&now.index);
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

/* Cut off what is not complete. Where that lies at the end alone, as after an interruption, nothing is
   copied: a full disk has no room for it. */
static int content_trim(const struct content *c, const char *path)
{
    size_t end = 0, i = 0;

    while (i < c->count && c->sections[i].start == end)
        end = c->sections[i++].end;
    if (i < c->count)
        return content_write(c, path);
    if (end < c->length && truncate(path, (off_t)end) < 0)
        return -errno;
    return 0;
}

int resume_load(const char *path, struct job *jobs, size_t count)
{
    struct content c = {0};
    int status = content_read(path, &c);

    if (status == 0)
        status = content_scan(&c, jobs, count);
    if (status == 0)
        status = content_trim(&c, path);
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
