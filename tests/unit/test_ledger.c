/* SPDX-License-Identifier: MIT */
/* The check of ledgers, against whoever wrote what it reads: each sentence that it can say, said for one wrong line
   or number, and for nothing else. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "foreign.h"
#include "output/output.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static char findings[4096];

static void take_finding(void *user, uint64_t line, const char *sentence)
{
    size_t used = strlen(findings);

    (void)user;
    snprintf(findings + used, sizeof(findings) - used, "%d: %s\n", (int)line, sentence);
}

static int check_bytes(const char *lines, size_t count, struct vs_ledger_report *report)
{
    FILE *f = fmemopen((void *)(uintptr_t)lines, count, "r");

    findings[0] = '\0';
    assert_non_null(f);
    int status = vs_ledger_check(f, take_finding, NULL, report);
    fclose(f);
    return status;
}

static int check(const char *lines, struct vs_ledger_report *report)
{
    return check_bytes(lines, strlen(lines), report);
}

/* At 1 Hz a second is a frame. */
#define SPAN(from, to)                                                                             \
    ",\"start_frame\":" #from ",\"end_frame\":" #to ",\"rate_hz\":1,\"start_s\":" #from            \
    ",\"end_s\":" #to
#define START(n, at)         "{\"event\":\"start\",\"segment\":" #n ",\"start_frame\":" #at "}\n"
#define END(n, from, to)     "{\"event\":\"end\",\"segment\":" #n SPAN(from, to) "}\n"
#define SEGMENT(n, from, to) "{\"event\":\"segment\",\"segment\":" #n SPAN(from, to) "}\n"
#define TEXT(n)              "{\"event\":\"text\",\"segment\":" #n ",\"text\":\"x\"}\n"
#define GAP(from, to, more)  "{\"event\":\"gap\"" SPAN(from, to) more "}\n"
#define LEDGER(captured, delivered, dropped, gaps, lost)                                           \
    "{\"event\":\"ledger\",\"captured\":" #captured ",\"delivered\":" #delivered                   \
    ",\"dropped\":{" dropped "},\"gaps\":" #gaps ",\"residual\":0,\"events_dropped\":" #lost "}\n"
#define WHOLE LEDGER(9, 9, "", 0, 0)

struct bad {
    const char *lines,
        *finding; /* the one finding, or the begin of the first where `more` follow */
    int more;
};

static void check_each(const struct bad *bad, size_t count)
{
    struct vs_ledger_report report;

    for (size_t i = 0; i < count; i++) {
        int status = check(bad[i].lines, &report);
        if (status != 1 || strncmp(findings, bad[i].finding, strlen(bad[i].finding)) != 0 ||
            report.findings != 1u + (unsigned)bad[i].more)
            fail_msg("%zu: status %d, %llu findings: %s", i, status,
                     (unsigned long long)report.findings, findings);
    }
}

