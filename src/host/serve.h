/* SPDX-License-Identifier: MIT */
/* The process in which a text engine runs: started by a module with a socket as descriptor 3, over which
   it first tells whether the model is loaded, in one message, and then gets a connection for each
   segment, on which it is a Wyoming server that also tells times of words and that it is alive. The
   other side: host/hosted.h. */
#ifndef VS_SRC_HOST_SERVE_H
#define VS_SRC_HOST_SERVE_H

#include <stdbool.h>
#include <stddef.h>

#include <voicestand/event.h>

/** The engine. All calls come from one thread; strings live until the next call. */
struct vs__serve_engine {
    void *user;
    bool (*begin)(void *user); /**< @return false: it cannot; the segment has no text */
    /** 1600 frames at the most. @return false: it failed */
    bool (*feed)(void *user, const float *audio, size_t frames);
    const char *(*partial)(void *user); /**< what is heard so far; NULL = it cannot tell */
    const char *(*finish)(void *user);  /**< the text; NULL: it failed */
    /** Words of that text, seconds since the segment began. NULL = it cannot tell. @return how many */
    size_t (*words)(void *user, const struct vs_word **ret);
    void (*end)(void *user); /**< the segment is over, or nobody wants it; follows each begin() */
};

/** The first message. @param word "ready", with a sentence that is logged; or why there is no engine:
    "missing" library, "usage", "files" of the model, "damaged" model, with a sentence for the user */
__attribute__((format(printf, 2, 3))) void vs__serve_tell(const char *word, const char *format,
                                                          ...);

/** That message, of an engine that is ready, with the layers of the sandbox that it works in: what the kernel lacks
    of them stands in a second line, of which the other side makes a warning. */
void vs__serve_ready(const char *name, unsigned layers);

/** Serve until the module is gone. @return exit status of the process */
int vs__serve(const struct vs__serve_engine *engine);

#endif
