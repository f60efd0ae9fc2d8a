/* SPDX-License-Identifier: MIT */
/* Events of the Wyoming protocol, to and from bytes. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "modules/wyoming.h"

/* A length in the header: absent is 0. @return -EBADMSG no length; -EMSGSIZE more than `most` */
static int get_length(const json_t *header, const char *key, size_t most, size_t *ret)
{
    const json_t *number = json_object_get(header, key);

    *ret = 0;
    if (!number || json_typeof(number) == JSON_NULL) {
        return 0;
    }
    json_int_t value = json_integer_value(number);
    if (json_typeof(number) != JSON_INTEGER || value < 0) {
        return -EBADMSG;
    }
    *ret = (size_t)value;
    return *ret > most ? -EMSGSIZE : 0;
}

/* The keys behind the header win over those in it. */
static json_t *merge(const json_t *header, const char *more, size_t bytes)
{
    json_t *inside = json_object_get(header, "data");
    json_t *data = json_object();
    json_t *behind = bytes > 0 ? json_loadb(more, bytes, 0, NULL) : json_object();

    /* json_copy() would leave out what it has no memory for */
    if ((json_is_object(inside) && json_object_update(data, inside) != 0) ||
        json_object_update(data, behind) != 0) {
        json_decref(data);
        data = NULL;
    }
    json_decref(behind);
    return data;
}

int vs__wyoming_take_within(const char *from, size_t bytes, const struct vs__wyoming_limits *limits,
                            struct vs__wyoming_event *ret, size_t *ret_used, size_t *ret_payload)
{
    const char *end = memchr(from, '\n', VS__MIN(bytes, limits->line_bytes));
    size_t line = end ? (size_t)(end - from) + 1 : 0;
    size_t more = 0, payload = 0;

    if (!end) {
        return bytes >= limits->line_bytes ? -EMSGSIZE : 0;
    }
    json_t *header = json_loadb(from, line, 0, NULL);
    const char *type = json_string_value(json_object_get(header, "type"));
    int status = type ? get_length(header, "data_length", limits->data_bytes, &more) : -EBADMSG;
    if (status == 0) {
        status = get_length(header, "payload_length", limits->payload_bytes, &payload);
    }
    if (status == 0 && line + more + payload > limits->event_bytes) {
        status = -EMSGSIZE;
    }
    if (status == 0 && line + more + payload <= bytes) {
        json_t *data = merge(header, from + line, more);
        status = data ? 1 : -EBADMSG;
        if (data) {
            snprintf(ret->type, sizeof(ret->type), "%s", type);
            ret->data = data;
            *ret_used = line + more + payload;
            if (ret_payload) {
                *ret_payload = payload;
            }
        }
    }
    json_decref(header);
    return status;
}

int vs__wyoming_take(const char *from, size_t bytes, struct vs__wyoming_event *ret,
                     size_t *ret_used, size_t *ret_payload)
{
    static const struct vs__wyoming_limits whole = {
        VS__WYOMING_EVENT_BYTES, VS__WYOMING_EVENT_BYTES, VS__WYOMING_EVENT_BYTES,
        VS__WYOMING_EVENT_BYTES};
    int status = vs__wyoming_take_within(from, bytes, &whole, ret, ret_used, ret_payload);

    return status == -EMSGSIZE ? -EBADMSG : status;
}

int vs__wyoming_put(const char *type, json_t *data, const void *payload, size_t payload_bytes,
                    char *ret, size_t room)
{
    char *more = data ? json_dumps(data, JSON_COMPACT) : NULL;
    size_t more_bytes = more ? strlen(more) : 0;
    int length = -ENOMEM;

    if (!data || more) {
        length =
            snprintf(ret, room, "{\"type\":\"%s\",\"data_length\":%zu,\"payload_length\":%zu}\n",
                     type, more_bytes, payload_bytes);
        length = (size_t)length + more_bytes + payload_bytes <= room ? length : -ENOSPC;
    }
    if (length > 0) {
        memcpy(ret + length, more ? more : "", more_bytes);
        memcpy(ret + (size_t)length + more_bytes, payload ? payload : "", payload_bytes);
        length += (int)(more_bytes + payload_bytes);
    }
    free(more);
    json_decref(data);
    return length;
}
