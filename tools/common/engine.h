/* SPDX-License-Identifier: MIT */
/* What --stt says, made complete by what is on this machine. */
#ifndef VS_TOOLS_COMMON_ENGINE_H
#define VS_TOOLS_COMMON_ENGINE_H

/** The name of an engine for the library: of "sherpa:NAME", a model of 'voicestand models' becomes its
    folder, and where sherpa-onnx's library lies is added if it is not among the system's. Others stay
    as they are. @param given may be NULL @return `given`, or a string that is never freed */
const char *engine_complete(const char *given);

#endif
