/* SPDX-License-Identifier: MIT */
/* voicestand models: which models are here, taken in, checked and thrown away. No network. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/common.h"
#include "models/store.h"
#include "output/output.h"

enum { PATH_BYTES = 4096 };

static uint64_t model_bytes(const struct model *m)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < m->count; i++)
        bytes += m->file[i].bytes;
    return bytes;
}

static int say_broken(const char *name, int status)
{
    if (status == -EBADMSG)
        say("%s: its model.json is damaged; 'voicestand models remove %s' and add it again", name,
            name);
    else if (status == -ENOENT)
        say("%s: no such model here; 'voicestand models list' shows them", name);
    else
        say("%s: %s", name, strerror(-status));
    return EXIT_STATUS_SOME;
}

/* list --------------------------------------------------------------------------------------- */

static void print_here(const struct model *m, bool json)
{
    char folder[PATH_BYTES];

    if (model_folder(m->name, folder, sizeof(folder)) < 0)
        folder[0] = '\0';
    if (!json) {
        printf("* %-20s %9.1f MB  %-14s %s\n", m->name, (double)model_bytes(m) / 1e6, m->licence,
               folder);
        return;
    }
    printf("{\"event\":\"model\",\"name\":");
    print_json(stdout, m->name);
    printf(",\"here\":true,\"bytes\":%llu,\"licence\":", (unsigned long long)model_bytes(m));
    print_json(stdout, m->licence);
    printf(",\"source\":");
    print_json(stdout, m->source);
    printf(",\"path\":");
    print_json(stdout, folder);
    printf("}\n");
}

static void print_known(const struct known_model *k, bool json)
{
    if (json)
        printf("{\"event\":\"model\",\"name\":\"%s\",\"here\":false,\"bytes\":%llu,"
               "\"licence\":\"%s\",\"source\":\"%s\",\"sha256\":\"%s\"}\n",
               k->name, (unsigned long long)k->bytes, k->licence, k->url, k->sha256);
    else
        printf("  %-20s %9.1f MB  %-14s for %s\n", k->name, (double)k->bytes / 1e6, k->licence,
               k->use);
}

static bool is_here(char *const *names, const char *name)
{
    for (size_t i = 0; names[i] != NULL; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

static void free_names(char **names)
{
    for (size_t i = 0; names != NULL && names[i] != NULL; i++)
        free(names[i]);
    free(names);
}

static int run_list(const struct settings *s)
{
    char **names = models_here();
    bool json = s->format == VS_OUTPUT_JSONL;
    const struct known_model *k;
    int status = 0;

    if (names == NULL)
        return EXIT_STATUS_INTERNAL;
    for (size_t i = 0; names[i] != NULL; i++) {
        struct model m;
        int rc = model_read(names[i], &m);

        if (rc < 0) {
            status = say_broken(names[i], rc);
            continue;
        }
        print_here(&m, json);
        model_free(&m);
    }
    for (size_t i = 0; (k = known_model(i)) != NULL; i++)
        if (!is_here(names, k->name))
            print_known(k, json);
    free_names(names);
    if (!json && !s->quiet)
        say("* is here; 'voicestand models add NAME' says how to get one of the others");
    return status;
}

/* add ---------------------------------------------------------------------------------------- */

static int say_how(const struct known_model *k)
{
    printf("Download %s\n  %llu bytes, licence %s, SHA-256 %s\n"
           "then: voicestand models add %s %s\n",
           k->url, (unsigned long long)k->bytes, k->licence, k->sha256, k->name, k->file);
    return 0;
}

static void remove_folder(const char *folder, const struct model *m)
{
    char path[2 * PATH_BYTES];

    for (size_t i = 0; i < m->count; i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, m->file[i].name);
        unlink(path);
    }
    snprintf(path, sizeof(path), "%s/model.json", folder);
    unlink(path);
    rmdir(folder);
}

/* Take in one file. @return exit status, after one line */
static int add_file(const char *path, const char *folder, struct model *m)
{
    const char *slash = strrchr(path, '/'), *base = slash != NULL ? slash + 1 : path;
    struct model_file *f = &m->file[m->count];
    char to[2 * PATH_BYTES];
    struct stat about;

    if (!model_name_is_good(base) || strcmp(base, "model.json") == 0 || m->count == MODEL_FILES)
        return say_usage("%s: cannot be a file of a model; rename it", path);
    if (stat(path, &about) < 0 || !S_ISREG(about.st_mode)) {
        say("%s: is no file; give the files of a model", path);
        return EXIT_STATUS_NO_INPUT;
    }
    snprintf(to, sizeof(to), "%s/%s", folder, base);
    int fd = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return say_usage("%s: the model has two files of this name; rename one", path);
    if (fd < 0)
        return say_output(to, -errno);
    f->name = strdup(base);
    m->count += f->name != NULL;
    int status = f->name != NULL ? hash_file(path, fd, f->sha256, &f->bytes) : -ENOMEM;
    if (close(fd) < 0 && status == 0)
        status = -errno;
    if (status == -ENOSPC || status == -EDQUOT)
        return say_output(to, status);
    if (status < 0)
        say("%s: %s", path, strerror(-status));
    return status_of(status);
}

/* Take in a file, or the files of a folder but not those below it. */
static int add_path(const char *path, const char *to, struct model *m)
{
    struct dirent **entries = NULL;
    char inside[2 * PATH_BYTES];
    int status = 0, count = scandir(path, &entries, NULL, alphasort);

    if (count < 0)
        return add_file(path, to, m);
    for (int i = 0; i < count; i++) {
        struct stat about;

        snprintf(inside, sizeof(inside), "%s/%s", path, entries[i]->d_name);
        if (status == 0 && entries[i]->d_name[0] != '.' && stat(inside, &about) == 0 &&
            S_ISREG(about.st_mode))
            status = add_file(inside, to, m);
        free(entries[i]);
    }
    free(entries);
    if (status == 0 && m->count == 0) {
        say("%s: holds no file", path);
        status = EXIT_STATUS_NO_INPUT;
    }
    return status;
}

/* The folder that becomes the model once it is complete; what an interrupted run left goes. */
static int make_partial(const char *folder)
{
    struct dirent **entries = NULL;
    char path[2 * PATH_BYTES];
    int count =
        mkdir(folder, 0700) < 0 && errno == EEXIST ? scandir(folder, &entries, NULL, NULL) : 0;

    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name);
        unlink(path); /* not . and .. */
        free(entries[i]);
    }
    free(entries);
    return access(folder, W_OK) == 0 ? 0 : say_output(folder, -errno);
}

