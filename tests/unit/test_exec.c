/* SPDX-License-Identifier: MIT */
/* Programs as text engines: the good, those that fail, and those that would hang it. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"
#include "stt/child.h"
#include "stt/stt.h"

#define FRAMES (VS_RATE_HZ * 4)

static float audio[FRAMES];
static char said[1024];
static int said_level;

static void keep(void *user, int level, const char *topic, const char *message)
{
    if (level != VS_LOG_DEBUG) {
        snprintf(said, sizeof(said), "%s", message);
        said_level = level;
    }
}

static const struct vs_env env = {.log = {.write = keep}};

/* @return finish()'s status; the text in `ret`, which has room for 256 KB. */
static int hear(const char *command, char *ret)
{
    struct vs_stt_params params = {.size = sizeof(params), .env = &env, .argument = command};
    void *state = vs__alloc(vs__stt_exec.state_size);
    const char *text = "";

    said[0] = '\0';
    assert_non_null(state);
    assert_int_equal(vs__stt_exec.open(state, &params), 0);
    assert_int_equal(vs__stt_exec.begin(state, 1), 0);
    assert_int_equal(vs__stt_exec.feed(state, audio, FRAMES), 0);
    int status = vs__stt_exec.finish(state, &text);
    if (ret) {
        snprintf(ret, 1 << 18, "%s", text);
    }
    vs__stt_exec.close(state);
    vs__free(state);
    return status;
}

static char text[1 << 18];

static void test_gets_a_whole_wav(void **state)
{
    /* sizes of the chunks, the rate, and all bytes: 44 + 2 * FRAMES */
    assert_int_equal(hear("od -An -tu4 -j4 -N4; cat >/dev/null", text), 0);
    assert_string_equal(text, "128036");
    assert_int_equal(hear("wc -c", text), 0);
    assert_string_equal(text, "128044");
    assert_int_equal(hear("tail -c +25 | od -An -tu4 -N4", text), 0);
    assert_string_equal(text, "16000");
    assert_int_equal(hear("tail -c +41 | od -An -tu4 -N4", text), 0);
    assert_string_equal(text, "128000");
    assert_int_equal(hear("tail -c +45 | od -An -td2 -N6", text), 0);
    assert_string_equal(text, "0 16384 -32768");
}

static void test_cleans_the_text(void **state)
{
    assert_int_equal(hear("printf '\\n  one\\ttwo \\r\\n three\\033[2J \\n\\n'", text), 0);
    assert_string_equal(text, "one two three [2J");
    assert_int_equal(hear("printf 'a\\377b\\303\\244\\342\\202'", text), 0);
    assert_string_equal(text, "a\xef\xbf\xbd"
                              "b\xc3\xa4\xef\xbf\xbd");
    assert_int_equal(hear("true", text), 0);
    assert_string_equal(text, "");
}

static void test_program_that_does_not_read(void **state)
{
    assert_int_equal(hear("echo done", text), 0);
    assert_string_equal(text, "done");
    assert_int_equal(hear("exec <&-; echo done", text), 0);
    assert_string_equal(text, "done");
    assert_int_equal(hear("head -c 100 | wc -c", text), 0);
    assert_string_equal(text, "100");
}

static void test_too_much_text(void **state)
{
    assert_int_equal(hear("yes '\303\244' | head -c 400000", text), 0);
    assert_true(strlen(text) < 65536 && strlen(text) > 60000);
    assert_int_equal(said_level, VS_LOG_WARNING);
    assert_non_null(strstr(said, "printed more than 64 KB"));
    assert_null(strstr(text, "\xef\xbf\xbd"));
}

static void test_failures_say_why(void **state)
{
    assert_int_equal(hear("echo half; echo 'no model' >&2; exit 3", NULL), -EIO);
    assert_non_null(strstr(said, "status 3"));
    assert_non_null(strstr(said, "no model"));
    assert_int_equal(hear("kill -9 $$", NULL), -EIO);
    assert_non_null(strstr(said, "signal 9"));
    assert_int_equal(hear("no-such-program-here", NULL), -ENOENT);
    assert_non_null(strstr(said, "not found"));
}

static void test_leaves_no_zombie_and_no_fd(void **state)
{
    int before = dup(0);
    close(before);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(hear(i % 2 ? "echo x" : "exit 1", NULL), i % 2 ? 0 : -EIO);
    }
    int after = dup(0);
    close(after);
    assert_int_equal(before, after);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

/* What the user of the library has open does not reach the program. */
static void test_gives_no_descriptors(void **state)
{
    int open_fd = open("/dev/null", O_RDONLY); /* without O_CLOEXEC */

    assert_true(open_fd > 2);
    assert_int_equal(hear("for f in /proc/self/fd/*; do n=${f##*/}; "
                          "[ $n -gt 2 ] && [ -e $f ] && [ $(readlink $f) = /dev/null ] && "
                          "echo leak; done; echo end",
                          text),
                     0);
    assert_string_equal(text, "end");
    close(open_fd);
}

static void test_time_out_ends_the_group(void **state)
{
    char output[64];
    struct vs__child_result result;
    struct vs__child_job job = {
        .command = "trap '' TERM; echo $$; while :; do :; done | cat",
        .input = "x",
        .input_bytes = 1,
        .output = output,
        .output_room = sizeof(output) - 1,
        .timeout_ns = INT64_C(200000000),
        .cancel_fd = -1,
    };
    int64_t start = vs__mono_ns();

    assert_int_equal(vs__child_run(&job, &result), -ETIMEDOUT);
    assert_true(vs__mono_ns() - start < INT64_C(5000000000));
    output[result.output_bytes] = '\0';
    pid_t group = (pid_t)atoi(output);
    assert_true(group > 1);
    /* its last members are zombies of init for a moment */
    for (int i = 0; i < 1000 && kill(-group, 0) == 0; i++) {
        struct vs__signal never = {0};
        vs__signal_wait(&never, vs__signal_seen(&never), 2000000);
    }
    assert_int_equal(result.exit_code, 128 + SIGKILL);
}

