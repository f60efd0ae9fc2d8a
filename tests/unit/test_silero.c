/* SPDX-License-Identifier: MIT */
/* The detector with the network of Silero VAD: files that lie about themselves, and, where the
   weights are at hand, that it says what the reference runtime says. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <voicestand/dsp.h>

#include "base/base.h"
#include "vad/vad.h"
#include "vad/weights.h"

#define BLOCK 512

static char said[600]; /* last sentence of the log */

static void keep(void *user, int level, const char *topic, const char *message)
{
    assert_string_equal(topic, "vad");
    assert_int_equal(level, VS_LOG_ERROR);
    snprintf(said, sizeof(said), "%s", message);
}

static const struct vs_env env = {.log = {.write = keep}};

/* small files of two tensors ------------------------------------------------------------------ */

static const struct vs__tensor pair[2] = {{"a", "x.a", {2, 1, 2}, NULL}, {"b", "x.b", {1}, NULL}};

/** Parse a copy that ends where the memory ends, so that a read beyond it is found. */
static const char *parse(const void *bytes, size_t size, const char **ret_tensor)
{
    struct vs__tensor tensors[2];
    uint8_t *copy = malloc(size ? size : 1);
    const char *wrong, *tensor;

    assert_non_null(copy);
    memcpy(copy, bytes, size);
    memcpy(tensors, pair, sizeof(tensors));
    wrong = vs__weights_parse(copy, size, tensors, 2, &tensor);
    if (wrong == NULL)
        for (size_t i = 0; i < 2; i++)
            assert_true(tensors[i].data >= copy && tensors[i].data + 4 <= copy + size);
    if (ret_tensor != NULL)
        *ret_tensor = tensor;
    free(copy);
    return wrong;
}

/** A safetensors file of this header and 20 bytes of data. */
static size_t make_safe(const char *header, uint8_t *ret)
{
    static const float data[5] = {1.0f, 2.0f, 3.0f, 4.0f, 5.0f};
    uint64_t length = strlen(header);

    memcpy(ret, &length, 8);
    memcpy(ret + 8, header, length);
    memcpy(ret + 8 + length, data, sizeof(data));
    return 8 + length + sizeof(data);
}

#define A_OF(shape, from, to)                                                                      \
    "\"a\":{\"dtype\":\"F32\",\"shape\":[" shape "],\"data_offsets\":[" from "," to "]}"
#define A    A_OF("2,1,2", "0", "16")
#define B    "\"b\":{\"data_offsets\":[16,20],\"shape\":[1],\"dtype\":\"F32\"}"
#define GOOD "{\"__metadata__\":{\"made\":\"by\"}," A " , " B "}  "

static void test_safetensors(void **state)
{
    static const char *const wrong[] = {
        "{",
        "{}",
        "{" A "}",
        "{" A "," B,
        "{" A "," B "}x",
        "{" A "," B ",}",
        "{" A B "}",
        "{" A "," B "," A "}", /* twice */
        "{" A "," B ",\"c\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}",
        "{" A_OF("2,2,1", "0", "16") "," B "}", /* shapes */
        "{" A_OF("4", "0", "16") "," B "}",
        "{" A_OF("", "0", "16") "," B "}",
        "{" A_OF("2,1,2,1", "0", "16") "," B "}",
        "{" A_OF("2,1,2,1,1,1", "0", "16") "," B "}",
        "{" A_OF("2,1,-2", "0", "16") "," B "}",
        "{" A_OF("2,1,2.0", "0", "16") "," B "}",
        "{" A_OF("2,1,02", "0", "16") "," B "}",
        "{" A_OF("2,1,2,", "0", "16") "," B "}",
        "{" A_OF("2,1,18446744073709551618", "0", "16") "," B "}",
        "{" A_OF("2,1,2", "0", "12") "," B "}", /* offsets */
        "{" A_OF("2,1,2", "8", "24") "," B "}",
        "{" A_OF("2,1,2", "16", "0") "," B "}",
        "{" A_OF("2,1,2", "0", "999999999999999") "," B "}",
        "{" A_OF("2,1,2", "999999999999984", "1000000000000000") "," B "}",
        "{" A_OF("2,1,2", "0", "16,20") "," B "}",
        "{" A ",\"b\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[16,20]}}",
        "{" A ",\"b\":{\"dtype\":\"F32\",\"shape\":[1]}}",
        "{" A ",\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"shape\":[1],\"data_offsets\":[16,20]}}",
        "{" A ",\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[16,20],\"x\":1}}",
        "{" A ",\"\\u0062\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[16,20]}}",
        "{\"__metadata__\":{\"x\":{}}," A "," B "}",
        "{{" A "," B "}}",
        "[" A "," B "]",
    };
    uint8_t file[1024];
    size_t size = make_safe(GOOD, file);
    const char *tensor;

    assert_null(parse(file, size, &tensor));
    assert_null(tensor);
    for (size_t i = 0; i < VS__COUNT(wrong); i++) {
        size = make_safe(wrong[i], file);
        if (parse(file, size, NULL) == NULL)
            fail_msg("accepted %s", wrong[i]);
    }
    size = make_safe("{" A_OF("2,2,1", "0", "16") "," B "}", file);
    assert_non_null(strstr(parse(file, size, &tensor), "shape"));
    assert_string_equal(tensor, "a");
    size = make_safe("{" A "}", file);
    assert_non_null(strstr(parse(file, size, &tensor), "missing"));
    assert_string_equal(tensor, "b");
}

