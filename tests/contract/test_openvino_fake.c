/* SPDX-License-Identifier: MIT */
/* The openvino module over a library that fails where a script says: each call once, each time it is made. */
#include <dlfcn.h>
#include <errno.h>
#include <glob.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <voicestand/backend.h>

#include "base/base.h"
#include "fake_openvino.h"
#include "vad/native.h"

#define SILERO_HEARS (64 + 512)

static const struct vs_vad_ops *module;
static struct fake_openvino *fake;
static char *new, *old; /* the folder of the library; one that lacks a call */
static void *state;
static char said[2][600]; /* the last error, the last warning */
static unsigned errors;

static void keep(void *user, int level, const char *topic, const char *message)
{
    (void)user;
    assert_string_equal(topic, "vad");
    errors += level == VS_LOG_ERROR;
    if (level == VS_LOG_ERROR || level == VS_LOG_WARNING)
        snprintf(said[level], sizeof(said[0]), "%s", message);
}

static struct vs_env env = {.log = {.write = keep}};
static struct vs_vad_shape shape;

static int open_it(const char *argument)
{
    struct vs_vad_params params = {
        .size = sizeof(params), .env = &env, .argument = argument, .cpu = 0};

    said[VS_LOG_ERROR][0] = said[VS_LOG_WARNING][0] = '\0';
    errors = fake->calls = 0;
    shape = (struct vs_vad_shape){.size = sizeof(shape)};
    memset(state, 0, module->state_size);
    return module->open(state, &params, &shape);
}

/* Nothing that the library gave is left. */
static void close_it(void)
{
    module->close(state);
    assert_int_equal(fake->live, 0);
}

static void refuse(const char *argument, int status, const char *words)
{
    assert_int_equal(open_it(argument), status);
    if (errors != 1 || !strstr(said[VS_LOG_ERROR], words))
        fail_msg("%s: %u errors; \"%s\" is not in: %s", argument, errors, words,
                 said[VS_LOG_ERROR]);
    close_it();
}

/* Everything works: the network of native, or that of Silero. */
static void script(bool silero)
{
    size_t heard = silero ? SILERO_HEARS : VS__VAD_FEATURES,
           memory = silero ? 256 : VS__NATIVE_STATE;

    *fake = (struct fake_openvino){
        .message = "Exception from src/core.cpp:1:\nIt does not. More of that\n",
        .devices = "CPU,GPU.0",
        .supports = "PERFORMANCE_HINT CACHE_DIR INFERENCE_PRECISION_HINT",
        .can = "FP32 EXPORT_IMPORT",
        .runs_on = "CPU",
        .inputs = {{silero ? "input" : "features", heard, 4}, {"state", memory, 4}},
        .outputs = {{silero ? "output" : "sum", 1, 4}, {"stateN", memory, 4}},
        .input_count = 2,
        .output_count = 2,
        .answer = 0.5f,
    };
}

static int set_up(void **unused)
{
    (void)unused;
    script(false);
    env.openvino = new;
    env.cache_dir = NULL;
    return 0;
}

static unsigned visited;

static void visit(void *user, const char *name, const char *description)
{
    (void)user;
    assert_string_equal(name, visited ? "GPU.0" : "CPU");
    assert_non_null(strstr(description, "OpenVINO"));
    visited++;
}

/* the library ------------------------------------------------------------------------------------ */

/* Whether the module would find OpenVINO without being told where. */
static bool is_installed(void)
{
    static const char *const patterns[] = {
        "/usr/lib/*-linux-gnu/libopenvino_c.so*",
        "/usr/lib64/libopenvino_c.so*",
        "/usr/local/lib/libopenvino_c.so*",
        "/opt/intel/openvino*/runtime/lib/*/libopenvino_c.so*",
        "/usr/local/lib/python3*/*-packages/openvino/libs/libopenvino_c.so*",
        "/usr/lib/python3*/*-packages/openvino/libs/libopenvino_c.so*"};
    void *library = dlopen("libopenvino_c.so", RTLD_LAZY | RTLD_LOCAL);
    bool found = library != NULL;
    glob_t all;

    if (library)
        dlclose(library);
    for (size_t i = 0; i < VS__COUNT(patterns) && !found; i++) {
        found = glob(patterns[i], 0, NULL, &all) == 0;
        globfree(&all);
    }
    return found;
}

