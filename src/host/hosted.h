/* SPDX-License-Identifier: MIT */
/* A text engine in a process of its own, seen from the module that owns it. A crash or a hang costs one
   try; the audio is kept and given to another process. The process and its model stay from segment to
   segment. The process itself: host/serve.h. */
#ifndef VS_SRC_HOST_HOSTED_H
#define VS_SRC_HOST_HOSTED_H

#include <sys/types.h>

#include <voicestand/backend.h>

#include "modules/wyoming_client.h"

/** First member of the state of an engine, which makes the functions below fit its table. */
struct vs__hosted {
    struct vs__wyoming_client client; /**< timeout_s and tries are the owner's to set */
    const char *place;                /**< of the model, for sentences */
    const char *const *arguments;     /**< of the program, its name first, NULL last; outlive it */
    char program[600];
    pid_t pid;   /**< 0 = none runs */
    int control; /**< connections go to it this way */
    int errors;  /**< what it prints */
    bool warned; /**< that its sandbox is not whole */
};

/** @param engine for sentences, "PocketSphinx" @param program file beside the module
    @return 0 or -errno; vs__hosted_fini() follows in both cases */
int vs__hosted_init(struct vs__hosted *h, const struct vs_log *log, const char *engine,
                    const char *program);
/** Start the process and wait until the model is loaded.
    @param why what it says, or what was wrong: one sentence
    @return 0; -ENOTSUP, -EINVAL, -ENOENT, -EBADMSG as it says; or -errno */
int vs__hosted_start(struct vs__hosted *h, char *why, size_t bytes);
/** End the process too. */
void vs__hosted_fini(struct vs__hosted *h);

int vs__hosted_begin(void *state, uint64_t segment);
int vs__hosted_feed(void *state, const float *audio, size_t frames);
int vs__hosted_partial(void *state, const char **ret);
int vs__hosted_finish(void *state, const char **ret);
int vs__hosted_words(void *state, const struct vs_word **ret);
void vs__hosted_cancel(void *state);

#endif
