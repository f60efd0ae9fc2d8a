/* SPDX-License-Identifier: MIT */
/* The edge: where a source's frames enter, are counted by the source's own position, and go into
   the ring; what is missing or does not fit is counted by cause and told to the worker in its
   place. One producer thread. */
#ifndef VS_SRC_PIPELINE_EDGE_H
#define VS_SRC_PIPELINE_EDGE_H

#include "pipeline/report.h"
#include "ring/ring.h"

enum vs__record_kind { VS__RECORD_DATA, VS__RECORD_GAP };

/** What the worker reads beside the audio: how to take the next frames. */
struct vs__record {
    uint32_t kind;
    uint32_t cause; /**< GAP: enum vs_drop */
    uint64_t frames;
    int64_t time_ns; /**< DATA: capture time of the first, 0 = unknown */
};

struct vs__edge {
    uint32_t rate_hz;
    size_t frame_bytes;
    struct vs__ring *data;    /**< interleaved source frames; NULL when used for counting only */
    struct vs__ring *records; /**< struct vs__record */
    struct vs__signal *wake;  /**< the worker's */
    /** Frames to gather before it is woken; 0 = for any. The worker exchanges it and then looks for
        records, the producer puts a record and then reads it with an exchange too: one of them sees
        what the other did. What came before a silent source's pause may wait for what comes after
        it. */
    _Atomic uint32_t gather_frames;
    int64_t begin_ns;

    uint64_t expected;            /**< position of the next frame by the source's count */
    uint64_t owed[VS_DROP_COUNT]; /**< dropped, not yet told to the worker */
    _Atomic uint64_t captured;
    struct vs__losses losses;
    _Atomic int64_t first_ns; /**< from begin_ns to the first frame */
    _Atomic uint32_t peak_frames;
    _Atomic bool ended; /**< release: nothing more comes, `status` and `owed` are final */
    int status;
};

/** Rings for `ring_ms` of audio. @return 0, -ENOMEM or -errno */
int vs__edge_open(struct vs__edge *e, uint32_t ring_ms, struct vs__signal *wake);
void vs__edge_close(struct vs__edge *e);

/** Count `frames` captured at `stamp`. @return frames missing before them, their cause in
    `*ret_cause`. */
uint64_t vs__edge_count(struct vs__edge *e, size_t frames, const struct vs_capture_stamp *stamp,
                        int *ret_cause);

/** Room for up to `want` frames in place; 0 when the ring is full. */
void *vs__edge_begin(struct vs__edge *e, size_t want, size_t *ret_frames);
/** `frames` frames stand in the room. */
void vs__edge_commit(struct vs__edge *e, size_t frames, const struct vs_capture_stamp *stamp);
/** Copy frames in; what does not fit is dropped and counted. Real-time safe. */
void vs__edge_push(struct vs__edge *e, const void *pcm, size_t frames,
                   const struct vs_capture_stamp *stamp);
/** `frames` frames were captured and had to be thrown away. */
void vs__edge_discard(struct vs__edge *e, size_t frames, const struct vs_capture_stamp *stamp);
/** Nothing more comes. status: 0 = end, -errno. */
void vs__edge_end(struct vs__edge *e, int status);

#endif
