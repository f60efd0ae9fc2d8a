/* SPDX-License-Identifier: MIT */
/* What events tell about time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <voicestand/voicestand.h>

#include "base/base.h"
#include "fake.h"

static const struct fake_step even[] = {{0, 480, 0, 0}};

/* Of the hops, when they were captured: never after they are told, nor out of order. */
struct captured {
    struct record *record;
    int64_t last_ns, longest_ns;
    uint64_t unknown, wrong;
};

static void watch_captured(void *user, const struct vs_event *e)
{
    struct captured *c = user;

    record_event(c->record, e);
    if (e->type != VS_EVENT_PROBABILITY)
        return;
    c->unknown += e->captured_ns == 0;
    if (e->captured_ns == 0)
        return;
    c->wrong += e->captured_ns > e->mono_ns || e->captured_ns < c->last_ns;
    c->longest_ns = VS__MAX(c->longest_ns, e->mono_ns - e->captured_ns);
    c->last_ns = e->captured_ns;
}

static void hops_tell_when_they_were_captured(void **state)
{
    (void)state;
    for (int live = 0; live < 2; live++) {
        struct captured c = {.record = calloc(1, sizeof(*c.record))};
        struct vs_pipeline_config config = {.size = sizeof(config),
                                            .capture_ops = &fake_push,
                                            .vad_ops = &fake_vad,
                                            .probabilities = 1,
                                            .on_event = watch_captured,
                                            .user = &c};
        vs_pipeline *p;

        assert_non_null(c.record);
        fake_script = (struct fake_script){even, 1, 50, 48000, live, 0, 2000};
        assert_int_equal(vs_pipeline_create(&config, &p), 0);
        assert_int_equal(vs_pipeline_start(p), 0);
        assert_int_equal(vs_pipeline_wait(p, -1), 0);
        vs_pipeline_destroy(p);
        assert_int_equal(c.record->hops, 50);
        assert_int_equal(c.wrong, 0);
        assert_in_range(c.unknown, live ? 0 : 50, live ? 2 : 50); /* the end has no audio */
        assert_in_range(c.longest_ns, live ? 1000 : 0, live ? 1000000000 : 0);
        free(c.record);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hops_tell_when_they_were_captured),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
