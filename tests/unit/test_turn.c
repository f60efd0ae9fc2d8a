/* SPDX-License-Identifier: MIT */
/* When an utterance begins and ends: scripts of speech and keys in, the audio that is kept out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "dictate/recent.h"
#include "dictate/turn.h"

enum { LONGEST_SCRIPT = 8000 };

/* What is said, from..to-1, and what came of it. */
struct script {
    struct turn turn;
    const int (*words)[2];
    int word_count;
    bool kept[LONGEST_SCRIPT]; /* hops given to the engine */
    int again;                 /* hops given twice, or out of order */
    int begins, ends, empties, cancels;
    uint64_t begin, last, ended; /* of the newest utterance; hop of the last end */
    uint64_t now;
};

static void take(struct script *s, const struct turn_step *steps, int count)
{
    assert_true(count <= TURN_STEPS);
    for (int i = 0; i < count; i++) {
        const struct turn_step *p = &steps[i];

        s->begins += p->kind == TURN_BEGIN;
        s->ends += p->kind == TURN_END;
        s->empties += p->kind == TURN_EMPTY;
        s->cancels += p->kind == TURN_CANCEL;
        if (p->kind == TURN_BEGIN) {
            s->begin = s->last = p->from;
            assert_int_equal(s->begins, s->ends + s->empties + s->cancels + 1);
        }
        if (p->kind == TURN_AUDIO) {
            assert_true(p->from < p->to && p->to <= s->now);
            assert_true(s->now - p->from <= TURN_HISTORY);
            assert_true(p->from >= s->last);
            s->last = p->to;
        }
        for (uint64_t hop = p->from; p->kind == TURN_AUDIO && hop < p->to; hop++) {
            s->again += s->kept[hop];
            s->kept[hop] = true;
        }
        if (p->kind == TURN_END || p->kind == TURN_EMPTY)
            s->ended = s->now;
    }
}

static void begin_script(struct script *s, const int (*words)[2], int count)
{
    struct turn_rules rules;

    memset(s, 0, sizeof(*s));
    turn_rules_init(&rules);
    turn_init(&s->turn, &rules);
    s->words = words;
    s->word_count = count;
}

/* Time goes on up to hop `until`. */
static void run_until(struct script *s, uint64_t until)
{
    struct turn_step steps[TURN_STEPS];

    while (s->now < until) {
        float probability = 0.02f;

        for (int i = 0; i < s->word_count; i++)
            if ((int)s->now >= s->words[i][0] && (int)s->now < s->words[i][1])
                probability = 0.9f;
        uint64_t hop = s->now++;
        int count = turn_hop(&s->turn, hop, probability, steps);
        take(s, steps, count);
    }
}

static void press_at(struct script *s, enum turn_mode mode, uint64_t at)
{
    struct turn_step steps[TURN_STEPS];

    take(s, steps, turn_press(&s->turn, mode, at, steps));
}

static void press(struct script *s, enum turn_mode mode)
{
    press_at(s, mode, s->now);
}

static void release_at(struct script *s, uint64_t at)
{
    struct turn_step steps[TURN_STEPS];

    take(s, steps, turn_release(&s->turn, at, steps));
}

static void release(struct script *s)
{
    release_at(s, s->now);
}

/* Every hop of what is said from..to-1 was given to the engine, with `margin` hops on each side. */
static bool has(const struct script *s, int from, int to, int margin)
{
    for (int hop = from - margin; hop < to + margin; hop++)
        if (!s->kept[hop])
            return false;
    return true;
}

static bool has_none(const struct script *s, int from, int to)
{
    for (int hop = from; hop < to; hop++)
        if (s->kept[hop])
            return false;
    return true;
}

/* The bar of dictation: keys up to 300 ms too early or too late, at both ends, in every combination. */
static void first_and_last_words_are_kept(void **state)
{
    static const int words[][2] = {{300, 318}, {330, 345}, {362, 380}};
    static struct script s;
    uint64_t longest = 0;

    (void)state;
    for (int early = -30; early <= 30; early++)
        for (int late = -30; late <= 30; late++) {
            begin_script(&s, words, 3);
            run_until(&s, (uint64_t)(300 + early));
            press(&s, TURN_HOLD);
            run_until(&s, (uint64_t)(380 + late));
            release(&s);
            run_until(&s, 600);
            if (!has(&s, 300, 380, 5) || s.ends != 1 || s.again != 0)
                fail_msg("press %d ms, release %d ms beside the speech: it lost some", early * 10,
                         late * 10);
            uint64_t after = s.ended - (uint64_t)(380 + (late > 0 ? late : 0));
            longest = after > longest ? after : longest;
        }
    /* from the later of speech and release to the end: the quiet that proves it, no more */
    assert_true(longest <= 31);
}

