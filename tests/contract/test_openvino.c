/* SPDX-License-Identifier: MIT */
/* The network of native on OpenVINO's real processor device, on real speech: the same probabilities
   and segments as native's own, also while the device, wrapped here, fails as a script says. That of
   Silero there, of each form of its weights: as our own engine. */
#include <dlfcn.h>
#include <errno.h>
#include <glob.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include <voicestand/backend.h>
#include <voicestand/voicestand.h>

#include "base/base.h"

/* Sums of floats in another order: the most that a probability may differ by. */
#define MOST_DIFFERENCE        0.01f /* where a step is rounded the other way */
#define MOST_DIFFERENCE_SILERO 1e-4f

enum { MOST_HOPS = 16384, MOST_SEGMENTS = 512, FILES = 4 };

static const char *cache_dir; /* of the runs */
static const char *reason;    /* why nothing can be tested, or NULL */
static const struct vs_vad_ops *real;
static struct vs_vad_ops wrapped;
static char files[FILES][600];
static size_t file_count;

/* Every how many calls something happens; 0 = never. */
static struct {
    uint64_t fail_every, nonsense_every, hang_at, refuse_opens;
    uint64_t calls, opens;
} script;

static int wrapped_open(void *state, const struct vs_vad_params *params, struct vs_vad_shape *ret)
{
    if (++script.opens > 1 && script.opens <= 1 + script.refuse_opens)
        return -ENODEV;
    return real->open(state, params, ret);
}

static void wrapped_close(void *state)
{
    real->close(state);
}

static int wrapped_infer(void *state, const float *block, float *ret)
{
    uint64_t call = ++script.calls;
    struct vs__signal nobody = {0};

    if (script.fail_every && call % script.fail_every == 0)
        return -EIO;
    if (call == script.hang_at)
        (void)vs__signal_wait(&nobody, 0, 1500000000);
    int rc = real->infer(state, block, ret);
    if (script.nonsense_every && call % script.nonsense_every == 0)
        *ret = NAN;
    return rc;
}

/* one run ----------------------------------------------------------------------------------- */

struct result {
    size_t hops, segments, states;
    float p[MOST_HOPS];
    uint64_t bounds[MOST_SEGMENTS][2];
    struct vs_device_stats device;
    char first[200];  /* error that was logged */
    char warned[400]; /* the last warning */
};

static void take(void *user, const struct vs_event *e)
{
    struct result *r = user;

    r->states += e->type == VS_EVENT_STATE;
    if (e->type == VS_EVENT_PROBABILITY && r->hops < MOST_HOPS)
        r->p[r->hops++] = e->probability;
    if (e->type == VS_EVENT_END && r->segments < MOST_SEGMENTS) {
        r->bounds[r->segments][0] = e->start_frame;
        r->bounds[r->segments++][1] = e->end_frame;
    }
}

static void log_first(void *user, int level, const char *topic, const char *message)
{
    struct result *r = user;

    if (level == VS_LOG_ERROR && !r->first[0])
        snprintf(r->first, sizeof(r->first), "%s", message);
    if (level == VS_LOG_WARNING)
        snprintf(r->warned, sizeof(r->warned), "%s", message);
}

static int run_file(const char *path, const char *vad, const struct vs_vad_ops *ops,
                    struct result *r)
{
    char capture[700];
    struct vs_stats stats = {.size = sizeof(stats)};
    struct vs_pipeline_config config = {.size = sizeof(config),
                                        .capture = capture,
                                        .vad = vad,
                                        .vad_ops = ops,
                                        .probabilities = 1,
                                        .on_event = take,
                                        .user = r};
    vs_pipeline *p;
    int rc;

    memset(r, 0, sizeof(*r));
    snprintf(capture, sizeof(capture), "file:%s", path);
    config.env.log = (struct vs_log){log_first, r};
    config.env.module_dir = getenv("VOICESTAND_TEST_MODULES");
    config.env.openvino = getenv("VOICESTAND_TEST_OPENVINO");
    config.env.cache_dir = cache_dir;
    rc = vs_pipeline_create(&config, &p);
    if (rc < 0)
        return rc;
    rc = vs_pipeline_run(p);
    vs_pipeline_stats(p, &stats);
    r->device = stats.vad_device;
    r->device.device = NULL; /* lives with the pipeline */
    vs_pipeline_destroy(p);
    return rc;
}

/* Decided by the device alone. A machine that stalls for a second makes a device look as if it hung: once more. */
static void run_device(const char *path, const char *vad, struct result *r)
{
    for (int tries = 1;; tries++) {
        assert_int_equal(run_file(path, vad, NULL, r), 0);
        if (r->device.by_native == 0)
            return;
        printf("# by native %llu, hung %llu\n", (unsigned long long)r->device.by_native,
               (unsigned long long)r->device.hung);
        assert_true(r->device.hung > 0 && tries < 4);
    }
}

