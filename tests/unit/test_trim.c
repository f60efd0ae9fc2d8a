/* SPDX-License-Identifier: MIT */
/* Letting go of what starting needed: pages go, nothing that a program knows does. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/trim.h"

static const char *const words[] = {"relocated", "constant"}; /* written once, by the loader */
static char written[] = "by the program";

static long file_pages_kib(void)
{
    char line[128];
    long kib = -1;
    FILE *f = fopen("/proc/self/status", "r");

    assert_non_null(f);
    while (fgets(line, sizeof(line), f))
        if (sscanf(line, "RssFile: %ld", &kib) == 1)
            break;
    fclose(f);
    return kib;
}

static int compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void test_pages_go(void **state)
{
    (void)state;
    (void)file_pages_kib(); /* what reading takes is there */
    long before = file_pages_kib();
    trim_started();
    long after = file_pages_kib();

    print_message("# pages of files: %ld KiB before, %ld KiB after\n", before, after);
    assert_true(after < before);
}

static void test_nothing_is_lost(void **state)
{
    char *kept = strdup("on the heap");
    const char *sorted[] = {words[0], words[1]};

    (void)state;
    assert_non_null(kept);
    written[0] = 'B';
    for (int i = 0; i < 3; i++)
        trim_started();
    assert_string_equal(written, "By the program");
    assert_string_equal(kept, "on the heap");
    qsort(sorted, 2, sizeof(sorted[0]), compare);
    assert_string_equal(sorted[0], "constant");
    assert_string_equal(sorted[1], "relocated");
    free(kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pages_go),
        cmocka_unit_test(test_nothing_is_lost),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
