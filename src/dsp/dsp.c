/* SPDX-License-Identifier: MIT */
/* The kernel table: which level serves which kernel, and the words for it. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "base/base.h"
#include "dsp/kernels.h"

/* Take a level's kernels into the table. */
#define X_C(type, name, arguments)           d->name = vs__##name##_c;
#define X_AVX2(type, name, arguments)        d->name = vs__##name##_avx2;
#define X_AVX2_VNNI(type, name, arguments)   d->name = vs__##name##_avx2_vnni;
#define X_AVX512(type, name, arguments)      d->name = vs__##name##_avx512;
#define X_AVX512_VNNI(type, name, arguments) d->name = vs__##name##_avx512_vnni;
#define X_NEON(type, name, arguments)        d->name = vs__##name##_neon;
#define X_NEON_DOT(type, name, arguments)    d->name = vs__##name##_neon_dot;

static const char *const kernel_names[] = {
#define X(type, name, arguments) #name,
    VS__KERNELS(X)
#undef X
};

static const char *const dot8_names[] = {
#define X(type, name, arguments) #name,
    VS__KERNELS_DOT8(X)
#undef X
};

/* From the plainest up; `flags` are all that a level stands on. */
static const struct level {
    const char *name;
    unsigned flags;
    bool dot8; /* it has kernels of VS__KERNELS_DOT8 only */
} levels[] = {
    {"c", 0, false},
    {"avx2", VS_CPU_AVX2, false},
    {"avx2-vnni", VS_CPU_AVX2 | VS_CPU_AVX_VNNI, true},
    {"avx512", VS_CPU_AVX2 | VS_CPU_AVX512, false},
    {"avx512-vnni", VS_CPU_AVX2 | VS_CPU_AVX512 | VS_CPU_VNNI, true},
    {"neon", VS_CPU_NEON, false},
    {"neon-dot", VS_CPU_NEON | VS_CPU_NEON_DOT, true},
};

enum {
    ALL_FLAGS =
        VS_CPU_AVX2 | VS_CPU_AVX512 | VS_CPU_VNNI | VS_CPU_NEON | VS_CPU_NEON_DOT | VS_CPU_AVX_VNNI
};

/* What this build has kernels for. */
static const unsigned built = 0
#ifdef VS__HAVE_AVX2
                              | VS_CPU_AVX2
#endif
#ifdef VS__HAVE_AVX2_VNNI
                              | VS_CPU_AVX_VNNI
#endif
#ifdef VS__HAVE_AVX512
                              | VS_CPU_AVX512
#endif
#ifdef VS__HAVE_AVX512_VNNI
                              | VS_CPU_VNNI
#endif
#ifdef VS__HAVE_NEON
                              | VS_CPU_NEON
#endif
#ifdef VS__HAVE_NEON_DOT
                              | VS_CPU_NEON_DOT
#endif
    ;

void vs__dsp_init(struct vs__dsp *d, unsigned flags)
{
    d->flags = flags;
    VS__KERNELS(X_C)
#ifdef VS__HAVE_AVX2
    if (flags & VS_CPU_AVX2) {
        VS__KERNELS(X_AVX2)
    }
#endif
#ifdef VS__HAVE_AVX2_VNNI
    if (flags & VS_CPU_AVX_VNNI) {
        VS__KERNELS_DOT8(X_AVX2_VNNI)
    }
#endif
#ifdef VS__HAVE_AVX512
    if (flags & VS_CPU_AVX512) {
        VS__KERNELS(X_AVX512)
    }
#endif
#ifdef VS__HAVE_AVX512_VNNI
    if (flags & VS_CPU_VNNI) {
        VS__KERNELS_DOT8(X_AVX512_VNNI)
    }
#endif
#ifdef VS__HAVE_NEON
    if (flags & VS_CPU_NEON) {
        VS__KERNELS(X_NEON)
    }
#endif
#ifdef VS__HAVE_NEON_DOT
    if (flags & VS_CPU_NEON_DOT) {
        VS__KERNELS_DOT8(X_NEON_DOT)
    }
#endif
}

const struct vs__dsp *vs__dsp_share(unsigned flags)
{
    static struct vs__dsp
        tables[ALL_FLAGS + 1]; /* under the global lock until made, then constant */
    struct vs__dsp *d = &tables[flags & ALL_FLAGS];

    vs__global_lock();
    if (!d->dot)
        vs__dsp_init(d, flags & ALL_FLAGS);
    vs__global_unlock();
    return d;
}

const char *vs__dsp_level(unsigned index)
{
    return index < VS__COUNT(levels) ? levels[index].name : NULL;
}

int vs_cpu_parse(const char *name, unsigned *ret)
{
    unsigned here = vs_cpu_detect();
    if (!name || !strcmp(name, "auto")) {
        *ret = here;
        return 0;
    }
    for (size_t i = 0; i < VS__COUNT(levels); i++) {
        if (strcmp(name, levels[i].name))
            continue;
        if (levels[i].flags & ~(here & built))
            return -ENOTSUP;
        *ret = levels[i].flags;
        return 0;
    }
    return -EINVAL;
}

/* The highest level of those that `flags` hold, or of those with all kernels. */
static const char *find_level(unsigned flags, bool dot8)
{
    size_t best = 0;
    for (size_t i = 0; i < VS__COUNT(levels); i++)
        if (!(levels[i].flags & ~flags) && (dot8 || !levels[i].dot8))
            best = i;
    return levels[best].name;
}

const char *vs_cpu_name(unsigned flags)
{
    return find_level(flags, true);
}

int vs_cpu_kernel(unsigned index, unsigned flags, const char **ret_name, const char **ret_level)
{
    bool dot8 = false;
    if (index >= VS__COUNT(kernel_names))
        return -ENOENT;
    for (size_t i = 0; i < VS__COUNT(dot8_names); i++)
        dot8 |= !strcmp(dot8_names[i], kernel_names[index]);
    *ret_name = kernel_names[index];
    *ret_level = find_level(flags & built, dot8);
    return 0;
}
