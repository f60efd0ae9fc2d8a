/* SPDX-License-Identifier: MIT */
/* The side of the Wyoming protocol that has speech and wants text, apart from where the server is.
   Audio flows while it comes; it is kept, and sent again over another connection where one breaks.
   One thread, but for vs__wyoming_cancel(). */
#ifndef VS_SRC_MODULES_WYOMING_CLIENT_H
#define VS_SRC_MODULES_WYOMING_CLIENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <voicestand/event.h>

#include "stt/gather.h"

struct vs__wyoming_client {
    /* set by the owner before init */
    const struct vs_log *log;
    const char *peer;             /**< for sentences: "wyoming server HOST:PORT" */
    const char *model, *language; /**< asked of the server; NULL = its choice */
    long timeout_s, tries;
    void *user;
    /** A connection: a socket that does not block, perhaps still connecting. `other`: the last one
        was refused, give another address. @return it, or -errno; -ENOENT no other address */
    int (*dial)(void *user, bool other, bool *ret_connecting);
    /** A try failed: may put a better reason into `why`. May be NULL. */
    void (*failed)(void *user, int status, char *why, size_t bytes);

    /* its own */
    uint64_t segment;
    struct vs__gather audio;
    int cancel_fd;
    _Atomic bool is_cancelled; /* until the next begin */
    int fd;                    /* -1 = no connection */
    bool is_connecting, is_begun, is_closing, is_closed;
    size_t sent_frames;
    char *out, *in;
    size_t out_bytes, out_at, in_bytes;
    bool is_done; /* `text` is what the server made of the segment */
    bool has_news;
    int64_t alive_ns;      /* when a host last told that it works */
    char *raw, *text;      /* so far, as it came and cleaned */
    struct vs_word *words; /* of the final text, where it tells them, with their texts */
    size_t word_count;
    char why[300]; /* of the last failure */
};

/** @return 0 or -errno; vs__wyoming_fini() follows in both cases */
int vs__wyoming_init(struct vs__wyoming_client *w);
void vs__wyoming_fini(struct vs__wyoming_client *w);

/* As the functions of struct vs_stt_ops. `text` is what is heard so far. */
void vs__wyoming_begin(struct vs__wyoming_client *w, uint64_t segment);
int vs__wyoming_feed(struct vs__wyoming_client *w, const float *audio, size_t frames);
int vs__wyoming_finish(struct vs__wyoming_client *w, const char **ret);
void vs__wyoming_cancel(struct vs__wyoming_client *w);

#endif
