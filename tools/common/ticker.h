/* SPDX-License-Identifier: MIT */
/* A microphone made of a timer, where the real pipeline is to be measured and no device to be opened:
   quiet noise at 48 kHz, stereo, 16 bits, a step each period on the period's tick. Its clock is the
   schedule, so a late step is late from when it was due. */
#ifndef VS_TOOLS_COMMON_TICKER_H
#define VS_TOOLS_COMMON_TICKER_H

#include <voicestand/backend.h>

extern const struct vs_capture_ops ticker_capture;

#endif
