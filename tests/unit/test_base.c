/* SPDX-License-Identifier: MIT */
/* Memory, pools, words, time, waking, histograms and names. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <voicestand/event.h>

#include "base/pool.h"
#include "metrics/metrics.h"

static void memory_is_zeroed_aligned_and_fails_on_demand(void **state)
{
    (void)state;
    for (size_t bytes = 0; bytes < 300; bytes++) {
        unsigned char *m = vs__alloc(bytes);
        assert_non_null(m);
        assert_int_equal((uintptr_t)m % 64, 0);
        for (size_t i = 0; i < bytes; i++)
            assert_int_equal(m[i], 0);
        vs__free(m);
    }
    assert_null(vs__alloc(SIZE_MAX));
    vs__alloc_fail_after(2);
    void *first = vs__alloc(1), *second = vs__alloc(1), *third = vs__alloc(1);
    assert_non_null(first);
    assert_null(second);
    assert_non_null(third);
    vs__free(first);
    vs__free(third);
}

static size_t count_mappings(void)
{
    FILE *f = fopen("/proc/self/maps", "re");
    size_t lines = 0;

    assert_non_null(f);
    for (int c = fgetc(f); c != EOF; c = fgetc(f))
        lines += c == '\n';
    fclose(f);
    return lines;
}

/* A process may have 65530 mappings; ten thousand streams need some memory each. */
static void kept_out_of_dumps_are_few_mappings(void **state)
{
    enum { PIECES = 2000 };
    static void *pieces[PIECES];
    size_t before = count_mappings();

    (void)state;
    for (size_t i = 0; i < PIECES; i++) {
        pieces[i] = vs__alloc(i % 2 ? 10000 : 700);
        assert_non_null(pieces[i]);
    }
    size_t more = count_mappings() - before;
    for (size_t i = 0; i < PIECES; i++)
        vs__free(pieces[i]);
    assert_in_range(more, 0, PIECES / 10);
}

static void a_pool_gives_each_block_once(void **state)
{
    struct vs__pool p;
    void *blocks[8];

    (void)state;
    assert_int_equal(vs__pool_init(&p, VS__POOL_SMALL, 8), 0);
    for (int round = 0; round < 3; round++) {
        uint32_t seen = 0;
        for (int i = 0; i < 8; i++) {
            blocks[i] = vs__pool_take(&p);
            assert_non_null(blocks[i]);
            memset(blocks[i], 0xff, VS__POOL_SMALL); /* all of it is ours */
            seen |= 1u << vs__pool_index(&p, blocks[i]);
        }
        assert_int_equal(seen, 0xff);
        assert_null(vs__pool_take(&p));
        for (int i = 0; i < 8; i++)
            vs__pool_give(&p, blocks[(i * 3 + round) % 8]);
    }
    vs__pool_fini(&p);
}

static void a_pool_gives_first_what_it_got_last(void **state)
{
    struct vs__pool p;
    void *blocks[8];

    (void)state;
    assert_int_equal(vs__pool_init(&p, VS__POOL_SMALL, 8), 0);
    for (int i = 0; i < 8; i++)
        blocks[i] = vs__pool_take(&p);
    for (int i = 0; i < 8; i++)
        vs__pool_give(&p, blocks[i]);
    for (int i = 7; i >= 0; i--)
        assert_ptr_equal(vs__pool_take(&p), blocks[i]);
    vs__pool_give(&p, blocks[3]);
    vs__pool_give(&p, blocks[5]);
    assert_ptr_equal(vs__pool_take(&p), blocks[5]);
    vs__pool_give(&p, blocks[6]);
    assert_ptr_equal(vs__pool_take(&p), blocks[6]);
    assert_ptr_equal(vs__pool_take(&p), blocks[3]);
    assert_null(vs__pool_take(&p));
    vs__pool_fini(&p);
}

struct old {
    size_t size, a;
};
struct new
{
    size_t size, a, b;
};

static void structs_can_grow(void **state)
{
    struct old o = {sizeof(o), 1};
    struct new n = {sizeof(n), 0, 7};

    (void)state;
    vs__read_sized(&n, &o, sizeof(n)); /* a caller built before b was there */
    assert_int_equal(n.size, sizeof(n));
    assert_int_equal(n.a, 1);
    assert_int_equal(n.b, 7);
    n.a = 5;
    vs__write_sized(&o, &n, sizeof(n));
    assert_int_equal(o.size, sizeof(o));
    assert_int_equal(o.a, 5);
}

static void *raise_later(void *argument)
{
    vs__signal_raise(argument);
    return NULL;
}

