/* SPDX-License-Identifier: MIT */
/* What stands behind a server: text engines that are kept open, a run of the pipeline for each
   request, the microphone while somebody wants it. Nothing of networks. */
#ifndef VS_TOOLS_SERVE_SPEECH_H
#define VS_TOOLS_SERVE_SPEECH_H

#include "common/common.h"
#include "serve/server.h"

enum { SPEECH_ENGINES_MAX = 64 };

struct speech;

/** Load `engines` text engines, if --stt names one. @return 0 or the exit status, after one line */
int speech_open(const struct settings *s, unsigned engines, struct speech **ret);
/** Limits of a request, before the first one. */
void speech_limit(struct speech *s, uint32_t wait_s, uint32_t request_s, uint32_t audio_s);
/** Make every speech_hear() return -ECANCELED soon, also those to come. Any thread. */
void speech_stop(struct speech *s);
/** No call may run any more. NULL is fine. */
void speech_close(struct speech *s);

/** As struct server_host says; any thread, several at once. */
int speech_hear(void *speech, struct server_job *job);
int speech_captions(const char *format, uint32_t rate_hz, const struct vs_event *segments,
                    size_t count, char **ret);
int speech_mic_open(void *speech, const struct server_mic *mic);
void speech_mic_close(void *speech);

#endif
