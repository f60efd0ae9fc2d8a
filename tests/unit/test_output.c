/* SPDX-License-Identifier: MIT */
/* Outputs: numbers and words, streams that fail, the promise of docs/jsonl.schema.json, the check
   of ledgers, the audio of segments. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <dirent.h>
#include <jansson.h>
#include <locale.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../golden/events.h"
#include "foreign.h"
#include "output/put.h"

static char *text;
static size_t bytes;

static FILE *begin_text(void)
{
    free(text);
    text = NULL;
    return open_memstream(&text, &bytes);
}

#define CHECK_TEXT(call, expected)                                                                 \
    do {                                                                                           \
        FILE *f = begin_text();                                                                    \
        call;                                                                                      \
        fclose(f);                                                                                 \
        assert_string_equal(text, expected);                                                       \
    } while (0)

static void test_seconds(void **state)
{
    CHECK_TEXT(vs__put_seconds(f, 0, 16000, 6, true), "0.0");
    CHECK_TEXT(vs__put_seconds(f, 1, 3, 6, true), "0.333333");
    CHECK_TEXT(vs__put_seconds(f, 2, 3, 6, true), "0.666667");
    CHECK_TEXT(vs__put_seconds(f, 191999, 192000, 3, true), "1.0");
    CHECK_TEXT(vs__put_seconds(f, 24000, 16000, 3, false), "1.500");
    CHECK_TEXT(vs__put_seconds(f, UINT64_MAX, 8000, 6, true), "2305843009213693.951875");
    assert_int_equal(vs__to_ms(44101, 44100), 1000);
    assert_int_equal(vs__to_ms(UINT64_C(192000) * 1000000, 192000), 1000000000);
}

static void test_decimals(void **state)
{
    CHECK_TEXT(vs__put_decimal(f, 0.5, 4), "0.5");
    CHECK_TEXT(vs__put_decimal(f, (double)0.1f, 4), "0.1");
    CHECK_TEXT(vs__put_decimal(f, -23.456, 2), "-23.46");
    CHECK_TEXT(vs__put_decimal(f, -0.001, 2), "0.0");
    CHECK_TEXT(vs__put_decimal(f, (double)-INFINITY, 2), "null");
    CHECK_TEXT(vs__put_decimal(f, (double)NAN, 2), "null");
}

/* A German comma must not get into a number. */
static void test_locale(void **state)
{
    const char *name = setlocale(LC_ALL, "de_DE.UTF-8");

    CHECK_TEXT(vs__put_decimal(f, 1.25, 2), "1.25");
    CHECK_TEXT(vs__put_seconds(f, 24000, 16000, 3, false), "1.500");
    setlocale(LC_ALL, "C");
    if (!name) {
        fprintf(stderr, "# the locale de_DE.UTF-8 is not installed: tried in C alone\n");
    }
}

static void test_words(void **state)
{
    CHECK_TEXT(vs__put_words(f, "a\"b\\c\n\x01\x7f", VS__WORDS_JSON),
               "a\\\"b\\\\c\\u000a\\u0001\\u007f");
    CHECK_TEXT(vs__put_words(f, "  a \t\r\n b  ", VS__WORDS_PLAIN), "a b");
    CHECK_TEXT(vs__put_words(f, "\xc2\x9b[2J\xe2\x80\xa8x", VS__WORDS_PLAIN), "[2J x");
    CHECK_TEXT(vs__put_words(f, "\xff\xc3\xa4\xed\xa0\x80\xc3", VS__WORDS_PLAIN),
               "\xef\xbf\xbd\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd");
    CHECK_TEXT(vs__put_words(f, "plain", VS__WORDS_CSV), "plain");
    CHECK_TEXT(vs__put_words(f, "a,\"b\"", VS__WORDS_CSV), "\"a,\"\"b\"\"\"");
    CHECK_TEXT(vs__put_words(f, "two words", VS__WORDS_ID), "two_words");
    CHECK_TEXT(vs__put_words(f, "a --> b", VS__WORDS_SRT), "a -> b");
    CHECK_TEXT(vs__put_words(f, "a ---> b -->", VS__WORDS_SRT), "a -> b ->");
    CHECK_TEXT(vs__put_words(f, "a --> <b> & c", VS__WORDS_VTT), "a --&gt; &lt;b&gt; &amp; c");
}

