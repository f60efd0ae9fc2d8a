/* SPDX-License-Identifier: MIT */
/* Less rights for a process that parses what others made. Each layer is had or not, as the kernel
   offers; what is given up never comes back, also not in processes that are started from then on. */
#ifndef VS_SRC_MODULES_SANDBOX_H
#define VS_SRC_MODULES_SANDBOX_H

#include <stddef.h>

enum vs__sandbox_layer {
    VS__SANDBOX_PRIVILEGES = 1 << 0, /**< no program gives new rights (no-new-privs) */
    VS__SANDBOX_LANDLOCK = 1 << 1,   /**< no file can be opened but those named */
    VS__SANDBOX_SECCOMP = 1 << 2,    /**< system calls are limited */
    VS__SANDBOX_ALL = 7,
};

/** What a filter lets through. Who calls what only an attacker would dies of SIGSYS. */
enum vs__sandbox_filter {
    VS__SANDBOX_DECODER, /**< reads, memory and what goes through open sockets; no file, no process */
    VS__SANDBOX_PARENT, /**< that, and fork(), and what a parent of decoders does */
    VS__SANDBOX_ENGINE, /**< anything but new sockets, programs and processes, and looking into others */
};

/** Give up new privileges and the rights to files: `readable` names what may still be opened to
    be read, with all below it, and ends with NULL; what is not there is left out.
    @return the set of layers that are in force */
unsigned vs__sandbox_enter(const char *const *readable);
/** Limit system calls, after vs__sandbox_enter(). @return VS__SANDBOX_SECCOMP or 0 */
unsigned vs__sandbox_filter(enum vs__sandbox_filter filter);
/** All of it for a text engine, before it reads a model: `models` names the files and folders that it may
    read, NULL last; beside them what tells of the machine. @return the layers that are in force */
unsigned vs__sandbox_engine(const char *const *models);
/** Words for the layers that are not in `layers`, "" = all are there. Without no-new-privs no other is. */
static inline const char *vs__sandbox_lack(unsigned layers)
{
    static const char *const words[] = {"Landlock and seccomp", "seccomp", "Landlock", ""};

    return words[(layers & VS__SANDBOX_LANDLOCK ? 1 : 0) | (layers & VS__SANDBOX_SECCOMP ? 2 : 0)];
}
/** Limits that keep an error small: bytes of address space, no core dump, no growing file. */
void vs__sandbox_limit(size_t address_bytes);
/** The version of Landlock that the kernel has, 0 = none. */
int vs__sandbox_landlock_abi(void);

#endif
