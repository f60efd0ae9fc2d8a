/* SPDX-License-Identifier: MIT */
/* A look as JSON, and as OpenMetrics. Numbers are written without the locale: its decimal comma
   belongs into neither. */
#include <math.h>
#include <string.h>

#include "common/common.h"
#include "monitor/view.h"
#include "output/put.h"

/* JSON ---------------------------------------------------------------------------------------- */

static void put_stage(FILE *to, const char *name, const struct vs_latency *l, bool first)
{
    const struct {
        const char *name;
        int64_t ns;
    } quantiles[] = {{"p50_us", l->p50_ns},
                     {"p90_us", l->p90_ns},
                     {"p99_us", l->p99_ns},
                     {"p999_us", l->p999_ns},
                     {"max_us", l->max_ns}};

    fprintf(to, "%s\"%s\":{\"count\":%llu", first ? "" : ",", name, (unsigned long long)l->count);
    for (size_t i = 0; i < sizeof(quantiles) / sizeof(quantiles[0]); i++) {
        fprintf(to, ",\"%s\":", quantiles[i].name);
        vs__put_decimal(to, (double)quantiles[i].ns / 1e3, 1);
    }
    fputc('}', to);
}

static void put_stages(FILE *to, const struct vs_stats *s)
{
    bool first = true;

    fputs(",\"latency\":{", to);
    for (int i = 0; i < VS_STAGE_COUNT; i++) {
        if (s->stage[i].count == 0)
            continue;
        put_stage(to, vs_stage_name(i), &s->stage[i], first);
        first = false;
    }
    fputc('}', to);
}

static void put_ledger(FILE *to, const struct vs_ledger *l)
{
    fprintf(to, ",\"captured\":%llu,\"delivered\":%llu,\"dropped\":{",
            (unsigned long long)l->captured, (unsigned long long)l->delivered);
    for (int i = 0; i < VS_DROP_COUNT; i++)
        fprintf(to, "%s\"%s\":%llu", i > 0 ? "," : "", vs_drop_name(i),
                (unsigned long long)l->dropped[i]);
    fprintf(to, "},\"poisoned\":%llu,\"events_dropped\":%llu", (unsigned long long)l->poisoned,
            (unsigned long long)l->events_dropped);
}

/* One member of all hops from `since` on. */
static void put_hops(FILE *to, const struct view_look *l, uint64_t since, const char *name,
                     size_t offset, int digits)
{
    fprintf(to, ",\"%s\":[", name);
    for (uint64_t i = since; i < l->hops_seen; i++) {
        const char *hop = (const char *)&l->hops[i % VIEW_HOPS];
        float value;

        memcpy(&value, hop + offset, sizeof(value));
        fputs(i > since ? "," : "", to);
        vs__put_decimal(to, (double)value, digits);
    }
    fputc(']', to);
}

static void put_all_hops(FILE *to, const struct view_look *l, uint64_t since)
{
    uint64_t first = l->hops_seen > VIEW_HOPS ? l->hops_seen - VIEW_HOPS : 0;

    if (since > l->hops_seen)
        since = 0; /* of a run before this one */
    since = since > first ? since : first;
    fprintf(to, ",\"hop\":%llu", (unsigned long long)since);
    put_hops(to, l, since, "probability", offsetof(struct view_hop, probability), 3);
    put_hops(to, l, since, "level_db", offsetof(struct view_hop, level_db), 1);
    put_hops(to, l, since, "peak_db", offsetof(struct view_hop, peak_db), 1);
    fputs(",\"speech\":[", to);
    for (uint64_t i = since; i < l->hops_seen; i++)
        fprintf(to, "%s%d", i > since ? "," : "", l->hops[i % VIEW_HOPS].speech);
    fputc(']', to);
}

static void put_process(FILE *to, const struct view_look *l)
{
    fputs(",\"cpu_percent\":", to);
    vs__put_decimal(to, l->cpu_percent, 2);
    fputs(",\"wakeups_per_s\":", to);
    vs__put_decimal(to, l->wakeups_per_s, 1);
    fprintf(to,
            ",\"rss_bytes\":%llu,\"anonymous_bytes\":%llu,\"faults_minor\":%llu,"
            "\"faults_major\":%llu,\"threads\":{",
            (unsigned long long)l->rss_bytes, (unsigned long long)l->anonymous_bytes,
            (unsigned long long)l->faults_minor, (unsigned long long)l->faults_major);
    for (size_t i = 0; i < l->thread_count; i++) {
        fputs(i > 0 ? "," : "", to);
        print_json(to, l->threads[i].name);
        fputc(':', to);
        vs__put_decimal(to, l->threads[i].percent, 2);
    }
    fputc('}', to);
}

