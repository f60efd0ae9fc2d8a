/* SPDX-License-Identifier: MIT */
/* What is written and read as text. */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

#include <voicestand/place.h>
#include <voicestand/vad.h>

#include "base/base.h"
#include "fuzz.h"
#include "output/output.h"
#include "place/cpus.h"
#include "vad/weights.h"

static void count_finding(void *user, uint64_t line, const char *sentence)
{
    uint64_t *count = user;

    (void)line;
    FUZZ_CHECK(sentence[0]);
    ++*count;
}

/* A stream of what is left of an input, `piece` bytes a read. */
static struct {
    const uint8_t *at;
    size_t left, piece;
} showing;

static ssize_t show(void *user, char *to, size_t bytes)
{
    size_t n = VS__MIN(VS__MIN(bytes, showing.piece), showing.left);

    (void)user;
    if (n == 0)
        return 0;
    memcpy(to, showing.at, n);
    showing.at += n;
    showing.left -= n;
    return (ssize_t)n;
}

static FILE *stream_of(const struct fuzz *f, size_t piece)
{
    static FILE *stream;

    if (!stream)
        stream = fopencookie(NULL, "r", (cookie_io_functions_t){.read = show});
    FUZZ_CHECK(stream);
    while (getc(stream) != EOF) /* what the last check left */
        continue;
    clearerr(stream);
    showing.at = f->at;
    showing.left = f->left;
    showing.piece = piece;
    return stream;
}

static int check_ledger(const struct fuzz *f, size_t piece, struct vs_ledger_report *ret)
{
    uint64_t found = 0;
    int rc = vs_ledger_check(stream_of(f, piece), count_finding, &found, ret);

    FUZZ_CHECK(rc < 0 || found == ret->findings);
    FUZZ_CHECK(rc != 0 || found == 0);
    return rc;
}

/* The check of written events: comes back, says how many it found, the same in pieces. */
void fuzz_ledger(struct fuzz *f)
{
    struct vs_ledger_report whole = {0}, pieces = {0};
    int rc = check_ledger(f, SIZE_MAX, &whole);

    if (f->alloc_fail % 4 == 0)
        FUZZ_CHECK(rc == check_ledger(f, 1 + f->alloc_fail, &pieces) &&
                   whole.lines == pieces.lines && whole.findings == pieces.findings);
}

/* An event of any numbers and words. */
static struct vs_event draw_event(struct fuzz *f, const char *text)
{
    struct vs_event e = {.size = sizeof(e), .text = text};

    e.type = (int)fuzz_range(f, 0, 12);
    e.flags = fuzz_u8(f);
    e.segment = fuzz_u8(f);
    e.start_frame = fuzz_u32(f);
    e.end_frame = e.start_frame + fuzz_u32(f);
    e.start_s = (double)e.start_frame / 16000;
    e.end_s = (double)e.end_frame / 16000;
    e.cause = (int)fuzz_range(f, 0, VS_DROP_COUNT - 1);
    e.status = -(int)fuzz_u8(f);
    uint32_t bits = fuzz_u32(f);
    memcpy(&e.probability, &bits, sizeof(bits));
    bits = fuzz_u32(f);
    memcpy(&e.level_db, &bits, sizeof(bits));
    return e;
}

/* Write events in a format; the words hold what is left of the input. */
static char *write_events(struct fuzz *f, int format, bool shown, size_t *ret_events, size_t *bytes)
{
    struct vs_output_config config = {.format = format, .probabilities = 1};
    struct vs_output_source source = {.rate_hz = 16000};
    struct vs_ledger ledger = {.size = sizeof(ledger)};
    size_t count = fuzz_range(f, 1, 6);
    struct vs_event events[6];
    vs_output *o = NULL;
    char *out = NULL;

    for (size_t i = 0; i < count; i++)
        events[i] = draw_event(f, NULL);
    char *text = fuzz_string(f);
    source.file = fuzz_u8(f) % 2 ? text : NULL;
    config.stream = open_memstream(&out, bytes);
    FUZZ_CHECK(vs_output_open(&config, &o) == 0);
    for (size_t i = 0; i < count; i++) {
        events[i].text = text;
        if (shown)
            events[i].type = VS_EVENT_SEGMENT;
        if (events[i].type == VS_EVENT_LEDGER)
            events[i].ledger = &ledger;
        int rc = vs_output_event(o, &source, &events[i]);
        FUZZ_CHECK(rc == 0 || rc == -EINVAL);
    }
    FUZZ_CHECK(vs_output_close(o) == 0);
    fclose(config.stream);
    free(text);
    *ret_events = count;
    return out;
}

