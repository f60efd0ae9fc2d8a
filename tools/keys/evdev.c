/* SPDX-License-Identifier: MIT */
/* Keys by the kernel's own devices, in any session and on the console. They are only read, and of what is
   read only the key and the modifiers are looked at; nothing is kept. */
#include "keys/evdev.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FIX_GROUP                                                                                  \
    "sudo usermod -aG input $USER, and log in anew: then all your programs can read all keys"

#define FIX_BIND "bind 'voicestand dictate start' and 'stop' to a key of your desktop's instead"

enum { EVENTS = 64 };

struct evdev {
    struct evdev_keys keys;
    struct key_host host;
    pthread_t thread;
    char folder[PATH_MAX];
    int waker, watch;
    int fds[EVDEV_MOST]; /* -1 = none */
    char names[EVDEV_MOST][32];
    bool is_clocked[EVDEV_MOST]; /* its times are of CLOCK_MONOTONIC */
};

static int64_t clock_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static bool has_bit(const unsigned char *bits, unsigned bit)
{
    return (bits[bit / 8] >> bit % 8 & 1) != 0;
}

/* A keyboard with the key, or with modifiers, where some are wanted. A pipe stands for one that has all: what
   hands on the events of a keyboard that is elsewhere. */
static int check_device(int fd, const struct key_spec *key, bool *ret_clocked)
{
    unsigned char bits[KEY_MAX / 8 + 1] = {0};
    int clock = CLOCK_MONOTONIC;
    struct stat info;

    *ret_clocked = true;
    if (fstat(fd, &info) < 0)
        return -errno;
    if (S_ISFIFO(info.st_mode))
        return 0;
    if (ioctl(fd, EVIOCGBIT(EV_KEY, sizeof(bits)), bits) < 0)
        return -errno;
    if (!has_bit(bits, key->code) && (key->modifiers == 0 || !has_bit(bits, KEY_LEFTCTRL)))
        return -ENODEV;
    *ret_clocked = ioctl(fd, EVIOCSCLOCKID, &clock) == 0;
    return 0;
}

/* @return a file of a keyboard that has the key, or -errno */
static int open_device(const char *folder, const char *name, const struct key_spec *key,
                       bool *ret_clocked)
{
    char path[PATH_MAX + NAME_MAX + 2];

    if (strncmp(name, "event", 5) != 0)
        return -ENODEV;
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int status = check_device(fd, key, ret_clocked);
    if (status < 0) {
        close(fd);
        return status;
    }
    return fd;
}

/* @return 0 it is listened to, or was before; -errno */
static int add_device(struct evdev *e, const char *name)
{
    int free = -1;
    bool clocked;

    for (int i = 0; i < EVDEV_MOST; i++) {
        if (e->fds[i] >= 0 && strcmp(e->names[i], name) == 0)
            return 0;
        if (e->fds[i] < 0)
            free = i;
    }
    if (free < 0 || strlen(name) >= sizeof(e->names[0]))
        return -ENOSPC;
    int fd = open_device(e->folder, name, &e->keys.key, &clocked);
    if (fd < 0)
        return fd;
    e->fds[free] = fd;
    e->is_clocked[free] = clocked;
    strcpy(e->names[free], name);
    return 0;
}

/* @return how many were found, or why there is none: -EACCES counts more than -ENODEV */
static int add_all(struct evdev *e)
{
    DIR *folder = opendir(e->folder);
    int found = 0, why = -ENODEV;
    const struct dirent *entry;

    if (folder == NULL)
        return errno == EACCES ? -EACCES : -ENODEV;
    while ((entry = readdir(folder)) != NULL) {
        int status = add_device(e, entry->d_name);
        found += status == 0;
        why = status == -EACCES ? status : why;
    }
    closedir(folder);
    return found > 0 ? found : why;
}

static void tell(struct evdev *e, enum evdev_told told, int64_t ns)
{
    if (told != EVDEV_NOTHING)
        e->host.moved(e->host.user, told == EVDEV_PRESS, ns);
}

static void drop_device(struct evdev *e, int i)
{
    close(e->fds[i]);
    e->fds[i] = -1;
    tell(e, evdev_forget(&e->keys, (unsigned)i), clock_ns());
}

/* Events were lost: what is held is asked anew; a key that is no longer down was released. */
static void ask_anew(struct evdev *e, int i)
{
    unsigned char bits[KEY_MAX / 8 + 1] = {0};
    struct input_event up = {.type = EV_KEY, .code = e->keys.key.code};

    if (ioctl(e->fds[i], EVIOCGKEY(sizeof(bits)), bits) < 0 || !has_bit(bits, up.code))
        tell(e, evdev_feed(&e->keys, (unsigned)i, &up), clock_ns());
    e->keys.keyboards[i].modifiers = 0;
    for (unsigned code = 0; code < KEY_MAX; code++) {
        struct input_event down = {.type = EV_KEY, .code = (uint16_t)code, .value = 1};
        if (code != up.code && has_bit(bits, code))
            (void)evdev_feed(&e->keys, (unsigned)i, &down);
    }
}

