/* SPDX-License-Identifier: MIT */
/* Drawing: every line is written whole and cleared to its end, so that nothing flickers. */
#include "monitor/screen.h"

#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

/* 60 dB below full scale is the left or lower end of what is drawn. */
#define RANGE_DB 60.0
/* ten seconds across */
#define SPAN_HOPS 1000
#define METER     40
#define END_LINE  "\033[K\r\n"
#define DIM       "\033[2m"
#define PLAIN     "\033[0m"
#define GREEN     "\033[32m"
#define BLUE      "\033[36m"
#define ORANGE    "\033[33m"
#define RED       "\033[31m"

static struct {
    struct termios before;
    int keys; /* the terminal as a file; standard input may be the audio. -1 = none */
    bool is_on;
} screen = {.keys = -1};

static void put(const char *text)
{
    size_t left = strlen(text);

    while (left > 0) {
        ssize_t n = write(STDOUT_FILENO, text, left);
        if (n <= 0)
            return;
        text += n;
        left -= (size_t)n;
    }
}

void screen_enter(void)
{
    struct termios raw;

    screen.keys = open("/dev/tty", O_RDWR | O_CLOEXEC);
    if (screen.keys >= 0 && tcgetattr(screen.keys, &screen.before) == 0) {
        raw = screen.before;
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        (void)tcsetattr(screen.keys, TCSANOW, &raw);
    }
    put("\033[?1049h\033[?25l"); /* another screen, no cursor */
    screen.is_on = true;
}

void screen_leave(void)
{
    if (!screen.is_on)
        return;
    screen.is_on = false;
    put("\033[?25h\033[?1049l");
    if (screen.keys >= 0) {
        (void)tcsetattr(screen.keys, TCSANOW, &screen.before);
        close(screen.keys);
    }
    screen.keys = -1;
}

bool screen_wants_end(void)
{
    struct pollfd in = {.fd = screen.keys, .events = POLLIN};
    char key;

    while (screen.keys >= 0 && poll(&in, 1, 0) > 0) {
        if (read(screen.keys, &key, 1) != 1)
            return false;
        if (key == 'q' || key == 'Q' || key == 27 || key == 3)
            return true;
    }
    return false;
}

/* what is drawn ------------------------------------------------------------------------------- */

