/* SPDX-License-Identifier: MIT */
/* Keys by the desktop's portal, org.freedesktop.portal.GlobalShortcuts: the user is asked once, and may
   choose another key than the one that is asked for. In the module of D-Bus. */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "keys/keys.h"
#include "keys/request.h"

#define INTERFACE "org.freedesktop.portal.GlobalShortcuts"
#define APP       "org.voicestand.VoiceStand"
#define SHORTCUT  "push-to-talk"
#define FIX       "use --key-from evdev, or bind 'voicestand dictate start' and 'stop' in your desktop"

/* LATE_MS: a time of the portal's that is farther away has another clock. ANSWER_MS: the user may have gone
   for a coffee while the desktop asks him. */
enum { LATE_MS = 2000, ANSWER_MS = 3600000 };

struct shortcuts {
    struct key_spec key;
    struct key_host host;
    struct portal portal;
    pthread_t thread;
    bool threaded;
    char session[256];
    bool down;
    bool bind;   /* a portal came, which knows nothing of us */
    bool closed; /* and one ended our session */
};

static int64_t clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* In ms, of a clock that is not specified; desktops take CLOCK_MONOTONIC. */
static int64_t to_ns(uint64_t time_ms)
{
    int64_t now_ns = clock_ns(), ago_ms = now_ns / 1000000 - (int64_t)time_ms;

    return ago_ms > 0 && ago_ms < LATE_MS ? now_ns - ago_ms * 1000000 : now_ns;
}

static void move(struct shortcuts *s, bool down, int64_t ns)
{
    if (down == s->down)
        return;
    s->down = down;
    s->host.moved(s->host.user, down, ns);
}

static int take_key(sd_bus_message *m, struct shortcuts *s, bool down)
{
    const char *session, *shortcut;
    uint64_t time_ms;
    int status = sd_bus_message_read(m, "ost", &session, &shortcut, &time_ms);

    if (status >= 0 && strcmp(session, s->session) == 0 && strcmp(shortcut, SHORTCUT) == 0)
        move(s, down, to_ns(time_ms));
    return 0;
}

static int on_activated(sd_bus_message *m, void *user, sd_bus_error *error)
{
    (void)error;
    return take_key(m, user, true);
}

static int on_deactivated(sd_bus_message *m, void *user, sd_bus_error *error)
{
    (void)error;
    return take_key(m, user, false);
}

static int on_closed(sd_bus_message *m, void *user, sd_bus_error *error)
{
    struct shortcuts *s = user;

    (void)error;
    if (strcmp(sd_bus_message_get_path(m), s->session) == 0) {
        move(s, false, clock_ns());
        s->closed = true;
    }
    return 0;
}

/* The portal ended, or began. */
static int on_owner(sd_bus_message *m, void *user, sd_bus_error *error)
{
    struct shortcuts *s = user;
    const char *name, *before, *now;

    (void)error;
    if (sd_bus_message_read(m, "sss", &name, &before, &now) < 0)
        return 0;
    move(s, false, clock_ns());
    s->session[0] = '\0';
    s->bind = now[0] != '\0';
    return 0;
}

/* "CTRL+ALT+space", as the specification of shortcuts writes it. */
static void write_trigger(const struct key_spec *key, char *ret, size_t bytes)
{
    snprintf(ret, bytes, "%s%s%s%s%s", key->modifiers & MOD_CTRL ? "CTRL+" : "",
             key->modifiers & MOD_ALT ? "ALT+" : "", key->modifiers & MOD_SHIFT ? "SHIFT+" : "",
             key->modifiers & MOD_SUPER ? "LOGO+" : "", key->symbol_name);
}

static int fill_shortcut(sd_bus_message *m, struct portal *p, void *user)
{
    const struct shortcuts *s = user;
    char trigger[64];

    write_trigger(&s->key, trigger, sizeof(trigger));
    int status =
        sd_bus_message_append(m, "oa(sa{sv})s", s->session, 1, SHORTCUT, 2, "description", "s",
                              "Hold to dictate", "preferred_trigger", "s", trigger, "");
    return status < 0 ? status : portal_options(m, p, NULL, NULL);
}