/* The pins that there are must fit. */
static int check_pins(const struct settings *s, const struct known_model *k, const struct model *m)
{
    const char *wanted = k != NULL ? k->sha256 : s->sha256;
    const struct model_file *f = &m->file[0];

    if (wanted != NULL && m->count != 1)
        return say_usage("%s: is one file; give that alone", m->name);
    if (k != NULL && f->bytes != k->bytes) {
        say("%s: has %llu bytes and not %llu; the download broke off, or it is another file",
            f->name, (unsigned long long)f->bytes, (unsigned long long)k->bytes);
        return EXIT_STATUS_SOME;
    }
    if (wanted == NULL || strcasecmp(wanted, f->sha256) == 0)
        return 0;
    say("%s: its SHA-256 is %s and not %s; do not use it, download it again", f->name, f->sha256,
        wanted);
    return EXIT_STATUS_SOME;
}

static int add_all(const struct settings *s, const struct known_model *k, struct model *m,
                   int count, char **paths)
{
    char folder[PATH_BYTES], partial[PATH_BYTES + 16], name[240];

    snprintf(name, sizeof(name), ".%s.partial", m->name);
    if (model_folder(m->name, folder, sizeof(folder)) < 0 ||
        model_folder(name, partial, sizeof(partial)) < 0) {
        say("the folder of models cannot be made; set XDG_DATA_HOME or HOME");
        return EXIT_STATUS_OUTPUT;
    }
    if (access(folder, F_OK) == 0)
        return say_usage("%s: is here already; 'voicestand models remove %s' first", m->name,
                         m->name);
    int status = make_partial(partial);
    for (int i = 0; status == 0 && i < count; i++)
        status = add_path(paths[i], partial, m);
    if (status == 0)
        status = check_pins(s, k, m);
    if (status == 0) {
        int rc = model_write(partial, m);

        if (rc == 0 && rename(partial, folder) < 0)
            rc = -errno;
        status = rc < 0 ? say_output(partial, rc) : 0;
    }
    if (status != 0)
        remove_folder(partial, m);
    else if (!s->quiet)
        say("%s: added, %.1f MB, licence %s", m->name, (double)model_bytes(m) / 1e6, m->licence);
    return status;
}