static void test_stem(void **state)
{
    const char *stem;

    assert_int_equal(vs__stem("a/b.c/talk.final.wav", &stem), strlen("talk.final"));
    assert_string_equal(stem, "talk.final.wav");
    assert_int_equal(vs__stem("a/.hidden", &stem), strlen(".hidden"));
    assert_int_equal(vs__stem(NULL, &stem), strlen("live"));
}

static void test_names(void **state)
{
    for (int i = 0; i < VS_OUTPUT_COUNT; i++) {
        assert_int_equal(vs_output_format_parse(vs_output_format_name(i)), i);
        assert_int_equal(vs_output_format_suffix(i)[0], '.');
    }
    assert_int_equal(vs_output_format_parse("WebVTT"), VS_OUTPUT_VTT);
    assert_int_equal(vs_output_format_parse("doc"), -EINVAL);
    assert_int_equal(vs_output_format_parse(NULL), -EINVAL);
    assert_string_equal(vs_output_format_name(-1), "unknown");
    assert_string_equal(vs_output_format_suffix(VS_OUTPUT_COUNT), "");
}

static void test_full_disk(void **state)
{
    for (int format = 0; format < VS_OUTPUT_COUNT; format++) {
        for (int live = 0; live < 2; live++) {
            FILE *f = fopen("/dev/full", "w");
            struct vs_output_config config = {.format = format, .stream = f, .live = live};
            assert_non_null(f);
            assert_int_equal(write_run(&config, &SOURCE), -ENOSPC);
            fclose(f);
        }
    }
}

static void test_reader_went_away(void **state)
{
    int ends[2];

    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(pipe(ends), 0);
    close(ends[0]);
    FILE *f = fdopen(ends[1], "w");
    struct vs_output_config config = {.format = VS_OUTPUT_JSONL, .stream = f, .live = 1};
    vs_output *o = NULL;
    struct vs_event event = {.type = VS_EVENT_STATE, .text = "on"};
    assert_int_equal(vs_output_open(&config, &o), 0);
    assert_int_equal(vs_output_event(o, &SOURCE, &event), -EPIPE);
    assert_int_equal(vs_output_event(o, &SOURCE, &event), -EPIPE);
    assert_int_equal(vs_output_close(o), -EPIPE);
    fclose(f);
}

static void test_one_source_only(void **state)
{
    struct vs_output_source other = {.file = "other.wav", .rate_hz = 16000};
    struct vs_event event = {.type = VS_EVENT_SEGMENT, .segment = 1, .end_frame = 16000};

    for (int format = 0; format < VS_OUTPUT_COUNT; format++) {
        FILE *f = begin_text();
        struct vs_output_config config = {.format = format, .stream = f};
        vs_output *o = NULL;
        assert_int_equal(vs_output_open(&config, &o), 0);
        assert_int_equal(vs_output_event(o, &SOURCE, &event), 0);
        assert_int_equal(vs_output_event(o, &other, &event),
                         vs_output_format_is_shared(format) ? 0 : -EINVAL);
        assert_int_equal(vs_output_close(o), 0);
        fclose(f);
    }
}

static void test_headless(void **state)
{
    FILE *f = begin_text();
    struct vs_output_config config = {.format = VS_OUTPUT_CSV, .stream = f, .headless = 1};
    vs_output *o = NULL;

    assert_int_equal(vs_output_open(&config, &o), 0);
    assert_int_equal(vs_output_close(o), 0);
    fclose(f);
    assert_string_equal(text, "");
}

