/* SPDX-License-Identifier: MIT */
/* Each format against a file that was checked by eye: `test_golden FOLDER`. With a second argument
   the files are written instead. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "events.h"

static char *read_all(FILE *f)
{
    char *text = calloc(1, 65536);

    if (text && f) {
        size_t bytes = fread(text, 1, 65535, f);
        text[bytes] = '\0';
    }
    return text;
}

static char *produce(int format, int live)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *f = open_memstream(&text, &bytes);
    struct vs_output_config config = {
        .format = format, .stream = f, .live = live, .probabilities = 1};
    struct vs_output_source source = SOURCE;

    if (live) {
        source.file = NULL;
    }
    int status = write_run(&config, &source);
    fclose(f);
    if (status != 0) {
        printf("# status %d\n", status);
    }
    return text;
}

static int compare(const char *folder, const char *name, char *text, int is_writing)
{
    char path[512];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *f = fopen(path, is_writing ? "w" : "r");
    if (!f) {
        printf("# no file %s\n", path);
        free(text);
        return 0;
    }
    int same = 1;
    if (is_writing) {
        fputs(text, f);
    } else {
        char *golden = read_all(f);
        same = golden && strcmp(golden, text) == 0;
        if (!same) {
            fprintf(stderr, "%s should be\n%s\nbut is\n%s\n", name, golden ? golden : "", text);
        }
        free(golden);
    }
    fclose(f);
    free(text);
    return same;
}

int main(int argc, char **argv)
{
    int failed = 0;
    int number = 0;
    int is_writing = argc > 2;
    /* the wall clock of the text format is local time */
    setenv("TZ", "UTC", 1);

    if (argc < 2) {
        fprintf(stderr, "usage: test_golden FOLDER [write]\n");
        return 2;
    }
    printf("1..%d\n", VS_OUTPUT_COUNT + 2);
    for (int live = 0; live < 2; live++) {
        for (int format = 0; format < VS_OUTPUT_COUNT; format++) {
            char name[64];
            if (live && format != VS_OUTPUT_JSONL && format != VS_OUTPUT_TEXT) {
                continue;
            }
            snprintf(name, sizeof(name), "%s%s", live ? "live" : "file",
                     vs_output_format_suffix(format));
            int ok = compare(argv[1], name, produce(format, live), is_writing);
            printf("%sok %d - %s\n", ok ? "" : "not ", ++number, name);
            failed += !ok;
        }
    }
    return failed > 0;
}
