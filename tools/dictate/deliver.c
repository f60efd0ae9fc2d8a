/* SPDX-License-Identifier: MIT */
#include "dictate/deliver.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "dictate/insert.h"
#include "dictate/journal.h"
#include "dictate/run.h"
#include "dictate/utf8.h"
#include "dictate/words.h"

enum { UNDO_MOST = 64, HOOK_MS = 10000, INSERT_MS = 60000, HOOK_WORDS = 16, ROOM = 1 << 16 };

/* One insertion, to take it back. */
struct inserted {
    enum insert_way way;
    size_t characters;
    char target[64];
    struct words_before before;
};

struct deliver {
    struct deliver_config config;
    struct words *words;
    int journal; /* -1 = none */
    char *hook[HOOK_WORDS + 1];
    pthread_mutex_t lock; /* one insertion at a time; of all below */
    pthread_cond_t released;
    bool held;
    struct inserted past[UNDO_MOST];
    size_t first, count;
    struct words_before before; /* what stands before the cursor */
};

/* When what was done. */
struct timeline {
    int64_t release_ns, end_ns, text_ns, journal_ns, inserted_ns;
    int64_t engine_ns, hook_ns;
};

/* lines ---------------------------------------------------------------------------------------- */

static void tell_json(struct deliver *d, json_t *o, bool journal)
{
    char *line = json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(8));
    size_t bytes = line != NULL ? strlen(line) : 0;

    json_decref(o);
    if (line == NULL)
        return;
    if (journal && d->journal >= 0) {
        line[bytes] = '\n';
        int status = journal_write(d->journal, line, bytes + 1);
        line[bytes] = '\0';
        d->journal = journal_turn(d->config.state_dir, d->journal);
        if (status < 0)
            say_output("the journal", status);
    }
    d->config.tell(d->config.user, line);
    free(line);
}

static json_t *new_event(const char *event, uint64_t id)
{
    json_t *o = json_object();

    json_object_set_new(o, "event", json_string(event));
    json_object_set_new(o, "id", json_integer((json_int_t)id));
    return o;
}

static void set_time(json_t *o)
{
    struct timespec now;
    struct tm utc;
    char text[40];

    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t n = strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text + n, sizeof(text) - n, ".%03ldZ", now.tv_nsec / 1000000);
    json_object_set_new(o, "time", json_string(text));
}

static json_t *to_ms(int64_t ns)
{
    return json_real((double)(ns / 10000) / 100);
}

/* `ours_ms`: from the end of the utterance on, without the engine and the user's own hook. */
static void set_timeline(json_t *o, const struct timeline *t)
{
    json_t *line = json_object();

    if (t->release_ns != 0)
        json_object_set_new(line, "grace_ms", to_ms(t->end_ns - t->release_ns));
    json_object_set_new(line, "engine_ms", to_ms(t->engine_ns));
    json_object_set_new(line, "queue_ms", to_ms(t->text_ns - t->end_ns - t->engine_ns));
    json_object_set_new(line, "journal_ms", to_ms(t->journal_ns - t->text_ns));
    if (t->hook_ns != 0)
        json_object_set_new(line, "hook_ms", to_ms(t->hook_ns));
    json_object_set_new(line, "insert_ms", to_ms(t->inserted_ns - t->journal_ns - t->hook_ns));
    json_object_set_new(line, "ours_ms",
                        to_ms(t->inserted_ns - t->end_ns - t->engine_ns - t->hook_ns));
    json_object_set_new(o, "timeline", line);
}

/* the program of the user's --------------------------------------------------------------------- */

/* What it answers instead of `text`, to be freed; NULL: it is kept as it is. */
static char *ask_hook(struct deliver *d, const char *text)
{
    char *answer = malloc(ROOM), *ret = NULL;
    size_t bytes = 0;
    struct run_job job = {
        .arguments = (const char *const *)d->hook,
        .input = text,
        .input_bytes = strlen(text),
        .output = answer,
        .output_room = ROOM,
        .ret_output_bytes = &bytes,
        .timeout_ms = d->config.settings->hook_ms > 0 ? (int)d->config.settings->hook_ms : HOOK_MS};

    int status = answer != NULL ? run_program(&job) : -ENOMEM;
    if (status == 0) {
        ret = utf8_typeable(answer, bytes);
        size_t length = ret != NULL ? strlen(ret) : 0;
        if (length > 0 && ret[length - 1] == '\n') /* programs end their lines */
            ret[length - 1] = '\0';
    } else {
        say("--hook %s: %s; the text is kept as it was", d->hook[0],
            status == -ETIMEDOUT ? "did not answer in time" : "failed");
    }
    free(answer);
    return ret;
}

