/* SPDX-License-Identifier: MIT */
/* What callers hand over wrongly, and each lack of memory, for each kind of handle: refused with the documented status
   and nothing half open; and an engine that fails in one of its calls. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <voicestand/voicestand.h>
#include <voicestand/writer.h>

#include "base/base.h"
#include "foreign.h"
#include "pipeline/pipeline.h"

#define UNDER_MODULES "a library under modules, as hwloc, libFLAC and libpipewire,"

static const char *modules(void)
{
    return getenv("VOICESTAND_TEST_MODULES");
}

static void count_devices(void *user, const char *device, const char *description)
{
    assert_non_null(device);
    assert_non_null(description);
    ++*(int *)user;
}

static void detectors(void **state)
{
    static const char *const names[] = {"energy", "native", "null"};
    struct vs_vad_config c = {.size = sizeof(c), .name = "energy"}, small = {.size = 1};
    vs_vad *v = NULL;
    int devices = 0;

    (void)state;
    assert_int_equal(vs_vad_create(NULL, &v), -EINVAL);
    assert_int_equal(vs_vad_create(&c, NULL), -EINVAL);
    assert_int_equal(vs_vad_create(&small, &v), -EINVAL);
    c.name = "nobody";
    assert_int_equal(vs_vad_create(&c, &v), -EINVAL);
    for (size_t i = 0; i < VS__COUNT(names); i++) {
        int status = -ENOMEM;
        c.name = names[i];
        for (uint32_t n = 1; status < 0; n++) {
            vs__alloc_fail_after(n);
            status = vs_vad_create(&c, &v);
            vs__alloc_fail_after(0);
            assert_true(status == 0 || (status == -ENOMEM && !v));
        }
        assert_int_equal(vs_vad_block_frames(v) % VS_HOP_FRAMES, 0);
        vs_vad_destroy(v);
        v = NULL;
    }
    vs_vad_destroy(NULL);
    struct vs_env env = {.module_dir = modules()};
    assert_int_equal(vs_vad_devices(&env, NULL, count_devices, &devices), -EINVAL);
    assert_int_equal(vs_vad_devices(&env, "energy", NULL, NULL), -EINVAL);
    assert_int_equal(vs_vad_devices(NULL, "energy", count_devices, &devices),
                     -EINVAL); /* has none */
    assert_int_equal(vs_vad_devices(NULL, "nobody", count_devices, &devices), -EINVAL);
    int told = vs_vad_devices(&env, "openvino", count_devices, &devices);
    assert_true(told < 0 ? devices == 0 : told == devices);
}

/* an engine that fails where it is told to ------------------------------------------------------- */

enum { NOWHERE, IN_OPEN, IN_BEGIN, IN_FEED, IN_FINISH, NO_TEXT, IN_WORDS };
static int failing_call, closed;

static int fail_in(int call)
{
    return failing_call == call ? -EIO : 0;
}

static int open_engine(void *state, const struct vs_stt_params *params)
{
    (void)state;
    assert_int_equal(params->threads, 0); /* an engine of the user's own knows best */
    return fail_in(IN_OPEN);
}

static int begin_segment(void *state, uint64_t segment)
{
    (void)state;
    assert_true(segment > 0);
    return fail_in(IN_BEGIN);
}

static int feed(void *state, const float *audio, size_t frames)
{
    (void)state;
    assert_non_null(audio);
    assert_true(frames > 0 && frames <= VS_RATE_HZ / 10);
    return failing_call == IN_FEED ? -EIO : 1; /* news, which nobody asks for */
}

static int finish(void *state, const char **ret)
{
    (void)state;
    *ret = failing_call == NO_TEXT ? NULL : "words";
    return fail_in(IN_FINISH);
}

static int tell_words(void *state, const struct vs_word **ret)
{
    static const struct vs_word word = {"words", 0.0, 0.5};

    (void)state;
    *ret = &word;
    return failing_call == IN_WORDS ? -EIO : 1;
}

static void close_engine(void *state)
{
    (void)state;
    closed++;
}

static const struct vs_stt_ops failing = {.abi = VS_BACKEND_ABI,
                                          .name = "failing",
                                          .description = "fails where it is told to",
                                          .state_size = 64,
                                          .open = open_engine,
                                          .begin = begin_segment,
                                          .feed = feed,
                                          .finish = finish,
                                          .close = close_engine,
                                          .words = tell_words};

