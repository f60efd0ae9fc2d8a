/* SPDX-License-Identifier: MIT */
/* What the processor and the operating system can run. */
#include <voicestand/dsp.h>

#if defined(__x86_64__)

#include <cpuid.h>

/* States that the system saves at a task switch (XCR0): without it registers would be lost. */
static uint64_t saved_states(void)
{
    uint32_t low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

unsigned vs_cpu_detect(void)
{
    const uint64_t ymm = 1u << 1 | 1u << 2, zmm = ymm | 1u << 5 | 1u << 6 | 1u << 7;
    const unsigned fma = 1u << 12, osxsave = 1u << 27, avx = 1u << 28; /* leaf 1 ecx */
    const unsigned avx2 = 1u << 5;                                     /* leaf 7 ebx */
    const unsigned avx512 = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31; /* F, DQ, BW, VL */
    const unsigned vnni = 1u << 11;                                    /* leaf 7 ecx */
    const unsigned avx_vnni = 1u << 4;                                 /* leaf 7, 1: eax */
    unsigned a, b, c, d, flags = 0;

    if (!__get_cpuid(1, &a, &b, &c, &d) || ~c & (fma | osxsave | avx))
        return 0;
    uint64_t saved = saved_states();
    if (~saved & ymm || !__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & avx2))
        return 0;
    flags |= VS_CPU_AVX2;
    if (!(~saved & zmm) && !(~b & avx512)) {
        flags |= VS_CPU_AVX512;
        if (c & vnni)
            flags |= VS_CPU_VNNI;
    }
    if (a >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d) && a & avx_vnni)
        flags |= VS_CPU_AVX_VNNI;
    return flags;
}

#elif defined(__aarch64__)

#include <sys/auxv.h>

#include <asm/hwcap.h>

unsigned vs_cpu_detect(void)
{
    unsigned long has = getauxval(AT_HWCAP);
    if (!(has & HWCAP_ASIMD))
        return 0;
    return VS_CPU_NEON | (has & HWCAP_ASIMDDP ? (unsigned)VS_CPU_NEON_DOT : 0);
}

#else

unsigned vs_cpu_detect(void)
{
    return 0;
}

#endif
