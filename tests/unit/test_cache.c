/* SPDX-License-Identifier: MIT */
/* A folder of compiled networks, which are code: used only while nobody else can have put one there. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "modules/cache.h"

/* TOP/mid/cache, and a file in it; TOP is in /tmp, which is sticky. */
static char top[40], mid[60], cache[80], file[100];

static void make_file(const char *path, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);

    assert_true(fd >= 0);
    assert_int_equal(fchmod(fd, mode), 0);
    close(fd);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(top, sizeof(top), "/tmp/voicestand-cache-XXXXXX");
    if (!mkdtemp(top))
        return -1;
    snprintf(mid, sizeof(mid), "%s/mid", top);
    snprintf(cache, sizeof(cache), "%s/cache", mid);
    snprintf(file, sizeof(file), "%s/1.blob", cache);
    if (mkdir(mid, 0755) < 0 || mkdir(cache, 0700) < 0)
        return -1;
    make_file(file, 0644);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    (void)unlink(file);
    return rmdir(cache) | rmdir(mid) | rmdir(top);
}

static void take(const char *folder)
{
    char why[400] = "";

    if (!vs__cache_is_own(folder, why, sizeof(why)))
        fail_msg("%s is refused: %s", folder, why);
}

static void refuse(const char *folder, const char *reason)
{
    char why[400] = "";

    if (vs__cache_is_own(folder, why, sizeof(why)))
        fail_msg("%s is taken, but %s", folder, reason);
    if (!strstr(why, reason))
        fail_msg("\"%s\" is not in: %s", reason, why);
}

static void test_own(void **state)
{
    char link[80], again[90];

    (void)state;
    take(cache);
    snprintf(link, sizeof(link), "%s/link", top);
    assert_int_equal(symlink(cache, link), 0);
    take(link);
    snprintf(again, sizeof(again), "%s/../link/.", mid);
    take(again);
    unlink(link);
    assert_int_equal(unlink(file), 0);
    take(cache); /* with nothing in it */
    make_file(file, 0644);
}

static void test_modes(void **state)
{
    static const mode_t open_to[] = {0710, 0701, 0750, 0755, 0777, 01777};

    (void)state;
    for (size_t i = 0; i < sizeof(open_to) / sizeof(open_to[0]); i++) {
        assert_int_equal(chmod(cache, open_to[i]), 0);
        refuse(cache, "chmod 700");
    }
    assert_int_equal(chmod(cache, 0700), 0);
    assert_int_equal(chmod(mid, 0777), 0);
    refuse(cache, "chmod go-w");
    assert_int_equal(chmod(mid, 0775), 0);
    refuse(cache, "chmod go-w");
    assert_int_equal(chmod(mid, 01777), 0);
    take(cache);
    assert_int_equal(chmod(mid, 0755), 0);
}

static void test_files(void **state)
{
    char other[100];

    (void)state;
    snprintf(other, sizeof(other), "%s/other", cache);
    assert_int_equal(symlink(file, other), 0);
    refuse(cache, "other in it");
    unlink(other);
    assert_int_equal(mkfifo(other, 0600), 0);
    refuse(cache, "other in it");
    unlink(other);
    assert_int_equal(mkdir(other, 0700), 0);
    refuse(cache, "remove it");
    rmdir(other);
    make_file(other, 0666);
    refuse(cache, "put there by others");
    unlink(other);
    take(cache);
}

static void test_owners(void **state)
{
    const uid_t stranger = 12345;

    (void)state;
    if (geteuid() != 0) {
        fprintf(stderr, "# left out: only root can give files away\n");
        skip();
    }
    assert_int_equal(lchown(file, stranger, (gid_t)-1), 0);
    refuse(cache, "1.blob in it");
    assert_int_equal(lchown(file, 0, (gid_t)-1), 0);
    assert_int_equal(lchown(cache, stranger, (gid_t)-1), 0);
    refuse(cache, "another user");
    assert_int_equal(lchown(cache, 0, (gid_t)-1), 0);
    assert_int_equal(lchown(mid, stranger, (gid_t)-1), 0);
    refuse(cache, "another user");
    assert_int_equal(lchown(mid, 65534, (gid_t)-1), 0); /* who root is in a namespace */
    take(cache);
    assert_int_equal(lchown(mid, 0, (gid_t)-1), 0);
}

static void test_nothing(void **state)
{
    (void)state;
    refuse("/nowhere/cache", strerror(ENOENT));
    refuse("/", "chmod 700");
    refuse(file, "let in");
    assert_int_equal(chmod(file, 0600), 0);
    refuse(file, strerror(ENOTDIR));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_own, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_modes, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_owners, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nothing, set_up, tear_down),
    };

    return cmocka_run_group_tests_name("cache", tests, NULL, NULL);
}