static void engines_that_fail(void **state)
{
    static const float audio[4000];
    struct vs_stt_config c = {.size = sizeof(c), .ops = &failing};
    struct vs_stt_result r = {.size = sizeof(r)};
    vs_stt *s = NULL;

    (void)state;
    failing_call = IN_OPEN;
    closed = 0;
    assert_int_equal(vs_stt_create(&c, &s), -EIO);
    assert_null(s);
    failing_call = NOWHERE;
    assert_int_equal(vs_stt_create(&c, &s), 0);
    for (failing_call = NOWHERE; failing_call <= IN_WORDS; failing_call++) {
        bool fails = failing_call >= IN_OPEN + 1 && failing_call <= IN_FINISH;
        assert_int_equal(vs_stt_hear(s, audio, VS__COUNT(audio), &r), fails ? -EIO : 0);
        if (fails)
            continue;
        assert_string_equal(r.text, failing_call == NO_TEXT ? "" : "words");
        assert_int_equal(r.word_count, failing_call == IN_WORDS ? 0 : 1);
        assert_true((r.words != NULL) == (r.word_count == 1));
    }
    failing_call = NOWHERE;
    assert_int_equal(vs_stt_hear(s, NULL, 0, &r), 0);
    assert_int_equal(vs__stt_take(s, &(struct vs_log){0}), 0);
    assert_int_equal(vs_stt_hear(s, audio, 1, &r), -EBUSY); /* a pipeline has it */
    vs__stt_give_back(s);
    vs_stt_cancel(s); /* it has no call for that */
    assert_int_equal(vs_stt_hear(s, audio, 1, &r), -ECANCELED);
    assert_int_equal(vs_stt_hear(s, NULL, 0, &r), -ECANCELED);
    closed = 0;
    vs_stt_destroy(s);
    assert_int_equal(closed, 1);
}

static void engines_asked_for_wrongly(void **state)
{
    struct vs_stt_config c = {.size = sizeof(c)}, small = {.size = 1, .name = "null"};
    struct vs_stt_result r = {.size = sizeof(r)}, no_room = {.size = 1};
    vs_stt *s = NULL;
    int status = -ENOMEM;

    (void)state;
    SKIP_WATCHED(UNDER_MODULES); /* hwloc counts threads */
    assert_int_equal(vs_stt_create(NULL, &s), -EINVAL);
    assert_int_equal(vs_stt_create(&c, NULL), -EINVAL);
    assert_int_equal(vs_stt_create(&small, &s), -EINVAL);
    assert_int_equal(vs_stt_create(&c, &s), -EINVAL); /* which engine? */
    c.name = "nobody";
    assert_int_equal(vs_stt_create(&c, &s), -EINVAL);
    c.name = "null";
    c.env.module_dir = modules();
    for (uint32_t n = 1; n < 20 && (status < 0 || n < 12); n++) {
        vs__alloc_fail_after(n);
        status = vs_stt_create(&c, &s);
        vs__alloc_fail_after(0);
        assert_true(status == 0 || (status == -ENOMEM && !s));
        if (status == 0)
            vs_stt_destroy(s);
        s = NULL;
    }
    assert_int_equal(vs_stt_create(&c, &s), 0);
    assert_int_equal(vs_stt_hear(NULL, NULL, 0, &r), -EINVAL);
    assert_int_equal(vs_stt_hear(s, NULL, 1, &r), -EINVAL);
    assert_int_equal(vs_stt_hear(s, NULL, 0, NULL), -EINVAL);
    assert_int_equal(vs_stt_hear(s, NULL, 0, &no_room), -EINVAL);
    vs_stt_destroy(s);
    vs_stt_destroy(NULL);
    vs__stt_give_back(NULL);
}

/* files -------------------------------------------------------------------------------------- */

