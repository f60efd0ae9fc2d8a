/* SPDX-License-Identifier: MIT */
/* What OpenVINO is given of a user's file: our own graph, and numbers. Nothing else of it comes through. */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base.h"
#include "modules/silero_onnx.h"
#include "vad/silero.h"

#define MOST_BYTES (2u << 20)

static const struct {
    const char *name, *shape;
    size_t count;
} parts[VS__SILERO_TENSORS] = {
    {"stft_conv.weight", "258,1,256", 258 * 256},
    {"conv1.weight", "128,129,3", 128 * 129 * 3},
    {"conv1.bias", "128", 128},
    {"conv2.weight", "64,128,3", 64 * 128 * 3},
    {"conv2.bias", "64", 64},
    {"conv3.weight", "64,64,3", 64 * 64 * 3},
    {"conv3.bias", "64", 64},
    {"conv4.weight", "128,64,3", 128 * 64 * 3},
    {"conv4.bias", "128", 128},
    {"lstm_cell.weight_ih", "512,128", 512 * 128},
    {"lstm_cell.weight_hh", "512,128", 512 * 128},
    {"lstm_cell.bias_ih", "512", 512},
    {"lstm_cell.bias_hh", "512", 512},
    {"final_conv.weight", "1,128,1", 128},
    {"final_conv.bias", "1", 1},
};

static char said[600];
static unsigned sentences;

static void keep(void *user, int level, const char *topic, const char *message)
{
    (void)user;
    assert_string_equal(topic, "vad");
    assert_int_equal(level, VS_LOG_ERROR);
    snprintf(said, sizeof(said), "%s", message);
    sentences++;
}

static const struct vs_log words = {.write = keep};

/* a file of the user ---------------------------------------------------------------------------- */

/* The transform that the first layer must be; all else is drawn. */
static float draw(size_t part, size_t i, uint32_t *seed)
{
    const double turn = 2.0 * 3.14159265358979323846 / 256;
    size_t row = i / 256, column = i % 256, bin = row % 129;
    double w = 0.5 - 0.5 * cos(turn * (double)column), angle = turn * (double)(bin * column % 256);

    *seed = *seed * 1664525u + 1013904223u;
    if (part == VS__SILERO_BASIS)
        return (float)(row < 129 ? w * cos(angle) : -w * sin(angle));
    return (float)(*seed >> 8) * 0x1p-24f - 0.5f;
}

/* A table of tensors, with words of a stranger in it. @return its bytes */
static size_t make_file(uint8_t *ret, uint32_t seed)
{
    char head[4096];
    int n = snprintf(head, sizeof(head), "{\"__metadata__\":{\"by\":\"a stranger\"}");
    size_t at = 0;

    for (size_t p = 0; p < VS__SILERO_TENSORS; at += 4 * parts[p++].count)
        n += snprintf(head + n, sizeof(head) - (size_t)n,
                      ",\"%s\":{\"dtype\":\"F32\",\"shape\":[%s],\"data_offsets\":[%zu,%zu]}",
                      parts[p].name, parts[p].shape, at, at + 4 * parts[p].count);
    n += snprintf(head + n, sizeof(head) - (size_t)n, "}");
    uint64_t length = (uint64_t)n;
    memcpy(ret, &length, 8);
    memcpy(ret + 8, head, length);
    at = 8 + length;
    for (size_t p = 0; p < VS__SILERO_TENSORS; p++)
        for (size_t i = 0; i < parts[p].count; i++, at += 4) {
            float x = draw(p, i, &seed);

            memcpy(ret + at, &x, sizeof(x));
        }
    assert_true(at < MOST_BYTES);
    return at;
}

static char path[64];

