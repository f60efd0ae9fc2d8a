/* SPDX-License-Identifier: MIT */
/* The pipeline: owns the source, the threads and the memory; tells what it found by events. */
#ifndef VOICESTAND_PIPELINE_H
#define VOICESTAND_PIPELINE_H

#include <voicestand/base.h>
#include <voicestand/event.h>
#include <voicestand/segment.h>
#include <voicestand/stats.h>
#include <voicestand/stt.h>

#ifdef __cplusplus
extern "C" {
#endif

struct vs_capture_ops;
struct vs_vad_ops;
struct vs_stt_ops;

/** A voice pipeline. One owner thread makes all calls, except where a comment says "any thread". */
typedef struct vs_pipeline vs_pipeline;

/** Zero-initialise, set `size`, set what you need. Zero always means the default.
    Backends are named "name" or "name:argument". */
struct vs_pipeline_config {
    size_t size; /**< sizeof(struct vs_pipeline_config) */
    struct vs_env env;

    /** "file:PATH", "pipe", "alsa[:PCM]", "pipewire[:TARGET]", "null[:SECONDS]"; NULL or "auto" =
        pipewire, then alsa. */
    const char *capture;
    /** "native" (NULL), "energy", "silero:WEIGHTS", "openvino:DEVICE[@WEIGHTS]",
        "auto[:DEVICE]" (as openvino, but starts where there is no such device, with native),
        "replay:TRACE.csv", "null" */
    const char *vad;
    const char *
        stt; /**< "null" (NULL), "pocketsphinx", "sherpa:MODEL", "http:URL", "wyoming:HOST:PORT", "exec:COMMAND"; see docs/engines.md */

    /** Backends of your own instead of the named ones; see backend.h. The argument behind the
        colon of the name above still reaches them. */
    const struct vs_capture_ops *capture_ops;
    const struct vs_vad_ops *vad_ops;
    const struct vs_stt_ops *stt_ops;

    uint32_t rate_hz;  /**< ask the source for it, 8000..192000; raw pipes need it [the source's] */
    uint32_t channels; /**< ask the source for it, 1..32; raw pipes need it [the source's] */
    int format;        /**< raw pipes: enum vs_format */
    int raw;           /**< pipe: nonzero = headerless PCM as above, zero = WAV */
    uint32_t channel;  /**< 1.. = use that channel alone [0 = the mean of all] */

    uint32_t latency_ms; /**< period asked of a device, 2..100 [5] */
    uint32_t ring_ms;    /**< how late the worker may be before frames drop [500] */
    uint32_t backlog_ms; /**< how far the text engine may fall behind before audio drops [60000] */
    float high_pass_hz;  /**< cut-off of the high-pass [80]; negative = none */
    int realtime;        /**< 0 = ask for real-time priority where allowed, negative = never */
    int audio;           /**< enum vs_audio */
    int probabilities;   /**< nonzero: a VS_EVENT_PROBABILITY for each hop */
    struct vs_segment_config segment;

    vs_event_fn *on_event; /**< may be NULL */
    void *user;

    vs_stt *engine;   /**< instead of `stt`: an open engine; must outlive the pipeline */
    int enhance;      /**< set of enum vs_enhance, for AUDIO events [0 = none] */
    int enhance_text; /**< nonzero: the text engine gets enhanced audio too */

    uint32_t audio_rate_hz; /**< of VS_AUDIO_WIDE, 8000..192000 [the source's] */
    uint32_t
        audio_channels; /**< of VS_AUDIO_WIDE: 1, made as `channel` says, or 0 = the source's [0;
                                  1 where `channel` is set] */

    const char *placement; /**< where the threads of a started pipeline run: a policy of
                              vs_placement_plan() [auto; none where the source is not live] */
    int save_power;        /**< of a live source: 0 = while a battery is emptied or the hardware
                              throttles, negative = never, positive = always. Saving moves the
                              threads to efficient cores and wakes the worker for 40 ms at a time;
                              a STATE event says when it begins and ends */
    double start_s;        /**< "file:": where to begin, in seconds, rounded to a frame [0] */
    double length_s; /**< "file:": how much to hear, less where the file ends before [0 = to its
                              end]. Positions of events count from `start_s` */

    float text_sure; /**< a segment has a text only if its `sure` reaches this, 0..1, and a text
                        stays only if it is not thin, see vs_text_is_thin() [what the detector
                        recommends: native 0.99; others none]; negative = every segment */
};

/** Build a pipeline: opens the source, the detector and the engine, and allocates all it will ever
    need. Blocks while they open. On success `*ret` belongs to the caller, on failure it is
    untouched. The log gets one sentence that names the thing.
    @return 0; -EINVAL bad configuration, unknown backend, or a start behind the end of a file; -ENOENT no such file or model; -ENODEV
    no such device; -EACCES no permission; -EBADMSG not audio, or damaged; -ENOTSUP backend or
    format not available; -ENOMEM; or what the backend reports. */
VS_API VS_NODISCARD int vs_pipeline_create(const struct vs_pipeline_config *config,
                                           vs_pipeline **ret);

/** Run to the end of the source on the caller's thread, without queues: for files and pipes.
    Blocks until the source ends, fails or vs_pipeline_abort() is called; the ledger is delivered
    in each case. @return 0; -ECANCELED aborted; -EALREADY it ran before; -ENOTSUP for a source
    that must be started (PipeWire); or the source's error. */
VS_API VS_NODISCARD int vs_pipeline_run(vs_pipeline *p);

/** Start the threads. Does not wait for audio. Where it fails, no event is told behind it, and none
    that says that the run is over. @return 0; -EALREADY it ran before, or a thread or the source could
    not be started; -EAGAIN or -ENOMEM no thread; -ENOTSUP with VS_AUDIO_WIDE; or the source's error. */
VS_API VS_NODISCARD int vs_pipeline_start(vs_pipeline *p);

/** Wait until a started pipeline has come to its end by itself: end of file, or a source that
    failed for good. Any thread. @param timeout_ms negative = for ever.
    @return 0 ended, 1 still running, or the error that ended it. */
VS_API VS_NODISCARD int vs_pipeline_wait(vs_pipeline *p, int timeout_ms);

/** Stop capture, process what was captured, close an open segment, deliver the ledger, join the
    threads. Blocks; bounded by the text engine. Idempotent. */
VS_API void vs_pipeline_stop(vs_pipeline *p);

/** Make vs_pipeline_run() return soon, or a started pipeline end soon. Any thread, also a signal
    handler; never blocks. Idempotent. */
VS_API void vs_pipeline_abort(vs_pipeline *p);

/** Stop if running, close everything, free everything. NULL is fine. */
VS_API void vs_pipeline_destroy(vs_pipeline *p);

/** Copy the current figures. Any thread, never blocks. Set `ret->size` first. */
VS_API void vs_pipeline_stats(const vs_pipeline *p, struct vs_stats *ret);

/** What was opened: e.g. capture "pipewire", device "USB microphone". Strings live as long as the
    pipeline. */
struct vs_pipeline_info {
    size_t size;
    const char *capture, *device; /**< backend and what it opened */
    const char *vad, *vad_device; /**< backend and what it runs on */
    const char *stt;              /**< "null" = none */
    const char *cpu;              /**< level of the kernels in use */
    uint32_t rate_hz, channels;   /**< of the source */
    int format;                   /**< of the source, enum vs_format */
    int live;                     /**< nonzero: a clock of its own, cannot wait */
    uint64_t total_frames;        /**< length of a file, 0 = unknown */
    float text_sure;              /**< in force; 0 = none */
};
/** Copy what was opened. Any thread, never blocks. Set `ret->size` first. */
VS_API void vs_pipeline_info(const vs_pipeline *p, struct vs_pipeline_info *ret);

/** Something that can be opened as a source. Set by vs_devices_list(). */
struct vs_device {
    size_t size;
    const char *capture;     /**< what --capture takes, "pipewire:alsa_input.usb-…" */
    const char *description; /**< for people */
    int is_default;          /**< nonzero: what "auto" would open with this backend */
    uint32_t rate_hz;        /**< preferred, 0 = unknown or any */
    uint32_t channels;       /**< 0 = unknown or any */
};

/** Call `visit` for each device of each capture backend that is available. Blocks up to 2 s.
    `env` may be NULL. @return how many, or -errno when none could be asked. */
VS_API VS_NODISCARD int vs_devices_list(const struct vs_env *env,
                                        void (*visit)(void *user, const struct vs_device *device),
                                        void *user);

/** Call `visit` for each backend of a stage ("capture", "vad", "stt"): its name, 0 or why it cannot
    be used here (-ENOTSUP not built, -ENOENT module or model not installed), and a sentence.
    Blocks while modules load. `env` may be NULL. @return how many, or -EINVAL. */
VS_API VS_NODISCARD int vs_backends_list(const struct vs_env *env, const char *stage,
                                         void (*visit)(void *user, const char *name, int status,
                                                       const char *description),
                                         void *user);

/** Path of the module file `name` ("sndfile", …), where the library would load it from. `env` may be
    NULL. Blocks. @return 0; -ENOENT it is not installed; -ENAMETOOLONG. */
VS_API VS_NODISCARD int vs_module_path(const struct vs_env *env, const char *name, char *ret,
                                       size_t bytes);

#ifdef __cplusplus
}
#endif
#endif
