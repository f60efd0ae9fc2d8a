/* SPDX-License-Identifier: MIT */
/* The source `alsa` over a card that does as a script says: what it may refuse, and how it may fail while it runs. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include <alsa/asoundlib.h>
#include <voicestand/backend.h>

#include "base/base.h"
#include "fake_alsa.h"

extern const struct vs_module vs_module_entry; /* src/capture/alsa.c */

static const struct vs_capture_ops *ops;
static void *state;
static char said[400];
static unsigned errors;
static struct vs_capture_params params;
static struct vs_capture_format format;
static struct vs_capture_stamp stamp;
static int16_t pcm[9600];

static void keep(void *user, int level, const char *topic, const char *message)
{
    assert_string_equal(topic, "capture");
    errors += level == VS_LOG_ERROR;
    if (level == VS_LOG_ERROR)
        snprintf(said, sizeof(said), "%s", message);
}

static const struct vs_env env = {.log = {.write = keep}};

static int open_it(void)
{
    said[0] = '\0';
    errors = 0;
    format = (struct vs_capture_format){.size = sizeof(format)};
    memset(state, 0, ops->state_size);
    return ops->open(state, &params, &format);
}

static void close_it(void)
{
    ops->close(state);
    assert_int_equal(fake_card.live, 0);
}

static void refuse(int status, const char *words)
{
    assert_int_equal(open_it(), status);
    if (errors != 1 || !strstr(said, words))
        fail_msg("%u errors; \"%s\" is not in: %s", errors, words, said);
    close_it();
}

static int64_t read_it(size_t frames)
{
    stamp = (struct vs_capture_stamp){0};
    return ops->read(state, pcm, frames, &stamp);
}

/* A card that works: 48 kHz, 16 bits, 480 frames whenever it is asked. */
static int set_up(void **unused)
{
    int fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);

    fake_card = (struct fake_card){.error = -EIO,
                                   .formats = UINT64_C(1) << SND_PCM_FORMAT_S16,
                                   .dump = "Hardware PCM card 0",
                                   .fd = fd,
                                   .fds = 1,
                                   .given_fds = 1,
                                   .state = SND_PCM_STATE_RUNNING,
                                   .avail = {{480}, 1, 0},
                                   .read = {{480}, 1, 0},
                                   .resume = {{0}, 1, 0}};
    params = (struct vs_capture_params){.size = sizeof(params), .env = &env, .argument = "hw:0"};
    return fd < 0 ? -1 : 0;
}

static int tear_down(void **unused)
{
    return close(fake_card.fd);
}

/* opening ---------------------------------------------------------------------------------------- */

static void test_refusals(void **unused)
{
    static const struct {
        int open, status;
        const char *says;
    } ways[] = {
        {-ENOENT, -ENODEV, "no such microphone"}, {-ENODEV, -ENODEV, "no such microphone"},
        {-ENXIO, -ENODEV, "no such microphone"},  {-EBUSY, -EBUSY, "another program"},
        {-EAGAIN, -EBUSY, "another program"},     {-EACCES, -EACCES, "group \"audio\""},
        {-EPERM, -EACCES, "group \"audio\""},     {-EIO, -EIO, "Input/output error"},
    };

    for (size_t i = 0; i < VS__COUNT(ways); i++) {
        fake_card.open = ways[i].open;
        refuse(ways[i].status, ways[i].says);
        assert_non_null(strstr(said, "alsa:hw:0: "));
    }
    params.argument = NULL;
    refuse(-EIO, "alsa:default: ");
    params.argument = "";
    refuse(-EIO, "alsa:default: ");
}

