/* SPDX-License-Identifier: MIT */
/* The kernel table: which level serves which kernel, and the words for it. */
#include <errno.h>
#include <string.h>

#include "base/base.h"
#include "dsp/kernels.h"

/* Take a level's kernels into the table. */
#define X_C(type, name, arguments)      d->name = vs__##name##_c;
#define X_AVX2(type, name, arguments)   d->name = vs__##name##_avx2;
#define X_AVX512(type, name, arguments) d->name = vs__##name##_avx512;
#define X_NEON(type, name, arguments)   d->name = vs__##name##_neon;

static const char *const kernel_names[] = {
#define X(type, name, arguments) #name,
    VS__KERNELS(X)
#undef X
};

/* What this build has kernels for. */
static const unsigned built = 0
#ifdef VS__HAVE_AVX2
                              | VS_CPU_AVX2
#endif
#ifdef VS__HAVE_AVX512
                              | VS_CPU_AVX512
#endif
#ifdef VS__HAVE_NEON
                              | VS_CPU_NEON
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
#ifdef VS__HAVE_AVX512
    if (flags & VS_CPU_AVX512) {
        VS__KERNELS(X_AVX512)
    }
#endif
#ifdef VS__HAVE_NEON
    if (flags & VS_CPU_NEON) {
        VS__KERNELS(X_NEON)
    }
#endif
}

int vs_cpu_parse(const char *name, unsigned *ret)
{
    static const struct {
        const char *name;
        unsigned needed, taken;
    } levels[] = {
        {"c", 0, 0},
        {"avx2", VS_CPU_AVX2, VS_CPU_AVX2},
        {"avx512", VS_CPU_AVX512, VS_CPU_AVX2 | VS_CPU_AVX512 | VS_CPU_VNNI},
        {"neon", VS_CPU_NEON, VS_CPU_NEON},
    };
    unsigned here = vs_cpu_detect();
    if (!name || !strcmp(name, "auto")) {
        *ret = here;
        return 0;
    }
    for (size_t i = 0; i < VS__COUNT(levels); i++) {
        if (strcmp(name, levels[i].name))
            continue;
        if (levels[i].needed & ~(here & built))
            return -ENOTSUP;
        *ret = levels[i].taken & here;
        return 0;
    }
    return -EINVAL;
}

const char *vs_cpu_name(unsigned flags)
{
    if ((flags & VS_CPU_AVX512) && (flags & VS_CPU_VNNI))
        return "avx512-vnni";
    if (flags & VS_CPU_AVX512)
        return "avx512";
    if (flags & VS_CPU_AVX2)
        return "avx2";
    return flags & VS_CPU_NEON ? "neon" : "c";
}

int vs_cpu_kernel(unsigned index, unsigned flags, const char **ret_name, const char **ret_level)
{
    if (index >= VS__COUNT(kernel_names))
        return -ENOENT;
    *ret_name = kernel_names[index];
    *ret_level = vs_cpu_name(flags & built & ~(unsigned)VS_CPU_VNNI);
    return 0;
}