/* Words with blanks between; there is no shell. */
static int split_hook(struct deliver *d, const char *command)
{
    const char *all = command;
    size_t count = 0;

    for (command += strspn(command, " "); *command != '\0'; command += strspn(command, " ")) {
        size_t bytes = strcspn(command, " ");

        if (count == HOOK_WORDS)
            return say_usage("--hook: has more than %d words; put them into a script", HOOK_WORDS);
        d->hook[count] = strndup(command, bytes);
        if (d->hook[count++] == NULL)
            return EXIT_STATUS_INTERNAL;
        command += bytes;
    }
    if (count > 0 && run_has(d->hook[0]))
        return 0;
    say("--hook: '%s' is no program that can be run", d->hook[0] != NULL ? d->hook[0] : all);
    return EXIT_STATUS_NO_INPUT;
}

/* insertion ------------------------------------------------------------------------------------- */

/* What the child that types says. */
static int run_type_child(struct deliver *d, const char *const *more, const char *input,
                          struct insert_done *ret)
{
    const struct settings *s = d->config.settings;
    const char *arguments[16] = {"/proc/self/exe", "type", "-q"};
    char answer[1024];
    size_t n = 3, bytes = 0;
    struct run_job job = {.arguments = arguments,
                          .input = input,
                          .input_bytes = input != NULL ? strlen(input) : 0,
                          .output = answer,
                          .output_room = sizeof(answer),
                          .ret_output_bytes = &bytes,
                          .timeout_ms = INSERT_MS};

    while (*more != NULL && n < 13)
        arguments[n++] = *more++;
    if (s->paste >= 0) {
        arguments[n++] = "--paste";
        arguments[n++] = paste_names[s->paste];
    }
    int status = run_program(&job);
    json_t *o = json_loadb(answer, bytes, 0, NULL);
    const char *way = json_string_value(json_object_get(o, "way"));
    const char *why = json_string_value(json_object_get(o, "error"));
    *ret = (struct insert_done){
        .way = way != NULL ? insert_find(way, strlen(way)) : WAY_COUNT,
        .typed = (size_t)json_integer_value(json_object_get(o, "characters")),
    };
    snprintf(ret->why, sizeof(ret->why), "%s",
             why != NULL ? why : "the program that types ended early");
    json_decref(o);
    return ret->way == WAY_COUNT ? -EIO : status;
}

/* With the lock. */
static void remember(struct deliver *d, const struct insert_done *done, const char *target)
{
    struct inserted *i = &d->past[(d->first + d->count) % UNDO_MOST];

    if (d->count == UNDO_MOST)
        d->first = (d->first + 1) % UNDO_MOST;
    else
        d->count++;
    i->way = done->way;
    i->characters = done->typed;
    i->before = d->before;
    snprintf(i->target, sizeof(i->target), "%s", target);
}

/* With the lock. Text that was not typed is not lost: it is in the journal, and on the clipboard where
   there is one. */
static void report_kept(struct deliver *d, uint64_t id, const char *text, const char *why)
{
    char body[600];
    json_t *o = new_event("kept", id);

    json_object_set_new(o, "why", json_string(why));
    tell_json(d, o, true);
    snprintf(body, sizeof(body), "%s. 'voicestand dictate last' shows the text: %.200s", why, text);
    notice_show(d->config.notice, "Text was not typed", body, true);
    notice_play(d->config.notice, CUE_FAIL);
}

static bool is_kept_only(const struct deliver *d)
{
    const char *ways = d->config.settings->insert;

    return ways != NULL && strcmp(ways, "none") == 0;
}

/* With the lock. @return 0 or -errno */
static int insert(struct deliver *d, uint64_t id, const char *text, const char *target)
{
    const char *more[8] = {NULL};
    const char *ways = d->config.settings->insert;
    struct insert_done done;
    size_t n = 0;

    while (d->held)
        pthread_cond_wait(&d->released, &d->lock);
    if (is_kept_only(d))
        return 0;
    if (ways != NULL) {
        more[n++] = "--insert";
        more[n++] = ways;
    }
    if (target[0] != '\0') {
        more[n++] = "--target";
        more[n++] = target;
    }
    int status = run_type_child(d, more, text, &done);
    if (done.typed > 0)
        remember(d, &done, target);
    if (status == 0 && done.way != WAY_CLIPBOARD) {
        json_t *o = new_event("inserted", id);
        json_object_set_new(o, "way", json_string(insert_name(done.way)));
        json_object_set_new(o, "characters", json_integer((json_int_t)done.typed));
        tell_json(d, o, true);
        return 0;
    }
    report_kept(d, id, text, status == 0 ? "it is on the clipboard: paste it" : done.why);
    return status < 0 ? status : -ENODEV;
}

