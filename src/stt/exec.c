/* SPDX-License-Identifier: MIT */
/* Any program as a text engine: "exec:COMMAND" runs COMMAND by /bin/sh for each segment, with the
   segment as a WAV file (16 kHz, mono, 16 bits) on its standard input; what it prints is the text.
   The audio is gathered first, so that the header tells the true length: many programs refuse a
   stream of unknown length, and a segment of 30 s is 1 MB. */
#include "stt/stt.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/base.h"
#include "stt/child.h"
#include "stt/gather.h"

#define OUTPUT_BYTES ((size_t)65536)
#define TIMEOUT_S    60

struct exec {
    const struct vs_log *log;
    char *command;
    uint64_t segment;
    struct vs__gather audio;
    char *output;
    char *text;
    int cancel_fd;             /* wakes a finish() that waits */
    _Atomic bool is_cancelled; /* until the next begin(); its order against audio is of no matter */
};

static int open_exec(void *state, const struct vs_stt_params *params)
{
    struct exec *e = state;
    const char *command = params->argument ? params->argument : "";

    e->log = &params->env->log;
    e->cancel_fd = -1;
    if (command[strspn(command, " \t\n")] == '\0') {
        vs__log(e->log, VS_LOG_ERROR, "stt",
                "exec needs a command, as in exec:'my-recogniser --file /dev/stdin'");
        return -EINVAL;
    }
    e->command = vs__strdup(command);
    e->output = vs__alloc(OUTPUT_BYTES);
    e->text = vs__alloc(3 * OUTPUT_BYTES + 1);
    if (vs__gather_init(&e->audio) != 0 || !e->command || !e->output || !e->text) {
        return -ENOMEM;
    }
    e->cancel_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return e->cancel_fd < 0 ? -errno : 0;
}

static int begin_exec(void *state, uint64_t segment)
{
    struct exec *e = state;
    uint64_t ticks;

    e->segment = segment;
    e->audio.frames = 0;
    while (read(e->cancel_fd, &ticks, sizeof(ticks)) > 0) {
    }
    e->is_cancelled = false;
    return 0;
}

static int feed_exec(void *state, const float *audio, size_t frames)
{
    struct exec *e = state;

    return e->is_cancelled ? -ECANCELED : vs__gather_feed(&e->audio, audio, frames);
}

/* One sentence with what the user needs to mend it. */
static int report(const struct exec *e, int status, const struct vs__child_result *result)
{
    const char *said = result->last_line[0] ? result->last_line : "nothing on standard error";

    if (status == -ECANCELED) {
        return status;
    }
    if (status == -ETIMEDOUT) {
        vs__log(e->log, VS_LOG_ERROR, "stt",
                "the program '%s' was ended after %d s on segment %llu; it said: %s", e->command,
                TIMEOUT_S, (unsigned long long)e->segment, said);
    } else if (status != 0) {
        vs__log(e->log, VS_LOG_ERROR, "stt", "the program '%s' could not be run: %s", e->command,
                strerror(-status));
    } else if (result->exit_code > 128) {
        vs__log(e->log, VS_LOG_ERROR, "stt",
                "the program '%s' was ended by signal %d on segment %llu; it said: %s", e->command,
                result->exit_code - 128, (unsigned long long)e->segment, said);
        status = -EIO;
    } else if (result->exit_code != 0) {
        vs__log(e->log, VS_LOG_ERROR, "stt",
                "the program '%s' failed with status %d on segment %llu; it said: %s", e->command,
                result->exit_code, (unsigned long long)e->segment, said);
        status = result->exit_code == 127 ? -ENOENT : -EIO;
    } else if (result->cut) {
        vs__log(e->log, VS_LOG_WARNING, "stt",
                "the program '%s' printed more than %zu KB on segment %llu; the rest is left out",
                e->command, OUTPUT_BYTES / 1024, (unsigned long long)e->segment);
    }
    return status;
}

static int finish_exec(void *state, const char **ret)
{
    struct exec *e = state;
    struct vs__child_result result;
    struct vs__child_job job = {
        .log = e->log,
        .command = e->command,
        .input = e->audio.wav,
        .output = e->output,
        .output_room = OUTPUT_BYTES,
        .timeout_ns = TIMEOUT_S * INT64_C(1000000000),
        .cancel_fd = e->cancel_fd,
    };

    if (e->is_cancelled) {
        return -ECANCELED;
    }
    if (e->audio.frames == 0) {
        *ret = "";
        return 0;
    }
    job.input_bytes = vs__gather_close(&e->audio);
    int status = report(e, vs__child_run(&job, &result), &result);
    e->audio.frames = 0;
    if (status != 0) {
        return status;
    }
    size_t bytes = result.output_bytes;
    if (result.cut) {
        bytes = vs__words_whole(e->output, bytes);
    }
    vs__words_clean(e->output, bytes, e->text);
    *ret = e->text;
    return 0;
}

/* A write to an eventfd, so safe in a signal handler. It counts until the next begin(). */
static void cancel_exec(void *state)
{
    struct exec *e = state;
    uint64_t one = 1;
    e->is_cancelled = true;
    ssize_t done = write(e->cancel_fd, &one, sizeof(one));

    (void)done; /* fails only when the counter is full: then it is cancelled */
}

static void close_exec(void *state)
{
    struct exec *e = state;

    if (e->cancel_fd >= 0) {
        close(e->cancel_fd);
    }
    vs__free(e->command);
    vs__free(e->output);
    vs__free(e->text);
    vs__gather_fini(&e->audio);
}

const struct vs_stt_ops vs__stt_exec = {
    .abi = VS_BACKEND_ABI,
    .name = "exec",
    .description = "any program: a WAV file on its standard input, text on its standard output",
    .state_size = sizeof(struct exec),
    .open = open_exec,
    .begin = begin_exec,
    .feed = feed_exec,
    .finish = finish_exec,
    .cancel = cancel_exec,
    .close = close_exec,
};
