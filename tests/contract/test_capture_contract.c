/* SPDX-License-Identifier: MIT */
/* What every source promises, tried on each that is built: its table, opening and closing,
   positions, the end, cancel(), refusals; and that the same audio is the same whichever way it
   comes. The writer of audio files stands in a source's module and is tried here too. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/base.h"
#include "capture_host.h"

#define FRAMES 30000u

static char folder[] = "/tmp/voicestand-capture-XXXXXX";
static char path_wav[64], path_raw[64], path_alsa[64];
static int16_t audio[2 * FRAMES];

/* a source ------------------------------------------------------------------------------------ */

struct source {
    const struct vs_capture_ops *ops;
    struct vs_env env;
    struct vs_capture_params params;
    struct vs_capture_format format;
    void *state;
    int fd, errors, warnings;
    char argument[128], words[512];
};

static void hear(void *user, int level, const char *topic, const char *message)
{
    struct source *s = user;
    s->errors += level == VS_LOG_ERROR;
    s->warnings += level == VS_LOG_WARNING;
    if (level <= VS_LOG_WARNING)
        snprintf(s->words, sizeof(s->words), "%s", message);
}

/* "@" as the argument of a pipe stands for a descriptor of the WAV file. */
static int open_source(struct source *s, const char *name, const char *argument)
{
    s->ops = host_capture(name);
    if (!s->ops)
        skip();
    s->fd = -1;
    snprintf(s->argument, sizeof(s->argument), "%s", argument ? argument : "");
    if (argument && strcmp(argument, "@") == 0) {
        s->fd = open(path_wav, O_RDONLY | O_CLOEXEC);
        snprintf(s->argument, sizeof(s->argument), "%d", s->fd);
    }
    s->env.log = (struct vs_log){hear, s};
    s->params.size = sizeof(s->params);
    s->params.env = &s->env;
    s->params.argument = argument ? s->argument : NULL;
    s->format = (struct vs_capture_format){.size = sizeof(s->format)};
    s->state = vs__alloc(s->ops->state_size);
    assert_non_null(s->state);
    return s->ops->open(s->state, &s->params, &s->format);
}

static void close_source(struct source *s)
{
    s->ops->close(s->state);
    vs__free(s->state);
    if (s->fd >= 0)
        close(s->fd);
}

/* All or `most` frames, in bites of changing size, as floats. @return frames. */
static size_t read_source(struct source *s, float *to, size_t most)
{
    static float memory[1 << 17];
    size_t sum = 0, bite = 1;
    size_t most_bite = VS__MIN(16381, VS__COUNT(memory) / s->format.channels);
    while (sum < most) {
        struct vs_capture_stamp at = {.position = UINT64_MAX};
        int64_t got = s->ops->read(s->state, memory, VS__MIN(bite, most - sum), &at);
        assert_true(got >= 0);
        if (got == 0)
            break;
        assert_true((size_t)got <= bite);
        assert_int_equal(at.position, sum);
        assert_int_equal(at.flags, 0);
        for (size_t i = 0; to && i < (size_t)got * s->format.channels; i++)
            to[sum * s->format.channels + i] = host_sample(memory, s->format.format, i);
        sum += (size_t)got;
        bite = bite * 3 % most_bite + 1;
    }
    return sum;
}

static int count_fds(void)
{
    DIR *d = opendir("/proc/self/fd");
    int count = 0;
    while (d && readdir(d))
        count++;
    if (d)
        closedir(d);
    return count;
}

/* Every way of pulling that this build has, each with audio. */
static const struct {
    const char *name, *argument;
    int ends;
} ways[] = {{"null", "1.5", 1},
            {"pipe", "@", 1},
            {"file", path_wav, 1},
            {"alsa", "mic", 0},
            {"alsa", "silence", 0}};

static bool is_built(size_t way)
{
    return host_capture(ways[way].name) != NULL;
}

/* the promises -------------------------------------------------------------------------------- */

static void tables_are_whole(void **state)
{
    static const char *const names[] = {"null", "pipe", "file", "alsa", "pipewire"};
    for (size_t i = 0; i < VS__COUNT(names); i++) {
        const struct vs_capture_ops *ops = host_capture(names[i]);
        if (!ops)
            continue;
        assert_int_equal(ops->abi, VS_BACKEND_ABI);
        assert_string_equal(ops->name, names[i]);
        assert_true(strlen(ops->description) > 8);
        assert_null(strchr(ops->description, '\n'));
        assert_true(ops->state_size > 0);
        assert_non_null(ops->open);
        assert_non_null(ops->close);
        assert_true(!ops->read == (ops->start && ops->stop));
    }
}