static void what_is_missing_is_named(void **state)
{
    static const struct bad bad[] = {
        {"{\"event\":\"start\"}\n" WHOLE, "1: 'segment' is missing", 0},
        {"{\"event\":\"start\",\"segment\":1}\n" WHOLE, "1: 'start_frame' is missing", 0},
        {"{\"event\":\"start\",\"segment\":\"1\"}\n" WHOLE, "1: 'segment' is no count", 0},
        {"{\"event\":\"start\",\"segment\":-1}\n" WHOLE, "1: 'segment' is no count", 0},
        {"{\"event\":\"end\"}\n" WHOLE, "1: 'segment' is missing", 0},
        {"{\"event\":\"end\",\"segment\":1}\n" WHOLE, "1: 'start_frame' is missing", 0},
        {"{}\n" WHOLE, "1: an object without 'event'", 0},
        {"{\"event\":\"segment\"}\n" WHOLE, "1: 'segment' is missing", 0},
        {"{\"event\":\"segment\",\"segment\":1}\n" WHOLE, "1: 'start_frame' is missing", 0},
        {"{\"event\":\"segment\",\"segment\":1,\"start_frame\":1}\n" WHOLE,
         "1: 'end_frame' is missing", 0},
        {"{\"event\":\"segment\",\"segment\":1,\"start_frame\":1,\"end_frame\":2}\n" WHOLE,
         "1: 'rate_hz' is missing", 0},
        {"{\"event\":\"text\"}\n" WHOLE, "1: 'segment' is missing", 0},
        {SEGMENT(1, 1, 2) "{\"event\":\"text\",\"segment\":1}\n" WHOLE, "2: 'text' is missing", 0},
        {SEGMENT(1, 1, 2) "{\"event\":\"text\",\"segment\":1,\"text\":5}\n" WHOLE,
         "2: 'text' is missing", 0},
        {"{\"event\":\"gap\"}\n" WHOLE, "1: 'start_frame' is missing", 0},
        {"{\"event\":\"gap\"" SPAN(1, 2) "}\n" WHOLE, "1: 'frames' is missing", 0},
        {GAP(1, 2, ",\"frames\":1") LEDGER(9, 9, "", 1, 0), "1: a gap of unknown cause ''", 0},
        {"{\"event\":\"ledger\"}\n", "1: 'captured' is missing", 0},
        {"{\"event\":\"ledger\",\"captured\":1}\n", "1: 'delivered' is missing", 0},
        {"{\"event\":\"ledger\",\"captured\":1,\"delivered\":1}\n", "1: 'gaps' is missing", 0},
        {"{\"event\":\"ledger\",\"captured\":1,\"delivered\":1,\"gaps\":0}\n",
         "1: 'events_dropped' is missing", 0},
        {"{\"event\":\"ledger\",\"captured\":1,\"delivered\":1,\"gaps\":0,\"events_dropped\":0}\n",
         "1: the live source: the residual is not 0", 0},
        {"[]\n" WHOLE, "1: no JSON object: another kind of value", 0},
    };

    (void)state;
    check_each(bad, COUNT(bad));
}

static void times_and_rates_must_agree(void **state)
{
    static const struct bad bad[] = {
        {"{\"event\":\"segment\",\"segment\":1,\"start_frame\":1,\"end_frame\":2,\"rate_hz\":0}"
         "\n" WHOLE,
         "1: 'rate_hz' is 0, before it was 0", 0},
        {SEGMENT(1, 1, 2) "{\"event\":\"segment\",\"segment\":2,\"start_frame\":3,\"end_frame\":4,"
                          "\"rate_hz\":2}\n" WHOLE,
         "2: 'rate_hz' is 2, before it was 1", 0},
        {"{\"event\":\"segment\",\"segment\":1,\"start_frame\":1,\"end_frame\":2,\"rate_hz\":1,"
         "\"start_s\":1.1,\"end_s\":2}\n" WHOLE,
         "1: 'start_s' does not tell the time of frame 1", 0},
        {"{\"event\":\"segment\",\"segment\":1,\"start_frame\":1,\"end_frame\":2,\"rate_hz\":1,"
         "\"start_s\":1,\"end_s\":1.9}\n" WHOLE,
         "1: 'end_s' does not tell the time of frame 2", 0},
        {"{\"event\":\"segment\",\"segment\":1,\"start_frame\":0,\"end_frame\":2,\"rate_hz\":1,"
         "\"start_s\":\"0\",\"end_s\":2}\n" WHOLE,
         "1: 'start_s' does not tell the time of frame 0", 0},
        {SEGMENT(1, 2, 1) WHOLE, "1: it ends at frame 1, before its start at 2", 0},
        {"{\"event\":\"segment\",\"segment\":1,\"start_frame\":0,\"end_frame\":2,\"rate_hz\":1,"
         "\"end_s\":2.0}\n" WHOLE,
         "1: 'start_s' does not tell the time of frame 0", 0},
    };

    (void)state;
    check_each(bad, COUNT(bad));
}

