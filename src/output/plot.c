/* SPDX-License-Identifier: MIT */
/* A picture of a recording as SVG: rows of time, each with the waveform, the segments that were
   found behind it, and the probability below. Stands alone: no script, no font, no other file. */
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"
#include "put.h"

enum {
    LEFT = 52, /* all in pixels */
    PLOT = 1100,
    RIGHT = 16,
    HEAD = 58,
    WAVE = 84,
    GAP = 6,
    CURVE = 44,
    FOOT = 26, /* with the labels of the time */
    ROW = WAVE + GAP + CURVE + FOOT,
    MOST_ROWS = 20,
    ROW_SECONDS = 30,
};

/* One hop of 10 ms. */
struct column {
    float low, high, probability;
};

struct found {
    double start_s, end_s;
    float probability;
    uint64_t number;
};

struct vs_plot {
    struct vs_plot_config config;
    struct column *columns;
    size_t count, room;
    struct found *found;
    size_t found_count, found_room;
    double seconds;
};

int vs_plot_open(const struct vs_plot_config *config, vs_plot **ret)
{
    struct vs_plot *p = calloc(1, sizeof(*p));

    if (!p) {
        return -ENOMEM;
    }
    p->config = *config;
    *ret = p;
    return 0;
}

/* events ------------------------------------------------------------------------------------- */

/* The column of a moment; those before it are made. @return NULL without memory */
static struct column *column_at(struct vs_plot *p, size_t index)
{
    if (index >= p->room) {
        size_t room = index * 2 + 1024;
        struct column *more = realloc(p->columns, room * sizeof(*more));
        if (!more) {
            return NULL;
        }
        p->columns = more;
        p->room = room;
    }
    for (; p->count <= index; p->count++) {
        p->columns[p->count] = (struct column){0};
    }
    return &p->columns[index];
}

static int take_audio(struct vs_plot *p, const struct vs_event *e)
{
    for (size_t i = 0; i < e->audio_frames; i++) {
        struct column *c = column_at(p, (size_t)((e->audio_position + i) / VS_HOP_FRAMES));
        if (!c) {
            return -ENOMEM;
        }
        c->low = fminf(c->low, e->audio[i]);
        c->high = fmaxf(c->high, e->audio[i]);
    }
    return 0;
}

static int take_segment(struct vs_plot *p, const struct vs_event *e)
{
    if (p->found_count == p->found_room) {
        size_t room = p->found_room * 2 + 64;
        struct found *more = realloc(p->found, room * sizeof(*more));
        if (!more) {
            return -ENOMEM;
        }
        p->found = more;
        p->found_room = room;
    }
    p->found[p->found_count++] = (struct found){e->start_s, e->end_s, e->probability, e->segment};
    return 0;
}

int vs_plot_event(vs_plot *p, const struct vs_event *e)
{
    struct column *c;

    switch (e->type) {
    case VS_EVENT_AUDIO:
        return e->segment == 0 ? take_audio(p, e) : 0;
    case VS_EVENT_END:
        return take_segment(p, e);
    case VS_EVENT_PROBABILITY:
        c = column_at(p, (size_t)(e->start_s * 100 + 0.5));
        if (!c) {
            return -ENOMEM;
        }
        c->probability = e->probability;
        p->seconds = fmax(p->seconds, e->end_s);
        return 0;
    default:
        return 0;
    }
}

/* drawing ------------------------------------------------------------------------------------ */

struct drawing {
    const struct vs_plot *p;
    FILE *f;
    double row_s; /* time that a row shows */
    int rows;
    float peak;
};

static const char style[] =
    "svg{background:#fff;font:12px system-ui,sans-serif;fill:#333}"
    ".title{font-size:15px;font-weight:600}.small{font-size:11px;fill:#667}"
    ".grid{stroke:#e4e7ec;stroke-width:1}.axis{stroke:#b8bfca;stroke-width:1}"
    ".wave{fill:#3b6ea5}.segment{fill:#f2b134;fill-opacity:.32;stroke:#c98a10;stroke-width:1}"
    ".number{font-size:10px;fill:#8a5a00}.p{fill:none;stroke:#b3365b;stroke-width:1.2}"
    ".limit{stroke:#b3365b;stroke-width:1;stroke-dasharray:4 4;stroke-opacity:.6}"
    "@media(prefers-color-scheme:dark){svg{background:#15181d;fill:#d8dce3}.small{fill:#98a1ad}"
    ".grid{stroke:#2a3038}.axis{stroke:#4a525e}.wave{fill:#7fb2e5}.number{fill:#f2c675}"
    ".p{stroke:#ef7f9f}.limit{stroke:#ef7f9f}}";

