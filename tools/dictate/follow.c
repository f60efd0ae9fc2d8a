/* SPDX-License-Identifier: MIT */
#include "dictate/follow.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "dictate/control.h"

enum { AGAIN_MS = 1000, BARS = 6 };

/* What a line with a meter is made of. */
struct meter {
    json_t *state;       /* the last that was told */
    double levels[BARS]; /* the newest last */
    bool wanted;
};

const char *level_bar(double level_db)
{
    static const char *const bars[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    double part = (level_db + 60) / 54; /* speech near a microphone is at the upper end */

    return bars[part <= 0 ? 0 : part >= 1 ? 8 : (int)(part * 8 + 0.5)];
}

static bool print_out(const char *line)
{
    return printf("%s\n", line) > 0 && fflush(stdout) == 0;
}

static bool print_off(void)
{
    return print_out(
        "{\"event\":\"state\",\"state\":\"off\",\"mic\":\"closed\",\"text\":\"\",\"alt\":"
        "\"off\",\"class\":\"off\",\"tooltip\":\"VoiceStand: off\"}");
}

static bool is_listening(const json_t *state)
{
    const char *name = json_string_value(json_object_get(state, "state"));

    return name != NULL && (strcmp(name, "listening") == 0 || strcmp(name, "waiting") == 0 ||
                            strcmp(name, "finishing") == 0);
}

/* The state's line once more, with bars behind its sign. */
static bool print_meter(struct meter *m, double level_db)
{
    const char *sign = json_string_value(json_object_get(m->state, "text"));
    char text[64];
    size_t n = (size_t)snprintf(text, sizeof(text), "%s ", sign != NULL ? sign : "");

    memmove(m->levels, m->levels + 1, sizeof(m->levels) - sizeof(m->levels[0]));
    m->levels[BARS - 1] = level_db;
    for (int i = 0; i < BARS && n < sizeof(text); i++)
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%s", level_bar(m->levels[i]));
    json_t *line = json_copy(m->state);
    json_object_set_new(line, "text", json_string(text));
    json_object_set_new(line, "level_db", json_real(level_db));
    char *out = json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(4));
    bool ok = out == NULL || print_out(out);
    free(out);
    json_decref(line);
    return ok;
}

/* A state as it is; a level, while it listens, as a state. */
static bool take_line(void *user, char *text)
{
    struct meter *m = user;

    if (!m->wanted)
        return print_out(text);
    json_t *o = json_loads(text, 0, NULL);
    const char *event = json_string_value(json_object_get(o, "event"));
    bool ok = true;
    if (event != NULL && strcmp(event, "state") == 0) {
        json_decref(m->state);
        m->state = json_incref(o);
        for (int i = 0; i < BARS && !is_listening(o); i++)
            m->levels[i] = -200;
        ok = print_out(text);
    } else if (event != NULL && strcmp(event, "level") == 0 && is_listening(m->state)) {
        ok = print_meter(m, json_number_value(json_object_get(o, "level_db")));
    }
    json_decref(o);
    return ok;
}

/* A bar goes on while the service comes and goes. */
int run_follow(const struct settings *s, const char *path)
{
    struct meter meter = {.wanted = s->meter != 0};
    struct pollfd out = {.fd = STDOUT_FILENO};
    const char *verb = s->all || s->meter ? "follow all" : "follow";
    bool off = false;

    for (;;) {
        off = control_ask(path, verb, take_line, &meter) < 0 && off;
        json_decref(meter.state);
        meter.state = NULL;
        if (!off && !print_off())
            return EXIT_STATUS_OUTPUT;
        off = true;
        if (poll(&out, 1, AGAIN_MS) > 0 && (out.revents & (POLLERR | POLLHUP)) != 0)
            return EXIT_STATUS_OUTPUT; /* nobody reads any more */
    }
}