static void segments_must_be_in_order(void **state)
{
    static const struct bad bad[] = {
        {START(1, 1) START(2, 3) END(2, 3, 4) WHOLE, "2: segment 2 starts before segment 1 ended",
         0},
        {START(1, 1) END(1, 1, 2) START(1, 3) END(1, 3, 4) WHOLE,
         "3: segment 1 starts after segment 1", 0},
        {START(1, 1) END(1, 1, 4) START(2, 3) END(2, 3, 5) WHOLE,
         "3: segment 2 starts at frame 3, the one before ends at 4", 0},
        {END(1, 1, 2) WHOLE, "1: segment 1 ends but did not start", 0},
        {START(1, 1) END(1, 2, 3) WHOLE, "2: segment 1 started at frame 1, now at 2", 0},
        {START(1, 1) WHOLE, "2: the live source: segment 1 never ended", 0},
        {START(1, 1) END(1, 1, 2) SEGMENT(2, 1, 2) WHOLE, "3: segment 2 did not start", 0},
        {START(1, 1) END(1, 1, 2) SEGMENT(1, 1, 2) TEXT(2) WHOLE,
         "4: text of segment 2, which does not exist", 0},
        {SEGMENT(2, 1, 2) SEGMENT(1, 3, 4) WHOLE, "2: segment 1 comes after segment 2", 0},
        {SEGMENT(1, 1, 3) SEGMENT(2, 2, 4) WHOLE,
         "2: segment 2 starts at frame 2, the one before ends at 3", 0},
        {SEGMENT(1, 1, 1) WHOLE, "1: segment 1 has no length", 0},
        {TEXT(0) WHOLE, "1: text of segment 0, which does not exist", 0},
        {SEGMENT(1, 1, 2) TEXT(1) TEXT(1) TEXT(3) WHOLE,
         "5: the live source: text of segment 3 in line 4, which does not exist", 0},
        {START(1, 1), "0: the live source: no ledger; the run was cut off", 0},
        {TEXT(1), "0: the live source: no ledger; the run was cut off", 0},
        {"{\"event\":\"segment\",\"file\":\"a.wav\",\"segment\":1" SPAN(1, 2) "}\n",
         "0: a.wav: no ledger; the run was cut off", 0},
    };

    (void)state;
    check_each(bad, COUNT(bad));
}

static void losses_must_add_up(void **state)
{
    static const struct bad bad[] = {
        {GAP(3, 4, ",\"frames\":1,\"cause\":\"ring_full\"") GAP(
             2, 5, ",\"frames\":3,\"cause\":\"ring_full\"") LEDGER(9, 5, "\"ring_full\":4", 2, 0),
         "2: a gap starts at frame 2, the one before ends at 4", 0},
        {LEDGER(9, 9, "\"ring_full\":\"x\"", 0, 0), "1: 'ring_full' is no count", 0},
        {LEDGER(9, 8, "", 0, 0),
         "1: the live source: captured 9 frames, but delivered 8 + dropped 0", 0},
        {GAP(1, 4, ",\"frames\":3,\"cause\":\"ring_full\"") LEDGER(9, 7, "\"ring_full\":2", 1, 0),
         "2: the live source: 2 frames dropped by ring_full, its gaps have 3", 0},
        {LEDGER(9, 7, "\"ring_full\":2", 1, 0),
         "1: the live source: 2 frames dropped by ring_full, its gaps have 0", 1},
        {GAP(1, 4, ",\"frames\":3,\"cause\":\"at_stop\"") LEDGER(9, 9, "", 1, 0),
         "2: the live source: 'dropped' says nothing of at_stop, its gaps have 3 frames", 0},
        {GAP(1, 2, ",\"frames\":1,\"cause\":\"ring_full\"") LEDGER(9, 8, "\"ring_full\":1", 0, 0),
         "2: the live source: the ledger knows 0 gaps, the events 1", 0},
        {GAP(8, 12, ",\"frames\":4,\"cause\":\"ring_full\"") LEDGER(9, 5, "\"ring_full\":4", 1, 0),
         "2: the live source: events reach to frame 12, captured were 9", 0},
        {SEGMENT(1, 8, 13) GAP(8, 12, ",\"frames\":4,\"cause\":\"ring_full\"")
             LEDGER(9, 5, "\"ring_full\":4", 1, 0),
         "3: the live source: events reach to frame 13, captured were 9", 0},
        {GAP(1, 2, ",\"frames\":2,\"cause\":\"ring_full\"") LEDGER(9, 8, "\"ring_full\":1", 1, 0),
         "1: a gap of 1 frames says it has 2", 0},
        {GAP(1, 2, ",\"frames\":1,\"cause\":\"moon\"") LEDGER(9, 9, "", 1, 0),
         "1: a gap of unknown cause 'moon'", 0},
        {"{\"event\":\"ledger\",\"captured\":1,\"delivered\":1,\"gaps\":0,\"events_dropped\":0,"
         "\"residual\":1}\n",
         "1: the live source: the residual is not 0", 0},
        {"{\"event\":\"ledger\",\"captured\":1,\"delivered\":1,\"gaps\":0,\"events_dropped\":0,"
         "\"residual\":0.5}\n",
         "1: the live source: the residual is not 0", 0},
    };

    (void)state;
    check_each(bad, COUNT(bad));
}

