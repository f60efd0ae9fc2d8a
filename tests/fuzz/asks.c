/* SPDX-License-Identifier: MIT */
/* What is asked of us over HTTP, and what a server of transcription answers. */
#include <errno.h>
#include <math.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <microhttpd.h>

#include "base/base.h"
#include "fuzz.h"
#include "modules/http.h"
#include "serve/openai.h"
#include "serve/serve.h"

#define BOUNDARY "voicestand-fuzz"

enum { MOST_BODY = 1 << 16, MOST_PARTS = 8, UPLOAD_BYTES = 2000 };

extern const struct serve_ops voicestand_serve; /* tools/serve/serve.c */

/* the form --------------------------------------------------------------------------------------- */

static const char *const part_names[] = {
    "file",   "language", "response_format",          "temperature",
    "stream", "model",    "timestamp_granularities[]"};

/* A part that was put into the body. */
struct part {
    size_t name, bytes;
    const uint8_t *value;
};

/* A request on its way through the parser. */
struct asked {
    struct openai_form form;
    struct openai_refusal refusal;
    size_t step;
    int opened;
    bool ended;
};

static enum MHD_Result on_form(void *user, struct MHD_Connection *c, const char *path,
                               const char *method, const char *version, const char *upload,
                               size_t *upload_bytes, void **state)
{
    struct asked *a = user;

    (void)path;
    (void)method;
    (void)version;
    if (!*state) {
        *state = a;
        a->opened = openai_form_init(&a->form, c, UPLOAD_BYTES, &a->refusal);
        return MHD_YES;
    }
    for (size_t at = 0; a->opened == 0 && at < *upload_bytes; at += a->step)
        openai_form_feed(&a->form, upload + at, VS__MIN(a->step, *upload_bytes - at));
    if (*upload_bytes > 0) {
        *upload_bytes = 0;
        return MHD_YES;
    }
    if (a->opened == 0)
        openai_form_end(&a->form);
    a->ended = true;
    return MHD_NO; /* nobody waits for the answer */
}

/* One request through libmicrohttpd, on this thread. */
static void ask(struct asked *a, const char *type, const char *body, size_t bytes)
{
    static struct asked *now;
    static struct MHD_Daemon *daemon;
    const struct sockaddr_un address = {.sun_family = AF_UNIX};
    char head[512];
    int ends[2];

    if (!daemon) {
        now = malloc(sizeof(*now));
        daemon =
            MHD_start_daemon(MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL, on_form, now, MHD_OPTION_END);
    }
    FUZZ_CHECK(daemon && now);
    *now = *a;
    int n = snprintf(
        head, sizeof(head),
        "POST /v1 HTTP/1.1\r\nHost: x\r\nContent-Type: %.300s\r\nContent-Length: %zu\r\n\r\n", type,
        bytes);
    FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
    FUZZ_CHECK(MHD_add_connection(daemon, ends[0], (const struct sockaddr *)&address,
                                  sizeof(address)) == MHD_YES);
    FUZZ_CHECK(send(ends[1], head, (size_t)n, MSG_NOSIGNAL) == n);
    for (size_t at = 0, tries = 0; tries < 200 && !now->ended; tries++) {
        ssize_t sent = at < bytes ? send(ends[1], body + at, bytes - at, MSG_NOSIGNAL) : 0;
        at += sent > 0 ? (size_t)sent : 0;
        if (MHD_run(daemon) != MHD_YES || (sent < 0 && errno == EPIPE))
            break;
    }
    close(ends[1]);
    for (int i = 0; i < 3; i++)
        MHD_run(daemon);
    *a = *now;
}

