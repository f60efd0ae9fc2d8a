/* SPDX-License-Identifier: MIT */
/* What every source asks of a rate, a number of channels and a format; also in the modules. */
#ifndef VS_SRC_CAPTURE_CHECK_H
#define VS_SRC_CAPTURE_CHECK_H

#include <voicestand/backend.h>

#define VS__RATE_MIN     8000u
#define VS__RATE_MAX     192000u
#define VS__CHANNELS_MAX 32u

/** Refuse what no source may deliver, with one sentence that names `thing`.
    @return 0 or `status`, the -errno that fits the source: -EBADMSG for what a file says of itself,
    -EINVAL for what the caller asked. */
int vs__capture_check(const struct vs_env *env, const char *thing, int status, uint64_t rate_hz,
                      uint64_t channels, int format);

/** A number such as "7" without sign or space. @return 0 or -EINVAL. */
int vs__capture_number(const char *text, uint64_t most, uint64_t *ret);

#endif
