/* SPDX-License-Identifier: MIT */
#include "keys/request.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { CALL_US = 5000000 };

struct answer {
    const struct portal_ask *ask;
    bool there;
    int status;
};

int portal_open(struct portal *p)
{
    int status = sd_bus_open_user(&p->bus);

    if (status >= 0)
        (void)sd_bus_set_method_call_timeout(p->bus, CALL_US);
    return status < 0 ? status : 0;
}

void portal_close(struct portal *p)
{
    p->bus = sd_bus_flush_close_unref(p->bus);
}

int portal_version(struct portal *p, const char *interface)
{
    uint32_t version = 0;
    int status = sd_bus_get_property_trivial(p->bus, PORTAL_NAME, PORTAL_PATH, interface, "version",
                                             NULL, 'u', &version);

    return status < 0 ? status : (int)version;
}

int portal_options(sd_bus_message *m, struct portal *p, const char *key, const char *value)
{
    int status = sd_bus_message_open_container(m, 'a', "{sv}");

    if (status >= 0)
        status = sd_bus_message_append(m, "{sv}", "handle_token", "s", p->token);
    if (status >= 0 && key != NULL)
        status = sd_bus_message_append(m, "{sv}", key, "s", value);
    return status < 0 ? status : sd_bus_message_close_container(m);
}

static int on_response(sd_bus_message *m, void *user, sd_bus_error *error)
{
    struct answer *a = user;
    uint32_t code = 2;

    (void)error;
    int status = sd_bus_message_read(m, "u", &code);
    if (status >= 0 && code != 0)
        status = code == 1 ? -ECANCELED : -EPROTO;
    if (status >= 0 && a->ask->take != NULL)
        status = a->ask->take(m, a->ask->user);
    a->status = status < 0 ? status : 0;
    a->there = true;
    return 0;
}

static int64_t clock_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int portal_serve(struct portal *p, int timeout_ms)
{
    struct pollfd fds[] = {{.fd = sd_bus_get_fd(p->bus), .events = POLLIN},
                           {.fd = p->waker, .events = POLLIN}};
    int status = sd_bus_process(p->bus, NULL), events;

    if (status != 0)
        return status < 0 ? status : 0;
    events = sd_bus_get_events(p->bus);
    fds[0].events = (short)(events > 0 ? events : POLLIN);
    (void)poll(fds, 2, timeout_ms);
    return fds[1].revents != 0 ? -ECANCELED : 0;
}

static int wait_for(struct portal *p, const struct answer *a)
{
    int64_t end_ms = clock_ms() + a->ask->timeout_ms;
    int status = 0;

    while (status == 0 && !a->there) {
        int64_t left_ms = end_ms - clock_ms();
        status = left_ms > 0 ? portal_serve(p, (int)left_ms) : -ETIMEDOUT;
    }
    return status < 0 ? status : a->status;
}

/* Where the answer will come from, known before the question, so that it cannot be missed. */
static int listen(struct portal *p, struct answer *a, sd_bus_slot **ret)
{
    char path[300], sender[128];
    const char *name = NULL;
    int status = sd_bus_get_unique_name(p->bus, &name);

    if (status < 0)
        return status;
    snprintf(sender, sizeof(sender), "%s", name + 1);
    for (char *dot = sender; (dot = strchr(dot, '.')) != NULL;)
        *dot = '_';
    snprintf(p->token, sizeof(p->token), "voicestand%u", ++p->tokens);
    snprintf(path, sizeof(path), PORTAL_PATH "/request/%s/%s", sender, p->token);
    return sd_bus_match_signal(p->bus, ret, PORTAL_NAME, path, "org.freedesktop.portal.Request",
                               "Response", on_response, a);
}

int portal_request(struct portal *p, const struct portal_ask *ask)
{
    struct answer answer = {.ask = ask};
    sd_bus_message *m = NULL, *reply = NULL;
    sd_bus_slot *slot = NULL;
    int status = listen(p, &answer, &slot);

    if (status >= 0)
        status = sd_bus_message_new_method_call(p->bus, &m, PORTAL_NAME, PORTAL_PATH,
                                                ask->interface, ask->method);
    if (status >= 0)
        status = ask->fill(m, p, ask->user);
    if (status >= 0)
        status = sd_bus_call(p->bus, m, 0, NULL, &reply);
    if (status >= 0)
        status = wait_for(p, &answer);
    sd_bus_message_unref(m);
    sd_bus_message_unref(reply);
    sd_bus_slot_unref(slot);
    return status < 0 ? status : 0;
}

int portal_find(sd_bus_message *results, const char *wanted, char *ret, size_t bytes)
{
    const char *key, *value;
    int status = sd_bus_message_enter_container(results, 'a', "{sv}");

    ret[0] = '\0';
    while (status >= 0 && (status = sd_bus_message_enter_container(results, 'e', "sv")) > 0) {
        status = sd_bus_message_read(results, "s", &key);
        if (status >= 0 && strcmp(key, wanted) == 0) {
            status = sd_bus_message_read(results, "v", "s", &value);
            if (status >= 0)
                snprintf(ret, bytes, "%s", value);
        } else if (status >= 0) {
            status = sd_bus_message_skip(results, "v");
        }
        if (status >= 0)
            status = sd_bus_message_exit_container(results);
    }
    return status < 0 ? status : 0;
}

struct handle {
    char *text;
    size_t bytes;
};

static int fill_session(sd_bus_message *m, struct portal *p, void *user)
{
    (void)user;
    return portal_options(m, p, "session_handle_token", p->token);
}

static int take_session(sd_bus_message *m, void *user)
{
    struct handle *h = user;
    int status = portal_find(m, "session_handle", h->text, h->bytes);

    return status == 0 && h->text[0] == '\0' ? -EPROTO : status;
}

int portal_session(struct portal *p, const char *interface, char *ret, size_t bytes)
{
    struct handle handle = {ret, bytes};
    struct portal_ask ask = {interface,    "CreateSession", fill_session,
                             take_session, &handle,         CALL_US / 1000};

    return portal_request(p, &ask);
}
