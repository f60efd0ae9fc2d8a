/* SPDX-License-Identifier: MIT */
/* The voicestand command: its table of commands, version, help. */
#include <errno.h>
#include <signal.h>
#include <string.h>

#include <voicestand/voicestand.h>

#include "common/choice.h"
#include "common/common.h"
#include "common/engine.h"

static int run_version(const struct settings *s, int count, char **arguments);
static int run_help(const struct settings *s, int count, char **arguments);
static int run_completions(const struct settings *s, int count, char **arguments);

static const struct option_group *const groups_listen[] = {
    &group_listen,  &group_text,  &group_output,  &group_detect,  &group_signal,
    &group_enhance, &group_stdin, &group_monitor, &group_general, NULL};
static const struct option_group *const groups_monitor[] = {
    &group_listen, &group_text,    &group_format,  &group_detect, &group_signal,
    &group_stdin,  &group_monitor, &group_general, NULL};
static const struct option_group *const groups_segment[] = {
    &group_output,  &group_files, &group_text,    &group_detect, &group_signal,
    &group_enhance, &group_stdin, &group_general, NULL};
static const struct option_group *const groups_enhance[] = {
    &group_made, &group_parts, &group_signal, &group_stdin, &group_general, NULL};
static const struct option_group *const groups_eval[] = {
    &group_eval,    &group_text,   &group_detect,  &group_signal,
    &group_enhance, &group_format, &group_general, NULL};
static const struct option_group *const groups_dictate[] = {
    &group_dictate, &group_insert,  &group_control, &group_listen,  &group_text, &group_trigger,
    &group_signal,  &group_enhance, &group_stdin,   &group_general, NULL};
static const struct option_group *const groups_type[] = {&group_insert, &group_type, &group_general,
                                                         NULL};
static const struct option_group *const groups_serve[] = {
    &group_serve,   &group_text, &group_detect,  &group_signal,
    &group_enhance, &group_mic,  &group_general, NULL};
static const struct option_group *const groups_models[] = {&group_models, &group_format,
                                                           &group_general, NULL};
static const struct option_group *const groups_report[] = {&group_format, &group_general, NULL};
static const struct option_group *const groups_doctor[] = {&group_format, &group_root,
                                                           &group_general, NULL};
static const struct option_group *const groups_tune[] = {&group_tune, &group_general, NULL};
static const struct option_group *const groups_bench[] = {&group_bench, &group_general, NULL};
static const struct option_group *const groups_validate[] = {&group_format, &group_tune,
                                                             &group_general, NULL};
static const struct option_group *const groups_plain[] = {&group_general, NULL};

