/* SPDX-License-Identifier: MIT */
/* Asking the desktop's portal: its answers come later, as signals of a request. */
#ifndef VS_TOOLS_KEYS_REQUEST_H
#define VS_TOOLS_KEYS_REQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-bus.h>

#define PORTAL_NAME "org.freedesktop.portal.Desktop"
#define PORTAL_PATH "/org/freedesktop/portal/desktop"

struct portal {
    sd_bus *bus;
    int waker;       /* readable = give up; -1 = none */
    unsigned tokens; /* used so far */
    char token[32];  /* of the request that runs, for its options */
};

/** Connect to the user's bus. @return 0 or -errno */
int portal_open(struct portal *p);
void portal_close(struct portal *p);
/** @return the version of an interface of the portal, or -errno: there is none */
int portal_version(struct portal *p, const char *interface);

/** What a request is made of: `fill` appends the arguments, options with portal_options() last; `take`, which
    may be NULL, reads the results, a{sv}. */
struct portal_ask {
    const char *interface, *method;
    int (*fill)(sd_bus_message *m, struct portal *p, void *user);
    int (*take)(sd_bus_message *results, void *user);
    void *user;
    int timeout_ms; /* for the user's answer */
};
/** @return 0; -ECANCELED the user said no, or the waker spoke; -ETIMEDOUT; or -errno */
int portal_request(struct portal *p, const struct portal_ask *ask);
/** Append options with the request's token and, unless NULL, one more string. @return 0 or -errno */
int portal_options(sd_bus_message *m, struct portal *p, const char *key, const char *value);
/** Read results to their end. `*ret` is the string of `wanted`, "" = there is none. @return 0 or -errno */
int portal_find(sd_bus_message *results, const char *wanted, char *ret, size_t bytes);
/** Begin a session of an interface that has CreateSession; `ret` is its handle. @return as portal_request() */
int portal_session(struct portal *p, const char *interface, char *ret, size_t bytes);
/** Serve the bus once: what is there, or wait for up to `timeout_ms`, negative = for ever.
    @return 0; -ECANCELED the waker spoke; or the bus is gone */
int portal_serve(struct portal *p, int timeout_ms);

#endif
