/* SPDX-License-Identifier: MIT */
/* Small readers of what somebody else wrote: lists of processors, traces of probabilities, tables of weights, events
   of the Wyoming protocol, answers of servers over HTTP, settings of engines. What is wrong in one place is refused; what is merely odd is read as it says. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include <voicestand/place.h>

#include "base/base.h"
#include "foreign.h"
#include "modules/http.h"
#include "modules/wyoming.h"
#include "place/cpus.h"
#include "stt/address.h"
#include "vad/vad.h"
#include "vad/weights.h"

/* processors ------------------------------------------------------------------------------------- */

static void lists_of_processors(void **state)
{
    static const struct {
        const char *list, *back; /* NULL = refused */
    } lists[] = {
        {"", ""},       {"0", "0"},       {"0-2,5\n", "0-2,5"}, {"5,0-1", "0-1,5"},
        {"3-3", "3"},   {"1023", "1023"}, {"1024", ""},         {"1022-999999", "1022-1023"},
        {"-", NULL},    {"1-", NULL},     {"2-1", NULL},        {"1,", NULL},
        {",1", NULL},   {"1;2", NULL},    {"0x1", NULL},        {"1234567", NULL},
        {"1--2", NULL}, {"1 2", NULL},
    };
    uint64_t cpus[VS_CPU_WORDS], none[VS_CPU_WORDS] = {0}, some[VS_CPU_WORDS] = {~0ull};
    const char *begun = "7-9,x";
    char back[64];

    (void)state;
    for (size_t i = 0; i < VS__COUNT(lists); i++) {
        int status = vs__cpus_parse(lists[i].list, NULL, cpus);
        if ((status == 0) != (lists[i].back != NULL) || (status < 0 && status != -EINVAL))
            fail_msg("'%s': %d", lists[i].list, status);
        if (status == 0) {
            assert_int_equal(vs_cpu_list(cpus, back, sizeof(back)), 0);
            assert_string_equal(back, lists[i].back);
        }
    }
    assert_int_equal(vs__cpus_parse(begun, begun + 3, cpus), 0);
    assert_int_equal(vs__cpus_first(cpus), 7);
    assert_int_equal(vs__cpus_count(cpus), 3);
    vs__cpus_add(none, VS_CPUS_MAX); /* passed over */
    assert_int_equal(vs__cpus_first(none), VS_CPUS_MAX);
    assert_int_equal(vs_cpu_list(none, back, 0), -ENOSPC);
    assert_int_equal(vs_cpu_list(some, back, 4), -ENOSPC); /* "0-63" and its end */
    assert_int_equal(vs_cpu_list(some, back, 5), 0);
}

/* traces ----------------------------------------------------------------------------------------- */

#define HEADER "file,start_ms,end_ms,prob\n"

static int open_trace(const char *text, float *first)
{
    struct vs_env env = {0};
    struct vs_vad_shape shape = {0};
    void *s = vs__alloc(vs__vad_replay.state_size);
    char path[64];
    int fd = memfd_create("trace", MFD_CLOEXEC);

    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    struct vs_vad_params params = {.env = &env, .argument = path};
    int status = vs__vad_replay.open(s, &params, &shape);
    if (status == 0) {
        assert_int_equal(vs__vad_replay.infer(s, NULL, first), 0);
        vs__vad_replay.reset(s);
        float again = -1;
        assert_int_equal(vs__vad_replay.infer(s, NULL, &again), 0);
        assert_true(again == *first);
    }
    vs__vad_replay.close(s);
    vs__free(s);
    close(fd);
    return status;
}

static void traces_of_probabilities(void **state)
{
    static const char *const bad[] = {
        "",
        "start_ms,prob\n",
        HEADER "a,0,10,nan\n",
        HEADER "a,0,10,-0.1\n",
        HEADER "a,0,10,1.1\n",
        HEADER "a,0,10,\n",
        HEADER "a,0,10,0.5x\n",
        HEADER "0.5\n",
        HEADER "a,0,0,0.5\n",
        HEADER "a,10,0,0.5\n",
        HEADER "a,0,20,0.5\n",
        HEADER "a,0,nan,0.5\n",
        HEADER "a,10,20,0.5\n",
        HEADER "a,nan,10,0.5\n",
        HEADER "a,0,10,0.5\na,0,10,0.5\n",
    };
    static const char *const good[] = {HEADER "a,0,10,0.5\na,10,20,1\n", HEADER "a,b,0,10,0.5\r\n",
                                       HEADER "a,0,4,0.5\n"};
    struct vs_env env = {0};
    struct vs_vad_params params = {.env = &env};
    float p = 0;

    (void)state;
    for (size_t i = 0; i < VS__COUNT(bad); i++)
        if (open_trace(bad[i], &p) != -EBADMSG)
            fail_msg("'%s' was taken", bad[i]);
    for (size_t i = 0; i < VS__COUNT(good); i++) {
        assert_int_equal(open_trace(good[i], &p), 0);
        assert_true(p == 0.5f);
    }
    assert_int_equal(open_trace(HEADER, &p), 0); /* of nothing: silence */
    assert_true(p == 0);
    for (int i = 0; i < 3; i++) {
        static const char *const paths[] = {NULL, "", "/nonexistent/trace"};
        void *s = vs__alloc(vs__vad_replay.state_size);
        params.argument = paths[i];
        assert_int_equal(vs__vad_replay.open(s, &params, NULL), i < 2 ? -EINVAL : -ENOENT);
        vs__free(s);
    }
}

