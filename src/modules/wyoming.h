/* SPDX-License-Identifier: MIT */
/* Events of the Wyoming protocol: a line of JSON, more JSON behind it, bytes behind that. */
#ifndef VS_SRC_MODULES_WYOMING_H
#define VS_SRC_MODULES_WYOMING_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/** No event that a text engine has a use for is longer. */
#define VS__WYOMING_EVENT_BYTES ((size_t)1 << 20)

/** The most of each part, and of all together, that is taken, for those who hear from strangers. */
struct vs__wyoming_limits {
    size_t line_bytes, data_bytes, payload_bytes, event_bytes;
};

/** What came. */
struct vs__wyoming_event {
    char type[40];
    json_t *data; /**< an object; given back by json_decref() */
};

/** Take the first event of what was read.
    @param ret_used its bytes, where 1 is returned @param ret_payload how many of them, the last
    ones, are its payload; may be NULL
    @return 1; 0 it is not complete; -EBADMSG this is not the protocol, or longer than allowed */
int vs__wyoming_take(const char *from, size_t bytes, struct vs__wyoming_event *ret,
                     size_t *ret_used, size_t *ret_payload);

/** The same, with less than the longest. @return also -EMSGSIZE: a part is longer than `limits` says */
int vs__wyoming_take_within(const char *from, size_t bytes, const struct vs__wyoming_limits *limits,
                            struct vs__wyoming_event *ret, size_t *ret_used, size_t *ret_payload);

/** Write an event. Takes `data`, which may be NULL. @return its bytes; -ENOSPC; -ENOMEM */
int vs__wyoming_put(const char *type, json_t *data, const void *payload, size_t payload_bytes,
                    char *ret, size_t room);

#endif
