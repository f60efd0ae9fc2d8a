/* SPDX-License-Identifier: MIT */
/* The option tables, the parser, the nearest spelling, --help. */
#include "common/options.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <voicestand/voicestand.h>

#include "common/common.h"

#define AT(member) offsetof(struct settings, member)

static const char *const vad_names[] = {
    "native",       "auto",         "energy",  "silero:", "openvino:NPU",
    "openvino:GPU", "openvino:CPU", "replay:", "null",    NULL};
/* In the order of vs_segment_preset_name(). */
static const char *const preset_names[] = {"dictation", "agent", "archive", NULL};
static const char *const stt_names[] = {
    "pocketsphinx", "sherpa:", "vosk:", "http:", "wyoming:", "exec:", "null", NULL};
static const char *const power_names[] = {"auto", "full", "save", NULL};
static const char *const place_names[] = {"auto", "none", "latency", "efficiency", NULL};
static const char *const cpu_names[] = {"auto",        "c",    "avx2",     "avx2-vnni", "avx512",
                                        "avx512-vnni", "neon", "neon-dot", NULL};
/* In the order of enum vs_format. */
static const char *const sample_names[] = {"f32", "s16", "s24", "s32", NULL};
static const char *const made_names[] = {"f32", "s16", "s24", NULL};
/* In the order of enum vs_output_format. */
static const char *const format_names[] = {"text", "jsonl", "rttm", "audacity", "textgrid",
                                           "srt",  "vtt",   "csv",  NULL};
static const char *const number_names[] = {"words", "written", NULL};
static const char *const heard_names[] = {"raw", "enhanced", NULL};
static const char *const audio_names[] = {"wav", "flac", NULL};
static const char *const capture_names[] = {
    "auto", "pipewire", "alsa", "file:", "pipe", "null:", NULL};

#define FLAG(l, n, member, text)                                                                   \
    {                                                                                              \
        .name = n, .letter = l, .help = text, .offset = AT(member), .kind = OPTION_FLAG            \
    }
#define TEXT(l, n, arg, member, text, ...)                                                         \
    {                                                                                              \
        .name = n, .letter = l, .argument = arg, .help = text, .offset = AT(member),               \
        .kind = OPTION_TEXT, __VA_ARGS__                                                           \
    }
#define NUMBER(l, n, arg, member, from, to, text, ...)                                             \
    {                                                                                              \
        .name = n, .letter = l, .argument = arg, .help = text, .offset = AT(member), .low = from,  \
        .high = to, .kind = OPTION_NUMBER, __VA_ARGS__                                             \
    }
#define REAL(n, arg, member, from, to, text, ...)                                                  \
    {                                                                                              \
        .name = n, .argument = arg, .help = text, .offset = AT(member), .low = from, .high = to,   \
        .kind = OPTION_REAL, __VA_ARGS__                                                           \
    }
#define CHOICE(l, n, arg, member, list, text)                                                      \
    {                                                                                              \
        .name = n, .letter = l, .argument = arg, .help = text, .offset = AT(member),               \
        .choices = list, .kind = OPTION_CHOICE                                                     \
    }
/* A length of time: a whole number of ms up to an hour, rounded down to hops of 10 ms. */
#define TIME(n, member, text)                                                                      \
    {                                                                                              \
        .name = n, .argument = "MS", .help = text, .offset = AT(member), .high = 3600000,          \
        .none = 1, .kind = OPTION_NUMBER                                                           \
    }

#define VAD                                                                                        \
    TEXT(0, "vad", "NAME[:ARG]", vad,                                                              \
         "detector: native, auto, energy, silero:WEIGHTS, openvino:DEVICE[@WEIGHTS], "             \
         "replay:TRACE.csv, null [native]",                                                        \
         .choices = vad_names)
#define THRESHOLD                                                                                  \
    REAL("threshold", "P", threshold, 0.001, 1, "probability from which a hop is speech [0.5]",    \
         .none = 0)
#define THRESHOLD_OFF                                                                              \
    REAL("threshold-off", "P", threshold_off, 0.001, 1,                                            \
         "inside a segment, below it a hop is silence [threshold - 0.15]", .none = 0)

#define CAPTURE                                                                                    \
    TEXT('c', "capture", "NAME[:ARG]", capture,                                                    \
         "source: auto, pipewire[:TARGET], alsa[:PCM], file:PATH, pipe, null[:SECONDS] [auto]",    \
         .choices = capture_names)

