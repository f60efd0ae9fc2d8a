/* SPDX-License-Identifier: MIT */
/* Every call that may fail, failing in turn: readers, the ring and the ledger's check are run again and again,
   each time with the next call refused, until a run had none. A run with a refused call says so by its status, or
   ends as if nothing had been; it never takes half for the whole, and leaves no descriptor open. Memory that is not
   freed is seen by the checkers of scripts/test and scripts/checkers. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "output/output.h"

#include "base/base.h"
#include "foreign.h"
#include "capture/capture.h"
#include "modules/wyoming.h"
#include "ring/ring.h"
#include "vad/vad.h"
#include "vad/weights.h"

/* calls that fail -------------------------------------------------------------------------------- */

static unsigned calls, refused_call; /* the linker sends calls of the code under test here */
static int refused_with; /* 0 = what is usual for the call; else only waits and reads are refused */

static bool is_refused(int usual)
{
    if ((refused_with && usual != EIO) || ++calls != refused_call)
        return false;
    errno = refused_with ? refused_with : usual;
    return true;
}

#define REFUSABLE(result, name, parameters, arguments, usual, failed)                              \
    result __real_##name parameters;                                                               \
    result __wrap_##name parameters;                                                               \
    result __wrap_##name parameters                                                                \
    {                                                                                              \
        return is_refused(usual) ? failed : __real_##name arguments;                               \
    }

REFUSABLE(void *, realloc, (void *at, size_t bytes), (at, bytes), ENOMEM, NULL)
REFUSABLE(char *, strdup, (const char *text), (text), ENOMEM, NULL)
REFUSABLE(int, memfd_create, (const char *name, unsigned flags), (name, flags), EMFILE, -1)
REFUSABLE(int, ftruncate64, (int fd, off64_t bytes), (fd, bytes), EFBIG, -1)
REFUSABLE(void *, mmap64, (void *at, size_t bytes, int rights, int flags, int fd, off64_t from),
          (at, bytes, rights, flags, fd, from), ENOMEM, MAP_FAILED)
REFUSABLE(int, eventfd, (unsigned count, int flags), (count, flags), EMFILE, -1)
REFUSABLE(int, fstat64, (int fd, struct stat64 *about), (fd, about), EBADF, -1)
REFUSABLE(int, poll, (struct pollfd * fds, nfds_t count, int ms), (fds, count, ms), EIO, -1)
REFUSABLE(ssize_t, read, (int fd, void *to, size_t bytes), (fd, to, bytes), EIO, -1)
REFUSABLE(FILE *, fopen64, (const char *path, const char *mode), (path, mode), EACCES, NULL)
REFUSABLE(size_t, fread, (void *to, size_t bytes, size_t count, FILE *f), (to, bytes, count, f),
          EIO, 0)
REFUSABLE(int, ferror, (FILE * f), (f), 0, 1)
REFUSABLE(ssize_t, getline, (char **line, size_t *room, FILE *f), (line, room, f), ENOMEM, -1)
REFUSABLE(ssize_t, __getdelim, (char **line, size_t *room, int end, FILE *f), (line, room, end, f),
          ENOMEM, -1)

int __real_posix_memalign(void **ret, size_t align, size_t bytes);
int __wrap_posix_memalign(void **ret, size_t align, size_t bytes);
int __wrap_posix_memalign(void **ret, size_t align, size_t bytes)
{
    return is_refused(ENOMEM) ? ENOMEM : __real_posix_memalign(ret, align, bytes);
}

/* Jansson ends the program where it has no memory inside a word: it is refused as a whole, and what it builds
   outside of that. */
static bool is_parsing;

json_t *__real_json_loadb(const char *bytes, size_t count, size_t flags, json_error_t *ret);
json_t *__wrap_json_loadb(const char *bytes, size_t count, size_t flags, json_error_t *ret);
json_t *__wrap_json_loadb(const char *bytes, size_t count, size_t flags, json_error_t *ret)
{
    if (is_refused(ENOMEM)) {
        if (ret)
            ret->text[0] = '\0';
        return NULL;
    }
    is_parsing = true;
    json_t *parsed = __real_json_loadb(bytes, count, flags, ret);
    is_parsing = false;
    return parsed;
}

