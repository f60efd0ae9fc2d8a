/* SPDX-License-Identifier: MIT */
/* The ring on one thread, and between two. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#include "ring/ring.h"

static void whole_capacity_can_be_filled(void **state)
{
    struct vs__ring *r;
    size_t room, there;

    (void)state;
    assert_int_equal(vs__ring_create(5000, &r), 0);
    assert_int_equal(r->bytes, 8192);
    assert_int_equal((uintptr_t)&r->head % VS__APART, 0);
    assert_int_equal((uintptr_t)&r->tail % VS__APART, 0);
    memset(vs__ring_write_begin(r, 100000, &room), 1, 8192);
    assert_int_equal(room, 8192);
    vs__ring_write_commit(r, room);
    (void)vs__ring_write_begin(r, 1, &room);
    assert_int_equal(room, 0);
    assert_int_equal(vs__ring_fill(r), 8192);
    (void)vs__ring_read_begin(r, 100000, &there);
    assert_int_equal(there, 8192);
    vs__ring_read_commit(r, 8192);
    (void)vs__ring_read_begin(r, 1, &there);
    assert_int_equal(there, 0);
    vs__ring_destroy(r);
}

static void a_span_is_contiguous_across_the_end(void **state)
{
    struct vs__ring *r;
    size_t room, there;
    unsigned char *to;

    (void)state;
    assert_int_equal(vs__ring_create(4096, &r), 0);
    (void)vs__ring_write_begin(r, 4000, &room);
    vs__ring_write_commit(r, 4000);
    (void)vs__ring_read_begin(r, 4000, &there);
    vs__ring_read_commit(r, 4000);
    to = vs__ring_write_begin(r, 1000, &room);
    assert_int_equal(room, 1000);
    for (int i = 0; i < 1000; i++)
        to[i] = (unsigned char)i;
    vs__ring_write_commit(r, 1000);
    const unsigned char *from = vs__ring_read_begin(r, 1000, &there);
    assert_int_equal(there, 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(from[i], (unsigned char)i);
    assert_int_equal(r->memory[0], (unsigned char)96); /* byte 96 of the span wrapped */
    vs__ring_destroy(r);
}

static void items_are_all_or_nothing(void **state)
{
    struct vs__ring *r;
    char item[1000] = {0}, got[1000];

    (void)state;
    assert_int_equal(vs__ring_create(4096, &r), 0);
    for (int i = 0; i < 4; i++) {
        item[0] = (char)i;
        assert_true(vs__ring_put(r, item, sizeof(item)));
    }
    assert_false(vs__ring_put(r, item, sizeof(item)));
    for (int i = 0; i < 4; i++) {
        assert_true(vs__ring_get(r, got, sizeof(got)));
        assert_int_equal(got[0], i);
    }
    assert_false(vs__ring_get(r, got, sizeof(got)));
    vs__ring_destroy(r);
}

static void indices_may_wrap(void **state)
{
    static const uint64_t near[] = {UINT64_MAX - 1499, (1ull << 63) - 1500, (1ull << 32) - 1500};
    char item[1000] = {0}, got[1000];

    (void)state;
    for (size_t k = 0; k < VS__COUNT(near); k++) {
        struct vs__ring *r;
        assert_int_equal(vs__ring_create(4096, &r), 0);
        r->head_own = r->tail_own = r->head_seen = r->tail_seen = near[k];
        atomic_store(&r->head, near[k]);
        atomic_store(&r->tail, near[k]);
        for (int i = 0; i < 12; i++) {
            item[0] = (char)i;
            assert_true(vs__ring_put(r, item, sizeof(item)));
            if (i < 3)
                continue; /* three stay inside, so that the fill spans the wrap */
            assert_int_equal(vs__ring_fill(r), 4000);
            assert_false(vs__ring_put(r, item, sizeof(item)));
            assert_true(vs__ring_get(r, got, sizeof(got)));
            assert_int_equal(got[0], i - 3);
        }
        vs__ring_destroy(r);
    }
}

#define TOTAL (8u << 20)

struct side {
    struct vs__ring *ring;
    struct vs__signal *mine, *other;
    uint64_t errors;
};

/* Bytes of a sequence, in pieces of random length; sleeps when the ring is
 * full. */
