/* SPDX-License-Identifier: MIT */
/* The text in what a transcription server answers. */
#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <strings.h>

#include "base/base.h"
#include "modules/http.h"
#include "stt/child.h"

static void keep_message(struct vs__http_reply *r, const char *text, size_t bytes)
{
    char line[3 * 60 + 1];

    vs__words_clean(text, vs__words_whole(text, VS__MIN(bytes, (size_t)60)), line);
    snprintf(r->message, sizeof(r->message), "%s", line);
}

/* {"error": "words"}, {"error": {"message": "words"}}, {"detail": "words"} */
static bool keep_error(struct vs__http_reply *r, const json_t *root)
{
    const json_t *error = json_object_get(root, "error");
    const json_t *words = json_is_object(error) ? json_object_get(error, "message") : error;

    words = words ? words : json_object_get(root, "detail");
    if (!json_is_string(words)) {
        return error != NULL;
    }
    keep_message(r, json_string_value(words), json_string_length(words));
    return true;
}

static int append(struct vs__http_reply *r, const json_t *words)
{
    size_t had = r->text ? strlen(r->text) : 0;
    char *grown = vs__alloc(had + json_string_length(words) + 1);

    if (!grown) {
        return -ENOMEM;
    }
    memcpy(grown, r->text ? r->text : "", had);
    memcpy(grown + had, json_string_value(words), strlen(json_string_value(words)));
    vs__free(r->text);
    r->text = grown;
    return 0;
}

static int read_json(struct vs__http_reply *r, const char *body, size_t bytes)
{
    json_t *root = json_loadb(body, bytes, 0, NULL);
    const json_t *text = json_object_get(root, "text");
    int status = -EBADMSG;

    if (json_is_string(text)) {
        status = append(r, text);
    } else if (keep_error(r, root)) {
        status = -EREMOTEIO;
    } else {
        keep_message(r, body, bytes);
    }
    json_decref(root);
    return status;
}

/* One event of a stream. @param done set by what ends a transcript */
static int read_event(struct vs__http_reply *r, const char *data, size_t bytes, bool *done)
{
    if (bytes == 6 && memcmp(data, "[DONE]", 6) == 0) {
        *done = true;
        return 0;
    }
    json_t *root = json_loadb(data, bytes, 0, NULL);
    const char *type = json_string_value(json_object_get(root, "type"));
    const json_t *delta = json_object_get(root, "delta");
    const json_t *text = json_object_get(root, "text");
    int status = 0;

    if (!json_is_object(root)) {
        keep_message(r, data, bytes);
        status = -EBADMSG;
    } else if (keep_error(r, root)) {
        status = -EREMOTEIO;
    } else if (type && strcmp(type, "transcript.text.delta") == 0 && json_is_string(delta)) {
        status = append(r, delta);
    } else if (json_is_string(text) && (!type || strcmp(type, "transcript.text.done") == 0)) {
        if (type) { /* the whole of it, again */
            vs__free(r->text);
            r->text = NULL;
            *done = true;
        }
        status = append(r, text);
    } /* other types may come; they are no text */
    json_decref(root);
    return status;
}

/* Server-sent events, as the HTML standard frames them; one line of data an event. */
static int read_stream(struct vs__http_reply *r, const char *body, size_t bytes)
{
    bool done = false;
    int status = 0;

    for (size_t at = 0; status == 0 && at < bytes;) {
        const char *line = body + at;
        const char *end = memchr(line, '\n', bytes - at);
        size_t length = end ? (size_t)(end - line) : bytes - at;

        at += length + 1;
        if (length > 0 && line[length - 1] == '\r') {
            length--;
        }
        if (length < 5 || memcmp(line, "data:", 5) != 0) {
            continue;
        }
        size_t skip = length > 5 && line[5] == ' ' ? 6 : 5;
        status = read_event(r, line + skip, length - skip, &done);
    }
    if (status == 0 && !done) {
        snprintf(r->message, sizeof(r->message), "the stream broke off");
        status = -EBADMSG;
    }
    return status;
}

static bool is_type(const char *type, const char *wanted)
{
    size_t length = strlen(wanted);

    return type && strncasecmp(type, wanted, length) == 0 &&
           (type[length] == '\0' || type[length] == ';' || type[length] == ' ');
}

int vs__http_read(const char *type, const char *body, size_t bytes, struct vs__http_reply *ret)
{
    int status;

    *ret = (struct vs__http_reply){0};
    if (is_type(type, "text/event-stream")) {
        status = read_stream(ret, body, bytes);
    } else if (is_type(type, "text/plain") && (bytes == 0 || body[0] != '{')) {
        ret->text = vs__alloc(bytes + 1);
        status = ret->text ? 0 : -ENOMEM;
        if (ret->text) {
            memcpy(ret->text, body, bytes);
        }
    } else {
        status = read_json(ret, body, bytes);
    }
    if (status == 0 && !ret->text) { /* a stream that ended without a word */
        ret->text = vs__strdup("");
        status = ret->text ? 0 : -ENOMEM;
    }
    if (status != 0) {
        vs__free(ret->text);
        ret->text = NULL;
    }
    return status;
}

void vs__http_read_error(const char *body, size_t bytes, struct vs__http_reply *ret)
{
    json_t *root = json_loadb(body, bytes, 0, NULL);

    *ret = (struct vs__http_reply){0};
    if (!keep_error(ret, root)) {
        keep_message(ret, body, bytes);
    }
    json_decref(root);
}