static void test_safetensors_lengths(void **state)
{
    static const uint64_t lengths[] = {0, 1, 65537, 1u << 31, UINT32_MAX, 1ull << 63, UINT64_MAX};
    uint8_t file[1024], not_finite[4] = {0, 0, 0xc0, 0x7f};
    size_t size = make_safe(GOOD, file);

    for (size_t cut = 0; cut < size; cut++)
        assert_non_null(parse(file, cut, NULL));
    for (size_t i = 0; i < VS__COUNT(lengths); i++) {
        memcpy(file, &lengths[i], 8);
        assert_non_null(parse(file, size, NULL));
    }
    size = make_safe(GOOD, file);
    memcpy(file + size - 4, not_finite, 4);
    assert_non_null(strstr(parse(file, size, NULL), "finite"));
}

/** The same two tensors as an ONNX graph: dims packed in one, apart in the other. */
static const uint8_t onnx[] = {
    0x08, 7,   0x3a, 60,                                 /* version, graph */
    0x12, 1,   'g',                                      /* its name */
    0x2a, 31,  0x08, 2,    0x08, 1,    0x08, 2,          /* initializer, dims */
    0x10, 1,   0x42, 3,    'x',  '.',  'a',              /* type, name */
    0x4a, 16,  0,    0,    0x80, 0x3f, 0,    0, 0,    0, /* data */
    0,    0,   0,    0,    0,    0,    0,    0, 0x2a, 16,   0x0a, 1, 1, 0x10, 1, 0x42, 3,
    'x',  '.', 'b',  0x4a, 4,    0,    0,    0, 0x40, 0x5a, 4,    1, 2, 3,    4, /* another field */
    0x42, 1,   0, /* behind the graph */
};

static void test_onnx(void **state)
{
    static const struct {
        size_t at;
        uint8_t byte;
    } wrong[] = {
        {3, 64},    {3, 62},    {3, 61}, {3, 0xff}, {8, 30},   {8, 32},    {8, 255}, {10, 3},
        {12, 0x80}, {14, 0xff}, {16, 0}, {16, 10},  {21, 'b'}, {21, 'c'},  {23, 15}, {23, 17},
        {27, 0x7f}, {43, 2},    {44, 2}, {2, 0x3b}, {2, 0x3c}, {15, 0x12},
    };
    uint8_t file[sizeof(onnx)];
    const char *tensor;

    assert_null(parse(onnx, sizeof(onnx), &tensor));
    for (size_t cut = 0; cut < sizeof(onnx) - 3; cut++)
        assert_non_null(parse(onnx, cut, NULL));
    for (size_t i = 0; i < VS__COUNT(wrong); i++) {
        memcpy(file, onnx, sizeof(onnx));
        file[wrong[i].at] = wrong[i].byte;
        if (parse(file, sizeof(file), NULL) == NULL)
            fail_msg("accepted byte %u at %zu", wrong[i].byte, wrong[i].at);
    }
}

