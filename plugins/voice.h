/* SPDX-License-Identifier: MIT */
/* What the LADSPA and the LV2 plugins share: a stream that enhances, behind blocks of any length that
   go in and come out at once. Everything comes out later by the same number of frames, which is
   told. Nothing but create and destroy allocates, locks or blocks. */
#ifndef VS_PLUGINS_VOICE_H
#define VS_PLUGINS_VOICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VOICE_CHANNELS_MAX = 2 };

/** A plugin that a host loaded; one thread at a time. */
struct voice;

/** @param rate_hz 8000..192000. @param channels 1..VOICE_CHANNELS_MAX. @param level nonzero: speech is
    levelled and limited too. @return NULL where the rate is none of those, or memory is short */
struct voice *voice_create(uint32_t rate_hz, uint32_t channels, bool level);
void voice_destroy(struct voice *v);
/** As after create. */
void voice_reset(struct voice *v);

/** Where port `port` reads or writes: inputs, outputs, then the controls of ports.h. An output may be
    the memory of any input. Ports that are not there are ignored. */
void voice_connect(struct voice *v, unsigned long port, float *data);
/** `frames` frames of each channel in and out, any number, once all ports are connected. Values of
    controls that are out of range count as the nearest in it, NaN as the least. */
void voice_run(struct voice *v, size_t frames);

#endif
