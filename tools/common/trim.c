/* SPDX-License-Identifier: MIT */
#include "common/trim.h"

#include <link.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static bool is_traced(void)
{
    char line[128];
    long tracer = 0;
    FILE *f = fopen("/proc/self/status", "re");

    if (f == NULL)
        return true;
    while (fgets(line, sizeof(line), f) != NULL)
        if (sscanf(line, "TracerPid: %ld", &tracer) == 1)
            break;
    fclose(f);
    return tracer != 0;
}

/* Code that was moved by writing into it would be lost. */
static bool is_written(const struct dl_phdr_info *object)
{
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &object->dlpi_phdr[i];
        if (p->p_type != PT_DYNAMIC)
            continue;
        const ElfW(Dyn) *d = (const ElfW(Dyn) *)(object->dlpi_addr + p->p_vaddr);
        for (; d->d_tag != DT_NULL; d++)
            if (d->d_tag == DT_TEXTREL || (d->d_tag == DT_FLAGS && (d->d_un.d_val & DF_TEXTREL)))
                return true;
    }
    return false;
}

/* Segments that may not be written are the file's pages and nothing else. */
static int trim_object(struct dl_phdr_info *object, size_t bytes, void *page)
{
    uintptr_t size = *(const uintptr_t *)page;

    (void)bytes;
    if (is_written(object))
        return 0;
    for (int i = 0; i < object->dlpi_phnum; i++) {
        const ElfW(Phdr) *p = &object->dlpi_phdr[i];
        if (p->p_type != PT_LOAD || (p->p_flags & PF_W))
            continue;
        uintptr_t from = (object->dlpi_addr + p->p_vaddr) / size * size;
        uintptr_t to = (object->dlpi_addr + p->p_vaddr + p->p_memsz + size - 1) / size * size;
        (void)madvise((void *)from, to - from, MADV_DONTNEED);
    }
    return 0;
}

void trim_started(void)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

    if (is_traced())
        return;
    (void)malloc_trim(0);
    (void)dl_iterate_phdr(trim_object, &page);
}
