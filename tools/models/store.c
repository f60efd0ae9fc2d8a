/* SPDX-License-Identifier: MIT */
/* Models on this machine: folders, model.json, sums. */
#include "models/store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <nettle/sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/folders.h"

enum { COPY_BYTES = 1 << 18, PATH_BYTES = 4096 };

bool model_name_is_good(const char *name)
{
    size_t length = strlen(name);

    return length > 0 && length < 200 && name[0] != '.' &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") ==
               length;
}

int model_folder(const char *name, char *ret, size_t size)
{
    const char *base = folder_models();

    if (base == NULL)
        return -ENOENT;
    return snprintf(ret, size, "%s/%s", base, name) < (int)size ? 0 : -ENAMETOOLONG;
}

/* reading and writing model.json ------------------------------------------------------------- */

static int read_file_entry(const json_t *from, struct model_file *ret)
{
    const char *name = json_string_value(json_object_get(from, "file"));
    const char *sha256 = json_string_value(json_object_get(from, "sha256"));
    const json_t *bytes = json_object_get(from, "bytes");

    if (name == NULL || !model_name_is_good(name) || sha256 == NULL ||
        strlen(sha256) != SHA256_HEX_BYTES - 1 || !json_is_integer(bytes) ||
        json_integer_value(bytes) < 0)
        return -EBADMSG;
    ret->name = strdup(name);
    ret->bytes = (uint64_t)json_integer_value(bytes);
    memcpy(ret->sha256, sha256, SHA256_HEX_BYTES);
    return ret->name != NULL ? 0 : -ENOMEM;
}

static int read_manifest(const json_t *root, const char *name, struct model *ret)
{
    const char *licence = json_string_value(json_object_get(root, "licence"));
    const char *source = json_string_value(json_object_get(root, "source"));
    const json_t *files = json_object_get(root, "files");
    int status =
        licence != NULL && json_array_size(files) > 0 && json_array_size(files) <= MODEL_FILES
            ? 0
            : -EBADMSG;

    if (status != 0)
        return status;
    ret->name = strdup(name);
    ret->licence = strdup(licence);
    ret->source = strdup(source != NULL ? source : "");
    if (ret->name == NULL || ret->licence == NULL || ret->source == NULL)
        return -ENOMEM;
    for (size_t i = 0; status == 0 && i < json_array_size(files); i++) {
        status = read_file_entry(json_array_get(files, i), &ret->file[i]);
        ret->count += status == 0;
    }
    return status;
}

int model_read(const char *name, struct model *ret)
{
    struct model m = {0};
    char folder[PATH_BYTES], path[PATH_BYTES + 16];
    int status = model_folder(name, folder, sizeof(folder));

    if (status < 0)
        return status;
    snprintf(path, sizeof(path), "%s/model.json", folder);
    FILE *f = fopen(path, "re");
    if (f == NULL)
        return errno == ENOENT && access(folder, F_OK) == 0 ? -EBADMSG : -errno;
    json_t *root = json_loadf(f, 0, NULL);
    fclose(f);
    status = root != NULL ? read_manifest(root, name, &m) : -EBADMSG;
    json_decref(root);
    if (status == 0)
        *ret = m;
    else
        model_free(&m);
    return status;
}

int model_write(const char *folder, const struct model *m)
{
    char path[PATH_BYTES + 16];
    json_t *files = json_array();
    json_t *root =
        json_pack("{s:s,s:s,s:O}", "licence", m->licence, "source", m->source, "files", files);
    int status = root != NULL ? 0 : -ENOMEM;

    for (size_t i = 0; status == 0 && i < m->count; i++)
        if (json_array_append_new(files, json_pack("{s:s,s:I,s:s}", "file", m->file[i].name,
                                                   "bytes", (json_int_t)m->file[i].bytes, "sha256",
                                                   m->file[i].sha256)) != 0)
            status = -ENOMEM;
    snprintf(path, sizeof(path), "%s/model.json", folder);
    errno = 0;
    if (status == 0 && json_dump_file(root, path, JSON_INDENT(1)) != 0)
        status = errno != 0 ? -errno : -EIO;
    json_decref(files);
    json_decref(root);
    return status;
}

void model_free(struct model *m)
{
    for (size_t i = 0; i < m->count; i++)
        free(m->file[i].name);
    free(m->name);
    free(m->licence);
    free(m->source);
    *m = (struct model){0};
}

/* the folder --------------------------------------------------------------------------------- */

static int is_model(const struct dirent *e)
{
    return model_name_is_good(e->d_name);
}

char **models_here(void)
{
    const char *base = folder_models();
    struct dirent **entries = NULL;
    int count = base != NULL ? scandir(base, &entries, is_model, alphasort) : -1;
    char **names = calloc((size_t)(count > 0 ? count : 0) + 1, sizeof(*names));

    for (int i = 0; i < count; i++) {
        if (names != NULL)
            names[i] = strdup(entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
    return names;
}

/* sums --------------------------------------------------------------------------------------- */

static int write_all(int fd, const uint8_t *from, size_t bytes)
{
    while (bytes > 0) {
        ssize_t n = write(fd, from, bytes);

        if (n < 0 && errno != EINTR)
            return -errno;
        from += n > 0 ? n : 0;
        bytes -= n > 0 ? (size_t)n : 0;
    }
    return 0;
}

int hash_file(const char *path, int to_fd, char sha256[SHA256_HEX_BYTES], uint64_t *ret_bytes)
{
    struct sha256_ctx context;
    uint8_t digest[SHA256_DIGEST_SIZE], *buffer = malloc(COPY_BYTES);
    uint64_t bytes = 0;
    ssize_t n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int status = fd < 0 ? -errno : buffer == NULL ? -ENOMEM : 0;

    sha256_init(&context);
    while (status == 0 && (n = read(fd, buffer, COPY_BYTES)) > 0) {
        sha256_update(&context, (size_t)n, buffer);
        bytes += (size_t)n;
        if (to_fd >= 0)
            status = write_all(to_fd, buffer, (size_t)n);
    }
    if (status == 0 && n < 0)
        status = -errno;
    if (fd >= 0)
        close(fd);
    free(buffer);
    if (status != 0)
        return status;
    sha256_digest(&context, sizeof(digest), digest);
    for (size_t i = 0; i < sizeof(digest); i++)
        snprintf(sha256 + 2 * i, 3, "%02x", digest[i]);
    *ret_bytes = bytes;
    return 0;
}