/* the same, as constants of nodes ------------------------------------------------------------ */

/** A field of up to 127 bytes. @return its bytes */
static size_t put(uint8_t *ret, unsigned field, const void *bytes, size_t size)
{
    ret[0] = (uint8_t)(field << 3 | 2);
    ret[1] = (uint8_t)size;
    memcpy(ret + 2, bytes, size);
    return 2 + size;
}

/** A node with one tensor of one number. `is_first`: its kind stands before the tensor. */
static size_t put_node(uint8_t *ret, const char *kind, bool is_first, const char *name)
{
    static const uint8_t number[4] = {0, 0, 0x80, 0x3f};
    uint8_t tensor[64] = {0x08, 1, 0x10, 1}, attribute[80] = {0xa0, 1, 4}, node[128];
    size_t in_tensor = 4, in_attribute = 3, in_node = 0;

    in_tensor += put(tensor + in_tensor, 8, name, strlen(name));
    in_tensor += put(tensor + in_tensor, 9, number, sizeof(number));
    in_attribute += put(attribute + in_attribute, 1, "value", 5);
    in_attribute += put(attribute + in_attribute, 5, tensor, in_tensor);
    if (is_first)
        in_node += put(node, 4, kind, strlen(kind));
    in_node += put(node + in_node, 2, "output", 6);
    in_node += put(node + in_node, 5, attribute, in_attribute);
    if (!is_first)
        in_node += put(node + in_node, 4, kind, strlen(kind));
    return put(ret, 1, node, in_node);
}

/** What is wrong with a graph of these nodes, in which "a" or "model.a" is asked for. */
static const char *parse_nodes(const char *const (*nodes)[2], size_t count, bool is_first,
                               size_t cut)
{
    struct vs__tensor tensor = {"b", "model.a", {1}, NULL};
    uint8_t graph[126], file[128];
    size_t size = 0;
    const char *where;

    for (size_t i = 0; i < count; i++)
        size += put_node(graph + size, nodes[i][0], is_first, nodes[i][1]);
    graph[1] = (uint8_t)(graph[1] - cut); /* of the only node */
    size -= cut;
    return vs__weights_parse(file, put(file, 7, graph, size), &tensor, 1, &where);
}

static void test_constants(void **state)
{
    static const char *const good[][2] = {{"Constant", "a"}}, *const whole[][2] = {
                                                                  {"Constant", "model.a"}};
    static const char *const own[][2] = {{"Constant", "a"}, {"Constant", ""}};
    static const char *const twice[][2] = {{"Constant", "a"}, {"Constant", "model.a"}};
    static const char *const more[][2] = {{"Constant", "a"}, {"Constant", "c"}};
    static const char *const other[][2] = {{"Conv", "a"}}, *const near[][2] = {
                                                               {"Constant", "del.a"}};

    for (int is_first = 0; is_first < 2; is_first++) {
        assert_null(parse_nodes(good, 1, is_first, 0));
        assert_null(parse_nodes(whole, 1, is_first, 0));
        assert_null(parse_nodes(own, 2, is_first, 0));
        assert_non_null(strstr(parse_nodes(twice, 2, is_first, 0), "twice"));
        assert_non_null(strstr(parse_nodes(more, 2, is_first, 0), "does not have"));
        assert_non_null(strstr(parse_nodes(other, 1, is_first, 0), "missing"));
        assert_non_null(strstr(parse_nodes(near, 1, is_first, 0), "does not have"));
        for (size_t cut = 1; cut < 45; cut++)
            assert_non_null(parse_nodes(good, 1, is_first, cut));
    }
}

static const char *parse_node(const char *node, size_t size)
{
    struct vs__tensor tensor = {"b", "model.a", {1}, NULL};
    uint8_t graph[32], file[34];
    const char *where;

    return vs__weights_parse(file, put(file, 7, graph, put(graph, 1, node, size)), &tensor, 1,
                             &where);
}

/** Damaged at each depth, and fields that are numbers where bytes should be, which is as if they were not. */
static void test_nodes(void **state)
{
    assert_non_null(strstr(parse_node("\x2a", 1), "whole ONNX"));
    assert_non_null(strstr(parse_node("\x2a\x03\x2a\x05\x08", 5), "whole ONNX"));
    assert_non_null(strstr(parse_node("\x2a\x03\x2a\x01\x08", 5), "whole ONNX"));
    assert_non_null(strstr(parse_node("\x20\x01\x28\x01\x2a\x02\x28\x01", 8), "missing"));
}

