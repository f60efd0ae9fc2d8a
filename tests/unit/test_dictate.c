/* SPDX-License-Identifier: MIT */
/* Dictation's small parts: what may be typed, programs that are run, the journal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "dictate/journal.h"
#include "dictate/run.h"
#include "dictate/utf8.h"

static void assert_typeable(const char *raw, size_t bytes, const char *wanted)
{
    char *got = utf8_typeable(raw, bytes);

    assert_non_null(got);
    assert_string_equal(got, wanted);
    free(got);
}

#define TYPEABLE(raw, wanted) assert_typeable(raw, sizeof(raw) - 1, wanted)

static void control_characters_are_not_typed(void **state)
{
    (void)state;
    TYPEABLE("plain, Größe 日本 😀", "plain, Größe 日本 😀");
    TYPEABLE("a\nb\tc", "a\nb\tc");
    TYPEABLE("a\r\nb\rc", "a\nb\nc");
    TYPEABLE("\033[31mred\033[0m\a\b\177\0x", "[31mred[0mx");
    TYPEABLE("\302\233csi\302\205nel", "csinel");             /* U+009B, U+0085 */
    TYPEABLE("\376\377cut \303", "cut ");                     /* no UTF-8 */
    TYPEABLE("\300\200 \355\240\200 \364\220\200\200", "  "); /* overlong, surrogate, too high */
    TYPEABLE("\357\273\277bom\357\277\277", "bom");           /* U+FEFF, U+FFFF */
    TYPEABLE("e\314\201", "e\314\201");
    TYPEABLE("", "");
}

/* Every code point comes back as it went in. */
static void characters_go_there_and_back(void **state)
{
    char bytes[8];

    (void)state;
    for (uint32_t c = 1; c < 0x110000; c += c < 0x3000 ? 1 : 61) {
        if (c >= 0xd800 && c < 0xe000)
            continue;
        size_t n = utf8_put(c, bytes);
        const char *at = bytes;

        bytes[n] = '\0';
        assert_int_equal(utf8_next(&at), c);
        assert_ptr_equal(at, bytes + n);
        assert_int_equal(utf8_count(bytes), 1);
    }
}

static int run_list(const char *const *arguments, const char *input, int timeout_ms, char *output)
{
    size_t bytes = 0;
    struct run_job job = {.arguments = arguments,
                          .input = input,
                          .input_bytes = input != NULL ? strlen(input) : 0,
                          .output = output,
                          .output_room = output != NULL ? 100 : 0,
                          .ret_output_bytes = &bytes,
                          .timeout_ms = timeout_ms};
    int status = run_program(&job);

    if (output != NULL)
        output[bytes] = '\0';
    return status;
}

static void programs_get_words_as_they_are(void **state)
{
    const char *const echo[] = {"printf", "%s|", "$(id) `id` ; \"'", "two words", "", NULL};
    const char *const cat[] = {"cat", NULL};
    char output[101];

    (void)state;
    assert_int_equal(run_list(echo, NULL, 5000, output), 0);
    assert_string_equal(output, "$(id) `id` ; \"'|two words||");
    assert_int_equal(run_list(cat, "through and back", 5000, output), 0);
    assert_string_equal(output, "through and back");
    assert_int_equal(run_list(cat, NULL, 5000, output),
                     0); /* nothing to read: no terminal of ours */
    assert_string_equal(output, "");
}

static int64_t clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void programs_that_fail_are_told(void **state)
{
    const char *const none[] = {"no-such-program-here", NULL};
    const char *const failing[] = {"false", NULL};
    const char *const hanging[] = {"sh", "-c", "trap '' TERM; sleep 100 & wait; sleep 100", NULL};
    const char *const talking[] = {"yes", NULL};
    char output[101];
    int64_t began = clock_ms();

    (void)state;
    assert_int_equal(run_list(none, "x", 5000, NULL), -ENOENT);
    assert_int_equal(run_list(failing, "x", 5000, NULL), -EPROTO);
    assert_int_equal(run_list(hanging, "x", 100, output), -ETIMEDOUT);
    assert_int_equal(run_list(talking, "x", 100, output), -ETIMEDOUT);
    assert_true(clock_ms() - began < 5000);
    assert_true(run_has("sh") && run_has("/bin/sh") && !run_has("no-such-program-here"));
}

/* As wl-copy does: it stays, with our pipe open, and serves the clipboard. */
static void what_stays_in_the_background_is_not_waited_for(void **state)
{
    const char *const staying[] = {"sh", "-c", "sleep 3 & echo done", NULL};
    char output[101];
    int64_t began = clock_ms();

    (void)state;
    assert_int_equal(run_list(staying, NULL, 5000, output), 0);
    assert_string_equal(output, "done\n");
    assert_true(clock_ms() - began < 2000);
}

