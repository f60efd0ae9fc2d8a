/* SPDX-License-Identifier: MIT */
/* voicestand devices: what --capture can open here. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/common.h"
#include "output/output.h"

struct row {
    char *capture, *description;
    bool is_default;
    uint32_t rate_hz, channels;
};

struct rows {
    struct row *row;
    size_t count;
};

static void keep_row(void *user, const struct vs_device *device)
{
    struct rows *rows = user;
    struct row *grown = realloc(rows->row, (rows->count + 1) * sizeof(*grown));

    if (grown == NULL)
        return;
    rows->row = grown;
    grown[rows->count++] = (struct row){
        .capture = strdup(device->capture),
        .description = strdup(device->description != NULL ? device->description : ""),
        .is_default = device->is_default != 0,
        .rate_hz = device->rate_hz,
        .channels = device->channels,
    };
}

static void print_row_json(const struct row *r)
{
    printf("{\"event\":\"device\",\"capture\":");
    print_json(stdout, r->capture);
    printf(",\"default\":%s,\"rate_hz\":%u,\"channels\":%u,\"description\":",
           r->is_default ? "true" : "false", r->rate_hz, r->channels);
    print_json(stdout, r->description);
    printf("}\n");
}

static void print_number(char *ret, size_t size, uint32_t number)
{
    if (number > 0)
        snprintf(ret, size, "%u", number);
    else
        snprintf(ret, size, "any");
}

static void print_table(const struct rows *rows)
{
    size_t widest = strlen("capture");

    for (size_t i = 0; i < rows->count; i++)
        if (strlen(rows->row[i].capture) > widest)
            widest = strlen(rows->row[i].capture);
    printf("  %-*s  %6s  %8s  %s\n", (int)widest, "capture", "rate", "channels", "description");
    for (size_t i = 0; i < rows->count; i++) {
        const struct row *r = &rows->row[i];
        char rate[16], channels[16];

        print_number(rate, sizeof(rate), r->rate_hz);
        print_number(channels, sizeof(channels), r->channels);
        printf("%c %-*s  %6s  %8s  %s\n", r->is_default ? '*' : ' ', (int)widest, r->capture, rate,
               channels, r->description);
    }
}

int run_devices(const struct settings *s, int count, char **arguments)
{
    struct rows rows = {0};
    struct sentences words;
    struct vs_env env;
    int status;

    (void)count;
    (void)arguments;
    if (s->format > VS_OUTPUT_JSONL)
        return say_usage("--format: devices knows text and jsonl");
    sentences_init(&words, s, NULL);
    sentences_env(&words, s, &env);
    status = vs_devices_list(&env, keep_row, &rows);
    if (s->format == VS_OUTPUT_JSONL)
        for (size_t i = 0; i < rows.count; i++)
            print_row_json(&rows.row[i]);
    else if (rows.count > 0)
        print_table(&rows);
    if (rows.count == 0)
        say("no device can be opened%s%s; 'voicestand doctor' says what is missing",
            status < 0 ? ": " : "", status < 0 ? vs_strerror(status) : "");
    for (size_t i = 0; i < rows.count; i++) {
        free(rows.row[i].capture);
        free(rows.row[i].description);
    }
    free(rows.row);
    return rows.count > 0 ? EXIT_STATUS_OK : EXIT_STATUS_NO_INPUT;
}
