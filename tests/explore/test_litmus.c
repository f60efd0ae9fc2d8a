/* SPDX-License-Identifier: MIT */
/* The explorer against shapes whose outcomes are known: it must find every outcome that C11 allows and
   none that it forbids. An outcome is what each load returned, in the order of the registers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "explore.h"

#include <cmocka.h>

#define RELAXED memory_order_relaxed
#define ACQUIRE memory_order_acquire
#define RELEASE memory_order_release
#define STRICT  memory_order_seq_cst

static uint32_t a, b; /* locations; only their addresses matter */
static unsigned char data[64];
static unsigned r[4];
static bool seen[16];                  /* outcomes: the bits of r[3] r[2] r[1] r[0] */
static memory_order at_store, at_load; /* of the shape under test */

static void setup(void)
{
    memset(r, 0, sizeof(r));
    explore_location(&a, 4, "a", 0);
    explore_location(&b, 4, "b", 0);
    explore_plain(data, sizeof(data), 1, sizeof(data));
}

static void note(void)
{
    seen[(r[0] & 1) | (r[1] & 1) << 1 | (r[2] & 1) << 2 | (r[3] & 1) << 3] = true;
}

static unsigned load(const void *at)
{
    return (unsigned)explore_load(at, at_load);
}

static void store(void *at, unsigned value)
{
    explore_store(at, value, at_store);
}

/* The outcomes as words like "00 10 11", registers in their order. */
static void assert_outcomes(const struct explore_scenario *s, unsigned registers,
                            memory_order stores, memory_order loads, const char *expected)
{
    struct explore_result result;
    char found[128] = "";

    memset(seen, 0, sizeof(seen));
    at_store = stores;
    at_load = loads;
    explore_all(s, NULL, 1000000, &result);
    if (result.failure[0])
        fail_msg("%s: %s", s->name, result.failure);
    assert_true(result.complete);
    for (unsigned o = 0; o < 16; o++) {
        if (!seen[o])
            continue;
        size_t n = strlen(found);
        if (n)
            found[n++] = ' ';
        for (unsigned i = 0; i < registers; i++)
            found[n++] = (char)('0' + (o >> i & 1));
        found[n] = 0;
    }
    if (strcmp(found, expected) != 0)
        fail_msg("%s: found \"%s\", not \"%s\"", s->name, found, expected);
}

/* message passing ----------------------------------------------------------------------------- */

static void mp_write(void)
{
    explore_store(&a, 1, RELAXED);
    store(&b, 1);
}

static void mp_read(void)
{
    r[0] = load(&b);
    r[1] = (unsigned)explore_load(&a, RELAXED);
}

static void message_passing(void **state)
{
    const struct explore_scenario s = {"MP", setup, {mp_write, mp_read}, note};

    (void)state;
    assert_outcomes(&s, 2, RELEASE, ACQUIRE, "00 01 11");
    assert_outcomes(&s, 2, RELAXED, ACQUIRE, "00 10 01 11");
    assert_outcomes(&s, 2, RELEASE, RELAXED, "00 10 01 11");
    assert_outcomes(&s, 2, STRICT, STRICT, "00 01 11");
}

/* the same with plain data: a race instead of an outcome */
static void plain_write(void)
{
    explore_write(data, sizeof(data));
    store(&b, 1);
}

static void plain_read(void)
{
    if (load(&b))
        explore_read(data, sizeof(data));
}

static void plain_rewrite(void)
{
    if (load(&b))
        explore_write(data, sizeof(data));
}

static void races_are_found(void **state)
{
    const struct explore_scenario s[] = {{"plain MP", setup, {plain_write, plain_read}, NULL},
                                         {"plain WW", setup, {plain_write, plain_rewrite}, NULL},
                                         {"bare", setup, {plain_write, plain_write}, NULL}};
    struct explore_result result;

    (void)state;
    for (unsigned k = 0; k < 2; k++) {
        at_store = RELEASE, at_load = ACQUIRE;
        explore_all(&s[k], NULL, 1000000, &result);
        assert_string_equal(result.failure, "");
        at_store = RELAXED;
        explore_all(&s[k], NULL, 1000000, &result);
        if (!strstr(result.failure, "a race"))
            fail_msg("%s: \"%s\"", s[k].name, result.failure);
        at_store = RELEASE, at_load = RELAXED;
        explore_random(&s[k], NULL, 1, 1000, &result);
        if (!strstr(result.failure, "a race"))
            fail_msg("%s: \"%s\"", s[k].name, result.failure);
    }
    explore_all(&s[2], NULL, 1000000, &result);
    assert_non_null(strstr(result.failure, "two writes"));
}

