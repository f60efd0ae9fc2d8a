/* SPDX-License-Identifier: MIT */
/* What a core dump would hold of someone's voice, and what is left of it when all is over: nothing.
   The audio repeats one pattern, which is then looked for in all memory that can be written: in plain
   samples as it came in and in floats as it lies in the pools. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <voicestand/voicestand.h>

enum {
    PERIOD = 97,  /* samples; each run of two periods holds the pattern, so each hop does */
    PATTERN = 16, /* samples that are looked for */
    FRAMES = VS_RATE_HZ * 4,
};

/* What the test itself remembers, kept out of its own sight. */
static struct own {
    int16_t audio[FRAMES];
    int16_t plain[PATTERN];
    float floats[PATTERN];
} * own;

static void make_pattern(void)
{
    uint32_t state = 2463534242u;

    own = mmap(NULL, sizeof(*own), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(own != MAP_FAILED);
    for (size_t i = 0; i < FRAMES; i++) {
        if (i < PERIOD) {
            state ^= state << 13, state ^= state >> 17, state ^= state << 5;
            own->audio[i] = (int16_t)((int32_t)state >> 17);
        } else {
            own->audio[i] = own->audio[i - PERIOD];
        }
    }
    for (size_t i = 0; i < PATTERN; i++) {
        own->plain[i] = own->audio[i];
        own->floats[i] = (float)own->audio[i] * 0x1p-15f;
    }
}

/* How often both forms lie in a piece of memory, which is also another thread's. */
__attribute__((no_sanitize("address", "thread"))) static size_t count_in(const unsigned char *from,
                                                                         const unsigned char *to)
{
    const unsigned char *plain = (const unsigned char *)own->plain;
    const unsigned char *floats = (const unsigned char *)own->floats;
    size_t count = 0;

    for (; to - from >= (ptrdiff_t)sizeof(own->floats); from += 2) {
        size_t i = 0, n = sizeof(own->plain);
        if (from[0] == plain[0] && from[1] == plain[1])
            while (i < n && from[i] == plain[i])
                i++;
        count += i == n;
        i = 0, n = sizeof(own->floats);
        if (from[0] == floats[0] && from[1] == floats[1])
            while (i < n && from[i] == floats[i])
                i++;
        count += i == n;
    }
    return count;
}

/* Go through what may be read and written; `dumped`: only what a core dump would hold. */
static size_t find_pattern(int dumped)
{
    FILE *file = fopen("/proc/self/smaps", "re");
    uintptr_t from = 0, to = 0, begin, end;
    char line[512], rights[8] = "", name[256] = "";
    size_t count = 0, found;

    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %7s %*s %*s %*s %255s", &begin, &end, rights,
                   name) >= 3) {
            from = begin;
            to = end;
            continue;
        }
        if (strncmp(line, "VmFlags:", 8) != 0)
            continue;
        int is_kept_out = strstr(line, " dd") != NULL;
        if (rights[0] == 'r' && rights[1] == 'w' && from != (uintptr_t)own &&
            !(dumped && is_kept_out)) {
            found = count_in((const unsigned char *)from, (const unsigned char *)to);
            if (found > 0)
                print_message("# %zu times in %" PRIxPTR "-%" PRIxPTR " %s\n", found, from, to,
                              name);
            count += found;
        }
        name[0] = '\0';
    }
    fclose(file);
    return count;
}

/* Whether smaps is of this program: it has our own memory where it lies. */
static void need_maps(void)
{
    FILE *file = fopen("/proc/self/smaps", "re");
    uintptr_t begin, end;
    char line[512];
    int is_ours = 0;

    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL)
        if (sscanf(line, "%" SCNxPTR "-%" SCNxPTR " ", &begin, &end) == 2)
            is_ours = is_ours || begin == (uintptr_t)own;
    fclose(file);
    if (!is_ours) {
        print_message("# /proc/self/smaps lists no memory of ours where it lies: it is of another "
                      "program, an emulator's\n");
        skip();
    }
}

static void on_event(void *user, const struct vs_event *e)
{
    uint64_t *audio = user;

    if (e->type == VS_EVENT_AUDIO)
        *audio += e->audio_frames;
}