static void opening_and_closing_leaves_nothing(void **state)
{
    int before = 0;
    for (int round = 0; round < 20; round++) {
        for (size_t w = 0; w < VS__COUNT(ways); w++) {
            struct source s = {0};
            if (!is_built(w))
                continue;
            assert_int_equal(open_source(&s, ways[w].name, ways[w].argument), 0);
            assert_in_range(s.format.rate_hz, 8000, 192000);
            assert_in_range(s.format.channels, 1, 32);
            assert_true(vs_format_bytes(s.format.format) > 0);
            assert_non_null(s.format.device);
            assert_int_equal(s.errors, 0);
            close_source(&s);
        }
        if (round == 0)
            before = count_fds();
    }
    assert_int_equal(count_fds(), before);
}

static void a_failed_open_is_closed_too(void **state)
{
    static const struct {
        const char *name, *argument;
        int status;
    } cases[] = {
        {"null", "x", -EINVAL},
        {"pipe", "x", -EINVAL},
        {"pipe", "1000000", -EINVAL},
        {"file", NULL, -EINVAL},
        {"file", "/nonexistent/x.wav", -ENOENT},
        {"alsa", "there-is-no-such-device", -ENODEV},
        {"pipewire", NULL, -EHOSTDOWN},
        {"pipewire", "target,rubbish", -EINVAL},
    };
    int before = 0;
    for (int round = 0; round < 5; round++) {
        for (size_t i = 0; i < VS__COUNT(cases); i++) {
            struct source s = {0};
            if (!host_capture(cases[i].name))
                continue;
            assert_int_equal(open_source(&s, cases[i].name, cases[i].argument), cases[i].status);
            assert_int_equal(s.errors, 1);
            assert_null(strchr(s.words, '\n'));
            assert_int_equal(s.format.rate_hz, 0); /* untouched */
            close_source(&s);
        }
        if (round == 0)
            before = count_fds();
    }
    assert_int_equal(count_fds(), before);
}

static void the_end_stays_the_end(void **state)
{
    for (size_t w = 0; w < VS__COUNT(ways); w++) {
        struct source s = {0};
        struct vs_capture_stamp at;
        float memory[64 * 32];
        if (!ways[w].ends || !is_built(w))
            continue;
        assert_int_equal(open_source(&s, ways[w].name, ways[w].argument), 0);
        assert_int_equal(read_source(&s, NULL, SIZE_MAX), s.format.total_frames);
        assert_true(s.format.total_frames > 0);
        for (int i = 0; i < 3; i++)
            assert_int_equal(s.ops->read(s.state, memory, 64, &at), 0);
        close_source(&s);
    }
}

static void all_ways_give_the_same_audio(void **state)
{
    static float back[2 * FRAMES];
    for (size_t w = 0; w < VS__COUNT(ways); w++) {
        struct source s = {.params = {.rate_hz = 44100, .channels = 2, .format = VS_FORMAT_S16}};
        if (!is_built(w) || strcmp(ways[w].name, "null") == 0 ||
            strcmp(ways[w].argument, "silence") == 0)
            continue;
        assert_int_equal(open_source(&s, ways[w].name, ways[w].argument), 0);
        assert_int_equal(s.format.rate_hz, 44100);
        assert_int_equal(s.format.channels, 2);
        assert_int_equal(read_source(&s, back, FRAMES), FRAMES);
        for (size_t i = 0; i < 2 * FRAMES; i++)
            assert_true(back[i] == (float)audio[i] / 32768);
        close_source(&s);
    }
}

static void *cancel_soon(void *user)
{
    struct source *s = user;
    usleep(20000);
    s->ops->cancel(s->state);
    return NULL;
}

/* Read until cancelled by another thread. */
static void expect_cancel(struct source *s)
{
    static float memory[256 * 32];
    struct vs_capture_stamp at;
    int64_t got, began_ns = vs__mono_ns();
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, cancel_soon, s), 0);
    while ((got = s->ops->read(s->state, memory, 256, &at)) > 0) {
    }
    assert_int_equal(got, -ECANCELED);
    assert_true(vs__mono_ns() - began_ns < 1000000000);
    assert_int_equal(s->ops->read(s->state, memory, 256, &at), -ECANCELED);
    pthread_join(thread, NULL);
}

