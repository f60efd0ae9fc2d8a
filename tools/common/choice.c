/* SPDX-License-Identifier: MIT */
/* Which detector `--vad auto` is. */
#include "common/choice.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "common/folders.h"

/* A hop is 10 ms, and what else is to be done for it needs some of that. */
#define MOST_P99_MS   5.0
#define MOST_MOVED_MS 10.0

const char *choice_refuse(const struct measured *m, char *words, size_t size)
{
    if (strncmp(m->device, "CPU", 3) == 0)
        return "it is the processor, on which native needs no OpenVINO";
    if (m->missed > 0)
        snprintf(words, size, "it failed or was late for %llu hops", (unsigned long long)m->missed);
    else if (m->p99_ms > MOST_P99_MS)
        snprintf(words, size, "one hop in a hundred takes more than %g ms", MOST_P99_MS);
    else if (m->moved_ms < 0)
        return "it finds other segments than native";
    else if (m->moved_ms > MOST_MOVED_MS)
        snprintf(words, size, "it moves bounds of segments by more than %g ms", MOST_MOVED_MS);
    else
        return NULL;
    return words;
}

/* the file ----------------------------------------------------------------------------------- */

static bool find_path(char *ret, size_t size)
{
    const char *folder = folder_state();

    return folder != NULL && snprintf(ret, size, "%s/devices", folder) < (int)size;
}

int choice_write(const struct measured *m, size_t count)
{
    char path[4200], fresh[4208];
    FILE *file;
    int status = 0;

    if (!find_path(path, sizeof(path)))
        return -ENOENT;
    snprintf(fresh, sizeof(fresh), "%s.new", path);
    file = fopen(fresh, "we");
    if (file == NULL)
        return -errno;
    fprintf(file, "# written by 'voicestand doctor', read by --vad auto\nversion %s\n",
            vs_version());
    for (size_t i = 0; i < count; i++)
        fprintf(file, "device %s p50_ms %.4f p99_ms %.4f difference %.3g moved_ms %g missed %llu\n",
                m[i].device, m[i].p50_ms, m[i].p99_ms, m[i].difference, m[i].moved_ms,
                (unsigned long long)m[i].missed);
    if (ferror(file))
        status = -EIO;
    if (fclose(file) != 0 && status == 0)
        status = -errno;
    if (status == 0 && rename(fresh, path) != 0)
        status = -errno;
    return status;
}

static bool is_device(const char *name)
{
    return name[strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._")] == '\0';
}

static bool parse(const char *line, struct measured *ret)
{
    unsigned long long missed;
    int end = 0;

    if (sscanf(line, "device %31s p50_ms %lf p99_ms %lf difference %lf moved_ms %lf missed %llu%n",
               ret->device, &ret->p50_ms, &ret->p99_ms, &ret->difference, &ret->moved_ms, &missed,
               &end) != 6 ||
        line[end] != '\n' || !is_device(ret->device) || !isfinite(ret->p50_ms) ||
        !isfinite(ret->p99_ms) || !isfinite(ret->difference) || !isfinite(ret->moved_ms) ||
        ret->p50_ms < 0 || ret->p99_ms < 0)
        return false;
    ret->missed = missed;
    return true;
}

int choice_read(struct measured *ret, size_t most)
{
    char path[4200], line[400], version[64] = "";
    size_t count = 0;
    FILE *file;

    if (!find_path(path, sizeof(path)))
        return -ENOENT;
    file = fopen(path, "re");
    if (file == NULL)
        return -errno;
    while (fgets(line, sizeof(line), file) != NULL)
        if (sscanf(line, "version %63s", version) != 1 && count < most && parse(line, &ret[count]))
            count++;
    fclose(file);
    return strcmp(version, vs_version()) == 0 ? (int)count : -ENOENT;
}

/* the choice --------------------------------------------------------------------------------- */

/* An NPU before a GPU: it wakes nothing else. */
static const struct measured *find_best(const struct measured *m, int count)
{
    static const char *const kinds[] = {"NPU", "GPU"};
    char words[100];

    for (size_t k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++)
        for (int i = 0; i < count; i++)
            if (strncmp(m[i].device, kinds[k], 3) == 0 &&
                choice_refuse(&m[i], words, sizeof(words)) == NULL)
                return &m[i];
    return NULL;
}

void choice_make(struct settings *s)
{
    static char name[64];
    struct measured all[MOST_MEASURED];
    int count = choice_read(all, MOST_MEASURED);
    const struct measured *best = find_best(all, count);
    char words[100];

    if (best != NULL) {
        snprintf(name, sizeof(name), "auto:%s", best->device);
        s->vad = name;
        if (!s->quiet)
            say("--vad auto is openvino:%s here, with native beside it: %.2f ms a hop, 99 of 100 "
                "within %.2f ms, segments as native's",
                best->device, best->p50_ms, best->p99_ms);
        return;
    }
    s->vad = "native";
    if (s->quiet)
        return;
    if (count < 0)
        say("--vad auto is native here: no device was measured; 'voicestand doctor' does that");
    else if (count == 0)
        say("--vad auto is native here: 'voicestand doctor' found no device");
    else
        say("--vad auto is native here: of %d measured the first, %s, does not do: %s", count,
            all[0].device, choice_refuse(&all[0], words, sizeof(words)));
}