static void a_raise_is_never_lost(void **state)
{
    struct vs__signal s = {0};

    (void)state;
    uint32_t seen = vs__signal_seen(&s);
    vs__signal_raise(&s); /* before the wait: no sleep */
    assert_true(vs__signal_wait(&s, seen, -1));
    seen = vs__signal_seen(&s);
    int64_t begin = vs__mono_ns();
    assert_false(vs__signal_wait(&s, seen, 20000000));
    assert_true(vs__mono_ns() - begin >= 20000000);
    for (int i = 0; i < 200; i++) {
        struct vs__thread t = {0};
        seen = vs__signal_seen(&s);
        assert_int_equal(vs__thread_start(&t, "raiser", raise_later, &s), 0);
        assert_true(vs__signal_wait(&s, seen, 5000000000));
        vs__thread_join(&t);
    }
}

/* Who waits leaves the processor to others, also where the kernel is told a time in another form. */
static void a_wait_sleeps(void **state)
{
    struct vs__signal s = {0};
    struct timespec from, to;

    (void)state;
    for (int i = 0; i < 2; i++) { /* the first has pages to fetch */
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
        assert_false(vs__signal_wait(&s, vs__signal_seen(&s), 200000000));
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &to);
    }
    assert_in_range((int64_t)(to.tv_sec - from.tv_sec) * 1000000000 + to.tv_nsec - from.tv_nsec, 0,
                    2000000);
}

static void keep(void *user, int level, const char *topic, const char *message)
{
    (void)level;
    (void)topic;
    strncpy(user, message, 599);
}

static void logs_are_cut_not_overrun(void **state)
{
    char got[600] = "", want[600];
    struct vs_log log = {keep, got};

    (void)state;
    memset(want, 'x', sizeof(want) - 1);
    want[sizeof(want) - 1] = 0;
    vs__log(&log, VS_LOG_ERROR, "test", "%s", want);
    assert_int_equal(strlen(got), 511);
    vs__log(NULL, VS_LOG_ERROR, "test", "%d", 1);
    vs__log(&(struct vs_log){0}, VS_LOG_ERROR, "test", "%d", 1);
}

static void statuses_and_names_have_words(void **state)
{
    (void)state;
    assert_string_equal(vs_strerror(0), "success");
    assert_string_equal(vs_strerror(-ENOMEM), "out of memory");
    assert_string_equal(vs_strerror(-99999), "an operating-system error");
    for (int i = 0; i < VS_DROP_COUNT; i++)
        assert_string_not_equal(vs_drop_name(i), "unknown");
    for (int i = 0; i < VS_STAGE_COUNT; i++)
        assert_string_not_equal(vs_stage_name(i), "unknown");
    for (int i = 0; i <= VS_EVENT_LEDGER; i++)
        assert_string_not_equal(vs_event_name(i), "unknown");
    assert_string_equal(vs_drop_name(VS_DROP_COUNT), "unknown");
    assert_string_equal(vs_stage_name(-1), "unknown");
    assert_string_equal(vs_event_name(99), "unknown");
    assert_int_equal(vs_format_bytes(VS_FORMAT_S24), 3);
    assert_int_equal(vs_format_bytes(4), 0);
}

static void check_quantiles(uint32_t bits)
{
    static _Atomic uint32_t buckets[VS__HISTOGRAM_BUCKETS(VS__HISTOGRAM_FINE)];
    struct vs__histogram histogram = {0}, *h = &histogram;
    const double most = 1 + 1.1 / (1 << bits);
    struct vs_latency l;

    vs__histogram_read(h, &l); /* not even begun */
    assert_int_equal(l.count, 0);
    vs__histogram_init(h, bits, buckets);
    vs__histogram_read(h, &l);
    assert_int_equal(l.count, 0);
    assert_int_equal(l.max_ns, 0);
    for (int64_t i = 1; i <= 100000; i++)
        vs__histogram_add(h, i * 1000);
    vs__histogram_read(h, &l);
    assert_int_equal(l.count, 100000);
    assert_int_equal(l.max_ns, 100000000);
    assert_true(l.p50_ns >= 50000000 && l.p50_ns < 50000000 * most);
    assert_true(l.p90_ns >= 90000000 && l.p90_ns < 90000000 * most);
    assert_true(l.p99_ns >= 99000000 && l.p99_ns <= 100000000);
    vs__histogram_add(h, -5);
    vs__histogram_add(h, INT64_MAX);
    vs__histogram_read(h, &l);
    assert_int_equal(l.max_ns, INT64_MAX);
    assert_int_equal(l.count, 100002);
}

static void quantiles_are_within_a_bucket(void **state)
{
    (void)state;
    check_quantiles(VS__HISTOGRAM_FINE);
    check_quantiles(VS__HISTOGRAM_COARSE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_aligned_and_fails_on_demand),
        cmocka_unit_test(kept_out_of_dumps_are_few_mappings),
        cmocka_unit_test(a_pool_gives_each_block_once),
        cmocka_unit_test(a_pool_gives_first_what_it_got_last),
        cmocka_unit_test(structs_can_grow),
        cmocka_unit_test(a_raise_is_never_lost),
        cmocka_unit_test(a_wait_sleeps),
        cmocka_unit_test(logs_are_cut_not_overrun),
        cmocka_unit_test(statuses_and_names_have_words),
        cmocka_unit_test(quantiles_are_within_a_bucket),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
