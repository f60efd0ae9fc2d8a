/* SPDX-License-Identifier: MIT */
/* Processes that sleep, wake, are busy, or are gone. */
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "dictate/asleep.h"

enum { TRIES = 2000, TRY_US = 5000 };

static void *turn(void *unused)
{
    (void)unused;
    for (volatile unsigned n = 0;; n++) {
    }
    return NULL;
}

/* Answers each byte with one; 't': with a thread that never sleeps from then on. */
static void serve(int in, int out)
{
    char byte;
    pthread_t thread;

    while (read(in, &byte, 1) == 1) {
        if (byte == 't' && pthread_create(&thread, NULL, turn, NULL) != 0)
            _exit(1);
        if (write(out, &byte, 1) != 1)
            break;
    }
    _exit(0);
}

struct child {
    pid_t id;
    int to, from;
};

static struct child start(void)
{
    int in[2], out[2];
    struct child c;

    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    c.id = fork();
    assert_true(c.id >= 0);
    if (c.id == 0) {
        (void)close(in[1]);
        serve(in[0], out[1]);
    }
    (void)close(in[0]);
    (void)close(out[1]);
    c.to = in[1];
    c.from = out[0];
    return c;
}

static void ask(const struct child *c, char byte)
{
    assert_int_equal(write(c->to, &byte, 1), 1);
    assert_int_equal(read(c->from, &byte, 1), 1);
}

static void end(const struct child *c)
{
    (void)kill(c->id, SIGKILL);
    assert_int_equal(waitpid(c->id, NULL, 0), c->id);
    (void)close(c->to);
    (void)close(c->from);
}

static long long wait_for_sleep(pid_t id)
{
    long long naps = -EAGAIN;

    for (int i = 0; i < TRIES && naps == -EAGAIN; i++) {
        naps = asleep_naps((uint32_t)id);
        (void)usleep(TRY_US);
    }
    return naps;
}

/* Threads that the kernel counts as ours; an emulator has one that sleeps and wakes for its own sake. */
static unsigned count_threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    unsigned count = 0;

    assert_non_null(tasks);
    for (struct dirent *e; (e = readdir(tasks)) != NULL;)
        count += e->d_name[0] != '.';
    closedir(tasks);
    return count;
}

static void test_sleeps_and_wakes(void **state)
{
    (void)state;
    if (count_threads() != 1) {
        print_message("# this process has a thread that is not its own: /proc/self/task lists %u\n",
                      count_threads());
        skip();
    }
    struct child c = start();
    ask(&c, 'a');
    long long first = wait_for_sleep(c.id);
    assert_true(first > 0);
    assert_int_equal(asleep_naps((uint32_t)c.id), first);
    ask(&c, 'b');
    long long second = wait_for_sleep(c.id);
    assert_true(second > first);
    end(&c);
}

static void test_one_busy_thread_is_enough(void **state)
{
    struct child c = start();

    (void)state;
    assert_true(wait_for_sleep(c.id) > 0);
    ask(&c, 't');
    for (int i = 0; i < 20; i++) {
        assert_int_equal(asleep_naps((uint32_t)c.id), -EAGAIN);
        (void)usleep(1000);
    }
    end(&c);
}

static void test_stopped_is_not_asleep(void **state)
{
    struct child c = start();

    (void)state;
    assert_true(wait_for_sleep(c.id) > 0);
    assert_int_equal(kill(c.id, SIGSTOP), 0);
    assert_int_equal(waitpid(c.id, NULL, WUNTRACED), c.id);
    assert_int_equal(asleep_naps((uint32_t)c.id), -EAGAIN);
    end(&c);
}

static void test_gone(void **state)
{
    struct child c = start();

    (void)state;
    end(&c);
    assert_int_equal(asleep_naps((uint32_t)c.id), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sleeps_and_wakes),
        cmocka_unit_test(test_one_busy_thread_is_enough),
        cmocka_unit_test(test_stopped_is_not_asleep),
        cmocka_unit_test(test_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
