/* SPDX-License-Identifier: MIT */
/* Signal processing on its own: which kernels run here, the streaming resampler, and a
   meter of loudness. */
#ifndef VOICESTAND_DSP_H
#define VOICESTAND_DSP_H

#include <voicestand/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Instruction sets that kernels are written for. VS_CPU_AVX2 stands for AVX2 with FMA. */
enum vs_cpu_flags {
    VS_CPU_AVX2 = 1 << 0,
    VS_CPU_AVX512 = 1 << 1, /**< F, BW, DQ and VL */
    VS_CPU_VNNI = 1 << 2,   /**< AVX-512 VNNI */
    VS_CPU_NEON = 1 << 3,
    VS_CPU_AVX_VNNI = 1 << 4, /**< the same on 256 bits, where there is no AVX-512 */
    VS_CPU_NEON_DOT = 1 << 5, /**< sums of 8-bit products: FEAT_DotProd */
};

/** What both this processor and its operating system can run: a set of enum vs_cpu_flags.
    Any thread, never blocks. */
VS_API unsigned vs_cpu_detect(void);

/** Turn a level into flags: "auto" or NULL, which is vs_cpu_detect(); "c", "avx2", "avx2-vnni",
    "avx512", "avx512-vnni", "neon", "neon-dot", which are that level and what it stands on, no
    more. @return 0; -EINVAL unknown name; -ENOTSUP this machine or this build cannot run it. */
VS_API VS_NODISCARD int vs_cpu_parse(const char *name, unsigned *ret);

/** Name of the highest level in `flags`, of those that vs_cpu_parse() takes. Static string. */
VS_API const char *vs_cpu_name(unsigned flags);

/** Name of kernel `index` (0, 1, …) and of the level that `flags` selects for it.
    @return 0, or -ENOENT past the last kernel. Static strings. */
VS_API VS_NODISCARD int vs_cpu_kernel(unsigned index, unsigned flags, const char **ret_name,
                                      const char **ret_level);

/** A streaming resampler, mono float, for one thread at a time. */
typedef struct vs_resampler vs_resampler;

/** Zero-initialise, set `size` and the rates. */
struct vs_resampler_config {
    size_t size;
    uint32_t in_hz;  /**< 8000..192000 */
    uint32_t out_hz; /**< 8000..192000 */
    int quality;     /**< 0 = low latency: knows 2 ms ahead where the lower rate is 16 kHz, flat to
                        0.45 of the lower rate, folding below -110 dB from 0.5625 on; 1 = high:
                        7.5 ms ahead, flat to 0.475, folding below -110 dB from 0.5 on */
    const char *cpu; /**< as struct vs_env */
    int adjustable;  /**< 1 = for vs_resampler_set_drift(): takes up to 300 KiB more, and equal
                        rates then have a filter and its delay */
};

/** Build a resampler by polyphase filters, shaped by least squares (scripts/resampler-prototype;
    docs/benchmarks.md has what bench/bench_resampler.c measured of it beside others).
    Output frame n stands for the time n / out_hz of the input: the filter's delay is taken out, not
    added to positions. All memory is allocated here. Not for real-time threads: it computes up to
    448 KiB of filters.
    @return 0; -EINVAL rates, quality, size or an unknown cpu; -ENOTSUP cpu cannot run here;
    -ENOMEM. */
VS_API VS_NODISCARD int vs_resampler_create(const struct vs_resampler_config *config,
                                            vs_resampler **ret);

/** Largest number of frames that one vs_resampler_process() of `in_frames`, or one
    vs_resampler_flush() (in_frames = 0), can return. */
VS_API size_t vs_resampler_max_out(const vs_resampler *r, size_t in_frames);

/** Input frames that must be known beyond the time of an output frame before it can be computed;
    the same whatever the drift. */
VS_API uint32_t vs_resampler_delay_frames(const vs_resampler *r);

/** The input's clock is fast by `ppm` parts in a million of the output's (slow where negative):
    from the next output frame on, frames lie in_hz / out_hz * (1 + ppm / 10^6) input frames apart.
    The distance goes there by 10 ppm a millisecond at most, so nothing clicks; the position is
    kept exactly, so nothing adds up. While a drift is set, and after it if the position is then
    between the frames of no drift, an output costs up to six times as much; never set, every
    output has the same bits as without `adjustable`. Never blocks or allocates.
    @param ppm -1000..1000. @return 0; -EINVAL ppm; -ENOTSUP not created as adjustable. */
VS_API VS_NODISCARD int vs_resampler_set_drift(vs_resampler *r, double ppm);

/** The drift that lies between the last output frame and the next, in ppm. */
VS_API double vs_resampler_drift_ppm(const vs_resampler *r);

/** Take all of `in`, write what can be computed to `out`. Any split of the input gives the same
    output, bit by bit. Samples that are not finite, or of 2^40 and more, count as 0. Never blocks or
    allocates.
    @param out room for vs_resampler_max_out(r, frames) floats; must not overlap `in`.
    @return frames written. */
VS_API size_t vs_resampler_process(vs_resampler *r, const float *in, size_t frames, float *out);

/** The input ends here: write the rest, so that a frame came out for every time before the end of
    the input, ceil(in_total * out_hz / in_hz) in all without drift; then start anew as after
    create, with the drift that was set. Never blocks or allocates. @return frames written. */
VS_API size_t vs_resampler_flush(vs_resampler *r, float *out);

/** Free it. NULL is fine. */
VS_API void vs_resampler_destroy(vs_resampler *r);

/** A meter of the loudness that people hear, ITU-R BS.1770; one thread at a time. All channels count
    alike, as left, right and centre do there. */
typedef struct vs_loudness vs_loudness;

/** @param rate_hz 8000..192000. @param channels 1..32. @return 0; -EINVAL; -ENOMEM */
VS_API VS_NODISCARD int vs_loudness_create(uint32_t rate_hz, uint32_t channels, vs_loudness **ret);

/** More audio, interleaved; any split of it gives the same. Samples that are not finite, or larger
    than 2^40, count as 0. Never blocks or allocates. */
VS_API void vs_loudness_push(vs_loudness *l, const float *pcm, size_t frames);

/** Integrated loudness of all audio so far, gated, in LUFS; -70 where nothing was loud enough or
    it is shorter than 400 ms. */
VS_API double vs_loudness_integrated(const vs_loudness *l);

/** Free it. NULL is fine. */
VS_API void vs_loudness_destroy(vs_loudness *l);

#ifdef __cplusplus
}
#endif
#endif
