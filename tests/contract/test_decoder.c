/* SPDX-License-Identifier: MIT */
/* The process that decodes files, taken over by them (planted.c): whatever it tries dies or is refused,
   whatever it says is judged, and other files do not notice. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base.h"
#include "capture_host.h"

static const struct vs_capture_ops *ops;
static char folder[] = "/tmp/voicestand-decoder-XXXXXX", host[PATH_MAX];

/* What was said while a file was read. */
struct heard {
    char text[1024];
    int warnings;
};

static void hear(void *user, int level, const char *topic, const char *sentence)
{
    struct heard *h = user;

    (void)topic;
    h->warnings += level == VS_LOG_WARNING;
    snprintf(h->text, sizeof(h->text), "%s", sentence);
}

struct reading {
    struct heard heard;
    struct vs_env env;
    void *state;
    struct vs_capture_format format;
    int opened;
    char path[PATH_MAX];
};

static void begin(struct reading *r, const char *words)
{
    static atomic_int count;
    struct vs_capture_params params = {.size = sizeof(params), .env = &r->env, .argument = r->path};

    memset(r, 0, sizeof(*r));
    r->env.log = (struct vs_log){.write = hear, .user = &r->heard};
    r->format.size = sizeof(r->format);
    snprintf(r->path, sizeof(r->path), "%s/%d", folder, atomic_fetch_add(&count, 1));
    FILE *file = fopen(r->path, "we");
    assert_non_null(file);
    fputs(words, file);
    fclose(file);
    r->state = vs__alloc(ops->state_size);
    assert_non_null(r->state);
    r->opened = ops->open(r->state, &params, &r->format);
}

static void finish(struct reading *r)
{
    ops->close(r->state);
    vs__free(r->state);
    unlink(r->path);
}

/* @return how the reading ended; the frames, which are those that the file asked for */
static int64_t read_all(struct reading *r, uint64_t first, uint64_t *ret_frames)
{
    int16_t pcm[700];
    struct vs_capture_stamp stamp;
    int64_t n;

    *ret_frames = 0;
    while ((n = ops->read(r->state, pcm, VS__COUNT(pcm), &stamp)) > 0) {
        assert_int_equal(stamp.position, *ret_frames);
        for (int64_t i = 0; i < n; i++)
            assert_int_equal(pcm[i], (int16_t)(first + *ret_frames + (uint64_t)i));
        *ret_frames += (uint64_t)n;
    }
    return n;
}

/* @return what was said of a file that must not open */
static const char *refused(struct reading *r, const char *words)
{
    begin(r, words);
    assert_int_equal(r->opened, -EBADMSG);
    finish(r);
    assert_null(strstr(r->heard.text, "\033"));
    return r->heard.text;
}

static void attacks_fail(void **state)
{
    static const char *const killed[] = {"exec", "socket", "unix", "ptrace",
                                         "kill", "fork",   "code"};
    static const char *const kept[] = {"open", "create", "stat", "memory", "others"};
    struct reading r;

    (void)state;
    for (size_t i = 0; i < VS__COUNT(killed); i++)
        if (!strstr(refused(&r, killed[i]), "tried what no decoder does"))
            fail_msg("%s: %s", killed[i], r.heard.text);
    for (size_t i = 0; i < VS__COUNT(kept); i++)
        if (!strstr(refused(&r, kept[i]), "refused: "))
            fail_msg("%s: %s", kept[i], r.heard.text);
}

static void nonsense_is_refused(void **state)
{
    struct reading r;
    uint64_t frames;

    (void)state;
    refused(&r, "rate");
    refused(&r, "channels");
    refused(&r, "format");
    begin(&r, "odd 10");
    assert_int_equal(r.opened, 0);
    assert_int_equal(read_all(&r, 10, &frames), -EBADMSG);
    assert_int_equal(frames, 10);
    assert_non_null(strstr(r.heard.text, "nonsense"));
    finish(&r);
    begin(&r, "damaged 10");
    assert_int_equal(read_all(&r, 10, &frames), -EBADMSG);
    assert_non_null(strstr(r.heard.text, "damaged after frame 10: ????"));
    finish(&r);
}

static void what_came_before_a_crash_is_kept(void **state)
{
    static const struct {
        const char *words, *signal;
    } ends[] = {{"crash 100000", "Segmentation fault"}, {"abort 100000", "Aborted"}};
    struct reading r;
    uint64_t frames;

    (void)state;
    for (size_t i = 0; i < VS__COUNT(ends); i++) {
        begin(&r, ends[i].words);
        assert_int_equal(r.opened, 0);
        assert_int_equal(read_all(&r, 100000, &frames), -EBADMSG);
        assert_int_equal(frames, 100000);
        assert_non_null(strstr(r.heard.text, "after frame 100000"));
        assert_non_null(strstr(r.heard.text, ends[i].signal));
        finish(&r);
    }
}

