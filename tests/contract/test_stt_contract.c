/* SPDX-License-Identifier: MIT */
/* What every text engine promises, asked of every engine: null, exec; of those in modules that were
   built, pocketsphinx where its model is installed, http and wyoming with servers on
   loopback, and sherpa with made-up networks, whole and streaming, where its library is. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <dlfcn.h>
#include <unistd.h>

#include <voicestand/backend.h>

#include "base/base.h"
#include "stt/stt.h"

/* Longer than what an engine may gather before it begins. */
#define SEGMENT_FRAMES (VS_RATE_HZ * 3 / 2)

struct host;

struct engine {
    const struct vs_stt_ops *ops; /* NULL: `why` */
    const char *argument;
    const char *says;  /* what it must hear in anything, or NULL */
    const char *bad;   /* no argument of it; NULL: "/nonexistent" */
    const char *holds; /* a word that it must hear in the test's audio, or NULL */
    const char *why;
    struct host *hosts[2]; /* open ones, for all cases: a model takes half a second to load */
};

struct host {
    const struct engine *engine;
    struct vs_env env;
    void *state;
    unsigned errors; /* sentences at the level of errors */
};

static struct engine engines[] = {
    {.ops = &vs__stt_null, .says = ""},
    {.ops = &vs__stt_exec, .argument = "cat >/dev/null; echo hello", .says = "hello", .bad = " "},
    {.why = "pocketsphinx: its module is not built"},
    {.why = "http: its module is not built"},
    {.why = "wyoming: its module is not built"},
    {.why = "sherpa: its module is not built"},
    {.why = "sherpa: its module is not built"},
};

static float audio[SEGMENT_FRAMES];

static void count_errors(void *user, int level, const char *topic, const char *message)
{
    struct host *host = user;

    host->errors += level == VS_LOG_ERROR;
    if (level == VS_LOG_ERROR) {
        fprintf(stderr, "# %s: %s\n", topic, message);
    }
}

static int open_engine(struct host *host, const struct engine *engine, const char *argument)
{
    struct vs_stt_params params = {.size = sizeof(params), .env = &host->env, .argument = argument};

    memset(host, 0, sizeof(*host));
    host->engine = engine;
    host->env.log.write = count_errors;
    host->env.log.user = host;
    host->state = vs__alloc(engine->ops->state_size);
    assert_non_null(host->state);
    return engine->ops->open(host->state, &params);
}

static void close_engine(struct host *host)
{
    host->engine->ops->close(host->state);
    vs__free(host->state);
    host->state = NULL;
}

static struct host *get_host(struct engine *engine, int which)
{
    if (!engine->hosts[which]) {
        engine->hosts[which] = calloc(1, sizeof(struct host));
        assert_non_null(engine->hosts[which]);
        assert_int_equal(open_engine(engine->hosts[which], engine, engine->argument), 0);
    }
    engine->hosts[which]->errors = 0;
    return engine->hosts[which];
}

static void drop_hosts(struct engine *engine)
{
    for (int i = 0; i < 2; i++) {
        if (engine->hosts[i]) {
            close_engine(engine->hosts[i]);
            free(engine->hosts[i]);
        }
    }
}

/* @return the text of the test's audio, fed in pieces of `piece` frames; freed by the caller. */
static char *hear(struct host *host, uint64_t segment, size_t piece)
{
    const struct vs_stt_ops *ops = host->engine->ops;
    const char *text = NULL;

    assert_int_equal(ops->begin(host->state, segment), 0);
    for (size_t at = 0; at < SEGMENT_FRAMES; at += piece) {
        int news = ops->feed(host->state, audio + at, VS__MIN(piece, SEGMENT_FRAMES - at));
        assert_true(news == 0 || news == 1);
        if (news == 1) {
            assert_non_null(ops->partial);
            const char *so_far = NULL;
            assert_int_equal(ops->partial(host->state, &so_far), 0);
            assert_non_null(so_far);
        }
    }
    assert_int_equal(ops->finish(host->state, &text), 0);
    assert_non_null(text);
    return strdup(text);
}

