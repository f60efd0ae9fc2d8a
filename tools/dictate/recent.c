/* SPDX-License-Identifier: MIT */
#include "dictate/recent.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

/* Pages of its own, so that they can be kept out of core dumps. */
int recent_init(struct recent *r, size_t frames)
{
    void *pcm = mmap(NULL, frames * sizeof(float), PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    *r = (struct recent){.size = frames};
    if (pcm == MAP_FAILED)
        return -ENOMEM;
    (void)madvise(pcm, frames * sizeof(float), MADV_DONTDUMP);
    r->pcm = pcm;
    return 0;
}

void recent_fini(struct recent *r)
{
    if (r->pcm == NULL)
        return;
    recent_wipe(r);
    munmap(r->pcm, r->size * sizeof(float));
    r->pcm = NULL;
}

void recent_wipe(struct recent *r)
{
    explicit_bzero(r->pcm, r->size * sizeof(float));
    r->end = r->held = 0;
}

static void put(struct recent *r, const float *pcm, size_t frames)
{
    while (frames > 0) {
        size_t at = (size_t)(r->end % r->size);
        size_t n = frames < r->size - at ? frames : r->size - at;

        if (pcm != NULL) {
            memcpy(r->pcm + at, pcm, n * sizeof(float));
            pcm += n;
        } else {
            memset(r->pcm + at, 0, n * sizeof(float));
        }
        r->end += n;
        frames -= n;
    }
}

void recent_push(struct recent *r, uint64_t position, const float *pcm, size_t frames)
{
    if (position < r->end || position - r->end > r->size) {
        r->end = position;
        r->held = 0;
    }
    r->held += position - r->end + frames;
    put(r, NULL, (size_t)(position - r->end));
    put(r, pcm, frames);
    if (r->held > r->size)
        r->held = r->size;
}

size_t recent_copy(const struct recent *r, uint64_t from, uint64_t to, float *ret)
{
    size_t there = 0;

    for (uint64_t position = from; position < to; position++) {
        int held = position < r->end && r->end - position <= r->held;

        ret[position - from] = held ? r->pcm[position % r->size] : 0;
        there += (size_t)held;
    }
    return there;
}
