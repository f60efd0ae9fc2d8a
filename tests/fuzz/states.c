/* SPDX-License-Identifier: MIT */
/* Files that the command wrote and reads again, in folders where anything may have happened to them. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <voicestand/voicestand.h>

#include "common/choice.h"
#include "common/common.h"
#include "common/inputs.h"
#include "common/resume.h"
#include "common/tuned.h"
#include "dictate/journal.h"
#include "fuzz.h"
#include "models/store.h"
#include "text/kept.h"

/* top/voicestand/models/a, which is what the command finds by its environment. */
static char top[40], state[60], models[80], model[90];

static void remove_all(void)
{
    (void)(rmdir(model) | rmdir(models) | rmdir(state) | rmdir(top));
}

static void make_folders(void)
{
    if (top[0])
        return;
    snprintf(top, sizeof(top), "%s/voicestand-fuzz-XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    FUZZ_CHECK(mkdtemp(top));
    snprintf(state, sizeof(state), "%s/voicestand", top);
    snprintf(models, sizeof(models), "%s/models", state);
    snprintf(model, sizeof(model), "%s/a", models);
    FUZZ_CHECK(setenv("XDG_STATE_HOME", top, 1) == 0 && setenv("XDG_DATA_HOME", top, 1) == 0);
    FUZZ_CHECK(mkdir(state, 0700) == 0 && mkdir(models, 0700) == 0 && mkdir(model, 0700) == 0);
    FUZZ_CHECK(atexit(remove_all) == 0);
}

static void put(const char *path, const char *head, size_t head_bytes, const void *bytes,
                size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    FUZZ_CHECK(fd >= 0 && write(fd, head, head_bytes) == (ssize_t)head_bytes);
    FUZZ_CHECK(write(fd, bytes, size) == (ssize_t)size);
    close(fd);
}

/* All of a file, to be freed. */
static char *get(const char *path, size_t *ret_size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat about = {0}; /* the memory sanitizer of clang 14 does not know fstat64() */

    FUZZ_CHECK(fd >= 0 && fstat(fd, &about) == 0);
    *ret_size = (size_t)about.st_size;
    char *bytes = malloc(*ret_size + 1);
    FUZZ_CHECK(read(fd, bytes, *ret_size) == (ssize_t)*ret_size);
    close(fd);
    return bytes;
}

/* The input as a file; the first "@V" in it becomes the version of this build, which such files must have. */
static void put_versioned(struct fuzz *f, const char *path)
{
    const uint8_t *mark = memmem(f->at, f->left, "@V", 2);
    size_t before = mark ? (size_t)(mark - f->at) : f->left;
    char head[8192];

    before = before < 8000 ? before : 8000;
    memcpy(head, f->at, before);
    size_t bytes = before;
    if (mark)
        bytes += (size_t)snprintf(head + before, sizeof(head) - before, "%s", vs_version());
    size_t after = before + (mark ? 2 : 0);
    put(path, head, bytes, f->at + after, f->left - after);
}

/* targets ---------------------------------------------------------------------------------------- */

static void check_devices(struct fuzz *f)
{
    struct measured m[MOST_MEASURED];
    char path[100], words[100];

    snprintf(path, sizeof(path), "%s/devices", state);
    put_versioned(f, path);
    int count = choice_read(m, MOST_MEASURED);
    FUZZ_CHECK(count <= MOST_MEASURED);
    for (int i = 0; i < count; i++) {
        FUZZ_CHECK(m[i].device[0] && strlen(m[i].device) < sizeof(m[i].device));
        FUZZ_CHECK(!strpbrk(m[i].device, "@/ \\\"\n"));
        FUZZ_CHECK(isfinite(m[i].p50_ms) && isfinite(m[i].p99_ms) && isfinite(m[i].moved_ms));
        const char *why = choice_refuse(&m[i], words, sizeof(words));
        FUZZ_CHECK(why || (m[i].p99_ms >= 0 && m[i].p99_ms <= 5 && m[i].missed == 0));
    }
    unlink(path);
}

static void check_tuned(struct fuzz *f)
{
    struct tuned t = {0};
    char path[100];

    snprintf(path, sizeof(path), "%s/tuned.json", state);
    put_versioned(f, path);
    if (tuned_read(&t) == 0) {
        FUZZ_CHECK(t.period_ms >= 2 && t.period_ms <= 100 && t.count <= TUNED_ROWS);
        FUZZ_CHECK(t.text_threads >= 1 && t.text_threads <= VS_CPUS_MAX);
        FUZZ_CHECK(memchr(t.place, 0, sizeof(t.place)));
        for (size_t i = 0; i < t.count; i++)
            FUZZ_CHECK(t.rows[i].period_ms >= 2 && t.rows[i].period_ms <= 100 &&
                       isfinite(t.rows[i].wake_p99_us));
        FUZZ_CHECK(tuned_write(&t) == 0); /* what was taken can be told again */
    }
    unlink(path);
}

static void check_model(struct fuzz *f)
{
    struct model m = {0};
    char path[120];

    snprintf(path, sizeof(path), "%s/model.json", model);
    put(path, "", 0, f->at, f->left);
    int status = model_read("a", &m);
    FUZZ_CHECK(status == 0 || status == -EBADMSG);
    FUZZ_CHECK(status != 0 || (m.count >= 1 && m.count <= MODEL_FILES && m.licence && m.source));
    for (size_t i = 0; i < m.count; i++) {
        FUZZ_CHECK(model_name_is_good(m.file[i].name) && !strchr(m.file[i].name, '/'));
        FUZZ_CHECK(strlen(m.file[i].sha256) == SHA256_HEX_BYTES - 1);
    }
    model_free(&m);
    unlink(path);
}

/* What doctor measured, what tune found, what a model is: not taken, or all that it says can be. */
void fuzz_state(struct fuzz *f)
{
    static void (*const checks[])(struct fuzz * f) = {check_devices, check_tuned, check_model};

    make_folders();
    checks[fuzz_u8(f) % 3](f);
}

/* Texts of a run that was killed: what is not whole and of these settings goes, the rest stays and is found. */
void fuzz_kept(struct fuzz *f)
{
    static char path[100], *head;
    static size_t head_bytes;
    struct vs_stt_result found;
    struct settings s;
    struct kept *k = NULL;
    size_t size;

    make_folders();
    settings_init(&s);
    s.stt = "null";
    if (!head) { /* what a run with these settings begins with */
        snprintf(path, sizeof(path), "%s/texts", state);
        FUZZ_CHECK(kept_open(path, &s, false, &k) == 0);
        head = get(path, &head_bytes);
        kept_close(k, false);
    }
    bool is_ours = fuzz_u8(f) % 4;
    put(path, head, is_ours ? head_bytes : 0, f->at, f->left);
    FUZZ_CHECK(kept_open(path, &s, true, &k) == 0);
    char *left = get(path, &size);
    FUZZ_CHECK(size >= head_bytes && left[size - 1] == '\n');
    FUZZ_CHECK(memcmp(left, head, head_bytes) == 0 || !is_ours);
    if (is_ours)
        FUZZ_CHECK(size <= head_bytes + f->left &&
                   memcmp(left + head_bytes, f->at, size - head_bytes) == 0);
    for (uint64_t start = 0; start < 3; start++)
        if (kept_find(k, "a", start, 100, &found)) {
            FUZZ_CHECK(kept_count(k) > 0 && found.text);
            for (size_t i = 0; i < found.word_count; i++)
                FUZZ_CHECK(found.words[i].text);
        }
    free(left);
    kept_close(k, true);
    FUZZ_CHECK(access(path, F_OK) < 0);
}

static void add_jobs(struct inputs *inputs)
{
    static const char *const names[] = {"a", "b", "a"};

    *inputs = (struct inputs){0};
    for (size_t i = 0; i < 3; i++)
        FUZZ_CHECK(inputs_add(inputs, names[i], names[i], NULL) == 0);
}

/* What an interrupted run left: refused and untouched, or cut to whole inputs, which a second look finds again. */
void fuzz_resume(struct fuzz *f)
{
    struct inputs first, second;
    char path[100];
    size_t size, again;

    make_folders();
    snprintf(path, sizeof(path), "%s/events", state);
    put(path, "", 0, f->at, f->left);
    add_jobs(&first);
    add_jobs(&second);
    int status = resume_load(path, first.jobs, first.count);
    char *bytes = get(path, &size), *sorted;
    FUZZ_CHECK(size <= f->left);
    if (status < 0) {
        FUZZ_CHECK(size == f->left && memcmp(bytes, f->at, size) == 0);
    } else {
        FUZZ_CHECK(size == 0 || bytes[size - 1] == '\n');
        FUZZ_CHECK(resume_load(path, second.jobs, second.count) == 0);
        FUZZ_CHECK(resume_sort(path, second.jobs, second.count) == 0);
        sorted = get(path, &again);
        FUZZ_CHECK(again <= size);
        for (size_t i = 0; i < first.count; i++)
            FUZZ_CHECK(first.jobs[i].done == second.jobs[i].done);
        free(sorted);
    }
    free(bytes);
    inputs_fini(&first);
    inputs_fini(&second);
    unlink(path);
}

/* The journal of dictation, also one that was cut: the last text is a string, and it can be gone on with. */
void fuzz_journal(struct fuzz *f)
{
    char path[100], *text = NULL;
    size_t size;

    make_folders();
    snprintf(path, sizeof(path), "%s/dictation.jsonl", state);
    put(path, "", 0, f->at, f->left);
    (void)journal_unfinished(state);
    if (journal_last(state, &text) == 0) {
        FUZZ_CHECK(strlen(text) >= 2 && text[0] == '"' && text[strlen(text) - 1] == '"');
        for (const char *c = text + 1; c[1]; c++) {
            FUZZ_CHECK(*c != '"');
            c += *c == '\\';
        }
    }
    free(text);
    int fd = journal_open(state);
    FUZZ_CHECK(fd >= 0);
    close(fd);
    char *left = get(path, &size);
    FUZZ_CHECK(size == 0 || left[size - 1] == '\n');
    FUZZ_CHECK(size >= f->left && size <= f->left + 1 && memcmp(left, f->at, f->left) == 0);
    free(left);
    unlink(path);
}