static void cancel_ends_a_read(void **state)
{
    struct source s = {.params = {.raw = 1, .rate_hz = 16000, .channels = 1}};
    int fds[2];
    char number[16];
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    snprintf(number, sizeof(number), "%d", fds[0]);
    assert_int_equal(open_source(&s, "pipe", number), 0);
    expect_cancel(&s);
    close_source(&s);
    close(fds[0]);
    close(fds[1]);
    s = (struct source){0};
    assert_int_equal(open_source(&s, "null", NULL), 0);
    expect_cancel(&s);
    close_source(&s);
    if (host_capture("alsa")) {
        s = (struct source){0};
        assert_int_equal(open_source(&s, "alsa", "silence"), 0);
        assert_int_equal(s.format.live, 0);
        expect_cancel(&s);
        close_source(&s);
    }
}

static void count_device(void *user, const struct vs_device *device)
{
    int *count = user;
    assert_true(device->size >= sizeof(*device));
    assert_non_null(device->capture);
    assert_non_null(device->description);
    *count += 1;
}

static void lists_are_counted(void **state)
{
    static const char *const names[] = {"null", "pipe", "file", "alsa", "pipewire"};
    static const struct vs_env env;
    for (size_t i = 0; i < VS__COUNT(names); i++) {
        const struct vs_capture_ops *ops = host_capture(names[i]);
        int count = 0;
        if (!ops || !ops->list)
            continue;
        if (strcmp(names[i], "pipewire") == 0) /* no server in this test */
            assert_int_equal(ops->list(&env, count_device, &count), -EHOSTDOWN);
        else
            assert_int_equal(ops->list(&env, count_device, &count), count);
    }
}

/* files --------------------------------------------------------------------------------------- */

static void write_file(const char *path, const void *data, size_t bytes)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, bytes, f), bytes);
    assert_int_equal(fclose(f), 0);
}

static void refuses_what_is_no_audio_file(void **state)
{
    struct {
        const char *name, *data;
        int status;
    } cases[] = {{"empty.wav", "", -EBADMSG},
                 {"text.wav", "hello, this is no audio at all, just words", -EBADMSG},
                 {"head.wav", "RIFF\x24\0\0\0WAVE", -EBADMSG}};
    char path[128];
    struct source s = {0};
    for (size_t i = 0; i < VS__COUNT(cases); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, cases[i].name);
        write_file(path, cases[i].data, strlen(cases[i].data));
        s = (struct source){0};
        assert_int_equal(open_source(&s, "file", path), cases[i].status);
        assert_int_equal(s.errors, 1);
        assert_non_null(strstr(s.words, cases[i].name));
        close_source(&s);
        unlink(path);
    }
    s = (struct source){0};
    assert_int_equal(open_source(&s, "file", folder), -EISDIR);
    close_source(&s);
    snprintf(path, sizeof(path), "%s/fifo", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    s = (struct source){0};
    assert_int_equal(open_source(&s, "file", path), -EINVAL); /* and does not wait for a writer */
    close_source(&s);
    unlink(path);
}

static void reads_what_is_there_of_a_cut_file(void **state)
{
    static uint8_t whole[44 + sizeof(audio)];
    char path[128];
    struct source s = {0};
    struct vs_capture_stamp at;
    int64_t got, sum = 0;
    int16_t memory[2 * 512];
    FILE *f = fopen(path_wav, "rb");
    assert_non_null(f);
    assert_int_equal(fread(whole, 1, sizeof(whole), f), sizeof(whole));
    fclose(f);
    snprintf(path, sizeof(path), "%s/cut.wav", folder);
    write_file(path, whole, 44 + 4 * 1000 + 2);
    assert_int_equal(open_source(&s, "file", path), 0);
    while ((got = s.ops->read(s.state, memory, 512, &at)) > 0) {
        assert_memory_equal(memory, audio + 2 * sum, (size_t)got * 4);
        sum += got;
    }
    assert_int_equal(sum, 1000);
    assert_int_equal(got, -EBADMSG);
    assert_int_equal(s.errors, 1);
    close_source(&s);
    unlink(path);
}

static void expect_magic(const char *path, const char *magic)
{
    char head[4];
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fread(head, 1, sizeof(head), f), sizeof(head));
    assert_memory_equal(head, magic, sizeof(head));
    fclose(f);
}

