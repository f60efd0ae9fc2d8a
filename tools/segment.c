/* SPDX-License-Identifier: MIT */
/* voicestand segment and transcribe: many files, or standard input, to segments and text. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/batch.h"
#include "common/resume.h"
#include "output/output.h"

_Static_assert(VS_OUTPUT_TEXT == 0 && VS_OUTPUT_CSV == 7, "--format counts as the formats do");

static int make_folder(const char *path)
{
    struct stat about;

    if (mkdir(path, 0777) == 0)
        return 0;
    if (errno == EEXIST && stat(path, &about) == 0)
        return S_ISDIR(about.st_mode) ? 0 : -ENOTDIR;
    return -errno;
}

static int say_folder(const char *option, const char *path, int status)
{
    if (status == -ENOTDIR)
        say("%s %s: is not a folder; choose another place", option, path);
    else
        say_output(path, status);
    return EXIT_STATUS_OUTPUT;
}

/* Outputs that are there already: they must not be inputs too, which they would destroy. */
struct outputs {
    struct stat about[3];
    size_t count;
};

static void outputs_init(struct outputs *o, const struct settings *s)
{
    const char *names[] = {s->output, s->trace, s->plot};

    o->count = 0;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (names[i] != NULL && stat(names[i], &o->about[o->count]) == 0 &&
            S_ISREG(o->about[o->count].st_mode))
            o->count++;
}

static bool is_output(const struct outputs *o, const char *input)
{
    struct stat about;

    if (o->count == 0 || stat(input, &about) < 0)
        return false;
    for (size_t i = 0; i < o->count; i++)
        if (o->about[i].st_dev == about.st_dev && o->about[i].st_ino == about.st_ino)
            return true;
    return false;
}

static int compare_stems(const void *a, const void *b)
{
    const struct job *const *x = a, *const *y = b;

    return strcmp((*x)->stem, (*y)->stem);
}

/* Names made from stems must differ. */
static int check_stems(const struct job *jobs, size_t count)
{
    const struct job **sorted = malloc(count * sizeof(*sorted));
    int status = 0;

    if (sorted == NULL)
        return EXIT_STATUS_INTERNAL;
    for (size_t i = 0; i < count; i++)
        sorted[i] = &jobs[i];
    qsort(sorted, count, sizeof(*sorted), compare_stems);
    for (size_t i = 1; i < count && status == 0; i++)
        if (strcmp(sorted[i - 1]->stem, sorted[i]->stem) == 0)
            status = say_usage("%s: and %s would be written under the same name '%s'; "
                               "do them in two runs",
                               sorted[i - 1]->name, sorted[i]->name, sorted[i]->stem);
    free(sorted);
    return status;
}

static bool has_engine(const struct settings *s)
{
    return s->stt != NULL && strcmp(s->stt, "null") != 0;
}

static int check_usage(const struct settings *s, int format, const struct job *jobs, size_t count)
{
    struct outputs outputs;
    size_t pipes = 0;

    outputs_init(&outputs, s);
    if (s->output != NULL && s->output_dir != NULL)
        return say_usage("--output: cannot stand with --output-dir; leave out one");
    if (s->resume && s->trace != NULL)
        return say_usage("--trace: cannot be resumed; leave out --resume");
    if (s->plot != NULL && count > 1)
        return say_usage("--plot: draws one input; give one, or draw each in a run of its own");
    if (s->plot != NULL && s->audio >= 0)
        return say_usage("--plot: cannot stand with --audio; do it in a run of its own");
    if (s->plot != NULL && s->resume)
        return say_usage("--plot: cannot be resumed; leave out --resume");
    if (s->resume && s->output_dir == NULL &&
        (s->output == NULL || (format != VS_OUTPUT_JSONL && !has_engine(s))))
        return say_usage("--resume: needs --output FILE, with --format jsonl where no text is "
                         "wanted, or --output-dir");
    if (count > 1 && s->output_dir == NULL && !vs_output_format_is_shared(format))
        return say_usage("--format %s: holds one input only; use --output-dir",
                         vs_output_format_name(format));
    if (s->manifest != NULL && is_output(&outputs, s->manifest))
        return say_usage("%s: is the manifest and would be overwritten; choose another output",
                         s->manifest);
    for (size_t i = 0; i < count; i++) {
        pipes += strcmp(jobs[i].name, "-") == 0;
        if (is_output(&outputs, jobs[i].name))
            return say_usage("%s: is an input and would be overwritten; choose another output",
                             jobs[i].name);
    }
    if (pipes > 1)
        return say_usage("-: standard input can be read once only");
    if (s->raw && pipes == 0)
        return say_usage("--raw: is for standard input; give - as the file");
    return s->output_dir != NULL || s->audio >= 0 ? check_stems(jobs, count) : 0;
}

/* Of other formats what is there cannot be told, so all is written again, from the texts that were
   kept; these are gone once it is complete. */
static bool is_complete(const struct settings *s)
{
    char path[4096];

    batch_kept_path(s, path, sizeof(path));
    return access(path, F_OK) != 0 && access(s->output, F_OK) == 0;
}

