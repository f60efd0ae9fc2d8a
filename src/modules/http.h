/* SPDX-License-Identifier: MIT */
/* The text in what a transcription server answers. */
#ifndef VS_SRC_MODULES_HTTP_H
#define VS_SRC_MODULES_HTTP_H

#include <stdbool.h>
#include <stddef.h>

/** What was understood of a reply. */
struct vs__http_reply {
    char *text;        /**< the transcript, raw; freed by the caller (vs__free). NULL: none */
    char message[200]; /**< what the server says about an error; "" if nothing */
};

/** Read a whole reply: JSON with "text" (OpenAI, whisper.cpp), plain text, or a stream of events
    ("transcript.text.delta", "transcript.text.done"). Not ended by 0.
    @param type the value of Content-Type, or NULL
    @return 0; -EBADMSG not such a reply, or one that broke off; -EREMOTEIO the server says that it
    failed (`message`); -ENOMEM */
int vs__http_read(const char *type, const char *body, size_t bytes, struct vs__http_reply *ret);

/** Like that for a reply with an error status: fill `ret->message` as far as possible. */
void vs__http_read_error(const char *body, size_t bytes, struct vs__http_reply *ret);

#endif
