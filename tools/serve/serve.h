/* SPDX-License-Identifier: MIT */
/* The module that answers HTTP on a socket of this machine. It is a file of its own, so that the
   command has no code for networks unless somebody asks for it. */
#ifndef VS_TOOLS_SERVE_H
#define VS_TOOLS_SERVE_H

#include <stddef.h>
#include <stdint.h>

#define SERVE_ABI   1u
#define SERVE_ENTRY "voicestand_serve"

struct serve_answer {
    char *body; /* to be freed with free(); NULL = the page of the module itself */
    size_t bytes;
    const char *type; /* of the content; static string */
};

/** Make the answer to a GET of `path`; `since` is the query of that name, or NULL. Called on the
    module's thread. @return 0, -ENOENT for an unknown path, -ENOMEM. */
typedef int serve_fn(void *user, const char *path, const char *since, struct serve_answer *ret);

struct serve_ops {
    uint32_t abi;
    /** Answer on `fd`, a listening socket, which is the module's from here on. `local` says that it is
        a Unix socket: then only this user and root are answered; else only requests for this
        machine's loopback names. @return 0 or -errno. */
    int (*start)(int fd, int local, serve_fn *answer, void *user, void **ret);
    /** No call of `answer` runs after it returned. NULL is fine. */
    void (*stop)(void *server);
};

#endif