static int check_resume(const struct settings *s, int format, struct job *jobs, size_t count)
{
    size_t done = 0;
    int status = 0;

    if (s->output_dir == NULL && format == VS_OUTPUT_JSONL) {
        status = resume_load(s->output, jobs, count);
        if (status == -EBADMSG) {
            say("%s: is not JSON Lines of voicestand; give another --output, or leave out --resume",
                s->output);
            return EXIT_STATUS_OUTPUT;
        }
        if (status < 0)
            return say_output(s->output, status);
    }
    bool complete = s->output_dir == NULL && format != VS_OUTPUT_JSONL && is_complete(s);
    for (size_t i = 0; i < count; i++) {
        jobs[i].done = jobs[i].done || complete;
        if (s->output_dir != NULL) {
            char path[4096];

            batch_path(s, format, &jobs[i], path, sizeof(path));
            jobs[i].done = access(path, F_OK) == 0;
        }
        done += jobs[i].done;
    }
    if (!s->quiet)
        say("%zu of %zu files were finished before", done, count);
    return 0;
}

/* @return a descriptor, or -errno. */
static int open_file(const char *path, bool append)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | (append ? O_APPEND : O_TRUNC), 0666);

    return fd < 0 ? -errno : fd;
}

/* What was finished before stays. */
static bool is_appended(const struct settings *s, const struct batch_config *c)
{
    bool done = true;

    for (size_t i = 0; i < c->count; i++)
        done = done && c->jobs[i].done;
    return s->resume && (c->format == VS_OUTPUT_JSONL || done);
}

/* What standard output and the options lead to, opened. @return exit status. */
static int open_outputs(const struct settings *s, struct batch_config *c, int *ret_fd,
                        int *ret_trace_fd)
{
    c->output_name = s->output != NULL ? s->output : "standard output";
    if (s->output_dir != NULL) {
        int status = make_folder(s->output_dir);

        if (status < 0)
            return say_folder("--output-dir", s->output_dir, status);
    } else {
        *ret_fd = s->output != NULL ? open_file(s->output, is_appended(s, c)) : STDOUT_FILENO;
        if (*ret_fd < 0)
            return say_output(s->output, *ret_fd);
        c->output = ordered_create(*ret_fd, c->count);
    }
    if (s->trace != NULL) {
        *ret_trace_fd = open_file(s->trace, false);
        if (*ret_trace_fd < 0)
            return say_output(s->trace, *ret_trace_fd);
        c->trace = ordered_create(*ret_trace_fd, c->count);
    }
    if (s->audio >= 0) {
        int status = make_folder(s->audio_dir);

        if (status < 0)
            return say_folder("--audio-dir", s->audio_dir, status);
    }
    return (c->output == NULL && s->output_dir == NULL) || (c->trace == NULL && s->trace != NULL)
               ? EXIT_STATUS_INTERNAL
               : 0;
}

static int run_batch(const struct settings *s, struct batch_config *c)
{
    int fd = -1, trace_fd = -1;
    int status = 0;

    if (s->resume)
        status = check_resume(s, c->format, c->jobs, c->count);
    if (status == 0)
        status = open_outputs(s, c, &fd, &trace_fd);
    if (status == 0)
        status = batch_run(c);
    ordered_destroy(c->output);
    ordered_destroy(c->trace);
    if (trace_fd >= 0 && close(trace_fd) < 0 && status == 0)
        status = say_output(s->trace, -errno);
    if (fd >= 0 && fd != STDOUT_FILENO && close(fd) < 0 && status == 0)
        status = say_output(s->output, -errno);
    if (s->resume && s->output != NULL && c->format == VS_OUTPUT_JSONL &&
        status <= EXIT_STATUS_SOME) {
        int sorted = resume_sort(s->output, c->jobs, c->count);

        if (sorted < 0)
            status = say_output(s->output, sorted);
    }
    return status;
}

/* The progress line goes by the length of the files. */
static void weigh(struct inputs *inputs)
{
    for (size_t i = 0; i < inputs->count; i++) {
        struct stat about;

        if (stat(inputs->jobs[i].name, &about) == 0)
            inputs->jobs[i].weight = (double)about.st_size + 1;
    }
}

static int run_inputs(const struct settings *s, struct inputs *inputs)
{
    struct batch_config c = {.settings = s, .jobs = inputs->jobs, .count = inputs->count};
    int status;

    if (!s->quiet && isatty(STDERR_FILENO))
        weigh(inputs);
    if (!s->quiet && s->shard != NULL)
        say("shard %s: %zu of %zu files", s->shard, inputs->count, inputs->all);
    c.format = s->format;
    if (c.format < 0)
        c.format = s->output == NULL && s->output_dir == NULL && isatty(STDOUT_FILENO)
                       ? VS_OUTPUT_TEXT
                       : VS_OUTPUT_JSONL;
    status = check_usage(s, c.format, c.jobs, c.count);
    return status == 0 ? run_batch(s, &c) : status;
}

static int run_files(struct settings *s, int count, char **arguments)
{
    struct inputs inputs = {0};
    int status;

    signals_block();
    status = config_check(s);
    if (s->audio_dir == NULL)
        s->audio_dir = ".";
    if (status == 0)
        status = inputs_find(s, count, arguments, &inputs);
    if (status == 0)
        status = run_inputs(s, &inputs);
    inputs_fini(&inputs);
    return status;
}

int run_segment(const struct settings *s, int count, char **arguments)
{
    struct settings own = *s;

    return run_files(&own, count, arguments);
}

int run_transcribe(const struct settings *s, int count, char **arguments)
{
    struct settings own = *s;

    if (own.stt == NULL)
        own.stt = "pocketsphinx";
    return run_files(&own, count, arguments);
}
