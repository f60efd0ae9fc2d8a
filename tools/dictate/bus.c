/* SPDX-License-Identifier: MIT */
#include "dictate/bus.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <systemd/sd-bus.h>
#include <unistd.h>

#define NAME      "org.voicestand.Dictation"
#define PATH      "/org/voicestand/Dictation"
#define INTERFACE "org.voicestand.Dictation1"

enum { ANSWER_BYTES = 2048, WAITING = 256 };

/* A line on its way to the bus. */
struct news {
    struct news *next;
    bool is_state;
    char line[];
};

struct running {
    sd_bus *bus;
    pthread_t thread;
    int waker;
    bus_ask_fn *ask;
    void *user;
    pthread_mutex_t lock; /* of all below */
    struct news *first, *last;
    int count;
    bool closing;
    char state[32];
};

static int on_method(sd_bus_message *m, void *user, sd_bus_error *error)
{
    static const char *const methods[][2] = {{"Start", "start"},
                                             {"Stop", "stop"},
                                             {"Toggle", "toggle"},
                                             {"Cancel", "cancel"},
                                             {"Undo", "undo"}};
    struct running *r = user;
    char answer[ANSWER_BYTES] = "";

    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (strcmp(sd_bus_message_get_member(m), methods[i][0]) == 0) {
            int status = r->ask(r->user, methods[i][1], answer, sizeof(answer));
            if (status < 0)
                return sd_bus_error_set_errno(error, status);
            if (strncmp(answer, "{\"event\":\"error\"", 16) == 0)
                return sd_bus_error_set(error, INTERFACE ".Refused", answer);
            return sd_bus_reply_method_return(m, "s", answer);
        }
    return -EINVAL;
}

static int get_state(sd_bus *bus, const char *path, const char *interface, const char *property,
                     sd_bus_message *reply, void *user, sd_bus_error *error)
{
    struct running *r = user;
    char state[sizeof(r->state)];

    (void)bus, (void)path, (void)interface, (void)property, (void)error;
    pthread_mutex_lock(&r->lock);
    memcpy(state, r->state, sizeof(state));
    pthread_mutex_unlock(&r->lock);
    return sd_bus_message_append(reply, "s", state);
}

static int get_status(sd_bus *bus, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *user, sd_bus_error *error)
{
    struct running *r = user;
    char answer[ANSWER_BYTES] = "";

    (void)bus, (void)path, (void)interface, (void)property, (void)error;
    int status = r->ask(r->user, "status", answer, sizeof(answer));
    return status < 0 ? status : sd_bus_message_append(reply, "s", answer);
}

static const sd_bus_vtable vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("Start", "", "s", on_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Stop", "", "s", on_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Toggle", "", "s", on_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Cancel", "", "s", on_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Undo", "", "s", on_method, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_PROPERTY("State", "s", get_state, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
    SD_BUS_PROPERTY("Status", "s", get_status, 0, 0),
    SD_BUS_SIGNAL("Changed", "s", 0),
    SD_BUS_SIGNAL("Event", "s", 0),
    SD_BUS_VTABLE_END};

static struct news *take_news(struct running *r)
{
    pthread_mutex_lock(&r->lock);
    struct news *n = r->first;
    if (n != NULL) {
        r->first = n->next;
        r->count--;
        if (r->first == NULL)
            r->last = NULL;
    }
    pthread_mutex_unlock(&r->lock);
    return n;
}

static void send_news(struct running *r)
{
    struct news *n;
    uint64_t woken;

    (void)!read(r->waker, &woken, sizeof(woken));
    while ((n = take_news(r)) != NULL) {
        (void)sd_bus_emit_signal(r->bus, PATH, INTERFACE, n->is_state ? "Changed" : "Event", "s",
                                 n->line);
        if (n->is_state)
            (void)sd_bus_emit_properties_changed(r->bus, PATH, INTERFACE, "State", NULL);
        free(n);
    }
}

/* ms that the bus wants to wait at most; negative = for ever. */
static int find_patience(sd_bus *bus)
{
    struct timespec now;
    uint64_t until_us;

    if (sd_bus_get_timeout(bus, &until_us) < 0 || until_us == UINT64_MAX)
        return -1;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t now_us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    return until_us <= now_us ? 0 : (int)((until_us - now_us) / 1000 + 1);
}

static void *body(void *argument)
{
    struct running *r = argument;

    for (;;) {
        pthread_mutex_lock(&r->lock);
        bool closing = r->closing;
        pthread_mutex_unlock(&r->lock);
        send_news(r);
        if (closing)
            break;
        int status = sd_bus_process(r->bus, NULL);
        if (status < 0)
            break; /* the bus is gone; the socket remains */
        if (status > 0)
            continue;
        struct pollfd fds[] = {
            {.fd = sd_bus_get_fd(r->bus), .events = (short)sd_bus_get_events(r->bus)},
            {.fd = r->waker, .events = POLLIN}};
        (void)poll(fds, 2, find_patience(r->bus));
    }
    (void)sd_bus_flush(r->bus);
    return NULL;
}

static void stop(void *bus)
{
    struct running *r = bus;
    uint64_t one = 1;

    pthread_mutex_lock(&r->lock);
    r->closing = true;
    pthread_mutex_unlock(&r->lock);
    (void)!write(r->waker, &one, sizeof(one));
    pthread_join(r->thread, NULL);
    for (struct news *n; (n = take_news(r)) != NULL;)
        free(n);
    sd_bus_flush_close_unref(r->bus);
    close(r->waker);
    pthread_mutex_destroy(&r->lock);
    free(r);
}

static int start(bus_ask_fn *ask, void *user, void **ret)
{
    struct running *r = calloc(1, sizeof(*r));
    int status = r != NULL ? 0 : -ENOMEM;

    if (status < 0)
        return status;
    r->ask = ask;
    r->user = user;
    pthread_mutex_init(&r->lock, NULL);
    r->waker = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    status = r->waker < 0 ? -errno : sd_bus_open_user(&r->bus);
    if (status >= 0)
        status = sd_bus_add_object_vtable(r->bus, NULL, PATH, INTERFACE, vtable, r);
    if (status >= 0)
        status = sd_bus_request_name(r->bus, NAME, 0);
    if (status >= 0)
        status = -pthread_create(&r->thread, NULL, body, r);
    if (status < 0) {
        sd_bus_close_unref(r->bus);
        if (r->waker >= 0)
            close(r->waker);
        pthread_mutex_destroy(&r->lock);
        free(r);
        return status;
    }
    *ret = r;
    return 0;
}

static void tell(void *bus, const char *state, const char *line)
{
    struct running *r = bus;
    size_t bytes = strlen(line) + 1;
    struct news *n = malloc(sizeof(*n) + bytes);
    uint64_t one = 1;

    if (n == NULL)
        return;
    n->next = NULL;
    n->is_state = state != NULL;
    memcpy(n->line, line, bytes);
    pthread_mutex_lock(&r->lock);
    if (state != NULL) {
        memset(r->state, 0, sizeof(r->state));
        strncpy(r->state, state, sizeof(r->state) - 1);
    }
    bool full = r->count >= WAITING;
    if (!full) {
        if (r->last != NULL)
            r->last->next = n;
        else
            r->first = n;
        r->last = n;
        r->count++;
    }
    pthread_mutex_unlock(&r->lock);
    if (full)
        free(n);
    (void)!write(r->waker, &one, sizeof(one));
}

extern const struct bus_ops voicestand_bus;
__attribute__((visibility("default")))
const struct bus_ops voicestand_bus = {.abi = BUS_ABI, .start = start, .tell = tell, .stop = stop};