static void read_device(struct evdev *e, int i)
{
    struct input_event events[EVENTS];
    ssize_t bytes = read(e->fds[i], events, sizeof(events));

    if (bytes == 0 || (bytes < 0 && errno != EAGAIN && errno != EINTR)) {
        drop_device(e, i);
        return;
    }
    for (size_t n = 0; bytes > 0 && n < (size_t)bytes / sizeof(events[0]); n++) {
        int64_t ns = (int64_t)events[n].input_event_sec * 1000000000 +
                     (int64_t)events[n].input_event_usec * 1000;

        if (events[n].type == EV_SYN && events[n].code == SYN_DROPPED)
            ask_anew(e, i);
        else
            tell(e, evdev_feed(&e->keys, (unsigned)i, &events[n]),
                 e->is_clocked[i] ? ns : clock_ns());
    }
    explicit_bzero(events, sizeof(events)); /* what was typed is nobody's business */
}

/* Devices come and get their rights afterwards. */
static void read_watch(struct evdev *e)
{
    char bytes[4096] __attribute__((aligned(__alignof__(struct inotify_event))));

    while (read(e->watch, bytes, sizeof(bytes)) > 0)
        continue;
    (void)add_all(e);
}

static void *body(void *argument)
{
    struct evdev *e = argument;
    struct pollfd fds[EVDEV_MOST + 2];

    for (;;) {
        for (int i = 0; i < EVDEV_MOST; i++)
            fds[i] = (struct pollfd){.fd = e->fds[i], .events = POLLIN};
        fds[EVDEV_MOST] = (struct pollfd){.fd = e->waker, .events = POLLIN};
        fds[EVDEV_MOST + 1] = (struct pollfd){.fd = e->watch, .events = POLLIN};
        (void)poll(fds, EVDEV_MOST + 2, -1);
        if (fds[EVDEV_MOST].revents != 0)
            return NULL;
        for (int i = 0; i < EVDEV_MOST; i++)
            if (fds[i].fd >= 0 && fds[i].revents != 0)
                read_device(e, i);
        if (fds[EVDEV_MOST + 1].revents != 0)
            read_watch(e);
    }
}

static void evdev_free(struct evdev *e)
{
    for (int i = 0; i < EVDEV_MOST; i++)
        if (e->fds[i] >= 0)
            close(e->fds[i]);
    if (e->waker >= 0)
        close(e->waker);
    if (e->watch >= 0)
        close(e->watch);
    free(e);
}

static void evdev_stop(void *state)
{
    struct evdev *e = state;
    uint64_t one = 1;

    (void)!write(e->waker, &one, sizeof(one));
    pthread_join(e->thread, NULL);
    evdev_free(e);
}

static void explain(const struct evdev *e, int status, char *why, const char **ret_fix)
{
    *ret_fix = status == -EACCES ? FIX_GROUP : status == -ENODEV ? FIX_BIND : NULL;
    if (status == -EACCES)
        snprintf(why, KEY_WHY, "no keyboard in %.200s may be read", e->folder);
    else if (status == -ENODEV)
        snprintf(why, KEY_WHY, "%.200s has no keyboard with the key", e->folder);
    else
        snprintf(why, KEY_WHY, "%.200s: %s", e->folder, strerror(-status));
}

static int evdev_start(const struct key_ask *ask, void **ret, char *why, const char **ret_fix)
{
    struct evdev *e = calloc(1, sizeof(*e));

    if (e == NULL)
        return -ENOMEM;
    e->keys.key = ask->key;
    e->host = ask->host;
    snprintf(e->folder, sizeof(e->folder), "%s", ask->devices);
    for (int i = 0; i < EVDEV_MOST; i++)
        e->fds[i] = -1;
    e->waker = eventfd(0, EFD_CLOEXEC);
    e->watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    int status = e->waker < 0 ? -errno : 0;
    if (status == 0 && e->watch >= 0) /* before the look, so that none comes between */
        (void)inotify_add_watch(e->watch, e->folder, IN_CREATE | IN_ATTRIB);
    if (status == 0)
        status = add_all(e);
    if (status > 0)
        status = -pthread_create(&e->thread, NULL, body, e);
    if (status < 0) {
        explain(e, status, why, ret_fix);
        evdev_free(e);
        return status;
    }
    *ret = e;
    return 0;
}

const struct key_ops key_evdev = {.abi = KEY_ABI, .start = evdev_start, .stop = evdev_stop};
