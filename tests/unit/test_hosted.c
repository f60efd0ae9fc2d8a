/* SPDX-License-Identifier: MIT */
/* A text engine in a process of its own: how it loads, hears, fails, crashes and hangs. The engine is engine_host, which
   does as it is told. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base.h"
#include "foreign.h"
#include "host/hosted.h"

static char warned[600], failed[600];
static unsigned warnings;
static char file[] = "/tmp/voicestand-hosted-XXXXXX";

static void keep(void *user, int level, const char *topic, const char *message)
{
    assert_string_equal(topic, "stt");
    warnings += level == VS_LOG_WARNING;
    if (level == VS_LOG_WARNING)
        snprintf(warned, sizeof(warned), "%s", message);
    if (level == VS_LOG_ERROR)
        snprintf(failed, sizeof(failed), "%s", message);
}

static const struct vs_log words_to = {.write = keep};
static struct vs__hosted h;
static const char *arguments[5];
static char why[700];

static int start(const char *load, const char *hear)
{
    memset(&h, 0, sizeof(h));
    arguments[0] = "engine_host";
    arguments[1] = load;
    arguments[2] = hear;
    arguments[3] = file;
    why[0] = failed[0] = warned[0] = '\0';
    warnings = 0;
    h.client.timeout_s = 20;
    h.client.tries = 2;
    assert_int_equal(vs__hosted_init(&h, &words_to, "The engine", "engine_host"), 0);
    h.arguments = arguments;
    h.place = "/the/model";
    return vs__hosted_start(&h, why, sizeof(why));
}

/* A segment of `tenths` of 100 ms. @return as vs__hosted_finish() */
static int segment(size_t tenths, const char **ret, unsigned *ret_news)
{
    static const float audio[1600];

    *ret_news = 0;
    assert_int_equal(vs__hosted_begin(&h, 1), 0);
    for (size_t i = 0; i < tenths; i++) {
        int news = vs__hosted_feed(&h, audio, 1600);

        assert_true(news >= 0);
        *ret_news += (unsigned)news;
    }
    return vs__hosted_finish(&h, ret);
}

static void test_loading(void **state)
{
    static const struct {
        const char *load;
        int status;
        const char *says;
    } ends[] = {
        {"missing", -ENOTSUP, "because of missing"},
        {"usage", -EINVAL, "because of usage"},
        {"files", -ENOENT, "because of files"},
        {"damaged", -EBADMSG, "because of damaged"},
        {"strange", -EBADMSG, "ended with status 1: it says nothing"},
        {"dies", -EBADMSG,
         "/the/model: The engine cannot use this model, it ended with status 3: the last"},
    };

    for (size_t i = 0; i < VS__COUNT(ends); i++) {
        assert_int_equal(start(ends[i].load, "text"), ends[i].status);
        if (!strstr(why, ends[i].says))
            fail_msg("%s: %s", ends[i].load, why);
        assert_null(strchr(why, '\a'));
        vs__hosted_fini(&h);
    }
    memset(&h, 0, sizeof(h));
    assert_int_equal(vs__hosted_init(&h, &words_to, "The engine", "no-such-program"), 0);
    h.arguments = arguments;
    assert_int_equal(vs__hosted_start(&h, why, sizeof(why)), -ENOENT);
    assert_non_null(strstr(why, "no-such-program"));
    vs__hosted_fini(&h);
}

/* Layers that are not there are told once, whatever crashes; and not as a part of the name. */
static void test_protection(void **state)
{
    const char *text;
    unsigned news;

    assert_int_equal(start("good", "text"), 0);
    assert_string_equal(why, "an engine");
    assert_int_equal(warnings, 0);
    vs__hosted_fini(&h);
    assert_int_equal(start("bare", "crash"), 0);
    assert_string_equal(why, "an engine");
    assert_true(segment(20, &text, &news) < 0);
    vs__hosted_fini(&h);
    assert_int_equal(warnings, 1);
    assert_non_null(strstr(warned, "/the/model: the model is parsed with less protection"));
    assert_non_null(strstr(warned, "gives no Landlock and seccomp;"));
}