/* A sensor that is not there has no value. */
static void put_power(FILE *to, const struct vs_power *p)
{
    fputs(",\"temperature_c\":", to);
    vs__put_decimal(to, p->temperature_status == 0 ? (double)p->temperature_c : (double)NAN, 1);
    fputs(",\"energy_j\":", to);
    vs__put_decimal(to, p->energy_status == 0 ? p->energy_j : (double)NAN, 3);
    fputs(",\"on_battery\":", to);
    fputs(p->battery_status != 0 ? "null" : p->on_battery ? "true" : "false", to);
    fputs(",\"throttles\":", to);
    vs__put_decimal(to, p->throttle_status == 0 ? (double)p->throttles : (double)NAN, 0);
}

static void put_text(FILE *to, const char *name, const char *text)
{
    fprintf(to, ",\"%s\":", name);
    print_json(to, text != NULL ? text : "");
}

void view_json(FILE *to, const struct view_look *l, uint64_t since)
{
    const struct vs_stats *s = &l->stats;

    fputs("{\"event\":\"monitor\",\"elapsed_s\":", to);
    vs__put_decimal(to, (double)s->elapsed_ns / 1e9, 3);
    put_text(to, "capture", l->capture);
    put_text(to, "device", l->device);
    put_text(to, "vad", l->vad);
    put_text(to, "cpu", l->cpu);
    fprintf(to, ",\"rate_hz\":%u,\"channels\":%u,\"realtime\":%d", l->rate_hz, l->channels,
            s->realtime);
    put_ledger(to, &s->ledger);
    fprintf(to, ",\"ring_frames\":%u,\"ring_fill_frames\":%u,\"ring_peak_frames\":%u",
            s->ring_frames, s->ring_fill_frames, s->ring_peak_frames);
    fprintf(to, ",\"hops\":%llu,\"speech_hops\":%llu,\"segments\":%llu,\"in_speech\":%s",
            (unsigned long long)s->hops, (unsigned long long)s->speech_hops,
            (unsigned long long)s->segments, l->speech ? "true" : "false");
    put_stages(to, s);
    put_process(to, l);
    put_power(to, &l->power);
    put_text(to, "state", l->state);
    put_text(to, "text", l->text);
    put_all_hops(to, l, since);
    fputc('}', to);
}

/* OpenMetrics --------------------------------------------------------------------------------- */

static void begin_family(FILE *to, const char *name, const char *type, const char *unit,
                         const char *help)
{
    fprintf(to, "# TYPE voicestand_%s %s\n", name, type);
    if (unit != NULL)
        fprintf(to, "# UNIT voicestand_%s %s\n", name, unit);
    fprintf(to, "# HELP voicestand_%s %s\n", name, help);
}

static void put_decimal_line(FILE *to, double value)
{
    vs__put_decimal(to, value, 6);
    fputc('\n', to);
}

static void put_sample(FILE *to, const char *name, double value)
{
    fprintf(to, "voicestand_%s ", name);
    if (value >= 0 && value < 0x1p53 && value == floor(value))
        fprintf(to, "%llu\n", (unsigned long long)value);
    else
        put_decimal_line(to, value);
}

static void put_gauge(FILE *to, const char *name, const char *unit, const char *help, double value)
{
    begin_family(to, name, "gauge", unit, help);
    put_sample(to, name, value);
}

static void put_counter(FILE *to, const char *name, const char *unit, const char *help,
                        double value)
{
    char total[80];

    begin_family(to, name, "counter", unit, help);
    snprintf(total, sizeof(total), "%s_total", name);
    put_sample(to, total, value);
}

/* The value of a label, with what the format wants escaped. */
static void put_label(FILE *to, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '\\' || *text == '"')
            fputc('\\', to);
        if (*text == '\n')
            fputs("\\n", to);
        else
            fputc(*text, to);
    }
}

static void put_latencies(FILE *to, const struct vs_stats *s)
{
    static const char *const quantiles[] = {"0.5", "0.9", "0.99", "0.999", "1"};

    begin_family(to, "latency_seconds", "summary", "seconds", "Latency of a stage.");
    for (int i = 0; i < VS_STAGE_COUNT; i++) {
        const struct vs_latency *l = &s->stage[i];
        const int64_t values[] = {l->p50_ns, l->p90_ns, l->p99_ns, l->p999_ns, l->max_ns};

        for (size_t q = 0; l->count > 0 && q < sizeof(values) / sizeof(values[0]); q++) {
            fprintf(to, "voicestand_latency_seconds{stage=\"%s\",quantile=\"%s\"} ",
                    vs_stage_name(i), quantiles[q]);
            fprintf(to, "%lld.%09lld\n", (long long)values[q] / 1000000000,
                    (long long)values[q] % 1000000000);
        }
        if (l->count > 0)
            fprintf(to, "voicestand_latency_seconds_count{stage=\"%s\"} %llu\n", vs_stage_name(i),
                    (unsigned long long)l->count);
    }
}