/* What is heard so far is shown and taken back, and a terminal's width is not exceeded. */
static void test_terminal(void **state)
{
    FILE *f = begin_text();
    struct vs_output_config config = {.format = VS_OUTPUT_TEXT, .stream = f, .terminal = 1};
    struct vs_output_source live = {.rate_hz = 16000};
    char words[400];
    vs_output *o = NULL;

    memset(words, 'w', sizeof(words) - 1);
    words[sizeof(words) - 1] = '\0';
    struct vs_event partial = {.type = VS_EVENT_TEXT, .segment = 1, .text = words};
    struct vs_event segment = {
        .type = VS_EVENT_SEGMENT, .segment = 1, .end_frame = 16000, .text = "done"};
    assert_int_equal(vs_output_open(&config, &o), 0);
    assert_int_equal(vs_output_event(o, &live, &partial), 0);
    assert_true(bytes < 80);
    assert_int_equal(vs_output_event(o, &live, &segment), 0);
    assert_int_equal(vs_output_close(o), 0);
    fclose(f);
    assert_non_null(strstr(text, "\r\033[K   0:00.000 -   0:01.000  done\n"));
}

/* the schema -------------------------------------------------------------------------------- */

static json_t *load(const char *name)
{
    char path[512];
    const char *root = getenv("VOICESTAND_TEST_SOURCE");

    SKIP_WATCHED("jansson");
    snprintf(path, sizeof(path), "%s/docs/%s", root ? root : ".", name);
    json_t *json = json_load_file(path, 0, NULL);
    assert_non_null(json);
    return json;
}

static bool is_type(const json_t *value, const char *type)
{
    return (strcmp(type, "integer") == 0 && json_is_integer(value)) ||
           (strcmp(type, "number") == 0 && json_is_number(value)) ||
           (strcmp(type, "string") == 0 && json_is_string(value)) ||
           (strcmp(type, "boolean") == 0 && json_is_boolean(value)) ||
           (strcmp(type, "object") == 0 && json_is_object(value)) ||
           (strcmp(type, "array") == 0 && json_is_array(value)) ||
           (strcmp(type, "null") == 0 && json_is_null(value));
}

/* The words of JSON Schema that ours uses: const, type, enum, minimum, maximum. */
static void check_value(const char *key, const json_t *value, const json_t *rule)
{
    const json_t *type = json_object_get(rule, "type");
    const json_t *least = json_object_get(rule, "minimum");
    const json_t *most = json_object_get(rule, "maximum");
    json_t *list = json_object_get(rule, "enum");
    const json_t *fixed = json_object_get(rule, "const");
    bool fits = !type && fixed;
    size_t i;
    json_t *item;

    if (json_is_string(type)) {
        fits = is_type(value, json_string_value(type));
    }
    for (i = 0; i < json_array_size(type); i++) {
        fits = fits || is_type(value, json_string_value(json_array_get(type, i)));
    }
    if (json_is_number(value)) {
        fits = fits && (!least || json_number_value(value) >= json_number_value(least));
        fits = fits && (!most || json_number_value(value) <= json_number_value(most));
    }
    fits = fits && (!fixed || json_equal(value, fixed));
    if (list) {
        bool found = false;
        json_array_foreach(list, i, item)
        {
            found = found || json_equal(item, value);
        }
        fits = fits && found;
    }
    if (!fits) {
        fail_msg("'%s' breaks its rule", key);
    }
}

static void check_object(json_t *object, json_t *schema)
{
    const char *name = json_string_value(json_object_get(object, "event"));
    json_t *rules = json_object_get(json_object_get(schema, "$defs"), name);
    json_t *properties = json_object_get(rules, "properties");
    json_t *required = json_object_get(rules, "required");
    const char *key;
    json_t *value;
    size_t i;

    assert_non_null(rules);
    json_array_foreach(required, i, value)
    {
        if (!json_object_get(object, json_string_value(value))) {
            fail_msg("%s lacks '%s'", name, json_string_value(value));
        }
    }
    json_object_foreach(object, key, value)
    {
        json_t *rule = json_object_get(properties, key);
        if (!rule) {
            fail_msg("'%s' of %s is not documented", key, name);
        }
        check_value(key, value, rule);
    }
}

