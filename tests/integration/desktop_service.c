/* SPDX-License-Identifier: MIT */
/* desktop_service [MODE]: stands for a desktop on the session's bus: the portal's global shortcuts and remote
   control, and the notifications. MODE "refuse": the user says no to whatever asks him; "bare": a portal
   without either. Does what its standard input says, a word a line: "press", "release" the shortcut, "close"
   the session. Writes "ready", and a line for each thing that it was asked for. */
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <time.h>
#include <unistd.h>

#define PATH      "/org/freedesktop/portal/desktop"
#define SHORTCUTS "org.freedesktop.portal.GlobalShortcuts"
#define REMOTE    "org.freedesktop.portal.RemoteDesktop"
#define NOTES     "org.freedesktop.Notifications"

static sd_bus *bus;
static bool refuse;
static char session[256];

static int say(const char *text)
{
    printf("%s\n", text);
    return fflush(stdout);
}

/* The value of a string among options, a{sv}. */
static int find_option(sd_bus_message *m, const char *wanted, const char **ret)
{
    const char *key, *value;
    int rc = sd_bus_message_enter_container(m, 'a', "{sv}");

    while (rc >= 0 && (rc = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
        rc = sd_bus_message_read(m, "s", &key);
        if (rc >= 0 && strcmp(key, wanted) == 0) {
            rc = sd_bus_message_read(m, "v", "s", &value);
            *ret = value;
        } else if (rc >= 0) {
            rc = sd_bus_message_skip(m, "v");
        }
        if (rc >= 0)
            rc = sd_bus_message_exit_container(m);
    }
    return rc < 0 ? rc : sd_bus_message_exit_container(m);
}

/* The portal's way to answer: a request's path at once, the response as a signal. */
static int respond(sd_bus_message *m, const char *token, const char *key, const char *signature,
                   const char *value)
{
    char path[512], sender[128];
    sd_bus_message *signal = NULL;

    snprintf(sender, sizeof(sender), "%s", sd_bus_message_get_sender(m) + 1);
    for (char *dot = sender; (dot = strchr(dot, '.')) != NULL;)
        *dot = '_';
    snprintf(path, sizeof(path), PATH "/request/%s/%s", sender, token);
    int rc = sd_bus_reply_method_return(m, "o", path);
    if (rc >= 0)
        rc = sd_bus_message_new_signal(bus, &signal, path, "org.freedesktop.portal.Request",
                                       "Response");
    if (rc >= 0)
        rc = sd_bus_message_append(signal, "u", refuse ? 1u : 0u);
    if (rc >= 0)
        rc = key != NULL ? sd_bus_message_append(signal, "a{sv}", 1, key, signature, value)
                         : sd_bus_message_append(signal, "a{sv}", 0);
    if (rc >= 0)
        rc = sd_bus_send(bus, signal, NULL);
    sd_bus_message_unref(signal);
    return rc;
}

static int create_session(sd_bus_message *m, void *user, sd_bus_error *error)
{
    const char *token = "";
    bool was = refuse;

    (void)user, (void)error;
    int rc = find_option(m, "handle_token", &token);
    snprintf(session, sizeof(session), PATH "/session/test/%s", token);
    refuse = false; /* a session is given to all */
    if (rc >= 0)
        rc = respond(m, token, "session_handle", "s", session);
    refuse = was;
    return rc;
}

static int bind_shortcuts(sd_bus_message *m, void *user, sd_bus_error *error)
{
    const char *at, *id, *parent, *token = "", *trigger = "";

    (void)user, (void)error;
    int rc = sd_bus_message_read(m, "o", &at);
    if (rc >= 0)
        rc = sd_bus_message_enter_container(m, 'a', "(sa{sv})");
    if (rc >= 0)
        rc = sd_bus_message_enter_container(m, 'r', "sa{sv}");
    if (rc >= 0)
        rc = sd_bus_message_read(m, "s", &id);
    if (rc >= 0)
        rc = find_option(m, "preferred_trigger", &trigger);
    if (rc >= 0)
        rc = sd_bus_message_exit_container(m);
    if (rc >= 0)
        rc = sd_bus_message_exit_container(m);
    if (rc >= 0)
        rc = sd_bus_message_read(m, "s", &parent);
    if (rc >= 0)
        rc = find_option(m, "handle_token", &token);
    if (rc < 0)
        return rc;
    printf("bind %s %s\n", id, trigger);
    fflush(stdout);
    return strcmp(at, session) == 0 ? respond(m, token, NULL, NULL, NULL)
                                    : sd_bus_error_set_errno(error, EINVAL);
}

/* SelectDevices(o, a{sv}) and Start(o, s, a{sv}). */
static int select_devices(sd_bus_message *m, void *user, sd_bus_error *error)
{
    const char *at, *token = "", *restore = "no token";

    (void)user, (void)error;
    int rc = sd_bus_message_read(m, "o", &at);
    if (rc >= 0)
        rc = find_option(m, "handle_token", &token);
    if (rc >= 0)
        rc = sd_bus_message_rewind(m, 1);
    if (rc >= 0)
        rc = sd_bus_message_read(m, "o", &at);
    if (rc >= 0)
        rc = find_option(m, "restore_token", &restore);
    printf("remote %s\n", restore);
    fflush(stdout);
    return rc < 0 ? rc : respond(m, token, NULL, NULL, NULL);
}

static int start_remote(sd_bus_message *m, void *user, sd_bus_error *error)
{
    const char *at, *parent, *token = "";

    (void)user, (void)error;
    int rc = sd_bus_message_read(m, "os", &at, &parent);
    if (rc >= 0)
        rc = find_option(m, "handle_token", &token);
    return rc < 0 ? rc : respond(m, token, "restore_token", "s", "again");
}

static int keysym(sd_bus_message *m, void *user, sd_bus_error *error)
{
    const char *at;
    int32_t symbol;
    uint32_t state;

    (void)user, (void)error;
    int rc = sd_bus_message_read(m, "o", &at);
    if (rc >= 0)
        rc = sd_bus_message_skip(m, "a{sv}");
    if (rc >= 0)
        rc = sd_bus_message_read(m, "iu", &symbol, &state);
    if (rc < 0 || strcmp(at, session) != 0)
        return sd_bus_error_set_errno(error, EINVAL);
    printf("key %d %u\n", symbol, state);
    fflush(stdout);
    return sd_bus_reply_method_return(m, "");
}

static int notify(sd_bus_message *m, void *user, sd_bus_error *error)
{
    const char *app, *icon, *title, *body;
    uint32_t replaces;

    (void)user, (void)error;
    int rc = sd_bus_message_read(m, "susss", &app, &replaces, &icon, &title, &body);
    if (rc < 0)
        return rc;
    printf("notify %s: %s: %s\n", app, title, body);
    fflush(stdout);
    return sd_bus_reply_method_return(m, "u", 1);
}

static int server_information(sd_bus_message *m, void *user, sd_bus_error *error)
{
    (void)user, (void)error;
    return sd_bus_reply_method_return(m, "ssss", "test", "test", "1", "1.2");
}

static int capabilities(sd_bus_message *m, void *user, sd_bus_error *error)
{
    (void)user, (void)error;
    return sd_bus_reply_method_return(m, "as", 1, "body");
}

static const sd_bus_vtable shortcuts[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("CreateSession", "a{sv}", "o", create_session, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("BindShortcuts", "oa(sa{sv})sa{sv}", "o", bind_shortcuts,
                  SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_SIGNAL("Activated", "osta{sv}", 0),
    SD_BUS_SIGNAL("Deactivated", "osta{sv}", 0),
    SD_BUS_PROPERTY("version", "u", NULL, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_VTABLE_END};

static const sd_bus_vtable remote[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("CreateSession", "a{sv}", "o", create_session, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("SelectDevices", "oa{sv}", "o", select_devices, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Start", "osa{sv}", "o", start_remote, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("NotifyKeyboardKeysym", "oa{sv}iu", "", keysym, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_PROPERTY("version", "u", NULL, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_VTABLE_END};

static const sd_bus_vtable notes[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("Notify", "susssasa{sv}i", "u", notify, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("GetServerInformation", "", "ssss", server_information,
                  SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("GetCapabilities", "", "as", capabilities, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_VTABLE_END};

static int do_word(const char *word)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t now_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
    if (strcmp(word, "close") == 0)
        return sd_bus_emit_signal(bus, session, "org.freedesktop.portal.Session", "Closed", "");
    return sd_bus_emit_signal(bus, PATH, SHORTCUTS,
                              strcmp(word, "press") == 0 ? "Activated" : "Deactivated", "osta{sv}",
                              session, "push-to-talk", now_ms, 0);
}

static int serve(void)
{
    char text[256];
    int rc = 0;

    while (rc >= 0) {
        struct pollfd fds[] = {{.fd = sd_bus_get_fd(bus), .events = POLLIN},
                               {.fd = STDIN_FILENO, .events = POLLIN}};
        rc = sd_bus_process(bus, NULL);
        if (rc > 0)
            continue;
        (void)poll(fds, 2, -1);
        if (fds[1].revents == 0)
            continue;
        ssize_t n = read(STDIN_FILENO, text, sizeof(text) - 1);
        if (n <= 0)
            return 0;
        text[n] = '\0';
        for (char *word = strtok(text, "\n"); word != NULL; word = strtok(NULL, "\n"))
            rc = do_word(word);
        (void)sd_bus_flush(bus);
    }
    return rc;
}

int main(int argc, char **argv)
{
    uint32_t version = 1;
    bool bare = argc > 1 && strcmp(argv[1], "bare") == 0;

    refuse = argc > 1 && strcmp(argv[1], "refuse") == 0;
    int rc = sd_bus_open_user(&bus);
    if (rc >= 0 && !bare)
        rc = sd_bus_add_object_vtable(bus, NULL, PATH, SHORTCUTS, shortcuts, &version);
    if (rc >= 0 && !bare)
        rc = sd_bus_add_object_vtable(bus, NULL, PATH, REMOTE, remote, &version);
    if (rc >= 0)
        rc = sd_bus_add_object_vtable(bus, NULL, "/org/freedesktop/Notifications", NOTES, notes,
                                      NULL);
    if (rc >= 0)
        rc = sd_bus_request_name(bus, "org.freedesktop.portal.Desktop", 0);
    if (rc >= 0)
        rc = sd_bus_request_name(bus, NOTES, 0);
    if (rc >= 0)
        rc = say("ready");
    if (rc >= 0)
        rc = serve();
    sd_bus_flush_close_unref(bus);
    return rc < 0;
}
