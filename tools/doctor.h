/* SPDX-License-Identifier: MIT */
/* The parts of `voicestand doctor`. */
#ifndef VS_TOOLS_DOCTOR_H
#define VS_TOOLS_DOCTOR_H

#include "common/common.h"

enum verdict { OK, WARN, MISSING };

/** One line: what was looked at, what was found, what the user can do (NULL = nothing). */
__attribute__((format(printf, 5, 6))) void report(const char *area, const char *name,
                                                  enum verdict verdict, const char *fix,
                                                  const char *format, ...);
/** First line of a small file, without its end. @return false if it cannot be read. */
bool read_line(const char *path, char *ret, size_t size);

/** Each step from the PCI bus to an NPU's node and its libraries; the first that fails is the last
    that is told. `root` holds the sys/, dev/ and usr/ to look at; "" = this machine.
    @return whether all is there */
bool check_npu(const char *root);
/** OpenVINO and its devices: a first inference on each, how quick it is, whether it agrees with
    native; remembers that for --vad auto. `npu`: one should be among them. */
void check_openvino(const struct vs_env *env, bool npu);
/** Which layers keep a decoder of audio files from doing harm. */
void check_sandbox(const struct vs_env *env);
/** What dictation can do in this session. */
void check_dictation(const struct vs_env *env);

#endif