static void test_schema(void **state)
{
    json_t *schema = load("jsonl.schema.json");
    unsigned seen = 0;

    for (int live = 0; live < 2; live++) {
        FILE *f = begin_text();
        struct vs_output_config config = {
            .format = VS_OUTPUT_JSONL, .stream = f, .live = live, .probabilities = 1};
        struct vs_output_source source = SOURCE;
        source.file = live ? NULL : "bad \xff name";
        source.id = live ? NULL : "talk 1";
        source.input = live ? NULL : "{\"path\": \"talk.wav\", \"more\": [1, null]}";
        assert_int_equal(write_run(&config, &source), 0);
        fclose(f);
        for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
            json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
            assert_true(json_is_object(object));
            check_object(object, schema);
            json_decref(object);
            seen++;
        }
    }
    assert_int_equal(seen, 2 * EVENT_COUNT);
    json_decref(schema);
}

/* Every event and key of the schema stands on the page. */
static void test_page(void **state)
{
    static char page[32768];
    char path[512];
    const char *root = getenv("VOICESTAND_TEST_SOURCE");
    json_t *schema = load("jsonl.schema.json");
    const char *name;
    const char *key;
    json_t *rules;
    json_t *rule;

    snprintf(path, sizeof(path), "%s/docs/jsonl.md", root ? root : ".");
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    page[fread(page, 1, sizeof(page) - 1, f)] = '\0';
    fclose(f);
    json_object_foreach(json_object_get(schema, "$defs"), name, rules)
    {
        char heading[64];
        snprintf(heading, sizeof(heading), "### %s\n", name);
        assert_non_null(strstr(page, heading));
        json_object_foreach(json_object_get(rules, "properties"), key, rule)
        {
            snprintf(heading, sizeof(heading), "\n| `%s` |", key);
            assert_non_null(strstr(page, heading));
        }
    }
    json_decref(schema);
}

/* the ledger -------------------------------------------------------------------------------- */

static char findings[4096];

static void take_finding(void *user, uint64_t line, const char *sentence)
{
    size_t used = strlen(findings);

    snprintf(findings + used, sizeof(findings) - used, "%d: %s\n", (int)line, sentence);
}

static int check_text(const char *lines, struct vs_ledger_report *report)
{
    SKIP_WATCHED("jansson");
    FILE *f = fmemopen((void *)(uintptr_t)lines, strlen(lines), "r");

    findings[0] = '\0';
    assert_non_null(f);
    int status = vs_ledger_check(f, take_finding, NULL, report);
    fclose(f);
    return status;
}

#define SEGMENT(number, start, end)                                                                \
    "{\"event\":\"segment\",\"segment\":" #number ",\"start_s\":" #start ".0,\"end_s\":" #end      \
    ".0,\"start_frame\":" #start "0000,\"end_frame\":" #end "0000,\"rate_hz\":10000}\n"
#define GAP(start, end, frames, cause)                                                             \
    "{\"event\":\"gap\",\"start_s\":" #start ".0,\"end_s\":" #end ".0,\"start_frame\":" #start     \
    "0000,\"end_frame\":" #end "0000,\"rate_hz\":10000,\"frames\":" #frames ",\"cause\":\"" cause  \
    "\"}\n"
#define LEDGER_LINE(captured, delivered, ring, gaps, lost)                                         \
    "{\"event\":\"ledger\",\"captured\":" #captured ",\"delivered\":" #delivered                   \
    ",\"dropped\":{\"ring_full\":" #ring "},\"gaps\":" #gaps                                       \
    ",\"residual\":0,\"events_dropped\":" #lost ",\"new\":[]}\n"

