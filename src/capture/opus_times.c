/* SPDX-License-Identifier: MIT */
#include "capture/opus_times.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ogg/ogg.h>
#include <opus.h>

enum {
    PART_BYTES = 1 << 16,
    PAGE_BYTES = 27 + 255 + 255 * 255, /* at most */
    HEADERS = 2,                       /* packets before those of audio: OpusHead and OpusTags */
    TIME_AT = 6,                       /* of 8 bytes, in the header of a page */
};

/* A page; once that is known, one to be shown with another time. */
struct page {
    int64_t offset;   /* in the file */
    int64_t time;     /* samples up to its end */
    int64_t duration; /* samples of the packets that end in it */
    uint32_t bytes, header_bytes;
    bool is_last;
};

struct vs__opus_times {
    int fd;
    int64_t at, bytes; /* of the file */
    struct page *pages;
    size_t count, room;
    size_t shown; /* which of them lies in `memory` */
    unsigned char memory[PAGE_BYTES];
};

/* looking ------------------------------------------------------------------------------------------ */

/** Pages of a file in a row. */
struct walk {
    int fd;
    int64_t fed;    /* bytes that were read */
    int64_t next;   /* where the next page is looked for */
    int64_t offset; /* where this one is */
    ogg_sync_state sync;
    ogg_stream_state stream;
    int64_t packets;
};

/* @return false: there are no more */
static bool next_page(struct walk *w, ogg_page *ret)
{
    for (;;) {
        long n = ogg_sync_pageseek(&w->sync, ret);
        char *room = NULL;
        ssize_t got;

        w->offset = w->next;
        w->next += n < 0 ? -n : n;
        if (n > 0)
            return true;
        if (n < 0)
            continue; /* so many bytes were no page */
        room = ogg_sync_buffer(&w->sync, PART_BYTES);
        got = room != NULL ? pread(w->fd, room, PART_BYTES, w->fed) : -1;
        if (got <= 0)
            return false;
        w->fed += got;
        (void)ogg_sync_wrote(&w->sync, (long)got);
    }
}

/* @return samples of the packets of audio that end in the page, -1: something is lost before it */
static int64_t take_page(struct walk *w, ogg_page *page)
{
    int64_t samples = 0;
    ogg_packet packet;
    int got;

    if (ogg_stream_pagein(&w->stream, page) != 0)
        return -1;
    while ((got = ogg_stream_packetout(&w->stream, &packet)) != 0) {
        int n = 0;

        if (got < 0)
            return -1;
        if (w->packets++ >= HEADERS)
            n = opus_packet_get_nb_samples(packet.packet, (opus_int32)packet.bytes, 48000);
        samples += n > 0 ? n : 0;
    }
    return samples;
}

static bool add_page(struct vs__opus_times *t, const struct page *page)
{
    if (t->count == t->room) {
        size_t room = t->room > 0 ? 2 * t->room : 64;
        struct page *wider = realloc(t->pages, room * sizeof(*wider));

        if (wider == NULL)
            return false;
        t->pages = wider;
        t->room = room;
    }
    t->pages[t->count++] = *page;
    return true;
}

/* What nobody records is as good as any other nonsense, and leaves room for sums. */
static int64_t time_of(const ogg_page *page)
{
    const int64_t most = (int64_t)1 << 60, time = ogg_page_granulepos(page);

    return time > most ? most : time < -most ? -most : time;
}

/* All pages of the first stream that end a packet of audio. @return false: they are not to be had */
static bool list_pages(struct vs__opus_times *t, struct walk *w)
{
    int serial = 0;
    ogg_page page;

    while (next_page(w, &page)) {
        struct page found = {.offset = w->offset,
                             .time = time_of(&page),
                             .bytes = (uint32_t)(page.header_len + page.body_len),
                             .header_bytes = (uint32_t)page.header_len,
                             .is_last = ogg_page_eos(&page) != 0};

        if (w->packets == 0) {
            serial = ogg_page_serialno(&page);
            if (w->offset > 0 || !ogg_page_bos(&page) || page.body_len < 8 ||
                memcmp(page.body, "OpusHead", 8) != 0 || ogg_stream_init(&w->stream, serial) != 0)
                return false;
        } else if (serial != ogg_page_serialno(&page)) {
            continue; /* another stream beside it */
        }
        found.duration = take_page(w, &page);
        if (found.duration < 0)
            return false;
        if (w->packets > HEADERS && ogg_page_packets(&page) > 0 && !add_page(t, &found))
            return false;
        if (found.is_last)
            break;
    }
    return true;
}

/* The last page may say less than it holds: the rest of it is no audio. The first may say more, if the
   beginning was cut off. */
static bool is_wrong(const struct page *page, const struct page *before)
{
    int64_t end = (before != NULL ? before->time : 0) + page->duration;

    if (page->is_last)
        return page->time > end || page->time < end - page->duration;
    return before != NULL ? page->time != end : page->time < end;
}