/* So that the desktop shows a name. Old portals do not know the call, and find one by themselves. */
static void introduce(struct shortcuts *s)
{
    (void)sd_bus_call_method(s->portal.bus, PORTAL_NAME, PORTAL_PATH,
                             "org.freedesktop.host.portal.Registry", "Register", NULL, NULL,
                             "sa{sv}", APP, 0);
}

static int bind_shortcut(struct shortcuts *s)
{
    struct portal_ask shortcut = {INTERFACE, "BindShortcuts", fill_shortcut, NULL, s, ANSWER_MS};

    s->bind = s->closed = false;
    introduce(s);
    int status = portal_session(&s->portal, INTERFACE, s->session, sizeof(s->session));
    if (status == 0)
        status = portal_request(&s->portal, &shortcut);
    return status;
}

static int listen(struct shortcuts *s)
{
    sd_bus *bus = s->portal.bus;
    int status = sd_bus_match_signal(bus, NULL, PORTAL_NAME, PORTAL_PATH, INTERFACE, "Activated",
                                     on_activated, s);

    if (status >= 0)
        status = sd_bus_match_signal(bus, NULL, PORTAL_NAME, PORTAL_PATH, INTERFACE, "Deactivated",
                                     on_deactivated, s);
    if (status >= 0)
        status = sd_bus_match_signal(bus, NULL, PORTAL_NAME, NULL, "org.freedesktop.portal.Session",
                                     "Closed", on_closed, s);
    if (status >= 0)
        status = sd_bus_add_match(bus, NULL,
                                  "type='signal',sender='org.freedesktop.DBus',member="
                                  "'NameOwnerChanged',arg0='" PORTAL_NAME "'",
                                  on_owner, s);
    return status;
}

static bool is_over(const struct shortcuts *s)
{
    uint64_t count;

    return read(s->portal.waker, &count, sizeof(count)) > 0;
}

static void tell_loss(struct shortcuts *s, int status)
{
    char why[KEY_WHY];

    if (status == -ECANCELED)
        snprintf(why, sizeof(why),
                 "the desktop did not grant it; allow it in its settings, or " FIX);
    else
        snprintf(why, sizeof(why), "the desktop's portal: %s; " FIX, strerror(-status));
    s->host.lost(s->host.user, why);
}

static void *body(void *argument)
{
    struct shortcuts *s = argument;
    int status = bind_shortcut(s);

    while (status == 0) {
        status = s->closed ? -ECANCELED : s->bind ? bind_shortcut(s) : portal_serve(&s->portal, -1);
    }
    move(s, false, clock_ns());
    if (!is_over(s))
        tell_loss(s, status);
    return NULL;
}

static void portal_key_stop(void *state)
{
    struct shortcuts *s = state;
    uint64_t one = 1;

    if (s->threaded) {
        (void)!write(s->portal.waker, &one, sizeof(one));
        pthread_join(s->thread, NULL);
    }
    portal_close(&s->portal);
    if (s->portal.waker >= 0)
        close(s->portal.waker);
    free(s);
}

static int fail(struct shortcuts *s, int status, char *why, const char **ret_fix)
{
    portal_key_stop(s);
    snprintf(why, KEY_WHY, "this desktop's portal gives no global shortcuts");
    *ret_fix = FIX;
    return status == -ENOMEM ? status : -ENOTSUP;
}

static int portal_key_start(const struct key_ask *ask, void **ret, char *why, const char **ret_fix)
{
    struct shortcuts *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return -ENOMEM;
    s->key = ask->key;
    s->host = ask->host;
    s->portal.waker = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    int status = s->portal.waker < 0 ? -errno : portal_open(&s->portal);
    if (status == 0)
        status = portal_version(&s->portal, INTERFACE);
    if (status >= 0 && !ask->probe) {
        status = listen(s);
        if (status >= 0)
            status = -pthread_create(&s->thread, NULL, body, s);
        s->threaded = status == 0;
    }
    if (status < 0)
        return fail(s, status, why, ret_fix);
    *ret = s;
    return 0;
}

extern const struct key_ops voicestand_key_portal;
__attribute__((visibility("default"))) const struct key_ops voicestand_key_portal = {
    .abi = KEY_ABI, .start = portal_key_start, .stop = portal_key_stop};
