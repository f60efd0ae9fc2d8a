/* SPDX-License-Identifier: MIT */
/* voicestand bench: runs the benchmark programs that are installed, tells what they measured and draws
   it as a page. */
#include <errno.h>
#include <glob.h>
#include <jansson.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "bench_page.h" /* of page.html, by the build */
#include "common/common.h"
#include "output/output.h"

#ifndef VS_BENCH_DIR
#define VS_BENCH_DIR "/usr/local/libexec/voicestand/bench"
#endif
#define MARK "@RESULTS@" /* where the page wants them */

extern char **environ;

/* the machine --------------------------------------------------------------------------------- */

static json_t *describe_machine(void)
{
    struct utsname system;
    char line[256], cpu[256] = "";
    double load = 0;
    FILE *f = fopen("/proc/cpuinfo", "r");

    while (f && cpu[0] == '\0' && fgets(line, sizeof(line), f))
        if (sscanf(line, "model name : %255[^\n]", cpu) != 1)
            cpu[0] = '\0';
    if (f)
        fclose(f);
    uname(&system);
    (void)!getloadavg(&load, 1);
    return json_pack("{s:s, s:i, s:s, s:f}", "cpu", cpu[0] ? cpu : system.machine, "processors",
                     (int)core_count(), "kernel", system.release, "load", load);
}

static void add_circumstances(json_t *result)
{
    char date[32];
    time_t now = time(NULL);
    struct tm utc;

    gmtime_r(&now, &utc);
    strftime(date, sizeof(date), "%Y-%m-%d %H:%M UTC", &utc);
    json_object_set_new(result, "machine", describe_machine());
    json_object_set_new(result, "commit", json_string(vs_version()));
    json_object_set_new(result, "date", json_string(date));
}

/* running ------------------------------------------------------------------------------------- */

/* "bench_NAME" to NAME. */
static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return (slash ? slash + 1 : path) + strlen("bench_");
}

/* Run a program and read the JSON that it prints. @return NULL after one line */
static json_t *run_program(const struct settings *s, const char *path)
{
    char rounds[16];
    const char *arguments[8] = {path, "--realtime"};
    size_t count = 2;
    posix_spawn_file_actions_t actions;
    json_error_t error;
    int ends[2], status;
    pid_t pid;

    snprintf(rounds, sizeof(rounds), "%u", s->rounds);
    if (s->rounds > 0) {
        arguments[count++] = "--rounds";
        arguments[count++] = rounds;
    }
    if (s->quick)
        arguments[count++] = "--quick";
    if (pipe(ends) < 0) {
        say("bench: %s", strerror(errno));
        return NULL;
    }
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    posix_spawn_file_actions_addclose(&actions, ends[0]);
    posix_spawn_file_actions_addclose(&actions, ends[1]);
    int rc = posix_spawn(&pid, path, &actions, NULL, (char *const *)(uintptr_t)arguments, environ);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    FILE *from = fdopen(ends[0], "r");
    json_t *result = rc == 0 && from ? json_loadf(from, 0, &error) : NULL;
    if (from)
        fclose(from);
    if (rc == 0 &&
        (waitpid(pid, &status, 0) < 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0)) {
        json_decref(result);
        result = NULL;
    }
    if (!result)
        say("bench: %s failed%s%s", path, rc ? ": " : "; its own words are above",
            rc ? strerror(rc) : "");
    else
        add_circumstances(result);
    return result;
}

/* A file that may be run; the build leaves folders beside it. */
static bool is_program(const char *path)
{
    struct stat s;

    return stat(path, &s) == 0 && S_ISREG(s.st_mode) && access(path, X_OK) == 0;
}

static json_t *read_result(const char *path)
{
    json_error_t error;
    json_t *result = json_load_file(path, 0, &error);

    if (!result)
        say("bench: %s: line %d: %s", path, error.line, error.text);
    return result;
}

/* telling ------------------------------------------------------------------------------------- */