static const struct option trigger[] = {VAD, THRESHOLD, THRESHOLD_OFF, {0}};

static const struct option detect[] = {
    VAD,
    CHOICE(0, "preset", "NAME", preset, preset_names,
           "rules for a use, where those below are not given: dictation, agent, archive"),
    THRESHOLD,
    THRESHOLD_OFF,
    TIME("onset-ms", onset_ms, "speech that must be gathered to open a segment [50]"),
    TIME("min-speech-ms", min_speech_ms, "shortest speech that makes a segment [100]"),
    TIME("hangover-ms", hangover_ms, "silence that ends a segment [500]"),
    TIME("merge-ms", merge_ms, "segments closer than this become one [200]"),
    TIME("pre-roll-ms", pre_roll_ms, "audio kept before the first speech [60]"),
    TIME("pad-ms", pad_ms, "audio kept after the last speech [40]"),
    TIME("max-ms", max_ms, "longest segment; cut at a pause near its end [30000]"),
    {0}};

static const struct option signal_path[] = {
    NUMBER(0, "channel", "N", channel, 1, 32, "use channel N alone [mean of all]", .none = 0),
    REAL("high-pass-hz", "HZ", high_pass_hz, 0, 4000, "cut-off of the high-pass, 0 = none [80]",
         .none = 1),
    TEXT(0, "cpu", "LEVEL", cpu, "kernels to use: auto, c, avx2, avx512, … see the manual [auto]",
         .choices = cpu_names),
    {0}};

static const struct option parts[] = {
    FLAG(0, "no-denoise", no_denoise, "leave the noise as it is"),
    FLAG(0, "no-level", no_level, "leave the level as it is, without a limiter"),
    {0}};

static const struct option made[] = {
    NUMBER(0, "output-rate", "HZ", output_rate_hz, 8000, 192000,
           "frames a second of OUT [those of IN]", .none = 0),
    FLAG(0, "mono", mono, "make one channel: the mean, or --channel [as many as IN has]"),
    CHOICE(0, "output-format", "FORMAT", output_format, made_names,
           "samples of OUT: s16, s24, f32 [s16, or s24 where IN has more]"),
    FLAG(0, "output-raw", output_raw, "standard output is samples without a header"),
    TEXT(0, "report", "FILE", report, "write what changed to FILE, as a line of JSON",
         .value = VALUE_FILE),
    {0}};

static const struct option enhancement[] = {
    FLAG(0, "enhance", enhance, "lower noise and level speech in --audio"),
    CHOICE(0, "stt-audio", "WHICH", stt_audio, heard_names,
           "what the text engine hears: raw, or enhanced, with --enhance [raw]"),
    {0}};

static const struct option text[] = {
    TEXT(0, "stt", "NAME[:ARG]", stt,
         "text engine: pocketsphinx, sherpa:MODEL, vosk:MODEL, http:URL, wyoming:HOST:PORT, "
         "exec:COMMAND, null",
         .choices = stt_names),
    REAL("text-sure", "P", text_sure, 0, 1,
         "probability that the surest 200 ms of a segment must reach for a text, 0 = any "
         "[0.99 with native, else any]",
         .none = 1),
    {0}};

static const struct option input[] = {
    FLAG(0, "raw", raw, "standard input is samples without a header; needs --rate"),
    NUMBER(0, "rate", "HZ", rate_hz, 8000, 192000, "frames a second of raw input", .none = 0),
    NUMBER(0, "channels", "N", channels, 1, 32, "channels of raw input [1]", .none = 0),
    CHOICE(0, "sample-format", "FORMAT", sample_format, sample_names,
           "samples of raw input: s16, s24, s32, f32 [s16]"),
    {0}};

static const struct option device[] = {
    CAPTURE,
    NUMBER(0, "seconds", "N", seconds, 1, 31536000, "end after N seconds", .none = 0),
    NUMBER(0, "latency-ms", "MS", latency_ms, 2, 100, "period asked of a device [5]", .none = 0),
    TEXT(0, "place", "POLICY", placement,
         "processors of the threads: auto, none, latency, efficiency, or lists like "
         "capture=0:worker=1:background=2-3 [auto]",
         .choices = place_names),
    CHOICE(0, "power", "WHEN", power, power_names,
           "save power: auto (on battery or when throttled), full (never), save (always) [auto]"),
    NUMBER(0, "ring-ms", "MS", ring_ms, 20, 60000, "how late we may be before audio drops [500]",
           .none = 0),
    {0}};

