/* SPDX-License-Identifier: MIT */
/* The built-in sources. Others (file, alsa, pipewire) are found as modules by pipeline/. */
#ifndef VS_SRC_CAPTURE_CAPTURE_H
#define VS_SRC_CAPTURE_CAPTURE_H

#include <voicestand/backend.h>

extern const struct vs_capture_ops vs__capture_null; /**< "null[:SECONDS]": silence */
extern const struct vs_capture_ops vs__capture_pipe; /**< "pipe[:FD]": WAV or raw PCM, fd 0 */

#endif