static void test_table(struct engine *engine)
{
    const struct vs_stt_ops *ops = engine->ops;

    assert_int_equal(ops->abi, VS_BACKEND_ABI);
    assert_true(ops->name[0] != '\0' && ops->description[0] != '\0');
    assert_true(ops->state_size > 0);
    assert_non_null(ops->open);
    assert_non_null(ops->begin);
    assert_non_null(ops->feed);
    assert_non_null(ops->finish);
    assert_non_null(ops->cancel);
    assert_non_null(ops->close);
}

/* The same audio gives the same text, however it is cut, whatever came before. */
static void test_same_text(struct engine *engine)
{
    struct host *host = get_host(engine, 0);

    char *first = hear(host, 1, 160);
    char *second = hear(host, 2, 1000);
    char *third = hear(host, 7, SEGMENT_FRAMES);
    assert_string_equal(first, second);
    assert_string_equal(first, third);
    if (engine->says) {
        assert_string_equal(first, engine->says);
    }
    if (engine->holds) {
        assert_non_null(strstr(first, engine->holds));
    }
    fprintf(stderr, "# %s heard '%s'\n", engine->ops->name, first);
    free(first);
    free(second);
    free(third);
    assert_int_equal(host->errors, 0);
}

/* Words are in order, inside the audio, and together the text. */
static void test_words(struct engine *engine)
{
    struct host *host = get_host(engine, 0);
    const struct vs_word *words = NULL;
    char together[4096] = "";
    double before = 0;

    if (!engine->ops->words) {
        fprintf(stderr, "# %s does not tell when words were said\n", engine->ops->name);
        return;
    }
    char *text = hear(host, 1, 160);
    int count = engine->ops->words(host->state, &words);
    assert_true(count >= 0);
    for (int i = 0; i < count; i++) {
        assert_true(words[i].start_s >= before && words[i].end_s > words[i].start_s);
        before = words[i].end_s;
        strcat(strcat(together, i ? " " : ""), words[i].text);
    }
    assert_true(before <= (double)SEGMENT_FRAMES / VS_RATE_HZ + 0.02);
    assert_string_equal(together, text);
    free(text);
}

static void test_no_audio(struct engine *engine)
{
    struct host *host = get_host(engine, 0);
    const char *text = NULL;

    assert_int_equal(engine->ops->begin(host->state, 1), 0);
    assert_int_equal(engine->ops->finish(host->state, &text), 0);
    assert_string_equal(text, "");
}

/* A cancelled segment says so or is over already; the next one is heard as ever. */
static void test_cancel(struct engine *engine)
{
    struct host *host = get_host(engine, 0);
    const char *text = NULL;

    char *before = hear(host, 1, 160);
    assert_int_equal(engine->ops->begin(host->state, 2), 0);
    assert_true(engine->ops->feed(host->state, audio, 1600) >= 0);
    engine->ops->cancel(host->state);
    int fed = engine->ops->feed(host->state, audio, 1600);
    assert_true(fed >= 0 || fed == -ECANCELED);
    int finished = engine->ops->finish(host->state, &text);
    assert_true(finished == 0 || finished == -ECANCELED);
    char *after = hear(host, 3, 160);
    assert_string_equal(before, after);
    free(before);
    free(after);
}

static void test_two_at_once(struct engine *engine)
{
    struct host *one = get_host(engine, 0);
    struct host *two = get_host(engine, 1);
    const char *text_one = NULL;
    const char *text_two = NULL;

    assert_int_equal(engine->ops->begin(one->state, 1), 0);
    assert_int_equal(engine->ops->begin(two->state, 1), 0);
    for (size_t at = 0; at + 160 <= SEGMENT_FRAMES; at += 160) {
        assert_true(engine->ops->feed(one->state, audio + at, 160) >= 0);
        assert_true(engine->ops->feed(two->state, audio + at, 160) >= 0);
    }
    assert_int_equal(engine->ops->finish(one->state, &text_one), 0);
    assert_int_equal(engine->ops->finish(two->state, &text_two), 0);
    assert_string_equal(text_one, text_two);
}

static void *hear_alone(void *argument)
{
    struct host *host = argument;

    return hear(host, 1, 160);
}