/* One sample each way of writing may differ by: half a step. */
static void writes_and_reads_back(void **state)
{
    static const struct {
        const char *container;
        int format;
        float step, top;
    } kinds[] = {{"wav", VS_FORMAT_S16, 1 / 32768.0f, 32767 / 32768.0f},
                 {"wav", VS_FORMAT_S24, 1 / 8388608.0f, 8388607 / 8388608.0f},
                 {"wav", VS_FORMAT_F32, 0, 1.5f},
                 {"flac", VS_FORMAT_S16, 1 / 32768.0f, 32767 / 32768.0f},
                 {"flac", VS_FORMAT_S24, 1 / 8388608.0f, 8388607 / 8388608.0f}};
    static float out[9000], back[9000];
    const struct vs_module *module = host_module("sndfile");
    static const struct vs_env env;
    char path[128];
    if (!module)
        skip();
    for (size_t i = 0; i < VS__COUNT(out); i++)
        out[i] = 1.5f * sinf((float)i * 0.01f);
    snprintf(path, sizeof(path), "%s/written", folder);
    for (size_t k = 0; k < VS__COUNT(kinds); k++) {
        void *w = vs__alloc(module->writer->state_size);
        struct source s = {0};
        assert_int_equal(
            module->writer->open(w, &env, path, kinds[k].container, 16000, 3, kinds[k].format), 0);
        assert_int_equal(module->writer->write(w, out, 1), 0);
        assert_int_equal(module->writer->write(w, out + 3, 2999), 0);
        assert_int_equal(module->writer->close(w), 0);
        vs__free(w);
        expect_magic(path, strcmp(kinds[k].container, "wav") == 0 ? "RIFF" : "fLaC");
        assert_int_equal(open_source(&s, "file", path), 0);
        assert_int_equal(s.format.total_frames, 3000);
        assert_int_equal(s.format.channels, 3);
        assert_int_equal(read_source(&s, back, SIZE_MAX), 3000);
        for (size_t i = 0; i < VS__COUNT(out); i++) {
            float wanted = VS__MAX(-kinds[k].top - kinds[k].step, VS__MIN(out[i], kinds[k].top));
            assert_true(fabsf(back[i] - wanted) <= kinds[k].step / 2);
        }
        close_source(&s);
    }
    unlink(path);
}

static void writer_tells_of_a_full_disk(void **state)
{
    static float out[100000];
    const struct vs_module *module = host_module("sndfile");
    static const struct vs_env env;
    void *w;
    int status;
    if (!module || access("/dev/full", W_OK) != 0)
        skip();
    w = vs__alloc(module->writer->state_size);
    status = module->writer->open(w, &env, "/dev/full", "wav", 16000, 1, VS_FORMAT_F32);
    if (status == 0)
        module->writer->write(w, out, VS__COUNT(out));
    if (status == 0)
        status = module->writer->close(w);
    else
        module->writer->close(w);
    assert_int_equal(status, -ENOSPC);
    vs__free(w);
    w = vs__alloc(module->writer->state_size);
    assert_int_equal(module->writer->open(w, &env, "/nonexistent/x.wav", "wav", 16000, 1, 0),
                     -ENOENT);
    module->writer->close(w);
    vs__free(w);
}

static char refusal[300];

static void keep_refusal(void *user, int level, const char *topic, const char *message)
{
    assert_string_equal(topic, "output");
    assert_int_equal(level, VS_LOG_ERROR);
    snprintf(refusal, sizeof(refusal), "%s", message);
}

