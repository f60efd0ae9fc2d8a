/* SPDX-License-Identifier: MIT */
/* OpenAI's form of transcription over HTTP: what is asked, what is heard, what is answered. */
#ifndef VS_TOOLS_SERVE_OPENAI_H
#define VS_TOOLS_SERVE_OPENAI_H

#include <microhttpd.h>

#include "serve/server.h"

enum openai_format { OPENAI_JSON, OPENAI_TEXT, OPENAI_SRT, OPENAI_VERBOSE, OPENAI_VTT };

/** A refusal, in OpenAI's form. */
struct openai_refusal {
    unsigned status;   /* of HTTP; 0 = none */
    const char *code;  /* static */
    const char *param; /* the field that is wrong, or NULL; static */
    char sentence[300];
};

/** The first one counts. */
__attribute__((format(printf, 5, 6))) void openai_refuse(struct openai_refusal *r, unsigned status,
                                                         const char *code, const char *param,
                                                         const char *format, ...);

/* what is asked -------------------------------------------------------------------------------- */

enum { FORM_VALUE_BYTES = 8192, FORM_FIELDS_BYTES = 65536 };

/** The form of a request, while it comes. The file is kept in memory that has no name in any
    folder. */
struct openai_form {
    struct MHD_PostProcessor *parser;
    struct openai_refusal *refusal;
    size_t most_bytes, file_bytes, fields_bytes;
    int fd;        /* of the file, -1 = none yet */
    bool is_begun; /* by a call without bytes */
    int field;     /* that comes now, -1 = one that nobody needs */
    size_t field_bytes;
    char value[FORM_VALUE_BYTES];
    /* read by openai_form_end() */
    enum openai_format format;
    bool stream, words, segments; /* the last two: in OPENAI_VERBOSE */
    char language[32];
    double temperature;
};

/** @return 0; -EINVAL it is no form; -ENOMEM. openai_form_fini() follows in each case */
int openai_form_init(struct openai_form *f, struct MHD_Connection *c, size_t most_bytes,
                     struct openai_refusal *refusal);
/** More of it; what is wrong is in `refusal`. */
void openai_form_feed(struct openai_form *f, const char *data, size_t bytes);
/** It is complete: check it. */
void openai_form_end(struct openai_form *f);
void openai_form_fini(struct openai_form *f);

/* what is heard -------------------------------------------------------------------------------- */

struct openai_heard {
    struct vs_event *segments; /* those with text, each with its own copy of it */
    struct vs_word *words;     /* the same */
    size_t count, room, word_count, word_room;
    char *text; /* all of it */
    size_t bytes;
    uint32_t rate_hz;
    double seconds; /* of audio */
    unsigned lost;  /* segments for which the engine failed */
};

/** Keep what an event says. @return 1 there is more text, 0, -ENOMEM */
int openai_hear(struct openai_heard *h, const struct vs_event *e);
void openai_heard_fini(struct openai_heard *h);
/** Status of HTTP and code for what struct server_host's hear() returned. */
void openai_explain(const struct server_job *job, int status, const struct openai_heard *h,
                    struct openai_refusal *ret);

/* what is answered ----------------------------------------------------------------------------- */

/** The whole answer; to be freed. @return NULL without memory */
char *openai_answer(const struct server_host *host, const struct openai_form *f,
                    const struct openai_heard *h, const char **ret_type);
/** Events of a stream, each with its empty line; to be freed. */
char *openai_delta(const char *text);
char *openai_done(const struct openai_heard *h);
char *openai_error(const struct openai_refusal *r, bool event);
char *openai_models(const struct server_host *host, bool list);
char *openai_health(const struct server_host *host);

/* how it is answered --------------------------------------------------------------------------- */

struct openai_stream;

/** Hear in a thread of its own. Waits until there is something to tell.
    @return 0; or what hear() returned, where there is nothing but that to tell (see `refusal`) */
int openai_stream_start(const struct server_host *host, struct openai_form *f,
                        struct openai_refusal *refusal, struct openai_stream **ret);
/** The answer of a started one, which it belongs to from here on. NULL without memory */
struct MHD_Response *openai_stream_response(struct openai_stream *s);
void openai_stream_end(struct openai_stream *s);

/** Hear on this thread. @return 0 or what hear() returned (see `refusal`) */
int openai_transcribe(const struct server_host *host, const struct openai_form *f,
                      struct MHD_Connection *c, struct openai_heard *ret,
                      struct openai_refusal *refusal);

#endif