/* Each call that may fail, once. */
static void test_each_call_fails(void **unused)
{
    static const struct {
        const char *call;
        int status;
    } calls[] = {
        {"snd_pcm_hw_params_malloc", -ENOMEM},
        {"snd_pcm_hw_params_any", -ENOTSUP},
        {"snd_pcm_hw_params_set_access", -ENOTSUP},
        {"snd_pcm_hw_params_set_rate_near", -ENOTSUP},
        {"snd_pcm_hw_params_set_channels_near", -ENOTSUP},
        {"snd_pcm_hw_params_set_period_size_near", -ENOTSUP},
        {"snd_pcm_hw_params_set_buffer_size_near", -ENOTSUP},
        {"snd_pcm_hw_params", -ENOTSUP},
        {"snd_pcm_hw_params_get_period_size", -ENOTSUP},
        {"snd_pcm_hw_params_get_buffer_size", -ENOTSUP},
        {"snd_pcm_sw_params_malloc", -ENOMEM},
        {"snd_pcm_sw_params_current", -ENOTSUP},
        {"snd_pcm_sw_params_set_avail_min", -ENOTSUP},
        {"snd_pcm_sw_params_set_tstamp_mode", -ENOTSUP},
        {"snd_pcm_sw_params_set_tstamp_type", -ENOTSUP},
        {"snd_pcm_sw_params", -ENOTSUP},
        {"snd_output_buffer_open", 0},
        {"snd_pcm_dump", 0},
    };

    for (size_t i = 0; i < VS__COUNT(calls); i++) {
        fake_card.fail = calls[i].call;
        fake_card.calls = 0;
        int status = open_it();
        if (status != calls[i].status || fake_card.calls != 1)
            fail_msg("%s: %d", calls[i].call, status);
        assert_int_equal(errors, status == -ENOTSUP ? 1 : 0);
        close_it();
    }
    params.argument = "hw:0";
    vs__alloc_fail_after(1);
    assert_int_equal(open_it(), -ENOMEM);
    vs__alloc_fail_after(0);
    close_it();
}

static void test_formats(void **unused)
{
    static const struct {
        uint64_t has;
        int wish, is;
    } cards[] = {
        {UINT64_C(1) << SND_PCM_FORMAT_S16 | UINT64_C(1) << SND_PCM_FORMAT_FLOAT, VS_FORMAT_F32,
         VS_FORMAT_S16},
        {UINT64_C(1) << SND_PCM_FORMAT_S16 | UINT64_C(1) << SND_PCM_FORMAT_S32, VS_FORMAT_S32,
         VS_FORMAT_S32},
        {UINT64_C(1) << SND_PCM_FORMAT_FLOAT, VS_FORMAT_S16, VS_FORMAT_F32},
        {UINT64_C(1) << SND_PCM_FORMAT_S32, VS_FORMAT_S16, VS_FORMAT_S32},
        {UINT64_C(1) << SND_PCM_FORMAT_S24_3LE, VS_FORMAT_S24, VS_FORMAT_S24},
        {UINT64_C(1) << SND_PCM_FORMAT_S24_3LE, VS_FORMAT_F32, VS_FORMAT_S24},
    };

    for (size_t i = 0; i < VS__COUNT(cards); i++) {
        fake_card.formats = cards[i].has;
        params.format = cards[i].wish;
        assert_int_equal(open_it(), 0);
        assert_int_equal(format.format, cards[i].is);
        close_it();
    }
    fake_card.formats = 0;
    refuse(-ENOTSUP, "none of s16, s24, s32 and f32");
}

static void test_rates(void **unused)
{
    static const unsigned rates[][3] = {/* what the card has, what is wished, what comes */
                                        {0, 0, 48000},     {0, 22050, 22050},
                                        {44100, 0, 44100}, {96000, 0, 96000},
                                        {8000, 0, 8000},   {16000, 48000, 16000}};

    for (size_t i = 0; i < VS__COUNT(rates); i++) {
        fake_card.rate_hz = rates[i][0];
        params.rate_hz = rates[i][1];
        assert_int_equal(open_it(), 0);
        assert_int_equal(format.rate_hz, rates[i][2]);
        assert_int_equal(fake_card.period, rates[i][2] / 100);
        assert_int_equal(fake_card.buffer, rates[i][2] / 5);
        close_it();
    }
    params.latency_ms = 100;
    params.channels = 2;
    assert_int_equal(open_it(), 0);
    assert_int_equal(format.channels, 2);
    assert_int_equal(fake_card.buffer, 4 * fake_card.period);
    close_it();
    fake_card.channels = 100000; /* what no card has */
    refuse(-ENOTSUP, "channels");
}

static void test_waiting(void **unused)
{
    static const int counts[][2] = {{0, 0}, {17, 17}, {1, 0}, {1, -EIO}};

    for (size_t i = 0; i < VS__COUNT(counts); i++) {
        fake_card.fds = counts[i][0];
        fake_card.given_fds = counts[i][1];
        refuse(-ENOTSUP, "cannot be waited for");
    }
}

