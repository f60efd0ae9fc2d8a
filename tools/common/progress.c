/* SPDX-License-Identifier: MIT */
/* The progress line on a terminal. */
#include "common/progress.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Held by whoever writes to the terminal. */
static pthread_mutex_t terminal = PTHREAD_MUTEX_INITIALIZER;
static bool active, drawn;
static char line[256];

void progress_start(void)
{
    const char *kind = getenv("TERM");

    active = isatty(STDERR_FILENO) && (kind == NULL || strcmp(kind, "dumb") != 0);
}

static void format_time(double seconds, char *ret, size_t size)
{
    unsigned long s = seconds < 0 ? 0 : (unsigned long)(seconds + 0.5);

    if (s >= 3600)
        snprintf(ret, size, "%lu:%02lu:%02lu", s / 3600, s / 60 % 60, s % 60);
    else
        snprintf(ret, size, "%lu:%02lu", s / 60, s % 60);
}

void progress_format(const struct progress *p, size_t columns, char *ret, size_t size)
{
    enum { BAR = 20 };
    double fraction = p->fraction < 0 ? 0 : p->fraction > 1 ? 1 : p->fraction;
    char bar[BAR + 1], audio[24], left[24] = "-:--";

    for (int i = 0; i < BAR; i++)
        bar[i] = i < (int)(fraction * BAR + 0.5) ? '#' : '.';
    bar[BAR] = '\0';
    format_time(p->audio_s, audio, sizeof(audio));
    /* An estimate needs something to go by. */
    if (fraction > 0.005 && p->wall_s > 0.5)
        format_time(p->wall_s / fraction - p->wall_s, left, sizeof(left));
    snprintf(ret, size, "[%s] %3.0f%%  %zu/%zu files  %s audio  %.0fx real time  %s left", bar,
             100 * fraction, p->done, p->total, audio, p->wall_s > 0 ? p->audio_s / p->wall_s : 0.0,
             left);
    if (columns > 0 && strlen(ret) >= columns)
        ret[columns - 1] = '\0';
}

/* With `terminal` held. */
static void erase_line(void)
{
    if (drawn)
        fputs("\r\033[K", stderr);
    drawn = false;
}

void progress_update(const struct progress *p)
{
    struct winsize window = {0};
    size_t columns = 80;

    if (!active)
        return;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0)
        columns = window.ws_col;
    pthread_mutex_lock(&terminal);
    progress_format(p, columns, line, sizeof(line));
    fprintf(stderr, "\r%s\033[K", line);
    drawn = true;
    pthread_mutex_unlock(&terminal);
}

void progress_hide(void)
{
    pthread_mutex_lock(&terminal);
    erase_line();
}

void progress_show(void)
{
    pthread_mutex_unlock(&terminal);
}

void progress_end(void)
{
    pthread_mutex_lock(&terminal);
    erase_line();
    active = false;
    pthread_mutex_unlock(&terminal);
}