static const struct option output[] = {
    CHOICE('f', "format", "FORMAT", format, format_names,
           "jsonl, text, rttm, audacity, textgrid, srt, vtt, csv "
           "[text on a terminal, else jsonl]"),
    TEXT('o', "output", "FILE", output, "write to FILE [standard output]", .value = VALUE_FILE),
    CHOICE(0, "audio", "FORMAT", audio, audio_names,
           "write the audio of each segment: wav or flac"),
    TEXT(0, "audio-dir", "DIR", audio_dir, "folder for --audio, made if missing [.]",
         .value = VALUE_FOLDER),
    FLAG(0, "stats", stats, "print the latency of each stage at the end"),
    {0}};

static const struct option files[] = {
    TEXT('m', "manifest", "FILE", manifest,
         "files to do, as JSON Lines: path, and id, start, duration where wanted; - reads "
         "standard input",
         .value = VALUE_FILE),
    TEXT(0, "shard", "I/N", shard, "do the I-th of N shares of the files, by their names",
         .value = VALUE_ANY),
    TEXT(0, "output-dir", "DIR", output_dir, "one output file for each input, in DIR",
         .value = VALUE_FOLDER),
    NUMBER('j', "jobs", "N", jobs, 1, 256, "files at once, and engines for --stt [number of cores]",
           .none = 0),
    FLAG(0, "resume", resume, "skip what an interrupted run has finished"),
    TEXT(0, "plot", "FILE", plot, "draw waveform, segments and probability of one input as SVG",
         .value = VALUE_FILE),
    TEXT(0, "trace", "FILE", trace, "write file,start_ms,end_ms,prob for each hop of 10 ms",
         .value = VALUE_FILE),
    {0}};

static const struct option format[] = {
    CHOICE('f', "format", "FORMAT", format, format_names, "text or jsonl [text]"), {0}};

static const struct option monitoring[] = {
    TEXT(0, "metrics", "ADDRESS", metrics,
         "show figures at unix:PATH or a loopback port: a page, /metrics, /live.json", .value = 0),
    {0}};

static const struct option root[] = {
    TEXT(0, "root", "DIR", root,
         "look only at the NPU of the machine whose sys/, dev/ and usr/ are in DIR",
         .value = VALUE_FOLDER),
    {0}};

static const struct option tuning[] = {
    NUMBER(0, "seconds", "N", seconds, 1, 60, "measure each way for N seconds [2]", .none = 0),
    {0}};

static const struct option timing[] = {
    CHOICE('f', "format", "FORMAT", format, format_names,
           "text or jsonl [text on a terminal, else jsonl]"),
    TEXT('o', "output", "FILE", output, "draw all of it as one page (HTML)", .value = VALUE_FILE),
    TEXT(0, "only", "NAME", only, "this benchmark alone", .value = VALUE_ANY),
    NUMBER(0, "rounds", "N", rounds, 1, 99, "rounds of each [its own]", .none = 0),
    FLAG(0, "quick", quick, "one short round, to see that they run"),
    TEXT(0, "from", "DIR", from, "measure nothing: read results (*.json) in DIR",
         .value = VALUE_FOLDER),
    {0}};

static const struct option judging[] = {
    FLAG(0, "whole", whole, "the engine alone: each recording in one piece, as it is"),
    FLAG(0, "wordless", wordless, "recordings without a text have no words in them"),
    CHOICE(0, "numbers", "HOW", numbers, number_names,
           "compare numbers as English words or as they are written: words, written [words]"),
    NUMBER('j', "jobs", "N", jobs, 1, 256, "recordings at once; more spoil the times [one]",
           .none = 0),
    {0}};

const char *const paste_names[] = {"shift+Insert", "ctrl+v", "ctrl+shift+v", NULL};
static const char *const way_names[] = {"wayland", "wtype", "x11",       "xdotool", "portal",
                                        "ydotool", "paste", "clipboard", "none",    NULL};
const char *const language_names[] = {"en", "de", "fr", NULL};
const char *const dictate_words[] = {"start",  "stop", "toggle", "cancel", "undo",
                                     "status", "last", "ui",     "quit",   NULL};