static void writers(void **state)
{
    static const struct vs_writer_config wrong[] = {
        {.path = NULL, .rate_hz = 16000},
        {.path = "a.wav", .rate_hz = 7999},
        {.path = "a.wav", .rate_hz = 192001},
        {.path = "a.wav", .rate_hz = 16000, .channels = 33},
        {.path = "a", .rate_hz = 16000},
        {.path = "a.mp3", .rate_hz = 16000},
        {.path = "a.wav", .rate_hz = 16000, .container = "ogg"},
        {.path = "a.wav", .rate_hz = 16000, .format = VS_FORMAT_S32},
    };
    static const float audio[160];
    char path[64];
    vs_writer *w = NULL;
    struct vs_writer_config c = {.size = 1};

    (void)state;
    assert_int_equal(vs_writer_create(NULL, &w), -EINVAL);
    assert_int_equal(vs_writer_create(&c, &w), -EINVAL);
    c.size = sizeof(c);
    assert_int_equal(vs_writer_create(&c, NULL), -EINVAL);
    for (size_t i = 0; i < VS__COUNT(wrong); i++) {
        c = wrong[i];
        c.size = sizeof(c);
        if (vs_writer_create(&c, &w) != -EINVAL)
            fail_msg("row %zu was taken", i);
    }
    assert_int_equal(vs_writer_destroy(NULL), 0);
    snprintf(path, sizeof(path), "/tmp/test_handles.%d.FLAC", (int)getpid());
    c = (struct vs_writer_config){.size = sizeof(c),
                                  .path = path,
                                  .rate_hz = 16000,
                                  .format = VS_FORMAT_F32,
                                  .env.module_dir = "/nonexistent"};
    int status = vs_writer_create(&c, &w);
    assert_true(status < 0 && !w); /* no module */
    c.env.module_dir = modules();
    SKIP_WATCHED(UNDER_MODULES);
    status = -ENOMEM;
    for (uint32_t n = 1; status == -ENOMEM; n++) {
        vs__alloc_fail_after(n);
        status = vs_writer_create(&c, &w);
        vs__alloc_fail_after(0);
        assert_true((status == 0) == (w != NULL));
    }
    if (status == -ENOTSUP) {
        fprintf(stderr, "# skipped: the sndfile module is not built here\n");
        skip();
    }
    assert_int_equal(status, 0);
    assert_int_equal(vs_writer_write(w, audio, VS__COUNT(audio)), 0);
    assert_int_equal(vs_writer_destroy(w), 0);
    assert_int_equal(access(path, R_OK), 0);
    unlink(path);
    w = NULL;
    c.path = "/nonexistent/a.wav";
    assert_int_equal(vs_writer_create(&c, &w), -ENOENT);
    assert_null(w);
}

/* lists -------------------------------------------------------------------------------------- */

static void see_backend(void *user, const char *name, int status, const char *description)
{
    int *seen = user;

    assert_non_null(name);
    assert_true(status <= 0);
    assert_true((status == 0) == (description[0] != '\0'));
    ++*seen;
}

static void see_device(void *user, const struct vs_device *device)
{
    assert_non_null(device);
    ++*(int *)user;
}

static void lists(void **state)
{
    static const char *const stages[] = {"capture", "vad", "stt"};
    struct vs_env nowhere = {.module_dir = "/nonexistent"}, here = {.module_dir = modules()};

    (void)state;
    SKIP_WATCHED(UNDER_MODULES);
    assert_int_equal(vs_backends_list(NULL, NULL, see_backend, NULL), -EINVAL);
    assert_int_equal(vs_backends_list(NULL, "output", see_backend, NULL), -EINVAL);
    for (size_t i = 0; i < VS__COUNT(stages); i++) {
        int seen = 0, count = vs_backends_list(&here, stages[i], see_backend, &seen);
        assert_true(count > 0);
        assert_int_equal(seen, count);
        assert_int_equal(vs_backends_list(&nowhere, stages[i], NULL, NULL), count);
        assert_int_equal(vs_backends_list(NULL, stages[i], NULL, NULL), count);
    }
    int without = vs_devices_list(&nowhere, NULL, NULL); /* neither ALSA nor PipeWire */
    assert_true(without < 0);
    int seen = 0, found = vs_devices_list(&here, see_device, &seen); /* as the machine has it */
    assert_true(found < 0 ? seen == 0 : seen == found);
    assert_int_equal(vs_devices_list(&here, NULL, NULL), found);
}

static void the_machine(void **state)
{
    static struct vs_topology t = {.size = sizeof(t)};
    struct vs_env env = {.module_dir = modules()}, elsewhere = {.system_root = "/nonexistent"};
    const char *way = NULL;

    (void)state;
    SKIP_WATCHED(UNDER_MODULES);
    vs__alloc_fail_after(1);
    assert_int_equal(vs_topology_read(NULL, &t), -ENOMEM);
    vs__alloc_fail_after(0);
    assert_int_equal(vs_topology_read(&elsewhere, &t), -ENOENT);
    assert_int_equal(t.count, 0);
    assert_int_equal(vs_topology_read(NULL, &t), 0);
    assert_true(t.count > 0);
    assert_int_equal(vs_topology_read(&env, &t), 0);
    int priority = vs_realtime_try(NULL, 5, &way);
    assert_true(priority >= 0 && priority <= 5 && way);
    assert_true(priority > 0 || strcmp(way, "none") == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(detectors),
        cmocka_unit_test(engines_that_fail),
        cmocka_unit_test(engines_asked_for_wrongly),
        cmocka_unit_test(writers),
        cmocka_unit_test(lists),
        cmocka_unit_test(the_machine),
    };

    return cmocka_run_group_tests_name("handles", tests, NULL, NULL);
}