/* Keys come before the audio of their instant, as from a microphone with latency, or after it, as from a
   service that had other things to do. The same is kept. */
static void keys_are_placed_where_they_were(void **state)
{
    static const int words[][2] = {{300, 318}, {330, 345}, {362, 380}};
    static const int lags[] = {0, 1, 4, 20, 60, -1, -5, -20};
    static struct script s;

    (void)state;
    for (int early = -30; early <= 30; early += 3)
        for (int late = -30; late <= 30; late += 3) {
            uint64_t begin = 0, kept = 0;
            for (size_t i = 0; i < sizeof(lags) / sizeof(lags[0]); i++) {
                uint64_t down = (uint64_t)(300 + early), up = (uint64_t)(380 + late), count = 0;
                begin_script(&s, words, 3);
                run_until(&s, (uint64_t)(300 + early - lags[i]));
                press_at(&s, TURN_HOLD, down);
                assert_int_equal(s.turn.phase, TURN_OPEN);
                run_until(&s, (uint64_t)(380 + late - lags[i]));
                release_at(&s, up);
                run_until(&s, 600);
                assert_int_equal(s.ends, 1);
                assert_true(has(&s, 300, 380, 5));
                for (int hop = 0; hop < 600; hop++)
                    count += s.kept[hop];
                if (i > 0 && (s.begin != begin || count != kept))
                    fail_msg("press %d, release %d, lag %d: from %d, %d hops; not %d, %d", early,
                             late, lags[i], (int)s.begin, (int)count, (int)begin, (int)kept);
                begin = s.begin;
                kept = count;
            }
        }
}

/* Pressed, and released or cancelled, before any audio of it came. */
static void a_key_may_be_over_before_its_audio(void **state)
{
    static const int words[][2] = {{305, 320}};
    static struct script s;
    struct turn_step steps[TURN_STEPS];

    (void)state;
    begin_script(&s, words, 1);
    run_until(&s, 290);
    press_at(&s, TURN_HOLD, 300);
    release_at(&s, 308);
    assert_int_equal(s.begins, 0);
    run_until(&s, 500);
    assert_true(has(&s, 305, 320, 5));
    assert_int_equal(s.ends, 1);

    begin_script(&s, words, 1);
    run_until(&s, 290);
    press_at(&s, TURN_HOLD, 300);
    take(&s, steps, turn_cancel(&s.turn, steps));
    run_until(&s, 500);
    assert_int_equal(s.begins + s.cancels + s.ends, 0);

    begin_script(&s, words, 1);
    run_until(&s, 306);
    press_at(&s, TURN_HOLD, 310);
    take(&s, steps, turn_end(&s.turn, steps)); /* the microphone goes away */
    assert_int_equal(s.begins, 1);
    assert_int_equal(s.ends + s.empties, 1);
    assert_int_equal(s.turn.phase, TURN_IDLE);

    begin_script(&s, words, 1);
    run_until(&s, 290);
    press_at(&s, TURN_HOLD, 100000); /* by another clock */
    assert_int_equal(s.begin, 260);
}

/* A last word that has not begun when the key is released, behind a pause of its sentence. */
static void a_word_behind_a_short_pause_is_awaited(void **state)
{
    static const int words[][2] = {{300, 340}, {355, 375}};
    static struct script s;

    (void)state;
    begin_script(&s, words, 2);
    run_until(&s, 310);
    press(&s, TURN_HOLD);
    run_until(&s, 346);
    release(&s);
    run_until(&s, 600);
    assert_true(has(&s, 300, 375, 5));
    assert_int_equal(s.ends, 1);
}

/* A word said wholly before the press. */
static void a_word_before_the_press_is_kept(void **state)
{
    static const int words[][2] = {{300, 315}};
    static struct script s;

    (void)state;
    begin_script(&s, words, 1);
    run_until(&s, 330);
    press(&s, TURN_HOLD);
    run_until(&s, 340);
    release(&s);
    run_until(&s, 500);
    assert_true(has(&s, 300, 315, 5));
    assert_int_equal(s.ends, 1);
}

