/* SPDX-License-Identifier: MIT */
/* Dictation on a terminal. It is one more follower of the service: whatever happens here, dictation goes on. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include <jansson.h>

#include "dictate/control.h"
#include "dictate/follow.h"
#include "dictate/utf8.h"

enum { LINE_BYTES = 65536, TEXTS = 64, TEXT_BYTES = 2048, AGAIN_MS = 1000, COLUMNS = 400 };

struct screen {
    const char *path;
    struct termios before;
    int fd;                /* to the service; -1 = there is none */
    char line[LINE_BYTES]; /* what came of the next line */
    size_t bytes;
    char state[32], mic[32], partial[TEXT_BYTES], note[TEXT_BYTES];
    char texts[TEXTS][TEXT_BYTES]; /* a ring */
    unsigned count;
    double level_db, probability;
    int columns, rows;
    bool over;
};

static volatile sig_atomic_t ended, resized;

static void on_signal(int signal)
{
    if (signal == SIGWINCH)
        resized = 1;
    else
        ended = 1;
}

/* drawing --------------------------------------------------------------------------------------- */

/* Columns that a character takes: two for those of East Asia and for emoji. */
static int width_of(uint32_t c)
{
    if (c < 0x20 || (c >= 0x300 && c < 0x370) || c == 0x200d || (c >= 0xfe00 && c < 0xfe10))
        return 0;
    return (c >= 0x1100 && c < 0x1160) || (c >= 0x2e80 && c < 0xd7a4) ||
                   (c >= 0xf900 && c < 0xfb00) || (c >= 0xff00 && c < 0xff61) || c >= 0x1f000
               ? 2
               : 1;
}

/* `text` in at most `room` columns: its end, which is the newest, where it is longer. Newlines as a sign. */
static void put_text(FILE *to, const char *text, int room)
{
    int all = 0;

    for (const char *at = text; *at != '\0';) {
        uint32_t c = utf8_next(&at);
        all += c == '\n' || c == '\t' ? 1 : width_of(c);
    }
    for (const char *at = text; *at != '\0';) {
        char bytes[4];
        uint32_t c = utf8_next(&at);
        int width = c == '\n' || c == '\t' ? 1 : width_of(c);
        bool fits = all <= room;

        all -= width;
        if (!fits)
            continue;
        if (c == '\n')
            fputs("⏎", to);
        else if (c >= 0x20 && (c < 0x7f || c >= 0xa0))
            fwrite(bytes, 1, utf8_put(c, bytes), to);
        else
            fputc(' ', to);
    }
}

static void put_meter(FILE *to, const struct screen *s)
{
    static const char *const parts[] = {" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    int room = s->columns - 34 < 4 ? 4 : s->columns - 34 > 60 ? 60 : s->columns - 34;
    double share = (s->level_db + 60) / 60;
    int eighths = share <= 0 ? 0 : share >= 1 ? room * 8 : (int)(share * room * 8);

    fprintf(to, "level  [\033[32m");
    for (int i = 0; i < room; i++)
        fputs(eighths >= 8 * (i + 1) ? "█" : eighths > 8 * i ? parts[eighths % 8] : " ", to);
    if (s->level_db > -120)
        fprintf(to, "\033[0m] %4.0f dB  speech %3.0f %%", s->level_db, 100 * s->probability);
    else
        fprintf(to, "\033[0m]    – dB  speech   – %%");
}

static void put_line(FILE *to)
{
    fputs("\033[K\r\n", to);
}

static void draw(const struct screen *s)
{
    char *out = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&out, &bytes);
    bool on = strcmp(s->state, "listening") == 0 || strcmp(s->state, "finishing") == 0;
    int room = s->rows - 6;

    if (to == NULL)
        return;
    fprintf(to, "\033[H\033[1mVoiceStand\033[0m  %s%s %s\033[0m  microphone %s",
            on ? "\033[31m" : "", on ? "●" : "○", s->state, s->mic);
    put_line(to);
    put_meter(to, s);
    put_line(to);
    fputs("hears  \033[2m", to);
    put_text(to, s->partial, s->columns - 8);
    fputs("\033[0m", to);
    put_line(to);
    put_line(to);
    for (int i = 0; i < room; i++) {
        int at = (int)s->count - room + i;
        if (at >= 0 && at + TEXTS >= (int)s->count)
            put_text(to, s->texts[at % TEXTS], s->columns - 1);
        put_line(to);
    }
    put_text(to, s->note, s->columns - 1);
    put_line(to);
    put_text(to, "space listen  u undo  c cancel  q leave", s->columns - 1);
    fputs("\033[K", to);
    if (fclose(to) == 0)
        (void)!write(STDOUT_FILENO, out, bytes);
    free(out);
}

/* what the service tells ------------------------------------------------------------------------- */

static void copy(char *ret, size_t bytes, const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));

    snprintf(ret, bytes, "%s", text != NULL ? text : "");
}

