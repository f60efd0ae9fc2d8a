/* SPDX-License-Identifier: MIT */
/* What every format is made of: the seam between output.c and the files of the formats. */
#ifndef VS_SRC_OUTPUT_FORMAT_H
#define VS_SRC_OUTPUT_FORMAT_H

#include "output.h"
#include "put.h"

struct vs__format {
    const char *name;
    const char *alias; /**< or NULL */
    const char *suffix;
    bool is_shared; /**< the source's name is in the output */
    bool needs_probabilities;
    void (*begin)(struct vs_output *o); /**< the header; may be NULL */
    /** @return 0, or -ENOMEM; errors of the stream are seen by the caller. */
    int (*event)(struct vs_output *o, const struct vs_output_source *source,
                 const struct vs_event *event);
    void (*end)(struct vs_output *o); /**< may be NULL */
};

/** One stretch of speech that a TextGrid keeps until the length of the whole is known. */
struct vs__interval {
    uint64_t start_frame, end_frame;
    char *text;
};

struct vs_output {
    struct vs_output_config config;
    const struct vs__format *format;
    FILE *stream;
    int status;            /* the first error, kept */
    const char *file;      /* of the last event */
    uint32_t rate_hz;      /* of the last event with a position */
    bool has_source;       /* `file` was set */
    bool is_line_open;     /* text: the terminal's line will be rewritten */
    uint64_t cues;         /* captions written */
    uint64_t total_frames; /* TextGrid: what is known of the length */
    struct vs__interval *intervals;
    size_t interval_count, interval_room;
};

/** The words of a segment, or "speech" where there are none. */
const char *vs__label(const struct vs_event *event);

extern const struct vs__format vs__format_text;
extern const struct vs__format vs__format_jsonl;
extern const struct vs__format vs__format_rttm;
extern const struct vs__format vs__format_audacity;
extern const struct vs__format vs__format_textgrid;
extern const struct vs__format vs__format_srt;
extern const struct vs__format vs__format_vtt;
extern const struct vs__format vs__format_csv;
extern const struct vs__format vs__format_trace;

#endif