static void test_good_ledger(void **state)
{
    struct vs_ledger_report report = {0};
    FILE *f = begin_text();
    struct vs_output_config config = {.format = VS_OUTPUT_JSONL, .stream = f, .probabilities = 1};

    assert_int_equal(write_run(&config, &SOURCE), 0);
    assert_int_equal(write_run(&config, &SOURCE), 0); /* two runs of one file */
    fclose(f);
    int status = check_text(text, &report);
    assert_string_equal(findings, "");
    assert_int_equal(status, 0);
    assert_int_equal(report.runs, 2);
    assert_int_equal(report.segments, 6);
    assert_int_equal(report.texts, 4);
    assert_int_equal(report.gaps, 4);
    assert_int_equal(report.dropped, 2000);
}

static void test_bad_ledgers(void **state)
{
    static const struct {
        const char *lines, *finding;
    } CASES[] = {
        {SEGMENT(1, 1, 2) LEDGER_LINE(30000, 29999, 0, 0, 0), "2: the live source: captured 30000"},
        {GAP(1, 2, 10000, "ring_full") LEDGER_LINE(30000, 29000, 1000, 1, 0),
         "its gaps have 10000"},
        {LEDGER_LINE(30000, 20000, 10000, 0, 0), "its gaps have 0"},
        {GAP(1, 2, 10000, "ring_full") LEDGER_LINE(30000, 20000, 10000, 0, 0), "knows 0 gaps"},
        {LEDGER_LINE(30000, 30000, 0, 2, 0), "knows 2 gaps"},
        {GAP(1, 2, 9, "ring_full") LEDGER_LINE(30000, 20000, 10000, 1, 0), "1: a gap of 10000"},
        {GAP(1, 2, 10000, "moon") LEDGER_LINE(30000, 20000, 10000, 1, 0), "unknown cause 'moon'"},
        {GAP(1, 2, 10000, "at_stop") LEDGER_LINE(30000, 30000, 0, 1, 0), "says nothing of at_stop"},
        {SEGMENT(2, 1, 2) SEGMENT(1, 3, 4) LEDGER_LINE(90000, 90000, 0, 0, 0),
         "2: segment 1 comes after segment 2"},
        {SEGMENT(1, 1, 3) SEGMENT(2, 2, 4) LEDGER_LINE(90000, 90000, 0, 0, 0),
         "2: segment 2 starts at frame 20000"},
        {SEGMENT(1, 1, 1) LEDGER_LINE(90000, 90000, 0, 0, 0), "has no length"},
        {SEGMENT(1, 2, 1) LEDGER_LINE(90000, 90000, 0, 0, 0), "before its start"},
        {SEGMENT(1, 1, 9) LEDGER_LINE(50000, 50000, 0, 0, 0), "reach to frame 90000"},
        {SEGMENT(1, 1, 2), "0: the live source: no ledger"},
        {SEGMENT(1, 1, 2) "{\"event\":\"text\",\"segment\":2,\"text\":\"x\"}\n" LEDGER_LINE(
             90000, 90000, 0, 0, 0),
         "text of segment 2 in line 2"},
        {SEGMENT(1, 1, 2) "{\"event\":", "2: no JSON object"},
        {"{\"event\":\"end\",\"segment\":1}\n" LEDGER_LINE(9, 9, 0, 0, 0),
         "'start_frame' is missing"},
        {"{\"event\":\"ledger\",\"captured\":1,\"delivered\":1,\"dropped\":{},\"gaps\":0,"
         "\"residual\":1,\"events_dropped\":0}\n",
         "residual is not 0"},
        {"{\"event\":\"ledger\",\"captured\":-1}\n", "'captured' is no count"},
        {"{}\n" SEGMENT(1, 1, 2) LEDGER_LINE(30000, 30000, 0, 0, 0), "1: an object without"},
    };
    struct vs_ledger_report report;

    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        int status = check_text(CASES[i].lines, &report);
        if (status != 1 || !strstr(findings, CASES[i].finding)) {
            fail_msg("case %d: status %d, findings: %s", (int)i, status, findings);
        }
    }
}

