/* SPDX-License-Identifier: MIT */
/* The list of inputs: arguments, folders, the share of a shard. */
#include "common/inputs.h"

#include <errno.h>
#include <fts.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "common/common.h"

int inputs_add(struct inputs *inputs, const char *name, const char *stem, struct job **ret_job)
{
    struct job job = {.name = strdup(name), .stem = strdup(stem), .weight = 1};

    if (job.name != NULL && job.stem != NULL && inputs->count == inputs->capacity) {
        size_t capacity = 2 * inputs->capacity + 64;
        struct job *grown = realloc(inputs->jobs, capacity * sizeof(*grown));

        if (grown != NULL) {
            inputs->jobs = grown;
            inputs->capacity = capacity;
        }
    }
    if (job.name == NULL || job.stem == NULL || inputs->count == inputs->capacity) {
        free(job.name);
        free(job.stem);
        return -ENOMEM;
    }
    inputs->jobs[inputs->count] = job;
    if (ret_job != NULL)
        *ret_job = &inputs->jobs[inputs->count];
    inputs->count++;
    return 0;
}

static void job_fini(struct job *job)
{
    free(job->name);
    free(job->stem);
    free(job->id);
    free(job->input);
}

void inputs_fini(struct inputs *inputs)
{
    for (size_t i = 0; i < inputs->count; i++)
        job_fini(&inputs->jobs[i]);
    free(inputs->jobs);
    *inputs = (struct inputs){0};
}

/* folders ------------------------------------------------------------------------------------- */

/* In a folder, files are known by how their names end. */
static bool is_audio_name(const char *name)
{
    static const char *const endings[] = {"wav", "wave", "flac", "ogg",  "oga", "opus",
                                          "mp3", "aif",  "aiff", "aifc", "au",  "snd",
                                          "caf", "w64",  "rf64", "sph",  NULL};
    const char *end = strrchr(name, '.');

    for (size_t i = 0; end != NULL && end != name && endings[i] != NULL; i++)
        if (strcasecmp(end + 1, endings[i]) == 0)
            return true;
    return false;
}

static int compare_entries(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* The path below `folder`, without its ending. */
static int add_found(struct inputs *inputs, const char *folder, const char *path)
{
    const char *below = path + strlen(folder);
    char stem[4096], *end;

    while (*below == '/')
        below++;
    if (snprintf(stem, sizeof(stem), "%s", below) >= (int)sizeof(stem))
        return -ENAMETOOLONG;
    end = strrchr(stem, '.');
    if (end != NULL)
        *end = '\0';
    return inputs_add(inputs, path, stem, NULL);
}

/* All audio files below a folder, in the order of their names, folders that begin with a dot left
   out. Links to files are followed, links to folders are not: they may lead round in circles. */
static int add_folder(struct inputs *inputs, char *folder)
{
    char *paths[] = {folder, NULL};
    size_t before = inputs->count;
    FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, compare_entries);
    int status = walk != NULL ? 0 : -errno;

    for (FTSENT *e; status == 0 && (e = fts_read(walk)) != NULL;) {
        struct stat about;
        bool is_hidden = e->fts_level > 0 && e->fts_name[0] == '.';

        if (e->fts_info == FTS_D && is_hidden)
            fts_set(walk, e, FTS_SKIP);
        else if (e->fts_info == FTS_DNR || e->fts_info == FTS_ERR)
            status = -e->fts_errno;
        else if ((e->fts_info == FTS_F ||
                  (e->fts_info == FTS_SL && stat(e->fts_path, &about) == 0 &&
                   S_ISREG(about.st_mode))) &&
                 !is_hidden && is_audio_name(e->fts_name))
            status = add_found(inputs, folder, e->fts_path);
        if (status < 0 && status != -ENOMEM)
            say("%s: %s", e->fts_path, strerror(-status));
    }
    if (walk != NULL)
        fts_close(walk);
    if (status == 0 && inputs->count == before) {
        say("%s: no audio file lies in this folder (wav, flac, ogg, opus, mp3, …)", folder);
        return EXIT_STATUS_NO_INPUT;
    }
    return status == 0         ? 0
           : status == -ENOMEM ? EXIT_STATUS_INTERNAL
           : status == -EACCES ? EXIT_STATUS_PERMISSION
                               : EXIT_STATUS_NO_INPUT;
}

static int add_argument(struct inputs *inputs, char *name)
{
    struct stat about;
    char stem[256];

    if (strcmp(name, "-") != 0 && stat(name, &about) == 0 && S_ISDIR(about.st_mode))
        return add_folder(inputs, name);
    name_stem(name, stem, sizeof(stem));
    return inputs_add(inputs, name, stem, NULL) == 0 ? 0 : EXIT_STATUS_INTERNAL;
}

/* shards -------------------------------------------------------------------------------------- */

/* FNV-1a, then a finaliser that mixes into the low bits. Which shard an input belongs to depends on
   its name alone, so it stays there when others are added, and on every machine. */
static uint64_t hash_name(const char *name)
{
    uint64_t h = UINT64_C(14695981039346656037);

    for (; *name != '\0'; name++)
        h = (h ^ (unsigned char)*name) * UINT64_C(1099511628211);
    h = (h ^ (h >> 33)) * UINT64_C(0xff51afd7ed558ccd);
    h = (h ^ (h >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
    return h ^ (h >> 33);
}

static int parse_shard(const char *text, unsigned long *ret_index, unsigned long *ret_count)
{
    char *end;

    errno = 0;
    *ret_index = strtoul(text, &end, 10);
    if (end == text || *end != '/' || text[0] == '-' || end[1] < '0' || end[1] > '9')
        return -EINVAL;
    *ret_count = strtoul(end + 1, &end, 10);
    return *end == '\0' && errno == 0 && *ret_index >= 1 && *ret_index <= *ret_count ? 0 : -EINVAL;
}

static int keep_shard(struct inputs *inputs, const char *shard)
{
    unsigned long index = 0, count = 0;
    size_t kept = 0;

    if (parse_shard(shard, &index, &count) < 0)
        return say_usage("--shard: '%s' is no share; give I/N, from 1/N to N/N", shard);
    for (size_t i = 0; i < inputs->count; i++) {
        struct job *job = &inputs->jobs[i];

        if (strcmp(job->name, "-") == 0)
            return say_usage("--shard: standard input cannot be shared out; leave out one");
        if (hash_name(job->id != NULL ? job->id : job->name) % count == index - 1)
            inputs->jobs[kept++] = *job;
        else
            job_fini(job);
    }
    inputs->count = kept;
    return 0;
}

int inputs_find(const struct settings *s, int count, char **arguments, struct inputs *ret)
{
    int status = 0;

    if (s->manifest != NULL && count > 0)
        return say_usage("%s: cannot stand with --manifest; put it into the manifest",
                         arguments[0]);
    if (s->manifest == NULL && count == 0)
        return say_usage("segment: needs FILE... or --manifest; see 'voicestand segment --help'");
    if (s->manifest != NULL)
        status = manifest_read(s->manifest, ret);
    for (int i = 0; i < count && status == 0; i++)
        status = add_argument(ret, arguments[i]);
    ret->all = ret->count;
    if (status == 0 && s->shard != NULL)
        status = keep_shard(ret, s->shard);
    return status;
}