/* Probabilities within the bound, segments the same frame for frame. */
static void check_within(const struct result *native, const struct result *other, float most)
{
    float worst = 0.0f;

    assert_int_equal(native->hops, other->hops);
    for (size_t i = 0; i < native->hops; i++)
        worst = fmaxf(worst, fabsf(native->p[i] - other->p[i]));
    printf("# %zu hops, %zu segments, largest difference %.1e\n", native->hops, native->segments,
           (double)worst);
    assert_true(worst <= most);
    assert_int_equal(native->segments, other->segments);
    assert_memory_equal(native->bounds, other->bounds,
                        native->segments * sizeof(native->bounds[0]));
    assert_int_equal(other->device.by_device + other->device.by_native, other->hops);
}

static void check_same(const struct result *native, const struct result *other)
{
    check_within(native, other, MOST_DIFFERENCE);
}

static struct result native, other;

static void need_all(void)
{
    if (reason) {
        fprintf(stderr, "# left out: %s\n", reason);
        skip();
    }
}

/* tests ------------------------------------------------------------------------------------- */

static void test_same_as_native(void **state)
{
    need_all();
    memset(&script, 0, sizeof(script));
    for (size_t f = 0; f < file_count; f++) {
        assert_int_equal(run_file(files[f], "native", NULL, &native), 0);
        assert_true(native.segments > 0);
        run_device(files[f], "openvino:CPU", &other);
        check_same(&native, &other);
        assert_int_equal(other.states, 0);
    }
}

static void test_same_as_silero(void **state)
{
    static const char *const forms[] = {"", "/silero_vad_openvino_16k.onnx",
                                        "/silero_vad_16k_op15.onnx", "/silero_vad_16k.safetensors"};
    const char *shared = getenv("VOICESTAND_TEST_SHARED");
    char weights[600], engine[700], device[700];

    need_all();
    for (size_t i = 0; i < VS__COUNT(forms); i++) {
        snprintf(weights, sizeof(weights), "%s/data/models/silero-vad%s",
                 shared ? shared : "../shared", forms[i]);
        if (access(weights, R_OK) != 0) {
            fprintf(stderr, "# left out: there is no %s\n", weights);
            skip();
        }
        snprintf(engine, sizeof(engine), "silero:%s", weights);
        snprintf(device, sizeof(device), "openvino:CPU@%s", weights);
        for (size_t f = 0; f < file_count; f += i == 0 ? 1 : FILES) {
            assert_int_equal(run_file(files[f], engine, NULL, &native), 0);
            run_device(files[f], device, &other);
            check_within(&native, &other, MOST_DIFFERENCE_SILERO);
            assert_true(native.segments > 0);
        }
    }
}

static void test_faults(void **state)
{
    need_all();
    for (size_t f = 0; f < file_count; f++) {
        memset(&script, 0, sizeof(script));
        script.fail_every = 97;
        script.nonsense_every = 131;
        script.refuse_opens = 1;
        script.hang_at = f == 0 ? 50 : 0;
        assert_int_equal(run_file(files[f], "native", NULL, &native), 0);
        assert_int_equal(run_file(files[f], "wrapped:CPU", &wrapped, &other), 0);
        check_same(&native, &other);
        printf("# by device %llu, by native %llu; failed %llu, nonsense %llu, hung %llu, "
               "not open %llu, returns %llu\n",
               (unsigned long long)other.device.by_device,
               (unsigned long long)other.device.by_native, (unsigned long long)other.device.failed,
               (unsigned long long)other.device.nonsense, (unsigned long long)other.device.hung,
               (unsigned long long)other.device.not_open, (unsigned long long)other.device.returns);
        assert_true(f == 0 ? other.device.hung == 1 : other.device.failed > 0);
        assert_true(other.device.by_device >= 48 && other.device.by_native > 0);
        assert_true(other.states >= 1);
    }
}

/* Without the device that was asked for: an error by name, or native from the first hop. */
static void test_no_device(void **state)
{
    need_all();
    assert_int_equal(run_file(files[0], "openvino:NONE", NULL, &other), -ENODEV);
    assert_non_null(strstr(other.first, "NONE"));
    assert_int_equal(run_file(files[0], "native", NULL, &native), 0);
    assert_int_equal(run_file(files[0], "auto:NONE", NULL, &other), 0);
    check_same(&native, &other);
    assert_int_equal(other.device.by_device, 0);
    assert_true(other.device.not_open > 0);
    assert_int_equal(other.states, 1);
}

