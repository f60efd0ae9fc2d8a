/* SPDX-License-Identifier: MIT */
#include "dictate/remote.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dictate/utf8.h"
#include "keys/request.h"

#define INTERFACE "org.freedesktop.portal.RemoteDesktop"

/* PATIENCE_MS: for the user to say yes. */
enum { CALL_MS = 5000, PATIENCE_MS = 45000, KEYBOARD = 1, UNTIL_REVOKED = 2 };

#define KEY_BACKSPACE 0xff08u

struct remote {
    struct portal portal;
    char session[256], token[256]; /* token: of an earlier consent; "" = none */
};

static int fill_devices(sd_bus_message *m, struct portal *p, void *user)
{
    const struct remote *r = user;
    int status = sd_bus_message_append(m, "o", r->session);

    if (status >= 0 && r->token[0] != '\0')
        status = sd_bus_message_append(m, "a{sv}", 4, "handle_token", "s", p->token, "types", "u",
                                       KEYBOARD, "persist_mode", "u", UNTIL_REVOKED,
                                       "restore_token", "s", r->token);
    else if (status >= 0)
        status = sd_bus_message_append(m, "a{sv}", 3, "handle_token", "s", p->token, "types", "u",
                                       KEYBOARD, "persist_mode", "u", UNTIL_REVOKED);
    return status;
}

static int fill_start(sd_bus_message *m, struct portal *p, void *user)
{
    const struct remote *r = user;
    int status = sd_bus_message_append(m, "os", r->session, "");

    return status < 0 ? status : portal_options(m, p, NULL, NULL);
}

static int take_start(sd_bus_message *m, void *user)
{
    struct remote *r = user;

    return portal_find(m, "restore_token", r->token, sizeof(r->token));
}

static void read_token(struct remote *r, const char *path)
{
    FILE *from = path != NULL ? fopen(path, "re") : NULL;

    if (from == NULL)
        return;
    if (fgets(r->token, sizeof(r->token), from) == NULL)
        r->token[0] = '\0';
    r->token[strcspn(r->token, "\n")] = '\0';
    for (const char *c = r->token; *c != '\0'; c++)
        if (*c <= ' ' || *c > '~') { /* not what was written; the bus refuses what is no UTF-8 */
            r->token[0] = '\0';
            break;
        }
    fclose(from);
}

/* A token is good once: the next one is written before anything is typed. */
static void write_token(const struct remote *r, const char *path)
{
    int fd = path != NULL && r->token[0] != '\0'
                 ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600)
                 : -1;

    if (fd < 0)
        return;
    if (fchmod(fd, 0600) == 0)               /* where it was there before */
        (void)dprintf(fd, "%s\n", r->token); /* without it the user is asked again */
    close(fd);
}

static int begin(struct remote *r, const char *token)
{
    struct portal_ask devices = {INTERFACE, "SelectDevices", fill_devices, NULL, r, CALL_MS};
    struct portal_ask start = {INTERFACE, "Start", fill_start, take_start, r, PATIENCE_MS};
    int status = portal_session(&r->portal, INTERFACE, r->session, sizeof(r->session));

    read_token(r, token);
    if (status == 0)
        status = portal_request(&r->portal, &devices);
    if (status == 0)
        status = portal_request(&r->portal, &start);
    if (status == 0)
        write_token(r, token);
    return status;
}

static int move_key(struct remote *r, uint32_t symbol, uint32_t down)
{
    int status = sd_bus_call_method(r->portal.bus, PORTAL_NAME, PORTAL_PATH, INTERFACE,
                                    "NotifyKeyboardKeysym", NULL, NULL, "oa{sv}iu", r->session, 0,
                                    (int32_t)symbol, down);

    return status < 0 ? status : 0;
}

static int tap(struct remote *r, uint32_t symbol)
{
    int status = move_key(r, symbol, 1);

    return status < 0 ? status : move_key(r, symbol, 0);
}

static int open_remote(struct remote *r)
{
    *r = (struct remote){.portal = {.waker = -1}};
    int status = portal_open(&r->portal);
    if (status == 0 && portal_version(&r->portal, INTERFACE) < 0)
        status = -ENOTSUP;
    return status;
}

static int probe(void)
{
    struct remote r;
    int status = open_remote(&r);

    portal_close(&r.portal);
    return status;
}

static int type(const char *token, const char *text, uint32_t erase, size_t *ret_typed)
{
    struct remote r;
    int status = open_remote(&r);

    *ret_typed = 0;
    if (status == 0)
        status = begin(&r, token);
    for (; status == 0 && erase > 0; erase--)
        status = tap(&r, KEY_BACKSPACE);
    while (status == 0 && *text != '\0') {
        status = tap(&r, utf8_keysym(utf8_next(&text)));
        *ret_typed += status == 0;
    }
    if (r.session[0] != '\0')
        (void)sd_bus_call_method(r.portal.bus, PORTAL_NAME, r.session,
                                 "org.freedesktop.portal.Session", "Close", NULL, NULL, "");
    portal_close(&r.portal);
    return status;
}

extern const struct remote_ops voicestand_remote;
__attribute__((visibility("default")))
const struct remote_ops voicestand_remote = {.abi = REMOTE_ABI, .probe = probe, .type = type};
