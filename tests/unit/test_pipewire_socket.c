/* SPDX-License-Identifier: MIT */
/* A server's socket that appears is seen, wherever the environment says that it will be. No server runs. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base.h"
#include "capture/pipewire_server.h"
#include "foreign.h"

static char folder[] = "/tmp/voicestand-socket-XXXXXX";
static struct vs__pw_server server;
static unsigned seen;

static void on_socket(void *user)
{
    assert_ptr_equal(user, &seen);
    seen++;
}

static void iterate(void)
{
    struct pw_loop *loop = pw_thread_loop_get_loop(server.loop);

    pw_thread_loop_lock(server.loop); /* as its thread would: it is let go while the loop waits */
    pw_loop_enter(loop);
    while (pw_loop_iterate(loop, 0) > 0) {
    }
    pw_loop_leave(loop);
    pw_thread_loop_unlock(server.loop);
}

static void appear(const char *name)
{
    char path[200];

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    close(fd);
    unlink(path);
    iterate();
}

/* @return whether it is watched for */
static bool watch(const char *remote, const char *runtime, const char *xdg)
{
    const char *const names[] = {"PIPEWIRE_REMOTE", "PIPEWIRE_RUNTIME_DIR", "XDG_RUNTIME_DIR"};
    const char *const values[] = {remote, runtime, xdg};

    for (size_t i = 0; i < VS__COUNT(names); i++)
        assert_int_equal(values[i] ? setenv(names[i], values[i], 1) : unsetenv(names[i]), 0);
    seen = 0;
    vs__pw_watch(&server);
    return server.watch != NULL;
}

static void unwatch(void)
{
    vs__pw_unwatch(&server);
    vs__pw_unwatch(&server); /* again: nothing */
    assert_null(server.watch);
}

static void test_places(void **state)
{
    char whole[200];

    snprintf(whole, sizeof(whole), "%s/my-socket", folder);
    assert_true(watch(NULL, folder, "/nowhere"));
    vs__pw_watch(&server); /* again: the same */
    appear("pipewire-1");
    appear("pipewire-00");
    assert_int_equal(seen, 0);
    appear("pipewire-0");
    assert_int_equal(seen, 1);
    unwatch();
    appear("pipewire-0");
    assert_int_equal(seen, 1);
    assert_true(watch("", NULL, folder));
    appear("pipewire-0");
    assert_int_equal(seen, 1);
    unwatch();
    assert_true(watch("other", folder, NULL));
    appear("other");
    assert_int_equal(seen, 1);
    unwatch();
    assert_true(watch(whole, "/nowhere", "/nowhere"));
    appear("my-socket");
    assert_int_equal(seen, 1);
    unwatch();
}

/* Where there is not one path, or none that can be watched. */
static void test_none(void **state)
{
    char longest[600];

    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    assert_false(watch("[ \"a\", \"b\" ]", folder, NULL));
    assert_false(watch("{ }", folder, NULL));
    assert_false(watch("a b", folder, NULL));
    assert_false(watch("internal", folder, NULL));
    assert_false(watch(longest, folder, NULL));
    longest[300] = '\0'; /* there is room for the path, not for the name */
    assert_false(watch(longest, folder, NULL));
    assert_false(watch(NULL, "/nowhere", NULL));
    if (access("/run/pipewire", F_OK) != 0)
        assert_false(watch(NULL, NULL, NULL));
}

static void test_descriptors(void **state)
{
    struct rlimit before, none;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){3, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    bool watched = watch(NULL, folder, NULL);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_false(watched);
}

static int set_up(void **state)
{
    pw_init(NULL, NULL);
    server.loop = pw_thread_loop_new("test", NULL);
    server.on_socket = on_socket;
    server.user = &seen;
    return server.loop && mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    pw_thread_loop_destroy(server.loop);
    pw_deinit();
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_descriptors),
    };

    if (MEMORY_WATCHED) {
        printf("1..0 # SKIP libpipewire was not built with the memory sanitizer\n");
        return 0;
    }
    return cmocka_run_group_tests_name("pipewire_socket", tests, set_up, tear_down);
}