static void print_bars(const json_t *result)
{
    size_t i;
    const json_t *bar;

    json_array_foreach(json_object_get(result, "bars"), i, bar)
    {
        const char *against = json_string_value(json_object_get(bar, "against"));
        const json_t *measured = json_object_get(bar, "measured");
        const char *form = json_string_value(json_object_get(bar, "form"));
        double median = json_number_value(json_object_get(measured, "median"));
        if (!form || !measured)
            continue;
        printf("%-4s %s: %s, %s: %.3g%s%s, wanted %s %.3g\n",
               json_is_true(json_object_get(bar, "met")) ? "met" : "NOT",
               json_string_value(json_object_get(result, "benchmark")),
               json_string_value(json_object_get(bar, "group")),
               json_string_value(json_object_get(bar, "ours")), median,
               strcmp(form, "within_ns") == 0 ? " ns" : " of ", against ? against : "",
               strcmp(form, "at_least") == 0 ? "at least" : "at most",
               json_number_value(json_object_get(bar, "limit")));
    }
    fflush(stdout);
}

static int write_page(const char *path, const json_t *results)
{
    char *text = json_dumps(results, JSON_COMPACT | JSON_ESCAPE_SLASH);
    const char *mark = memmem(page, sizeof(page), MARK, strlen(MARK));
    FILE *to = text && mark ? fopen(path, "w") : NULL;
    int status = to ? 0 : text && mark ? -errno : -ENOMEM;

    if (to) {
        size_t head = (size_t)(mark - (const char *)page);
        fwrite(page, 1, head, to);
        fputs(text, to);
        fwrite(mark + strlen(MARK), 1, sizeof(page) - head - strlen(MARK), to);
        status = ferror(to) ? -EIO : 0;
        if (fclose(to) != 0 && status == 0)
            status = -errno;
    }
    free(text);
    return status < 0 ? say_output(path, status) : EXIT_STATUS_OK;
}

/* @return whether a program or a file of this name was asked for */
static bool is_wanted(const struct settings *s, const char *name)
{
    size_t length = strcspn(name, ".");

    return !s->only || (strlen(s->only) == length && strncmp(s->only, name, length) == 0);
}

static int find(const struct settings *s, glob_t *ret)
{
    const char *folder = getenv("VOICESTAND_BENCH_DIR");
    char pattern[4096];

    if (s->from)
        snprintf(pattern, sizeof(pattern), "%s/*.json", s->from);
    else
        snprintf(pattern, sizeof(pattern), "%s/bench_*", folder ? folder : VS_BENCH_DIR);
    if (glob(pattern, 0, NULL, ret) == 0)
        return EXIT_STATUS_OK;
    if (s->from)
        say("bench: %s: no results (*.json) there", s->from);
    else
        say("bench: no benchmarks in %s: build with -Dbench=true and install, or name their folder "
            "by "
            "VOICESTAND_BENCH_DIR",
            folder ? folder : VS_BENCH_DIR);
    return EXIT_STATUS_MISSING;
}

int run_bench(const struct settings *s, int count, char **arguments)
{
    glob_t paths = {0};
    json_t *results = json_array();
    size_t failed = 0;

    (void)count;
    (void)arguments;
    if (s->format > VS_OUTPUT_JSONL)
        return say_usage("--format: bench knows text and jsonl");
    bool json = s->format == VS_OUTPUT_JSONL || (s->format < 0 && !isatty(STDOUT_FILENO));
    int status = find(s, &paths);
    for (size_t i = 0; i < paths.gl_pathc; i++) {
        const char *path = paths.gl_pathv[i];
        const char *slash = strrchr(path, '/');
        if (!is_wanted(s, s->from ? (slash ? slash + 1 : path) : name_of(path)) ||
            (!s->from && !is_program(path)))
            continue;
        if (!s->from && !s->quiet)
            say("bench: %s", name_of(path));
        json_t *result = s->from ? read_result(path) : run_program(s, path);
        if (!result) {
            failed++;
            continue;
        }
        if (!json)
            print_bars(result);
        else if (json_dumpf(result, stdout, JSON_COMPACT) == 0)
            printf("\n");
        /* what was counted and not timed has no picture */
        if (json_object_get(result, "benchmark"))
            json_array_append(results, result);
        json_decref(result);
    }
    if (status == EXIT_STATUS_OK && json_array_size(results) == 0 && failed == 0) {
        say("bench: no benchmark is named %s", s->only ? s->only : "so");
        status = EXIT_STATUS_USAGE;
    }
    if (status == EXIT_STATUS_OK && s->output)
        status = write_page(s->output, results);
    globfree(&paths);
    json_decref(results);
    return status == EXIT_STATUS_OK && failed ? EXIT_STATUS_SOME : status;
}
