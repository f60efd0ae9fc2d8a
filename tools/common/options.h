/* SPDX-License-Identifier: MIT */
/* The option tables of the commands, and what is made from them: parsing, --help, completions. */
#ifndef VS_TOOLS_COMMON_OPTIONS_H
#define VS_TOOLS_COMMON_OPTIONS_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/** All that options can set, of all commands. See settings_init() for what is not zero. */
struct settings {
    /* detection */
    const char *vad, *cpu;
    int preset; /* number of vs_segment_preset_name(), -1 none */
    float threshold, threshold_off;
    uint32_t onset_ms, min_speech_ms, hangover_ms, merge_ms, pre_roll_ms, pad_ms, max_ms;
    uint32_t channel;
    float high_pass_hz;
    int enhance, no_denoise, no_level;
    uint32_t output_rate_hz;
    int mono, output_format, output_raw; /* output_format: enum vs_format, -1 = by the input */
    const char *report;
    /* text */
    const char *stt;
    int stt_audio;   /* 0 raw, 1 enhanced */
    float text_sure; /* 0 = what the detector recommends; negative: any segment */
    /* standard input and devices */
    int raw;
    uint32_t rate_hz, channels;
    int sample_format; /* enum vs_format */
    const char *capture, *placement;
    int power; /* 0 auto, 1 full, 2 save */
    const char *metrics;
    uint32_t latency_ms, ring_ms, seconds;
    /* output */
    int format; /* enum vs_output_format, -1 = by what standard output is */
    const char *output, *output_dir;
    int audio; /* 0 wav, 1 flac, -1 none */
    const char *audio_dir, *trace, *plot;
    int resume, stats;
    const char *manifest, *shard;
    uint32_t jobs;
    const char *root;        /* doctor */
    const char *only, *from; /* bench */
    uint32_t rounds;
    int quick;
    const char *licence, *source, *sha256; /* models */
    int whole, wordless, numbers;          /* eval; numbers: 0 words, 1 as written */
    /* dictation */
    const char *insert, *target, *hook, *phrases, *socket;
    const char *key, *key_devices;
    int key_from, key_toggles; /* key_from: index into key_from_names, -1 */
    int paste, mic;            /* index into paste_names, -1; 0 always, 1 while a key asks for it */
    int language;              /* index into language_names */
    int show_target, hands_free, follow, all, meter, cues, no_notify, plain, figures;
    uint32_t erase, mic_idle_s, quiet_ms, grace_ms, hook_ms;
    /* servers */
    const char *listen, *key_file, *languages;
    uint32_t engines, clients, wait_s, idle_s, request_s, audio_s, upload_mb;
    /* every command */
    int verbose, quiet, help;
};

enum option_kind {
    OPTION_FLAG,   /* int, counts how often it is given */
    OPTION_TEXT,   /* const char * */
    OPTION_NUMBER, /* uint32_t in low..high; 0 where `none` becomes VS_NONE */
    OPTION_REAL,   /* float in low..high */
    OPTION_CHOICE, /* int, index into choices */
};

enum option_value { VALUE_ANY, VALUE_FILE, VALUE_FOLDER };

struct option {
    const char *name, *argument, *help;
    size_t offset; /* into struct settings */
    double low, high;
    const char *const *choices; /* NULL-terminated; CHOICE, and as a hint for TEXT */
    uint8_t kind;               /* enum option_kind */
    uint8_t value;              /* enum option_value, for completions */
    uint8_t none;               /* NUMBER, REAL: what 0 asks for is "none at all" */
    char letter;                /* 0 = long only */
};

/** Options under one heading; the last has no name. */
struct option_group {
    const char *title;
    const struct option *options;
};

struct command {
    const char *name, *arguments, *summary;
    const char *description;                  /* paragraph for --help */
    const struct option_group *const *groups; /* NULL-terminated */
    int (*run)(const struct settings *s, int count, char **arguments);
    uint8_t takes;     /* enum option_value: what its arguments are, for completions */
    int min_arguments; /* and the most, negative = any number */
    int max_arguments;
    const char *const
        *words; /* what its first argument may be, NULL behind the last; NULL = anything */
};

extern const struct option_group group_listen, group_stdin, group_signal, group_parts, group_made,
    group_enhance, group_detect, group_text, group_output, group_files, group_format, group_monitor,
    group_root, group_bench, group_tune, group_eval, group_models, group_general, group_insert,
    group_type, group_dictate, group_trigger, group_control, group_serve, group_mic;
/** Keys that paste, NULL behind the last. */
extern const char *const paste_names[];
/** Languages of dictation, NULL behind the last. */
extern const char *const language_names[];
/** First arguments of commands, NULL behind the last. */
extern const char *const dictate_words[], *const serve_words[], *const models_words[],
                                                                    *const shell_words[];
/** All commands, the last without a name; in voicestand.c. */
extern const struct command commands[];

void settings_init(struct settings *s);

/** Read the arguments behind the command's name. Options may stand between operands; behind "--"
    all are operands. `*ret_operands` are moved to the front of `arguments`.
    @return 0, or the exit status after one line on stderr. */
int options_parse(const struct command *command, int count, char **arguments, struct settings *s,
                  int *ret_operands);

void options_help(const struct command *command, FILE *to);

/** The candidate of `candidates` nearest to `word`, or NULL if none is near.
    `*best` is the distance of `ret` so far; start with SIZE_MAX. */
void nearest_word(const char *word, const char *candidate, size_t *best, const char **ret);

/** Completion script for "bash", "zsh" or "fish". @return 0 or -EINVAL. */
int options_complete(const char *shell, FILE *to);

#endif