/* With the lock. */
static int take_back(struct deliver *d)
{
    struct insert_done done;
    char count[24];
    const char *more[8] = {"--erase", count, "--insert"};

    if (d->count == 0)
        return -ENOENT;
    struct inserted *i = &d->past[(d->first + d->count - 1) % UNDO_MOST];
    if (i->way == WAY_YDOTOOL || i->way == WAY_CLIPBOARD)
        return -ENOTSUP;
    snprintf(count, sizeof(count), "%zu", i->characters);
    more[3] = insert_name(i->way);
    if (i->target[0] != '\0') {
        more[4] = "--target";
        more[5] = i->target;
    }
    int status = run_type_child(d, more, NULL, &done);
    if (status < 0)
        return strstr(done.why, "another window") != NULL ? -EXDEV : -EIO;
    d->before = i->before;
    d->count--;
    return 0;
}

void deliver_hold(struct deliver *d, bool held)
{
    if (d == NULL)
        return;
    pthread_mutex_lock(&d->lock);
    d->held = held;
    pthread_cond_broadcast(&d->released);
    pthread_mutex_unlock(&d->lock);
}

static void tell_undo(struct deliver *d, uint64_t id, int status)
{
    json_t *o = new_event("undone", id);

    if (status < 0)
        json_object_set_new(o, "error", json_string(strerror(-status)));
    tell_json(d, o, true);
}

int deliver_undo(struct deliver *d)
{
    pthread_mutex_lock(&d->lock);
    int status = take_back(d);
    tell_undo(d, 0, status);
    pthread_mutex_unlock(&d->lock);
    return status;
}

/* a text ---------------------------------------------------------------------------------------- */

static void report_failure(struct deliver *d, const struct heard *h)
{
    char body[400];
    const char *why = h->status == -ENOBUFS     ? "the text engine is hours behind"
                      : h->status == -ESHUTDOWN ? "the service ended before it was heard"
                                                : vs_strerror(h->status);
    json_t *o = new_event("failed", h->id);

    json_object_set_new(o, "why", json_string(why));
    if (h->saved != NULL)
        json_object_set_new(o, "saved", json_string(h->saved));
    tell_json(d, o, true);
    snprintf(body, sizeof(body), "%s. %s%s", why, h->saved != NULL ? "The audio is kept: " : "",
             h->saved != NULL ? h->saved : "");
    notice_show(d->config.notice, "The text engine failed", body, true);
    notice_play(d->config.notice, CUE_FAIL);
}

/* With the lock: what is meant by what was heard, through the hook; blanks before it stay ours. */
static char *make_text(struct deliver *d, const struct heard *h, struct words_made *made,
                       struct timeline *t)
{
    if (words_make(d->words, h->text, &d->before, made) < 0) {
        *made = (struct words_made){.text = strdup(h->text)};
        return made->text;
    }
    size_t blanks = strspn(made->text, " ");
    if (d->hook[0] == NULL || made->text[blanks] == '\0')
        return made->text;
    int64_t began = now_ns();
    char *answer = ask_hook(d, made->text + blanks), *whole = NULL;
    t->hook_ns = now_ns() - began;
    if (answer != NULL && asprintf(&whole, "%.*s%s", (int)blanks, made->text, answer) >= 0) {
        free(made->text);
        made->text = whole;
    }
    free(answer);
    return made->text;
}

/* With the lock: in the journal before anything that may fail. */
static void note_heard(struct deliver *d, const struct heard *h, struct timeline *t)
{
    json_t *o = new_event("heard", h->id);
    char *clean = utf8_typeable(h->text, strlen(h->text));

    set_time(o);
    json_object_set_new(o, "seconds", json_real((double)(int64_t)(h->seconds * 100) / 100));
    json_object_set_new(o, "text", json_string(clean != NULL ? clean : ""));
    free(clean);
    tell_json(d, o, true);
    t->journal_ns = now_ns();
}