static void test_bad_requests(void **state)
{
    static const struct {
        const char *vad, *says;
        int status;
    } bad[] = {
        {"openvino:", "needs a device", -EINVAL},
        {"openvino:CPU@", "needs a device", -EINVAL},
        {"openvino:CPU@/nowhere/a.onnx", "/nowhere/a.onnx", -ENOENT},
        {"openvino:CPU@/proc/self/exe", "holds other weights", -EBADMSG},
        {"openvino:CPU@/proc/self", "has no weights", -ENOENT},
        {"openvino:CPU@/dev/zero", "16 MiB", -EBADMSG},
        {"auto:CPU@/nowhere/a.onnx", "/nowhere/a.onnx", -ENOENT},
    };

    need_all();
    for (size_t i = 0; i < VS__COUNT(bad); i++) {
        assert_int_equal(run_file(files[0], bad[i].vad, NULL, &other), bad[i].status);
        assert_non_null(strstr(other.first, bad[i].says));
    }
}

static size_t count_kept(bool remove)
{
    char pattern[100];
    glob_t found;
    size_t count = 0;

    snprintf(pattern, sizeof(pattern), "%s/*", cache_dir);
    if (glob(pattern, 0, NULL, &found) == 0)
        count = found.gl_pathc;
    for (size_t i = 0; remove && i < count; i++)
        unlink(found.gl_pathv[i]);
    globfree(&found);
    return count;
}

/* Compiled networks are kept where nobody else can put one, and not elsewhere. */
static void test_cache(void **state)
{
    char folder[] = "/tmp/voicestand-cache-XXXXXX";

    need_all();
    cache_dir = mkdtemp(folder);
    assert_non_null(cache_dir);
    assert_int_equal(chmod(folder, 0777), 0);
    assert_int_equal(run_file(files[0], "openvino:CPU", NULL, &other), 0);
    assert_non_null(strstr(other.warned, "are not kept"));
    assert_non_null(strstr(other.warned, "chmod 700 /tmp/voicestand-cache-"));
    assert_int_equal(count_kept(false), 0);
    assert_int_equal(chmod(folder, 0700), 0);
    for (int round = 0; round < 2; round++) { /* the second from what the first kept */
        run_device(files[0], "openvino:CPU", &other);
        assert_string_equal(other.warned, "");
        assert_int_equal(count_kept(false), 1);
    }
    (void)count_kept(true);
    cache_dir = NULL;
    assert_int_equal(rmdir(folder), 0);
}

/* ------------------------------------------------------------------------------------------- */

static void find_files(void)
{
    static const char *const folders[FILES] = {"ami", "ina", "mix", "speechbrain"};
    const char *shared = getenv("VOICESTAND_TEST_SHARED");
    char pattern[600];
    glob_t found;

    for (size_t i = 0; i < FILES; i++) {
        snprintf(pattern, sizeof(pattern), "%s/data/speech-labelled/%s/*.flac",
                 shared ? shared : "../shared", folders[i]);
        if (glob(pattern, 0, NULL, &found) == 0)
            snprintf(files[file_count++], sizeof(files[0]), "%s", found.gl_pathv[0]);
        globfree(&found);
    }
}

static const char *prepare(void)
{
    const char *folder = getenv("VOICESTAND_TEST_MODULES");
    const char *refusal = getenv("VOICESTAND_TEST_NO_OPENVINO");
    const struct vs_module *entry;
    char path[600];
    void *module;
    int rc;

    if (refusal && *refusal)
        return refusal;
    snprintf(path, sizeof(path), "%s/openvino.so", folder ? folder : ".");
    module = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    entry = module ? dlsym(module, VS_MODULE_ENTRY) : NULL;
    if (!entry || !entry->vad)
        return "the openvino module is not built: there were no headers of OpenVINO";
    find_files();
    if (file_count == 0)
        return "there is no speech beside the checkout";
    real = entry->vad;
    wrapped = *real;
    wrapped.open = wrapped_open;
    wrapped.infer = wrapped_infer;
    wrapped.close = wrapped_close;
    rc = run_file(files[0], "openvino:CPU", NULL, &other);
    if (rc == -ENOTSUP && strstr(other.first, "libopenvino_c"))
        return "there is no libopenvino_c";
    return NULL; /* what else is wrong is for the tests to find */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_as_native), cmocka_unit_test(test_same_as_silero),
        cmocka_unit_test(test_faults),         cmocka_unit_test(test_no_device),
        cmocka_unit_test(test_bad_requests),   cmocka_unit_test(test_cache),
    };

    reason = prepare();
    return cmocka_run_group_tests_name("openvino", tests, NULL, NULL);
}