/* The scan finds what is there to be found. */
static void test_scan(void **state)
{
    (void)state;
    need_maps();
    char *copy = malloc(sizeof(own->audio));
    assert_non_null(copy);
    assert_int_equal(find_pattern(0), 0);
    memcpy(copy, own->audio, sizeof(own->audio));
    assert_true(find_pattern(1) > FRAMES / PERIOD - 2);
    for (size_t i = 0; i < FRAMES; i++)
        memcpy(copy + 4 * (i % (FRAMES / 2)), own->floats + i % PATTERN, sizeof(float));
    assert_true(find_pattern(1) > 0);
    explicit_bzero(copy, sizeof(own->audio));
    assert_int_equal(find_pattern(0), 0);
    free(copy);
}

/* Whether the kernel tells of memory that it is kept out of dumps; found out by test_dumps(). */
static int tells_of_dumps;

static void test_dumps(void **state)
{
    (void)state;
    need_maps();
    size_t bytes = sizeof(own->audio);
    void *kept = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert_true(kept != MAP_FAILED);
    memcpy(kept, own->audio, bytes);
    assert_true(find_pattern(1) > 0);
    assert_int_equal(madvise(kept, bytes, MADV_DONTDUMP), 0);
    tells_of_dumps = find_pattern(1) == 0;
    assert_true(find_pattern(0) > 0);
    munmap(kept, bytes);
    if (!tells_of_dumps) {
        print_message("# /proc/self/smaps has no flag dd for MADV_DONTDUMP here: what a core dump "
                      "would hold is not looked at\n");
        skip();
    }
}

static void check_dump(void)
{
    if (tells_of_dumps)
        assert_int_equal(find_pattern(1), 0);
}

static void check_stream(int enhance)
{
    uint64_t audio = 0;
    struct vs_stream_config config = {.size = sizeof(config),
                                      .format = VS_FORMAT_S16,
                                      .vad = "energy",
                                      .high_pass_hz = -1,
                                      .audio = VS_AUDIO_ALL,
                                      .enhance = enhance,
                                      .on_event = on_event,
                                      .user = &audio};
    vs_stream *s;

    assert_int_equal(vs_stream_create(&config, &s), 0);
    for (size_t at = 0; at < FRAMES; at += 480)
        assert_int_equal(vs_stream_push(s, own->audio + at, 480 < FRAMES - at ? 480 : FRAMES - at),
                         0);
    assert_true(audio > FRAMES / 2);
    check_dump();                     /* while it works */
    assert_true(find_pattern(0) > 0); /* and it is there */
    assert_int_equal(vs_stream_finish(s), 0);
    vs_stream_destroy(s);
    assert_int_equal(find_pattern(0), 0);
}

static void test_stream(void **state)
{
    (void)state;
    need_maps();
    check_stream(0);
    check_stream(VS_ENHANCE_DENOISE | VS_ENHANCE_LEVEL);
}

/* With its rings and threads, and an engine that gathers a segment. */
static void test_pipeline(void **state)
{
    uint64_t audio = 0;
    int fd = memfd_create("recording", MFD_CLOEXEC);
    char capture[32];
    struct vs_pipeline_config config = {.size = sizeof(config),
                                        .raw = 1,
                                        .rate_hz = VS_RATE_HZ,
                                        .channels = 1,
                                        .format = VS_FORMAT_S16,
                                        .capture = capture,
                                        .vad = "energy",
                                        .stt = "exec:cat > /dev/null; echo words",
                                        .high_pass_hz = -1,
                                        .audio = VS_AUDIO_ALL,
                                        .on_event = on_event,
                                        .user = &audio};
    vs_pipeline *p;

    (void)state;
    need_maps();
    assert_true(fd >= 0);
    assert_int_equal(write(fd, own->audio, sizeof(own->audio)), sizeof(own->audio));
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    snprintf(capture, sizeof(capture), "pipe:%d", fd);
    assert_int_equal(vs_pipeline_create(&config, &p), 0);
    assert_int_equal(vs_pipeline_start(p), 0);
    assert_int_equal(vs_pipeline_wait(p, 20000), 0);
    assert_true(audio > FRAMES / 2);
    check_dump();
    assert_true(find_pattern(0) > 0);
    vs_pipeline_destroy(p);
    close(fd);
    assert_int_equal(find_pattern(0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scan),
        cmocka_unit_test(test_dumps),
        cmocka_unit_test(test_stream),
        cmocka_unit_test(test_pipeline),
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);
    make_pattern();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
