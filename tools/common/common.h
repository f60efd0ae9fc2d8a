/* SPDX-License-Identifier: MIT */
/* What the commands share: exit statuses, the one line of an error, signals, configuration. */
#ifndef VS_TOOLS_COMMON_COMMON_H
#define VS_TOOLS_COMMON_COMMON_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>

#include <voicestand/voicestand.h>

#include "common/options.h"

/** Exit statuses; documented in voicestand(1). */
enum exit_status {
    EXIT_STATUS_OK = 0,
    EXIT_STATUS_SOME = 1,     /* some input failed, or a check failed */
    EXIT_STATUS_USAGE = 2,    /* wrong command line */
    EXIT_STATUS_NO_INPUT = 3, /* no such file or device, or it cannot be opened */
    EXIT_STATUS_NOT_AUDIO = 4,
    EXIT_STATUS_PERMISSION = 5,
    EXIT_STATUS_OUTPUT = 6,  /* output cannot be written */
    EXIT_STATUS_MISSING = 7, /* backend or model not available */
    EXIT_STATUS_INTERNAL = 70,
};

/** One line on stderr, "voicestand: ...". Any thread. */
__attribute__((format(printf, 1, 2))) void say(const char *format, ...);
/** A wrong command line: one line. @return EXIT_STATUS_USAGE. */
__attribute__((format(printf, 1, 2))) int say_usage(const char *format, ...);
/** Standard output or a file could not be written: one line, none if the reader went away.
    @return EXIT_STATUS_OUTPUT. */
int say_output(const char *name, int status);

/** Exit status for what the library returned about an input. */
int status_of(int error);

/** Standard streams that are closed become ones that fail when used, so that no file that is
    opened takes their place. */
void guard_standard_streams(void);
/** Flush standard output. @return `status`, or EXIT_STATUS_OUTPUT if it could not be written. */
int finish_stdout(int status);

/** Where the sentences of the library go for one input. Any thread. */
struct sentences {
    const struct settings *settings;
    const char *name; /* what a sentence must name; put before it where it does not. May be NULL */
    atomic_uint errors; /* of VS_LOG_ERROR so far; only the first is printed, unless --verbose */
    atomic_uint said;   /* errors and warnings so far */
    char first[512];    /* the first error; for the thread that asked, after the call */
};

void sentences_init(struct sentences *s, const struct settings *settings, const char *name);
/** Environment for the library: log to `s`, modules by VOICESTAND_MODULE_DIR, kernels by --cpu,
    OpenVINO by VOICESTAND_OPENVINO and what else folders.h says. */
void sentences_env(struct sentences *s, const struct settings *settings, struct vs_env *ret);
/** What the library said to a failure of the call that returned `error`. */
const char *sentences_first(const struct sentences *s, int error);
/** After a failure: say why, unless a sentence was printed already. */
void sentences_explain(struct sentences *s, int error);

/** Options to configuration: detection, text, channel. Source and events are the caller's. */
void config_fill(const struct settings *s, struct sentences *words, struct vs_pipeline_config *ret);
/** "file:PATH", to be freed; NULL without memory. */
char *config_file(const char *path);
/** Source from standard input, as --raw and its companions say. */
void config_stdin(const struct settings *s, struct vs_pipeline_config *ret);
/** Check what does not depend on an input: names of backends, --cpu, --raw.
    @return 0 or the exit status, after one line. */
int config_check(const struct settings *s);

/** From here SIGINT, SIGTERM and SIGHUP wait until signals_start(). Call before anything that may
    start a thread, a library that is loaded included. */
void signals_block(void);
/** They reach `handler`, on a thread of its own; `count` is 1 for the first. @return 0 or -errno. */
int signals_start(void (*handler)(void *user, int signal, int count), void *user);

int64_t now_ns(void); /* CLOCK_MONOTONIC */

/** Cores this process may use. */
unsigned core_count(void);

/** Base name without its ending, in `ret` of `size` bytes; "stdin" for "-". */
void name_stem(const char *path, char *ret, size_t size);

/** A string as JSON, with quotes. */
void print_json(FILE *to, const char *text);

/** The account and, if asked, the latency table, on stderr. */
void print_ledger(const struct vs_ledger *l);
void print_latency(const struct vs_stats *s, const char *note);

int run_listen(const struct settings *s, int count, char **arguments);
int run_monitor(const struct settings *s, int count, char **arguments);
int run_bench(const struct settings *s, int count, char **arguments);
int run_tune(const struct settings *s, int count, char **arguments);
int run_validate(const struct settings *s, int count, char **arguments);
int run_segment(const struct settings *s, int count, char **arguments);
int run_transcribe(const struct settings *s, int count, char **arguments);
int run_enhance(const struct settings *s, int count, char **arguments);
int run_eval(const struct settings *s, int count, char **arguments);
int run_dictate(const struct settings *s, int count, char **arguments);
int run_type(const struct settings *s, int count, char **arguments);
int run_serve(const struct settings *s, int count, char **arguments);
int run_models(const struct settings *s, int count, char **arguments);
int run_devices(const struct settings *s, int count, char **arguments);
int run_doctor(const struct settings *s, int count, char **arguments);
int run_verify_ledger(const struct settings *s, int count, char **arguments);

#endif
