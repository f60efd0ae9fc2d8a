/* SPDX-License-Identifier: MIT */
/* The writer of audio files: WAV and FLAC. */
#ifndef VS_SRC_CAPTURE_SAVE_H
#define VS_SRC_CAPTURE_SAVE_H

#include <voicestand/backend.h>

extern const struct vs_writer_ops vs__save_ops;

#endif
