/* SPDX-License-Identifier: MIT */
/* What people and programs tell the command: its command line, replacements, words to type, and what
   comes through the socket of dictation. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/base.h"
#include "common/common.h"
#include "common/inputs.h"
#include "common/options.h"
#include "dictate/control.h"
#include "dictate/utf8.h"
#include "dictate/words.h"
#include "fuzz.h"
#include "stt/address.h"

enum { MOST_ARGUMENTS = 24 };

static int run_nothing(const struct settings *s, int count, char **arguments)
{
    (void)s;
    (void)count;
    (void)arguments;
    return 0;
}

static const struct option_group *const every_group[] = {
    &group_listen, &group_stdin, &group_signal, &group_detect,  &group_text,    &group_output,
    &group_files,  &group_tune,  &group_insert, &group_dictate, &group_general, NULL};

static const struct command any_command = {.name = "any",
                                           .arguments = "FILE",
                                           .groups = every_group,
                                           .run = run_nothing,
                                           .min_arguments = 0,
                                           .max_arguments = 8};

/* Whether each setting is one that its option allows. */
static void check_settings(const struct settings *s)
{
    for (size_t g = 0; every_group[g]; g++)
        for (const struct option *o = every_group[g]->options; o->name; o++) {
            const void *at = (const char *)s + o->offset;
            uint32_t n;
            float x;
            memcpy(&n, at, sizeof(n));
            memcpy(&x, at, sizeof(x));
            if (o->kind == OPTION_NUMBER)
                FUZZ_CHECK(n == 0 || n == VS_NONE || (n >= o->low && n <= o->high));
            if (o->kind == OPTION_REAL)
                FUZZ_CHECK(!(x > 0) || (x >= (float)o->low && x <= (float)o->high));
            if (o->kind == OPTION_FLAG)
                FUZZ_CHECK(n <= 4 * MOST_ARGUMENTS * 4096u);
        }
}

/* Any words: refused with one sentence, or settings in their ranges; the operands are some of the words, in
   their order. Standard error is kept and looked at. */
void fuzz_command_line(struct fuzz *f)
{
    char *text = fuzz_string(f), *arguments[MOST_ARGUMENTS], *words[MOST_ARGUMENTS];
    const char *said;
    size_t bytes = 0, at = 0;
    int count = 0, operands = 0;
    struct settings s;

    for (char *word = text; count < MOST_ARGUMENTS && at <= f->left; word = text + at) {
        arguments[count] = words[count] = word;
        char *end = strchr(word, '\n');
        if (end)
            *end = 0;
        at += strlen(word) + 1;
        count++;
    }
    settings_init(&s);
    fuzz_listen();
    int status = options_parse(&any_command, count, arguments, &s, &operands);
    bytes = fuzz_heard(&said);
    FUZZ_CHECK(status == 0 || (bytes > 0 && said[bytes - 1] == '\n'));
    FUZZ_CHECK(status != 0 || bytes == 0);
    for (int i = 0, k = 0; status == 0 && i < operands; i++, k++) {
        while (k < count && words[k] != arguments[i])
            k++;
        FUZZ_CHECK(k < count);
    }
    if (status == 0)
        check_settings(&s);
    free(text);
}

/* Words to type: characters alone, none that steers a terminal, no more than came; made twice, the same. */
void fuzz_typed(struct fuzz *f)
{
    char *typed = utf8_typeable((const char *)f->at, f->left), encoded[4];
    size_t characters = 0;

    FUZZ_CHECK(typed && strlen(typed) <= 3 * f->left);
    for (const char *at = typed, *before = typed; *at; before = at, characters++) {
        uint32_t c = utf8_next(&at);
        FUZZ_CHECK(c == '\n' || c == '\t' || (c >= ' ' && c != 0x7f && !(c >= 0x80 && c < 0xa0)));
        FUZZ_CHECK(c <= 0x10ffff && !(c >= 0xd800 && c < 0xe000));
        FUZZ_CHECK(utf8_put(c, encoded) == (size_t)(at - before));
        FUZZ_CHECK(memcmp(encoded, before, (size_t)(at - before)) == 0);
        FUZZ_CHECK(utf8_keysym(c) != 0);
    }
    FUZZ_CHECK(characters == utf8_count(typed));
    char *again = utf8_typeable(typed, strlen(typed));
    FUZZ_CHECK(again && strcmp(again, typed) == 0);
    free(again);
    free(typed);
}