static void put_drops(FILE *to, const struct vs_ledger *l)
{
    begin_family(to, "frames_dropped", "counter", NULL, "Source frames lost, by cause.");
    for (int i = 0; i < VS_DROP_COUNT; i++)
        fprintf(to, "voicestand_frames_dropped_total{cause=\"%s\"} %llu\n", vs_drop_name(i),
                (unsigned long long)l->dropped[i]);
}

static void put_threads(FILE *to, const struct view_look *l)
{
    begin_family(to, "thread_cpu_seconds", "counter", "seconds", "CPU time of threads, by name.");
    for (size_t i = 0; i < l->thread_count; i++) {
        fputs("voicestand_thread_cpu_seconds_total{thread=\"", to);
        put_label(to, l->threads[i].name);
        fputs("\"} ", to);
        put_decimal_line(to, l->threads[i].cpu_s);
    }
}

static void put_info(FILE *to, const struct view_look *l)
{
    const char *const labels[][2] = {{"version", vs_version()},     {"capture", l->capture},
                                     {"device", l->device},         {"vad", l->vad},
                                     {"vad_device", l->vad_device}, {"cpu", l->cpu}};

    begin_family(to, "pipeline", "info", NULL, "What was opened.");
    fputs("voicestand_pipeline_info{", to);
    for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
        fprintf(to, "%s%s=\"", i > 0 ? "," : "", labels[i][0]);
        put_label(to, labels[i][1]);
        fputc('"', to);
    }
    fputs("} 1\n", to);
}

static void put_sensors(FILE *to, const struct vs_power *p)
{
    if (p->temperature_status == 0)
        put_gauge(to, "temperature_celsius", "celsius", "Of the processor.",
                  (double)p->temperature_c);
    if (p->energy_status == 0)
        put_counter(to, "energy_joules", "joules", "Of all processor packages.", p->energy_j);
    if (p->throttle_status == 0)
        put_counter(to, "throttles", NULL, "Times that the hardware slowed down.",
                    (double)p->throttles);
    if (p->battery_status == 0)
        put_gauge(to, "on_battery", NULL, "1 while a battery is emptied.", p->on_battery ? 1 : 0);
}

void view_metrics(FILE *to, const struct view_look *l)
{
    const struct vs_stats *s = &l->stats;
    const struct view_hop *last =
        l->hops_seen > 0 ? &l->hops[(l->hops_seen - 1) % VIEW_HOPS] : NULL;

    put_info(to, l);
    put_counter(to, "frames_captured", NULL, "Source frames, lost ones included.",
                (double)s->ledger.captured);
    put_counter(to, "frames_delivered", NULL, "Source frames that were decided.",
                (double)s->ledger.delivered);
    put_drops(to, &s->ledger);
    put_counter(to, "samples_poisoned", NULL, "Samples that were no numbers, replaced by 0.",
                (double)s->ledger.poisoned);
    put_counter(to, "events_dropped", NULL, "Events that the user was too slow for.",
                (double)s->ledger.events_dropped);
    put_counter(to, "hops", NULL, "Hops of 10 ms decided.", (double)s->hops);
    put_counter(to, "speech_hops", NULL, "Of those, inside a segment.", (double)s->speech_hops);
    put_counter(to, "segments", NULL, "Segments of speech closed.", (double)s->segments);
    put_counter(to, "wakeups", NULL, "Of the worker.", (double)s->wakeups);
    put_gauge(to, "ring_frames", NULL, "Room of the ring.", s->ring_frames);
    put_gauge(to, "ring_fill_frames", NULL, "Waiting in the ring.", s->ring_fill_frames);
    put_gauge(to, "ring_peak_frames", NULL, "Most that ever waited.", s->ring_peak_frames);
    put_gauge(to, "realtime_priority", NULL, "Of the worker, 0 = none.", s->realtime);
    if (last != NULL) {
        put_gauge(to, "level_dbfs", "dbfs", "RMS of the last hop.", (double)last->level_db);
        put_gauge(to, "peak_dbfs", "dbfs", "Peak of the last hop.", (double)last->peak_db);
        put_gauge(to, "speech_probability", NULL, "Of the last hop.", (double)last->probability);
    }
    put_gauge(to, "in_speech", NULL, "1 while a segment is open.", l->speech ? 1 : 0);
    put_latencies(to, s);
    put_threads(to, l);
    put_gauge(to, "resident_bytes", "bytes", "Memory in use.", (double)l->rss_bytes);
    put_gauge(to, "anonymous_bytes", "bytes", "Of that, its own.", (double)l->anonymous_bytes);
    put_counter(to, "faults_minor", NULL, "Page faults without a read.", (double)l->faults_minor);
    put_counter(to, "faults_major", NULL, "Page faults with one.", (double)l->faults_major);
    put_sensors(to, &l->power);
    fputs("# EOF\n", to);
}
