/* SPDX-License-Identifier: MIT */
/* Models on this machine: a folder for each, with its files and model.json, which pins them. And the
   models that are known by name, of which one can be told what to download. Nothing here knows a
   network. Strings of a model are its own, see model_free(). */
#ifndef VS_TOOLS_MODELS_STORE_H
#define VS_TOOLS_MODELS_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SHA256_HEX_BYTES = 65, MODEL_FILES = 64 };

struct model_file {
    char *name; /* without a folder */
    uint64_t bytes;
    char sha256[SHA256_HEX_BYTES]; /* lower case */
};

struct model {
    char *name, *licence, *source; /* source: where it comes from, or "" */
    struct model_file file[MODEL_FILES];
    size_t count;
};

/** A model that is known: one file. */
struct known_model {
    const char *name, *file, *sha256, *licence, *url, *use;
    uint64_t bytes;
};

/** NULL behind the last. */
const struct known_model *known_model(size_t index);
const struct known_model *known_find(const char *name);

/** Whether it can be the name of a model: letters, digits, . _ -, no leading point. */
bool model_name_is_good(const char *name);

/** Folder of a model, whether it is there or not. @return 0 or -ENAMETOOLONG, -ENOENT no home */
int model_folder(const char *name, char *ret, size_t size);

/** @return 0; -ENOENT there is none; -EBADMSG its model.json is not ours; -errno; -ENOMEM */
int model_read(const char *name, struct model *ret);
/** Write model.json into `folder`. @return 0 or -errno */
int model_write(const char *folder, const struct model *m);
void model_free(struct model *m);

/** Names of the models that are here, sorted, to be freed with each of them; NULL behind the last.
    @return NULL without memory or home */
char **models_here(void);

/** SHA-256 and size of a file; and, if `to_fd` is not negative, a copy of it.
    @return 0 or -errno */
int hash_file(const char *path, int to_fd, char sha256[SHA256_HEX_BYTES], uint64_t *ret_bytes);

#endif
