/* SPDX-License-Identifier: MIT */
/* The single-producer, single-consumer ring. */
#include "ring/ring.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* Map the same memory twice, one behind the other. @return the address or NULL with errno. */
static unsigned char *map_twice(size_t bytes)
{
    unsigned char *memory = NULL;
    int fd = memfd_create("voicestand-ring", MFD_CLOEXEC);

    if (fd < 0)
        return NULL;
    if (ftruncate(fd, (off_t)bytes) < 0)
        goto out;
    void *reserved = mmap(NULL, 2 * bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (reserved == MAP_FAILED)
        goto out;
    for (int half = 0; half < 2; half++) {
        void *want = (unsigned char *)reserved + (size_t)half * bytes;
        if (mmap(want, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) ==
            MAP_FAILED) {
            int cause = errno;
            munmap(reserved, 2 * bytes);
            errno = cause;
            goto out;
        }
    }
    memory = reserved;
    memset(memory, 0, bytes); /* touch the pages now, not on the audio path */
    (void)mlock(memory, 2 * bytes);
    (void)madvise(memory, 2 * bytes, MADV_DONTDUMP);
out:;
    int cause = errno;
    close(fd);
    errno = cause;
    return memory;
}

int vs__ring_create(size_t min_bytes, struct vs__ring **ret)
{
    size_t bytes = (size_t)sysconf(_SC_PAGESIZE);

    if (min_bytes > SIZE_MAX / 8)
        return -ENOMEM;
    while (bytes < min_bytes)
        bytes *= 2;
    /* vs__alloc() aligns to 64; the members want VS__APART. */
    unsigned char *allocation = vs__alloc(sizeof(struct vs__ring) + VS__APART);
    if (!allocation)
        return -ENOMEM;
    struct vs__ring *r = (void *)(allocation + (-(uintptr_t)allocation & (VS__APART - 1)));
    r->allocation = allocation;
    r->bytes = bytes;
    r->memory = map_twice(bytes);
    if (!r->memory) {
        int rc = -errno;
        vs__free(allocation);
        return rc;
    }
    *ret = r;
    return 0;
}

void vs__ring_destroy(struct vs__ring *r)
{
    if (!r)
        return;
    memset(r->memory, 0, r->bytes); /* it held someone's voice */
    munmap(r->memory, 2 * r->bytes);
    vs__free(r->allocation);
}

size_t vs__ring_fill(const struct vs__ring *r)
{
    /* Tail first: head can only be ahead of it, so the difference is never negative. */
    uint64_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
    uint64_t head = atomic_load_explicit(&r->head, memory_order_acquire);
    uint64_t fill = head - tail;

    return (size_t)VS__MIN(fill, (uint64_t)r->bytes);
}
