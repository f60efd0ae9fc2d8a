/* SPDX-License-Identifier: MIT */
/* The built-in detectors. Others are found as modules by pipeline/. */
#ifndef VS_SRC_VAD_VAD_H
#define VS_SRC_VAD_VAD_H

#include <voicestand/backend.h>

extern const struct vs_vad_ops vs__vad_null;   /**< "null[:P]": always P [0] */
extern const struct vs_vad_ops vs__vad_replay; /**< "replay:TRACE.csv": what --trace wrote */
extern const struct vs_vad_ops vs__vad_energy; /**< level over a tracked noise floor */
extern const struct vs_vad_ops vs__vad_native; /**< our own detector */
extern const struct vs_vad_ops vs__vad_silero; /**< "silero:PATH": weights file, or its folder */

#endif