/* Processes of the host, and the last of them that is found. */
static int count_hosts(pid_t *ret)
{
    DIR *all = opendir("/proc");
    const struct dirent *entry;
    int count = 0;

    assert_non_null(all);
    while ((entry = readdir(all)) != NULL) {
        char link[300], target[PATH_MAX] = "";
        snprintf(link, sizeof(link), "/proc/%s/exe", entry->d_name);
        if (readlink(link, target, sizeof(target) - 1) < 0 || strcmp(target, host) != 0)
            continue;
        count++;
        *ret = (pid_t)atoi(entry->d_name);
    }
    closedir(all);
    return count;
}

static void await_hosts(int wanted)
{
    pid_t last;

    for (int tries = 0; tries < 500 && count_hosts(&last) != wanted; tries++)
        poll(NULL, 0, 10);
    assert_int_equal(count_hosts(&last), wanted);
}

static void *cancel_later(void *user)
{
    poll(NULL, 0, 50);
    ops->cancel(((struct reading *)user)->state);
    return NULL;
}

static void a_hang_ends_when_it_is_cancelled(void **state)
{
    struct reading r;
    uint64_t frames;
    pthread_t thread;

    (void)state;
    await_hosts(1);
    begin(&r, "hang 500");
    assert_int_equal(r.opened, 0);
    assert_int_equal(pthread_create(&thread, NULL, cancel_later, &r), 0);
    assert_int_equal(read_all(&r, 500, &frames), -ECANCELED);
    assert_int_equal(frames, 500);
    pthread_join(thread, NULL);
    finish(&r);
    await_hosts(1);
    begin(&r, "hang 500"); /* and when it is closed */
    finish(&r);
    await_hosts(1);
}

static void a_new_host_follows_a_dead_one(void **state)
{
    struct reading r;
    uint64_t frames;
    pid_t last = 0;

    (void)state;
    await_hosts(1);
    assert_int_equal(count_hosts(&last), 1);
    assert_int_equal(kill(last, SIGKILL), 0);
    await_hosts(0);
    begin(&r, "plain 1000");
    assert_int_equal(r.opened, 0);
    assert_int_equal(read_all(&r, 1000, &frames), 0);
    finish(&r);
    await_hosts(1);
}

static void *read_many(void *user)
{
    uintptr_t seed = (uintptr_t)user;

    for (uint64_t i = 0; i < 40; i++) {
        struct reading r;
        uint64_t frames = 0, wanted = 1000 * seed + i * 137;
        char words[64];

        snprintf(words, sizeof(words), "plain %llu", (unsigned long long)wanted);
        begin(&r, words);
        if (r.opened != 0 || read_all(&r, wanted, &frames) != 0 || frames != wanted)
            return user;
        finish(&r);
    }
    return NULL;
}

static void many_at_once_do_not_mix(void **state)
{
    pthread_t threads[4];
    void *failed;

    (void)state;
    for (uintptr_t i = 0; i < VS__COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_many, (void *)(i + 1)), 0);
    for (size_t i = 0; i < VS__COUNT(threads); i++) {
        pthread_join(threads[i], &failed);
        assert_null(failed);
    }
}

/* A kernel that lacks a layer: what asks for it answers as an old kernel would. */
static int take_away(bool landlock, bool seccomp)
{
    struct sock_filter steps[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, landlock ? 444 : 0xffff, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, seccomp ? SYS_prctl : 0xffff, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PR_SET_SECCOMP, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EINVAL),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {VS__COUNT(steps), steps};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
                   prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0) == 0
               ? 0
               : -1;
}

/* In a process of its own, which has no host yet. @return what it exits with: 0 = as expected */
static int run_old_kernel(bool landlock, bool seccomp)
{
    struct reading r;
    int warnings = 0;

    if (take_away(landlock, seccomp) < 0)
        return 77;
    for (int i = 0; i < 2; i++) {
        begin(&r, i == 0 ? "plain 10" : "socket");
        warnings += r.heard.warnings;
        if (i == 0 && (r.opened != 0 || !strstr(r.heard.text, "less protection") ||
                       !strstr(r.heard.text, "Landlock") != !landlock ||
                       !strstr(r.heard.text, "seccomp") != !seccomp))
            return 2;
        if (i == 1 && !strstr(r.heard.text, seccomp ? "got through" : "no decoder does"))
            return 3;
        finish(&r);
    }
    begin(&r, "open");
    if (!strstr(r.heard.text, landlock && seccomp ? "got through" : "refused"))
        return 4;
    finish(&r);
    return warnings == 1 ? 0 : 5;
}