/* store buffering ----------------------------------------------------------------------------- */

static void sb_left(void)
{
    store(&a, 1);
    r[0] = load(&b);
}

static void sb_right(void)
{
    store(&b, 1);
    r[1] = load(&a);
}

static void store_buffering(void **state)
{
    const struct explore_scenario s = {"SB", setup, {sb_left, sb_right}, note};

    (void)state;
    assert_outcomes(&s, 2, RELEASE, ACQUIRE, "00 10 01 11");
    assert_outcomes(&s, 2, STRICT, STRICT, "10 01 11");
}

/* load buffering: what the explorer does not do, said here so that it is known ----------------- */

static void lb_left(void)
{
    r[0] = load(&a);
    store(&b, 1);
}

static void lb_right(void)
{
    r[1] = load(&b);
    store(&a, 1);
}

static void load_buffering_is_left_out(void **state)
{
    const struct explore_scenario s = {"LB", setup, {lb_left, lb_right}, note};

    (void)state;
    assert_outcomes(&s, 2, RELEASE, ACQUIRE, "00 10 01");
}

/* coherence ----------------------------------------------------------------------------------- */

static void one_writer(void)
{
    explore_store(&a, 1, RELAXED);
}

static void two_loads(void)
{
    r[0] = load(&a);
    r[1] = load(&a);
}

static void coherence_of_two_loads(void **state)
{
    const struct explore_scenario s = {"CoRR", setup, {one_writer, two_loads}, note};

    (void)state;
    assert_outcomes(&s, 2, RELAXED, RELAXED, "00 01 11");
}

static void writes_then_reads(void)
{
    store(&a, 2); /* bit 0 is 0 */
    r[0] = load(&a);
}

static void coherence_of_store_and_load(void **state)
{
    const struct explore_scenario s = {"CoWR", setup, {writes_then_reads}, note};

    (void)state;
    assert_outcomes(&s, 1, RELAXED, RELAXED, "0");
}

/* Two writers, two readers: both see the stores in one order. */
static void stores_one(void)
{
    explore_store(&a, 1, RELAXED);
}

static void stores_two(void)
{
    explore_store(&a, 2, RELAXED);
}

static unsigned first_seen[2][2];

static void reads_twice(unsigned who)
{
    first_seen[who][0] = load(&a);
    first_seen[who][1] = load(&a);
}

static void reader_one(void)
{
    reads_twice(0);
}

static void reader_two(void)
{
    reads_twice(1);
}

static void agree(void)
{
    const unsigned *p = first_seen[0], *q = first_seen[1];

    if (p[0] && p[1] && p[0] != p[1] && q[0] == p[1] && q[1] == p[0])
        explore_fail("they saw two orders");
    r[0] = p[0] == 1 && p[1] == 2;
    r[1] = p[0] == 2 && p[1] == 1;
    note();
}

static void coherence_of_two_writers(void **state)
{
    const struct explore_scenario s = {
        "CoRR2", setup, {stores_one, stores_two, reader_one, reader_two}, agree};

    (void)state;
    assert_outcomes(&s, 2, RELAXED, RELAXED, "00 10 01");
}

/* independent reads of independent writes ------------------------------------------------------ */

static void iriw_a(void)
{
    store(&a, 1);
}

static void iriw_b(void)
{
    store(&b, 1);
}

static void iriw_ab(void)
{
    r[0] = load(&a);
    r[1] = load(&b);
}

static void iriw_ba(void)
{
    r[2] = load(&b);
    r[3] = load(&a);
}

static void independent_reads(void **state)
{
    const struct explore_scenario s = {"IRIW", setup, {iriw_a, iriw_b, iriw_ab, iriw_ba}, note};

    (void)state;
    assert_outcomes(&s, 4, RELEASE, ACQUIRE,
                    "0000 1000 0100 1100 0010 1010 0110 1110 0001 1001 0101 1101 0011 1011 0111 "
                    "1111");
    assert_outcomes(&s, 4, STRICT, STRICT, /* all but 1010 */
                    "0000 1000 0100 1100 0010 0110 1110 0001 1001 0101 1101 0011 1011 0111 1111");
}

