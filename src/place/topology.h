/* SPDX-License-Identifier: MIT */
/* The readers of a machine's processors. */
#ifndef VS_SRC_PLACE_TOPOLOGY_H
#define VS_SRC_PLACE_TOPOLOGY_H

#include <voicestand/place.h>

/** Read sys/ and proc/ below `root` ("" = this machine). @return 0 or -ENOENT. */
int vs__topology_read(const char *root, struct vs_topology *ret);
/** Fill what another reader does not know: which processors may be used, the limit of the control
    group, and the kinds of cores that the kernel has names for. */
void vs__topology_complete(const char *root, struct vs_topology *ret);

/** The processors that may be used. */
void vs__topology_usable(const struct vs_topology *t, uint64_t *ret);

#endif