/* Two words before the press: the gap between them is one of a sentence. */
static void two_words_before_the_press_are_kept(void **state)
{
    static const int words[][2] = {{300, 306}, {322, 345}};
    static struct script s;

    (void)state;
    begin_script(&s, words, 2);
    run_until(&s, 330);
    press(&s, TURN_HOLD);
    run_until(&s, 340);
    release(&s);
    run_until(&s, 500);
    assert_true(has(&s, 300, 345, 5));
    assert_int_equal(s.ends, 1);
}

/* What was said to somebody else before the press is not dictated: what ended 250 ms before our first
   word, if the press comes in it, and what ended longer before the press than a slow finger needs. */
static void talk_before_the_press_is_left_out(void **state)
{
    static int words[][2] = {{200, 275}, {300, 340}};
    static struct script s;

    (void)state;
    for (int at = 296; at <= 330; at++) {
        words[0][1] = at > 300 ? 275 : 260;
        begin_script(&s, (const int(*)[2])words, 2);
        run_until(&s, (uint64_t)at);
        press(&s, TURN_HOLD);
        run_until(&s, 350);
        release(&s);
        run_until(&s, 500);
        assert_true(has(&s, 300, 340, 5));
        assert_true(has_none(&s, 200, words[0][1] + 5));
    }
}

/* Talk that goes on into the press is cut at the pre-roll, not before. */
static void the_pre_roll_is_bounded(void **state)
{
    static const int words[][2] = {{100, 400}};
    static struct script s;

    (void)state;
    begin_script(&s, words, 1);
    run_until(&s, 300);
    press(&s, TURN_HOLD);
    run_until(&s, 390);
    release(&s);
    run_until(&s, 600);
    assert_int_equal(s.begin, 240);
    assert_true(has_none(&s, 0, 240) && has(&s, 240, 400, 0));
}

static void silence_is_not_given_to_the_engine(void **state)
{
    static const int click[][2] = {{310, 312}};
    static struct script s;

    (void)state;
    begin_script(&s, NULL, 0);
    run_until(&s, 300);
    press(&s, TURN_HOLD);
    run_until(&s, 900);
    release(&s);
    run_until(&s, 1100);
    assert_true(has_none(&s, 0, 1100));
    assert_int_equal(s.empties, 1);
    assert_int_equal(s.ends, 0);

    begin_script(&s, click, 1);
    run_until(&s, 305);
    press(&s, TURN_HOLD);
    run_until(&s, 400);
    release(&s);
    run_until(&s, 500);
    assert_int_equal(s.empties, 1);
    assert_int_equal(s.ends, 0);
}

/* A first word that is not noticed as speech is given to the engine with what follows it. */
static void a_quiet_word_after_the_press_is_kept(void **state)
{
    static const int words[][2] = {{390, 430}};
    static struct script s;

    (void)state;
    begin_script(&s, words, 1);
    run_until(&s, 320);
    press(&s, TURN_HOLD);
    run_until(&s, 440);
    release(&s);
    run_until(&s, 600);
    assert_true(has(&s, 300, 430, 5));
}

/* A speaker who thinks for ten seconds: silence is left out, the words and what is around them are not. */
static void a_long_pause_loses_no_word(void **state)
{
    static const int words[][2] = {{320, 360}, {1400, 1440}};
    static struct script s;
    int kept = 0;

    (void)state;
    begin_script(&s, words, 2);
    run_until(&s, 300);
    press(&s, TURN_HOLD);
    run_until(&s, 1450);
    release(&s);
    run_until(&s, 1700);
    assert_true(has(&s, 320, 360, 25) && has(&s, 1400, 1440, 25));
    for (int hop = 0; hop < 1700; hop++)
        kept += s.kept[hop];
    assert_true(kept < 320);
    assert_int_equal(s.ends, 1);
}

/* Somebody talks on: the grace has an end. */
static void the_grace_is_bounded(void **state)
{
    static const int words[][2] = {{300, 900}};
    static struct script s;

    (void)state;
    begin_script(&s, words, 1);
    run_until(&s, 300);
    press(&s, TURN_HOLD);
    run_until(&s, 400);
    release(&s);
    run_until(&s, 900);
    assert_int_equal(s.ended, 550);
    assert_int_equal(s.ends, 1);
    assert_int_equal(s.turn.phase, TURN_IDLE);
}

