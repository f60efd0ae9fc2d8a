/* SPDX-License-Identifier: MIT */
/* Version, status, log and environment: what every other header needs. */
#ifndef VOICESTAND_BASE_H
#define VOICESTAND_BASE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define VS_API       __attribute__((visibility("default")))
#define VS_NODISCARD __attribute__((warn_unused_result))

/** Rate of all audio behind the `dsp` stage, mono 32-bit float, full scale = 1.0. */
#define VS_RATE_HZ 16000
/** Frames in a hop, the unit in which voice activity is decided: 10 ms at VS_RATE_HZ. */
#define VS_HOP_FRAMES 160

/** Layout of one sample in interleaved source audio, native byte order. Zero is the default. */
enum vs_format {
    VS_FORMAT_F32 = 0, /**< 32-bit float, full scale 1.0 */
    VS_FORMAT_S16 = 1, /**< 16-bit signed */
    VS_FORMAT_S24 = 2, /**< 24-bit signed, packed in 3 bytes */
    VS_FORMAT_S32 = 3, /**< 32-bit signed */
};

enum vs_log_level { VS_LOG_ERROR, VS_LOG_WARNING, VS_LOG_INFO, VS_LOG_DEBUG };

/** Where sentences about expected failures go. `write` is NULL for silence. It may be called from
    any thread that is not real-time, one call at a time per thread; the strings die on return. */
struct vs_log {
    void (*write)(void *user, int level, const char *topic, const char *message);
    void *user;
};

/** What the library does not find out for itself. Zero-initialised means: silent, modules from
    where the library is installed, the fastest kernels this processor and kernel can run. */
struct vs_env {
    struct vs_log log;
    const char *module_dir; /**< folder of the backend modules; NULL = beside the library */
    const char *cpu;        /**< "auto" (NULL), "c", "avx2", "avx512", "neon": kernels to use */
    /** Folder that holds the sys/ and proc/ of a machine, to look at instead of this one's; NULL =
        this machine. For processors and sensors, which a test or a report can so bring along. */
    const char *system_root;
    const char *openvino; /**< folders to look in first for libopenvino_c.so, "A:B"; may be NULL */
    /** Folder for compiled networks, which are loaded unseen: it exists, of mode 0700, with plain files of this
        user alone in it; else none are kept, with a warning. NULL = keep none. */
    const char *cache_dir;
};

/** Version of the library that is running, "MAJOR.MINOR.PATCH". Any thread, never blocks;
    the string is static. */
VS_API const char *vs_version(void);

/** One sentence, without a full stop, for a status returned by this library.
    @param status 0, a count, or -errno.
    Any thread, never blocks; the string is static (unknown codes share one sentence). */
VS_API const char *vs_strerror(int status);

/** Bytes of one sample in `format`, or 0 for an unknown format. Any thread, never blocks. */
VS_API size_t vs_format_bytes(int format);

#ifdef __cplusplus
}
#endif
#endif