static void note_meant(struct deliver *d, uint64_t id, const char *text)
{
    json_t *o = new_event("meant", id);

    json_object_set_new(o, "text", json_string(text));
    tell_json(d, o, true);
}

/* With the lock. */
static void handle(struct deliver *d, const struct heard *h, struct timeline *t)
{
    struct words_made made = {.text = NULL};

    note_heard(d, h, t);
    char *text = make_text(d, h, &made, t);
    for (unsigned i = 0; i < made.taken; i++)
        tell_undo(d, h->id, take_back(d));
    if (text != NULL && text[0] != '\0') {
        if (strcmp(text, h->text) != 0)
            note_meant(d, h->id, text);
        if (insert(d, h->id, text, h->target) == 0)
            d->before = made.after;
    } else if (!is_kept_only(d)) {
        tell_json(d, new_event("done", h->id), true); /* it was a command */
    }
    t->inserted_ns = now_ns();
    json_t *o = new_event("text", h->id);
    json_object_set_new(o, "text", json_string(text != NULL ? text : ""));
    set_timeline(o, t);
    tell_json(d, o, false);
    free(text);
}

void deliver_text(struct deliver *d, const struct heard *h)
{
    struct timeline t = {.release_ns = h->release_ns,
                         .end_ns = h->end_ns,
                         .text_ns = h->text_ns,
                         .engine_ns = h->engine_ns};

    pthread_mutex_lock(&d->lock);
    if (h->status < 0)
        report_failure(d, h);
    else if (h->text[strspn(h->text, " \n")] == '\0')
        tell_json(d, new_event("nothing", h->id), false);
    else
        handle(d, h, &t);
    pthread_mutex_unlock(&d->lock);
}

/* life ------------------------------------------------------------------------------------------ */

static int open_words(struct deliver *d)
{
    const struct settings *s = d->config.settings;
    struct words_config config = {.language = language_names[s->language],
                                  .plain = s->plain != 0,
                                  .figures = s->figures && !s->plain,
                                  .phrases = d->config.phrases};
    unsigned line = 0;
    int status = words_open(&config, &d->words, &line);

    if (status == -EINVAL)
        return say_usage("%s:%u: is no replacement; write 'spoken = written'", config.phrases,
                         line);
    if (status == -ENOENT || status == -EACCES) {
        say("%s: cannot be read: %s", config.phrases, strerror(-status));
        return status == -ENOENT ? EXIT_STATUS_NO_INPUT : EXIT_STATUS_PERMISSION;
    }
    return status < 0 ? EXIT_STATUS_INTERNAL : 0;
}

/* A text that was heard when the service was killed is not typed now, into whatever has the focus: the
   user is told where it is. */
static void find_unfinished(struct deliver *d)
{
    uint64_t id = is_kept_only(d) ? 0 : journal_unfinished(d->config.state_dir);
    char *text = NULL;

    if (id == 0 || journal_last(d->config.state_dir, &text) < 0)
        return;
    json_t *o = json_loads(text, JSON_DECODE_ANY, NULL);
    report_kept(d, id, o != NULL ? json_string_value(o) : text,
                "the service ended before it was typed");
    json_decref(o);
    free(text);
}

int deliver_open(const struct deliver_config *config, struct deliver **ret)
{
    struct deliver *d = calloc(1, sizeof(*d));
    int status;

    if (d == NULL)
        return EXIT_STATUS_INTERNAL;
    d->config = *config;
    d->journal = -ENOENT;
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->released, NULL);
    status = open_words(d);
    if (status == 0 && config->settings->hook != NULL)
        status = split_hook(d, config->settings->hook);
    if (status == 0 && config->state_dir != NULL)
        d->journal = journal_open(config->state_dir);
    if (status == 0 && d->journal < 0) {
        say("the journal of dictation cannot be written: %s; set XDG_STATE_HOME to a folder of "
            "yours",
            strerror(-d->journal));
        status = EXIT_STATUS_OUTPUT;
    }
    if (status != 0) {
        deliver_close(d);
        return status;
    }
    if (d->journal >= 0)
        find_unfinished(d);
    *ret = d;
    return 0;
}

void deliver_close(struct deliver *d)
{
    if (d == NULL)
        return;
    words_close(d->words);
    for (size_t i = 0; d->hook[i] != NULL; i++)
        free(d->hook[i]);
    if (d->journal >= 0)
        close(d->journal);
    pthread_cond_destroy(&d->released);
    pthread_mutex_destroy(&d->lock);
    free(d);
}
