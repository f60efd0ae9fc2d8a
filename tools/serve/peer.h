/* SPDX-License-Identifier: MIT */
/* The server's end of one Wyoming connection: whole events in and out, within limits. One thread. */
#ifndef VS_TOOLS_SERVE_PEER_H
#define VS_TOOLS_SERVE_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "modules/wyoming.h"
#include "serve/server.h"

/** Audio comes in pieces of a second at the most; nothing else has a payload. */
enum {
    PEER_LINE_BYTES = 8192,
    PEER_DATA_BYTES = 65536,
    PEER_PAYLOAD_BYTES = 1 << 20,
    PEER_SEND_S = 5, /* a client that does not read for so long is left */
};

struct peer {
    int fd;
    uint32_t number; /* for sentences */
    const struct server_host *host;
    char *in;
    size_t bytes, room, used; /* `used`: of the last event, still there */
    const char *payload;      /* of the last event; until the next */
    size_t payload_bytes;
    bool broken; /* it cannot be sent to any more */
};

void peer_init(struct peer *p, int fd, uint32_t number, const struct server_host *host);
/** Not the descriptor. */
void peer_fini(struct peer *p);

/** Wait for the next event, for idle_s at the most; free its data by json_decref().
    @return 1; 0 the client went away, in order or not; -ETIMEDOUT; -EBADMSG, -EMSGSIZE; -ENOMEM */
int peer_read(struct peer *p, struct vs__wyoming_event *ret);
/** Take an event that is there, without waiting. @return as above; -EAGAIN there is none */
int peer_poll(struct peer *p, struct vs__wyoming_event *ret);

/** Send an event. Takes `data`, which may be NULL. @return false: the client is gone */
bool peer_send(struct peer *p, const char *type, json_t *data, const void *payload, size_t bytes);
/** Say why it cannot go on. */
void peer_fail(struct peer *p, const char *code, const char *sentence);
/** The same for what peer_read() returned; nothing for a client that went away. */
void peer_explain(struct peer *p, int status);
/** Answer what any server answers: describe (with `info`), ping. @return it was one of them */
bool peer_answer(struct peer *p, const struct vs__wyoming_event *e,
                 json_t *(*info)(const struct server_host *host));
/** Say good-bye: nothing is sent any more; what still comes is read and forgotten, for a second at
    the most, so that the client sees what it was told. */
void peer_part(struct peer *p);
/** The client is gone for good, so that nobody needs to be told. */
bool peer_is_gone(const struct peer *p);

/** Serve one client to its end: of `wyoming`, and of `mic`. */
void wyoming_hear_client(struct peer *p);
void wyoming_mic_client(struct peer *p);

/** The microphone's hub; made and removed by the server, around all clients. */
int wyoming_mic_init(const struct server_host *host);
void wyoming_mic_fini(void);

/** "info" for `describe`, each with the one program that it is. */
json_t *wyoming_info_hear(const struct server_host *host);
json_t *wyoming_info_mic(const struct server_host *host);

#endif
