/* SPDX-License-Identifier: MIT */
/* The targets without a fuzzer: replay FOLDER runs each file of FOLDER/TARGET, as TAP; then every
   file with a few bytes changed, from a fixed seed. replay FOLDER --changes N changes each N times. */
#include <dirent.h>
#include <string.h>

#include "../unit/foreign.h"
#include "fuzz.h"

#define MOST_BYTES 65536

static uint64_t state = 88172645463325252u;

static uint32_t draw(uint32_t n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)((state >> 32) * n >> 32);
}

/* Some bytes set, some cut out of the end. */
static size_t change(uint8_t *data, size_t size)
{
    static const uint8_t usual[] = {0, 1, 0x7f, 0x80, 0xff, '\n', '"', '\\'};

    for (uint32_t n = 1 + draw(6); n && size; n--) {
        uint32_t how = draw(3);
        data[draw((uint32_t)size)] = how ? usual[draw(sizeof(usual))] : (uint8_t)draw(256);
    }
    return draw(4) ? size : draw((uint32_t)size + 1);
}

static unsigned run_folder(const struct fuzz_entry *entry, const char *folder, unsigned changes)
{
    static uint8_t data[MOST_BYTES], changed[MOST_BYTES];
    char path[1024];
    struct dirent **names = NULL;
    unsigned runs = 0;

    snprintf(path, sizeof(path), "%s/%s", folder, entry->name);
    int count = scandir(path, &names, NULL, alphasort);
    for (int i = 0; i < count; i++) {
        snprintf(path, sizeof(path), "%s/%s/%s", folder, entry->name, names[i]->d_name);
        FILE *file = names[i]->d_name[0] == '.' ? NULL : fopen(path, "rb");
        free(names[i]);
        if (!file)
            continue;
        size_t size = fread(data, 1, sizeof(data), file);
        fclose(file);
        fuzz_run(entry, data, size);
        runs++;
        for (unsigned k = 0; k < changes; k++, runs++) {
            memcpy(changed, data, size);
            fuzz_run(entry, changed, change(changed, size));
        }
    }
    free(names);
    return runs;
}

/* The library that a target passes through and that the memory sanitizer cannot see into, or NULL. */
static const char *foreign_library(const char *target)
{
    static const struct {
        const char *target, *through;
    } known[] = {
        {"ledger", "jansson"},       {"jsonl", "jansson"},         {"wyoming", "jansson"},
        {"wyoming_wire", "jansson"}, {"manifest", "jansson"},      {"http_reply", "jansson"},
        {"state", "jansson"},        {"kept", "jansson"},          {"resume", "jansson"},
        {"form", "libmicrohttpd"},   {"figures", "libmicrohttpd"},
    };

    for (size_t i = 0; MEMORY_WATCHED && i < sizeof(known) / sizeof(known[0]); i++)
        if (strcmp(target, known[i].target) == 0)
            return known[i].through;
    return NULL;
}

int main(int argc, char **argv)
{
    unsigned changes = argc == 4 ? (unsigned)atoi(argv[3]) : 20, number = 0, count = 0;

    if (argc < 2)
        return fprintf(stderr, "usage: replay FOLDER [--changes N]\n"), 2;
    while (fuzz_entries[count].name)
        count++;
    printf("TAP version 13\n1..%u\n", count);
    for (const struct fuzz_entry *e = fuzz_entries; e->name; e++) {
        const char *library = foreign_library(e->name);
        fflush(stdout);
        if (library) {
            printf("ok %u - %s # SKIP %s was not built with the memory sanitizer\n", ++number,
                   e->name, library);
            continue;
        }
        unsigned runs = run_folder(e, argv[1], changes);
        printf("%sok %u - %s: %u inputs\n", runs ? "" : "not ", ++number, e->name, runs);
    }
    return 0;
}
