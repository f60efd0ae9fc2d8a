/* SPDX-License-Identifier: MIT */
/* For those who write backends: the operations of a source, a detector, an engine, a writer.
   A table is `const` and shared by all instances; an instance's state is `state_size` bytes,
   zeroed, aligned to 64, given by the library. `close` follows every `open`, also a failed one. */
#ifndef VOICESTAND_BACKEND_H
#define VOICESTAND_BACKEND_H

#include <voicestand/base.h>
#include <voicestand/pipeline.h>
#include <voicestand/place.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Every table starts with this; the library refuses a table of another number. */
#define VS_BACKEND_ABI 1u

/** What a source is asked for. Zero or NULL = no wish. Lives during open() only. */
struct vs_capture_params {
    size_t size;
    const struct vs_env *env; /**< lives as long as the backend's state */
    const char *argument;     /**< what stood behind the colon of the name, or NULL */
    uint32_t rate_hz, channels;
    int format;          /**< raw pipes */
    int raw;             /**< nonzero: headerless PCM */
    uint32_t latency_ms; /**< period asked of a device */
    double start_s;      /**< files: skip so much; 0 or more. Positions count from there */
    double length_s;     /**< files: end after so much; 0 = at the end of the file */
};

/** What was opened. Set by open(). */
struct vs_capture_format {
    size_t size;
    uint32_t rate_hz;      /**< 8000..192000 */
    uint32_t channels;     /**< 1..32 */
    int format;            /**< enum vs_format */
    int live;              /**< nonzero: a clock of its own that does not wait for a reader */
    int64_t latency_ns;    /**< what the source adds before its time stamps, if it knows */
    uint64_t total_frames; /**< length, 0 = unknown */
    const char *device;    /**< for people; lives until close() */
};

enum vs_capture_flags {
    VS_CAPTURE_ESTIMATED = 1 << 0, /**< a jump of `position` here was estimated by the clock */
};

/** Where and when a run of frames was captured. */
struct vs_capture_stamp {
    uint64_t position; /**< of its first frame since start, frames the source lost included */
    int64_t time_ns;   /**< CLOCK_MONOTONIC of its first frame at the source; 0 = unknown */
    uint32_t flags;    /**< enum vs_capture_flags */
};

/** Where a pushing source delivers. All members are set. */
struct vs_capture_sink {
    void *user;
    /** Hand over `frames` frames. From the source's one audio thread; real-time safe: copies,
        never blocks; what does not fit is counted as lost. `frames` may be 0 to report a jump. */
    void (*push)(void *user, const void *pcm, size_t frames, const struct vs_capture_stamp *stamp);
    /** Say what happened to the source ("microphone gone", "back"). Not from the audio thread. */
    void (*state)(void *user, const char *sentence);
    /** The source is over: status 0 = its end, -errno = failed for good. Any thread but the audio
        thread. */
    void (*end)(void *user, int status);
};

/** A source of audio. It has either `read` (pulled from the library's capture thread, for files,
    pipes and devices that block) or `start` and `stop` (pushes from a thread of its own). */
struct vs_capture_ops {
    uint32_t abi;
    const char *name;        /**< as in --capture */
    const char *description; /**< one line for people */
    size_t state_size;
    /** Open the source. Blocks. Writes one sentence to params->env->log on failure.
        @return 0, -ENOENT, -ENODEV, -EACCES, -EBADMSG (not audio), -EINVAL, -ENOTSUP, … */
    int (*open)(void *state, const struct vs_capture_params *params, struct vs_capture_format *ret);
    /** Fill up to `frames` frames; blocks until at least one, the end, or cancel().
        No allocation for live sources. @return frames, 0 = end, -ECANCELED, or -errno (the source
        is over; -EBADMSG = damaged from here on, what was read before is valid). */
    int64_t (*read)(void *state, void *pcm, size_t frames, struct vs_capture_stamp *ret);
    /** Begin to push. `sink` lives until stop() returned. @return 0 or -errno. */
    int (*start)(void *state, const struct vs_capture_sink *sink);
    /** Stop pushing; no call of the sink runs after it returned. */
    void (*stop)(void *state);
    /** Make a blocked read() return. Any thread, also a signal handler. May be NULL. */
    void (*cancel)(void *state);
    void (*close)(void *state);
    /** Visit what can be opened; may be NULL. @return how many, or -errno. */
    int (*list)(const struct vs_env *env, void (*visit)(void *user, const struct vs_device *device),
                void *user);
};

struct vs_vad_params {
    size_t size;
    const struct vs_env *env; /**< lives as long as the backend's state */
    const char *argument;
    unsigned cpu; /**< enum vs_cpu_flags to use */
};

enum vs_vad_flags {
    VS_VAD_BLOCKS = 1 << 0, /**< infer() waits for a device, or allocates: not for a real-time
                                 thread. The library calls it on a thread of its own */
};