static void test_pace(void **unused)
{
    assert_int_equal(open_it(), 0);
    assert_true(format.live);
    close_it();
    fake_card.dump = "Plug PCM: Null PCM\n";
    assert_int_equal(open_it(), 0);
    assert_false(format.live);
    close_it();
    fake_card.is_null = true;
    assert_int_equal(open_it(), 0);
    assert_false(format.live);
    for (int i = 0; i < 3; i++) { /* as much as is asked, at once */
        assert_int_equal(read_it(480), 480);
        assert_true(stamp.position == (uint64_t)i * 480 && stamp.time_ns == 0 && stamp.flags == 0);
    }
    fake_card.read = (struct fake_answers){{0}, 1, 0};
    assert_int_equal(read_it(480), 0);
    close_it();
}

/* reading ---------------------------------------------------------------------------------------- */

static void set_avail(long a, long b, long c)
{
    fake_card.avail = (struct fake_answers){{a, b, c}, 3, 0};
}

static void test_stamps(void **unused)
{
    assert_int_equal(open_it(), 0);
    fake_card.captured_ns = vs__mono_ns();
    assert_int_equal(read_it(480), 480);
    assert_true(stamp.position == 0 && stamp.time_ns == fake_card.captured_ns && stamp.flags == 0);
    fake_card.captured_ns += 10000000;
    assert_int_equal(read_it(480), 480);
    assert_true(stamp.position == 480 && stamp.flags == 0);
    fake_card.captured_ns += 10000000 + 1000000000; /* a second is gone without a word */
    assert_int_equal(read_it(480), 480);
    assert_true(stamp.position == 960 + 48000 && stamp.flags == VS_CAPTURE_ESTIMATED);
    fake_card.captured_ns += 10000000;
    assert_int_equal(read_it(480), 480);
    assert_true(stamp.position == 1440 + 48000 && stamp.flags == 0);
    for (int i = 0; i < 2; i++) { /* without a time of its own: that of the clock */
        fake_card.captured_ns = -i;
        assert_int_equal(read_it(480), 480);
        assert_true(llabs(vs__mono_ns() - stamp.time_ns) < 1000000000);
    }
    set_avail(480, -EIO, 480);
    assert_int_equal(read_it(480), 480);
    close_it();
}

static void test_overrun(void **unused)
{
    assert_int_equal(open_it(), 0);
    assert_int_equal(read_it(480), 480);
    set_avail(-EPIPE, 480, 480);
    struct vs__signal nobody = {0};
    (void)vs__signal_wait(&nobody, 0, 30000000); /* what is lost lasts as long */
    assert_int_equal(read_it(480), 480);
    assert_true(fake_card.prepares == 1 && fake_card.starts == 2);
    assert_true(stamp.flags == VS_CAPTURE_ESTIMATED && stamp.position > 480);
    uint64_t position = stamp.position;
    fake_card.read = (struct fake_answers){{-EPIPE, -EAGAIN, 0, 480}, 4, 0}; /* while it is read */
    assert_int_equal(read_it(480), 480);
    assert_true(fake_card.prepares == 2 && stamp.position >= position + 480);
    fake_card.fail = "snd_pcm_prepare";
    set_avail(-EPIPE, 480, 480);
    assert_int_equal(read_it(480), -EIO);
    fake_card.fail = "snd_pcm_start";
    fake_card.calls = 0;
    fake_card.read = (struct fake_answers){{-EPIPE, 480}, 2, 0};
    assert_int_equal(read_it(480), -EIO);
    close_it();
    fake_card.calls = 0;
    assert_int_equal(open_it(), 0);
    assert_int_equal(read_it(480), -EIO); /* the first start */
    close_it();
}

