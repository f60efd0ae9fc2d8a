/* SPDX-License-Identifier: MIT */
/* Between 'voicestand serve' and the modules that speak a protocol: the command hears, a module
   speaks. All code for networks is in the modules. */
#ifndef VS_TOOLS_SERVE_SERVER_H
#define VS_TOOLS_SERVE_SERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <voicestand/event.h>

#define SERVER_ABI   1u
#define SERVER_ENTRY "voicestand_server"

/** Audio of one request, and who is told what is heard in it. */
struct server_job {
    bool text;        /* give it to the text engine; else only where speech is, is told */
    const char *path; /* of a file that holds the audio; NULL = it is read */
    /* what is read: */
    uint32_t rate_hz, channels;
    int format; /* enum vs_format */
    /** @return frames, 0 = its end, -errno */
    int64_t (*read)(void *user, void *pcm, size_t frames);
    /** Told on the thread that called. @return false: hear no more */
    bool (*event)(void *user, const struct vs_event *event);
    /** Asked every now and then while it waits. @return true: nobody waits for it any more */
    bool (*is_gone)(void *user);
    void *user;
    char why[512]; /* set on failure: a sentence */
};

/** Audio of the microphone, mono at VS_RATE_HZ. */
struct server_mic {
    /** More of it; on a thread of the pipeline's: must not block. */
    void (*audio)(void *user, const float *audio, size_t frames);
    /** It is over and will not come back. Any thread. */
    void (*end)(void *user);
    void *user;
};

/** What the command lends to a module; all of it from any thread. */
struct server_host {
    void *user;
    const char *version;
    const char *engine;    /* for people and as the name of a model; NULL = there is none */
    const char *languages; /* that it knows, as in "en,de"; "" = not known */
    const char *key;       /* that a client must show; NULL = none */
    bool own_names;        /* a port of the loopback, asked for under its names alone */
    uint32_t clients;      /* at once */
    uint32_t idle_s;       /* after which a silent client is left */
    uint32_t request_s;    /* that a request may take */
    uint32_t audio_s;      /* of one request */
    size_t upload_bytes;
    /** Hear a job; blocks. @return 0; -ECANCELED the server ends, or as `event`, `is_gone` wished;
        -EBUSY no engine came free in time; -EFBIG longer than audio_s; -EBADMSG not audio;
        -ETIMEDOUT longer than request_s; or -errno */
    int (*hear)(void *user, struct server_job *job);
    /** Segments as captions, "srt" or "vtt"; `*ret` is to be freed. @return 0 or -errno */
    int (*captions)(const char *format, uint32_t rate_hz, const struct vs_event *segments,
                    size_t count, char **ret);
    /** Open the microphone, and close it. @return 0, -EBUSY it is open, or -errno */
    int (*mic_open)(void *user, const struct server_mic *mic);
    void (*mic_close)(void *user);
    /** One line for who runs the server. */
    __attribute__((format(printf, 3, 4))) void (*say)(void *user, int level, const char *format,
                                                      ...);
};

struct server_ops {
    uint32_t abi;
    /** Answer on `fd`, a listening socket, until `stop_fd` is readable; both stay the caller's.
        `local` says that it is a Unix socket: then only this user and root are answered.
        `mic`: give the microphone out instead of hearing what comes in.
        @return 0 or -errno */
    int (*run)(int fd, bool local, int stop_fd, bool mic, const struct server_host *host);
};

#endif