static void write_file(const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");

    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* What is made of these bytes, in memory of the test's. */
static size_t make(const void *bytes, size_t size, uint8_t *ret)
{
    uint8_t *made;
    size_t made_size;

    write_file(bytes, size);
    assert_int_equal(vs__silero_onnx_make(path, &words, &made, &made_size), 0);
    assert_true(made_size < MOST_BYTES);
    memcpy(ret, made, made_size);
    vs__free(made);
    return made_size;
}

static uint8_t file[MOST_BYTES], first[MOST_BYTES], second[MOST_BYTES];

static int set_up(void **state)
{
    (void)state;
    snprintf(path, sizeof(path), "/tmp/voicestand-onnx-XXXXXX");
    int fd = mkstemp(path);
    return fd < 0 || close(fd) < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    return unlink(path);
}

/* tests ------------------------------------------------------------------------------------------ */

/* Where a byte of the network is one of a tensor. */
static bool is_number(const uint8_t *at, const struct vs__tensor *tensors)
{
    for (size_t p = 0; p < VS__SILERO_TENSORS; p++)
        if (at >= tensors[p].data && at < tensors[p].data + 4 * parts[p].count)
            return true;
    return false;
}

/* Each number is where our own reader finds it. */
static void test_numbers(void **state)
{
    struct vs__tensor given[VS__SILERO_TENSORS], found[VS__SILERO_TENSORS];
    void *of_file, *of_network;

    (void)state;
    size_t size = make(file, make_file(file, 1), first);
    assert_int_equal(vs__silero_read(path, &words, given, &of_file), 0);
    write_file(first, size);
    assert_int_equal(vs__silero_read(path, &words, found, &of_network), 0);
    for (size_t p = 0; p < VS__SILERO_TENSORS; p++)
        assert_memory_equal(given[p].data, found[p].data, 4 * parts[p].count);
    vs__free(of_file);
    vs__free(of_network);
}

/* The same from any form of the file, and made of what was made. */
static void test_again(void **state)
{
    (void)state;
    size_t size = make(file, make_file(file, 1), first);
    assert_int_equal(make(first, size, second), size);
    assert_memory_equal(first, second, size);
}

/* Two files: what differs is numbers alone, and no word of them is there. */
static void test_nothing_else(void **state)
{
    struct vs__tensor tensors[VS__SILERO_TENSORS];
    size_t differ = 0, size = make(file, make_file(file, 1), first);
    void *memory;

    (void)state;
    assert_int_equal(make(file, make_file(file, 2), second), size);
    write_file(second, size);
    assert_int_equal(vs__silero_read(path, &words, tensors, &memory), 0);
    const uint8_t *at = memory;
    for (size_t i = 0; i < size; i++, at++) {
        if (first[i] == second[i])
            continue;
        assert_true(is_number(at, tensors));
        differ++;
    }
    vs__free(memory);
    assert_true(differ > size / 2);
    assert_null(memmem(first, size, "stranger", 8));
    assert_null(memmem(first, size, "stft_conv", 9));
}

static void refuse(const void *bytes, size_t size, const char *why)
{
    uint8_t *made = NULL;
    size_t made_size = 77;

    write_file(bytes, size);
    sentences = 0;
    assert_int_equal(vs__silero_onnx_make(path, &words, &made, &made_size), -EBADMSG);
    assert_true(made == NULL && made_size == 77 && sentences == 1);
    if (!strstr(said, why) || !strstr(said, "fetch"))
        fail_msg("\"%s\" is not in: %s", why, said);
}

static void test_refused(void **state)
{
    static const char xml[] = "<?xml version=\"1.0\"?><net name=\"Model0\" version=\"11\"></net>";
    size_t size = make_file(file, 1);
    uint8_t *made;
    size_t made_size;

    (void)state;
    refuse(xml, sizeof(xml) - 1, ".xml");
    refuse("", 0, "missing");
    refuse(file, size - 1, "damaged");
    refuse(file, size / 2, "damaged");
    memset(file + size - 4, 0xff, 4);
    refuse(file, size, "finite");
    make_file(file, 1);
    memset(file + size - 1200000, 0, 64); /* of the first layer */
    refuse(file, size, "another transform");
    assert_int_equal(vs__silero_onnx_make("/nowhere/a.onnx", &words, &made, &made_size), -ENOENT);
}

/* Whichever allocation fails: one sentence, and all is given back. */
static void test_memory(void **state)
{
    unsigned n = 1;
    int status = -ENOMEM;
    uint8_t *made = NULL;
    size_t size = 0;

    (void)state;
    write_file(file, make_file(file, 1));
    for (; status == -ENOMEM; n++) {
        sentences = 0;
        vs__alloc_fail_after(n);
        status = vs__silero_onnx_make(path, &words, &made, &size);
        vs__alloc_fail_after(0);
        assert_int_equal(sentences, status == 0 ? 0 : 1);
    }
    assert_int_equal(status, 0);
    assert_true(n > 2);
    vs__free(made);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),      cmocka_unit_test(test_again),
        cmocka_unit_test(test_nothing_else), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_memory),
    };

    return cmocka_run_group_tests_name("silero_onnx", tests, set_up, tear_down);
}
