/* SPDX-License-Identifier: MIT */
/* Everything a user of the library needs. Writers of backends add backend.h. */
#ifndef VOICESTAND_VOICESTAND_H
#define VOICESTAND_VOICESTAND_H

#include <voicestand/base.h>
#include <voicestand/dsp.h>
#include <voicestand/event.h>
#include <voicestand/pipeline.h>
#include <voicestand/place.h>
#include <voicestand/power.h>
#include <voicestand/segment.h>
#include <voicestand/stats.h>
#include <voicestand/stream.h>
#include <voicestand/stt.h>
#include <voicestand/vad.h>
#include <voicestand/writer.h>

#endif
