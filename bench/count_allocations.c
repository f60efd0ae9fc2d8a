/* SPDX-License-Identifier: MIT */
/* To be preloaded: counts malloc() and its kin in the file that BENCH_ALLOCATIONS names, as one 64-bit
   number that others can read while the program runs. */
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* The C library's own, by the names that it keeps for such wrappers. */
extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *memory, size_t bytes);
extern void *__libc_memalign(size_t alignment, size_t bytes);

static uint64_t unseen;
static uint64_t *count = &unseen;

__attribute__((constructor)) static void open_count(void)
{
    const char *path = getenv("BENCH_ALLOCATIONS");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;

    if (fd < 0)
        return;
    void *page = mmap(NULL, sizeof(*count), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (page != MAP_FAILED)
        count = page;
}

static void add(void)
{
    __atomic_fetch_add(count, 1, __ATOMIC_RELAXED);
}

__attribute__((visibility("default"))) void *malloc(size_t bytes)
{
    add();
    return __libc_malloc(bytes);
}

__attribute__((visibility("default"))) void *calloc(size_t number, size_t bytes)
{
    add();
    return __libc_calloc(number, bytes);
}

__attribute__((visibility("default"))) void *realloc(void *memory, size_t bytes)
{
    add();
    return __libc_realloc(memory, bytes);
}

__attribute__((visibility("default"))) void *aligned_alloc(size_t alignment, size_t bytes)
{
    add();
    return __libc_memalign(alignment, bytes);
}

__attribute__((visibility("default"))) int posix_memalign(void **ret, size_t alignment,
                                                          size_t bytes)
{
    add();
    *ret = __libc_memalign(alignment, bytes);
    return *ret ? 0 : 12; /* ENOMEM */
}
