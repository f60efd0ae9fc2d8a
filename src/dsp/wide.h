/* SPDX-License-Identifier: MIT */
/* Enhanced audio at the rate and with the channels of its source. The suppressor works on 0 to 8 kHz
   of each channel at VS_RATE_HZ. What it changes there is brought back to the full rate and added
   to the channel as it came, so that all that lies above 8 kHz is kept, lowered by as much as the
   top of the lower band; where nothing is changed, samples come out as they went in. One gain of
   the level control, and one of the limiter, hold for all channels: the image does not wander. */
#ifndef VS_SRC_DSP_WIDE_H
#define VS_SRC_DSP_WIDE_H

#include <stdbool.h>

#include "dsp/dsp.h"

struct vs__wide;

/** What came out: `frames` interleaved frames. */
struct vs__wide_audio {
    const float *audio;
    const float *plain; /**< the same frames as they came in, finite */
    size_t frames;
    uint64_t position; /**< of the first, in frames at the output's rate since the start */
    float gain_db;     /**< of the level control at the end of it */
    float limit;       /**< the limiter's lowest gain in it, 0..1 */
};

struct vs__wide_config {
    const struct vs__dsp *dsp;
    const char *cpu_name;
    uint32_t rate_hz, channels; /**< of the source */
    int format;
    uint32_t channel;      /**< with one channel out: 1.. = that one, 0 = the mean */
    uint32_t out_hz;       /**< 8000..192000 */
    uint32_t out_channels; /**< 1, or `channels` */
    float high_pass_hz;    /**< 0 = none */
    bool denoise, level;
    uint32_t late_hops; /**< most hops between a hop and its probability */
    void (*emit)(void *user, const struct vs__wide_audio *audio);
    void *user;
};

/** @return 0, -EINVAL, -ENOMEM */
int vs__wide_create(const struct vs__wide_config *config, struct vs__wide **ret);
void vs__wide_destroy(struct vs__wide *w);
/** As after create. */
void vs__wide_reset(struct vs__wide *w);

/** What comes next begins at source frame `source`; that is frame `lead` of its first hop at
    VS_RATE_HZ. The level that was found stays. */
void vs__wide_begin(struct vs__wide *w, uint64_t source, uint32_t lead);
/** `frames` frames of the source, NULL = silence. Emits what is complete. */
void vs__wide_push(struct vs__wide *w, const void *pcm, size_t frames);
/** The source ends here: what the stages hold gets to where it waits for probabilities. */
void vs__wide_end(struct vs__wide *w);
/** Probability of speech of the next hop. Emits what is complete. */
void vs__wide_decide(struct vs__wide *w, float probability);
/** Behind vs__wide_end(): emit all that is left. */
void vs__wide_finish(struct vs__wide *w);

/** Most seconds that a frame waits for what comes behind it, but for probabilities. */
double vs__wide_delay_s(const struct vs__wide *w);
/** That of its last stage alone, which also waits for probabilities. */
double vs__wide_last_delay_s(const struct vs__wide *w);

#endif