static double x_of(const struct drawing *d, int row, double seconds)
{
    double in_row = (seconds - row * d->row_s) / d->row_s;

    return LEFT + PLOT * fmin(fmax(in_row, 0), 1);
}

static void put_line(FILE *f, const char *kind, double x1, double y1, double x2, double y2)
{
    fprintf(f, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n", kind, x1,
            y1, x2, y2);
}

/* Seconds between the labels: 1, 2 or 5 times a power of ten, at most 15 in a row. */
static double find_step(double row_s)
{
    static const double steps[] = {0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800};

    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        if (row_s / steps[i] <= 15.01) {
            return steps[i];
        }
    }
    return 3600;
}

static void put_clock(FILE *f, double seconds, double step)
{
    int whole = (int)(seconds + 1e-6);

    if (step < 1) {
        fprintf(f, "%.1f", seconds);
    } else if (whole >= 3600) {
        fprintf(f, "%d:%02d:%02d", whole / 3600, whole / 60 % 60, whole % 60);
    } else {
        fprintf(f, "%d:%02d", whole / 60, whole % 60);
    }
}

static void draw_frame(const struct drawing *d, int row, double y)
{
    double step = find_step(d->row_s), curve = y + WAVE + GAP;
    double begin = row * d->row_s, end = fmin(begin + d->row_s, d->p->seconds);
    double right = x_of(d, row, end);

    for (int i = 0; i * step <= end - begin + 1e-6; i++) {
        double x = x_of(d, row, begin + i * step);
        put_line(d->f, "grid", x, y, x, curve + CURVE);
        fprintf(d->f, "<text class=\"small\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">", x,
                curve + CURVE + 14);
        put_clock(d->f, begin + i * step, step);
        fputs("</text>\n", d->f);
    }
    put_line(d->f, "axis", LEFT, y + WAVE / 2.0, right, y + WAVE / 2.0);
    put_line(d->f, "axis", LEFT, curve + CURVE, right, curve + CURVE);
    for (int i = 0; i <= 1; i++) {
        fprintf(d->f, "<text class=\"small\" x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%d</text>\n",
                LEFT - 6, curve + (i ? 9 : CURVE), i);
    }
}

static void draw_segments(const struct drawing *d, int row, double y)
{
    double begin = row * d->row_s, end = begin + d->row_s;

    for (size_t i = 0; i < d->p->found_count; i++) {
        const struct found *s = &d->p->found[i];
        double x1 = x_of(d, row, s->start_s), x2 = x_of(d, row, s->end_s);
        if (s->end_s <= begin || s->start_s >= end) {
            continue;
        }
        fprintf(d->f,
                "<rect class=\"segment\" x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%d\">"
                "<title>segment %" PRIu64 ": %.2f to %.2f s, probability %.2f</title></rect>\n",
                x1, y, fmax(x2 - x1, 1), WAVE, s->number, s->start_s, s->end_s,
                (double)s->probability);
        if (s->start_s >= begin) {
            fprintf(d->f, "<text class=\"number\" x=\"%.1f\" y=\"%.1f\">%" PRIu64 "</text>\n",
                    x1 + 3, y + 11, s->number);
        }
    }
}

/* Columns of a row that share a pixel, or half of one. */
static size_t find_group(const struct drawing *d)
{
    size_t group = (size_t)(d->row_s * 100 / (2 * PLOT));

    return group > 0 ? group : 1;
}

static struct column join_columns(const struct vs_plot *p, size_t from, size_t count)
{
    struct column all = {0};

    for (size_t i = from; i < from + count && i < p->count; i++) {
        all.low = fminf(all.low, p->columns[i].low);
        all.high = fmaxf(all.high, p->columns[i].high);
        all.probability = fmaxf(all.probability, p->columns[i].probability);
    }
    return all;
}