static void test_hearing(void **state)
{
    const struct vs_word *heard;
    const char *text = NULL;
    unsigned news;

    assert_int_equal(start("good", "text"), 0);
    for (int round = 0; round < 2; round++) { /* by one process */
        assert_int_equal(segment(25, &text, &news), 0);
        assert_string_equal(text, "one two 40000");
        assert_int_equal(vs__hosted_words(&h, &heard), 2);
        assert_string_equal(heard[1].text, "two");
        assert_true(heard[1].start_s == 0.5 && heard[1].end_s == 0.75);
    }
    assert_int_equal(segment(0, &text, &news), 0); /* of nothing */
    assert_string_equal(text, "");
    vs__hosted_fini(&h);
    assert_int_equal(start("plain", "bytes"), 0);
    assert_int_equal(segment(25, &text, &news), 0);
    assert_int_equal(news, 0);
    assert_int_equal(vs__hosted_words(&h, &heard), 0);
    assert_string_equal(text, ""); /* what is no UTF-8 is no text */
    vs__hosted_fini(&h);
}

/* What is heard so far comes while the segment is open. */
static void test_partial(void **state)
{
    static const float audio[1600];
    const char *text = "";

    assert_int_equal(start("good", "text"), 0);
    assert_int_equal(vs__hosted_begin(&h, 1), 0);
    struct vs__signal nobody = {0};
    for (int i = 0; i < 15; i++)
        assert_true(vs__hosted_feed(&h, audio, 1600) >= 0);
    for (int i = 0; i < 1000 && strcmp(text, "1 s") != 0; i++) {
        assert_true(vs__hosted_feed(&h, audio, 0) >= 0);
        (void)vs__signal_wait(&nobody, 0, 5000000);
        assert_int_equal(vs__hosted_partial(&h, &text), 0);
    }
    assert_string_equal(text, "1 s");
    assert_int_equal(vs__hosted_finish(&h, &text), 0);
    assert_string_equal(text, "one two 24000");
    vs__hosted_fini(&h);
}

static void test_failures(void **state)
{
    static const struct {
        const char *hear, *says;
        bool is_over; /* without a second try */
    } bad[] = {
        {"nothing", "The engine says: the engine failed on this audio", true},
        {"deaf", "2 tries", false},
        {"fail", "2 tries", false},
        {"crash", "ended with signal 6", false},
    };
    const char *text = "untouched";
    unsigned news;

    for (size_t i = 0; i < VS__COUNT(bad); i++) {
        assert_int_equal(start("good", bad[i].hear), 0);
        assert_true(segment(25, &text, &news) < 0);
        if (!strstr(failed, bad[i].says) || (strstr(failed, "2 tries") != NULL) == bad[i].is_over)
            fail_msg("%s: %s", bad[i].hear, failed);
        assert_string_equal(text, "untouched");
        vs__hosted_fini(&h);
    }
}

/* The audio is kept: another process hears it from its begin. */
static void test_crash_once(void **state)
{
    const char *text;
    unsigned news;

    unlink(file);
    assert_int_equal(start("good", "once"), 0);
    assert_int_equal(segment(25, &text, &news), 0);
    assert_string_equal(text, "one two 40000");
    assert_string_equal(failed, "");
    assert_int_equal(access(file, F_OK), 0);
    vs__hosted_fini(&h);
}

static void test_hang(void **state)
{
    const char *text;
    unsigned news;

    assert_int_equal(start("good", "hang"), 0);
    h.client.timeout_s = 1;
    h.client.tries = 1;
    assert_int_equal(segment(5, &text, &news), -ETIMEDOUT);
    assert_non_null(strstr(failed, "did not answer in 1 s and was ended"));
    assert_int_equal(h.pid, 0);
    assert_int_equal(vs__hosted_begin(&h, 2), 0); /* a new process */
    assert_true(h.pid > 0);
    vs__hosted_cancel(&h);
    assert_int_equal(vs__hosted_feed(&h, (float[1]){0}, 1), -ECANCELED);
    assert_int_equal(vs__hosted_finish(&h, &text), -ECANCELED);
    vs__hosted_fini(&h);
}

static int set_up(void **state)
{
    int fd = mkstemp(file);

    return fd < 0 || close(fd) < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)unlink(file);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loading),  cmocka_unit_test(test_protection),
        cmocka_unit_test(test_hearing),  cmocka_unit_test(test_partial),
        cmocka_unit_test(test_failures), cmocka_unit_test(test_crash_once),
        cmocka_unit_test(test_hang),
    };

    int process = (int)syscall(SYS_pidfd_open, getpid(), 0);

    if (MEMORY_WATCHED || process < 0) { /* valgrind and emulators, too */
        printf("1..0 # SKIP %s\n", process < 0 ? "processes cannot be waited for here"
                                               : "jansson was not built with the memory sanitizer");
        return 0;
    }
    close(process);
    return cmocka_run_group_tests_name("hosted", tests, set_up, tear_down);
}