/* clang-format off */
const struct command commands[] = {
    {"listen", "", "hear a microphone; tell speech and text as they come",
     "Opens a microphone, or another live source, and writes what is said as it is said: where "
     "speech starts and ends and, with --stt, its text. Ctrl-C ends it and delivers all that was "
     "heard; a second one ends it at once.",
     groups_listen, run_listen, VALUE_ANY, 0, 0, NULL},
    {"monitor", "", "watch a microphone: sound, speech, latency, load",
     "Listens as 'voicestand listen' does, and shows what goes on: the level, the sound and the "
     "probability of speech of the last ten seconds, the latency of each stage, the account of "
     "samples, threads, memory and sensors. On a terminal q ends it; in a pipe it writes JSON "
     "Lines, one a second.",
     groups_monitor, run_monitor, VALUE_ANY, 0, 0, NULL},
    {"segment", "FILE...", "find the speech in audio files",
     "Writes the speech segments of each FILE; - is standard input, WAV or --raw; of a folder, all "
     "audio files in it and below. Files are done several at once and written in the order given. "
     "Files that cannot be read are named in one line each and the others are done.",
     groups_segment, run_segment, VALUE_FILE, 0, -1, NULL},
    {"transcribe", "FILE...", "turn the speech in audio files into text",
     "As 'voicestand segment', with a text engine: --stt is pocketsphinx unless given. Only "
     "speech is given to the engine. Segments of a long file are heard by --jobs engines side by "
     "side, and told in order; with --resume and an output file, a run that was killed goes on "
     "where it was.",
     groups_segment, run_transcribe, VALUE_FILE, 0, -1, NULL},
    {"enhance", "IN OUT", "lower the noise of a recording and level its speech",
     "Runs IN (a file, or - for standard input) through the signal path and writes OUT (.wav, .flac, "
     "or - for standard output) while it reads: high-passed, noise lowered, speech brought to "
     "-23 LUFS, no sample beyond -1 dB; rate and channels stay. Engines that turn speech into text "
     "want --output-rate 16000 --mono. Says on standard error what changed.",
     groups_enhance, run_enhance, VALUE_FILE, 2, 2, NULL},
    {"eval", "FOLDER...", "count the words that a text engine gets wrong",
     "Hears each recording in FOLDER and below that has its words beside it (NAME.wav, NAME.txt), "
     "and tells the word error rate, how fast it went (RTF: time taken over time of audio) and how "
     "long after a segment's end its text came. --stt is pocketsphinx unless given. Run it with "
     "--whole for the engine alone, without it for what the front end makes of it.",
     groups_eval, run_eval, VALUE_FOLDER, 1, -1, NULL},
    {"dictate", "[WORD]", "speak, and the words appear where the cursor is",
     "Without WORD it is the service: it keeps the model loaded and waits. WORD asks it: start and stop "
     "are the key going down and up, toggle switches hands-free dictation on and off, cancel forgets "
     "what was said, undo takes back what was typed last, status tells the state, last the newest text "
     "of the journal, ui shows it on this terminal, quit ends it. Hold the key of --key and speak, or bind "
     "'voicestand dictate start' to a key's press and 'stop' to its release.",
     groups_dictate, run_dictate, VALUE_ANY, 0, 1, dictate_words},
    {"type", "[TEXT...]", "type text into the window that has the focus",
     "Types TEXT, or standard input, where the cursor is, as dictation does: ways to do it are tried "
     "in turn, characters of any layout arrive as they are, control characters but newlines and tabs "
     "are left out. Writes one line of JSON that says how.",
     groups_type, run_type, VALUE_ANY, 0, -1, NULL},
    {"serve", "wyoming|mic|openai", "hear for other programs, over a socket",
     "wyoming: speech and text for clients of the Wyoming protocol, as Home Assistant is one; those "
     "that do not ask for text are told when somebody speaks. mic: the microphone for such clients, "
     "open while one is there. openai: OpenAI's /v1/audio/transcriptions over HTTP. --stt is pocketsphinx "
     "unless given. Answers this machine alone, unless "
     "--listen says otherwise; Ctrl-C ends it.",
     groups_serve, run_serve, VALUE_ANY, 1, 1, serve_words},
    {"models", "[list|add|verify|remove]", "keep models, pinned by their sums",
     "list: models that are here, and others that are known. add NAME: what to download; add NAME "
     "FILE...: check the files, or those of a folder, and take them in; a model that is not known by name needs --licence. "
     "verify [NAME]...: check all files again. remove NAME...: delete them. Nothing is "
     "downloaded.",
     groups_models, run_models, VALUE_FILE, 0, -1, models_words},
    {"devices", "", "list what can be opened",
     "Lists the sources that --capture can open here.",
     groups_report, run_devices, VALUE_ANY, 0, 0, NULL},
    {"doctor", "", "say what works here, and what to do about the rest",
     "Looks at the processor, the cores, limits, audio servers, backends and models; says for "
     "each whether it is used and what you can do where it is not. Ends with status 0 if audio "
     "can be read from at least one device, else 7.",
     groups_doctor, run_doctor, VALUE_ANY, 0, 0, NULL},
    {"tune", "", "measure which placement and period are best here",
     "Runs the pipeline on a microphone made of a timer, once for each placement of its threads and "
     "each period, in under a minute; shows what it measured and keeps the answer, which 'voicestand "
     "listen' and 'monitor' use where --place and --latency-ms are not given. 'voicestand doctor' "
     "shows it; it also measures devices for --vad auto.",
     groups_tune, run_tune, VALUE_ANY, 0, 0, NULL},
    {"bench", "", "time the parts of VoiceStand beside other libraries",
     "Runs the benchmarks that are installed (built with -Dbench=true), each in alternated rounds: "
     "rings, pools, kernels, transforms, resamplers, the frame path against the naive design, many "
     "streams, the whole path. Tells which aims are met here; --output draws distributions, scaling "
     "and gains as one page.",
     groups_bench, run_bench, VALUE_ANY, 0, 0, NULL},
    {"validate", "", "check on this machine what VoiceStand promises",
     "Runs the pipeline on a microphone made of a timer, as many streams as a core takes, and the "
     "signal path on made-up sound; says of latency, processor time, wake-ups, memory, throughput "
     "and quality whether this machine keeps what is promised. Ends with status 1 if it does not.",
     groups_validate, run_validate, VALUE_ANY, 0, 0, NULL},
    {"verify-ledger", "FILE", "check the account of samples in JSON Lines",
     "Reads JSON Lines written by voicestand (- is standard input) and recomputes their account: "
     "captured = delivered + dropped for each run, every drop with its gap, texts and segments "
     "in order. Ends with status 1 if anything is wrong.",
     groups_plain, run_verify_ledger, VALUE_FILE, 1, 1, NULL},
    {"version", "", "show the version, kernels and backends",
     "Shows the version, the level of the kernels in use and the backends of each stage.",
     groups_plain, run_version, VALUE_ANY, 0, 0, NULL},
    {"completions", "bash|zsh|fish", "print a completion script for a shell",
     "Prints the completion script for a shell, e.g. 'source <(voicestand completions bash)'.",
     groups_plain, run_completions, VALUE_ANY, 1, 1, shell_words},
    {"help", "[COMMAND]", "show the help of a command",
     "Shows the commands, or the options of one.",
     groups_plain, run_help, VALUE_ANY, 0, 1, NULL},
    {0}};