static void what_is_right_is_taken(void **state)
{
    static const char *const good[] = {
        "\r\n\t \n" WHOLE,
        START(1, 1) END(1, 1, 2) SEGMENT(1, 1, 2) TEXT(1) WHOLE,
        "{\"event\":\"later\"}\n" WHOLE,                  /* of a version to come */
        "{\"event\":\"later\"}\n",                        /* a run without audio needs none */
        LEDGER(9, 7, "\"of_a_version_to_come\":2", 1, 1), /* lost events explain lost gaps */
        LEDGER(9, 7, "\"at_stop\":2", 1, 0),              /* so does an end in the middle */
        GAP(1, 2, ",\"frames\":1,\"cause\":\"ring_full\"") LEDGER(9, 8, "\"ring_full\":1", 2, 0),
        ("{\"event\":\"ledger\",\"captured\":1,\"delivered\":1,\"gaps\":0,\"events_dropped\":0,"
         "\"residual\":0}"),
    };
    struct vs_ledger_report report;

    (void)state;
    for (size_t i = 0; i < COUNT(good); i++)
        if (check(good[i], &report) != 0)
            fail_msg("%zu: %s", i, findings);
    assert_int_equal(report.captured, 1);
    assert_int_equal(check_bytes(" \0\n", 3, &report), -EBADMSG);
}

/* Findings are counted where nobody hears them. */
static void nobody_need_listen(void **state)
{
    struct vs_ledger_report report = {0};
    char lines[] = "1\n" WHOLE;
    FILE *f = fmemopen(lines, sizeof(lines) - 1, "r");

    (void)state;
    assert_int_equal(vs_ledger_check(f, NULL, NULL, &report), 1);
    fclose(f);
    assert_int_equal(report.findings, 1);
}

/* a stream that breaks, or never ends ------------------------------------------------------------ */

static ssize_t read_nothing(void *user, char *to, size_t bytes)
{
    (void)to;
    (void)bytes;
    errno = *(const int *)user;
    return -1;
}

static ssize_t read_blanks(void *user, char *to, size_t bytes)
{
    (void)user;
    memset(to, ' ', bytes);
    return (ssize_t)bytes;
}

static int check_stream(cookie_read_function_t *read, int error)
{
    struct vs_ledger_report report;
    FILE *f = fopencookie(&error, "r", (cookie_io_functions_t){.read = read});

    assert_non_null(f);
    int status = vs_ledger_check(f, take_finding, NULL, &report);
    fclose(f);
    return status;
}

static void a_broken_stream_is_no_end(void **state)
{
    (void)state;
    assert_int_equal(check_stream(read_nothing, ENXIO), -ENXIO);
    assert_int_equal(check_stream(read_nothing, 0), -EIO);
    assert_int_equal(check_stream(read_blanks, 0), -EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_missing_is_named),  cmocka_unit_test(times_and_rates_must_agree),
        cmocka_unit_test(segments_must_be_in_order), cmocka_unit_test(losses_must_add_up),
        cmocka_unit_test(what_is_right_is_taken),    cmocka_unit_test(nobody_need_listen),
        cmocka_unit_test(a_broken_stream_is_no_end),
    };

    json_set_alloc_funcs(foreign_alloc, free);
    return cmocka_run_group_tests_name("ledger", tests, NULL, NULL);
}