FOREIGN static void *json_memory(size_t bytes)
{
    return !is_parsing && is_refused(ENOMEM) ? NULL : foreign_alloc(bytes);
}

static unsigned descriptors(void)
{
    unsigned n = 0;

    for (int fd = 0; fd < 64; fd++)
        n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* Run `work` with each of its calls refused. It returns 0, or a status below 0, or what says that the result is wrong. */
enum { WRONG = 1 };
static void refuse_each(const char *name, int (*work)(void), int with)
{
    unsigned before = descriptors(), failed = 0;

    refused_with = with;
    refused_call = 0;
    assert_int_equal(work(), 0);
    for (refused_call = 1;; refused_call++) {
        calls = 0;
        int status = work();
        if (status > 0 || (with == EINTR && status < 0))
            fail_msg("%s: call %u refused: status %d", name, refused_call, status);
        failed += status < 0;
        if (descriptors() != before)
            fail_msg("%s: call %u refused: %u descriptors, before %u", name, refused_call,
                     descriptors(), before);
        if (calls < refused_call)
            break;
    }
    refused_call = 0;
    if (with != EINTR && failed == 0)
        fail_msg("%s: none of %u refused calls was told", name, calls);
}

/* what is run ------------------------------------------------------------------------------------ */

static int use_ring(void)
{
    struct vs__ring *r = NULL;
    char got[8] = "";
    int status = vs__ring_create(4096, &r);

    if (status < 0)
        return r ? WRONG : status;
    bool same =
        vs__ring_put(r, "1234567", 8) && vs__ring_get(r, got, 8) && strcmp(got, "1234567") == 0;
    vs__ring_destroy(r);
    return same ? 0 : WRONG;
}

#define RUN(file)                                                                                  \
    "{\"event\":\"segment\",\"file\":\"" file                                                      \
    "\",\"segment\":1,\"start_s\":0.0,\"end_s\":1.0,\"start_frame\":0,"                            \
    "\"end_frame\":10,\"rate_hz\":10}\n{\"event\":\"ledger\",\"file\":\"" file                     \
    "\",\"captured\":10,\"delivered\":10,"                                                         \
    "\"dropped\":{},\"gaps\":0,\"residual\":0,\"events_dropped\":0}\n"

static int use_ledger(void)
{
    static char text[16384];
    struct vs_ledger_report report = {0};

    if (text[0] ==
        '\0') { /* more files than there is room for at first, and a line longer than that */
        for (char c = 'a'; c <= 'r'; c++) {
            char *run = strstr(strcpy(text + strlen(text), RUN("?") RUN("?")), "?");
            for (; run; run = strstr(run, "?"))
                *run = c;
        }
        memset(text + strlen(text), ' ', 5000);
    }
    FILE *f = fmemopen(text, strlen(text), "r");
    assert_non_null(f);
    int status = vs_ledger_check(f, NULL, NULL, &report);
    fclose(f);
    if (status < 0)
        return status;
    return status == 0 && report.runs == 36 && report.segments == 36 && report.captured == 360
               ? 0
               : WRONG;
}

static int use_wyoming(void)
{
    static const char data[] = "{\"b\":[2,3]}";
    struct vs__wyoming_event e = {0};
    size_t used = 0, payload = 0;
    char line[256], out[256];
    int n = snprintf(
        line, sizeof(line),
        "{\"type\":\"t\",\"data\":{\"a\":1},\"data_length\":%zu,\"payload_length\":3}\n%sxyz",
        strlen(data), data);
    int got = vs__wyoming_take(line, (size_t)n, &e, &used, &payload);

    if (got != 1)
        return got < 0 ? got : WRONG;
    bool same = used == (size_t)n && payload == 3 && json_object_size(e.data) == 2;
    int put = vs__wyoming_put(e.type, e.data, "xyz", 3, out, sizeof(out));
    return put < 0 ? put : same && put > 0 ? 0 : WRONG;
}

/* A memory file of some bytes, at its begin. */
static int file_of(const void *bytes, size_t count)
{
    int fd = __real_memfd_create("refused", MFD_CLOEXEC);

    assert_true(fd >= 0 && write(fd, bytes, count) == (ssize_t)count &&
                lseek(fd, 0, SEEK_SET) == 0);
    return fd;
}

static int use_pipe(void)
{
    static const uint8_t wav[] =
        "RIFF\x2c\0\0\0WAVEfmt "
        "\x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data\x08\0\0\0abcdefgh";
    struct vs_capture_format format = {.size = sizeof(format)};
    struct vs_env env = {0};
    struct vs_capture_stamp stamp;
    char argument[16], pcm[64];
    int fd = file_of(wav, sizeof(wav) - 1);
    void *state = calloc(1, vs__capture_pipe.state_size);
    int64_t frames = 0, n = 1;

    snprintf(argument, sizeof(argument), "%d", fd);
    struct vs_capture_params params = {.size = sizeof(params), .env = &env, .argument = argument};
    int status = vs__capture_pipe.open(state, &params, &format);
    while (status == 0 && n > 0) {
        n = vs__capture_pipe.read(state, pcm + 2 * frames, 3, &stamp);
        frames += n > 0 ? n : 0;
        status = n < 0 ? (int)n : 0;
    }
    vs__capture_pipe.close(state);
    free(state);
    close(fd);
    return status < 0 ? status : frames == 4 && memcmp(pcm, "abcdefgh", 8) == 0 ? 0 : WRONG;
}

static int use_replay(void)
{
    char trace[40000] = "file,start_ms,end_ms,prob\n", path[64];
    struct vs_env env = {0};
    struct vs_vad_shape shape = {0};
    void *state = calloc(1, vs__vad_replay.state_size);
    float p = 0;
    const int rows = 1200;

    for (int i = 0; i < rows; i++)
        sprintf(trace + strlen(trace), "a,%d,%d,0.25\n", 10 * i, 10 * i + 10);
    int fd = file_of(trace, strlen(trace));
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    struct vs_vad_params params = {.env = &env, .argument = path};
    int status = vs__vad_replay.open(state, &params, &shape);
    for (int i = 0; status == 0 && i < rows; i++)
        if (vs__vad_replay.infer(state, NULL, &p) != 0 ||
            p != 0.25f) /* past the last row it is 0 */
            status = WRONG;
    vs__vad_replay.close(state);
    free(state);
    close(fd);
    return status;
}

static int use_weights(void)
{
    static const char head[] = "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}";
    struct vs__tensor tensor = {.name = "a", .onnx = "a", .shape = {2}};
    uint8_t bytes[200] = {sizeof(head) - 1};
    char path[64];
    void *memory = NULL;

    memcpy(bytes + 8, head, sizeof(head) - 1);
    int fd = file_of(bytes, 8 + sizeof(head) - 1 + 8);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int status = vs__weights_read(path, "", &(struct vs_log){0}, &tensor, 1, &memory);
    close(fd);
    if (status < 0)
        return memory ? WRONG : status;
    bool same = tensor.data && memcmp(tensor.data, bytes + 100, 8) == 0;
    vs__free(memory);
    return same ? 0 : WRONG;
}

static void each_refused_call_is_told(void **state)
{
    static const struct {
        const char *name;
        int (*work)(void);
    } works[] = {{"ring", use_ring}, {"ledger", use_ledger}, {"wyoming", use_wyoming},
                 {"pipe", use_pipe}, {"replay", use_replay}, {"weights", use_weights}};

    (void)state;
    for (size_t i = 0; i < VS__COUNT(works); i++)
        refuse_each(works[i].name, works[i].work, 0);
}

/* A signal comes in between: it changes nothing. */
static void an_interrupted_wait_goes_on(void **state)
{
    (void)state;
    refuse_each("pipe", use_pipe, EINTR);
    refuse_each("pipe", use_pipe, EAGAIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_refused_call_is_told),
        cmocka_unit_test(an_interrupted_wait_goes_on),
    };

    json_set_alloc_funcs(json_memory, free);
    return cmocka_run_group_tests_name("refused", tests, NULL, NULL);
}