static void writer_refuses_what_it_cannot(void **state)
{
    static const struct {
        const char *path, *container;
        uint32_t channels;
        int format, status;
        const char *says;
    } bad[] = {
        {"a", "mp3", 1, VS_FORMAT_S16, -EINVAL, "written as wav or flac"},
        {"a", "wav", 1, VS_FORMAT_S32, -EINVAL, "s16, s24 or f32"},
        {"a", "flac", 1, VS_FORMAT_S32, -EINVAL, "s16 or s24"},
        {"a", "flac", 9, VS_FORMAT_S24, -EINVAL, "at most 8 channels"},
        {"pipe", "wav", 1, VS_FORMAT_S16, -ESPIPE, "a pipe; write to a file"},
        {"no/a", "wav", 1, VS_FORMAT_S16, -ENOENT, "cannot be written"},
    };
    const struct vs_module *module = host_module("sndfile");
    static const struct vs_env env = {.log = {.write = keep_refusal}};
    char path[128];
    if (!module)
        skip();
    snprintf(path, sizeof(path), "%s/pipe", folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    for (size_t i = 0; i < VS__COUNT(bad); i++) {
        void *w = vs__alloc(module->writer->state_size);
        char file[200];
        snprintf(file, sizeof(file), "%s/%s", folder, bad[i].path);
        refusal[0] = '\0';
        assert_int_equal(module->writer->open(w, &env, file, bad[i].container, 16000,
                                              bad[i].channels, bad[i].format),
                         bad[i].status);
        if (!strstr(refusal, bad[i].says))
            fail_msg("\"%s\" is not in: %s", bad[i].says, refusal);
        assert_int_equal(module->writer->close(w), 0);
        vs__free(w);
        snprintf(file, sizeof(file), "%s/a", folder);
        assert_int_equal(access(file, F_OK), -1); /* nothing was made */
    }
    unlink(path);
}

/* What is no number is silence; FLAC of floats is of 16 bits. */
static void writer_takes_any_float(void **state)
{
    static const float out[] = {NAN, INFINITY, -INFINITY, 0.5f, NAN};
    float back[5];
    const struct vs_module *module = host_module("sndfile");
    static const struct vs_env env;
    char path[128];
    if (!module)
        skip();
    snprintf(path, sizeof(path), "%s/floats", folder);
    void *w = vs__alloc(module->writer->state_size);
    struct source s = {0};
    assert_int_equal(module->writer->open(w, &env, path, "flac", 16000, 1, VS_FORMAT_F32), 0);
    assert_int_equal(module->writer->write(w, out, VS__COUNT(out)), 0);
    assert_int_equal(module->writer->close(w), 0);
    vs__free(w);
    assert_int_equal(open_source(&s, "file", path), 0);
    assert_int_equal(read_source(&s, back, SIZE_MAX), VS__COUNT(out));
    close_source(&s);
    unlink(path);
    assert_true(back[0] == 0.0f && back[1] > 0.9999f && back[2] == -1.0f && back[3] == 0.5f);
}

/* around -------------------------------------------------------------------------------------- */

static void make_files(void)
{
    static const uint8_t head[44] = {'R', 'I', 'F',  'F',  0,   0,   0,    0,    'W', 'A', 'V',
                                     'E', 'f', 'm',  't',  ' ', 16,  0,    0,    0,   1,   0,
                                     2,   0,   0x44, 0xac, 0,   0,   0x10, 0xb1, 2,   0,   4,
                                     0,   16,  0,    'd',  'a', 't', 'a',  0,    0,   0,   0};
    static uint8_t wav[44 + sizeof(audio)];
    uint32_t bytes = sizeof(audio), riff = sizeof(audio) + 36, seed = 1;
    char words[512];
    for (size_t i = 0; i < VS__COUNT(audio); i++) {
        seed = seed * 1664525 + 1013904223;
        audio[i] = (int16_t)(seed >> 16);
    }
    memcpy(wav, head, sizeof(head));
    memcpy(wav + 4, &riff, 4);
    memcpy(wav + 40, &bytes, 4);
    memcpy(wav + 44, audio, sizeof(audio));
    write_file(path_wav, wav, sizeof(wav));
    write_file(path_raw, audio, sizeof(audio));
    snprintf(words, sizeof(words),
             "pcm.silence { type null }\n"
             "pcm.mic { type file file \"/dev/null\" infile \"%s\" slave.pcm { type null } "
             "format raw }\n",
             path_raw);
    write_file(path_alsa, words, strlen(words));
}

static int set_up(void **state)
{
    if (!mkdtemp(folder))
        return -1;
    snprintf(path_wav, sizeof(path_wav), "%s/a.wav", folder);
    snprintf(path_raw, sizeof(path_raw), "%s/a.raw", folder);
    snprintf(path_alsa, sizeof(path_alsa), "%s/alsa.conf", folder);
    make_files();
    /* no device and no server of this machine takes part */
    setenv("ALSA_CONFIG_PATH", path_alsa, 1);
    setenv("PIPEWIRE_RUNTIME_DIR", folder, 1);
    setenv("XDG_RUNTIME_DIR", folder, 1);
    return 0;
}

static int tear_down(void **state)
{
    unlink(path_wav);
    unlink(path_raw);
    unlink(path_alsa);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_are_whole),
        cmocka_unit_test(opening_and_closing_leaves_nothing),
        cmocka_unit_test(a_failed_open_is_closed_too),
        cmocka_unit_test(the_end_stays_the_end),
        cmocka_unit_test(all_ways_give_the_same_audio),
        cmocka_unit_test(cancel_ends_a_read),
        cmocka_unit_test(lists_are_counted),
        cmocka_unit_test(refuses_what_is_no_audio_file),
        cmocka_unit_test(reads_what_is_there_of_a_cut_file),
        cmocka_unit_test(writes_and_reads_back),
        cmocka_unit_test(writer_tells_of_a_full_disk),
        cmocka_unit_test(writer_refuses_what_it_cannot),
        cmocka_unit_test(writer_takes_any_float),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