/* clang-format on */

static const struct command *find_command(const char *name)
{
    for (const struct command *c = commands; c->name != NULL; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

static int say_no_command(const char *name)
{
    const char *near = NULL;
    size_t best = SIZE_MAX;

    for (const struct command *c = commands; c->name != NULL; c++)
        nearest_word(name, c->name, &best, &near);
    if (near != NULL)
        return say_usage("%s: unknown command; did you mean 'voicestand %s'?", name, near);
    return say_usage("%s: unknown command; 'voicestand help' lists them", name);
}

static void print_commands(void)
{
    printf("Usage: voicestand COMMAND [OPTION]... [ARGUMENT]...\n\n"
           "Voice in; speech segments, clean audio and text out.\n\nCommands\n");
    for (const struct command *c = commands; c->name != NULL; c++)
        printf("  %-16s%s\n", c->name, c->summary);
    printf("\n'voicestand COMMAND --help' shows the options of a command; man voicestand tells "
           "more.\n");
}

static void print_backend(void *user, const char *name, int status, const char *description)
{
    (void)user;
    (void)description;
    if (status == 0)
        printf(" %s", name);
}

static int run_version(const struct settings *s, int count, char **arguments)
{
    static const char *const stages[] = {"capture", "vad", "stt"};
    struct sentences words;
    struct vs_env env;

    (void)count;
    (void)arguments;
    sentences_init(&words, s, NULL);
    sentences_env(&words, s, &env);
    printf("voicestand %s\nkernels: %s\n", vs_version(), vs_cpu_name(vs_cpu_detect()));
    for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++) {
        printf("%s:", stages[i]);
        (void)!vs_backends_list(&env, stages[i], print_backend, NULL);
        printf("\n");
    }
    return 0;
}

static int run_help(const struct settings *s, int count, char **arguments)
{
    (void)s;
    if (count == 0) {
        print_commands();
        return 0;
    }
    const struct command *c = find_command(arguments[0]);

    if (c == NULL)
        return say_no_command(arguments[0]);
    options_help(c, stdout);
    return 0;
}

static int run_completions(const struct settings *s, int count, char **arguments)
{
    (void)s;
    (void)count;
    if (options_complete(arguments[0], stdout) == 0)
        return 0;
    return say_usage("completions: '%s' is no shell known here; choose from bash, zsh, fish",
                     arguments[0]);
}

int main(int count, char **arguments)
{
    struct settings settings;
    const char *name = count > 1 ? arguments[1] : NULL;
    const struct command *command;
    int operands = 0, status;

    guard_standard_streams();
    /* A reader that goes away shows as an error of write(), which ends things in order. */
    signal(SIGPIPE, SIG_IGN);
    if (name == NULL)
        return say_usage("no command given; 'voicestand help' lists them");
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    else if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0)
        name = "version";
    command = find_command(name);
    if (command == NULL)
        return say_no_command(name);

    settings_init(&settings);
    status = options_parse(command, count - 2, arguments + 2, &settings, &operands);
    if (status != 0)
        return status;
    if (settings.help) {
        options_help(command, stdout);
        return finish_stdout(0);
    }
    settings.stt = engine_complete(settings.stt);
    if (settings.vad != NULL && strcmp(settings.vad, "auto") == 0)
        choice_make(&settings);
    return finish_stdout(command->run(&settings, operands, arguments + 2));
}
