/* SPDX-License-Identifier: MIT */
/* What the user sees and hears beside his work: desktop notifications and short sounds, by programs
   that the desktop has. On a thread of its own; what comes too fast is left out. */
#ifndef VS_TOOLS_DICTATE_NOTICE_H
#define VS_TOOLS_DICTATE_NOTICE_H

#include <stdbool.h>

enum notice_cue { CUE_START, CUE_STOP, CUE_FAIL };

struct notice;

/** @param folder for the sounds, which are made there; may be NULL
    @return 0 or -errno */
int notice_open(bool notify, bool cues, const char *folder, struct notice **ret);
void notice_close(struct notice *n);
/** Any thread; does not block. */
void notice_show(struct notice *n, const char *title, const char *body, bool urgent);
void notice_play(struct notice *n, enum notice_cue cue);

#endif