/* Replacements that a user wrote, and words that an engine heard: refused at a line, or text. */
void fuzz_phrases(struct fuzz *f)
{
    static const char *const languages[] = {"en", "de", "fr"};
    struct words_config config = {.language = languages[fuzz_u8(f) % 3],
                                  .plain = fuzz_u8(f) % 8 == 0};
    struct words_before before = {.last = fuzz_u8(f), .glued = fuzz_u8(f) % 2};
    size_t heard_bytes = f->left ? fuzz_range(f, 0, 200) : 0;
    char path[64], *heard;
    struct words *w = NULL;
    unsigned line = 0;

    heard_bytes = heard_bytes < f->left ? heard_bytes : f->left;
    heard = strndup((const char *)f->at, heard_bytes);
    f->at += heard_bytes;
    f->left -= heard_bytes;
    int fd = fuzz_file(f);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    config.phrases = path;
    int status = words_open(&config, &w, &line);
    FUZZ_CHECK(status <= 0 && (status == 0) == (w != NULL));
    for (int i = 0; status == 0 && i < 2; i++) {
        struct words_made made = {0};
        FUZZ_CHECK(words_make(w, heard, &before, &made) == 0 && made.text);
        before = made.after;
        free(made.text);
    }
    words_close(w);
    free(heard);
}

/* A manifest: refused with one sentence, or inputs that have names, places in time, and ids of their own. */
void fuzz_manifest(struct fuzz *f)
{
    struct inputs inputs = {0};
    const char *said;
    char path[64];

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fuzz_file(f));
    fuzz_listen();
    int status = manifest_read(path, &inputs);
    size_t bytes = fuzz_heard(&said);
    FUZZ_CHECK((status == 0) == (bytes == 0));
    FUZZ_CHECK(status == 0 || said[bytes - 1] == '\n');
    for (size_t i = 0; status == 0 && i < inputs.count; i++) {
        const struct job *job = &inputs.jobs[i];
        FUZZ_CHECK(job->name[0] && job->id[0] && job->input[0] == '{');
        FUZZ_CHECK(!strchr(job->stem, '/') && job->stem[0] != '.');
        FUZZ_CHECK(job->start_s >= 0 && job->length_s >= 0);
        FUZZ_CHECK(i == 0 || strcmp(job->id, inputs.jobs[i - 1].id) != 0);
    }
    inputs_fini(&inputs);
}

/* A setting of an engine, its place and what stands behind it: refused, or strings and a number in its range. */
void fuzz_engine(struct fuzz *f)
{
    struct vs__setting settings[] = {{"model", NULL}, {"timeout", NULL}, {"language", NULL}};
    const struct vs_log log = {0};
    char *argument = fuzz_string(f), *place = NULL;
    long n = 0;

    fuzz_memory(f);
    int status = vs__settings_read(&log, "engine", argument, settings, 3, &place);
    fuzz_memory(NULL);
    FUZZ_CHECK(status == 0 || status == -EINVAL || status == -ENOMEM);
    FUZZ_CHECK(status != 0 || place);
    if (status == 0) {
        status = vs__setting_number(&log, "engine", &settings[1], 1, 60, 10, &n);
        FUZZ_CHECK(status == -EINVAL || (status == 0 && n >= 1 && n <= 60));
        if (vs__host_is_local(place))
            FUZZ_CHECK(strcmp(place, "localhost") == 0 || strstr(place, "127.") ||
                       strstr(place, "::1"));
    }
    vs__settings_free(settings, 3);
    vs__free(place);
    free(argument);
}

static unsigned asked;

static enum control_level ask(void *user, const char *verb, FILE *answer)
{
    (void)user;
    asked++;
    for (const char *c = verb; *c; c++)
        FUZZ_CHECK(*c != '\n');
    FUZZ_CHECK(strlen(verb) < 256);
    fputs("{}\n", answer);
    return CONTROL_NONE;
}

/* Any bytes in any pieces into the socket of dictation: at most one answer, and then it hangs up. */
void fuzz_control(struct fuzz *f)
{
    static struct control *c;
    static struct sockaddr_un address = {.sun_family = AF_UNIX};
    char reply[512];

    if (!c) {
        snprintf(address.sun_path, sizeof(address.sun_path), "/tmp/voicestand-fuzz-%d",
                 (int)getpid());
        FUZZ_CHECK(control_open(address.sun_path, &c) == 0);
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    FUZZ_CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    asked = 0;
    while (f->left) {
        size_t n = fuzz_range(f, 1, 64);
        n = n < f->left ? n : f->left;
        if (send(fd, f->at, n, MSG_NOSIGNAL) < 0)
            break;
        f->at += n;
        f->left -= n;
        control_serve(c, 0, ask, NULL);
    }
    shutdown(fd, SHUT_WR);
    control_serve(c, 0, ask, NULL);
    control_serve(c, 0, ask, NULL);
    ssize_t n = recv(fd, reply, sizeof(reply), 0);
    FUZZ_CHECK(asked <= 1 && n <= 3);
    FUZZ_CHECK(n < 0 || (n == 3) == (asked == 1));
    close(fd);
    control_serve(c, 0, ask, NULL);
}