/* Each line is a JSON object, whatever is in it. */
void fuzz_jsonl(struct fuzz *f)
{
    size_t events, bytes;
    char *out = write_events(f, VS_OUTPUT_JSONL, false, &events, &bytes);
    size_t lines = 0;

    FUZZ_CHECK(strlen(out) == bytes);
    for (char *line = out, *end; *line; line = end + 1, lines++) {
        json_error_t error;
        end = strchr(line, '\n');
        FUZZ_CHECK(end);
        json_t *o = json_loadb(line, (size_t)(end - line), JSON_REJECT_DUPLICATES, &error);
        if (!o)
            fprintf(stderr, "%s: %.*s\n", error.text, (int)(end - line), line);
        FUZZ_CHECK(json_is_object(o));
        json_decref(o);
    }
    FUZZ_CHECK(lines <= events);
    free(out);
}

static size_t count_of(const char *text, const char *word)
{
    size_t n = 0;

    while ((text = strstr(text, word)) != NULL) {
        text += strlen(word);
        n++;
    }
    return n;
}

/* Captions, labels and tables: words cannot end the cue or the row that they are in. */
void fuzz_captions(struct fuzz *f)
{
    int format = (int)fuzz_range(f, 0, VS_OUTPUT_COUNT - 1);
    size_t events, bytes;
    char *out = write_events(f, format, true, &events, &bytes);

    FUZZ_CHECK(strlen(out) == bytes);
    if (format == VS_OUTPUT_SRT || format == VS_OUTPUT_VTT)
        FUZZ_CHECK(count_of(out, "-->") <= events);
    if (format == VS_OUTPUT_AUDACITY || format == VS_OUTPUT_RTTM)
        FUZZ_CHECK(count_of(out, "\n") <= events);
    free(out);
}

/* Weights that somebody else wrote: refused, or all tensors lie inside. */
void fuzz_weights(struct fuzz *f)
{
    struct vs__tensor tensors[2] = {{"a", "x.a", {2, 1, 2}, NULL}, {"b", "x.b", {1}, NULL}};
    const char *where = NULL;
    const char *wrong = vs__weights_parse(f->at, f->left, tensors, 2, &where);

    if (wrong) {
        FUZZ_CHECK(wrong[0]);
        return;
    }
    for (size_t i = 0; i < 2; i++) {
        size_t values = i ? 1 : 4;
        FUZZ_CHECK(tensors[i].data >= f->at);
        FUZZ_CHECK(tensors[i].data + 4 * values <= f->at + f->left);
        for (size_t k = 0; k < values; k++) {
            float x;
            memcpy(&x, tensors[i].data + 4 * k, 4);
            FUZZ_CHECK(isfinite(x));
        }
    }
}

/* A trace of probabilities: refused, or what it says is one. */
void fuzz_replay(struct fuzz *f)
{
    int fd = fuzz_file(f);
    char name[64];
    struct vs_vad_config config = {.size = sizeof(config), .name = name};
    static const float hop[VS_HOP_FRAMES];
    vs_vad *v = NULL;

    snprintf(name, sizeof(name), "replay:/proc/self/fd/%d", fd);
    fuzz_memory(f);
    int rc = vs_vad_create(&config, &v);
    fuzz_memory(NULL);
    FUZZ_CHECK(rc == 0 || (rc < 0 && !v));
    for (int i = 0; rc == 0 && i < 50; i++) {
        float p = -1;
        if (vs_vad_infer(v, hop, &p) == 0)
            FUZZ_CHECK(p >= 0 && p <= 1);
    }
    vs_vad_destroy(v);
}

/* Lists of processors, and policies of placement: refused, or sets of what may be used. */
void fuzz_places(struct fuzz *f)
{
    static struct vs_topology known;
    struct vs_topology *t = &known;
    struct vs_placement placement = {.size = sizeof(placement)};
    uint64_t set[VS_CPUS_MAX / 64] = {0};

    t->size = sizeof(*t);
    t->count = fuzz_range(f, 0, 40);
    for (uint32_t i = 0; i < t->count; i++) {
        t->cpus[i].id = i;
        t->cpus[i].usable = fuzz_u8(f) % 2;
        t->cpus[i].core = i / 2;
    }
    char *text = fuzz_string(f);
    int rc = vs__cpus_parse(text, NULL, set);
    FUZZ_CHECK(rc == 0 || rc == -EINVAL);
    FUZZ_CHECK(vs__cpus_count(set) <= VS_CPUS_MAX);
    rc = vs_placement_plan(t, text, &placement);
    for (int role = 0; rc == 0 && role < VS_ROLE_COUNT; role++)
        for (uint32_t i = 0; i < VS_CPUS_MAX; i++)
            if (vs__cpus_has(placement.cpus[role], i))
                FUZZ_CHECK(i < t->count && t->cpus[i].usable);
    free(text);
    memset(t->cpus, 0, t->count * sizeof(t->cpus[0]));
}
