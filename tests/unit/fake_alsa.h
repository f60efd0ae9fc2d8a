/* SPDX-License-Identifier: MIT */
/* A sound card that does as a script says, in libasound's place. */
#ifndef VS_TESTS_UNIT_FAKE_ALSA_H
#define VS_TESTS_UNIT_FAKE_ALSA_H

#include <stdbool.h>
#include <stdint.h>

enum { FAKE_STEPS = 16 };

/** What a call answers, one after the other; the last one stays. */
struct fake_answers {
    long value[FAKE_STEPS];
    unsigned count, at;
};

struct fake_card {
    const char *fail; /**< the call that fails, NULL = none */
    int error;        /**< with this */
    int open;         /**< of snd_pcm_open() */
    uint64_t formats; /**< set of 1 << SND_PCM_FORMAT_… that it has */
    unsigned rate_hz; /**< the one that it has, 0 = any */
    bool is_null;     /**< of the type of the null plug-in */
    const char *dump; /**< what it says of itself */
    int fd, fds;      /**< to be waited for; how many it says there are */
    int given_fds;    /**< how many it gives */
    unsigned short events;
    int state;
    int64_t
        captured_ns; /**< of the newest frame; 0 = it tells no time, negative = it cannot be asked */
    struct fake_answers avail, read, resume;
    void (*on_avail)(void);

    int live;       /**< things that were given and not taken back */
    unsigned calls; /**< of `fail` */
    unsigned starts, prepares, channels;
    unsigned long period, buffer;
};

extern struct fake_card fake_card;

#endif