/* 0..8 eighths of a line's height. */
static void put_column(FILE *to, double share)
{
    static const char *const eighths[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
    int n = (int)lround(fmax(0, fmin(1, share)) * 8);

    fputs(eighths[n], to);
}

static double share_of_db(double db)
{
    return 1 + db / RANGE_DB;
}

struct column {
    double peak_db, probability;
    bool speech;
};

/* The hops of column `at` of `columns`, the newest at the right. */
static struct column find_column(const struct view_look *l, size_t at, size_t columns)
{
    struct column c = {.peak_db = -200};
    uint64_t from = at * SPAN_HOPS / columns, to = (at + 1) * SPAN_HOPS / columns;

    for (uint64_t i = from; i < to; i++) {
        /* hop numbers that lie before the first are not there */
        uint64_t back = SPAN_HOPS - i;
        if (back > l->hops_seen)
            continue;
        const struct view_hop *hop = &l->hops[(l->hops_seen - back) % VIEW_HOPS];
        c.peak_db = fmax(c.peak_db, (double)hop->peak_db);
        c.probability = fmax(c.probability, (double)hop->probability);
        c.speech |= hop->speech;
    }
    return c;
}

static void draw_history(FILE *to, const struct view_look *l, size_t columns)
{
    size_t width = columns > 18 ? columns - 10 : 8;

    fprintf(to, DIM "sound     " PLAIN);
    for (size_t i = 0; i < width; i++) {
        struct column c = find_column(l, i, width);
        fputs(c.speech ? GREEN : BLUE, to);
        put_column(to, share_of_db(c.peak_db));
    }
    fprintf(to, PLAIN END_LINE DIM "speech    " PLAIN ORANGE);
    for (size_t i = 0; i < width; i++)
        put_column(to, find_column(l, i, width).probability);
    fputs(PLAIN END_LINE, to);
}

static void draw_head(FILE *to, const struct view_look *l)
{
    const char *device = l->device[0] != '\0' ? l->device : l->capture;

    fprintf(to, "VoiceStand  %s%s" PLAIN "  %.40s, %u Hz, %u ch, %s, %s, %.0f s" END_LINE END_LINE,
            l->speech ? GREEN : DIM, l->speech ? "● speech " : "○ silence", device, l->rate_hz,
            l->channels, l->vad, l->cpu, (double)l->stats.elapsed_ns / 1e9);
}

static void draw_level(FILE *to, const struct view_look *l)
{
    const struct view_hop none = {.level_db = -200, .peak_db = -200};
    const struct view_hop *last =
        l->hops_seen > 0 ? &l->hops[(l->hops_seen - 1) % VIEW_HOPS] : &none;
    int level = (int)(share_of_db((double)last->level_db) * METER);
    int peak = (int)(share_of_db((double)last->peak_db) * METER);

    fprintf(to, DIM "level     " PLAIN);
    for (int i = 0; i < METER; i++) {
        const char *colour = i < METER * 3 / 4 ? GREEN : i < METER * 9 / 10 ? ORANGE : RED;
        fprintf(to, "%s%s", colour, i < level ? "█" : i == peak ? "│" : DIM "·" PLAIN);
    }
    fprintf(to, PLAIN "  %4.0f dB, peak %4.0f dB" END_LINE, fmax(-120, (double)last->level_db),
            fmax(-120, (double)last->peak_db));
}

static void draw_latency(FILE *to, const struct vs_stats *s)
{
    fprintf(to, DIM "latency, us %8s %8s %8s %8s %8s" PLAIN END_LINE, "p50", "p90", "p99", "p99.9",
            "max");
    for (int i = 0; i < VS_STAGE_COUNT; i++) {
        const struct vs_latency *l = &s->stage[i];
        if (l->count > 0)
            fprintf(to, "%-11s %8.1f %8.1f %8.1f %8.1f %8.1f" END_LINE, vs_stage_name(i),
                    (double)l->p50_ns / 1e3, (double)l->p90_ns / 1e3, (double)l->p99_ns / 1e3,
                    (double)l->p999_ns / 1e3, (double)l->max_ns / 1e3);
    }
    fputs(END_LINE, to);
}

static void draw_account(FILE *to, const struct vs_stats *s)
{
    uint64_t lost = 0;

    for (int i = 0; i < VS_DROP_COUNT; i++)
        lost += s->ledger.dropped[i];
    fprintf(to, DIM "account   " PLAIN "captured %llu = delivered %llu + %s%llu lost" PLAIN,
            (unsigned long long)s->ledger.captured, (unsigned long long)s->ledger.delivered,
            lost > 0 ? RED : "", (unsigned long long)lost);
    for (int i = 0; i < VS_DROP_COUNT; i++)
        if (s->ledger.dropped[i] > 0)
            fprintf(to, ", %s %llu", vs_drop_name(i), (unsigned long long)s->ledger.dropped[i]);
    fprintf(to, END_LINE DIM "ring      " PLAIN "%u of %u frames, at most %u" END_LINE,
            s->ring_fill_frames, s->ring_frames, s->ring_peak_frames);
    fprintf(to, DIM "segments  " PLAIN "%llu, speech %.0f %% of the time" END_LINE END_LINE,
            (unsigned long long)s->segments,
            s->hops > 0 ? 100.0 * (double)s->speech_hops / (double)s->hops : 0.0);
}

static void draw_machine(FILE *to, const struct view_look *l)
{
    const struct vs_power *p = &l->power;

    fprintf(to, DIM "CPU       " PLAIN "%.2f %% of a core, %.0f wake-ups a second, %s" END_LINE,
            l->cpu_percent, l->wakeups_per_s,
            l->stats.realtime > 0 ? "real-time" : "not real-time");
    fputs(DIM "threads   " PLAIN, to);
    for (size_t i = 0; i < l->thread_count; i++)
        fprintf(to, "%s%s %.2f %%", i > 0 ? ", " : "", l->threads[i].name, l->threads[i].percent);
    fprintf(to,
            END_LINE DIM "memory    " PLAIN
                         "%.1f MB, its own %.1f MB, page faults %llu, from disk %llu" END_LINE,
            (double)l->rss_bytes / 1048576, (double)l->anonymous_bytes / 1048576,
            (unsigned long long)l->faults_minor, (unsigned long long)l->faults_major);
    fputs(DIM "sensors   " PLAIN, to);
    if (p->temperature_status == 0)
        fprintf(to, "%.0f °C (%s)", (double)p->temperature_c, p->sensor);
    else
        fputs("no temperature", to);
    if (p->energy_status == 0)
        fprintf(to, ", %.1f J", p->energy_j);
    if (p->battery_status == 0)
        fputs(p->on_battery ? ", on battery" : ", on mains", to);
    fputs(END_LINE, to);
}

void screen_format(FILE *to, const struct view_look *l, size_t columns, size_t lines)
{
    draw_head(to, l);
    draw_level(to, l);
    draw_history(to, l, columns);
    fputs(END_LINE, to);
    draw_latency(to, &l->stats);
    draw_account(to, &l->stats);
    draw_machine(to, l);
    if (l->text[0] != '\0' || l->state[0] != '\0')
        fprintf(to, END_LINE "%s" END_LINE, l->text[0] != '\0' ? l->text : l->state);
    if (lines > 24)
        fputs(END_LINE DIM "q ends" PLAIN END_LINE, to);
}

void screen_draw(const struct view_look *l)
{
    struct winsize size = {.ws_col = 80, .ws_row = 24};
    char *text = NULL;
    size_t bytes;
    FILE *to;

    if (!screen.is_on)
        return;
    (void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    to = open_memstream(&text, &bytes);
    if (to == NULL)
        return;
    fputs("\033[H\033[?7l", to); /* home; what is too long is cut */
    screen_format(to, l, size.ws_col, size.ws_row);
    fputs("\033[J\033[?7h", to);
    if (fclose(to) == 0)
        put(text);
    free(text);
}