static void test_what_is_no_ledger(void **state)
{
    struct vs_ledger_report report;

    assert_int_equal(check_text("\n \n", &report), -EBADMSG);
    assert_int_equal(check_text("RIFF....WAVE", &report), -EBADMSG);
    /* lost events explain lost gaps; a file that could not be opened has no ledger */
    assert_int_equal(check_text(LEDGER_LINE(30000, 20000, 10000, 1, 5), &report), 0);
    /* so does an abort, which discards what was queued */
    assert_int_equal(check_text("{\"event\":\"ledger\",\"captured\":9,\"delivered\":4,\"dropped\":"
                                "{\"ring_full\":2,\"at_stop\":3},\"gaps\":1,\"residual\":0,"
                                "\"events_dropped\":0}\n",
                                &report),
                     0);
    assert_int_equal(
        check_text("{\"event\":\"error\",\"file\":\"x\",\"status\":-2,\"message\":\"no\"}\n",
                   &report),
        0);
}

/* the audio of segments --------------------------------------------------------------------- */

static unsigned count_files(const char *folder)
{
    DIR *dir = opendir(folder);
    unsigned count = 0;

    for (struct dirent *d = readdir(dir); d; d = readdir(dir)) {
        count += d->d_name[0] != '.';
    }
    closedir(dir);
    return count;
}

static void test_segment_audio(void **state)
{
    char folder[] = "/tmp/test_output.XXXXXX";
    static const float audio[1600];
    struct stat info;
    vs_segment_audio *a = NULL;

    SKIP_WATCHED("libsndfile");
    assert_non_null(mkdtemp(folder));
    struct vs_segment_audio_config config = {.dir = folder, .stem = "talk", .container = "wav"};
    config.env.module_dir = getenv("VOICESTAND_TEST_MODULES");
    struct vs_event start = {.type = VS_EVENT_START, .segment = 1, .start_frame = 44100};
    struct vs_event part = {
        .type = VS_EVENT_AUDIO, .segment = 1, .audio = audio, .audio_frames = 1600};
    struct vs_event end = {.type = VS_EVENT_END, .segment = 1};
    assert_int_equal(vs_segment_audio_open(&config, &a), 0);
    assert_null(vs_segment_audio_last(a));
    int status = vs_segment_audio_event(a, 44100, &start);
    if (status == -ENOTSUP) {
        vs_segment_audio_close(a);
        rmdir(folder);
        fprintf(stderr, "# skipped: the module that writes audio files is not built\n");
        skip();
    }
    assert_int_equal(status, 0);
    assert_int_equal(vs_segment_audio_event(a, 44100, &part), 0);
    assert_int_equal(vs_segment_audio_event(a, 44100, &end), 0);
    char *name = strdup(vs_segment_audio_last(a));
    assert_string_equal(name + strlen(folder), "/talk_00001_1000.wav");
    assert_int_equal(stat(name, &info), 0);
    assert_true(info.st_size >= 3200 && info.st_size < 3400);
    start.segment = 2; /* never ends: leaves nothing */
    assert_int_equal(vs_segment_audio_event(a, 44100, &start), 0);
    assert_int_equal(vs_segment_audio_close(a), 1);
    assert_int_equal(count_files(folder), 1);
    unlink(name);
    free(name);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_seconds),
        cmocka_unit_test(test_decimals),
        cmocka_unit_test(test_locale),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_stem),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_reader_went_away),
        cmocka_unit_test(test_one_source_only),
        cmocka_unit_test(test_headless),
        cmocka_unit_test(test_terminal),
        cmocka_unit_test(test_schema),
        cmocka_unit_test(test_page),
        cmocka_unit_test(test_good_ledger),
        cmocka_unit_test(test_bad_ledgers),
        cmocka_unit_test(test_what_is_no_ledger),
        cmocka_unit_test(test_segment_audio),
    };
    json_set_alloc_funcs(foreign_alloc, free);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    free(text);
    return failed;
}
