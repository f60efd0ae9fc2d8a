/* SPDX-License-Identifier: MIT */
/* The peer that is C++, behind C. */
#ifndef VS_BENCH_PEER_WEBRTC_H
#define VS_BENCH_PEER_WEBRTC_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Gain control alone, at 16 kHz. NULL = it does not open. */
void *bench_webrtc_open(void);
/** Noise suppression alone, at 16 kHz, level high. NULL = it does not open. */
void *bench_webrtc_open_suppression(void);
/** 160 samples in place. */
void bench_webrtc_hop(void *state, int16_t *pcm);
void bench_webrtc_close(void *state);

#ifdef __cplusplus
}
#endif
#endif
