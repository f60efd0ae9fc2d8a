/* SPDX-License-Identifier: MIT */
/* Manifests: JSON Lines, one input a line. */
#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "common/common.h"
#include "common/inputs.h"

struct manifest {
    const char *name; /* for people */
    size_t line;
    struct inputs *inputs;
};

__attribute__((format(printf, 2, 3))) static int refuse(const struct manifest *m,
                                                        const char *format, ...)
{
    char sentence[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(sentence, sizeof(sentence), format, arguments);
    va_end(arguments);
    return say_usage("%s: line %zu: %s", m->name, m->line, sentence);
}

/* The first of two names that is there; the second is what others call it. */
static const json_t *get(const json_t *o, const char *name, const char *other)
{
    const json_t *value = json_object_get(o, name);

    return value != NULL ? value : json_object_get(o, other);
}

/* A number of seconds, 0 where it is missing or null. */
static int get_seconds(const struct manifest *m, const json_t *o, const char *name,
                       const char *other, double *ret)
{
    const json_t *value = get(o, name, other);
    double number = json_number_value(value);

    if (value == NULL || json_is_null(value))
        return 0;
    if (!json_is_number(value) || !(number >= 0 && number <= 1e9))
        return refuse(m, "'%s' is no number of seconds from 0 on", name);
    *ret = number;
    return 0;
}

/* What the line calls itself, or else its file and part. */
static int make_id(const struct manifest *m, const json_t *o, struct job *job)
{
    const json_t *id = json_object_get(o, "id");
    char *made = NULL;
    int length = -1;

    if (id != NULL && !json_is_string(id) && !json_is_integer(id))
        return refuse(m, "'id' is neither a string nor a whole number");
    if (json_is_string(id))
        length = asprintf(&made, "%s", json_string_value(id));
    else if (id != NULL)
        length = asprintf(&made, "%" JSON_INTEGER_FORMAT, json_integer_value(id));
    else if (job->start_s > 0 || job->length_s > 0)
        length = asprintf(&made, "%s#%.15g+%.15g", job->name, job->start_s, job->length_s);
    else
        length = asprintf(&made, "%s", job->name);
    if (length < 0)
        return EXIT_STATUS_INTERNAL;
    if (length == 0) {
        free(made);
        return refuse(m, "'id' is empty");
    }
    job->id = made;
    return 0;
}

/* Outputs are named after the id where there is one; no slash of it makes a folder. */
static int make_stem(const json_t *o, struct job *job)
{
    char stem[256];
    char *made;

    if (json_object_get(o, "id") != NULL)
        snprintf(stem, sizeof(stem), "%s", job->id);
    else
        name_stem(job->id, stem, sizeof(stem));
    for (char *c = stem; *c != '\0'; c++)
        if (*c == '/' || (c == stem && *c == '.'))
            *c = '_';
    made = strdup(stem);
    if (made == NULL)
        return EXIT_STATUS_INTERNAL;
    free(job->stem);
    job->stem = made;
    return 0;
}

static int add_object(const struct manifest *m, const json_t *o, const char *text)
{
    const char *path = json_string_value(get(o, "path", "audio_filepath"));
    struct job *job;
    int status;

    if (path == NULL || path[0] == '\0')
        return refuse(m, "it has no 'path', the name of an audio file");
    if (strcmp(path, "-") == 0)
        return refuse(m, "a manifest cannot list standard input");
    if (inputs_add(m->inputs, path, "", &job) < 0)
        return EXIT_STATUS_INTERNAL;
    status = get_seconds(m, o, "start", "offset", &job->start_s);
    if (status == 0)
        status = get_seconds(m, o, "duration", "duration", &job->length_s);
    if (status == 0)
        status = make_id(m, o, job);
    if (status == 0)
        status = make_stem(o, job);
    job->input = strdup(text);
    return status == 0 && job->input == NULL ? EXIT_STATUS_INTERNAL : status;
}

/* `text` loses the blanks around the object. */
static int add_line(const struct manifest *m, char *text, size_t length)
{
    json_error_t error;
    json_t *o;
    int status;

    while (length > 0 && strchr(" \t\r\n", text[length - 1]) != NULL)
        length--;
    text[length] = '\0';
    text += strspn(text, " \t");
    if (text[0] == '\0')
        return 0;
    o = json_loadb(text, strlen(text), JSON_REJECT_DUPLICATES, &error);
    if (o == NULL)
        return refuse(m, "it is not JSON: %s", error.text);
    status = json_is_object(o) ? add_object(m, o, text) : refuse(m, "it is no object: {…}");
    json_decref(o);
    return status;
}

static int compare_ids(const void *a, const void *b)
{
    const struct job *const *x = a, *const *y = b;

    return strcmp((*x)->id, (*y)->id);
}

/* An id is what a line of the output is found by. */
static int check_ids(const struct manifest *m)
{
    size_t count = m->inputs->count;
    const struct job **sorted = calloc(count + 1, sizeof(*sorted));
    int status = 0;

    if (sorted == NULL)
        return EXIT_STATUS_INTERNAL;
    for (size_t i = 0; i < count; i++)
        sorted[i] = &m->inputs->jobs[i];
    qsort(sorted, count, sizeof(*sorted), compare_ids);
    for (size_t i = 1; i < count && status == 0; i++)
        if (strcmp(sorted[i - 1]->id, sorted[i]->id) == 0)
            status = say_usage("%s: two lines are called '%s'; give each an 'id' of its own",
                               m->name, sorted[i]->id);
    free(sorted);
    return status;
}

int manifest_read(const char *path, struct inputs *inputs)
{
    bool is_stdin = strcmp(path, "-") == 0;
    struct manifest m = {.name = is_stdin ? "standard input" : path, .inputs = inputs};
    FILE *file = is_stdin ? stdin : fopen(path, "re");
    char *line = NULL;
    size_t room = 0;
    ssize_t got;
    int status = 0;

    if (file == NULL) {
        int error = -errno;

        say("%s: the manifest cannot be read: %s", path, strerror(-error));
        return status_of(error);
    }
    while (status == 0 && (got = getline(&line, &room, file)) >= 0) {
        m.line++;
        if (strlen(line) != (size_t)got)
            status = refuse(&m, "it is not JSON: it holds a zero byte");
        else
            status = add_line(&m, line, (size_t)got);
    }
    if (status == 0 && !feof(file)) { /* also without memory for a line */
        say("%s: the manifest cannot be read: %s", m.name, strerror(errno));
        status = EXIT_STATUS_NO_INPUT;
    }
    free(line);
    if (!is_stdin)
        fclose(file);
    if (status == 0 && inputs->count == 0) {
        say("%s: the manifest lists nothing; it needs lines like {\"path\": \"talk.wav\"}", m.name);
        status = EXIT_STATUS_NO_INPUT;
    }
    return status != 0 ? status : check_ids(&m);
}