static int run_add(const struct settings *s, int count, char **arguments)
{
    const char *name = arguments[0];
    const struct known_model *k = count > 0 ? known_find(name) : NULL;

    if (count == 0)
        return say_usage("models add: needs NAME FILE...; 'voicestand models list' shows names");
    if (!model_name_is_good(name))
        return say_usage("%s: is no name for a model; use letters, digits and . _ -", name);
    if (count == 1)
        return k != NULL ? say_how(k)
                         : say_usage("models add %s: needs the files of the model behind it", name);
    if (k == NULL && s->licence == NULL)
        return say_usage(
            "models add %s: needs --licence, as in --licence MIT; it is shown with the "
            "model",
            name);
    struct model m = {
        .name = strdup(name),
        .licence = strdup(k != NULL ? k->licence : s->licence),
        .source = strdup(k != NULL           ? k->url
                         : s->source != NULL ? s->source
                                             : ""),
    };
    int status = m.name != NULL && m.licence != NULL && m.source != NULL
                     ? add_all(s, k, &m, count - 1, arguments + 1)
                     : EXIT_STATUS_INTERNAL;
    model_free(&m);
    return status;
}

/* verify and remove -------------------------------------------------------------------------- */

static int verify_one(const struct settings *s, const char *name)
{
    struct model m;
    char folder[PATH_BYTES], path[2 * PATH_BYTES];
    int rc = model_read(name, &m), wrong = 0;

    if (rc < 0)
        return say_broken(name, rc);
    (void)model_folder(name, folder, sizeof(folder));
    for (size_t i = 0; i < m.count; i++) {
        const struct model_file *f = &m.file[i];
        char sha256[SHA256_HEX_BYTES];
        uint64_t bytes = 0;

        snprintf(path, sizeof(path), "%s/%s", folder, f->name);
        rc = hash_file(path, -1, sha256, &bytes);
        if (rc == 0 && bytes == f->bytes && strcmp(sha256, f->sha256) == 0)
            continue;
        wrong++;
        say("%s: %s %s; remove the model and add it again", name, f->name,
            rc < 0              ? strerror(-rc)
            : bytes != f->bytes ? "has another size"
                                : "has another SHA-256");
    }
    if (wrong == 0 && !s->quiet)
        say("%s: %zu files are as they were added", name, m.count);
    model_free(&m);
    return wrong > 0 ? EXIT_STATUS_SOME : 0;
}

static int run_verify(const struct settings *s, int count, char **arguments)
{
    char **names = count > 0 ? NULL : models_here();
    int status = 0;

    for (size_t i = 0; count > 0 ? i < (size_t)count : names != NULL && names[i] != NULL; i++) {
        const char *name = count > 0 ? arguments[i] : names[i];
        int one = model_name_is_good(name) ? verify_one(s, name) : say_broken(name, -ENOENT);

        status = one != 0 ? one : status;
    }
    free_names(names);
    return status;
}

static int remove_one(const char *name)
{
    struct model m = {0};
    char folder[PATH_BYTES];
    int rc = model_name_is_good(name) ? model_read(name, &m) : -ENOENT;

    if (rc < 0 && rc != -EBADMSG)
        return say_broken(name, rc);
    if (model_folder(name, folder, sizeof(folder)) < 0)
        return EXIT_STATUS_INTERNAL;
    /* Files that are not of the model stay, and so does the folder then. */
    remove_folder(folder, &m);
    model_free(&m);
    if (access(folder, F_OK) < 0)
        return 0;
    say("%s: holds files that are not of the model; remove them by hand", folder);
    return EXIT_STATUS_SOME;
}

static int run_remove(int count, char **arguments)
{
    int status = 0;

    if (count == 0)
        return say_usage("models remove: needs NAME; 'voicestand models list' shows names");
    for (int i = 0; i < count; i++) {
        int one = remove_one(arguments[i]);

        status = one != 0 ? one : status;
    }
    return status;
}

int run_models(const struct settings *s, int count, char **arguments)
{
    const char *what = count > 0 ? arguments[0] : "list";

    if (s->format >= 0 && s->format != VS_OUTPUT_TEXT && s->format != VS_OUTPUT_JSONL)
        return say_usage("--format: models knows text and jsonl");
    if (strcmp(what, "list") == 0 && count <= 1)
        return run_list(s);
    if (strcmp(what, "add") == 0)
        return run_add(s, count - 1, arguments + 1);
    if (strcmp(what, "verify") == 0)
        return run_verify(s, count - 1, arguments + 1);
    if (strcmp(what, "remove") == 0)
        return run_remove(count - 1, arguments + 1);
    return say_usage("models: '%s' is unknown; choose from list, add, verify, remove", what);
}
