/* SPDX-License-Identifier: MIT */
/* The formats that the command writes, the audio of segments, and the check of a written ledger.
   Linked into the command alone: knows the public headers and nothing of the library's inside. */
#ifndef VS_SRC_OUTPUT_OUTPUT_H
#define VS_SRC_OUTPUT_OUTPUT_H

#include <stdio.h>

#include <voicestand/voicestand.h>

/* formats ------------------------------------------------------------------------------------ */

enum vs_output_format {
    VS_OUTPUT_TEXT,     /**< for people at a terminal: time and text */
    VS_OUTPUT_JSONL,    /**< every event, one object a line; see docs/jsonl.md */
    VS_OUTPUT_RTTM,     /**< NIST speaker segments */
    VS_OUTPUT_AUDACITY, /**< label track */
    VS_OUTPUT_TEXTGRID, /**< Praat, one interval tier */
    VS_OUTPUT_SRT,      /**< SubRip captions */
    VS_OUTPUT_VTT,      /**< WebVTT captions */
    VS_OUTPUT_CSV,      /**< one row a segment */
    VS_OUTPUT_TRACE,    /**< one row a hop: file,start_ms,end_ms,prob; from PROBABILITY events */
    VS_OUTPUT_COUNT
};

/** @return enum vs_output_format for "text", "jsonl", "rttm", "audacity", "textgrid", "srt", "vtt",
    "csv", "trace" (also "json", "webvtt", "labels"); or -EINVAL. */
int vs_output_format_parse(const char *name);
/** Name as above; "unknown" outside the enum. */
const char *vs_output_format_name(int format);
/** How its files end, with the dot: ".jsonl", ".txt", ".TextGrid", …; "" outside the enum. */
const char *vs_output_format_suffix(int format);
/** 1 where one output can hold several sources (the name of each is in it), 0 where each source
    needs an output of its own. */
int vs_output_format_is_shared(int format);
/** What a pipeline must be asked for: 1 if the format shows probabilities of hops (TRACE). */
int vs_output_format_needs_probabilities(int format);

/** Where events come from. `file` outlives the output's close. */
struct vs_output_source {
    const char *file;      /**< its name; NULL = live, without one */
    uint32_t rate_hz;      /**< of the source, for exact times */
    uint64_t total_frames; /**< length where known (0 = unknown): a TextGrid's end */
    const char *id;        /**< what JSON Lines call it beside its name, or NULL */
    const char *input;     /**< an object of JSON, without line ends, that JSON Lines carry through
                                with each segment, error and ledger; or NULL */
};

struct vs_output_config {
    int format;        /**< enum vs_output_format */
    FILE *stream;      /**< written and flushed, never closed */
    int live;          /**< nonzero: clock times in JSON Lines and text, a flush at each event */
    int terminal;      /**< nonzero: TEXT may rewrite its last line to show what is heard so far */
    int headless;      /**< nonzero: no header (CSV, TRACE): what is written will be appended */
    int probabilities; /**< nonzero: JSON Lines also holds PROBABILITY events */
};

/** One output being written. One thread at a time. */
typedef struct vs_output vs_output;

/** Begin an output: writes its header, if any. @return 0; -EINVAL; -ENOMEM; or why the stream
    cannot be written. */
int vs_output_open(const struct vs_output_config *config, vs_output **ret);

/** Write one event; what a format does not show is skipped. Events of several sources may come
    mixed where the format is shared; AUDIO is always skipped.
    @return 0; -EINVAL a second source in a format that holds one; -ENOMEM; or the first error of
    the stream, again on each later call (-EPIPE: the reader went away; -ENOSPC: the disk is
    full). The caller ignores SIGPIPE. */
int vs_output_event(vs_output *o, const struct vs_output_source *source,
                    const struct vs_event *event);

/** Write one line that is no event, e.g. of a file that could not be opened: an ERROR object in
    JSON Lines, nothing in other formats. */
int vs_output_error(vs_output *o, const struct vs_output_source *source, int status,
                    const char *sentence);

/** Complete, flush, free. NULL is fine.
    @return 0, or the first error: what was written is not complete. */
int vs_output_close(vs_output *o);

/* segment audio ------------------------------------------------------------------------------ */

struct vs_segment_audio_config {
    struct vs_env env;
    const char *dir;       /**< exists */
    const char *stem;      /**< how names start, e.g. the input's name without folder and end */
    const char *container; /**< "wav" or "flac" */
};

/** Writes STEM_SSSSS_MILLISECONDS.wav for each segment, e.g. talk_00001_2340.wav: mono, 16 bits,
    16 kHz. A file has its name only once it is complete. */
typedef struct vs_segment_audio vs_segment_audio;

int vs_segment_audio_open(const struct vs_segment_audio_config *config, vs_segment_audio **ret);

/** Give it every event of a pipeline that was asked for VS_AUDIO_SEGMENTS; it takes START, AUDIO
    and END. @return 0, or why a file could not be written; the log got one sentence. */
int vs_segment_audio_event(vs_segment_audio *a, uint32_t rate_hz, const struct vs_event *event);

/** Name of the last complete file, or NULL before the first. Lives until the next event. */
const char *vs_segment_audio_last(const vs_segment_audio *a);

/** Remove a segment without END, free. NULL is fine. @return how many files were completed. */
uint64_t vs_segment_audio_close(vs_segment_audio *a);

/* picture ------------------------------------------------------------------------------------ */

struct vs_plot_config {
    const char *title;    /**< what stands above; outlives the plot. May be NULL */
    const char *detector; /**< what decided; the same */
    float threshold;      /**< drawn across the probability */
};

/** A picture of one recording, kept in memory until it is written: 12 bytes for each 10 ms. */
typedef struct vs_plot vs_plot;

/** @return 0 or -ENOMEM */
int vs_plot_open(const struct vs_plot_config *config, vs_plot **ret);
/** Give it every event of a pipeline that was asked for VS_AUDIO_ALL and probabilities.
    @return 0 or -ENOMEM */
int vs_plot_event(vs_plot *p, const struct vs_event *event);
/** Write it as SVG: waveform, segments, probability, in rows. @return 0, or why the stream cannot be
    written */
int vs_plot_write(const vs_plot *p, FILE *stream);
/** NULL is fine. */
void vs_plot_close(vs_plot *p);

/* ledger check ------------------------------------------------------------------------------- */

/** What vs_ledger_check() saw. */
struct vs_ledger_report {
    uint64_t lines, events, runs; /**< runs: ledgers seen */
    uint64_t segments, texts, gaps;
    uint64_t captured, delivered, dropped; /**< frames, sums over runs */
    uint64_t findings;
};

/** Read JSON Lines of events and recompute what they claim: captured = delivered + dropped, each
    cause of drops equals the sum of its gaps, residual 0, segments in order and disjoint, texts of
    segments that exist, a ledger at the end of each run. Keys it does not know are ignored.
    @param finding called for each thing that is wrong, with the number of its line (0 = the end).
    @return 0 all right; 1 there are findings; -EBADMSG no events at all; or why the stream cannot
    be read. `*ret` is set unless negative. */
int vs_ledger_check(FILE *stream, void (*finding)(void *user, uint64_t line, const char *sentence),
                    void *user, struct vs_ledger_report *ret);

#endif
