/* SPDX-License-Identifier: MIT */
/* The source `pipewire` where there is no server, and where the library fails. The linker hands its calls to the test. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <pipewire/pipewire.h>

#include <voicestand/backend.h>

#include "base/base.h"
#include "foreign.h"

extern const struct vs_module vs_module_entry; /* src/capture/pipewire.c */

static const struct vs_capture_ops *ops;
static void *state;
static char said[400];
static unsigned errors;

/* Which call fails, and how; how often it is let through before. */
static struct {
    const char *call;
    int error;
    unsigned passes, made;
} script;

static bool fails(const char *call)
{
    if (!script.call || strcmp(script.call, call) != 0 || script.made++ < script.passes)
        return false;
    errno = script.error;
    return true;
}

struct pw_thread_loop *__real_pw_thread_loop_new(const char *name, const struct spa_dict *props);
struct pw_thread_loop *__wrap_pw_thread_loop_new(const char *name, const struct spa_dict *props);
int __real_pw_thread_loop_start(struct pw_thread_loop *loop);
int __wrap_pw_thread_loop_start(struct pw_thread_loop *loop);
struct pw_context *__real_pw_context_new(struct pw_loop *loop, struct pw_properties *props,
                                         size_t bytes);
struct pw_context *__wrap_pw_context_new(struct pw_loop *loop, struct pw_properties *props,
                                         size_t bytes);
struct pw_core *__wrap_pw_context_connect(struct pw_context *context, struct pw_properties *props,
                                          size_t bytes);
struct pw_properties *__real_pw_properties_new(const char *key, ...);
struct pw_properties *__wrap_pw_properties_new(const char *key, ...);

struct pw_thread_loop *__wrap_pw_thread_loop_new(const char *name, const struct spa_dict *props)
{
    return fails("loop") ? NULL : __real_pw_thread_loop_new(name, props);
}

int __wrap_pw_thread_loop_start(struct pw_thread_loop *loop)
{
    return fails("start") ? -EAGAIN : __real_pw_thread_loop_start(loop);
}

struct pw_context *__wrap_pw_context_new(struct pw_loop *loop, struct pw_properties *props,
                                         size_t bytes)
{
    if (!fails("context"))
        return __real_pw_context_new(loop, props, bytes);
    pw_properties_free(props); /* which it owns in any case */
    return NULL;
}

/* There is no server; what is wrong with it is the script's. */
struct pw_core *__wrap_pw_context_connect(struct pw_context *context, struct pw_properties *props,
                                          size_t bytes)
{
    errno = fails("connect") ? script.error : EHOSTDOWN;
    return NULL;
}

struct pw_properties *__wrap_pw_properties_new(const char *key, ...)
{
    va_list list;

    if (fails("properties"))
        return NULL;
    if (!key)
        return __real_pw_properties_new(NULL, NULL);
    va_start(list, key);
    const char *value = va_arg(list, const char *);
    va_end(list);
    return __real_pw_properties_new(key, value, NULL);
}

static void keep(void *user, int level, const char *topic, const char *message)
{
    assert_string_equal(topic, "capture");
    errors += level == VS_LOG_ERROR;
    if (level == VS_LOG_ERROR)
        snprintf(said, sizeof(said), "%s", message);
}

static const struct vs_env env = {.log = {.write = keep}};

static int open_it(const char *argument)
{
    struct vs_capture_params params = {.size = sizeof(params), .env = &env, .argument = argument};
    struct vs_capture_format format = {.size = sizeof(format)};

    said[0] = '\0';
    errors = script.made = 0;
    memset(state, 0, ops->state_size);
    int status = ops->open(state, &params, &format);
    ops->close(state);
    ops->close(state); /* again: nothing */
    return status;
}

static void refuse(const char *argument, int status, const char *says)
{
    assert_int_equal(open_it(argument), status);
    if (!strstr(said, says))
        fail_msg("\"%s\" is not in: %s", says, said);
    assert_int_equal(errors, 1);
}

static void test_no_server(void **unused)
{
    script.call = NULL;
    refuse(NULL, -EHOSTDOWN, "no PipeWire server answers; start it, or use alsa");
    refuse("", -EHOSTDOWN, "no PipeWire server");
    refuse("a,node.latency=1/2,x=", -EHOSTDOWN, "no PipeWire server");
    refuse(",x=y", -EHOSTDOWN, "no PipeWire server");
    script.call = "connect";
    script.error = EACCES;
    refuse(NULL, -EACCES, "may not be used by this user");
    script.error = EPERM;
    refuse(NULL, -EACCES, "may not be used by this user");
    script.call = "context"; /* the one of real-time threads: there is another */
    refuse(NULL, -ENOMEM, strerror(ENOMEM));
}

static void test_arguments(void **unused)
{
    script.call = NULL;
    refuse("a,b", -EINVAL, "KEY=VALUE");
    refuse("a,=b", -EINVAL, "KEY=VALUE");
    refuse("a,x=y,", -EINVAL, "KEY=VALUE");
}

static void test_library(void **unused)
{
    static const struct {
        const char *call;
        int status;
    } calls[] = {{"loop", -ENOMEM}, {"start", -EAGAIN}, {"properties", -ENOMEM}};

    for (size_t i = 0; i < VS__COUNT(calls); i++) {
        script.call = calls[i].call;
        assert_int_equal(open_it("a,x=y"), calls[i].status);
    }
}

/* Each allocation of ours, once. */
static void test_memory(void **unused)
{
    int status = -ENOMEM;

    script.call = NULL;
    for (unsigned n = 1; status == -ENOMEM; n++) {
        vs__alloc_fail_after(n);
        status = open_it("a,x=y");
        vs__alloc_fail_after(0);
    }
    assert_int_equal(status, -EHOSTDOWN);
}

static void visit(void *user, const struct vs_device *device)
{
    fail_msg("%s is no device", device->capture);
}

static void test_list(void **unused)
{
    script.call = NULL;
    assert_int_equal(ops->list(&env, visit, NULL), -EHOSTDOWN);
    script.call = "loop";
    script.made = 0;
    assert_int_equal(ops->list(&env, visit, NULL), -ENOMEM);
    script.call = NULL;
    vs__alloc_fail_after(1);
    assert_int_equal(ops->list(&env, visit, NULL), -ENOMEM);
    vs__alloc_fail_after(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_server), cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_library),   cmocka_unit_test(test_memory),
        cmocka_unit_test(test_list),
    };

    if (MEMORY_WATCHED) {
        printf("1..0 # SKIP libpipewire was not built with the memory sanitizer\n");
        return 0;
    }
    ops = vs_module_entry.capture;
    state = vs__alloc(ops->state_size);
    int failed = state ? cmocka_run_group_tests_name("pipewire_refused", tests, NULL, NULL) : 1;
    vs__free(state);
    return failed;
}
