/* SPDX-License-Identifier: MIT */
/* The real-time rule: a build with -Drt_check=true aborts a program whose real-time thread
   allocates, locks or writes; and the pipeline never does. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <voicestand/voicestand.h>

#include "base/base.h"
#include "fake.h"

static void *volatile escape;

static void breaks_by_malloc(void)
{
    escape = malloc(16);
}

static void breaks_by_free(void)
{
    vs__rt_leave();
    escape = malloc(16);
    vs__rt_enter();
    free(escape);
}

static void breaks_by_lock(void)
{
    static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&m);
}

static void breaks_by_write(void)
{
    ssize_t n = write(2, "", 0);
    (void)n;
}

static void keeps_the_rule(void)
{
    struct vs__signal s = {0};
    vs__signal_raise(&s);
    (void)vs__signal_wait(&s, 0, -1);
    (void)vs__mono_ns();
}

/* A detector that allocates in infer(). */
static int allocating_infer(void *state, const float *block, float *ret)
{
    escape = malloc(32);
    *ret = 0;
    (void)state;
    (void)block;
    return 0;
}

static void run_pipeline(const struct vs_vad_ops *vad, const struct vs_capture_ops *source)
{
    static const struct fake_step even[] = {{0, 480, 0, 0}, {50, 480, 0, 0}, {20000, 480, 0, 0}};
    struct record *r = calloc(1, sizeof(*r));
    vs_pipeline *p;

    fake_script = (struct fake_script){even, 3, 300, 48000, 1};
    struct vs_pipeline_config config = {.size = sizeof(config),
                                        .capture = "fake",
                                        .capture_ops = source,
                                        .vad_ops = vad,
                                        .stt_ops = &fake_stt,
                                        .audio = VS_AUDIO_ALL,
                                        .enhance = VS_ENHANCE_DENOISE | VS_ENHANCE_LEVEL,
                                        .enhance_text = 1,
                                        .probabilities = 1,
                                        .ring_ms = 60,
                                        .on_event = record_event,
                                        .user = r};
    if (vs_pipeline_create(&config, &p) == 0 && vs_pipeline_start(p) == 0) {
        if (vs_pipeline_wait(p, 10000) != 0)
            _exit(2);
        vs_pipeline_destroy(p);
    }
    if (r->ledger.residual != 0 || r->ledgers != 1)
        _exit(1);
    free(r);
}

static void allocating_detector(void)
{
    struct vs_vad_ops ops = fake_vad;

    vs__rt_leave();
    ops.infer = allocating_infer;
    run_pipeline(&ops, &fake_push);
    vs__rt_enter();
}

static void whole_pipeline(void)
{
    vs__rt_leave();
    run_pipeline(&fake_vad, &fake_push);
    run_pipeline(&fake_vad_odd, &fake_pull);
    run_pipeline(NULL, &fake_push); /* the default detector */
    vs__rt_enter();
}

/* Run `body` as a real-time thread would, in a child. @return the signal that ended it, or 0. */
static int run_child(void (*body)(void))
{
    int status = 0;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        vs__rt_enter();
        body();
        vs__rt_leave();
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : -WEXITSTATUS(status);
}

static void a_breach_aborts(void **state)
{
    static void (*const breaches[])(void) = {breaks_by_malloc, breaks_by_free, breaks_by_lock,
                                             breaks_by_write, allocating_detector};

    (void)state;
    for (size_t i = 0; i < VS__COUNT(breaches); i++)
        assert_int_equal(run_child(breaches[i]), SIGABRT);
}

static void the_pipeline_keeps_the_rule(void **state)
{
    (void)state;
    assert_int_equal(run_child(keeps_the_rule), 0);
    assert_int_equal(run_child(whole_pipeline), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_breach_aborts),
        cmocka_unit_test(the_pipeline_keeps_the_rule),
    };
    return cmocka_run_group_tests_name("rt", tests, NULL, NULL);
}