/* Leaves the pages that are to be shown with another time, with that. */
static void count_anew(struct vs__opus_times *t)
{
    int64_t begin = 0;
    size_t kept = 0;

    for (size_t i = 0; i < t->count; i++) {
        struct page page = t->pages[i];
        int64_t end = begin + page.duration, time = end;

        if (page.is_last && page.time < end)
            time = page.time > begin ? page.time : begin;
        begin = end;
        if (time == page.time)
            continue;
        page.time = time;
        t->pages[kept++] = page;
    }
    t->count = kept;
}

/* @return whether a page says what its packets do not. */
static bool look(struct vs__opus_times *t)
{
    struct walk w = {.fd = t->fd};
    bool wrong = false;

    (void)ogg_sync_init(&w.sync);
    if (list_pages(t, &w))
        for (size_t i = 0; i < t->count && !wrong; i++)
            wrong = is_wrong(&t->pages[i], i > 0 ? &t->pages[i - 1] : NULL);
    (void)ogg_stream_clear(&w.stream);
    (void)ogg_sync_clear(&w.sync);
    return wrong;
}

struct vs__opus_times *vs__opus_times_find(int fd)
{
    struct vs__opus_times *t;
    struct stat about;
    char begin[4];

    if (fstat(fd, &about) < 0 || !S_ISREG(about.st_mode) || pread(fd, begin, 4, 0) != 4 ||
        memcmp(begin, "OggS", 4) != 0)
        return NULL;
    t = calloc(1, sizeof(*t));
    if (t == NULL)
        return NULL;
    *t = (struct vs__opus_times){.fd = fd, .bytes = about.st_size, .shown = SIZE_MAX};
    if (!look(t)) {
        vs__opus_times_free(t);
        return NULL;
    }
    count_anew(t);
    return t;
}

void vs__opus_times_free(struct vs__opus_times *t)
{
    if (t != NULL)
        free(t->pages);
    free(t);
}

/* showing ------------------------------------------------------------------------------------------ */

/* @return the number of the first page that ends after `at`, or how many there are */
static size_t find_page(const struct vs__opus_times *t, int64_t at)
{
    size_t first = 0, end = t->count;

    while (first < end) {
        size_t middle = first + (end - first) / 2;
        const struct page *page = &t->pages[middle];

        if (page->offset + page->bytes > at)
            end = middle;
        else
            first = middle + 1;
    }
    return first;
}

/* @return whether it lies in `memory` now */
static bool show_page(struct vs__opus_times *t, size_t which)
{
    const struct page *page = &t->pages[which];
    ogg_page o = {t->memory, page->header_bytes, t->memory + page->header_bytes,
                  page->bytes - page->header_bytes};

    if (t->shown == which)
        return true;
    t->shown = SIZE_MAX;
    if (pread(t->fd, t->memory, page->bytes, page->offset) != (ssize_t)page->bytes)
        return false;
    for (unsigned i = 0; i < 8; i++)
        t->memory[TIME_AT + i] = (unsigned char)((uint64_t)page->time >> (8 * i));
    ogg_page_checksum_set(&o);
    t->shown = which;
    return true;
}

static sf_count_t read_bytes(void *ret, sf_count_t count, void *user)
{
    struct vs__opus_times *t = user;
    unsigned char *to = ret;
    sf_count_t done = 0;

    while (done < count) {
        size_t which = find_page(t, t->at);
        const struct page *page = which < t->count ? &t->pages[which] : NULL;
        int64_t most = count - done, got;

        if (page != NULL && page->offset <= t->at) {
            int64_t left = page->offset + page->bytes - t->at;

            if (!show_page(t, which))
                break;
            got = most < left ? most : left;
            memcpy(to + done, t->memory + (t->at - page->offset), (size_t)got);
        } else {
            if (page != NULL && page->offset - t->at < most)
                most = page->offset - t->at;
            got = pread(t->fd, to + done, (size_t)most, t->at);
        }
        if (got <= 0)
            break;
        done += got;
        t->at += got;
    }
    return done;
}

static sf_count_t count_bytes(void *user)
{
    return ((struct vs__opus_times *)user)->bytes;
}

static sf_count_t go_to(sf_count_t offset, int whence, void *user)
{
    struct vs__opus_times *t = user;
    int64_t at = offset + (whence == SEEK_CUR ? t->at : whence == SEEK_END ? t->bytes : 0);

    if (at < 0)
        return -1;
    t->at = at;
    return at;
}

static sf_count_t tell_place(void *user)
{
    return ((struct vs__opus_times *)user)->at;
}

SF_VIRTUAL_IO vs__opus_times_io = {
    .get_filelen = count_bytes,
    .seek = go_to,
    .read = read_bytes,
    .tell = tell_place,
};