static void take_event(struct screen *s, const char *event, const json_t *o)
{
    if (strcmp(event, "state") == 0) {
        copy(s->state, sizeof(s->state), o, "state");
        copy(s->mic, sizeof(s->mic), o, "mic");
    } else if (strcmp(event, "level") == 0) {
        s->level_db = json_number_value(json_object_get(o, "level_db"));
        s->probability = json_number_value(json_object_get(o, "probability"));
    } else if (strcmp(event, "partial") == 0) {
        copy(s->partial, sizeof(s->partial), o, "text");
    } else if (strcmp(event, "text") == 0) {
        copy(s->texts[s->count++ % TEXTS], TEXT_BYTES, o, "text");
        s->partial[0] = s->note[0] = '\0';
    } else if (strcmp(event, "kept") == 0 || strcmp(event, "failed") == 0 ||
               strcmp(event, "dropped") == 0 || strcmp(event, "error") == 0) {
        copy(s->note, sizeof(s->note), o, "why");
    } else if (strcmp(event, "nothing") == 0) {
        snprintf(s->note, sizeof(s->note), "nothing was heard");
    }
}

static void take_line(struct screen *s, const char *line)
{
    json_t *o = json_loads(line, 0, NULL);
    const char *event = json_string_value(json_object_get(o, "event"));

    if (event != NULL)
        take_event(s, event, o);
    json_decref(o);
}

static void hang_up(struct screen *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    s->bytes = 0;
    s->level_db = -200;
    snprintf(s->state, sizeof(s->state), "off");
    snprintf(s->mic, sizeof(s->mic), "closed");
}

static void read_service(struct screen *s)
{
    ssize_t n = read(s->fd, s->line + s->bytes, sizeof(s->line) - 1 - s->bytes);
    char *end, *at = s->line;

    if (n <= 0) {
        if (n == 0 || (errno != EAGAIN && errno != EINTR))
            hang_up(s);
        return;
    }
    s->bytes += (size_t)n;
    s->line[s->bytes] = '\0';
    while ((end = strchr(at, '\n')) != NULL) {
        *end = '\0';
        take_line(s, at);
        at = end + 1;
    }
    s->bytes -= (size_t)(at - s->line);
    memmove(s->line, at, s->bytes);
    if (s->bytes == sizeof(s->line) - 1)
        s->bytes = 0; /* no line is so long */
}

/* what the user asks ------------------------------------------------------------------------------ */

static bool note_answer(void *user, char *text)
{
    if (strncmp(text, "{\"event\":\"error\"", 16) == 0)
        take_line(user, text);
    return false;
}

static void ask(struct screen *s, const char *verb)
{
    s->note[0] = '\0';
    if (control_ask(s->path, verb, note_answer, s) < 0)
        snprintf(s->note, sizeof(s->note), "no service answers");
}

static void take_key(struct screen *s)
{
    char key;

    if (read(STDIN_FILENO, &key, 1) != 1) {
        s->over = true;
        return;
    }
    if (key == ' ')
        ask(s, "toggle");
    else if (key == 'u')
        ask(s, "undo");
    else if (key == 'c')
        ask(s, "cancel");
    s->over = key == 'q' || key == 4;
}

/* life ------------------------------------------------------------------------------------------- */

static void measure(struct screen *s)
{
    struct winsize size = {.ws_col = 80, .ws_row = 24};

    (void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    s->columns = size.ws_col < 20 ? 20 : size.ws_col > COLUMNS ? COLUMNS : size.ws_col;
    s->rows = size.ws_row < 8 ? 8 : size.ws_row;
}

static void catch_signals(void)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGWINCH};
    struct sigaction action = {.sa_handler = on_signal};

    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
        (void)sigaction(signals[i], &action, NULL);
}

static void serve(struct screen *s)
{
    while (!s->over && !ended) {
        if (s->fd < 0)
            s->fd = control_follow(s->path);
        if (resized) {
            resized = 0;
            measure(s);
        }
        draw(s);
        struct pollfd fds[] = {{.fd = STDIN_FILENO, .events = POLLIN},
                               {.fd = s->fd, .events = POLLIN}};
        if (poll(fds, 2, s->fd < 0 ? AGAIN_MS : -1) <= 0)
            continue;
        if (fds[0].revents != 0)
            take_key(s);
        if (s->fd >= 0 && fds[1].revents != 0)
            read_service(s);
    }
}

int run_screen(const char *path)
{
    struct screen *s = calloc(1, sizeof(*s));
    struct termios raw;

    if (s == NULL)
        return EXIT_STATUS_INTERNAL;
    s->path = path;
    if (!isatty(STDOUT_FILENO) || tcgetattr(STDIN_FILENO, &s->before) < 0) {
        say("dictate ui: this is no terminal; 'voicestand dictate status --follow --all' is for "
            "programs");
        free(s);
        return EXIT_STATUS_USAGE;
    }
    s->fd = -1;
    hang_up(s);
    measure(s);
    catch_signals();
    raw = s->before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    (void)tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    fputs("\033[?1049h\033[?25l\033[2J", stdout);
    fflush(stdout);
    serve(s);
    fputs("\033[?25h\033[?1049l", stdout);
    fflush(stdout);
    (void)tcsetattr(STDIN_FILENO, TCSANOW, &s->before);
    hang_up(s);
    free(s);
    return EXIT_STATUS_OK;
}