/* weights ---------------------------------------------------------------------------------------- */

static const char *parse_table(const char *head, size_t data_bytes)
{
    struct vs__tensor tensor = {.name = "a", .onnx = "x", .shape = {2}};
    const char *where = NULL;
    size_t length = strlen(head), size = 8 + length + data_bytes;
    uint8_t *bytes = calloc(1, size); /* ends where the memory does */

    bytes[0] = (uint8_t)length;
    memcpy(bytes + 8, head, length);
    const char *wrong = vs__weights_parse(bytes, size, &tensor, 1, &where);
    free(bytes);
    return wrong;
}

static void tables_of_weights(void **state)
{
    static const char *const bad[] = {
        "{\"__metadata__\":5,\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
        ("{\"__metadata__\":{\"k\":5},\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]"
         "}"
         "}"),
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[0,8]}}",
        "{\"a\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[0,8]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,16]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,0]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}",
        "{\"b\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}",
        "{",
        "{}",
    };
    static const uint8_t onnx[][12] = {
        {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff},    /* a number without an end */
        {8, 0xff}, /* one that is cut off */
        {10, 0xff},
        {9, 1},
        {11},
    };
    struct vs__tensor tensor = {.name = "a", .onnx = "x", .shape = {2}};
    const char *where = NULL;

    (void)state;
    assert_null(parse_table("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8));
    assert_null(parse_table(
        "{\"__metadata__\":{},\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8));
    assert_null(parse_table("{\"__metadata__\":{\"k\":\"v\",\"l\":\"w\"},\"a\":{\"dtype\":\"F32\","
                            "\"shape\":[2],\"data_offsets\":[0,8]}}",
                            8));
    for (size_t i = 0; i < VS__COUNT(bad); i++)
        if (!parse_table(bad[i], 8))
            fail_msg("%s was taken", bad[i]);
    for (size_t i = 0; i < VS__COUNT(onnx); i++)
        for (size_t size = 0; size <= sizeof(onnx[0]); size++)
            assert_non_null(vs__weights_parse(onnx[i], size, &tensor, 1, &where));
}

/* events ----------------------------------------------------------------------------------------- */

static void events_of_strangers(void **state)
{
    static const struct {
        const char *bytes;
        int status;
    } events[] = {
        {"", 0},
        {"{\"type\":\"t\"}", 0},
        {"{\"type\":\"t\",\"data_length\":3}\n{}", 0},
        {"{\"type\":\"t\",\"payload_length\":3}\nab", 0},
        {"x\n", -EBADMSG},
        {"{}\n", -EBADMSG},
        {"{\"type\":5}\n", -EBADMSG},
        {"{\"type\":\"t\",\"data_length\":-1}\n", -EBADMSG},
        {"{\"type\":\"t\",\"data_length\":true}\n", -EBADMSG},
        {"{\"type\":\"t\",\"data_length\":1.5}\n", -EBADMSG},
        {"{\"type\":\"t\",\"payload_length\":\"2\"}\n", -EBADMSG},
        {"{\"type\":\"t\",\"data_length\":2}\n[]", -EBADMSG},
        {"{\"type\":\"t\",\"data_length\":2}\n}{", -EBADMSG},
        {"{\"type\":\"t\",\"data_length\":20}\n", -EMSGSIZE},
        {"{\"type\":\"t\",\"payload_length\":20}\n", -EMSGSIZE},
        {"{\"type\":\"t\",\"data_length\":9,\"payload_length\":9}\n", -EMSGSIZE},
        {"{\"type\":\"123456789 123456789 123456789 123456789 123456789 1234567\n", -EMSGSIZE},
        {"{\"type\":\"t\",\"data\":5,\"data_length\":null}\n", 1},
        {"{\"type\":\"t\",\"data\":{\"a\":1},\"data_length\":7}\n{\"b\":2}", 1},
    };
    const struct vs__wyoming_limits limits = {64, 10, 10, 60};
    struct vs__wyoming_event e;
    size_t used = 0;
    char out[64];

    (void)state;
    SKIP_WATCHED("jansson");
    for (size_t i = 0; i < VS__COUNT(events); i++) {
        size_t bytes = strlen(events[i].bytes);
        int status = vs__wyoming_take_within(events[i].bytes, bytes, &limits, &e, &used, NULL);
        if (status != events[i].status)
            fail_msg("%s: %d", events[i].bytes, status);
        if (status == 1) {
            assert_int_equal(used, bytes);
            json_decref(e.data);
        }
    }
    /* without limits of its own, too much is damage */
    assert_int_equal(
        vs__wyoming_take("{\"type\":\"t\",\"data_length\":9999999}\n", 36, &e, &used, NULL),
        -EBADMSG);
    assert_int_equal(vs__wyoming_put("t", NULL, NULL, 0, out, 10), -ENOSPC);
    int n = vs__wyoming_put("t", NULL, NULL, 0, out, sizeof(out));
    assert_int_equal(vs__wyoming_take(out, (size_t)n, &e, &used, NULL), 1);
    json_decref(e.data);
}

/* answers over HTTP ------------------------------------------------------------------------------ */

#define JSON   "application/json; charset=utf-8"
#define STREAM "text/event-stream"
#define DELTA  "data: {\"type\":\"transcript.text.delta\",\"delta\":\"a\"}\n"
#define WHOLE  "data:{\"type\":\"transcript.text.done\",\"text\":\"ab\"}\r\n"

static const struct answer {
    const char *type, *body;
    int status;
    const char *text, *message; /* NULL = none */
} answers[] = {
    {JSON, "{\"text\":\"words\"}", 0, "words", NULL},
    {NULL, "{\"text\":\"\"}", 0, "", NULL},
    {"text/plain", "words", 0, "words", NULL},
    {"TEXT/PLAIN ;x", "", 0, "", NULL},
    {"text/plainer", "words", -EBADMSG, NULL, "words"},
    {"text/plain", "{\"text\":\"words\"}", 0, "words", NULL},
    {JSON, "{\"error\":\"no\"}", -EREMOTEIO, NULL, "no"},
    {JSON, "{\"error\":{\"message\":\"no\"}}", -EREMOTEIO, NULL, "no"},
    {JSON, "{\"error\":{\"code\":1}}", -EREMOTEIO, NULL, ""},
    {JSON, "{\"detail\":\"no\"}", -EREMOTEIO, NULL, "no"},
    {JSON, "{\"detail\":1}", -EBADMSG, NULL, "{\"detail\":1}"},
    {JSON, "[]", -EBADMSG, NULL, "[]"},
    {JSON, "<html>", -EBADMSG, NULL, "<html>"},
    {STREAM, DELTA DELTA "data: [DONE]\n", 0, "aa", NULL},
    {STREAM, "event: x\n\n" DELTA WHOLE, 0, "ab", NULL},
    {STREAM, "data: [DONE]", 0, "", NULL},
    {STREAM, "data: {\"text\":\"a\"}\ndata: {\"text\":\"b\"}\ndata:[DONE]\n", 0, "ab", NULL},
    {STREAM, "data: {\"type\":\"other\",\"text\":\"x\"}\n" WHOLE, 0, "ab", NULL},
    {STREAM, "data: {\"type\":\"transcript.text.delta\",\"delta\":1}\n" WHOLE, 0, "ab", NULL},
    {STREAM, DELTA, -EBADMSG, NULL, "the stream broke off"},
    {STREAM, "data:\n", -EBADMSG, NULL, ""},
    {STREAM, "data: []\n", -EBADMSG, NULL, "[]"},
    {STREAM, "data: {}\ndata: {\"text\":1}\n" WHOLE, 0, "ab", NULL},
    {STREAM, "data: {\"type\":\"transcript.text.delta\"}\n" WHOLE, 0, "ab", NULL},
    {STREAM, "data: {\"type\":\"transcript.text.done\"}\n" WHOLE, 0, "ab", NULL},
    {STREAM, "data: [FONE]\n", -EBADMSG, NULL, "[FONE]"},
    {STREAM, DELTA "data: {\"error\":\"no\"}\n", -EREMOTEIO, NULL, "no"},
};

static void answers_of_servers(void **state)
{
    struct vs__http_reply r;

    (void)state;
    SKIP_WATCHED("jansson");
    for (size_t i = 0; i < VS__COUNT(answers); i++) {
        const struct answer *a = &answers[i];
        int status = vs__http_read(a->type, a->body, strlen(a->body), &r);
        if (status != a->status || (r.text != NULL) != (a->text != NULL) ||
            (r.text && strcmp(r.text, a->text) != 0) ||
            (a->message && strcmp(r.message, a->message) != 0))
            fail_msg("%s: status %d, '%s', '%s'", a->body, status, r.text ? r.text : "", r.message);
        vs__free(r.text);
        /* without memory for one piece after another, none or all of it */
        for (uint32_t n = 1; a->status == 0 && n < 8; n++) {
            vs__alloc_fail_after(n);
            status = vs__http_read(a->type, a->body, strlen(a->body), &r);
            vs__alloc_fail_after(0);
            assert_true(status == 0 ? strcmp(r.text, a->text) == 0
                                    : status == -ENOMEM && r.text == NULL);
            vs__free(r.text);
        }
    }
    vs__http_read_error("{\"error\":\"no\"}", 14, &r);
    assert_string_equal(r.message, "no");
    vs__http_read_error("a\x1b[31mb", 7, &r);
    assert_null(strchr(r.message, '\x1b'));
    assert_null(r.text);
}

/* settings --------------------------------------------------------------------------------------- */

static void settings_of_engines(void **state)
{
    static const struct {
        const char *argument;
        int status;
        const char *place, *model;
        long timeout; /* 0 = refused */
    } rows[] = {
        {NULL, 0, "", NULL, 10},
        {"", 0, "", NULL, 10},
        {"a/b", 0, "a/b", NULL, 10},
        {"a#model=x", 0, "a", "x", 10},
        {"a#&&model=x&model=y&", 0, "a", "y", 10},
        {"#model=%4a%4Bz", 0, "", "JKz", 10},
        {"#timeout=60", 0, "", NULL, 60},
        {"#timeout=61", 0, "", NULL, 0},
        {"#timeout=0", 0, "", NULL, 0},
        {"#timeout=5s", 0, "", NULL, 0},
        {"#timeout=s", 0, "", NULL, 0},
        {"#model=%4", -EINVAL, NULL, NULL, 0},
        {"#model=%4g", -EINVAL, NULL, NULL, 0},
        {"#model=%g4", -EINVAL, NULL, NULL, 0},
        {"#model=%00", -EINVAL, NULL, NULL, 0},
        {"#model=", -EINVAL, NULL, NULL, 0},
        {"#model", -EINVAL, NULL, NULL, 0},
        {"#modem=x", -EINVAL, NULL, NULL, 0},
        {"#mode=x", -EINVAL, NULL, NULL, 0},
        {"#a-name-that-is-longer-than-what-is-told-of-it=x", -EINVAL, NULL, NULL, 0},
        {"#model=x&other=y", -EINVAL, NULL, NULL, 0},
    };
    const struct vs_log log = {0};

    (void)state;
    for (size_t i = 0; i < VS__COUNT(rows); i++) {
        struct vs__setting s[] = {{"model", NULL}, {"timeout", NULL}};
        char *place = NULL;
        long n = 0;
        int status = vs__settings_read(&log, "engine", rows[i].argument, s, 2, &place);
        if (status != rows[i].status || (status == 0) != (place != NULL))
            fail_msg("'%s': %d", rows[i].argument, status);
        if (status == 0) {
            assert_string_equal(place, rows[i].place);
            assert_true(rows[i].model ? strcmp(s[0].value, rows[i].model) == 0 : !s[0].value);
            status = vs__setting_number(&log, "engine", &s[1], 1, 60, 10, &n);
            assert_int_equal(status, rows[i].timeout ? 0 : -EINVAL);
            assert_int_equal(n, rows[i].timeout);
        }
        vs__settings_free(s, 2);
        assert_null(s[0].value);
        vs__free(place);
    }
    struct vs__setting s = {"model", NULL};
    char *place = NULL;
    vs__alloc_fail_after(1);
    assert_int_equal(vs__settings_read(&log, "engine", "a", &s, 1, &place), -ENOMEM);
    vs__alloc_fail_after(2);
    assert_int_equal(vs__settings_read(&log, "engine", "a#model=x", &s, 1, &place), -EINVAL);
    vs__alloc_fail_after(0);
    assert_null(place);
}

static void hosts_that_are_this_machine(void **state)
{
    static const char *const local[] = {"localhost", "::1", "[::1]", "127.0.0.1", "127.1.2.3"};
    static const char *const far[] = {"",         "127.example", "127", "localhost.example",
                                      "10.0.0.1", "::2"};

    (void)state;
    for (size_t i = 0; i < VS__COUNT(local); i++)
        assert_true(vs__host_is_local(local[i]));
    for (size_t i = 0; i < VS__COUNT(far); i++)
        assert_false(vs__host_is_local(far[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_of_processors),         cmocka_unit_test(traces_of_probabilities),
        cmocka_unit_test(tables_of_weights),           cmocka_unit_test(events_of_strangers),
        cmocka_unit_test(answers_of_servers),          cmocka_unit_test(settings_of_engines),
        cmocka_unit_test(hosts_that_are_this_machine),
    };

    json_set_alloc_funcs(foreign_alloc, free);
    return cmocka_run_group_tests_name("hostile", tests, NULL, NULL);
}
