/* SPDX-License-Identifier: MIT */
#include "common/tuned.h"

#include <errno.h>
#include <jansson.h>
#include <stdbool.h>
#include <string.h>

#include <voicestand/voicestand.h>

#include "common/folders.h"

static int find_path(char *ret, size_t bytes)
{
    const char *folder = folder_state();
    int n = folder != NULL ? snprintf(ret, bytes, "%s/tuned.json", folder) : -1;

    return n > 0 && (size_t)n < bytes ? 0 : -ENOENT;
}

static json_t *pack_row(const struct tuned_row *r)
{
    return json_pack("{s:s,s:i,s:f,s:f,s:f,s:f,s:f}", "place", r->place, "period_ms",
                     (int)r->period_ms, "wake_p50_us", r->wake_p50_us, "wake_p99_us",
                     r->wake_p99_us, "known_p99_us", r->known_p99_us, "cpu_percent", r->cpu_percent,
                     "wakeups_per_s", r->wakeups_per_s);
}

int tuned_write(const struct tuned *t)
{
    char path[4200], fresh[4208];
    json_t *rows = json_array();
    json_t *all =
        json_pack("{s:s,s:s,s:i,s:i,s:o}", "version", vs_version(), "place", t->place, "period_ms",
                  (int)t->period_ms, "text_threads", (int)t->text_threads, "rows", rows);
    int status = all != NULL ? find_path(path, sizeof(path)) : -ENOMEM;

    for (size_t i = 0; status == 0 && i < t->count; i++)
        if (json_array_append_new(rows, pack_row(&t->rows[i])) < 0)
            status = -ENOMEM;
    if (status == 0) {
        snprintf(fresh, sizeof(fresh), "%s.new", path);
        if (json_dump_file(all, fresh, JSON_INDENT(1)) < 0 || rename(fresh, path) < 0)
            status = -EIO;
    }
    json_decref(all);
    return status;
}

static bool is_period(int ms)
{
    return ms >= 2 && ms <= 100;
}

static int unpack_row(json_t *row, struct tuned_row *ret)
{
    const char *place;
    int period;

    if (json_unpack(row, "{s:s,s:i,s:F,s:F,s:F,s:F,s:F}", "place", &place, "period_ms", &period,
                    "wake_p50_us", &ret->wake_p50_us, "wake_p99_us", &ret->wake_p99_us,
                    "known_p99_us", &ret->known_p99_us, "cpu_percent", &ret->cpu_percent,
                    "wakeups_per_s", &ret->wakeups_per_s) < 0 ||
        !is_period(period))
        return -EBADMSG;
    snprintf(ret->place, sizeof(ret->place), "%s", place);
    ret->period_ms = (uint32_t)period;
    return 0;
}

static int unpack(json_t *all, struct tuned *ret)
{
    const char *version, *place;
    int period, threads;
    json_t *rows;

    if (json_unpack(all, "{s:s,s:s,s:i,s:i,s:o}", "version", &version, "place", &place, "period_ms",
                    &period, "text_threads", &threads, "rows", &rows) < 0 ||
        !is_period(period) || threads < 1 || threads > VS_CPUS_MAX)
        return -EBADMSG;
    if (strcmp(version, vs_version()) != 0)
        return -ENOENT;
    *ret = (struct tuned){.period_ms = (uint32_t)period, .text_threads = (uint32_t)threads};
    snprintf(ret->place, sizeof(ret->place), "%s", place);
    for (size_t i = 0; i < json_array_size(rows) && ret->count < TUNED_ROWS; i++)
        if (unpack_row(json_array_get(rows, i), &ret->rows[ret->count++]) < 0)
            return -EBADMSG;
    return 0;
}

int tuned_read(struct tuned *ret)
{
    char path[4200];
    int status = find_path(path, sizeof(path));
    json_t *all = status == 0 ? json_load_file(path, 0, NULL) : NULL;

    if (all == NULL)
        return -ENOENT;
    status = unpack(all, ret);
    json_decref(all);
    return status;
}
