/* SPDX-License-Identifier: MIT */
/* Texts on the disk while a run is under way. Lines are appended, each by one write, so that only
   the last can be cut. */
#include "text/kept.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct line {
    const char *input; /* of `json` */
    uint64_t start_frame, end_frame;
    json_t *json;
    struct vs_word *words;
    size_t word_count;
};

struct kept {
    char *path;
    int fd;
    struct line *lines; /* sorted */
    size_t count, capacity;
};

char *kept_input(const char *path, double start_s, double length_s)
{
    struct stat about;
    char *ret = NULL;

    if (stat(path, &about) != 0 || !S_ISREG(about.st_mode))
        return NULL;
    if (asprintf(&ret, "%s %lld %lld.%09ld %.9g %.9g", path, (long long)about.st_size,
                 (long long)about.st_mtim.tv_sec, about.st_mtim.tv_nsec, start_s, length_s) < 0)
        return NULL;
    return ret;
}

/* All that decides what the engine hears and says. JSON cannot hold a path that is no UTF-8: then
   nothing is kept from run to run. */
static json_t *describe(const struct settings *s)
{
    return json_pack("{s:s,s:s,s:i,s:i,s:f,s:s}", "voicestand", vs_version(), "stt", s->stt,
                     "stt_audio", s->stt_audio, "channel", (int)s->channel, "high_pass_hz",
                     (double)s->high_pass_hz, "cpu", s->cpu != NULL ? s->cpu : "");
}

static int write_line(int fd, const json_t *json)
{
    char *text = json != NULL ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(17)) : NULL;
    size_t bytes = text != NULL ? strlen(text) : 0;
    int status = 0;

    if (text == NULL)
        return -EILSEQ;
    text[bytes++] = '\n'; /* in the place of the end */
    for (size_t at = 0; at < bytes && status == 0;) {
        ssize_t n = write(fd, text + at, bytes - at);

        if (n < 0 && errno != EINTR)
            status = -errno;
        at += n > 0 ? (size_t)n : 0;
    }
    free(text);
    return status;
}

static int compare_lines(const void *a, const void *b)
{
    const struct line *x = a, *y = b;
    int order = strcmp(x->input, y->input);

    if (order != 0)
        return order;
    if (x->start_frame != y->start_frame)
        return x->start_frame < y->start_frame ? -1 : 1;
    return x->end_frame < y->end_frame ? -1 : x->end_frame > y->end_frame;
}

static bool take_words(struct line *line)
{
    json_t *words = json_object_get(line->json, "words"), *word;
    size_t i;

    if (!json_is_array(words))
        return true;
    line->words = calloc(json_array_size(words) + 1, sizeof(*line->words));
    if (line->words == NULL)
        return false;
    json_array_foreach(words, i, word)
    {
        const char *text = json_string_value(json_array_get(word, 0));

        if (text == NULL)
            return false;
        line->words[i] = (struct vs_word){text, json_number_value(json_array_get(word, 1)),
                                          json_number_value(json_array_get(word, 2))};
    }
    line->word_count = i;
    return true;
}

/* Takes `json`. What is no text of a segment is passed over: it is heard again. */
static int take_line(struct kept *k, json_t *json)
{
    struct line line = {.input = json_string_value(json_object_get(json, "input")),
                        .start_frame = (uint64_t)json_integer_value(json_object_get(json, "start")),
                        .end_frame = (uint64_t)json_integer_value(json_object_get(json, "end")),
                        .json = json};

    if (line.input == NULL || !json_is_string(json_object_get(json, "text")) ||
        !take_words(&line)) {
        free(line.words);
        json_decref(json);
        return 0;
    }
    if (k->count == k->capacity) {
        size_t capacity = 2 * k->capacity + 64;
        struct line *grown = realloc(k->lines, capacity * sizeof(*grown));

        if (grown == NULL) {
            free(line.words);
            json_decref(json);
            return -ENOMEM;
        }
        k->lines = grown;
        k->capacity = capacity;
    }
    k->lines[k->count++] = line;
    return 0;
}

/* @return bytes that are complete lines of these settings; 0: begin anew; or -errno */
static off_t read_all(struct kept *k, json_t *about)
{
    FILE *file = fopen(k->path, "re");
    char *text = NULL;
    size_t room = 0;
    ssize_t n;
    off_t good = 0;
    int status = 0;

    if (file == NULL)
        return errno == ENOENT ? 0 : -errno;
    while (status == 0 && (n = getline(&text, &room, file)) > 0 && text[n - 1] == '\n') {
        json_t *json = json_loadb(text, (size_t)n, 0, NULL);
        bool fits = good > 0 || json_equal(json, about);

        if (good > 0 && json != NULL)
            status = take_line(k, json);
        else
            json_decref(json);
        if (!fits)
            break;
        good += n;
    }
    free(text);
    fclose(file);
    return status < 0 ? status : good;
}

int kept_open(const char *path, const struct settings *s, bool resume, struct kept **ret)
{
    struct kept *k = calloc(1, sizeof(*k));
    json_t *about = describe(s);
    off_t good = 0;
    int status = 0;

    if (k != NULL)
        k->path = strdup(path);
    if (k == NULL || k->path == NULL) {
        json_decref(about);
        free(k);
        return -ENOMEM;
    }
    if (resume && about != NULL)
        good = read_all(k, about);
    k->fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (good < 0)
        status = (int)good;
    else if (k->fd < 0 || ftruncate(k->fd, good) < 0)
        status = -errno;
    else if (good == 0 && about != NULL)
        status = write_line(k->fd, about);
    json_decref(about);
    if (status < 0) {
        kept_close(k, false);
        return status;
    }
    if (k->count > 0)
        qsort(k->lines, k->count, sizeof(*k->lines), compare_lines);
    *ret = k;
    return 0;
}

size_t kept_count(const struct kept *k)
{
    return k->count;
}

bool kept_find(const struct kept *k, const char *input, uint64_t start_frame, uint64_t end_frame,
               struct vs_stt_result *ret)
{
    const struct line wanted = {input, start_frame, end_frame, NULL, NULL, 0};
    const struct line *found =
        k->count > 0 ? bsearch(&wanted, k->lines, k->count, sizeof(*k->lines), compare_lines)
                     : NULL;

    if (found == NULL)
        return false;
    *ret = (struct vs_stt_result){
        .size = sizeof(*ret),
        .text = json_string_value(json_object_get(found->json, "text")),
        .words = found->words,
        .word_count = found->word_count,
    };
    return true;
}

int kept_add(struct kept *k, const char *input, uint64_t start_frame, uint64_t end_frame,
             const struct vs_stt_result *text)
{
    json_t *words = text->words != NULL ? json_array() : NULL;

    for (size_t i = 0; i < text->word_count; i++)
        json_array_append_new(words, json_pack("[s,f,f]", text->words[i].text,
                                               text->words[i].start_s, text->words[i].end_s));
    json_t *line =
        json_pack("{s:s,s:I,s:I,s:s,s:o*}", "input", input, "start", (json_int_t)start_frame, "end",
                  (json_int_t)end_frame, "text", text->text, "words", words);
    int status = write_line(k->fd, line);

    json_decref(line);
    return status == -EILSEQ ? 0 : status; /* no UTF-8: it will be heard again */
}

void kept_close(struct kept *k, bool done)
{
    if (k == NULL)
        return;
    for (size_t i = 0; i < k->count; i++) {
        json_decref(k->lines[i].json);
        free(k->lines[i].words);
    }
    if (k->fd >= 0)
        close(k->fd);
    if (done)
        unlink(k->path);
    free(k->lines);
    free(k->path);
    free(k);
}
