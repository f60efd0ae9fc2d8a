/* SPDX-License-Identifier: MIT */
/* All targets for a fuzzer that follows branches; the environment variable VOICESTAND_FUZZ names the one to run. */
#include <string.h>

#include "fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct fuzz_entry *entry;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const char *name = getenv("VOICESTAND_FUZZ");

    (void)argc;
    (void)argv;
    for (entry = fuzz_entries; entry->name; entry++)
        if (name && strcmp(entry->name, name) == 0)
            return 0;
    fprintf(stderr, "voicestand: VOICESTAND_FUZZ names no target of tests/fuzz/fuzz.c\n");
    exit(2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_run(entry, data, size);
    return 0;
}