static void refuse_library(const char *folders, const char *words)
{
    env.openvino = folders;
    refuse("CPU", -ENOTSUP, words);
}

/* These come first: once the library has started, it stays. */
static void test_library(void **unused)
{
    static const char *const messages[][2] = {
        {"Exception from src/core.cpp:1:\nException from b\nNo device. More\n", "No device;"},
        {"A line\nand another. Of two", "A line;"},
        {"Exception from nowhere", "Exception from nowhere;"},
        {"", "it gives no reason"},
        {NULL, "it gives no reason"},
    };

    char folder[] = "/tmp/voicestand-old-XXXXXX", link[60];

    (void)unused;
    assert_non_null(mkdtemp(folder));
    if (!is_installed()) {
        char nowhere[700] = "";

        memset(nowhere, 'x', 600);
        refuse_library(NULL, "there is no libopenvino_c here");
        refuse_library(folder, "VOICESTAND_OPENVINO");
        snprintf(nowhere + 600, sizeof(nowhere) - 600, "::%s", folder);
        refuse_library(nowhere, "pip install openvino");
    }
    snprintf(link, sizeof(link), "%s/libopenvino_c.so.1", folder);
    assert_int_equal(symlink(old, link), 0);
    refuse_library(folder, "too old, it lacks ov_tensor_free");
    unlink(link);
    rmdir(folder);
    env.openvino = new;
    fake->fail = "ov_core_create";
    for (size_t i = 0; i < VS__COUNT(messages); i++) {
        fake->message = messages[i][0];
        refuse("CPU", -ENOTSUP, messages[i][1]);
        assert_non_null(strstr(said[VS_LOG_ERROR], "install it anew"));
    }
    fake->calls = 0;
    assert_int_equal(module->list(&env, visit, NULL), -ENOTSUP);
    fake->fail = "ov_get_openvino_version"; /* which is for the log alone */
    assert_int_equal(open_it("CPU"), 0);
    close_it();
}

static void test_devices(void **unused)
{
    static const char *const good[] = {"CPU",          "GPU",      "GPU.0",       "AUTO",
                                       "AUTO:NPU,CPU", "AUTO:GPU", "AUTO:CPU,NPU"};
    static const char *const bad[] = {"NPU", "GPU.1", "CP", "AUTO:NPU", "AUTO:NPU,TPU"};

    (void)unused;
    for (size_t i = 0; i < VS__COUNT(good); i++) {
        assert_int_equal(open_it(good[i]), 0);
        assert_string_equal(shape.device, "cpu");
        close_it();
    }
    for (size_t i = 0; i < VS__COUNT(bad); i++)
        refuse(bad[i], -ENODEV, "it has: CPU, GPU.0");
    fake->devices = "A0123456789012345678901234567890123456789012345678901234567890,"
                    "B0123456789012345678901234567890123456789012345678901234567890,"
                    "C0123456789012345678901234567890123456789012345678901234567890,"
                    "D0123456789012345678901234567890123456789012345678901234567890,E";
    refuse("CPU", -ENODEV, "C0123");
    fake->fail = "ov_core_get_available_devices"; /* then compiling will tell */
    assert_int_equal(open_it("CPU"), 0);
    close_it();
}

static void test_list(void **unused)
{
    (void)unused;
    visited = 0;
    assert_int_equal(module->list(&env, visit, NULL), 2);
    fake->fail = "ov_core_get_property"; /* a device without a full name */
    fake->fail_at = fake->calls = visited = 0;
    assert_int_equal(module->list(&env, visit, NULL), 2);
    fake->fail = "ov_core_get_available_devices";
    fake->calls = visited = 0;
    assert_int_equal(module->list(&env, visit, NULL), 0);
    assert_int_equal(visited, 0);
    assert_int_equal(fake->live, 0);
}