static void test_prints_without_end(void **state)
{
    char output[64];
    struct vs__child_result result;
    struct vs__child_job job = {
        .command = "yes & yes >&2",
        .input = "",
        .output = output,
        .output_room = sizeof(output),
        .timeout_ns = INT64_C(100000000),
        .cancel_fd = -1,
    };

    int before = dup(0);
    close(before);
    do { /* a busy machine starts the programs later */
        assert_int_equal(vs__child_run(&job, &result), -ETIMEDOUT);
        job.timeout_ns *= 4;
    } while (!result.cut && job.timeout_ns < INT64_C(10000000000));
    int after = dup(0);
    close(after);
    assert_int_equal(before, after);
    assert_true(result.cut);
    assert_int_equal(result.output_bytes, sizeof(output));
    assert_string_equal(result.last_line, "y");
}

static void *cancel_soon(void *state)
{
    struct vs__signal never = {0};

    vs__signal_wait(&never, vs__signal_seen(&never), 50000000);
    vs__stt_exec.cancel(state);
    return NULL;
}

static void test_cancel_ends_it(void **unused)
{
    struct vs_stt_params params = {
        .size = sizeof(params), .env = &env, .argument = "cat >/dev/null; exec tail -f /dev/null"};
    void *state = vs__alloc(vs__stt_exec.state_size);
    const char *none = NULL;
    pthread_t thread;
    int64_t start = vs__mono_ns();

    assert_int_equal(vs__stt_exec.open(state, &params), 0);
    assert_int_equal(vs__stt_exec.begin(state, 1), 0);
    assert_int_equal(vs__stt_exec.feed(state, audio, FRAMES), 0);
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, state), 0);
    assert_int_equal(vs__stt_exec.finish(state, &none), -ECANCELED);
    assert_null(none);
    pthread_join(thread, NULL);
    assert_true(vs__mono_ns() - start < INT64_C(5000000000));
    vs__stt_exec.close(state);
    vs__free(state);
}

/* A segment longer than the first memory: it grows, nothing is lost. */
static void test_long_segment(void **unused)
{
    struct vs_stt_params params = {
        .size = sizeof(params), .env = &env, .argument = "tail -c +45 | (od -An -td2 -N6; wc -c)"};
    void *state = vs__alloc(vs__stt_exec.state_size);
    const char *heard = NULL;

    assert_int_equal(vs__stt_exec.open(state, &params), 0);
    assert_int_equal(vs__stt_exec.begin(state, 1), 0);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(vs__stt_exec.feed(state, audio, FRAMES), 0);
    }
    assert_int_equal(vs__stt_exec.finish(state, &heard), 0);
    assert_memory_equal(heard, "0 16384 -32768 ", 15);
    assert_true(atoi(heard + 15) > 2400000); /* what od left of 2560000 bytes */
    vs__stt_exec.close(state);
    vs__free(state);
}

static void test_signals_stay_as_they_were(void **unused)
{
    sigset_t before;
    sigset_t after;

    pthread_sigmask(SIG_SETMASK, NULL, &before);
    assert_int_equal(hear("exec <&-; true", NULL), 0);
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    for (int i = 1; i < 32; i++) {
        assert_int_equal(sigismember(&before, i), sigismember(&after, i));
    }
    sigpending(&after);
    assert_int_equal(sigismember(&after, SIGPIPE), 0);
}

static void test_whole_characters(void **unused)
{
    assert_int_equal(vs__words_whole("ab", 2), 2);
    assert_int_equal(vs__words_whole("a\xc3", 2), 1);
    assert_int_equal(vs__words_whole("a\xc3\xa4", 3), 3);
    assert_int_equal(vs__words_whole("\xf0\x9f\x98", 3), 0);
    assert_int_equal(vs__words_whole("\xf0\x9f\x98\x80", 4), 4);
    assert_int_equal(vs__words_whole("", 0), 0);
    assert_int_equal(vs__words_clean("\xed\xa0\x80", 3, text), 9); /* a surrogate: three bytes */
    assert_int_equal(vs__words_clean("\xc0\xaf", 2, text), 6);     /* overlong */
    assert_int_equal(vs__words_clean("\xe0\x80\xaf", 3, text), 9); /* overlong */
    assert_int_equal(vs__words_clean("\xf0\x9f\x98", 3, text), 3); /* one broken character */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gets_a_whole_wav),
        cmocka_unit_test(test_cleans_the_text),
        cmocka_unit_test(test_program_that_does_not_read),
        cmocka_unit_test(test_too_much_text),
        cmocka_unit_test(test_failures_say_why),
        cmocka_unit_test(test_leaves_no_zombie_and_no_fd),
        cmocka_unit_test(test_gives_no_descriptors),
        cmocka_unit_test(test_time_out_ends_the_group),
        cmocka_unit_test(test_prints_without_end),
        cmocka_unit_test(test_cancel_ends_it),
        cmocka_unit_test(test_long_segment),
        cmocka_unit_test(test_signals_stay_as_they_were),
        cmocka_unit_test(test_whole_characters),
    };

    audio[1] = 0.5f;
    audio[2] = -2.0f;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
