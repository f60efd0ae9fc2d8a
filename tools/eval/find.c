/* SPDX-License-Identifier: MIT */
/* Recordings and their texts, found in folders. */
#include "eval/find.h"

#include <errno.h>
#include <fts.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* A text of a recording of a day is under 1 MB. */
enum { TEXT_BYTES = 1 << 24 };

static bool is_audio(const char *name)
{
    static const char *const endings[] = {"wav", "flac", "ogg", "oga", "opus", "mp3",
                                          "aif", "aiff", "au",  "caf", "w64"};
    const char *dot = strrchr(name, '.');

    for (size_t i = 0; dot != NULL && i < sizeof(endings) / sizeof(endings[0]); i++)
        if (strcasecmp(dot + 1, endings[i]) == 0)
            return true;
    return false;
}

/* @return 0 with the text or NULL, or -errno */
static int read_text(const char *audio, char **ret)
{
    size_t stem = (size_t)(strrchr(audio, '.') - audio);
    char *path = malloc(stem + 5);
    int status = 0;

    if (path == NULL)
        return -ENOMEM;
    memcpy(path, audio, stem);
    memcpy(path + stem, ".txt", 5);
    FILE *f = fopen(path, "re");
    char *text = f != NULL ? malloc(TEXT_BYTES) : NULL;
    if (f == NULL)
        status = errno == ENOENT ? 0 : -errno;
    else if (text == NULL)
        status = -ENOMEM;
    if (text != NULL) {
        size_t bytes = fread(text, 1, TEXT_BYTES - 1, f);

        text[bytes] = '\0';
        status = ferror(f) ? -EIO : 0;
    }
    if (f != NULL)
        fclose(f);
    free(path);
    if (status == 0 && text != NULL) {
        char *fit = realloc(text, strlen(text) + 1);

        *ret = fit != NULL ? fit : text;
        return 0;
    }
    free(text);
    return status;
}

static int add(struct recordings *r, const char *path)
{
    struct recording one = {.path = strdup(path)};
    struct recording *grown = realloc(r->item, (r->count + 1) * sizeof(*grown));
    int status = one.path != NULL && grown != NULL ? read_text(path, &one.text) : -ENOMEM;

    r->item = grown != NULL ? grown : r->item;
    if (status == 0)
        r->item[r->count++] = one;
    else
        free(one.path);
    return status;
}

static int compare_entries(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

int recordings_find(const char *folder, struct recordings *ret)
{
    char *roots[] = {strdup(folder), NULL};
    FTS *tree =
        roots[0] != NULL ? fts_open(roots, FTS_LOGICAL | FTS_NOCHDIR, compare_entries) : NULL;
    FTSENT *e = NULL;
    int status = roots[0] != NULL ? 0 : -ENOMEM;

    if (status == 0 && tree == NULL)
        status = -errno;
    while (status == 0 && (errno = 0, e = fts_read(tree)) != NULL) {
        if (e->fts_info == FTS_ERR || e->fts_info == FTS_DNR || e->fts_info == FTS_NS)
            status = -e->fts_errno;
        else if (e->fts_info == FTS_F && e->fts_level == 0)
            status = -ENOTDIR;
        else if (e->fts_info == FTS_F && is_audio(e->fts_name))
            status = add(ret, e->fts_path);
    }
    if (status == 0 && e == NULL && errno != 0)
        status = -errno;
    if (tree != NULL)
        fts_close(tree);
    free(roots[0]);
    return status;
}

void recordings_free(struct recordings *r)
{
    for (size_t i = 0; i < r->count; i++) {
        free(r->item[i].path);
        free(r->item[i].text);
    }
    free(r->item);
    *r = (struct recordings){0};
}