/* What is taken is within what is said of it. */
static void check_form(const struct asked *a)
{
    const struct openai_form *form = &a->form;
    struct stat about;

    FUZZ_CHECK((a->refusal.status == 0) == (a->refusal.sentence[0] == '\0'));
    FUZZ_CHECK(a->refusal.status == 0 || (a->refusal.status >= 400 && a->refusal.code));
    if (a->refusal.status != 0)
        return;
    FUZZ_CHECK(form->file_bytes > 0 && form->file_bytes <= UPLOAD_BYTES);
    FUZZ_CHECK(fstat(form->fd, &about) == 0 && (size_t)about.st_size == form->file_bytes);
    FUZZ_CHECK(form->temperature >= 0 && form->temperature <= 1);
    FUZZ_CHECK(form->format <= OPENAI_VTT && strlen(form->language) < sizeof(form->language));
    FUZZ_CHECK(strspn(form->language, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-") ==
               strlen(form->language));
    FUZZ_CHECK(!form->stream || form->format == OPENAI_JSON || form->format == OPENAI_TEXT);
}

static size_t put_part(char *body, const struct part *p)
{
    int n = sprintf(body, "--" BOUNDARY "\r\nContent-Disposition: form-data; name=\"%s\"%s\r\n\r\n",
                    part_names[p->name], p->name == 0 ? "; filename=\"a.wav\"" : "");

    memcpy(body + n, p->value, p->bytes);
    memcpy(body + n + p->bytes, "\r\n", 2);
    return (size_t)n + p->bytes + 2;
}

static bool is_one_of(const struct part *p, const char *const *words, size_t count, size_t *ret)
{
    for (size_t i = 0; i < count; i++)
        if (strlen(words[i]) == p->bytes && memcmp(words[i], p->value, p->bytes) == 0) {
            *ret = i;
            return true;
        }
    return false;
}

/* Whether the last part of each name is what was taken. */
static void compare_parts(const struct asked *a, const struct part *parts, size_t count)
{
    static const char *const formats[] = {"json", "text", "srt", "verbose_json", "vtt"};
    char file[UPLOAD_BYTES];
    const struct part *last[VS__COUNT(part_names)] = {NULL};
    size_t files = 0, empty = 0, which = 0;

    for (size_t i = 0; i < count; i++) {
        files += parts[i].name == 0 && parts[i].bytes > 0;
        empty += parts[i].name == 0 && parts[i].bytes == 0;
        if (parts[i].name != 0 || parts[i].bytes > 0)
            last[parts[i].name] = &parts[i];
    }
    if (a->refusal.status != 0) {
        bool plain = files == 1 && empty == 0 &&
                     last[0]->bytes <= UPLOAD_BYTES; /* a file and a model are never refused */
        for (size_t i = 0; i < count; i++)
            plain = plain && (parts[i].name == 0 ||
                              (parts[i].name == 5 && !memchr(parts[i].value, 0, parts[i].bytes)));
        FUZZ_CHECK(!plain);
        return;
    }
    FUZZ_CHECK(files == 1 && a->form.file_bytes == last[0]->bytes);
    FUZZ_CHECK(pread(a->form.fd, file, sizeof(file), 0) == (ssize_t)last[0]->bytes);
    FUZZ_CHECK(memcmp(file, last[0]->value, last[0]->bytes) == 0);
    if (last[1])
        FUZZ_CHECK(strlen(a->form.language) == last[1]->bytes &&
                   memcmp(a->form.language, last[1]->value, last[1]->bytes) == 0);
    if (last[2])
        FUZZ_CHECK(is_one_of(last[2], formats, VS__COUNT(formats), &which) &&
                   which == a->form.format);
    else
        FUZZ_CHECK(a->form.format == OPENAI_JSON);
}

/* Parts that the input names: what is taken is what was put. */
static void ask_parts(struct fuzz *f, struct asked *a)
{
    static const char *const known[] = {"json", "text", "srt",  "verbose_json", "vtt", "true",
                                        "0",    "0.5",  "word", "segment",      "en"};
    static char body[MOST_BODY];
    struct part parts[MOST_PARTS];
    size_t count = 0, bytes = 0;

    while (f->left && count < MOST_PARTS) {
        struct part *p = &parts[count++];
        *p = (struct part){.name = fuzz_range(f, 0, VS__COUNT(part_names) - 1)};
        uint8_t length = fuzz_u8(f);
        if (p->name > 0 && length % 2) { /* a value that is allowed somewhere */
            p->value = (const uint8_t *)known[length / 2 % VS__COUNT(known)];
            p->bytes = strlen((const char *)p->value);
        } else {
            p->value = f->at;
            p->bytes = VS__MIN((size_t)length * (p->name ? 1 : 12), f->left);
            f->at += p->bytes;
            f->left -= p->bytes;
        }
        bytes += put_part(body + bytes, p);
        if (memmem(p->value, p->bytes, "--" BOUNDARY, 17))
            return;
    }
    bytes += (size_t)sprintf(body + bytes, "--" BOUNDARY "--\r\n");
    ask(a, "multipart/form-data; boundary=" BOUNDARY, body, bytes);
    FUZZ_CHECK(a->opened == 0 && a->ended);
    check_form(a);
    compare_parts(a, parts, count);
}

/* A form in any pieces, of parts or of any bytes: refused with a sentence, or what it says. */
void fuzz_form(struct fuzz *f)
{
    static const char *const types[] = {("multipart/form-data; boundary=" BOUNDARY),
                                        "multipart/form-data; boundary=\"a b\"",
                                        "multipart/form-data", "text/plain"};
    uint8_t kind = fuzz_u8(f);
    static struct asked a;

    memset(&a, 0, offsetof(struct asked, step));
    a = (struct asked){.form = {.fd = -1}, .step = 1 + fuzz_u8(f), .opened = -1};
    if (kind % 4) {
        ask_parts(f, &a);
    } else {
        ask(&a, types[kind / 4 % VS__COUNT(types)], (const char *)f->at, f->left);
        if (a.opened == 0 && a.ended)
            check_form(&a);
    }
    openai_form_fini(&a.form);
}

/* figures ---------------------------------------------------------------------------------------- */

static unsigned answered;

static int answer(void *user, const char *path, const char *since, struct serve_answer *ret)
{
    (void)user;
    (void)since;
    FUZZ_CHECK(path);
    if (strcmp(path, "/") == 0)
        return 0;
    if (strcmp(path, "/metrics") != 0)
        return -ENOENT;
    __atomic_fetch_add(&answered, 1, __ATOMIC_RELAXED);
    ret->body = strdup("figures\n");
    ret->bytes = 8;
    ret->type = "text/plain";
    return 0;
}

static const struct sockaddr_un *figures_address(bool local)
{
    static struct sockaddr_un addresses[2];
    static void *servers[2];
    struct sockaddr_un *a = &addresses[local];

    if (servers[local])
        return a;
    a->sun_family = AF_UNIX; /* a name of no folder */
    snprintf(a->sun_path + 1, sizeof(a->sun_path) - 1, "voicestand-fuzz-%d-%d", (int)getpid(),
             local);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    FUZZ_CHECK(fd >= 0 && bind(fd, (struct sockaddr *)a, sizeof(*a)) == 0 && listen(fd, 16) == 0);
    FUZZ_CHECK(voicestand_serve.start(fd, local, answer, NULL, &servers[local]) == 0);
    return a;
}

static bool names_us(const struct fuzz *f)
{
    return memmem(f->at, f->left, "127.0.0.1", 9) || memmem(f->at, f->left, "localhost", 9) ||
           memmem(f->at, f->left, "[::1]", 5);
}

/* Any bytes into the socket of figures: answers of HTTP and then the end; figures for GET alone, and on the
   loopback interface for requests of its names alone. */
void fuzz_figures(struct fuzz *f)
{
    static char reply[1 << 20];
    bool local = fuzz_u8(f) % 2;
    size_t got = 0;
    ssize_t n = 0;

    const struct sockaddr_un *address = figures_address(local);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    FUZZ_CHECK(fd >= 0 && connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0);
    __atomic_store_n(&answered, 0, __ATOMIC_RELAXED);
    n = f->left ? send(fd, f->at, f->left, MSG_NOSIGNAL) : 0;
    shutdown(fd, SHUT_WR);
    while (got < sizeof(reply) && ((n = recv(fd, reply + got, sizeof(reply) - got, 0)) > 0 ||
                                   (n < 0 && errno == EINTR))) /* the fuzzer's own alarm */
        got += n > 0 ? (size_t)n : 0;
    FUZZ_CHECK(n == 0 || (n < 0 && errno == ECONNRESET));
    FUZZ_CHECK(got == 0 || (got > 12 && memcmp(reply, "HTTP/1.", 7) == 0));
    bool told = memmem(reply, got, "figures\n", 8) != NULL;
    FUZZ_CHECK(!told || (__atomic_load_n(&answered, __ATOMIC_RELAXED) > 0 &&
                         memmem(f->at, f->left, "GET", 3)));
    FUZZ_CHECK(!told || local || names_us(f));
    close(fd);
}

/* what a server answers -------------------------------------------------------------------------- */

/* What a server of transcription says: refused, or its words; the same twice. */
void fuzz_http_reply(struct fuzz *f)
{
    static const char *const types[] = {NULL, "application/json", "text/plain; charset=utf-8",
                                        "text/event-stream", "text/html"};
    struct vs__http_reply a = {0}, b = {0};
    const char *type = types[fuzz_u8(f) % VS__COUNT(types)];

    if (f->alloc_fail) {
        fuzz_memory(f);
        (void)vs__http_read(type, (const char *)f->at, f->left, &b);
        fuzz_memory(NULL);
        vs__free(b.text);
        b = (struct vs__http_reply){0};
    }
    int status = vs__http_read(type, (const char *)f->at, f->left, &a);
    FUZZ_CHECK(status == 0 || status == -EBADMSG || status == -EREMOTEIO);
    FUZZ_CHECK((status == 0) == (a.text != NULL));
    FUZZ_CHECK(!a.text || strlen(a.text) <= 3 * f->left);
    FUZZ_CHECK(memchr(a.message, 0, sizeof(a.message)));
    FUZZ_CHECK(status == vs__http_read(type, (const char *)f->at, f->left, &b));
    FUZZ_CHECK(!a.text || strcmp(a.text, b.text) == 0);
    vs__free(b.text);
    vs__http_read_error((const char *)f->at, f->left, &b);
    FUZZ_CHECK(memchr(b.message, 0, sizeof(b.message)));
    vs__free(a.text);
}