/* compiling -------------------------------------------------------------------------------------- */

/* Whichever call fails, and whichever time it is made: opened all the same, or one error; and all is given back. */
static void test_each_call_fails(void **unused)
{
    static const struct {
        const char *call;
        int status; /* 0 = can do without */
    } calls[] = {
        {"ov_core_get_available_devices", 0},
        {"ov_core_read_model_from_memory_buffer", -ENOTSUP},
        {"ov_core_get_property", 0},
        {"ov_core_set_property", 0},
        {"ov_core_compile_model", -EIO},
        {"ov_compiled_model_create_infer_request", -EIO},
        {"ov_compiled_model_inputs_size", -EIO},
        {"ov_compiled_model_outputs_size", -EIO},
        {"ov_compiled_model_input_by_index", -EIO},
        {"ov_compiled_model_output_by_index", -EIO},
        {"ov_infer_request_get_tensor_by_const_port", -EIO},
        {"ov_tensor_get_size", -EIO},
        {"ov_tensor_get_byte_size", -EIO},
        {"ov_tensor_data", -EIO},
        {"ov_compiled_model_get_property", 0},
    };
    unsigned runs = 0;

    (void)unused;
    for (size_t i = 0; i < VS__COUNT(calls); i++) {
        fake->fail = calls[i].call;
        for (fake->fail_at = 0;; fake->fail_at++, runs++) {
            int status = open_it("CPU");
            bool happened = fake->calls > fake->fail_at;

            if (status != (happened ? calls[i].status : 0))
                fail_msg("%s: %d", calls[i].call, status);
            assert_int_equal(errors, status < 0 ? 1 : 0);
            close_it();
            if (!happened)
                break;
        }
        assert_true(fake->fail_at > 0);
    }
    printf("# %u failures\n", runs);
}

/* A port without a name is told from no other. */
static void test_names(void **unused)
{
    (void)unused;
    fake->fail = "ov_port_get_any_name";
    for (fake->fail_at = 0; fake->fail_at < 4; fake->fail_at++) {
        int status = open_it("CPU");
        assert_true(status == 0 || (status == -ENOTSUP && errors == 1));
        close_it();
    }
}

static void test_ports(void **unused)
{
    (void)unused;
    fake->inputs[1].float_bytes = 2;
    refuse("CPU", -ENOTSUP, "not float");
    script(false);
    fake->input_count = 9;
    refuse("CPU", -ENOTSUP, "too many");
    script(false);
    fake->output_count = 9;
    refuse("CPU", -ENOTSUP, "too many");
    script(false);
    fake->outputs[1].count = 7; /* not the next of `state` */
    refuse("CPU", -ENOTSUP, "other inputs and outputs");
    script(false);
    fake->outputs[0].count = 2; /* no answer */
    refuse("CPU", -ENOTSUP, "other inputs and outputs");
    script(false);
    fake->inputs[0].name = "st"; /* and nothing is heard */
    fake->outputs[0].name = "stop";
    fake->inputs[0].count = 1;
    refuse("CPU", -ENOTSUP, "other inputs and outputs");
    script(false);
    fake->inputs[1].count = fake->outputs[1].count = 1000;
    refuse("CPU", -ENOTSUP, "other inputs and outputs");
    script(true);
    fake->inputs[0].count = 512;
    refuse("CPU", -ENOTSUP, "other inputs and outputs");
    script(true);
    fake->input_count = fake->output_count = 7; /* more states than there is room for */
    for (size_t i = 2; i < 7; i++)
        fake->inputs[i] = fake->outputs[i] = (struct fake_port){"more", 5, 4};
    refuse("CPU", -ENOTSUP, "other inputs and outputs");
    script(true);
    fake->output_count = 3;
    fake->outputs[2] = (struct fake_port){"more", 1, 4};
    refuse("CPU", -ENOTSUP, "other inputs and outputs");
}