static void a_repeating_key_releases_nothing(void **state)
{
    static const int words[][2] = {{310, 390}};
    static struct script s;

    (void)state;
    begin_script(&s, words, 1);
    run_until(&s, 300);
    press(&s, TURN_HOLD);
    for (int at = 350; at < 380; at += 4) {
        run_until(&s, (uint64_t)at);
        release(&s);
        run_until(&s, (uint64_t)at + 2);
        press(&s, TURN_HOLD);
    }
    assert_int_equal(s.turn.phase, TURN_OPEN);
    run_until(&s, 395);
    release(&s);
    run_until(&s, 500);
    assert_true(has(&s, 310, 390, 5));
    assert_int_equal(s.begins, 1);
    assert_int_equal(s.ends, 1);
}

/* The next press comes while the last utterance still waits: both get their words, none twice. */
static void a_press_in_the_grace_begins_the_next(void **state)
{
    static const int words[][2] = {{300, 340}, {370, 420}};
    static struct script s;

    (void)state;
    begin_script(&s, words, 2);
    run_until(&s, 295);
    press(&s, TURN_HOLD);
    run_until(&s, 345);
    release(&s);
    run_until(&s, 362);
    press(&s, TURN_HOLD);
    assert_int_equal(s.ends, 1);
    run_until(&s, 425);
    release(&s);
    run_until(&s, 600);
    assert_int_equal(s.ends, 2);
    assert_int_equal(s.again, 0);
    assert_true(has(&s, 300, 340, 5) && has(&s, 370, 420, 5));
}

static void a_cancelled_utterance_is_over(void **state)
{
    static const int words[][2] = {{300, 340}, {350, 390}};
    static struct script s;
    struct turn_step steps[TURN_STEPS];

    (void)state;
    begin_script(&s, words, 2);
    take(&s, steps, turn_cancel(&s.turn, steps)); /* nothing to cancel */
    assert_int_equal(s.cancels, 0);
    run_until(&s, 295);
    press(&s, TURN_HOLD);
    run_until(&s, 345);
    take(&s, steps, turn_cancel(&s.turn, steps));
    assert_int_equal(s.cancels, 1);
    release(&s);
    run_until(&s, 348);
    press(&s, TURN_HOLD);
    assert_true(s.begin >= 345); /* nothing of what was cancelled comes back */
    run_until(&s, 400);
    release(&s);
    run_until(&s, 500);
    assert_int_equal(s.ends, 1);
    assert_true(has(&s, 350, 390, 0));
}

static void hands_free_follows_the_voice(void **state)
{
    static const int words[][2] = {{300, 350}, {500, 503}, {600, 660}};
    static struct script s;

    (void)state;
    begin_script(&s, words, 3);
    run_until(&s, 100);
    press(&s, TURN_CONTINUOUS);
    run_until(&s, 290);
    assert_int_equal(s.turn.phase, TURN_WAITING);
    run_until(&s, 1000);
    assert_int_equal(s.ends, 2); /* not the noise between them */
    assert_int_equal(s.again, 0);
    assert_true(has(&s, 300, 350, 20) && has(&s, 600, 660, 20) && has_none(&s, 480, 520));
    assert_int_equal(s.turn.phase, TURN_WAITING);
    release(&s);
    assert_int_equal(s.turn.phase, TURN_IDLE);
}

static void switching_off_keeps_the_last_word(void **state)
{
    static const int words[][2] = {{300, 350}, {600, 640}};
    static struct script s;

    (void)state;
    for (int at = 601; at <= 640; at++) {
        begin_script(&s, words, 2);
        run_until(&s, 200);
        press(&s, TURN_CONTINUOUS);
        run_until(&s, (uint64_t)at);
        release(&s);
        run_until(&s, 900);
        assert_true(has(&s, 300, 350, 5) && has(&s, 600, 640, 5));
        assert_int_equal(s.ends, 2);
        assert_int_equal(s.turn.phase, TURN_IDLE);
    }
}

/* Ten times longer than any utterance: it is cut, and no hop is lost or doubled between the parts. */
static void an_endless_speech_is_cut_without_loss(void **state)
{
    static const int words[][2] = {{100, 7500}};
    static struct script s;

    (void)state;
    begin_script(&s, words, 1);
    run_until(&s, 95);
    press(&s, TURN_HOLD);
    run_until(&s, 7510);
    release(&s);
    run_until(&s, 7900);
    assert_true(has(&s, 100, 7500, 5));
    assert_int_equal(s.again, 0);
    assert_int_equal(s.ends, 2);
}