static void *produce(void *argument)
{
    struct side *s = argument;
    unsigned seed = 1;
    uint64_t at = 0;

    while (at < TOTAL) {
        uint32_t seen = vs__signal_seen(s->mine);
        size_t want = (size_t)rand_r(&seed) % 3000 + 1, room;
        want = VS__MIN(want, (size_t)(TOTAL - at)); /* evaluates its arguments twice */
        unsigned char *to = vs__ring_write_begin(s->ring, want, &room);
        if (room == 0) {
            (void)vs__signal_wait(s->mine, seen, -1);
            continue;
        }
        for (size_t i = 0; i < room; i++)
            to[i] = (unsigned char)((at + i) * 2654435761u >> 24);
        vs__ring_write_commit(s->ring, room);
        at += room;
        vs__signal_raise(s->other);
    }
    return NULL;
}

static void *consume(void *argument)
{
    struct side *s = argument;
    unsigned seed = 2;
    uint64_t at = 0;

    while (at < TOTAL) {
        uint32_t seen = vs__signal_seen(s->mine);
        size_t want = (size_t)rand_r(&seed) % 3000 + 1, there;
        const unsigned char *from = vs__ring_read_begin(s->ring, want, &there);
        if (there == 0) {
            (void)vs__signal_wait(s->mine, seen, -1);
            continue;
        }
        for (size_t i = 0; i < there; i++)
            s->errors += from[i] != (unsigned char)((at + i) * 2654435761u >> 24);
        vs__ring_read_commit(s->ring, there);
        at += there;
        vs__signal_raise(s->other);
    }
    return NULL;
}

static void two_threads_lose_and_change_nothing(void **state)
{
    struct vs__ring *r;
    struct vs__signal a = {0}, b = {0};
    struct vs__thread producer = {0}, consumer = {0};

    (void)state;
    assert_int_equal(vs__ring_create(4096, &r), 0);
    struct side in = {r, &a, &b, 0}, out = {r, &b, &a, 0};
    assert_int_equal(vs__thread_start(&producer, "producer", produce, &in), 0);
    assert_int_equal(vs__thread_start(&consumer, "consumer", consume, &out), 0);
    vs__thread_join(&producer);
    vs__thread_join(&consumer);
    assert_int_equal(out.errors, 0);
    assert_int_equal(vs__ring_fill(r), 0);
    vs__ring_destroy(r);
}

static unsigned count_descriptors(void)
{
    unsigned n = 0;

    for (int fd = 0; fd < 256; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* Each thing that a ring is made of may be missing: it is refused, and nothing
 * is left open. */
static void what_cannot_be_had_is_refused(void **state)
{
    struct vs__ring *r = NULL;
    struct rlimit files, size;
    unsigned before = count_descriptors();

    (void)state;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &files), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &size), 0);
    assert_int_equal(vs__ring_create(SIZE_MAX / 4, &r), -ENOMEM);
#if SIZE_MAX > UINT32_MAX
    int huge = vs__ring_create((size_t)1 << 48, &r); /* more than can be mapped */
    assert_true(huge == -ENOMEM || huge == -EINVAL); /* as valgrind answers for the kernel */
#endif
    vs__alloc_fail_after(1);
    assert_int_equal(vs__ring_create(4096, &r), -ENOMEM);
    vs__alloc_fail_after(0);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){0, files.rlim_max}), 0);
    assert_int_equal(vs__ring_create(4096, &r), -EMFILE);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &files), 0);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &(struct rlimit){1024, size.rlim_max}), 0);
    int rc = vs__ring_create(4096, &r);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &size), 0);
    assert_int_equal(rc, -EFBIG);
    assert_null(r);
    assert_int_equal(count_descriptors(), before);
    vs__ring_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_capacity_can_be_filled),
        cmocka_unit_test(a_span_is_contiguous_across_the_end),
        cmocka_unit_test(items_are_all_or_nothing),
        cmocka_unit_test(indices_may_wrap),
        cmocka_unit_test(what_cannot_be_had_is_refused),
        cmocka_unit_test(two_threads_lose_and_change_nothing),
    };
    return cmocka_run_group_tests_name("ring", tests, NULL, NULL);
}
