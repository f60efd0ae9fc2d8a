/* SPDX-License-Identifier: MIT */
/* One target for a fuzzer that follows branches; FUZZ_NAME is its number in the table's words. */
#include <string.h>

#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct fuzz_entry *entry;

    for (entry = entry ? entry : fuzz_entries; strcmp(entry->name, FUZZ_NAME) != 0; entry++)
        continue;
    fuzz_run(entry, data, size);
    return 0;
}