/** No change of a few bytes makes the readers leave their memory; the sanitizers look. */
static void test_noise(void **state)
{
    uint8_t safe[1024], file[1024];
    size_t safe_size = make_safe(GOOD, safe);
    uint32_t random = 1;

    for (unsigned round = 0; round < 20000; round++) {
        bool which = round % 2;
        size_t size = which ? safe_size : sizeof(onnx);

        memcpy(file, which ? safe : onnx, size);
        for (unsigned k = 0; k < 1 + round % 3; k++) {
            random = random * 1664525u + 1013904223u;
            file[(random >> 8) % size] = (uint8_t)(random >> 24);
        }
        parse(file, size, NULL);
    }
}

/* the detector ------------------------------------------------------------------------------ */

static int open_state(const char *argument, unsigned cpu, void **ret)
{
    struct vs_vad_params params = {
        .size = sizeof(params), .env = &env, .argument = argument, .cpu = cpu};
    struct vs_vad_shape shape = {.size = sizeof(shape)};
    int status;

    said[0] = '\0';
    *ret = vs__alloc(vs__vad_silero.state_size);
    assert_non_null(*ret);
    status = vs__vad_silero.open(*ret, &params, &shape);
    if (status == 0) {
        assert_int_equal(shape.block_frames, BLOCK);
        assert_int_equal(shape.latency_frames, 0);
    }
    return status;
}

static void close_state(void *s)
{
    vs__vad_silero.close(s);
    vs__free(s);
}

static void expect(const char *argument, int status, const char *words)
{
    void *s;

    assert_int_equal(open_state(argument, 0, &s), status);
    if (strstr(said, words) == NULL)
        fail_msg("\"%s\" is not in: %s", words, said);
    close_state(s);
}

static void test_arguments(void **state)
{
    char folder[] = "/tmp/voicestand-silero-XXXXXX";
    static char longest[5000];

    assert_non_null(mkdtemp(folder));
    memset(longest, 'x', sizeof(longest) - 1);
    expect(NULL, -EINVAL, "give the file");
    expect("", -EINVAL, "give the file");
    expect("/nonexistent/weights.onnx", -ENOENT, "/nonexistent/weights.onnx");
    expect(folder, -ENOENT, "has no weights");
    expect("/dev/null", -EBADMSG, "missing");
    expect("/dev/zero", -EBADMSG, "16 MiB");
    expect(longest, -ENAMETOOLONG, "cannot read");
    rmdir(folder);
}

/* with the weights at hand ------------------------------------------------------------------ */

static const char *const names[] = {"silero_vad_16k_op15.onnx", "silero_vad_16k.safetensors",
                                    "silero_vad_openvino_16k.onnx"};

/** The path of something in the audio data. Skips the test where it is not. */
static const char *find(const char *name)
{
    static char path[4096];
    const char *shared = getenv("VOICESTAND_TEST_SHARED");

    snprintf(path, sizeof(path), "%s/data/%s", shared ? shared : "../shared", name);
    if (access(path, R_OK) != 0) {
        fprintf(stderr, "# skipped: there is no %s\n", path);
        skip();
    }
    return path;
}

static const char *find_weights(size_t which)
{
    char name[128];

    snprintf(name, sizeof(name), "models/silero-vad/%s", names[which]);
    return find(name);
}

static size_t read_all(const char *path, uint8_t *ret, size_t room)
{
    FILE *file = fopen(path, "rb");
    size_t size;

    assert_non_null(file);
    size = fread(ret, 1, room, file);
    fclose(file);
    assert_in_range(size, 1, room - 1);
    return size;
}