static void test_two_threads(struct engine *engine)
{
    pthread_t threads[2];
    void *texts[2];

    get_host(engine, 0);
    get_host(engine, 1);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, hear_alone, engine->hosts[i]), 0);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], &texts[i]), 0);
    }
    assert_string_equal(texts[0], texts[1]);
    for (int i = 0; i < 2; i++) {
        free(texts[i]);
    }
}

/* A failed open says why in one sentence, and close follows it. */
static void test_bad_argument(struct engine *engine)
{
    struct host host;
    const char *argument = engine->bad ? engine->bad : "/nonexistent";

    int status = open_engine(&host, engine, argument);
    assert_true(status == -EINVAL || status == -ENOENT);
    assert_int_equal(host.errors, 1);
    close_engine(&host);
}

/* Full scale, beyond it, and what is no number. */
static void test_absurd_audio(struct engine *engine)
{
    struct host *host = get_host(engine, 0);
    const char *text = NULL;
    float absurd[1600];

    for (size_t i = 0; i < VS__COUNT(absurd); i++) {
        absurd[i] = i % 3 == 0 ? 1e30f : i % 3 == 1 ? -1e30f : __builtin_nanf("");
    }
    assert_int_equal(engine->ops->begin(host->state, 1), 0);
    for (int i = 0; i < 11; i++) {
        assert_true(engine->ops->feed(host->state, absurd, VS__COUNT(absurd)) >= 0);
    }
    assert_int_equal(engine->ops->finish(host->state, &text), 0);
    assert_non_null(text);
}

static void (*const CASES[])(struct engine *engine) = {
    test_table,       test_same_text,   test_words,        test_no_audio,     test_cancel,
    test_two_at_once, test_two_threads, test_bad_argument, test_absurd_audio,
};
static const char *const CASE_NAMES[] = {
    "table",       "same_text",   "words",        "no_audio",     "cancel",
    "two_at_once", "two_threads", "bad_argument", "absurd_audio",
};

struct pair {
    char name[64];
    struct engine *engine;
    void (*body)(struct engine *engine);
};

static void run_pair(void **state)
{
    const struct pair *pair = *state;

    if (!pair->engine->ops) {
        fprintf(stderr, "# skipped: %s\n", pair->engine->why);
        skip();
    }
    pair->body(pair->engine);
}

/* A module, as the library opens it. @return NULL if it was not built */
static const struct vs_stt_ops *find_module(const char *name)
{
    const char *folder = getenv("VOICESTAND_TEST_MODULES");
    char path[512];

    snprintf(path, sizeof(path), "%s/%s.so", folder ? folder : ".", name);
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    const struct vs_module *entry = module ? dlsym(module, VS_MODULE_ENTRY) : NULL;
    return entry ? entry->stt : NULL;
}

/* Its model must be there too. */
static void find_pocketsphinx(struct engine *engine)
{
    struct engine trial = {.ops = find_module("pocketsphinx")};

    if (!trial.ops) {
        return;
    }
    struct host host;
    int status = open_engine(&host, &trial, NULL);
    close_engine(&host);
    if (status == 0) {
        *engine = trial;
    } else {
        engine->why = "pocketsphinx: its model is not installed";
    }
}

/* A server for each engine that wants one, see stt_server.py. */
struct server {
    FILE *to, *from;
    char address[2][64]; /* of http, of wyoming */
};