static void test_options(void **unused)
{
    char folder[] = "/tmp/voicestand-cache-XXXXXX", wanted[80];

    (void)unused;
    env.cache_dir = mkdtemp(folder);
    assert_non_null(env.cache_dir);
    snprintf(wanted, sizeof(wanted), "CACHE_DIR=%s;", folder);
    assert_int_equal(open_it("CPU"), 0);
    assert_string_equal(fake->asked + strlen(fake->asked) - strlen(wanted), wanted);
    assert_non_null(strstr(fake->asked, "PERFORMANCE_HINT=LATENCY;INFERENCE_PRECISION_HINT=f32;"));
    close_it();
    assert_int_equal(open_it("GPU"), 0); /* what is the processor's is not for others */
    assert_null(strstr(fake->asked, "PRECISION"));
    close_it();
    fake->supports = "{'PERFORMANCE_HINTS': 'RO', 'NO_CACHE_DIR': 'RW'}"; /* other words */
    assert_int_equal(open_it("CPU"), 0);
    assert_string_equal(fake->asked, wanted); /* as it can export */
    close_it();
    fake->can = "FP32";
    assert_int_equal(open_it("CPU"), 0);
    assert_string_equal(fake->asked, "");
    close_it();
    fake->can = NULL;
    fake->supports = "CACHE_DIR and CACHE_DIR";
    assert_int_equal(chmod(folder, 0755), 0);
    assert_int_equal(open_it("CPU"), 0);
    assert_string_equal(fake->asked, "");
    assert_non_null(strstr(said[VS_LOG_WARNING], "are not kept in /tmp/voicestand-cache-"));
    close_it();
    assert_int_equal(rmdir(folder), 0);
    fake->supports = NULL;
    for (int i = 0; i < 2; i++) {
        fake->runs_on = i == 0 ? "" : NULL;
        assert_int_equal(open_it("GPU"), 0);
        assert_string_equal(shape.device, "gpu"); /* as asked, where it is not told */
        close_it();
    }
}

static void test_arguments(void **unused)
{
    char longest[100] = "";

    (void)unused;
    memset(longest, 'A', sizeof(longest) - 1);
    refuse(NULL, -EINVAL, "needs a device");
    refuse("", -EINVAL, "needs a device");
    refuse("@a", -EINVAL, "needs a device");
    refuse("CPU@", -EINVAL, "needs a device");
    refuse(longest, -EINVAL, "needs a device");
    refuse("CPU@/nowhere/a.onnx", -ENOENT, "/nowhere/a.onnx");
    refuse("CPU@/dev/null", -EBADMSG, "missing");
}

/* running ---------------------------------------------------------------------------------------- */

static void test_native(void **unused)
{
    static float block[VS_HOP_FRAMES];
    char memory[sizeof(struct vs__native_memory)];
    float p = -1.0f;

    (void)unused;
    for (size_t i = 0; i < VS_HOP_FRAMES; i++)
        block[i] = (i / 20) % 2 ? 0.1f : -0.1f;
    assert_int_equal(open_it("CPU"), 0);
    assert_string_equal(fake->network, "native");
    assert_int_equal(shape.block_frames, VS_HOP_FRAMES);
    float silence[VS_HOP_FRAMES] = {0};
    assert_int_equal(module->infer(state, silence, &p), 0);
    assert_true(p == 0.0f); /* before anything was heard */
    for (int hop = 0; hop < 5; hop++)
        assert_int_equal(module->infer(state, block, &p), 0);
    assert_true(p > 0.5f && p < 1.0f);
    assert_true(module->memory_size == sizeof(memory));
    fake->next = 1.0f;
    assert_int_equal(module->infer(state, block, &p), 0);
    module->save(state, memory);
    module->reset(state);
    assert_int_equal(module->restore(state, memory), 0);
    assert_true(fake->memory[1][VS__NATIVE_STATE - 1] == 1.0f); /* of the hidden state, as it was */
    fake->answer = NAN;
    assert_int_equal(module->infer(state, block, &p), -ERANGE);
    assert_true(fake->memory[1][VS__NATIVE_STATE - 1] == -1.0f); /* begun anew: nobody ever spoke */
    fake->answer = 0.0f;
    fake->next = INFINITY;
    assert_int_equal(module->infer(state, block, &p), -ERANGE);
    fake->fail = "ov_infer_request_infer";
    fake->calls = 0;
    assert_int_equal(module->infer(state, block, &p), -EIO);
    close_it();
}