const char *const serve_words[] = {"wyoming", "mic", "openai", NULL};
const char *const models_words[] = {"list", "add", "verify", "remove", NULL};
const char *const shell_words[] = {"bash", "zsh", "fish", NULL};
static const char *const key_from_names[] = {"x11", "portal", "evdev", NULL};
static const char *const mic_names[] = {"always", "press", NULL};

static const struct option inserting[] = {
    TEXT(0, "insert", "WAY,WAY", insert,
         "ways to insert, tried in turn: wayland, wtype, x11, xdotool, portal, ydotool, paste, "
         "clipboard; or "
         "none [those that fit the session]",
         .choices = way_names),
    CHOICE(0, "paste", "KEYS", paste, paste_names,
           "keys that paste: shift+Insert, ctrl+v, ctrl+shift+v [shift+Insert]"),
    {0}};

static const struct option typing[] = {
    TEXT(0, "target", "WINDOW", target, "only if this window, of --show-target, has the focus",
         .value = VALUE_ANY),
    FLAG(0, "show-target", show_target, "say which window has the focus, and type nothing"),
    NUMBER(0, "erase", "N", erase, 1, 1000000, "take back the last N characters instead",
           .none = 0),
    {0}};

static const struct option dictation[] = {
    TEXT(0, "key", "KEY", key,
         "hold KEY to dictate, wherever the focus is: pause, f13, rightctrl, ctrl+alt+space",
         .value = VALUE_ANY),
    FLAG(0, "key-toggles", key_toggles, "the key switches hands-free dictation on and off instead"),
    CHOICE(
        0, "key-from", "WAY", key_from, key_from_names,
        "who tells of the key: x11, portal (the desktop asks you), evdev (the kernel) [the first "
        "that fits the session]"),
    TEXT(0, "key-devices", "FOLDER", key_devices, "where evdev's keyboards are [/dev/input]",
         .value = VALUE_FOLDER),
    CHOICE(0, "mic", "WHEN", mic, mic_names,
           "microphone open: always (what was said just before the key is kept), or from the key "
           "press on [always]"),
    NUMBER(0, "mic-idle", "S", mic_idle_s, 1, 86400,
           "with --mic press, it is closed after S seconds without use [30]", .none = 0),
    FLAG(0, "hands-free", hands_free, "begin hands-free: utterances begin and end by the voice"),
    NUMBER(0, "quiet-ms", "MS", quiet_ms, 50, 5000,
           "silence that ends an utterance after the release [300]", .none = 0),
    NUMBER(0, "grace-ms", "MS", grace_ms, 50, 30000,
           "longest wait for a last word after the release [1500]", .none = 0),
    CHOICE(0, "language", "CODE", language, language_names,
           "of spoken punctuation and commands: en, de, fr [en]"),
    FLAG(0, "plain", plain, "take words as they are: no spoken punctuation, no commands"),
    FLAG(0, "figures", figures, "write English numbers as figures: 25, 2.5%, 21st, 1999"),
    TEXT(0, "phrases", "FILE", phrases,
         "your own replacements, 'spoken = written' a line [phrases.txt in the configuration]",
         .value = VALUE_FILE),
    TEXT(0, "hook", "PROGRAM", hook,
         "give each text to PROGRAM on standard input and take what it answers",
         .value = VALUE_FILE),
    NUMBER(0, "hook-ms", "MS", hook_ms, 10, 600000,
           "longest wait for that; then the text stays as it was [10000]", .none = 0),
    FLAG(0, "cues", cues, "play a short sound when listening begins and ends"),
    FLAG(0, "no-notify", no_notify, "show no desktop notifications"),
    {0}};

static const struct option control[] = {
    FLAG(0, "follow", follow, "with status: go on, one line of JSON for each change"),
    FLAG(0, "all", all, "with --follow: also texts, partial texts and levels"),
    FLAG(0, "meter", meter, "with status: as --follow, with a level meter in the text of the bar"),
    TEXT(0, "socket", "PATH", socket,
         "where the service answers [voicestand/dictate in "
         "XDG_RUNTIME_DIR]",
         .value = VALUE_FILE),
    {0}};