static void old_kernels_are_warned_of(void **state)
{
    static const bool lacks[][2] = {{true, false}, {false, true}, {true, true}};

    (void)state;
    for (size_t i = 0; i < VS__COUNT(lacks); i++) {
        int status = 0;
        pid_t pid = fork();
        if (pid == 0)
            _exit(run_old_kernel(lacks[i][0], lacks[i][1]));
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
}

/* What lies in the place of the program, in a process of its own. `text`: a script, else what `path` leads to. */
static int run_broken(const char *text, const char *path, int status, const char *says)
{
    char place[PATH_MAX];
    struct reading r;

    snprintf(place, sizeof(place), "%s/sound-host", folder);
    unlink(place);
    if (text) {
        int fd = open(place, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
        if (fd < 0 || write(fd, text, strlen(text)) < 0 || close(fd) < 0)
            return 3;
    } else if (path && symlink(path, place) < 0) {
        return 4;
    }
    begin(&r, "plain 10");
    if (r.opened != status || !strstr(r.heard.text, says)) {
        fprintf(stderr, "# %d: %s\n", r.opened, r.heard.text);
        return 5;
    }
    finish(&r);
    return 0;
}

static void broken_programs_are_told(void **state)
{
    static const struct {
        const char *text, *path;
        int status;
        const char *says;
    } broken[] = {
        {NULL, NULL, -ENOTSUP, "install it beside the sndfile module"},
        {NULL, "/etc/passwd", -ENOTSUP, "install it beside the sndfile module"},
        {NULL, "/bin/true", -ENOTSUP, "does not start"},
        {"#!/bin/sh\nprintf nonsense >&3\n", NULL, -ENOTSUP, "does not start"},
        {"#!/nowhere/sh\n", NULL, -ENOENT, "does not start"},
        {"no program", NULL, -ENOEXEC, "does not start"},
    };
    char place[PATH_MAX];

    (void)state;
    snprintf(place, sizeof(place), "%s/sound-host", folder);
    for (size_t i = 0; i < VS__COUNT(broken); i++) {
        int status = 0;
        fflush(stdout);
        pid_t pid = fork();
        if (pid == 0) /* not _exit(), so that a build for coverage counts it */
            exit(run_broken(broken[i].text, broken[i].path, broken[i].status, broken[i].says));
        assert_int_equal(waitpid(pid, &status, 0), pid);
        unlink(place);
        assert_int_equal(symlink(host, place), 0);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) != 0)
            fail_msg("case %zu: %d", i, WEXITSTATUS(status));
    }
}

/* The module and the planted program in one folder. */
static bool lay_out(const char *program)
{
    const char *modules = getenv("VOICESTAND_TEST_MODULES");
    char from[PATH_MAX], to[PATH_MAX];

    if (!modules || !mkdtemp(folder) || !realpath(program, host))
        return false;
    snprintf(from, sizeof(from), "%s/sndfile.so", modules);
    snprintf(to, sizeof(to), "%s/sndfile.so", folder);
    if (symlink(from, to) < 0)
        return false;
    snprintf(to, sizeof(to), "%s/sound-host", folder);
    return symlink(host, to) == 0 && setenv("VOICESTAND_TEST_MODULES", folder, 1) == 0;
}

int main(int count, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(old_kernels_are_warned_of), /* first: before this process has a host */
        cmocka_unit_test(broken_programs_are_told),
        cmocka_unit_test(attacks_fail),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(what_came_before_a_crash_is_kept),
        cmocka_unit_test(a_hang_ends_when_it_is_cancelled),
        cmocka_unit_test(a_new_host_follows_a_dead_one),
        cmocka_unit_test(many_at_once_do_not_mix),
    };
    char path[PATH_MAX];

    cmocka_set_message_output(CM_OUTPUT_TAP);
    if (count < 2 || !lay_out(arguments[1]))
        return 1;
    ops = host_capture("file");
    if (!ops)
        return 1;
    int failed = cmocka_run_group_tests_name("decoder", tests, NULL, NULL);
    snprintf(path, sizeof(path), "%s/sndfile.so", folder);
    unlink(path);
    snprintf(path, sizeof(path), "%s/sound-host", folder);
    unlink(path);
    rmdir(folder);
    return failed;
}
