/* SPDX-License-Identifier: MIT */
/* Audio files by libsndfile, in a process of its own: what that process does, and what it says to the
   module. sound-host (src/modules/sound_host.c) is told of a file by a descriptor; whoever decodes it
   has that descriptor and a socket, and nothing else. All is told in packets of one head each. */
#ifndef VS_SRC_CAPTURE_SOUND_H
#define VS_SRC_CAPTURE_SOUND_H

#include <stddef.h>
#include <stdint.h>

#define VS__SOUND_HOST "sound-host" /**< the program, beside the module */

enum {
    VS__SOUND_CONTROL_FD = 3,      /**< of the program: where it is asked, SOCK_SEQPACKET */
    VS__SOUND_PCM_BYTES = 1 << 15, /**< at most in a packet */
    VS__SOUND_WHY_BYTES = 200,
    VS__SOUND_FRAME_BYTES = 32 * 4, /**< of the widest frame that is taken */
};

/** To the program, with the descriptors of the file and of the decoder's socket. */
struct vs__sound_ask {
    int32_t raw; /**< nonzero: headerless, as said next */
    int32_t format;
    uint32_t rate_hz, channels;
    double start_s; /**< begin there: 0 or more, rounded to a frame */
};

enum vs__sound_word {
    VS__SOUND_LAYERS, /**< the program began; `status`: enum vs__sandbox_layer that are in force */
    VS__SOUND_HELLO, /**< a decoder began; with a descriptor of its process, where the kernel has them */
    VS__SOUND_OPENED, /**< rate, channels, format, total; or status and why */
    VS__SOUND_PCM,    /**< `frames` frames lie behind the head */
    VS__SOUND_END,    /**< status 0, or what is damaged and why */
    VS__SOUND_DIED,   /**< the decoder ended before that, by signal `status`, or 0 */
};

/** What each packet begins with. Members that a word does not use are 0. */
struct vs__sound_head {
    uint32_t word;
    int32_t status; /**< 0 or -errno */
    uint32_t rate_hz, channels;
    int32_t format;
    uint32_t frames;
    uint64_t total; /**< frames that the file promises, 0 = it does not say */
    uint64_t
        first; /**< OPENED: frames that were skipped; fewer than asked for = there are no more. END: the first
                         frame behind what is damaged */
    char why[VS__SOUND_WHY_BYTES];
};

/** A file that is decoded, in this process. */
struct vs__sound {
    void *file; /**< SNDFILE */
    int format;
    int fd_plus_one;
    struct vs__mpeg *mpeg; /**< reads instead of `file`, which does not know how long it is */
    struct vs__opus_times *times; /**< if those of the file are wrong */
    uint64_t position;            /**< of the frame that comes next */
    int error;                    /**< the first that libsndfile had, 0 = none */
    uint64_t damaged_at;
};

/** The frame at which a part begins. `start_s` is 0 to 10^9. */
static inline uint64_t vs__sound_first(double start_s, uint32_t rate_hz)
{
    return (uint64_t)(start_s * rate_hz + 0.5);
}

/** Open what `fd` reads, which is taken over in any case. `ret`: all of OPENED but the word. */
void vs__sound_open(struct vs__sound *s, int fd, const struct vs__sound_ask *ask,
                    struct vs__sound_head *ret);
/** @return frames, or 0 at the end, or of no more */
int64_t vs__sound_read(struct vs__sound *s, void *pcm, size_t frames);
/** Why no more came. `ret`: all of END but the word. */
void vs__sound_end(const struct vs__sound *s, struct vs__sound_head *ret);
/** After open, also a failed one. */
void vs__sound_close(struct vs__sound *s);

#endif
