/* SPDX-License-Identifier: MIT */
/* A socket that others connect to: of this user alone, of this machine, or of the network. */
#ifndef VS_TOOLS_COMMON_LISTENER_H
#define VS_TOOLS_COMMON_LISTENER_H

#include <stdbool.h>

struct listener {
    int fd;         /* -1 = none */
    bool is_local;  /* a Unix socket */
    bool is_open;   /* other machines reach it */
    char name[160]; /* where it is, for people: "127.0.0.1:10300", "unix:/run/…" */
    char path[108]; /* of a Unix socket that is ours, to be removed; "" = none */
};

/** Listen at "unix:PATH", mode 0600, which takes the place of a socket that nobody listens on any
    more; at PORT on 127.0.0.1; at ADDRESS:PORT or [ADDRESS]:PORT, ADDRESS a number or localhost, where
    port 0 is any free one; or "systemd": the one socket that systemd hands over.
    @return 0; -EINVAL none of these; -ENAMETOOLONG; -EADDRINUSE; -ENOENT no socket of systemd's;
    or -errno. listener_close() is fine in each case */
int listener_open(const char *address, struct listener *ret);
/** Close and remove it. Not the descriptor, if its owner set it to -1. */
void listener_close(struct listener *l);

#endif