static void test_silero(void **unused)
{
    static float block[512];
    const char *shared = getenv("VOICESTAND_TEST_SHARED");
    char argument[600];
    float p = -1.0f;

    (void)unused;
    snprintf(argument, sizeof(argument), "CPU@%s/data/models/silero-vad",
             shared ? shared : "../shared");
    if (access(argument + 4, R_OK) != 0) {
        fprintf(stderr, "# left out: there is no %s\n", argument + 4);
        skip();
    }
    script(true);
    assert_int_equal(open_it(argument), 0);
    assert_string_equal(fake->network, "silero");
    assert_int_equal(shape.block_frames, 512);
    for (size_t i = 0; i < 512; i++)
        block[i] = (float)i;
    block[500] = NAN;
    block[501] = -INFINITY;
    for (int k = 0; k < 2; k++)
        assert_int_equal(module->infer(state, block, &p), 0);
    assert_true(p == 0.5f);
    for (size_t i = 0; i < 64; i++) /* the end of the block before, without what is no number */
        assert_true(fake->heard[i] == (i == 52 || i == 53 ? 0.0f : (float)(448 + i)));
    assert_true(fake->heard[64] == 0.0f && fake->heard[575] == 511.0f);
    module->reset(state);
    assert_true(fake->memory[0][575] == 0.0f);
    fake->fail = "ov_infer_request_infer";
    fake->calls = 0;
    assert_int_equal(module->infer(state, block, &p), -EIO);
    close_it();
    fake->fail = "ov_core_compile_model";
    refuse(argument, -EIO, "It does not");
}

static const char *prepare(int count, char **arguments)
{
    const char *folder = getenv("VOICESTAND_TEST_MODULES");
    const struct vs_module *entry;
    char path[600];

    if (count != 3)
        return "usage: test_openvino_fake LIBRARY OLD-LIBRARY";
    void *library = dlopen(arguments[1], RTLD_NOW | RTLD_LOCAL);
    fake = library ? dlsym(library, "fake_openvino") : NULL;
    snprintf(path, sizeof(path), "%s/openvino.so", folder ? folder : ".");
    void *loaded = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    entry = loaded ? dlsym(loaded, VS_MODULE_ENTRY) : NULL;
    if (!fake || !entry || !entry->vad)
        return dlerror();
    module = entry->vad;
    state = vs__alloc(module->state_size);
    new = realpath(arguments[1], NULL);
    old = realpath(arguments[2], NULL);
    if (!state || !new || !old)
        return "no memory";
    *strrchr(new, '/') = '\0';
    return NULL;
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_library, set_up),
        cmocka_unit_test_setup(test_devices, set_up),
        cmocka_unit_test_setup(test_list, set_up),
        cmocka_unit_test_setup(test_each_call_fails, set_up),
        cmocka_unit_test_setup(test_names, set_up),
        cmocka_unit_test_setup(test_ports, set_up),
        cmocka_unit_test_setup(test_options, set_up),
        cmocka_unit_test_setup(test_arguments, set_up),
        cmocka_unit_test_setup(test_native, set_up),
        cmocka_unit_test_setup(test_silero, set_up),
    };
    const char *wrong = prepare(count, arguments);

    if (wrong) {
        fprintf(stderr, "%s\n", wrong);
        return 1;
    }
    int failed = cmocka_run_group_tests_name("openvino_fake", tests, NULL, NULL);
    vs__free(state);
    free(new);
    free(old);
    return failed;
}