static const struct option serving[] = {
    TEXT(0, "listen", "ADDRESS", listen,
         "unix:PATH, PORT, ADDRESS:PORT or systemd [a port on 127.0.0.1: wyoming 10300, mic 10600, "
         "openai 8000]",
         .value = VALUE_ANY),
    TEXT(0, "key-file", "FILE", key_file,
         "with openai: who asks must show the key that is the first line of FILE",
         .value = VALUE_FILE),
    TEXT(0, "languages", "CODE,CODE", languages,
         "languages that clients are told the engine knows [its language=, en for pocketsphinx]",
         .value = VALUE_ANY),
    NUMBER(0, "engines", "N", engines, 1, 64,
           "text engines that are loaded: requests heard at once [1]", .none = 0),
    NUMBER(0, "clients", "N", clients, 1, 1024, "clients at once [16]", .none = 0),
    NUMBER(0, "wait", "S", wait_s, 1, 3600, "longest wait for a free engine [30]", .none = 0),
    NUMBER(0, "idle", "S", idle_s, 1, 86400, "a client that is silent for S seconds is left [60]",
           .none = 0),
    NUMBER(0, "request-time", "S", request_s, 1, 86400, "longest time for a request [600]",
           .none = 0),
    NUMBER(0, "max-audio", "S", audio_s, 1, 86400, "longest audio of a request [3600]", .none = 0),
    NUMBER(0, "max-upload", "MB", upload_mb, 1, 2048, "with openai: largest upload [25]",
           .none = 0),
    {0}};

static const struct option microphone[] = {CAPTURE, {0}};

static const struct option adding[] = {
    TEXT(0, "licence", "TEXT", licence, "of a model that is added", .value = VALUE_ANY),
    TEXT(0, "source", "TEXT", source, "where a model that is added comes from", .value = VALUE_ANY),
    TEXT(0, "sha256", "HEX", sha256, "what the file of a model that is added must have",
         .value = VALUE_ANY),
    {0}};

static const struct option general[] = {
    FLAG('v', "verbose", verbose, "say more on standard error; twice: everything"),
    FLAG('q', "quiet", quiet, "say errors only"),
    FLAG('h', "help", help, "show this help"),
    {0}};

const struct option_group group_detect = {"Detection", detect};
const struct option_group group_trigger = {"Detection", trigger};
const struct option_group group_signal = {"Signal path", signal_path};
const struct option_group group_parts = {"Enhancement", parts};
const struct option_group group_made = {"Output", made};
const struct option_group group_enhance = {"Enhancement", enhancement};
const struct option_group group_text = {"Text", text};
const struct option_group group_stdin = {"Standard input (FILE -)", input};
const struct option_group group_listen = {"Source", device};
const struct option_group group_output = {"Output", output};
const struct option_group group_files = {"Many files", files};
const struct option_group group_format = {"Output", format};
const struct option_group group_monitor = {"Figures", monitoring};
const struct option_group group_root = {"Another machine", root};
const struct option_group group_bench = {"Measuring", timing};
const struct option_group group_tune = {"Measuring", tuning};
const struct option_group group_eval = {"Judging", judging};
const struct option_group group_insert = {"Insertion", inserting};
const struct option_group group_type = {"Typing", typing};
const struct option_group group_dictate = {"Dictation", dictation};
const struct option_group group_control = {"Control", control};
const struct option_group group_serve = {"Serving", serving};
const struct option_group group_mic = {"Microphone (serve mic)", microphone};
const struct option_group group_models = {"Adding", adding};
const struct option_group group_general = {"General", general};

void settings_init(struct settings *s)
{
    memset(s, 0, sizeof(*s));
    s->format = -1;
    s->output_format = -1;
    s->preset = -1;
    s->audio = -1;
    s->paste = -1;
    s->key_from = -1;
    s->sample_format = VS_FORMAT_S16;
}

/* Edit distance with swaps of neighbours; words longer than the rows are far from everything. */
static size_t word_distance(const char *a, const char *b)
{
    enum { LONGEST = 32 };
    size_t rows[3][LONGEST + 1];
    size_t n = strlen(a), m = strlen(b);

    if (n > LONGEST || m > LONGEST)
        return SIZE_MAX;
    for (size_t j = 0; j <= m; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t *now = rows[i % 3], *before = rows[(i + 2) % 3], *older = rows[(i + 1) % 3];

        now[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t best = before[j - 1] + (a[i - 1] != b[j - 1]);

            if (before[j] + 1 < best)
                best = before[j] + 1;
            if (now[j - 1] + 1 < best)
                best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                older[j - 2] + 1 < best)
                best = older[j - 2] + 1;
            now[j] = best;
        }
    }
    return rows[n % 3][m];
}

