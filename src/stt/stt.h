/* SPDX-License-Identifier: MIT */
/* The built-in text engines. Others are found as modules by pipeline/. */
#ifndef VS_SRC_STT_STT_H
#define VS_SRC_STT_STT_H

#include <voicestand/backend.h>

extern const struct vs_stt_ops vs__stt_null; /**< hears everything, says nothing */
extern const struct vs_stt_ops vs__stt_exec; /**< "exec:COMMAND": a program per segment */

#endif