struct vs_vad_shape {
    size_t size;
    uint32_t block_frames;   /**< 16 kHz frames per infer(), 1..4096; best = VS_HOP_FRAMES */
    uint32_t latency_frames; /**< the result lags the block's end by this many frames */
    const char *device;      /**< "cpu", "npu", …; lives until close() */
    uint32_t flags;          /**< enum vs_vad_flags */
    float sure;              /**< what `sure` of speech reaches, see text_sure in pipeline.h; 0 =
                                  segments of every kind may be speech */
    const char *kin;         /**< detectors of the same word understand each other's memory, see
                                  save() in struct vs_vad_ops; NULL = nobody's. Static */
};

/** A voice activity detector. */
struct vs_vad_ops {
    uint32_t abi;
    const char *name;
    const char *description;
    size_t state_size;
    /** @return 0, -ENOENT (model), -EBADMSG (damaged model or trace), -EINVAL, -ENOTSUP, -ENOMEM */
    int (*open)(void *state, const struct vs_vad_params *params, struct vs_vad_shape *ret);
    /** One block in, one probability out. Real-time safe, unless open() set VS_VAD_BLOCKS.
        @return 0 or -errno. */
    int (*infer)(void *state, const float *block, float *ret);
    void (*reset)(void *state); /**< as after open(); as infer() */
    void (*close)(void *state);
    /** Visit the devices it can run on; may be NULL. Blocks. @return how many, or -errno. */
    int (*list)(const struct vs_env *env,
                void (*visit)(void *user, const char *device, const char *description), void *user);

    /* What follows may be NULL. */
    /** What became of its device since the last call: a sentence that lives until close(), or NULL.
        After infer(), on its thread; real-time safe. @param ret 0 or -errno of what happened */
    const char *(*news)(void *state, int *ret);
    /** Any thread. */
    void (*stats)(const void *state, struct vs_device_stats *ret);
    /** What it remembers of the audio, for another detector of the same kin; real-time safe.
        `memory` is `memory_size` bytes, aligned to 64. */
    size_t memory_size;
    void (*save)(const void *state, void *memory);
    int (*restore)(void *state, const void *memory); /**< @return 0 or -errno */
};

struct vs_stt_params {
    size_t size;
    const struct vs_env *env; /**< lives as long as the backend's state */
    const char *argument;
    uint32_t threads; /**< that it should use, see text_threads in place.h; 0 = its choice */
};

/** A text engine. All calls but cancel() come from one thread, which is not real-time.
    Audio is mono float at VS_RATE_HZ and belongs to a speech segment. */
struct vs_stt_ops {
    uint32_t abi;
    const char *name;
    const char *description;
    size_t state_size;
    int (*open)(void *state, const struct vs_stt_params *params); /**< loads the model; blocks */
    int (*begin)(void *state, uint64_t segment);
    /** @return 0, 1 = partial() has news, -errno */
    int (*feed)(void *state, const float *audio, size_t frames);
    /** What is recognised so far; may be NULL. `*ret` lives until the next call. */
    int (*partial)(void *state, const char **ret);
    /** End of the segment: its text, UTF-8, "" for none. `*ret` lives until the next call. */
    int (*finish)(void *state, const char **ret);
    void (*cancel)(void *state); /**< any thread: make feed() or finish() return -ECANCELED soon */
    void (*close)(void *state);
    /** After finish(): the words of its text and when they were said, in seconds since the first
        frame of the segment; may be NULL. `*ret` lives until the next call. @return how many, 0 = it
        does not know, or -errno */
    int (*words)(void *state, const struct vs_word **ret);
};

/** A writer of audio files. */
struct vs_writer_ops {
    uint32_t abi;
    const char *name;
    size_t state_size;
    int (*open)(void *state, const struct vs_env *env, const char *path, const char *container,
                uint32_t rate_hz, uint32_t channels, int format);
    int (*write)(void *state, const float *audio, size_t frames);
    int (*close)(void *state); /**< @return 0, or -errno when the file is not complete */
};

/** A reader of the machine's processors. It has no state. */
struct vs_topology_ops {
    uint32_t abi;
    const char *name;
    const char *description;
    /** Fill `count`, `reader` and all of each processor but `usable`, by rising id. Blocks.
        @return 0, -ENOENT, -ENOMEM */
    int (*read)(struct vs_topology *ret);
};

/** Somebody who gives real-time priority to threads that may not take it. It has no state. */
struct vs_realtime_ops {
    uint32_t abi;
    const char *name;
    const char *description;
    /** Ask for the calling thread. Blocks for a second at most.
        @param ret_way set on success: who granted it; static string.
        @return the priority in force, at most the one asked for, or -errno. */
    int (*ask)(int priority, const char **ret_way);
};

/** What the entry symbol of a module file points to. NULL where it has none of a kind. */
struct vs_module {
    uint32_t abi;
    const struct vs_capture_ops *capture;
    const struct vs_vad_ops *vad;
    const struct vs_stt_ops *stt;
    const struct vs_writer_ops *writer;
    const struct vs_topology_ops *topology;
    const struct vs_realtime_ops *realtime;
};

/** The entry symbol of a module file `NAME.so`: `const struct vs_module vs_module_entry`. */
#define VS_MODULE_ENTRY "vs_module_entry"

#ifdef __cplusplus
}
#endif
#endif