void nearest_word(const char *word, const char *candidate, size_t *best, const char **ret)
{
    size_t distance = word_distance(word, candidate);
    size_t length = strlen(candidate);

    /* A beginning is near, and one slip in three letters. */
    if (strlen(word) > 1 && strncmp(word, candidate, strlen(word)) == 0)
        distance = 1;
    if (distance < *best && distance <= 1 + length / 4 && distance < length) {
        *best = distance;
        *ret = candidate;
    }
}

static const struct option *find_option(const struct command *c, const char *name, size_t length,
                                        char letter)
{
    for (size_t g = 0; c->groups[g] != NULL; g++)
        for (const struct option *o = c->groups[g]->options; o->name != NULL; o++) {
            if (letter != 0 ? o->letter == letter
                            : strlen(o->name) == length && memcmp(o->name, name, length) == 0)
                return o;
        }
    return NULL;
}

static int say_unknown(const struct command *c, const char *word, size_t length)
{
    const char *near = NULL;
    size_t best = SIZE_MAX;
    char name[40];

    snprintf(name, sizeof(name), "%.*s", (int)(length < 39 ? length : 39), word);
    for (size_t g = 0; c->groups[g] != NULL; g++)
        for (const struct option *o = c->groups[g]->options; o->name != NULL; o++)
            nearest_word(name, o->name, &best, &near);
    if (near != NULL)
        return say_usage("--%s: unknown option; did you mean --%s?", name, near);
    return say_usage("--%s: unknown option; 'voicestand %s --help' lists them", name, c->name);
}

/* "a, b, c" */
static void list_choices(const char *const *choices, char *ret, size_t size)
{
    size_t at = 0;

    ret[0] = '\0';
    for (size_t i = 0; choices[i] != NULL && at < size; i++)
        at += (size_t)snprintf(ret + at, size - at, "%s%s", i > 0 ? ", " : "", choices[i]);
}

static int set_choice(const struct option *o, const char *value, int *ret)
{
    const char *near = NULL;
    size_t best = SIZE_MAX;
    char all[160];

    for (int i = 0; o->choices[i] != NULL; i++) {
        if (strcmp(o->choices[i], value) == 0) {
            *ret = i;
            return 0;
        }
        nearest_word(value, o->choices[i], &best, &near);
    }
    if (near != NULL)
        return say_usage("--%s: '%s' is unknown; did you mean '%s'?", o->name, value, near);
    list_choices(o->choices, all, sizeof(all));
    return say_usage("--%s: '%s' is unknown; choose from %s", o->name, value, all);
}

static int set_number(const struct option *o, const char *value, struct settings *s)
{
    char *end = NULL;
    double number;
    bool whole = o->kind == OPTION_NUMBER;

    errno = 0;
    number = strtod(value, &end);
    if (end == value || *end != '\0' || errno != 0 || !isfinite(number) || number < o->low ||
        number > o->high || (whole && number != floor(number)))
        return say_usage("--%s: '%s' is not %s from %.10g to %.10g", o->name, value,
                         whole ? "a whole number" : "a number", o->low, o->high);
    if (whole) {
        uint32_t n = o->none && number < 10 ? VS_NONE : (uint32_t)number;

        memcpy((char *)s + o->offset, &n, sizeof(n));
    } else {
        float x = o->none && !(number > 0) ? -1.0f : (float)number;

        memcpy((char *)s + o->offset, &x, sizeof(x));
    }
    return 0;
}

static int set_value(const struct option *o, const char *value, struct settings *s)
{
    void *to = (char *)s + o->offset;

    switch (o->kind) {
    case OPTION_FLAG:
        *(int *)to += 1;
        return 0;
    case OPTION_TEXT:
        if (value[0] == '\0')
            return say_usage("--%s: is empty; it needs %s", o->name, o->argument);
        *(const char **)to = value;
        return 0;
    case OPTION_CHOICE:
        return set_choice(o, value, (int *)to);
    default:
        return set_number(o, value, s);
    }
}