static void write_line(const char *folder, const char *line)
{
    int fd = journal_open(folder);

    assert_true(fd >= 0);
    assert_int_equal(journal_write(fd, line, strlen(line)), 0);
    close(fd);
}

static void the_journal_survives_a_cut_line(void **state)
{
    char folder[] = "/tmp/voicestand-test-XXXXXX", path[100], *last = NULL;
    struct stat about;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/dictation.jsonl", folder);
    assert_int_equal(journal_last(folder, &last), -ENOENT);
    write_line(folder, "{\"id\":1,\"text\":\"one \\\"quoted\\\" \\\\\"}\n");
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
    assert_int_equal(journal_last(folder, &last), 0);
    assert_string_equal(last, "\"one \\\"quoted\\\" \\\\\"");
    free(last);
    write_line(folder, "{\"id\":2,\"text\":\"cut of"); /* a crash */
    write_line(folder, "{\"id\":3,\"text\":\"three\"}\n");
    write_line(folder, "{\"id\":3,\"way\":\"x11\"}\n");
    assert_int_equal(journal_last(folder, &last), 0);
    assert_string_equal(last, "\"three\"");
    free(last);
    FILE *file = fopen(path, "r");
    char line[100];
    int lines = 0;
    while (fgets(line, sizeof(line), file) != NULL)
        lines++;
    fclose(file);
    assert_int_equal(lines, 4);
    unlink(path);
    assert_int_equal(symlink("/dev/null", path), 0); /* nobody turns it elsewhere */
    assert_int_equal(journal_open(folder), -ELOOP);
    unlink(path);
    rmdir(folder);
}

static void what_was_not_typed_is_known(void **state)
{
    static const struct {
        const char *line;
        uint64_t open;
    } steps[] = {
        {"{\"event\":\"heard\",\"id\":1,\"text\":\"a\"}\n", 1},
        {"{\"event\":\"meant\",\"id\":1,\"text\":\"A\"}\n", 1},
        {"{\"event\":\"inserted\",\"id\":1,\"way\":\"x11\"}\n", 0},
        {"{\"event\":\"heard\",\"id\":2,\"text\":\"b\"}\n", 2},
        {"nonsense\n", 2},
        {"{\"event\":\"kept\",\"id\":1,\"why\":\"of another\"}\n", 2},
        {"{\"event\":\"kept\",\"id\":2,\"why\":\"no window\"}\n", 0},
        {"{\"event\":\"heard\",\"id\":1,\"text\":\"c\"}\n", 1}, /* of a new service */
        {"{\"event\":\"done\",\"id\":1}\n", 0},
    };
    char folder[] = "/tmp/voicestand-test-XXXXXX", path[100];

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/dictation.jsonl", folder);
    assert_int_equal(journal_unfinished(folder), 0);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        write_line(folder, steps[i].line);
        assert_int_equal(journal_unfinished(folder), steps[i].open);
    }
    unlink(path);
    rmdir(folder);
}

static void a_long_journal_is_put_aside(void **state)
{
    char folder[] = "/tmp/voicestand-test-XXXXXX", path[100], old[100];
    struct stat about;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/dictation.jsonl", folder);
    snprintf(old, sizeof(old), "%s/dictation.1.jsonl", folder);
    write_line(folder, "{}\n");
    assert_int_equal(truncate(path, JOURNAL_BYTES), 0);
    write_line(folder, "{}\n");
    assert_int_equal(stat(old, &about), 0);
    assert_int_equal(about.st_size, JOURNAL_BYTES);
    assert_int_equal(stat(path, &about), 0);
    assert_int_equal(about.st_size, 3);
    int fd = journal_open(folder), next = journal_turn(folder, fd); /* also while it is open */
    assert_int_equal(next, fd);
    assert_int_equal(ftruncate(fd, JOURNAL_BYTES + 1), 0);
    next = journal_turn(folder, fd);
    assert_true(next >= 0);
    assert_int_equal(fstat(next, &about), 0);
    assert_int_equal(about.st_size, 0);
    assert_int_equal(stat(old, &about), 0);
    assert_int_equal(about.st_size, JOURNAL_BYTES + 1);
    close(next);
    unlink(path);
    unlink(old);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(control_characters_are_not_typed),
        cmocka_unit_test(characters_go_there_and_back),
        cmocka_unit_test(programs_get_words_as_they_are),
        cmocka_unit_test(programs_that_fail_are_told),
        cmocka_unit_test(what_stays_in_the_background_is_not_waited_for),
        cmocka_unit_test(the_journal_survives_a_cut_line),
        cmocka_unit_test(what_was_not_typed_is_known),
        cmocka_unit_test(a_long_journal_is_put_aside),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