static void test_sleep(void **unused)
{
    assert_int_equal(open_it(), 0);
    assert_int_equal(read_it(480), 480);
    fake_card.resume = (struct fake_answers){{-EAGAIN, -EAGAIN, 0}, 3, 0};
    set_avail(-ESTRPIPE, 480, 480);
    assert_int_equal(read_it(480), 480);
    assert_int_equal(fake_card.resume.at, 2);
    fake_card.resume = (struct fake_answers){{-ENOSYS}, 1, 0}; /* prepared all the same */
    fake_card.read = (struct fake_answers){{-ESTRPIPE, 480}, 2, 0};
    assert_int_equal(read_it(480), 480);
    assert_int_equal(fake_card.prepares, 2);
    close_it();
}

/* Too little is there: what the descriptors then say. */
static void test_events(void **unused)
{
    static const struct {
        int state;
        long status;
    } ends[] = {
        {SND_PCM_STATE_XRUN, 480},
        {SND_PCM_STATE_SUSPENDED, 480},
        {SND_PCM_STATE_RUNNING, 480},
        {SND_PCM_STATE_DISCONNECTED, -ENODEV},
    };

    assert_int_equal(open_it(), 0);
    for (size_t i = 0; i < VS__COUNT(ends); i++) {
        fake_card.events = i == 1 ? POLLHUP : i == 2 ? POLLNVAL : POLLERR;
        fake_card.state = ends[i].state;
        set_avail(0, 480, 480);
        assert_int_equal(read_it(480), ends[i].status);
    }
    fake_card.events = POLLIN;
    set_avail(100, 200, 480); /* the second time it sleeps as long as is missing */
    assert_int_equal(read_it(480), 480);
    set_avail(0, -EIO, 480);
    assert_int_equal(read_it(480), -EIO);
    set_avail(480, 480, 480);
    fake_card.read = (struct fake_answers){{-ENODEV}, 1, 0};
    assert_int_equal(read_it(480), -ENODEV);
    close_it();
}

static void cancel(void)
{
    ops->cancel(state);
}

static void test_cancel(void **unused)
{
    for (int way = 0; way < 4; way++) { /* before, while it waits, while it sleeps, in a suspend */
        if (way > 0) {
            tear_down(NULL);
            set_up(NULL);
            fake_card.on_avail = cancel;
        }
        assert_int_equal(open_it(), 0);
        fake_card.events = POLLIN;
        if (way == 1) /* nothing comes */
            assert_int_equal(eventfd_read(fake_card.fd, &(eventfd_t){0}), 0);
        if (way == 3)
            fake_card.resume = (struct fake_answers){{-EAGAIN}, 1, 0};
        set_avail(way == 3 ? -ESTRPIPE : 0, 0, 0);
        if (way == 0)
            cancel();
        assert_int_equal(read_it(480), -ECANCELED);
        assert_int_equal(read_it(480), -ECANCELED); /* it stays so */
        close_it();
        cancel(); /* of one that is closed: nothing */
    }
}

/* devices ---------------------------------------------------------------------------------------- */

static unsigned visited;

static void visit(void *user, const struct vs_device *device)
{
    static const char *const captures[] = {"alsa:hw:CARD=A", "alsa:default"};

    assert_true(visited < 2);
    assert_string_equal(device->capture, captures[visited]);
    assert_string_equal(device->description, visited ? "default" : "Card A its microphone");
    assert_int_equal(device->is_default, visited);
    visited++;
}

static void test_list(void **unused)
{
    visited = 0;
    assert_int_equal(ops->list(&env, visit, NULL), 2);
    fake_card.open = -EBUSY; /* in use, but there */
    visited = 0;
    assert_int_equal(ops->list(&env, visit, NULL), 2);
    fake_card.open = -ENOENT;
    visited = 0;
    assert_int_equal(ops->list(&env, visit, NULL), 1);
    fake_card.fail = "snd_device_name_hint";
    assert_int_equal(ops->list(&env, visit, NULL), -EIO);
    assert_int_equal(fake_card.live, 0);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        CASE(test_refusals), CASE(test_each_call_fails), CASE(test_formats),
        CASE(test_rates),    CASE(test_waiting),         CASE(test_pace),
        CASE(test_stamps),   CASE(test_overrun),         CASE(test_sleep),
        CASE(test_events),   CASE(test_cancel),          CASE(test_list),
    };

    ops = vs_module_entry.capture;
    state = vs__alloc(ops->state_size);
    int failed = state ? cmocka_run_group_tests_name("alsa", tests, NULL, NULL) : 1;
    vs__free(state);
    return failed;
}