static void draw_wave(const struct drawing *d, int row, double y)
{
    size_t from = (size_t)(row * d->row_s * 100), group = find_group(d);
    size_t to = (size_t)fmin((row + 1) * d->row_s * 100, (double)d->p->count);
    double middle = y + WAVE / 2.0, scale = WAVE / 2.0 / (d->peak > 0 ? (double)d->peak : 1);

    fputs("<path class=\"wave\" d=\"", d->f);
    for (size_t i = from; i < to; i += group) {
        struct column c = join_columns(d->p, i, group);
        double x1 = x_of(d, row, (double)i / 100), x2 = x_of(d, row, (double)(i + group) / 100);
        double top = middle - (double)c.high * scale, bottom = middle - (double)c.low * scale;
        fprintf(d->f, "M%.1f %.1fH%.1fV%.1fH%.1fZ", x1, fmin(top, middle - 0.4), x2,
                fmax(bottom, middle + 0.4), x1);
    }
    fputs("\"/>\n", d->f);
}

static void draw_curve(const struct drawing *d, int row, double y)
{
    size_t from = (size_t)(row * d->row_s * 100), group = find_group(d);
    size_t to = (size_t)fmin((row + 1) * d->row_s * 100, (double)d->p->count);
    double base = y + WAVE + GAP + CURVE, limit = base - CURVE * (double)d->p->config.threshold;

    put_line(d->f, "limit", LEFT, limit, x_of(d, row, (double)to / 100), limit);
    fputs("<path class=\"p\" d=\"", d->f);
    for (size_t i = from; i < to; i += group) {
        struct column c = join_columns(d->p, i, group);
        fprintf(d->f, "%c%.1f %.1f", i == from ? 'M' : 'L',
                x_of(d, row, (double)i / 100 + (double)group / 200),
                base - CURVE * (double)c.probability);
    }
    fputs("\"/>\n", d->f);
}

static void draw_head(const struct drawing *d)
{
    const struct vs_plot *p = d->p;
    double speech_s = 0;

    for (size_t i = 0; i < p->found_count; i++) {
        speech_s += p->found[i].end_s - p->found[i].start_s;
    }
    fprintf(d->f, "<text class=\"title\" x=\"%d\" y=\"24\">", LEFT);
    vs__put_words(d->f, p->config.title ? p->config.title : "", VS__WORDS_VTT);
    fprintf(d->f,
            "</text>\n<text class=\"small\" x=\"%d\" y=\"42\">%.1f s, %zu segment%s, %.0f %% in "
            "them; probability by ",
            LEFT, p->seconds, p->found_count, p->found_count == 1 ? "" : "s",
            p->seconds > 0 ? 100 * speech_s / p->seconds : 0);
    vs__put_words(d->f, p->config.detector ? p->config.detector : "", VS__WORDS_VTT);
    fprintf(d->f, ", threshold %.2f; waveform to %.1f dB of full scale</text>\n",
            (double)p->config.threshold, d->peak > 0 ? 20 * log10((double)d->peak) : -100.0);
}

static void find_rows(struct drawing *d)
{
    double seconds = fmax(d->p->seconds, 0.01);

    d->row_s = fmin(seconds, ROW_SECONDS);
    if (seconds > (double)ROW_SECONDS * MOST_ROWS) { /* whole minutes */
        d->row_s = 60 * ceil(seconds / 60 / MOST_ROWS);
    }
    d->rows = (int)ceil(seconds / d->row_s - 1e-9);
    for (size_t i = 0; i < d->p->count; i++) {
        d->peak = fmaxf(d->peak, fmaxf(d->p->columns[i].high, -d->p->columns[i].low));
    }
}

int vs_plot_write(const vs_plot *p, FILE *stream)
{
    struct drawing d = {.p = p, .f = stream};

    find_rows(&d);
    fprintf(stream,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" width=\"%d\" "
            "height=\"%d\">\n<style>%s</style>\n",
            LEFT + PLOT + RIGHT, HEAD + d.rows * ROW, LEFT + PLOT + RIGHT, HEAD + d.rows * ROW,
            style);
    draw_head(&d);
    for (int row = 0; row < d.rows; row++) {
        double y = HEAD + row * ROW;
        draw_frame(&d, row, y);
        draw_segments(&d, row, y);
        draw_wave(&d, row, y);
        draw_curve(&d, row, y);
    }
    fputs("</svg>\n", stream);
    return fflush(stream) != 0 || ferror(stream) ? (errno ? -errno : -EIO) : 0;
}

void vs_plot_close(vs_plot *p)
{
    if (!p) {
        return;
    }
    free(p->columns);
    free(p->found);
    free(p);
}