static int parse_long(const struct command *c, char **arguments, int count, int *at,
                      struct settings *s)
{
    const char *word = arguments[*at] + 2;
    const char *value = strchr(word, '=');
    size_t length = value != NULL ? (size_t)(value - word) : strlen(word);
    const struct option *o = find_option(c, word, length, 0);

    if (o == NULL)
        return say_unknown(c, word, length);
    if (o->argument == NULL) {
        if (value != NULL)
            return say_usage("--%s: takes no value; leave out '%s'", o->name, value);
        return set_value(o, NULL, s);
    }
    if (value != NULL)
        return set_value(o, value + 1, s);
    if (*at + 1 >= count)
        return say_usage("--%s: needs %s behind it", o->name, o->argument);
    *at += 1;
    return set_value(o, arguments[*at], s);
}

static int parse_short(const struct command *c, char **arguments, int count, int *at,
                       struct settings *s)
{
    for (const char *letter = arguments[*at] + 1; *letter != '\0'; letter++) {
        const struct option *o = find_option(c, NULL, 0, *letter);
        int status;

        if (o == NULL)
            return say_usage("-%c: unknown option; 'voicestand %s --help' lists them", *letter,
                             c->name);
        if (o->argument == NULL) {
            status = set_value(o, NULL, s);
            if (status != 0)
                return status;
            continue;
        }
        if (letter[1] != '\0')
            return set_value(o, letter + 1, s);
        if (*at + 1 >= count)
            return say_usage("-%c: needs %s behind it", *letter, o->argument);
        *at += 1;
        return set_value(o, arguments[*at], s);
    }
    return 0;
}

int options_parse(const struct command *command, int count, char **arguments, struct settings *s,
                  int *ret_operands)
{
    int operands = 0;

    for (int at = 0; at < count; at++) {
        const char *word = arguments[at];
        int status = 0;

        if (strcmp(word, "--") == 0) {
            while (++at < count)
                arguments[operands++] = arguments[at];
            break;
        }
        if (word[0] != '-' || word[1] == '\0')
            arguments[operands++] = arguments[at];
        else if (word[1] == '-')
            status = parse_long(command, arguments, count, &at, s);
        else
            status = parse_short(command, arguments, count, &at, s);
        if (status != 0)
            return status;
        if (s->help)
            break;
    }
    if (!s->help && operands < command->min_arguments)
        return say_usage("%s: needs %s; see 'voicestand %s --help'", command->name,
                         command->arguments, command->name);
    if (!s->help && command->max_arguments >= 0 && operands > command->max_arguments)
        return say_usage("%s: '%s' is one argument too many; see 'voicestand %s --help'",
                         command->name, arguments[command->max_arguments], command->name);
    *ret_operands = operands;
    return 0;
}

/* Words folded to 80 columns, continued at `indent`; the first line stands at `at`. */
static void print_folded(FILE *to, const char *words, int at, int indent)
{
    const char *between = "";

    while (*words != '\0') {
        int length = (int)strcspn(words, " ");

        if (at + (int)strlen(between) + length > 79) {
            fprintf(to, "\n%*s", indent, "");
            at = indent;
            between = "";
        }
        at += fprintf(to, "%s%.*s", between, length, words);
        words += length + strspn(words + length, " ");
        between = " ";
    }
    fputc('\n', to);
}

void options_help(const struct command *command, FILE *to)
{
    enum { INDENT = 30 };

    fprintf(to, "Usage: voicestand %s [OPTION]...%s%s\n\n", command->name,
            command->arguments[0] != '\0' ? " " : "", command->arguments);
    print_folded(to, command->description, 0, 0);
    for (size_t g = 0; command->groups[g] != NULL; g++) {
        fprintf(to, "\n%s\n", command->groups[g]->title);
        for (const struct option *o = command->groups[g]->options; o->name != NULL; o++) {
            char letter[8] = "";
            int at;

            if (o->letter != 0)
                snprintf(letter, sizeof(letter), "-%c, ", o->letter);
            at = fprintf(to, "  %4s--%s%s%s", letter, o->name, o->argument != NULL ? " " : "",
                         o->argument != NULL ? o->argument : "");
            at += fprintf(to, "%*s", at < INDENT - 1 ? INDENT - at : 2, "");
            print_folded(to, o->help, at, INDENT);
        }
    }
}