static void start_server(struct server *s)
{
    const char *program = getenv("VOICESTAND_TEST_SERVER");
    int in[2], out[2];

    if (!program || pipe(in) != 0 || pipe(out) != 0) {
        return;
    }
    if (fork() == 0) {
        dup2(in[0], 0);
        dup2(out[1], 1);
        for (int i = 0; i < 2; i++) {
            close(in[i]);
            close(out[i]);
        }
        execlp("python3", "python3", program, (char *)NULL);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    s->to = fdopen(in[1], "w");
    s->from = fdopen(out[0], "r");
    for (size_t i = 0; i < VS__COUNT(s->address); i++) {
        if (!s->from || !fgets(s->address[i], sizeof(s->address[i]), s->from)) {
            s->address[i][0] = '\0';
        }
        s->address[i][strcspn(s->address[i], "\n")] = '\0';
    }
}

static void find_client(struct engine *engine, const char *name, const char *address)
{
    const struct vs_stt_ops *ops = find_module(name);

    if (!ops) {
        return;
    }
    engine->why = "its server did not start";
    if (address[0]) {
        *engine =
            (struct engine){.ops = ops, .argument = address, .says = "hello", .bad = "nowhere"};
    }
}

/* Two networks that hear a "hello" where it is loud. @return the folder that they are in */
static const char *make_networks(void)
{
    static char folder[] = "/tmp/voicestand-toy-XXXXXX";
    const char *program = getenv("VOICESTAND_TEST_TOY");
    char command[1024];

    if (!program || !mkdtemp(folder)) {
        return NULL;
    }
    snprintf(command, sizeof(command), "python3 -B '%s' '%s'", program, folder);
    return system(command) == 0 ? folder : NULL;
}

static void drop_networks(const char *folder)
{
    char command[64];

    if (folder) {
        snprintf(command, sizeof(command), "rm -rf '%s'", folder);
        (void)!system(command);
    }
}

static void find_sherpa(struct engine *engine, const char *folder, const char *network,
                        char *argument, size_t bytes)
{
    const struct vs_stt_ops *ops = find_module("sherpa");
    const char *library = getenv("VOICESTAND_TEST_SHERPA");

    if (!ops) {
        return;
    }
    engine->why = "sherpa: its library is not there, or not for a sanitizer";
    if (folder && library && access(library, R_OK) == 0) {
        snprintf(argument, bytes, "%s/%s#library=%s", folder, network, library);
        *engine = (struct engine){.ops = ops, .argument = argument, .holds = "hello"};
    }
}

/* The spoken words "front center", 48 kHz mono 16 bits, by the mean of three frames; where they are
   not installed, a hum with a beat. @return true for words. */
static bool make_audio(void)
{
    FILE *f = fopen("/usr/share/sounds/alsa/Front_Center.wav", "rb");
    int16_t pcm[3];
    size_t count = 0;

    if (f && fseek(f, 44, SEEK_SET) == 0) {
        while (count < SEGMENT_FRAMES && fread(pcm, sizeof(pcm), 1, f) == 1) {
            audio[count++] = (float)(pcm[0] + pcm[1] + pcm[2]) / (3.0f * 32768.0f);
        }
    }
    if (f) {
        fclose(f);
    }
    for (size_t i = count; i < SEGMENT_FRAMES && count == 0; i++) {
        audio[i] = (float)(i % 80) / 80.0f * (i / 3000 % 2 ? 0.4f : 0.05f);
    }
    return count > 0;
}

int main(void)
{
    static struct pair pairs[VS__COUNT(engines) * VS__COUNT(CASES)];
    static struct CMUnitTest tests[VS__COUNT(pairs)];
    static const char *const NAMES[] = {"null",    "exec",   "pocketsphinx",    "http",
                                        "wyoming", "sherpa", "sherpa_streaming"};
    static char arguments[2][1024];
    struct server server = {0};
    const char *folder = make_networks();
    size_t count = 0;

    bool has_words = make_audio();
    start_server(&server);
    find_pocketsphinx(&engines[2]);
    find_client(&engines[3], "http", server.address[0]);
    find_client(&engines[4], "wyoming", server.address[1]);
    find_sherpa(&engines[5], folder, "zipformer-ctc", arguments[0], sizeof(arguments[0]));
    find_sherpa(&engines[6], folder, "streaming-zipformer-ctc", arguments[1], sizeof(arguments[1]));
    if (has_words) {
        engines[2].holds = "center";
    }
    for (size_t e = 0; e < VS__COUNT(engines); e++) {
        for (size_t c = 0; c < VS__COUNT(CASES); c++) {
            struct pair *pair = &pairs[count];
            snprintf(pair->name, sizeof(pair->name), "%s_%s", NAMES[e], CASE_NAMES[c]);
            pair->engine = &engines[e];
            pair->body = CASES[c];
            tests[count++] = (struct CMUnitTest){
                .name = pair->name, .test_func = run_pair, .initial_state = pair};
        }
    }
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    for (size_t e = 0; e < VS__COUNT(engines); e++) {
        drop_hosts(&engines[e]);
    }
    drop_networks(folder);
    if (server.to && server.from) {
        fclose(server.to); /* ends it */
        fclose(server.from);
    }
    return failed;
}
