/* SPDX-License-Identifier: MIT */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "serve/openai.h"

enum { PARSER_BYTES = 16384 };

/* Fields that mean something; others are passed over. */
enum { MODEL, LANGUAGE, PROMPT, FORMAT, TEMPERATURE, STREAM, GRANULARITIES, FIELDS };
static const char *const names[FIELDS] = {"model",
                                          "language",
                                          "prompt",
                                          "response_format",
                                          "temperature",
                                          "stream",
                                          "timestamp_granularities"};

static int find_field(const char *key)
{
    size_t length = strlen(key);

    if (length > 2 && strcmp(key + length - 2, "[]") == 0)
        length -= 2;
    for (int i = 0; i < FIELDS; i++)
        if (strncmp(names[i], key, length) == 0 && names[i][length] == '\0')
            return i;
    return -1;
}

/* values --------------------------------------------------------------------------------------- */

static void take_format(struct openai_form *f)
{
    static const char *const formats[] = {"json", "text", "srt", "verbose_json", "vtt"};

    for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++)
        if (strcmp(formats[i], f->value) == 0) {
            f->format = (enum openai_format)i;
            return;
        }
    openai_refuse(f->refusal, MHD_HTTP_BAD_REQUEST, "invalid_value", "response_format",
                  "response_format is none of json, text, srt, verbose_json, vtt");
}

static void take_temperature(struct openai_form *f)
{
    char *end;

    f->temperature = strtod(f->value, &end);
    if (end == f->value || *end != '\0' || !(f->temperature >= 0 && f->temperature <= 1))
        openai_refuse(f->refusal, MHD_HTTP_BAD_REQUEST, "invalid_value", "temperature",
                      "temperature is a number from 0 to 1");
}

static void take_stream(struct openai_form *f)
{
    f->stream = strcasecmp(f->value, "true") == 0 || strcmp(f->value, "1") == 0;
    if (!f->stream && strcasecmp(f->value, "false") != 0 && strcmp(f->value, "0") != 0)
        openai_refuse(f->refusal, MHD_HTTP_BAD_REQUEST, "invalid_value", "stream",
                      "stream is true or false");
}

static void take_granularity(struct openai_form *f)
{
    bool word = strcmp(f->value, "word") == 0;

    if (!word && strcmp(f->value, "segment") != 0)
        openai_refuse(f->refusal, MHD_HTTP_BAD_REQUEST, "invalid_value", names[GRANULARITIES],
                      "timestamp_granularities are word and segment");
    f->words = f->words || word;
    f->segments = f->segments || !word;
}