/* two plus two writes: the last store may be the first of each thread -------------------------- */

static void ww_left(void)
{
    store(&a, 1);
    store(&b, 2);
}

static void ww_right(void)
{
    store(&b, 1);
    store(&a, 2);
}

static void final_values(void)
{
    r[0] = (unsigned)explore_load(&a, RELAXED);
    r[1] = (unsigned)explore_load(&b, RELAXED);
    note();
}

static void two_plus_two_writes(void **state)
{
    const struct explore_scenario s = {"2+2W", setup, {ww_left, ww_right}, final_values};

    (void)state; /* bit 0: 1 is the first store of its thread */
    assert_outcomes(&s, 2, RELEASE, ACQUIRE, "00 10 01 11");
    assert_outcomes(&s, 2, STRICT, STRICT, "00 10 01");
}

/* causality and read-modify-writes ------------------------------------------------------------- */

static void wrc_pass_on(void)
{
    r[0] = load(&a);
    if (r[0])
        store(&b, 1);
}

static void wrc_read(void)
{
    r[1] = load(&b);
    r[2] = load(&a);
}

static void causality_is_passed_on(void **state)
{
    const struct explore_scenario s = {"WRC", setup, {iriw_a, wrc_pass_on, wrc_read}, note};

    (void)state;
    assert_outcomes(&s, 3, RELEASE, ACQUIRE, "000 100 001 101 111");
    assert_outcomes(&s, 3, RELAXED, RELAXED, "000 100 110 001 101 111");
}

static void add_one(void)
{
    r[0] += (unsigned)explore_add(&a, 1, RELAXED);
}

static void sum(void)
{
    if (explore_load(&a, RELAXED) != 3)
        explore_fail("an addition is lost");
}

static void no_addition_is_lost(void **state)
{
    const struct explore_scenario s = {"RMW", setup, {add_one, add_one, add_one}, sum};
    struct explore_result result;

    (void)state;
    explore_all(&s, NULL, 1000000, &result);
    assert_string_equal(result.failure, "");
    assert_true(result.complete && result.executions >= 6);
}

/* A relaxed addition between passes on what the first store released. */
static void add_to_b(void)
{
    (void)explore_add(&b, 2, RELAXED);
}

static void seq_read(void)
{
    r[0] = (unsigned)explore_load(&b, ACQUIRE) == 3;
    r[1] = (unsigned)explore_load(&a, RELAXED);
}

static void a_release_sequence_goes_on(void **state)
{
    const struct explore_scenario s = {"RELSEQ", setup, {mp_write, add_to_b, seq_read}, note};

    (void)state;
    assert_outcomes(&s, 2, RELEASE, ACQUIRE, "00 01 11");
    assert_outcomes(&s, 2, RELAXED, ACQUIRE, "00 10 01 11");
}

static void sleeps(void)
{
    (void)explore_sleep(&a, 0);
}

static void nobody_wakes(void **state)
{
    const struct explore_scenario s = {"sleep", setup, {sleeps, one_writer}, NULL};
    struct explore_result result;

    (void)state;
    explore_all(&s, NULL, 1000000, &result);
    assert_string_equal(result.failure, "all threads sleep");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(message_passing),
        cmocka_unit_test(races_are_found),
        cmocka_unit_test(store_buffering),
        cmocka_unit_test(load_buffering_is_left_out),
        cmocka_unit_test(coherence_of_two_loads),
        cmocka_unit_test(coherence_of_store_and_load),
        cmocka_unit_test(coherence_of_two_writers),
        cmocka_unit_test(independent_reads),
        cmocka_unit_test(two_plus_two_writes),
        cmocka_unit_test(causality_is_passed_on),
        cmocka_unit_test(no_addition_is_lost),
        cmocka_unit_test(a_release_sequence_goes_on),
        cmocka_unit_test(nobody_wakes),
    };
    return cmocka_run_group_tests_name("litmus", tests, NULL, NULL);
}
