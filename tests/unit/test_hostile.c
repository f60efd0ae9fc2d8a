/* SPDX-License-Identifier: MIT */
/* Small readers of what somebody else wrote: lists of processors, traces of probabilities, tables of weights, events
   of the Wyoming protocol. What is wrong in one place is refused; what is merely odd is read as it says. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include <voicestand/place.h>

#include "base/base.h"
#include "modules/wyoming.h"
#include "place/cpus.h"
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lists_of_processors),
        cmocka_unit_test(traces_of_probabilities),
        cmocka_unit_test(tables_of_weights),
        cmocka_unit_test(events_of_strangers),
    };

    return cmocka_run_group_tests_name("hostile", tests, NULL, NULL);
}