static void take_language(struct openai_form *f)
{
    size_t length = strlen(f->value);

    if (length >= sizeof(f->language) ||
        strspn(f->value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-") != length)
        openai_refuse(f->refusal, MHD_HTTP_BAD_REQUEST, "invalid_value", "language",
                      "language is a code as in en");
    else
        memcpy(f->language, f->value, length + 1);
}

/* The value of a field is complete. */
static void end_field(struct openai_form *f)
{
    f->value[f->field_bytes] = '\0';
    if (f->field >= 0 && strlen(f->value) != f->field_bytes)
        openai_refuse(f->refusal, MHD_HTTP_BAD_REQUEST, "invalid_value", names[f->field],
                      "%s holds a zero byte", names[f->field]);
    switch (f->field) {
    case LANGUAGE:
        take_language(f);
        break;
    case FORMAT:
        take_format(f);
        break;
    case TEMPERATURE:
        take_temperature(f);
        break;
    case STREAM:
        take_stream(f);
        break;
    case GRANULARITIES:
        take_granularity(f);
        break;
    default: /* any model is the engine that is there; a prompt it may not understand */
        break;
    }
    f->field = -1;
    f->field_bytes = 0;
}

/* parts ---------------------------------------------------------------------------------------- */

static void take_file(struct openai_form *f, uint64_t offset, const char *data, size_t bytes)
{
    if (offset == 0 && f->file_bytes > 0) {
        openai_refuse(f->refusal, MHD_HTTP_BAD_REQUEST, "invalid_value", "file",
                      "there is more than one file");
        return;
    }
    if (f->fd < 0) {
        f->fd = memfd_create("upload", MFD_CLOEXEC);
        if (f->fd < 0) {
            openai_refuse(f->refusal, MHD_HTTP_INTERNAL_SERVER_ERROR, "server_error", NULL,
                          "there is no memory for the file");
            return;
        }
    }
    f->file_bytes += bytes;
    if (f->file_bytes > f->most_bytes) {
        openai_refuse(f->refusal, MHD_HTTP_CONTENT_TOO_LARGE, "file_too_large", "file",
                      "the file is larger than %zu MiB", f->most_bytes >> 20);
        return;
    }
    while (bytes > 0) {
        ssize_t n = write(f->fd, data, bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            openai_refuse(f->refusal, MHD_HTTP_INTERNAL_SERVER_ERROR, "server_error", NULL,
                          "there is no memory for the file");
            return;
        }
        data += n;
        bytes -= (size_t)n;
    }
}

static void take_value(struct openai_form *f, const char *data, size_t bytes)
{
    f->fields_bytes += bytes;
    if (f->fields_bytes > FORM_FIELDS_BYTES || f->field_bytes + bytes >= sizeof(f->value)) {
        openai_refuse(f->refusal, MHD_HTTP_BAD_REQUEST, "invalid_value",
                      f->field >= 0 ? names[f->field] : NULL, "a field is longer than %d bytes",
                      FORM_VALUE_BYTES - 1);
        return;
    }
    memcpy(f->value + f->field_bytes, data, bytes);
    f->field_bytes += bytes;
}

static enum MHD_Result on_part(void *user, enum MHD_ValueKind kind, const char *key,
                               const char *name, const char *type, const char *encoding,
                               const char *data, uint64_t offset, size_t bytes)
{
    struct openai_form *f = user;
    bool file = key != NULL && strcmp(key, "file") == 0; /* a part may have no name */

    (void)kind;
    (void)name;
    (void)type;
    (void)encoding;
    if (f->refusal->status != 0)
        return MHD_YES; /* read on, so that the client hears why */
    /* The parser may tell of a part before it has any of its bytes, and then again. */
    int field = file || key == NULL ? -1 : find_field(key);
    if (offset == 0 && !(f->is_begun && f->field == field)) {
        end_field(f);
        f->field = field;
    }
    f->is_begun = offset == 0 && bytes == 0;
    if (file)
        take_file(f, offset, data, bytes);
    else
        take_value(f, data, bytes);
    return MHD_YES;
}

/* the form ------------------------------------------------------------------------------------- */

int openai_form_init(struct openai_form *f, struct MHD_Connection *c, size_t most_bytes,
                     struct openai_refusal *refusal)
{
    const char *type = MHD_lookup_connection_value(c, MHD_HEADER_KIND, "Content-Type");

    memset(f, 0, sizeof(*f));
    f->fd = f->field = -1;
    f->most_bytes = most_bytes;
    f->refusal = refusal;
    if (type == NULL || strncasecmp(type, "multipart/form-data", 19) != 0)
        return -EINVAL;
    f->parser = MHD_create_post_processor(c, PARSER_BYTES, on_part, f);
    return f->parser != NULL ? 0 : -EINVAL;
}

void openai_form_feed(struct openai_form *f, const char *data, size_t bytes)
{
    if (f->refusal->status == 0 && MHD_post_process(f->parser, data, bytes) == MHD_NO)
        openai_refuse(f->refusal, MHD_HTTP_BAD_REQUEST, "invalid_form", NULL,
                      "the form is damaged: it is not multipart/form-data by its boundary");
}

void openai_form_end(struct openai_form *f)
{
    enum MHD_Result whole = MHD_destroy_post_processor(f->parser);

    f->parser = NULL;
    if (f->refusal->status != 0)
        return;
    end_field(f);
    if (whole == MHD_NO)
        openai_refuse(f->refusal, MHD_HTTP_BAD_REQUEST, "invalid_form", NULL,
                      "the form is damaged: it ends in the middle");
    if (f->fd < 0 || f->file_bytes == 0)
        openai_refuse(f->refusal, MHD_HTTP_BAD_REQUEST, "missing_required_parameter", "file",
                      "there is no file");
    if ((f->words || f->segments) && f->format != OPENAI_VERBOSE)
        openai_refuse(f->refusal, MHD_HTTP_BAD_REQUEST, "invalid_value", names[GRANULARITIES],
                      "timestamp_granularities need response_format verbose_json");
    if (f->stream && f->format != OPENAI_JSON && f->format != OPENAI_TEXT)
        openai_refuse(f->refusal, MHD_HTTP_BAD_REQUEST, "invalid_value", "stream",
                      "stream goes with response_format json or text");
    if (!f->words)
        f->segments = true;
}

void openai_form_fini(struct openai_form *f)
{
    if (f->parser != NULL)
        (void)MHD_destroy_post_processor(f->parser);
    f->parser = NULL;
    if (f->fd >= 0)
        close(f->fd);
    f->fd = -1;
}