static void write_all(const char *path, const uint8_t *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static uint8_t whole[2 << 20];

static void test_damaged(void **state)
{
    for (size_t which = 0; which < VS__COUNT(names); which++) {
        size_t size = read_all(find_weights(which), whole, sizeof(whole));
        char path[] = "/tmp/voicestand-silero-XXXXXX";
        int fd = mkstemp(path);

        assert_true(fd >= 0);
        close(fd);
        for (size_t cut = 0; cut < size; cut += cut < 1400 ? 97 : size / 9) {
            write_all(path, whole, cut);
            expect(path, -EBADMSG, "fetch silero_vad_16k_op15.onnx");
        }
        for (size_t i = size - 100000; i < size - 99992; i++)
            whole[i] = 0xff; /* a value that is none */
        write_all(path, whole, size);
        expect(path, -EBADMSG, "finite");
        size = read_all(find_weights(which), whole, sizeof(whole));
        for (size_t i = 60000; i < 60128; i++)
            whole[i] = (uint8_t)(whole[i] ^ 0x40); /* another transform */
        write_all(path, whole, size);
        expect(path, -EBADMSG, "fetch silero_vad_16k_op15.onnx");
        unlink(path);
    }
}

static float infer(void *s, const float *block)
{
    float p = -1.0f;

    assert_int_equal(vs__vad_silero.infer(s, block, &p), 0);
    assert_true(p >= 0.0f && p <= 1.0f);
    return p;
}

/* What onnxruntime makes of the blocks of dictation/brooklyn.wav with the weights of the .onnx. */
static const struct {
    size_t block;
    float probability;
} truth[] = {{0, 0.065527f}, {1, 0.063208f}, {2, 0.035564f},  {3, 0.121462f},  {4, 0.558533f},
             {5, 0.960337f}, {6, 0.973943f}, {28, 0.994718f}, {54, 0.981752f}, {55, 0.645363f}};

static size_t read_speech(float *ret, size_t room)
{
    size_t size = read_all(find("dictation/brooklyn.wav"), whole, sizeof(whole)), n = 0;

    for (size_t at = 44; at + 2 <= size && n < room; at += 2)
        ret[n++] = (float)(int16_t)(whole[at] | whole[at + 1] << 8) / 32768.0f;
    return n;
}

static void test_truth(void **state)
{
    static float audio[64 * BLOCK];
    size_t count = read_speech(audio, VS__COUNT(audio)) / BLOCK;
    unsigned levels[] = {0, vs_cpu_detect()};
    void *s;

    assert_int_equal(count, 56);
    for (size_t l = 0; l < VS__COUNT(levels); l++) {
        assert_int_equal(open_state(find_weights(0), levels[l], &s), 0);
        for (int round = 0; round < 2; round++) {
            for (size_t b = 0, k = 0; b < count; b++) {
                float p = infer(s, audio + b * BLOCK);

                if (b == truth[k].block)
                    assert_float_equal(p, truth[k++].probability, 1e-4f);
            }
            vs__vad_silero.reset(s);
        }
        close_state(s);
    }
}

static void test_folder(void **state)
{
    static float audio[64 * BLOCK];
    size_t count = read_speech(audio, VS__COUNT(audio)) / BLOCK;
    void *folder, *each[VS__COUNT(names)];
    float most = 0.0f;

    assert_int_equal(open_state(find("models/silero-vad"), 0, &folder), 0);
    for (size_t i = 0; i < VS__COUNT(names); i++)
        assert_int_equal(open_state(find_weights(i), 0, &each[i]), 0);
    for (size_t b = 0; b < count; b++) {
        float p = infer(folder, audio + b * BLOCK), q = infer(each[0], audio + b * BLOCK);
        float r = infer(each[2], audio + b * BLOCK); /* the same weights */

        assert_memory_equal(&p, &q, sizeof(p));
        assert_memory_equal(&p, &r, sizeof(p));
        most = VS__MAX(most, infer(each[1], audio + b * BLOCK));
    }
    assert_true(most > 0.9f);
    close_state(folder);
    for (size_t i = 0; i < VS__COUNT(names); i++)
        close_state(each[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_safetensors), cmocka_unit_test(test_safetensors_lengths),
        cmocka_unit_test(test_onnx),        cmocka_unit_test(test_constants),
        cmocka_unit_test(test_nodes),       cmocka_unit_test(test_noise),
        cmocka_unit_test(test_arguments),   cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_truth),       cmocka_unit_test(test_folder),
    };

    return cmocka_run_group_tests_name("silero", tests, NULL, NULL);
}