static void a_press_before_there_is_audio_waits_for_it(void **state)
{
    static const int words[][2] = {{2, 40}};
    static struct script s;

    (void)state;
    begin_script(&s, words, 1);
    press(&s, TURN_HOLD);
    run_until(&s, 45);
    release(&s);
    run_until(&s, 200);
    assert_true(has(&s, 0, 40, 0));
    assert_int_equal(s.ends, 1);
}

static void audio_that_is_lost_breaks_nothing(void **state)
{
    static struct script s;
    struct turn_step steps[TURN_STEPS];

    (void)state;
    begin_script(&s, NULL, 0);
    run_until(&s, 100);
    press(&s, TURN_HOLD);
    for (int i = 0; i < 20; i++) {
        uint64_t hop = s.now++;
        take(&s, steps, turn_hop(&s.turn, hop, 0.9f, steps));
    }
    s.now += 500;
    for (int i = 0; i < 20; i++) {
        uint64_t hop = s.now++;
        take(&s, steps, turn_hop(&s.turn, hop, 0.9f, steps));
    }
    release(&s);
    run_until(&s, 900);
    assert_int_equal(s.ends, 1);
    assert_true(has(&s, 100, 120, 0) && has(&s, 620, 640, 0));
    press(&s, TURN_HOLD);
    take(&s, steps, turn_end(&s.turn, steps));
    assert_int_equal(s.empties, 1);
    assert_int_equal(s.turn.phase, TURN_IDLE);
}

static void the_ring_gives_back_what_was_heard(void **state)
{
    struct recent r;
    float in[100], out[300];

    (void)state;
    assert_int_equal(recent_init(&r, 250), 0);
    for (uint64_t at = 1000; at < 5000; at += 100) {
        for (int i = 0; i < 100; i++)
            in[i] = (float)(at + (uint64_t)i);
        recent_push(&r, at, in, 100);
    }
    assert_int_equal(recent_copy(&r, 4750, 5000, out), 250);
    for (int i = 0; i < 250; i++)
        assert_true(out[i] >= (float)(4750 + i) && out[i] <= (float)(4750 + i));
    assert_int_equal(recent_copy(&r, 4740, 4760, out), 10); /* the older half is gone */
    assert_true(out[9] <= 0 && out[10] >= 4750);
    recent_push(&r, 5050, in, 100); /* a gap of 50 */
    assert_int_equal(recent_copy(&r, 4990, 5150, out), 160);
    assert_true(out[9] >= 4999 && out[10] <= 0 && out[59] <= 0 && out[60] >= 4900);
    recent_push(&r, 9000, in, 100); /* a long one */
    assert_int_equal(recent_copy(&r, 8900, 9100, out), 100);
    recent_wipe(&r);
    assert_int_equal(recent_copy(&r, 8900, 9100, out), 0);
    for (int i = 0; i < 250; i++)
        assert_true(r.pcm[i] <= 0 && r.pcm[i] >= 0);
    recent_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_and_last_words_are_kept),
        cmocka_unit_test(keys_are_placed_where_they_were),
        cmocka_unit_test(a_key_may_be_over_before_its_audio),
        cmocka_unit_test(a_word_behind_a_short_pause_is_awaited),
        cmocka_unit_test(a_word_before_the_press_is_kept),
        cmocka_unit_test(two_words_before_the_press_are_kept),
        cmocka_unit_test(talk_before_the_press_is_left_out),
        cmocka_unit_test(the_pre_roll_is_bounded),
        cmocka_unit_test(silence_is_not_given_to_the_engine),
        cmocka_unit_test(a_quiet_word_after_the_press_is_kept),
        cmocka_unit_test(a_long_pause_loses_no_word),
        cmocka_unit_test(the_grace_is_bounded),
        cmocka_unit_test(a_repeating_key_releases_nothing),
        cmocka_unit_test(a_press_in_the_grace_begins_the_next),
        cmocka_unit_test(a_cancelled_utterance_is_over),
        cmocka_unit_test(hands_free_follows_the_voice),
        cmocka_unit_test(switching_off_keeps_the_last_word),
        cmocka_unit_test(an_endless_speech_is_cut_without_loss),
        cmocka_unit_test(a_press_before_there_is_audio_waits_for_it),
        cmocka_unit_test(audio_that_is_lost_breaks_nothing),
        cmocka_unit_test(the_ring_gives_back_what_was_heard),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
